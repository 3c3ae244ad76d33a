package feed

import (
	"context"
	"maps"
	"slices"
	"sync"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/push"
	"github.com/myelin-health/myelin/homeserver/room"
)

const (
	unreadMax  = 1000 // notifications that are counted in one room; more are still shown as that many
	unreadScan = 5000 // events that are looked at when nothing is in memory
	unreadPage = 100
	hops       = 3 // relations that are followed to find a thread
)

// unread is what a person has not read of a room. It grows with each sync and is made anew from stored
// events when it is not in memory.
type unread struct {
	mu    sync.Mutex
	ready bool
	upTo  int64 // events up to here are counted
	notes []note
	sum   counts // of the notes
}

// note is one event that notifies, in order of position.
type note struct {
	pos       int64
	event     id.EventID
	thread    string
	highlight bool
}

// tally is unread_notifications of the specification.
type tally struct{ highlights, notifications int }

// counts are the tallies of a room: of everything, of the main timeline, and of each thread.
type counts struct {
	all, main tally
	threads   map[string]tally
}

// reader is a person with what decides about their notifications in a room.
type reader struct {
	user id.UserID
	settings
	room push.Context // but for the sender
}

// readerOf prepares to count what a person has not read of a room.
func readerOf(user id.UserID, set settings, r *room.Room) *reader {
	joined, _ := r.Counts()
	return &reader{user: user, settings: set, room: push.Context{
		Members:      joined,
		DisplayName:  r.State("m.room.member", string(user)).Get("displayname").Str,
		Notification: r.Power().Notification,
	}}
}

// prepared is an event as push rules look at it; made once for all its readers.
func (f *Feed) prepared(ev *room.Event) *push.Event {
	if e, ok := f.pushEvents.Get(ev); ok {
		return e
	}
	e := push.NewEvent(ev.Type, ev.Sender, ev.RoomID, ev.ID, ev.StateKey, ev.Content)
	f.pushEvents.Add(ev, e)
	return e
}

// count returns what a person has not read of a room among the events up to a position.
func (f *Feed) count(ctx context.Context, p *person, set settings, r *room.Room, upTo int64) (counts, error) {
	u, err := f.unreadOf(ctx, p, set, r, upTo)
	if err != nil {
		return counts{}, err
	}
	defer u.mu.Unlock()
	return u.tally(), nil
}

// unreadOf returns what a person has not read of a room, up to date and locked.
func (f *Feed) unreadOf(ctx context.Context, p *person, set settings, r *room.Room, upTo int64) (*unread, error) {
	rr, err := f.receiptsOf(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	u := p.unread[r.ID]
	if u == nil {
		u = new(unread)
		p.unread[r.ID] = u
	}
	p.mu.Unlock()
	u.mu.Lock()
	all, threads := rr.readUpTo(p.user)
	if !u.ready || upTo > u.upTo && r.LastPos() > u.upTo {
		if err := f.advanceUnread(ctx, u, readerOf(p.user, set, r), r, all, upTo); err != nil {
			u.ready = false
			u.mu.Unlock()
			return nil, err
		}
	}
	newest := all
	for _, at := range threads {
		newest = max(newest, at)
	}
	if len(u.notes) > 0 && u.notes[0].pos <= newest {
		u.remove(func(n note) bool { return n.pos <= all || n.pos <= threads[n.thread] })
	}
	return u, nil
}

// tally is what is unread, the caller's own.
func (u *unread) tally() counts {
	c := u.sum
	c.threads = maps.Clone(c.threads)
	return c
}

// add notes an event; of too many the oldest is forgotten.
func (u *unread) add(n note) {
	if len(u.notes) >= unreadMax {
		u.sum.add(u.notes[0], -1)
		u.notes = u.notes[1:]
	}
	u.notes = append(u.notes, n)
	u.sum.add(n, 1)
}

func (u *unread) remove(gone func(note) bool) {
	before := len(u.notes)
	if u.notes = slices.DeleteFunc(u.notes, gone); len(u.notes) == before {
		return
	}
	u.sum = counts{}
	for _, n := range u.notes {
		u.sum.add(n, 1)
	}
}

func (u *unread) clear() { u.notes, u.sum = u.notes[:0], counts{} }

// add counts a note, or with -1 takes it back.
func (c *counts) add(n note, by int) {
	c.all.add(n, by)
	if n.thread == mainThread {
		c.main.add(n, by)
		return
	}
	t := c.threads[n.thread]
	t.add(n, by)
	switch {
	case t == tally{}:
		delete(c.threads, n.thread)
	case c.threads == nil:
		c.threads = map[string]tally{n.thread: t}
	default:
		c.threads[n.thread] = t
	}
}

func (t *tally) add(n note, by int) {
	t.notifications += by
	if n.highlight {
		t.highlights += by
	}
}

// advanceUnread counts the events that came since the last time. u.mu is held.
func (f *Feed) advanceUnread(ctx context.Context, u *unread, who *reader, r *room.Room, readUpTo, upTo int64) error {
	if !u.ready {
		return f.recount(ctx, u, who, r, readUpTo, upTo)
	}
	events, err := f.rooms.Timeline(ctx, r, u.upTo, upTo, unreadScan+1)
	if err != nil {
		return err
	}
	if len(events) > unreadScan {
		return f.recount(ctx, u, who, r, readUpTo, upTo)
	}
	for _, ev := range slices.Backward(events) {
		if err := f.consider(ctx, u, who, r, ev); err != nil {
			return err
		}
	}
	u.upTo = upTo
	return nil
}

// recount makes the counts from stored events: those after the receipt for the whole room, or since the
// person joined.
func (f *Feed) recount(ctx context.Context, u *unread, who *reader, r *room.Room, readUpTo, upTo int64) error {
	f.metrics.recounts.Inc()
	found, err := f.events(ctx, r, readUpTo, upTo)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(found, func(ev *room.Event) bool { return joins(ev, who.user) }); i >= 0 {
		found = found[:i]
	}
	u.clear()
	for _, ev := range slices.Backward(found) {
		if err := f.consider(ctx, u, who, r, ev); err != nil {
			return err
		}
	}
	u.ready, u.upTo = true, upTo
	return nil
}

// joins reports whether the event is the one by which a person came into the room.
func joins(ev *room.Event, user id.UserID) bool {
	if !ev.Is("m.room.member", string(user)) || ev.Membership() != room.Join {
		return false
	}
	return membershipIn(ev.PrevContent) != room.Join
}

// consider adds an event to what is unread, or takes from it what the event makes read or gone.
func (f *Feed) consider(ctx context.Context, u *unread, who *reader, r *room.Room, ev *room.Event) error {
	if ev.Type == "m.room.redaction" && ev.Redacts != "" {
		u.remove(func(n note) bool { return n.event == ev.Redacts })
		return nil
	}
	if joins(ev, who.user) {
		u.clear()
		return nil
	}
	if ev.Sender == who.user {
		if ev.State() || ev.RedactedBecause != nil {
			return nil // of a redacted event nobody knows any more which thread it was in
		}
		// Who says something has read what was said before, there.
		thread, err := f.threadOf(ctx, r, ev)
		if err != nil {
			return err
		}
		u.remove(func(n note) bool { return n.thread == thread })
		return nil
	}
	if ev.RedactedBecause != nil || who.ignored[ev.Sender] && !ev.State() {
		return nil
	}
	res, thread, err := f.match(ctx, who, r, ev)
	if err != nil || !res.Notify {
		return err
	}
	u.add(note{ev.Pos, ev.ID, thread, res.Highlight})
	return nil
}

// match finds the rule that decides whether an event notifies a reader, and in which thread it does.
func (f *Feed) match(ctx context.Context, who *reader, r *room.Room, ev *room.Event) (res push.Result, root string, err error) {
	place := who.room
	place.SenderLevel = r.Power().User(ev.Sender)
	find := sync.OnceValues(func() (string, error) { return f.threadOf(ctx, r, ev) })
	if ev.RelTarget != "" {
		subscribed := sync.OnceValues(func() (bool, error) {
			root, err := find()
			if err != nil || root == mainThread {
				return false, err
			}
			return f.subscribed(ctx, who.user, thread{r.ID, root}, ev)
		})
		place.Thread = func() (is, was bool) {
			was, failed := subscribed()
			err = failed
			root, _ := find()
			return failed == nil && root != mainThread, was
		}
	}
	res = who.rules.Match(f.prepared(ev), &place)
	if err != nil || !res.Notify {
		return res, "", err
	}
	root, err = find()
	return res, root, err
}

// threadOf is the root of the thread that an event belongs to, or "main" (client-server API, "Threading").
func (f *Feed) threadOf(ctx context.Context, r *room.Room, ev *room.Event) (string, error) {
	for range hops {
		switch {
		case ev.RelTarget == "":
			return mainThread, nil
		case ev.RelType == "m.thread":
			return string(ev.RelTarget), nil
		}
		parent, ok, err := f.parent(ctx, r, ev)
		if err != nil || !ok {
			return mainThread, err
		}
		ev = parent
	}
	return mainThread, nil
}

// related reports whether an event may carry a receipt for a thread: it is the thread's root or relates to
// it, or is in no thread when that is "main".
func (f *Feed) related(ctx context.Context, r *room.Room, ev *room.Event, thread string) (bool, error) {
	if thread == mainThread {
		in, err := f.threadOf(ctx, r, ev)
		return in == mainThread, err
	}
	for range hops + 1 {
		if string(ev.ID) == thread || string(ev.RelTarget) == thread {
			return true, nil
		}
		parent, ok, err := f.parent(ctx, r, ev)
		if err != nil || !ok {
			return false, err
		}
		ev = parent
	}
	return false, nil
}

// parent is the event that another one relates to, ok false when it relates to none that is here.
func (f *Feed) parent(ctx context.Context, r *room.Room, ev *room.Event) (parent *room.Event, ok bool, err error) {
	if ev.RelTarget == "" {
		return nil, false, nil
	}
	parent, err = f.rooms.Event(ctx, r.ID, ev.RelTarget)
	if fault.Is(err, fault.NotFound) {
		return nil, false, nil
	}
	return parent, err == nil, err
}
