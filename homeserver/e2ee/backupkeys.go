package e2ee

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
)

// BackedUpKey is one megolm session in a backup (schema KeyBackupData).
type BackedUpKey struct {
	FirstMessageIndex *int64          `json:"first_message_index"`
	ForwardedCount    *int64          `json:"forwarded_count"`
	IsVerified        *bool           `json:"is_verified"`
	SessionData       json.RawMessage `json:"session_data"`
}

// RoomBackup holds sessions of one room by session id.
type RoomBackup struct {
	Sessions map[string]BackedUpKey `json:"sessions"`
}

// Backups holds backups by room.
type Backups map[id.RoomID]RoomBackup

type backupKeyRow struct {
	room             id.RoomID
	session          string
	verified         bool
	first, forwarded int64
	content          []byte
}

const (
	maxBackupKeys     = 20_000 // sessions in one request
	backupKeysAtOnce  = 100    // sessions in one transaction
	maxBackupKeyBytes = 32 << 10
)

func (k *Keys) prepareBackup(ctx context.Context, user id.UserID, keys Backups) ([]backupKeyRow, error) {
	var rows []backupKeyRow
	for room, b := range keys {
		for session, key := range b.Sessions {
			if key.FirstMessageIndex == nil || key.ForwardedCount == nil || key.IsVerified == nil || len(key.SessionData) == 0 {
				return nil, fault.New(fault.BadJSON, "A backed up key needs first_message_index, forwarded_count, is_verified and session_data.")
			}
			if !isObject(key.SessionData) {
				return nil, fault.New(fault.BadJSON, `"session_data" is not an object.`)
			}
			if room == "" || session == "" || len(room) > 255 || len(session) > 255 {
				return nil, fault.New(fault.InvalidParam, "A room or session id is empty or too long.")
			}
			if len(key.SessionData) > maxBackupKeyBytes {
				return nil, fault.New(fault.TooLarge, "A backed up key is too large.")
			}
			content, err := k.seal(ctx, user, "backup key", key.SessionData)
			if err != nil {
				return nil, err
			}
			rows = append(rows, backupKeyRow{room, session, *key.IsVerified, *key.FirstMessageIndex, *key.ForwardedCount, content})
		}
	}
	if len(rows) > maxBackupKeys {
		return nil, fault.New(fault.TooLarge, "At most %d keys can be stored at once.", maxBackupKeys)
	}
	return rows, nil
}

// StoreBackup adds keys to the current version, or replaces stored ones by better ones: verified before
// unverified, then the lower first message index, then the lower forwarded count ("Server-side key
// backups"). Another version than the current is M_WRONG_ROOM_KEYS_VERSION.
func (k *Keys) StoreBackup(ctx context.Context, user id.UserID, version string, keys Backups) (*BackupState, error) {
	rows, err := k.prepareBackup(ctx, user, keys)
	if err != nil {
		return nil, err
	}
	var state *BackupState
	for next := true; next; next = len(rows) > 0 {
		chunk := rows[:min(len(rows), backupKeysAtOnce)]
		rows = rows[len(chunk):]
		err := k.write(ctx, "store backup keys", []id.UserID{user}, func(tx *db.Tx) (err error) {
			state, err = k.storeBackupKeys(ctx, tx, user, version, chunk)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("store backup keys: %w", err)
		}
	}
	return state, nil
}

func (k *Keys) storeBackupKeys(ctx context.Context, tx *db.Tx, user id.UserID, version string, rows []backupKeyRow) (*BackupState, error) {
	b, err := k.currentBackup(ctx, inTx{tx}, user)
	if err != nil {
		return nil, err
	}
	if current := strconv.FormatInt(b.version, 10); current != version {
		if _, err := k.backup(ctx, inTx{tx}, user, version); err != nil {
			return nil, err
		}
		return nil, fault.New(fault.WrongRoomKeysVersion, "Wrong backup version.").With("current_version", current)
	}
	changed := false
	for _, r := range rows {
		n, err := tx.Exec(`insert into e2ee_backup_keys (user_id, version, room_id, session_id, is_verified, first_message_index, forwarded_count, content)
			values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
			user, b.version, r.room, r.session, bit(r.verified), r.first, r.forwarded, r.content)
		if err != nil {
			return nil, fmt.Errorf("insert: %w", err)
		}
		b.count += n
		if n == 0 {
			n, err = tx.Exec(`update e2ee_backup_keys set is_verified = $5, first_message_index = $6, forwarded_count = $7, content = $8
				where user_id = $1 and version = $2 and room_id = $3 and session_id = $4 and (is_verified < $5
					or is_verified = $5 and (first_message_index > $6 or first_message_index = $6 and forwarded_count > $7))`,
				user, b.version, r.room, r.session, bit(r.verified), r.first, r.forwarded, r.content)
			if err != nil {
				return nil, fmt.Errorf("replace: %w", err)
			}
		}
		changed = changed || n > 0
	}
	if changed {
		err = k.touchBackup(tx, user, b)
	}
	return b.state(), err
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (k *Keys) touchBackup(tx *db.Tx, user id.UserID, b *backupRow) error {
	b.etag++
	if _, err := tx.Exec(`update e2ee_backup_versions set etag = $1, count = $2 where user_id = $3 and version = $4`,
		b.etag, b.count, user, b.version); err != nil {
		return fmt.Errorf("update backup version: %w", err)
	}
	return nil
}

// filter narrows a query to a room and a session; both may be empty.
const filter = ` user_id = $1 and version = $2 and ($3 = '' or room_id = $3) and ($4 = '' or session_id = $4)`

// LoadBackup returns stored keys of a version: of all rooms, of one, or one session.
func (k *Keys) LoadBackup(ctx context.Context, user id.UserID, version string, room id.RoomID, session string) (Backups, error) {
	b, err := k.backup(ctx, k.DB, user, version)
	if err != nil {
		return nil, err
	}
	if b.deleted {
		return nil, unknownBackup()
	}
	out := Backups{}
	err = each(ctx, k.DB, func(scan scanner) error {
		var r backupKeyRow
		var verified int64
		if err := scan(&r.room, &r.session, &verified, &r.first, &r.forwarded, &r.content); err != nil {
			return err
		}
		content, ok, err := k.open(ctx, user, "backup key", r.content)
		if err != nil || !ok {
			return err
		}
		if out[r.room].Sessions == nil {
			out[r.room] = RoomBackup{Sessions: map[string]BackedUpKey{}}
		}
		isVerified := verified != 0
		out[r.room].Sessions[r.session] = BackedUpKey{&r.first, &r.forwarded, &isVerified, content}
		return nil
	}, `select room_id, session_id, is_verified, first_message_index, forwarded_count, content from e2ee_backup_keys where`+filter,
		user, b.version, room, session)
	if err != nil {
		return nil, fmt.Errorf("read backup keys: %w", err)
	}
	return out, nil
}

// DeleteBackupKeys removes stored keys of a version: of all rooms, of one, or one session.
func (k *Keys) DeleteBackupKeys(ctx context.Context, user id.UserID, version string, room id.RoomID, session string) (*BackupState, error) {
	var state *BackupState
	err := k.write(ctx, "delete backup keys", []id.UserID{user}, func(tx *db.Tx) error {
		b, err := k.backup(ctx, inTx{tx}, user, version)
		if err != nil {
			return err
		}
		if b.deleted {
			return unknownBackup()
		}
		n, err := tx.Exec(`delete from e2ee_backup_keys where`+filter, user, b.version, room, session)
		if err != nil {
			return err
		}
		if n > 0 {
			b.count -= n
			err = k.touchBackup(tx, user, b)
		}
		state = b.state()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("delete backup keys: %w", err)
	}
	return state, nil
}
