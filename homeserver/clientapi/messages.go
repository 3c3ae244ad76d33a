package clientapi

import (
	"encoding/json/v2"
	"net/http"
	"slices"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/rest"
)

// messagesRoutes serves the reading of "Getting events for a room" that is about history.
func (a *API) messagesRoutes() []rest.Route {
	const base = "/_matrix/client/v3/rooms/{roomId}/"
	return []rest.Route{
		{Method: http.MethodGet, Path: base + "messages", Access: access.UserOrGuest, Handle: a.messages},
		{Method: http.MethodGet, Path: base + "context/{eventId}", Access: access.UserOrGuest, Handle: a.eventContext},
		{Method: http.MethodGet, Path: base + "event/{eventId}", Access: access.UserOrGuest, Handle: a.event},
		{Method: http.MethodGet, Path: "/_matrix/client/v1/rooms/{roomId}/timestamp_to_event", Access: access.UserOrGuest, Handle: a.eventAtTime},
	}
}

// messageFilter reads the filter of a request for history.
func messageFilter(r *rest.Request) (*room.Filter, error) {
	text := r.Q("filter")
	if text == "" {
		return nil, nil
	}
	f := new(room.Filter)
	if err := json.Unmarshal([]byte(text), f); err != nil {
		return nil, fault.New(fault.InvalidParam, "The filter is not understood.").Because(err)
	}
	return f, nil
}

// reader is the caller as the reader of events.
func (a *API) reader(r *rest.Request) room.Reader {
	now := time.Now
	if a.Clock != nil {
		now = a.Clock
	}
	return room.Reader{User: r.Who.User, Device: r.Who.Device, Now: now().UnixMilli()}
}

// field appends a member of an answer that is put together by hand.
func field(dst []byte, name string) []byte {
	if n := len(dst); dst[n-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

// stringField appends a string member; tokens and ids need no escaping but get it all the same.
func stringField(dst []byte, name, value string) []byte {
	quoted, err := json.Marshal(value)
	if err != nil { // invalid UTF-8, which no token has
		return dst
	}
	return append(field(dst, name), quoted...)
}

// eventsField appends a member that is a list of events as the caller sees them.
func (a *API) eventsField(r *rest.Request, dst []byte, name string, s *room.Sight, l []*room.Event) ([]byte, error) {
	return a.Rooms.AppendEvents(r.Context(), field(dst, name), s, a.reader(r), l)
}

func (a *API) messages(r *rest.Request) (any, error) {
	// Who may not read the room learns that first.
	if _, err := a.Rooms.Access(r.Context(), id.RoomID(r.Param("roomId")), r.Who.User); err != nil {
		return nil, err
	}
	q := room.PageRequest{From: r.Q("from"), To: r.Q("to")}
	switch r.Q("dir") {
	case "b":
		q.Back = true
	case "f":
	case "":
		return nil, fault.New(fault.MissingParam, "dir is missing.")
	default:
		return nil, fault.New(fault.InvalidParam, "dir must be b or f.")
	}
	var err error
	if q.Filter, err = messageFilter(r); err != nil {
		return nil, err
	}
	limit := int64(10)
	if q.Filter != nil && q.Filter.Limit > 0 {
		limit = int64(q.Filter.Limit)
	}
	if limit, err = r.QInt("limit", limit); err != nil {
		return nil, err
	}
	q.Limit = int(min(max(limit, 1), 1000))
	p, err := a.Rooms.Messages(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), q)
	if err != nil {
		return nil, err
	}
	b := stringField([]byte{'{'}, "start", p.Start)
	if p.End != "" {
		b = stringField(b, "end", p.End)
	}
	if b, err = a.eventsField(r, b, "chunk", p.Sight, p.Events); err != nil {
		return nil, err
	}
	if len(p.State) > 0 {
		if b, err = a.eventsField(r, b, "state", p.Sight, p.State); err != nil {
			return nil, err
		}
	}
	return rest.RawJSON(append(b, '}')), nil
}

func (a *API) eventContext(r *rest.Request) (any, error) {
	f, err := messageFilter(r)
	if err != nil {
		return nil, err
	}
	limit, err := r.QInt("limit", 10)
	if err != nil {
		return nil, err
	}
	c, err := a.Rooms.Context(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), id.EventID(r.Param("eventId")),
		int(min(max(limit, 0), 1000)), f)
	if err != nil {
		return nil, err
	}
	b := stringField([]byte{'{'}, "start", c.Start)
	b = stringField(b, "end", c.End)
	one, err := a.Rooms.AppendEvents(r.Context(), nil, c.Sight, a.reader(r), []*room.Event{c.Event})
	if err != nil {
		return nil, err
	}
	b = append(field(b, "event"), one[1:len(one)-1]...)
	for _, part := range []struct {
		name   string
		events []*room.Event
	}{{"events_before", c.Before}, {"events_after", c.After}, {"state", c.State}} {
		if b, err = a.eventsField(r, b, part.name, c.Sight, part.events); err != nil {
			return nil, err
		}
	}
	return rest.RawJSON(append(b, '}')), nil
}

func (a *API) event(r *rest.Request) (any, error) {
	s, e, err := a.Rooms.Seen(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), id.EventID(r.Param("eventId")))
	if err != nil {
		return nil, err
	}
	one, err := a.Rooms.AppendEvents(r.Context(), nil, s, a.reader(r), []*room.Event{e})
	if err != nil {
		return nil, err
	}
	return rest.RawJSON(slices.Clip(one[1 : len(one)-1])), nil
}

func (a *API) eventAtTime(r *rest.Request) (any, error) {
	ts, err := r.QInt("ts", -1)
	if err != nil {
		return nil, err
	}
	if r.Q("ts") == "" {
		return nil, fault.New(fault.MissingParam, "ts is missing.")
	}
	dir := r.Q("dir")
	if dir != "f" && dir != "b" {
		return nil, fault.New(fault.InvalidParam, "dir must be b or f.")
	}
	e, err := a.Rooms.EventAt(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), ts, dir == "f")
	if err != nil {
		return nil, err
	}
	return map[string]any{"event_id": e.ID, "origin_server_ts": e.TS}, nil
}
