package feed

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
)

// Limits of a timeline.
const (
	defaultTimeline = 10
	maxTimeline     = 250
)

// eventFilter is EventFilter and RoomEventFilter of the specification.
type eventFilter struct {
	Limit      *int        `json:"limit"`
	Senders    []id.UserID `json:"senders"`
	NotSenders []id.UserID `json:"not_senders"`
	Types      []string    `json:"types"`
	NotTypes   []string    `json:"not_types"`
	Rooms      []id.RoomID `json:"rooms"`
	NotRooms   []id.RoomID `json:"not_rooms"`

	ContainsURL   *bool `json:"contains_url"`
	LazyMembers   bool  `json:"lazy_load_members"`
	AllMembers    bool  `json:"include_redundant_members"`
	ThreadNumbers bool  `json:"unread_thread_notifications"`

	pass bool // lets everything through
}

// filter is Filter of the specification.
type filter struct {
	EventFields []string    `json:"event_fields"`
	EventFormat string      `json:"event_format"`
	Presence    eventFilter `json:"presence"`
	AccountData eventFilter `json:"account_data"`
	Room        struct {
		Rooms        []id.RoomID `json:"rooms"`
		NotRooms     []id.RoomID `json:"not_rooms"`
		Ephemeral    eventFilter `json:"ephemeral"`
		IncludeLeave bool        `json:"include_leave"`
		State        eventFilter `json:"state"`
		Timeline     eventFilter `json:"timeline"`
		AccountData  eventFilter `json:"account_data"`
	} `json:"room"`

	limit int
	lazy  bool
}

// everything is the filter of a caller who names none.
var everything = func() *filter {
	f := new(filter)
	f.prepare()
	return f
}()

// readFilter understands inline JSON; anything else is the id of a stored filter.
func (f *Feed) readFilter(ctx context.Context, user id.UserID, text string) (*filter, error) {
	if text == "" {
		return everything, nil
	}
	raw := []byte(text)
	if text[0] != '{' {
		if cached, ok := f.filters.Get(filterKey{user, text}); ok {
			return cached, nil
		}
		var err error
		if raw, err = f.account.Filter(ctx, user, text); err != nil {
			return nil, err
		}
	} else if cached, ok := f.filters.Get(filterKey{"", text}); ok {
		return cached, nil
	}
	out := new(filter)
	if err := json.Unmarshal(raw, out); err != nil {
		return nil, fault.New(fault.InvalidParam, "The filter is not understood.").Because(err)
	}
	out.prepare()
	key := filterKey{user, text}
	if text[0] == '{' {
		key.user = ""
	}
	if len(text) < 4096 {
		f.filters.Add(key, out)
	}
	return out, nil
}

// filterKey is a stored filter of a user or, without a user, an inline one.
type filterKey struct {
	user id.UserID
	text string
}

func (f *filter) prepare() {
	for _, e := range []*eventFilter{&f.Presence, &f.AccountData, &f.Room.Ephemeral, &f.Room.State, &f.Room.Timeline, &f.Room.AccountData} {
		e.pass = e.Senders == nil && e.NotSenders == nil && e.Types == nil && e.NotTypes == nil &&
			e.Rooms == nil && e.NotRooms == nil && e.ContainsURL == nil
	}
	f.limit = defaultTimeline
	if l := f.Room.Timeline.Limit; l != nil {
		f.limit = min(max(*l, 0), maxTimeline)
	}
	f.lazy = f.Room.State.LazyMembers
}

// room reports whether anything of a room is wanted.
func (f *filter) room(r id.RoomID) bool {
	return (f.Room.Rooms == nil || slices.Contains(f.Room.Rooms, r)) && !slices.Contains(f.Room.NotRooms, r)
}

// inRoom reports whether events of a room are wanted.
func (e *eventFilter) inRoom(r id.RoomID) bool {
	return (e.Rooms == nil || slices.Contains(e.Rooms, r)) && !slices.Contains(e.NotRooms, r)
}

// kind reports whether events of a type from a sender are wanted.
func (e *eventFilter) kind(typ string, sender id.UserID) bool {
	if e.pass {
		return true
	}
	if e.Types != nil && !slices.ContainsFunc(e.Types, func(p string) bool { return matchType(p, typ) }) {
		return false
	}
	if slices.ContainsFunc(e.NotTypes, func(p string) bool { return matchType(p, typ) }) {
		return false
	}
	return (e.Senders == nil || slices.Contains(e.Senders, sender)) && !slices.Contains(e.NotSenders, sender)
}

// event reports whether an event of a room is wanted.
func (e *eventFilter) event(ev *room.Event) bool {
	if e.pass {
		return true
	}
	if !e.inRoom(ev.RoomID) || !e.kind(ev.Type, ev.Sender) {
		return false
	}
	if e.ContainsURL != nil {
		return *e.ContainsURL == (gjson.GetBytes(ev.Content, "url").Type == gjson.String)
	}
	return true
}

// matchType matches a type against a pattern in which * stands for any characters.
func matchType(pattern, typ string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == typ
	}
	if !strings.HasPrefix(typ, parts[0]) {
		return false
	}
	typ = typ[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(typ, p)
		if i < 0 {
			return false
		}
		typ = typ[i+len(p):]
	}
	return strings.HasSuffix(typ, parts[len(parts)-1])
}
