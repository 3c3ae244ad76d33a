package rest

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/myelin-health/myelin/access"
)

// Wait is what the handler of a Long route returns when it has nothing to answer yet. The Server looks again
// whenever Request.Waker was called, and when the time is over. Meanwhile the request may have neither a
// goroutine nor buffers, so the handler keeps no more than it needs.
type Wait struct {
	For time.Duration
	// Look returns the answer, or nil while there is none. When the time is over it has to answer. It is not
	// called twice at one time.
	Look func(ctx context.Context, over bool) (any, error)
	// Leave is called once, when the waiting ends.
	Leave func()
}

// seat is where a guest waits that has no goroutine, and where its answer is written.
type seat interface {
	http.ResponseWriter
	// done ends the request. The seat is not used after it.
	done(answered bool)
}

// What a guest without a goroutine is roused by.
const (
	woken = 1 << iota
	late
	gone
)

// guest is a request that waits.
type guest struct {
	s    *Server
	wait Wait
	bell chan struct{} // rung while the request's own goroutine waits

	mu    sync.Mutex
	seat  seat // nil while the request's own goroutine waits
	calls int  // what it was roused by and has not looked after
	busy  bool // a goroutine looks after it
	timer *time.Timer

	// What is needed of the request when it is answered.
	e      *endpoint
	values []string // of the path
	who    access.Who
	begun  time.Time
	method string
	token  string
	addr   string
	id     string
}

// Waker returns what a handler that answers with a Wait is told by that there may be something to answer. It
// may be called at any time, also when the request is over, and does not block.
func (r *Request) Waker() func() {
	if r.guest == nil {
		r.guest = &guest{s: r.s, bell: make(chan struct{}, 1)}
	}
	return r.guest.wake
}

func (g *guest) wake() { g.rouse(woken) }

// rouse has somebody look after a guest: its own goroutine, or a new one when it has none.
func (g *guest) rouse(call int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.seat == nil && call == woken:
		select {
		case g.bell <- struct{}{}:
		default: // it rings already
		}
	case g.seat == nil:
		g.calls |= call // on its way to the seat
	default:
		g.calls |= call
		g.start()
	}
}

// start has a goroutine attend to the guest. g.mu is held.
func (g *guest) start() {
	if !g.busy {
		g.busy = true
		go g.attend()
	}
}

// await waits in the request's own goroutine, and after a moment finds it a seat where it needs none.
func (s *Server) await(r *Request, w Wait) (any, error) {
	_ = r.Waker() // a handler that nothing wakes waits for the time only
	g := r.guest
	g.wait = w
	end := time.Now().Add(w.For)
	if f, ok := r.rec.ResponseWriter.(*frame); ok {
		f.sit(r, end) // its goroutine is of no use any more
		return parked, nil
	}
	over, moment := time.NewTimer(w.For), time.NewTimer(s.o.ParkAfter)
	defer over.Stop()
	defer moment.Stop()
	stays := true
	defer func() {
		if stays {
			w.Leave()
		}
	}()
	for {
		isOver := false
		select {
		case <-g.bell:
		case <-over.C:
			isOver = true
		case <-moment.C:
			if s.park(r, end) {
				stays = false
				return parked, nil
			}
			continue
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		answer, err := w.Look(r.Context(), isOver)
		if answer != nil || err != nil {
			return answer, err
		}
	}
}

// Waiting is how many requests wait, streams among them.
func (s *Server) Waiting() int { return int(s.waiting.Load()) }

type leftOver struct{}

// parked is the answer to a request that waits without its goroutine: nothing is to be written now.
var parked any = leftOver{}

// sit gives a guest its seat. From here on r is not its request any more.
func (g *guest) sit(r *Request, on seat, end time.Time) {
	g.e, g.who, g.begun, g.method = r.e, r.Who, r.start, r.Method
	g.token, g.addr, g.id = strings.Clone(bearer(r.Request)), r.Addr(), strings.Clone(r.Header.Get("X-Request-Id"))
	for _, v := range r.m.values[:r.m.n] {
		g.values = append(g.values, strings.Clone(v)) // else it holds on to the request
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seat = on
	g.timer = time.AfterFunc(time.Until(end), func() { g.rouse(late) })
	select {
	case <-g.bell: // rung before it sat down
		g.calls |= woken
	default:
	}
	if g.calls != 0 {
		g.start()
	}
}

// attend looks after a guest that was roused, until there is nothing to do for it.
func (g *guest) attend() {
	for {
		g.mu.Lock()
		calls := g.calls
		g.calls = 0
		g.busy = calls != 0
		g.mu.Unlock()
		if calls == 0 || !g.look(calls) {
			return
		}
	}
}

// look answers a guest if there is something to answer, and reports whether it still waits.
func (g *guest) look(calls int) bool {
	ctx, cancel := context.WithCancel(g.s.o.Context)
	defer cancel()
	r := g.request(ctx)
	var answer any
	var err error
	if calls&gone != 0 {
		cancel()
		err = context.Canceled
	} else if answer, err = g.peek(r, calls&late != 0); answer == nil && err == nil {
		return true
	}
	g.timer.Stop()
	g.wait.Leave()
	if err == nil {
		err = g.s.stillSignedIn(r)
	}
	if isAPI(g.e.Path) {
		cors(r.W.Header())
	}
	g.s.finish(r, answer, err)
	g.s.waiting.Add(-1)
	g.seat.done(calls&gone == 0)
	return false
}

// peek asks the handler for the answer.
func (g *guest) peek(r *Request, over bool) (answer any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = g.s.panicked(r, p)
		}
	}()
	return g.wait.Look(r.Context(), over)
}

// request is as much of the guest's request as its answer needs.
func (g *guest) request(ctx context.Context) *Request {
	hr := (&http.Request{Method: g.method, URL: new(url.URL), Header: http.Header{}}).WithContext(ctx)
	if g.token != "" {
		hr.Header["Authorization"] = []string{"Bearer " + g.token}
	}
	if g.id != "" {
		hr.Header["X-Request-Id"] = []string{g.id}
	}
	r := &Request{Request: hr, Who: g.who, s: g.s, e: g.e, addr: g.addr, start: g.begun}
	r.m.n = copy(r.m.values[:], g.values)
	r.rec.ResponseWriter = g.seat
	r.W = &r.rec
	return r
}
