package rest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
)

// desk is a server with a route that waits until it is told something, and one that answers at once.
type desk struct {
	*Server
	t    *testing.T
	http *http.Server
	room *WaitingRoom
	addr string

	mu      sync.Mutex
	news    string
	wakers  []func()
	inside  atomic.Int64 // Waits that were not left
	revoked atomic.Bool
}

const waitPath = "/_matrix/client/v3/wait"

// newDesk serves on loopback, with TLS when there is a configuration for it.
func newDesk(t *testing.T, park time.Duration, secure *tls.Config) *desk {
	t.Helper()
	d := &desk{t: t}
	d.Server = newServer(t, Options{ParkAfter: park})
	d.o.Authenticate = func(ctx context.Context, token string) (access.Who, error) {
		if d.revoked.Load() {
			return access.Who{}, fault.New(fault.UnknownToken, "signed out")
		}
		return authenticate(ctx, token)
	}
	d.Add(Route{Method: "GET", Path: waitPath, Access: access.User, Long: true, Handle: d.wait},
		Route{Method: "GET", Path: "/_matrix/client/v3/now/{a}", Access: access.Public, Handle: say("now")})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.addr = l.Addr().String()
	d.room = NewWaitingRoom(l.Addr())
	d.http = NewHTTPServer(d.Server, nil)
	d.http.TLSConfig = secure
	d.http.BaseContext = func(net.Listener) context.Context { return d.room.Context(context.Background()) }
	go func() { _ = d.http.Serve(d.room) }()
	go func() {
		if secure != nil {
			_ = d.http.ServeTLS(l, "", "")
			return
		}
		_ = d.http.Serve(l)
	}()
	t.Cleanup(func() { d.close(t) })
	return d
}

func (d *desk) close(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := errors.Join(d.room.Close(), d.room.Drain(ctx), d.http.Shutdown(ctx)); err != nil {
		t.Error(err)
	}
}

func (d *desk) wait(r *Request) (any, error) {
	d.mu.Lock()
	d.wakers = append(d.wakers, r.Waker())
	news := d.news
	d.mu.Unlock()
	if news != "" {
		return map[string]string{"news": news}, nil
	}
	d.inside.Add(1)
	span := time.Minute
	if r.Q("short") != "" {
		span = time.Millisecond
	}
	return Wait{For: span, Leave: func() { d.inside.Add(-1) }, Look: func(_ context.Context, over bool) (any, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		switch {
		case d.news == "panic":
			panic("in a look")
		case d.news != "" || over:
			return map[string]string{"news": d.news}, nil
		}
		return nil, nil
	}}, nil
}

// tell wakes everybody; nothing is a wake-up in vain.
func (d *desk) tell(news string) {
	d.mu.Lock()
	d.news = news
	wakers := d.wakers
	d.mu.Unlock()
	for _, wake := range wakers {
		wake()
	}
}

// until waits for a condition.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func (d *desk) seated(n int) {
	d.t.Helper()
	until(d.t, fmt.Sprint(n, " seated"), func() bool {
		d.room.mu.Lock()
		defer d.room.mu.Unlock()
		waiting := 0
		for b := range d.room.seats {
			if b.guest != nil {
				waiting++
			}
		}
		return waiting == n && d.waiting.Load() == int64(n)
	})
}

// phone is one connection on which HTTP is written by hand.
type phone struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (d *desk) dial(secure bool) *phone {
	d.t.Helper()
	c, err := net.Dial("tcp", d.addr)
	if err != nil {
		d.t.Fatal(err)
	}
	if secure {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	d.t.Cleanup(func() { _ = c.Close() })
	return &phone{c, d.t, bufio.NewReader(c)}
}

func (p *phone) ask(path string, headers ...string) {
	p.t.Helper()
	p.send("GET " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer user\r\n" + strings.Join(append(headers, "", ""), "\r\n"))
}

func (p *phone) send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		p.t.Fatal(err)
	}
}

func (p *phone) hear(status int, body string) *http.Response {
	p.t.Helper()
	resp, err := http.ReadResponse(p.r, &http.Request{Method: "GET"})
	if err != nil {
		p.t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status || !strings.Contains(string(b), body) {
		p.t.Fatalf("answer %d %s (%v), want %d %s", resp.StatusCode, b, err, status, body)
	}
	return resp
}

// closed expects that the other side ended the connection.
func (p *phone) closed() {
	p.t.Helper()
	if b, err := p.r.ReadByte(); !errors.Is(err, io.EOF) {
		p.t.Fatalf("still open: %q, %v", b, err)
	}
}

const nowPath = "/_matrix/client/v3/now/x"

func TestParkedConnectionIsAnsweredAndUsedAgain(t *testing.T) {
	d := newDesk(t, time.Nanosecond, nil)
	p := d.dial(false)
	for range 3 {
		d.tell("")
		p.ask(waitPath)
		d.seated(1)
		d.tell("") // in vain
		d.tell("hello")
		resp := p.hear(200, `{"news":"hello"}`)
		for name, want := range map[string]string{"Access-Control-Allow-Origin": "*", "Content-Type": "application/json",
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Connection": ""} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %q", name, got)
			}
		}
		if resp.Header.Get("Date") == "" || resp.ContentLength != 16 {
			t.Errorf("headers: %v", resp.Header)
		}
		p.ask(nowPath)
		p.hear(200, `"said":"now"`)
	}
	d.tell("")
	p.ask(waitPath + "?short=1")
	p.hear(200, `{"news":""}`)
	until(t, "nobody is left inside", func() bool { return d.inside.Load() == 0 && d.waiting.Load() == 0 })
	if n := d.active.Load(); n != 0 {
		t.Errorf("%d active", n)
	}
}

func TestParkedFaults(t *testing.T) {
	d := newDesk(t, time.Nanosecond, nil)
	p := d.dial(false)
	p.ask(waitPath)
	d.seated(1)
	d.revoked.Store(true)
	d.tell("for those who are signed in")
	p.hear(401, `"errcode":"M_UNKNOWN_TOKEN"`)
	d.seated(0)
	d.revoked.Store(false)
	d.tell("")
	p.ask(waitPath, "X-Request-Id: mine")
	d.seated(1)
	d.tell("panic")
	if resp := p.hear(500, `"errcode":"M_UNKNOWN"`); resp.Header.Get("X-Request-Id") != "mine" {
		t.Errorf("id: %v", resp.Header)
	}
	p.ask(nowPath)
	p.hear(200, "now")
}

func TestWhoGoesAwayIsNotKept(t *testing.T) {
	d := newDesk(t, time.Nanosecond, nil)
	quiet, loud := d.dial(false), d.dial(false)
	quiet.ask(waitPath)
	loud.ask(waitPath)
	d.seated(2)
	loud.ask(nowPath) // there is something to read when it goes
	_ = quiet.Close()
	_ = loud.Close()
	d.seated(0)
	if n := d.inside.Load(); n != 0 {
		t.Errorf("%d inside", n)
	}
}

func TestEarlyBytesAreNotLost(t *testing.T) {
	d := newDesk(t, time.Nanosecond, nil)
	p := d.dial(false)
	const get = " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer user\r\n\r\n"
	p.send("GET " + waitPath + get + "GET " + nowPath + get + "GET " + waitPath + get + "GET " + nowPath + get)
	d.seated(1)
	d.tell("one")
	p.hear(200, "one")
	p.hear(200, "now")
	p.hear(200, "one")
	p.hear(200, "now")
	d.seated(0)
	d.tell("")
	p.ask(waitPath)
	d.seated(1)
	p.send("GET " + nowPath) // half of a request
	d.tell("two")
	p.hear(200, "two")
	p.send(get)
	p.hear(200, "now")
}

func TestOthersWaitInTheirGoroutine(t *testing.T) {
	d := newDesk(t, time.Nanosecond, nil)
	for name, request := range map[string]string{
		"HTTP/1.0":          "GET " + waitPath + " HTTP/1.0\r\nAuthorization: Bearer user\r\n\r\n",
		"Connection: close": "GET " + waitPath + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer user\r\n\r\n",
		"a body in chunks": "GET " + waitPath + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n" +
			"Authorization: Bearer user\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
	} {
		d.tell("")
		p := d.dial(false)
		p.send(request)
		until(t, name+" waits", func() bool { return d.inside.Load() == 1 })
		d.tell("answer to " + name)
		p.hear(200, name)
		p.closed()
		d.seated(0)
	}
}

func TestShutdownDrainsTheWaitingRoom(t *testing.T) {
	d := newDesk(t, time.Nanosecond, nil)
	waits, idle := d.dial(false), d.dial(false)
	idle.ask(waitPath + "?short=1")
	idle.hear(200, "news")
	waits.ask(waitPath)
	d.seated(1)
	d.close(t)
	if resp := waits.hear(200, `{"news":""}`); !resp.Close {
		t.Errorf("headers: %v", resp.Header)
	}
	waits.closed()
	idle.closed()
}

func TestParkedTLS(t *testing.T) {
	source := httptest.NewTLSServer(nil)
	source.Close()
	d := newDesk(t, time.Nanosecond, &tls.Config{Certificates: source.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}})
	p := d.dial(true)
	for range 2 {
		p.ask(waitPath)
		d.seated(1)
		d.tell("secret")
		p.hear(200, "secret")
		p.ask(nowPath)
		p.hear(200, "now")
		d.tell("")
	}
	p.ask(waitPath)
	d.seated(1)
	_ = p.Close()
	d.seated(0)

	// HTTP/2 waits in its goroutine.
	d.tell("by HTTP/2")
	client := source.Client()
	client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+d.addr+waitPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer user")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if b, err := io.ReadAll(resp.Body); err != nil || resp.ProtoMajor != 2 || !strings.Contains(string(b), "by HTTP/2") {
		t.Errorf("%s %s %v", resp.Proto, b, err)
	}
}

// Wake-ups, ends and departures that meet are one answer or none.
func TestParkedRace(t *testing.T) {
	d := newDesk(t, time.Nanosecond, nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 25 {
				p := d.dial(false)
				for range 3 {
					p.ask(waitPath + "?short=1")
					d.tell(fmt.Sprint(i))
					if i%5 == 0 {
						break
					}
					p.hear(200, "news")
				}
				_ = p.Close()
			}
		})
	}
	all.Wait()
	d.seated(0)
	until(t, "nobody is left inside", func() bool { return d.inside.Load() == 0 })
}
