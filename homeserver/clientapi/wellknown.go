package clientapi

import (
	"net/http"
	"net/url"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/rest"
)

// wellknownRoutes serves "Server Discovery": where clients and other servers find this one.
func (a *API) wellknownRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodGet, Path: "/.well-known/matrix/client", Access: access.Public, Handle: func(r *rest.Request) (any, error) {
			return a.discovery(r), nil
		}},
		{Method: http.MethodGet, Path: "/.well-known/matrix/server", Access: access.Public, Handle: a.discoverServer},
		{Method: http.MethodGet, Path: "/.well-known/matrix/support", Access: access.Public, Handle: a.support},
		{Method: http.MethodGet, Path: "/.well-known/matrix/policy_server", Access: access.Public, Handle: func(*rest.Request) (any, error) {
			return nil, fault.New(fault.NotFound, "This server is no policy server.")
		}},
	}
}

// discovery is the content of .well-known/matrix/client. Without a configured address it is that of the
// request.
func (a *API) discovery(r *rest.Request) map[string]any {
	base := a.PublicURL
	if base == "" {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		base = (&url.URL{Scheme: scheme, Host: r.Host}).String()
	}
	return map[string]any{"m.homeserver": map[string]string{"base_url": base}}
}

// Support is whom people turn to.
type Support struct {
	Page, Email string
	MatrixID    id.UserID
}

// support tells who looks after this server.
func (a *API) support(*rest.Request) (any, error) {
	answer := map[string]any{}
	if s := a.Support; s.Email != "" || s.MatrixID != "" {
		contact := map[string]string{"role": "m.role.admin"}
		if s.Email != "" {
			contact["email_address"] = s.Email
		}
		if s.MatrixID != "" {
			contact["matrix_id"] = string(s.MatrixID)
		}
		answer["contacts"] = []any{contact}
	}
	if a.Support.Page != "" {
		answer["support_page"] = a.Support.Page
	}
	if len(answer) == 0 {
		return nil, fault.New(fault.NotFound, "No contact is given for this server.")
	}
	return answer, nil
}

func (a *API) discoverServer(*rest.Request) (any, error) {
	u, err := url.Parse(a.PublicURL)
	if a.PublicURL == "" || err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fault.New(fault.NotFound, "This server is found by its name.")
	}
	host := u.Host
	if u.Port() == "" {
		host += ":443"
	}
	return map[string]string{"m.server": host}, nil
}
