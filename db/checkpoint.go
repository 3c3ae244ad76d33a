package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// checkpointer moves SQLite's log into the database file beside the lane. What
// was committed meanwhile is left; the lane moves this rest itself, so that
// SQLite can start the log anew with the next commit instead of growing it forever.
type checkpointer struct {
	d     *DB
	wal   *walState
	db    *sql.DB
	kick  chan struct{}
	rest  atomic.Bool  // the lane has a rest to move
	next  atomic.Int64 // size of the log at which to work again
	ended chan struct{}
	stop  context.CancelFunc

	erase    atomic.Bool // something was erased and is still in the log
	eraseDue atomic.Bool // and the lane is to empty the log now

	tries int   // of the lane to move the rest
	force int64 // size of the log at which the lane waits for readers
}

const (
	// checkpointAt is the size of the log, in bytes, at which it is moved. A page that many
	// commits change is then moved once. The log is read at a start after a crash.
	checkpointAt = 16 << 20
	// checkpointAgain is how much the log may grow before a checkpoint that readers cut short is tried again.
	checkpointAgain = 4 << 20
	// checkpointForce is the size at which the lane waits for readers, a moment only: it means
	// that somebody reads for very long, or that more is written than the disk takes.
	checkpointForce = 48 << 20
	checkpointTries = 8
)

func startCheckpointer(d *DB, address string, wal *walState) (*checkpointer, error) {
	db, err := sql.Open("sqlite", address)
	if err != nil {
		return nil, fmt.Errorf("open the checkpoint connection: %w", err)
	}
	db.SetMaxOpenConns(1)
	ctx, stop := context.WithCancel(context.Background())
	c := &checkpointer{d: d, wal: wal, db: db, kick: make(chan struct{}, 1), ended: make(chan struct{}), stop: stop}
	c.next.Store(checkpointAt)
	c.force = checkpointForce
	go c.run(ctx)
	return c, nil
}

// committed is called by the lane after each commit.
func (c *checkpointer) committed(e *sqliteEngine) {
	if c.eraseDue.Swap(false) {
		c.empty(e)
	}
	size := c.wal.size.Load()
	switch {
	case size < checkpointAt: // started anew, if it ever was larger
		c.rest.Store(false)
		c.next.Store(checkpointAt)
		c.force = checkpointForce
	case size >= c.force:
		c.force = size + checkpointForce/3
		c.move(e, "restart")
	case c.rest.Load():
		c.move(e, "passive")
		if c.tries++; c.tries >= checkpointTries {
			c.next.Store(size + checkpointAgain)
			c.rest.Store(false)
		}
	case size >= c.next.Load():
		c.tries = 0
		select {
		case c.kick <- struct{}{}:
		default:
		}
	}
}

// eraseAfter is how long the log may keep what was erased: emptying it costs a
// few milliseconds, so erasures share it.
const eraseAfter = time.Second

// Erased says that a committed write has overwritten or deleted what must not be
// readable any more. Within seconds, and at the latest when the database is
// closed, it is in none of SQLite's files. PostgreSQL keeps old rows until it
// vacuums, and its log and archives as long as they are configured to.
func (d *DB) Erased() {
	if d.wal != nil && !d.wal.erase.Swap(true) {
		d.wal.eraseLater()
	}
}

func (c *checkpointer) eraseLater() {
	time.AfterFunc(eraseAfter, func() {
		c.eraseDue.Store(true)
		c.d.Queue("empty the log", nil, func(*Tx) error { return nil })
	})
}

// empty moves everything out of the log and cuts it to nothing, on the lane.
// Readers that are in its way are waited for, but not long.
func (c *checkpointer) empty(e *sqliteEngine) {
	c.move(e, "truncate")
	if c.wal.size.Load() > 0 {
		c.eraseLater()
		return
	}
	c.erase.Store(false)
}

// move runs a checkpoint on the lane.
func (c *checkpointer) move(e *sqliteEngine, mode string) {
	start := time.Now()
	var err error
	if mode != "passive" {
		err = e.run("pragma busy_timeout(250)")
	}
	if err == nil {
		err = e.run("pragma wal_checkpoint(" + mode + ")")
	}
	if mode != "passive" {
		err = errors.Join(err, e.run("pragma busy_timeout(5000)"))
	}
	if err != nil {
		c.d.log.Error("checkpoint failed", "mode", mode, "error", err)
	}
	c.d.metrics.checkpoints.Observe(time.Since(start).Seconds())
}

func (c *checkpointer) run(ctx context.Context) {
	defer close(c.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.kick:
		}
		if c.rest.Load() || c.wal.size.Load() < c.next.Load() {
			continue
		}
		start := time.Now()
		if _, err := c.db.ExecContext(ctx, "pragma wal_checkpoint(passive)"); err != nil && ctx.Err() == nil {
			c.d.log.Error("checkpoint failed", "error", err)
		}
		c.d.metrics.checkpoints.Observe(time.Since(start).Seconds())
		c.rest.Store(true)
	}
}

func (c *checkpointer) close() error {
	c.stop()
	<-c.ended
	return c.db.Close()
}
