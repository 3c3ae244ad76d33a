package clientapi

import (
	"encoding/json"

	"github.com/myelin-health/myelin/homeserver/signin"
	"github.com/myelin-health/myelin/rest"
)

// interactive returns nil when the auth object in the body confirms this request of its caller, and the
// answer that asks for it otherwise (section "User-Interactive Authentication API"). The session it gives
// is good for this method and path only.
//
// Application services are trusted with their people (MSC4190).
func (a *API) interactive(r *rest.Request) error {
	if r.Who.Service != "" {
		return nil
	}
	var body struct {
		Auth json.RawMessage `json:"auth"`
	}
	if err := r.OptionalJSON(&body); err != nil {
		return err
	}
	op := signin.Operation{Name: r.Method + " " + r.URL.Path, User: r.Who.User}
	return a.Signin.Confirm(r.Context(), op, body.Auth, client(r))
}

// client is where the request came from.
func client(r *rest.Request) signin.Client {
	return signin.Client{Addr: r.Addr(), Agent: r.UserAgent()}
}
