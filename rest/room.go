package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// WaitingRoom is where the connections of an http.Server are while their request waits: without goroutines
// and buffers, as no more than what their answer needs. Its answer written, a connection goes back to the
// http.Server when the next request begins to arrive; so the room is a net.Listener that is served beside the
// one where connections come in.
type WaitingRoom struct {
	addr  net.Addr
	watch *watcher // nil: this system has none, and nobody waits here
	back  chan net.Conn
	shut  chan struct{}

	mu     sync.Mutex
	seats  map[*bench]struct{} // those who wait for an answer, and connections that have no request
	closed bool
	empty  chan struct{} // closed when the room is closed and nobody sits in it
}

const (
	// answerTime is how long a caller may take to read an answer that it waited for.
	answerTime = 2 * time.Minute
	// idleTime is how long a connection may have no request, see NewHTTPServer.
	idleTime = 3 * time.Minute
)

type roomKey struct{}

// NewWaitingRoom opens a waiting room for the connections of one http.Server.
func NewWaitingRoom(addr net.Addr) *WaitingRoom {
	return &WaitingRoom{
		addr: addr, watch: newWatcher(), back: make(chan net.Conn), shut: make(chan struct{}),
		seats: make(map[*bench]struct{}), empty: make(chan struct{}),
	}
}

// Context is what the BaseContext of the http.Server has to return: its requests find the room in it.
func (w *WaitingRoom) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, roomKey{}, w)
}

// Accept implements net.Listener.
func (w *WaitingRoom) Accept() (net.Conn, error) {
	select {
	case c := <-w.back:
		return c, nil
	case <-w.shut:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (w *WaitingRoom) Addr() net.Addr { return w.addr }

// Close implements net.Listener: whoever waits is answered, and no connection goes back any more.
func (w *WaitingRoom) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	close(w.shut)
	for b := range w.seats {
		if b.guest != nil {
			b.guest.rouse(late)
		} else {
			go b.drop()
		}
	}
	w.leave(nil)
	return nil
}

// Drain waits until everybody who waited has an answer, after Close.
func (w *WaitingRoom) Drain(ctx context.Context) error {
	select {
	case <-w.empty:
	case <-ctx.Done():
		return ctx.Err()
	}
	if w.watch != nil {
		w.watch.close()
	}
	return nil
}

// leave takes a bench away. w.mu is held.
func (w *WaitingRoom) leave(b *bench) {
	delete(w.seats, b)
	if w.closed && len(w.seats) == 0 {
		select {
		case <-w.empty:
		default:
			close(w.empty)
		}
	}
}

// giveBack hands a connection to the http.Server.
func (w *WaitingRoom) giveBack(c net.Conn) {
	select {
	case w.back <- c:
	case <-w.shut:
		_ = c.Close() // between two requests
	}
}

// park gives a request that waits a seat where it needs no goroutine, if there is one for its kind.
func (s *Server) park(r *Request, end time.Time) bool {
	w, ok := r.Context().Value(roomKey{}).(*WaitingRoom)
	if !ok || w.watch == nil || r.Method == http.MethodHead || !r.ProtoAtLeast(1, 1) || r.Close || r.ContentLength != 0 && !r.read {
		return false
	}
	c, rw, err := http.NewResponseController(r.rec.ResponseWriter).Hijack()
	if err != nil {
		return false // HTTP/2
	}
	b := &bench{room: w, conn: c, guest: r.guest, stays: true}
	if p, ok := c.(*prefixed); ok && len(p.early) == 0 {
		b.conn = p.Conn
	}
	if n := rw.Reader.Buffered(); n > 0 {
		early, _ := rw.Reader.Peek(n)
		b.keep(bytes.Clone(early))
	}
	w.mu.Lock()
	w.seats[b] = struct{}{}
	closed := w.closed
	w.mu.Unlock()
	// Where it cannot be watched, a caller that went away is noticed when its time is over.
	g := r.guest
	b.id, _ = w.watch.add(b.conn, hangUp, func() { g.rouse(gone) })
	if closed {
		g.rouse(late)
	}
	g.sit(r, b, end)
	return true
}

// bench is the seat of one HTTP/1.1 connection.
type bench struct {
	room  *WaitingRoom
	conn  net.Conn
	id    uint64 // at the watcher
	stays bool   // it can be used again after the answer
	guest *guest // nil when it has no request; guarded by room.mu
	idle  *time.Timer

	header http.Header
	head   []byte
	failed bool
}

// keep holds what came after the request that waits.
func (b *bench) keep(early []byte) {
	if _, ok := b.conn.(*tls.Conn); ok {
		// Below a prefix net/http would not know it. Its caller sends again what was not answered.
		b.stays = false
		return
	}
	b.conn = &prefixed{Conn: b.conn, early: early}
}

// Header implements http.ResponseWriter.
func (b *bench) Header() http.Header {
	if b.header == nil {
		b.header = make(http.Header)
	}
	return b.header
}

// WriteHeader implements http.ResponseWriter.
func (b *bench) WriteHeader(status int) {
	b.room.mu.Lock()
	b.stays = b.stays && !b.room.closed
	b.room.mu.Unlock()
	var h bytes.Buffer
	fmt.Fprintf(&h, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, http.StatusText(status), time.Now().UTC().Format(http.TimeFormat))
	if !b.stays {
		h.WriteString("Connection: close\r\n")
	}
	_ = b.header.Write(&h) // a buffer takes everything
	h.WriteString("\r\n")
	b.head = h.Bytes()
}

// Write implements http.ResponseWriter. The answer comes in one piece.
func (b *bench) Write(body []byte) (int, error) {
	pieces := net.Buffers{b.head, body}
	b.head = nil
	err := b.conn.SetWriteDeadline(time.Now().Add(answerTime))
	if err == nil {
		_, err = pieces.WriteTo(b.conn)
	}
	if err == nil {
		err = b.conn.SetWriteDeadline(time.Time{})
	}
	b.failed = err != nil
	return len(body), err
}

// done implements seat: the connection waits for its next request, or is closed.
func (b *bench) done(answered bool) {
	w := b.room
	_, plain := b.conn.(*net.TCPConn)
	w.mu.Lock()
	b.guest = nil
	again := answered && b.stays && !b.failed && !w.closed
	if again && plain {
		b.header = nil
		b.idle = time.AfterFunc(idleTime, b.drop)
	} else {
		w.leave(b)
	}
	w.mu.Unlock()
	switch {
	case again && plain:
		if !w.watch.rearm(b.id, readable, b.next) {
			b.drop()
		}
	case again: // there may be bytes of the next request where the watcher does not see them
		w.watch.remove(b.id)
		w.giveBack(b.conn)
	default:
		w.watch.remove(b.id)
		_ = b.conn.Close() // nothing more is to be said
	}
}

// take takes a connection that has no request from its bench; only one comes first.
func (b *bench) take() bool {
	w := b.room
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, sits := w.seats[b]; !sits {
		return false
	}
	w.leave(b)
	b.idle.Stop()
	w.watch.remove(b.id)
	return true
}

// next goes back because there is something to read.
func (b *bench) next() {
	if b.take() {
		b.room.giveBack(b.conn)
	}
}

// drop closes a connection that has no request.
func (b *bench) drop() {
	if b.take() {
		_ = b.conn.Close() // nothing is under way on it
	}
}

// prefixed is a connection of which something was read already.
type prefixed struct {
	net.Conn
	early []byte
}

// Read implements net.Conn.
func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.early) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.early)
	p.early = p.early[n:]
	return n, nil
}

// NetConn is the connection below.
func (p *prefixed) NetConn() net.Conn { return p.Conn }
