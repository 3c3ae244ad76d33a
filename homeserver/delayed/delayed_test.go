package delayed

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/seal"
)

const alice, bob = id.UserID("@alice:hs"), id.UserID("@bob:hs")

// ward is a room with Alice and Bob, and a clock that is set by hand.
type ward struct {
	*Events
	rooms *room.Rooms
	room  id.RoomID
	time  time.Time
	may   error
}

func newWard(t *testing.T, d *db.DB) *ward {
	t.Helper()
	keys, err := seal.Open(t.Context(), seal.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	key, err := event.NewKey("hs", "1", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &ward{time: time.UnixMilli(1_800_000_000_000)}
	if w.rooms, err = room.New(room.Options{DB: d, Seal: keys, ServerName: "hs", Key: key, EncryptRooms: room.EncryptNever}); err != nil {
		t.Fatal(err)
	}
	w.Events = New(Options{DB: d, Seal: keys, Rooms: w.rooms, Clock: func() time.Time { return w.time }, Longest: time.Hour,
		May: func(context.Context, id.UserID) error { return w.may }})
	if w.room, err = w.rooms.Create(t.Context(), alice, room.Creation{Preset: "public_chat"}); err != nil {
		t.Fatal(err)
	}
	if err := w.rooms.Join(t.Context(), bob, w.room, ""); err != nil {
		t.Fatal(err)
	}
	return w
}

func message(txn string) room.Draft {
	return room.Draft{Type: "m.room.message", Sender: alice, Device: "PHONE", Txn: txn, Content: []byte(`{"body":"` + txn + `"}`)}
}

func topic(by id.UserID, text string) room.Draft {
	key := ""
	return room.Draft{Type: "m.room.topic", StateKey: &key, Sender: by, Device: "PHONE", Content: []byte(`{"topic":"` + text + `"}`)}
}

func (w *ward) schedule(t *testing.T, d room.Draft, delay time.Duration) string {
	t.Helper()
	delayID, err := w.Schedule(t.Context(), w.room, d, delay.Milliseconds())
	if err != nil {
		t.Fatal(err)
	}
	return delayID
}

// pass lets time pass and sends what is due.
func (w *ward) pass(t *testing.T, by time.Duration) time.Duration {
	t.Helper()
	w.time = w.time.Add(by)
	wait, err := w.SendDue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return wait
}

// bodies lists the messages of the room, oldest first.
func (w *ward) bodies(t *testing.T) (all []string) {
	t.Helper()
	p, err := w.rooms.Messages(t.Context(), bob, w.room, room.PageRequest{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range p.Events {
		if e.Type == "m.room.message" {
			all = append(all, e.Get("body").Str)
		}
	}
	return all
}

func (w *ward) waiting(t *testing.T, want int) {
	t.Helper()
	list, err := w.List(t.Context(), alice)
	if err != nil || len(list) != want {
		t.Fatalf("%d events wait, want %d (%v)", len(list), want, err)
	}
}

func TestSentWhenDue(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWard(t, d)
		second := w.schedule(t, message("second"), 2*time.Second)
		w.schedule(t, message("first"), time.Second)
		if again := w.schedule(t, message("second"), 5*time.Second); again != second {
			t.Error("the same transaction made a second event")
		}
		w.waiting(t, 2)
		if wait := w.pass(t, 0); wait != time.Second {
			t.Errorf("nothing is due for %v", wait)
		}
		if got := w.bodies(t); got != nil {
			t.Errorf("sent at once: %v", got)
		}
		w.pass(t, 3*time.Second)
		if got := w.bodies(t); fmt.Sprint(got) != "[first second]" {
			t.Errorf("sent: %v", got)
		}
		w.waiting(t, 0)
		if again := w.schedule(t, message("second"), 5*time.Second); again != second {
			t.Error("the transaction was forgotten when its event was sent")
		}
		if wait := w.pass(t, 25*time.Hour); wait != glance {
			t.Errorf("nothing is due for %v", wait)
		}
		if again := w.schedule(t, message("second"), 5*time.Second); again == second {
			t.Error("the transaction was never forgotten")
		}
	})
}

// A crash after the sending and before its end is repeated and sends nothing twice.
func TestSentOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWard(t, d)
		w.schedule(t, message("once"), time.Second)
		list, err := w.List(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.sendNow(t.Context(), list[0]); err != nil {
			t.Fatal(err)
		}
		w.pass(t, time.Minute)
		if got := w.bodies(t); fmt.Sprint(got) != "[once]" {
			t.Errorf("sent: %v", got)
		}
		w.waiting(t, 0)
	})
}

func TestChangedWhileWaiting(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWard(t, d)
		gone, kept, now := w.schedule(t, message("gone"), time.Second), w.schedule(t, message("kept"), time.Second), w.schedule(t, message("now"), time.Minute)
		if err := w.Cancel(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		w.time = w.time.Add(900 * time.Millisecond)
		if err := w.Restart(t.Context(), kept); err != nil {
			t.Fatal(err)
		}
		w.pass(t, 900*time.Millisecond)
		if err := w.Send(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if got := w.bodies(t); fmt.Sprint(got) != "[now]" {
			t.Errorf("sent: %v", got)
		}
		w.pass(t, 100*time.Millisecond)
		if got := w.bodies(t); fmt.Sprint(got) != "[now kept]" {
			t.Errorf("sent: %v", got)
		}
		for _, change := range []func(context.Context, string) error{w.Cancel, w.Restart, w.Send} {
			for _, delayID := range []string{"none", gone, now} {
				if err := change(t.Context(), delayID); !fault.Is(err, fault.NotFound) {
					t.Errorf("what waits no more can be changed: %v", err)
				}
			}
		}
	})
}

func TestGivenUp(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWard(t, d)
		w.schedule(t, topic(alice, "later"), time.Second)
		if _, err := w.rooms.SetState(t.Context(), w.room, topic(alice, "now")); err != nil {
			t.Fatal(err)
		}
		w.pass(t, time.Second)
		if got := w.state(t); got != "later" {
			t.Errorf("the topic is %q: what the sender set meanwhile changes nothing", got)
		}
		if _, err := w.rooms.SetState(t.Context(), w.room, room.Draft{Type: "m.room.power_levels", StateKey: new(string), Sender: alice,
			Content: []byte(`{"state_default":0}`)}); err != nil {
			t.Fatal(err)
		}
		w.schedule(t, topic(alice, "later still"), time.Second)
		if _, err := w.rooms.SetState(t.Context(), w.room, topic(bob, "Bob's")); err != nil {
			t.Fatal(err)
		}
		w.pass(t, time.Second)
		if got := w.state(t); got != "Bob's" {
			t.Errorf("the topic is %q: somebody else set it meanwhile", got)
		}
		w.schedule(t, message("suspended"), time.Second)
		w.may = fault.New(fault.UserSuspended, "suspended")
		w.pass(t, time.Second)
		w.may = nil
		w.schedule(t, message("left"), time.Second)
		if err := w.rooms.Leave(t.Context(), alice, w.room, ""); err != nil {
			t.Fatal(err)
		}
		w.pass(t, time.Second)
		if got := w.bodies(t); got != nil {
			t.Errorf("sent: %v", got)
		}
		w.waiting(t, 0)
		if _, err := w.Schedule(t.Context(), w.room, message("out"), 1000); !fault.Is(err, fault.Forbidden) {
			t.Errorf("scheduled from outside: %v", err)
		}
	})
}

func (w *ward) state(t *testing.T) string {
	t.Helper()
	r, err := w.rooms.Get(t.Context(), w.room)
	if err != nil {
		t.Fatal(err)
	}
	return r.State("m.room.topic", "").Get("topic").Str
}

func TestLimits(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWard(t, d)
	for delay, kind := range map[int64]fault.Kind{0: fault.InvalidParam, -1: fault.InvalidParam, time.Hour.Milliseconds() + 1: fault.Unknown} {
		if _, err := w.Schedule(t.Context(), w.room, message("x"), delay); !fault.Is(err, kind) {
			t.Errorf("delay %d: %v", delay, err)
		}
	}
	for i := range most {
		w.schedule(t, message(fmt.Sprint(i)), time.Minute)
	}
	if _, err := w.Schedule(t.Context(), w.room, message("one more"), 1000); !fault.Is(err, fault.Unknown) {
		t.Errorf("one more than may wait: %v", err)
	}
}
