package feed

import (
	"maps"
	"sync"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
)

// slideConns is how many connections of sliding sync are remembered. A device whose connection was
// forgotten begins a new one.
const slideConns = 20_000

// connKey names a connection of a device.
type connKey struct {
	deviceKey
	conn string
}

// connection is what a device was told over one connection of sliding sync. It is never stored: its
// positions carry the process's boot id, and after a restart the device begins a new one.
type connection struct {
	mu   sync.Mutex
	n    uint64 // of the newest answer that the device came back with; 0: none yet
	at   token
	room map[id.RoomID]told
	// threads: subscriptions of threads are told up to here; 0: never.
	threads int64
	have    map[uint64]struct{} // lazily loaded member events, see memberHash
	next    *step               // newest answer; it counts when the device comes with its number
}

// step is what one answer adds to a connection.
type step struct {
	n       uint64
	at      token
	rooms   map[id.RoomID]told
	threads int64
	members []uint64
}

// told is what a connection knows of a room.
type told struct {
	pos        int64 // events and state are told up to here
	membership string
	direct     bool
	limit      int   // newest events that were told without a gap
	wish       *wish // of the state
	receipts   int64 // told up to here; 0: never
	data       int64 // account data
	typing     int64 // serial behind which nothing is told; 0: never
}

// view is a connection as a request finds it.
type view struct {
	conn    *connection
	at      token
	room    map[id.RoomID]told
	threads int64
}

func newConnection() *connection {
	return &connection{room: make(map[id.RoomID]told), have: make(map[uint64]struct{})}
}

// came notes the number of the answer that the device comes back with; ok is false when it is neither that
// of the newest answer nor that of the one before it.
func (c *connection) came(n uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next != nil && c.next.n == n {
		// A new map, because a request that the device gave up may still read the old one.
		rooms := maps.Clone(c.room)
		maps.Copy(rooms, c.next.rooms)
		if len(c.have)+len(c.next.members) > membersMax {
			c.have = make(map[uint64]struct{})
		}
		for _, h := range c.next.members {
			c.have[h] = struct{}{}
		}
		c.n, c.at, c.room, c.threads, c.next = n, c.next.at, rooms, c.next.threads, nil
	}
	return c.n == n && n != 0
}

// view is what the device has with answer n.
func (c *connection) view(n uint64) (view, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n != n {
		return view{}, fault.New(fault.UnknownPos, "The device went on with a newer request.").WithStatus(400)
	}
	return view{conn: c, at: c.at, room: c.room, threads: c.threads}, nil
}

// sent remembers an answer to the request that came with answer since, and returns its number.
func (c *connection) sent(n, since uint64, s *step) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == since {
		s.n, c.next = n, s
	}
	return n
}

// has reports whether the device has a member event.
func (c *connection) has(member uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.have[member]
	return ok
}
