// Package audit keeps the log of who did what: append-only, a Merkle tree over its entries (RFC 6962), the tree's head
// signed every few seconds. An entry is written in the transaction of the act it tells of, so that neither exists without
// the other. Whoever changes, removes or inserts an entry afterwards is found out by [Log.Verify].
//
// It decides nothing about who may do what, and it keeps no content of messages. Personal details are sealed under the
// person's key: destroying that erases them, and the log can still be verified.
package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/note"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/seal"
)

// Options says where the log is.
type Options struct {
	DB   *db.DB
	Keys *seal.Keys
	// Name is the server's name. The log's signatures carry "<Name>/audit".
	Name string
	// Dir is the data directory. It holds audit.key, which signs, and audit.checkpoint, the last signed state.
	Dir string
	// Interval is how often new entries are signed and repeated refusals written; 0 means 5 seconds.
	Interval time.Duration
	// Clock is time.Now when nil.
	Clock func() time.Time
	// Log is slog.Default() when nil.
	Log *slog.Logger
	// Metrics is where the metrics are registered; nowhere when nil.
	Metrics prometheus.Registerer
}

// Log is the audit log. It is safe for concurrent use, and several processes may write one log.
type Log struct {
	db       *db.DB
	keys     *seal.Keys
	origin   string
	dir      string
	interval time.Duration
	clock    func() time.Time
	log      *slog.Logger
	metrics  metrics

	tags     *seal.Hasher
	tokens   *seal.Hasher
	signer   note.Signer
	verifier note.Verifier
	public   string
	mark     func()      // runs after the commit of an entry
	dirty    atomic.Bool // there are entries that are not signed yet

	refusals refusals
	reads    reads

	work sync.Mutex // held while signing and indexing; guards head
	head *head      // what the next signature builds on; nil when unknown

	start   sync.Once
	closed  sync.Once
	stop    context.CancelFunc
	running context.Context
	stopped chan struct{}
}

// Open opens the log. Start begins signing; without it the log can be written, searched and verified.
func Open(ctx context.Context, o Options) (*Log, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Interval <= 0 {
		o.Interval = 5 * time.Second
	}
	l := &Log{db: o.DB, keys: o.Keys, origin: o.Name + "/audit", dir: o.Dir, interval: o.Interval, clock: o.Clock,
		log: o.Log.With("component", "audit"), metrics: newMetrics(o.Metrics), stopped: make(chan struct{})}
	l.running, l.stop = context.WithCancel(context.Background())
	l.refusals.init()
	l.mark = func() {
		l.dirty.Store(true)
		l.metrics.entries.Inc()
	}
	l.dirty.Store(true) // a process that ended may have left unsigned entries
	var err1, err2 error
	l.tags, err1 = o.Keys.Hasher(ctx, seal.Server, "audit entry")
	l.tokens, err2 = o.Keys.Hasher(ctx, seal.Server, "audit file read")
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	if err := l.openKey(ctx); err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	return l, nil
}

// Start begins to sign and index new entries in the background.
func (l *Log) Start() { l.start.Do(func() { go l.run() }) }

// Close ends the background work, writes the refusals that are still counted and, if the log was started, signs what is
// new. The database and the keys must still be open.
func (l *Log) Close() error {
	var err error
	l.closed.Do(func() {
		l.stop()
		started := true
		l.start.Do(func() { started = false; close(l.stopped) })
		<-l.stopped
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		err = l.flushRefusals(ctx)
		if started { // a tool that only looks leaves no trace
			err = errors.Join(err, l.Sign(ctx))
		}
	})
	return err
}

func (l *Log) run() {
	defer close(l.stopped)
	tick := time.NewTicker(l.interval)
	defer tick.Stop()
	for {
		select {
		case <-l.running.Done():
			return
		case <-tick.C:
		case <-l.refusals.full:
		}
		l.round(l.running)
	}
}

// round does what is due: entries of refusals, signature, index.
func (l *Log) round(ctx context.Context) {
	steps := []struct {
		name string
		run  func(context.Context) error
	}{{"write refusals", l.flushRefusals}, {"sign", l.Sign}, {"index", l.Index}, {"forget old file reads", l.forgetReads}}
	for _, step := range steps {
		if err := step.run(ctx); err != nil && ctx.Err() == nil {
			l.metrics.failures.Inc()
			l.log.Error("background work on the audit log failed", "step", step.name, "error", err)
		}
	}
}
