package clientapi

import (
	"net/http"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/rest"
)

// absentRoutes serves what clients ask for without need and the specification lets a server not have:
// sign-in elsewhere ("SSO client login").
func (a *API) absentRoutes() []rest.Route {
	const sso = "/_matrix/client/v3/login/sso/redirect"
	elsewhere := func(*rest.Request) (any, error) {
		return nil, fault.New(fault.NotFound, "This server offers no sign-in elsewhere.")
	}
	return []rest.Route{
		{Method: http.MethodGet, Path: sso, Access: access.Public, Handle: elsewhere},
		{Method: http.MethodGet, Path: sso + "/{idpId}", Access: access.Public, Handle: elsewhere},
	}
}
