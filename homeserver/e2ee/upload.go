package e2ee

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"time"

	"maunium.net/go/mautrix/federation/signutil"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
)

// Upload is the body of POST /keys/upload.
type Upload struct {
	DeviceKeys   json.RawMessage            `json:"device_keys"`
	OneTimeKeys  map[string]json.RawMessage `json:"one_time_keys"`
	FallbackKeys map[string]json.RawMessage `json:"fallback_keys"`
}

const (
	maxKeysAtOnce   = 500      // one-time keys in one upload
	maxKeysStored   = 2_000    // unclaimed one-time keys of one device
	maxKeyBytes     = 4 << 10  // one one-time or fallback key
	maxObjectBytes  = 64 << 10 // identity keys or a cross-signing key
	forgetClaimedIn = 7 * 24 * time.Hour
)

// deviceKeys is what has to be right in identity keys; the rest is stored as it is.
type deviceKeys struct {
	UserID     id.UserID                       `json:"user_id"`
	DeviceID   id.DeviceID                     `json:"device_id"`
	Algorithms *[]string                       `json:"algorithms"`
	Keys       map[string]string               `json:"keys"`
	Signatures map[id.UserID]map[string]string `json:"signatures"`
}

type sealedKey struct {
	algorithm, keyID string
	hash, content    []byte
}

// preparedUpload is an upload after all checks that need no database, sealed.
type preparedUpload struct {
	identity           string // ed25519 key; empty when the upload has no device keys
	hash, keys         []byte
	oneTime, fallbacks []sealedKey
}

// Upload stores identity, one-time and fallback keys of a device and returns the number of unclaimed
// one-time keys by algorithm (client-server API, POST /keys/upload). A repeated upload changes nothing; a
// key id that is taken by a different key is M_INVALID_PARAM.
func (k *Keys) Upload(ctx context.Context, user id.UserID, device id.DeviceID, up Upload) (map[string]int, error) {
	if device == "" {
		return nil, fault.New(fault.InvalidParam, "Only a device can upload keys.")
	}
	p, err := k.prepare(ctx, user, device, up)
	if err != nil {
		return nil, err
	}
	var counts *DeviceCounts
	write := func(tx *db.Tx) (err error) {
		counts, err = k.store(ctx, tx, user, device, p)
		return err
	}
	if p.identity == "" && len(p.oneTime)+len(p.fallbacks) == 0 {
		// Some clients ask for their counts this way.
		if counts, err = readCounts(ctx, k.DB, user, device); err != nil {
			return nil, err
		}
		return counts.OneTime, nil
	}
	if err := k.write(ctx, "upload keys", []id.UserID{user}, write); err != nil {
		return nil, fmt.Errorf("store keys of a device: %w", err)
	}
	return counts.OneTime, nil
}

func (k *Keys) prepare(ctx context.Context, user id.UserID, device id.DeviceID, up Upload) (*preparedUpload, error) {
	p := &preparedUpload{}
	if len(up.DeviceKeys) > 0 && !bytes.Equal(up.DeviceKeys, []byte("null")) {
		text, hash, identity, err := checkDeviceKeys(user, device, up.DeviceKeys)
		if err != nil {
			return nil, err
		}
		p.identity, p.hash = identity, hash
		if p.keys, err = k.seal(ctx, user, "device", text); err != nil {
			return nil, err
		}
	}
	if len(up.OneTimeKeys) > maxKeysAtOnce {
		return nil, fault.New(fault.InvalidParam, "At most %d one-time keys can be uploaded at once.", maxKeysAtOnce)
	}
	var err error
	if p.oneTime, err = k.prepareKeys(ctx, user, up.OneTimeKeys); err != nil {
		return nil, err
	}
	if p.fallbacks, err = k.prepareKeys(ctx, user, up.FallbackKeys); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, f := range p.fallbacks {
		if seen[f.algorithm] {
			return nil, fault.New(fault.InvalidParam, "There can be one fallback key for each algorithm.")
		}
		seen[f.algorithm] = true
	}
	return p, nil
}

// checkDeviceKeys follows the schema DeviceKeys and "Device keys" of the end-to-end encryption module: the
// object belongs to the caller and names its ed25519 key. Whether that key signed it is for the clients to
// check, which do not trust this server about it.
func checkDeviceKeys(user id.UserID, device id.DeviceID, raw json.RawMessage) (text json.RawMessage, hash []byte, identity string, err error) {
	if len(raw) > maxObjectBytes {
		return nil, nil, "", fault.New(fault.TooLarge, "The device keys are too large.")
	}
	_, text, hash, err = canonical(raw)
	if err != nil {
		return nil, nil, "", err
	}
	var d deviceKeys
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, nil, "", fault.New(fault.BadJSON, "The device keys do not have the form of device keys.")
	}
	if d.Algorithms == nil || d.Keys == nil || d.Signatures == nil {
		return nil, nil, "", fault.New(fault.BadJSON, "Device keys need algorithms, keys and signatures.")
	}
	if d.UserID != user || d.DeviceID != device {
		return nil, nil, "", fault.New(fault.InvalidParam, "The device keys belong to another device.")
	}
	name := id.NewKeyID(id.KeyAlgorithmEd25519, string(device))
	identity = d.Keys[string(name)]
	if identity == "" {
		return nil, nil, "", fault.New(fault.BadJSON, "Device keys need an ed25519 key of the device.")
	}
	return text, hash, identity, nil
}

// verify checks one signature on a canonical object.
func verify(text json.RawMessage, signer id.UserID, name id.KeyID, publicKey string) error {
	return signutil.VerifyJSON(string(signer), name, id.SigningKey(publicKey), text)
}

func (k *Keys) prepareKeys(ctx context.Context, user id.UserID, keys map[string]json.RawMessage) ([]sealedKey, error) {
	out := make([]sealedKey, 0, len(keys))
	for name, raw := range keys {
		algorithm, keyID, ok := splitKeyID(name)
		if !ok {
			return nil, fault.New(fault.InvalidParam, "The name of a key is its algorithm, a colon and its id.")
		}
		if len(raw) > maxKeyBytes {
			return nil, fault.New(fault.TooLarge, "A one-time key is too large.")
		}
		text, hash, err := checkKey(raw)
		if err != nil {
			return nil, err
		}
		content, err := k.seal(ctx, user, "key", text)
		if err != nil {
			return nil, err
		}
		out = append(out, sealedKey{algorithm, keyID, hash, content})
	}
	sort.Slice(out, func(i, j int) bool {
		return out[i].algorithm+":"+out[i].keyID < out[j].algorithm+":"+out[j].keyID
	})
	return out, nil
}

// checkKey accepts a bare key (a string) or a key object with a "key" (schema OneTimeKeys).
func checkKey(raw json.RawMessage) (text, hash []byte, err error) {
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte{'"'}) {
		var bare string
		if err := json.Unmarshal(raw, &bare); err != nil || bare == "" {
			return nil, nil, fault.New(fault.BadJSON, "A key is not a JSON string.")
		}
		// Canonical JSON starts at objects; wrapped in one, equal keys have equal hashes.
		quoted, err := json.Marshal(bare)
		if err != nil {
			return nil, nil, fmt.Errorf("encode key: %w", err)
		}
		_, _, hash, err := canonical(fmt.Appendf(nil, `{"key":%s}`, quoted))
		return quoted, hash, err
	}
	object, text, hash, err := canonical(raw)
	if err != nil {
		return nil, nil, err
	}
	var key string
	if err := json.Unmarshal(object["key"], &key); err != nil || key == "" {
		return nil, nil, fault.New(fault.BadJSON, `A key object needs a "key".`)
	}
	return text, hash, nil
}

// store writes the upload. Everything it reads is protected by the lock of the user.
func (k *Keys) store(ctx context.Context, tx *db.Tx, user id.UserID, device id.DeviceID, p *preparedUpload) (*DeviceCounts, error) {
	if p.identity != "" {
		if err := k.storeIdentity(ctx, tx, user, device, p); err != nil {
			return nil, err
		}
	}
	if len(p.oneTime) > 0 {
		if err := k.storeOneTime(ctx, tx, user, device, p.oneTime); err != nil {
			return nil, err
		}
	}
	for _, f := range p.fallbacks {
		// The same key again keeps its mark of having been used.
		_, err := tx.Exec(`insert into e2ee_fallback_keys (user_id, device_id, algorithm, key_id, used, hash, content) values ($1, $2, $3, $4, 0, $5, $6)
			on conflict (user_id, device_id, algorithm) do update set key_id = excluded.key_id, used = 0, hash = excluded.hash, content = excluded.content
			where e2ee_fallback_keys.hash <> excluded.hash or e2ee_fallback_keys.key_id <> excluded.key_id`,
			user, device, f.algorithm, f.keyID, f.hash, f.content)
		if err != nil {
			return nil, fmt.Errorf("store fallback key: %w", err)
		}
	}
	counts, err := readCounts(ctx, inTx{tx}, user, device)
	if err != nil {
		return nil, err
	}
	for _, n := range counts.OneTime {
		if n > maxKeysStored {
			return nil, fault.New(fault.LimitExceeded, "The device has %d unused one-time keys already.", maxKeysStored)
		}
	}
	if len(p.oneTime)+len(p.fallbacks) > 0 {
		k.countsChanged(tx, user, device)
	}
	return counts, nil
}

func (k *Keys) countsChanged(tx *db.Tx, user id.UserID, device id.DeviceID) {
	k.Changed(tx, Change{Kind: Counts, User: user, Device: device})
	tx.After(func() { k.counts.drop(deviceKey{user, device}) })
}

func (k *Keys) storeIdentity(ctx context.Context, tx *db.Tx, user id.UserID, device id.DeviceID, p *preparedUpload) error {
	var oldIdentity string
	var oldHash []byte
	found, err := first(ctx, inTx{tx}, []any{&oldIdentity, &oldHash},
		`select identity, hash from e2ee_devices where user_id = $1 and device_id = $2`, user, device)
	if err != nil {
		return fmt.Errorf("read device keys: %w", err)
	}
	if found && bytes.Equal(oldHash, p.hash) {
		return nil
	}
	if found && oldIdentity != p.identity {
		// One-time keys and signatures of the former identity are worth nothing to anybody.
		if err := k.removeKeys(tx, user, device); err != nil {
			return err
		}
		k.countsChanged(tx, user, device)
	}
	_, err = tx.Exec(`insert into e2ee_devices (user_id, device_id, identity, hash, keys) values ($1, $2, $3, $4, $5)
		on conflict (user_id, device_id) do update set identity = excluded.identity, hash = excluded.hash, keys = excluded.keys`,
		user, device, p.identity, p.hash, p.keys)
	if err != nil {
		return fmt.Errorf("store device keys: %w", err)
	}
	k.Changed(tx, Change{Kind: DeviceList, User: user})
	return nil
}

func (k *Keys) storeOneTime(ctx context.Context, tx *db.Tx, user id.UserID, device id.DeviceID, keys []sealedKey) error {
	now := k.Clock()
	if _, err := tx.Exec(`delete from e2ee_one_time_keys where user_id = $1 and device_id = $2 and claimed > 0 and claimed < $3`,
		user, device, now.Add(-forgetClaimedIn).UnixMilli()); err != nil {
		return fmt.Errorf("forget claimed keys: %w", err)
	}
	var added int64
	if _, err := first(ctx, inTx{tx}, []any{&added},
		`select coalesce(max(added), 0) + 1 from e2ee_one_time_keys where user_id = $1 and device_id = $2`, user, device); err != nil {
		return fmt.Errorf("number the upload: %w", err)
	}
	for _, key := range keys {
		n, err := tx.Exec(`insert into e2ee_one_time_keys (user_id, device_id, algorithm, key_id, added, claimed, hash, content) values ($1, $2, $3, $4, $5, 0, $6, $7)
			on conflict (user_id, device_id, algorithm, key_id) do update set added = excluded.added, claimed = 0, hash = excluded.hash, content = excluded.content
			where e2ee_one_time_keys.claimed > 0 and e2ee_one_time_keys.hash <> excluded.hash`,
			user, device, key.algorithm, key.keyID, added, key.hash, key.content)
		if err != nil {
			return fmt.Errorf("store one-time key: %w", err)
		}
		if n > 0 {
			continue
		}
		var hash []byte
		if _, err := first(ctx, inTx{tx}, []any{&hash},
			`select hash from e2ee_one_time_keys where user_id = $1 and device_id = $2 and algorithm = $3 and key_id = $4`,
			user, device, key.algorithm, key.keyID); err != nil {
			return fmt.Errorf("read one-time key: %w", err)
		}
		if !bytes.Equal(hash, key.hash) {
			return fault.New(fault.InvalidParam, "One-time key %s:%s already exists.", key.algorithm, key.keyID)
		}
	}
	return nil
}
