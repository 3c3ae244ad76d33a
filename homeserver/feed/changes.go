package feed

import (
	"context"
	"fmt"
	"slices"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
)

var changeTable = &db.Table{
	Name:    "feed_change",
	Columns: []string{"user_id", "kind", "room_id", "name", "pos"},
	Types:   []string{"text", "text", "text", "text", "bigint"},
	Key:     4,
}

// Changed records a change in the transaction that made it: it gets a position, is in the next sync of
// whoever it concerns, and wakes them after the commit. It writes one row.
func (f *Feed) Changed(tx *db.Tx, c Change) {
	pos := tx.Number(db.Stream)
	tx.Append(changeTable, c.User, string(c.Kind), c.Room, c.Key, pos)
	tx.After(func() { f.publishChange(pos.Value(), c) })
}

// logged is a change at its position.
type logged struct {
	pos int64
	Change
}

// changeLog holds the newest changes: all of them after floor. It is guarded by Feed.mu.
type changeLog struct {
	floor   int64
	entries []logged
}

// logMax is how many changes a log keeps; it is cut to half of that when it is full.
const logMax = 512

func (l *changeLog) add(e logged) {
	if e.pos <= l.floor {
		return
	}
	if len(l.entries) >= logMax {
		cut := len(l.entries) / 2
		l.floor = l.entries[cut-1].pos
		l.entries = append(l.entries[:0], l.entries[cut:]...)
	}
	i := len(l.entries)
	for i > 0 && l.entries[i-1].pos >= e.pos {
		i--
	}
	if i < len(l.entries) && l.entries[i].pos == e.pos {
		return
	}
	l.entries = slices.Insert(l.entries, i, e)
}

// between returns the changes after a position up to another; ok is false when some may be missing.
func (l *changeLog) between(after, upTo int64) (found []Change, ok bool) {
	if after < l.floor {
		return nil, false
	}
	for i := len(l.entries) - 1; i >= 0 && l.entries[i].pos > after; i-- {
		if c := l.entries[i]; c.pos <= upTo && !slices.Contains(found, c.Change) {
			found = append(found, c.Change)
		}
	}
	return found, true
}

// newest is the position of the newest change.
func (l *changeLog) newest() int64 {
	if n := len(l.entries); n > 0 {
		return l.entries[n-1].pos
	}
	return l.floor
}

// ownChanges lists what changed about a person after a position.
func (f *Feed) ownChanges(ctx context.Context, p *person, after, upTo int64) ([]Change, error) {
	f.mu.Lock()
	found, ok := p.log.between(after, upTo)
	f.mu.Unlock()
	if ok {
		return found, nil
	}
	return f.readChanges(ctx, `select user_id, kind, room_id, name, pos from feed_change
		where user_id = $1 and pos > $2 and pos <= $3 order by pos`, p.user, after, upTo)
}

// listChanges lists the people whose device lists changed after a position.
func (f *Feed) listChanges(ctx context.Context, after, upTo int64) ([]Change, error) {
	f.mu.Lock()
	found, ok := f.lists.between(after, upTo)
	f.mu.Unlock()
	if ok {
		return found, nil
	}
	return f.readChanges(ctx, `select user_id, kind, room_id, name, pos from feed_change
		where kind = 'device_list' and pos > $1 and pos <= $2 order by pos`, after, upTo)
}

func (f *Feed) readChanges(ctx context.Context, q string, args ...any) ([]Change, error) {
	all, err := f.readLogged(ctx, q, args...)
	out := make([]Change, len(all))
	for i := range all {
		out[i] = all[i].Change
	}
	return out, err
}

func (f *Feed) readLogged(ctx context.Context, q string, args ...any) ([]logged, error) {
	rows, err := f.db.Query(ctx, q, args...)
	if err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	defer rows.Close()
	var out []logged
	for rows.Next() {
		var c logged
		if err := rows.Scan(&c.User, &c.Kind, &c.Room, &c.Key, &c.pos); err != nil {
			return nil, fmt.Errorf("read changes: %w", err)
		}
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	return out, nil
}

// publishChange makes a committed change known.
func (f *Feed) publishChange(pos int64, c Change) {
	f.mu.Lock()
	f.noteChange(pos, c)
	f.advance(pos)
	f.mu.Unlock()
	f.wakeForChange(c)
}

// noteChange remembers a change. f.mu is held.
func (f *Feed) noteChange(pos int64, c Change) {
	if c.Kind == DeviceList {
		f.lists.add(logged{pos, c})
	}
	p := f.people[c.User]
	if p == nil {
		return
	}
	p.log.add(logged{pos, c})
	p.changed.Store(max(p.changed.Load(), pos))
	if c.Kind == AccountData {
		p.forget(c)
	}
}

// wakeForChange wakes the person and, for a device list, everybody who shares a room.
func (f *Feed) wakeForChange(c Change) {
	f.woke("change", f.waiters.wake(c.User))
	f.stirred()
	if c.Kind == AccountData && c.Room == "" && c.Key == "m.push_rules" {
		f.pushing.due(c.User)
	}
	if c.Kind == DeviceList && f.waiters.count() > 0 {
		f.later(func(ctx context.Context) { f.wakeSharers(ctx, c.User) })
	}
}

func (f *Feed) wakeSharers(ctx context.Context, user id.UserID) {
	joined, err := f.joinedRooms(ctx, user)
	if err != nil {
		f.log.Warn("people to tell of a device list not found", "error", err)
		return
	}
	for _, roomID := range joined {
		if r, err := f.rooms.Get(ctx, roomID); err == nil {
			f.woke("change", f.waiters.wake(r.JoinedLocal()...))
		}
	}
}

func (f *Feed) woke(by string, n int) {
	if n > 0 {
		f.metrics.wakeups.WithLabelValues(by).Add(float64(n))
	}
}
