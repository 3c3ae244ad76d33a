package clientapi

import (
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/rest"
)

// userDirectoryRoutes serves "User Directory".
func (a *API) userDirectoryRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/user_directory/search", Access: access.User, Limit: rest.Searching, Handle: a.searchPeople},
	}
}

func (a *API) searchPeople(r *rest.Request) (any, error) {
	var body struct {
		Term  *string `json:"search_term"`
		Limit *int    `json:"limit"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if body.Term == nil {
		return nil, fault.New(fault.MissingParam, "search_term is missing.")
	}
	limit := 10
	if body.Limit != nil {
		if limit = *body.Limit; limit < 1 {
			return nil, fault.New(fault.InvalidParam, "limit must be positive.")
		}
	}
	found, limited, err := a.Accounts.Search(r.Context(), r.Who.User, *body.Term, limit)
	if err != nil {
		return nil, err
	}
	type user struct {
		User        id.UserID `json:"user_id"`
		DisplayName string    `json:"display_name,omitempty"`
		AvatarURL   string    `json:"avatar_url,omitempty"`
	}
	results := make([]user, len(found))
	for i, f := range found {
		results[i] = user(f)
	}
	return map[string]any{"results": results, "limited": limited}, nil
}
