package e2ee

import (
	"context"
	"encoding/json"
	"fmt"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
)

// Answer is the answer of POST /keys/query.
type Answer struct {
	DeviceKeys      map[id.UserID]map[id.DeviceID]json.RawMessage `json:"device_keys"`
	MasterKeys      map[id.UserID]json.RawMessage                 `json:"master_keys"`
	SelfSigningKeys map[id.UserID]json.RawMessage                 `json:"self_signing_keys"`
	UserSigningKeys map[id.UserID]json.RawMessage                 `json:"user_signing_keys"`
	Failures        Failures                                      `json:"failures"`
}

// Query returns the keys of users' devices and their cross-signing keys, with the signatures that asker may
// see: those of the owner, and asker's own. An empty list of devices means all. Every user of this server
// is in the answer, so that it does not tell which accounts exist (client-server API, POST /keys/query).
func (k *Keys) Query(ctx context.Context, asker id.UserID, wanted map[id.UserID][]id.DeviceID) (*Answer, error) {
	if len(wanted) > maxQueryUsers {
		return nil, fault.New(fault.TooLarge, "Keys of at most %d users can be queried at once.", maxQueryUsers)
	}
	a := &Answer{
		DeviceKeys:      make(map[id.UserID]map[id.DeviceID]json.RawMessage, len(wanted)),
		MasterKeys:      map[id.UserID]json.RawMessage{},
		SelfSigningKeys: map[id.UserID]json.RawMessage{},
		UserSigningKeys: map[id.UserID]json.RawMessage{},
		Failures:        Failures{},
	}
	for user, devices := range wanted {
		if !k.local(user) {
			a.Failures.add(user)
			continue
		}
		if err := k.queryUser(ctx, a, asker, user, devices); err != nil {
			return nil, fmt.Errorf("query keys of a user: %w", err)
		}
	}
	return a, nil
}

func (k *Keys) queryUser(ctx context.Context, a *Answer, asker, user id.UserID, devices []id.DeviceID) error {
	signatures, err := k.signaturesOn(ctx, k.DB, user, asker)
	if err != nil {
		return err
	}
	if err := k.queryDevices(ctx, a, user, devices, signatures); err != nil {
		return err
	}
	own, err := k.crossSigningKeys(ctx, k.DB, user)
	if err != nil {
		return err
	}
	for usage, key := range own {
		object, err := withSignatures(key.content, signatures[key.public])
		if err != nil {
			return err
		}
		switch {
		case usage == master:
			a.MasterKeys[user] = object
		case usage == selfSigning:
			a.SelfSigningKeys[user] = object
		case usage == userSigning && asker == user:
			a.UserSigningKeys[user] = object
		}
	}
	return nil
}

func (k *Keys) queryDevices(ctx context.Context, a *Answer, user id.UserID, devices []id.DeviceID, signatures map[string]signatureSet) error {
	wanted := make(map[id.DeviceID]bool, len(devices))
	for _, d := range devices {
		wanted[d] = true
	}
	sealed := map[id.DeviceID][]byte{}
	err := each(ctx, k.DB, func(scan scanner) error {
		var device id.DeviceID
		var keys []byte
		if err := scan(&device, &keys); err != nil {
			return err
		}
		if len(wanted) == 0 || wanted[device] {
			sealed[device] = keys
		}
		return nil
	}, `select device_id, keys from e2ee_devices where user_id = $1`, user)
	if err != nil {
		return fmt.Errorf("read device keys: %w", err)
	}
	answer := make(map[id.DeviceID]json.RawMessage, len(sealed))
	a.DeviceKeys[user] = answer
	if len(sealed) == 0 {
		return nil
	}
	names, err := k.DeviceNames(ctx, user)
	if err != nil {
		return fmt.Errorf("read device names: %w", err)
	}
	for device, content := range sealed {
		plain, ok, err := k.open(ctx, user, "device", content)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		object, err := withSignatures(plain, signatures[string(device)])
		if err != nil {
			return err
		}
		if name := names[device]; name != "" {
			if object, err = withName(object, name); err != nil {
				return err
			}
		}
		answer[device] = object
	}
	return nil
}

// signatureSet holds signatures by signer and signing key.
type signatureSet map[id.UserID]map[string]string

func (s signatureSet) add(signer id.UserID, key, signature string) {
	if s[signer] == nil {
		s[signer] = map[string]string{}
	}
	s[signer][key] = signature
}

// signaturesOn returns the signatures on user's keys that asker may see, by key id.
func (k *Keys) signaturesOn(ctx context.Context, q querier, user, asker id.UserID) (map[string]signatureSet, error) {
	sets := map[string]signatureSet{}
	err := each(ctx, q, func(scan scanner) error {
		var keyID, signerKey, signature string
		var signer id.UserID
		if err := scan(&keyID, &signer, &signerKey, &signature); err != nil {
			return err
		}
		if sets[keyID] == nil {
			sets[keyID] = signatureSet{}
		}
		sets[keyID].add(signer, signerKey, signature)
		return nil
	}, `select key_id, signer, signer_key, signature from e2ee_signatures where user_id = $1 and (signer = $1 or signer = $2)`, user, asker)
	if err != nil {
		return nil, fmt.Errorf("read signatures: %w", err)
	}
	return sets, nil
}

// withSignatures adds signatures to an uploaded object.
func withSignatures(object json.RawMessage, more signatureSet) (json.RawMessage, error) {
	if len(more) == 0 {
		return object, nil
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(object, &parts); err != nil {
		return nil, fmt.Errorf("decode stored key: %w", err)
	}
	all := signatureSet{}
	if raw, ok := parts["signatures"]; ok {
		if err := json.Unmarshal(raw, &all); err != nil {
			return nil, fmt.Errorf("decode stored signatures: %w", err)
		}
	}
	for signer, keys := range more {
		for key, signature := range keys {
			all.add(signer, key, signature)
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("encode signatures: %w", err)
	}
	parts["signatures"] = raw
	return json.Marshal(parts)
}

// withName adds the display name of a device to its stored object, which has no "unsigned" of its own.
func withName(object json.RawMessage, name string) (json.RawMessage, error) {
	unsigned, err := json.Marshal(map[string]map[string]string{"unsigned": {"device_display_name": name}})
	if err != nil {
		return nil, fmt.Errorf("encode device name: %w", err)
	}
	out := append(make(json.RawMessage, 0, len(object)+len(unsigned)), object[:len(object)-1]...)
	return append(append(out, ','), unsigned[1:]...), nil
}
