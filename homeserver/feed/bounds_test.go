package feed

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/homeserver/account"
)

func TestPeopleAreEvicted(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t), func(o *Options) { o.People = 2 })
	r := w.public(alice, bob, carol, dave)
	solo := w.public(dave)
	tokens := map[id.UserID]string{}
	for _, u := range []id.UserID{alice, bob, carol, dave} {
		tokens[u] = w.sync(u, "").next
	}
	w.Feed.mu.Lock()
	people, places := len(w.people), len(w.places)
	_, daves := w.places[solo]
	w.Feed.mu.Unlock()
	if people > 3 || places > 2 || !daves {
		t.Errorf("%d people and %d places in memory", people, places)
	}
	w.say(r, alice, "to all")
	for _, u := range []id.UserID{bob, carol, dave} {
		w.want(string(u), bodies(w.sync(u, tokens[u]).joined(r)), "to all")
	}
	w.sync(alice, "")
	w.sync(bob, "")
	w.sync(alice, "")
	w.Feed.mu.Lock()
	_, daves = w.places[solo]
	w.Feed.mu.Unlock()
	if daves {
		t.Error("the room of somebody who was evicted is still there")
	}
}

func TestManyChanges(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	since := w.sync(bob, "").next
	for i := range logMax + 10 {
		w.ok(w.accounts.SetDatum(ctx, bob, account.Datum{Type: fmt.Sprintf("org.test.%d", i%700), Content: json.RawMessage(`{}`)}))
	}
	got := w.sync(bob, since)
	if n := got.Get("account_data.events.#").Int(); n != logMax+10 {
		t.Errorf("%d changes", n)
	}
	var l changeLog
	l.add(logged{pos: 5})
	l.add(logged{pos: 3, Change: Change{User: bob}})
	l.add(logged{pos: 3, Change: Change{User: bob}})
	if l.newest() != 5 || len(l.entries) != 2 {
		t.Errorf("log: %+v", l)
	}
}

func TestManyUnread(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	r := w.public(alice, bob)
	since := w.sync(bob, "").next
	for i := range 300 {
		w.say(r, alice, fmt.Sprint(i))
	}
	w.restart()
	got := w.sync(bob, since).joined(r)
	if n := got.Get("unread_notifications.notification_count").Int(); n != 300 || !got.Get("timeline.limited").Bool() {
		t.Errorf("%d unread", n)
	}
	w.say(r, alice, "one more")
	w.want("count", unreadOf(w.sync(bob, since).joined(r)), "0/301")
	if len(w.histories) != 1 {
		t.Errorf("%d histories", len(w.histories))
	}
	w.clock.pass(historyKept + time.Second)
	w.forgetHistories()
	if len(w.histories) != 0 {
		t.Errorf("%d histories are kept", len(w.histories))
	}
}

func TestForgot(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	r := w.public(alice, bob)
	w.sync(bob, "")
	w.ok(w.rooms.Leave(ctx, bob, r, ""))
	w.ok(w.rooms.Forget(ctx, bob, r))
	w.ok(w.Forgot(ctx, bob, r))
	w.ok(w.Forgot(ctx, "@stranger:"+server, r))
	if got := w.sync(bob, "", filtered(`{"room":{"include_leave":true}}`)); got.leftRoom(r).Exists() {
		t.Error("a forgotten room")
	}
}

func TestClockwork(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	r := w.public(alice, bob)
	since := w.sync(bob, "").next
	w.ok(w.Type(ctx, alice, r, true, time.Millisecond))
	since = w.sync(bob, since).next
	w.clock.pass(time.Minute)
	// The clockwork of the feed ends the typing and wakes who waits for it.
	w.want("ended", typists(w.sync(bob, since, waits(time.Minute)), r), "[]")
}

func TestAppend(t *testing.T) {
	for s, want := range map[string]string{
		"plain": `"plain"`, `a"b\`: `"a\"b\\"`, "ü\n": `"ü\n"`, "\xff": `"` + "\uFFFD" + `"`,
	} {
		if got := string(appendString(nil, s)); got != want {
			t.Errorf("%q: %s", s, got)
		}
	}
	m := new(deviceMemory)
	var many []uint64
	for i := range uint64(membersMax + 1) {
		many = append(many, i)
	}
	m.sent("a", many[:membersMax], 0)
	m.came("a")
	m.sent("b", many[membersMax:], 0)
	m.came("b")
	if m.has(1) || !m.has(membersMax) {
		t.Error("the memory of member events is not bounded")
	}
	if !strings.HasPrefix(token{pos: 3, toDevice: 3, boot: "x"}.String(), "s3_x_0") {
		t.Error("token")
	}
}
