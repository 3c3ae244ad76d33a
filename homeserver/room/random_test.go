package room

import (
	"context"
	"encoding/json/jsontext"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"testing"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
)

// Whatever happens in a room, what is in memory is what a restart reads, and the counts are those of the state.
func TestRandomHistory(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for seed := range uint64(4) {
			randomHistory(t, newWorld(t, d, sealKeys(t)), mathrand.New(mathrand.NewPCG(seed, 1)))
		}
	})
}

func randomHistory(t *testing.T, w *world, rnd *mathrand.Rand) {
	t.Helper()
	users := []id.UserID{alice, bob, carol, dave, "@u1:" + server, "@u2:" + server}
	w.now = w.now.Add(time.Duration(rnd.Int64N(1e15)))
	r := w.create(alice, Creation{Preset: presetPublic, Version: []id.RoomVersion{id.RoomV6, id.RoomV11, id.RoomV12}[rnd.IntN(3)]})
	var said []id.EventID
	for range 150 {
		by, on := users[rnd.IntN(len(users))], users[rnd.IntN(len(users))]
		var err error
		switch rnd.IntN(10) {
		case 0, 1:
			err = w.Join(ctx, by, r, "")
		case 2:
			err = w.Leave(ctx, by, r, "")
		case 3:
			err = w.Invite(ctx, by, r, on, "")
		case 4:
			err = w.Ban(ctx, by, r, on, "")
		case 5:
			err = w.Unban(ctx, by, r, on, "")
		case 6:
			key := ""
			_, err = w.SetState(ctx, r, Draft{Type: typeName, StateKey: &key, Sender: by, Content: object(map[string]int{"name": rnd.IntN(3)})})
		case 7:
			if len(said) > 0 {
				_, err = w.Redact(ctx, r, said[rnd.IntN(len(said))], Draft{Sender: by})
			}
		case 8:
			err = w.Kick(ctx, by, r, on, "")
		default:
			var e id.EventID
			if e, err = w.Send(ctx, r, message(by, fmt.Sprint(len(said)))); err == nil {
				said = append(said, e)
			}
		}
		if err != nil && !fault.Is(err, fault.Forbidden) {
			t.Fatal(err)
		}
	}
	f := w.fresh()
	a, b := w.room(r), f.room(r)
	if !sameState(a.StateMap(), b.StateMap()) || a.LastPos() != b.LastPos() || a.Name() != b.Name() {
		t.Error("the room is another one after a restart")
	}
	x, y := slices.Sorted(slices.Values(a.JoinedLocal())), slices.Sorted(slices.Values(b.JoinedLocal()))
	if !slices.Equal(x, y) {
		t.Errorf("joined %v, after a restart %v", x, y)
	}
	if j, i := a.Counts(); len(x) != j {
		t.Errorf("%d joined, counted %d, invited %d", len(x), j, i)
	}
	for _, u := range users {
		m, _, err := f.MemberOf(ctx, b, u)
		w.ok(err)
		if m.Membership != "" && m.Membership != a.Membership(u) {
			t.Errorf("%s is %s, stored as %s", u, a.Membership(u), m.Membership)
		}
	}
	one, err := w.Timeline(ctx, a, 0, a.LastPos(), 1000)
	w.ok(err)
	two, err := f.Timeline(ctx, b, 0, b.LastPos(), 1000)
	w.ok(err)
	if len(one) != len(two) {
		t.Fatalf("%d events, after a restart %d", len(one), len(two))
	}
	for i := range one {
		if p, q := string(one[i].ClientJSON()), string(two[i].ClientJSON()); p != q {
			t.Errorf("event %d is\n%s, after a restart\n%s", i, p, q)
		}
	}
	checkGraph(t, f, r)
}

// FuzzClientFormat: what clients are shown of an event is JSON, whatever the event is.
func FuzzClientFormat(f *testing.F) {
	f.Add(`{"content":{"body":"x"},"type":"m.room.message","sender":"@a:b","depth":1,"origin_server_ts":1}`, "t")
	f.Add(`{"content":{},"type":"m.room.redaction","redacts":"$x","sender":"@a:b","state_key":""}`, "\xff")
	f.Fuzz(func(t *testing.T, raw, txn string) {
		if !jsontext.Value(raw).IsValid() {
			return
		}
		for _, v := range []id.RoomVersion{id.RoomV6, id.RoomV12} {
			e, err := decode([]byte(raw), v, "!r", "$e")
			if err != nil || len(e.Content) == 0 {
				return
			}
			e.Txn, e.Device, e.Replaces, e.PrevContent = txn, "D", "$p", []byte(`{}`)
			if e.RedactedBecause, err = decode([]byte(raw), v, "!r", "$e"); err != nil {
				t.Fatal(err)
			}
			b := e.AppendClient(nil, Reader{User: e.Sender, Device: "D", Now: 5, Member: txn, Relations: []byte(`{}`)})
			if e.Content.Kind() == '{' && !jsontext.Value(b).IsValid() {
				t.Errorf("%q is shown as %q", raw, b)
			}
		}
	})
}

// FuzzReceive: no event of another server ends in an error or changes the room without being accepted.
func FuzzReceive(f *testing.F) {
	f.Add([]byte(`{"auth_events":[],"content":{},"depth":1,"hashes":{"sha256":"x"},"origin_server_ts":1,"prev_events":[],"room_id":"!r","sender":"@e:clinic.test","signatures":{},"type":"m.room.message"}`))
	w := newWorld(f, dbtest.SQLite(f), sealKeys(f))
	r := w.public(alice)
	room := w.room(r)
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := room.stored.Load()
		l, err := w.Receive(context.Background(), "clinic.test", r, raw)
		if err != nil || len(l) != 1 || l[0].Outcome != Invalid {
			t.Errorf("%v, %v", l, err)
		}
		if room.stored.Load() != before {
			t.Error("the room changed")
		}
	})
}
