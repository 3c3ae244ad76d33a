package rest

import (
	"context"
	"net/http"
	"slices"

	"github.com/gobwas/ws"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
)

// AddStream serves the stream.
func (s *Server) AddStream() {
	s.streams.by = make(map[id.UserID][]*stream)
	s.streams.empty = make(chan struct{})
	s.streams.watch = newWatcher()
	s.helloing = &endpoint{Route: Route{Method: http.MethodGet, Path: StreamPath, Access: access.UserOrGuest}}
	// Public, because the token comes in the first message: a URL or a header that every proxy logs is no
	// place for it. Every request is checked like one that comes by HTTP.
	s.Add(Route{Method: http.MethodGet, Path: StreamPath, Access: access.Public, Limit: Unlimited, Long: true, Handle: s.stream})
}

// Revoked closes the streams of a person whose tokens may have stopped working, unless theirs still works.
func (s *Server) Revoked(user id.UserID) {
	for _, st := range s.streams.of(user) {
		go st.check()
	}
}

// CloseStreams closes every stream when its requests are answered, or when ctx ends.
func (s *Server) CloseStreams(ctx context.Context) error {
	x := &s.streams
	if x.empty == nil {
		return nil
	}
	x.mu.Lock()
	x.closed = true
	all := x.all()
	none := x.n == 0
	x.mu.Unlock()
	for _, st := range all {
		st.leave()
	}
	if !none {
		select {
		case <-x.empty:
		case <-ctx.Done():
			for _, st := range all {
				st.close(ws.StatusGoingAway, "")
			}
			return ctx.Err()
		}
	}
	if x.watch != nil {
		x.watch.close()
	}
	return nil
}

// enter counts a stream that has not said who it is.
func (x *streams) enter() {
	x.mu.Lock()
	x.n++
	x.mu.Unlock()
}

// add notes whose a stream is, unless that person has too many.
func (x *streams) add(user id.UserID, st *stream) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed || len(x.by[user]) >= maxStreams {
		return false
	}
	x.by[user] = append(x.by[user], st)
	return true
}

func (x *streams) leave(user id.UserID, st *stream) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if i := slices.Index(x.by[user], st); i >= 0 {
		x.by[user] = slices.Delete(x.by[user], i, i+1)
	}
	if len(x.by[user]) == 0 {
		delete(x.by, user)
	}
	if x.n--; x.n == 0 && x.closed {
		close(x.empty)
	}
}

func (x *streams) of(user id.UserID) []*stream {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.by[user])
}

// all are those who said who they are; the others end by themselves soon. x.mu is held.
func (x *streams) all() []*stream {
	var found []*stream
	for _, of := range x.by {
		found = append(found, of...)
	}
	return found
}

// leave closes a stream when nothing is open any more.
func (st *stream) leave() {
	st.mu.Lock()
	st.leaving = true
	for _, f := range st.frames {
		if f.guest != nil {
			f.guest.rouse(late)
		}
	}
	idle := len(st.frames) == 0
	st.mu.Unlock()
	if idle {
		st.close(ws.StatusGoingAway, "")
	}
}
