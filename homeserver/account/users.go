package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/mail"
	"github.com/myelin-health/myelin/seal"
)

// State is the state of an account.
type State int64

// The states of an account.
const (
	Active      State = 0
	Locked      State = 1 // may only sign out; an administrator unlocks it
	Deactivated State = 2 // for good; the name stays taken
	Erased      State = 3 // deactivated, and what it sealed is unreadable
)

// User is an account.
type User struct {
	ID       id.UserID
	Password string // argon2id in PHC form, empty: none
	State    State
	Admin    bool
	Guest    bool
	// Suspended: may read, leave and put their own things in order, and do nothing to others.
	Suspended bool
	Created   int64 // milliseconds
}

// Gone reports whether the account was deactivated.
func (u User) Gone() bool { return u.State == Deactivated || u.State == Erased }

// NewUser is an account to be made.
type NewUser struct {
	User        id.UserID
	Password    string // hashed
	Admin       bool
	Guest       bool
	DisplayName string
	Audited     AuditDetail // of the entry about the registration
	SignIn      *SignIn     // a device that is signed in at once; nil: none
	Address     *NewAddress // that was proved; nil: none
}

// AuditDetail is the personal payload of an audit entry.
type AuditDetail = map[string]any

// Server is the name of the account that speaks for the server. Nobody can register it, and it is not found by people.
const Server = "_server"

// CheckLocalpart returns the localpart that a wished user name becomes (capitals are lowered) or a fault.
// The grammar is that of the appendices, section "User Identifiers"; a leading underscore is reserved for
// application services.
func (a *Accounts) CheckLocalpart(name string) (string, error) {
	name = strings.ToLower(name)
	if id.ValidateUserLocalpart(name) != nil {
		return "", fault.New(fault.InvalidUsername, "User names may contain a-z, 0-9 and . _ = - / + only.")
	}
	if name[0] == '_' {
		return "", fault.New(fault.InvalidUsername, "User names may not begin with an underscore.")
	}
	if len(a.UserID(name)) > id.UserIDMaxLength {
		return "", fault.New(fault.InvalidUsername, "The user name is too long.")
	}
	return name, nil
}

// Create makes an account and, if it says so, signs a device in. The fault is M_USER_IN_USE if the name
// is or was taken.
func (a *Accounts) Create(ctx context.Context, n NewUser) (Session, error) {
	profile, err := a.sealProfile(ctx, n.User, Profile{DisplayName: n.DisplayName})
	if err != nil {
		return Session{}, err
	}
	var s *signing
	if n.SignIn != nil {
		n.SignIn.User = n.User
		if s, err = a.newSigning(ctx, *n.SignIn); err != nil {
			return Session{}, err
		}
	}
	address := func(*db.Tx) error { return nil }
	if n.Address != nil {
		if address, err = a.adding(ctx, n.User, "", *n.Address); err != nil {
			return Session{}, err
		}
	}
	now := a.now()
	err = a.write(ctx, "create account", n.User, func(tx *db.Tx) error {
		rows, err := tx.Exec(`insert into account_users (user_id, password, state, admin, guest, created, profile)
			values ($1, $2, 0, $3, $4, $5, $6) on conflict do nothing`,
			string(n.User), nullText(n.Password), flag(n.Admin), flag(n.Guest), now, profile)
		if err != nil {
			return fmt.Errorf("insert account: %w", err)
		}
		if rows == 0 {
			return fault.New(fault.UserInUse, "This user name is taken.")
		}
		a.o.Audit.Append(tx, audit.Entry{Act: audit.Register, Who: n.User, Outcome: audit.Done, Detail: n.Audited})
		a.touch(tx, n.User)
		if !n.Guest {
			tx.After(func() { a.directory.put(n.User, Profile{DisplayName: n.DisplayName}) })
		}
		if err := address(tx); err != nil {
			return err
		}
		if s != nil {
			return s.run(tx)
		}
		return nil
	})
	if err != nil || s == nil {
		return Session{User: n.User}, err
	}
	return s.session, nil
}

// User returns an account, deactivated ones too. The fault is M_NOT_FOUND if there is none.
func (a *Accounts) User(ctx context.Context, user id.UserID) (User, error) {
	u := User{ID: user}
	var password sql.NullString
	var admin, guest, suspended int64
	err := a.db.QueryRow(ctx, `select password, state, admin, guest, suspended, created from account_users where user_id = $1`, string(user)).
		Scan(&password, &u.State, &admin, &guest, &suspended, &u.Created)
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, noUser()
	} else if err != nil {
		return User{}, fmt.Errorf("load account: %w", err)
	}
	u.Password, u.Admin, u.Guest, u.Suspended = password.String, admin != 0, guest != 0, suspended != 0
	return u, nil
}

func noUser() error { return fault.New(fault.NotFound, "There is no such user here.") }

// Exists reports whether there is an account of that name that is not deactivated.
func (a *Accounts) Exists(ctx context.Context, user id.UserID) (bool, error) {
	if !a.Local(user) {
		return false, nil
	}
	u, err := a.User(ctx, user)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil && !u.Gone(), err
}

// MayWrite returns a fault when an account may not write: it is locked, suspended or gone.
func (a *Accounts) MayWrite(ctx context.Context, user id.UserID) error {
	u, err := a.User(ctx, user)
	switch {
	case err != nil:
		return err
	case u.State == Locked:
		return fault.New(fault.UserLocked, "This account is locked.")
	case u.Gone():
		return fault.New(fault.UserDeactivated, "This account was deactivated.")
	case u.Suspended:
		return fault.New(fault.UserSuspended, "This account is suspended.")
	}
	return nil
}

// Taken reports whether a name is or was in use.
func (a *Accounts) Taken(ctx context.Context, user id.UserID) (bool, error) {
	_, err := a.User(ctx, user)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// SetPassword replaces the password hash; links for a new password that wait work no more. If others is set, every device but
// keep is signed out and removed.
func (a *Accounts) SetPassword(ctx context.Context, user id.UserID, hash string, keep id.DeviceID, others bool, audited AuditDetail) error {
	return a.write(ctx, "set password", user, func(tx *db.Tx) error {
		n, err := tx.Exec(`update account_users set password = $2 where user_id = $1 and state in (0, 1)`, string(user), hash)
		if err != nil {
			return fmt.Errorf("set password: %w", err)
		}
		if n == 0 {
			return noUser()
		}
		if err := a.proofsEnd(tx, user, mail.Resetting); err != nil {
			return err
		}
		a.o.Audit.Append(tx, audit.Entry{Act: audit.PasswordChange, Who: user, Device: keep, Outcome: audit.Done,
			Detail: audited})
		if !others {
			return nil
		}
		return a.removeDevices(tx, user, func(d id.DeviceID) bool { return d != keep })
	})
}

// Promote gives a guest an account of their own.
func (a *Accounts) Promote(ctx context.Context, guest id.UserID, hash string, audited AuditDetail) error {
	return a.write(ctx, "promote guest", guest, func(tx *db.Tx) error {
		n, err := tx.Exec(`update account_users set guest = 0, password = $2 where user_id = $1 and guest = 1 and state = 0`, string(guest), hash)
		if err != nil {
			return fmt.Errorf("promote guest: %w", err)
		}
		if n == 0 {
			return noUser()
		}
		a.o.Audit.Append(tx, audit.Entry{Act: audit.Register, Who: guest, Outcome: audit.Done, Detail: audited})
		a.revoke(tx, guest, "")
		a.touch(tx, guest)
		tx.After(func() { a.directory.stale(guest) })
		return nil
	})
}

// SetState locks or unlocks an account; by is the administrator.
func (a *Accounts) SetState(ctx context.Context, user, by id.UserID, state State) error {
	if state != Active && state != Locked {
		return fmt.Errorf("set state of an account to %d: not for this function", state)
	}
	return a.moderate(ctx, user, by, `update account_users set state = $2 where user_id = $1 and state in (0, 1)`,
		int64(state), AuditDetail{"locked": state == Locked})
}

// SetSuspended suspends an account or ends that; by is the administrator.
func (a *Accounts) SetSuspended(ctx context.Context, user, by id.UserID, suspended bool) error {
	return a.moderate(ctx, user, by, `update account_users set suspended = $2 where user_id = $1 and state in (0, 1)`,
		flag(suspended), AuditDetail{"suspended": suspended})
}

func (a *Accounts) moderate(ctx context.Context, user, by id.UserID, update string, value int64, what AuditDetail) error {
	return a.write(ctx, "moderate account", user, func(tx *db.Tx) error {
		n, err := tx.Exec(update, string(user), value)
		if err != nil {
			return fmt.Errorf("moderate account: %w", err)
		}
		if n == 0 {
			return noUser()
		}
		a.o.Audit.Append(tx, audit.Entry{Act: audit.Admin, Who: by, Target: string(user), Outcome: audit.Done, Detail: what})
		a.revoke(tx, user, "")
		return nil
	})
}

// Deactivate ends an account for good: it can no longer sign in, its devices, profile and account data
// are removed. With erase, what is sealed for the person becomes unreadable too. Repeating it completes
// what an earlier call left undone.
func (a *Accounts) Deactivate(ctx context.Context, user id.UserID, device id.DeviceID, erase bool) error {
	state := Deactivated
	if erase {
		state = Erased
	}
	err := a.write(ctx, "deactivate account", user, func(tx *db.Tx) error {
		n, err := tx.Exec(`update account_users set state = $2, password = null, admin = 0, profile = null where user_id = $1`,
			string(user), int64(state))
		if err != nil {
			return fmt.Errorf("deactivate account: %w", err)
		}
		if n == 0 {
			return noUser()
		}
		if err := a.proofsEnd(tx, user); err != nil {
			return err
		}
		for _, q := range []string{`delete from account_data where user_id = $1`, `delete from account_filters where user_id = $1`, `delete from account_grants where user_id = $1`,
			`delete from account_addresses where user_id = $1`} {
			if _, err := tx.Exec(q, string(user)); err != nil {
				return fmt.Errorf("remove account data: %w", err)
			}
		}
		if err := a.removeDevices(tx, user, func(id.DeviceID) bool { return true }); err != nil {
			return err
		}
		a.o.Audit.Append(tx, audit.Entry{Act: audit.Deactivate, Who: user, Device: device, Outcome: audit.Done,
			Detail: AuditDetail{"erase": erase}})
		if erase { // without details, which the erasure would take along
			a.o.Audit.Append(tx, audit.Entry{Act: audit.Erase, Who: user, Device: device, Target: string(user), Outcome: audit.Done})
		}
		a.revoke(tx, user, "")
		tx.After(func() {
			a.directory.remove(user)
			a.ignored.forget(user)
		})
		return nil
	})
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if a.o.Deactivated != nil {
		if err := a.o.Deactivated(ctx, user, erase); err != nil {
			return fmt.Errorf("leave rooms: %w", err)
		}
	}
	if erase {
		if err := a.seal.Destroy(ctx, seal.Person(user)); err != nil {
			return fmt.Errorf("destroy the person's key: %w", err)
		}
	}
	return nil
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func nullText(s string) any {
	if s == "" {
		return nil
	}
	return s
}
