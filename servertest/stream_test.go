package servertest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/stream"
)

// gateway is a proxy between client and server that can be made to break WebSockets.
type gateway struct {
	net.Listener
	target   string
	upgrades atomic.Bool // lets the word Upgrade through
	swallows atomic.Bool // passes nothing on of a WebSocket
	tries    atomic.Int64

	mu    sync.Mutex
	conns []net.Conn
}

func newGateway(t *testing.T, target string) *gateway {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{Listener: l, target: target}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go g.pass(c)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); g.cut() })
	return g
}

// pass carries one connection. The head of a request comes in one piece from the clients used here.
func (g *gateway) pass(c net.Conn) {
	up, err := net.Dial("tcp", g.target)
	if err != nil {
		_ = c.Close()
		return
	}
	g.mu.Lock()
	g.conns = append(g.conns, c, up)
	g.mu.Unlock()
	go func() { _, _ = io.Copy(c, up); _ = c.Close() }()
	b := make([]byte, 64<<10)
	web := false
	for {
		n, err := c.Read(b)
		if err != nil {
			_ = up.Close()
			return
		}
		head := b[:n]
		if bytes.Contains(head, []byte("GET /_myelin/v1/stream ")) {
			g.tries.Add(1)
			web = true
			if !g.upgrades.Load() {
				head = bytes.ReplaceAll(head, []byte("Upgrade: websocket\r\n"), nil)
			}
		} else if web && g.swallows.Load() {
			continue
		}
		if _, err := up.Write(head); err != nil {
			return
		}
	}
}

// cut ends every connection, as a change of network does.
func (g *gateway) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.conns {
		_ = c.Close()
	}
	g.conns = nil
}

// An ordinary Matrix client whose requests go over the stream loses nothing through proxies that break it.
func TestStreamFallsBackAndReturns(t *testing.T) {
	s := Start(t, "")
	g := newGateway(t, s.URL[len("http://"):])
	ctx := context.Background()
	alice, bob := Register(t, s.URL, "alice"), Register(t, s.URL, "bob")
	room, err := alice.CreateRoom(ctx, &mautrix.ReqCreateRoom{Preset: "private_chat", Invite: []id.UserID{bob.UserID}})
	if err != nil {
		t.Fatal(err)
	}
	transport := &stream.Transport{Server: "http://" + g.Addr().String(), HTTP: &http.Transport{}, Retry: time.Millisecond, Patience: 3 * time.Second}
	t.Cleanup(func() { _ = transport.Close(); transport.HTTP.(*http.Transport).CloseIdleConnections() })
	b, err := mautrix.NewClient("http://"+g.Addr().String(), bob.UserID, bob.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	b.Client = &http.Client{Transport: transport}
	if _, err := b.JoinRoomByID(ctx, room.RoomID); err != nil {
		t.Fatal(err)
	}
	since := ""
	hear := func(text string) {
		t.Helper()
		if _, err := alice.SendText(ctx, room.RoomID, text); err != nil {
			t.Fatal(err)
		}
		for {
			got, err := b.FullSyncRequest(ctx, mautrix.ReqSync{Timeout: 10_000, Since: since, SetPresence: event.PresenceOffline})
			if err != nil {
				t.Fatal(err)
			}
			since = got.NextBatch
			for _, e := range got.Rooms.Join[room.RoomID].Timeline.Events {
				if gjson.GetBytes(e.Content.VeryRaw, "body").Str == text {
					return
				}
			}
		}
	}
	until := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !is(); {
			if time.Now().After(end) {
				t.Fatalf("never: %s", what)
			}
			hear("while we wait for: " + what)
		}
	}
	hear("by HTTP, the proxy takes the upgrade away")
	until("a second try", func() bool { return g.tries.Load() > 1 })
	if transport.Up() {
		t.Error("a stream that cannot be")
	}
	g.upgrades.Store(true)
	until("the stream", transport.Up)
	hear("over the stream")
	if _, err := b.SendText(ctx, room.RoomID, "an answer"); err != nil {
		t.Error(err)
	}
	g.cut()
	hear("after a cut")
	until("the stream again", transport.Up)
	g.swallows.Store(true)
	hear("although the proxy swallows what it carries")
	g.swallows.Store(false)
	until("the stream at last", transport.Up)
	if _, err := bob.Logout(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Whoami(ctx); err == nil {
		t.Error("the token works after signing out")
	}
}

// Receipts and typing come over the stream at most once a second, and messages at once.
func TestAsidesOverTheStream(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Now().UnixMilli())
	s := startAt(t, func() time.Time { return time.UnixMilli(now.Load()) }, "")
	ctx := context.Background()
	alice, bob := Register(t, s.URL, "alice"), Register(t, s.URL, "bob")
	room, err := alice.CreateRoom(ctx, &mautrix.ReqCreateRoom{Preset: "public_chat"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.JoinRoomByID(ctx, room.RoomID); err != nil {
		t.Fatal(err)
	}
	c, err := stream.Dial(ctx, s.URL, bob.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	since := ""
	sync := func() gjson.Result {
		t.Helper()
		status, body, err := c.Do(ctx, "GET", "/_matrix/client/v3/sync?timeout=60000&set_presence=offline&since="+since, nil)
		if err != nil || status != http.StatusOK {
			t.Fatal(status, err)
		}
		since = gjson.GetBytes(body, "next_batch").Str
		joined := gjson.GetBytes(body, "rooms.join."+gjson.Escape(string(room.RoomID)))
		return gjson.Parse(`[` + joined.Get("timeline.events.#.content.body").Raw + `,` + joined.Get("ephemeral.events.#.type").Raw + `]`)
	}
	say := func(text string) id.EventID {
		t.Helper()
		sent, err := alice.SendText(ctx, room.RoomID, text)
		if err != nil {
			t.Fatal(err)
		}
		return sent.EventID
	}
	read := func(e id.EventID) {
		t.Helper()
		if err := alice.MarkRead(ctx, room.RoomID, e); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what, want string) {
		t.Helper()
		if got := sync(); got.Raw != want {
			t.Fatalf("%s: %s, want %s", what, got.Raw, want)
		}
	}
	sync()
	one := say("one")
	want("a message", `[["one"],[]]`)
	read(one)
	say("two")
	want("a message, and a receipt that did not come alone", `[["two"],["m.receipt"]]`)
	three := say("three")
	want("a message", `[["three"],[]]`)
	read(three)
	now.Add(time.Second.Milliseconds())
	want("a receipt alone", `[[],["m.receipt"]]`)
}
