package promise

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/mail"
	"github.com/myelin-health/myelin/homeserver/mail/mailtest"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/seal"
)

const (
	alice, bob, carol, dora = id.UserID("@alice:hs"), id.UserID("@bob:hs"), id.UserID("@carol:hs"), id.UserID("@dora:hs")

	carols = "carol@home.example"
)

// ward has rooms, accounts, and a mail server.
type ward struct {
	*Promises
	t       *testing.T
	letters *mailtest.Server
	time    time.Time
}

func newWard(t *testing.T, d *db.DB) *ward {
	t.Helper()
	w := &ward{t: t, letters: mailtest.New(t, mailtest.Options{}), time: time.UnixMilli(1_800_000_000_000)}
	clock := func() time.Time { return w.time }
	dir := t.TempDir()
	keys, err := seal.Open(t.Context(), seal.Options{Dir: dir})
	w.ok(err)
	t.Cleanup(func() { _ = keys.Close() })
	log, err := audit.Open(t.Context(), audit.Options{DB: d, Keys: keys, Name: "hs", Dir: dir})
	w.ok(err)
	t.Cleanup(func() { _ = log.Close() })
	key, err := event.NewKey("hs", "1", rand.Reader)
	w.ok(err)
	relay, err := mail.NewRelay(mail.RelayOptions{Address: w.letters.Address, Encryption: mail.None})
	w.ok(err)
	box := mail.New(mail.Options{DB: d, Seal: keys, Audit: log, Relay: relay, From: "chat@hs.example", ServerName: "hs", PublicURL: "https://hs.example"})
	box.Start(t.Context())
	t.Cleanup(box.Close)
	accounts := account.New(account.Options{DB: d, Seal: keys, Audit: log, ServerName: "hs", Registerer: prometheus.NewRegistry()})
	rooms, err := room.New(room.Options{DB: d, Seal: keys, ServerName: "hs", Key: key, EncryptRooms: room.EncryptNever, Exists: accounts.Exists})
	w.ok(err)
	w.Promises = New(Options{DB: d, Accounts: accounts, Rooms: rooms, Mail: box, Key: key, PublicURL: "https://hs.example", Clock: clock})
	for _, u := range []id.UserID{alice, bob} {
		w.account(u)
	}
	return w
}

func (w *ward) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *ward) account(u id.UserID) {
	w.t.Helper()
	_, err := w.o.Accounts.Create(context.Background(), account.NewUser{User: u})
	w.ok(err)
}

func (w *ward) has(u id.UserID, address string) {
	w.t.Helper()
	w.ok(w.o.Accounts.AddAddress(context.Background(), u, "", account.NewAddress{Address: mail.Address(address), Validated: 1}))
}

func (w *ward) room(version id.RoomVersion) id.RoomID {
	w.t.Helper()
	made, err := w.o.Rooms.Create(context.Background(), alice, room.Creation{Preset: "private_chat", Version: version, Invite: []id.UserID{bob}})
	w.ok(err)
	w.ok(w.o.Rooms.Join(context.Background(), bob, made, ""))
	return made
}

func (w *ward) invite(by id.UserID, r id.RoomID, address string) error {
	return w.Invite(context.Background(), by, r, address, "", "en")
}

// member is somebody's member event.
func (w *ward) member(r id.RoomID, u id.UserID) *room.Event {
	w.t.Helper()
	in, err := w.o.Rooms.Get(context.Background(), r)
	w.ok(err)
	return in.State("m.room.member", string(u))
}

func (w *ward) waiting() (n int) {
	w.t.Helper()
	w.ok(w.db.QueryRow(context.Background(), `select count(*) from promise`).Scan(&n))
	return n
}

func TestPromises(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWard(t, d)
		rooms := []id.RoomID{w.room("3"), w.room("11"), w.room("12")}
		for _, r := range rooms {
			w.ok(w.invite(alice, r, " Carol@Home.Example"))
			l := w.letters.Next()
			if l.To != carols || !strings.Contains(l.Text, "@alice:hs invites you") || !strings.Contains(l.Text, "https://hs.example/") || strings.Contains(l.Text, string(r)) {
				t.Errorf("%+v", l)
			}
		}
		w.ok(w.invite(alice, rooms[0], carols))
		if w.waiting() != len(rooms) || !w.letters.None() {
			t.Error("a promise was made twice")
		}
		in, err := w.o.Rooms.Get(t.Context(), rooms[0])
		w.ok(err)
		var promise *room.Event
		for e := range in.StateMap().All {
			if e.Type == typePromise {
				promise = e
			}
		}
		if promise == nil || strings.Contains(string(promise.Content), "carol") || promise.Get("display_name").Str != "c…@h…" || !w.Good(promise.Get("public_key").Str) ||
			promise.Get("key_validity_url").Str != "https://hs.example"+KeyPath {
			t.Fatalf("%+v", promise)
		}
		w.ok(w.Keep(t.Context()))
		w.account(carol)
		w.has(carol, carols)
		w.ok(w.Keep(t.Context()))
		for _, r := range rooms {
			m := w.member(r, carol)
			if m.Membership() != room.Invite || m.Sender != alice || m.Get("third_party_invite.signed.mxid").Str != string(carol) {
				t.Errorf("%s", m.Content)
			}
			w.ok(w.o.Rooms.Join(t.Context(), carol, r, ""))
		}
		if w.waiting() != 0 {
			t.Error("promises that were kept wait")
		}
		// Whose address is known is invited at once, without a letter.
		r := w.room("12")
		w.ok(w.invite(alice, r, carols))
		if w.member(r, carol).Membership() != room.Invite || w.waiting() != 0 || !w.letters.None() {
			t.Error("somebody known was promised something")
		}
	})
}

func TestPromisesThatAreNotKept(t *testing.T) {
	w := newWard(t, dbtest.SQLite(t))
	w.account(dora)
	for name, spoil := range map[string]func(r id.RoomID){
		"taken back": func(r id.RoomID) {
			var token string
			w.ok(w.db.QueryRow(t.Context(), `select token from promise where room_id = $1`, string(r)).Scan(&token))
			_, err := w.o.Rooms.Send(t.Context(), r, room.Draft{Type: typePromise, StateKey: &token, Sender: alice, Content: []byte("{}")})
			w.ok(err)
		},
		"no power": func(r id.RoomID) {
			levels, key := `{"invite":50,"users":{"`+string(alice)+`":0}}`, ""
			_, err := w.o.Rooms.Send(t.Context(), r, room.Draft{Type: "m.room.power_levels", StateKey: &key, Sender: alice, Content: []byte(levels)})
			w.ok(err)
		},
		"banned":          func(r id.RoomID) { w.ok(w.o.Rooms.Ban(t.Context(), alice, r, dora, "")) },
		"the sender left": func(r id.RoomID) { w.ok(w.o.Rooms.Leave(t.Context(), alice, r, "")) },
	} {
		r := w.room("11")
		address := strings.ReplaceAll(name, " ", "-") + "@home.example"
		w.ok(w.invite(alice, r, address))
		w.letters.Next()
		spoil(r)
		w.has(dora, address)
		w.ok(w.Keep(t.Context()))
		if m := w.member(r, dora).Membership(); m == room.Invite || w.waiting() != 0 {
			t.Errorf("%s: %s, %d wait", name, m, w.waiting())
		}
	}
}

// A promise that was taken back is made anew, with a letter.
func TestPromiseMadeAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWard(t, d)
		r := w.room("11")
		w.ok(w.invite(alice, r, carols))
		w.letters.Next()
		var token string
		w.ok(w.db.QueryRow(t.Context(), `select token from promise`).Scan(&token))
		_, err := w.o.Rooms.Send(t.Context(), r, room.Draft{Type: typePromise, StateKey: &token, Sender: alice, Content: []byte("{}")})
		w.ok(err)
		w.ok(w.invite(alice, r, carols))
		w.letters.Next()
		w.account(carol)
		w.has(carol, carols)
		w.ok(w.Keep(t.Context()))
		if m := w.member(r, carol).Membership(); m != room.Invite || w.waiting() != 0 {
			t.Errorf("%s, %d wait", m, w.waiting())
		}
	})
}

// What a lock of the sender's account stands in the way of is made when that is over.
func TestPromiseOfSomebodyLocked(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWard(t, d)
		r := w.room("11")
		w.ok(w.invite(alice, r, carols))
		w.letters.Next()
		w.account(carol)
		w.has(carol, carols)
		for _, state := range []account.State{account.Locked, account.Active} {
			w.ok(w.o.Accounts.SetState(t.Context(), alice, bob, state))
			w.ok(w.Keep(t.Context()))
			if made := w.member(r, carol).Membership() == room.Invite; made != (state == account.Active) || made != (w.waiting() == 0) {
				t.Errorf("state %d: %t, %d wait", state, made, w.waiting())
			}
		}
	})
}

// What may not be is refused before a letter is written, and old promises are forgotten.
func TestPromisesThatAreNotMade(t *testing.T) {
	w := newWard(t, dbtest.SQLite(t))
	r := w.room("11")
	levels, err := json.Marshal(map[string]any{"invite": 50, "users": map[string]int{string(alice): 100}})
	w.ok(err)
	key := ""
	_, err = w.o.Rooms.Send(t.Context(), r, room.Draft{Type: "m.room.power_levels", StateKey: &key, Sender: alice, Content: levels})
	w.ok(err)
	for name, c := range map[string]struct {
		by      id.UserID
		address string
		kind    fault.Kind
	}{
		"no power":    {bob, carols, fault.Forbidden},
		"not there":   {dora, carols, fault.Forbidden},
		"no address":  {alice, "carol", fault.InvalidParam},
		"two headers": {alice, carols + "\r\nBcc: x@y.example", fault.InvalidParam},
	} {
		if err := w.invite(c.by, r, c.address); !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if w.waiting() != 0 || !w.letters.None() {
		t.Error("a letter was written")
	}
	w.ok(w.invite(alice, r, carols))
	w.letters.Next()
	w.time = w.time.Add(lasts)
	w.ok(w.Keep(t.Context()))
	if w.waiting() != 0 {
		t.Error("an old promise waits")
	}
}
