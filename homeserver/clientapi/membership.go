package clientapi

import (
	"context"
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/rest"
)

// membershipRoutes serves "Room membership".
func (a *API) membershipRoutes() []rest.Route {
	const base = "/_matrix/client/v3/"
	post := func(path string, rule access.Rule, handle rest.Handler) rest.Route {
		return rest.Route{Method: http.MethodPost, Path: base + path, Access: rule, Limit: rest.Joining, Handle: handle}
	}
	return []rest.Route{
		post("join/{roomIdOrAlias}", access.Acting, a.joinByName),
		post("rooms/{roomId}/join", access.ActingOrGuest, a.join),
		post("knock/{roomIdOrAlias}", access.Acting, a.knock),
		post("rooms/{roomId}/leave", access.UserOrGuest, a.leave),
		post("rooms/{roomId}/forget", access.User, a.forget),
		post("rooms/{roomId}/invite", access.Acting, a.invite),
		post("rooms/{roomId}/kick", access.Acting, a.onMember(a.Rooms.Kick)),
		post("rooms/{roomId}/ban", access.Acting, a.onMember(a.Rooms.Ban)),
		post("rooms/{roomId}/unban", access.Acting, a.onMember(a.Rooms.Unban)),
	}
}

// reasonBody is what may come with every change of a membership.
type reasonBody struct {
	Reason string `json:"reason"`
}

func (a *API) joinByName(r *rest.Request) (any, error) {
	roomID, err := a.Rooms.Resolve(r.Context(), r.Param("roomIdOrAlias"))
	if err != nil {
		return nil, err
	}
	return a.joinRoom(r, roomID)
}

func (a *API) join(r *rest.Request) (any, error) { return a.joinRoom(r, id.RoomID(r.Param("roomId"))) }

func (a *API) joinRoom(r *rest.Request, roomID id.RoomID) (any, error) {
	var body map[string]any // what the specification does not name goes into the member event
	if err := r.OptionalJSON(&body); err != nil {
		return nil, err
	}
	if err := a.Rooms.JoinWith(r.Context(), r.Who.User, roomID, body); err != nil {
		return nil, err
	}
	a.settle(r, roomID)
	return roomNamed{roomID}, nil
}

func (a *API) knock(r *rest.Request) (any, error) {
	var body reasonBody
	if err := r.OptionalJSON(&body); err != nil {
		return nil, err
	}
	roomID, err := a.Rooms.Resolve(r.Context(), r.Param("roomIdOrAlias"))
	if err != nil {
		return nil, err
	}
	if err := a.Rooms.Knock(r.Context(), r.Who.User, roomID, body.Reason); err != nil {
		return nil, err
	}
	return roomNamed{roomID}, nil
}

func (a *API) leave(r *rest.Request) (any, error) {
	var body reasonBody
	if err := r.OptionalJSON(&body); err != nil {
		return nil, err
	}
	return nil, a.Rooms.Leave(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), body.Reason)
}

func (a *API) forget(r *rest.Request) (any, error) {
	roomID := id.RoomID(r.Param("roomId"))
	if err := a.Rooms.Forget(r.Context(), r.Who.User, roomID); err != nil {
		return nil, err
	}
	return nil, a.Feed.Forgot(r.Context(), r.Who.User, roomID)
}

// memberBody names whom a change of a membership is about.
type memberBody struct {
	UserID  id.UserID `json:"user_id"`
	Reason  string    `json:"reason"`
	Address string    `json:"address"` // of an invitation by e-mail or telephone
}

func readMember(r *rest.Request) (memberBody, error) {
	var body memberBody
	if err := r.JSON(&body); err != nil {
		return body, err
	}
	switch {
	case body.UserID != "":
		return body, nil
	case body.Address != "":
		return body, fault.New(fault.ThreepidDenied, "This server invites by user id only.")
	}
	return body, fault.New(fault.MissingParam, "user_id is missing.")
}

func (a *API) invite(r *rest.Request) (any, error) {
	if by, err := readPromisee(r); err != nil {
		return nil, err
	} else if by.Address != "" && a.Promises != nil {
		return nil, a.inviteAddress(r, by)
	}
	body, err := readMember(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Rooms.Invite(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), body.UserID, body.Reason)
}

// onMember serves what one person does to another's membership.
func (a *API) onMember(do func(ctx context.Context, sender id.UserID, roomID id.RoomID, target id.UserID, reason string) error) rest.Handler {
	return func(r *rest.Request) (any, error) {
		body, err := readMember(r)
		if err != nil {
			return nil, err
		}
		return nil, do(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), body.UserID, body.Reason)
	}
}
