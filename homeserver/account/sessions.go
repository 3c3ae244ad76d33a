package account

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
)

// session is a token that was found good.
type session struct {
	hash    [sha256.Size]byte
	who     access.Who
	expires int64 // milliseconds; 0: never
}

// sessions remembers tokens in memory, up to a bound.
type sessions struct {
	// generation is raised by every removal. What was read from the database before one is not kept.
	generation atomic.Uint64

	mu     sync.RWMutex
	max    int
	byHash map[[sha256.Size]byte]*session
	byUser map[id.UserID][]*session
}

func (c *sessions) init(limit int) {
	c.max = limit
	c.byHash = make(map[[sha256.Size]byte]*session)
	c.byUser = make(map[id.UserID][]*session)
}

func (c *sessions) get(hash [sha256.Size]byte) *session {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byHash[hash]
}

// put keeps s unless something was removed since generation was read.
func (c *sessions) put(s *session, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation.Load() != generation || c.byHash[s.hash] != nil {
		return
	}
	if len(c.byHash) >= c.max {
		for _, old := range c.byHash { // any: map order is random
			c.remove(old.who.User, func(*session) bool { return true })
			if len(c.byHash) < c.max-c.max/16 {
				break
			}
		}
	}
	c.byHash[s.hash] = s
	c.byUser[s.who.User] = append(c.byUser[s.who.User], s)
}

// drop forgets a device's sessions, or all of a user's.
func (c *sessions) drop(user id.UserID, device id.DeviceID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation.Add(1)
	c.remove(user, func(s *session) bool { return device == "" || s.who.Device == device })
}

func (c *sessions) dropAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation.Add(1)
	clear(c.byHash)
	clear(c.byUser)
}

// remove forgets the sessions of user that match; under mu.
func (c *sessions) remove(user id.UserID, match func(*session) bool) {
	var kept []*session
	for _, s := range c.byUser[user] {
		if match(s) {
			delete(c.byHash, s.hash)
		} else {
			kept = append(kept, s)
		}
	}
	if kept == nil {
		delete(c.byUser, user)
	} else {
		c.byUser[user] = kept
	}
}

func (c *sessions) len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.byHash)
}
