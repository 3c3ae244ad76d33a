package db

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options say which database to open and how.
type Options struct {
	// URL is a postgres:// address. Empty means SQLite.
	URL string
	// Path is the SQLite file; its folder must exist. Used when URL is empty.
	Path string
	// Log gets slow writes and lost connections. Nil means slog.Default.
	Log *slog.Logger
	// Metrics registers the myelin_db_ metrics. Nil means they are kept but not exported.
	Metrics prometheus.Registerer
	// CommitDelay is for tests only: it makes every commit slow, half of the
	// time before the commit (nothing is visible yet) and half between the commit
	// and its announcement (rows are visible, nobody was told).
	CommitDelay time.Duration
	// Readers is the size of the read pool. 0 means a size that fits the machine.
	Readers int
}

// DB is one open database. Its methods may be called from any goroutine.
type DB struct {
	log      *slog.Logger
	metrics  *metrics
	delay    time.Duration
	node     string
	postgres bool

	reads  *sql.DB
	texts  texts
	lane   *lane
	closed atomic.Bool

	wal *checkpointer // SQLite only, nil where SQLite's own checkpoints are used

	// committed is the last committed stream position, kept on SQLite only.
	committed atomic.Int64

	mu      sync.Mutex // guards writes of onBatch
	onBatch atomic.Pointer[[]func(first, last int64)]

	stop []func() error // closes what Open opened, in reverse order
}

// ErrStale is returned by a write function whose [Tx.Head] version is not the
// one that it built on. Only that member fails and nothing of it is written.
var ErrStale = errors.New("db: built on a version that is no longer current")

// ErrClosed is returned for writes after [DB.Close].
var ErrClosed = errors.New("db: closed")

// ErrUncertain is returned when the connection was lost during a commit and
// the database cannot tell any more whether it happened.
var ErrUncertain = errors.New("db: connection lost during commit, outcome unknown")

// Open opens the database, brings its schema up to date and starts the lane.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	d := &DB{log: o.Log.With("pkg", "db"), delay: o.CommitDelay, node: newNode(), postgres: o.URL != ""}
	d.metrics = newMetrics(o.Metrics)
	var e engine
	var err error
	if d.postgres {
		e, err = d.openPostgres(ctx, o)
	} else {
		e, err = d.openSQLite(ctx, o)
	}
	if err != nil {
		return nil, errors.Join(err, d.release())
	}
	d.texts.sqlite = !d.postgres
	d.lane = startLane(d, e)
	return d, nil
}

// Close finishes what is queued, then closes the database. Reads under way end
// with an error.
func (d *DB) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	d.lane.close()
	return d.release()
}

func (d *DB) release() error {
	var errs []error
	for i := len(d.stop) - 1; i >= 0; i-- {
		errs = append(errs, d.stop[i]())
	}
	d.stop = nil
	return errors.Join(errs...)
}

// Postgres tells whether the database is PostgreSQL.
func (d *DB) Postgres() bool { return d.postgres }

// Node is the random name of this opening of the database. It is the last part
// of the hints on PostgreSQL's channel "myelin": first:last:node.
func (d *DB) Node() string { return d.node }

// OnBatch adds a function that is called after each commit, in order, before the
// batch's After-functions, with the batch's stream positions (first > last if it
// has none). It must not write and wait.
func (d *DB) OnBatch(f func(first, last int64)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var fs []func(first, last int64)
	if old := d.onBatch.Load(); old != nil {
		fs = append(fs, *old...)
	}
	fs = append(fs, f)
	d.onBatch.Store(&fs)
}

// Position returns the last committed stream position. Every row with that
// position or a lower one is visible to reads that start afterwards.
func (d *DB) Position(ctx context.Context) (int64, error) {
	if !d.postgres {
		return d.committed.Load(), nil
	}
	var p int64
	if err := d.QueryRow(ctx, `select stream from position`).Scan(&p); err != nil {
		return 0, fmt.Errorf("read position: %w", err)
	}
	return p, nil
}

// Last returns the last committed number of a series, 0 when none was given out.
func (d *DB) Last(ctx context.Context, s Series) (int64, error) {
	var n [seriesCount]int64
	if err := d.QueryRow(ctx, `select stream, leaf from position`).Scan(&n[Stream], &n[Leaf]); err != nil {
		return 0, fmt.Errorf("read last number: %w", err)
	}
	return n[s], nil
}

// Head returns the committed version and value of a key, ok false when it has none.
func (d *DB) Head(ctx context.Context, k Key) (version int64, value []byte, ok bool, err error) {
	err = d.QueryRow(ctx, `select version, value from head where key = $1`, int64(k)).Scan(&version, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil, false, nil
	}
	if err != nil {
		return 0, nil, false, fmt.Errorf("read head: %w", err)
	}
	return version, value, true, nil
}

func newNode() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// slowCommit is the part of the test delay that comes before a commit.
func (d *DB) slowCommit() {
	if d.delay > 0 {
		_ = pause(context.Background(), d.delay/2)
	}
}
