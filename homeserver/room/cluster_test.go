package room

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/seal"
)

// cluster are two processes on one PostgreSQL.
func cluster(t *testing.T) (a, b *world) {
	t.Helper()
	url := dbtest.PostgresURL(t)
	dir := t.TempDir()
	open := func() *world {
		k, err := seal.Open(ctx, seal.Options{Dir: dir, URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { k.Close() })
		return newWorld(t, dbtest.Open(t, db.Options{URL: url}), k)
	}
	a, b = open(), open()
	// One clock would be a lie, but two that tell the same make the same rooms.
	b.now = a.now.Add(1)
	return a, b
}

// catchUp applies to a process what happened on the other one.
func (w *world) catchUpAll(from int64) int64 {
	w.t.Helper()
	pos, err := w.db.Position(ctx)
	w.ok(err)
	_, err = w.Since(ctx, from, pos)
	w.ok(err)
	return pos
}

func TestTwoProcessesWriteOneRoom(t *testing.T) {
	a, b := cluster(t)
	r := a.public(alice, bob)
	var group sync.WaitGroup
	const senders, each = 8, 30
	for s := range senders {
		w := []*world{a, b}[s%2]
		group.Go(func() {
			for i := range each {
				m := message(alice, fmt.Sprint(s, ".", i))
				m.Device, m.Txn = id.DeviceID(fmt.Sprint("D", s)), fmt.Sprint(i)
				if _, err := w.Send(ctx, r, m); err != nil {
					t.Errorf("send: %v", err)
				}
				if i%5 == 0 {
					key := fmt.Sprint(s)
					if _, err := w.SetState(ctx, r, Draft{Type: "org.test", StateKey: &key, Sender: alice, Content: object(map[string]int{"i": i})}); err != nil {
						t.Errorf("set state: %v", err)
					}
				}
			}
		})
	}
	group.Wait()
	a.catchUpAll(0)
	b.catchUpAll(0)
	f := a.fresh()
	want := f.history(r)
	if n := len(strings.Fields(want)); n != senders*each {
		t.Errorf("%d messages, want %d", n, senders*each)
	}
	for s := range senders {
		last := -1
		for _, m := range strings.Fields(want) {
			var who, i int
			if _, err := fmt.Sscanf(m, "%d.%d", &who, &i); err == nil && who == s {
				if i != last+1 {
					t.Errorf("sender %d: %d after %d", s, i, last)
				}
				last = i
			}
		}
	}
	for name, w := range map[string]*world{"a": a, "b": b} {
		if got := w.history(r); got != want {
			t.Errorf("%s has another history", name)
		}
		for s := range senders {
			x, y := w.room(r).State("org.test", fmt.Sprint(s)), f.room(r).State("org.test", fmt.Sprint(s))
			if x == nil || x.ID != y.ID || x.Get("i").Int() != each-5 {
				t.Errorf("%s: state %d is %v", name, s, x)
			}
		}
	}
	checkGraph(t, f, r)
	// The forks that the two made are merged by what is sent next.
	a.say(r, alice, "last")
	if ext := a.room(r).stored.Load().ext; len(ext) != 1 {
		t.Errorf("extremities %v", ext)
	}
}

// checkGraph checks that every predecessor of every event is there and older, and that the state before
// every event is what its predecessors lead to.
func checkGraph(t *testing.T, w *world, r id.RoomID) {
	t.Helper()
	room := w.room(r)
	l, err := w.Timeline(ctx, room, 0, room.LastPos(), 100000)
	w.ok(err)
	slices.Reverse(l)
	seen := map[id.EventID]*Event{}
	for _, e := range l {
		p, err := e.PDU()
		w.ok(err)
		before, err := w.StateBefore(ctx, e)
		w.ok(err)
		for _, prev := range p.PrevEvents {
			pe := seen[prev]
			if pe == nil {
				t.Fatalf("event at %d names a predecessor that is not there or newer", e.Pos)
			}
			if pe.Depth >= e.Depth {
				t.Errorf("depth %d after %d", e.Depth, pe.Depth)
			}
			if pe.State() && len(p.PrevEvents) == 1 && before.at(pe.Key()).ID != pe.ID {
				t.Errorf("the state before the event at %d lacks its predecessor", e.Pos)
			}
		}
		for _, a := range p.AuthEvents {
			if ae := seen[a]; ae == nil || before.at(ae.Key()).ID != a {
				t.Errorf("event at %d has an auth event that is not in the state before it", e.Pos)
			}
		}
		seen[e.ID] = e
	}
}

func TestProcessesSeeEachOther(t *testing.T) {
	a, b := cluster(t)
	r := a.public(alice, bob)
	b.room(r)
	pos := b.catchUpAll(0)
	secret := a.say(r, bob, "secret")
	name := a.set(r, alice, typeName, "", `{"name":"Ward"}`)
	a.ok(a.Join(ctx, carol, r, ""))
	news, err := b.Since(ctx, pos, 1<<60)
	b.ok(err)
	if len(news) != 3 || news[0].Event.ID != secret || news[1].Event.ID != name || news[0].Local {
		t.Fatalf("news %v", news)
	}
	if len(news[0].Changes) != 0 || len(news[1].Changes) != 1 || news[2].Changes[0].New.Membership() != Join || news[2].Changes[0].Old != nil {
		t.Errorf("changes %v", news[2].Changes)
	}
	if b.room(r).Name() != "Ward" || b.room(r).Membership(carol) != Join || b.room(r).LastPos() != news[2].Event.Pos {
		t.Error("b is behind")
	}
	if got := b.history(r); got != "secret" {
		t.Errorf("history %q", got)
	}
	pos = news[2].Event.Pos
	_, err = a.Redact(ctx, r, secret, Draft{Sender: bob})
	a.ok(err)
	a.set(r, alice, typeVisibility, "", `{"history_visibility":"joined"}`)
	a.ok(a.Kick(ctx, alice, r, carol, ""))
	news, err = b.Since(ctx, pos, 1<<60)
	b.ok(err)
	if news[0].Redacted == nil || news[0].Redacted.ID != secret || news[0].Redacted.Get("body").Exists() {
		t.Errorf("redaction %v", news[0].Redacted)
	}
	if e := b.event(r, secret); e.Get("body").Exists() {
		t.Error("b still shows what was redacted")
	}
	if c := news[2].Changes; len(c) != 1 || c[0].Old.Membership() != Join {
		t.Errorf("changes %v", c)
	}
	s, err := b.Sight(ctx, b.room(r), alice)
	b.ok(err)
	if s.open {
		t.Error("b takes the history for open")
	}
}

// A process that did not hear of the other's change of state builds on the old one, notices and builds again.
func TestStaleState(t *testing.T) {
	a, b := cluster(t)
	r := a.public(alice, bob)
	b.room(r)
	a.ok(a.Ban(ctx, alice, r, bob, ""))
	if m := b.room(r).Membership(bob); m != Join {
		t.Fatalf("b knows already that bob is %s", m)
	}
	if _, err := b.Send(ctx, r, message(bob, "too late")); err == nil {
		t.Error("a banned user could send on the process that had not heard of it")
	}
	if m := b.room(r).Membership(bob); m != Ban {
		t.Errorf("bob is %s", m)
	}
	// Only messages in between: what changes the state is put behind them without another look.
	b.say(r, alice, "one")
	a.set(r, alice, typeTopic, "", `{"topic":"a"}`)
	b.say(r, alice, "two")
	e := b.set(r, alice, typeName, "", `{"name":"b"}`)
	a.say(r, alice, "three")
	_, err := a.Redact(ctx, r, e, Draft{Sender: alice})
	a.ok(err)
	checkGraph(t, a.fresh(), r)
}
