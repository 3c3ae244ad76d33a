package feed

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/seal"
)

// maxPushers bounds the pushers of one person.
const maxPushers = 100

// pusherKey is the stored form of a push key: which app on which device it is stays unreadable at rest.
func (f *Feed) pusherKey(ctx context.Context, pushKey string) (string, error) {
	mac, err := f.seal.MAC(ctx, seal.Server, "feed_pusher", []byte(pushKey))
	if err != nil {
		return "", fmt.Errorf("hash a push key: %w", err)
	}
	return hex.EncodeToString(mac[:]), nil
}

// SetPusher stores a pusher as the client set it, in the place of one with the same app and push key. Unless
// it is added beside others (append), it is then nobody else's.
func (f *Feed) SetPusher(ctx context.Context, who access.Who, app, pushKey string, pusher json.RawMessage, beside bool) error {
	key, err := f.pusherKey(ctx, pushKey)
	if err != nil {
		return err
	}
	body, err := f.seal.Seal(ctx, seal.Person(who.User), "feed_pusher", pusher)
	if err != nil {
		return fmt.Errorf("seal a pusher: %w", err)
	}
	err = f.db.Write(ctx, "set pusher", nil, func(tx *db.Tx) error {
		if !beside {
			if _, err := tx.Exec(`delete from feed_pusher where app_id = $1 and pushkey = $2 and user_id <> $3`, app, key, who.User); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`insert into feed_pusher (user_id, app_id, pushkey, device_id, token, body, set_at, pos, told, holder, held_until)
			values ($1, $2, $3, $4, $5, $6, $7, $8, 0, '', 0) on conflict (app_id, pushkey, user_id) do update
			set device_id = excluded.device_id, token = excluded.token, body = excluded.body, set_at = excluded.set_at`,
			who.User, app, key, who.Device, who.Token, body, f.now(), f.visible.Load()); err != nil {
			return err
		}
		tx.After(func() { f.pushing.add(who.User) })
		// The oldest go when there are too many.
		_, err := tx.Exec(`delete from feed_pusher where user_id = $1 and token in (select token from feed_pusher
			where user_id = $1 order by token desc limit 1000 offset $2)`, who.User, maxPushers)
		return err
	})
	if err != nil {
		return fmt.Errorf("set pusher: %w", err)
	}
	return nil
}

// DeletePusher removes a person's pusher; one that does not exist is removed already.
func (f *Feed) DeletePusher(ctx context.Context, user id.UserID, app, pushKey string) error {
	key, err := f.pusherKey(ctx, pushKey)
	if err != nil {
		return err
	}
	err = f.db.Write(ctx, "delete pusher", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`delete from feed_pusher where user_id = $1 and app_id = $2 and pushkey = $3`, user, app, key)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete pusher: %w", err)
	}
	return nil
}

// Pushers lists a person's pushers as they were set.
func (f *Feed) Pushers(ctx context.Context, user id.UserID) ([]json.RawMessage, error) {
	rows, err := f.db.Query(ctx, `select body from feed_pusher where user_id = $1 order by app_id, pushkey`, user)
	if err != nil {
		return nil, fmt.Errorf("list pushers: %w", err)
	}
	defer rows.Close()
	out := []json.RawMessage{}
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("list pushers: %w", err)
		}
		plain, err := f.seal.Open(ctx, seal.Person(user), "feed_pusher", body)
		if err != nil {
			return nil, fmt.Errorf("open a pusher: %w", err)
		}
		out = append(out, plain)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list pushers: %w", err)
	}
	return out, nil
}
