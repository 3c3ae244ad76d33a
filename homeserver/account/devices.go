package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
)

const (
	maxDeviceID   = 255
	maxDeviceName = 200 // bytes; longer names are cut
)

// Device is a device of an account.
type Device struct {
	User     id.UserID
	ID       id.DeviceID
	Name     string
	Created  int64 // milliseconds
	Seen     int64 // milliseconds, a few minutes late
	SeenAddr string
	Agent    string
}

// checkDeviceID refuses ids that a client chose and that cannot be those of a device: whoever sends to all devices of
// a person has to be able to reach each of them.
func checkDeviceID(device id.DeviceID) error {
	if device == "" || len(device) > maxDeviceID {
		return fault.New(fault.InvalidParam, "The device id is empty or too long.")
	}
	if strings.IndexByte(string(device), 0) >= 0 {
		return fault.New(fault.InvalidParam, "The device id has a zero byte.")
	}
	return nil
}

func noDevice() error { return fault.New(fault.NotFound, "There is no such device.") }

// Devices lists a person's devices in the order they were made.
func (a *Accounts) Devices(ctx context.Context, user id.UserID) ([]Device, error) {
	return a.devices(ctx, user, `select device_id, name, created, seen, seen_from from account_devices
		where user_id = $1 order by created, device_id`, string(user))
}

// Device returns one device of a person. The fault is M_NOT_FOUND.
func (a *Accounts) Device(ctx context.Context, user id.UserID, device id.DeviceID) (Device, error) {
	list, err := a.devices(ctx, user, `select device_id, name, created, seen, seen_from from account_devices
		where user_id = $1 and device_id = $2`, string(user), string(device))
	if err == nil && len(list) == 0 {
		err = noDevice()
	}
	if err != nil {
		return Device{}, err
	}
	return list[0], nil
}

func (a *Accounts) devices(ctx context.Context, user id.UserID, q string, args ...any) ([]Device, error) {
	rows, err := a.db.Query(ctx, q, args...)
	if err != nil {
		return nil, fmt.Errorf("load devices: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var list []Device
	for rows.Next() {
		d := Device{User: user}
		var name, from []byte
		if err := rows.Scan(&d.ID, &name, &d.Created, &d.Seen, &from); err != nil {
			return nil, fmt.Errorf("load devices: %w", err)
		}
		if name != nil {
			b, err := a.opened(ctx, user, "device-name", name)
			if err != nil {
				return nil, fmt.Errorf("open device name: %w", err)
			}
			d.Name = string(b)
		}
		if err := a.openSeen(ctx, &d, from); err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("load devices: %w", err)
	}
	return list, nil
}

// DeviceIDs lists the ids of a person's devices.
func (a *Accounts) DeviceIDs(ctx context.Context, user id.UserID) ([]id.DeviceID, error) {
	rows, err := a.db.Query(ctx, `select device_id from account_devices where user_id = $1 order by created, device_id`, string(user))
	if err != nil {
		return nil, fmt.Errorf("load devices: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var list []id.DeviceID
	for rows.Next() {
		var d id.DeviceID
		if err := rows.Scan(&d); err != nil {
			return nil, fmt.Errorf("load devices: %w", err)
		}
		list = append(list, d)
	}
	return list, rows.Err()
}

// RenameDevice changes the name that a person gave a device. The fault is M_NOT_FOUND.
func (a *Accounts) RenameDevice(ctx context.Context, user id.UserID, device id.DeviceID, name string) error {
	if len(name) > maxDeviceName {
		return fault.New(fault.InvalidParam, "The name is too long.")
	}
	b, err := a.sealed(ctx, user, "device-name", []byte(name))
	if err != nil {
		return err
	}
	return a.write(ctx, "rename device", user, func(tx *db.Tx) error {
		n, err := tx.Exec(`update account_devices set name = $3 where user_id = $1 and device_id = $2`, string(user), string(device), b)
		if err != nil {
			return fmt.Errorf("rename device: %w", err)
		}
		if n == 0 {
			return noDevice()
		}
		a.changed(tx, Change{Kind: DeviceList, User: user, Key: string(device)})
		return nil
	})
}

// RemoveDevices removes devices and ends their sessions; by is the device that asked. Devices that are
// not there are no error.
func (a *Accounts) RemoveDevices(ctx context.Context, user id.UserID, by id.DeviceID, devices []id.DeviceID) error {
	return a.write(ctx, "remove devices", user, func(tx *db.Tx) error {
		for _, d := range devices {
			a.o.Audit.Append(tx, audit.Entry{Act: audit.SignOut, Who: user, Device: by, Target: string(d), Outcome: audit.Done})
			if err := a.removeDevice(tx, user, d); err != nil {
				return err
			}
		}
		return nil
	})
}

// removeDevice removes a device with everything that belongs to it.
func (a *Accounts) removeDevice(tx *db.Tx, user id.UserID, device id.DeviceID) error {
	if err := a.dropTokens(tx, user, device); err != nil {
		return err
	}
	n, err := tx.Exec(`delete from account_devices where user_id = $1 and device_id = $2`, string(user), string(device))
	if err != nil {
		return fmt.Errorf("remove device: %w", err)
	}
	if n == 0 {
		return nil
	}
	// The notification settings of the device go with it (MSC3890).
	if _, err := tx.Exec(`delete from account_data where user_id = $1 and room_id = '' and type in ($2, $3)`, string(user),
		"m.local_notification_settings."+string(device), "org.matrix.msc3890.local_notification_settings."+string(device)); err != nil {
		return fmt.Errorf("remove settings of a device: %w", err)
	}
	if a.o.DeviceRemoved != nil {
		a.o.DeviceRemoved(tx, user, device)
	}
	a.changed(tx, Change{Kind: DeviceList, User: user, Key: string(device)})
	return nil
}

// removeDevices removes the devices that match.
func (a *Accounts) removeDevices(tx *db.Tx, user id.UserID, match func(id.DeviceID) bool) error {
	rows, err := tx.Query(`select device_id from account_devices where user_id = $1 order by device_id`, string(user))
	if err != nil {
		return fmt.Errorf("load devices: %w", err)
	}
	var list []id.DeviceID
	for rows.Next() {
		var d id.DeviceID
		if err := rows.Scan(&d); err != nil {
			_ = rows.Close()
			return fmt.Errorf("load devices: %w", err)
		}
		list = append(list, d)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("load devices: %w", err)
	}
	for _, d := range list {
		if match(d) {
			if err := a.removeDevice(tx, user, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// cut shortens s to at most n bytes without breaking a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// AddDevice adds a device that nobody signs in on, inside another package's write.
func (a *Accounts) AddDevice(tx *db.Tx, user id.UserID, device id.DeviceID, name string) error {
	if err := checkDeviceID(device); err != nil {
		return err
	}
	var b []byte
	if name != "" {
		var err error
		if b, err = a.sealed(tx.Context(), user, "device-name", []byte(cut(name, maxDeviceName))); err != nil {
			return err
		}
	}
	_, err := tx.Exec(`insert into account_devices (user_id, device_id, name, created, seen) values ($1, $2, $3, $4, 0)`,
		string(user), string(device), b, a.now())
	if err != nil {
		return fmt.Errorf("insert device: %w", err)
	}
	a.changed(tx, Change{Kind: DeviceList, User: user, Key: string(device)})
	return nil
}

// DropDevice removes a device that AddDevice added, inside another package's write. If somebody signed in
// on it meanwhile it stays.
func (a *Accounts) DropDevice(tx *db.Tx, user id.UserID, device id.DeviceID) error {
	var tokens int
	err := tx.QueryRow(`select count(*) from account_tokens where user_id = $1 and device_id = $2`, string(user), string(device)).Scan(&tokens)
	if err != nil {
		return fmt.Errorf("look for tokens: %w", err)
	}
	if tokens > 0 {
		return nil
	}
	return a.removeDevice(tx, user, device)
}
