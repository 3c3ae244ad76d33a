package e2ee

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
)

// BackupVersion describes one backup of room keys.
type BackupVersion struct {
	Version   string          `json:"version"`
	Algorithm string          `json:"algorithm"`
	AuthData  json.RawMessage `json:"auth_data"`
	Count     int64           `json:"count"`
	ETag      string          `json:"etag"`
}

// BackupState is the answer to a change of stored keys.
type BackupState struct {
	Count int64  `json:"count"`
	ETag  string `json:"etag"`
}

type backupRow struct {
	version     int64
	algorithm   string
	authData    []byte
	etag, count int64
	deleted     bool
}

func unknownBackup() *fault.Fault { return fault.New(fault.NotFound, "Unknown backup version.") }

// backup reads one version, deleted or not.
func (k *Keys) backup(ctx context.Context, q querier, user id.UserID, version string) (*backupRow, error) {
	n, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		return nil, unknownBackup()
	}
	return k.readBackup(ctx, q, `select version, algorithm, auth_data, etag, count, deleted from e2ee_backup_versions
		where user_id = $1 and version = $2`, user, n)
}

// currentBackup reads the newest version that is not deleted.
func (k *Keys) currentBackup(ctx context.Context, q querier, user id.UserID) (*backupRow, error) {
	return k.readBackup(ctx, q, `select version, algorithm, auth_data, etag, count, deleted from e2ee_backup_versions
		where user_id = $1 and deleted = 0 order by version desc limit 1`, user)
}

func (k *Keys) readBackup(ctx context.Context, q querier, query string, args ...any) (*backupRow, error) {
	b := &backupRow{}
	var deleted int64
	found, err := first(ctx, q, []any{&b.version, &b.algorithm, &b.authData, &b.etag, &b.count, &deleted}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read backup version: %w", err)
	}
	if !found {
		return nil, unknownBackup()
	}
	b.deleted = deleted != 0
	return b, nil
}

func (b *backupRow) state() *BackupState {
	return &BackupState{Count: b.count, ETag: strconv.FormatInt(b.etag, 10)}
}

func (k *Keys) showBackup(ctx context.Context, user id.UserID, b *backupRow) (*BackupVersion, error) {
	authData, ok, err := k.open(ctx, user, "backup", b.authData)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, unknownBackup()
	}
	s := b.state()
	return &BackupVersion{strconv.FormatInt(b.version, 10), b.algorithm, authData, s.Count, s.ETag}, nil
}

func checkAuthData(algorithm string, authData json.RawMessage) error {
	if algorithm == "" {
		return fault.New(fault.MissingParam, `The backup needs an "algorithm".`)
	}
	if len(authData) == 0 {
		return fault.New(fault.MissingParam, `The backup needs "auth_data".`)
	}
	if len(authData) > maxObjectBytes || len(algorithm) > 255 {
		return fault.New(fault.TooLarge, "The backup's description is too large.")
	}
	if !isObject(authData) {
		return fault.New(fault.BadJSON, `"auth_data" is not an object.`)
	}
	return nil
}

func isObject(raw json.RawMessage) bool {
	return bytes.HasPrefix(bytes.TrimSpace(raw), []byte{'{'}) && json.Valid(raw)
}

// CreateBackup makes a new, empty version, which becomes the current one (POST /room_keys/version).
func (k *Keys) CreateBackup(ctx context.Context, user id.UserID, algorithm string, authData json.RawMessage) (version string, err error) {
	if err := checkAuthData(algorithm, authData); err != nil {
		return "", err
	}
	sealed, err := k.seal(ctx, user, "backup", authData)
	if err != nil {
		return "", err
	}
	var n int64
	err = k.write(ctx, "create key backup", []id.UserID{user}, func(tx *db.Tx) error {
		if _, err := first(ctx, inTx{tx}, []any{&n}, `select coalesce(max(version), 0) + 1 from e2ee_backup_versions where user_id = $1`, user); err != nil {
			return err
		}
		_, err := tx.Exec(`insert into e2ee_backup_versions (user_id, version, algorithm, auth_data, etag, count, deleted) values ($1, $2, $3, $4, 0, 0, 0)`,
			user, n, algorithm, sealed)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("create key backup: %w", err)
	}
	return strconv.FormatInt(n, 10), nil
}

// Backup returns a version; an empty one means the current (GET /room_keys/version).
func (k *Keys) Backup(ctx context.Context, user id.UserID, version string) (*BackupVersion, error) {
	var b *backupRow
	var err error
	if version == "" {
		b, err = k.currentBackup(ctx, k.DB, user)
		if fault.Is(err, fault.NotFound) {
			return nil, fault.New(fault.NotFound, "No current backup version.")
		}
	} else if b, err = k.backup(ctx, k.DB, user, version); err == nil && b.deleted {
		return nil, unknownBackup()
	}
	if err != nil {
		return nil, err
	}
	return k.showBackup(ctx, user, b)
}

// UpdateBackup replaces the auth data of a version. bodyVersion may be empty (PUT /room_keys/version/{version}).
func (k *Keys) UpdateBackup(ctx context.Context, user id.UserID, version, bodyVersion, algorithm string, authData json.RawMessage) error {
	if err := checkAuthData(algorithm, authData); err != nil {
		return err
	}
	if bodyVersion != "" && bodyVersion != version {
		return fault.New(fault.InvalidParam, "The versions in path and body differ.")
	}
	sealed, err := k.seal(ctx, user, "backup", authData)
	if err != nil {
		return err
	}
	err = k.write(ctx, "update key backup", []id.UserID{user}, func(tx *db.Tx) error {
		b, err := k.backup(ctx, inTx{tx}, user, version)
		if err != nil {
			return err
		}
		if b.deleted {
			return unknownBackup()
		}
		if b.algorithm != algorithm {
			return fault.New(fault.InvalidParam, "Algorithm does not match.")
		}
		_, err = tx.Exec(`update e2ee_backup_versions set auth_data = $1 where user_id = $2 and version = $3`, sealed, user, b.version)
		return err
	})
	if err != nil {
		return fmt.Errorf("update key backup: %w", err)
	}
	return nil
}

// DeleteBackup removes a version and its keys. Doing it again is no error
// (DELETE /room_keys/version/{version}).
func (k *Keys) DeleteBackup(ctx context.Context, user id.UserID, version string) error {
	err := k.write(ctx, "delete key backup", []id.UserID{user}, func(tx *db.Tx) error {
		b, err := k.backup(ctx, inTx{tx}, user, version)
		if err != nil || b.deleted {
			return err
		}
		if _, err := tx.Exec(`delete from e2ee_backup_keys where user_id = $1 and version = $2`, user, b.version); err != nil {
			return err
		}
		_, err = tx.Exec(`update e2ee_backup_versions set deleted = 1, count = 0, auth_data = $1 where user_id = $2 and version = $3`,
			[]byte{}, user, b.version)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete key backup: %w", err)
	}
	return nil
}
