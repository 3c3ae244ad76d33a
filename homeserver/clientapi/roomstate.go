package clientapi

import (
	"cmp"
	"math"
	"net/http"
	"slices"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/feed"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/rest"
)

// roomStateRoutes serves the reading of "Getting events for a room" that is about state.
func (a *API) roomStateRoutes() []rest.Route {
	const base = "/_matrix/client/v3/rooms/{roomId}/"
	return []rest.Route{
		{Method: http.MethodGet, Path: base + "state", Access: access.UserOrGuest, Handle: a.roomState},
		{Method: http.MethodGet, Path: base + "state/{eventType}", Access: access.UserOrGuest, Handle: a.stateEvent},
		{Method: http.MethodGet, Path: base + "state/{eventType}/{stateKey}", Access: access.UserOrGuest, Handle: a.stateEvent},
		{Method: http.MethodGet, Path: base + "members", Access: access.UserOrGuest, Handle: a.members},
		{Method: http.MethodGet, Path: base + "joined_members", Access: access.User, Handle: a.joinedMembers},
	}
}

// stateFor is the state of the room as the caller may see it.
func (a *API) stateFor(r *rest.Request) (*room.Access, *room.State, error) {
	seen, err := a.Rooms.Access(r.Context(), id.RoomID(r.Param("roomId")), r.Who.User)
	if err != nil {
		return nil, nil, err
	}
	state, err := seen.State(r.Context())
	return seen, state, err
}

func (a *API) roomState(r *rest.Request) (any, error) {
	_, state, err := a.stateFor(r)
	if err != nil {
		return nil, err
	}
	return rest.RawJSON(appendEvents(nil, state.Events())), nil
}

// appendEvents appends a JSON array of events in the client format, in the
// order in which they came to be.
func appendEvents(dst []byte, events []*room.Event) []byte {
	slices.SortFunc(events, func(x, y *room.Event) int { return cmp.Or(cmp.Compare(x.Pos, y.Pos), cmp.Compare(x.Depth, y.Depth)) })
	dst = append(dst, '[')
	for i, ev := range events {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = ev.AppendClient(dst, room.Reader{})
	}
	return append(dst, ']')
}

func (a *API) stateEvent(r *rest.Request) (any, error) {
	_, state, err := a.stateFor(r)
	if err != nil {
		return nil, err
	}
	ev := state.Get(r.Param("eventType"), r.Param("stateKey"))
	if ev == nil {
		return nil, fault.New(fault.NotFound, "The room has no such state.")
	}
	switch r.Q("format") {
	case "", "content":
		return rest.RawJSON(ev.Content), nil
	case "event":
		return rest.RawJSON(ev.ClientJSON()), nil
	}
	return nil, fault.New(fault.InvalidParam, "format must be content or event.")
}

func (a *API) members(r *rest.Request) (any, error) {
	seen, state, err := a.stateFor(r)
	if err != nil {
		return nil, err
	}
	if at := r.Q("at"); at != "" {
		pos, err := feed.Position(at)
		if err != nil {
			return nil, err
		}
		since, err := a.Rooms.JoinedFirst(r.Context(), seen)
		if err != nil {
			return nil, err
		}
		if pos = min(max(pos, since), seen.UpTo); pos < math.MaxInt64 {
			if state, err = a.Rooms.StateAt(r.Context(), seen.Room, pos); err != nil {
				return nil, err
			}
		}
	}
	want, not := r.Q("membership"), r.Q("not_membership")
	var events []*room.Event
	for ev := range state.All {
		if ev.Type != "m.room.member" {
			continue
		}
		membership := ev.Membership()
		// Either parameter lets a member in (client-server API, "members").
		switch {
		case want == "" && not == "", want != "" && membership == want, not != "" && membership != not:
			events = append(events, ev)
		}
	}
	return rest.RawJSON(append(appendEvents([]byte(`{"chunk":`), events), '}')), nil
}

// memberShown is one entry of joined_members.
type memberShown struct {
	Name   *string `json:"display_name"` // null when there is none
	Avatar *string `json:"avatar_url"`
}

// textOf is a string of an event's content; nil when it is none or empty.
func textOf(ev *room.Event, key string) *string {
	if s := ev.Get(key).Str; s != "" {
		return &s
	}
	return nil
}

func (a *API) joinedMembers(r *rest.Request) (any, error) {
	seen, state, err := a.stateFor(r)
	if err != nil {
		return nil, err
	}
	if !seen.Joined {
		return nil, fault.New(fault.Forbidden, "You are not in the room.")
	}
	joined := map[string]memberShown{}
	for ev := range state.All {
		if ev.Type == "m.room.member" && ev.Membership() == room.Join {
			joined[*ev.StateKey] = memberShown{textOf(ev, "displayname"), textOf(ev, "avatar_url")}
		}
	}
	return map[string]any{"joined": joined}, nil
}
