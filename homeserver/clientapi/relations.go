package clientapi

import (
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/rest"
)

// relationsRoutes serves the "Relationships API" and the list of threads.
func (a *API) relationsRoutes() []rest.Route {
	const base = "/_matrix/client/v1/rooms/{roomId}/"
	return []rest.Route{
		{Method: http.MethodGet, Path: base + "relations/{eventId}", Access: access.UserOrGuest, Handle: a.relations},
		{Method: http.MethodGet, Path: base + "relations/{eventId}/{relType}", Access: access.UserOrGuest, Handle: a.relations},
		{Method: http.MethodGet, Path: base + "relations/{eventId}/{relType}/{eventType}", Access: access.UserOrGuest, Handle: a.relations},
		{Method: http.MethodGet, Path: base + "threads", Access: access.UserOrGuest, Handle: a.threads},
	}
}

func (a *API) relations(r *rest.Request) (any, error) {
	q := room.RelationRequest{RelType: r.Param("relType"), EventType: r.Param("eventType"), From: r.Q("from"), To: r.Q("to")}
	switch r.Q("dir") {
	case "", "b":
	case "f":
		q.Forward = true
	default:
		return nil, fault.New(fault.InvalidParam, "dir must be b or f.")
	}
	limit, err := r.QInt("limit", 20)
	if err != nil {
		return nil, err
	}
	q.Limit = int(min(max(limit, 1), 1000))
	if q.Recurse, err = r.QBool("recurse", false); err != nil {
		return nil, err
	}
	p, err := a.Rooms.Relations(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), id.EventID(r.Param("eventId")), q)
	if err != nil {
		return nil, err
	}
	b, err := a.eventsField(r, []byte{'{'}, "chunk", p.Sight, p.Events)
	if err != nil {
		return nil, err
	}
	if p.End != "" {
		b = stringField(b, "next_batch", p.End)
	}
	if q.From != "" {
		b = stringField(b, "prev_batch", q.From)
	}
	if q.Recurse {
		b = append(field(b, "recursion_depth"), '0'+room.RelationDepth)
	}
	return rest.RawJSON(append(b, '}')), nil
}

func (a *API) threads(r *rest.Request) (any, error) {
	participated := false
	switch r.Q("include") {
	case "", "all":
	case "participated":
		participated = true
	default:
		return nil, fault.New(fault.InvalidParam, "include must be all or participated.")
	}
	limit, err := r.QInt("limit", 20)
	if err != nil {
		return nil, err
	}
	if limit < 1 {
		return nil, fault.New(fault.InvalidParam, "limit must be greater than zero.")
	}
	p, err := a.Rooms.Threads(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), participated, r.Q("from"), int(min(limit, 1000)))
	if err != nil {
		return nil, err
	}
	b, err := a.eventsField(r, []byte{'{'}, "chunk", p.Sight, p.Events)
	if err != nil {
		return nil, err
	}
	if p.End != "" {
		b = stringField(b, "next_batch", p.End)
	}
	return rest.RawJSON(append(b, '}')), nil
}
