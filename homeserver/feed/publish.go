package feed

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/homeserver/room"
)

// place is what the feed knows of a room while somebody's state that names it is in memory.
type place struct {
	id   id.RoomID
	last atomic.Int64 // position of the newest event that is known
	read atomic.Int64 // position of the newest receipt that is known
	// floor: what is known is complete after it. Guarded by Feed.mu.
	floor int64
	refs  int // people in memory who name it; guarded by Feed.mu
}

// place returns what is known of a room, made if need be. f.mu is held.
func (f *Feed) place(r id.RoomID) *place {
	p := f.places[r]
	if p == nil {
		p = &place{id: r, floor: f.visible.Load()}
		f.places[r] = p
	}
	return p
}

// advance makes positions up to pos visible. f.mu is held.
func (f *Feed) advance(pos int64) {
	if pos > f.visible.Load() {
		f.visible.Store(pos)
	}
}

// Committing is part of room.Observer; the feed adds no rows for an event.
func (f *Feed) Committing(*db.Tx, *db.Num, *room.Event, *room.Room, []room.StateChange) {}

// Committed is part of room.Observer: it publishes an event.
func (f *Feed) Committed(c room.Committed) {
	if !c.Local {
		return // CatchUp publishes what other processes wrote, in its turn
	}
	f.mu.Lock()
	f.noteEvent(c)
	f.advance(c.Event.Pos)
	f.mu.Unlock()
	f.wakeForEvent(c)
}

// noteEvent remembers that a room has news. f.mu is held.
func (f *Feed) noteEvent(c room.Committed) {
	ev := c.Event
	if c.Redacted != nil {
		// They hold what is redacted.
		delete(f.histories, ev.RoomID)
		f.pushEvents.Purge()
	}
	if p := f.places[ev.RoomID]; p != nil && ev.Pos > p.last.Load() {
		p.last.Store(ev.Pos)
	}
	for i := range c.Changes {
		ch := &c.Changes[i]
		if ch.Type != "m.room.member" {
			continue
		}
		if ch.Old != nil && ch.Old.Membership() != room.Join && ch.New.Membership() == room.Join {
			f.threads.dropRoom(ev.RoomID) // who comes back may have forgotten the room meanwhile, on another process
		}
		f.noteMember(id.UserID(ch.StateKey), ev, ch)
	}
}

// noteMember keeps a person's list of rooms up to date. f.mu is held.
func (f *Feed) noteMember(user id.UserID, ev *room.Event, ch *room.StateChange) {
	p := f.people[user]
	if p == nil {
		return
	}
	p.changed.Store(max(p.changed.Load(), ev.Pos))
	s := stay{Member: room.Member{Room: ev.RoomID, Membership: ch.New.Membership(), Pos: ev.Pos}}
	if s.Membership == "" {
		s.Membership = room.Leave
	}
	if ch.New != nil {
		s.EventID, s.Sender = ch.New.ID, ch.New.Sender
	}
	s.before = ch.Old.Membership()
	p.apply(f, s)
}

// wakeForEvent wakes the room's members and whoever's membership it changed.
func (f *Feed) wakeForEvent(c room.Committed) {
	if c.Room == nil {
		return
	}
	n := f.waiters.wake(c.Room.JoinedLocal()...)
	f.pushing.due(c.Room.JoinedLocal()...)
	f.stirred()
	for i := range c.Changes {
		if ch := &c.Changes[i]; ch.Type == "m.room.member" && ch.New.Membership() != room.Join {
			n += f.waiters.wake(id.UserID(ch.StateKey))
		}
	}
	f.woke("event", n)
}

// batch is called before the After-functions of each commit of this process.
func (f *Feed) batch(first, last int64) {
	f.mu.Lock()
	// Everything of the batches before this one was published.
	f.advance(f.ended)
	gap := first <= last && first > f.visible.Load()+1
	f.ended = max(f.ended, last)
	f.mu.Unlock()
	if gap {
		f.bridge(first - 1)
	}
}

// bridge publishes what other processes committed before a batch of this one, however often that has to be
// tried: what is published behind a gap would hide what is in it from everybody who waits.
func (f *Feed) bridge(upTo int64) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		err := f.catchUp(ctx, upTo)
		cancel()
		if err == nil {
			return
		}
		f.log.Error("positions of other processes not read, trying again", "error", err)
		select {
		case <-f.stop:
			return
		case <-time.After(bridgePause):
		}
	}
}

// bridgePause is how long a failed attempt to read what other processes wrote is behind the next.
const bridgePause = 100 * time.Millisecond

// CatchUp publishes what other processes committed up to a position. The cluster's hints call it, and
// once a second something that looks whether one was lost.
func (f *Feed) CatchUp(ctx context.Context, upTo int64) error {
	return f.catchUp(ctx, upTo)
}

// catchUp reads and publishes everything between what is visible and upTo, which is committed.
func (f *Feed) catchUp(ctx context.Context, upTo int64) error {
	f.catching.Lock()
	defer f.catching.Unlock()
	from := f.visible.Load()
	if upTo <= from {
		return nil
	}
	m, err := f.readMissed(ctx, from, upTo)
	if err != nil {
		return err
	}
	for _, c := range m.changes {
		f.elsewhere(c.Change)
	}
	f.mu.Lock()
	f.noteMissed(m)
	f.advance(upTo)
	f.mu.Unlock()
	f.metrics.caughtUp.Add(float64(upTo - from))
	f.wakeForMissed(m)
	return nil
}

// missed is what other processes committed.
type missed struct {
	events        []room.Committed
	changes       []logged
	receipts      []receipt
	subscriptions []subscription
	mail          []mailbox
}

func (f *Feed) readMissed(ctx context.Context, from, upTo int64) (m missed, err error) {
	if m.events, err = f.rooms.Since(ctx, from, upTo); err != nil {
		return m, fmt.Errorf("catch up with rooms: %w", err)
	}
	if m.changes, err = f.readLogged(ctx, `select user_id, kind, room_id, name, pos from feed_change
		where pos > $1 and pos <= $2 order by pos`, from, upTo); err != nil {
		return m, err
	}
	if m.receipts, err = f.readReceipts(ctx, `where pos > $1 and pos <= $2 order by pos`, from, upTo); err != nil {
		return m, err
	}
	if m.subscriptions, err = f.readSubscriptions(ctx, `where pos > $1 and pos <= $2 order by pos`, from, upTo); err != nil {
		return m, err
	}
	m.mail, err = f.readMailboxes(ctx, from, upTo)
	return m, err
}

// noteMissed remembers what was missed. f.mu is held.
func (f *Feed) noteMissed(m missed) {
	for _, c := range m.events {
		f.noteEvent(c)
	}
	for _, c := range m.changes {
		f.noteChange(c.pos, c.Change)
	}
	for _, r := range m.receipts {
		f.noteReceipt(r)
	}
	for _, s := range m.subscriptions {
		f.noteSubscription(s)
	}
	for _, m := range m.mail {
		f.noteMail(m)
	}
}

func (f *Feed) wakeForMissed(m missed) {
	for _, c := range m.events {
		f.wakeForEvent(c)
	}
	for _, c := range m.changes {
		f.wakeForChange(c.Change)
	}
	for _, r := range m.receipts {
		f.wakeForReceipt(r)
	}
	for _, s := range m.subscriptions {
		f.wakeForSubscription(s)
	}
	for _, m := range m.mail {
		f.woke("to_device", f.waiters.wake(m.user))
	}
}
