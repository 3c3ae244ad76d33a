package clientapi

import (
	"net/http"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/signin"
	"github.com/myelin-health/myelin/rest"
)

// registerRoutes serves "Account registration and management", and the registration by tools that Synapse
// has beside it.
func (a *API) registerRoutes() []rest.Route {
	const tools = "/_synapse/admin/v1/register"
	return []rest.Route{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/register", Access: access.Public, Limit: rest.Registering, Handle: a.register},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/register/available", Access: access.Public, Limit: rest.SigningIn, Handle: a.registerAvailable},
		{Method: http.MethodGet, Path: "/_matrix/client/v1/register/m.login.registration_token/validity", Access: access.Public, Limit: rest.SigningIn, Handle: a.tokenValidity},
		{Method: http.MethodGet, Path: tools, Access: access.SharedSecret, Handle: a.toolNonce},
		{Method: http.MethodPost, Path: tools, Access: access.SharedSecret, Handle: a.toolRegister},
	}
}

func (a *API) register(r *rest.Request) (any, error) {
	var body signin.NewAccount
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if body.Type == signin.StageService {
		return a.registerFor(r, body)
	}
	s, err := a.Signin.Register(r.Context(), r.Q("kind"), body, client(r))
	if err != nil {
		return nil, err
	}
	return a.session(s, r), nil
}

func (a *API) registerAvailable(r *rest.Request) (any, error) {
	name := r.Q("username")
	if name == "" {
		return nil, fault.New(fault.MissingParam, "username is missing.")
	}
	if err := a.Signin.Available(r.Context(), name); err != nil {
		return nil, err
	}
	return map[string]bool{"available": true}, nil
}

func (a *API) tokenValidity(r *rest.Request) (any, error) {
	token := r.Q("token")
	if token == "" {
		return nil, fault.New(fault.MissingParam, "token is missing.")
	}
	good, err := a.Signin.TokenGood(token)
	return map[string]bool{"valid": good}, err
}

func (a *API) toolNonce(r *rest.Request) (any, error) {
	nonce, err := a.Signin.Nonce(r.Context())
	return map[string]string{"nonce": nonce}, err
}

func (a *API) toolRegister(r *rest.Request) (any, error) {
	var body signin.ToolAccount
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	s, err := a.Signin.ToolRegister(r.Context(), body, client(r))
	if err != nil {
		return nil, err
	}
	return a.session(s, r), nil
}
