package clientapi

import (
	"net/http"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/rest"
)

// absentRoutes serves what clients ask for without need and the specification lets a server not have:
// TURN servers ("VoIP"; calls use another way) and bridges to other networks ("Third-party Networks").
func (a *API) absentRoutes() []rest.Route {
	const networks = "/_matrix/client/v3/thirdparty/"
	empty := func(*rest.Request) (any, error) { return nil, nil }
	none := func(*rest.Request) (any, error) {
		return nil, fault.New(fault.NotFound, "This server has no bridges to other networks.")
	}
	return []rest.Route{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/voip/turnServer", Access: access.User, Handle: empty},
		{Method: http.MethodGet, Path: networks + "protocols", Access: access.User, Handle: empty},
		{Method: http.MethodGet, Path: networks + "protocol/{protocol}", Access: access.User, Handle: none},
		{Method: http.MethodGet, Path: networks + "user", Access: access.User, Handle: none},
		{Method: http.MethodGet, Path: networks + "user/{protocol}", Access: access.User, Handle: none},
		{Method: http.MethodGet, Path: networks + "location", Access: access.User, Handle: none},
		{Method: http.MethodGet, Path: networks + "location/{protocol}", Access: access.User, Handle: none},
	}
}
