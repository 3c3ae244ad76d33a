package clientapi

import (
	"encoding/json"
	"net/http"
	"strconv"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/delayed"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/rest"
)

// delayedRoutes serves the events that are to be sent later (MSC4140), which are made by sending with a delay. Who
// knows the id of one may change its time without a token: a helper can do it for a device.
func (a *API) delayedRoutes() []rest.Route {
	const path = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events"
	return []rest.Route{
		{Method: http.MethodGet, Path: path, Access: access.UserOrGuest, Handle: a.delayedEvents},
		{Method: http.MethodGet, Path: path + "/{delayId}", Access: access.UserOrGuest, Handle: a.delayedEvent},
		{Method: http.MethodPost, Path: path + "/{delayId}", Access: access.Public, Limit: rest.Sending, Handle: a.changeDelayed},
		{Method: http.MethodPost, Path: path + "/{delayId}/{action}", Access: access.Public, Limit: rest.Sending, Handle: a.changeDelayed},
	}
}

// delay is the delay that a request to send asks for, in milliseconds; later is false when there is none.
func delay(r *rest.Request) (ms int64, later bool, err error) {
	text := r.Q("org.matrix.msc4140.delay")
	if text == "" {
		return 0, false, nil
	}
	if ms, err = strconv.ParseInt(text, 10, 64); err != nil {
		return 0, true, fault.New(fault.InvalidParam, "The delay must be a number.")
	}
	return ms, true, nil
}

// schedule answers a request to send that has a delay; ok is false when it has none.
func (a *API) schedule(r *rest.Request, d room.Draft) (answer any, ok bool, err error) {
	ms, later, err := delay(r)
	if !later || err != nil {
		return nil, later, err
	}
	delayID, err := a.Delayed.Schedule(r.Context(), id.RoomID(r.Param("roomId")), d, ms)
	return map[string]string{"delay_id": delayID}, true, err
}

func shownDelayed(ev delayed.Event) map[string]any {
	m := map[string]any{"delay_id": ev.ID, "room_id": ev.Room, "type": ev.Type, "delay": ev.Delay, "running_since": ev.Since,
		"content": json.RawMessage(ev.Content)}
	if ev.StateKey != nil {
		m["state_key"] = *ev.StateKey
	}
	return m
}

func (a *API) delayedEvents(r *rest.Request) (any, error) {
	list, err := a.Delayed.List(r.Context(), r.Who.User)
	shown := make([]map[string]any, len(list))
	for i, ev := range list {
		shown[i] = shownDelayed(ev)
	}
	// The proposal has changed the name; clients read one or the other.
	return map[string]any{"delayed_events": shown, "scheduled": shown}, err
}

func (a *API) delayedEvent(r *rest.Request) (any, error) {
	list, err := a.Delayed.List(r.Context(), r.Who.User)
	if err != nil {
		return nil, err
	}
	for _, ev := range list {
		if ev.ID == r.Param("delayId") {
			return shownDelayed(ev), nil
		}
	}
	return nil, fault.New(fault.NotFound, "No such event waits.")
}

func (a *API) changeDelayed(r *rest.Request) (any, error) {
	var body struct {
		Action string `json:"action"`
	}
	if err := r.OptionalJSON(&body); err != nil {
		return nil, err
	}
	named := r.Param("action")
	if named != "" {
		body.Action = named
	}
	delayID := r.Param("delayId")
	switch body.Action {
	case "send":
		return nil, a.Delayed.Send(r.Context(), delayID)
	case "restart":
		return nil, a.Delayed.Restart(r.Context(), delayID)
	case "cancel":
		return nil, a.Delayed.Cancel(r.Context(), delayID)
	case "":
		return nil, fault.New(fault.MissingParam, "action is missing.")
	}
	if named != "" {
		return nil, fault.New(fault.Unrecognized, "There is no such action.")
	}
	return nil, fault.New(fault.InvalidParam, "There is no such action.")
}
