package signin

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the protocol's; HMAC-SHA1 is not broken
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/mail"
	"github.com/myelin-health/myelin/seal"
)

// NewAccount is the body of POST /register.
type NewAccount struct {
	Type       string          `json:"type"`
	Auth       json.RawMessage `json:"auth"`
	Username   string          `json:"username"`
	Password   string          `json:"password"`
	DeviceID   id.DeviceID     `json:"device_id"`
	DeviceName string          `json:"initial_device_display_name"`
	Inhibit    bool            `json:"inhibit_login"`
	Refresh    bool            `json:"refresh_token"`
	GuestToken string          `json:"guest_access_token"`
}

// Available returns a fault unless an account of that name could be made (GET /register/available).
func (s *Signin) Available(ctx context.Context, username string) error {
	if s.o.Registration != Open && s.o.Registration != Token {
		return closed()
	}
	_, err := s.free(ctx, username)
	return err
}

func closed() error { return fault.New(fault.Forbidden, "Registration is closed on this server.") }

// free returns the user id that a wished name becomes.
func (s *Signin) free(ctx context.Context, username string) (id.UserID, error) {
	local, err := s.accounts.CheckLocalpart(username)
	if err != nil {
		return "", err
	}
	user := s.accounts.UserID(local)
	if s.o.Reserved != nil {
		if err := s.o.Reserved(user); err != nil {
			return "", err
		}
	}
	taken, err := s.accounts.Taken(ctx, user)
	if err != nil {
		return "", err
	}
	if taken {
		return "", fault.New(fault.UserInUse, "This user name is taken.")
	}
	return user, nil
}

// Register makes an account for whoever asks, where registration is open. kind is that of the request,
// "user" or empty, or "guest".
func (s *Signin) Register(ctx context.Context, kind string, n NewAccount, c Client) (account.Session, error) {
	switch {
	case kind == "guest":
		return s.registerGuest(ctx, n, c)
	case kind != "" && kind != "user":
		return account.Session{}, fault.New(fault.InvalidParam, "There is no such kind of account.")
	case n.Type == StageService:
		return account.Session{}, fault.New(fault.Forbidden, "This token belongs to no application service.")
	case s.o.Registration != Open && s.o.Registration != Token:
		return account.Session{}, closed()
	}
	user, err := s.registering(ctx, n)
	if err != nil {
		return account.Session{}, err
	}
	if n.Password != "" {
		if err := s.CheckPassword(n.Password); err != nil {
			return account.Session{}, err
		}
	}
	i, err := s.confirm(ctx, Operation{Name: "register", Flows: s.registerFlows(), Proof: mail.Registering}, n.Auth, c)
	if err != nil {
		return account.Session{}, err
	}
	if err := s.CheckPassword(n.Password); err != nil {
		return account.Session{}, err
	}
	if i.Proof == "" {
		return s.make(ctx, user, n, nil, c)
	}
	address, ok, err := s.provedBefore(ctx, mail.Registering, i.Proof)
	if err != nil {
		return account.Session{}, err
	}
	if !ok {
		return account.Session{}, fault.New(fault.ThreepidAuthFailed, "The address was confirmed too long ago.")
	}
	made, err := s.make(ctx, user, n, &address, c)
	if err != nil {
		return account.Session{}, err
	}
	if _, err := s.spend(ctx, i.Proof); err != nil { // the account is there, and so is its address
		s.log.Warn("the proof of an address outlives the account it made", "error", err)
	}
	return made, nil
}

// registerFlows are the ways to make an account. The proof of an address comes first, because it is optional where the rest
// is not.
func (s *Signin) registerFlows() [][]string {
	plain, mailed := []string{StageDummy}, []string{StageEmail}
	if s.o.Registration == Token {
		plain, mailed = []string{StageRegistrationToken}, []string{StageEmail, StageRegistrationToken}
	}
	switch {
	case s.o.Mail == nil:
		return [][]string{plain}
	case s.o.AddressNeeded:
		return [][]string{mailed}
	}
	return [][]string{plain, mailed}
}

// make makes the account of a new person, or of a guest who gets one of their own.
func (s *Signin) make(ctx context.Context, user id.UserID, n NewAccount, address *account.NewAddress, c Client) (account.Session, error) {
	if n.GuestToken == "" {
		return s.create(ctx, account.NewUser{User: user, Address: address}, n, "open", c)
	}
	if address != nil {
		if err := s.accounts.AddAddress(ctx, user, "", *address); err != nil {
			return account.Session{}, err
		}
	}
	return s.promote(ctx, user, n, c)
}

// TokenGood tells whether an account can be made with a registration token.
func (s *Signin) TokenGood(token string) (bool, error) {
	if s.o.Registration != Token {
		return false, fault.New(fault.Forbidden, "Registration tokens are not used on this server.")
	}
	return s.knows(token), nil
}

func (s *Signin) knows(token string) bool {
	good := 0
	for _, t := range s.o.Tokens {
		good |= subtle.ConstantTimeCompare([]byte(t), []byte(token))
	}
	return good == 1
}

// registering is the user id of a new account: a new name, or that of the guest who gets an account of their own.
func (s *Signin) registering(ctx context.Context, n NewAccount) (id.UserID, error) {
	if n.GuestToken == "" {
		return s.newName(ctx, n.Username)
	}
	who, err := s.accounts.Authenticate(ctx, n.GuestToken)
	if err != nil {
		return "", err
	}
	if !who.Guest || s.accounts.UserID(n.Username) != who.User {
		return "", fault.New(fault.Forbidden, "guest_access_token must be a guest's, and username their name.")
	}
	return who.User, nil
}

// registerGuest lets somebody in without an account of their own.
func (s *Signin) registerGuest(ctx context.Context, n NewAccount, c Client) (account.Session, error) {
	if !s.o.Guests {
		return account.Session{}, fault.New(fault.GuestForbidden, "This server has no guests.")
	}
	user, err := s.newName(ctx, "")
	if err != nil {
		return account.Session{}, err
	}
	return s.accounts.Create(ctx, account.NewUser{
		User: user, Guest: true, Audited: account.AuditDetail{"way": "guest", "address": c.Addr, "agent": c.Agent},
		SignIn: &account.SignIn{DeviceName: n.DeviceName, Refresh: n.Refresh, Method: "guest", Addr: c.Addr, Agent: c.Agent},
	})
}

// promote makes an account of a guest's.
func (s *Signin) promote(ctx context.Context, user id.UserID, n NewAccount, c Client) (account.Session, error) {
	hash, err := s.hasher.hash(ctx, n.Password)
	if err != nil {
		return account.Session{}, err
	}
	if err := s.accounts.Promote(ctx, user, hash, account.AuditDetail{"way": "guest", "address": c.Addr, "agent": c.Agent}); err != nil || n.Inhibit {
		return account.Session{User: user}, err
	}
	return s.accounts.SignIn(ctx, account.SignIn{User: user, Device: n.DeviceID, DeviceName: n.DeviceName, Refresh: n.Refresh,
		Method: "registration", Addr: c.Addr, Agent: c.Agent})
}

// RegisterFor makes an account that an application service asked for and may have. It has no password.
func (s *Signin) RegisterFor(ctx context.Context, user id.UserID, n NewAccount, c Client) (account.Session, error) {
	taken, err := s.accounts.Taken(ctx, user)
	if err != nil {
		return account.Session{}, err
	}
	if taken {
		return account.Session{}, fault.New(fault.UserInUse, "This user name is taken.")
	}
	u := account.NewUser{User: user, Audited: account.AuditDetail{"way": "application_service", "address": c.Addr, "agent": c.Agent}}
	if !n.Inhibit {
		u.SignIn = &account.SignIn{Device: n.DeviceID, DeviceName: n.DeviceName, Refresh: n.Refresh, Method: "registration", Addr: c.Addr, Agent: c.Agent}
	}
	return s.accounts.Create(ctx, u)
}

// LoginFor signs in a person of an application service, who exists.
func (s *Signin) LoginFor(ctx context.Context, user id.UserID, l Login, c Client) (account.Session, error) {
	return s.accounts.SignIn(ctx, account.SignIn{User: user, Device: l.DeviceID, DeviceName: l.DeviceName, Refresh: l.Refresh,
		Method: "application_service", Addr: c.Addr, Agent: c.Agent})
}

// Identify turns what a client calls a person into a user id; empty if it called nobody.
func (s *Signin) Identify(ctx context.Context, l Login) (id.UserID, error) {
	return s.identify(ctx, l.Identifier, l.User)
}

// newName is the user id of a wished name, or one that is made up.
func (s *Signin) newName(ctx context.Context, username string) (id.UserID, error) {
	if username != "" {
		return s.free(ctx, username)
	}
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails
	return s.accounts.UserID("u" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))), nil
}

func (s *Signin) create(ctx context.Context, u account.NewUser, n NewAccount, way string, c Client) (account.Session, error) {
	hash, err := s.hasher.hash(ctx, n.Password)
	if err != nil {
		return account.Session{}, err
	}
	u.Password = hash
	u.Audited = account.AuditDetail{"way": way, "address": c.Addr, "agent": c.Agent}
	if !n.Inhibit {
		u.SignIn = &account.SignIn{Device: n.DeviceID, DeviceName: n.DeviceName, Refresh: n.Refresh, Method: "registration", Addr: c.Addr, Agent: c.Agent}
	}
	return s.accounts.Create(ctx, u)
}

// CreateUser makes an account without signing anybody in, for administrative tools in this process.
func (s *Signin) CreateUser(ctx context.Context, username, password, displayName string, admin bool) (id.UserID, error) {
	user, err := s.free(ctx, username)
	if err != nil {
		return "", err
	}
	n := NewAccount{Password: password, Inhibit: true}
	_, err = s.create(ctx, account.NewUser{User: user, Admin: admin, DisplayName: displayName}, n, "administration", Client{})
	return user, err
}

// ToolAccount is the body of POST /_synapse/admin/v1/register, by which tools that hold the shared secret
// make accounts.
type ToolAccount struct {
	Nonce       string      `json:"nonce"`
	Username    string      `json:"username"`
	DisplayName string      `json:"displayname"`
	Password    string      `json:"password"`
	Admin       bool        `json:"admin"`
	UserType    string      `json:"user_type"`
	MAC         string      `json:"mac"`
	DeviceID    id.DeviceID `json:"device_id"`
	Inhibit     bool        `json:"inhibit_login"`
}

// nonceLasts is how long a nonce is good.
const nonceLasts = time.Minute

const nonceUse = "registration nonce"

func (s *Signin) tools() error {
	if s.o.Secret == "" {
		return fault.New(fault.Unrecognized, "Registration by shared secret is not served.")
	}
	return nil
}

// Nonce makes a nonce for ToolRegister. Like a session of Confirm it is the sealed time, so that nothing is
// kept; a second use fails because the name is taken by then.
func (s *Signin) Nonce(ctx context.Context) (string, error) {
	if err := s.tools(); err != nil {
		return "", err
	}
	b, err := s.o.Seal.Seal(ctx, seal.Server, nonceUse, strconv.AppendInt(nil, s.clock().Add(nonceLasts).UnixMilli(), 10))
	return base64.RawURLEncoding.EncodeToString(b), err
}

func (s *Signin) goodNonce(ctx context.Context, nonce string) bool {
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil {
		return false
	}
	if b, err = s.o.Seal.Open(ctx, seal.Server, nonceUse, b); err != nil {
		return false
	}
	until, err := strconv.ParseInt(string(b), 10, 64)
	return err == nil && s.clock().UnixMilli() <= until
}

// ToolRegister makes an account for a tool that proves to hold the shared secret.
func (s *Signin) ToolRegister(ctx context.Context, t ToolAccount, c Client) (account.Session, error) {
	if err := s.tools(); err != nil {
		return account.Session{}, err
	}
	for _, v := range []string{t.Nonce, t.Username, t.Password, t.MAC} {
		if v == "" {
			return account.Session{}, fault.New(fault.MissingParam, "nonce, username, password and mac are needed.")
		}
	}
	if strings.ContainsRune(t.Username+t.Password, 0) || len(t.Password) > maxPassword {
		return account.Session{}, fault.New(fault.InvalidParam, "The user name or password is not valid.")
	}
	if !s.goodNonce(ctx, t.Nonce) {
		return account.Session{}, fault.New(fault.Unknown, "The nonce is not known or has expired.").WithStatus(400)
	}
	if got, err := hex.DecodeString(t.MAC); err != nil || !hmac.Equal(got, toolMAC(s.o.Secret, t)) {
		s.attempts.WithLabelValues("shared_secret", "refused").Inc()
		return account.Session{}, fault.New(fault.Forbidden, "The MAC is wrong.")
	}
	s.attempts.WithLabelValues("shared_secret", "done").Inc()
	user, err := s.free(ctx, t.Username)
	if err != nil {
		return account.Session{}, err
	}
	n := NewAccount{Password: t.Password, DeviceID: t.DeviceID, Inhibit: t.Inhibit}
	return s.create(ctx, account.NewUser{User: user, Admin: t.Admin, DisplayName: t.DisplayName}, n, "shared_secret", c)
}

// toolMAC is the MAC as Synapse's documentation gives it.
func toolMAC(secret string, t ToolAccount) []byte {
	m := hmac.New(sha1.New, []byte(secret))
	admin := "notadmin"
	if t.Admin {
		admin = "admin"
	}
	parts := []string{t.Nonce, t.Username, t.Password, admin}
	if t.UserType != "" {
		parts = append(parts, t.UserType)
	}
	_, _ = m.Write([]byte(strings.Join(parts, "\x00")))
	return m.Sum(nil)
}
