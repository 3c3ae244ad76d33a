package e2ee

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"maunium.net/go/mautrix/crypto/canonicaljson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/seal"
)

const (
	alice = id.UserID("@alice:test")
	bob   = id.UserID("@bob:test")
)

// world is a Keys on one database, with notes of what it reported.
type world struct {
	*Keys
	t   *testing.T
	ctx context.Context
	now time.Time

	mu      sync.Mutex
	changes []Change
	devices map[id.DeviceID]string // made by CreateDevice: display names
	inbox   map[id.DeviceID][]json.RawMessage
}

func each2(t *testing.T, f func(t *testing.T, w *world)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) { f(t, newWorld(t, d)) })
}

func newWorld(t *testing.T, d *db.DB) *world {
	keys, err := seal.Open(t.Context(), seal.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	w := &world{t: t, ctx: t.Context(), now: time.UnixMilli(1_700_000_000_000), devices: map[id.DeviceID]string{}, inbox: map[id.DeviceID][]json.RawMessage{}}
	w.Keys = New(Options{
		DB: d, Seal: keys, ServerName: "test",
		Clock: func() time.Time { return w.now },
		DeviceNames: func(_ context.Context, user id.UserID) (map[id.DeviceID]string, error) {
			return map[id.DeviceID]string{"PHONE": "Alice's \"phone\""}, nil
		},
		Changed: func(tx *db.Tx, c Change) {
			tx.After(func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.changes = append(w.changes, c)
			})
		},
		CreateDevice: func(tx *db.Tx, user id.UserID, device id.DeviceID, name string) error {
			tx.After(func() { w.devices[device] = name })
			return nil
		},
		RemoveDevice: func(tx *db.Tx, user id.UserID, device id.DeviceID) error {
			tx.After(func() { delete(w.devices, device) })
			return w.Keys.DeviceRemoved(tx, user, device)
		},
		Inbox: func(_ context.Context, _ id.UserID, device id.DeviceID, after int64, limit int) ([]json.RawMessage, int64, error) {
			all := w.inbox[device]
			from := min(int(after), len(all))
			to := min(from+limit, len(all))
			return all[from:to], int64(to), nil
		},
	})
	return w
}

// took returns what was reported since the last call.
func (w *world) took() []Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.changes
	w.changes = nil
	return out
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) refused(err error, kind fault.Kind) {
	w.t.Helper()
	if !fault.Is(err, kind) {
		w.t.Fatalf("got %v, want %s", err, kind)
	}
}

// signer is a key pair with its name.
type signer struct {
	user    id.UserID
	name    string // ed25519:…
	public  string
	private ed25519.PrivateKey
}

func newSigner(user id.UserID, name, seed string) *signer {
	private := ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%-32.32s", seed)))
	public := base64.RawStdEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
	if name == "" {
		name = public
	}
	return &signer{user, "ed25519:" + name, public, private}
}

// sign adds a signature to object and returns it.
func (s *signer) sign(object map[string]any) map[string]any {
	unsigned := map[string]any{}
	for key, value := range object {
		if key != "signatures" && key != "unsigned" {
			unsigned[key] = value
		}
	}
	text, err := canonicaljson.Marshal(unsigned)
	if err != nil {
		panic(err)
	}
	signatures, _ := object["signatures"].(map[string]map[string]string)
	if signatures == nil {
		signatures = map[string]map[string]string{}
	}
	if signatures[string(s.user)] == nil {
		signatures[string(s.user)] = map[string]string{}
	}
	signatures[string(s.user)][s.name] = base64.RawStdEncoding.EncodeToString(ed25519.Sign(s.private, text))
	object["signatures"] = signatures
	return object
}

func raw(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func unsignedDevice(s *signer, device id.DeviceID) map[string]any {
	return map[string]any{
		"user_id": s.user, "device_id": device,
		"algorithms": []string{"m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"},
		"keys":       map[string]string{"ed25519:" + string(device): s.public, "curve25519:" + string(device): "zKbLg+NrIjpnagy+pIY6uPL4ZwEG2v+8F9lmgsnlZzs"},
	}
}

func deviceOf(user id.UserID, device id.DeviceID) *signer {
	return newSigner(user, string(device), string(user)+string(device))
}

// identity are signed device keys.
func identity(user id.UserID, device id.DeviceID) json.RawMessage {
	s := deviceOf(user, device)
	return raw(s.sign(unsignedDevice(s, device)))
}

func oneTime(names ...string) map[string]json.RawMessage {
	keys := map[string]json.RawMessage{}
	for _, name := range names {
		keys["signed_curve25519:"+name] = raw(map[string]any{"key": "key " + name, "signatures": map[string]any{}})
	}
	return keys
}

func (w *world) upload(user id.UserID, device id.DeviceID, up Upload) map[string]int {
	w.t.Helper()
	counts, err := w.Upload(w.ctx, user, device, up)
	w.must(err)
	return counts
}

func (w *world) claim(user id.UserID, device id.DeviceID) map[string]json.RawMessage {
	w.t.Helper()
	got, _, err := w.Claim(w.ctx, map[id.UserID]map[id.DeviceID]string{user: {device: "signed_curve25519"}})
	w.must(err)
	return got[user][device]
}

func (w *world) query(asker, user id.UserID, devices ...id.DeviceID) *Answer {
	w.t.Helper()
	a, err := w.Query(w.ctx, asker, map[id.UserID][]id.DeviceID{user: devices})
	w.must(err)
	return a
}

func crossSigningObject(s *signer, usage string) map[string]any {
	return map[string]any{"user_id": s.user, "usage": []string{usage}, "keys": map[string]string{s.name: s.public}}
}

// identityOf makes a user's three cross-signing keys from a seed.
func identityOf(user id.UserID, seed string) (up CrossSigning, m, ss, us *signer) {
	m, ss, us = newSigner(user, "", seed+" master"), newSigner(user, "", seed+" self"), newSigner(user, "", seed+" user")
	up.Master = raw(crossSigningObject(m, master))
	up.SelfSigning = raw(m.sign(crossSigningObject(ss, selfSigning)))
	up.UserSigning = raw(m.sign(crossSigningObject(us, userSigning)))
	return up, m, ss, us
}
