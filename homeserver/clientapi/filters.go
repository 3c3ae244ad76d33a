package clientapi

import (
	"encoding/json"
	"net/http"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/rest"
)

// filtersRoutes serves "Filtering".
func (a *API) filtersRoutes() []rest.Route {
	const path = "/_matrix/client/v3/user/{userId}/filter"
	return []rest.Route{
		{Method: http.MethodPost, Path: path, Access: access.UserOrGuest, MaxBody: 80 << 10, Handle: a.addFilter},
		{Method: http.MethodGet, Path: path + "/{filterId}", Access: access.UserOrGuest, Handle: a.filter},
	}
}

func (a *API) addFilter(r *rest.Request) (any, error) {
	if err := ownUser(r); err != nil {
		return nil, err
	}
	filter, err := r.Object()
	if err != nil {
		return nil, err
	}
	filterID, err := a.Accounts.AddFilter(r.Context(), r.Who.User, json.RawMessage(filter))
	if err != nil {
		return nil, err
	}
	return map[string]string{"filter_id": filterID}, nil
}

func (a *API) filter(r *rest.Request) (any, error) {
	if err := ownUser(r); err != nil {
		return nil, err
	}
	filter, err := a.Accounts.Filter(r.Context(), r.Who.User, r.Param("filterId"))
	return rest.RawJSON(filter), err
}
