package db

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"time"
)

// checkpointer moves SQLite's write-ahead log into the database file, beside the
// lane instead of inside its commits.
type checkpointer struct {
	d     *DB
	path  string
	db    *sql.DB
	kick  chan struct{}
	ended chan struct{}
	stop  context.CancelFunc
}

// checkpointAt is the size of the log, in bytes, at which it is moved.
const checkpointAt = 8 << 20

func startCheckpointer(d *DB, path string) (*checkpointer, error) {
	db, err := sql.Open("sqlite", sqliteAddress(path, "synchronous(FULL)", "secure_delete(1)", "wal_autocheckpoint(0)"))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	ctx, stop := context.WithCancel(context.Background())
	c := &checkpointer{d: d, path: path, db: db, kick: make(chan struct{}, 1), ended: make(chan struct{}), stop: stop}
	go c.run(ctx)
	return c, nil
}

// committed is called by the lane after each commit.
func (c *checkpointer) committed(e *sqliteEngine) {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

func (c *checkpointer) run(ctx context.Context) {
	defer close(c.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.kick:
		}
		st, err := os.Stat(c.path + "-wal")
		if err != nil || st.Size() < checkpointAt {
			continue
		}
		start := time.Now()
		if _, err := c.db.ExecContext(ctx, "pragma wal_checkpoint(passive)"); err != nil && ctx.Err() == nil {
			c.d.log.Error("checkpoint failed", "error", err)
		}
		c.d.metrics.checkpoints.Observe(time.Since(start).Seconds())
	}
}

func (c *checkpointer) close() error {
	c.stop()
	<-c.ended
	return c.db.Close()
}
