package clientapi

import (
	"net/http"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/rest"
)

// logoutRoutes serves "Logout" of the session management.
func (a *API) logoutRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/logout", Access: access.Locked, Handle: func(r *rest.Request) (any, error) {
			return nil, a.Accounts.SignOut(r.Context(), r.Who)
		}},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/logout/all", Access: access.Locked, Handle: func(r *rest.Request) (any, error) {
			return nil, a.Accounts.SignOutAll(r.Context(), r.Who)
		}},
	}
}
