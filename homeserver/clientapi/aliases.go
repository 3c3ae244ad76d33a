package clientapi

import (
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/rest"
)

// aliasesRoutes serves "Room aliases".
func (a *API) aliasesRoutes() []rest.Route {
	const path = "/_matrix/client/v3/directory/room/{roomAlias}"
	return []rest.Route{
		{Method: http.MethodGet, Path: path, Access: access.Public, Handle: a.resolveAlias},
		{Method: http.MethodPut, Path: path, Access: access.Acting, Limit: rest.Joining, Handle: a.addAlias},
		{Method: http.MethodDelete, Path: path, Access: access.Acting, Handle: a.removeAlias},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/rooms/{roomId}/aliases", Access: access.User, Handle: a.roomAliases},
	}
}

func (a *API) resolveAlias(r *rest.Request) (any, error) {
	roomID, err := a.Rooms.FindAlias(r.Context(), id.RoomAlias(r.Param("roomAlias")))
	if err != nil {
		return nil, err
	}
	return map[string]any{"room_id": roomID, "servers": []string{a.ServerName}}, nil
}

func (a *API) addAlias(r *rest.Request) (any, error) {
	var body roomNamed
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if body.RoomID == "" {
		return nil, fault.New(fault.MissingParam, "room_id is missing.")
	}
	return nil, a.Rooms.AddAlias(r.Context(), r.Who.User, id.RoomAlias(r.Param("roomAlias")), body.RoomID)
}

func (a *API) removeAlias(r *rest.Request) (any, error) {
	return nil, a.Rooms.RemoveAlias(r.Context(), r.Who.User, r.Who.Admin, id.RoomAlias(r.Param("roomAlias")))
}

func (a *API) roomAliases(r *rest.Request) (any, error) {
	aliases, err := a.Rooms.Aliases(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")))
	if err != nil {
		return nil, err
	}
	return map[string][]string{"aliases": aliases}, nil
}
