package e2ee

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
)

func TestCrossSigning(t *testing.T) {
	each2(t, func(t *testing.T, w *world) {
		up, m, ss, _ := identityOf(alice, "a")
		needs := func(up CrossSigning) bool {
			t.Helper()
			return errors.Is(w.UploadCrossSigning(w.ctx, alice, up, false), ErrUnconfirmed)
		}
		// Two first uploads at a time: one of them is the first.
		second, _, _, _ := identityOf(alice, "second")
		results := make(chan error, 2)
		for _, first := range []CrossSigning{up, second} {
			go func() { results <- w.UploadCrossSigning(w.ctx, alice, first, false) }()
		}
		if a, b := <-results, <-results; errors.Is(a, ErrUnconfirmed) == errors.Is(b, ErrUnconfirmed) {
			t.Errorf("two first uploads: %v and %v", a, b)
		}
		w.must(w.UploadCrossSigning(w.ctx, alice, second, true))
		w.must(w.UploadCrossSigning(w.ctx, alice, up, true))
		w.must(w.UploadCrossSigning(w.ctx, alice, second, true))
		w.took()
		w.must(w.UploadCrossSigning(w.ctx, alice, up, true))
		if got := w.took(); !slices.Equal(got, []Change{{Kind: DeviceList, User: alice}}) {
			t.Errorf("reported %v", got)
		}
		if needs(up) {
			t.Error("the same keys again need authentication")
		}
		w.must(w.UploadCrossSigning(w.ctx, alice, up, false))
		if got := w.took(); len(got) != 0 {
			t.Errorf("the same keys again were reported: %v", got)
		}

		own := w.query(alice, alice)
		if own.MasterKeys[alice] == nil || own.SelfSigningKeys[alice] == nil || own.UserSigningKeys[alice] == nil {
			t.Errorf("own keys: %+v", own)
		}
		others := w.query(bob, alice)
		if others.MasterKeys[alice] == nil || others.SelfSigningKeys[alice] == nil || others.UserSigningKeys[alice] != nil {
			t.Errorf("keys that others see: %+v", others)
		}

		// A new self-signing key under the same master key takes the signatures of the old one with it.
		w.upload(alice, "D", Upload{DeviceKeys: identity(alice, "D")})
		w.sign(t, alice, ss.sign(unsignedDevice(deviceOf(alice, "D"), "D")), "D")
		next := newSigner(alice, "", "next self")
		replace := CrossSigning{SelfSigning: raw(m.sign(crossSigningObject(next, selfSigning)))}
		if !needs(replace) {
			t.Error("a new self-signing key needs no authentication")
		}
		w.must(w.UploadCrossSigning(w.ctx, alice, replace, true))
		if w.signedBy(alice, "D", ss) {
			t.Error("a signature by the former self-signing key is left")
		}

		// A new master key takes everything with it.
		reset, _, _, _ := identityOf(alice, "b")
		if !needs(reset) {
			t.Error("a new master key needs no authentication")
		}
		w.must(w.UploadCrossSigning(w.ctx, alice, CrossSigning{Master: reset.Master}, true))
		if a := w.query(alice, alice); len(a.SelfSigningKeys)+len(a.UserSigningKeys) != 0 || gjson.GetBytes(a.MasterKeys[alice], "keys").Raw == "" {
			t.Errorf("after a reset: %+v", a)
		}
	})
}

// signedBy reports whether the device has a signature by s that others see.
func (w *world) signedBy(user id.UserID, device id.DeviceID, s *signer) bool {
	object := w.query(bob, user).DeviceKeys[user][device]
	return gjson.GetBytes(object, "signatures."+gjson.Escape(string(s.user))+"."+gjson.Escape(s.name)).Exists()
}

// sign uploads a signed object and expects success.
func (w *world) sign(t *testing.T, user id.UserID, object map[string]any, keyID string) {
	t.Helper()
	target := object["user_id"].(id.UserID)
	failures, err := w.UploadSignatures(w.ctx, user, SignedKeys{target: {keyID: raw(object)}})
	w.must(err)
	if len(failures) != 0 {
		t.Errorf("refused: %v", failures)
	}
}

func TestCrossSigningRefusals(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	up, m, _, _ := identityOf(alice, "a")
	_, stranger, strange, _ := identityOf(alice, "stranger")
	change := func(key string, value any) json.RawMessage {
		object := crossSigningObject(m, master)
		object[key] = value
		return raw(object)
	}
	for name, c := range map[string]struct {
		up   CrossSigning
		kind fault.Kind
	}{
		"nothing":        {CrossSigning{}, fault.MissingParam},
		"no master":      {CrossSigning{SelfSigning: up.SelfSigning}, fault.MissingParam},
		"other user":     {CrossSigning{Master: change("user_id", bob)}, fault.InvalidParam},
		"other usage":    {CrossSigning{Master: change("usage", []string{"self_signing"})}, fault.InvalidParam},
		"no key":         {CrossSigning{Master: change("keys", map[string]string{})}, fault.InvalidParam},
		"two keys":       {CrossSigning{Master: change("keys", map[string]string{"a": "b", "c": "d"})}, fault.InvalidParam},
		"bad key":        {CrossSigning{Master: change("keys", map[string]string{"ed25519:abc": "abc"})}, fault.InvalidParam},
		"not an object":  {CrossSigning{Master: raw(5)}, fault.BadJSON},
		"wrong type":     {CrossSigning{Master: change("usage", 5)}, fault.BadJSON},
		"too large":      {CrossSigning{Master: change("x", string(make([]byte, maxObjectBytes)))}, fault.TooLarge},
		"not signed":     {CrossSigning{Master: up.Master, SelfSigning: raw(crossSigningObject(strange, selfSigning))}, fault.BadSignature},
		"foreign signer": {CrossSigning{Master: up.Master, UserSigning: raw(stranger.sign(crossSigningObject(strange, userSigning)))}, fault.BadSignature},
	} {
		t.Run(name, func(t *testing.T) {
			if err := w.UploadCrossSigning(w.ctx, alice, c.up, true); !fault.Is(err, c.kind) {
				t.Errorf("got %v, want %s", err, c.kind)
			}
		})
	}
	// A device may not have the name of a key.
	device := newSigner(alice, m.public, "device")
	w.upload(alice, id.DeviceID(m.public), Upload{DeviceKeys: raw(device.sign(unsignedDevice(device, id.DeviceID(m.public))))})
	err := w.UploadCrossSigning(w.ctx, alice, up, true)
	w.refused(err, fault.Forbidden)
}

func TestSignatures(t *testing.T) {
	each2(t, func(t *testing.T, w *world) {
		upA, mA, ssA, usA := identityOf(alice, "a")
		upB, mB, _, _ := identityOf(bob, "b")
		phone := deviceOf(alice, "D")
		w.upload(alice, "D", Upload{DeviceKeys: identity(alice, "D")})
		w.must(w.UploadCrossSigning(w.ctx, alice, upA, true))
		w.must(w.UploadCrossSigning(w.ctx, bob, upB, true))
		w.took()

		w.sign(t, alice, ssA.sign(unsignedDevice(phone, "D")), "D")
		if !w.signedBy(alice, "D", ssA) || !w.signedBy(alice, "D", phone) {
			t.Error("the device lacks a signature")
		}
		w.sign(t, alice, phone.sign(crossSigningObject(mA, master)), mA.public)
		if got := w.took(); !slices.Equal(got, []Change{{Kind: DeviceList, User: alice}, {Kind: DeviceList, User: alice}}) {
			t.Errorf("reported %v", got)
		}
		path := "signatures." + gjson.Escape(string(alice)) + "."
		if !gjson.GetBytes(w.query(bob, alice).MasterKeys[alice], path+"ed25519:D").Exists() {
			t.Error("the signature of a device on the own master key is missing")
		}

		// Alice verifies Bob: she sees it, nobody else does.
		w.sign(t, alice, usA.sign(crossSigningObject(mB, master)), mB.public)
		if got := w.took(); !slices.Equal(got, []Change{{Kind: OwnView, User: alice, Subject: bob}}) {
			t.Errorf("reported %v", got)
		}
		if !gjson.GetBytes(w.query(alice, bob).MasterKeys[bob], path+gjson.Escape(usA.name)).Exists() {
			t.Error("Alice does not see her own signature")
		}
		if gjson.GetBytes(w.query(bob, bob).MasterKeys[bob], path+gjson.Escape(usA.name)).Exists() {
			t.Error("Bob sees whom Alice verified")
		}
	})
}

func TestSignatureRefusals(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	upA, mA, ssA, usA := identityOf(alice, "a")
	upB, mB, _, _ := identityOf(bob, "b")
	phone := deviceOf(alice, "D")
	w.upload(alice, "D", Upload{DeviceKeys: identity(alice, "D")})
	refuse := func(name string, target id.UserID, keyID string, object any, kind fault.Kind) {
		t.Helper()
		failures, err := w.UploadSignatures(w.ctx, alice, SignedKeys{target: {keyID: raw(object)}})
		w.must(err)
		if f := failures[target][keyID]; f == nil || f.Kind != kind {
			t.Errorf("%s: got %v, want %s", name, f, kind)
		}
	}
	signed := ssA.sign(unsignedDevice(phone, "D"))
	refuse("no self-signing key", alice, "D", signed, fault.NotFound)
	refuse("no such user", bob, "D", signed, fault.NotFound)
	w.must(w.UploadCrossSigning(w.ctx, bob, upB, true))
	refuse("no user-signing key", bob, mB.public, usA.sign(crossSigningObject(mB, master)), fault.NotFound)
	w.must(w.UploadCrossSigning(w.ctx, alice, upA, true))
	refuse("no such device", alice, "E", signed, fault.NotFound)
	refuse("not the master key", bob, "x", signed, fault.NotFound)

	forged := ssA.sign(unsignedDevice(phone, "D"))
	forged["signatures"].(map[string]map[string]string)[string(alice)][ssA.name] = "AAAA"
	refuse("wrong signature", alice, "D", forged, fault.BadSignature)
	other := unsignedDevice(phone, "D")
	other["algorithms"] = []string{}
	refuse("other object", alice, "D", ssA.sign(other), fault.InvalidParam)
	refuse("no signatures", alice, "D", unsignedDevice(phone, "D"), fault.BadJSON)
	refuse("signed by another key", alice, "D", usA.sign(unsignedDevice(phone, "D")), fault.BadSignature)
	refuse("master signed by itself", alice, mA.public, mA.sign(crossSigningObject(mA, master)), fault.BadSignature)
	refuse("not an object", alice, "D", "x", fault.BadJSON)
	refuse("too large", alice, "D", string(make([]byte, maxObjectBytes)), fault.TooLarge)
	if got := w.query(alice, bob); gjson.GetBytes(got.MasterKeys[bob], "signatures."+gjson.Escape(string(alice))).Exists() {
		t.Error("a refused signature was stored")
	}

	// The good one of two is stored.
	failures, err := w.UploadSignatures(w.ctx, alice, SignedKeys{alice: {"D": raw(signed), "E": raw(signed)}})
	w.must(err)
	if len(failures[alice]) != 1 || !w.signedBy(alice, "D", ssA) {
		t.Errorf("one of two: %v", failures)
	}
	many := map[string]json.RawMessage{}
	for i := range maxSignedKeys + 1 {
		many[fmt.Sprint(i)] = raw(1)
	}
	_, err = w.UploadSignatures(w.ctx, alice, SignedKeys{alice: many})
	w.refused(err, fault.TooLarge)
}
