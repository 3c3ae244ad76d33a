// Package access says who may do what: the rule every HTTP route names, and who a request comes from
// once its token was accepted.
//
// It does not authenticate (homeserver/account does) and it does not know rooms: what a member may do in
// a room is decided by the room's power levels.
package access

import "maunium.net/go/mautrix/id"

// Rule is the access rule of a route. The zero Rule is no rule and is refused when the route is added.
type Rule string

const (
	// Public: anybody, a token is not looked at.
	Public Rule = "public"
	// User: any signed-in account that is not a guest.
	User Rule = "user"
	// UserOrGuest: any signed-in account.
	UserOrGuest Rule = "user_or_guest"
	// UserOrNobody: a token is optional, but one that is sent must be valid.
	UserOrNobody Rule = "user_or_nobody"
	// Acting: like User, but not an account that is suspended, which may only read, leave and put its own things in order.
	Acting Rule = "acting"
	// ActingOrGuest: like UserOrGuest, but not an account that is suspended.
	ActingOrGuest Rule = "acting_or_guest"
	// Locked: like User, and also an account that is locked (it may sign out).
	Locked Rule = "locked"
	// Admin: a signed-in administrator of this server.
	Admin Rule = "admin"
	// SharedSecret: no token; the handler checks a MAC under a configured secret.
	SharedSecret Rule = "shared_secret"
)

// Valid reports whether r is one of the rules.
func (r Rule) Valid() bool {
	switch r {
	case Public, User, UserOrGuest, UserOrNobody, Acting, ActingOrGuest, Locked, Admin, SharedSecret:
		return true
	}
	return false
}

// Token reports whether the rule looks at an access token at all.
func (r Rule) Token() bool { return r != Public && r != SharedSecret }

// Who is the caller of a request. The zero Who is nobody.
type Who struct {
	User      id.UserID
	Device    id.DeviceID
	Token     int64 // row id of the access token; 0 for nobody
	Guest     bool
	Admin     bool
	Locked    bool   // the account is locked: only what a Locked rule allows
	Suspended bool   // the account is suspended: nothing that an Acting rule guards
	Service   string // id of the application service that asks in this person's name; empty: none
	Unlimited bool   // no rate limits
}

// Nobody reports whether the request carried no token.
func (w Who) Nobody() bool { return w.User == "" }

// Decision is the answer to whether a caller satisfies a rule.
type Decision int

const (
	// Allowed: go on.
	Allowed Decision = iota
	// NoToken: a token is needed and was not sent.
	NoToken
	// NotGuest: guests may not.
	NotGuest
	// NotAdmin: only administrators may.
	NotAdmin
	// IsLocked: the account is locked.
	IsLocked
	// IsSuspended: the account is suspended.
	IsSuspended
)

// Decide says whether w satisfies r.
func (r Rule) Decide(w Who) Decision {
	switch {
	case !r.Token():
		return Allowed
	case w.Nobody():
		if r == UserOrNobody {
			return Allowed
		}
		return NoToken
	case w.Locked && r != Locked:
		return IsLocked
	case r == Admin && !w.Admin:
		return NotAdmin
	case w.Suspended && (r == Acting || r == ActingOrGuest):
		return IsSuspended
	case w.Guest && r != UserOrGuest && r != ActingOrGuest && r != UserOrNobody && r != Locked:
		return NotGuest
	}
	return Allowed
}
