package feed

import (
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"
)

// ear is a device that waits, driven by hand.
type ear struct {
	w     *world
	wait  *Wait
	woken chan struct{}
	ask   func(pos string, wake func()) ([]byte, *Wait, error)
	tell  func(b []byte) (next, said string) // what is in an answer
	next  string
}

// listen asks for what is new. It has to be nothing that may be told now.
func (e *ear) listen() {
	e.w.t.Helper()
	e.woken = make(chan struct{}, 1)
	woken := e.woken
	b, wait, err := e.ask(e.next, func() { woken <- struct{}{} })
	e.w.ok(err)
	if wait == nil {
		e.w.t.Fatalf("does not wait: %s", b)
	}
	e.wait = wait
}

// hears expects the device to be woken and to be told something.
func (e *ear) hears(what, want string) {
	e.w.t.Helper()
	select {
	case <-e.woken:
	default:
		e.w.t.Fatalf("not woken for %s", what)
	}
	b, err := e.wait.Look(ctx, false)
	e.w.ok(err)
	if b == nil {
		e.w.t.Fatalf("told nothing of %s", what)
	}
	e.wait.Leave()
	var said string
	e.next, said = e.tell(b)
	e.w.want(what, said, want)
}

// rests expects the device not to be woken, nor to be told anything when it looks.
func (e *ear) rests(what string) {
	e.w.t.Helper()
	e.w.nudgeSoon() // of rooms
	if len(e.woken) > 0 {
		e.w.t.Fatalf("woken for %s", what)
	}
	if b, err := e.wait.Look(ctx, false); b != nil || err != nil {
		e.w.t.Fatalf("told of %s: %s, %v", what, b, err)
	}
}

// passes lets the pause after news pass.
func (w *world) passes() {
	w.clock.pass(asidePause)
	w.nudgeSoon()
}

func said(timeline string, receipts, typing gjson.Result) string {
	words := []string{timeline}
	receipts.ForEach(func(_, kinds gjson.Result) bool {
		kinds.Get("m\\.read").ForEach(func(u, _ gjson.Result) bool {
			words = append(words, "read by "+id.UserID(u.Str).Localpart())
			return true
		})
		return true
	})
	if typing.Exists() {
		words = append(words, "typing: "+typing.Raw)
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

// ears are the ways in which bob can wait for news of a room.
func ears(w *world, r id.RoomID) map[string]*ear {
	all := []func(*SlideRequest){window("all", 0, 99, 5), func(q *SlideRequest) {
		q.Timeout, q.Receipts.Enabled, q.Typing.Enabled = time.Minute, true, true
	}}
	return map[string]*ear{
		"sync": {w: w, next: w.sync(bob, "").next,
			ask: func(pos string, wake func()) ([]byte, *Wait, error) {
				return w.Sync(ctx, who(bob), SyncRequest{Since: pos, Timeout: time.Minute, SetPresence: Offline}, wake)
			},
			tell: func(b []byte) (string, string) {
				a := w.parse(b)
				some := a.joined(r).Get("ephemeral.events")
				return a.next, said(bodies(a.joined(r)), some.Get(`#(type=="m.receipt").content`), some.Get(`#(type=="m.typing").content.user_ids`))
			}},
		"sliding sync": {w: w, next: w.slide(bob, "", all...).next,
			ask: func(pos string, wake func()) ([]byte, *Wait, error) {
				return w.Slide(ctx, who(bob), slideRequest(pos, all...), wake)
			},
			tell: func(b []byte) (string, string) {
				a := answered{Result: gjson.ParseBytes(b)}
				e := a.Get("extensions")
				return a.Get("pos").Str, said(slidTexts(a.slid(r)), e.Get("receipts.rooms."+esc(string(r))+".content"), e.Get("typing.rooms."+esc(string(r))+".content.user_ids"))
			}},
	}
}

func TestAsidesWakeOnceASecond(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, name := range []string{"sync", "sliding sync"} {
			r := w.public(alice, bob, carol)
			e := ears(w, r)[name]
			w.passes()
			e.listen()
			w.ok(w.Type(ctx, alice, r, true, 0))
			e.hears("typing after a quiet time", `typing: ["@alice:ward.test"]`)
			e.listen()
			w.ok(w.Type(ctx, alice, r, false, 0))
			e.rests("the end of typing, at once")
			one := w.say(r, alice, "one")
			e.hears("a message", `one typing: []`)

			w.mark(carol, r, Read, one, nil)
			e.listen() // with something to tell already
			e.rests("a receipt, at once")
			w.mark(bob, r, Read, one, nil)
			e.rests("a receipt of their own, at once")
			w.ok(w.Type(ctx, carol, r, true, 0))
			e.rests("typing, at once")
			w.passes()
			e.hears("all asides of a second", `read by bob read by carol typing: ["@carol:ward.test"]`)

			e.listen()
			w.ok(w.Type(ctx, carol, r, false, 0))
			e.rests("the end of typing, at once")
			two := w.say(r, alice, "two")
			e.hears("a message does not wait", `two typing: []`)
			w.passes()
			e.listen()
			w.mark(carol, r, Read, two, nil)
			w.nudgeSoon()
			e.hears("a receipt after a quiet time", `read by carol`)
		}
	})
}

// Two requests of a device do not keep each other from hearing of asides.
func TestAsidesReachEveryRequestOfADevice(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob, carol)
		both := ears(w, r)
		for _, e := range both {
			e.listen()
		}
		one := w.say(r, alice, "one")
		for _, e := range both {
			e.hears("a message", "one")
			e.listen()
		}
		w.mark(carol, r, Read, one, nil)
		for _, e := range both {
			e.rests("a receipt, at once")
		}
		w.passes()
		for _, e := range both {
			e.hears("a receipt", "read by carol")
			e.listen()
			e.wait.Leave()
		}
		w.passes()
		if n := len(w.waiters.held); n != 0 {
			t.Errorf("%d who left are held", n)
		}
	})
}
