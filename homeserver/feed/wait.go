package feed

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"maunium.net/go/mautrix/id"
)

// waiter is one device that waits for news. It is told at most once until it looks.
type waiter struct {
	wake   func() // must not block
	memory *deviceMemory
	told   atomic.Bool
	over   atomic.Bool // its token may have stopped working: it does not wait any longer
	ripe   atomic.Bool // asides were held back and may be told now

	// Guarded by waiters.mu.
	due  int64 // when it is told of asides that are held back, milliseconds; 0: none are
	left bool
}

// Wait is a sync that had nothing to answer. It holds no more than what it needs to look again, because
// thousands of them wait at one time. Whoever has it looks when it was woken and when the time is over, one
// look at a time, and leaves in the end.
type Wait struct {
	For time.Duration // how long it waits

	f      *Feed
	user   id.UserID
	memory *deviceMemory
	waiter *waiter
	again  string // the answer's member that says where the device goes on
	since  string // where it came from
	look   func(ctx context.Context, asides bool) (answer []byte, held bool, err error)
	end    func(context.Context) ([]byte, error)
	leave  func()
}

// wait listens, then looks once: what comes while it looks is not missed.
func (f *Feed) wait(ctx context.Context, w *Wait, wake func()) ([]byte, *Wait, error) {
	w.f, w.waiter = f, f.waiters.listen(w.user, w.memory, wake)
	b, err := w.Look(ctx, false)
	if b != nil || err != nil {
		w.Leave()
		return b, nil, err
	}
	return nil, w, nil
}

// Look answers if there is news or the time is over, else it returns nil.
func (w *Wait) Look(ctx context.Context, over bool) ([]byte, error) {
	w.waiter.told.Store(false)
	switch {
	case w.waiter.over.Load():
		// Not even a look: the token may be no good any more. The device comes back if it is.
		return append(appendString(appendKey([]byte{'{'}, w.again), w.since), '}'), nil
	case over || w.f.closed.Load():
		return w.end(ctx)
	}
	answer, held, err := w.look(ctx, w.waiter.ripe.Load() || w.waiter.calm(w.f.now()))
	if held {
		w.f.holdBack(w.waiter)
	}
	return answer, err
}

// Leave ends the waiting.
func (w *Wait) Leave() {
	w.f.waiters.leave(w.user, w.waiter)
	w.leave()
}

// waiters are kept by person: news wakes exactly those whom it concerns.
type waiters struct {
	mu   sync.Mutex
	by   map[id.UserID][]*waiter
	n    int
	held []*waiter // those for whom there are asides that they may not be told yet
}

// listen registers a waiter. The caller looks for news after that, then waits, and leaves.
func (w *waiters) listen(user id.UserID, m *deviceMemory, wake func()) *waiter {
	x := &waiter{wake: wake, memory: m}
	w.mu.Lock()
	w.by[user] = append(w.by[user], x)
	w.n++
	w.mu.Unlock()
	return x
}

func (w *waiters) leave(user id.UserID, x *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.by[user]
	i := slices.Index(l, x)
	if i < 0 {
		return
	}
	x.left = true
	w.n--
	if len(l) == 1 {
		delete(w.by, user)
		return
	}
	w.by[user] = slices.Delete(l, i, i+1)
}

// wake tells the waiting devices of the given people and returns how many there were.
func (w *waiters) wake(users ...id.UserID) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	if len(w.by) == 0 {
		return 0
	}
	for _, u := range users {
		for _, x := range w.by[u] {
			n += x.tell()
		}
	}
	return n
}

// dismiss tells the waiting devices of a person to go without looking.
func (w *waiters) dismiss(user id.UserID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.by[user] {
		x.over.Store(true)
		x.tell()
	}
}

// all tells everybody.
func (w *waiters) all() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.by {
		for _, x := range l {
			x.tell()
		}
	}
}

// count is how many devices wait.
func (w *waiters) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}

func (x *waiter) tell() int {
	if x.told.Swap(true) {
		return 0
	}
	x.wake()
	return 1
}
