package feed

import (
	"slices"
	"testing"
	"time"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/seal"
)

// What another process wrote cannot be read for a while: nothing behind it is published before it.
func TestGapIsBridged(t *testing.T) {
	url := dbtest.PostgresURL(t)
	a := newWorld(t, dbtest.Open(t, db.Options{URL: url}))
	b := &world{t: t, d: dbtest.Open(t, db.Options{URL: url}), clock: a.clock, keys: a.keys, log: a.log, dir: a.dir}
	var told []Change
	b.start(func(o *Options) { o.Elsewhere = func(c Change) { told = append(told, c) } })
	r, other := a.public(alice, bob), a.public(alice, bob)
	a.ok(a.d.Write(ctx, "claim", nil, func(tx *db.Tx) error {
		a.Changed(tx, Change{Kind: KeyCounts, User: bob, Key: "BOB"})
		return nil
	}))
	pos, err := b.d.Position(ctx)
	b.ok(err)
	b.ok(b.CatchUp(ctx, pos))
	if !slices.Contains(told, Change{Kind: KeyCounts, User: bob, Key: "BOB"}) {
		t.Errorf("told of %v", told)
	}
	since := b.sync(bob, "").next
	rename := func(from, to string) {
		t.Helper()
		b.ok(a.d.Write(ctx, "rename", nil, func(tx *db.Tx) error {
			_, err := tx.Exec(`alter table ` + from + ` rename to ` + to)
			return err
		}))
	}
	rename("feed_change", "feed_change_away")
	a.say(other, alice, "from afar")
	before := b.Visible()
	sent := make(chan error, 1)
	go func() {
		_, err := b.rooms.Send(ctx, r, room.Draft{Type: "m.room.message", Sender: bob, Content: []byte(`{"body":"from here"}`)})
		sent <- err
	}()
	for p := before; p < pos+2; { // both are committed
		if p, err = b.d.Position(ctx); err != nil {
			t.Fatal(err)
		}
		b.ok(b.pause(ctx))
	}
	if v := b.Visible(); v != before {
		t.Errorf("published up to %d, behind a gap after %d", v, before)
	}
	rename("feed_change_away", "feed_change")
	b.ok(<-sent)
	got := b.sync(bob, since, waits(time.Minute))
	b.want("from afar", bodies(got.joined(other)), "from afar")
	b.want("from here", bodies(got.joined(r)), "from here")
}

// A room that was erased is not in anybody's sync, and keeps nothing else from being there.
func TestErasedRoom(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		erased, r := w.public(alice, bob), w.public(alice, bob)
		since := w.sync(bob, "").next
		w.say(erased, alice, "gone")
		w.say(r, alice, "here")
		w.ok(w.keys.Destroy(ctx, seal.Room(erased)))
		w.restart()
		for what, got := range map[string]answered{"since": w.sync(bob, since), "initial": w.sync(bob, "")} {
			if got.joined(erased).Exists() || got.joined(r).Get(`timeline.events.#(content.body=="here")`).Raw == "" {
				t.Errorf("%s: %s", what, got)
			}
		}
		if _, _, err := w.DeviceLists(ctx, bob, since, since); err != nil {
			t.Error(err)
		}
		if _, err := w.PresenceOf(ctx, bob, alice); err != nil {
			t.Error(err)
		}
	})
}
