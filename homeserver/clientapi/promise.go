package clientapi

import (
	"context"
	"net/http"
	"slices"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/mail"
	"github.com/myelin-health/myelin/homeserver/promise"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/rest"
)

// promiseRoutes serves what others ask about invitations to e-mail addresses: whether their key is good (identity service API).
func (a *API) promiseRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodGet, Path: promise.KeyPath, Access: access.Public, Handle: a.promiseKey},
	}
}

func (a *API) promiseKey(r *rest.Request) (any, error) {
	key := r.Q("public_key")
	switch {
	case a.Promises == nil:
		return nil, fault.New(fault.Unrecognized, "This server does not invite by e-mail address.")
	case key == "":
		return nil, fault.New(fault.MissingParam, "public_key is missing.")
	}
	return map[string]bool{"valid": a.Promises.Good(key)}, nil
}

// promisee is who is invited by an address ("Third-party invites"). The identity server that a client names is not asked.
type promisee struct {
	UserID  id.UserID `json:"user_id"`
	Medium  string    `json:"medium"`
	Address string    `json:"address"`
	Reason  string    `json:"reason"`
}

func (p promisee) check() (mail.Address, error) {
	switch p.Medium {
	case "email":
		return mail.ParseAddress(p.Address)
	case "":
		return "", fault.New(fault.MissingParam, "medium is missing.")
	}
	return "", fault.New(fault.ThreepidMediumUnknown, "This server invites by user id and e-mail address only.")
}

// readPromisee reads whom an invitation is for; the address is empty when it is for a user id.
func readPromisee(r *rest.Request) (promisee, error) {
	var body promisee
	if err := r.JSON(&body); err != nil {
		return body, err
	}
	if body.UserID != "" {
		return promisee{}, nil
	}
	return body, nil
}

func (a *API) inviteAddress(r *rest.Request, p promisee) error {
	if _, err := p.check(); err != nil {
		return err
	}
	return a.Promises.Invite(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), p.Address, p.Reason, r.Header.Get("Accept-Language"))
}

// maxPromisees is how many addresses a room may be made with.
const maxPromisees = 20

// promisees takes the addresses out of what a room is to be made with. People whose addresses they are are invited like
// others; what is left is promised when the room is there.
func (a *API) promisees(ctx context.Context, creator id.UserID, c *room.Creation) ([]mail.Address, error) {
	if a.Promises == nil || len(c.Invite3PID) == 0 {
		return nil, nil
	}
	if len(c.Invite3PID) > maxPromisees {
		return nil, fault.New(fault.InvalidParam, "A room is made with %d addresses at most: invite the others later.", maxPromisees)
	}
	var left []mail.Address
	for _, raw := range c.Invite3PID {
		var p promisee
		if err := rest.Decode(raw, &p); err != nil {
			return nil, err
		}
		address, err := p.check()
		if err != nil {
			return nil, err
		}
		owner, err := a.Accounts.AddressOwner(ctx, address)
		switch {
		case fault.Is(err, fault.ThreepidNotFound):
			left = append(left, address)
		case err != nil:
			return nil, err
		case owner != creator && !slices.Contains(c.Invite, owner):
			c.Invite = append(c.Invite, owner)
		}
	}
	c.Invite3PID = nil
	return left, nil
}

// promiseAll promises a new room to addresses. The room is there: what does not work is logged, so that nobody makes it again.
func (a *API) promiseAll(r *rest.Request, made id.RoomID, to []mail.Address) {
	for _, address := range to {
		if err := a.Promises.Invite(r.Context(), r.Who.User, made, string(address), "", r.Header.Get("Accept-Language")); err != nil {
			a.Log.Warn("an invitation by e-mail to a new room was not made", "error", err)
		}
	}
}
