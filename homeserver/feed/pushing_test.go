package feed

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/homeserver/push"
)

// gateway is a push gateway that notes what it was told.
type gateway struct {
	*httptest.Server
	t     *testing.T
	calls chan gjson.Result

	mu     sync.Mutex
	status int    // 0: 200
	reject string // push key
}

func newGateway(t *testing.T) *gateway {
	g := &gateway{t: t, calls: make(chan gjson.Result, 100)}
	g.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/_matrix/push/v1/notify" {
			t.Errorf("call of %s: %v", r.URL.Path, err)
		}
		g.mu.Lock()
		status, reject := g.status, g.reject
		g.mu.Unlock()
		if status != 0 {
			w.WriteHeader(status)
		} else if _, err := io.WriteString(w, `{"rejected":["`+reject+`"]}`); err != nil {
			t.Error(err)
		}
		g.calls <- gjson.GetBytes(b, "notification")
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) answers(status int, reject string) {
	g.mu.Lock()
	g.status, g.reject = status, reject
	g.mu.Unlock()
}

// next is the next call.
func (g *gateway) next() gjson.Result {
	g.t.Helper()
	select {
	case n := <-g.calls:
		return n
	case <-time.After(20 * time.Second):
		g.t.Fatal("the gateway was not called")
	}
	return gjson.Result{}
}

// option makes a feed call this gateway.
func (g *gateway) option(o *Options) {
	o.Gateway = func(ctx context.Context, url string, body []byte) (int, []byte, error) {
		resp, err := g.Client().Post(url, "application/json", bytes.NewReader(body))
		if err != nil {
			return 0, nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		return resp.StatusCode, b, err
	}
}

func (g *gateway) pusher(w *world, u id.UserID, app, key string) {
	w.t.Helper()
	b, err := json.Marshal(map[string]any{"kind": "http", "app_id": app, "pushkey": key, "data": map[string]any{"url": g.URL + "/_matrix/push/v1/notify", "format": "event_id_only"}})
	w.ok(err)
	w.ok(w.SetPusher(ctx, who(u), app, key, b, false))
}

func TestPushing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		g := newGateway(t)
		w := newWorld(t, d, g.option)
		w.pushing.pause = time.Millisecond
		r := w.public(alice, bob)
		w.say(r, alice, "before the pusher")
		g.pusher(w, bob, "org.app", "key1")
		e := w.say(r, alice, "a secret")
		n := g.next()
		if n.Get("event_id").Str != string(e) || n.Get("room_id").Str != string(r) || n.Get("counts.unread").Int() != 2 || n.Get("prio").Str != "high" {
			t.Errorf("notification: %s", n)
		}
		if dev := n.Get("devices.0"); dev.Get("app_id").Str != "org.app" || dev.Get("pushkey").Str != "key1" || dev.Get("data").Raw != `{"format":"event_id_only"}` || dev.Get("pushkey_ts").Int() == 0 {
			t.Errorf("device: %s", dev)
		}
		if strings.Contains(n.Raw, "secret") || strings.Contains(n.Raw, "alice") || strings.Contains(n.Raw, "Ward") {
			t.Errorf("the notification tells what it is about: %s", n)
		}
		w.say(r, bob, "own messages are no news, and read what was said")
		if n := g.next(); n.Get("event_id").Exists() || n.Get("counts").Raw != "{}" || n.Get("prio").Str != "low" {
			t.Errorf("counts: %s", n)
		}

		g.answers(http.StatusBadGateway, "")
		e = w.say(r, alice, "later")
		g.next()
		g.next() // it tries again
		g.answers(0, "")
		for n = g.next(); n.Get("event_id").Str != string(e); n = g.next() {
		}
		// Calls that failed are repeated; then the next event comes.
		second := w.send(r, alice, "m.room.message", map[string]any{"msgtype": "m.text", "body": "hey @bob:ward.test", "m.mentions": map[string]any{"user_ids": []string{string(bob)}}})
		for n = g.next(); n.Get("event_id").Str == string(e); n = g.next() {
		}
		if n.Get("event_id").Str != string(second) || n.Get("devices.0.tweaks.highlight").Raw != "true" || n.Get("devices.0.tweaks.sound").Str != "default" {
			t.Errorf("a mention: %s", n)
		}

		g.answers(0, "key1")
		w.say(r, alice, "rejected")
		g.next()
		for {
			left, err := w.Pushers(ctx, bob)
			w.ok(err)
			if len(left) == 0 {
				break
			}
			w.ok(w.pause(ctx))
		}
	})
}

func TestPushingGoesOnAfterARestart(t *testing.T) {
	g := newGateway(t)
	w := newWorld(t, dbtest.SQLite(t), g.option)
	w.pushing.pause = time.Millisecond
	r := w.public(alice, bob)
	g.pusher(w, bob, "org.app", "key1")
	g.answers(http.StatusServiceUnavailable, "")
	e := w.say(r, alice, "while the gateway is away")
	g.next()
	w.Feed.Close()
	for len(g.calls) > 0 {
		<-g.calls
	}
	g.answers(0, "")
	w.start(g.option)
	if n := g.next(); n.Get("event_id").Str != string(e) {
		t.Errorf("after the restart: %s", n)
	}
}

// What was said while somebody had turned the sound off is not pushed when they turn it on.
func TestPushingAfterSilence(t *testing.T) {
	g := newGateway(t)
	w := newWorld(t, dbtest.SQLite(t), g.option)
	r := w.public(alice, bob)
	silence := func(on bool) {
		w.ok(w.ChangeRules(ctx, bob, func(rules *push.Rules) error { return rules.Enable(push.Override, ".m.rule.master", on) }))
	}
	g.pusher(w, bob, "org.app", "key1")
	first := w.say(r, alice, "first")
	if n := g.next(); n.Get("event_id").Str != string(first) {
		t.Errorf("before: %s", n)
	}
	silence(true)
	if n := g.next(); n.Get("event_id").Exists() || n.Get("counts").Raw != "{}" {
		t.Errorf("silenced: %s", n)
	}
	silent, err := w.rooms.Event(ctx, r, w.say(r, alice, "while it is silent"))
	w.ok(err)
	for !w.pushing.beyond(bob, silent.Pos) {
		w.ok(w.pause(ctx))
	}
	silence(false)
	if n := g.next(); n.Get("event_id").Exists() || n.Get("counts.unread").Int() != 2 {
		t.Errorf("turned on: %s", n)
	}
	last := w.say(r, alice, "last")
	if n := g.next(); n.Get("event_id").Str != string(last) || n.Get("counts.unread").Int() != 3 {
		t.Errorf("afterwards: %s", n)
	}
}

// beyond tells whether somebody's only pusher had nothing left to tell at a position.
func (p *pushing) beyond(u id.UserID, pos int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.people[u].busy {
		return false
	}
	for _, looked := range p.people[u].looked {
		return looked >= pos
	}
	return false
}

// TestPushingOfTwoProcesses has one of two processes push, and the other take over.
func TestPushingOfTwoProcesses(t *testing.T) {
	g := newGateway(t)
	url := dbtest.PostgresURL(t)
	a := newWorld(t, dbtest.Open(t, db.Options{URL: url}), g.option)
	r := a.public(alice, bob)
	g.pusher(a, bob, "org.app", "key1")
	one := a.say(r, alice, "one")
	a.want("pushed by the first", g.next().Get("event_id").Str, string(one))
	b := &world{t: t, d: dbtest.Open(t, db.Options{URL: url}), clock: a.clock, keys: a.keys, log: a.log, dir: a.dir}
	b.start(g.option)
	b.pushing.look()
	two := a.say(r, alice, "two")
	a.want("pushed once", g.next().Get("event_id").Str, string(two))
	x := &pushee{}
	if _, err := b.pushing.hold(ctx, bob, x); err != errHeld {
		t.Errorf("the second process: %v", err)
	}
	a.Feed.Close()
	a.clock.pass(2 * pushHold)
	pos, err := b.d.Position(ctx)
	b.ok(err)
	b.ok(b.CatchUp(ctx, pos))
	all, err := b.pushing.hold(ctx, bob, x)
	b.ok(err)
	if len(all) != 1 || x.held == 0 {
		t.Errorf("taken over: %d pushers", len(all))
	}
	if len(g.calls) != 0 {
		t.Errorf("pushed again: %s", <-g.calls)
	}
}
