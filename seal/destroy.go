package seal

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	watchEvery   = 250 * time.Millisecond
	watchTimeout = 400 * time.Millisecond
)

// Destroy erases the data keys of the scopes, and with them everything they sealed, here and in every copy. When it
// returns without an error nothing of the keys is left in the store's files (on PostgreSQL: in its tables; archived
// write-ahead logs and backups keep them as long as they are kept). Other processes follow within a second. Open answers
// ErrErased from then on. With an error it may be called again.
func (k *Keys) Destroy(ctx context.Context, scopes ...Scope) error {
	now := k.clock().UnixMilli()
	var erased int64
	err := k.store.change(ctx, func(tx *tx) error {
		erased = 0
		for _, scope := range scopes {
			if scope == Server {
				return errors.New("the server's own key cannot be destroyed")
			}
			err := tx.exec(`insert into erased_key (number, scope, generation, erased)
				select (select coalesce(max(number), 0) from erased_key) + row_number() over (order by generation), scope, generation, $1
				from data_key where scope = $2`, now, string(scope))
			if err != nil {
				return fmt.Errorf("note the erasure: %w", err)
			}
			res, err := tx.ExecContext(ctx, tx.s.text(`delete from data_key where scope = $1`), string(scope))
			if err != nil {
				return fmt.Errorf("delete: %w", err)
			}
			n, err := res.RowsAffected()
			if err != nil {
				return fmt.Errorf("delete: %w", err)
			}
			erased += n
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("destroy data keys: %w", err)
	}
	k.drop(scopes...)
	k.metrics.erased.Add(float64(erased))
	if err := k.store.scrub(ctx); err != nil {
		return fmt.Errorf("destroy data keys: %w", err)
	}
	return nil
}

// watch forgets keys that other processes destroyed. When it cannot see whether any was, it forgets all, so that each is
// looked up anew.
func (k *Keys) watch(ctx context.Context, last int64) {
	defer close(k.stopped)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var err error
		last, err = k.look(ctx, last)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			k.log.Warn("key store does not answer; keys in memory are not used until it does", "error", err)
		}
		failing = err != nil
	}
}

// look drops what was erased since the row numbered last, or everything when the store does not answer.
func (k *Keys) look(ctx context.Context, last int64) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	var scopes []Scope
	now, err := k.store.erasedSince(ctx, last, func(s Scope) { scopes = append(scopes, s) })
	if err != nil {
		k.drop()
		return last, err
	}
	if len(scopes) > 0 {
		k.drop(scopes...)
	}
	return now, nil
}
