package room

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json/v2"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/seal"
)

const server = "hospital.test"

const (
	alice = id.UserID("@alice:" + server)
	bob   = id.UserID("@bob:" + server)
	carol = id.UserID("@carol:" + server)
	dave  = id.UserID("@dave:" + server)
)

// world is one process with its rooms.
type world struct {
	*Rooms
	t    testing.TB
	seen *witness
	mu   sync.Mutex
	name map[id.UserID]string // display names
	now  time.Time
}

// witness is an observer that keeps what it was told.
type witness struct {
	mu         sync.Mutex
	committing int
	committed  []Committed
}

func (w *witness) Committing(_ *db.Tx, pos *db.Num, ev *Event, r *Room, _ []StateChange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if pos == nil || ev == nil || r == nil {
		panic("incomplete call")
	}
	w.committing++
}

func (w *witness) Committed(c Committed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.committed = append(w.committed, c)
}

func (w *witness) ids() []id.EventID {
	w.mu.Lock()
	defer w.mu.Unlock()
	var l []id.EventID
	for _, c := range w.committed {
		l = append(l, c.Event.ID)
	}
	return l
}

// signingKey is the same for every process of a test, as it is in a cluster.
var signingKey = func() event.Key {
	k, err := event.NewKey(server, "a", rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}()

func sealKeys(t testing.TB) *seal.Keys {
	t.Helper()
	k, err := seal.Open(context.Background(), seal.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func newWorld(t testing.TB, d *db.DB, keys *seal.Keys, change ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, seen: &witness{}, name: map[id.UserID]string{}, now: time.UnixMilli(1_800_000_000_000)}
	o := Options{
		DB: d, Seal: keys, ServerName: server, Key: signingKey, Observers: []Observer{w.seen},
		Log:   slog.New(slog.NewTextHandler(t.Output(), nil)),
		Clock: w.tick,
		Profile: func(_ context.Context, u id.UserID) (string, string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.name[u], "", nil
		},
		EncryptRooms: EncryptNever,
	}
	for _, c := range change {
		c(&o)
	}
	rooms, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.Rooms = rooms
	return w
}

// tick is a clock that goes on by a millisecond whenever somebody looks.
func (w *world) tick() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Millisecond)
	return w.now
}

func each(t *testing.T, f func(t *testing.T, w *world)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) { f(t, newWorld(t, d, sealKeys(t))) })
}

var ctx = context.Background()

func (w *world) create(by id.UserID, c Creation) id.RoomID {
	w.t.Helper()
	r, err := w.Create(ctx, by, c)
	if err != nil {
		w.t.Fatalf("create: %v", err)
	}
	return r
}

func (w *world) public(by id.UserID, members ...id.UserID) id.RoomID {
	w.t.Helper()
	r := w.create(by, Creation{Preset: presetPublic})
	for _, m := range members {
		w.ok(w.Join(ctx, m, r, ""))
	}
	return r
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) say(r id.RoomID, by id.UserID, text string) id.EventID {
	w.t.Helper()
	e, err := w.Send(ctx, r, message(by, text))
	w.ok(err)
	return e
}

func message(by id.UserID, text string) Draft {
	return Draft{Type: "m.room.message", Sender: by, Content: object(map[string]string{"msgtype": "m.text", "body": text})}
}

func (w *world) set(r id.RoomID, by id.UserID, typ, key, content string) id.EventID {
	w.t.Helper()
	e, err := w.SetState(ctx, r, Draft{Type: typ, StateKey: &key, Sender: by, Content: []byte(content)})
	w.ok(err)
	return e
}

func (w *world) room(r id.RoomID) *Room {
	w.t.Helper()
	room, err := w.Get(ctx, r)
	w.ok(err)
	return room
}

func (w *world) event(r id.RoomID, e id.EventID) *Event {
	w.t.Helper()
	ev, err := w.Event(ctx, r, e)
	w.ok(err)
	return ev
}

// fresh is another process on the same database, or this one after a restart.
func (w *world) fresh() *world {
	w.t.Helper()
	return newWorld(w.t, w.db, w.Rooms.seal)
}

func wantFault(t testing.TB, err error, k fault.Kind) {
	t.Helper()
	if !fault.Is(err, k) {
		t.Fatalf("got error %v, want %s", err, k)
	}
}

func bodies(l []*Event) string {
	var s []string
	for _, e := range l {
		if b := e.Get("body").Str; b != "" {
			s = append(s, b)
		} else {
			s = append(s, strings.TrimPrefix(e.Type, "m.room."))
		}
	}
	return strings.Join(s, " ")
}

func TestCreateSendRead(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.name[alice] = "Dr Alice"
		r := w.create(alice, Creation{Name: "Ward 3", Topic: "nights", Invite: []id.UserID{bob}, Direct: true})
		if want := id.RoomID("!" + string(w.room(r).State(typeCreate, "").ID)[1:]); r != want {
			t.Errorf("room %s, want the hash of the create event %s", r, want)
		}
		if m := w.room(r).Membership(bob); m != Invite {
			t.Errorf("bob is %s", m)
		}
		if !w.room(r).State(typeMember, string(bob)).Get("is_direct").Bool() {
			t.Error("is_direct is missing")
		}
		if n := w.room(r).State(typeMember, string(alice)).Get("displayname").Str; n != "Dr Alice" {
			t.Errorf("display name %q", n)
		}
		w.ok(w.Join(ctx, bob, r, ""))
		for i := range 5 {
			w.say(r, []id.UserID{alice, bob}[i%2], fmt.Sprint("m", i))
		}
		_, err := w.Send(ctx, r, message(carol, "no"))
		wantFault(t, err, fault.Forbidden)

		for name, w := range map[string]*world{"hot": w, "restarted": w.fresh()} {
			room := w.room(r)
			l, err := w.Timeline(ctx, room, 0, room.LastPos(), 3)
			w.ok(err)
			if got := bodies(l); got != "m4 m3 m2" {
				t.Errorf("%s: timeline %s", name, got)
			}
			l, err = w.Timeline(ctx, room, 0, room.LastPos(), 100)
			w.ok(err)
			const all = "m4 m3 m2 m1 m0 member member topic name guest_access history_visibility join_rules power_levels member create"
			if got := bodies(l); got != all {
				t.Errorf("%s: timeline %s", name, got)
			}
			if got := fmt.Sprint(room.JoinedLocal()); got != fmt.Sprint([]id.UserID{alice, bob}) {
				t.Errorf("%s: joined %s", name, got)
			}
			if j, i := room.Counts(); j != 2 || i != 0 {
				t.Errorf("%s: counts %d %d", name, j, i)
			}
			if room.Name() != "Ward 3" || room.Encrypted() || room.Visibility() != shared || room.JoinRule() != "invite" {
				t.Errorf("%s: wrong room", name)
			}
			before, err := w.StateBefore(ctx, l[5]) // bob's join
			w.ok(err)
			if m := before.Get(typeMember, string(bob)).Membership(); m != Invite {
				t.Errorf("%s: before his join bob was %s", name, m)
			}
			at, err := w.StateAt(ctx, room, l[len(l)-3].Pos)
			w.ok(err)
			if at.Len() != 3 {
				t.Errorf("%s: state at the third event has %d", name, at.Len())
			}
			ch, err := w.StateChanges(ctx, room, l[6].Pos, room.LastPos())
			w.ok(err)
			if len(ch) != 1 || ch[0].StateKey != string(bob) {
				t.Errorf("%s: changes %v", name, ch)
			}
			checkClient(t, l[5], l[0])
		}
		if w.seen.committing == 0 || len(w.seen.ids()) != 15 {
			t.Errorf("observer saw %d, %d", w.seen.committing, len(w.seen.ids()))
		}
		last := int64(0)
		for _, c := range w.seen.committed {
			if c.Event.Pos <= last {
				t.Errorf("positions out of order: %d after %d", c.Event.Pos, last)
			}
			last = c.Event.Pos
		}
	})
}

// checkClient checks the client format of bob's join and a message.
func checkClient(t *testing.T, join, msg *Event) {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(join.ClientJSON(), &v); err != nil {
		t.Fatalf("%s: %v", join.ClientJSON(), err)
	}
	u := v["unsigned"].(map[string]any)
	if u["prev_content"].(map[string]any)["membership"] != Invite || u["prev_sender"] != string(alice) || u["replaces_state"] == "" {
		t.Errorf("join is shown as %s", join.ClientJSON())
	}
	b := msg.AppendClient(nil, Reader{User: msg.Sender, Now: msg.TS + 5, NoRoom: true, Member: Join, Relations: []byte(`{"a":1}`)})
	g := gjson.ParseBytes(b)
	if !gjson.ValidBytes(b) || g.Get("room_id").Exists() || g.Get("unsigned.age").Int() != 5 || g.Get("unsigned.membership").Str != Join ||
		g.Get(`unsigned.m\.relations.a`).Int() != 1 || g.Get("event_id").Str != string(msg.ID) || g.Get("content.body").Str != "m4" {
		t.Errorf("message is shown as %s", b)
	}
}

func TestNothingClearOnDisk(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const secret = "pneumothorax"
		r := w.create(alice, Creation{Name: secret + " room", Topic: secret})
		w.say(r, alice, secret)
		rows, err := w.db.Query(ctx, `select body from event`)
		w.ok(err)
		defer rows.Close()
		for rows.Next() {
			var b []byte
			w.ok(rows.Scan(&b))
			if bytes.Contains(b, []byte(secret)) {
				t.Error("content is stored in the clear")
			}
		}
	})
}

// setLevel puts a user into power levels.
func setLevel(content []byte, u id.UserID, level int) []byte {
	var v map[string]any
	if err := json.Unmarshal(content, &v); err != nil {
		panic(err)
	}
	v["users"].(map[string]any)[string(u)] = level
	return object(v)
}
