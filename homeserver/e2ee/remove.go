package e2ee

import (
	"context"
	"fmt"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
)

// DeviceRemoved removes everything kept for a device that is being removed, in the transaction that
// removes it.
func (k *Keys) DeviceRemoved(tx *db.Tx, user id.UserID, device id.DeviceID) error {
	n, err := tx.Exec(`delete from e2ee_devices where user_id = $1 and device_id = $2`, user, device)
	if err != nil {
		return fmt.Errorf("remove device keys: %w", err)
	}
	if err := k.removeKeys(tx, user, device); err != nil {
		return err
	}
	if _, err := tx.Exec(`delete from e2ee_dehydrated_devices where user_id = $1 and device_id = $2`, user, device); err != nil {
		return fmt.Errorf("remove dehydrated device: %w", err)
	}
	if n > 0 {
		k.Changed(tx, Change{Kind: DeviceList, User: user})
	}
	return nil
}

// removeKeys removes what belongs to a device's identity: one-time and fallback keys, and the signatures
// made on it and by it.
func (k *Keys) removeKeys(tx *db.Tx, user id.UserID, device id.DeviceID) error {
	var counted int64
	for _, q := range []string{
		`delete from e2ee_one_time_keys where user_id = $1 and device_id = $2`,
		`delete from e2ee_fallback_keys where user_id = $1 and device_id = $2`,
	} {
		n, err := tx.Exec(q, user, device)
		if err != nil {
			return fmt.Errorf("remove keys of a device: %w", err)
		}
		counted += n
	}
	if counted > 0 {
		k.countsChanged(tx, user, device)
	}
	if _, err := tx.Exec(`delete from e2ee_signatures where user_id = $1 and key_id = $2`, user, device); err != nil {
		return fmt.Errorf("remove signatures on a device: %w", err)
	}
	if _, err := tx.Exec(`delete from e2ee_signatures where signer = $1 and signer_key = $2`,
		user, id.NewKeyID(id.KeyAlgorithmEd25519, string(device))); err != nil {
		return fmt.Errorf("remove signatures of a device: %w", err)
	}
	return nil
}

// RemoveUser removes cross-signing keys and the key backup of an account that is being erased. Its
// devices go through DeviceRemoved.
func (k *Keys) RemoveUser(ctx context.Context, user id.UserID) error {
	err := k.write(ctx, "remove keys of a user", []id.UserID{user}, func(tx *db.Tx) error {
		for _, q := range []string{
			`delete from e2ee_cross_signing_keys where user_id = $1`,
			`delete from e2ee_signatures where user_id = $1 or signer = $1`,
			`delete from e2ee_backup_keys where user_id = $1`,
			`delete from e2ee_backup_versions where user_id = $1`,
		} {
			if _, err := tx.Exec(q, user); err != nil {
				return err
			}
		}
		k.Changed(tx, Change{Kind: DeviceList, User: user})
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove keys of a user: %w", err)
	}
	return nil
}
