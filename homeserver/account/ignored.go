package account

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
)

const maxIgnored = 100_000 // lists kept in memory

// ignored remembers whom people ignore.
type ignored struct {
	generation atomic.Uint64
	mu         sync.RWMutex
	of         map[id.UserID]ignoredEntry
}

type ignoredEntry struct{ users map[id.UserID]bool }

// Ignored returns the users that a person ignores (m.ignored_user_list), from memory if it was asked
// before. The result must not be changed.
func (a *Accounts) Ignored(ctx context.Context, user id.UserID) (map[id.UserID]bool, error) {
	if err := a.fresh(ctx); err != nil {
		return nil, err
	}
	c := &a.ignored
	generation := c.generation.Load()
	c.mu.RLock()
	e, ok := c.of[user]
	c.mu.RUnlock()
	if ok {
		return e.users, nil
	}
	content, err := a.Datum(ctx, user, "", typeIgnored)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, fmt.Errorf("load ignored users: %w", err)
	}
	e = ignoredEntry{parseIgnored(content)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation.Load() == generation {
		if len(c.of) >= maxIgnored {
			clear(c.of)
		}
		c.of[user] = e
	}
	return e.users, nil
}

// parseIgnored reads the list; a client may have stored nonsense, which ignores nobody.
func parseIgnored(content json.RawMessage) map[id.UserID]bool {
	var list struct {
		Users map[id.UserID]json.RawMessage `json:"ignored_users"`
	}
	if json.Unmarshal(content, &list) != nil || len(list.Users) == 0 {
		return nil
	}
	users := make(map[id.UserID]bool, len(list.Users))
	for u := range list.Users {
		users[u] = true
	}
	return users
}

func (c *ignored) forget(user id.UserID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation.Add(1)
	delete(c.of, user)
}

func (c *ignored) forgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation.Add(1)
	clear(c.of)
}
