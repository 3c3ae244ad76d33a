package feed

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/seal"
)

const server = "ward.test"

const (
	alice = id.UserID("@alice:" + server)
	bob   = id.UserID("@bob:" + server)
	carol = id.UserID("@carol:" + server)
	dave  = id.UserID("@dave:" + server)
)

var ctx = context.Background()

// world is one process: rooms, accounts and a feed over one database.
type world struct {
	*Feed
	t        testing.TB
	d        *db.DB
	keys     *seal.Keys
	rooms    *room.Rooms
	accounts *account.Accounts
	counts   map[id.DeviceID]DeviceCounts
	clock    *clock
	dir      string
	log      *audit.Log
}

// clock goes on by a millisecond whenever somebody looks.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) tick() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Millisecond)
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var signingKey = event.Key{Server: server, ID: "ed25519:test", Private: ed25519.NewKeyFromSeed(make([]byte, 32))}

func newWorld(t testing.TB, d *db.DB, change ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, d: d, dir: t.TempDir(), clock: &clock{now: time.UnixMilli(1_800_000_000_000)}}
	var err error
	if w.keys, err = seal.Open(ctx, seal.Options{Dir: w.dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.keys.Close() })
	if w.log, err = audit.Open(ctx, audit.Options{DB: d, Keys: w.keys, Name: server, Dir: w.dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.log.Close() })
	w.start(change...)
	for _, u := range []id.UserID{alice, bob, carol, dave} {
		w.person(u)
	}
	return w
}

// start makes the parts that a restart makes anew.
func (w *world) start(change ...func(*Options)) {
	w.t.Helper()
	w.counts = map[id.DeviceID]DeviceCounts{}
	o := Options{
		DB: w.d, Seal: w.keys, ServerName: server, Clock: w.clock.tick, Presence: true,
		Log: slog.New(slog.NewTextHandler(w.t.Output(), nil)), Metrics: prometheus.NewRegistry(),
		Counts: func(_ context.Context, _ id.UserID, d id.DeviceID) (DeviceCounts, error) { return w.counts[d], nil },
		Account: Account{
			Data: func(ctx context.Context, u id.UserID, keys []AccountDatum) ([]AccountDatum, error) {
				var want []account.Datum
				for _, k := range keys {
					want = append(want, account.Datum(k))
				}
				have, err := w.accounts.Data(ctx, u, want)
				var out []AccountDatum
				for _, d := range have {
					out = append(out, AccountDatum(d))
				}
				return out, err
			},
			SetData: func(ctx context.Context, u id.UserID, d AccountDatum) error {
				return w.accounts.SetDatum(ctx, u, account.Datum(d))
			},
			Filter: func(ctx context.Context, u id.UserID, f string) (json.RawMessage, error) {
				return w.accounts.Filter(ctx, u, f)
			},
			Devices: func(ctx context.Context, u id.UserID) ([]id.DeviceID, error) { return w.accounts.DeviceIDs(ctx, u) },
		},
	}
	for _, c := range change {
		c(&o)
	}
	f, err := New(o)
	w.ok(err)
	w.Feed = f
	w.accounts = account.New(account.Options{
		DB: w.d, Seal: w.keys, Audit: w.log, ServerName: server, Clock: w.clock.tick, Registerer: prometheus.NewRegistry(),
		Changed: func(tx *db.Tx, c account.Change) {
			f.Changed(tx, Change{Kind: Kind(c.Kind), User: c.User, Room: c.Room, Key: c.Key})
		},
		DeviceRemoved: f.DeviceRemoved,
	})
	w.rooms, err = room.New(room.Options{
		DB: w.d, Seal: w.keys, ServerName: server, Key: signingKey, Observers: []room.Observer{f}, Clock: w.clock.tick,
		Log: slog.New(slog.NewTextHandler(w.t.Output(), nil)), EncryptRooms: room.EncryptNever,
	})
	w.ok(err)
	w.ok(f.Start(ctx, w.rooms))
	w.t.Cleanup(f.Close)
}

// restart is the same process after it was ended and started again.
func (w *world) restart() {
	w.t.Helper()
	w.Feed.Close()
	w.start()
}

func each(t *testing.T, f func(t *testing.T, w *world)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) { f(t, newWorld(t, d)) })
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// person makes an account with a device that has the name of the person in capitals.
func (w *world) person(u id.UserID) {
	w.t.Helper()
	_, err := w.accounts.Create(ctx, account.NewUser{User: u, SignIn: &account.SignIn{Device: device(u)}})
	w.ok(err)
}

func device(u id.UserID) id.DeviceID { return id.DeviceID(strings.ToUpper(u.Localpart())) }

func who(u id.UserID) access.Who { return access.Who{User: u, Device: device(u), Token: 1} }

func (w *world) public(by id.UserID, members ...id.UserID) id.RoomID {
	w.t.Helper()
	r, err := w.rooms.Create(ctx, by, room.Creation{Preset: "public_chat", Name: "Ward 4"})
	w.ok(err)
	for _, m := range members {
		w.ok(w.rooms.Join(ctx, m, r, ""))
	}
	return r
}

func (w *world) say(r id.RoomID, by id.UserID, text string) id.EventID {
	w.t.Helper()
	return w.send(r, by, "m.room.message", map[string]any{"msgtype": "m.text", "body": text})
}

func (w *world) send(r id.RoomID, by id.UserID, typ string, content any) id.EventID {
	w.t.Helper()
	b, err := json.Marshal(content)
	w.ok(err)
	e, err := w.rooms.Send(ctx, r, room.Draft{Type: typ, Sender: by, Content: b})
	w.ok(err)
	return e
}

func (w *world) set(r id.RoomID, by id.UserID, typ, key, content string) id.EventID {
	w.t.Helper()
	e, err := w.rooms.SetState(ctx, r, room.Draft{Type: typ, StateKey: &key, Sender: by, Content: []byte(content)})
	w.ok(err)
	return e
}

// answered is the answer of a sync.
type answered struct {
	gjson.Result
	next string
}

// sync asks without waiting.
func (w *world) sync(u id.UserID, since string, change ...func(*SyncRequest)) answered {
	w.t.Helper()
	req := SyncRequest{Since: since, SetPresence: Offline}
	for _, c := range change {
		c(&req)
	}
	b, err := w.poll(ctx, who(u), req)
	w.ok(err)
	return w.parse(b)
}

// poll syncs and waits for what there is to tell.
func (w *world) poll(ctx context.Context, who access.Who, req SyncRequest) ([]byte, error) {
	woken := make(chan struct{}, 1)
	b, wait, err := w.Sync(ctx, who, req, func() { woken <- struct{}{} })
	return waitFor(ctx, woken, b, wait, err)
}

// slidePoll is poll by sliding sync.
func (w *world) slidePoll(ctx context.Context, who access.Who, req *SlideRequest) ([]byte, error) {
	woken := make(chan struct{}, 1)
	b, wait, err := w.Slide(ctx, who, req, func() { woken <- struct{}{} })
	return waitFor(ctx, woken, b, wait, err)
}

func waitFor(ctx context.Context, woken chan struct{}, b []byte, wait *Wait, err error) ([]byte, error) {
	if wait == nil {
		return b, err
	}
	defer wait.Leave()
	over := time.NewTimer(wait.For)
	defer over.Stop()
	for {
		late := false
		select {
		case <-woken:
		case <-over.C:
			late = true
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if b, err := wait.Look(ctx, late); b != nil || err != nil {
			return b, err
		}
	}
}

func (w *world) parse(b []byte) answered {
	w.t.Helper()
	if !json.Valid(b) {
		w.t.Fatalf("the answer is no JSON: %s", b)
	}
	r := gjson.ParseBytes(b)
	return answered{r, r.Get("next_batch").Str}
}

func filtered(f string) func(*SyncRequest)           { return func(r *SyncRequest) { r.Filter = f } }
func fullState(r *SyncRequest)                       { r.FullState = true }
func stateAfter(r *SyncRequest)                      { r.StateAfter = true }
func online(r *SyncRequest)                          { r.SetPresence = Online }
func waits(d time.Duration) func(*SyncRequest)       { return func(r *SyncRequest) { r.Timeout = d } }
func esc(s string) string                            { return gjson.Escape(s) }
func (a answered) joined(r id.RoomID) gjson.Result   { return a.Get("rooms.join." + esc(string(r))) }
func (a answered) leftRoom(r id.RoomID) gjson.Result { return a.Get("rooms.leave." + esc(string(r))) }

// bodies are the messages of a timeline, other events by their type.
func bodies(r gjson.Result) string {
	var s []string
	for _, e := range r.Get("timeline.events").Array() {
		if b := e.Get("content.body").Str; b != "" {
			s = append(s, b)
		} else {
			s = append(s, strings.TrimPrefix(e.Get("type").Str, "m.room."))
		}
	}
	return strings.Join(s, " ")
}

// states lists state events as type or type/key.
func states(r gjson.Result) string {
	var s []string
	for _, e := range r.Array() {
		t := strings.TrimPrefix(e.Get("type").Str, "m.room.")
		if k := e.Get("state_key").Str; k != "" {
			t += "/" + id.UserID(k).Localpart()
		}
		s = append(s, t)
	}
	return strings.Join(s, " ")
}

func (w *world) want(what, got, want string) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func (w *world) wantFault(err error, k fault.Kind) {
	w.t.Helper()
	if !fault.Is(err, k) {
		w.t.Errorf("got error %v, want %s", err, k)
	}
}
