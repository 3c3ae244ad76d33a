package room

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
)

// Token is the point in a room's history behind the event at a position. Tokens of /sync are understood
// as well, by the position that they begin with.
func Token(pos int64) string { return "s" + strconv.FormatInt(pos, 10) }

// ParseToken reads a token: the position behind which it points.
func ParseToken(s string) (int64, error) {
	digits, ok := strings.CutPrefix(s, "s")
	if i := strings.IndexByte(digits, '_'); i >= 0 {
		digits = digits[:i]
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil {
		return 0, fault.New(fault.InvalidParam, "The token is not one of this server.")
	}
	return n, nil
}

// Filter chooses events (client-server API, RoomEventFilter). Empty lists of what is wanted mean everything.
type Filter struct {
	Limit       int          `json:"limit"`
	Types       []string     `json:"types"`
	NotTypes    []string     `json:"not_types"`
	Senders     []id.UserID  `json:"senders"`
	NotSenders  []id.UserID  `json:"not_senders"`
	Rooms       *[]id.RoomID `json:"rooms"`
	NotRooms    []id.RoomID  `json:"not_rooms"`
	ContainsURL *bool        `json:"contains_url"`
	LazyMembers bool         `json:"lazy_load_members"`
	RelTypes    []string     `json:"related_by_rel_types"`
	RelSenders  []id.UserID  `json:"related_by_senders"`
	// Relations are the types of relation that the events themselves have (MSC3874).
	Relations    []string `json:"org.matrix.msc3874.rel_types"`
	NotRelations []string `json:"org.matrix.msc3874.not_rel_types"`
}

// Matches tells whether the filter lets an event through, as far as the event itself says.
func (f *Filter) Matches(e *Event) bool {
	if f == nil {
		return true
	}
	switch {
	case len(f.Types) > 0 && !anyGlob(f.Types, e.Type), anyGlob(f.NotTypes, e.Type),
		len(f.Senders) > 0 && !slices.Contains(f.Senders, e.Sender), slices.Contains(f.NotSenders, e.Sender),
		f.Rooms != nil && !slices.Contains(*f.Rooms, e.RoomID), slices.Contains(f.NotRooms, e.RoomID),
		len(f.Relations) > 0 && !slices.Contains(f.Relations, e.RelType), slices.Contains(f.NotRelations, e.RelType):
		return false
	}
	return f.ContainsURL == nil || *f.ContainsURL == e.Get("url").Exists()
}

// chooses tells whether the filter can leave events out.
func (f *Filter) chooses() bool {
	return f != nil && (f.ContainsURL != nil || f.Rooms != nil ||
		len(f.Types)+len(f.NotTypes)+len(f.Senders)+len(f.NotSenders)+len(f.NotRooms)+len(f.RelTypes)+len(f.RelSenders)+len(f.Relations)+len(f.NotRelations) > 0)
}

func anyGlob(patterns []string, s string) bool {
	for _, p := range patterns {
		if glob(p, s) {
			return true
		}
	}
	return false
}

// glob matches a pattern in which * stands for any number of characters.
func glob(pattern, s string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	if !strings.HasPrefix(s, head) {
		return false
	}
	s = s[len(head):]
	for {
		part, more, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], more
	}
}

// PageRequest asks for a part of a room's history.
type PageRequest struct {
	From, To string // tokens; From empty: the end of the history that comes first in the direction
	Back     bool   // newest first
	Limit    int
	Filter   *Filter
}

// Page is a part of a room's history.
type Page struct {
	Sight  *Sight
	Start  string
	End    string // empty: there is no more
	Events []*Event
	State  []*Event // member events of the senders, when the filter asks for lazy loading
}

// maxPage is how many events one page has at most; maxScan how many are looked at for it.
const (
	maxPage = 1000
	maxScan = 5000
)

// Messages pages through a room's history (client-server API, GET messages).
func (rs *Rooms) Messages(ctx context.Context, user id.UserID, roomID id.RoomID, q PageRequest) (*Page, error) {
	a, err := rs.Access(ctx, roomID, user)
	if err != nil {
		return nil, err
	}
	p := &Page{}
	if p.Sight, err = rs.Sight(ctx, a.Room, user); err != nil {
		return nil, err
	}
	end, err := rs.db.Position(ctx)
	if err != nil {
		return nil, err
	}
	end = min(end, a.UpTo)
	low, high := int64(math.MinInt64), end
	from := low
	if q.Back {
		from = end
	}
	if q.From != "" {
		if from, err = ParseToken(q.From); err != nil {
			return nil, err
		}
	}
	if q.To != "" {
		to, err := ParseToken(q.To)
		if err != nil {
			return nil, err
		}
		if q.Back {
			low = to
		} else {
			high = min(high, to)
		}
	}
	if q.Back {
		high = min(high, from)
	} else {
		low = max(low, from)
	}
	p.Start = q.From
	if p.Start == "" {
		p.Start = Token(max(0, from))
	}
	if err := rs.fillPage(ctx, p, q, low, high); err != nil {
		return nil, err
	}
	if n := len(p.Events); n > 0 && p.End == "" && q.Filter.chooses() {
		// Clients take the length of a filtered page for no sign of the end; they get a place to go on from.
		p.End = Token(p.Events[n-1].Pos)
		if q.Back {
			p.End = Token(p.Events[n-1].Pos - 1)
		}
	}
	if q.Filter != nil && q.Filter.LazyMembers {
		p.State, err = rs.sendersOf(ctx, a, p.Events)
	}
	return p, err
}

// fillPage collects visible events with low < position <= high.
func (rs *Rooms) fillPage(ctx context.Context, p *Page, q PageRequest, low, high int64) error {
	r := p.Sight.r
	limit := min(max(q.Limit, 1), maxPage)
	for scanned := 0; ; {
		n := min(limit+1, maxPage)
		var l []*Event
		var err error
		if q.Back {
			l, err = rs.older(ctx, r, low, high+1, n)
		} else {
			l, err = rs.newer(ctx, r, low, min(high, math.MaxInt64-1)+1, n)
		}
		if err != nil {
			return err
		}
		for i, e := range l {
			if len(p.Events) == limit || scanned >= maxScan {
				// This one is the next page's first.
				p.End = Token(behind(q.Back, l[i]))
				return nil
			}
			scanned++
			if q.Back {
				high = e.Pos - 1
			} else {
				low = e.Pos
			}
			ok, err := rs.wanted(ctx, p.Sight, q.Filter, e)
			if err != nil {
				return err
			}
			if ok {
				p.Events = append(p.Events, e)
			}
		}
		if len(l) < n {
			if !q.Back {
				p.End = "" // the present end of the history
			}
			return nil
		}
	}
}

// behind is the point from which a page begins with e.
func behind(back bool, e *Event) int64 {
	if back {
		return e.Pos
	}
	return e.Pos - 1
}

// wanted tells whether an event is visible and passes a filter.
func (rs *Rooms) wanted(ctx context.Context, s *Sight, f *Filter, e *Event) (bool, error) {
	if !f.Matches(e) {
		return false, nil
	}
	if f != nil && (len(f.RelTypes) > 0 || len(f.RelSenders) > 0) {
		ok, err := rs.relatedBy(ctx, s.r, e, f.RelTypes, f.RelSenders)
		if !ok || err != nil {
			return false, err
		}
	}
	return s.Sees(ctx, e)
}

// sendersOf are the member events of those who sent events.
func (rs *Rooms) sendersOf(ctx context.Context, a *Access, l []*Event) ([]*Event, error) {
	if len(l) == 0 {
		return nil, nil
	}
	s, err := a.State(ctx)
	if err != nil {
		return nil, err
	}
	return Senders(s, l), nil
}

// Senders are the member events, in a state, of those who sent events.
func Senders(s *State, l []*Event) []*Event {
	var out []*Event
	seen := make(map[id.UserID]bool, 8)
	for _, e := range l {
		if !seen[e.Sender] {
			seen[e.Sender] = true
			if m := s.Get(typeMember, string(e.Sender)); m != nil {
				out = append(out, m)
			}
		}
	}
	return out
}

// Surroundings are an event and what is around it.
type Surroundings struct {
	Sight         *Sight
	Event         *Event
	Before, After []*Event // nearest first
	Start, End    string
	State         []*Event // as of the last event in After
}

// Context returns an event with its surroundings, half of limit on each side (client-server API, GET context).
func (rs *Rooms) Context(ctx context.Context, user id.UserID, roomID id.RoomID, eventID id.EventID, limit int, f *Filter) (*Surroundings, error) {
	limit = min(max(limit, 0), maxPage)
	return rs.Around(ctx, user, roomID, eventID, (limit+1)/2, limit/2, f)
}

// Around returns an event with at most so many events before and after it.
func (rs *Rooms) Around(ctx context.Context, user id.UserID, roomID id.RoomID, eventID id.EventID, before, after int, f *Filter) (*Surroundings, error) {
	a, s, e, err := rs.seen(ctx, user, roomID, eventID)
	if err != nil {
		return nil, err
	}
	c := &Surroundings{Sight: s, Event: e, Start: Token(e.Pos - 1), End: Token(e.Pos)}
	if before > 0 {
		p := &Page{Sight: s}
		if err := rs.fillPage(ctx, p, PageRequest{Back: true, Limit: before, Filter: f}, math.MinInt64, e.Pos-1); err != nil {
			return nil, err
		}
		c.Before = p.Events
		if n := len(p.Events); n > 0 {
			c.Start = Token(p.Events[n-1].Pos - 1)
		}
	}
	last := e
	if after > 0 {
		p := &Page{Sight: s}
		if err := rs.fillPage(ctx, p, PageRequest{Limit: after, Filter: f}, e.Pos, a.UpTo); err != nil {
			return nil, err
		}
		c.After = p.Events
		if n := len(p.Events); n > 0 {
			last = p.Events[n-1]
			c.End = Token(last.Pos)
		}
	}
	state, err := rs.StateAt(ctx, a.Room, last.Pos)
	if err != nil {
		return nil, err
	}
	if f != nil && f.LazyMembers {
		for m := range state.All {
			if m.Type != typeMember {
				c.State = append(c.State, m)
			}
		}
		c.State = append(c.State, Senders(state, slices.Concat([]*Event{e}, c.Before, c.After))...)
	} else {
		c.State = state.Events()
	}
	return c, nil
}

// seen returns an event that a user may see; NotFound when there is none.
func (rs *Rooms) seen(ctx context.Context, user id.UserID, roomID id.RoomID, eventID id.EventID) (*Access, *Sight, *Event, error) {
	a, err := rs.Access(ctx, roomID, user)
	if err != nil {
		return nil, nil, nil, err
	}
	e, err := rs.event(ctx, a.Room, eventID)
	if err != nil {
		return nil, nil, nil, err
	}
	if e == nil || e.Kind != Timeline {
		return nil, nil, nil, errNoEvent
	}
	s, err := rs.Sight(ctx, a.Room, user)
	if err != nil {
		return nil, nil, nil, err
	}
	ok, err := s.Sees(ctx, e)
	if err != nil {
		return nil, nil, nil, err
	}
	if !ok || e.Pos > a.UpTo {
		return nil, nil, nil, errNoEvent
	}
	return a, s, e, nil
}

// Seen returns an event as a user may see it (client-server API, GET event). Faults: NotFound when there is
// no such event, or none that the user may see.
func (rs *Rooms) Seen(ctx context.Context, user id.UserID, roomID id.RoomID, eventID id.EventID) (*Sight, *Event, error) {
	_, s, e, err := rs.seen(ctx, user, roomID, eventID)
	if fault.Is(err, fault.Forbidden) {
		err = errNoEvent
	}
	return s, e, err
}
