package feed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
)

var threadTable = &db.Table{
	Name:    "feed_thread",
	Columns: []string{"room_id", "thread", "user_id", "automatic", "began", "ended", "pos"},
	Types:   []string{"text", "text", "text", "bigint", "bigint", "bigint", "bigint"},
	Key:     3,
}

// thread is one thread of a room.
type thread struct {
	room id.RoomID
	root string
}

// subscription is what a person wants of a thread (MSC4306).
type subscription struct {
	thread
	user      id.UserID
	automatic bool  // by a client, not by the person
	began     int64 // position; of earlier subscriptions to the thread nothing is known
	ended     int64 // position; 0: it did not
	pos       int64 // of the newest change; 0: there was none
}

// wanted is what a subscription is like.
type wanted struct{ on, automatic bool }

func (s *subscription) wanted() wanted { return wanted{s.on(), s.automatic} }

func (s *subscription) on() bool { return s.pos > 0 && s.ended == 0 }

// at tells whether the person was subscribed at a position.
func (s *subscription) at(pos int64) bool { return pos > s.began && (s.ended == 0 || pos < s.ended) }

// Subscribe subscribes a person to a thread. cause is nil when the person wants it so; else the newest event
// that made a client do it by itself, which counts only if no unsubscription came after that event.
func (f *Feed) Subscribe(ctx context.Context, user id.UserID, roomID id.RoomID, root id.EventID, cause *id.EventID) error {
	if _, _, err := f.rooms.Seen(ctx, user, roomID, root); err != nil {
		return err
	}
	var at int64
	if cause != nil {
		ev, err := f.inThread(ctx, user, roomID, root, *cause)
		if err != nil {
			return err
		}
		at = ev.Pos
	}
	return f.changeSubscription(ctx, user, thread{roomID, string(root)}, func(s *subscription) (wanted, error) {
		switch {
		case cause == nil:
			return wanted{true, false}, nil
		case s.on():
			return s.wanted(), nil
		case at < s.ended:
			return wanted{}, fault.New(fault.Unsubscription, "The thread was unsubscribed from after this event.")
		}
		return wanted{true, true}, nil
	})
}

// inThread returns an event of a thread; its root is not one.
func (f *Feed) inThread(ctx context.Context, user id.UserID, roomID id.RoomID, root, event id.EventID) (*room.Event, error) {
	outside := fault.New(fault.NotInThread, "The event is not in the thread.")
	_, ev, err := f.rooms.Seen(ctx, user, roomID, event)
	if fault.Is(err, fault.NotFound) {
		return nil, outside
	}
	if err != nil {
		return nil, err
	}
	r, err := f.rooms.Get(ctx, roomID)
	if err != nil {
		return nil, err
	}
	in, err := f.threadOf(ctx, r, ev)
	if err == nil && in != string(root) {
		err = outside
	}
	return ev, err
}

// Unsubscribe ends a person's subscription to a thread, if there is one.
func (f *Feed) Unsubscribe(ctx context.Context, user id.UserID, roomID id.RoomID, root id.EventID) error {
	if _, _, err := f.rooms.Seen(ctx, user, roomID, root); err != nil {
		return err
	}
	return f.changeSubscription(ctx, user, thread{roomID, string(root)}, func(*subscription) (wanted, error) { return wanted{}, nil })
}

// Subscription tells whether a client subscribed a person to a thread by itself. The fault is NotFound when
// there is no subscription.
func (f *Feed) Subscription(ctx context.Context, user id.UserID, roomID id.RoomID, root id.EventID) (automatic bool, err error) {
	if _, _, err := f.rooms.Seen(ctx, user, roomID, root); err != nil {
		return false, err
	}
	s, err := f.subscription(ctx, user, thread{roomID, string(root)})
	if err == nil && !s.on() {
		err = fault.New(fault.NotFound, "You are not subscribed to this thread.")
	}
	return s.automatic, err
}

func (f *Feed) subscription(ctx context.Context, user id.UserID, t thread) (subscription, error) {
	s := subscription{thread: t, user: user}
	err := f.db.QueryRow(ctx, `select automatic, began, ended, pos from feed_thread where room_id = $1 and thread = $2 and user_id = $3`,
		t.room, t.root, user).Scan(&s.automatic, &s.began, &s.ended, &s.pos)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return s, fmt.Errorf("read a subscription: %w", err)
	}
	return s, nil
}

// subscriptionTries bounds how often a change is made anew because another one of the same person came before it.
const subscriptionTries = 20

// changeSubscription makes a subscription what a function of what it is wants, whose error leaves it so.
func (f *Feed) changeSubscription(ctx context.Context, user id.UserID, t thread, decide func(*subscription) (wanted, error)) error {
	lock := subscriptionLock(user)
	for range subscriptionTries {
		version, _, _, err := f.db.Head(ctx, lock)
		if err != nil {
			return err
		}
		s, err := f.subscription(ctx, user, t)
		if err != nil {
			return err
		}
		want, err := decide(&s)
		if err != nil || want == s.wanted() {
			return err
		}
		err = f.db.Write(ctx, "thread subscription", []db.Key{lock}, func(tx *db.Tx) error {
			if now, _, _ := tx.Head(lock); now != version {
				return db.ErrStale
			}
			tx.SetHead(lock, nil)
			f.appendSubscription(tx, s, want)
			return nil
		})
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, db.ErrStale):
			return fmt.Errorf("store a subscription: %w", err)
		}
	}
	return fault.After(0).WithStatus(503)
}

// subscriptionLock is the key under which a person's subscriptions are changed.
func subscriptionLock(user id.UserID) db.Key { return db.KeyOf("threads\x00", string(user)) }

// appendSubscription hands over what a subscription becomes, and publishes it.
func (f *Feed) appendSubscription(tx *db.Tx, s subscription, want wanted) {
	pos := tx.Number(db.Stream)
	began, ended := any(s.began), any(s.ended)
	switch {
	case want.on && !s.on():
		began, ended = pos, 0
	case !want.on:
		ended = pos
	}
	tx.Append(threadTable, s.room, s.root, s.user, want.automatic, began, ended, pos)
	tx.After(func() {
		s.pos = pos.Value()
		f.mu.Lock()
		f.noteSubscription(s)
		f.advance(s.pos)
		f.mu.Unlock()
		f.wakeForSubscription(s)
	})
}

// noteSubscription remembers that a subscription changed. f.mu is held.
func (f *Feed) noteSubscription(s subscription) {
	f.threads.drop(s.thread)
	if p := f.people[s.user]; p != nil {
		p.subscribed.Store(max(p.subscribed.Load(), s.pos))
	}
}

func (f *Feed) wakeForSubscription(s subscription) { f.woke("change", f.waiters.wake(s.user)) }

// forgetThreads removes a person's subscriptions of a room that they forgot.
func (f *Feed) forgetThreads(ctx context.Context, user id.UserID, r id.RoomID) error {
	err := f.db.Write(ctx, "forget threads", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`delete from feed_thread where user_id = $1 and room_id = $2`, user, r)
		return err
	})
	if err != nil {
		return fmt.Errorf("forget threads: %w", err)
	}
	f.threads.dropRoom(r)
	return nil
}

// readSubscriptions reads stored subscriptions.
func (f *Feed) readSubscriptions(ctx context.Context, where string, args ...any) ([]subscription, error) {
	rows, err := f.db.Query(ctx, `select room_id, thread, user_id, automatic, began, ended, pos from feed_thread `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}
	defer rows.Close()
	var out []subscription
	for rows.Next() {
		var s subscription
		if err := rows.Scan(&s.room, &s.root, &s.user, &s.automatic, &s.began, &s.ended, &s.pos); err != nil {
			return nil, fmt.Errorf("read subscriptions: %w", err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}
	return out, nil
}

// threadBook knows who subscribed to the threads in use, once for all members of their rooms.
type threadBook struct {
	mu      sync.Mutex
	by      *lru.Cache[thread, map[id.UserID]subscription] // maps do not change
	changes int                                            // what was read before one is not kept
}

// bookThreads is how many threads' subscriptions are kept in memory.
const bookThreads = 4096

// drop forgets what is known of a thread.
func (b *threadBook) drop(t thread) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changes++
	b.by.Remove(t)
}

// dropRoom forgets what is known of a room's threads.
func (b *threadBook) dropRoom(r id.RoomID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changes++
	for _, t := range b.by.Keys() {
		if t.room == r {
			b.by.Remove(t)
		}
	}
}

// subscribers returns who subscribed to a thread or unsubscribed from it.
func (f *Feed) subscribers(ctx context.Context, t thread) (map[id.UserID]subscription, error) {
	b := &f.threads
	b.mu.Lock()
	have, ok := b.by.Get(t)
	changes := b.changes
	b.mu.Unlock()
	if ok {
		return have, nil
	}
	all, err := f.readSubscriptions(ctx, `where room_id = $1 and thread = $2`, t.room, t.root)
	if err != nil {
		return nil, err
	}
	have = make(map[id.UserID]subscription, len(all))
	for _, s := range all {
		have[s.user] = s
	}
	b.mu.Lock()
	if b.changes == changes {
		b.by.Add(t, have)
	}
	b.mu.Unlock()
	return have, nil
}

// subscribed tells whether a person was subscribed to the thread of an event when it came.
func (f *Feed) subscribed(ctx context.Context, user id.UserID, t thread, ev *room.Event) (bool, error) {
	all, err := f.subscribers(ctx, t)
	s, ok := all[user]
	return ok && s.at(ev.Pos), err
}
