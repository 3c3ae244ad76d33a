package room

import (
	"encoding/json/jsontext"
	"fmt"
	"slices"
	"strings"
	"testing"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/matrix/event"
)

func TestPresets(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d, sealKeys(t), func(o *Options) { o.EncryptRooms = "" })
		for _, v := range event.Versions {
			for preset, want := range map[string]struct {
				rule      string
				encrypted bool
				bob       bool // has the creator's power
			}{
				presetPrivate: {"invite", true, false}, presetTrusted: {"invite", true, true}, presetPublic: {"public", false, false},
			} {
				r := w.room(w.create(alice, Creation{Preset: preset, Version: v, Invite: []id.UserID{bob}}))
				if r.JoinRule() != want.rule || r.Encrypted() != want.encrypted || r.Version != v {
					t.Errorf("v%s %s: rule %s, encrypted %v", v, preset, r.JoinRule(), r.Encrypted())
				}
				p := r.Power()
				if (p.User(bob) == p.User(alice)) != want.bob || p.User(alice) < 100 {
					t.Errorf("v%s %s: powers %d and %d", v, preset, p.User(alice), p.User(bob))
				}
				if v.CreatorInContent() != (r.State(typeCreate, "").Get("creator").Str == string(alice)) {
					t.Errorf("v%s: creator %s", v, r.State(typeCreate, "").Content)
				}
			}
		}
		w.o.EncryptRooms = EncryptAlways
		if !w.room(w.public(alice)).Encrypted() {
			t.Error("not encrypted although all rooms are to be")
		}
		w.o.EncryptRooms = EncryptNever
		if w.room(w.create(alice, Creation{})).Encrypted() {
			t.Error("encrypted although no room is to be")
		}
		r := w.room(w.create(alice, Creation{InitialState: []StateDraft{{Type: typeEncryption, Content: []byte(`{"algorithm":"org.test"}`)}}}))
		if r.State(typeEncryption, "").Get("algorithm").Str != "org.test" {
			t.Error("the encryption that was asked for was not taken")
		}
	})
}

func TestCreationOptions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.room(w.create(alice, Creation{
			Visibility: "public", Alias: "ward", Name: "Ward", Topic: "t", Content: []byte(`{"type":"m.space","creator":"@x:y","m.federate":false}`),
			InitialState: []StateDraft{
				{Type: typeName, Content: []byte(`{"name":"other"}`)}, {Type: typeAvatar, Content: []byte(`{"url":"mxc://a/b"}`)},
				{Type: typeJoinRules, Content: []byte(`{"join_rule":"knock"}`)},
			},
			Power: []byte(`{"events_default":7,"users":{"@bob:hospital.test":40}}`),
		}))
		create := r.State(typeCreate, "")
		if create.Get("type").Str != "m.space" || create.Get("creator").Exists() || create.Get(`m\.federate`).Bool() {
			t.Errorf("create event %s", create.Content)
		}
		if r.Name() != "Ward" || r.JoinRule() != "knock" || r.State(typeAvatar, "") == nil || r.State(typeTopic, "").Get(`m\.topic.m\.text.0.body`).Str != "t" {
			t.Error("wrong state")
		}
		if p := r.Power(); p.EventsDefault != 7 || p.User(bob) != 40 || p.Event(typeTombstone, true) != 150 {
			t.Errorf("power %+v", p)
		}
		if got, err := w.ResolveAlias(ctx, "#ward:hospital.test"); err != nil || got != r.ID {
			t.Errorf("alias: %s, %v", got, err)
		}
		if r.State(typeAlias, "").Get("alias").Str != "#ward:hospital.test" {
			t.Error("no canonical alias")
		}
		if on, err := w.Listed(ctx, r.ID); err != nil || !on {
			t.Error("not listed")
		}
		r = w.room(w.create(alice, Creation{InitialState: []StateDraft{{Type: typePower, Content: []byte(`{"events_default":3}`)}}}))
		if r.Power().EventsDefault != 3 {
			t.Error("the power levels of initial_state were not taken")
		}
		for want, c := range map[fault.Kind][]Creation{
			fault.UnsupportedRoomVersion: {{Version: "1"}, {Version: "x"}},
			fault.ThreepidDenied:         {{Invite3PID: []jsontext.Value{[]byte(`{}`)}}},
			fault.InvalidParam: {{Preset: "x"}, {Visibility: "x"}, {Alias: "a:b"}, {Invite: []id.UserID{"bob"}}, {Invite: []id.UserID{bob, bob}},
				{Invite: []id.UserID{alice}}, {InitialState: []StateDraft{{Type: typeCreate, Content: []byte(`{}`)}}},
				{Content: []byte(`{"additional_creators":[1]}`)}, {Alias: strings.Repeat("x", 255)}},
			fault.BadJSON: {{Content: []byte(`[]`)}, {Power: []byte(`1`)}, {InitialState: []StateDraft{{Type: "x", Content: []byte(`1`)}}},
				{InitialState: []StateDraft{{Content: []byte(`{}`)}}}},
			fault.RoomInUse:        {{Alias: "ward"}},
			fault.Unknown:          {{Invite: []id.UserID{"@a:elsewhere.test"}}},
			fault.InvalidRoomState: {{Name: "x", Version: "10", Power: []byte(`{"users":{"@alice:hospital.test":10}}`)}},
		} {
			for i, c := range c {
				_, err := w.Create(ctx, alice, c)
				if !fault.Is(err, want) {
					t.Errorf("%d: got %v, want %s", i, err, want)
				}
			}
		}
		all, err := w.RoomsOf(ctx, alice)
		w.ok(err)
		if len(all) != 2 {
			t.Errorf("%d rooms, want 2: a refused creation left something", len(all))
		}
	})
}

func TestCreatorsOfVersion12(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.room(w.create(alice, Creation{Preset: presetTrusted, Invite: []id.UserID{bob},
			Content: []byte(`{"additional_creators":["@carol:hospital.test","@alice:hospital.test"]}`)}))
		if got := fmt.Sprint(r.Power().Creators()); got != fmt.Sprint([]id.UserID{alice, carol, bob}) {
			t.Errorf("creators %s", got)
		}
		_, err := w.Create(ctx, alice, Creation{Power: []byte(`{"users":{"@alice:hospital.test":100}}`)})
		wantFault(t, err, fault.BadJSON)
		key := ""
		_, err = w.SetState(ctx, r.ID, Draft{Type: typeCreate, StateKey: &key, Sender: alice, Content: []byte(`{"room_version":"12"}`)})
		wantFault(t, err, fault.BadJSON)
		_, err = w.Create(ctx, alice, Creation{Content: []byte(`{"additional_creators":["@a:dom$ain$.com"]}`)})
		wantFault(t, err, fault.InvalidParam)
		// The same room in the same millisecond.
		w.mu.Lock()
		now := w.now
		w.mu.Unlock()
		ids := map[id.RoomID]bool{}
		for range 3 {
			w.mu.Lock()
			w.now = now
			w.mu.Unlock()
			ids[w.create(dave, Creation{})] = true
		}
		if len(ids) != 3 {
			t.Errorf("%d rooms, want 3", len(ids))
		}
	})
}

func TestAliases(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		a, b := id.RoomAlias("#a:hospital.test"), id.RoomAlias("#b:hospital.test")
		w.ok(w.AddAlias(ctx, alice, a, r))
		w.ok(w.AddAlias(ctx, bob, b, r))
		if err := w.AddAlias(ctx, alice, a, r); !fault.Is(err, fault.Unknown) {
			t.Errorf("the alias twice: %v", err)
		}
		wantFault(t, w.AddAlias(ctx, carol, "#c:hospital.test", r), fault.Forbidden)
		wantFault(t, w.AddAlias(ctx, carol, "#c:hospital.test", "!nowhere"), fault.Forbidden)
		wantFault(t, w.AddAlias(ctx, alice, "#c:elsewhere.test", r), fault.InvalidParam)
		wantFault(t, w.AddAlias(ctx, alice, "c", r), fault.InvalidParam)
		got, err := w.Resolve(ctx, string(a))
		if err != nil || got != r {
			t.Errorf("resolved to %s, %v", got, err)
		}
		got, err = w.Resolve(ctx, string(r))
		if err != nil || got != r {
			t.Errorf("resolved to %s, %v", got, err)
		}
		_, err = w.Resolve(ctx, "x")
		wantFault(t, err, fault.InvalidParam)
		_, err = w.ResolveAlias(ctx, "#none:hospital.test")
		wantFault(t, err, fault.NotFound)
		l, err := w.Aliases(ctx, bob, r)
		w.ok(err)
		if fmt.Sprint(l) != fmt.Sprint([]id.RoomAlias{a, b}) {
			t.Errorf("aliases %v", l)
		}
		_, err = w.Aliases(ctx, carol, r)
		wantFault(t, err, fault.Forbidden)
		_, err = w.Aliases(ctx, carol, "!nowhere")
		wantFault(t, err, fault.Forbidden)

		canonical := func(content string) error {
			key := ""
			_, err := w.SetState(ctx, r, Draft{Type: typeAlias, StateKey: &key, Sender: alice, Content: []byte(content)})
			return err
		}
		w.ok(canonical(`{"alias":"#a:hospital.test","alt_aliases":["#b:hospital.test"]}`))
		wantFault(t, canonical(`{"alias":"#none:hospital.test"}`), fault.BadAlias)
		wantFault(t, canonical(`{"alt_aliases":["none"]}`), fault.InvalidParam)
		wantFault(t, canonical(`{"alt_aliases":"none"}`), fault.BadJSON)
		wantFault(t, canonical(`{"alias":3}`), fault.BadJSON)
		wantFault(t, w.RemoveAlias(ctx, bob, false, a), fault.Forbidden)
		w.ok(w.RemoveAlias(ctx, alice, false, b))
		if c := string(w.room(r).State(typeAlias, "").Content); c != `{"alias":"#a:hospital.test","alt_aliases":[]}` {
			t.Errorf("canonical alias %s", c)
		}
		w.ok(w.RemoveAlias(ctx, carol, true, a)) // an administrator
		wantFault(t, w.RemoveAlias(ctx, alice, false, a), fault.NotFound)
		w.ok(canonical(`{"alias":"#a:hospital.test"}`)) // it was there before
	})
}

func TestDirectory(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var rooms []id.RoomID
		for i, members := range [][]id.UserID{{}, {bob}, {bob, carol}} {
			c := Creation{Visibility: "public", Name: fmt.Sprint("Ward ", i)}
			if i == 1 {
				c.Content = []byte(`{"type":"m.space"}`)
			}
			r := w.create(alice, c)
			for _, m := range members {
				w.ok(w.Join(ctx, m, r, ""))
			}
			rooms = append(rooms, r)
		}
		w.public(alice) // not listed
		names := func(q DirectoryRequest) string {
			var got []string
			for range 10 {
				d, err := w.Directory(ctx, q)
				w.ok(err)
				for _, p := range d.Chunk {
					got = append(got, p.Name)
				}
				if q.Since = d.Next; q.Since == "" {
					break
				}
			}
			return strings.Join(got, ",")
		}
		for _, limit := range []int{0, 1, 2} {
			if got := names(DirectoryRequest{Limit: limit}); got != "Ward 2,Ward 1,Ward 0" {
				t.Errorf("limit %d: %q", limit, got)
			}
		}
		if got := names(DirectoryRequest{Term: "WARD 1"}); got != "Ward 1" {
			t.Errorf("search: %q", got)
		}
		if got := names(DirectoryRequest{Types: &[]string{""}}); got != "Ward 2,Ward 0" {
			t.Errorf("ordinary rooms: %q", got)
		}
		d, err := w.Directory(ctx, DirectoryRequest{Since: "2", Limit: 1})
		w.ok(err)
		if d.Prev != "1" || d.Next != "" || d.Total != 3 {
			t.Errorf("last page %+v", d)
		}
		_, err = w.Directory(ctx, DirectoryRequest{Since: "x"})
		wantFault(t, err, fault.InvalidParam)
		wantFault(t, w.SetListed(ctx, bob, false, rooms[2], false), fault.Forbidden)
		w.ok(w.SetListed(ctx, alice, false, rooms[2], false))
		w.ok(w.SetListed(ctx, bob, true, rooms[1], false))
		if got := names(DirectoryRequest{}); got != "Ward 0" {
			t.Errorf("after hiding two: %q", got)
		}
		_, err = w.Listed(ctx, "!nowhere")
		wantFault(t, err, fault.NotFound)
		wantFault(t, w.SetListed(ctx, alice, false, "!nowhere", true), fault.NotFound)
	})
}

func TestSpacesAndSummaries(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		space := w.create(alice, Creation{Preset: presetPublic, Name: "space", Content: []byte(`{"type":"m.space"}`)})
		sub := w.create(alice, Creation{Preset: presetPublic, Name: "sub", Content: []byte(`{"type":"m.space"}`)})
		open := w.create(alice, Creation{Preset: presetPublic, Name: "open"})
		secret := w.create(alice, Creation{Name: "secret"})
		member := w.create(alice, Creation{Name: "members", InitialState: []StateDraft{{Type: typeJoinRules, Content: object(map[string]any{
			"join_rule": "restricted", "allow": []map[string]string{{"type": "m.room_membership", "room_id": string(space)}}})}}})
		add := func(to, child id.RoomID, order string) {
			w.set(to, alice, "m.space.child", string(child), fmt.Sprintf(`{"via":["hospital.test"],"order":%q,"suggested":%v}`, order, order == "1"))
		}
		add(space, sub, "1")
		add(space, secret, "2")
		add(space, member, "")
		add(sub, open, "3")
		add(sub, space, "")
		w.set(space, alice, "m.space.child", "!nowhere", `{"via":["x"],"order":"9"}`)
		w.set(space, alice, "m.space.child", string(open), `{}`)
		names := func(u id.UserID, suggested bool, depth int) string {
			l, err := w.Hierarchy(ctx, u, space, suggested, depth)
			w.ok(err)
			var got []string
			for _, s := range l {
				got = append(got, s.Name)
			}
			return strings.Join(got, " ")
		}
		for _, c := range []struct {
			u         id.UserID
			suggested bool
			depth     int
			want      string
		}{
			{alice, false, -1, "space sub open secret members"}, {bob, false, -1, "space sub open"},
			{alice, true, -1, "space sub"}, {alice, false, 0, "space"}, {alice, false, 1, "space sub secret members"},
		} {
			if got := names(c.u, c.suggested, c.depth); got != c.want {
				t.Errorf("%v: %q", c, got)
			}
		}
		w.ok(w.Join(ctx, bob, space, ""))
		if got := names(bob, false, -1); got != "space sub open members" {
			t.Errorf("a member sees %q", got)
		}
		_, err := w.Hierarchy(ctx, bob, secret, false, -1)
		wantFault(t, err, fault.Forbidden)
		_, err = w.Hierarchy(ctx, bob, "!nowhere", false, -1)
		wantFault(t, err, fault.Forbidden)
		s, err := w.Summary(ctx, alice, member)
		w.ok(err)
		if fmt.Sprint(s.Allowed) != fmt.Sprint([]id.RoomID{space}) {
			t.Errorf("summary %+v", s)
		}
		s, err = w.Summary(ctx, bob, space)
		w.ok(err)
		if s.Membership != Join || s.Type != "m.space" || s.Joined != 2 || s.Version != id.RoomV12 {
			t.Errorf("summary %+v", s)
		}
		_, err = w.Summary(ctx, "", open)
		w.ok(err)
		for _, r := range []id.RoomID{secret, "!nowhere"} {
			_, err = w.Summary(ctx, bob, r)
			wantFault(t, err, fault.NotFound)
		}
	})
}

func TestUpgrade(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, from := range []id.RoomVersion{id.RoomV6, id.RoomV11, id.RoomV12} {
			for _, to := range []id.RoomVersion{id.RoomV9, id.RoomV12} {
				alias := "u" + string(from) + "." + string(to)
				old := w.create(alice, Creation{Preset: presetPublic, Visibility: "public", Version: from, Name: "Ward", Alias: alias,
					Content: []byte(`{"m.federate":false,"type":"org.ward"}`)})
				w.ok(w.Join(ctx, bob, old, ""))
				w.ok(w.Ban(ctx, alice, old, carol, "why"))
				w.set(old, alice, typePower, "", string(setLevel(w.room(old).State(typePower, "").Content, bob, 50)))
				w.set(old, alice, typeACL, "", `{"allow":["*"]}`)
				_, err := w.Upgrade(ctx, bob, old, to, nil)
				wantFault(t, err, fault.Forbidden)
				_, err = w.Upgrade(ctx, dave, old, to, nil)
				wantFault(t, err, fault.Forbidden)
				_, err = w.Upgrade(ctx, alice, old, "1", nil)
				wantFault(t, err, fault.UnsupportedRoomVersion)
				var creators []id.UserID
				if to == id.RoomV12 {
					creators = []id.UserID{dave}
				} else {
					_, err = w.Upgrade(ctx, alice, old, to, []id.UserID{dave})
					wantFault(t, err, fault.InvalidParam)
				}
				next, err := w.Upgrade(ctx, alice, old, to, creators)
				w.ok(err)
				o, n := w.room(old), w.room(next)
				if o.State(typeTombstone, "").Get("replacement_room").Str != string(next) || n.Version != to {
					t.Errorf("%s to %s: not replaced", from, to)
				}
				c := n.State(typeCreate, "")
				if c.Get("predecessor.room_id").Str != string(old) || c.Get("type").Str != "org.ward" || c.Get(`m\.federate`).Bool() ||
					c.Get("predecessor.event_id").Exists() == to.RoomIDIsCreateEventID() {
					t.Errorf("create event %s", c.Content)
				}
				if n.Name() != "Ward" || n.JoinRule() != "public" || n.Membership(carol) != Ban || n.State(typeACL, "") == nil ||
					n.Membership(bob) != Leave || n.Membership(alice) != Join {
					t.Errorf("%s to %s: the state was not carried over", from, to)
				}
				if users := n.State(typePower, "").Get("users").Map(); from == to && len(users) != 1 {
					t.Errorf("the power of the old creator was written down: %v", users)
				}
				if n.Power().User(bob) != 50 || n.Power().User(alice) < 100 || len(creators) > 0 && !slices.Contains(n.Power().Creators(), dave) {
					t.Errorf("%s to %s: powers %+v", from, to, n.Power())
				}
				if got, err := w.ResolveAlias(ctx, id.RoomAlias("#"+alias+":"+server)); err != nil || got != next {
					t.Errorf("alias names %s, %v", got, err)
				}
				if n.State(typeAlias, "").Get("alias").Str != "#"+alias+":"+server || len(o.State(typeAlias, "").Content) != 2 {
					t.Error("the main alias did not move")
				}
				for r, want := range map[id.RoomID]bool{old: false, next: true} {
					if on, err := w.Listed(ctx, r); err != nil || on != want {
						t.Errorf("%s listed: %v", r, on)
					}
				}
				w.ok(w.Join(ctx, dave, old, ""))
				_, err = w.Send(ctx, old, message(dave, "hello?"))
				wantFault(t, err, fault.Forbidden)
			}
		}
		_, err := w.Upgrade(ctx, alice, "!nowhere", "12", nil)
		wantFault(t, err, fault.NotFound)
	})
}

// A process that ends between the new room and the tombstone of the old one is made up for by the next.
func TestUpgradeCutOff(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		old := w.create(alice, Creation{Preset: presetPublic})
		next, err := w.replace(ctx, alice, w.room(old), id.RoomV12, nil)
		w.ok(err)
		if w.room(old).State(typeTombstone, "") != nil {
			t.Fatal("the old room is buried already")
		}
		w = w.fresh()
		for range 2 {
			w.ok(w.FinishUpgrades(ctx))
			if got := w.room(old).State(typeTombstone, "").Get("replacement_room").Str; got != string(next) {
				t.Errorf("the old room is replaced by %q", got)
			}
		}
		var open int
		w.ok(w.db.QueryRow(ctx, `select count(*) from room_upgrade`).Scan(&open))
		if open != 0 {
			t.Errorf("%d upgrades are open", open)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	d, k := dbtest.SQLite(t), sealKeys(t)
	for name, o := range map[string]Options{
		"database": {Seal: k}, "key": {DB: d, Seal: k, ServerName: server},
		"version":   {DB: d, Seal: k, ServerName: server, Key: signingKey, DefaultVersion: "1"},
		"creatable": {DB: d, Seal: k, ServerName: server, Key: signingKey, CreatableVersions: []id.RoomVersion{"10"}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	r, err := New(Options{DB: d, Seal: k, ServerName: server, Key: signingKey})
	if err != nil {
		t.Fatal(err)
	}
	if def, all := r.Versions(); def != id.RoomV12 || len(all) != 10 {
		t.Errorf("versions %s, %v", def, all)
	}
}
