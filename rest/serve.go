package rest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	jsonv1 "encoding/json"
	"encoding/json/v2"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
)

// Header values are shared between answers; net/http only reads them.
var (
	jsonType     = []string{"application/json"}
	anyOrigin    = []string{"*"}
	corsMethods  = []string{"GET, HEAD, POST, PUT, DELETE, OPTIONS"}
	corsHeaders  = []string{"X-Requested-With, Content-Type, Authorization, Date"}
	corsExpose   = []string{"Retry-After"}
	corsMaxAge   = []string{"86400"}
	noStore      = []string{"no-store"}
	noSniff      = []string{"nosniff"}
	emptyObject  = []byte("{}")
	buffers      = sync.Pool{New: func() any { return new(bytes.Buffer) }}
	encodeWith   = json.JoinOptions(jsonv1.OmitEmptyWithLegacySemantics(true), json.Deterministic(false))
	apiPrefixes  = [...]string{"/_matrix/", "/_myelin/", "/_synapse/", "/.well-known/matrix/"}
	errPanicked  = errors.New("handler panicked")
	maxKeptBytes = 256 << 10
)

func bootID() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, hr *http.Request) { s.route(w, hr) }

// route serves a request, and reports whether it waits without its goroutine.
func (s *Server) route(w http.ResponseWriter, hr *http.Request) (waits bool) {
	r := &Request{Request: hr, s: s, start: time.Now()}
	r.rec.ResponseWriter = w
	r.W = &r.rec
	var known bool
	r.e, known = s.lookup(hr, &r.m)
	api := isAPI(hr.URL.Path)
	if api {
		cors(w.Header())
		if hr.Method == http.MethodOptions {
			s.preflight(w)
			return false
		}
	}
	if r.e == nil {
		s.unmatched(r, known, api)
		return false
	}
	answer, err := s.serve(r)
	if answer == parked {
		return true
	}
	s.finish(r, answer, err)
	return false
}

func isAPI(path string) bool {
	for _, p := range apiPrefixes {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

// cors sets what the specification asks of every answer (section "Web Browser Clients").
func cors(h http.Header) {
	h["Access-Control-Allow-Origin"] = anyOrigin
	h["Access-Control-Allow-Methods"] = corsMethods
	h["Access-Control-Allow-Headers"] = corsHeaders
}

// preflight answers OPTIONS; no operation is run and no token is asked for.
func (s *Server) preflight(w http.ResponseWriter) {
	w.Header()["Access-Control-Max-Age"] = corsMaxAge
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) unmatched(r *Request, known, api bool) {
	switch {
	case !known && !api && s.o.Fallback != nil:
		s.o.Fallback.ServeHTTP(r.rec.ResponseWriter, r.Request)
	case known:
		s.writeFault(r, fault.New(fault.Unrecognized, "This method is not allowed here.").WithStatus(http.StatusMethodNotAllowed))
	default:
		s.writeFault(r, fault.New(fault.Unrecognized, "There is no such endpoint."))
	}
}

// serve runs the checks and the handler.
func (s *Server) serve(r *Request) (answer any, err error) {
	count, limit := &s.active, int64(s.o.MaxConcurrent)
	if r.e.Long {
		count, limit = &s.waiting, int64(s.o.MaxWaiting)
	}
	defer func() {
		if answer != parked {
			count.Add(-1)
		}
	}()
	if count.Add(1) > limit {
		s.metrics.limited.WithLabelValues("concurrency").Inc()
		return nil, fault.After(time.Second)
	}
	if err := s.allow(r); err != nil {
		return nil, err
	}
	if r.e.MaxBody >= 0 && r.ContentLength < 0 {
		r.Body = http.MaxBytesReader(r.rec.ResponseWriter, r.Body, r.e.MaxBody)
	} else if r.e.MaxBody >= 0 && r.ContentLength > r.e.MaxBody {
		return nil, tooLarge()
	}
	defer func() {
		if p := recover(); p != nil {
			err = s.panicked(r, p)
		}
	}()
	answer, err = r.e.Handle(r)
	if w, ok := answer.(Wait); ok && err == nil {
		answer, err = s.await(r, w)
	}
	if r.e.Long && err == nil && answer != parked {
		err = s.stillSignedIn(r)
	}
	return answer, err
}

// stillSignedIn is a fault when the caller was signed out while it waited.
func (s *Server) stillSignedIn(r *Request) error {
	if r.Who.Nobody() {
		return nil
	}
	_, err := s.o.Authenticate(r.Context(), bearer(r.Request))
	return err
}

// allow authenticates, asks access and takes from the rate limit.
func (s *Server) allow(r *Request) error {
	if r.e.Access.Token() {
		if err := s.authenticate(r); err != nil {
			return err
		}
	}
	if s.limits == nil || r.e.Limit == Unlimited || r.Who.Unlimited {
		return nil
	}
	key := string(r.Who.User)
	if key == "" {
		key = Network(r.Addr())
	}
	if wait := s.limits.take(r.e.Limit, key); wait > 0 {
		s.metrics.limited.WithLabelValues(r.e.Limit.String()).Inc()
		return fault.After(wait)
	}
	return nil
}

func (s *Server) authenticate(r *Request) error {
	if token := bearer(r.Request); token != "" {
		who, err := s.o.Authenticate(r.Context(), token)
		if err != nil {
			return s.badToken(r, err)
		}
		if who.Service != "" && s.o.Masquerade != nil {
			if who, err = s.o.Masquerade(r.Context(), who, r.Q("user_id"), cmp.Or(r.Q("device_id"), r.Q("org.matrix.msc3202.device_id"))); err != nil {
				return err
			}
		}
		r.Who = who
	}
	switch r.e.Access.Decide(r.Who) {
	case access.NoToken:
		return fault.New(fault.MissingToken, "An access token is needed.")
	case access.NotGuest:
		return fault.New(fault.GuestForbidden, "Guests may not do this.")
	case access.NotAdmin:
		return fault.New(fault.Forbidden, "Only administrators may do this.")
	case access.IsLocked:
		return fault.New(fault.UserLocked, "This account is locked.").With("soft_logout", true)
	case access.IsSuspended:
		return fault.New(fault.UserSuspended, "This account is suspended.")
	case access.Allowed:
	}
	if s.o.Seen != nil && !r.Who.Nobody() {
		s.o.Seen(r.Who, r.Addr(), r.UserAgent())
	}
	return nil
}

// badToken is the answer to a token that is no good; who tries many is asked to wait.
func (s *Server) badToken(r *Request, err error) error {
	if _, told := fault.As(err); told && s.limits != nil {
		if wait := s.limits.take(Ordinary, "bad token "+Network(r.Addr())); wait > 0 {
			s.metrics.limited.WithLabelValues(Ordinary.String()).Inc()
			return fault.After(wait)
		}
	}
	return err
}

// bearer finds the access token: in the header, or in the query string as older clients send it.
func bearer(r *http.Request) string {
	if h := r.Header["Authorization"]; len(h) > 0 {
		scheme, token, ok := strings.Cut(h[0], " ")
		if ok && strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(token)
		}
	}
	if strings.Contains(r.URL.RawQuery, "access_token=") {
		return r.URL.Query().Get("access_token")
	}
	return ""
}

// panicked turns a panic into an inner error. The value may hold content, so only its type is logged,
// or the text if it is the runtime's own.
func (s *Server) panicked(r *Request, p any) error {
	if p == http.ErrAbortHandler {
		panic(p)
	}
	s.metrics.panics.Inc()
	what := fmt.Sprintf("%T", p)
	if re, ok := p.(runtime.Error); ok {
		what = re.Error()
	}
	s.log.LogAttrs(r.Context(), slog.LevelError, "handler panicked", slog.String("route", r.e.Path),
		slog.String("value", what), slog.String("stack", string(debug.Stack())))
	return errPanicked
}

// finish writes the answer, counts and logs.
func (s *Server) finish(r *Request, answer any, err error) {
	if err != nil {
		s.fail(r, err)
	} else if err := r.write(http.StatusOK, answer); err != nil {
		s.fail(r, err)
	}
	status := r.rec.status
	if status == 0 {
		status = http.StatusOK
	}
	took := time.Since(r.start)
	r.e.m.done(status, r.e.Long, took)
	if s.log.Enabled(r.Context(), slog.LevelDebug) {
		s.log.LogAttrs(r.Context(), slog.LevelDebug, "request", slog.String("id", s.requestID(r)),
			slog.String("method", r.Method), slog.String("route", r.e.Path), slog.Int("status", status),
			slog.Duration("took", took), slog.String("addr", r.Addr()))
	}
}

// fail answers with an error.
func (s *Server) fail(r *Request, err error) {
	if f, ok := fault.As(err); ok {
		if f.HTTPStatus() >= 500 {
			s.log.LogAttrs(r.Context(), slog.LevelWarn, "request failed", slog.String("id", s.requestID(r)),
				slog.String("route", r.e.Path), slog.Any("error", err))
		}
		if s.o.Refused != nil && f.HTTPStatus() == http.StatusForbidden && !r.Who.Nobody() {
			s.o.Refused(r, f)
		}
		s.writeFault(r, f)
		return
	}
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		r.rec.status = 499 // the caller went away; nobody reads an answer
		return
	}
	s.log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("id", s.requestID(r)),
		slog.String("route", r.e.Path), slog.Any("error", err))
	s.writeFault(r, fault.New(fault.Unknown, "Internal server error."))
}

// writeFault writes the specification's error answer.
func (s *Server) writeFault(r *Request, f *fault.Fault) {
	if r.rec.status != 0 {
		return // the handler began an answer; too late
	}
	body := make(map[string]any, len(f.Fields)+3)
	for k, v := range f.Fields {
		body[k] = v
	}
	if f.Kind != "" {
		body["errcode"] = f.Kind
		body["error"] = f.Text
	}
	h := r.W.Header()
	if f.Kind == fault.LimitExceeded {
		body["retry_after_ms"] = max(1, f.RetryAfter.Milliseconds())
		h["Retry-After"] = []string{strconv.Itoa(int(math.Ceil(max(f.RetryAfter.Seconds(), 1))))}
		h["Access-Control-Expose-Headers"] = corsExpose
	}
	status := f.HTTPStatus()
	if status >= 500 {
		h["X-Request-Id"] = []string{s.requestID(r)}
	}
	if err := r.write(status, body); err != nil {
		s.log.LogAttrs(r.Context(), slog.LevelError, "error answer not written", slog.Any("error", err))
	}
}

// write writes an answer as Handler says. The error is of encoding: nothing was written then. A broken
// connection is not an error of ours.
func (r *Request) write(status int, answer any) error {
	var body []byte
	switch a := answer.(type) {
	case nil:
		body = emptyObject
	case handled:
		return nil
	case RawJSON:
		body = a
	case Answer:
		h := r.W.Header()
		for k, v := range a.Header {
			h[k] = v
		}
		if a.Status != 0 {
			status = a.Status
		}
		return r.write(status, a.Body)
	default:
		buf := buffers.Get().(*bytes.Buffer)
		defer func() {
			if buf.Cap() <= maxKeptBytes {
				buf.Reset()
				buffers.Put(buf)
			}
		}()
		if err := json.MarshalWrite(buf, answer, encodeWith); err != nil {
			buf.Reset()
			return fmt.Errorf("encode answer: %w", err)
		}
		body = buf.Bytes()
	}
	h := r.W.Header()
	h["Content-Type"] = jsonType
	h["X-Content-Type-Options"] = noSniff
	if _, set := h["Cache-Control"]; !set {
		h["Cache-Control"] = noStore
	}
	if len(body) >= gzipFrom {
		h["Vary"] = varyCoding
		if z := r.zip(body); z != nil {
			defer zippers.Put(z)
			h["Content-Encoding"] = gzipCoding
			body = z.out.Bytes()
		}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	r.W.WriteHeader(status)
	_, _ = r.W.Write(body)
	return nil
}

// requestID is the caller's own id if it is short and plain, or a new one.
func (s *Server) requestID(r *Request) string {
	if v := r.Header.Get("X-Request-Id"); v != "" && len(v) <= 64 && strings.Trim(v, idLetters) == "" {
		return v
	}
	id := s.boot + "-" + strconv.FormatUint(s.next.Add(1), 36)
	r.Header.Set("X-Request-Id", id)
	return id
}

const idLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// clientAddr is the peer's address, or the nearest address in X-Forwarded-For that is no trusted proxy.
func (s *Server) clientAddr(r *http.Request) string {
	peer := r.RemoteAddr
	if i := strings.LastIndexByte(peer, ':'); i >= 0 {
		peer = strings.Trim(peer[:i], "[]")
	}
	if len(s.o.TrustedProxies) == 0 || !s.trusted(peer) {
		return peer
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop := strings.TrimSpace(hops[i])
		if _, err := netip.ParseAddr(hop); err != nil {
			break
		}
		peer = hop
		if !s.trusted(hop) {
			break
		}
	}
	return peer
}

func (s *Server) trusted(addr string) bool {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return false
	}
	a = a.Unmap()
	for _, p := range s.o.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
