package clientapi

import (
	"net/http"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/rest"
)

// capabilitiesRoutes serves "Capabilities negotiation".
func (a *API) capabilitiesRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/capabilities", Access: access.UserOrGuest, Handle: a.capabilities},
	}
}

func (a *API) capabilities(r *rest.Request) (any, error) {
	enabled := func(on bool) map[string]bool { return map[string]bool{"enabled": on} }
	available := make(map[string]string, len(a.RoomVersions))
	for _, v := range a.RoomVersions {
		available[string(v)] = "stable"
	}
	list := map[string]any{
		"m.change_password":          enabled(true),
		"m.set_displayname":          enabled(true),
		"m.set_avatar_url":           enabled(true),
		"m.profile_fields":           enabled(true),
		"m.3pid_changes":             enabled(a.Signin.Mails()),
		"m.get_login_token":          enabled(true),
		"m.forget_forced_upon_leave": enabled(false),
		"m.room_versions":            map[string]any{"default": a.RoomVersion, "available": available},
	}
	if r.Who.Admin {
		list["m.account_moderation"] = map[string]bool{"lock": true, "suspend": true}
	}
	return map[string]any{"capabilities": list}, nil
}
