package clientapi

import (
	"net/http"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/rest"
)

// absentRoutes serves what clients ask for without need and the specification lets a server not have:
// bridges to other networks ("Third-party Networks") and sign-in elsewhere ("SSO client login").
func (a *API) absentRoutes() []rest.Route {
	const networks, sso = "/_matrix/client/v3/thirdparty/", "/_matrix/client/v3/login/sso/redirect"
	empty := func(*rest.Request) (any, error) { return nil, nil }
	none := func(*rest.Request) (any, error) {
		return nil, fault.New(fault.NotFound, "This server has no bridges to other networks.")
	}
	elsewhere := func(*rest.Request) (any, error) {
		return nil, fault.New(fault.NotFound, "This server offers no sign-in elsewhere.")
	}
	return []rest.Route{
		{Method: http.MethodGet, Path: sso, Access: access.Public, Handle: elsewhere},
		{Method: http.MethodGet, Path: sso + "/{idpId}", Access: access.Public, Handle: elsewhere},
		{Method: http.MethodGet, Path: networks + "protocols", Access: access.User, Handle: empty},
		{Method: http.MethodGet, Path: networks + "protocol/{protocol}", Access: access.User, Handle: none},
		{Method: http.MethodGet, Path: networks + "user", Access: access.User, Handle: none},
		{Method: http.MethodGet, Path: networks + "user/{protocol}", Access: access.User, Handle: none},
		{Method: http.MethodGet, Path: networks + "location", Access: access.User, Handle: none},
		{Method: http.MethodGet, Path: networks + "location/{protocol}", Access: access.User, Handle: none},
	}
}
