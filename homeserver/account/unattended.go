package account

import (
	"context"
	"fmt"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
)

// AddUnattended adds a device that nobody is signed in on (a dehydrated one), in the transaction that
// stores its keys. A device that exists is M_INVALID_PARAM.
func (a *Accounts) AddUnattended(tx *db.Tx, user id.UserID, device id.DeviceID, name string) error {
	if err := checkDeviceID(device); err != nil {
		return err
	}
	var sealed []byte
	if name != "" {
		var err error
		if sealed, err = a.sealed(tx.Context(), user, "device-name", []byte(cut(name, maxDeviceName))); err != nil {
			return err
		}
	}
	n, err := tx.Exec(`insert into account_devices (user_id, device_id, name, created, seen, seen_from)
		values ($1, $2, $3, $4, $4, $5) on conflict do nothing`, string(user), string(device), sealed, a.now(), nil)
	if err != nil {
		return fmt.Errorf("insert device: %w", err)
	}
	if n == 0 {
		return fault.New(fault.InvalidParam, "A device of this id exists.")
	}
	a.changed(tx, Change{Kind: DeviceList, User: user, Key: string(device)})
	return nil
}

// EnsureDevice adds a device that nobody is signed in on, unless it exists.
func (a *Accounts) EnsureDevice(ctx context.Context, user id.UserID, device id.DeviceID, name string) (made bool, err error) {
	if len(name) > maxDeviceName {
		return false, fault.New(fault.InvalidParam, "The name is too long.")
	}
	err = a.write(ctx, "ensure device", user, func(tx *db.Tx) error {
		n := 0
		if err := tx.QueryRow(`select count(*) from account_devices where user_id = $1 and device_id = $2`, string(user), string(device)).Scan(&n); err != nil {
			return fmt.Errorf("look for a device: %w", err)
		}
		if made = n == 0; !made {
			return nil
		}
		return a.AddUnattended(tx, user, device, name)
	})
	return made, err
}

// RemoveUnattended removes such a device with everything that belongs to it, in the transaction that
// replaces it.
func (a *Accounts) RemoveUnattended(tx *db.Tx, user id.UserID, device id.DeviceID) error {
	return a.removeDevice(tx, user, device)
}
