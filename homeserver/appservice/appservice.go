// Package appservice is what the server has to do with application services: bridges and bots that the
// operator admits by a registration file. It knows whose token and which names are theirs, sends them the
// events they are interested in, and asks them for people, rooms and networks that the server does not know.
//
// Requests that they make are served like everybody's; rest and clientapi ask here who is meant.
package appservice

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
)

// Options are what Services are made of. Dir may be empty: there are none then.
type Options struct {
	Dir        string // of the registration files
	ServerName string
	DB         *db.DB
	Rooms      func() *room.Rooms
	// Exists tells whether an account exists, and Create makes that of a service's sender.
	Exists func(ctx context.Context, user id.UserID) (bool, error)
	Create func(ctx context.Context, user id.UserID) error
	// HasDevice tells whether somebody has a device.
	HasDevice func(ctx context.Context, user id.UserID, device id.DeviceID) (bool, error)
	// Visible is the position up to which everything may be read.
	Visible func() int64
	// Fleeting gathers what is no event for a service, of the rooms that it is inside of; nil: nothing.
	Fleeting func(ctx context.Context, s *Service, inside func(id.RoomID) (bool, error), after Mark) (Fleeting, Mark, error)
	// Call calls a service; see outgoing.
	Call func(ctx context.Context, method, url, token string, body []byte) (status int, answer []byte, err error)

	Clock   func() time.Time
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Services are all application services. The zero of it knows none.
type Services struct {
	o     Options
	log   *slog.Logger
	all   []*Service
	sends []*sender
	calls *prometheus.CounterVec
}

// New reads the registrations. A wrong one is an error that names the file and what is wrong.
func New(o Options) (*Services, error) {
	all, err := load(o.Dir, o.ServerName)
	if err != nil {
		return nil, fmt.Errorf("configuration key appservices_dir: %w", err)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Services{o: o, log: o.Log.With("pkg", "appservice"), all: all}
	s.calls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "myelin_appservice_calls", Help: "Calls of application services: ok, failed or unreachable."}, []string{"result"})
	if o.Metrics != nil {
		o.Metrics.MustRegister(s.calls)
	}
	return s, nil
}

// ByToken returns the service whose as_token it is, nil when it is nobody's.
func (s *Services) ByToken(token string) *Service {
	var found *Service
	for _, a := range s.all {
		if subtle.ConstantTimeCompare([]byte(a.asToken), []byte(token)) == 1 {
			found = a
		}
	}
	return found
}

// Authenticate is who a service's token stands for; ok is false for other tokens.
func (s *Services) Authenticate(token string) (who access.Who, ok bool) {
	if len(s.all) == 0 {
		return who, false
	}
	a := s.ByToken(token)
	if a == nil {
		return who, false
	}
	return access.Who{User: a.Sender, Service: a.ID, Unlimited: true}, true
}

// Masquerade is whom a service's request is for: user and device are what it names, empty for itself
// (application service API, section "Identity assertion"; MSC3202 for devices).
func (s *Services) Masquerade(ctx context.Context, who access.Who, user id.UserID, device id.DeviceID) (access.Who, error) {
	a := s.byID(who.Service)
	if a == nil {
		return who, nil
	}
	if user != "" && user != a.Sender {
		if !a.Owns(user) {
			return who, fault.New(fault.Exclusive, "The application service may not act for this user.").WithStatus(403)
		}
		known, err := s.o.Exists(ctx, user)
		if err != nil {
			return who, err
		}
		if !known {
			return who, fault.New(fault.Forbidden, "The application service has not registered this user.")
		}
		who.User, who.Unlimited = user, !a.Limited
	}
	if device != "" {
		has, err := s.o.HasDevice(ctx, who.User, device)
		if err != nil {
			return who, err
		}
		if !has {
			return who, fault.New(fault.UnknownDevice, "The user has no such device.").WithStatus(400)
		}
		who.Device = device
	}
	return who, nil
}

func (s *Services) byID(service string) *Service {
	for _, a := range s.all {
		if a.ID == service {
			return a
		}
	}
	return nil
}

// ByID returns a service. The fault is M_NOT_FOUND.
func (s *Services) ByID(service string) (*Service, error) {
	if a := s.byID(service); a != nil {
		return a, nil
	}
	return nil, fault.New(fault.NotFound, "There is no such application service.")
}

// Owns reports whether a user is the service's: its sender, or in its namespace.
func (a *Service) Owns(user id.UserID) bool {
	return user == a.Sender || within(a.users, string(user), false)
}

// Reserved returns a fault of kind Exclusive when a user is in the exclusive namespace of a service other
// than the one given (nil: no service asks).
func (s *Services) Reserved(user id.UserID, by *Service) error {
	for _, a := range s.all {
		if a != by && (user == a.Sender || within(a.users, string(user), true)) {
			return fault.New(fault.Exclusive, "This user name is reserved for an application service.")
		}
	}
	return nil
}

// AliasReserved returns a fault of kind Exclusive when an alias belongs to a service that somebody is not of.
func (s *Services) AliasReserved(alias id.RoomAlias, by id.UserID) error {
	for _, a := range s.all {
		if !a.Owns(by) && within(a.aliases, string(alias), true) {
			return fault.New(fault.Exclusive, "This alias is reserved for an application service.")
		}
	}
	return nil
}

// Start makes the accounts of the senders and begins to send.
func (s *Services) Start(ctx context.Context) error {
	for _, a := range s.all {
		known, err := s.o.Exists(ctx, a.Sender)
		if err != nil {
			return err
		}
		if !known {
			if err := s.o.Create(ctx, a.Sender); err != nil {
				return fmt.Errorf("make the account of application service %s: %w", a.ID, err)
			}
		}
		if a.url == "" {
			continue
		}
		to, err := s.newSender(ctx, a)
		if err != nil {
			return err
		}
		s.sends = append(s.sends, to)
	}
	for _, to := range s.sends {
		to.stopped.Add(1)
		go to.run()
	}
	return nil
}

// Close ends the sending. It goes on after the next start where it was.
func (s *Services) Close() {
	for _, to := range s.sends {
		to.cancel()
	}
	for _, to := range s.sends {
		to.stopped.Wait()
	}
}

// News tells that there may be something to send. It does not block.
func (s *Services) News() {
	for _, to := range s.sends {
		select {
		case to.news <- struct{}{}:
		default:
		}
	}
}

// errNoURL: the service is not called.
var errNoURL = errors.New("the application service has no url")

// call calls a service and returns the body of an answer of status 200.
func (s *Services) call(ctx context.Context, a *Service, method, path string, body []byte) (status int, answer []byte, err error) {
	if a.url == "" {
		return 0, nil, errNoURL
	}
	status, answer, err = s.o.Call(ctx, method, a.url+path, a.hsToken, body)
	switch {
	case err != nil:
		s.calls.WithLabelValues("unreachable").Inc()
	case status != 200:
		s.calls.WithLabelValues("failed").Inc()
	default:
		s.calls.WithLabelValues("ok").Inc()
	}
	return status, answer, err
}

// Networks lists the protocols of all services, each once.
func (s *Services) Networks() map[string]*Service {
	out := make(map[string]*Service)
	for _, a := range s.all {
		for _, p := range a.Protocols {
			if out[p] == nil && !strings.ContainsAny(p, "/?#") {
				out[p] = a
			}
		}
	}
	return out
}
