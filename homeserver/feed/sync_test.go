package feed

import (
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
)

func TestSyncTellsWhatIsNew(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		first := w.sync(bob, "")
		j := first.joined(r)
		w.want("initial timeline", bodies(j), "create member power_levels join_rules history_visibility guest_access name member")
		if n := len(j.Get("state.events").Array()); n != 0 {
			t.Errorf("%d state events although the timeline holds all", n)
		}
		if j.Get("timeline.limited").Bool() || j.Get("summary.m\\.joined_member_count").Int() != 2 {
			t.Errorf("room: %s", j)
		}
		if !first.Get(`account_data.events.#(type=="m.push_rules").content.global.override`).Exists() {
			t.Error("no push rules in the initial sync")
		}
		again := w.sync(bob, first.next)
		if again.Get("rooms").Exists() {
			t.Errorf("an unchanged room is told: %s", again)
		}
		e := w.say(r, alice, "hello")
		news := w.sync(bob, first.next)
		w.want("timeline", bodies(news.joined(r)), "hello")
		ev := news.joined(r).Get("timeline.events.0")
		if ev.Get("event_id").Str != string(e) || ev.Get("room_id").Exists() || ev.Get("unsigned.membership").Str != "join" || !ev.Get("unsigned.age").Exists() {
			t.Errorf("event: %s", ev)
		}
		if news.joined(r).Get("summary.m\\.joined_member_count").Exists() {
			t.Error("the summary is told although nobody came or went")
		}
		w.want("after it", w.sync(bob, news.next).Get("rooms").Raw, "")
	})
}

func TestSyncGap(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		since := w.sync(bob, "").next
		w.say(r, alice, "one")
		w.set(r, alice, "m.room.topic", "", `{"topic":"a"}`)
		w.set(r, alice, "m.room.topic", "", `{"topic":"b"}`)
		w.say(r, alice, "two")
		w.say(r, alice, "three")
		j := w.sync(bob, since, filtered(`{"room":{"timeline":{"limit":2}}}`)).joined(r)
		w.want("timeline", bodies(j), "two three")
		w.want("state", states(j.Get("state.events")), "topic")
		if !j.Get("timeline.limited").Bool() || j.Get("state.events.0.content.topic").Str != "b" {
			t.Errorf("room: %s", j)
		}
		page, err := w.rooms.Messages(ctx, bob, r, room.PageRequest{From: j.Get("timeline.prev_batch").Str, To: since, Back: true, Limit: 10})
		w.ok(err)
		if len(page.Events) != 3 || page.Events[2].Get("body").Str != "one" {
			t.Errorf("the gap has %d events", len(page.Events))
		}
		j = w.sync(bob, since, filtered(`{"room":{"timeline":{"limit":0}}}`)).joined(r)
		w.want("timeline of none", bodies(j), "")
		w.want("state", states(j.Get("state.events")), "topic")
		j = w.sync(bob, since, stateAfter).joined(r)
		w.want("state_after", states(j.Get("state_after.events")), "topic")
		if j.Get("state").Exists() || j.Get("timeline.limited").Bool() {
			t.Errorf("room: %s", j)
		}
		j = w.sync(bob, since, filtered(`{"room":{"timeline":{"types":["m.room.message"]}}}`)).joined(r)
		w.want("filtered timeline", bodies(j), "one two three")
		w.want("state that the filter hid", states(j.Get("state.events")), "topic")
	})
}

func TestFullState(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		since := w.sync(bob, "").next
		j := w.sync(bob, since, fullState).joined(r)
		w.want("timeline", bodies(j), "")
		if n := len(j.Get("state.events").Array()); n != 8 {
			t.Errorf("%d state events, want 8: %s", n, states(j.Get("state.events")))
		}
		w.say(r, alice, "hi")
		j = w.sync(bob, "", filtered(`{"room":{"timeline":{"limit":1}}}`), stateAfter).joined(r)
		w.want("timeline", bodies(j), "hi")
		if n := len(j.Get("state_after.events").Array()); n != 8 {
			t.Errorf("%d state events, want 8: %s", n, states(j.Get("state_after.events")))
		}
	})
}

func TestSyncJoinMidway(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice)
		w.say(r, alice, "before")
		since := w.sync(bob, "").next
		w.say(r, alice, "still before")
		w.ok(w.rooms.Join(ctx, bob, r, ""))
		got := w.sync(bob, since, filtered(`{"room":{"timeline":{"limit":3}}}`))
		j := got.joined(r)
		w.want("timeline", bodies(j), "before still before member")
		w.want("membership", j.Get("timeline.events.0.unsigned.membership").Str+j.Get("timeline.events.2.unsigned.membership").Str, "leavejoin")
		if !j.Get("timeline.limited").Bool() || len(j.Get("state.events").Array()) != 7 {
			t.Errorf("room: %s", j)
		}
		w.want("lists", got.Get("device_lists.changed").Raw, `["@alice:ward.test","@bob:ward.test"]`)
		// Leaving and coming back between two syncs is no leaving.
		w.ok(w.rooms.Leave(ctx, bob, r, ""))
		left := w.sync(bob, got.next)
		w.want("left", bodies(left.leftRoom(r)), "member")
		w.want("lists", left.Get("device_lists.left").Raw, `["@alice:ward.test"]`)
		w.ok(w.rooms.Join(ctx, bob, r, ""))
		both := w.sync(bob, got.next)
		if both.leftRoom(r).Exists() || !both.joined(r).Exists() {
			t.Errorf("after leaving and joining: %s", both)
		}
		if s := both.joined(r); s.Get("timeline.limited").Bool() || bodies(s) != "member member" {
			t.Errorf("room: %s", s)
		}
	})
}

func TestSyncLeave(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		since := w.sync(bob, "").next
		w.say(r, alice, "before")
		w.set(r, alice, "org.example", "", `{"v":"before"}`)
		w.ok(w.rooms.Leave(ctx, bob, r, ""))
		w.say(r, alice, "after")
		w.set(r, alice, "org.example", "", `{"v":"after"}`)
		const f = `{"room":{"include_leave":true,"timeline":{"types":["m.room.message","org.example"]},"state":{"types":["org.example"]}}}`
		for name, got := range map[string]answered{"news": w.sync(bob, since, filtered(f)), "initial": w.sync(bob, "", filtered(f))} {
			w.want(name, bodies(got.leftRoom(r)), "before org.example")
			w.want(name+" state", states(got.leftRoom(r).Get("state.events")), "")
		}
		empty := w.sync(bob, "", filtered(`{"room":{"include_leave":true,"timeline":{"limit":0}}}`)).leftRoom(r)
		if v := empty.Get(`state.events.#(type=="org.example").content.v`).Str; v != "before" {
			t.Errorf("state after leaving: %s", empty)
		}
		if m := empty.Get(`state.events.#(state_key=="@bob:ward.test").content.membership`).Str; m != "leave" {
			t.Errorf("own membership: %q", m)
		}
		if got := w.sync(bob, ""); got.Get("rooms.leave").Exists() {
			t.Error("left rooms without being asked")
		}
		next := w.sync(bob, since).next
		if got := w.sync(bob, next); got.Get("rooms").Exists() {
			t.Errorf("told again: %s", got)
		}
		if got := w.sync(bob, since, filtered(f), fullState); !got.leftRoom(r).Exists() {
			t.Error("full state without the left room")
		}
		w.ok(w.rooms.Forget(ctx, bob, r))
		w.restart()
		if got := w.sync(bob, "", filtered(f)); got.leftRoom(r).Exists() {
			t.Error("a forgotten room")
		}
	})
}

func TestInviteAndKnock(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r, err := w.rooms.Create(ctx, alice, room.Creation{Preset: "private_chat", Name: "Handover"})
		w.ok(err)
		since := w.sync(bob, "").next
		w.ok(w.rooms.Invite(ctx, alice, r, bob, ""))
		for name, got := range map[string]answered{"news": w.sync(bob, since), "initial": w.sync(bob, "")} {
			in := got.Get("rooms.invite." + esc(string(r)) + ".invite_state.events")
			if in.Get(`#(type=="m.room.name").content.name`).Str != "Handover" || in.Get(`#(state_key=="@bob:ward.test").content.membership`).Str != "invite" || !in.Get(`#(type=="m.room.create")`).Exists() {
				t.Errorf("%s: %s", name, got)
			}
		}
		since = w.sync(bob, since).next
		w.want("told once", w.sync(bob, since).Get("rooms").Raw, "")
		w.ok(w.rooms.Leave(ctx, bob, r, ""))
		got := w.sync(bob, since)
		w.want("turned down", bodies(got.leftRoom(r)), "member")
		w.want("state", states(got.leftRoom(r).Get("state.events")), "")

		w.set(r, alice, "m.room.join_rules", "", `{"join_rule":"knock"}`)
		w.ok(w.rooms.Knock(ctx, carol, r, ""))
		k := w.sync(carol, "").Get("rooms.knock." + esc(string(r)) + ".knock_state.events")
		if k.Get(`#(state_key=="@carol:ward.test").content.membership`).Str != "knock" {
			t.Errorf("knock: %s", k)
		}
	})
}

func TestIgnoredPeople(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob, carol)
		since := w.sync(alice, "").next
		w.ok(w.Feed.account.SetData(ctx, alice, AccountDatum{Type: "m.ignored_user_list", Content: []byte(`{"ignored_users":{"@bob:ward.test":{}}}`)}))
		got := w.sync(alice, since)
		if !got.Get(`account_data.events.#(type=="m.ignored_user_list")`).Exists() {
			t.Errorf("account data: %s", got)
		}
		since = got.next
		w.say(r, bob, "unheard")
		w.say(r, carol, "heard")
		w.set(r, alice, "m.room.power_levels", "", `{"state_default":0}`)
		w.set(r, bob, "m.room.topic", "", `{"topic":"seen all the same"}`)
		private, err := w.rooms.Create(ctx, bob, room.Creation{Preset: "private_chat", Invite: []id.UserID{alice}})
		w.ok(err)
		got = w.sync(alice, since)
		w.want("timeline", bodies(got.joined(r)), "heard power_levels topic")
		if n := got.joined(r).Get("unread_notifications.notification_count").Int(); n != 1 {
			t.Errorf("%d unread, want that of who is not ignored", n)
		}
		if got.Get("rooms.invite." + esc(string(private))).Exists() {
			t.Error("an invitation by somebody who is ignored")
		}
	})
}

func TestLazyMembers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob, carol, dave)
		for range 12 {
			w.say(r, alice, "hi")
		}
		const f = `{"room":{"state":{"lazy_load_members":true}}}`
		members := func(a answered) string {
			var s []string
			for _, x := range strings.Fields(states(a.joined(r).Get("state.events"))) {
				if strings.HasPrefix(x, "member/") {
					s = append(s, strings.TrimPrefix(x, "member/"))
				}
			}
			return strings.Join(s, " ")
		}
		first := w.sync(bob, "", filtered(f))
		if m := members(first); m != "alice bob" && m != "bob alice" {
			t.Errorf("initial members: %q", m)
		}
		w.say(r, carol, "hello")
		second := w.sync(bob, first.next, filtered(f))
		w.want("members", members(second), "carol")
		// The answer was lost: the device comes with the same token and gets the member again.
		second = w.sync(bob, first.next, filtered(f))
		w.want("members again", members(second), "carol")
		w.say(r, carol, "again")
		w.say(r, alice, "and I")
		third := w.sync(bob, second.next, filtered(f))
		w.want("redundant members", members(third), "")
		w.say(r, carol, "once more")
		w.want("all members", members(w.sync(bob, third.next, filtered(`{"room":{"state":{"lazy_load_members":true,"include_redundant_members":true}}}`))), "carol")
	})
}

func TestWaiting(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		since := w.sync(bob, "").next
		answers := make(chan []byte, 1)
		wait := func(since string) {
			go func() {
				b, err := w.poll(ctx, who(bob), SyncRequest{Since: since, Timeout: time.Minute, SetPresence: Offline})
				if err != nil {
					t.Error(err)
				}
				answers <- b
			}()
			for w.waiters.count() == 0 {
				w.ok(w.pause(ctx))
			}
		}
		wait(since)
		w.say(r, alice, "wake up")
		got := w.parse(<-answers)
		w.want("timeline", bodies(got.joined(r)), "wake up")
		for what, act := range map[string]func(){
			"typing": func() { w.ok(w.Type(ctx, alice, r, true, 0)) },
			"receipt": func() {
				w.ok(w.Mark(ctx, alice, r, Read, id.EventID(got.joined(r).Get("timeline.events.0.event_id").Str), nil))
			},
			"to_device": func() { w.ok(w.SendToDevice(ctx, alice, "A", "org.t", "", []ToDevice{{User: bob, Device: "BOB"}})) },
			"data":      func() { w.ok(w.Feed.account.SetData(ctx, bob, AccountDatum{Type: "t", Content: []byte(`{}`)})) },
			"room data": func() {
				w.ok(w.Feed.account.SetData(ctx, bob, AccountDatum{Room: r, Type: "t", Content: []byte(`{}`)}))
			},
			"device":   func() { w.ok(w.accounts.RenameDevice(ctx, alice, "ALICE", "phone")) },
			"presence": func() { w.ok(w.SetPresence(alice, "ALICE", Online, nil)) },
			"invite": func() {
				_, err := w.rooms.Create(ctx, carol, room.Creation{Preset: "private_chat", Invite: []id.UserID{bob}})
				w.ok(err)
			},
		} {
			since := w.sync(bob, got.next).next
			w.clock.pass(asidePause)
			wait(since)
			begun := time.Now()
			act()
			if b := w.parse(<-answers); len(b.Map()) < 2 {
				t.Errorf("%s: %s", what, b)
			} else if d := time.Since(begun); d > 30*time.Second {
				t.Errorf("%s did not wake", what)
			}
		}
		if n := w.waiters.count(); n != 0 {
			t.Errorf("%d still wait", n)
		}
		since = w.sync(bob, "").next
		if b := w.sync(bob, since, waits(time.Millisecond)); b.next == "" || b.Get("rooms").Exists() {
			t.Errorf("after waiting in vain: %s", b)
		}
		wait(since)
		w.Feed.Close()
		<-answers
	})
}

func TestTokens(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		since := w.sync(bob, "").next
		w.say(r, alice, "before the restart")
		w.restart()
		got := w.sync(bob, since)
		w.want("after a restart", bodies(got.joined(r)), "before the restart")
		w.want("again", w.sync(bob, got.next).Get("rooms").Raw, "")
		future := token{pos: w.Visible() + 1000, toDevice: w.Visible() + 1000, boot: w.boot}.String()
		if got := w.sync(bob, future); got.next != w.sync(bob, got.next).next {
			t.Errorf("a token of the future: %s", got)
		}
		for _, bad := range []string{"x", "s", "s-1", "s1_b_x", "s1_b_1_2", "s1_b_1_1_1", "sx", "s1_b_1_x"} {
			_, err := w.poll(ctx, who(bob), SyncRequest{Since: bad})
			w.wantFault(err, fault.InvalidParam)
		}
		if p, err := Position("s12_boot_3"); p != 12 || err != nil {
			t.Errorf("position %d, %v", p, err)
		}
		_, err := w.poll(ctx, who(bob), SyncRequest{SetPresence: "asleep"})
		w.wantFault(err, fault.InvalidParam)
		_, err = w.poll(ctx, who(bob), SyncRequest{Filter: "{"})
		w.wantFault(err, fault.InvalidParam)
		_, err = w.poll(ctx, who(bob), SyncRequest{Filter: "nosuch"})
		w.wantFault(err, fault.InvalidParam)
	})
}

func TestStoredFilter(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		other := w.public(alice, bob)
		name, err := w.accounts.AddFilter(ctx, bob, []byte(`{"room":{"rooms":["`+string(r)+`"],"timeline":{"limit":1}}}`))
		w.ok(err)
		for range 2 {
			got := w.sync(bob, "", filtered(name))
			w.want("timeline", bodies(got.joined(r)), "member")
			if got.joined(other).Exists() {
				t.Error("a room that was not asked for")
			}
		}
		got := w.sync(bob, "", filtered(`{"room":{"not_rooms":["`+string(r)+`"],"timeline":{"not_types":["m.room.*"]},"state":{"not_senders":["@alice:ward.test"]},"ephemeral":{"types":[]}},"event_format":"federation","presence":{"types":[]},"account_data":{"not_types":["m.push_rules"]}}`))
		if got.joined(r).Exists() || bodies(got.joined(other)) != "" || states(got.joined(other).Get("state.events")) != "member/bob" || got.Get("account_data").Exists() {
			t.Errorf("filtered: %s", got)
		}
		if !got.joined(other).Get("state.events.0.auth_events").Exists() {
			t.Error("not the federation's format")
		}
	})
}
