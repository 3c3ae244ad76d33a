// Package account holds who has an account here and what belongs to it: users, devices, access and
// refresh tokens, profiles, account data, filters and the user directory.
//
// It does not prove who somebody is (signin does), it knows no HTTP, and it does not know rooms: what
// follows from a change elsewhere is done by the functions in Options.
package account

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/homeserver/mail"
	"github.com/myelin-health/myelin/seal"
)

// Kind says what changed about a person.
type Kind string

// The kinds of Change.
const (
	// AccountData: entry Key of the account data, of Room or global.
	AccountData Kind = "account_data"
	// DeviceList: a device came, went or got another name.
	DeviceList Kind = "device_list"
)

// Change is something that the devices of people have to learn.
type Change struct {
	Kind Kind
	User id.UserID
	Room id.RoomID // AccountData: empty is global
	Key  string    // AccountData: the type; DeviceList: the device
}

// Options configures Accounts. DB, Seal and ServerName are needed; functions that are nil are not called.
type Options struct {
	DB         *db.DB
	Seal       *seal.Keys
	Audit      *audit.Log
	ServerName string
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Clock      func() time.Time

	// TokenLifetime is how long an access token lasts that came with a refresh token; 0 is one hour.
	TokenLifetime time.Duration
	// MaxSessions bounds the tokens kept in memory; 0 is 100,000.
	MaxSessions int

	// Changed is told of a change inside the transaction that makes it.
	Changed func(tx *db.Tx, c Change)
	// ProfileChanged is called after a display name or avatar changed and is durable: the member events
	// of the person's rooms have to follow.
	ProfileChanged func(ctx context.Context, user id.UserID)
	// DeviceRemoved removes what others keep for a device (keys, messages), in the transaction that
	// removes it.
	DeviceRemoved func(tx *db.Tx, user id.UserID, device id.DeviceID)
	// Deactivated is called after an account was deactivated: it has to leave its rooms. It is called
	// again if it failed and the deactivation is repeated.
	Deactivated func(ctx context.Context, user id.UserID, erase bool) error
	// AddressAdded is called after an address was added to an account. It must not wait.
	AddressAdded func()
	// AddressRemoved is called after an address was taken from an account: nothing is written there any more.
	AddressRemoved func(ctx context.Context, user id.UserID, address mail.Address) error
	// Revoked is called after tokens may have stopped working: who serves a stream for them has to
	// authenticate again. device is empty for all of the user's devices.
	Revoked func(user id.UserID, device id.DeviceID)
	// Visible limits the user directory to the people it returns for a searcher; nil shows everyone.
	Visible func(ctx context.Context, by id.UserID) (map[id.UserID]bool, error)
}

// Accounts is the accounts of this server. It is safe for concurrent use.
type Accounts struct {
	o     Options
	db    *db.DB
	seal  *seal.Keys
	log   *slog.Logger
	clock func() time.Time

	sessions  sessions
	changes   changes
	seen      seen
	ignored   ignored
	directory directory

	endProofs func(tx *db.Tx, hash string, of ...mail.Kind) error
}

// New makes Accounts. It reads nothing yet; Start begins the work in the background.
func New(o Options) *Accounts {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.TokenLifetime <= 0 {
		o.TokenLifetime = time.Hour
	}
	if o.MaxSessions <= 0 {
		o.MaxSessions = 100_000
	}
	a := &Accounts{o: o, db: o.DB, seal: o.Seal, log: o.Log.With("package", "account"), clock: o.Clock}
	a.sessions.init(o.MaxSessions)
	a.changes.checked.Store(a.clock().UnixNano())
	a.seen.init()
	a.ignored.of = make(map[id.UserID]ignoredEntry)
	a.directory.init()
	registerMetrics(o.Registerer, a)
	return a
}

// EndProofs makes f what ends the proofs of an address that are under way, given its hash: those of a kind, or all. It is called
// before the first request.
func (a *Accounts) EndProofs(f func(tx *db.Tx, hash string, of ...mail.Kind) error) { a.endProofs = f }

// Start loads the user directory and writes down when devices were last seen, both in the background,
// until Close.
func (a *Accounts) Start(ctx context.Context) {
	ctx, a.seen.stop = context.WithCancel(context.WithoutCancel(ctx))
	a.seen.done.Go(func() {
		if err := a.directory.load(ctx, a); err != nil && ctx.Err() == nil {
			a.log.Error("user directory not loaded", "error", err)
		}
	})
	a.seen.done.Go(func() { a.seen.run(ctx, a) })
}

// Close ends the work in the background and writes down what Seen remembered.
func (a *Accounts) Close(ctx context.Context) error {
	if a.seen.stop != nil {
		a.seen.stop()
		a.seen.done.Wait()
	}
	return a.FlushSeen(ctx)
}

// Local reports whether the user id is one of this server, with or without an account.
func (a *Accounts) Local(user id.UserID) bool {
	return len(user) > 1 && user[0] == '@' && user.Homeserver() == a.o.ServerName
}

// UserID is the user id of a localpart here.
func (a *Accounts) UserID(localpart string) id.UserID {
	return id.UserID("@" + localpart + ":" + a.o.ServerName)
}

func (a *Accounts) now() int64 { return a.clock().UnixMilli() }

func (a *Accounts) changed(tx *db.Tx, c Change) {
	if a.o.Changed != nil {
		a.o.Changed(tx, c)
	}
}

// userKey is what writes about one user lock.
func userKey(user id.UserID) db.Key { return db.KeyOf("account:", string(user)) }

// write runs f under the lock of user.
func (a *Accounts) write(ctx context.Context, name string, user id.UserID, f func(tx *db.Tx) error) error {
	return a.db.Write(ctx, name, a.keys(user), func(tx *db.Tx) error {
		tx.SetHead(userKey(user), nil) // two processes that change one user at a time: one repeats
		return f(tx)
	})
}

// sealed seals plain for a person; what names the column.
func (a *Accounts) sealed(ctx context.Context, user id.UserID, what string, plain []byte) ([]byte, error) {
	return a.seal.Seal(ctx, seal.Person(user), "account:"+what, plain)
}

func (a *Accounts) opened(ctx context.Context, user id.UserID, what string, b []byte) ([]byte, error) {
	return a.seal.Open(ctx, seal.Person(user), "account:"+what, b)
}
