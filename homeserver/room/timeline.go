package room

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/seal"
)

// Member is a user's place in a room.
type Member struct {
	Room       id.RoomID
	Membership string // Join, Invite, Knock, Leave or Ban
	EventID    id.EventID
	Sender     id.UserID // who made it so
	Pos        int64     // of the event
	Forgotten  bool
}

// RoomsOf lists the rooms that a user is or was in, forgotten ones too, by the position of the membership.
func (rs *Rooms) RoomsOf(ctx context.Context, user id.UserID) ([]Member, error) {
	rows, err := rs.db.Query(ctx, `select r.room_id, m.membership, m.event_id, m.sender, m.pos, m.forgotten
		from room_member m join room r on r.nid = m.room where m.user_id = $1 order by m.pos`, string(user))
	if err != nil {
		return nil, fmt.Errorf("list rooms of a user: %w", err)
	}
	defer rows.Close()
	var l []Member
	for rows.Next() {
		var m Member
		var forgotten int64
		if err := rows.Scan((*string)(&m.Room), &m.Membership, (*string)(&m.EventID), (*string)(&m.Sender), &m.Pos, &forgotten); err != nil {
			return nil, fmt.Errorf("list rooms of a user: %w", err)
		}
		m.Forgotten = forgotten != 0
		l = append(l, m)
	}
	return l, rows.Err()
}

// Joined lists the rooms that a user is joined to.
func (rs *Rooms) Joined(ctx context.Context, user id.UserID) ([]id.RoomID, error) {
	all, err := rs.RoomsOf(ctx, user)
	if err != nil {
		return nil, err
	}
	l := make([]id.RoomID, 0, len(all))
	for _, m := range all {
		if m.Membership == Join {
			l = append(l, m.Room)
		}
	}
	return l, nil
}

// MemberOf is a user's place in one room; ok is false for strangers.
func (rs *Rooms) MemberOf(ctx context.Context, r *Room, user id.UserID) (m Member, ok bool, err error) {
	m.Room = r.ID
	var forgotten int64
	err = rs.db.QueryRow(ctx, `select membership, event_id, sender, pos, forgotten from room_member
		where user_id = $1 and room = $2`, string(user), r.nid).
		Scan(&m.Membership, (*string)(&m.EventID), (*string)(&m.Sender), &m.Pos, &forgotten)
	if errors.Is(err, sql.ErrNoRows) {
		return m, false, nil
	}
	if err != nil {
		return m, false, fmt.Errorf("look up membership: %w", err)
	}
	m.Forgotten = forgotten != 0
	return m, true, nil
}

// Timeline returns the room's events with after < position <= upTo, newest first, at most limit of them.
// For the newest events of a hot room it needs no query. It does not check who may see them: see Sight.
func (rs *Rooms) Timeline(ctx context.Context, r *Room, after, upTo int64, limit int) ([]*Event, error) {
	if limit <= 0 || upTo <= after {
		return nil, nil
	}
	out, complete, pruned := r.recent.newest(make([]*Event, 0, min(limit, recentMax)), after, upTo, limit)
	if len(out) == limit || complete <= after+1 || r.LastPos() <= after {
		return out, nil
	}
	until := min(upTo+1, complete)
	older, err := rs.older(ctx, r, after, until, limit-len(out))
	if err != nil {
		return nil, err
	}
	if until == complete {
		from := after + 1
		if len(older) == limit-len(out) {
			from = older[len(older)-1].Pos
		}
		r.recent.extend(older, from, until, pruned)
	}
	return append(out, older...), nil
}

// older reads timeline events with after < pos < until, newest first.
func (rs *Rooms) older(ctx context.Context, r *Room, after, until int64, limit int) ([]*Event, error) {
	return rs.query(ctx, r, `select `+eventColumns+` from event e
		where e.room = $1 and e.pos > $2 and e.pos < $3 and e.kind = 0 order by e.pos desc limit $4`, r.nid, after, until, limit)
}

// newer reads timeline events with after < pos < until, oldest first.
func (rs *Rooms) newer(ctx context.Context, r *Room, after, until int64, limit int) ([]*Event, error) {
	return rs.query(ctx, r, `select `+eventColumns+` from event e
		where e.room = $1 and e.pos > $2 and e.pos < $3 and e.kind = 0 order by e.pos limit $4`, r.nid, after, until, limit)
}

const (
	// stretchEnd needs nothing but the index event_room.
	stretchEnd = `select pos from event where room = $1 and pos > $2 and pos < $3 order by pos limit 1 offset $4`
	texts      = `select ` + eventColumns + ` from event e
		where e.room = $1 and e.pos > $2 and e.pos <= $3 and e.kind = 0 and e.type in ('m.room.message', 'm.room.name', 'm.room.topic')
		order by e.pos`
)

// Texts returns what can be searched among the room's next n events with after < position <= upTo, oldest first: messages
// that are not encrypted, names and topics; end is the position up to which that is all. It does not check who may see
// them: see Sight.
func (rs *Rooms) Texts(ctx context.Context, r *Room, after, upTo int64, n int) (l []*Event, end int64, err error) {
	err = rs.db.QueryRow(ctx, stretchEnd, r.nid, after, upTo, n-1).Scan(&end)
	if errors.Is(err, sql.ErrNoRows) {
		end, err = upTo, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("find where texts end: %w", err)
	}
	l, err = rs.query(ctx, r, texts, r.nid, after, end)
	return l, end, err
}

// At returns the room's timeline events at positions, in no order; positions without one are left out. It does not
// check who may see them: see Sight.
func (rs *Rooms) At(ctx context.Context, r *Room, positions []int64) ([]*Event, error) {
	return rs.query(ctx, r, `select `+eventColumns+` from event e where e.pos = any($1) and e.room + 0 = $2 and e.kind = 0`, positions, r.nid)
}

// Lock is what a write names that must not overlap with the writing of the room's events.
func (r *Room) Lock() db.Key { return db.Key(r.nid) }

// StateBefore is the state that an event was sent in. It fails for events whose place in the history is
// not known (outliers).
func (rs *Rooms) StateBefore(ctx context.Context, e *Event) (*State, error) {
	r, err := rs.Get(ctx, e.RoomID)
	if err != nil {
		return nil, err
	}
	if e.Kind == Outlier || e.Kind == Held {
		return nil, fmt.Errorf("state before event %s is not known", e.ID)
	}
	return rs.state(ctx, r, e.Snapshot)
}

// StateAt is the current state as it was at a position.
func (rs *Rooms) StateAt(ctx context.Context, r *Room, pos int64) (*State, error) {
	v := r.now()
	var later int64
	err := rs.db.QueryRow(ctx, `select pos from room_state where room = $1 and pos > $2 limit 1`, r.nid, pos).Scan(&later)
	if errors.Is(err, sql.ErrNoRows) {
		return v.state, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up state changes: %w", err)
	}
	places, err := rs.changed(ctx, r, 0, pos)
	if err != nil {
		return nil, err
	}
	events, err := rs.eventsAt(ctx, r, places)
	if err != nil {
		return nil, err
	}
	l := make([]*Event, 0, len(events))
	for _, e := range places {
		if e := events[e]; e != nil {
			l = append(l, e)
		}
	}
	return stateOf(l), nil
}

// StateChanges is what the current state of a room became between two positions, from < pos <= to: for
// each place that changed what is there at the end. Old is not filled in.
func (rs *Rooms) StateChanges(ctx context.Context, r *Room, from, to int64) ([]StateChange, error) {
	if to <= from || r.LastPos() <= from {
		return nil, nil
	}
	places, err := rs.changed(ctx, r, from, to)
	if err != nil || len(places) == 0 {
		return nil, err
	}
	events, err := rs.eventsAt(ctx, r, places)
	if err != nil {
		return nil, err
	}
	l := make([]StateChange, 0, len(places))
	for k, e := range places {
		l = append(l, StateChange{Type: k.Type, StateKey: k.StateKey, New: events[e]})
	}
	return l, nil
}

// changed reads the last change of each place with from < pos <= to.
func (rs *Rooms) changed(ctx context.Context, r *Room, from, to int64) (map[Key]id.EventID, error) {
	rows, err := rs.db.Query(ctx, `select type, state_key, event_id from room_state
		where room = $1 and pos > $2 and pos <= $3 order by pos`, r.nid, from, to)
	if err != nil {
		return nil, fmt.Errorf("read state changes: %w", err)
	}
	defer rows.Close()
	places := make(map[Key]id.EventID)
	for rows.Next() {
		var k Key
		var e sql.NullString
		if err := rows.Scan(&k.Type, &k.StateKey, &e); err != nil {
			return nil, fmt.Errorf("read state changes: %w", err)
		}
		places[k] = id.EventID(e.String)
	}
	return places, rows.Err()
}

func (rs *Rooms) eventsAt(ctx context.Context, r *Room, places map[Key]id.EventID) (map[id.EventID]*Event, error) {
	ids := make([]id.EventID, 0, len(places))
	for _, e := range places {
		if e != "" {
			ids = append(ids, e)
		}
	}
	return rs.byID(ctx, r, ids)
}

// Since returns the timeline events of all rooms with after < position <= upTo, in order, and brings the
// rooms that are in memory up to date with them. The feed calls it for what other processes wrote.
func (rs *Rooms) Since(ctx context.Context, after, upTo int64) ([]Committed, error) {
	byRoom, order, _, err := rs.across(ctx, `order by e.pos`, after, upTo)
	if err != nil {
		return nil, err
	}
	news := make(map[id.EventID]*Committed, len(order))
	for roomID, l := range byRoom {
		if err := rs.catchUp(ctx, roomID, l, news); err != nil && !fault.Is(err, fault.NotFound) {
			return nil, err
		}
	}
	out := make([]Committed, 0, len(order))
	for _, f := range order {
		if c := news[f.ID]; c != nil { // else its room was erased
			out = append(out, *c)
		}
	}
	return out, nil
}

// across reads the timeline events of all rooms with after < position <= upTo, by room and in the order of
// the query's end. read counts also what cannot be opened.
func (rs *Rooms) across(ctx context.Context, end string, args ...any) (byRoom map[id.RoomID][]found, order []found, read int, err error) {
	rows, err := rs.db.Query(ctx, `select `+eventColumns+`, r.room_id, r.version from event e join room r on r.nid = e.room
		where e.pos > $1 and e.pos <= $2 and e.kind = 0 `+end, args...)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("read new events: %w", err)
	}
	defer rows.Close()
	byRoom = make(map[id.RoomID][]found)
	for ; rows.Next(); read++ {
		// The columns are read twice: the room tells how to open the event.
		var p place
		var skip [9]any
		for i := range skip {
			skip[i] = new(any)
		}
		if err := rows.Scan(append(skip[:], (*string)(&p.room), (*string)(&p.version))...); err != nil {
			return nil, nil, 0, fmt.Errorf("read new events: %w", err)
		}
		f, err := rs.scanEvent(ctx, rows, &p, new(string), new(string))
		if fault.Is(err, fault.NotFound) || errors.Is(err, seal.ErrCorrupt) {
			// Nobody will ever read it, so it must not keep everything behind it from being told.
			rs.log.Error("event of another process cannot be read", "error", err)
			continue
		}
		if err != nil {
			return nil, nil, 0, err
		}
		byRoom[p.room] = append(byRoom[p.room], f)
		order = append(order, f)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, nil, 0, fmt.Errorf("read new events: %w", err)
	}
	return byRoom, order, read, nil
}

// Window returns the timeline events of all rooms with after < position <= upTo, in order and at most limit
// of them, and the position up to which there are no others. Events of erased rooms are left out.
func (rs *Rooms) Window(ctx context.Context, after, upTo int64, limit int) ([]*Event, int64, error) {
	byRoom, order, read, err := rs.across(ctx, `order by e.pos limit $3`, after, upTo, limit)
	if err != nil {
		return nil, 0, err
	}
	if read == limit {
		if upTo = after + 1; len(order) > 0 {
			upTo = order[len(order)-1].Pos
		}
	}
	whole := make(map[id.EventID]*Event, len(order))
	for roomID, l := range byRoom {
		r, err := rs.Get(ctx, roomID)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		events, err := rs.complete(ctx, r, l)
		if err != nil {
			return nil, 0, err
		}
		for _, e := range events {
			whole[e.ID] = e
		}
	}
	out := make([]*Event, 0, len(order))
	for _, f := range order {
		if e := whole[f.ID]; e != nil {
			out = append(out, e)
		}
	}
	return out, upTo, nil
}

// catchUp applies events of one room that another process wrote.
func (rs *Rooms) catchUp(ctx context.Context, roomID id.RoomID, l []found, news map[id.EventID]*Committed) error {
	r, err := rs.Get(ctx, roomID)
	if err != nil {
		return err
	}
	events, err := rs.complete(ctx, r, l)
	if err != nil {
		return err
	}
	h, err := rs.loadHead(ctx, r, r.now())
	if err != nil {
		return err
	}
	r.store(h)
	for _, e := range events {
		c := &Committed{Event: e, Room: r}
		if c.Changes, err = rs.changesAt(ctx, r, e); err != nil {
			return err
		}
		if e.Type == typeRedaction && e.Redacts != "" {
			rs.events.drop(e.Redacts)
			target, err := rs.event(ctx, r, e.Redacts)
			if err != nil {
				return err
			}
			if target != nil && target.RedactedBecause != nil && target.RedactedBecause.ID == e.ID {
				rs.forget(r, target)
				c.Redacted = target
			}
		}
		if e.RelTarget != "" {
			rs.related(r, e.RelTarget)
		}
		if e.Type == typeVisibility {
			r.forgetHistory()
		}
		r.recent.add(e)
		r.advance(e.Pos)
		news[e.ID] = c
	}
	return nil
}

// changesAt reads the state changes that came with one event.
func (rs *Rooms) changesAt(ctx context.Context, r *Room, e *Event) ([]StateChange, error) {
	if !e.State() && rs.isLocal(e.Sender) {
		return nil, nil
	}
	places, err := rs.changed(ctx, r, e.Pos-1, e.Pos)
	if err != nil || len(places) == 0 {
		return nil, err
	}
	events, err := rs.eventsAt(ctx, r, places)
	if err != nil {
		return nil, err
	}
	l := make([]StateChange, 0, len(places))
	for k, eventID := range places {
		c := StateChange{Type: k.Type, StateKey: k.StateKey, New: events[eventID]}
		if c.New != nil && c.New.Replaces != "" {
			if c.Old, err = rs.event(ctx, r, c.New.Replaces); err != nil {
				return nil, err
			}
		}
		l = append(l, c)
	}
	return l, nil
}

// advance notes that the room has a timeline event at a position.
func (r *Room) advance(pos int64) {
	for {
		last := r.last.Load()
		if last >= pos || r.last.CompareAndSwap(last, pos) {
			return
		}
	}
}

// Event returns a timeline event of a room, a fault of kind NotFound when there is none. It does not check
// who may see it: see Sight.
func (rs *Rooms) Event(ctx context.Context, roomID id.RoomID, want id.EventID) (*Event, error) {
	r, err := rs.Get(ctx, roomID)
	if err != nil {
		return nil, err
	}
	e, err := rs.event(ctx, r, want)
	if err != nil {
		return nil, err
	}
	if e == nil || e.Kind != Timeline {
		return nil, errNoEvent
	}
	return e, nil
}

// Events returns those of a room's timeline events that there are, by id. It does not check who may see them: see Sight.
func (rs *Rooms) Events(ctx context.Context, r *Room, ids []id.EventID) (map[id.EventID]*Event, error) {
	m, err := rs.byID(ctx, r, ids)
	maps.DeleteFunc(m, func(_ id.EventID, e *Event) bool { return e.Kind != Timeline })
	return m, err
}

// RoomOf is the room of an event; NotFound when there is no such event in the history of any.
func (rs *Rooms) RoomOf(ctx context.Context, want id.EventID) (id.RoomID, error) {
	var roomID id.RoomID
	err := rs.db.QueryRow(ctx, `select r.room_id from event e join room r on r.nid = e.room where e.event_id = $1 and e.kind = 0`, string(want)).
		Scan((*string)(&roomID))
	if errors.Is(err, sql.ErrNoRows) {
		return "", errNoEvent
	}
	if err != nil {
		return "", fmt.Errorf("find the room of an event: %w", err)
	}
	return roomID, nil
}

var errNoEvent = fault.New(fault.NotFound, "There is no such event.")

// Sharers lists the people who are joined to a room that a user is joined to, the user included.
func (rs *Rooms) Sharers(ctx context.Context, user id.UserID) ([]id.UserID, error) {
	rows, err := rs.db.Query(ctx, `select distinct o.user_id from room_member m
		join room_member o on o.room = m.room and o.membership = 'join'
		where m.user_id = $1 and m.membership = 'join'`, string(user))
	if err != nil {
		return nil, fmt.Errorf("list who shares rooms: %w", err)
	}
	defer rows.Close()
	var l []id.UserID
	for rows.Next() {
		var u id.UserID
		if err := rows.Scan((*string)(&u)); err != nil {
			return nil, fmt.Errorf("list who shares rooms: %w", err)
		}
		l = append(l, u)
	}
	return l, rows.Err()
}
