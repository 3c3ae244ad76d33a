package room

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
)

func TestTransactions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r, other := w.public(alice), w.public(alice)
		m := message(alice, "once")
		m.Device, m.Txn = "PHONE", "1"
		first, err := w.Send(ctx, r, m)
		w.ok(err)
		same := m
		same.Content = []byte(`{"body":"twice"}`)
		for name, w := range map[string]*world{"same process": w, "restarted": w.fresh()} {
			again, err := w.Send(ctx, r, same)
			w.ok(err)
			if again != first {
				t.Errorf("%s: the repetition made another event", name)
			}
			again, err = w.Send(ctx, r, same)
			w.ok(err)
			if again != first {
				t.Errorf("%s: the second repetition made another event", name)
			}
		}
		for name, d := range map[string]Draft{
			"device": {Type: m.Type, Sender: alice, Content: m.Content, Device: "LAPTOP", Txn: "1"},
			"type":   {Type: "m.sticker", Sender: alice, Content: m.Content, Device: "PHONE", Txn: "1"},
		} {
			e, err := w.Send(ctx, r, d)
			w.ok(err)
			if e == first {
				t.Errorf("the same transaction of another %s is taken for the same", name)
			}
		}
		e, err := w.Send(ctx, other, m)
		w.ok(err)
		if e == first {
			t.Error("the same transaction in another room is taken for the same")
		}
		if got := w.history(r); got != "once once" {
			t.Errorf("history %q", got)
		}
		shown := string(w.event(r, first).AppendClient(nil, Reader{User: alice, Device: "PHONE"}))
		if !strings.Contains(shown, `"transaction_id":"1"`) {
			t.Error("the sender's device does not see its transaction")
		}
		shown = string(w.event(r, first).AppendClient(nil, Reader{User: alice, Device: "LAPTOP"}))
		if strings.Contains(shown, "transaction_id") {
			t.Error("another device sees the transaction")
		}
		// Who may not send any more still gets the answer to what was sent.
		w.ok(w.Leave(ctx, alice, r, ""))
		again, err := w.fresh().Send(ctx, r, m)
		if err != nil || again != first {
			t.Errorf("the repetition after leaving: %s, %v", again, err)
		}
	})
}

func TestSendConcurrently(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		var group sync.WaitGroup
		for i := range 16 {
			group.Go(func() {
				for j := range 20 {
					m := message([]id.UserID{alice, bob}[i%2], fmt.Sprint(i, ".", j))
					// Every transaction is sent twice at the same time.
					m.Device, m.Txn = "D", fmt.Sprint(i/2, ".", j)
					if _, err := w.Send(ctx, r, m); err != nil {
						t.Error(err)
					}
					if j%7 == 0 {
						key := ""
						if _, err := w.SetState(ctx, r, Draft{Type: typeTopic, StateKey: &key, Sender: alice, Content: object(map[string]string{"topic": fmt.Sprint(i, j)})}); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		group.Wait()
		room := w.room(r)
		l, err := w.Timeline(ctx, room, 0, room.LastPos(), 10000)
		w.ok(err)
		// Each event has the one before it as its only predecessor: one process makes no forks.
		for i, e := range l[:len(l)-1] {
			if p := e.prev(); len(p) != 1 || p[0] != l[i+1].ID {
				t.Fatalf("event %d has predecessors %v", i, p)
			}
		}
		if n := len(strings.Fields(w.history(r))); n != 320 {
			t.Errorf("%d messages, want 320", n)
		}
		if room.inflight.Load() != 0 {
			t.Error("writes are counted as under way")
		}
		f := w.fresh()
		if a, b := f.room(r).State(typeTopic, "").ID, room.State(typeTopic, "").ID; a != b {
			t.Errorf("topic is %s after a restart, was %s", a, b)
		}
	})
}

func TestContentRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice)
		send := func(content string) error {
			_, err := w.Send(ctx, r, Draft{Type: "m.room.message", Sender: alice, Content: []byte(content)})
			return err
		}
		wantFault(t, send(`{`), fault.NotJSON)
		wantFault(t, send(``), fault.NotJSON)
		wantFault(t, send(`[]`), fault.BadJSON)
		wantFault(t, send(`{"n":1.5}`), fault.BadJSON)
		wantFault(t, send(`{"n":9007199254740992}`), fault.BadJSON)
		wantFault(t, send(`{"body":"`+strings.Repeat("x", 70000)+`"}`), fault.TooLarge)
		w.ok(send(`{"body":" ü \u0041 ","a":{"b":[1,2]}}`))
		// A zero byte is text like any other in a content, and cannot be in a clear column.
		w.ok(send(`{"body":"\u0000","m.relates_to":{"rel_type":"m.thread\u0000","event_id":"$x\u0000"}}`))
		zero := "a\x00"
		for _, d := range []Draft{{Type: zero}, {Type: "m.x", StateKey: &zero}, {Type: typeRedaction, Redacts: "$x\x00"}} {
			d.Sender, d.Content = alice, []byte(`{}`)
			if _, err := w.Send(ctx, r, d); !fault.Is(err, fault.BadJSON) && !fault.Is(err, fault.NotFound) {
				t.Errorf("%q: %v", d.Type, err)
			}
		}
		_, err := w.Send(ctx, "!nowhere", message(alice, "x"))
		wantFault(t, err, fault.Forbidden)
	})
}

func TestStateIsIdempotent(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		one := w.set(r, alice, "org.test", "k", `{"a": 1, "b":2}`)
		if two := w.set(r, alice, "org.test", "k", `{"b":2,"a":1}`); two != one {
			t.Error("the same state was sent again")
		}
		if two := w.set(r, alice, "org.test", "k", `{"b":2}`); two == one {
			t.Error("another content was not sent")
		}
		key := "k"
		_, err := w.SetState(ctx, r, Draft{Type: "org.test", StateKey: &key, Sender: bob, Content: []byte(`{}`)})
		wantFault(t, err, fault.Forbidden)
		_, err = w.Send(ctx, r, Draft{Type: "org.test", StateKey: &key, Sender: bob, Content: []byte(`{}`)})
		wantFault(t, err, fault.Forbidden)
		key = string(alice)
		_, err = w.SetState(ctx, r, Draft{Type: "org.test", StateKey: &key, Sender: bob, Content: []byte(`{}`)})
		wantFault(t, err, fault.Forbidden)
	})
}

func TestPolicies(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d, sealKeys(t), func(o *Options) {
		o.Policies = []Policy{func(_ context.Context, _ *Room, d *Draft) error {
			if d.Type == "org.forbidden" {
				return fault.New(fault.Forbidden, "no")
			}
			return nil
		}}
	})
	r := w.public(alice)
	_, err := w.Send(ctx, r, Draft{Type: "org.forbidden", Sender: alice, Content: []byte(`{}`)})
	wantFault(t, err, fault.Forbidden)
	w.say(r, alice, "allowed")
}

func TestRedaction(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, v := range []id.RoomVersion{id.RoomV10, id.RoomV12} {
			r := w.create(alice, Creation{Preset: presetPublic, Version: v})
			w.ok(w.Join(ctx, bob, r, ""))
			w.ok(w.Join(ctx, carol, r, ""))
			target := w.say(r, bob, "secret")
			old := w.event(r, target)
			_, err := w.Redact(ctx, r, target, Draft{Sender: carol})
			wantFault(t, err, fault.Forbidden)
			_, err = w.Redact(ctx, r, "$unknown", Draft{Sender: alice})
			wantFault(t, err, fault.NotFound)
			_, err = w.Redact(ctx, r, "$unknown", Draft{Sender: dave})
			wantFault(t, err, fault.Forbidden)
			_, err = w.Redact(ctx, r, w.room(r).State(typeCreate, "").ID, Draft{Sender: alice})
			wantFault(t, err, fault.Forbidden)
			d := Draft{Sender: bob, Content: []byte(`{"reason":"wrong room"}`), Device: "D", Txn: "r"}
			redaction, err := w.Redact(ctx, r, target, d)
			w.ok(err)
			again, err := w.fresh().Redact(ctx, r, target, d)
			w.ok(err)
			if again != redaction {
				t.Error("the repeated redaction is another event")
			}
			for name, w := range map[string]*world{"hot": w, "restarted": w.fresh()} {
				room := w.room(r)
				e := w.event(r, target)
				shown := string(e.ClientJSON())
				if e.Get("body").Exists() || !strings.Contains(shown, `"redacted_because":`) || !strings.Contains(shown, "wrong room") {
					t.Errorf("%s: %s", name, shown)
				}
				l, err := w.Timeline(ctx, room, 0, room.LastPos(), 2)
				w.ok(err)
				if l[1].Get("body").Exists() {
					t.Errorf("%s: the timeline has the old content", name)
				}
				red := string(l[0].ClientJSON())
				if strings.Count(red, fmt.Sprintf(`"redacts":%q`, target)) != 2 || l[0].Txn != "r" {
					t.Errorf("%s: the redaction is shown as %s with %q", name, red, l[0].Txn)
				}
			}
			if !old.Get("body").Exists() {
				t.Error("the old event was changed in place")
			}
			c := w.seen.committed[len(w.seen.committed)-1]
			if c.Redacted == nil || c.Redacted.ID != target || c.Redacted.Get("body").Exists() {
				t.Error("the observer was not given the pruned event")
			}
			// Alice has the power; state is pruned too; redacting twice is harmless.
			name := w.set(r, alice, typeName, "", `{"name":"Ward"}`)
			for range 2 {
				_, err = w.Send(ctx, r, Draft{Type: typeRedaction, Sender: alice, Content: object(map[string]string{"redacts": string(name)})})
				w.ok(err)
			}
			if w.room(r).Name() != "" || w.fresh().room(r).Name() != "" {
				t.Error("the redacted name is still shown")
			}
			w.say(r, alice, "go on")
			_, err = w.Send(ctx, r, Draft{Type: typeRedaction, Sender: alice, Content: []byte(`{}`)})
			wantFault(t, err, fault.MissingParam)
		}
	})
}

func TestNoDuplicateReactionsNoNestedThreads(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		root := w.say(r, alice, "root")
		react := func(by id.UserID, key string) error {
			_, err := w.Send(ctx, r, Draft{Type: "m.reaction", Sender: by, Content: relates(root, relAnnotate, map[string]any{"key": key})})
			return err
		}
		w.ok(react(alice, "a"))
		w.ok(react(alice, "b"))
		w.ok(react(bob, "a"))
		wantFault(t, react(alice, "a"), fault.DuplicateAnnotation)
		reply, err := w.Send(ctx, r, Draft{Type: "m.room.message", Sender: bob, Content: relates(root, relThread, nil)})
		w.ok(err)
		_, err = w.Send(ctx, r, Draft{Type: "m.room.message", Sender: bob, Content: relates(reply, relThread, nil)})
		wantFault(t, err, fault.Unknown)
	})
}

// relates is a content that relates to an event.
func relates(to id.EventID, rel string, more map[string]any) []byte {
	m := map[string]any{"rel_type": rel, "event_id": to}
	for k, v := range more {
		m[k] = v
	}
	return object(map[string]any{"body": "child", "m.relates_to": m, "m.new_content": map[string]any{"body": "new"}})
}

// A reaction whose answer was lost is sent again after a restart: it is the same one, not a second.
func TestReactionAgainAfterRestart(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice)
		d := Draft{Type: "m.reaction", Sender: alice, Device: "A", Txn: "1",
			Content: relates(w.say(r, alice, "a"), relAnnotate, map[string]any{"key": "x"})}
		first, err := w.Send(ctx, r, d)
		w.ok(err)
		again, err := w.fresh().Send(ctx, r, d)
		if err != nil || again != first {
			t.Errorf("got %s, %v, want %s", again, err, first)
		}
		d.Txn = "2"
		_, err = w.Send(ctx, r, d)
		wantFault(t, err, fault.DuplicateAnnotation)
	})
}

// The content of a redacted state event is gone from the event that replaced it, too.
func TestRedactedStateIsNoPreviousContent(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice)
		secret := w.set(r, alice, typeTopic, "", `{"topic":"secret"}`)
		next := w.set(r, alice, typeTopic, "", `{"topic":"next"}`)
		other := w.fresh()
		other.room(r)
		before, err := w.db.Position(ctx)
		w.ok(err)
		_, err = w.Redact(ctx, r, secret, Draft{Sender: alice})
		w.ok(err)
		last := w.event(r, next)
		_, err = w.Redact(ctx, r, next, Draft{Sender: alice})
		w.ok(err)
		after, err := w.db.Position(ctx)
		w.ok(err)
		_, err = other.Since(ctx, before, after)
		w.ok(err)
		for name, w := range map[string]*world{"hot": w, "other": other, "restarted": w.fresh()} {
			l, err := w.Timeline(ctx, w.room(r), 0, after, 100)
			w.ok(err)
			for _, e := range append(l, last, w.room(r).State(typeTopic, ""), w.event(r, next)) {
				if s := string(e.ClientJSON()); strings.Contains(s, "secret") || e != last && strings.Contains(s, `"topic":"next"`) {
					t.Errorf("%s: %s", name, s)
				}
			}
		}
	})
}
