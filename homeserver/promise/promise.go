// Package promise keeps invitations to e-mail addresses that belong to nobody yet (client-server API, "Third-party invites")
// and turns them into real ones when somebody with an account proves to have the address.
//
// The server acts as its own identity server here: it writes the letter, signs with its own key, and asks no other. Whoever
// has the address already is invited as by their user id.
package promise

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/mail"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/matrix/event"
)

const (
	typePromise = "m.room.third_party_invite"
	lasts       = 30 * 24 * time.Hour // after which a promise is forgotten
	glance      = time.Minute         // how often promises are looked at without a reason: other processes add addresses
	atOnce      = 100
)

// KeyPath is where others ask whether the key that promises are signed with is still good.
const KeyPath = "/_matrix/identity/v2/pubkey/isvalid"

// Options configures Promises. All but Clock and Log are needed.
type Options struct {
	DB        *db.DB
	Accounts  *account.Accounts
	Rooms     *room.Rooms
	Mail      *mail.Outbox
	Key       event.Key // that promises are signed with
	PublicURL string
	Clock     func() time.Time
	Log       *slog.Logger
}

// Promises are the invitations that wait. It is safe for concurrent use.
type Promises struct {
	o      Options
	db     *db.DB
	log    *slog.Logger
	clock  func() time.Time
	sooner chan struct{} // an address may have got an owner
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// New makes Promises. It keeps none before Start.
func New(o Options) *Promises {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Promises{o: o, db: o.DB, log: o.Log.With("package", "promise"), clock: o.Clock, sooner: make(chan struct{}, 1)}
}

// Good reports whether a public key is the one that promises are signed with.
func (p *Promises) Good(key string) bool { return key == string(p.o.Key.Public()) }

// Invite invites whoever has an address to a room: the person whose it is, or whoever proves to have it within a month, who
// gets a letter. lang is what the letter's language is chosen by. A promise that was made before is not made again, and no
// second letter is written. Faults: those of inviting, InvalidParam for the address, LimitExceeded.
func (p *Promises) Invite(ctx context.Context, sender id.UserID, roomID id.RoomID, text, reason, lang string) error {
	address, err := mail.ParseAddress(text)
	if err != nil {
		return err
	}
	owner, err := p.o.Accounts.AddressOwner(ctx, address)
	if err == nil {
		return p.o.Rooms.Invite(ctx, sender, roomID, owner, reason)
	}
	if !fault.Is(err, fault.ThreepidNotFound) {
		return err
	}
	hash, err := p.o.Accounts.AddressHash(ctx, address)
	if err != nil {
		return err
	}
	if known, err := p.known(ctx, hash, roomID, sender); known || err != nil {
		return err
	}
	letter, err := p.o.Mail.Prepare(ctx, mail.Letter{To: address, Kind: mail.Invited, Lang: lang, By: sender}, string(sender))
	if err != nil {
		return err
	}
	token := newToken()
	if err := p.announce(ctx, sender, roomID, token, address.Veiled()); err != nil {
		return err
	}
	return p.db.Write(ctx, "promise an invitation", nil, func(tx *db.Tx) error {
		now := p.clock()
		_, err := tx.Exec(`insert into promise (token, address, room_id, sender, expires) values ($1, $2, $3, $4, $5)`,
			token, hash, string(roomID), string(sender), now.Add(lasts).UnixMilli())
		if err != nil {
			return fmt.Errorf("store a promise: %w", err)
		}
		return letter.Put(tx)
	})
}

func newToken() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// known reports whether sender promised an address this room before. What was taken back meanwhile is forgotten.
func (p *Promises) known(ctx context.Context, hash string, roomID id.RoomID, sender id.UserID) (bool, error) {
	var token string
	err := p.db.QueryRow(ctx, `select token from promise where address = $1 and room_id = $2 and sender = $3 and expires > $4 order by expires desc limit 1`,
		hash, string(roomID), string(sender), p.clock().UnixMilli()).Scan(&token)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("look up a promise: %w", err)
	}
	r, err := p.o.Rooms.Get(ctx, roomID)
	if err != nil {
		return false, err
	}
	if made := r.State(typePromise, token); made != nil && made.Get("public_key").Str != "" {
		return true, nil
	}
	return false, p.forget(ctx, token)
}

func (p *Promises) forget(ctx context.Context, token string) error {
	return p.db.Write(ctx, "forget a promise", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`delete from promise where token = $1`, token)
		return err
	})
}

// announce writes the promise into the room: the event whose key a later invitation is checked against.
func (p *Promises) announce(ctx context.Context, sender id.UserID, roomID id.RoomID, token, shown string) error {
	key, valid := p.o.Key.Public(), p.o.PublicURL+KeyPath
	content, err := json.Marshal(map[string]any{
		"display_name": shown, "key_validity_url": valid, "public_key": key,
		"public_keys": []map[string]any{{"public_key": key, "key_validity_url": valid}},
	})
	if err != nil {
		return fmt.Errorf("encode a promise: %w", err)
	}
	_, err = p.o.Rooms.Send(ctx, roomID, room.Draft{Type: typePromise, StateKey: &token, Sender: sender, Content: content})
	return err
}

// Start keeps promises until Close, also those whose time came while no process ran.
func (p *Promises) Start(ctx context.Context) {
	ctx, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	p.done.Go(func() { p.run(ctx) })
}

// Close ends that.
func (p *Promises) Close() {
	if p.stop != nil {
		p.stop()
		p.done.Wait()
	}
}

// Hurry looks soon whether a promise can be kept. It does not wait.
func (p *Promises) Hurry() {
	select {
	case p.sooner <- struct{}{}:
	default:
	}
}

func (p *Promises) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.sooner:
		case <-timer.C:
		}
		if err := p.Keep(ctx); err != nil && ctx.Err() == nil {
			p.log.Error("promised invitations were not made", "error", err)
		}
		timer.Reset(glance)
	}
}

// promised is a promise whose address has an owner.
type promised struct {
	token  string
	room   id.RoomID
	sender id.UserID
	owner  id.UserID
}

// Keep invites everybody whose address was promised an invitation, and forgets what is too old.
func (p *Promises) Keep(ctx context.Context) error {
	var failed error
	for after, more := "", true; more; {
		due, err := p.due(ctx, after)
		if err != nil {
			return err
		}
		for _, d := range due {
			// One that cannot be kept does not stop the others.
			if err := p.keep(ctx, d); err != nil {
				failed = errors.Join(failed, err)
			}
			after = d.token
		}
		more = len(due) == atOnce
	}
	if failed != nil {
		return failed
	}
	now := p.clock().UnixMilli()
	var old int
	if err := p.db.QueryRow(ctx, `select count(*) from promise where expires <= $1`, now).Scan(&old); err != nil || old == 0 {
		return err
	}
	return p.db.Write(ctx, "forget promises", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`delete from promise where expires <= $1`, now)
		return err
	})
}

func (p *Promises) due(ctx context.Context, after string) ([]promised, error) {
	rows, err := p.db.Query(ctx, `select p.token, p.room_id, p.sender, a.user_id from promise p join account_addresses a on a.hash = p.address
		where p.expires > $1 and p.token > $2 order by p.token limit $3`, p.clock().UnixMilli(), after, atOnce)
	if err != nil {
		return nil, fmt.Errorf("look for promises: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var due []promised
	for rows.Next() {
		var d promised
		if err := rows.Scan(&d.token, (*string)(&d.room), (*string)(&d.sender), (*string)(&d.owner)); err != nil {
			return nil, fmt.Errorf("look for promises: %w", err)
		}
		due = append(due, d)
	}
	return due, rows.Err()
}

// keep makes the invitation and forgets the promise, also if the invitation is refused: unless that may pass. A crash between the two changes nothing: who is invited already is not
// invited again.
func (p *Promises) keep(ctx context.Context, d promised) error {
	err := p.invite(ctx, d)
	f, refused := fault.As(err)
	switch {
	case err != nil && !refused:
		return fmt.Errorf("make a promised invitation: %w", err)
	case refused && passing(f):
		return nil
	}
	return p.forget(ctx, d.token)
}

// passing reports whether what a fault forbids may be allowed later.
func passing(f *fault.Fault) bool {
	return f.Kind == fault.UserLocked || f.Kind == fault.UserSuspended || f.Kind == fault.LimitExceeded || f.HTTPStatus() >= 500
}

// invite invites as if the sender did it now. It is refused when the promise was taken back, which leaves an event without a
// key in its place.
func (p *Promises) invite(ctx context.Context, d promised) error {
	if err := p.o.Accounts.MayWrite(ctx, d.sender); err != nil {
		return err
	}
	r, err := p.o.Rooms.Get(ctx, d.room)
	if err != nil {
		return err
	}
	made := r.State(typePromise, d.token)
	if made == nil {
		return fault.New(fault.NotFound, "The promise is not in the room.")
	}
	signed, err := p.sign(d)
	if err != nil {
		return err
	}
	return p.o.Rooms.InvitePromised(ctx, d.sender, d.room, d.owner, made.Get("display_name").Str, signed)
}

// sign makes the proof that the owner of the address is who was promised the invitation.
func (p *Promises) sign(d promised) ([]byte, error) {
	signed := map[string]any{"mxid": d.owner, "token": d.token}
	plain, err := json.Marshal(signed)
	if err != nil {
		return nil, fmt.Errorf("encode a proof: %w", err)
	}
	signature, err := p.o.Key.SignJSON(plain)
	if err != nil {
		return nil, fmt.Errorf("sign a proof: %w", err)
	}
	signed["signatures"] = map[string]any{p.o.Key.Server: map[string]string{string(p.o.Key.ID): signature}}
	return json.Marshal(signed)
}
