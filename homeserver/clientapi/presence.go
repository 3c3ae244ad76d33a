package clientapi

import (
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/rest"
)

// presenceRoutes serves "Presence".
func (a *API) presenceRoutes() []rest.Route {
	const path = "/_matrix/client/v3/presence/{userId}/status"
	return []rest.Route{
		{Method: http.MethodGet, Path: path, Access: access.User, Handle: a.presence},
		{Method: http.MethodPut, Path: path, Access: access.User, Handle: a.setPresence},
	}
}

func (a *API) presence(r *rest.Request) (any, error) {
	b, err := a.Feed.PresenceOf(r.Context(), r.Who.User, id.UserID(r.Param("userId")))
	return rest.RawJSON(b), err
}

func (a *API) setPresence(r *rest.Request) (any, error) {
	if err := ownUser(r); err != nil {
		return nil, err
	}
	var body struct {
		Presence string  `json:"presence"`
		Message  *string `json:"status_msg"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if body.Presence == "" {
		return nil, fault.New(fault.BadJSON, `"presence" is missing.`)
	}
	return nil, a.Feed.SetPresence(r.Who.User, r.Who.Device, body.Presence, body.Message)
}
