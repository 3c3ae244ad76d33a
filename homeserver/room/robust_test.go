package room

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/seal"
)

// What is built on a write that fails is built again, and nothing is lost or doubled.
func TestFailedWritesTakeNobodyAlong(t *testing.T) {
	each(t, func(t *testing.T, old *world) {
		r := old.public(alice, bob)
		draft := func(s, i int) Draft {
			m := message(alice, fmt.Sprint(s, ".", i))
			m.Device, m.Txn = id.DeviceID(fmt.Sprint("D", s)), fmt.Sprint(i)
			return m
		}
		for s := range 4 {
			for i := 0; i < 20; i += 3 {
				_, err := old.Send(ctx, r, draft(s, i))
				old.ok(err)
			}
		}
		// This process does not know which transactions were done: every third write fails.
		w := old.fresh()
		var group sync.WaitGroup
		for s := range 4 {
			group.Go(func() {
				for i := range 20 {
					if _, err := w.Send(ctx, r, draft(s, i)); err != nil {
						t.Errorf("send: %v", err)
					}
				}
			})
		}
		group.Wait()
		seen := map[string]int{}
		for _, m := range strings.Fields(w.history(r)) {
			seen[m]++
		}
		for s := range 4 {
			for i := range 20 {
				if n := seen[fmt.Sprint(s, ".", i)]; n != 1 {
					t.Errorf("message %d.%d is there %d times", s, i, n)
				}
			}
		}
		checkGraph(t, w.fresh(), r)
	})
}

// full is an observer that refuses to write while it is on.
type full struct {
	mu sync.Mutex
	on bool
}

func (f *full) Committing(tx *db.Tx, _ *db.Num, _ *Event, _ *Room, _ []StateChange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.on {
		tx.Append(&db.Table{Name: "no_such_table", Columns: []string{"a"}, Types: []string{"bigint"}}, 1)
	}
}

func (f *full) Committed(Committed) {}

func (f *full) set(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on = on
}

func TestWriteErrorsAreReported(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := &full{}
		w := newWorld(t, d, sealKeys(t), func(o *Options) { o.Observers = []Observer{f} })
		r := w.public(alice)
		w.say(r, alice, "before")
		f.set(true)
		m := message(alice, "lost")
		m.Device, m.Txn = "D", "1"
		if _, err := w.Send(ctx, r, m); err == nil {
			t.Fatal("a message that was not written was acknowledged")
		}
		if _, err := w.Create(ctx, alice, Creation{}); err == nil {
			t.Fatal("a room that was not written was acknowledged")
		}
		if err := w.Join(ctx, bob, r, ""); err == nil {
			t.Fatal("a join that was not written was acknowledged")
		}
		f.set(false)
		if w.room(r).Membership(bob) != Leave {
			t.Error("bob is in the room")
		}
		if _, err := w.Send(ctx, r, m); err != nil {
			t.Fatal(err)
		}
		if got := w.history(r); got != "before lost" {
			t.Errorf("history %q", got)
		}
		checkGraph(t, w.fresh(), r)
	})
}

func TestEviction(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.o.HotRooms = 8
		w.events.mu.Lock()
		w.events.room = 64 << 10
		w.events.mu.Unlock()
		var rooms []id.RoomID
		for range 30 {
			rooms = append(rooms, w.public(alice, bob))
		}
		var group sync.WaitGroup
		for s := range 4 {
			group.Go(func() {
				for i := range 30 {
					r := rooms[(i*7+s*11)%len(rooms)]
					if _, err := w.Send(ctx, r, message(bob, fmt.Sprint(s, ".", i))); err != nil {
						t.Errorf("send: %v", err)
					}
					room, err := w.Get(ctx, r)
					if err != nil {
						t.Error(err)
						continue
					}
					if _, err := w.Timeline(ctx, room, 0, room.LastPos(), 30); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		w.Rooms.mu.Lock()
		hot := len(w.hot)
		w.Rooms.mu.Unlock()
		if hot > 8+4 { // those with a write under way stay
			t.Errorf("%d rooms in memory", hot)
		}
		total := 0
		for _, r := range rooms {
			total += len(strings.Fields(w.history(r)))
			checkGraph(t, w, r)
		}
		if total != 120 {
			t.Errorf("%d messages", total)
		}
	})
}

func TestLargeRoom(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice)
		const n = 400
		for i := range n {
			w.ok(w.Join(ctx, id.UserID(fmt.Sprintf("@user%d:%s", i, server)), r, ""))
		}
		for i := range 40 {
			w.ok(w.Leave(ctx, id.UserID(fmt.Sprintf("@user%d:%s", i, server)), r, ""))
		}
		f := w.fresh()
		for name, w := range map[string]*world{"hot": w, "restarted": f} {
			room := w.room(r)
			if j, _ := room.Counts(); j != n-40+1 || len(room.JoinedLocal()) != j {
				t.Errorf("%s: %d joined, %d local", name, j, len(room.JoinedLocal()))
			}
			if got := len(room.StateMap().Events()); got != room.StateMap().Len() {
				t.Errorf("%s: state of %d events says %d", name, got, room.StateMap().Len())
			}
			l, err := w.Timeline(ctx, room, 0, room.LastPos(), 1000)
			w.ok(err)
			for i := 0; i < len(l); i += 37 {
				s, err := w.StateBefore(ctx, l[i])
				w.ok(err)
				at, err := w.StateAt(ctx, room, l[i].Pos-1)
				w.ok(err)
				if !sameState(s, at) {
					t.Errorf("%s: the state before event %d is not the state at its position", name, i)
				}
			}
		}
		a, b := w.room(r).StateMap(), f.room(r).StateMap()
		if !sameState(a, b) || len(difference(a, b)) != 0 {
			t.Error("the state is another one after a restart")
		}
		var rows, bytes int64
		w.ok(w.db.QueryRow(ctx, `select count(*), sum(length(delta)) from room_snapshot`).Scan(&rows, &bytes))
		if rows < n || bytes > 1_500_000 {
			t.Errorf("%d snapshots take %d bytes", rows, bytes)
		}
	})
}

func TestStateRemoval(t *testing.T) {
	ev := func(i int) *Event {
		key := fmt.Sprint(i)
		return &Event{ID: id.EventID("$" + key), Type: "t", StateKey: &key}
	}
	s := emptyState
	for i := range 200 {
		s = s.with(ev(i))
	}
	full := s
	for i := 0; i < 200; i += 2 {
		s = s.set(Key{"t", fmt.Sprint(i)}, nil)
		if s.Get("t", fmt.Sprint(i)) != nil {
			t.Fatal("removed and there")
		}
	}
	if s.Len() != 100 || len(s.Events()) != 100 || full.Len() != 200 || len(full.Events()) != 200 {
		t.Errorf("%d and %d", s.Len(), len(s.Events()))
	}
	if d := difference(full, s); len(d) != 100 || d[0].event != nil {
		t.Errorf("%d differences", len(d))
	}
	if s.set(Key{"t", "0"}, nil) != s {
		t.Error("removing nothing made a new state")
	}
	for range s.All {
		break
	}
}

func TestAppendString(t *testing.T) {
	for in, want := range map[string]string{"a": `"a"`, `a"\`: `"a\"\\"`, "ü\n": `"ü\n"`, "\xff": "\"\ufffd\""} {
		if got := string(appendString(nil, in)); got != want {
			t.Errorf("%q is %s, want %s", in, got, want)
		}
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("m.room.*", "m.room.message")
	f.Add("*a*b", "xaxb")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if !glob("*", s) || !glob(s+"*", s) || !strings.Contains(pattern, "*") && glob(pattern, s) != (pattern == s) {
			t.Errorf("pattern %q, text %q", pattern, s)
		}
	})
}

func FuzzParseToken(f *testing.F) {
	f.Add("s12_boot_3")
	f.Fuzz(func(t *testing.T, s string) {
		pos, err := ParseToken(s)
		if err != nil {
			return
		}
		if again, err := ParseToken(Token(pos)); err != nil || again != pos {
			t.Errorf("%q is %d, written and read %d: %v", s, pos, again, err)
		}
	})
}

// Looking events up by id or by parent must not walk through their room, reading a stretch of a room not through others.
func TestQueryPlans(t *testing.T) {
	d := dbtest.SQLite(t)
	for _, c := range []struct {
		query string
		args  []any
		want  string // of a step; "": no walk through the room or the table
	}{
		{eventsByID, []any{[]string{"$a", "$b"}, 1}, ""},
		{kinCounts, []any{[]string{"$a", "$b"}, 1, "@a:b"}, ""},
		{kinEvents, []any{[]string{"$a", "$b"}, 1, []string{relReplace}}, ""},
		{stretchEnd, []any{1, 2, 3, 4}, "COVERING INDEX event_room (room=? AND pos>? AND pos<?)"},
		{texts, []any{1, 2, 3}, "INDEX event_room (room=? AND pos>? AND pos<?)"},
	} {
		rows, err := d.Query(ctx, "explain query plan "+c.query, c.args...)
		if err != nil {
			t.Fatal(err)
		}
		var steps string
		for rows.Next() {
			var n int
			var step string
			if err := rows.Scan(&n, &n, &n, &step); err != nil {
				t.Fatal(err)
			}
			steps += step + "\n"
		}
		if !strings.Contains(steps, c.want) || c.want == "" && (strings.Contains(steps, "event_room") || strings.Contains(steps, "SCAN e")) {
			t.Errorf("%s: %s", c.query, steps)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A room whose key was destroyed is gone, and takes nothing else along.
func TestErasedRoom(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r, other := w.public(alice, bob), w.public(alice, bob)
		e := w.say(r, alice, "gone")
		w.ok(w.Rooms.seal.Destroy(ctx, seal.Room(r)))
		f := w.fresh()
		_, err := f.Get(ctx, r)
		wantFault(t, err, fault.NotFound)
		_, err = f.Send(ctx, r, message(alice, "x"))
		wantFault(t, err, fault.Forbidden)
		_, _, err = f.Seen(ctx, alice, r, e)
		wantFault(t, err, fault.NotFound)
		from, err := w.db.Position(ctx)
		w.ok(err)
		_, err = w.Send(ctx, r, message(alice, "unread")) // its room is in memory, with a key made for it
		w.ok(err)
		w.ok(w.Rooms.seal.Destroy(ctx, seal.Room(r)))
		f.say(other, alice, "goes on")
		to, err := w.db.Position(ctx)
		w.ok(err)
		news, err := w.fresh().Since(ctx, from, to)
		w.ok(err)
		if len(news) != 1 || news[0].Event.Get("body").Str != "goes on" {
			t.Errorf("%d events of other processes", len(news))
		}
	})
}
