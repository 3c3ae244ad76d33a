package stream

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Transport sends requests over a stream while there is one and over HTTP when not. A stream that cannot be
// opened or does not answer is given up, and tried again later: some proxies break WebSockets.
type Transport struct {
	// Server is the address of the server, as https://chat.example.org; requests elsewhere go by HTTP.
	Server string
	// HTTP carries what does not go over the stream; nil is http.DefaultTransport.
	HTTP http.RoundTripper
	// Patience is how long an answer may take beyond what the request asks to wait; 0 is 20 seconds.
	Patience time.Duration
	// Retry is how long after a failure the stream is tried again, at first; 0 is 5 seconds. It doubles with
	// each failure, up to ten minutes.
	Retry time.Duration

	mu       sync.Mutex
	conn     *Conn
	token    string // that the stream was opened with
	opening  bool
	failures int
	notUntil time.Time
}

// mostRetry is the longest time between two attempts to open a stream.
const mostRetry = 10 * time.Minute

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	if token == "" || !t.carries(req) {
		return t.http().RoundTrip(req)
	}
	conn := t.stream(token)
	if conn == nil {
		return t.http().RoundTrip(req)
	}
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		_ = req.Body.Close() // it is read
	}
	ctx, cancel := context.WithTimeout(req.Context(), t.patience(req))
	defer cancel()
	status, answer, err := conn.Do(ctx, req.Method, req.URL.RequestURI(), body)
	if err == nil {
		t.works()
		return response(req, status, answer), nil
	}
	if req.Context().Err() != nil {
		return nil, err
	}
	t.failed(conn)
	if req.Method == http.MethodPost {
		return nil, err // it may have been done; the caller knows whether to ask again
	}
	again := req.Clone(req.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	return t.http().RoundTrip(again)
}

// Up reports whether there is a stream now.
func (t *Transport) Up() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conn != nil
}

// Close closes the stream.
func (t *Transport) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn == nil {
		return nil
	}
	c := t.conn
	t.conn, t.notUntil = nil, time.Now().Add(t.retry())
	return c.Close()
}

func (t *Transport) http() http.RoundTripper {
	if t.HTTP != nil {
		return t.HTTP
	}
	return http.DefaultTransport
}

// carries reports whether a request may go over a stream: JSON of moderate size that signs nobody in or out.
func (t *Transport) carries(req *http.Request) bool {
	if !strings.HasPrefix(req.URL.String(), strings.TrimSuffix(t.Server, "/")+"/_matrix/client/") || req.ContentLength > maxMessage/2 ||
		req.ContentLength < 0 || req.Body != nil && req.ContentLength == 0 && req.Body != http.NoBody {
		return false
	}
	for _, not := range []string{"/log", "/register", "/refresh", "/account/", "/media/"} {
		if strings.Contains(req.URL.Path, not) {
			return false
		}
	}
	return true
}

// patience is how long the answer may take.
func (t *Transport) patience(req *http.Request) time.Duration {
	p := t.Patience
	if p == 0 {
		p = 20 * time.Second
	}
	if ms, err := strconv.Atoi(req.URL.Query().Get("timeout")); err == nil {
		p += time.Duration(ms) * time.Millisecond
	}
	return p
}

// stream returns the stream, or nil and begins to open one if it is time for that.
func (t *Transport) stream(token string) *Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn != nil {
		select {
		case <-t.conn.Done():
			t.lose()
		default:
			if t.token == token || t.conn.Token(token) == nil {
				t.token = token
				return t.conn
			}
			t.lose()
		}
	}
	if !t.opening && !time.Now().Before(t.notUntil) {
		t.opening = true
		go t.open(token)
	}
	return nil
}

func (t *Transport) open(token string) {
	conn, err := Dial(context.Background(), t.Server, token)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.opening = false
	if err != nil {
		t.notUntil = time.Now().Add(t.retry())
		t.failures++
		return
	}
	t.conn, t.token = conn, token
}

// failed gives up a stream that did not answer.
func (t *Transport) failed(conn *Conn) {
	_ = conn.Close() // it does not work anyway
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn == conn {
		t.lose()
	}
}

// lose forgets the stream. t.mu is held.
func (t *Transport) lose() {
	t.conn, t.notUntil = nil, time.Now().Add(t.retry())
	t.failures++
}

// works notes that a stream answers: the next failure is the first.
func (t *Transport) works() {
	t.mu.Lock()
	t.failures = 0
	t.mu.Unlock()
}

func (t *Transport) retry() time.Duration {
	first := t.Retry
	if first == 0 {
		first = 5 * time.Second
	}
	return min(first<<min(t.failures, 10), mostRetry)
}

func response(req *http.Request, status int, body []byte) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)), Request: req,
	}
}
