package feed

import (
	"context"
	"fmt"
	"slices"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
)

// Typing and presence are never stored. Each change takes the next number of Feed.serial, which is the
// fleeting part of a sync token; a token of another process gets a snapshot.

const (
	tick          = time.Second // how often expiry is looked at
	typingDefault = 30 * time.Second
	typingMax     = 2 * time.Minute
	typingKept    = 10 * time.Minute // how long it is remembered that people stopped
)

// typing is who types in a room. It is guarded by Feed.mu.
type typing struct {
	until  map[id.UserID]int64 // milliseconds
	serial int64               // of the newest change
	at     int64               // its time, milliseconds
}

// Type says that somebody types in a room for a while (0 means a while that the server chooses), or no more.
func (f *Feed) Type(ctx context.Context, user id.UserID, roomID id.RoomID, on bool, d time.Duration) error {
	r, err := f.rooms.Get(ctx, roomID)
	if err != nil {
		return err
	}
	if r.Membership(user) != room.Join {
		return fault.New(fault.Forbidden, "You are not in this room.")
	}
	if d <= 0 {
		d = typingDefault
	}
	now := f.now()
	f.active(user)
	f.mu.Lock()
	t := f.typing[roomID]
	if t == nil {
		if !on {
			f.mu.Unlock()
			return nil
		}
		t = &typing{until: make(map[id.UserID]int64)}
		f.typing[roomID] = t
	}
	_, was := t.until[user]
	if on {
		t.until[user] = now + min(d, typingMax).Milliseconds()
	} else {
		delete(t.until, user)
	}
	changed := was != on
	if changed {
		t.serial, t.at = f.serial.Add(1), now
	}
	f.mu.Unlock()
	if changed {
		f.nudge("typing", r.JoinedLocal()...)
		f.stirred()
	}
	return nil
}

// expireTyping ends the typing of people whose time is over.
func (f *Feed) expireTyping() {
	now := f.now()
	f.mu.Lock()
	var changed []id.RoomID
	for r, t := range f.typing {
		n := len(t.until)
		for u, until := range t.until {
			if until <= now {
				delete(t.until, u)
			}
		}
		switch {
		case len(t.until) != n:
			t.serial, t.at = f.serial.Add(1), now
			changed = append(changed, r)
		case n == 0 && t.at < now-typingKept.Milliseconds():
			delete(f.typing, r)
		}
	}
	f.mu.Unlock()
	for _, r := range changed {
		f.nudgeRoom(r)
	}
}

// typingIn returns the changes of who types in the given rooms since a serial: nil users where nobody does.
func (f *Feed) typingIn(stays []stay, since int64, snapshot bool) map[id.RoomID][]id.UserID {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.typing) == 0 {
		return nil
	}
	var out map[id.RoomID][]id.UserID
	for i := range stays {
		t := f.typing[stays[i].Room]
		if t == nil || t.serial <= since || (snapshot && len(t.until) == 0) {
			continue
		}
		users := make([]id.UserID, 0, len(t.until))
		for u := range t.until {
			users = append(users, u)
		}
		slices.Sort(users)
		if out == nil {
			out = make(map[id.RoomID][]id.UserID)
		}
		out[stays[i].Room] = users
	}
	return out
}

// typingNow returns who types in a room, ok false when nobody does.
func (f *Feed) typingNow(r id.RoomID) (users []id.UserID, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.typing[r]
	if t == nil {
		return nil, false
	}
	for u := range t.until {
		users = append(users, u)
	}
	slices.Sort(users)
	return users, len(users) > 0
}

// appendTyping appends an m.typing event.
func appendTyping(dst []byte, users []id.UserID) []byte {
	dst = append(dst, `{"type":"m.typing","content":{"user_ids":[`...)
	for i, u := range users {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, string(u))
	}
	return append(dst, `]}}`...)
}

// clockwork does what is due by the clock until the feed is closed.
func (f *Feed) clockwork() {
	defer f.stopped.Done()
	t := time.NewTicker(tick)
	defer t.Stop()
	for n := 0; ; n++ {
		select {
		case <-f.stop:
			return
		case <-t.C:
		}
		f.expireTyping()
		f.forgetHistories()
		if f.presence != nil {
			f.expirePresence()
		}
		if n%3600 == 60 {
			f.forgetTransactions()
		}
		if n%60 == 59 {
			f.pushing.look()
		}
	}
}

// background is the context of work that belongs to no request.
func (f *Feed) background() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 10*time.Second)
}

// later does something outside the write path, not after the feed was closed.
func (f *Feed) later(do func(context.Context)) {
	f.mu.Lock()
	if f.closed.Load() {
		f.mu.Unlock()
		return
	}
	f.stopped.Add(1)
	f.mu.Unlock()
	go func() {
		defer f.stopped.Done()
		ctx, cancel := f.background()
		defer cancel()
		do(ctx)
	}()
}

// pause waits a moment for something that another goroutine is about to finish.
func (f *Feed) pause(ctx context.Context) error {
	t := time.NewTimer(time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waitVisible returns when a committed position is published.
func (f *Feed) waitVisible(ctx context.Context, pos int64) error {
	for tries := 0; f.visible.Load() < pos; tries++ {
		if tries == 100 {
			// No batch of this process brings it: another one committed it and the hint is late.
			if err := f.catchUp(ctx, pos); err != nil {
				return err
			}
		}
		if tries == 5000 {
			return fmt.Errorf("position %d is not published", pos)
		}
		if err := f.pause(ctx); err != nil {
			return err
		}
	}
	return nil
}
