package delayed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
)

// Start sends what is due, also what became due while no process ran, until Close.
func (e *Events) Start(ctx context.Context) {
	ctx, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	e.done.Go(func() { e.run(ctx) })
}

// Close ends the sending. What waits stays in the database.
func (e *Events) Close() {
	if e.stop != nil {
		e.stop()
		e.done.Wait()
	}
}

func (e *Events) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.sooner:
		case <-timer.C:
		}
		wait, err := e.SendDue(ctx)
		if err != nil && ctx.Err() == nil {
			e.log.Error("delayed events were not sent", "error", err)
			wait = again
		}
		timer.Reset(wait)
	}
}

// SendDue sends every event whose time has come and says how long nothing else is due.
func (e *Events) SendDue(ctx context.Context) (time.Duration, error) {
	due, err := e.load(ctx, `due <= $1`, e.now())
	if err != nil {
		return 0, err
	}
	var failed error
	for _, ev := range due {
		// One that cannot be sent does not stop the others.
		if err := e.send(ctx, ev); err != nil && !isFault(err) {
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil {
		return 0, failed
	}
	if err := e.forget(ctx); err != nil {
		return 0, err
	}
	var next sql.NullInt64
	if err := e.db.QueryRow(ctx, `select min(due) from delayed_event where done = 0`).Scan(&next); err != nil {
		return 0, fmt.Errorf("look when an event is due: %w", err)
	}
	if !next.Valid {
		return glance, nil
	}
	return min(max(time.Duration(next.Int64-e.now())*time.Millisecond, 0), glance), nil
}

func isFault(err error) bool {
	_, ok := fault.As(err)
	return ok
}

// send sends an event and ends its waiting. A crash between the two sends nothing twice: its id is the transaction id
// of the event. Of a fault the event is given up.
func (e *Events) send(ctx context.Context, ev Event) error {
	err := e.sendNow(ctx, ev)
	if err != nil && !isFault(err) {
		return err
	}
	if end := e.finish(ctx, ev.ID); end != nil && !isFault(end) {
		return end
	}
	return err
}

func (e *Events) sendNow(ctx context.Context, ev Event) error {
	if e.o.May != nil {
		if err := e.o.May(ctx, ev.user); err != nil {
			return err
		}
	}
	if ev.StateKey != nil {
		r, err := e.o.Rooms.Get(ctx, ev.Room)
		if err != nil {
			return err
		}
		// What somebody else set meanwhile is newer than what was to be set.
		if now := r.State(ev.Type, *ev.StateKey); now != nil && string(now.ID) != ev.replaces && now.Sender != ev.user {
			return fault.New(fault.Unknown, "Somebody else changed this meanwhile.").WithStatus(409)
		}
	}
	_, err := e.o.Rooms.Send(ctx, ev.Room, room.Draft{
		Type: ev.Type, StateKey: ev.StateKey, Sender: ev.user, Content: ev.Content, Device: ev.device, Txn: "delayed " + ev.ID,
	})
	return err
}

// forget removes what was done so long ago that nobody repeats its request.
func (e *Events) forget(ctx context.Context) error {
	before := e.now() - remember.Milliseconds()
	var old int
	if err := e.db.QueryRow(ctx, `select count(*) from delayed_event where done > 0 and done < $1`, before).Scan(&old); err != nil || old == 0 {
		return err
	}
	return e.db.Write(ctx, "forget delayed events", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`delete from delayed_event where done > 0 and done < $1`, before)
		return err
	})
}
