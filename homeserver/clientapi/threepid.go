package clientapi

import (
	"net/http"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/mail"
	"github.com/myelin-health/myelin/homeserver/signin"
	"github.com/myelin-health/myelin/rest"
)

// threepidRoutes serves "Adding Account Administrative Contact Information" and the proofs of addresses that registration
// and setting a new password want. E-mail addresses only; telephone numbers are not taken, and no identity server is asked.
func (a *API) threepidRoutes() []rest.Route {
	const base = "/_matrix/client/v3/"
	ask := func(path string, handle rest.Handler) rest.Route {
		return rest.Route{Method: http.MethodPost, Path: base + path, Access: access.Public, Limit: rest.SigningIn, Handle: handle}
	}
	mine := func(path string, handle rest.Handler) rest.Route {
		return rest.Route{Method: http.MethodPost, Path: base + path, Access: access.User, Limit: rest.SigningIn, Handle: handle}
	}
	return []rest.Route{
		{Method: http.MethodGet, Path: base + "account/3pid", Access: access.User, Handle: a.threepids},
		ask("register/email/requestToken", a.requestToken(mail.Registering)),
		ask("account/password/email/requestToken", a.requestToken(mail.Resetting)),
		ask("account/3pid/email/requestToken", a.requestToken(mail.Adding)),
		ask("register/msisdn/requestToken", noThreepid),
		ask("account/password/msisdn/requestToken", noThreepid),
		ask("account/3pid/msisdn/requestToken", noThreepid),
		mine("account/3pid/add", a.addThreepid),
		mine("account/3pid/delete", a.deleteThreepid),
		mine("account/3pid/unbind", a.unbindThreepid),
		mine("account/3pid/bind", noThreepid),
		mine("account/3pid", noThreepid), // deprecated, the same as bind
	}
}

// noThreepid answers what needs telephone numbers, an identity server, or e-mail where it is switched off.
func noThreepid(*rest.Request) (any, error) {
	return nil, fault.New(fault.ThreepidDenied, "This server does not take this kind of address.")
}

func (a *API) threepids(r *rest.Request) (any, error) {
	list, err := a.Accounts.Addresses(r.Context(), r.Who.User)
	if err != nil {
		return nil, err
	}
	type threepid struct {
		Medium    string       `json:"medium"`
		Address   mail.Address `json:"address"`
		Validated int64        `json:"validated_at"`
		Added     int64        `json:"added_at"`
	}
	out := make([]threepid, len(list))
	for i, e := range list {
		out[i] = threepid{"email", e.Address, e.Validated, e.Added}
	}
	return map[string]any{"threepids": out}, nil
}

// requestToken sends a letter. No submit_url is answered: people follow the link in the letter, clients have nothing to do.
func (a *API) requestToken(p signin.Purpose) rest.Handler {
	return func(r *rest.Request) (any, error) {
		if !a.Signin.Mails() {
			return noThreepid(r)
		}
		var body signin.Ask
		if err := r.JSON(&body); err != nil {
			return nil, err
		}
		sid, err := a.Signin.RequestProof(r.Context(), p, body, r.Header.Get("Accept-Language"), client(r))
		return map[string]string{"sid": sid}, err
	}
}

func (a *API) addThreepid(r *rest.Request) (any, error) {
	if !a.Signin.Mails() {
		return noThreepid(r)
	}
	var body signin.Credentials
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if body.SID == "" || body.Secret == "" {
		return nil, fault.New(fault.MissingParam, "sid and client_secret are needed.")
	}
	if err := a.interactive(r); err != nil {
		return nil, err
	}
	return nil, a.Signin.AddAddress(r.Context(), r.Who.User, r.Who.Device, body)
}

// unbound says that there is no identity server that could have unbound an address.
var unbound = map[string]string{"id_server_unbind_result": "no-support"}

func (a *API) deleteThreepid(r *rest.Request) (any, error) {
	address, err := a.readThreepid(r)
	if err != nil {
		return nil, err
	}
	if err := a.Accounts.RemoveAddress(r.Context(), r.Who.User, r.Who.Device, address); err != nil {
		return nil, err
	}
	return unbound, nil
}

func (a *API) unbindThreepid(r *rest.Request) (any, error) {
	if _, err := a.readThreepid(r); err != nil {
		return nil, err
	}
	return unbound, nil
}

// readThreepid reads which address a request is about.
func (a *API) readThreepid(r *rest.Request) (mail.Address, error) {
	if !a.Signin.Mails() {
		_, err := noThreepid(r)
		return "", err
	}
	var body struct {
		Medium  string `json:"medium"`
		Address string `json:"address"`
	}
	if err := r.JSON(&body); err != nil {
		return "", err
	}
	switch body.Medium {
	case "email":
		return mail.ParseAddress(body.Address)
	case "":
		return "", fault.New(fault.MissingParam, "medium and address are needed.")
	}
	return "", fault.New(fault.ThreepidMediumUnknown, "Accounts have e-mail addresses only.")
}
