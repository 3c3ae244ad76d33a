package e2ee

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
)

// Claimed are the keys handed out: user, device, "<algorithm>:<key id>".
type Claimed map[id.UserID]map[id.DeviceID]map[string]json.RawMessage

// Failures names the servers that could not be asked, with an error object for each.
type Failures map[string]map[string]string

type claim struct {
	user      id.UserID
	device    id.DeviceID
	algorithm string
}

type claimed struct {
	claim
	keyID   string
	content []byte // sealed
}

const (
	maxClaims     = 20_000 // devices in one request
	claimsAtOnce  = 50     // devices in one transaction
	maxQueryUsers = 20_000
)

// Claim hands out one key for each device that was asked for: a one-time key, oldest upload first, or the
// fallback key when none is left. A one-time key is handed out once, whatever else happens at the same
// time on any node. Unknown devices are missing from the answer (client-server API, POST /keys/claim).
func (k *Keys) Claim(ctx context.Context, wanted map[id.UserID]map[id.DeviceID]string) (Claimed, Failures, error) {
	var claims []claim
	failures := Failures{}
	for user, devices := range wanted {
		if !k.local(user) {
			failures.add(user)
			continue
		}
		for device, algorithm := range devices {
			claims = append(claims, claim{user, device, algorithm})
		}
	}
	if len(claims) > maxClaims {
		return nil, nil, fault.New(fault.TooLarge, "Keys of at most %d devices can be claimed at once.", maxClaims)
	}
	sort.Slice(claims, func(i, j int) bool {
		a, b := claims[i], claims[j]
		return a.user < b.user || a.user == b.user && a.device < b.device
	})
	answer := Claimed{}
	for len(claims) > 0 {
		chunk := claims[:min(len(claims), claimsAtOnce)]
		claims = claims[len(chunk):]
		if err := k.claimChunk(ctx, chunk, answer); err != nil {
			return nil, nil, err
		}
	}
	return answer, failures, nil
}

func (f Failures) add(user id.UserID) {
	f[user.Homeserver()] = map[string]string{"errcode": string(fault.ConnectionFailed), "error": "The server could not be reached."}
}

func (k *Keys) claimChunk(ctx context.Context, chunk []claim, answer Claimed) error {
	var users []id.UserID
	for i, c := range chunk {
		if i == 0 || chunk[i-1].user != c.user {
			users = append(users, c.user)
		}
	}
	var got []claimed
	err := k.write(ctx, "claim keys", users, func(tx *db.Tx) error {
		got = got[:0]
		for _, c := range chunk {
			key, ok, err := k.claimOne(ctx, tx, c)
			if err != nil {
				return err
			}
			if ok {
				got = append(got, key)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("claim keys: %w", err)
	}
	for _, c := range got {
		content, ok, err := k.open(ctx, c.user, "key", c.content)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if answer[c.user] == nil {
			answer[c.user] = map[id.DeviceID]map[string]json.RawMessage{}
		}
		answer[c.user][c.device] = map[string]json.RawMessage{c.algorithm + ":" + c.keyID: content}
	}
	return nil
}

// claimOne runs under the lock of the user, so that reading and marking is one step.
func (k *Keys) claimOne(ctx context.Context, tx *db.Tx, c claim) (claimed, bool, error) {
	key := claimed{claim: c}
	found, err := first(ctx, inTx{tx}, []any{&key.keyID, &key.content}, `select key_id, content from e2ee_one_time_keys
		where user_id = $1 and device_id = $2 and algorithm = $3 and claimed = 0 order by added, key_id limit 1`, c.user, c.device, c.algorithm)
	if err != nil {
		return key, false, fmt.Errorf("find one-time key: %w", err)
	}
	if found {
		n, err := tx.Exec(`update e2ee_one_time_keys set claimed = $1, content = $2
			where user_id = $3 and device_id = $4 and algorithm = $5 and key_id = $6 and claimed = 0`,
			k.Clock().UnixMilli(), []byte{}, c.user, c.device, c.algorithm, key.keyID)
		if err != nil {
			return key, false, fmt.Errorf("mark one-time key as claimed: %w", err)
		}
		if n != 1 {
			return key, false, fmt.Errorf("one-time key was claimed %d times under its lock", n)
		}
		k.countsChanged(tx, c.user, c.device)
		return key, true, nil
	}
	var used int64
	found, err = first(ctx, inTx{tx}, []any{&key.keyID, &used, &key.content},
		`select key_id, used, content from e2ee_fallback_keys where user_id = $1 and device_id = $2 and algorithm = $3`, c.user, c.device, c.algorithm)
	if err != nil {
		return key, false, fmt.Errorf("find fallback key: %w", err)
	}
	if found && used == 0 {
		if _, err := tx.Exec(`update e2ee_fallback_keys set used = 1 where user_id = $1 and device_id = $2 and algorithm = $3`,
			c.user, c.device, c.algorithm); err != nil {
			return key, false, fmt.Errorf("mark fallback key as used: %w", err)
		}
		k.countsChanged(tx, c.user, c.device)
	}
	return key, found, nil
}
