package rest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"github.com/myelin-health/myelin/access"
)

// ward is a desk with a stream, and routes to ask over it.
func newWard(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t, time.Nanosecond, nil)
	d.AddStream()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := d.CloseStreams(ctx); err != nil {
			t.Error(err)
		}
	})
	const base = "/_matrix/client/v3/"
	d.Add(Route{Method: "PUT", Path: base + "echo", Access: access.User, Handle: func(r *Request) (any, error) {
		b, err := r.Object()
		return RawJSON(b), err
	}},
		Route{Method: "GET", Path: base + "picture", Access: access.User, Handle: func(r *Request) (any, error) {
			r.W.Header().Set("Content-Type", "image/png")
			_, err := r.W.Write([]byte("PNG"))
			if err == nil {
				t.Error("a picture went over a stream")
			}
			return Handled, nil
		}},
		Route{Method: "GET", Path: base + "pieces", Access: access.User, Handle: func(r *Request) (any, error) {
			r.W.Header().Set("Content-Type", "application/json")
			for _, piece := range []string{`{"in":`, `"pieces"}`} {
				if _, err := io.WriteString(r.W, piece); err != nil {
					return nil, err
				}
			}
			return Handled, nil
		}},
		Route{Method: "GET", Path: base + "long", Access: access.User, Handle: func(*Request) (any, error) {
			return map[string]string{"x": strings.Repeat("x", 100_000)}, nil
		}})
	return d
}

// line is the other side of a stream.
type line struct {
	*phone
	packed bool
}

func (d *desk) upgrade(headers ...string) *line {
	d.t.Helper()
	p := d.dial(false)
	p.send("GET " + StreamPath + " HTTP/1.1\r\nHost: ward\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" + strings.Join(append(headers, "", ""), "\r\n"))
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil || resp.StatusCode != 101 {
		d.t.Fatalf("upgrade: %v %v", resp, err)
	}
	return &line{p, strings.Contains(resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate")}
}

// stream opens a stream of a user.
func (d *desk) stream(token string, headers ...string) *line {
	d.t.Helper()
	l := d.upgrade(headers...)
	l.say("hello " + token)
	l.hears("welcome", "")
	return l
}

func (l *line) frame(f ws.Frame) {
	l.t.Helper()
	if err := ws.WriteFrame(l, ws.MaskFrame(f)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *line) say(text string) { l.frame(ws.NewTextFrame([]byte(text))) }

// next reads a frame that is no ping.
func (l *line) next() ws.Frame {
	l.t.Helper()
	for {
		h, err := ws.ReadHeader(l.r)
		if err != nil {
			l.t.Fatal(err)
		}
		f := ws.Frame{Header: h, Payload: make([]byte, h.Length)}
		if _, err := io.ReadFull(l.r, f.Payload); err != nil {
			l.t.Fatal(err)
		}
		if f.Header.Rsv1() {
			f.Header.Rsv = 0
			r := wsflate.NewReader(bytes.NewReader(f.Payload), wsflate.DefaultHelper.Decompressor)
			if f.Payload, err = io.ReadAll(r); err != nil {
				l.t.Fatal(err)
			}
		}
		if f.Header.OpCode != ws.OpPing {
			return f
		}
	}
}

func (l *line) hears(head, body string) {
	l.t.Helper()
	f := l.next()
	got, rest, _ := strings.Cut(string(f.Payload), "\n")
	if f.Header.OpCode != ws.OpText || got != head || !strings.Contains(rest, body) {
		l.t.Fatalf("heard %q, want %q %s", f.Payload, head, body)
	}
}

// ends expects the stream to be closed with a code.
func (l *line) ends(code ws.StatusCode, reason string) {
	l.t.Helper()
	f := l.next()
	got, why := ws.ParseCloseFrameData(f.Payload)
	if f.Header.OpCode != ws.OpClose || got != code || why != reason {
		l.t.Fatalf("%v %d %s, want %d %s", f.Header.OpCode, got, why, code, reason)
	}
	if _, err := l.r.ReadByte(); err == nil {
		l.t.Fatal("still open")
	}
}

func (d *desk) streamsOpen(n int) {
	d.t.Helper()
	until(d.t, "the number of streams", func() bool {
		d.streams.mu.Lock()
		defer d.streams.mu.Unlock()
		return d.streams.n == n
	})
}

func TestRequestsOverAStream(t *testing.T) {
	d := newWard(t)
	l := d.stream("user")
	const v3 = "/_matrix/client/v3/"
	for _, c := range []struct{ ask, status, body string }{
		{"GET " + nowPath, "200", `"said":"now"`},
		{"PUT " + v3 + "echo\n{\"a\":1}", "200", `{"a":1}`},
		{"PUT " + v3 + "echo\nno", "400", `M_NOT_JSON`},
		{"POST " + v3 + "echo", "405", `M_UNRECOGNIZED`},
		{"GET /_matrix/nothing", "404", `M_UNRECOGNIZED`},
		{"GET " + v3 + "picture", "406", `M_UNRECOGNIZED`},
		{"GET " + v3 + "pieces", "200", `{"in":"pieces"}`},
		{"GET " + StreamPath, "426", `M_UNRECOGNIZED`},
	} {
		l.say("7 " + c.ask)
		l.hears("7 "+c.status, c.body)
	}
	// In three fragments, with a ping between them.
	for i, piece := range []string{"8 PUT " + v3 + "echo\n", `{"b":`, `2}`} {
		op := ws.OpContinuation
		if i == 0 {
			op = ws.OpText
		}
		l.frame(ws.NewFrame(op, i == 2, []byte(piece)))
		if i == 0 {
			l.frame(ws.NewPingFrame([]byte("there?")))
			if f := l.next(); f.Header.OpCode != ws.OpPong || string(f.Payload) != "there?" {
				t.Errorf("pong: %v", f)
			}
		}
	}
	l.hears("8 200", `{"b":2}`)
	l.frame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
	l.ends(ws.StatusNormalClosure, "")
	d.streamsOpen(0)
	if n := d.waiting.Load() + d.active.Load(); n != 0 {
		t.Errorf("%d requests left", n)
	}
}

func TestWaitingOverAStream(t *testing.T) {
	d := newWard(t)
	l := d.stream("user")
	l.say("1 GET " + waitPath)
	until(t, "it waits", func() bool { return d.inside.Load() == 1 && d.waiting.Load() == 2 })
	l.say("2 GET " + nowPath)
	l.hears("2 200", "now")
	d.tell("news")
	l.hears("1 200", `{"news":"news"}`)
	d.tell("")
	l.say("3 GET " + waitPath)
	until(t, "it waits", func() bool { return d.inside.Load() == 1 })
	l.say("3 cancel")
	until(t, "it does not wait any more", func() bool { return d.inside.Load() == 0 })
	for range maxAtOnce {
		l.say("4 GET " + waitPath)
	}
	l.say("5 GET " + nowPath)
	l.hears("5 429", "M_LIMIT_EXCEEDED")
	_ = l.Close()
	d.streamsOpen(0)
	until(t, "nothing waits", func() bool { return d.inside.Load() == 0 && d.waiting.Load() == 0 })
}

func TestWhoMayOpenAStream(t *testing.T) {
	d := newWard(t)
	for name, c := range map[string]struct {
		first  string
		code   ws.StatusCode
		reason string
	}{
		"no token":      {"1 GET " + nowPath, ws.StatusPolicyViolation, "hello comes first"},
		"unknown token": {"hello nobody", closeSignedOut, "M_UNKNOWN_TOKEN"},
		"locked":        {"hello locked", closeSignedOut, "M_USER_LOCKED"},
		"broken":        {"hello broken", ws.StatusInternalServerError, "M_UNKNOWN"},
	} {
		t.Run(name, func(t *testing.T) {
			l := d.upgrade()
			l.say(c.first)
			l.ends(c.code, c.reason)
		})
	}
	l := d.stream("user")
	l.say("hello guest")
	l.ends(ws.StatusPolicyViolation, "another device")
	l = d.stream("guest")
	l.say("hello guest")
	l.hears("welcome", "")
	for name, headers := range map[string][2]string{
		"another origin": {"Origin: https://elsewhere", "Upgrade: websocket"},
		"no upgrade":     {"Origin: https://ward", "Upgrade: h2c"},
		"no origin":      {"Origin: null", "Upgrade: websocket"},
	} {
		p := d.dial(false)
		p.ask(StreamPath, "Connection: keep-alive, Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", headers[0], headers[1])
		want := 403
		if name == "no upgrade" {
			want = 426
		}
		p.hear(want, "errcode")
	}
	d.stream("user", "Origin: http://Ward")
	d.o.PublicURL = "https://chat.ward.org"
	d.stream("user", "Origin: https://chat.ward.org")
}

func TestSignOutClosesTheStream(t *testing.T) {
	d := newWard(t)
	l, other := d.stream("user"), d.stream("guest")
	l.say("1 GET " + waitPath)
	until(t, "it waits", func() bool { return d.inside.Load() == 1 })
	d.Server.Revoked("@u:x") // for nothing: the token works
	l.say("2 GET " + nowPath)
	l.hears("2 200", "now")
	d.revoked.Store(true)
	d.Server.Revoked("@u:x")
	l.ends(closeSignedOut, "M_UNKNOWN_TOKEN")
	d.streamsOpen(1)
	until(t, "nothing waits", func() bool { return d.inside.Load() == 0 })
	d.revoked.Store(false)
	other.say("3 GET " + nowPath)
	other.hears("3 200", "now")
}

func TestShutdownAnswersAndClosesStreams(t *testing.T) {
	d := newWard(t)
	l, idle := d.stream("user"), d.stream("user")
	l.say("1 GET " + waitPath)
	until(t, "it waits", func() bool { return d.inside.Load() == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := d.CloseStreams(ctx); err != nil {
		t.Error(err)
	}
	l.hears("1 200", `{"news":""}`)
	l.ends(ws.StatusGoingAway, "")
	idle.ends(ws.StatusGoingAway, "")
}

func TestStreamCompression(t *testing.T) {
	d := newWard(t)
	l := d.stream("user", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
	if !l.packed {
		t.Fatal("not agreed")
	}
	var read atomic.Int64
	l.r.Reset(counting{l.Conn, &read})
	l.say("1 GET /_matrix/client/v3/long")
	l.hears("1 200", strings.Repeat("x", 100_000))
	if n := read.Load(); n > 2000 {
		t.Errorf("%d bytes for 100,000", n)
	}
	f, err := wsflate.CompressFrame(ws.NewTextFrame([]byte("2 PUT /_matrix/client/v3/echo\n{\"packed\":true}")))
	if err != nil {
		t.Fatal(err)
	}
	l.frame(f)
	l.hears("2 200", `{"packed":true}`)
	bomb, err := wsflate.CompressFrame(ws.NewTextFrame(make([]byte, 10*maxMessage)))
	if err != nil {
		t.Fatal(err)
	}
	l.frame(bomb)
	l.ends(ws.StatusInvalidFramePayloadData, "")
}

type counting struct {
	io.Reader
	n *atomic.Int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func TestBrokenFramesCloseTheStream(t *testing.T) {
	d := newWard(t)
	for name, c := range map[string]struct {
		send []byte
		code ws.StatusCode
	}{
		"not masked":   {ws.MustCompileFrame(ws.NewTextFrame([]byte("x"))), ws.StatusProtocolError},
		"too big":      {ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame(make([]byte, maxMessage+1)))), ws.StatusMessageTooBig},
		"binary":       {ws.MustCompileFrame(ws.MaskFrame(ws.NewBinaryFrame([]byte("x")))), ws.StatusProtocolError},
		"no extension": {ws.MustCompileFrame(ws.MaskFrame(ws.Frame{Header: ws.Header{Fin: true, OpCode: ws.OpText, Rsv: ws.Rsv(true, false, false)}})), ws.StatusProtocolError},
		"no request":   {ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("1 BREW /_matrix/pot")))), ws.StatusProtocolError},
		"the app":      {ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("1 GET /index.html")))), ws.StatusProtocolError},
		"no words":     {ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame(nil))), ws.StatusProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			l := d.stream("user")
			l.t = t
			_, _ = l.Write(c.send) // what is too big is not taken to its end
			l.ends(c.code, map[bool]string{true: "not a request"}[strings.HasPrefix(name, "no r") || name == "the app" || name == "no words"])
		})
	}
	d.streamsOpen(0)
}

func TestStreamsOfTLSHaveAGoroutine(t *testing.T) {
	source := httptest.NewTLSServer(nil)
	source.Close()
	d := newDesk(t, time.Nanosecond, source.TLS)
	d.AddStream()
	p := d.dial(true)
	p.send("GET " + StreamPath + " HTTP/1.1\r\nHost: ward\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	if resp, err := http.ReadResponse(p.r, nil); err != nil || resp.StatusCode != 101 {
		t.Fatalf("upgrade: %v %v", resp, err)
	}
	l := &line{phone: p}
	l.say("hello user")
	l.hears("welcome", "")
	for range 2 {
		l.say("1 GET " + nowPath)
		l.hears("1 200", "now")
	}
	_ = l.Close()
	d.streamsOpen(0)
}
