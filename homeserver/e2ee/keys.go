// Package e2ee keeps the public keys that clients need to encrypt for each other: identity keys of
// devices, one-time and fallback keys, cross-signing keys and their signatures, the (encrypted) backup of
// room keys and dehydrated devices. It owns the tables e2ee_….
//
// It never sees a private key and encrypts nothing for anybody; it knows no HTTP. What a change means for
// /sync is feed's business: each change is reported to Options.Changed inside its transaction.
package e2ee

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"maunium.net/go/mautrix/crypto/canonicaljson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/seal"
)

// ChangeKind says what a Change is about.
type ChangeKind string

const (
	// DeviceList: User's devices or cross-signing keys changed, for everybody who shares a room with User.
	DeviceList ChangeKind = "device_list"
	// OwnView: only User sees Subject's keys differently now, because User signed them.
	OwnView ChangeKind = "own_view"
	// Counts: the one-time or fallback keys left for Device changed.
	Counts ChangeKind = "counts"
)

// Change is something that clients learn about through /sync.
type Change struct {
	Kind    ChangeKind
	User    id.UserID
	Device  id.DeviceID // with Counts
	Subject id.UserID   // with OwnView
}

// Options are what Keys is built from. Only DB, Seal and ServerName are needed by every operation.
type Options struct {
	DB         *db.DB
	Seal       *seal.Keys
	ServerName string
	Clock      func() time.Time
	Log        *slog.Logger

	// DeviceNames returns the display names that user gave to devices; nil means none are shown.
	DeviceNames func(ctx context.Context, user id.UserID) (map[id.DeviceID]string, error)
	// Changed is told of every change inside its transaction. It adds O(1) rows and does not wait.
	Changed func(tx *db.Tx, c Change)
	// CreateDevice adds a device that nobody signs in on, for dehydration.
	CreateDevice func(tx *db.Tx, user id.UserID, device id.DeviceID, displayName string) error
	// RemoveDevice removes a device and all that other packages keep for it, among it the messages that
	// wait for it. It may call Keys.DeviceRemoved.
	RemoveDevice func(tx *db.Tx, user id.UserID, device id.DeviceID) error
	// Inbox returns messages sent to a device after a position, without removing them.
	Inbox func(ctx context.Context, user id.UserID, device id.DeviceID, after int64, limit int) (messages []json.RawMessage, last int64, err error)
}

// Keys serves all users' keys. It is safe for concurrent use.
type Keys struct {
	Options
	counts countCache
}

// New returns the keys stored in o.DB.
func New(o Options) *Keys {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Changed == nil {
		o.Changed = func(*db.Tx, Change) {}
	}
	if o.DeviceNames == nil {
		o.DeviceNames = func(context.Context, id.UserID) (map[id.DeviceID]string, error) { return nil, nil }
	}
	return &Keys{Options: o, counts: newCountCache()}
}

// local reports whether user belongs to this server.
func (k *Keys) local(user id.UserID) bool { return user.Homeserver() == k.ServerName }

// lock is the key under which everything about user's keys is changed.
func lock(user id.UserID) db.Key { return db.KeyOf("e2ee\x00", string(user)) }

// write runs f in a transaction that nobody else changes keys of these users beside, on any node.
func (k *Keys) write(ctx context.Context, name string, users []id.UserID, f func(tx *db.Tx) error) error {
	keys := make([]db.Key, len(users))
	for i, user := range users {
		keys[i] = lock(user)
	}
	return k.DB.Write(ctx, name, keys, func(tx *db.Tx) error {
		for _, key := range keys {
			// Only a key with a head is locked; two nodes that make it at the same time notice each other.
			if _, _, ok := tx.Head(key); !ok {
				tx.SetHead(key, nil)
			}
		}
		return f(tx)
	})
}

func (k *Keys) seal(ctx context.Context, user id.UserID, what string, plain []byte) ([]byte, error) {
	sealed, err := k.Seal.Seal(ctx, seal.Person(user), "e2ee/"+what, plain)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", what, err)
	}
	return sealed, nil
}

// open returns what seal sealed; ok is false when the person's data key was destroyed.
func (k *Keys) open(ctx context.Context, user id.UserID, what string, sealed []byte) (plain []byte, ok bool, err error) {
	plain, err = k.Seal.Open(ctx, seal.Person(user), "e2ee/"+what, sealed)
	if errors.Is(err, seal.ErrErased) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("open sealed %s: %w", what, err)
	}
	return plain, true, nil
}

// canonical returns the canonical form of one JSON object without its "unsigned" key, and its hash. Keys
// that occur twice are refused, so that no two readers can see different objects.
func canonical(raw json.RawMessage) (object map[string]json.RawMessage, text json.RawMessage, hash []byte, err error) {
	text = append(json.RawMessage(nil), raw...)
	if err := canonicaljson.Canonicalize(&text); err != nil {
		return nil, nil, nil, fault.New(fault.BadJSON, "A key is not valid JSON.").Because(err)
	}
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return nil, nil, nil, fault.New(fault.BadJSON, "A key is not a JSON object.")
	}
	if _, ok := object["unsigned"]; ok {
		delete(object, "unsigned")
		if text, err = canonicaljson.Marshal(object); err != nil {
			return nil, nil, nil, fault.New(fault.BadJSON, "A key is not valid JSON.").Because(err)
		}
	}
	sum := sha256.Sum256(text)
	return object, text, sum[:], nil
}

// splitKeyID splits "<algorithm>:<key id>".
func splitKeyID(name string) (algorithm, keyID string, ok bool) {
	algorithm, keyID, ok = strings.Cut(name, ":")
	return algorithm, keyID, ok && algorithm != "" && keyID != "" && len(name) <= 255
}
