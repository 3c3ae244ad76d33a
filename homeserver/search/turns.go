package search

import (
	"context"
	"sync"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
)

const (
	maxRunning = 4  // searches at a time
	maxWaiting = 4  // searches of one person, the running one included
	maxPeople  = 64 // who search or wait for their turn
)

var (
	errBusyPerson = &fault.Fault{Kind: fault.LimitExceeded, Text: "Your other searches are not finished.", RetryAfter: time.Second}
	errBusy       = &fault.Fault{Kind: fault.LimitExceeded, Text: "Too many people are searching.", RetryAfter: time.Second}
)

// turns lets few searches run at a time, and one of each person.
type turns struct {
	running chan struct{} // as many as run
	mu      sync.Mutex
	people  map[id.UserID]*queue // who search or wait
}

// queue is the searches of one person.
type queue struct {
	n    int
	turn chan struct{} // full while one runs
}

func newTurns() *turns {
	return &turns{running: make(chan struct{}, maxRunning), people: map[id.UserID]*queue{}}
}

// take waits for a person's turn, which lasts until done is called.
func (t *turns) take(ctx context.Context, user id.UserID) (done func(), err error) {
	q, err := t.join(user)
	if err != nil {
		return nil, err
	}
	for i, c := range []chan struct{}{q.turn, t.running} {
		select {
		case c <- struct{}{}:
		case <-ctx.Done():
			if i > 0 {
				<-q.turn
			}
			t.leave(user, q)
			return nil, ctx.Err()
		}
	}
	return func() {
		<-t.running
		<-q.turn
		t.leave(user, q)
	}, nil
}

func (t *turns) join(user id.UserID) (*queue, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.people[user]
	switch {
	case q == nil && len(t.people) == maxPeople:
		return nil, errBusy
	case q == nil:
		q = &queue{turn: make(chan struct{}, 1)}
		t.people[user] = q
	case q.n == maxWaiting:
		return nil, errBusyPerson
	}
	q.n++
	return q, nil
}

func (t *turns) leave(user id.UserID, q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.n--; q.n == 0 {
		delete(t.people, user)
	}
}
