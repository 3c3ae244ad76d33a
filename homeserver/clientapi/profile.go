package clientapi

import (
	"encoding/json"
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/rest"
)

// profileRoutes serves "Profiles".
func (a *API) profileRoutes() []rest.Route {
	const path, field = "/_matrix/client/v3/profile/{userId}", "/_matrix/client/v3/profile/{userId}/{keyName}"
	return []rest.Route{
		{Method: http.MethodGet, Path: path, Access: access.Public, Handle: a.profile},
		{Method: http.MethodGet, Path: field, Access: access.Public, Handle: a.profileField},
		{Method: http.MethodPut, Path: field, Access: access.ActingOrGuest, MaxBody: 80 << 10, Handle: a.setProfileField},
		{Method: http.MethodDelete, Path: field, Access: access.Acting, Handle: a.deleteProfileField},
	}
}

func (a *API) loadProfile(r *rest.Request) (account.Profile, error) {
	user := id.UserID(r.Param("userId"))
	if _, _, err := user.Parse(); err != nil {
		return account.Profile{}, fault.New(fault.InvalidParam, "This is no user id.")
	}
	ok, err := a.Accounts.Exists(r.Context(), user)
	if err != nil {
		return account.Profile{}, err
	}
	if !ok {
		return account.Profile{}, fault.New(fault.NotFound, "There is no such profile.")
	}
	return a.Accounts.Profile(r.Context(), user)
}

func (a *API) profile(r *rest.Request) (any, error) {
	p, err := a.loadProfile(r)
	if err != nil {
		return nil, err
	}
	b, err := p.JSON()
	return rest.RawJSON(b), err
}

func (a *API) profileField(r *rest.Request) (any, error) {
	p, err := a.loadProfile(r)
	if err != nil {
		return nil, err
	}
	key := r.Param("keyName")
	v, ok := p.Field(key)
	switch {
	case ok:
		return map[string]json.RawMessage{key: v}, nil
	case key == account.FieldDisplayName || key == account.FieldAvatarURL:
		return nil, nil // older clients expect an answer for these
	}
	return nil, fault.New(fault.NotFound, "There is no such field in this profile.")
}

// mayChange checks whose profile is to be changed. What people are in the hospital they do not say themselves.
func mayChange(r *rest.Request) error {
	switch {
	case account.Kept(r.Param("keyName")):
		if !r.Who.Admin {
			return fault.New(fault.Forbidden, "This field is kept by administrators.")
		}
	case id.UserID(r.Param("userId")) != r.Who.User:
		return fault.New(fault.Forbidden, "Only the own profile can be changed.")
	}
	return nil
}

func (a *API) setProfileField(r *rest.Request) (any, error) {
	if err := mayChange(r); err != nil {
		return nil, err
	}
	var body map[string]json.RawMessage
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	key := r.Param("keyName")
	if r.Who.Guest && key != account.FieldDisplayName {
		return nil, fault.New(fault.GuestForbidden, "Guests have a name only.")
	}
	v, ok := body[key]
	if !ok && (key == account.FieldDisplayName || key == account.FieldAvatarURL) {
		v, ok = json.RawMessage("null"), true // older clients remove a name by leaving it out
	}
	if !ok {
		return nil, fault.New(fault.MissingParam, "The field is missing in the body.")
	}
	return nil, a.Accounts.SetProfileField(r.Context(), id.UserID(r.Param("userId")), r.Who.User, key, v)
}

func (a *API) deleteProfileField(r *rest.Request) (any, error) {
	if err := mayChange(r); err != nil {
		return nil, err
	}
	return nil, a.Accounts.SetProfileField(r.Context(), id.UserID(r.Param("userId")), r.Who.User, r.Param("keyName"), nil)
}
