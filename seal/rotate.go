package seal

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// rewrapChunk is how many data keys one transaction rewraps. A server that runs meanwhile waits at most that long.
const rewrapChunk = 500

// ErrSameMasterKey says that Rotate was called without a new master key to rotate to.
var ErrSameMasterKey = errors.New("the configured master key is already in use: set a new one, and the present one as the previous")

// Rotate puts a new master key in place of the present one and wraps every data key with it. What is sealed stays as it
// is. With a key file the new key is made here, and the file holds both until the end; with keys from the environment the
// new one is MasterKey and the present one PreviousMasterKey. Servers may run meanwhile: those that use the same file
// follow, those with keys from the environment must have been started with both. A rotation that was interrupted is
// finished by calling it again. It returns how many data keys were rewrapped.
func (k *Keys) Rotate(ctx context.Context) (int, error) {
	n, err := k.rotate(ctx)
	if err != nil {
		return n, fmt.Errorf("rotate the master key: %w", err)
	}
	return n, nil
}

func (k *Keys) rotate(ctx context.Context) (int, error) {
	m := k.masters
	if m.path != "" {
		unlock, err := lockFolder(filepath.Dir(m.path))
		if err != nil {
			return 0, err
		}
		defer unlock()
		if err := m.load(false); err != nil {
			return 0, err
		}
		if list := m.all(); len(list) == 1 {
			if err := m.keep(generateMaster(), list[0]); err != nil {
				return 0, err
			}
		}
	}
	target := m.all()[0]
	switched := false
	err := k.store.change(ctx, func(tx *tx) error {
		present, err := m.current(tx)
		if err != nil {
			return err
		}
		switched = present.id != target.id
		return tx.exec(`update setting set value = $1 where name = $2`, target.id, currentMaster)
	})
	if err != nil {
		return 0, fmt.Errorf("switch to the new key: %w", err)
	}
	n, err := k.rewrap(ctx, target)
	if err != nil {
		return n, err
	}
	if !switched && n == 0 && m.path == "" {
		return 0, ErrSameMasterKey
	}
	if err := k.store.scrub(ctx); err != nil {
		return n, err
	}
	if m.path != "" {
		return n, m.keep(target)
	}
	return n, nil
}

// rewrap wraps all data keys with target, chunk by chunk. None made meanwhile is missed: since the switch they are wrapped
// with target from the start.
func (k *Keys) rewrap(ctx context.Context, target *master) (int, error) {
	total := 0
	var after wrapped
	for {
		n := 0
		err := k.store.change(ctx, func(tx *tx) error {
			rows, err := tx.QueryContext(ctx, tx.s.text(`select scope, generation, master, wrapped from data_key
				where (scope, generation) > ($1, $2) and master <> $3 order by scope, generation limit $4`),
				string(after.scope), int64(after.generation), target.id, rewrapChunk)
			if err != nil {
				return fmt.Errorf("look up data keys: %w", err)
			}
			chunk, err := scanKeys(rows)
			if err != nil {
				return err
			}
			for _, w := range chunk {
				if err := k.rewrapOne(tx, w, target); err != nil {
					return err
				}
			}
			if n = len(chunk); n > 0 {
				after = chunk[n-1]
			}
			return nil
		})
		if err != nil {
			return total, fmt.Errorf("rewrap data keys: %w", err)
		}
		total += n
		if n < rewrapChunk {
			return total, nil
		}
	}
}

func (k *Keys) rewrapOne(tx *tx, w wrapped, target *master) error {
	old, err := k.masters.find(w.master)
	if err != nil {
		return err
	}
	secret, err := old.unwrap(w)
	if err != nil {
		return err
	}
	return tx.exec(`update data_key set master = $1, wrapped = $2 where scope = $3 and generation = $4`,
		target.id, target.wrap(w.scope, w.generation, secret), string(w.scope), int64(w.generation))
}
