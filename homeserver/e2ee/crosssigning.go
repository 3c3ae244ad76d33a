package e2ee

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
)

// The usages of cross-signing keys.
const (
	master      = "master"
	selfSigning = "self_signing"
	userSigning = "user_signing"
)

// CrossSigning is the body of POST /keys/device_signing/upload.
type CrossSigning struct {
	Master      json.RawMessage `json:"master_key"`
	SelfSigning json.RawMessage `json:"self_signing_key"`
	UserSigning json.RawMessage `json:"user_signing_key"`
}

// crossSigningKey is a stored or uploaded key in its canonical form.
type crossSigningKey struct {
	public  string // unpadded base64
	hash    []byte
	content json.RawMessage
	sealed  []byte
}

func (c *crossSigningKey) name() id.KeyID { return id.NewKeyID(id.KeyAlgorithmEd25519, c.public) }

// crossSigningKeys reads a user's keys by usage.
func (k *Keys) crossSigningKeys(ctx context.Context, q querier, user id.UserID) (map[string]*crossSigningKey, error) {
	keys := map[string]*crossSigningKey{}
	err := each(ctx, q, func(scan scanner) error {
		var usage string
		key := &crossSigningKey{}
		if err := scan(&usage, &key.public, &key.hash, &key.sealed); err != nil {
			return err
		}
		keys[usage] = key
		return nil
	}, `select usage, public_key, hash, content from e2ee_cross_signing_keys where user_id = $1`, user)
	if err != nil {
		return nil, fmt.Errorf("read cross-signing keys: %w", err)
	}
	for usage, key := range keys {
		content, ok, err := k.open(ctx, user, usage, key.sealed)
		if err != nil {
			return nil, err
		}
		if !ok {
			delete(keys, usage)
		}
		key.content = content
	}
	return keys, nil
}

// ErrUnconfirmed is returned for an upload that replaces or adds to keys that exist, for which the user has to prove
// once more who they are. The first upload and a repeated one need no proof (spec v1.11, MSC3967).
var ErrUnconfirmed = errors.New("the upload changes cross-signing keys that exist")

// same reports whether every uploaded key is stored already. Signatures are not compared: the client may
// have added some.
func same(stored, uploaded map[string]*crossSigningKey) bool {
	for usage, key := range uploaded {
		if stored[usage] == nil || stored[usage].public != key.public {
			return false
		}
	}
	return true
}

func checkCrossSigning(user id.UserID, up CrossSigning) (map[string]*crossSigningKey, error) {
	keys := map[string]*crossSigningKey{}
	for usage, raw := range map[string]json.RawMessage{master: up.Master, selfSigning: up.SelfSigning, userSigning: up.UserSigning} {
		if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
			continue
		}
		key, err := checkCrossSigningKey(user, usage, raw)
		if err != nil {
			return nil, err
		}
		keys[usage] = key
	}
	if len(keys) == 0 {
		return nil, fault.New(fault.MissingParam, "There is no key in the request.")
	}
	return keys, nil
}

// checkCrossSigningKey follows the schema CrossSigningKey.
func checkCrossSigningKey(user id.UserID, usage string, raw json.RawMessage) (*crossSigningKey, error) {
	if len(raw) > maxObjectBytes {
		return nil, fault.New(fault.TooLarge, "The %s key is too large.", usage)
	}
	_, text, hash, err := canonical(raw)
	if err != nil {
		return nil, err
	}
	var key struct {
		UserID     id.UserID         `json:"user_id"`
		Usage      []string          `json:"usage"`
		Keys       map[string]string `json:"keys"`
		Signatures signatureSet      `json:"signatures"`
	}
	if err := json.Unmarshal(text, &key); err != nil {
		return nil, fault.New(fault.BadJSON, "The %s key does not have the form of a key.", usage)
	}
	if key.UserID != user {
		return nil, fault.New(fault.InvalidParam, "The %s key belongs to another user.", usage)
	}
	if !slices.Contains(key.Usage, usage) {
		return nil, fault.New(fault.InvalidParam, "The %s key is for another usage.", usage)
	}
	if len(key.Keys) != 1 {
		return nil, fault.New(fault.InvalidParam, "The %s key needs exactly one public key.", usage)
	}
	for name, public := range key.Keys {
		if decoded, err := base64.RawStdEncoding.DecodeString(public); err != nil || len(decoded) != 32 || name != "ed25519:"+public {
			return nil, fault.New(fault.InvalidParam, "The %s key is not an ed25519 key in unpadded base64.", usage)
		}
		return &crossSigningKey{public: public, hash: hash, content: text}, nil
	}
	return nil, nil // not reached: there is exactly one key
}

// UploadCrossSigning stores cross-signing keys. The self-signing and the user-signing key must be signed by
// the master key of the request or, when there is none, by the stored one. A new master key takes the keys
// and signatures of the former one with it (client-server API, POST /keys/device_signing/upload). Whether a proof is
// needed is decided in the transaction that stores the keys, so that of two first uploads one is the first.
func (k *Keys) UploadCrossSigning(ctx context.Context, user id.UserID, up CrossSigning, confirmed bool) error {
	keys, err := checkCrossSigning(user, up)
	if err != nil {
		return err
	}
	for usage, key := range keys {
		if key.sealed, err = k.seal(ctx, user, usage, key.content); err != nil {
			return err
		}
	}
	err = k.write(ctx, "upload cross-signing keys", []id.UserID{user}, func(tx *db.Tx) error {
		return k.storeCrossSigning(ctx, tx, user, keys, confirmed)
	})
	if err != nil && !errors.Is(err, ErrUnconfirmed) {
		return fmt.Errorf("store cross-signing keys: %w", err)
	}
	return err
}

func (k *Keys) storeCrossSigning(ctx context.Context, tx *db.Tx, user id.UserID, keys map[string]*crossSigningKey, confirmed bool) error {
	stored, err := k.crossSigningKeys(ctx, inTx{tx}, user)
	if err != nil {
		return err
	}
	if !confirmed && stored[master] != nil && !same(stored, keys) {
		return ErrUnconfirmed
	}
	signing := keys[master]
	if signing == nil {
		signing = stored[master]
	}
	if signing == nil {
		return fault.New(fault.MissingParam, "No master signing key is available.")
	}
	for _, usage := range []string{selfSigning, userSigning} {
		if key := keys[usage]; key != nil {
			if err := verify(key.content, user, signing.name(), signing.public); err != nil {
				return fault.New(fault.BadSignature, "The %s key is not signed by the master key.", usage).Because(err)
			}
		}
	}
	if err := k.refuseDeviceIDs(ctx, tx, user, keys); err != nil {
		return err
	}
	if old := stored[master]; old != nil && old.public != signing.public {
		for usage := range stored {
			if err := dropCrossSigningKey(tx, user, usage, stored[usage]); err != nil {
				return err
			}
		}
		stored = map[string]*crossSigningKey{}
	}
	changed := false
	for usage, key := range keys {
		old := stored[usage]
		if old != nil && bytes.Equal(old.hash, key.hash) {
			continue
		}
		if old != nil && old.public != key.public {
			if err := dropCrossSigningKey(tx, user, usage, old); err != nil {
				return err
			}
		}
		changed = true
		_, err := tx.Exec(`insert into e2ee_cross_signing_keys (user_id, usage, public_key, hash, content) values ($1, $2, $3, $4, $5)
			on conflict (user_id, usage) do update set public_key = excluded.public_key, hash = excluded.hash, content = excluded.content`,
			user, usage, key.public, key.hash, key.sealed)
		if err != nil {
			return fmt.Errorf("store %s key: %w", usage, err)
		}
	}
	if changed {
		k.Changed(tx, Change{Kind: DeviceList, User: user})
	}
	return nil
}

// refuseDeviceIDs keeps a public key from having the name of a device, under which signatures are stored.
func (k *Keys) refuseDeviceIDs(ctx context.Context, tx *db.Tx, user id.UserID, keys map[string]*crossSigningKey) error {
	for _, key := range keys {
		var n int
		found, err := first(ctx, inTx{tx}, []any{&n}, `select 1 from e2ee_devices where user_id = $1 and device_id = $2`, user, key.public)
		if err != nil {
			return fmt.Errorf("compare with device ids: %w", err)
		}
		if found {
			return fault.New(fault.Forbidden, "Key ID in use.")
		}
	}
	return nil
}

func dropCrossSigningKey(tx *db.Tx, user id.UserID, usage string, key *crossSigningKey) error {
	if _, err := tx.Exec(`delete from e2ee_cross_signing_keys where user_id = $1 and usage = $2`, user, usage); err != nil {
		return fmt.Errorf("remove %s key: %w", usage, err)
	}
	if _, err := tx.Exec(`delete from e2ee_signatures where user_id = $1 and key_id = $2`, user, key.public); err != nil {
		return fmt.Errorf("remove signatures on the %s key: %w", usage, err)
	}
	if _, err := tx.Exec(`delete from e2ee_signatures where signer = $1 and signer_key = $2`, user, key.name()); err != nil {
		return fmt.Errorf("remove signatures by the %s key: %w", usage, err)
	}
	return nil
}
