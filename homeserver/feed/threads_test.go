package feed

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/push"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/seal"
)

func (w *world) reply(r id.RoomID, by id.UserID, root id.EventID, text string) id.EventID {
	w.t.Helper()
	return w.send(r, by, "m.room.message", relates("m.thread", root, text))
}

// subscribed says how a person is subscribed to a thread.
func (w *world) subscribed(u id.UserID, r id.RoomID, root id.EventID) string {
	w.t.Helper()
	automatic, err := w.Subscription(ctx, u, r, root)
	switch {
	case fault.Is(err, fault.NotFound):
		return "no"
	case automatic:
		return "automatic"
	}
	w.ok(err)
	return "yes"
}

func TestSubscriptions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		root, other := w.say(r, alice, "root"), w.say(r, alice, "other")
		first := w.reply(r, alice, root, "first")
		edit := w.send(r, alice, "m.room.message", relates("m.replace", first, "First"))
		subscribe := func(cause id.EventID) error { return w.Subscribe(ctx, bob, r, root, &cause) }

		w.want("before", w.subscribed(bob, r, root), "no")
		before := w.Visible()
		w.ok(w.Unsubscribe(ctx, bob, r, root))
		if w.Visible() != before {
			t.Error("ending what is not there changed something")
		}
		for _, cause := range []id.EventID{root, other, "$none", ""} {
			w.wantFault(subscribe(cause), fault.NotInThread)
		}
		w.ok(subscribe(edit))
		w.want("by a client", w.subscribed(bob, r, root), "automatic")
		w.ok(w.Subscribe(ctx, bob, r, root, nil))
		w.want("wanted", w.subscribed(bob, r, root), "yes")
		before = w.Visible()
		w.ok(w.Subscribe(ctx, bob, r, root, nil))
		w.ok(subscribe(first))
		if w.Visible() != before {
			t.Error("subscribing again changed something")
		}
		w.want("still wanted", w.subscribed(bob, r, root), "yes")
		w.want("of others", w.subscribed(alice, r, root), "no")

		second := w.reply(r, alice, root, "second")
		w.ok(w.Unsubscribe(ctx, bob, r, root))
		third := w.reply(r, alice, root, "third")
		for _, cause := range []id.EventID{first, second} {
			w.wantFault(subscribe(cause), fault.Unsubscription)
		}
		w.want("ended", w.subscribed(bob, r, root), "no")
		w.ok(subscribe(third))
		w.restart()
		w.want("after a restart", w.subscribed(bob, r, root), "automatic")

		hidden, err := w.rooms.Create(ctx, alice, room.Creation{Preset: "private_chat"})
		w.ok(err)
		secret := w.say(hidden, alice, "secret")
		w.wantFault(w.Subscribe(ctx, bob, hidden, secret, nil), fault.NotFound)
		w.wantFault(w.Unsubscribe(ctx, bob, hidden, secret), fault.NotFound)
		w.wantFault(w.Subscribe(ctx, bob, r, "$none", nil), fault.NotFound)
		w.want("hidden", w.subscribed(bob, hidden, secret), "no")

		w.ok(w.rooms.Leave(ctx, bob, r, ""))
		w.want("left", w.subscribed(bob, r, root), "automatic")
		w.ok(w.rooms.Forget(ctx, bob, r))
		w.ok(w.Forgot(ctx, bob, r))
		w.ok(w.rooms.Join(ctx, bob, r, ""))
		w.want("forgotten", w.subscribed(bob, r, root), "no")
	})
}

// A client subscribes by itself while the person does, many times at once: what the person wants stays.
func TestSubscribingAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		root := w.say(r, alice, "root")
		cause := w.reply(r, alice, root, "for bob")
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				by := &cause
				if i%4 == 3 {
					by = nil
				}
				if err := w.Subscribe(ctx, bob, r, root, by); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		w.want("wanted", w.subscribed(bob, r, root), "yes")
	})
}

// Threads notify those who are subscribed when something is said in them, whatever is wanted of their room.
func TestSubscribedThreadsNotify(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob, carol)
		root, quiet := w.say(r, alice, "root"), w.say(r, alice, "quiet")
		w.mark(bob, r, Read, quiet, nil)
		w.ok(w.ChangeRules(ctx, bob, func(rules *push.Rules) error {
			return rules.Put(push.Room, push.Rule{ID: string(r), Actions: []json.RawMessage{}}, "", "")
		}))
		w.ok(w.ChangeRules(ctx, carol, func(rules *push.Rules) error {
			return rules.Enable(push.PostContent, ".io.element.msc4306.rule.unsubscribed_thread", true)
		}))
		since := map[id.UserID]string{bob: w.sync(bob, "").next, carol: w.sync(carol, "").next}
		check := func(what string, u id.UserID, want string) {
			t.Helper()
			w.want(what, unreadOf(w.sync(u, since[u], filtered(threads)).joined(r)), want)
		}
		w.reply(r, alice, root, "before")
		w.ok(w.Subscribe(ctx, bob, r, root, nil))
		check("what was said before", bob, "0/0")
		w.reply(r, alice, root, "one")
		w.reply(r, alice, quiet, "one")
		w.send(r, alice, "m.room.message", relates("m.reference", root, "no thread"))
		check("subscribed", bob, "0/0 0/1")
		check("not subscribed", carol, "0/3") // root, quiet and no thread, of the room itself
		w.ok(w.Subscribe(ctx, carol, r, quiet, nil))
		w.reply(r, alice, quiet, "two")
		w.reply(r, alice, root, "for @carol:ward.test")
		w.ok(w.Unsubscribe(ctx, bob, r, root))
		w.reply(r, alice, root, "after")
		check("unsubscribed", bob, "0/0 0/2")
		w.restart()
		check("unsubscribed, counted anew", bob, "0/0 0/2")
		of := w.sync(carol, since[carol], filtered(threads)).joined(r).Get("unread_thread_notifications")
		w.want("subscribed", tallies(of.Get(esc(string(quiet)))), "highlight_count0,notification_count1")
		w.want("mentioned", tallies(of.Get(esc(string(root)))), "highlight_count1,notification_count1")
		got, err := w.Notifications(ctx, who(bob), "", 1, false)
		w.ok(err)
		w.want("actions", gjson.GetBytes(got, "notifications.0.actions.1.set_tweak").Str, "sound")
	})
}

func withThreads(limit int) func(*SlideRequest) {
	return func(r *SlideRequest) { r.Threads = SlideThreads{Enabled: true, Limit: limit} }
}

// toldThreads writes the threads of an answer by the names that the test gives them, + subscribed, - unsubscribed.
func toldThreads(page gjson.Result, names ...id.EventID) (s string) {
	for i, root := range names {
		for part, sign := range map[string]string{"subscribed": "+", "unsubscribed": "-"} {
			page.Get(part).ForEach(func(_, threads gjson.Result) bool {
				if x := threads.Get(esc(string(root))); x.Get("bump_stamp").Int() > 0 && x.Get("automatic").Exists() == (sign == "+") {
					s += fmt.Sprintf("%s%d", sign, i)
				}
				return true
			})
		}
	}
	return s
}

func TestSlideThreads(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r, erased := w.public(alice, bob), w.public(alice, bob)
		a, b, c, gone := w.say(r, alice, "a"), w.say(r, alice, "b"), w.say(r, alice, "c"), w.say(erased, alice, "gone")
		extension := func(x answered) gjson.Result {
			return x.Get("extensions." + esc("io.element.msc4308.thread_subscriptions"))
		}
		told := func(x answered) string { return toldThreads(extension(x), a, b, c, gone) }
		page := func(from, to string, limit int) gjson.Result {
			t.Helper()
			got, err := w.Subscriptions(ctx, bob, from, to, limit)
			w.ok(err)
			return w.parse(got).Result
		}
		w.ok(w.Subscribe(ctx, bob, r, a, nil))
		w.ok(w.Subscribe(ctx, alice, r, b, nil))
		unasked := w.slide(bob, "")
		if extension(unasked).Exists() {
			t.Error("told without being asked")
		}
		first := w.slide(bob, unasked.next, withThreads(0))
		w.want("asked late", told(first), "+0")
		w.want("nothing new", extension(w.slide(bob, first.next, withThreads(0))).Raw, "{}")

		w.ok(w.Subscribe(ctx, bob, r, b, nil))
		w.want("lost", told(w.slide(bob, first.next, withThreads(0))), "+1")
		second := w.slide(bob, first.next, withThreads(0))
		w.want("told again", told(second), "+1")
		w.ok(w.Unsubscribe(ctx, bob, r, a))
		w.ok(w.Subscribe(ctx, bob, r, c, nil))
		w.ok(w.Subscribe(ctx, bob, erased, gone, nil))
		third := w.slide(bob, second.next, withThreads(2))
		w.want("the newest", told(third), "+2+3")
		older := page(extension(third).Get("prev_batch").Str, second.next, 2)
		w.want("the others", toldThreads(older, a, b, c), "-0")
		if older.Get("end").Exists() || extension(second).Get("prev_batch").Exists() {
			t.Errorf("there is no more: %s", older)
		}
		w.want("nothing new", extension(w.slide(bob, third.next, withThreads(2))).Raw, "{}")

		all, seen := page("", "", 3), ""
		for ; ; all = page(all.Get("end").Str, "", 1) {
			seen += toldThreads(all, a, b, c, gone)
			if !all.Get("end").Exists() {
				break
			}
		}
		w.want("page by page", seen, "-0+2+3+1")
		for _, bad := range [][2]string{{"x", ""}, {"", "x"}, {"t", ""}, {"", "t"}} {
			_, err := w.Subscriptions(ctx, bob, bad[0], bad[1], 1)
			w.wantFault(err, fault.InvalidParam)
		}

		w.ok(w.keys.Destroy(ctx, seal.Room(erased)))
		w.restart()
		w.want("a new connection", told(w.slide(bob, "", withThreads(0))), "-0+1+2")
	})
}

// Whoever waits is told of a change at once; a sync that does not ask for threads goes on waiting.
func TestSlideThreadsWaiting(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	r := w.public(alice, bob)
	root := w.say(r, alice, "root")
	pos := w.slide(bob, "", withThreads(0)).next
	answer := make(chan gjson.Result, 1)
	go func() {
		b, err := w.slidePoll(ctx, who(bob), slideRequest(pos, withThreads(0), func(r *SlideRequest) { r.Timeout = time.Minute }))
		if err != nil {
			t.Error(err)
		}
		answer <- gjson.ParseBytes(b)
	}()
	for w.waiters.count() == 0 {
		w.ok(w.pause(ctx))
	}
	w.ok(w.Subscribe(ctx, bob, r, root, nil))
	if got := <-answer; toldThreads(got.Get("extensions."+esc("io.element.msc4308.thread_subscriptions")), root) != "+0" {
		t.Errorf("told: %s", got)
	}
}

// What is subscribed to through one process is known to the other, also what it had read before.
func TestSubscriptionsOfTwoProcesses(t *testing.T) {
	url := dbtest.PostgresURL(t)
	a := newWorld(t, dbtest.Open(t, db.Options{URL: url}))
	b := &world{t: t, d: dbtest.Open(t, db.Options{URL: url}), clock: a.clock, keys: a.keys, log: a.log, dir: a.dir}
	b.start()
	r := a.public(alice, bob)
	root := a.say(r, alice, "root")
	catchUp := func() {
		t.Helper()
		pos, err := b.d.Position(ctx)
		b.ok(err)
		b.ok(b.CatchUp(ctx, pos))
	}
	catchUp()
	b.ok(b.ChangeRules(ctx, bob, func(rules *push.Rules) error {
		return rules.Put(push.Room, push.Rule{ID: string(r), Actions: []json.RawMessage{}}, "", "")
	}))
	b.mark(bob, r, Read, root, nil)
	since, slid := b.sync(bob, "").next, b.slide(bob, "", withThreads(0)).next
	reply := func(what, want string) {
		t.Helper()
		a.reply(r, alice, root, what)
		catchUp()
		b.want(what, unreadOf(b.sync(bob, since, filtered(threads)).joined(r)), want)
	}
	reply("not subscribed", "0/0")
	a.ok(a.Subscribe(ctx, bob, r, root, nil))
	reply("subscribed", "0/0 0/1")
	told := b.slide(bob, slid, withThreads(0)).Get("extensions." + esc("io.element.msc4308.thread_subscriptions"))
	b.want("told", toldThreads(told, root), "+0")
	a.ok(a.rooms.Leave(ctx, bob, r, ""))
	reply("left", "0/0")
	a.ok(a.rooms.Forget(ctx, bob, r))
	a.ok(a.Forgot(ctx, bob, r))
	a.ok(a.rooms.Join(ctx, bob, r, ""))
	reply("forgotten", "0/0")
}
