package server

import (
	"context"
	"slices"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/appservice"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/outgoing"
)

// buildServices reads the registrations of application services. It is built before the parts that ask it,
// and asks them through s.
func (s *Server) buildServices(context.Context) (err error) {
	s.services, err = appservice.New(appservice.Options{
		Dir: s.config.AppservicesDir, ServerName: s.config.ServerName, DB: s.db, Clock: s.clock, Log: s.log, Metrics: s.registry,
		Exists:    func(ctx context.Context, u id.UserID) (bool, error) { return s.accounts.Exists(ctx, u) },
		Create:    s.createSender,
		HasDevice: s.hasDevice,
		Visible:   func() int64 { return s.feed.Visible() },
		Fleeting: func(ctx context.Context, a *appservice.Service, inside func(id.RoomID) (bool, error), after appservice.Mark) (appservice.Fleeting, appservice.Mark, error) {
			return s.feed.ForService(ctx, a, inside, after)
		},
		Rooms: func() *room.Rooms { return s.rooms },
		// The operator names each service in a file, so a private address is meant.
		Call: outgoing.New(true).Do,
	})
	return err
}

// createSender makes the account of an application service, which nobody signs in to with a password.
func (s *Server) createSender(ctx context.Context, user id.UserID) error {
	_, err := s.accounts.Create(ctx, account.NewUser{User: user, Audited: account.AuditDetail{"way": "application_service"}})
	return err
}

func (s *Server) hasDevice(ctx context.Context, user id.UserID, device id.DeviceID) (bool, error) {
	devices, err := s.accounts.DeviceIDs(ctx, user)
	return slices.Contains(devices, device), err
}

// authenticate knows the tokens of application services beside those of people.
func (s *Server) authenticate(ctx context.Context, token string) (access.Who, error) {
	if who, ok := s.services.Authenticate(token); ok {
		return who, nil
	}
	return s.accounts.Authenticate(ctx, token)
}

func (s *Server) masquerade(ctx context.Context, who access.Who, user, device string) (access.Who, error) {
	return s.services.Masquerade(ctx, who, id.UserID(user), id.DeviceID(device))
}

// exists tells whether somebody can be invited. Application services make some of their people when they are
// asked for.
func (s *Server) exists(ctx context.Context, user id.UserID) (bool, error) {
	known, err := s.accounts.Exists(ctx, user)
	if err != nil || known {
		return known, err
	}
	return s.services.FindUser(ctx, user), nil
}
