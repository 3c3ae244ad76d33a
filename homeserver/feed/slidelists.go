package feed

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
)

// matched is a room of the reader's with the rules that it matches.
type matched struct {
	stay
	r      *room.Room
	active int64    // position of the newest event that the reader may know of
	lists  []string // names of the lists in whose window it is
	first  int64    // position of the first event of the timeline that was written
}

// match orders the reader's rooms by activity, and finds those in the windows of the lists and the
// subscribed ones.
func (a *slideAnswer) match(ctx context.Context) error {
	rooms, err := a.candidates(ctx)
	if err != nil {
		return err
	}
	labels, err := a.f.labels(ctx, a.p, a.wantsTags())
	if err != nil {
		return err
	}
	for _, name := range sortedKeys(a.s.req.Lists) {
		l := a.s.req.Lists[name]
		spaces := a.spaceChildren(rooms, l.Filter.Spaces)
		index := 0
		for _, m := range rooms {
			if !l.Filter.admits(m, labels, spaces) {
				continue
			}
			if l.Ranges == nil || slices.ContainsFunc(l.Ranges, func(r [2]int) bool { return r[0] <= index && index <= r[1] }) {
				m.lists = append(m.lists, name)
			}
			index++
		}
		a.counts[name] = index
	}
	a.matched = slices.DeleteFunc(rooms, func(m *matched) bool { return len(m.lists) == 0 && !a.s.subscribed(m.Room) })
	return nil
}

// candidates are the rooms that may be shown at all: those that the reader is in, is invited to or knocks
// on, those that somebody else removed them from, and those that they left since they were shown.
func (a *slideAnswer) candidates(ctx context.Context) ([]*matched, error) {
	stays := *a.p.stays.Load()
	out := make([]*matched, 0, len(stays))
	for _, s := range stays {
		if s.Pos > a.upTo || s.Forgotten || s.Membership == room.Invite && a.set.hides(s.Sender) {
			continue
		}
		_, shown := a.was.room[s.Room]
		outside := s.Membership == room.Leave || s.Membership == room.Ban
		if outside && !shown && s.Sender == a.p.user {
			continue
		}
		r, err := a.f.rooms.Get(ctx, s.Room)
		if fault.Is(err, fault.NotFound) {
			continue // erased
		}
		if err != nil {
			return nil, err
		}
		if outside && !shown {
			// Who was never inside is not shown a room that they were kept out of.
			inside, err := a.wasInside(ctx, r, s)
			if err != nil {
				return nil, err
			}
			if !inside {
				continue
			}
		}
		m := &matched{stay: s, r: r, active: s.Pos}
		if s.Membership == room.Join {
			m.active = max(s.Pos, min(r.LastPos(), a.upTo))
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(x, y *matched) int { return cmp.Compare(y.active, x.active) })
	return out, nil
}

// wasInside reports whether the reader was joined when they were removed.
func (a *slideAnswer) wasInside(ctx context.Context, r *room.Room, s stay) (bool, error) {
	if s.before != "" {
		return s.before == room.Join, nil
	}
	sight, err := a.f.rooms.Sight(ctx, r, a.p.user)
	if err != nil {
		return false, err
	}
	was, err := membershipAt(ctx, sight, s.Pos-1)
	return was == room.Join, err
}

// admits reports whether a room passes the filter. A room that the reader is not in shows only what an
// invitation shows.
func (l *SlideFilter) admits(m *matched, labels *labels, spaces map[id.RoomID]bool) bool {
	typ := m.r.State("m.room.create", "").Get("type")
	kind := func(want *string) bool {
		if want == nil {
			return typ.Type != gjson.String
		}
		return typ.Type == gjson.String && typ.Str == *want
	}
	tagged := func(tag string) bool { return slices.Contains(labels.tags[m.Room], tag) }
	switch {
	case l.Direct != nil && *l.Direct != labels.direct[m.Room],
		l.Encrypted != nil && *l.Encrypted != m.r.Encrypted(),
		l.Invited != nil && *l.Invited != (m.Membership == room.Invite),
		l.Types != nil && !slices.ContainsFunc(l.Types, kind),
		slices.ContainsFunc(l.NotTypes, kind),
		l.Tags != nil && !slices.ContainsFunc(l.Tags, tagged),
		slices.ContainsFunc(l.NotTags, tagged),
		spaces != nil && !spaces[m.Room],
		l.NameLike != "" && !strings.Contains(strings.ToLower(m.r.Name()), strings.ToLower(l.NameLike)):
		return false
	}
	return true
}

// spaceChildren are the rooms that joined spaces name; nil when no spaces are asked for.
func (a *slideAnswer) spaceChildren(rooms []*matched, spaces []id.RoomID) map[id.RoomID]bool {
	if spaces == nil {
		return nil
	}
	out := make(map[id.RoomID]bool)
	for _, m := range rooms {
		if m.Membership != room.Join || !slices.Contains(spaces, m.Room) {
			continue
		}
		for e := range m.r.StateMap().All {
			if e.Type == "m.space.child" && len(e.Get("via").Array()) > 0 {
				out[id.RoomID(*e.StateKey)] = true
			}
		}
	}
	return out
}

func (a *slideAnswer) wantsTags() bool {
	for _, l := range a.s.req.Lists {
		if l.Filter.Tags != nil || l.Filter.NotTags != nil {
			return true
		}
	}
	return false
}

// labels are what a person's account data says of their rooms.
type labels struct {
	direct map[id.RoomID]bool
	tags   map[id.RoomID][]string // nil: not read
}

// labels returns what a person's account data says of their rooms, the tags only when they are wanted.
func (f *Feed) labels(ctx context.Context, p *person, tags bool) (*labels, error) {
	p.mu.Lock()
	l, change := p.labels, p.changes
	p.mu.Unlock()
	if l != nil && (!tags || l.tags != nil) {
		return l, nil
	}
	keys := []AccountDatum{{Type: "m.direct"}}
	if tags {
		for _, s := range *p.stays.Load() {
			keys = append(keys, AccountDatum{Room: s.Room, Type: "m.tag"})
		}
	}
	data, err := f.account.Data(ctx, p.user, keys)
	if err != nil {
		return nil, fmt.Errorf("read direct rooms and tags: %w", err)
	}
	l = &labels{direct: make(map[id.RoomID]bool)}
	if tags {
		l.tags = make(map[id.RoomID][]string)
	}
	for _, d := range data {
		if d.Type == "m.tag" {
			for tag := range gjson.GetBytes(d.Content, "tags").Map() {
				l.tags[d.Room] = append(l.tags[d.Room], tag)
			}
			continue
		}
		gjson.ParseBytes(d.Content).ForEach(func(_, rooms gjson.Result) bool {
			for _, r := range rooms.Array() {
				l.direct[id.RoomID(r.Str)] = true
			}
			return true
		})
	}
	p.mu.Lock()
	if p.changes == change {
		p.labels = l
	}
	p.mu.Unlock()
	return l, nil
}
