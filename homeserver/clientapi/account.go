package clientapi

import (
	"encoding/json"
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/signin"
	"github.com/myelin-health/myelin/rest"
)

// accountRoutes serves "Account management", "Current account information" and the looking-up of "Server Administration".
func (a *API) accountRoutes() []rest.Route {
	const base = "/_matrix/client/v3/account/"
	return []rest.Route{
		{Method: http.MethodGet, Path: base + "whoami", Access: access.UserOrGuest, Handle: a.whoami},
		{Method: http.MethodPost, Path: base + "password", Access: access.UserOrNobody, Limit: rest.SigningIn, Handle: a.changePassword},
		{Method: http.MethodPost, Path: base + "deactivate", Access: access.User, Limit: rest.SigningIn, Handle: a.deactivate},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/admin/whois/{userId}", Access: access.User, Handle: a.whois},
	}
}

func (a *API) whoami(r *rest.Request) (any, error) {
	return struct {
		UserID   id.UserID   `json:"user_id"`
		DeviceID id.DeviceID `json:"device_id,omitempty"`
		Guest    bool        `json:"is_guest"`
	}{r.Who.User, r.Who.Device, r.Who.Guest}, nil
}

// changePassword serves people who are signed in, and those who are not and prove to read the e-mail address of an account.
func (a *API) changePassword(r *rest.Request) (any, error) {
	var body struct {
		NewPassword string          `json:"new_password"`
		SignOut     *bool           `json:"logout_devices"`
		Auth        json.RawMessage `json:"auth"`
	}
	if err := r.OptionalJSON(&body); err != nil {
		return nil, err
	}
	if body.NewPassword != "" {
		if err := a.Signin.CheckPassword(body.NewPassword); err != nil {
			return nil, err
		}
	}
	signOut := body.SignOut == nil || *body.SignOut
	if r.Who.Nobody() {
		return nil, a.Signin.ResetPassword(r.Context(), signin.NewPassword{Auth: body.Auth, Password: body.NewPassword, SignOut: signOut}, client(r))
	}
	if r.Who.Guest {
		return nil, fault.New(fault.GuestForbidden, "Guests have no password.")
	}
	if err := a.interactive(r); err != nil {
		return nil, err
	}
	return nil, a.Signin.ChangePassword(r.Context(), r.Who.User, r.Who.Device, body.NewPassword, signOut, client(r))
}

func (a *API) deactivate(r *rest.Request) (any, error) {
	var body struct {
		Erase bool `json:"erase"`
	}
	if err := r.OptionalJSON(&body); err != nil {
		return nil, err
	}
	if err := a.interactive(r); err != nil {
		return nil, err
	}
	if err := a.Accounts.Deactivate(r.Context(), r.Who.User, r.Who.Device, body.Erase); err != nil {
		return nil, err
	}
	return map[string]string{"id_server_unbind_result": "success"}, nil
}

// whois tells where a person's devices were last seen, to the person and to administrators.
func (a *API) whois(r *rest.Request) (any, error) {
	user := id.UserID(r.Param("userId"))
	if user != r.Who.User && !r.Who.Admin {
		return nil, fault.New(fault.Forbidden, "Only administrators may see this of others.")
	}
	if _, err := a.Accounts.User(r.Context(), user); err != nil {
		return nil, err
	}
	list, err := a.Accounts.Devices(r.Context(), user)
	if err != nil {
		return nil, err
	}
	type connection struct {
		IP       string `json:"ip,omitempty"`
		LastSeen int64  `json:"last_seen,omitempty"`
		Agent    string `json:"user_agent,omitempty"`
	}
	devices := make(map[id.DeviceID]any, len(list))
	for _, d := range list {
		devices[d.ID] = map[string]any{"sessions": []any{map[string]any{"connections": []connection{{d.SeenAddr, d.Seen, d.Agent}}}}}
	}
	return map[string]any{"user_id": user, "devices": devices}, nil
}
