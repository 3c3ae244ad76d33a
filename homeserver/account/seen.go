package account

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/seal"
)

const (
	seenEvery = 5 * time.Minute // a device is written down at most this often
	seenFlush = time.Minute     // and at most this late
	maxSeen   = 200_000
)

type deviceKey struct {
	user   id.UserID
	device id.DeviceID
}

type sighting struct {
	at          int64
	addr, agent string
}

// seen remembers when devices were last seen until it is written down.
type seen struct {
	mu      sync.RWMutex
	last    map[deviceKey]int64    // when a device was last put into waiting, milliseconds
	waiting map[deviceKey]sighting // to be written

	stop context.CancelFunc
	done sync.WaitGroup
}

func (s *seen) init() {
	s.last = make(map[deviceKey]int64)
	s.waiting = make(map[deviceKey]sighting)
}

// seenFrom is how a sighting is stored.
type seenFrom struct {
	Addr  string `json:"addr,omitempty"`
	Agent string `json:"agent,omitempty"`
}

// Seen remembers that a device was seen. It is cheap enough for every request: a look-up, and once in a
// few minutes a note that Start's loop writes down.
func (a *Accounts) Seen(who access.Who, addr, agent string) {
	if who.Device == "" {
		return
	}
	k := deviceKey{who.User, who.Device}
	now := a.now()
	s := &a.seen
	s.mu.RLock()
	last := s.last[k]
	s.mu.RUnlock()
	if now-last < seenEvery.Milliseconds() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.last) >= maxSeen {
		clear(s.last)
	}
	s.last[k] = now
	s.waiting[k] = sighting{now, addr, cut(agent, 200)}
}

// known notes when a device was last seen as it is written down, so that a restart does not write all of them again.
func (s *seen) known(who access.Who, at int64) {
	if at == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := (deviceKey{who.User, who.Device}); len(s.last) < maxSeen && s.last[k] < at {
		s.last[k] = at
	}
}

// run writes down what was seen, until ctx ends.
func (s *seen) run(ctx context.Context, a *Accounts) {
	tick := time.NewTicker(seenFlush)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := a.FlushSeen(ctx); err != nil && ctx.Err() == nil {
				a.log.Warn("last-seen times not written", "error", err)
			}
		}
	}
}

// FlushSeen writes down what Seen remembered.
func (a *Accounts) FlushSeen(ctx context.Context) error {
	s := &a.seen
	s.mu.Lock()
	waiting := s.waiting
	s.waiting = make(map[deviceKey]sighting)
	s.mu.Unlock()
	type row struct {
		k    deviceKey
		at   int64
		from []byte
	}
	var rows []row
	flush := func() error {
		chunk := rows
		rows = nil
		slices.SortFunc(chunk, func(x, y row) int { // one order in every process
			return cmp.Or(strings.Compare(string(x.k.user), string(y.k.user)), strings.Compare(string(x.k.device), string(y.k.device)))
		})
		return a.db.Write(ctx, "devices seen", nil, func(tx *db.Tx) error {
			for _, r := range chunk {
				_, err := tx.Exec(`update account_devices set seen = $3, seen_from = $4 where user_id = $1 and device_id = $2 and seen < $3`,
					string(r.k.user), string(r.k.device), r.at, r.from)
				if err != nil {
					return fmt.Errorf("write last seen: %w", err)
				}
			}
			return nil
		})
	}
	for k, v := range waiting {
		from, err := a.sealSeen(ctx, k.user, v.addr, v.agent)
		if errors.Is(err, seal.ErrErased) {
			continue
		} else if err != nil {
			return err
		}
		if rows = append(rows, row{k, v.at, from}); len(rows) == 20 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return flush()
}

func (a *Accounts) sealSeen(ctx context.Context, user id.UserID, addr, agent string) ([]byte, error) {
	b, err := json.Marshal(seenFrom{addr, cut(agent, 200)})
	if err != nil {
		return nil, fmt.Errorf("encode sighting: %w", err)
	}
	return a.sealed(ctx, user, "seen", b)
}

func (a *Accounts) openSeen(ctx context.Context, d *Device, from []byte) error {
	if from == nil {
		return nil
	}
	b, err := a.opened(ctx, d.User, "seen", from)
	if err != nil {
		return fmt.Errorf("open sighting: %w", err)
	}
	var f seenFrom
	if err := json.Unmarshal(b, &f); err != nil {
		return fmt.Errorf("decode sighting: %w", err)
	}
	d.SeenAddr, d.Agent = f.Addr, f.Agent
	return nil
}
