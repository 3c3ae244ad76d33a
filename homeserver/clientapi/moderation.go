package clientapi

import (
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/rest"
)

// moderationRoutes serves the part of "Server Administration" by which administrators lock and suspend accounts.
func (a *API) moderationRoutes() []rest.Route {
	const lock, suspend = "/_matrix/client/v1/admin/lock/{userId}", "/_matrix/client/v1/admin/suspend/{userId}"
	return []rest.Route{
		{Method: http.MethodGet, Path: lock, Access: access.Admin, Handle: a.locked},
		{Method: http.MethodPut, Path: lock, Access: access.Admin, Handle: a.lock},
		{Method: http.MethodGet, Path: suspend, Also: []string{"/_matrix/client/unstable/uk.timedout.msc4323/admin/suspend/{userId}"}, Access: access.Admin, Handle: a.suspended},
		{Method: http.MethodPut, Path: suspend, Also: []string{"/_matrix/client/unstable/uk.timedout.msc4323/admin/suspend/{userId}"}, Access: access.Admin, Handle: a.suspend},
	}
}

// moderated is the account that an administrator looks at, which is of this server and still there.
func (a *API) moderated(r *rest.Request) (account.User, error) {
	user := id.UserID(r.Param("userId"))
	if !a.Accounts.Local(user) {
		return account.User{}, fault.New(fault.InvalidParam, "This is no user of this server.")
	}
	u, err := a.Accounts.User(r.Context(), user)
	if err == nil && u.Gone() {
		err = fault.New(fault.NotFound, "There is no such user here.")
	}
	return u, err
}

// moderate is moderated for a change, which is to somebody else who is no administrator.
func (a *API) moderate(r *rest.Request) (account.User, error) {
	u, err := a.moderated(r)
	switch {
	case err != nil:
	case u.ID == r.Who.User:
		err = fault.New(fault.Forbidden, "Administrators cannot do this to themselves.")
	case u.Admin:
		err = fault.New(fault.Forbidden, "This cannot be done to administrators.")
	}
	return u, err
}

func (a *API) locked(r *rest.Request) (any, error) {
	u, err := a.moderated(r)
	return map[string]bool{"locked": u.State == account.Locked}, err
}

func (a *API) lock(r *rest.Request) (any, error) {
	on, err := moderation(r, "locked")
	if err != nil {
		return nil, err
	}
	u, err := a.moderate(r)
	if err != nil {
		return nil, err
	}
	state := account.Active
	if on {
		state = account.Locked
	}
	return map[string]bool{"locked": on}, a.Accounts.SetState(r.Context(), u.ID, r.Who.User, state)
}

func (a *API) suspended(r *rest.Request) (any, error) {
	u, err := a.moderated(r)
	return map[string]bool{"suspended": u.Suspended}, err
}

func (a *API) suspend(r *rest.Request) (any, error) {
	on, err := moderation(r, "suspended")
	if err != nil {
		return nil, err
	}
	u, err := a.moderate(r)
	if err != nil {
		return nil, err
	}
	return map[string]bool{"suspended": on}, a.Accounts.SetSuspended(r.Context(), u.ID, r.Who.User, on)
}

// moderation reads what is to hold from now on.
func moderation(r *rest.Request, key string) (bool, error) {
	var body map[string]any
	if err := r.JSON(&body); err != nil {
		return false, err
	}
	switch on := body[key].(type) {
	case bool:
		return on, nil
	case nil:
		return false, fault.New(fault.MissingParam, "%s is missing.", key)
	}
	return false, fault.New(fault.BadJSON, "%s must be true or false.", key)
}
