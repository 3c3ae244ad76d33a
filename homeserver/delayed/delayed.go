// Package delayed keeps events that are to be sent later (MSC4140) and sends them when their time has come: messages
// that somebody scheduled, and what is to be said when a device is heard of no more.
//
// They wait in the database, so that they outlive the process, and are sent through package room as if their sender
// did it then: what is not permitted at that time is given up.
package delayed

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/rest"
	"github.com/myelin-health/myelin/seal"
)

const (
	maxContent = 60 << 10         // bytes; the event around it has to fit too
	remember   = 24 * time.Hour   // how long a transaction id is known after its event was sent
	glance     = time.Minute      // how often the table is looked at without a reason: other processes write it
	again      = 10 * time.Second // until what could not be sent is tried again
	most       = 100              // events of one person that wait
)

// Options configures Events. DB, Seal and Rooms are needed.
type Options struct {
	DB    *db.DB
	Seal  *seal.Keys
	Rooms *room.Rooms
	Clock func() time.Time
	Log   *slog.Logger
	// Longest is the longest delay; 0 is one year.
	Longest time.Duration
	// May returns a fault when a person may not write now.
	May func(ctx context.Context, user id.UserID) error
}

// Events are the events that wait. It is safe for concurrent use.
type Events struct {
	o     Options
	db    *db.DB
	log   *slog.Logger
	clock func() time.Time

	sooner chan struct{} // something may be due earlier than was thought
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// New makes Events. It sends nothing before Start.
func New(o Options) *Events {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Longest <= 0 {
		o.Longest = 365 * 24 * time.Hour
	}
	return &Events{o: o, db: o.DB, log: o.Log.With("package", "delayed"), clock: o.Clock, sooner: make(chan struct{}, 1)}
}

func (e *Events) now() int64 { return e.clock().UnixMilli() }

// Event is an event that waits.
type Event struct {
	ID       string
	Room     id.RoomID
	Type     string
	StateKey *string
	Delay    int64 // milliseconds
	Since    int64 // milliseconds: when the delay began last
	Content  []byte

	user     id.UserID
	device   id.DeviceID
	replaces string
}

// Schedule keeps a draft until delay (milliseconds) is over. With a transaction id it is idempotent.
func (e *Events) Schedule(ctx context.Context, roomID id.RoomID, d room.Draft, delay int64) (string, error) {
	if before, err := e.scheduled(ctx, roomID, d); before != "" || err != nil {
		return before, err
	}
	r, err := e.check(ctx, roomID, d, delay)
	if err != nil {
		return "", err
	}
	var b [18]byte
	_, _ = rand.Read(b[:]) // never fails
	delayID := base64.RawURLEncoding.EncodeToString(b[:])
	content, err := e.o.Seal.Seal(ctx, seal.Room(roomID), use(delayID), d.Content)
	if err != nil {
		return "", err
	}
	var key, txn any
	replaces := ""
	if d.StateKey != nil {
		key = *d.StateKey
		if now := r.State(d.Type, *d.StateKey); now != nil {
			replaces = string(now.ID)
		}
	}
	if d.Txn != "" {
		txn = d.Txn
	}
	err = e.db.Write(ctx, "schedule event", nil, func(tx *db.Tx) error {
		var waiting int
		if err := tx.QueryRow(`select count(*) from delayed_event where user_id = $1 and done = 0`, string(d.Sender)).Scan(&waiting); err != nil {
			return fmt.Errorf("count delayed events: %w", err)
		}
		if waiting >= most {
			return tooMany()
		}
		now := e.now()
		_, err := tx.Exec(`insert into delayed_event (delay_id, user_id, device_id, room_id, type, state_key, txn, replaces, delay, since, due, done, content)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12)`, delayID, string(d.Sender), string(d.Device), string(roomID),
			d.Type, key, txn, replaces, delay, now, now+delay, content)
		return err
	})
	if err != nil {
		if before, lookup := e.scheduled(ctx, roomID, d); lookup == nil && before != "" { // two requests at a time
			return before, nil
		}
		return "", err
	}
	e.hurry()
	return delayID, nil
}

// check refuses what could not be sent now; the rest shows when it is sent.
func (e *Events) check(ctx context.Context, roomID id.RoomID, d room.Draft, delay int64) (*room.Room, error) {
	switch {
	case delay <= 0:
		return nil, fault.New(fault.InvalidParam, "The delay must be greater than zero.")
	case delay > e.o.Longest.Milliseconds():
		return nil, fault.New(fault.Unknown, "The delay is longer than this server allows.").WithStatus(400).
			With("org.matrix.msc4140.errcode", "M_MAX_DELAY_EXCEEDED").With("org.matrix.msc4140.max_delay", e.o.Longest.Milliseconds())
	case len(d.Content) > maxContent:
		return nil, fault.New(fault.TooLarge, "The content is too large.")
	}
	if err := rest.CheckObject(d.Content); err != nil {
		return nil, err
	}
	in, err := e.o.Rooms.Access(ctx, roomID, d.Sender)
	if err != nil {
		return nil, err
	}
	if !in.Joined {
		return nil, fault.New(fault.Forbidden, "You are not in the room.")
	}
	return in.Room, nil
}

func tooMany() error {
	return fault.New(fault.Unknown, "Too many events wait already.").WithStatus(400).
		With("org.matrix.msc4140.errcode", "M_MAX_DELAYED_EVENTS_EXCEEDED")
}

// scheduled is what a transaction made before, empty when nothing.
func (e *Events) scheduled(ctx context.Context, roomID id.RoomID, d room.Draft) (delayID string, err error) {
	if d.Txn == "" {
		return "", nil
	}
	err = e.db.QueryRow(ctx, `select delay_id from delayed_event where user_id = $1 and device_id = $2 and room_id = $3 and type = $4 and txn = $5`,
		string(d.Sender), string(d.Device), string(roomID), d.Type, d.Txn).Scan(&delayID)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look up transaction: %w", err)
	}
	return delayID, nil
}

// use binds what is sealed to its row.
func use(delayID string) string { return "delayed:" + delayID }

func (e *Events) hurry() {
	select {
	case e.sooner <- struct{}{}:
	default:
	}
}

func notWaiting() error { return fault.New(fault.NotFound, "No such event waits.") }

// Cancel gives an event up.
func (e *Events) Cancel(ctx context.Context, delayID string) error { return e.finish(ctx, delayID) }

// finish ends the waiting of an event; its content goes.
func (e *Events) finish(ctx context.Context, delayID string) error {
	return e.db.Write(ctx, "end delayed event", nil, func(tx *db.Tx) error {
		n, err := tx.Exec(`update delayed_event set done = $2, content = $3 where delay_id = $1 and done = 0`, delayID, e.now(), []byte{})
		if err != nil {
			return fmt.Errorf("end delayed event: %w", err)
		}
		if n == 0 {
			return notWaiting()
		}
		return nil
	})
}

// Restart begins the delay of an event anew.
func (e *Events) Restart(ctx context.Context, delayID string) error {
	return e.db.Write(ctx, "restart delayed event", nil, func(tx *db.Tx) error {
		n, err := tx.Exec(`update delayed_event set since = $2, due = $2 + delay where delay_id = $1 and done = 0`, delayID, e.now())
		if err != nil {
			return fmt.Errorf("restart delayed event: %w", err)
		}
		if n == 0 {
			return notWaiting()
		}
		return nil
	})
}

// Send sends an event without waiting longer.
func (e *Events) Send(ctx context.Context, delayID string) error {
	found, err := e.load(ctx, `delay_id = $1`, delayID)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return notWaiting()
	}
	return e.send(ctx, found[0])
}

// List lists the events of a person that wait, the next one first.
func (e *Events) List(ctx context.Context, user id.UserID) ([]Event, error) {
	return e.load(ctx, `user_id = $1`, string(user))
}

// load reads events that wait.
func (e *Events) load(ctx context.Context, where string, arg any) ([]Event, error) {
	rows, err := e.db.Query(ctx, `select delay_id, user_id, device_id, room_id, type, state_key, replaces, delay, since, content
		from delayed_event where done = 0 and `+where+` order by due, delay_id limit 100`, arg)
	if err != nil {
		return nil, fmt.Errorf("load delayed events: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var found []Event
	for rows.Next() {
		var ev Event
		var key sql.NullString
		var sealed []byte
		if err := rows.Scan(&ev.ID, (*string)(&ev.user), (*string)(&ev.device), (*string)(&ev.Room), &ev.Type, &key, &ev.replaces,
			&ev.Delay, &ev.Since, &sealed); err != nil {
			return nil, fmt.Errorf("load delayed events: %w", err)
		}
		if key.Valid {
			ev.StateKey = &key.String
		}
		if ev.Content, err = e.o.Seal.Open(ctx, seal.Room(ev.Room), use(ev.ID), sealed); err != nil {
			return nil, fmt.Errorf("open delayed event: %w", err)
		}
		found = append(found, ev)
	}
	return found, rows.Err()
}
