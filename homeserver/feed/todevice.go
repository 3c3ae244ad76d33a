package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/seal"
)

const (
	toDevicePage   = 100                // messages in one sync
	toDeviceMax    = 5000               // messages in one request, over all devices
	toDeviceTxnAge = 7 * 24 * time.Hour // how long transaction ids are remembered
)

var (
	toDeviceTable = &db.Table{
		Name:    "feed_to_device",
		Columns: []string{"user_id", "device_id", "pos", "body"},
		Types:   []string{"text", "text", "bigint", "bytea"},
	}
	toDeviceTxnTable = &db.Table{
		Name:    "feed_to_device_txn",
		Columns: []string{"user_id", "device_id", "txn", "ts"},
		Types:   []string{"text", "text", "text", "bigint"},
		Ignore:  true,
	}
)

// mailbox is the newest position of a message for a device.
type mailbox struct {
	user   id.UserID
	device id.DeviceID
	pos    int64
}

// sealedMail is a message ready to be stored.
type sealedMail struct {
	mailbox
	body []byte
}

// SendToDevice stores messages for devices of people of this server and wakes them. A transaction id that
// the sending device used before for this type changes nothing; an empty one is never remembered. People and
// devices that do not exist are passed over.
func (f *Feed) SendToDevice(ctx context.Context, sender id.UserID, from id.DeviceID, typ, txn string, messages []ToDevice) error {
	if txn == "" {
		return f.sendMail(ctx, sender, from, typ, "", messages)
	}
	// One request of a device with the same id at a time; the second finds what the first wrote.
	key := mailTxn{deviceKey{sender, from}, typ + "/" + txn}
	done, err := f.beginTxn(ctx, key)
	if err != nil {
		return err
	}
	defer done()
	var n int64
	err = f.db.QueryRow(ctx, `select count(*) from feed_to_device_txn where user_id = $1 and device_id = $2 and txn = $3`,
		sender, from, key.txn).Scan(&n)
	if err != nil {
		return fmt.Errorf("look for a transaction: %w", err)
	}
	if n > 0 {
		return nil
	}
	return f.sendMail(ctx, sender, from, typ, key.txn, messages)
}

// mailTxn is a to-device request under way.
type mailTxn struct {
	deviceKey
	txn string
}

// beginTxn waits until no other request with the key is under way.
func (f *Feed) beginTxn(ctx context.Context, key mailTxn) (done func(), err error) {
	for {
		f.mu.Lock()
		other := f.txns[key]
		if other == nil {
			mine := make(chan struct{})
			f.txns[key] = mine
			f.mu.Unlock()
			return func() {
				f.mu.Lock()
				delete(f.txns, key)
				f.mu.Unlock()
				close(mine)
			}, nil
		}
		f.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (f *Feed) sendMail(ctx context.Context, sender id.UserID, from id.DeviceID, typ, txn string, messages []ToDevice) error {
	mail, err := f.sealMail(ctx, sender, typ, messages)
	if err != nil {
		return err
	}
	err = f.db.Write(ctx, "to-device", nil, func(tx *db.Tx) error {
		if txn != "" {
			tx.Append(toDeviceTxnTable, sender, from, txn, f.now())
		}
		f.addMail(tx, mail)
		return nil
	})
	if err != nil {
		return fmt.Errorf("send to devices: %w", err)
	}
	return nil
}

// sealMail finds the devices that the messages are for and seals one copy for each.
func (f *Feed) sealMail(ctx context.Context, sender id.UserID, typ string, messages []ToDevice) ([]sealedMail, error) {
	var out []sealedMail
	known := make(map[id.UserID][]id.DeviceID)
	for _, m := range messages {
		if !f.isLocal(m.User) {
			continue
		}
		devices, ok := known[m.User]
		if !ok {
			var err error
			if devices, err = f.account.Devices(ctx, m.User); err != nil {
				return nil, fmt.Errorf("list devices: %w", err)
			}
			known[m.User] = devices
		}
		body := toDeviceEvent(sender, typ, m.Content)
		for _, d := range devices {
			if m.Device != "*" && m.Device != d {
				continue
			}
			if len(out) == toDeviceMax {
				return nil, fault.New(fault.TooLarge, "These are messages for too many devices.")
			}
			sealed, err := f.seal.Seal(ctx, seal.Person(m.User), "feed_to_device "+string(d), body)
			if err != nil {
				return nil, fmt.Errorf("seal a message to a device: %w", err)
			}
			out = append(out, sealedMail{mailbox{user: m.User, device: d}, sealed})
		}
	}
	return out, nil
}

// toDeviceEvent is a message as /sync shows it.
func toDeviceEvent(sender id.UserID, typ string, content json.RawMessage) []byte {
	if len(content) == 0 {
		content = json.RawMessage(`{}`)
	}
	b := append([]byte(nil), `{"content":`...)
	b = append(b, content...)
	b = append(b, `,"sender":`...)
	b = appendString(b, string(sender))
	b = append(b, `,"type":`...)
	b = appendString(b, typ)
	return append(b, '}')
}

func (f *Feed) addMail(tx *db.Tx, mail []sealedMail) {
	for i := range mail {
		m := mail[i].mailbox
		pos := tx.Number(db.Stream)
		tx.Append(toDeviceTable, m.user, m.device, pos, mail[i].body)
		tx.After(func() {
			m := m
			m.pos = pos.Value()
			f.mu.Lock()
			f.noteMail(m)
			f.advance(m.pos)
			f.mu.Unlock()
			f.woke("to_device", f.waiters.wake(m.user))
			f.stirred()
		})
	}
}

// noteMail remembers that a message waits for a device. f.mu is held.
func (f *Feed) noteMail(m mailbox) {
	if p := f.people[m.user]; p != nil {
		p.mail[m.device] = max(p.mail[m.device], m.pos)
		p.changed.Store(max(p.changed.Load(), m.pos))
	}
}

func (f *Feed) readMailboxes(ctx context.Context, after, upTo int64) ([]mailbox, error) {
	rows, err := f.db.Query(ctx, `select user_id, device_id, max(pos) from feed_to_device
		where pos > $1 and pos <= $2 group by user_id, device_id`, after, upTo)
	if err != nil {
		return nil, fmt.Errorf("read mailboxes: %w", err)
	}
	defer rows.Close()
	var out []mailbox
	for rows.Next() {
		var m mailbox
		if err := rows.Scan(&m.user, &m.device, &m.pos); err != nil {
			return nil, fmt.Errorf("read mailboxes: %w", err)
		}
		out = append(out, m)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read mailboxes: %w", err)
	}
	return out, nil
}

// Inbox returns messages for a device after a position, oldest first, without removing them, and the
// position of the last one returned (after itself when there is none).
func (f *Feed) Inbox(ctx context.Context, user id.UserID, device id.DeviceID, after int64, limit int) ([]json.RawMessage, int64, error) {
	mail, last, _, err := f.inbox(ctx, user, device, after, f.visible.Load(), limit)
	return mail, last, err
}

// inbox also tells whether it stopped at the limit.
func (f *Feed) inbox(ctx context.Context, user id.UserID, device id.DeviceID, after, upTo int64, limit int) (out []json.RawMessage, last int64, full bool, err error) {
	fail := func(err error) ([]json.RawMessage, int64, bool, error) {
		return nil, 0, false, fmt.Errorf("read messages to a device: %w", err)
	}
	rows, err := f.db.Query(ctx, `select pos, body from feed_to_device
		where user_id = $1 and device_id = $2 and pos > $3 and pos <= $4 order by pos limit $5`, user, device, after, upTo, limit)
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var body []byte
		if err := rows.Scan(&after, &body); err != nil {
			return fail(err)
		}
		plain, err := f.seal.Open(ctx, seal.Person(user), "feed_to_device "+string(device), body)
		if err != nil {
			// One that cannot be opened any more must not keep the others from being read.
			f.log.Warn("message to a device not opened", "pos", after, "error", err)
			continue
		}
		out = append(out, plain)
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return out, after, n == limit, nil
}

// DeviceRemoved removes what waits for a device, and its pushers, in the transaction that removes the
// device. A statement that fails fails the transaction.
func (f *Feed) DeviceRemoved(tx *db.Tx, user id.UserID, device id.DeviceID) {
	for _, q := range [...]string{
		`delete from feed_to_device where user_id = $1 and device_id = $2`,
		`delete from feed_to_device_txn where user_id = $1 and device_id = $2`,
		`delete from feed_pusher where user_id = $1 and device_id = $2`,
	} {
		if _, err := tx.Exec(q, user, device); err != nil {
			return
		}
	}
	tx.After(func() { f.devices.Remove(deviceKey{user, device}) })
}

// mailFor returns the messages for a device after a position, at most limit of them, and the position up to which
// the device has then seen everything: before upTo when there are more.
func (f *Feed) mailFor(ctx context.Context, p *person, device id.DeviceID, after, upTo int64, limit int) ([]json.RawMessage, int64, error) {
	f.mu.Lock()
	known := after >= p.floor
	newest := p.mail[device]
	f.mu.Unlock()
	if known && newest <= after {
		return nil, upTo, nil
	}
	mail, last, full, err := f.inbox(ctx, p.user, device, after, upTo, limit)
	if err != nil {
		return nil, 0, err
	}
	if !full {
		last = upTo
	}
	return mail, last, nil
}

// acknowledge removes messages that a device has seen. Nobody waits for it: what is left after a crash is
// removed at the device's next sync, and is not sent again, because its position is not after the token's.
func (f *Feed) acknowledge(ctx context.Context, m *deviceMemory, k deviceKey, upTo int64) error {
	m.mu.Lock()
	first, due := !m.checked, m.mailSent > 0 && m.mailSent <= upTo
	m.checked = true
	if due {
		m.mailSent = 0
	}
	m.mu.Unlock()
	if first && !due {
		var n int64
		if err := f.db.QueryRow(ctx, `select count(*) from (select 1 from feed_to_device
			where user_id = $1 and device_id = $2 and pos <= $3 limit 1) t`, k.user, k.device, upTo).Scan(&n); err != nil {
			return fmt.Errorf("look for acknowledged messages: %w", err)
		}
		due = n > 0
	}
	if !due {
		return nil
	}
	f.db.Queue("to-device acknowledged", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`delete from feed_to_device where user_id = $1 and device_id = $2 and pos <= $3`, k.user, k.device, upTo)
		return err
	})
	return nil
}

// forgetTransactions removes ids of to-device requests that nobody repeats any more.
func (f *Feed) forgetTransactions() {
	before := f.clock().Add(-toDeviceTxnAge).UnixMilli()
	f.db.Queue("to-device transactions forgotten", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`delete from feed_to_device_txn where ts < $1`, before)
		return err
	})
}
