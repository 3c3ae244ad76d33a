package feed

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
)

func draftWithTxn(u id.UserID, d id.DeviceID, txn string) room.Draft {
	return room.Draft{Type: "m.room.message", Sender: u, Content: []byte(`{"body":"x"}`), Device: d, Txn: txn}
}

func typists(a answered, r id.RoomID) string {
	return a.joined(r).Get(`ephemeral.events.#(type=="m.typing").content.user_ids`).Raw
}

func TestTyping(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		since := w.sync(bob, "").next
		carols := w.sync(carol, "").next
		w.ok(w.Type(ctx, alice, r, false, 0))
		w.want("stopping before starting", typists(w.sync(bob, since), r), "")
		w.ok(w.Type(ctx, alice, r, true, 10*time.Second))
		got := w.sync(bob, since)
		w.want("typing", typists(got, r), `["@alice:ward.test"]`)
		if got.joined(r).Get("ephemeral.events.0.room_id").Exists() {
			t.Error("a room id")
		}
		w.want("told once", typists(w.sync(bob, got.next), r), "")
		w.want("initial", typists(w.sync(bob, ""), r), `["@alice:ward.test"]`)
		if w.sync(carol, carols).joined(r).Exists() {
			t.Error("told to somebody outside")
		}
		w.ok(w.Type(ctx, alice, r, false, 0))
		next := w.sync(bob, got.next)
		w.want("stopped", typists(next, r), `[]`)
		w.ok(w.Type(ctx, alice, r, true, time.Hour))
		w.clock.pass(typingMax + time.Second)
		w.expireTyping()
		w.want("expired", typists(w.sync(bob, next.next), r), `[]`)
		w.ok(w.Type(ctx, alice, r, true, time.Second))
		w.ok(w.rooms.Join(ctx, carol, r, ""))
		w.want("newly joined", typists(w.sync(carol, carols), r), `["@alice:ward.test"]`)
		w.wantFault(w.Type(ctx, dave, r, true, 0), fault.Forbidden)
		w.wantFault(w.Type(ctx, dave, "!nosuch", true, 0), fault.NotFound)
		w.clock.pass(typingMax)
		w.expireTyping()
		w.clock.pass(typingKept + time.Second)
		w.expireTyping()
		if len(w.typing) != 0 {
			t.Errorf("%d rooms are remembered", len(w.typing))
		}
	})
}

func seen(a answered, u id.UserID) gjson.Result {
	return a.Get(`presence.events.#(sender=="` + string(u) + `").content`)
}

func TestPresence(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.public(alice, bob)
		since := w.sync(bob, "").next
		w.sync(alice, "", func(r *SyncRequest) { r.SetPresence = Unavailable })
		got := w.sync(bob, since)
		w.want("by sync", seen(got, alice).Get("presence").Str, Unavailable)
		w.want("told once", seen(w.sync(bob, got.next), alice).Raw, "")
		w.ok(w.SetPresence(alice, "ALICE", Online, text("On call")))
		got = w.sync(bob, got.next)
		if p := seen(got, alice); p.Get("presence").Str != Online || p.Get("status_msg").Str != "On call" || !p.Get("currently_active").Bool() || p.Get("last_active_ago").Int() > 1000 {
			t.Errorf("presence: %s", p)
		}
		w.want("initial", seen(w.sync(bob, ""), alice).Get("presence").Str, Online)
		if p := seen(w.sync(carol, ""), alice); p.Exists() {
			t.Errorf("told to somebody who shares no room: %s", p)
		}
		_, err := w.PresenceOf(ctx, carol, alice)
		w.wantFault(err, fault.Forbidden)
		b, err := w.PresenceOf(ctx, bob, alice)
		w.ok(err)
		w.want("asked", gjson.GetBytes(b, "status_msg").Str, "On call")
		b, err = w.PresenceOf(ctx, dave, dave)
		w.ok(err)
		w.want("nothing known", string(b), `{"presence":"offline"}`)

		// Nobody hears of her for half a minute.
		w.clock.pass(presenceGrace + time.Second)
		w.expirePresence()
		got = w.sync(bob, got.next)
		w.want("gone", seen(got, alice).Get("presence").Str, Offline)
		// She syncs but does nothing.
		end := w.syncing(alice, "ALICE", Online)
		w.clock.pass(presenceIdle + time.Minute)
		w.expirePresence()
		w.want("idle", seen(w.sync(bob, got.next), alice).Get("presence").Str, Unavailable)
		w.active(alice)
		w.want("back", seen(w.sync(bob, got.next), alice).Get("presence").Str, Online)
		end()
		r := w.public(carol)
		carols := w.sync(carol, "")
		w.ok(w.rooms.Join(ctx, alice, r, ""))
		w.want("newcomer", seen(w.sync(carol, carols.next), alice).Get("presence").Str, Online)
		w.ok(w.rooms.Join(ctx, bob, r, ""))

		w.wantFault(w.SetPresence(alice, "ALICE", "asleep", nil), fault.InvalidParam)
		w.wantFault(w.SetPresence(alice, "ALICE", Online, text(strings.Repeat("x", 5000))), fault.TooLarge)
		w.restart()
		w.ok(w.SetPresence(alice, "ALICE", Online, nil))
		w.want("after a restart", seen(w.sync(bob, got.next), alice).Get("presence").Str, Online)
	})
}

func TestPresenceOff(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t), func(o *Options) { o.Presence = false })
	w.public(alice, bob)
	w.ok(w.SetPresence(alice, "ALICE", Online, nil))
	if got := w.sync(bob, "", online); got.Get("presence").Exists() {
		t.Errorf("presence: %s", got)
	}
	b, err := w.PresenceOf(ctx, bob, alice)
	w.ok(err)
	w.want("asked", string(b), `{"presence":"offline"}`)
	w.active(alice)
}

func TestPresenceOfMany(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	r := w.public(alice, bob)
	since := w.sync(bob, "").next
	for i := range presenceLog + 100 {
		w.ok(w.SetPresence(id.UserID("@p"+string(rune('a'+i%20))+":"+server), "X", []string{Online, Unavailable}[i/20%2], nil))
	}
	w.ok(w.SetPresence(alice, "ALICE", Online, nil))
	w.want("news", seen(w.sync(bob, since), alice).Get("presence").Str, Online)
	_ = r
}

// TestOtherProcess has two processes on one PostgreSQL database.
func TestOtherProcess(t *testing.T) {
	url := dbtest.PostgresURL(t)
	a := newWorld(t, dbtest.Open(t, db.Options{URL: url}))
	b := &world{t: t, d: dbtest.Open(t, db.Options{URL: url}), clock: a.clock, keys: a.keys, log: a.log, dir: a.dir}
	b.start()
	r := a.public(alice, bob)
	catch := func() {
		t.Helper()
		pos, err := b.d.Position(ctx)
		b.ok(err)
		b.ok(b.CatchUp(ctx, pos))
	}
	catch()
	first := b.sync(bob, "")
	b.want("room of the other process", bodies(first.joined(r)), "create member power_levels join_rules history_visibility guest_access name member")
	done := make(chan answered, 1)
	go func() {
		x, err := b.poll(ctx, who(bob), SyncRequest{Since: first.next, Timeout: time.Minute, SetPresence: Offline})
		if err != nil {
			t.Error(err)
		}
		done <- b.parse(x)
	}()
	for b.waiters.count() == 0 {
		b.ok(b.pause(ctx))
	}
	e := a.say(r, alice, "from afar")
	catch()
	got := <-done
	b.want("woken", bodies(got.joined(r)), "from afar")

	a.mark(alice, r, Read, e, nil)
	a.mail(alice, bob, "BOB", "t", 1)
	a.ok(a.Feed.account.SetData(ctx, bob, AccountDatum{Type: "x", Content: json.RawMessage(`{}`)}))
	a.ok(a.accounts.RenameDevice(ctx, alice, "ALICE", "tablet"))
	a.ok(a.rooms.Leave(ctx, alice, r, ""))
	// The next commit of this process finds the gap by itself.
	b.say(r, bob, "from here")
	got = b.sync(bob, got.next)
	b.want("timeline", bodies(got.joined(r)), "member from here")
	if !got.joined(r).Get(`ephemeral.events.#(type=="m.receipt")`).Exists() || numbers(got.Result) != "1" ||
		!got.Get(`account_data.events.#(type=="x")`).Exists() || got.Get("device_lists.left").Raw != `["@alice:ward.test"]` {
		t.Errorf("news: %s", got)
	}
	// A token of the other process may be ahead of what is published here.
	a.say(a.public(carol, bob), carol, "elsewhere")
	ahead := a.sync(bob, "").next
	if x := b.sync(bob, ahead); x.Get("rooms").Exists() {
		t.Errorf("ahead: %s", x)
	}
}

func FuzzToken(f *testing.F) {
	f.Add("s12_boot_3")
	f.Add("s12_boot_3_4")
	f.Add("s-1")
	f.Fuzz(func(t *testing.T, s string) {
		tok, err := parseToken(s)
		if err != nil {
			return
		}
		again, err := parseToken(tok.String())
		if err != nil || again != tok {
			t.Fatalf("%q: %+v, then %+v, %v", s, tok, again, err)
		}
	})
}

func FuzzFilter(f *testing.F) {
	f.Add(`{"room":{"timeline":{"types":["m.*"],"limit":3}}}`, "m.room.message")
	f.Add(`{"room":{"state":{"not_types":["*a*b*"]}}}`, "xaxbx")
	f.Fuzz(func(t *testing.T, text, typ string) {
		flt := new(filter)
		if json.Unmarshal([]byte(text), flt) != nil {
			return
		}
		flt.prepare()
		flt.Room.Timeline.kind(typ, alice)
		flt.Room.State.event(&room.Event{Type: typ, Sender: bob, RoomID: "!r", Content: []byte(`{"url":"x"}`)})
		if flt.limit < 0 || flt.limit > maxTimeline {
			t.Fatalf("limit %d", flt.limit)
		}
	})
}
