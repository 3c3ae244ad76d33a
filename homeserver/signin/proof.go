package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/mail"
	"github.com/myelin-health/myelin/rest"
	"github.com/myelin-health/myelin/seal"
)

// Purpose is what the proof of an e-mail address is good for. Each is also the kind of its letter.
type Purpose = mail.Kind

// Ask is a request for a letter by which somebody proves to read an e-mail address (definition RequestEmailValidation).
type Ask struct {
	Secret  string `json:"client_secret"`
	Email   string `json:"email"`
	Attempt *int64 `json:"send_attempt"`
}

// Mails reports whether the server sends e-mail.
func (s *Signin) Mails() bool { return s.o.Mail != nil }

func noMail() error {
	return fault.New(fault.ThreepidDenied, "This server does not take e-mail addresses or telephone numbers.")
}

// RequestProof sends a letter with a token to an address and returns the id of the proof. lang is the header
// Accept-Language. The answer is the same whether or not an account has the address: where that is an obstacle, the letter
// says so to who reads it.
func (s *Signin) RequestProof(ctx context.Context, p Purpose, ask Ask, lang string, c Client) (string, error) {
	switch {
	case s.o.Mail == nil:
		return "", noMail()
	case p == mail.Registering && s.o.Registration != Open && s.o.Registration != Token:
		return "", closed()
	}
	if ask.Secret == "" || ask.Email == "" || ask.Attempt == nil {
		return "", fault.New(fault.MissingParam, "client_secret, email and send_attempt are needed.")
	}
	if !opaque(ask.Secret) {
		return "", fault.New(fault.InvalidParam, "client_secret has characters that it may not have, or too many.")
	}
	address, err := mail.ParseAddress(ask.Email)
	if err != nil {
		return "", err
	}
	hash, err := s.accounts.AddressHash(ctx, address)
	if err != nil {
		return "", err
	}
	secret := sha256.Sum256([]byte(ask.Secret))
	if sid, err := s.asked(ctx, p, hash, secret[:], *ask.Attempt); sid != "" || err != nil {
		return sid, err
	}
	letter, err := s.letter(ctx, p, address, lang)
	if err != nil {
		return "", err
	}
	token := random()
	if letter.Kind == p {
		letter.Token = token
	}
	ready, err := s.o.Mail.Prepare(ctx, letter, rest.Network(c.Addr))
	if err != nil {
		return "", err
	}
	return s.keepProof(ctx, proof{purpose: p, address: hash, secret: secret[:], attempt: *ask.Attempt}, address, token, ready)
}

// opaque is the grammar of secrets and ids of proofs.
func opaque(s string) bool {
	return len(s) <= 255 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune(".=_-", r)
	})
}

func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// letter is what is written to an address: the token's letter, or that the purpose cannot be reached with it.
func (s *Signin) letter(ctx context.Context, p Purpose, address mail.Address, lang string) (mail.Letter, error) {
	l := mail.Letter{To: address, Kind: p, Lang: lang}
	owner, err := s.accounts.AddressOwner(ctx, address)
	switch known := err == nil; {
	case err != nil && !fault.Is(err, fault.ThreepidNotFound):
		return l, err
	case known && p != mail.Resetting:
		l.Kind = mail.Taken
	case !known && p == mail.Resetting:
		l.Kind = mail.Stranger
	}
	l.User = owner
	return l, nil
}

// proof is what is asked for.
type proof struct {
	purpose Purpose
	address string // hash
	secret  []byte // hash
	attempt int64
}

// asked is the id of a proof for which no further letter is wanted or needed; empty: one is.
func (s *Signin) asked(ctx context.Context, p Purpose, address string, secret []byte, attempt int64) (sid string, err error) {
	err = s.o.DB.QueryRow(ctx, `select sid from signin_proofs where purpose = $1 and address = $2 and secret = $3 and expires > $4
		and (attempt >= $5 or validated > 0)`, string(p), address, secret, s.clock().UnixMilli(), attempt).Scan(&sid)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	} else if err != nil {
		return "", fmt.Errorf("look up a proof: %w", err)
	}
	return sid, nil
}

// keepProof stores a proof together with its letter. A further letter for the same proof makes the token of the one before
// useless.
func (s *Signin) keepProof(ctx context.Context, p proof, address mail.Address, token string, letter *mail.Prepared) (string, error) {
	hash := sha256.Sum256([]byte(token))
	body, err := s.o.Seal.Seal(ctx, seal.Server, proofUse, []byte(address))
	if err != nil {
		return "", fmt.Errorf("seal an address: %w", err)
	}
	var sid string
	err = s.o.DB.Write(ctx, "ask for a proof", nil, func(tx *db.Tx) error {
		now := s.clock()
		if err := s.sweep(tx); err != nil {
			return err
		}
		_, err := tx.Exec(`insert into signin_proofs (sid, purpose, address, secret, token, attempt, validated, expires, body)
			values ($1, $2, $3, $4, $5, $6, 0, $7, $8) on conflict (purpose, address, secret) do update
			set token = excluded.token, attempt = excluded.attempt, expires = excluded.expires`,
			random(), string(p.purpose), p.address, p.secret, hash[:], p.attempt, now.Add(mail.Lasts).UnixMilli(), body)
		if err != nil {
			return fmt.Errorf("store a proof: %w", err)
		}
		err = tx.QueryRow(`select sid from signin_proofs where purpose = $1 and address = $2 and secret = $3`, string(p.purpose), p.address, p.secret).Scan(&sid)
		if err != nil {
			return fmt.Errorf("read a proof: %w", err)
		}
		return letter.Put(tx)
	})
	return sid, err
}

// proofUse binds what is sealed to its place.
const proofUse = "signin_proofs"

func unknownProof() error {
	return fault.New(fault.NotFound, "The link is not known, has expired or was replaced by a newer one.")
}

// Proving is what a token of a letter confirms; NotFound when it is not good.
func (s *Signin) Proving(ctx context.Context, token string) (p Purpose, err error) {
	hash := sha256.Sum256([]byte(token))
	err = s.o.DB.QueryRow(ctx, `select purpose from signin_proofs where token = $1 and expires > $2`, hash[:], s.clock().UnixMilli()).Scan((*string)(&p))
	if errors.Is(err, sql.ErrNoRows) {
		return "", unknownProof()
	} else if err != nil {
		return "", fmt.Errorf("look up a proof: %w", err)
	}
	return p, nil
}

// Prove confirms that somebody reads the address to which a token was sent.
func (s *Signin) Prove(ctx context.Context, token string, c Client) error {
	hash := sha256.Sum256([]byte(token))
	return s.o.DB.Write(ctx, "prove an address", nil, func(tx *db.Tx) error {
		now := s.clock().UnixMilli()
		var p Purpose
		var address string
		var before int64
		err := tx.QueryRow(`select purpose, address, validated from signin_proofs where token = $1 and expires > $2`, hash[:], now).Scan((*string)(&p), &address, &before)
		if errors.Is(err, sql.ErrNoRows) {
			return unknownProof()
		} else if err != nil {
			return fmt.Errorf("look up a proof: %w", err)
		}
		if _, err := tx.Exec(`update signin_proofs set validated = $2 where token = $1`, hash[:], now); err != nil {
			return fmt.Errorf("confirm a proof: %w", err)
		}
		if p != mail.Resetting || before > 0 {
			return nil
		}
		return s.record(tx, address, c)
	})
}

// record writes down that the password of the account that has an address, given its hash, can now be set.
func (s *Signin) record(tx *db.Tx, address string, c Client) error {
	var owner id.UserID
	err := tx.QueryRow(`select user_id from account_addresses where hash = $1`, address).Scan((*string)(&owner))
	if errors.Is(err, sql.ErrNoRows) {
		return nil // no password can
	} else if err != nil {
		return fmt.Errorf("look up an address: %w", err)
	}
	s.o.Audit.Append(tx, audit.Entry{Act: audit.TokenMade, Who: owner, Target: "password", Outcome: audit.Done,
		Detail: account.AuditDetail{"way": "mail", "address": c.Addr, "agent": c.Agent}})
	return nil
}

// Sweep forgets proofs that expired.
func (s *Signin) Sweep(ctx context.Context) error {
	return s.o.DB.Write(ctx, "forget proofs", nil, s.sweep)
}

func (s *Signin) sweep(tx *db.Tx) error {
	if _, err := tx.Exec(`delete from signin_proofs where expires <= $1`, s.clock().UnixMilli()); err != nil {
		return fmt.Errorf("forget proofs: %w", err)
	}
	return nil
}

// Credentials name a proof.
type Credentials struct {
	SID    string `json:"sid"`
	Secret string `json:"client_secret"`
}

// proved is the address that was proved for a purpose; ok is false when none was.
func (s *Signin) proved(ctx context.Context, p Purpose, c Credentials) (n account.NewAddress, ok bool, err error) {
	secret := sha256.Sum256([]byte(c.Secret))
	return s.provedBy(ctx, p, `sid = $3 and secret = $4`, c.SID, secret[:])
}

// provedBefore is proved for who showed the credentials before.
func (s *Signin) provedBefore(ctx context.Context, p Purpose, sid string) (account.NewAddress, bool, error) {
	return s.provedBy(ctx, p, `sid = $3`, sid)
}

func (s *Signin) provedBy(ctx context.Context, p Purpose, where string, args ...any) (n account.NewAddress, ok bool, err error) {
	var body []byte
	args = append([]any{string(p), s.clock().UnixMilli()}, args...)
	err = s.o.DB.QueryRow(ctx, `select validated, body from signin_proofs where purpose = $1 and expires > $2 and validated > 0 and `+where, args...).Scan(&n.Validated, &body)
	if errors.Is(err, sql.ErrNoRows) {
		return n, false, nil
	} else if err != nil {
		return n, false, fmt.Errorf("look up a proof: %w", err)
	}
	plain, err := s.o.Seal.Open(ctx, seal.Server, proofUse, body)
	if err != nil {
		return n, false, fmt.Errorf("open an address: %w", err)
	}
	n.Address = mail.Address(plain)
	return n, true, nil
}

// spend ends a proof; ok is false when somebody else was faster.
func (s *Signin) spend(ctx context.Context, sid string) (ok bool, err error) {
	err = s.o.DB.Write(ctx, "spend a proof", nil, func(tx *db.Tx) error {
		n, err := tx.Exec(`delete from signin_proofs where sid = $1`, sid)
		ok = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("spend a proof: %w", err)
	}
	return ok, nil
}

// endProofs ends the proofs of an address, given its hash: those for some purposes, or all.
func endProofs(tx *db.Tx, hash string, of ...Purpose) error {
	var err error
	if len(of) == 0 {
		_, err = tx.Exec(`delete from signin_proofs where address = $1`, hash)
	}
	for _, p := range of {
		if _, e := tx.Exec(`delete from signin_proofs where purpose = $2 and address = $1`, hash, string(p)); e != nil {
			err = e
		}
	}
	if err != nil {
		return fmt.Errorf("end proofs: %w", err)
	}
	return nil
}

// AddAddress adds an address to the account of a person who proved to read it.
func (s *Signin) AddAddress(ctx context.Context, user id.UserID, device id.DeviceID, c Credentials) error {
	if s.o.Mail == nil {
		return noMail()
	}
	address, ok, err := s.proved(ctx, mail.Adding, c)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.ThreepidAuthFailed, "The address was not confirmed, or too long ago.")
	}
	if err := s.accounts.AddAddress(ctx, user, device, address); err != nil {
		return err
	}
	_, err = s.spend(ctx, c.SID)
	return err
}

// NewPassword is the body of POST /account/password.
type NewPassword struct {
	Auth     []byte
	Password string
	SignOut  bool
}

// ResetPassword sets the password of whoever proves to read an address of an account. With SignOut, all devices are signed
// out and removed.
func (s *Signin) ResetPassword(ctx context.Context, n NewPassword, c Client) error {
	if s.o.Mail == nil {
		return fault.New(fault.MissingToken, "Setting a password needs an access token.")
	}
	i, err := s.confirm(ctx, Operation{Name: "reset password", Flows: [][]string{{StageEmail}}, Proof: mail.Resetting}, n.Auth, c)
	if err != nil {
		return err
	}
	if err := s.CheckPassword(n.Password); err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, n.Password)
	if err != nil {
		return err
	}
	late := fault.New(fault.ThreepidAuthFailed, "The address was not confirmed, or is that of no account any more.")
	address, ok, err := s.provedBefore(ctx, mail.Resetting, i.Proof)
	if err != nil {
		return err
	}
	if ok {
		ok, err = s.spend(ctx, i.Proof)
	}
	if err != nil {
		return err
	}
	if !ok {
		return late
	}
	user, err := s.accounts.AddressOwner(ctx, address.Address)
	if fault.Is(err, fault.ThreepidNotFound) {
		return late
	} else if err != nil {
		return err
	}
	return s.accounts.SetPassword(ctx, user, hash, "", n.SignOut, account.AuditDetail{"way": "mail", "devices_removed": n.SignOut, "address": c.Addr, "agent": c.Agent})
}
