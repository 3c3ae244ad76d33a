package feed

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/room"
)

// slide asks without waiting; all lists want everybody's names and one event unless change says otherwise.
func (w *world) slide(u id.UserID, pos string, change ...func(*SlideRequest)) answered {
	w.t.Helper()
	b, err := w.slidePoll(ctx, who(u), slideRequest(pos, change...))
	w.ok(err)
	a := w.parse(b)
	a.next = a.Get("pos").Str
	return a
}

func slideRequest(pos string, change ...func(*SlideRequest)) *SlideRequest {
	req := &SlideRequest{Pos: pos, SetPresence: Offline, Lists: map[string]SlideList{}, Rooms: map[id.RoomID]SlideConfig{}}
	for _, c := range change {
		c(req)
	}
	return req
}

func window(name string, first, last, limit int, state ...StateMatch) func(*SlideRequest) {
	return func(r *SlideRequest) {
		r.Lists[name] = SlideList{SlideConfig: SlideConfig{Limit: limit, State: StateWish{Include: state}}, Ranges: [][2]int{{first, last}}}
	}
}

func chosen(name string, f SlideFilter) func(*SlideRequest) {
	return func(r *SlideRequest) { r.Lists[name] = SlideList{Filter: f} }
}

func subscribe(room id.RoomID, limit int, wish StateWish) func(*SlideRequest) {
	return func(r *SlideRequest) { r.Rooms[room] = SlideConfig{Limit: limit, State: wish} }
}

func stateOf(typ string) StateMatch { return StateMatch{Type: &typ} }

func (a answered) slid(r id.RoomID) gjson.Result { return a.Get("rooms." + esc(string(r))) }

// shown are the rooms of an answer by the names that the test gives them.
func shown(a answered, names map[id.RoomID]string) string {
	var s []string
	a.Get("rooms").ForEach(func(k, _ gjson.Result) bool {
		s = append(s, names[id.RoomID(k.Str)])
		return true
	})
	return strings.Join(s, " ")
}

// slidTexts are the messages of a room's timeline, other events by their type.
func slidTexts(r gjson.Result) string {
	return bodies(gjson.Parse(`{"timeline":{"events":` + r.Get("timeline").Raw + `}}`))
}

func TestSlideWindows(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		names := map[id.RoomID]string{}
		var rooms []id.RoomID
		for _, n := range []string{"a", "b", "c"} {
			r := w.public(alice, bob)
			names[r] = n
			rooms = append(rooms, r)
		}
		w.say(rooms[0], alice, "one")
		first := w.slide(bob, "", window("top", 0, 1, 1, stateOf("m.room.name")))
		w.want("the two most recent rooms", shown(first, names), "a c")
		if n := first.Get("lists.top.count").Int(); n != 3 {
			t.Errorf("the list has %d rooms", n)
		}
		a := first.slid(rooms[0])
		w.want("timeline", slidTexts(a), "one")
		w.want("state", states(a.Get("required_state")), "name")
		if !a.Get("initial").Bool() || !a.Get("limited").Bool() || a.Get("name").Str != "Ward 4" || a.Get("joined_count").Int() != 2 ||
			a.Get("membership").Str != "join" || a.Get("lists.0").Str != "top" || a.Get("num_live").Int() != 0 || a.Get("heroes").Exists() {
			t.Errorf("room: %s", a)
		}
		again := w.slide(bob, first.next, window("top", 0, 1, 1, stateOf("m.room.name")))
		w.want("nothing new", shown(again, names), "")

		// A room outside the window is not told until it comes up, and then whole.
		w.say(rooms[1], alice, "two")
		up := w.slide(bob, again.next, window("top", 0, 1, 1))
		w.want("came up", shown(up, names), "b")
		if b := up.slid(rooms[1]); !b.Get("initial").Bool() || b.Get("num_live").Int() != 1 {
			t.Errorf("room: %s", b)
		}
		grown := w.slide(bob, up.next, window("top", 0, 99, 1))
		w.want("the window grew over rooms that were told", shown(grown, names), "")
		w.say(rooms[2], alice, "three")
		w.say(rooms[2], alice, "four")
		gap := w.slide(bob, grown.next, window("top", 0, 99, 1)).slid(rooms[2])
		w.want("newest of a gap", slidTexts(gap), "four")
		if gap.Get("initial").Bool() || !gap.Get("limited").Bool() || gap.Get("name").Exists() {
			t.Errorf("room: %s", gap)
		}
	})
}

func TestSlidePositions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		all := window("all", 0, 99, 5)
		first := w.slide(bob, "", all)
		w.say(r, alice, "one")
		lost := w.slide(bob, first.next, all)
		w.want("told", slidTexts(lost.slid(r)), "one")
		w.want("told again, because the answer was lost", slidTexts(w.slide(bob, first.next, all).slid(r)), "one")
		retried := w.slide(bob, first.next, all)
		w.want("not told after it arrived", slidTexts(w.slide(bob, retried.next, all).slid(r)), "")

		_, err := w.slidePoll(ctx, who(bob), slideRequest(first.next, all))
		w.wantFault(err, fault.UnknownPos)
		_, err = w.slidePoll(ctx, who(carol), slideRequest(retried.next, all))
		w.wantFault(err, fault.UnknownPos)
		_, err = w.slidePoll(ctx, who(bob), slideRequest("s1_x_2.3", all))
		w.wantFault(err, fault.UnknownPos)
		other := w.slide(bob, "", all, func(q *SlideRequest) { q.Conn = "other" })
		w.want("another connection", slidTexts(other.slid(r)), "history_visibility guest_access name member one")
		w.slide(bob, retried.next, all)

		page, err := w.rooms.Messages(ctx, bob, r, room.PageRequest{From: retried.next, Back: true, Limit: 1})
		w.ok(err)
		if len(page.Events) != 1 || page.Events[0].Get("body").Str != "one" {
			t.Errorf("a position is no start of a page: %v", page.Events)
		}

		w.restart()
		_, err = w.slidePoll(ctx, who(bob), slideRequest(retried.next, all))
		w.wantFault(err, fault.UnknownPos)
		w.want("a new connection", slidTexts(w.slide(bob, "", all).slid(r)), "history_visibility guest_access name member one")
	})
}

func TestSlideChangedWishes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		for i := range 4 {
			w.say(r, alice, fmt.Sprint(i))
		}
		first := w.slide(bob, "", window("all", 0, 9, 1))
		more := w.slide(bob, first.next, window("all", 0, 9, 3, stateOf("m.room.name")))
		w.want("expanded timeline", slidTexts(more.slid(r)), "1 2 3")
		w.want("expanded state", states(more.slid(r).Get("required_state")), "name")
		if !more.slid(r).Get("expanded_timeline").Bool() || more.slid(r).Get("initial").Bool() {
			t.Errorf("room: %s", more.slid(r))
		}
		w.want("told once", w.slide(bob, more.next, window("all", 0, 9, 3, stateOf("m.room.name"))).slid(r).Raw, "")
		w.set(r, alice, "m.room.name", "", `{"name":"Ward 5"}`)
		w.set(r, alice, "m.room.topic", "", `{"topic":"quiet"}`)
		changed := w.slide(bob, more.next, window("all", 0, 9, 3, stateOf("m.room.name"))).slid(r)
		w.want("changed state", states(changed.Get("required_state")), "name")
		w.want("changed name", changed.Get("name").Str, "Ward 5")
		w.set(r, alice, "m.room.name", "", `{}`)
		gone := w.slide(bob, more.next, window("all", 0, 9, 3)).slid(r)
		if n := gone.Get("name"); n.Type != gjson.Null || !n.Exists() || len(gone.Get("heroes").Array()) != 1 {
			t.Errorf("room without a name: %s", gone)
		}
	})
}

func TestSlideMembersAsNeeded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob, carol, dave)
		w.say(r, carol, "one")
		lazy := subscribe(r, 1, StateWish{Include: []StateMatch{{}}, Exclude: []StateMatch{stateOf("m.room.create")}, LazyMembers: true})
		first := w.slide(bob, "", lazy)
		w.want("state", states(gjson.Parse(sortedStates(first.slid(r)))), "guest_access history_visibility join_rules member/carol name power_levels")
		w.say(r, carol, "two")
		second := w.slide(bob, first.next, lazy)
		w.want("nobody new", states(second.slid(r).Get("required_state")), "")
		w.say(r, dave, "three")
		third := w.slide(bob, second.next, lazy)
		w.want("somebody new", states(third.slid(r).Get("required_state")), "member/dave")
		w.ok(w.rooms.Leave(ctx, alice, r, ""))
		fourth := w.slide(bob, third.next, lazy)
		w.want("membership changes without a gap", states(fourth.slid(r).Get("required_state")), "member/alice")
		if n := fourth.slid(r).Get("joined_count").Int(); n != 3 {
			t.Errorf("%d members", n)
		}
		key := string(bob)
		own := "m.room.member"
		one := w.slide(carol, "", subscribe(r, 0, StateWish{Include: []StateMatch{{Type: &own, Key: &key}}}))
		w.want("one member", states(one.slid(r).Get("required_state")), "member/bob")
		narrowed := w.slide(carol, "", subscribe(r, 0, StateWish{Include: []StateMatch{{}}, Only: map[string][]string{own: {key}}}))
		if s := states(narrowed.slid(r).Get("required_state")); strings.Count(s, "member/") != 1 || !strings.Contains(s, "create") {
			t.Errorf("everything, of the members only one: %s", s)
		}
	})
}

// sortedStates are a room's required state events in the order of their types.
func sortedStates(r gjson.Result) string {
	by := map[string]string{}
	for _, e := range r.Get("required_state").Array() {
		by[e.Get("type").Str+e.Get("state_key").Str] = e.Raw
	}
	var l []string
	for _, k := range sortedKeys(by) {
		l = append(l, by[k])
	}
	return "[" + strings.Join(l, ",") + "]"
}

func TestSlideMemberships(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		all := window("all", 0, 99, 2)
		start := w.slide(bob, "", all)
		r := w.public(alice)
		w.ok(w.rooms.Invite(ctx, alice, r, bob, ""))
		invited := w.slide(bob, start.next, all)
		if i := invited.slid(r); i.Get("membership").Str != "invite" || !i.Get(`stripped_state.#(type=="m.room.name")`).Exists() || i.Get("timeline").Exists() {
			t.Errorf("invitation: %s", i)
		}
		w.say(r, alice, "unseen")
		w.want("an invited person is told nothing of the room", w.slide(bob, invited.next, all).slid(r).Raw, "")
		w.ok(w.rooms.Join(ctx, bob, r, ""))
		joined := w.slide(bob, invited.next, all)
		if j := joined.slid(r); !j.Get("initial").Bool() || j.Get("membership").Str != "join" {
			t.Errorf("joined room: %s", j)
		}
		w.ok(w.rooms.Kick(ctx, alice, r, bob, "quiet hours"))
		w.say(r, alice, "after")
		kicked := w.slide(bob, joined.next, all)
		w.want("last events", slidTexts(kicked.slid(r)), "member")
		if k := kicked.slid(r); k.Get("membership").Str != "leave" || k.Get("joined_count").Exists() {
			t.Errorf("room after the kick: %s", k)
		}
		w.want("nothing after it", w.slide(bob, kicked.next, all).slid(r).Raw, "")
		w.want("who was kicked learns it on a new connection too", w.slide(bob, "", all).slid(r).Get("membership").Str, "leave")

		own := w.public(carol, bob)
		w.ok(w.rooms.Leave(ctx, bob, own, ""))
		w.want("a room that was left before", w.slide(bob, "", all).slid(own).Raw, "")
		w.ok(w.rooms.Ban(ctx, alice, r, dave, ""))
		w.want("banned without ever being inside", w.slide(dave, "", all).slid(r).Raw, "")
	})
}

func TestSlideFilters(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		plain, secret, space := w.public(alice, bob), w.public(alice, bob), id.RoomID("")
		w.set(secret, alice, "m.room.encryption", "", `{"algorithm":"m.megolm.v1.aes-sha2"}`)
		space, err := w.rooms.Create(ctx, alice, room.Creation{Preset: "public_chat", Name: "Clinic", Content: []byte(`{"type":"m.space"}`)})
		w.ok(err)
		w.ok(w.rooms.Join(ctx, bob, space, ""))
		w.set(space, alice, "m.space.child", string(plain), `{"via":["ward.test"]}`)
		w.ok(w.accounts.SetDatum(ctx, bob, account.Datum{Type: "m.direct", Content: []byte(`{"@alice:ward.test":["` + secret + `"]}`)}))
		w.ok(w.accounts.SetDatum(ctx, bob, account.Datum{Room: plain, Type: "m.tag", Content: []byte(`{"tags":{"m.favourite":{}}}`)}))
		names := map[id.RoomID]string{plain: "plain", secret: "secret", space: "space"}
		yes, no, kind := true, false, "m.space"
		for _, c := range []struct {
			what string
			f    SlideFilter
			want string
		}{
			{"all", SlideFilter{}, "space secret plain"},
			{"direct", SlideFilter{Direct: &yes}, "secret"},
			{"not direct", SlideFilter{Direct: &no}, "space plain"},
			{"encrypted", SlideFilter{Encrypted: &yes}, "secret"},
			{"spaces", SlideFilter{Types: []*string{&kind}}, "space"},
			{"no spaces", SlideFilter{NotTypes: []*string{&kind}}, "secret plain"},
			{"without a type", SlideFilter{Types: []*string{nil}}, "secret plain"},
			{"of a space", SlideFilter{Spaces: []id.RoomID{space}}, "plain"},
			{"favourites", SlideFilter{Tags: []string{"m.favourite"}}, "plain"},
			{"no favourites", SlideFilter{NotTags: []string{"m.favourite"}}, "space secret"},
			{"invited", SlideFilter{Invited: &yes}, ""},
			{"by name", SlideFilter{NameLike: "CLIN"}, "space"},
		} {
			w.want(c.what, shown(w.slide(bob, "", chosen("l", c.f)), names), c.want)
		}
		first := w.slide(bob, "", chosen("l", SlideFilter{}))
		if !first.slid(secret).Get("is_dm").Bool() || first.slid(plain).Get("is_dm").Exists() {
			t.Errorf("direct rooms: %s", first.Get("rooms"))
		}
		w.ok(w.accounts.SetDatum(ctx, bob, account.Datum{Type: "m.direct", Content: []byte(`{}`)}))
		next := w.slide(bob, first.next, chosen("l", SlideFilter{}))
		if d := next.slid(secret).Get("is_dm"); d.Type != gjson.False {
			t.Errorf("a room that is direct no more: %s", next.Get("rooms"))
		}
	})
}

func extensions(r *SlideRequest) {
	on := SlideExtension{Enabled: true}
	r.E2EE, r.AccountData, r.Receipts, r.Typing = on, on, on, on
	r.ToDevice.Enabled = true
}

func TestSlideExtensions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		one := w.say(r, alice, "one")
		w.ok(w.Mark(ctx, alice, r, Read, one, nil))
		w.counts["BOB"] = DeviceCounts{OneTime: map[string]int{"signed_curve25519": 7}, UnusedFallback: []string{"signed_curve25519"}}
		w.mail(alice, bob, "BOB", "t1", 1)
		all := window("all", 0, 99, 1)
		first := w.slide(bob, "", all, extensions)
		e := first.Get("extensions")
		w.want("messages to the device", numbers(e), "1")
		if e.Get("e2ee.device_one_time_keys_count.signed_curve25519").Int() != 7 || e.Get("e2ee.device_unused_fallback_key_types.0").Str == "" || e.Get("e2ee.device_lists").Exists() {
			t.Errorf("keys: %s", e.Get("e2ee"))
		}
		if !e.Get(`account_data.global.#(type=="m.push_rules")`).Exists() || !e.Get("receipts.rooms."+esc(string(r))+".content."+esc(string(one))).Exists() {
			t.Errorf("extensions: %s", e)
		}
		mailed := e.Get("to_device.next_batch").Str
		again := w.slide(bob, first.next, all, extensions)
		w.want("not acknowledged", numbers(again.Get("extensions")), "1")
		seen := func(q *SlideRequest) { q.ToDevice.Since = mailed }
		idle := w.slide(bob, again.next, all, extensions, seen)
		w.want("acknowledged", numbers(idle.Get("extensions")), "")
		for _, path := range []string{"account_data.global.0", "receipts.rooms.*", "typing.rooms.*", "e2ee.device_lists"} {
			if v := idle.Get("extensions." + path); v.Exists() {
				t.Errorf("%s is told again: %s", path, v)
			}
		}

		w.ok(w.Type(ctx, alice, r, true, time.Minute))
		w.ok(w.Mark(ctx, bob, r, Read, one, nil))
		w.ok(w.accounts.SetDatum(ctx, bob, account.Datum{Type: "org.test", Content: []byte(`{"a":1}`)}))
		w.ok(w.accounts.SetDatum(ctx, bob, account.Datum{Room: r, Type: "org.room", Content: []byte(`{"b":1}`)}))
		w.ok(w.rooms.Join(ctx, carol, r, ""))
		news := w.slide(bob, idle.next, all, extensions, seen)
		e = news.Get("extensions")
		w.want("typing", e.Get("typing.rooms."+esc(string(r))+".content.user_ids.0").Str, string(alice))
		w.want("receipt", e.Get("receipts.rooms."+esc(string(r))+".content."+esc(string(one))+".m\\.read.*.ts").Type.String(), "Number")
		w.want("account data", e.Get("account_data.global.0.type").Str+" "+e.Get("account_data.rooms."+esc(string(r))+".0.type").Str, "org.test org.room")
		w.want("device lists", e.Get("e2ee.device_lists.changed").Raw, `["@carol:ward.test"]`)
		only := w.slide(bob, news.next, all, extensions, seen, func(q *SlideRequest) { q.Typing.Lists, q.Typing.Rooms = []string{}, []string{} })
		w.want("typing of no list", only.Get("extensions.typing.rooms").Raw, "{}")

		since, deleted := w.sync(bob, "").next, `#(type=="org.test").content`
		w.ok(w.accounts.SetDatum(ctx, bob, account.Datum{Type: "org.test", Content: []byte(`{}`)}))
		w.want("deleted", w.slide(bob, only.next, all, extensions, seen).Get("extensions.account_data.global."+deleted).Raw, "{}")
		w.want("deleted", w.sync(bob, since).Get("account_data.events."+deleted).Raw, "{}")
		w.want("not there", w.sync(bob, "").Get("account_data.events."+deleted).Raw, "")
	})
}

func TestSlideWaits(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		all := window("all", 0, 99, 5)
		first := w.slide(bob, "", all)
		wait := func(pos string) chan answered {
			got := make(chan answered, 1)
			go func() {
				b, err := w.slidePoll(ctx, who(bob), slideRequest(pos, all, func(q *SlideRequest) { q.Timeout = time.Minute }))
				if err != nil {
					t.Error(err)
				}
				got <- answered{gjson.ParseBytes(b), gjson.GetBytes(b, "pos").Str}
			}()
			for w.waiters.count() == 0 {
				w.ok(w.pause(ctx))
			}
			return got
		}
		got := wait(first.next)
		w.say(r, alice, "now")
		news := <-got
		w.want("woken", slidTexts(news.slid(r)), "now")
		got = wait(news.next)
		w.Revoked(bob)
		w.want("dismissed with the position it came with", (<-got).next, news.next)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := w.slidePoll(ended, who(bob), slideRequest(news.next, all, func(q *SlideRequest) { q.Timeout = time.Minute })); err == nil {
			t.Error("a request that ended is answered")
		}
	})
}
