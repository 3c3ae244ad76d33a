package clientapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/feed"
	"github.com/myelin-health/myelin/homeserver/mail"
	"github.com/myelin-health/myelin/rest"
)

// pushersRoutes serves the pushers of "Push Notifications".
func (a *API) pushersRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/pushers", Access: access.User, Handle: a.pushers},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/pushers/set", Access: access.User, Handle: a.setPusher},
	}
}

func (a *API) pushers(r *rest.Request) (any, error) {
	l, err := a.Feed.Pushers(r.Context(), r.Who.User)
	return map[string]any{"pushers": l}, err
}

// kindEmail is the kind of pushers that write letters about unread messages.
const kindEmail = "email"

// checkMailPusher refuses letters to addresses that are not the person's, and writes the address as it is known.
func (a *API) checkMailPusher(r *rest.Request, p *pusher) error {
	address, err := mail.ParseAddress(p.PushKey)
	if err != nil {
		return err
	}
	p.PushKey = string(address)
	switch {
	case p.Kind == nil:
		return nil
	case *p.Kind != kindEmail || p.AppID != feed.MailApp:
		return fault.New(fault.InvalidParam, "Pushers of kind email, and only they, have the app_id m.email.")
	case !a.Signin.Mails():
		return fault.New(fault.InvalidParam, "This server sends no e-mail.")
	}
	owner, err := a.Accounts.AddressOwner(r.Context(), address)
	if err == nil && owner != r.Who.User || fault.Is(err, fault.ThreepidNotFound) {
		return fault.New(fault.ThreepidNotFound, "Your account does not have this address.") // whether another has it stays unsaid
	}
	return err
}

// pusher is a pusher as clients set and get it.
type pusher struct {
	PushKey    string         `json:"pushkey"`
	Kind       *string        `json:"kind"`
	AppID      string         `json:"app_id"`
	AppName    string         `json:"app_display_name"`
	DeviceName string         `json:"device_display_name"`
	ProfileTag string         `json:"profile_tag,omitempty"`
	Lang       string         `json:"lang"`
	Data       map[string]any `json:"data"`
}

func (a *API) setPusher(r *rest.Request) (any, error) {
	var body struct {
		pusher
		Append bool `json:"append"`
	}
	raw, err := r.Object()
	if err != nil {
		return nil, err
	}
	if err := rest.Decode(raw, &body); err != nil {
		return nil, err
	}
	p := body.pusher
	if err := p.check(raw); err != nil {
		return nil, err
	}
	if p.AppID == feed.MailApp || p.Kind != nil && *p.Kind == kindEmail {
		if err := a.checkMailPusher(r, &p); err != nil {
			return nil, err
		}
	}
	if p.Kind == nil {
		return nil, a.Feed.DeletePusher(r.Context(), r.Who.User, p.AppID, p.PushKey)
	}
	b, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return nil, a.Feed.SetPusher(r.Context(), r.Who, p.AppID, p.PushKey, b, body.Append)
}

// check refuses what the specification does not allow.
func (p *pusher) check(raw []byte) error {
	var have map[string]json.RawMessage
	if err := json.Unmarshal(raw, &have); err != nil {
		return fault.New(fault.NotJSON, "The request body is not JSON.").Because(err)
	}
	needed := []string{"kind", "app_id", "pushkey"}
	if p.Kind != nil {
		needed = append(needed, "app_display_name", "device_display_name", "lang", "data")
	}
	var missing []string
	for _, k := range needed {
		if _, ok := have[k]; !ok {
			missing = append(missing, k)
		}
	}
	switch {
	case len(missing) > 0:
		return fault.New(fault.MissingParam, "Missing parameters: %s", strings.Join(missing, ", "))
	case len(p.AppID) > 64 || len(p.PushKey) > 512 || p.AppID == "" || p.PushKey == "":
		return fault.New(fault.InvalidParam, "app_id or pushkey is empty or too long.")
	case p.Kind == nil:
		return nil
	case *p.Kind == kindEmail:
		return nil // see checkMailPusher
	case *p.Kind != "http":
		return fault.New(fault.InvalidParam, "There is no such kind of pusher.")
	}
	address, _ := p.Data["url"].(string)
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "/_matrix/push/v1/notify" {
		return fault.New(fault.InvalidParam, "data.url must be an https address with the path /_matrix/push/v1/notify.")
	}
	return nil
}
