package clientapi

import (
	"net/http"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/rest"
)

// openIDLasts is how long a token of section "OpenID" is good.
const openIDLasts = time.Hour

// openIDRoutes serves "OpenID", and the question by which other services check a token.
func (a *API) openIDRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/user/{userId}/openid/request_token", Access: access.User, Limit: rest.SigningIn, Handle: a.openIDToken},
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/openid/userinfo", Access: access.Public, Limit: rest.SigningIn, Handle: a.openIDUser},
	}
}

func (a *API) openIDToken(r *rest.Request) (any, error) {
	if id.UserID(r.Param("userId")) != r.Who.User {
		return nil, fault.New(fault.Forbidden, "A token can be had for oneself only.")
	}
	var body struct{}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	token, err := a.Accounts.NewGrant(r.Context(), r.Who.User, r.Who.Device, account.GrantOpenID, openIDLasts)
	if err != nil {
		return nil, err
	}
	return map[string]any{"access_token": token, "token_type": "Bearer", "matrix_server_name": a.ServerName, "expires_in": int64(openIDLasts.Seconds())}, nil
}

func (a *API) openIDUser(r *rest.Request) (any, error) {
	token := r.Q("access_token")
	if token == "" {
		return nil, fault.New(fault.MissingToken, "access_token is missing.")
	}
	user, err := a.Accounts.GrantedBy(r.Context(), account.GrantOpenID, token)
	return map[string]id.UserID{"sub": user}, err
}
