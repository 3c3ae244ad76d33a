package e2ee

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/seal"
)

func TestUploadAndQuery(t *testing.T) {
	each2(t, func(t *testing.T, w *world) {
		counts := w.upload(alice, "PHONE", Upload{DeviceKeys: identity(alice, "PHONE"), OneTimeKeys: oneTime("a", "b")})
		if counts["signed_curve25519"] != 2 {
			t.Errorf("counts are %v", counts)
		}
		changes := w.took()
		if !slices.Contains(changes, Change{Kind: DeviceList, User: alice}) || !slices.Contains(changes, Change{Kind: Counts, User: alice, Device: "PHONE"}) {
			t.Errorf("reported %v", changes)
		}
		w.upload(alice, "TABLET", Upload{DeviceKeys: identity(alice, "TABLET")})

		a := w.query(bob, alice)
		if len(a.DeviceKeys[alice]) != 2 {
			t.Fatalf("devices are %v", a.DeviceKeys)
		}
		phone := gjson.ParseBytes(a.DeviceKeys[alice]["PHONE"])
		if got := phone.Get("unsigned.device_display_name").Str; got != `Alice's "phone"` {
			t.Errorf("name is %q", got)
		}
		if phone.Get("signatures."+gjson.Escape(string(alice))+".ed25519:PHONE").Str == "" {
			t.Error("the device's signature is missing")
		}
		if a := w.query(bob, alice, "TABLET", "NONE"); len(a.DeviceKeys[alice]) != 1 || a.DeviceKeys[alice]["TABLET"] == nil {
			t.Errorf("asked for one device, got %v", a.DeviceKeys)
		}
		if a := w.query(bob, "@nobody:test"); a.DeviceKeys["@nobody:test"] == nil || len(a.DeviceKeys["@nobody:test"]) != 0 {
			t.Errorf("somebody without keys: %v", a.DeviceKeys)
		}
		a, err := w.Query(w.ctx, bob, map[id.UserID][]id.DeviceID{"@x:elsewhere": nil})
		w.must(err)
		if a.Failures["elsewhere"]["errcode"] == "" || len(a.DeviceKeys) != 0 {
			t.Errorf("remote user: %+v", a)
		}
	})
}

func TestUploadIsRepeatable(t *testing.T) {
	each2(t, func(t *testing.T, w *world) {
		up := Upload{DeviceKeys: identity(alice, "D"), OneTimeKeys: oneTime("a", "b", "c")}
		w.upload(alice, "D", up)
		w.took()
		for range 2 {
			if counts := w.upload(alice, "D", up); counts["signed_curve25519"] != 3 {
				t.Fatalf("counts are %v", counts)
			}
		}
		if slices.ContainsFunc(w.took(), func(c Change) bool { return c.Kind == DeviceList }) {
			t.Error("the same device keys were reported as a change")
		}
		if counts := w.upload(alice, "D", Upload{OneTimeKeys: oneTime("b", "c", "d")}); counts["signed_curve25519"] != 4 {
			t.Errorf("counts after an overlapping upload: %v", counts)
		}
		if counts := w.upload(alice, "D", Upload{}); counts["signed_curve25519"] != 4 {
			t.Errorf("counts of an empty upload: %v", counts)
		}
		_, err := w.Upload(w.ctx, alice, "D", Upload{OneTimeKeys: map[string]json.RawMessage{"signed_curve25519:a": raw(map[string]string{"key": "other"}), "signed_curve25519:e": raw(map[string]string{"key": "e"})}})
		w.refused(err, fault.InvalidParam)
		if counts := w.upload(alice, "D", Upload{}); counts["signed_curve25519"] != 4 {
			t.Errorf("a refused upload left something: %v", counts)
		}
	})
}

func TestClaimedKeyDoesNotComeBack(t *testing.T) {
	each2(t, func(t *testing.T, w *world) {
		up := Upload{DeviceKeys: identity(alice, "D"), OneTimeKeys: oneTime("a")}
		w.upload(alice, "D", up)
		if got := w.claim(alice, "D"); got["signed_curve25519:a"] == nil {
			t.Fatalf("claimed %v", got)
		}
		if counts := w.upload(alice, "D", up); counts["signed_curve25519"] != 0 {
			t.Errorf("a claimed key can be claimed again: %v", counts)
		}
		// Another key may take the id once the first one is gone.
		if counts := w.upload(alice, "D", Upload{OneTimeKeys: map[string]json.RawMessage{"signed_curve25519:a": raw(map[string]string{"key": "new"})}}); counts["signed_curve25519"] != 1 {
			t.Errorf("counts are %v", counts)
		}
		w.claim(alice, "D")
		w.now = w.now.Add(8 * 24 * time.Hour)
		w.upload(alice, "D", Upload{OneTimeKeys: oneTime("z")})
		var n int
		w.must(w.DB.QueryRow(w.ctx, `select count(*) from e2ee_one_time_keys`).Scan(&n))
		if n != 1 {
			t.Errorf("%d rows are kept", n)
		}
	})
}

func TestClaimOrderAndFallback(t *testing.T) {
	each2(t, func(t *testing.T, w *world) {
		w.upload(alice, "D", Upload{DeviceKeys: identity(alice, "D"), OneTimeKeys: oneTime("1")})
		w.upload(alice, "D", Upload{OneTimeKeys: oneTime("0")})
		fallback := map[string]json.RawMessage{"signed_curve25519:f": raw(map[string]any{"key": "fallback", "fallback": true})}
		w.upload(alice, "D", Upload{FallbackKeys: fallback})
		counts, err := w.Counts(w.ctx, alice, "D")
		w.must(err)
		if counts.OneTime["signed_curve25519"] != 2 || !slices.Equal(counts.UnusedFallback, []string{"signed_curve25519"}) {
			t.Errorf("counts are %+v", counts)
		}
		for _, want := range []string{"1", "0", "f", "f"} {
			if got := w.claim(alice, "D"); got["signed_curve25519:"+want] == nil {
				t.Errorf("claimed %v, want %s", got, want)
			}
		}
		counts, err = w.Counts(w.ctx, alice, "D")
		w.must(err)
		if len(counts.OneTime) != 0 || len(counts.UnusedFallback) != 0 {
			t.Errorf("counts after claiming are %+v", counts)
		}
		// The same fallback key again is still a used one; a new one is not.
		w.upload(alice, "D", Upload{FallbackKeys: fallback})
		if counts, _ := w.Counts(w.ctx, alice, "D"); len(counts.UnusedFallback) != 0 {
			t.Error("a used fallback key became unused")
		}
		w.upload(alice, "D", Upload{FallbackKeys: map[string]json.RawMessage{"signed_curve25519:g": raw(map[string]any{"key": "new"})}})
		if counts, _ := w.Counts(w.ctx, alice, "D"); len(counts.UnusedFallback) != 1 {
			t.Error("a new fallback key is not unused")
		}
		got, failures, err := w.Claim(w.ctx, map[id.UserID]map[id.DeviceID]string{
			alice: {"D": "unknown", "NONE": "signed_curve25519"}, "@x:elsewhere": {"D": "signed_curve25519"}})
		w.must(err)
		if len(got) != 0 || failures["elsewhere"] == nil {
			t.Errorf("claimed %v, failures %v", got, failures)
		}
	})
}

// Two processes with many callers hand out each key once.
func TestClaimOnceUnderConcurrency(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		w := newWorld(t, dbtest.SQLite(t))
		claimConcurrently(t, w, w.Keys)
	})
	t.Run("PostgreSQL, two processes", func(t *testing.T) {
		url := dbtest.PostgresURL(t)
		w := newWorld(t, dbtest.Open(t, db.Options{URL: url}))
		other := New(Options{DB: dbtest.Open(t, db.Options{URL: url}), Seal: w.Seal, ServerName: "test"})
		claimConcurrently(t, w, w.Keys, other)
	})
}

func claimConcurrently(t *testing.T, w *world, nodes ...*Keys) {
	const keys, callers = 60, 8
	var names []string
	for i := range keys {
		names = append(names, fmt.Sprintf("%03d", i))
	}
	w.upload(alice, "D", Upload{DeviceKeys: identity(alice, "D"), OneTimeKeys: oneTime(names...)})
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for range keys / callers * 2 {
				got, _, err := nodes[i%len(nodes)].Claim(w.ctx, map[id.UserID]map[id.DeviceID]string{alice: {"D": "signed_curve25519"}})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for name := range got[alice]["D"] {
					seen[name]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != keys {
		t.Errorf("%d of %d keys were handed out", len(seen), keys)
	}
	for name, n := range seen {
		if n != 1 {
			t.Errorf("%s was handed out %d times", name, n)
		}
	}
}

func TestCountsAreRemembered(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	w.upload(alice, "D", Upload{DeviceKeys: identity(alice, "D"), OneTimeKeys: oneTime("a", "b")})
	first, err := w.Counts(w.ctx, alice, "D")
	w.must(err)
	again, err := w.Counts(w.ctx, alice, "D")
	w.must(err)
	if first != again {
		t.Error("the second look was not answered from memory")
	}
	w.claim(alice, "D")
	if c, _ := w.Counts(w.ctx, alice, "D"); c.OneTime["signed_curve25519"] != 1 {
		t.Errorf("after a claim: %+v", c)
	}

	// Another node changes what this one remembers: seen when told.
	other := New(Options{DB: w.DB, Seal: w.Seal, ServerName: "test", Clock: w.Clock})
	before, err := other.Counts(w.ctx, alice, "D")
	w.must(err)
	w.claim(alice, "D")
	if c, _ := other.Counts(w.ctx, alice, "D"); c != before {
		t.Error("looked although it remembers")
	}
	w.upload(alice, "D", Upload{OneTimeKeys: oneTime("c")})
	other.Forget(alice, "D")
	if c, _ := other.Counts(w.ctx, alice, "D"); c.OneTime["signed_curve25519"] != 1 {
		t.Errorf("after being told: %+v", c)
	}
}

func TestUploadRefusals(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	phone := deviceOf(alice, "D")
	changed := func(key string, value any) json.RawMessage {
		object := unsignedDevice(phone, "D")
		object[key] = value
		return raw(phone.sign(object))
	}
	for name, c := range map[string]struct {
		up   Upload
		kind fault.Kind
	}{
		"no signatures":     {Upload{DeviceKeys: raw(map[string]any{"user_id": alice, "device_id": "D"})}, fault.BadJSON},
		"other user":        {Upload{DeviceKeys: changed("user_id", bob)}, fault.InvalidParam},
		"other device":      {Upload{DeviceKeys: changed("device_id", "E")}, fault.InvalidParam},
		"no ed25519":        {Upload{DeviceKeys: changed("keys", map[string]string{})}, fault.BadJSON},
		"wrong type":        {Upload{DeviceKeys: changed("keys", 5)}, fault.BadJSON},
		"not an object":     {Upload{DeviceKeys: raw("x")}, fault.BadJSON},
		"doubled key":       {Upload{DeviceKeys: json.RawMessage(`{"user_id":"@alice:test","user_id":"@bob:test"}`)}, fault.BadJSON},
		"too large":         {Upload{DeviceKeys: changed("x", string(make([]byte, maxObjectBytes)))}, fault.TooLarge},
		"key without name":  {Upload{OneTimeKeys: map[string]json.RawMessage{"nocolon": raw("x")}}, fault.InvalidParam},
		"key without key":   {Upload{OneTimeKeys: map[string]json.RawMessage{"a:b": raw(map[string]string{})}}, fault.BadJSON},
		"empty key":         {Upload{OneTimeKeys: map[string]json.RawMessage{"a:b": raw("")}}, fault.BadJSON},
		"key is a number":   {Upload{OneTimeKeys: map[string]json.RawMessage{"a:b": raw(5)}}, fault.BadJSON},
		"huge key":          {Upload{OneTimeKeys: map[string]json.RawMessage{"a:b": raw(string(make([]byte, maxKeyBytes)))}}, fault.TooLarge},
		"two fallback keys": {Upload{FallbackKeys: map[string]json.RawMessage{"a:b": raw("x"), "a:c": raw("y")}}, fault.InvalidParam},
		"bad fallback key":  {Upload{FallbackKeys: map[string]json.RawMessage{"a:b": raw(nil)}}, fault.BadJSON},
		"too many keys":     {Upload{OneTimeKeys: manyKeys(maxKeysAtOnce + 1)}, fault.InvalidParam},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.Upload(w.ctx, alice, "D", c.up)
			if !fault.Is(err, c.kind) {
				t.Errorf("got %v, want %s", err, c.kind)
			}
		})
	}
	_, err := w.Upload(w.ctx, alice, "", Upload{})
	w.refused(err, fault.InvalidParam)
	for i := range 4 {
		w.upload(alice, "D", Upload{OneTimeKeys: numbered(i*maxKeysAtOnce, maxKeysAtOnce)})
	}
	_, err = w.Upload(w.ctx, alice, "D", Upload{OneTimeKeys: numbered(4*maxKeysAtOnce, 1)})
	w.refused(err, fault.LimitExceeded)
	wanted := map[id.UserID][]id.DeviceID{}
	for i := range maxQueryUsers + 1 {
		wanted[id.UserID(fmt.Sprintf("@%d:test", i))] = nil
	}
	_, err = w.Query(w.ctx, alice, wanted)
	w.refused(err, fault.TooLarge)
	claims := map[id.DeviceID]string{}
	for i := range maxClaims + 1 {
		claims[id.DeviceID(fmt.Sprint(i))] = "x"
	}
	_, _, err = w.Claim(w.ctx, map[id.UserID]map[id.DeviceID]string{alice: claims})
	w.refused(err, fault.TooLarge)
}

func manyKeys(n int) map[string]json.RawMessage { return numbered(0, n) }

func numbered(from, n int) map[string]json.RawMessage {
	keys := map[string]json.RawMessage{}
	for i := range n {
		keys[fmt.Sprintf("curve25519:%d", from+i)] = raw("key")
	}
	return keys
}

func TestNewIdentityDropsOldKeys(t *testing.T) {
	each2(t, func(t *testing.T, w *world) {
		w.upload(alice, "D", Upload{DeviceKeys: identity(alice, "D"), OneTimeKeys: oneTime("a")})
		other := newSigner(alice, "D", "another seed")
		counts := w.upload(alice, "D", Upload{DeviceKeys: raw(other.sign(unsignedDevice(other, "D")))})
		if len(counts) != 0 {
			t.Errorf("keys signed by a former identity are left: %v", counts)
		}
	})
}

func TestDeviceRemoved(t *testing.T) {
	each2(t, func(t *testing.T, w *world) {
		w.upload(alice, "D", Upload{DeviceKeys: identity(alice, "D"), OneTimeKeys: oneTime("a"),
			FallbackKeys: map[string]json.RawMessage{"a:b": raw("x")}})
		w.took()
		if _, err := w.Counts(w.ctx, alice, "D"); err != nil {
			t.Fatal(err)
		}
		w.must(w.DB.Write(w.ctx, "test", nil, func(tx *db.Tx) error { return w.DeviceRemoved(tx, alice, "D") }))
		if got := w.took(); len(got) != 2 || got[0].Kind != Counts || got[1].Kind != DeviceList {
			t.Errorf("reported %v", got)
		}
		if a := w.query(bob, alice); len(a.DeviceKeys[alice]) != 0 {
			t.Error("keys of a removed device are left")
		}
		if c, _ := w.Counts(w.ctx, alice, "D"); len(c.OneTime)+len(c.UnusedFallback) != 0 {
			t.Errorf("counts of a removed device: %+v", c)
		}
		w.must(w.DB.Write(w.ctx, "test", nil, func(tx *db.Tx) error { return w.DeviceRemoved(tx, alice, "D") }))
		if got := w.took(); len(got) != 0 {
			t.Errorf("removing a device without keys reported %v", got)
		}
	})
}

func TestErasedPerson(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	up, _, _, _ := identityOf(alice, "a")
	w.upload(alice, "D", Upload{DeviceKeys: identity(alice, "D"), OneTimeKeys: oneTime("a")})
	w.must(w.UploadCrossSigning(w.ctx, alice, up, true))
	version, err := w.CreateBackup(w.ctx, alice, "x", raw(map[string]string{}))
	w.must(err)
	w.must(w.PutDehydrated(w.ctx, alice, dehydrated("DEHYDRATED")))
	w.must(w.Seal.Destroy(w.ctx, seal.Person(alice)))
	if a := w.query(bob, alice); len(a.DeviceKeys[alice])+len(a.MasterKeys) != 0 {
		t.Errorf("an erased person has keys: %+v", a)
	}
	if got := w.claim(alice, "D"); len(got) != 0 {
		t.Errorf("an erased person's one-time key: %v", got)
	}
	_, err = w.Backup(w.ctx, alice, version)
	w.refused(err, fault.NotFound)
	_, err = w.Dehydrated(w.ctx, alice)
	w.refused(err, fault.NotFound)
	w.must(w.RemoveUser(w.ctx, alice))
	_, err = w.Backup(w.ctx, alice, "")
	w.refused(err, fault.NotFound)
}

func FuzzUpload(f *testing.F) {
	f.Add([]byte(identity(alice, "D")), []byte(`{"key":"abc"}`), "signed_curve25519:a")
	f.Add([]byte(`{"user_id":1}`), []byte(`"abc"`), ":")
	f.Fuzz(func(t *testing.T, device, key []byte, name string) {
		if text, hash, identity, err := checkDeviceKeys(alice, "D", device); err == nil {
			if !json.Valid(text) || len(hash) != 32 || identity == "" {
				t.Errorf("accepted %q", device)
			}
		} else if _, ok := fault.As(err); !ok {
			t.Errorf("inner error for a caller's mistake: %v", err)
		}
		if text, hash, err := checkKey(key); err == nil {
			if !json.Valid(text) || len(hash) != 32 {
				t.Errorf("accepted %q", key)
			}
		} else if _, ok := fault.As(err); !ok {
			t.Errorf("inner error for a caller's mistake: %v", err)
		}
		if algorithm, keyID, ok := splitKeyID(name); ok && algorithm+":"+keyID != name {
			t.Errorf("split %q into %q and %q", name, algorithm, keyID)
		}
		if _, err := checkCrossSigningKey(alice, master, device); err != nil {
			if _, ok := fault.As(err); !ok {
				t.Errorf("inner error for a caller's mistake: %v", err)
			}
		}
		checkSignatures(alice, &signedKey{stored: device, signers: map[string]string{"ed25519:x": "y"}}, key)
	})
}
