package feed

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"maunium.net/go/mautrix/id"
)

// membersMax bounds what is remembered of the member events that a device has got; past it the device gets
// some again.
const membersMax = 20_000

var memorySeed = maphash.MakeSeed()

// deviceMemory is what is remembered of a device between its syncs. Losing it costs redundant answers only.
type deviceMemory struct {
	told atomic.Int64 // when it was last answered with news, milliseconds

	mu      sync.Mutex
	checked bool   // looked for acknowledged messages since the process started
	pending string // token of the newest answer; what was in it counts when the device comes with it

	members        map[uint64]struct{} // member events that the device has
	pendingMembers []uint64
	mailSent       int64 // newest position of a message that was sent and not yet removed
}

// memory returns the memory of a device.
func (f *Feed) memory(k deviceKey) *deviceMemory {
	if m, ok := f.devices.Get(k); ok {
		return m
	}
	m := new(deviceMemory)
	if old, ok, _ := f.devices.PeekOrAdd(k, m); ok {
		return old
	}
	return m
}

// restart forgets what the device has, because it begins anew.
func (m *deviceMemory) restart() {
	m.mu.Lock()
	m.members, m.pendingMembers, m.pending = nil, nil, ""
	m.mu.Unlock()
}

// came notes the token that the device comes with: if it is that of the newest answer, it got that.
func (m *deviceMemory) came(since string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if since != m.pending {
		m.pendingMembers = nil
		return
	}
	if len(m.members)+len(m.pendingMembers) > membersMax {
		m.members = nil
	}
	if m.members == nil && len(m.pendingMembers) > 0 {
		m.members = make(map[uint64]struct{}, len(m.pendingMembers))
	}
	for _, h := range m.pendingMembers {
		m.members[h] = struct{}{}
	}
	m.pendingMembers = nil
}

// sent notes what an answer held.
func (m *deviceMemory) sent(next string, members []uint64, mailed int64) {
	m.mu.Lock()
	m.pending, m.pendingMembers = next, members
	m.mailSent = max(m.mailSent, mailed)
	m.mu.Unlock()
}

// mailed notes that messages up to a position were sent to the device.
func (m *deviceMemory) mailed(upTo int64) {
	m.mu.Lock()
	m.mailSent = max(m.mailSent, upTo)
	m.mu.Unlock()
}

// has reports whether the device has got a member event.
func (m *deviceMemory) has(member uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.members[member]
	return ok
}

func memberHash(e id.EventID) uint64 { return maphash.String(memorySeed, string(e)) }
