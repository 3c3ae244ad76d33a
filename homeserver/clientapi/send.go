package clientapi

import (
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/rest"
)

// sendRoutes serves "Sending events to a room" and "Redactions".
func (a *API) sendRoutes() []rest.Route {
	const base = "/_matrix/client/v3/rooms/{roomId}/"
	return []rest.Route{
		{Method: http.MethodPut, Path: base + "send/{eventType}/{txnId}", Access: access.ActingOrGuest, Limit: rest.Sending, Handle: a.sendEvent},
		{Method: http.MethodPut, Path: base + "state/{eventType}", Access: access.ActingOrGuest, Limit: rest.Sending, Handle: a.setState},
		{Method: http.MethodPut, Path: base + "state/{eventType}/{stateKey}", Access: access.ActingOrGuest, Limit: rest.Sending, Handle: a.setState},
		{Method: http.MethodPut, Path: base + "redact/{eventId}/{txnId}", Access: access.User, Limit: rest.Sending, Handle: a.redact},
	}
}

// sentEvent is the answer to everything that makes an event.
type sentEvent struct {
	EventID id.EventID `json:"event_id"`
}

func (a *API) sendEvent(r *rest.Request) (any, error) {
	content, err := r.Bytes()
	if err != nil {
		return nil, err
	}
	ts, err := toldTime(r)
	if err != nil {
		return nil, err
	}
	d := room.Draft{Type: r.Param("eventType"), Sender: r.Who.User, Content: content, TS: ts, Device: r.Who.Device, Txn: r.Param("txnId")}
	if answer, later, err := a.schedule(r, d); later {
		return answer, err
	}
	ev, err := a.Rooms.Send(r.Context(), id.RoomID(r.Param("roomId")), d)
	if err != nil {
		return nil, err
	}
	return sentEvent{ev}, nil
}

func (a *API) setState(r *rest.Request) (any, error) {
	content, err := r.Bytes()
	if err != nil {
		return nil, err
	}
	key := r.Param("stateKey")
	d := room.Draft{Type: r.Param("eventType"), StateKey: &key, Sender: r.Who.User, Content: content, Device: r.Who.Device}
	if answer, later, err := a.schedule(r, d); later {
		return answer, err
	}
	ev, err := a.Rooms.SetState(r.Context(), id.RoomID(r.Param("roomId")), d)
	if err != nil {
		return nil, err
	}
	return sentEvent{ev}, nil
}

func (a *API) redact(r *rest.Request) (any, error) {
	content, err := r.Bytes()
	if err != nil {
		return nil, err
	}
	if r.Who.Suspended {
		target, err := a.Rooms.Event(r.Context(), id.RoomID(r.Param("roomId")), id.EventID(r.Param("eventId")))
		if err != nil || target.Sender != r.Who.User {
			return nil, fault.New(fault.UserSuspended, "This account is suspended. Its own messages can still be removed.")
		}
	}
	ev, err := a.Rooms.Redact(r.Context(), id.RoomID(r.Param("roomId")), id.EventID(r.Param("eventId")), room.Draft{
		Sender: r.Who.User, Content: content, Device: r.Who.Device, Txn: r.Param("txnId"),
	})
	if err != nil {
		return nil, err
	}
	return sentEvent{ev}, nil
}
