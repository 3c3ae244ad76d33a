// Package mail writes letters to people by e-mail and sends them: words in their language, an outbox in the database that
// survives a restart, and the way to the operator's mail server.
//
// It does not know why a letter is written, nor whose an address is. No letter holds anything of a conversation.
package mail

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/rest"
	"github.com/myelin-health/myelin/seal"
)

const most = 10_000 // letters that wait

// Options configures an Outbox. DB, Seal, Audit, Relay, From and PublicURL are needed.
type Options struct {
	DB         *db.DB
	Seal       *seal.Keys
	Audit      *audit.Log
	Relay      Relay
	From       string // address
	ServerName string // that people see
	PublicURL  string // that letters link to
	RateLimits bool
	Clock      func() time.Time
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Outbox sends letters. It is safe for concurrent use.
type Outbox struct {
	o      Options
	db     *db.DB
	log    *slog.Logger
	clock  func() time.Time
	limits struct{ to, by *rest.Buckets } // nil: none
	mails  *prometheus.CounterVec

	sooner chan struct{} // a letter may be due
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// New makes an Outbox. It sends nothing before Start.
func New(o Options) *Outbox {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	m := &Outbox{o: o, db: o.DB, log: o.Log.With("package", "mail"), clock: o.Clock, sooner: make(chan struct{}, 1)}
	if o.RateLimits {
		// Addresses that ask are often those of a whole building; those that are written to are one person's.
		m.limits.to = rest.NewBuckets(rest.Rate{PerSecond: 1.0 / 600, Burst: 5})
		m.limits.by = rest.NewBuckets(rest.Rate{PerSecond: 1.0 / 20, Burst: 50})
	}
	m.mails = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "myelin_mails_total", Help: "Attempts to send a letter by e-mail: sent, put off or given up.",
	}, []string{"outcome"})
	if o.Registerer != nil {
		o.Registerer.MustRegister(m.mails)
	}
	return m
}

func (m *Outbox) now() int64 { return m.clock().UnixMilli() }

// Prepared is a letter that can be put into the outbox together with what it is about.
type Prepared struct {
	m      *Outbox
	id     string
	letter Letter
	body   []byte
}

// Prepare makes a letter ready. by is whoever caused it: a person or an address that asks; empty for letters that are paced
// elsewhere. The fault is LimitExceeded when there were too many, to this address or caused by by.
func (m *Outbox) Prepare(ctx context.Context, l Letter, by string) (*Prepared, error) {
	if err := m.limit(string(l.To), by); err != nil {
		return nil, err
	}
	plain, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("encode a letter: %w", err)
	}
	var b [18]byte
	_, _ = rand.Read(b[:]) // never fails
	p := &Prepared{m: m, id: base64.RawURLEncoding.EncodeToString(b[:]), letter: l}
	if p.body, err = m.o.Seal.Seal(ctx, scope(l.User), use(p.id), plain); err != nil {
		return nil, fmt.Errorf("seal a letter: %w", err)
	}
	return p, nil
}

// Put puts the letter into the outbox. Once tx is committed, it survives a restart.
func (p *Prepared) Put(tx *db.Tx) error {
	var waiting int
	if err := tx.QueryRow(`select count(*) from mail_outbox`).Scan(&waiting); err != nil {
		return fmt.Errorf("count letters: %w", err)
	}
	if waiting >= most {
		return fault.After(firstPause)
	}
	now := p.m.now()
	_, err := tx.Exec(`insert into mail_outbox (mail_id, user_id, kind, created, due, gives_up, tries, body) values ($1, $2, $3, $4, $4, $5, 0, $6)`,
		p.id, string(p.letter.User), string(p.letter.Kind), now, now+p.letter.Kind.patience().Milliseconds(), p.body)
	if err != nil {
		return fmt.Errorf("put a letter into the outbox: %w", err)
	}
	tx.After(p.m.hurry)
	return nil
}

// Send prepares a letter and puts it into the outbox.
func (m *Outbox) Send(ctx context.Context, l Letter, by string) error {
	p, err := m.Prepare(ctx, l, by)
	if err != nil {
		return err
	}
	return m.db.Write(ctx, "send mail", nil, p.Put)
}

// limit takes from the limits of an address and of who causes a letter to it.
func (m *Outbox) limit(to, by string) error {
	if m.limits.to == nil || by == "" {
		return nil
	}
	if wait := m.limits.by.Take(by, m.clock()); wait > 0 {
		return fault.After(wait)
	}
	hash := sha256.Sum256([]byte(to)) // no address stays in memory
	if wait := m.limits.to.Take(string(hash[:]), m.clock()); wait > 0 {
		m.limits.by.Return(by)
		return fault.After(wait)
	}
	return nil
}

// scope is whose key seals a letter.
func scope(user id.UserID) seal.Scope {
	if user == "" {
		return seal.Server
	}
	return seal.Person(user)
}

// use binds a sealed letter to its row.
func use(mailID string) string { return "mail:" + mailID }

func (m *Outbox) hurry() {
	select {
	case m.sooner <- struct{}{}:
	default:
	}
}
