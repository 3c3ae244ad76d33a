// Package signin finds out who somebody is: passwords, user-interactive authentication, registration. What
// it proves becomes a session in account, which keeps users, devices and tokens.
//
// It does not authenticate requests (account does, by token) and decides nothing about what a person may do.
package signin

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/mail"
	"github.com/myelin-health/myelin/rest"
	"github.com/myelin-health/myelin/seal"
)

// Registration says who may make an account.
type Registration string

// The modes of registration. The tool's registration by shared secret is open whenever a secret is set.
const (
	Closed       Registration = "closed"
	Open         Registration = "open"
	SharedSecret Registration = "shared_secret"
	// Token: whoever has one of the tokens of Options.Tokens.
	Token Registration = "token"
)

// The stages of user-interactive authentication, and the types of sign-in.
const (
	StagePassword = "m.login.password"
	StageDummy    = "m.login.dummy"
	StageToken    = "m.login.token"               // sign-in only
	StageService  = "m.login.application_service" // registration and sign-in

	StageRegistrationToken = "m.login.registration_token" // registration only
	StageEmail             = "m.login.email.identity"     // registration and setting a new password
)

// Options configures Signin. DB, Accounts, Seal and Audit are needed.
type Options struct {
	DB           *db.DB
	Accounts     *account.Accounts
	Seal         *seal.Keys
	Audit        *audit.Log
	Log          *slog.Logger
	Registerer   prometheus.Registerer
	Clock        func() time.Time
	Registration Registration
	// Guests lets people come without an account.
	Guests bool
	// Tokens are what people who register have to know when Registration is Token.
	Tokens []string
	// Secret is the shared secret of registration by tools; empty: not served.
	Secret string
	// Cost is the cost of password hashing; the zero value is Strong.
	Cost Cost
	// MinPassword is the least number of characters of a password that people choose; 0 is 8.
	MinPassword int
	// Mail is by what letters about addresses go; nil: accounts have no addresses.
	Mail *mail.Outbox
	// AddressNeeded: who makes an account has to prove an address.
	AddressNeeded bool
	// Reserved returns a fault for names that belong to application services; nil: none do.
	Reserved func(user id.UserID) error
	// RateLimits limits failed attempts per account and address.
	RateLimits bool
}

// Signin proves who people are. It is safe for concurrent use.
type Signin struct {
	o        Options
	accounts *account.Accounts
	log      *slog.Logger
	clock    func() time.Time
	hasher   *hasher
	failed   struct{ near, all *rest.Buckets } // by account and address, by account; nil: no limit
	attempts *prometheus.CounterVec
}

// New makes a Signin.
func New(o Options) *Signin {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.MinPassword <= 0 {
		o.MinPassword = 8
	}
	if o.Cost == (Cost{}) {
		o.Cost = Strong
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.DefaultRegisterer
	}
	s := &Signin{o: o, accounts: o.Accounts, log: o.Log.With("package", "signin"), clock: o.Clock, hasher: newHasher(o.Cost)}
	if o.RateLimits {
		s.failed.near = rest.NewBuckets(rest.Rate{PerSecond: 1.0 / 30, Burst: 10})
		s.failed.all = rest.NewBuckets(rest.Rate{PerSecond: 1.0 / 5, Burst: 60})
	}
	s.attempts = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "myelin_sign_ins_total", Help: "Attempts to prove who one is, by way and outcome.",
	}, []string{"way", "outcome"})
	o.Registerer.MustRegister(s.attempts)
	s.accounts.EndProofs(endProofs)
	return s
}

// Client is where a request came from.
type Client struct {
	Addr  string
	Agent string
}

// Identifier names a person (section "Identifier types").
type Identifier struct {
	Type    string `json:"type"`
	User    string `json:"user"`
	Medium  string `json:"medium"`
	Address string `json:"address"`
}

// Login is the body of POST /login.
type Login struct {
	Type       string      `json:"type"`
	Identifier *Identifier `json:"identifier"`
	User       string      `json:"user"` // deprecated form of identifier
	Password   string      `json:"password"`
	Token      string      `json:"token"`
	DeviceID   id.DeviceID `json:"device_id"`
	DeviceName string      `json:"initial_device_display_name"`
	Refresh    bool        `json:"refresh_token"`
}

// Login signs a person in.
func (s *Signin) Login(ctx context.Context, l Login, c Client) (account.Session, error) {
	in := account.SignIn{Device: l.DeviceID, DeviceName: l.DeviceName, Refresh: l.Refresh, Method: "password", Addr: c.Addr, Agent: c.Agent}
	var err error
	switch l.Type {
	case StagePassword:
		in.User, err = s.byPassword(ctx, l, c)
	case StageToken:
		in.Method = "token"
		in.User, err = s.byToken(ctx, l, c)
	case "":
		err = fault.New(fault.MissingParam, "The type of sign-in is missing.")
	default:
		err = fault.New(fault.Unknown, "This type of sign-in is not offered.").WithStatus(400)
	}
	if err != nil {
		return account.Session{}, err
	}
	return s.accounts.SignIn(ctx, in)
}

// byPassword is who proves by a password who they are.
func (s *Signin) byPassword(ctx context.Context, l Login, c Client) (id.UserID, error) {
	user, err := s.identify(ctx, l.Identifier, l.User)
	if err != nil {
		return "", err
	}
	if user == "" {
		return "", fault.New(fault.MissingParam, "Who signs in is missing.")
	}
	return user, s.prove(ctx, user, l.Password, "login", c)
}

// identify turns what a client calls a person into a user id; empty if it called nobody.
func (s *Signin) identify(ctx context.Context, i *Identifier, legacy string) (id.UserID, error) {
	name := legacy
	if i != nil {
		if i.Type == "m.id.thirdparty" && i.Medium == "email" {
			return s.identifyAddress(ctx, i.Address)
		}
		if i.Type != "m.id.user" {
			return "", fault.New(fault.Unknown, "This type of identifier is not known.").WithStatus(400)
		}
		name = i.User
	}
	if name == "" {
		return "", nil
	}
	if strings.HasPrefix(name, "@") {
		local, server, ok := strings.Cut(name[1:], ":")
		if !ok {
			return s.accounts.UserID(strings.ToLower(local)), nil
		}
		return id.UserID("@" + strings.ToLower(local) + ":" + server), nil
	}
	return s.accounts.UserID(strings.ToLower(name)), nil
}

// identifyAddress is whose address it is. For one that is nobody's it is a name that nobody can have, so that proving takes
// its usual way.
func (s *Signin) identifyAddress(ctx context.Context, text string) (id.UserID, error) {
	address, err := mail.ParseAddress(text)
	if err != nil {
		return "", err
	}
	user, err := s.accounts.AddressOwner(ctx, address)
	if fault.Is(err, fault.ThreepidNotFound) {
		return id.UserID("@" + string(address)), nil
	}
	return user, err
}

// wrong is the one answer to all that was wrong about a password or its account.
func wrong() *fault.Fault { return fault.New(fault.Forbidden, "The user name or password is wrong.") }

// prove checks a password. It takes as long for an account that does not exist, and a fault does not tell
// the difference.
func (s *Signin) prove(ctx context.Context, user id.UserID, password, way string, c Client) error {
	near := string(user) + " " + rest.Network(c.Addr)
	if wait := s.attempt(near, string(user)); wait > 0 {
		s.attempts.WithLabelValues(way, "limited").Inc()
		return fault.After(wait)
	}
	u, err := account.User{}, wrong()
	known := false
	if s.accounts.Local(user) {
		found, loadErr := s.accounts.User(ctx, user)
		if loadErr != nil && !fault.Is(loadErr, fault.NotFound) {
			return loadErr
		}
		u, known = found, loadErr == nil
	}
	ok, hashErr := s.hasher.verify(ctx, password, u.Password)
	if hashErr != nil {
		return hashErr
	}
	if ok && !u.Gone() {
		s.attempts.WithLabelValues(way, "done").Inc()
		if s.failed.all != nil {
			s.failed.near.Return(near)
			s.failed.all.Return(string(user))
		}
		return nil
	}
	s.attempts.WithLabelValues(way, "refused").Inc()
	entry := audit.Entry{Act: audit.SignInFailed, Outcome: audit.Refused,
		Detail: map[string]any{"way": way, "address": c.Addr, "agent": c.Agent, "known": known}}
	if known {
		entry.Who = user // a name that is nobody's may be a password in the wrong field
	}
	s.o.Audit.Refused(entry)
	return err
}

// attempt takes an attempt from both limits, and says how long to wait if one has none left. It is taken before the
// password is looked at, so that guessing many at once gives no more of them; a right one is returned.
func (s *Signin) attempt(near, user string) time.Duration {
	if s.failed.all == nil {
		return 0
	}
	now := s.clock()
	if wait := s.failed.near.Take(near, now); wait > 0 {
		return wait
	}
	wait := s.failed.all.Take(user, now)
	if wait > 0 {
		s.failed.near.Return(near)
	}
	return wait
}

// CheckPassword returns a fault if a password that somebody chose is too weak.
func (s *Signin) CheckPassword(password string) error {
	if password == "" {
		return fault.New(fault.MissingParam, "The password is missing.")
	}
	if n := len([]rune(password)); n < s.o.MinPassword {
		return fault.New(fault.WeakPassword, "The password needs at least %d characters.", s.o.MinPassword)
	}
	if len(password) > maxPassword {
		return fault.New(fault.InvalidParam, "The password is too long.")
	}
	return nil
}

// ChangePassword sets the password of a person who proved who they are. With signOut, all devices but the
// one in use are signed out and removed.
func (s *Signin) ChangePassword(ctx context.Context, user id.UserID, device id.DeviceID, password string, signOut bool, c Client) error {
	if err := s.CheckPassword(password); err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	return s.accounts.SetPassword(ctx, user, hash, device, signOut, account.AuditDetail{"way": "password", "devices_removed": signOut, "address": c.Addr, "agent": c.Agent})
}
