package room

import (
	"container/list"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"maunium.net/go/mautrix/id"
)

// eventCache keeps decoded events by id, the least recently used go first, bounded by their size.
type eventCache struct {
	mu    sync.Mutex
	room  int // bytes left
	by    map[id.EventID]*list.Element
	order *list.List // of *Event, the newest in front
	// pruned are the last redacted events. Who read one from the database just before does not put its
	// old form back.
	pruned *lru.Cache[id.EventID, struct{}]
}

func newEventCache(size int) *eventCache {
	pruned, err := lru.New[id.EventID, struct{}](1024)
	if err != nil { // only for sizes <= 0
		panic(err)
	}
	return &eventCache{room: size, by: make(map[id.EventID]*list.Element), order: list.New(), pruned: pruned}
}

func (c *eventCache) get(want id.EventID) *Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el := c.by[want]; el != nil {
		c.order.MoveToFront(el)
		return el.Value.(*Event)
	}
	return nil
}

// add keeps e and returns the event to use: one that is there already stays, so that everybody shares it.
func (c *eventCache) add(e *Event) *Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el := c.by[e.ID]; el != nil {
		return el.Value.(*Event)
	}
	if e.RedactedBecause == nil && c.pruned.Contains(e.ID) {
		return e
	}
	c.put(e)
	return e
}

// redacted keeps the pruned form of an event.
func (c *eventCache) redacted(e *Event) {
	c.pruned.Add(e.ID, struct{}{})
	c.replace(e)
}

// replace keeps e in the place of what is there.
func (c *eventCache) replace(e *Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(e.ID)
	c.put(e)
}

func (c *eventCache) drop(want id.EventID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(want)
}

// each calls f for every event.
func (c *eventCache) each(f func(*Event)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for el := c.order.Front(); el != nil; el = el.Next() {
		f(el.Value.(*Event))
	}
}

func (c *eventCache) put(e *Event) {
	c.by[e.ID] = c.order.PushFront(e)
	c.room -= e.Size()
	for c.room < 0 && c.order.Len() > 1 {
		c.remove(c.order.Back().Value.(*Event).ID)
	}
}

func (c *eventCache) remove(want id.EventID) {
	if el := c.by[want]; el != nil {
		c.order.Remove(el)
		delete(c.by, want)
		c.room += el.Value.(*Event).Size()
	}
}

// stateCache keeps states by the id of their snapshot.
type stateCache struct {
	mu     sync.Mutex
	by     *lru.Cache[int64, *State]
	pruned int64 // counts redactions of state events
}

func newStateCache(n int) *stateCache {
	c, err := lru.New[int64, *State](n)
	if err != nil { // only for n <= 0
		panic(err)
	}
	return &stateCache{by: c}
}

func (c *stateCache) get(snapshot int64) (*State, bool) { return c.by.Get(snapshot) }

// reading is called before a state is read that add is to keep.
func (c *stateCache) reading() (pruned int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pruned
}

// add keeps a state, unless an event was redacted since reading: it may hold it as it was before.
func (c *stateCache) add(snapshot int64, s *State, pruned int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pruned == pruned {
		c.by.Add(snapshot, s)
	}
}

// purge drops everything because a state event was redacted.
func (c *stateCache) purge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pruned++
	c.by.Purge()
}

// recent are the newest timeline events of a room: all of them from a position on.
type recent struct {
	mu     sync.Mutex
	from   int64 // complete from this position on; 0 before the room was loaded
	events []*Event
	pruned int64 // counts redactions
}

// recentMax is how many events recent keeps; it is cut to half of that when it is full.
const recentMax = 64

// add puts an event where its position belongs. Events come in order but for those of other processes.
func (c *recent) add(e *Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Pos < c.from {
		return
	}
	i := len(c.events)
	for i > 0 && c.events[i-1].Pos >= e.Pos {
		i--
	}
	if i < len(c.events) && c.events[i].Pos == e.Pos {
		c.events[i] = e
		return
	}
	if len(c.events) >= recentMax {
		cut := recentMax / 2
		c.events = append(make([]*Event, 0, recentMax), c.events[cut:]...)
		c.from = c.events[0].Pos
		if i < cut {
			return // it is older than what is kept now
		}
		if i -= cut; i == 0 {
			c.from = e.Pos
		}
	}
	c.events = append(c.events, nil)
	copy(c.events[i+1:], c.events[i:])
	c.events[i] = e
}

// replace puts the pruned form of an event in its place.
func (c *recent) replace(e *Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pruned++
	for i := len(c.events) - 1; i >= 0 && c.events[i].Pos >= e.Pos; i-- {
		if c.events[i].Pos == e.Pos {
			c.events[i] = e
		}
	}
}

// each calls f for every event.
func (c *recent) each(f func(*Event)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		f(e)
	}
}

// newest appends events with after < pos <= upTo to dst, newest first, up to limit. complete is the
// position down to which nothing is missing, pruned what extend wants to know.
func (c *recent) newest(dst []*Event, after, upTo int64, limit int) (out []*Event, complete, pruned int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.events) - 1; i >= 0 && len(dst) < limit && c.events[i].Pos > after; i-- {
		if c.events[i].Pos <= upTo {
			dst = append(dst, c.events[i])
		}
	}
	return dst, c.from, c.pruned
}

// extend puts older events, newest first, in front when they are next to what is there: all timeline
// events with from <= pos < until. They are not kept when something was redacted since newest said pruned: it may
// be among them as it was before.
func (c *recent) extend(older []*Event, from, until, pruned int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.from != until || c.pruned != pruned || len(c.events)+len(older) > recentMax {
		return
	}
	l := make([]*Event, 0, recentMax)
	for i := len(older) - 1; i >= 0; i-- {
		l = append(l, older[i])
	}
	c.events = append(l, c.events...)
	c.from = from
}
