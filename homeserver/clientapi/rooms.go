package clientapi

import (
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/rest"
)

// roomsRoutes serves "Creation" of rooms and the list of one's own.
func (a *API) roomsRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/createRoom", Access: access.Acting, Limit: rest.Joining, Handle: a.createRoom},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/joined_rooms", Access: access.UserOrGuest, Handle: a.joinedRooms},
	}
}

// roomNamed is the answer of everything that leads into a room.
type roomNamed struct {
	RoomID id.RoomID `json:"room_id"`
}

func (a *API) createRoom(r *rest.Request) (any, error) {
	var body room.Creation
	if err := r.OptionalJSON(&body); err != nil {
		return nil, err
	}
	promisees, err := a.promisees(r.Context(), r.Who.User, &body)
	if err != nil {
		return nil, err
	}
	made, err := a.Rooms.Create(r.Context(), r.Who.User, body)
	if err != nil {
		return nil, err
	}
	a.promiseAll(r, made, promisees)
	a.settle(r, made)
	return roomNamed{made}, nil
}

func (a *API) joinedRooms(r *rest.Request) (any, error) {
	joined, err := a.Rooms.Joined(r.Context(), r.Who.User)
	if err != nil {
		return nil, err
	}
	if joined == nil {
		joined = []id.RoomID{}
	}
	return map[string][]id.RoomID{"joined_rooms": joined}, nil
}
