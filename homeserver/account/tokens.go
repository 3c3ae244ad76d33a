package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
)

// Tokens are 32 random bytes behind a prefix that secret scanners can find. Only their hash is stored.
const (
	accessPrefix  = "mya_"
	refreshPrefix = "myr_"
)

func newToken(prefix string) (token string, hash [sha256.Size]byte) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	token = prefix + base64.RawURLEncoding.EncodeToString(b[:])
	return token, sha256.Sum256([]byte(token))
}

// newID is a random positive number.
func newID() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return int64(binary.LittleEndian.Uint64(b[:])>>1) | 1 //nolint:gosec // 63 bits
}

// NewDeviceID makes a device id.
func NewDeviceID() id.DeviceID {
	var b [10]byte
	_, _ = rand.Read(b[:])
	for i := range b {
		b[i] = 'A' + b[i]%26
	}
	return id.DeviceID(b[:])
}

// SignIn is a sign-in that was proved.
type SignIn struct {
	User       id.UserID
	Device     id.DeviceID // empty: a new one
	DeviceName string      // for a new device
	Refresh    bool        // give a refresh token and let the access token expire
	Method     string      // how it was proved, for the audit log
	Addr       string      // where from
	Agent      string
}

// Session is what a client gets to work with.
type Session struct {
	User         id.UserID
	Device       id.DeviceID
	AccessToken  string
	RefreshToken string // empty: none, and the access token does not expire
	ExpiresIn    int64  // milliseconds; 0: does not expire
}

// signing is a sign-in whose random parts and seals are made, ready for a transaction.
type signing struct {
	a        *Accounts
	in       SignIn
	session  Session
	token    tokenRow
	name     []byte
	seenFrom []byte
}

type tokenRow struct {
	id      int64
	access  [sha256.Size]byte
	refresh any // []byte or nil
	expires int64
	parent  int64
}

func (a *Accounts) newSigning(ctx context.Context, in SignIn) (*signing, error) {
	if in.Device == "" {
		in.Device = NewDeviceID()
	}
	if err := checkDeviceID(in.Device); err != nil {
		return nil, err
	}
	s := &signing{a: a, in: in}
	s.session, s.token = a.newSession(in.User, in.Device, in.Refresh)
	var err error
	if in.DeviceName != "" {
		if s.name, err = a.sealed(ctx, in.User, "device-name", []byte(cut(in.DeviceName, maxDeviceName))); err != nil {
			return nil, err
		}
	}
	s.seenFrom, err = a.sealSeen(ctx, in.User, in.Addr, in.Agent)
	return s, err
}

func (a *Accounts) newSession(user id.UserID, device id.DeviceID, refresh bool) (Session, tokenRow) {
	s := Session{User: user, Device: device}
	row := tokenRow{id: newID()}
	s.AccessToken, row.access = newToken(accessPrefix)
	if refresh {
		var h [sha256.Size]byte
		s.RefreshToken, h = newToken(refreshPrefix)
		row.refresh = h[:]
		row.expires = a.now() + a.o.TokenLifetime.Milliseconds()
		s.ExpiresIn = a.o.TokenLifetime.Milliseconds()
	}
	return s, row
}

// run writes the device and its token; it replaces the tokens that the device had.
func (s *signing) run(tx *db.Tx) error {
	a, in := s.a, s.in
	now := a.now()
	n, err := tx.Exec(`insert into account_devices (user_id, device_id, name, created, seen, seen_from)
		values ($1, $2, $3, $4, $4, $5) on conflict do nothing`,
		string(in.User), string(in.Device), s.name, now, s.seenFrom)
	if err != nil {
		return fmt.Errorf("insert device: %w", err)
	}
	if n == 0 {
		if err := a.dropTokens(tx, in.User, in.Device); err != nil {
			return err
		}
	} else {
		a.changed(tx, Change{Kind: DeviceList, User: in.User, Key: string(in.Device)})
	}
	if err := insertToken(tx, in.User, in.Device, s.token, now); err != nil {
		return err
	}
	a.o.Audit.Append(tx, audit.Entry{Act: audit.SignIn, Who: in.User, Device: in.Device, Outcome: audit.Done,
		Detail: AuditDetail{"method": in.Method, "address": in.Addr, "agent": in.Agent, "new_device": n > 0}})
	return nil
}

func insertToken(tx *db.Tx, user id.UserID, device id.DeviceID, t tokenRow, now int64) error {
	_, err := tx.Exec(`insert into account_tokens (token_id, access_hash, refresh_hash, user_id, device_id, created, expires, parent)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		t.id, t.access[:], t.refresh, string(user), string(device), now, t.expires, t.parent)
	if err != nil {
		return fmt.Errorf("insert token: %w", err)
	}
	return nil
}

// dropTokens removes a device's tokens, if it has any.
func (a *Accounts) dropTokens(tx *db.Tx, user id.UserID, device id.DeviceID) error {
	n, err := tx.Exec(`delete from account_tokens where user_id = $1 and device_id = $2`, string(user), string(device))
	if err != nil {
		return fmt.Errorf("remove tokens: %w", err)
	}
	if n > 0 {
		a.revoke(tx, user, device)
	}
	return nil
}

// SignIn makes a session for a person who proved who they are. The fault is M_USER_DEACTIVATED or
// M_USER_LOCKED if the account may not sign in.
func (a *Accounts) SignIn(ctx context.Context, in SignIn) (Session, error) {
	s, err := a.newSigning(ctx, in)
	if err != nil {
		return Session{}, err
	}
	err = a.write(ctx, "sign in", in.User, func(tx *db.Tx) error {
		if err := mayUse(tx, in.User); err != nil {
			return err
		}
		return s.run(tx)
	})
	if err != nil {
		return Session{}, err
	}
	return s.session, nil
}

// mayUse checks the state of an account inside a write.
func mayUse(tx *db.Tx, user id.UserID) error {
	var state State
	err := tx.QueryRow(`select state from account_users where user_id = $1`, string(user)).Scan(&state)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return noUser()
	case err != nil:
		return fmt.Errorf("load account: %w", err)
	case state == Locked:
		return fault.New(fault.UserLocked, "This account is locked.")
	case state != Active:
		return fault.New(fault.UserDeactivated, "This account was deactivated.")
	}
	return nil
}

// Authenticate finds the caller of an access token. It is a look-up in memory for tokens used lately. The
// fault is M_UNKNOWN_TOKEN, with soft_logout if a refresh token is still good.
func (a *Accounts) Authenticate(ctx context.Context, token string) (access.Who, error) {
	if err := a.fresh(ctx); err != nil {
		return access.Who{}, err
	}
	hash := sha256.Sum256([]byte(token))
	s := a.sessions.get(hash)
	if s == nil {
		var err error
		if s, err = a.loadSession(ctx, hash); err != nil {
			return access.Who{}, err
		}
	}
	if s.expires != 0 && a.now() >= s.expires {
		return access.Who{}, fault.New(fault.UnknownToken, "The access token has expired.").With("soft_logout", true)
	}
	return s.who, nil
}

func (a *Accounts) loadSession(ctx context.Context, hash [sha256.Size]byte) (*session, error) {
	generation := a.sessions.generation.Load()
	s := &session{hash: hash}
	var parent, admin, guest, suspended, seen int64
	var state State
	err := a.db.QueryRow(ctx, `select t.token_id, t.user_id, t.device_id, t.expires, t.parent, u.state, u.admin, u.guest, u.suspended,
			case when d.seen_from is null then 0 else d.seen end
		from account_tokens t join account_users u on u.user_id = t.user_id
		left join account_devices d on d.user_id = t.user_id and d.device_id = t.device_id where t.access_hash = $1`, hash[:]).
		Scan(&s.who.Token, &s.who.User, &s.who.Device, &s.expires, &parent, &state, &admin, &guest, &suspended, &seen)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && state != Active && state != Locked:
		return nil, fault.New(fault.UnknownToken, "The access token is not known.").With("soft_logout", false)
	case err != nil:
		return nil, fmt.Errorf("load session: %w", err)
	}
	s.who.Admin, s.who.Guest, s.who.Locked, s.who.Suspended = admin != 0, guest != 0, state == Locked, suspended != 0
	if parent != 0 && (s.expires == 0 || a.now() < s.expires) {
		if err := a.retire(ctx, s.who, parent); err != nil {
			return nil, err
		}
		return s, nil // the next request remembers it
	}
	a.sessions.put(s, generation)
	a.seen.known(s.who, seen)
	return s, nil
}

// retire ends the tokens that a session was refreshed from, at its first use.
func (a *Accounts) retire(ctx context.Context, who access.Who, parent int64) error {
	return a.write(ctx, "retire token", who.User, func(tx *db.Tx) error {
		return a.retireParent(tx, who.User, who.Device, who.Token, parent)
	})
}

func (a *Accounts) retireParent(tx *db.Tx, user id.UserID, device id.DeviceID, token, parent int64) error {
	if _, err := tx.Exec(`update account_tokens set parent = 0 where token_id = $1`, token); err != nil {
		return fmt.Errorf("retire token: %w", err)
	}
	_, err := tx.Exec(`delete from account_tokens where token_id = $1 or parent = $1`, parent)
	if err != nil {
		return fmt.Errorf("retire token: %w", err)
	}
	a.revoke(tx, user, device)
	return nil
}

// Refresh makes new tokens for a refresh token. The old ones work until the new ones are first used
// (section "Refreshing access tokens").
func (a *Accounts) Refresh(ctx context.Context, refreshToken string) (Session, error) {
	hash := sha256.Sum256([]byte(refreshToken))
	unknown := fault.New(fault.UnknownToken, "The refresh token is not known or was used already.").With("soft_logout", false)
	var user, device string
	err := a.db.QueryRow(ctx, `select user_id, device_id from account_tokens where refresh_hash = $1`, hash[:]).Scan(&user, &device)
	if errors.Is(err, sql.ErrNoRows) {
		return Session{}, unknown
	} else if err != nil {
		return Session{}, fmt.Errorf("load refresh token: %w", err)
	}
	who := access.Who{User: id.UserID(user), Device: id.DeviceID(device)}
	s, row := a.newSession(who.User, who.Device, true)
	err = a.write(ctx, "refresh token", who.User, func(tx *db.Tx) error {
		if err := mayUse(tx, who.User); err != nil {
			return err
		}
		var token, parent int64
		err := tx.QueryRow(`select token_id, parent from account_tokens where refresh_hash = $1`, hash[:]).Scan(&token, &parent)
		if errors.Is(err, sql.ErrNoRows) {
			return unknown
		} else if err != nil {
			return fmt.Errorf("load refresh token: %w", err)
		}
		if parent != 0 {
			if err := a.retireParent(tx, who.User, who.Device, token, parent); err != nil {
				return err
			}
		}
		row.parent = token
		return insertToken(tx, who.User, who.Device, row, a.now())
	})
	if err != nil {
		return Session{}, err
	}
	return s, nil
}

// SignOut ends the caller's session and removes its device.
func (a *Accounts) SignOut(ctx context.Context, who access.Who) error {
	return a.write(ctx, "sign out", who.User, func(tx *db.Tx) error {
		a.o.Audit.Append(tx, audit.Entry{Act: audit.SignOut, Who: who.User, Device: who.Device, Outcome: audit.Done})
		return a.removeDevice(tx, who.User, who.Device)
	})
}

// SignOutAll ends all sessions of the caller and removes all devices.
func (a *Accounts) SignOutAll(ctx context.Context, who access.Who) error {
	return a.write(ctx, "sign out everywhere", who.User, func(tx *db.Tx) error {
		a.o.Audit.Append(tx, audit.Entry{Act: audit.SignOut, Who: who.User, Device: who.Device, Outcome: audit.Done,
			Detail: AuditDetail{"all": true}})
		return a.removeDevices(tx, who.User, func(id.DeviceID) bool { return true })
	})
}
