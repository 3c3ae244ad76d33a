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

// Dehydrated is the body of PUT /dehydrated_device (MSC3814): a device that nobody is signed in on, whose
// private half lies here encrypted, so that messages can be sent to it while all others are offline.
type Dehydrated struct {
	Upload
	DeviceID    id.DeviceID     `json:"device_id"`
	DeviceData  json.RawMessage `json:"device_data"`
	DisplayName string          `json:"initial_device_display_name"`
}

// DehydratedDevice is the answer of GET /dehydrated_device.
type DehydratedDevice struct {
	DeviceID   id.DeviceID     `json:"device_id"`
	DeviceData json.RawMessage `json:"device_data"`
}

const maxDehydratedBytes = 256 << 10

// PutDehydrated stores a user's dehydrated device with its keys, all in one step. A former one goes, with
// the messages that wait for it.
func (k *Keys) PutDehydrated(ctx context.Context, user id.UserID, d Dehydrated) error {
	if d.DeviceID == "" || len(d.DeviceData) == 0 || len(d.DeviceKeys) == 0 {
		return fault.New(fault.MissingParam, "A dehydrated device needs device_id, device_data and device_keys.")
	}
	var data struct {
		Algorithm string `json:"algorithm"`
	}
	if err := json.Unmarshal(d.DeviceData, &data); err != nil || data.Algorithm == "" {
		return fault.New(fault.BadJSON, `"device_data" needs an "algorithm".`)
	}
	if len(d.DeviceData) > maxDehydratedBytes {
		return fault.New(fault.TooLarge, "The dehydrated device is too large.")
	}
	p, err := k.prepare(ctx, user, d.DeviceID, d.Upload)
	if err != nil {
		return err
	}
	if p.identity == "" {
		return fault.New(fault.MissingParam, "A dehydrated device needs device_keys.")
	}
	sealed, err := k.seal(ctx, user, "dehydrated", d.DeviceData)
	if err != nil {
		return err
	}
	err = k.write(ctx, "put dehydrated device", []id.UserID{user}, func(tx *db.Tx) error {
		return k.storeDehydrated(ctx, tx, user, d, sealed, p)
	})
	if err != nil {
		return fmt.Errorf("store dehydrated device: %w", err)
	}
	return nil
}

func (k *Keys) storeDehydrated(ctx context.Context, tx *db.Tx, user id.UserID, d Dehydrated, sealed []byte, p *preparedUpload) error {
	old, _, err := k.dehydrated(ctx, inTx{tx}, user)
	if err != nil {
		return err
	}
	if old != "" {
		if err := k.RemoveDevice(tx, user, old); err != nil {
			return fmt.Errorf("remove former device: %w", err)
		}
		if err := k.DeviceRemoved(tx, user, old); err != nil {
			return err
		}
	}
	var n int
	if found, err := first(ctx, inTx{tx}, []any{&n}, `select 1 from e2ee_devices where user_id = $1 and device_id = $2`, user, d.DeviceID); err != nil {
		return fmt.Errorf("look for a device of the same id: %w", err)
	} else if found {
		return fault.New(fault.InvalidParam, "A device of this id exists.")
	}
	if err := k.CreateDevice(tx, user, d.DeviceID, d.DisplayName); err != nil {
		return fmt.Errorf("create device: %w", err)
	}
	if _, err := k.store(ctx, tx, user, d.DeviceID, p); err != nil {
		return err
	}
	_, err = tx.Exec(`insert into e2ee_dehydrated_devices (user_id, device_id, content) values ($1, $2, $3)`, user, d.DeviceID, sealed)
	return err
}

// dehydrated returns the id and the sealed data of a user's dehydrated device; no id when there is none.
func (k *Keys) dehydrated(ctx context.Context, q querier, user id.UserID) (device id.DeviceID, sealed []byte, err error) {
	if _, err := first(ctx, q, []any{&device, &sealed}, `select device_id, content from e2ee_dehydrated_devices where user_id = $1`, user); err != nil {
		return "", nil, fmt.Errorf("read dehydrated device: %w", err)
	}
	return device, sealed, nil
}

// Dehydrated returns a user's dehydrated device, or a fault of kind NotFound.
func (k *Keys) Dehydrated(ctx context.Context, user id.UserID) (*DehydratedDevice, error) {
	device, sealed, err := k.dehydrated(ctx, k.DB, user)
	if err != nil {
		return nil, err
	}
	if device != "" {
		data, ok, err := k.open(ctx, user, "dehydrated", sealed)
		if err != nil {
			return nil, err
		}
		if ok {
			return &DehydratedDevice{device, data}, nil
		}
	}
	return nil, noDehydrated()
}

func noDehydrated() *fault.Fault { return fault.New(fault.NotFound, "No dehydrated device.") }

// DeleteDehydrated removes a user's dehydrated device and returns its id.
func (k *Keys) DeleteDehydrated(ctx context.Context, user id.UserID) (id.DeviceID, error) {
	var device id.DeviceID
	err := k.write(ctx, "delete dehydrated device", []id.UserID{user}, func(tx *db.Tx) (err error) {
		if device, _, err = k.dehydrated(ctx, inTx{tx}, user); err != nil {
			return err
		}
		if device == "" {
			return noDehydrated()
		}
		if err := k.RemoveDevice(tx, user, device); err != nil {
			return fmt.Errorf("remove device: %w", err)
		}
		return k.DeviceRemoved(tx, user, device)
	})
	if err != nil {
		return "", fmt.Errorf("delete dehydrated device: %w", err)
	}
	return device, nil
}

// DehydratedEvents are messages that wait for a dehydrated device. Next is a token for those after them,
// and More whether there are any now.
type DehydratedEvents struct {
	Events []json.RawMessage
	Next   string
	More   bool
}

// MaxDehydratedEvents is the largest page of DehydratedEvents.
const MaxDehydratedEvents = 100

// DehydratedEvents returns a page of the messages that wait for the dehydrated device, from the token of
// the page before. Reading removes nothing: whoever starts again gets them again.
func (k *Keys) DehydratedEvents(ctx context.Context, user id.UserID, device id.DeviceID, from string, limit int) (*DehydratedEvents, error) {
	own, _, err := k.dehydrated(ctx, k.DB, user)
	if err != nil {
		return nil, err
	}
	if own == "" || own != device {
		return nil, fault.New(fault.Forbidden, "This is not your dehydrated device.")
	}
	var after int64
	if from != "" {
		if after, err = strconv.ParseInt(from, 10, 64); err != nil || after < 0 {
			return nil, fault.New(fault.InvalidParam, "The token is not one of this server.")
		}
	}
	if limit <= 0 || limit > MaxDehydratedEvents {
		limit = MaxDehydratedEvents
	}
	events, last, err := k.Inbox(ctx, user, device, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read messages of a dehydrated device: %w", err)
	}
	page := &DehydratedEvents{Events: events, Next: strconv.FormatInt(max(last, after), 10)}
	if len(events) == limit {
		more, _, err := k.Inbox(ctx, user, device, last, 1)
		if err != nil {
			return nil, fmt.Errorf("read messages of a dehydrated device: %w", err)
		}
		page.More = len(more) > 0
	}
	return page, nil
}
