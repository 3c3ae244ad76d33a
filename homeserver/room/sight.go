package room

import (
	"context"
	"fmt"
	"sort"

	"maunium.net/go/mautrix/id"
)

// The values of m.room.history_visibility.
const (
	worldReadable = "world_readable"
	shared        = "shared"
	invited       = "invited"
	joined        = "joined"
)

// What is known of a room's history visibility over time, see Room.openHistory.
const (
	historyUnknown int64 = iota
	historyOpen          // it was always shared or world_readable
	historyClosed        // it was not
	historyMask    = 3
)

// forgetHistory says that the visibility of the history changed.
func (r *Room) forgetHistory() {
	for {
		old := r.openHistory.Load()
		if r.openHistory.CompareAndSwap(old, (old|historyMask)+1) {
			return
		}
	}
}

func visibilityOf(e *Event) string {
	switch v := e.Get("history_visibility").Str; v {
	case worldReadable, invited, joined:
		return v
	}
	return shared
}

// Sight is what one user may see of one room's history (client-server API, "Room History Visibility").
type Sight struct {
	rs   *Rooms
	r    *Room
	user id.UserID

	now     string // membership
	nowFrom int64  // since which position
	open    bool   // everything is visible to whoever is joined

	loaded  bool
	member  []moment // membership of the user
	history []moment // visibility
}

// moment is a value that holds from a position on.
type moment struct {
	pos   int64
	value string
}

// Sight prepares to decide what a user may see. For people who are joined to a room whose history was
// always open it needs no query.
func (rs *Rooms) Sight(ctx context.Context, r *Room, user id.UserID) (*Sight, error) {
	s := &Sight{rs: rs, r: r, user: user, now: Leave}
	if e := r.State(typeMember, string(user)); e != nil {
		s.now, s.nowFrom = e.Membership(), e.Pos
	}
	if r.openHistory.Load()&historyMask == historyUnknown {
		if err := rs.loadHistory(ctx, r, s); err != nil {
			return nil, err
		}
	}
	s.open = s.now == Join && r.openHistory.Load()&historyMask == historyOpen
	return s, nil
}

func (rs *Rooms) loadHistory(ctx context.Context, r *Room, s *Sight) error {
	was := r.openHistory.Load()
	var err error
	if s.history, err = rs.moments(ctx, r, typeVisibility, ""); err != nil {
		return err
	}
	open := historyOpen
	for _, m := range s.history {
		if m.value == invited || m.value == joined {
			open = historyClosed
		}
	}
	r.openHistory.CompareAndSwap(was, was&^historyMask|open)
	return nil
}

// moments reads how one place of the state changed.
func (rs *Rooms) moments(ctx context.Context, r *Room, typ, key string) ([]moment, error) {
	rows, err := rs.db.Query(ctx, `select pos, coalesce(event_id, '') from room_state
		where room = $1 and type = $2 and state_key = $3 order by pos`, r.nid, typ, key)
	if err != nil {
		return nil, fmt.Errorf("read state changes: %w", err)
	}
	defer rows.Close()
	var l []moment
	var ids []id.EventID
	for rows.Next() {
		var m moment
		if err := rows.Scan(&m.pos, &m.value); err != nil {
			return nil, fmt.Errorf("read state changes: %w", err)
		}
		l = append(l, m)
		ids = append(ids, id.EventID(m.value))
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read state changes: %w", err)
	}
	rows.Close()
	events, err := rs.byID(ctx, r, ids)
	if err != nil {
		return nil, err
	}
	for i := range l {
		e := events[ids[i]]
		if typ == typeVisibility {
			l[i].value = visibilityOf(e)
		} else if l[i].value = e.Membership(); l[i].value == "" {
			l[i].value = Leave
		}
	}
	return l, nil
}

// at is the value that held before a position, and from it on.
func at(l []moment, pos int64, def string) (before, from string) {
	i := sort.Search(len(l), func(i int) bool { return l[i].pos >= pos })
	before = def
	if i > 0 {
		before = l[i-1].value
	}
	if i < len(l) && l[i].pos == pos {
		return before, l[i].value
	}
	return before, before
}

func (s *Sight) load(ctx context.Context) error {
	if s.loaded {
		return nil
	}
	var err error
	if s.history == nil {
		if s.history, err = s.rs.moments(ctx, s.r, typeVisibility, ""); err != nil {
			return err
		}
	}
	if s.member, err = s.rs.moments(ctx, s.r, typeMember, string(s.user)); err != nil {
		return err
	}
	s.loaded = true
	return nil
}

// Membership is what the user was when an event was sent; for their own member event what it made them.
func (s *Sight) Membership(ctx context.Context, e *Event) (string, error) {
	if s.nowFrom > 0 && e.Pos >= s.nowFrom {
		return s.now, nil
	}
	if err := s.load(ctx); err != nil {
		return "", err
	}
	_, m := at(s.member, e.Pos, Leave)
	return m, nil
}

// Sees tells whether the user may see an event.
func (s *Sight) Sees(ctx context.Context, e *Event) (bool, error) {
	if e.Kind != Timeline {
		return false, nil
	}
	if s.open || s.now == Join && s.nowFrom > 0 && e.Pos >= s.nowFrom {
		return true, nil
	}
	if e.Is(typeMember, string(s.user)) {
		return true, nil
	}
	if err := s.load(ctx); err != nil {
		return false, err
	}
	before, from := at(s.history, e.Pos, shared)
	m, _ := at(s.member, e.Pos, Leave)
	// An event that changes the visibility is visible under the more open of the two.
	return s.allows(before, m, e.Pos) || before != from && s.allows(from, m, e.Pos), nil
}

func (s *Sight) allows(visibility, member string, pos int64) bool {
	if visibility == worldReadable || member == Join {
		return true
	}
	switch visibility {
	case shared:
		for _, m := range s.member {
			if m.pos > pos && m.value == Join {
				return true
			}
		}
	case invited:
		return member == Invite
	}
	return false
}

// Filter returns the events that the user may see, in the same order.
func (s *Sight) Filter(ctx context.Context, l []*Event) ([]*Event, error) {
	if s.open {
		return l, nil
	}
	out := make([]*Event, 0, len(l))
	for _, e := range l {
		ok, err := s.Sees(ctx, e)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, e)
		}
	}
	return out, nil
}

// Visible returns those of a room's events that a user may see.
func (rs *Rooms) Visible(ctx context.Context, r *Room, user id.UserID, l []*Event) ([]*Event, error) {
	s, err := rs.Sight(ctx, r, user)
	if err != nil {
		return nil, err
	}
	return s.Filter(ctx, l)
}
