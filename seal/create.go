package seal

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
)

// creator makes data keys. Requests that come while a transaction is under way share the next one, so that a thousand
// first uses at once cost a few syncs of the disk, not a thousand.
type creator struct {
	keys *Keys

	mu      sync.Mutex
	waiting []*request
	running bool
}

type request struct {
	scope Scope
	renew bool // make one more key even if the scope has one
	done  chan error
}

// maxBatch bounds how many keys one transaction makes.
const maxBatch = 256

// make makes a data key for the scope unless it has one; it is on disk when make returns.
func (c *creator) make(ctx context.Context, scope Scope, renew bool) error {
	r := &request{scope: scope, renew: renew, done: make(chan error, 1)}
	c.mu.Lock()
	c.waiting = append(c.waiting, r)
	lead := !c.running
	c.running = true
	c.mu.Unlock()
	if lead {
		go c.run()
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *creator) run() {
	for {
		c.mu.Lock()
		n := min(len(c.waiting), maxBatch)
		batch := c.waiting[:n:n]
		c.waiting = c.waiting[n:]
		c.running = n > 0
		c.mu.Unlock()
		if n == 0 {
			return
		}
		err := c.keys.make(batch)
		for _, r := range batch {
			r.done <- err
		}
	}
}

func (k *Keys) make(batch []*request) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	made := 0
	err := k.store.change(ctx, func(tx *tx) error {
		made = 0
		master, err := k.masters.current(tx)
		if err != nil {
			return err
		}
		for _, r := range batch {
			var have, last int64
			err := tx.row(`select count(*), coalesce(max(generation), 0) from data_key where scope = $1`, string(r.scope)).Scan(&have, &last)
			if err != nil {
				return fmt.Errorf("look for data key: %w", err)
			}
			if have > 0 && !r.renew {
				continue // another process, or an earlier request of this batch
			}
			var gone int64
			if err := tx.row(`select coalesce(max(generation), 0) from erased_key where scope = $1`, string(r.scope)).Scan(&gone); err != nil {
				return fmt.Errorf("look for erased key: %w", err)
			}
			secret := make([]byte, secretSize)
			rand.Read(secret)
			generation := uint32(max(last, gone) + 1)
			err = tx.exec(`insert into data_key (scope, generation, master, wrapped, created) values ($1, $2, $3, $4, $5)`,
				string(r.scope), int64(generation), master.id, master.wrap(r.scope, generation, secret), k.clock().UnixMilli())
			if err != nil {
				return fmt.Errorf("insert data key: %w", err)
			}
			made++
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("make data keys: %w", err)
	}
	k.metrics.made.Add(float64(made))
	return nil
}
