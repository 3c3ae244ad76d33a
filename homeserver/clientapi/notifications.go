package clientapi

import (
	"net/http"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/rest"
)

// notificationsRoutes serves "Listing Notifications".
func (a *API) notificationsRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/notifications", Access: access.User, Handle: a.notifications},
	}
}

func (a *API) notifications(r *rest.Request) (any, error) {
	limit, err := r.QInt("limit", 0)
	if err != nil {
		return nil, err
	}
	b, err := a.Feed.Notifications(r.Context(), r.Who, r.Q("from"), int(min(limit, 1000)), r.Q("only") == "highlight")
	return rest.RawJSON(b), err
}
