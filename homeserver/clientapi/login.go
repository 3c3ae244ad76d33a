package clientapi

import (
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/signin"
	"github.com/myelin-health/myelin/rest"
)

// loginRoutes serves "Login" and "Refreshing access tokens".
func (a *API) loginRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/login", Access: access.Public, Handle: a.loginFlows},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/login", Access: access.Public, Limit: rest.SigningIn, Handle: a.login},
		{Method: http.MethodPost, Path: "/_matrix/client/v1/login/get_token", Access: access.User, Limit: rest.SigningIn, Handle: a.loginToken},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/refresh", Access: access.Public, Limit: rest.SigningIn, Handle: a.refresh},
	}
}

func (a *API) loginFlows(*rest.Request) (any, error) {
	return map[string]any{"flows": []map[string]any{
		{"type": signin.StagePassword},
		{"type": signin.StageService},
		{"type": signin.StageToken, "get_login_token": true},
	}}, nil
}

func (a *API) login(r *rest.Request) (any, error) {
	var body signin.Login
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if body.Type == signin.StageService {
		return a.loginFor(r, body)
	}
	s, err := a.Signin.Login(r.Context(), body, client(r))
	if err != nil {
		return nil, err
	}
	return a.session(s, r), nil
}

// loginToken gives a token that signs another device in, to somebody who proves again who they are.
func (a *API) loginToken(r *rest.Request) (any, error) {
	if err := a.interactive(r); err != nil {
		return nil, err
	}
	token, lasts, err := a.Signin.LoginToken(r.Context(), r.Who)
	return map[string]any{"login_token": token, "expires_in_ms": lasts.Milliseconds()}, err
}

func (a *API) refresh(r *rest.Request) (any, error) {
	var body struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if body.RefreshToken == "" {
		return nil, fault.New(fault.MissingParam, "refresh_token is missing.")
	}
	s, err := a.Accounts.Refresh(r.Context(), body.RefreshToken)
	if err != nil {
		return nil, err
	}
	return map[string]any{"access_token": s.AccessToken, "refresh_token": s.RefreshToken, "expires_in_ms": s.ExpiresIn}, nil
}

// sessionAnswer is the answer to registration and login.
type sessionAnswer struct {
	UserID       id.UserID   `json:"user_id"`
	HomeServer   string      `json:"home_server"`
	AccessToken  string      `json:"access_token,omitempty"`
	RefreshToken string      `json:"refresh_token,omitempty"`
	ExpiresIn    int64       `json:"expires_in_ms,omitempty"`
	DeviceID     id.DeviceID `json:"device_id,omitempty"`
	WellKnown    any         `json:"well_known,omitempty"`
}

func (a *API) session(s account.Session, r *rest.Request) sessionAnswer {
	answer := sessionAnswer{UserID: s.User, HomeServer: a.ServerName, AccessToken: s.AccessToken, RefreshToken: s.RefreshToken,
		ExpiresIn: s.ExpiresIn, DeviceID: s.Device}
	if a.PublicURL != "" && s.AccessToken != "" {
		answer.WellKnown = a.discovery(r)
	}
	return answer
}
