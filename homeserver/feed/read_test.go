package feed

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/push"
	"github.com/myelin-health/myelin/homeserver/room"
)

const threads = `{"room":{"timeline":{"unread_thread_notifications":true}}}`

// unreadOf writes highlights/notifications of a room and of its threads.
func unreadOf(r gjson.Result) string {
	n := func(t gjson.Result) string {
		return fmt.Sprintf("%d/%d", t.Get("highlight_count").Int(), t.Get("notification_count").Int())
	}
	out := []string{n(r.Get("unread_notifications"))}
	r.Get("unread_thread_notifications").ForEach(func(_, t gjson.Result) bool {
		out = append(out, n(t))
		return true
	})
	return strings.Join(out, " ")
}

func text(s string) *string { return &s }

func (w *world) mark(u id.UserID, r id.RoomID, typ string, e id.EventID, thread *string) {
	w.t.Helper()
	w.ok(w.Mark(ctx, u, r, typ, e, thread))
}

func relates(rel string, to id.EventID, body string) map[string]any {
	return map[string]any{"msgtype": "m.text", "body": body, "m.relates_to": map[string]any{"rel_type": rel, "event_id": to}}
}

func TestThreadedReceipts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		since := w.sync(bob, "").next
		a := w.say(r, alice, "Hello")
		b := w.send(r, alice, "m.room.message", relates("m.thread", a, "Start"))
		w.send(r, alice, "m.room.message", relates("m.thread", a, "for bob"))
		d := w.say(r, alice, "Hello @bob:ward.test!")
		w.send(r, alice, "m.room.message", relates("m.thread", a, "End"))
		f := w.send(r, alice, "m.room.message", relates("m.reference", a, "Reference"))
		g := w.send(r, alice, "m.room.reaction", relates("m.annotation", f, "x"))
		check := func(what, plain, threaded string) {
			t.Helper()
			w.want(what, unreadOf(w.sync(bob, since).joined(r)), plain)
			w.want(what+" by thread", unreadOf(w.sync(bob, since, filtered(threads)).joined(r)), threaded)
		}
		check("nothing read", "2/6", "1/3 1/3")
		w.mark(bob, r, Read, a, text("main"))
		check("root read", "2/5", "1/2 1/3")
		w.mark(bob, r, Read, b, text(string(a)))
		check("thread begun", "2/4", "1/2 1/2")
		w.mark(bob, r, Read, d, nil)
		check("all up to the mention", "0/2", "0/1 0/1")
		w.mark(bob, r, Read, g, text(string(a)))
		check("thread read", "0/1", "0/1")
		content := w.sync(bob, since).joined(r).Get(`ephemeral.events.#(type=="m.receipt").content`)
		if x := content.Get(esc(string(d)) + ".m\\.read." + esc(string(bob))); !x.Exists() || x.Get("thread_id").Exists() {
			t.Errorf("receipts: %s", content)
		}
		if x := content.Get(esc(string(g)) + ".m\\.read." + esc(string(bob)) + ".thread_id").Str; x != string(a) {
			t.Errorf("receipts: %s", content)
		}
		w.restart()
		check("after a restart", "0/1", "0/1")
		w.mark(bob, r, ReadPrivate, g, nil)
		check("all", "0/0", "0/0")
	})
}

func TestReceipts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob, carol)
		first, second := w.say(r, alice, "one"), w.say(r, alice, "two")
		since := w.sync(carol, "").next
		w.mark(bob, r, Read, second, nil)
		w.mark(bob, r, Read, first, nil)
		w.mark(bob, r, ReadPrivate, second, nil)
		w.mark(bob, r, Read, second, text("main"))
		receipts := func(a answered) string { return a.joined(r).Get(`ephemeral.events.#(type=="m.receipt").content`).Raw }
		news := w.sync(carol, since)
		got := gjson.Parse(receipts(news))
		if !got.Get(esc(string(second))+".m\\.read."+esc(string(bob))+".ts").Exists() || got.Get(esc(string(first))).Exists() ||
			got.Get(esc(string(second))+".m\\.read."+esc(string(bob))+".thread_id").Exists() || strings.Contains(got.Raw, "private") {
			t.Errorf("receipts for carol: %s", got)
		}
		if news.joined(r).Get(`ephemeral.events.0.room_id`).Exists() {
			t.Error("a room id")
		}
		if own := receipts(w.sync(bob, since)); !strings.Contains(own, ReadPrivate) {
			t.Errorf("receipts for bob: %s", own)
		}
		w.want("told once", receipts(w.sync(carol, news.next)), "")
		w.restart()
		if got := receipts(w.sync(carol, "")); !strings.Contains(got, string(second)) {
			t.Errorf("after a restart: %s", got)
		}
		if got := receipts(w.sync(carol, since)); !strings.Contains(got, string(second)) {
			t.Errorf("after a restart, from before: %s", got)
		}

		w.mark(bob, r, FullyRead, second, nil)
		w.mark(bob, r, FullyRead, first, nil)
		marker := w.sync(bob, since).joined(r).Get(`account_data.events.#(type=="m.fully_read").content.event_id`).Str
		w.want("marker", marker, string(second))

		thread := w.send(r, alice, "m.room.message", relates("m.thread", first, "in a thread"))
		for name, err := range map[string]error{
			"type":      w.Mark(ctx, bob, r, "m.seen", first, nil),
			"empty":     w.Mark(ctx, bob, r, Read, first, text("")),
			"fully":     w.Mark(ctx, bob, r, FullyRead, first, text("main")),
			"unrelated": w.Mark(ctx, bob, r, Read, second, text(string(first))),
			"not main":  w.Mark(ctx, bob, r, Read, thread, text("main")),
		} {
			if !fault.Is(err, fault.InvalidParam) {
				t.Errorf("%s: %v", name, err)
			}
		}
		w.wantFault(w.Mark(ctx, dave, r, Read, first, nil), fault.Forbidden)
		w.wantFault(w.Mark(ctx, bob, r, Read, "$nosuch", nil), fault.NotFound)
		w.wantFault(w.Mark(ctx, bob, "!nosuch", Read, first, nil), fault.NotFound)
	})
}

func TestDelivered(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob, carol)
		since := w.sync(bob, "").next
		first, second := w.say(r, alice, "one"), w.say(r, alice, "two")
		w.mark(bob, r, Delivered, second, nil)
		w.mark(bob, r, Delivered, first, nil)
		delivered := func(a answered) string {
			return a.joined(r).Get(`ephemeral.events.#(type=="org.myelin.delivered").content.` + esc(string(bob)) + `.event_id`).Str
		}
		news := w.sync(alice, since)
		w.want("delivered", delivered(news), string(second))
		if news.joined(r).Get(`ephemeral.events.#(type=="m.receipt")`).Exists() {
			t.Error("delivered counts as read")
		}
		w.want("still unread", unreadOf(w.sync(bob, since).joined(r)), "0/2")
		w.mark(bob, r, Read, second, nil)
		w.restart()
		w.want("after a restart", delivered(w.sync(carol, "")), string(second))
		w.wantFault(w.Mark(ctx, bob, r, Delivered, second, text("main")), fault.InvalidParam)
	})
}

func TestUnreadChanges(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob, carol)
		count := func() string { return unreadOf(w.sync(bob, "").joined(r)) }
		w.want("nothing", count(), "0/0")
		e := w.send(r, alice, "m.room.message", map[string]any{"body": "x", "m.mentions": map[string]any{"user_ids": []id.UserID{bob}}})
		w.say(r, carol, "y")
		w.want("two", count(), "1/2")
		_, err := w.rooms.Redact(ctx, r, e, room.Draft{Sender: alice, Content: []byte(`{}`)})
		w.ok(err)
		w.want("redacted", count(), "0/1")
		w.restart()
		w.want("counted anew", count(), "0/1")
		w.say(r, bob, "an answer reads what came before")
		w.want("answered", count(), "0/0")
		w.say(r, carol, "z")
		w.want("one more", count(), "0/1")
		since := w.sync(bob, "").next
		w.ok(w.ChangeRules(ctx, bob, func(rules *push.Rules) error { return rules.Enable(push.Override, ".m.rule.master", true) }))
		if got := w.sync(bob, since); !got.Get(`account_data.events.#(type=="m.push_rules").content.global.override.0.enabled`).Bool() {
			t.Errorf("changed rules: %s", got)
		}
		w.want("silenced", count(), "0/0")
		x, err := w.Notifications(ctx, who(bob), "", 0, false)
		w.ok(err)
		w.want("no notifications", string(x), `{"notifications":[]}`)
		w.wantFault(w.ChangeRules(ctx, bob, func(rules *push.Rules) error { return rules.Delete(push.Room, "x") }), fault.NotFound)
		rules, err := w.Rules(ctx, bob)
		w.ok(err)
		if x, _ := rules.Get(push.Override, ".m.rule.master"); !x.Enabled {
			t.Error("the change was not kept")
		}
		w.ok(w.Feed.account.SetData(ctx, bob, AccountDatum{Type: "m.push_rules", Content: []byte(`{"global":3}`)}))
		w.want("bad rules are the default ones", count(), "0/1")
		w.ok(w.rooms.Leave(ctx, bob, r, ""))
		w.say(r, carol, "while away")
		w.ok(w.rooms.Join(ctx, bob, r, ""))
		w.want("joined again", count(), "0/0")
	})
}

func TestNotifications(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r, other := w.public(alice, bob), w.public(alice, bob)
		w.say(r, alice, "first")
		e := w.say(other, alice, "for @bob:ward.test")
		w.say(r, alice, "third")
		list := func(from string, limit int, highlights bool) gjson.Result {
			t.Helper()
			b, err := w.Notifications(ctx, who(bob), from, limit, highlights)
			w.ok(err)
			return w.parse(b).Result
		}
		page := list("", 2, false)
		w.want("newest", page.Get("notifications.#.event.content.body").Raw, `["third","for @bob:ward.test"]`)
		if n := page.Get("notifications.1"); n.Get("room_id").Str != string(other) || n.Get("read").Bool() || n.Get("actions.0").Str != "notify" || n.Get("event.event_id").Str != string(e) {
			t.Errorf("notification: %s", n)
		}
		page = list(page.Get("next_token").Str, 2, false)
		w.want("older", page.Get("notifications.#.event.content.body").Raw+page.Get("next_token").Raw, `["first"]`)
		w.want("highlights", list("", 0, true).Get("notifications.#.event.content.body").Raw, `["for @bob:ward.test"]`)
		w.mark(bob, other, Read, e, nil)
		w.want("read", list("", 0, false).Get("notifications.#.event.content.body").Raw, `["third","first"]`)
		_, err := w.Notifications(ctx, who(bob), "x", 0, false)
		w.wantFault(err, fault.InvalidParam)
	})
}

// TestUnreadProperty does things at random and compares what was counted as it went with a count from the
// stored events.
func TestUnreadProperty(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		seed := uint64(time.Now().UnixNano())
		rnd := rand.New(rand.NewPCG(seed, 1))
		t.Logf("seed %d", seed)
		r := w.public(alice, bob, carol)
		since := w.sync(bob, "").next
		people := []id.UserID{alice, bob, carol}
		var sent, roots []id.EventID
		for step := range 150 {
			by := people[rnd.IntN(3)]
			switch n := rnd.IntN(10); {
			case n < 4 || len(sent) == 0:
				body := []string{"text", "for bob", "bob?"}[rnd.IntN(3)]
				e := w.say(r, by, body)
				sent, roots = append(sent, e), append(roots, e)
			case n == 4:
				sent = append(sent, w.send(r, by, "m.room.message", relates("m.thread", roots[rnd.IntN(len(roots))], "in a thread")))
			case n == 5:
				w.send(r, by, "org.example", relates("org.example.with", sent[rnd.IntN(len(sent))], "x"))
			case n == 6:
				// A message of bob's that is redacted tells a later count no more that he had read what was before it.
				target := sent[rnd.IntN(len(sent))]
				if ev, err := w.rooms.Event(ctx, r, target); err != nil || ev.Sender == bob {
					continue
				}
				if _, err := w.rooms.Redact(ctx, r, target, room.Draft{Sender: alice, Content: []byte(`{}`)}); err != nil {
					t.Fatal(err)
				}
			case n == 7:
				w.mark(bob, r, []string{Read, ReadPrivate}[rnd.IntN(2)], sent[rnd.IntN(len(sent))], nil)
			case n == 8:
				err := w.Mark(ctx, bob, r, Read, sent[rnd.IntN(len(sent))], text("main"))
				if err != nil && !fault.Is(err, fault.InvalidParam) {
					t.Fatal(err)
				}
			default:
				w.set(r, alice, "m.room.topic", "", fmt.Sprintf(`{"topic":"%d"}`, step))
			}
			if rnd.IntN(3) > 0 {
				continue
			}
			got := w.sync(bob, since, filtered(threads)).joined(r)
			w.Feed.mu.Lock()
			p := w.people[bob]
			w.Feed.mu.Unlock()
			p.mu.Lock()
			clear(p.unread)
			p.mu.Unlock()
			again := w.sync(bob, since, filtered(threads)).joined(r)
			for _, k := range []string{"unread_notifications", "unread_thread_notifications"} {
				a, b := tallies(got.Get(k)), tallies(again.Get(k))
				if a != b {
					t.Fatalf("step %d: counted %s, recounted %s", step, a, b)
				}
			}
		}
	})
}

// tallies writes counts in a fixed order.
func tallies(r gjson.Result) string {
	var s []string
	r.ForEach(func(k, v gjson.Result) bool {
		s = append(s, k.Str+v.Raw)
		return true
	})
	slices.Sort(s)
	return strings.Join(s, ",")
}
