package e2ee

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"maunium.net/go/mautrix/crypto/canonicaljson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
)

// SignedKeys is the body of POST /keys/signatures/upload: user, key id, the signed object.
type SignedKeys map[id.UserID]map[string]json.RawMessage

// SignatureFailures are the faults of signatures that were not stored.
type SignatureFailures map[id.UserID]map[string]*fault.Fault

func (f SignatureFailures) add(user id.UserID, keyID string, err *fault.Fault) {
	if f[user] == nil {
		f[user] = map[string]*fault.Fault{}
	}
	f[user][keyID] = err
}

const maxSignedKeys = 1_000

// UploadSignatures stores signatures that user made: with the self-signing key on own devices, with own
// devices on the own master key, with the user-signing key on the master keys of others. Each object must
// be the stored one. Those that are refused are named in the answer, the others are stored (client-server
// API, POST /keys/signatures/upload).
func (k *Keys) UploadSignatures(ctx context.Context, user id.UserID, up SignedKeys) (SignatureFailures, error) {
	n := 0
	users := []id.UserID{user}
	for target, objects := range up {
		n += len(objects)
		if target != user && k.local(target) {
			users = append(users, target)
		}
	}
	if n > maxSignedKeys {
		return nil, fault.New(fault.TooLarge, "At most %d signed keys can be uploaded at once.", maxSignedKeys)
	}
	var failures SignatureFailures
	err := k.write(ctx, "upload signatures", users, func(tx *db.Tx) error {
		failures = SignatureFailures{}
		return k.storeSignatures(ctx, tx, user, up, failures)
	})
	if err != nil {
		return nil, fmt.Errorf("store signatures: %w", err)
	}
	return failures, nil
}

// signedKey is an object with signatures on it, and what they may be made with.
type signedKey struct {
	stored  json.RawMessage   // what was uploaded by the owner
	signers map[string]string // public keys by name, of the signer
}

func (k *Keys) storeSignatures(ctx context.Context, tx *db.Tx, user id.UserID, up SignedKeys, failures SignatureFailures) error {
	own, err := k.crossSigningKeys(ctx, inTx{tx}, user)
	if err != nil {
		return err
	}
	for target, objects := range up {
		stored := false
		for keyID, object := range objects {
			key, refused, err := k.signable(ctx, tx, user, target, keyID, own)
			if err != nil {
				return err
			}
			var good map[string]string
			if refused == nil {
				good, refused = checkSignatures(user, key, object)
			}
			if refused != nil {
				failures.add(target, keyID, refused)
				continue
			}
			for name, signature := range good {
				_, err := tx.Exec(`insert into e2ee_signatures (user_id, key_id, signer, signer_key, signature) values ($1, $2, $3, $4, $5)
					on conflict (user_id, key_id, signer, signer_key) do update set signature = excluded.signature`,
					target, keyID, user, name, signature)
				if err != nil {
					return fmt.Errorf("store signature: %w", err)
				}
			}
			stored = true
		}
		switch {
		case stored && target == user:
			k.Changed(tx, Change{Kind: DeviceList, User: user})
		case stored:
			k.Changed(tx, Change{Kind: OwnView, User: user, Subject: target})
		}
	}
	return nil
}

// signable finds the stored key that target calls keyID, and with what user may sign it.
func (k *Keys) signable(ctx context.Context, tx *db.Tx, user, target id.UserID, keyID string, own map[string]*crossSigningKey) (*signedKey, *fault.Fault, error) {
	unknown := fault.New(fault.NotFound, "The key is not known.")
	if target != user {
		keys, err := k.crossSigningKeys(ctx, inTx{tx}, target)
		if err != nil {
			return nil, nil, err
		}
		if keys[master] == nil || keys[master].public != keyID {
			return nil, unknown, nil
		}
		if own[userSigning] == nil {
			return nil, fault.New(fault.NotFound, "There is no user-signing key."), nil
		}
		return &signedKey{keys[master].content, map[string]string{string(own[userSigning].name()): own[userSigning].public}}, nil, nil
	}
	if m := own[master]; m != nil && m.public == keyID {
		signers := map[string]string{}
		err := each(ctx, inTx{tx}, func(scan scanner) error {
			var device, identity string
			if err := scan(&device, &identity); err != nil {
				return err
			}
			signers["ed25519:"+device] = identity
			return nil
		}, `select device_id, identity from e2ee_devices where user_id = $1`, user)
		if err != nil {
			return nil, nil, fmt.Errorf("read devices: %w", err)
		}
		return &signedKey{m.content, signers}, nil, nil
	}
	var sealed []byte
	found, err := first(ctx, inTx{tx}, []any{&sealed}, `select keys from e2ee_devices where user_id = $1 and device_id = $2`, user, keyID)
	if err != nil {
		return nil, nil, fmt.Errorf("read device keys: %w", err)
	}
	if !found {
		return nil, unknown, nil
	}
	content, ok, err := k.open(ctx, user, "device", sealed)
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		return nil, unknown, nil
	}
	if own[selfSigning] == nil {
		return nil, fault.New(fault.NotFound, "There is no self-signing key."), nil
	}
	return &signedKey{content, map[string]string{string(own[selfSigning].name()): own[selfSigning].public}}, nil, nil
}

// checkSignatures returns the signatures of user on object that are new and right. One that is wrong
// refuses the object; those by keys that may not sign it are left out.
func checkSignatures(user id.UserID, key *signedKey, object json.RawMessage) (map[string]string, *fault.Fault) {
	if len(object) > maxObjectBytes {
		return nil, fault.New(fault.TooLarge, "The object is too large.")
	}
	parts, text, _, err := canonical(object)
	if err != nil {
		refused, _ := fault.As(err)
		return nil, refused
	}
	if !sameObject(key.stored, parts) {
		return nil, fault.New(fault.InvalidParam, "The object is not the stored key.")
	}
	var all signatureSet
	if err := json.Unmarshal(parts["signatures"], &all); err != nil {
		return nil, fault.New(fault.BadJSON, "The object has no signatures.")
	}
	good := map[string]string{}
	for name, signature := range all[user] {
		public, ok := key.signers[name]
		if !ok {
			continue
		}
		if err := verify(text, user, id.KeyID(name), public); err != nil {
			return nil, fault.New(fault.BadSignature, "Invalid signature.")
		}
		good[name] = signature
	}
	if len(good) == 0 {
		return nil, fault.New(fault.BadSignature, "No signature of yours by a key that can sign this one.")
	}
	return good, nil
}

// sameObject compares a stored object with an uploaded one, signatures left out.
func sameObject(stored json.RawMessage, uploaded map[string]json.RawMessage) bool {
	var a map[string]json.RawMessage
	if err := json.Unmarshal(stored, &a); err != nil {
		return false
	}
	b := make(map[string]json.RawMessage, len(uploaded))
	for key, value := range uploaded {
		if key != "signatures" {
			b[key] = value
		}
	}
	delete(a, "signatures")
	x, errA := canonicaljson.Marshal(a)
	y, errB := canonicaljson.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(x, y)
}
