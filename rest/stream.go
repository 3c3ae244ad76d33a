package rest

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
)

// StreamPath is where the stream is served, see docs/stream.md.
const StreamPath = "/_myelin/v1/stream"

// Bounds of a stream.
const (
	maxMessage  = 256 << 10        // bytes of a request with its head
	maxAtOnce   = 64               // requests of a stream that are not answered
	maxStreams  = 100              // of one person
	helloTime   = 10 * time.Second // for the first message
	messageTime = 20 * time.Second // for a message that has begun to arrive
	writeTime   = 30 * time.Second // for the other side to take an answer
	beat        = 45 * time.Second // between pings
)

// Codes with which a stream is closed, beside the standard's.
const (
	closeSignedOut ws.StatusCode = 4401 // the token is no good any more; the reason is the error code
	closeTooMany   ws.StatusCode = 4429 // of something that is limited
)

// streams are the open streams by person; those that have not said who they are have none.
type streams struct {
	mu     sync.Mutex
	by     map[id.UserID][]*stream
	n      int
	closed bool
	watch  *watcher // nil: each stream has a goroutine
	empty  chan struct{}
}

// stream is one WebSocket connection over which requests come. While nothing arrives it has no goroutine and
// no buffer.
type stream struct {
	s       *Server
	e       *endpoint
	conn    net.Conn
	watched uint64 // at the watcher, 0: a goroutine reads
	packed  bool   // messages may be compressed
	begun   time.Time

	// What every request has of the handshake.
	remote    string
	agent     string
	forwarded []string

	heard atomic.Int64 // when something came, in Unix seconds
	pulse *time.Timer

	writing sync.Mutex // held while a message is written

	mu      sync.Mutex
	token   string
	who     access.Who // zero until the first message
	frames  []*frame   // requests that are not answered
	leaving bool       // it is closed when nothing is open
	over    bool
}

// stream serves StreamPath: from here on the connection speaks frames.
func (s *Server) stream(r *Request) (any, error) {
	switch {
	case !upgrades(r):
		return nil, fault.New(fault.Unrecognized, "This endpoint speaks WebSocket only.").WithStatus(http.StatusUpgradeRequired)
	case !s.sameOrigin(r):
		return nil, fault.New(fault.Forbidden, "Pages of another origin may not open a stream.")
	}
	pack := wsflate.Extension{Parameters: wsflate.DefaultParameters}
	conn, rw, _, err := ws.HTTPUpgrader{Timeout: writeTime, Negotiate: pack.Negotiate}.Upgrade(r.Request, r.rec.ResponseWriter)
	if err != nil {
		if conn == nil {
			return Handled, nil // HTTP/2; an error was answered
		}
		_ = conn.Close() // an error was answered
		r.rec.status = http.StatusBadRequest
		return Handled, nil
	}
	st := &stream{s: s, e: r.e, conn: conn, begun: r.start, remote: r.RemoteAddr}
	_, st.packed = pack.Accepted()
	st.agent = strings.Clone(r.UserAgent()) // else it holds on to all headers
	for _, v := range r.Header["X-Forwarded-For"] {
		st.forwarded = append(st.forwarded, strings.Clone(v))
	}
	st.pulse = time.AfterFunc(helloTime, st.beat)
	s.streams.enter()
	go st.serve(rw.Reader)
	return parked, nil
}

// upgrades reports whether a request asks for a WebSocket.
func upgrades(r *Request) bool {
	token := func(name, want string) bool {
		for _, v := range strings.Split(strings.Join(r.Header[name], ","), ",") {
			if strings.EqualFold(strings.TrimSpace(v), want) {
				return true
			}
		}
		return false
	}
	return r.ProtoMajor == 1 && r.ProtoAtLeast(1, 1) && token("Upgrade", "websocket") && token("Connection", "upgrade") &&
		len(r.Header.Get("Sec-Websocket-Key")) == 24 && r.Header.Get("Sec-Websocket-Version") == "13"
}

// sameOrigin keeps pages of other origins out. Programs send no Origin.
func (s *Server) sameOrigin(r *Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	from, err := url.Parse(origin)
	if err != nil || from.Host == "" {
		return false
	}
	public, err := url.Parse(s.o.PublicURL)
	return strings.EqualFold(from.Host, r.Host) || err == nil && strings.EqualFold(from.Host, public.Host)
}

// serve reads what is there, then leaves the stream to the watcher.
func (st *stream) serve(r *bufio.Reader) {
	if !st.messages(r) {
		st.drop()
		return
	}
	w := st.s.streams.watch
	if _, plain := st.conn.(*net.TCPConn); !plain || w == nil {
		for st.messages(r) {
		}
		st.drop()
		return
	}
	st.mu.Lock()
	var ok bool
	st.watched, ok = w.add(st.conn, readable, st.readable)
	over := st.over
	st.mu.Unlock()
	if !ok || over {
		st.drop()
		if ok {
			w.remove(st.watched)
		}
	}
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4096) }}

// readable is called by the watcher.
func (st *stream) readable() {
	go func() {
		r := readers.Get().(*bufio.Reader)
		r.Reset(st.conn)
		ok := st.messages(r)
		r.Reset(nil)
		readers.Put(r)
		st.mu.Lock()
		watched := st.watched // serve holds the lock until it is known
		st.mu.Unlock()
		if !ok || !st.s.streams.watch.rearm(watched, readable, st.readable) {
			st.drop()
		}
	}()
}

// messages reads messages until there is nothing more at hand, and reports whether the stream goes on.
func (st *stream) messages(r *bufio.Reader) bool {
	for more := true; more; more = r.Buffered() > 0 {
		text, err := st.read(r)
		if err != nil {
			st.failed(err)
			return false
		}
		st.heard.Store(time.Now().Unix())
		if text != nil && !st.take(text) {
			return false
		}
	}
	return true
}

// take acts on one message of the other side.
func (st *stream) take(text []byte) bool {
	head, body, _ := bytes.Cut(text, []byte{'\n'})
	words := strings.Split(string(head), " ")
	st.mu.Lock()
	known := !st.who.Nobody()
	st.mu.Unlock()
	switch {
	case len(words) == 2 && words[0] == "hello":
		return st.hello(words[1])
	case !known:
		return st.close(ws.StatusPolicyViolation, "hello comes first")
	case len(words) == 2 && words[1] == "cancel":
		st.forget(words[0])
		return true
	case len(words) == 3 && frameID(words[0]):
		return st.request(words[0], words[1], words[2], body)
	}
	return st.close(ws.StatusProtocolError, "not a request")
}

func frameID(s string) bool {
	_, err := strconv.ParseUint(s, 10, 53)
	return err == nil
}

// hello says who the other side is, at the beginning and again when it has a new token.
func (st *stream) hello(token string) bool {
	r := st.newRequest(st.s.o.Context, http.MethodGet, new(url.URL), token, nil)
	q := &Request{Request: r, s: st.s, e: st.s.helloing, start: time.Now()}
	if err := st.s.allow(q); err != nil {
		return st.refuse(err)
	}
	st.mu.Lock()
	was := st.who
	st.mu.Unlock()
	if !was.Nobody() && (was.User != q.Who.User || was.Device != q.Who.Device) {
		return st.close(ws.StatusPolicyViolation, "another device")
	}
	if was.Nobody() && !st.s.streams.add(q.Who.User, st) {
		return st.close(closeTooMany, string(fault.LimitExceeded))
	}
	st.mu.Lock()
	st.token, st.who = token, q.Who
	st.mu.Unlock()
	if was.Nobody() {
		st.pulse.Reset(beat)
	}
	// What was revoked between the look and the entry is found by a second look.
	return st.check() && st.send([]byte("welcome"), nil) == nil
}

// check closes a stream whose token is no good any more.
func (st *stream) check() bool {
	st.mu.Lock()
	token := st.token
	st.mu.Unlock()
	who, err := st.s.o.Authenticate(st.s.o.Context, token)
	if err == nil && st.s.helloing.Access.Decide(who) != access.Allowed {
		err = fault.New(fault.UserLocked, "This account is locked.")
	}
	if err != nil {
		return st.refuse(err)
	}
	return true
}

// refuse closes the stream with an error.
func (st *stream) refuse(err error) bool {
	f, told := fault.As(err)
	switch {
	case !told:
		return st.close(ws.StatusInternalServerError, string(fault.Unknown))
	case f.Kind == fault.LimitExceeded:
		return st.close(closeTooMany, string(f.Kind))
	}
	return st.close(closeSignedOut, string(f.Kind))
}

// request runs one request as if it had come by HTTP.
func (st *stream) request(number, method, path string, body []byte) bool {
	target, err := url.ParseRequestURI(path)
	if err != nil || !isAPI(target.Path) || !slices.Contains(frameMethods, method) {
		return st.close(ws.StatusProtocolError, "not a request")
	}
	ctx, cancel := context.WithCancel(st.s.o.Context)
	f := &frame{st: st, number: strings.Clone(number), cancel: cancel}
	st.mu.Lock()
	if st.leaving || st.over {
		st.mu.Unlock()
		cancel()
		return true // it is closed in a moment, and the request comes again
	}
	st.frames = append(st.frames, f)
	many := len(st.frames) > maxAtOnce
	token := st.token
	st.mu.Unlock()
	if many {
		st.s.writeFault(f.faulty(), fault.After(time.Second))
		f.end()
		return true
	}
	r := st.newRequest(ctx, method, target, token, body)
	go func() {
		if !st.s.route(f, r) {
			f.end()
		}
	}()
	return true
}

var frameMethods = []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete}

func (st *stream) newRequest(ctx context.Context, method string, target *url.URL, token string, body []byte) *http.Request {
	h := http.Header{"Authorization": {"Bearer " + token}, "Content-Type": jsonType}
	if st.agent != "" {
		h["User-Agent"] = []string{st.agent}
	}
	if st.forwarded != nil {
		h["X-Forwarded-For"] = st.forwarded
	}
	r := &http.Request{Method: method, URL: target, Header: h, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		RemoteAddr: st.remote, RequestURI: target.RequestURI(), Body: http.NoBody}
	if len(body) > 0 {
		r.Body, r.ContentLength = readCloser{bytes.NewReader(body)}, int64(len(body))
	}
	return r.WithContext(ctx)
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// forget ends a request that waits and whose answer nobody wants any more.
func (st *stream) forget(number string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, f := range st.frames {
		if f.guest != nil && f.number == number {
			f.guest.rouse(gone)
		}
	}
}

// beat is called when a stream was quiet for a while.
func (st *stream) beat() {
	st.mu.Lock()
	known := !st.who.Nobody()
	st.mu.Unlock()
	quiet := time.Since(time.Unix(st.heard.Load(), 0))
	if !known || quiet > 2*beat+beat/2 {
		st.drop()
		return
	}
	if st.control(ws.OpPing, nil) == nil {
		st.pulse.Reset(beat)
	}
}

// close ends a stream with a code. It returns false, for the caller to return.
func (st *stream) close(code ws.StatusCode, reason string) bool {
	_ = st.control(ws.OpClose, ws.NewCloseFrameBody(code, reason)) // it is closed in any case
	st.drop()
	return false
}

// drop ends a stream: nothing is written any more and nothing of it waits.
func (st *stream) drop() {
	st.mu.Lock()
	if st.over {
		st.mu.Unlock()
		return
	}
	st.over = true
	for _, f := range st.frames {
		if f.guest != nil {
			f.guest.rouse(gone)
		} else {
			f.cancel()
		}
	}
	user, watched := st.who.User, st.watched
	st.mu.Unlock()
	st.pulse.Stop()
	if watched != 0 {
		st.s.streams.watch.remove(watched)
	}
	_ = st.conn.Close() // what was to be said is said
	st.s.streams.leave(user, st)
	st.s.waiting.Add(-1)
	st.e.m.done(http.StatusSwitchingProtocols, true, time.Since(st.begun))
}
