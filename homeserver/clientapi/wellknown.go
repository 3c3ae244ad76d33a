package clientapi

import (
	"net/http"
	"net/url"

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
