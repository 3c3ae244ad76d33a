package room

import (
	"context"
	"fmt"
	"testing"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
)

func TestMembership(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.create(alice, Creation{})
		is := func(u id.UserID, want string) {
			t.Helper()
			if m := w.room(r).Membership(u); m != want {
				t.Errorf("%s is %s, want %s", u, m, want)
			}
			m, ok, err := w.MemberOf(ctx, w.room(r), u)
			w.ok(err)
			if ok && m.Membership != want || !ok && want != Leave {
				t.Errorf("%s is stored as %v, want %s", u, m, want)
			}
		}
		wantFault(t, w.Join(ctx, bob, r, ""), fault.Forbidden)
		wantFault(t, w.Leave(ctx, bob, r, ""), fault.Forbidden)
		wantFault(t, w.Kick(ctx, alice, r, bob, ""), fault.Forbidden)
		wantFault(t, w.Unban(ctx, alice, r, bob, ""), fault.Forbidden)
		wantFault(t, w.Invite(ctx, bob, r, carol, ""), fault.Forbidden)
		wantFault(t, w.Ban(ctx, bob, r, carol, ""), fault.Forbidden)
		wantFault(t, w.Ban(ctx, alice, r, "carol", ""), fault.InvalidParam)
		wantFault(t, w.Invite(ctx, alice, r, "@x:elsewhere.test", ""), fault.Unknown)
		wantFault(t, w.Invite(ctx, alice, r, "nobody", ""), fault.InvalidParam)
		wantFault(t, w.Join(ctx, bob, "!nowhere", ""), fault.NotFound)
		wantFault(t, w.Knock(ctx, bob, "!nowhere", ""), fault.NotFound)
		wantFault(t, w.Leave(ctx, bob, "!nowhere", ""), fault.Forbidden)

		w.ok(w.Invite(ctx, alice, r, bob, "please"))
		is(bob, Invite)
		n := w.room(r).LastPos()
		w.ok(w.Invite(ctx, alice, r, bob, "please"))
		if w.room(r).LastPos() != n {
			t.Error("the invitation was sent twice")
		}
		w.ok(w.Leave(ctx, bob, r, "no"))
		is(bob, Leave)
		w.ok(w.Leave(ctx, bob, r, "no"))
		w.ok(w.Invite(ctx, alice, r, bob, ""))
		w.ok(w.Join(ctx, bob, r, "hello"))
		if got := w.room(r).State(typeMember, string(bob)).Get("reason").Str; got != "hello" {
			t.Errorf("reason %q", got)
		}
		n = w.room(r).LastPos()
		w.ok(w.Join(ctx, bob, r, ""))
		if w.room(r).LastPos() != n {
			t.Error("joined twice")
		}
		is(bob, Join)
		wantFault(t, w.Invite(ctx, alice, r, bob, ""), fault.Forbidden)
		wantFault(t, w.Forget(ctx, bob, r), fault.Unknown)
		wantFault(t, w.Kick(ctx, bob, r, alice, ""), fault.Forbidden)
		w.ok(w.Kick(ctx, alice, r, bob, "bye"))
		is(bob, Leave)
		wantFault(t, w.Join(ctx, bob, r, ""), fault.Forbidden)
		w.ok(w.Ban(ctx, alice, r, bob, ""))
		w.ok(w.Ban(ctx, alice, r, bob, ""))
		is(bob, Ban)
		wantFault(t, w.Invite(ctx, alice, r, bob, ""), fault.Forbidden)
		wantFault(t, w.Kick(ctx, alice, r, bob, ""), fault.Forbidden)
		w.ok(w.Forget(ctx, bob, r))
		all, err := w.RoomsOf(ctx, bob)
		w.ok(err)
		if len(all) != 1 || !all[0].Forgotten || all[0].Membership != Ban || all[0].Sender != alice {
			t.Errorf("bob's rooms: %v", all)
		}
		w.ok(w.Unban(ctx, alice, r, bob, ""))
		w.ok(w.Invite(ctx, alice, r, bob, ""))
		w.ok(w.Join(ctx, bob, r, ""))
		if all, _ = w.RoomsOf(ctx, bob); all[0].Forgotten {
			t.Error("the room is still forgotten")
		}
		joined, err := w.Joined(ctx, bob)
		w.ok(err)
		if len(joined) != 1 || joined[0] != r {
			t.Errorf("joined %v", joined)
		}
		sharers, err := w.Sharers(ctx, bob)
		w.ok(err)
		if len(sharers) != 2 {
			t.Errorf("sharers %v", sharers)
		}
		w.ok(w.LeaveAll(ctx, bob))
		is(bob, Leave)
		if l, _ := w.Joined(ctx, bob); len(l) != 0 {
			t.Errorf("joined %v", l)
		}
	})
}

func TestKnock(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.create(alice, Creation{InitialState: []StateDraft{{Type: typeJoinRules, Content: []byte(`{"join_rule":"knock"}`)}}})
		wantFault(t, w.Join(ctx, bob, r, ""), fault.Forbidden)
		w.ok(w.Knock(ctx, bob, r, "let me in"))
		w.ok(w.Knock(ctx, bob, r, "let me in"))
		if m := w.room(r).Membership(bob); m != Knock {
			t.Fatalf("bob is %s", m)
		}
		got := gjson.ParseBytes(w.Stripped(w.room(r), bob))
		if n := len(got.Array()); n != 3 || got.Get(`#(type=="m.room.member").state_key`).Str != string(bob) {
			t.Errorf("stripped state %s", got)
		}
		w.ok(w.Leave(ctx, bob, r, ""))
		w.ok(w.Knock(ctx, bob, r, ""))
		w.ok(w.Invite(ctx, alice, r, bob, ""))
		got = gjson.ParseBytes(w.Stripped(w.room(r), bob))
		if n := len(got.Get(`#(type=="m.room.member")#`).Array()); n != 2 {
			t.Errorf("stripped state %s", got)
		}
		wantFault(t, w.Knock(ctx, bob, r, ""), fault.Forbidden)
		w.ok(w.Join(ctx, bob, r, ""))
		wantFault(t, w.Knock(ctx, bob, r, ""), fault.Forbidden)
		closed := w.create(alice, Creation{})
		wantFault(t, w.Knock(ctx, bob, closed, ""), fault.Forbidden)
	})
}

func TestRestrictedJoin(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, rule := range []string{"restricted", "knock_restricted"} {
			space := w.public(alice)
			r := w.create(alice, Creation{InitialState: []StateDraft{{Type: typeJoinRules, Content: object(map[string]any{
				"join_rule": rule, "allow": []map[string]string{
					{"type": "org.other", "room_id": "x"}, {"type": "m.room_membership", "room_id": "!nowhere"},
					{"type": "m.room_membership", "room_id": string(space)},
				}})}}})
			wantFault(t, w.Join(ctx, bob, r, ""), fault.Forbidden)
			// Nor by a member event of his own making, whoever it says lets him in.
			join := func(content string) error {
				key := string(bob)
				_, err := w.SetState(ctx, r, Draft{Type: typeMember, StateKey: &key, Sender: bob, Content: []byte(content)})
				return err
			}
			forged := `{"membership":"join","join_authorised_via_users_server":"` + string(alice) + `"}`
			wantFault(t, join(forged), fault.Forbidden)
			wantFault(t, join(`{"membership":"join","x":1,"x":2,"join_authorised_via_users_server":"`+string(alice)+`"}`), fault.NotJSON)
			wantFault(t, join(`[]`), fault.BadJSON)
			w.ok(w.Join(ctx, bob, space, ""))
			w.ok(join(forged))
			w.ok(w.Leave(ctx, bob, r, ""))
			w.ok(w.Join(ctx, bob, r, ""))
			if via := w.room(r).State(typeMember, string(bob)).Get("join_authorised_via_users_server").Str; via != string(alice) {
				t.Errorf("joined in the name of %q", via)
			}
			w.ok(w.Invite(ctx, alice, r, carol, ""))
			w.ok(w.Join(ctx, carol, r, ""))
			w.ok(w.Ban(ctx, alice, r, carol, ""))
			w.ok(w.Join(ctx, carol, space, ""))
			wantFault(t, w.Join(ctx, carol, r, ""), fault.Forbidden)
			w.set(r, alice, typePower, "", `{"invite":100,"users":{}}`)
			w.ok(w.Join(ctx, dave, space, ""))
			w.ok(w.Leave(ctx, alice, r, ""))
			wantFault(t, w.Join(ctx, dave, r, ""), fault.UnableToGrantJoin)
		}
	})
}

func TestProfileInRooms(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		rooms := []id.RoomID{w.public(alice, bob), w.public(bob, alice), w.public(bob)}
		w.name[alice] = "Alice A."
		w.ok(w.UpdateProfile(ctx, alice))
		last := w.room(rooms[0]).LastPos()
		w.ok(w.UpdateProfile(ctx, alice))
		if w.room(rooms[0]).LastPos() != last {
			t.Error("the profile was sent twice")
		}
		for i, r := range rooms[:2] {
			if n := w.room(r).State(typeMember, string(alice)).Get("displayname").Str; n != "Alice A." {
				t.Errorf("room %d: %q", i, n)
			}
			if got := fmt.Sprint(w.room(r).JoinedLocal()); len(w.room(r).JoinedLocal()) != 2 {
				t.Errorf("room %d: joined %s", i, got)
			}
		}
		if w.room(rooms[2]).State(typeMember, string(alice)) != nil {
			t.Error("the profile joined a room")
		}
	})
}

func TestInviteUnknownUser(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t), sealKeys(t), func(o *Options) {
		o.Exists = func(_ context.Context, u id.UserID) (bool, error) { return u != carol, nil }
	})
	r := w.create(alice, Creation{})
	wantFault(t, w.Invite(ctx, alice, r, carol, ""), fault.NotFound)
	key := string(carol)
	_, err := w.SetState(ctx, r, Draft{Type: typeMember, StateKey: &key, Sender: alice, Content: []byte(`{"membership":"invite"}`)})
	wantFault(t, err, fault.NotFound)
	key = string(bob)
	_, err = w.SetState(ctx, r, Draft{Type: typeMember, StateKey: &key, Sender: alice, Content: []byte(`{"membership":"invite"}`)})
	w.ok(err)
}

func TestHeroes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob, carol)
		names := func(reader id.UserID) string {
			var s []string
			for _, e := range w.room(r).Heroes(reader) {
				s = append(s, *e.StateKey)
			}
			return fmt.Sprint(s)
		}
		if got := names(alice); got != fmt.Sprint([]id.UserID{bob, carol}) {
			t.Errorf("heroes %s", got)
		}
		w.ok(w.Leave(ctx, bob, r, ""))
		w.ok(w.Leave(ctx, carol, r, ""))
		if got := names(alice); got != fmt.Sprint([]id.UserID{bob, carol}) {
			t.Errorf("heroes of a deserted room %s", got)
		}
		for i := range 8 {
			w.ok(w.Join(ctx, id.UserID(fmt.Sprintf("@u%d:%s", i, server)), r, ""))
		}
		if got := w.room(r).Heroes(alice); len(got) != 5 {
			t.Errorf("%d heroes", len(got))
		}
	})
}
