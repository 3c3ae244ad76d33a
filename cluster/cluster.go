// Package cluster tells a node what other nodes committed: hints over PostgreSQL's
// LISTEN/NOTIFY, one per batch, and a look at the position once a second, so that
// a lost hint costs at most a second and never data. It carries no data itself,
// and on SQLite, where there is one process only, it does nothing.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/myelin-health/myelin/db"
)

// Options say what to listen to and whom to tell.
type Options struct {
	DB *db.DB
	// URL is the address that DB was opened with; empty for SQLite.
	URL string
	// OnHint is called with ranges of stream positions that other nodes committed, from one
	// goroutine, each position at least once and ranges in no certain order; it may also be called with
	// positions that this node committed. Their rows are visible.
	OnHint func(first, last int64)
	// Poll is how often to look without a hint. 0 means once a second.
	Poll time.Duration
	Log  *slog.Logger
}

// Cluster listens until it is closed.
type Cluster struct {
	o     Options
	stop  context.CancelFunc
	ended sync.WaitGroup
	hints chan span

	mu   sync.Mutex
	seen int64 // every position up to here was announced or is our own
	more []span
}

type span struct{ first, last int64 }

// Start begins to listen. Positions up to the present one are not announced.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Poll == 0 {
		o.Poll = time.Second
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.Log = o.Log.With("pkg", "cluster")
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := &Cluster{o: o, stop: stop, hints: make(chan span, 256)}
	if !o.DB.Postgres() {
		return c, nil
	}
	position, err := o.DB.Position(ctx)
	if err != nil {
		stop()
		return nil, fmt.Errorf("start cluster: %w", err)
	}
	c.seen = position
	o.DB.OnBatch(c.note)
	c.ended.Add(2)
	go c.listen(ctx)
	go c.tell(ctx)
	return c, nil
}

// Close stops listening and waits until the last OnHint returned.
func (c *Cluster) Close() {
	c.stop()
	c.ended.Wait()
}

// note takes a span into account and tells whether anything of it is new.
func (c *Cluster) note(first, last int64) { c.add(span{first, last}) }

func (c *Cluster) add(s span) (fresh bool) {
	if s.first > s.last {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.last <= c.seen {
		return false
	}
	c.more = append(c.more, s)
	for again := true; again; {
		again = false
		rest := c.more[:0]
		for _, m := range c.more {
			switch {
			case m.last <= c.seen:
			case m.first <= c.seen+1:
				c.seen, again = m.last, true
			default:
				rest = append(rest, m)
			}
		}
		c.more = rest
	}
	return true
}

// tell calls OnHint for every hint, and for what the poll finds to be missing.
func (c *Cluster) tell(ctx context.Context) {
	defer c.ended.Done()
	tick := time.NewTicker(c.o.Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-c.hints:
			if c.add(s) {
				c.o.OnHint(s.first, s.last)
			}
		case <-tick.C:
			c.poll(ctx)
		}
	}
}

func (c *Cluster) poll(ctx context.Context) {
	position, err := c.o.DB.Position(ctx)
	if err != nil {
		if ctx.Err() == nil {
			c.o.Log.Warn("look at the position failed", "error", err)
		}
		return
	}
	c.mu.Lock()
	first := c.seen + 1
	c.mu.Unlock()
	if s := (span{first, position}); c.add(s) {
		c.o.OnHint(s.first, s.last)
	}
}

func (c *Cluster) listen(ctx context.Context) {
	defer c.ended.Done()
	for {
		err := c.receive(ctx)
		if ctx.Err() != nil {
			return
		}
		c.o.Log.Warn("listening for hints ended, trying again", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(c.o.Poll):
		}
	}
}

func (c *Cluster) receive(ctx context.Context) error {
	config, err := pgx.ParseConfig(c.o.URL)
	if err != nil {
		return fmt.Errorf("database address: %w", err)
	}
	config.RuntimeParams["application_name"] = "myelin hints"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "listen myelin"); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("wait for a hint: %w", err)
		}
		s, node, err := parseHint(n.Payload)
		if err != nil {
			c.o.Log.Warn("hint not understood", "error", err)
			continue
		}
		if node == c.o.DB.Node() {
			continue
		}
		select {
		case c.hints <- s:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

var errHint = errors.New("not first:last:node")

// parseHint reads first:last:node.
func parseHint(p string) (s span, node string, err error) {
	parts := strings.Split(p, ":")
	if len(parts) != 3 || parts[2] == "" {
		return s, "", errHint
	}
	if s.first, err = strconv.ParseInt(parts[0], 10, 64); err != nil {
		return s, "", errHint
	}
	if s.last, err = strconv.ParseInt(parts[1], 10, 64); err != nil || s.first < 1 || s.last < s.first {
		return s, "", errHint
	}
	return s, parts[2], nil
}
