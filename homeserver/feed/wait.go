package feed

import (
	"slices"
	"sync"
	"sync/atomic"

	"maunium.net/go/mautrix/id"
)

// waiter is one device that waits for news. It is told at most once until it looks.
type waiter struct {
	ch   chan struct{}
	over atomic.Bool // its token may have stopped working: it does not wait any longer
}

// waiters are kept by person: news wakes exactly those whom it concerns.
type waiters struct {
	mu sync.Mutex
	by map[id.UserID][]*waiter
	n  int
}

// listen registers a waiter. The caller looks for news after that, then waits, and leaves.
func (w *waiters) listen(user id.UserID) *waiter {
	x := &waiter{ch: make(chan struct{}, 1)}
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
	select {
	case x.ch <- struct{}{}:
		return 1
	default:
		return 0
	}
}
