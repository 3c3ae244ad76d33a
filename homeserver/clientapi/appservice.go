package clientapi

import (
	"net/http"
	"strings"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/appservice"
	"github.com/myelin-health/myelin/homeserver/signin"
	"github.com/myelin-health/myelin/rest"
)

// appserviceRoutes serves what the application service API adds to the client-server API, and "Third-party
// Networks", which are those of application services.
func (a *API) appserviceRoutes() []rest.Route {
	const networks = "/_matrix/client/v3/thirdparty/"
	return []rest.Route{
		{Method: http.MethodPost, Path: "/_matrix/client/v1/appservice/{appserviceId}/ping", Access: access.User, Handle: a.pingService},
		{Method: http.MethodPut, Path: "/_matrix/client/v3/directory/list/appservice/{networkId}/{roomId}", Access: access.User, Handle: a.listForNetwork},
		{Method: http.MethodGet, Path: networks + "protocols", Access: access.User, Handle: a.networks},
		{Method: http.MethodGet, Path: networks + "protocol/{protocol}", Access: access.User, Handle: a.network("protocol")},
		{Method: http.MethodGet, Path: networks + "user", Access: access.User, Handle: a.networkReverse("user", "userid")},
		{Method: http.MethodGet, Path: networks + "user/{protocol}", Access: access.User, Handle: a.network("user")},
		{Method: http.MethodGet, Path: networks + "location", Access: access.User, Handle: a.networkReverse("location", "alias")},
		{Method: http.MethodGet, Path: networks + "location/{protocol}", Access: access.User, Handle: a.network("location")},
	}
}

// service is the application service whose token came with a request that needs no account.
func (a *API) service(r *rest.Request) (*appservice.Service, error) {
	token := r.Bearer()
	if token == "" {
		return nil, fault.New(fault.MissingToken, "The token of an application service is needed.")
	}
	if s := a.Services.ByToken(token); s != nil {
		return s, nil
	}
	return nil, fault.New(fault.UnknownToken, "This token belongs to no application service.")
}

// registerFor makes an account in the namespace of the application service that asks.
func (a *API) registerFor(r *rest.Request, body signin.NewAccount) (any, error) {
	s, err := a.service(r)
	if err != nil {
		return nil, err
	}
	if body.Username == "" {
		return nil, fault.New(fault.MissingParam, "username is missing.")
	}
	name := strings.ToLower(body.Username)
	if id.ValidateUserLocalpart(name) != nil {
		return nil, fault.New(fault.InvalidUsername, "User names may contain a-z, 0-9 and . _ = - / + only.")
	}
	user := a.Accounts.UserID(name)
	if !s.Owns(user) {
		return nil, fault.New(fault.Exclusive, "The user name is not in the namespace of the application service.")
	}
	if err := a.Services.Reserved(user, s); err != nil {
		return nil, err
	}
	session, err := a.Signin.RegisterFor(r.Context(), user, body, client(r))
	if err != nil {
		return nil, err
	}
	return a.session(session, r), nil
}

// loginFor signs in a person of the application service that asks.
func (a *API) loginFor(r *rest.Request, body signin.Login) (any, error) {
	s, err := a.service(r)
	if err != nil {
		return nil, err
	}
	user, err := a.Signin.Identify(r.Context(), body)
	if err != nil {
		return nil, err
	}
	if user == "" {
		user = s.Sender
	}
	if !s.Owns(user) {
		return nil, fault.New(fault.Exclusive, "The user is not in the namespace of the application service.").WithStatus(http.StatusForbidden)
	}
	session, err := a.Signin.LoginFor(r.Context(), user, body, client(r))
	if err != nil {
		return nil, err
	}
	return a.session(session, r), nil
}

func (a *API) pingService(r *rest.Request) (any, error) {
	var body struct {
		Txn string `json:"transaction_id"`
	}
	if err := r.OptionalJSON(&body); err != nil {
		return nil, err
	}
	if r.Who.Service == "" || r.Who.Service != r.Param("appserviceId") {
		return nil, fault.New(fault.Forbidden, "Only the application service itself may ask for this.")
	}
	s, err := a.Services.ByID(r.Who.Service)
	if err != nil {
		return nil, err
	}
	took, err := a.Services.Ping(r.Context(), s, body.Txn)
	return map[string]int64{"duration_ms": took.Milliseconds()}, err
}

// listForNetwork lists a room in the directory on behalf of a bridged network.
func (a *API) listForNetwork(r *rest.Request) (any, error) {
	var body listing
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if r.Who.Service == "" {
		return nil, fault.New(fault.Forbidden, "Only application services may do this.")
	}
	if body.Visibility != "public" && body.Visibility != "private" {
		return nil, fault.New(fault.InvalidParam, "visibility is public or private.")
	}
	return nil, a.Rooms.SetListed(r.Context(), r.Who.User, true, id.RoomID(r.Param("roomId")), body.Visibility == "public")
}

func (a *API) networks(r *rest.Request) (any, error) {
	out := map[string]any{}
	for protocol := range a.Services.Networks() {
		if about, err := a.Services.Network(r.Context(), "protocol", protocol, ""); err == nil {
			out[protocol] = about
		}
	}
	return out, nil
}

func (a *API) network(kind string) rest.Handler {
	return func(r *rest.Request) (any, error) {
		query := r.Query()
		query.Del("access_token")
		answer, err := a.Services.Network(r.Context(), kind, r.Param("protocol"), query.Encode())
		if err != nil {
			return nil, err
		}
		return rest.RawJSON(answer), nil
	}
}

func (a *API) networkReverse(kind, param string) rest.Handler {
	return func(r *rest.Request) (any, error) {
		if r.Q(param) == "" {
			return nil, fault.New(fault.MissingParam, "%s is missing.", param)
		}
		query := r.Query()
		query.Del("access_token")
		return a.Services.Reverse(r.Context(), kind, query.Encode()), nil
	}
}

// toldTime is the time that an application service gives to an event; 0 for everybody else ("Timestamp massaging").
func toldTime(r *rest.Request) (int64, error) {
	if r.Who.Service == "" {
		return 0, nil
	}
	ts, err := r.QInt("ts", 0)
	if err == nil && ts < 0 {
		err = fault.New(fault.InvalidParam, "ts must not be negative.")
	}
	return ts, err
}
