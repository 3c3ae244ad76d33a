package account

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/seal"
)

const alice, bob = id.UserID("@alice:hs"), id.UserID("@bob:hs")

// bench is accounts with what they told the rest of a server.
type bench struct {
	*Accounts
	t    *testing.T
	ctx  context.Context
	opts Options

	mu      sync.Mutex
	now     time.Time
	changes []Change
	removed []id.DeviceID
	renamed []id.UserID
	revoked []id.DeviceID
	left    []string
	failing error
}

func newBench(t *testing.T, d *db.DB) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{t: t, ctx: t.Context(), now: time.UnixMilli(1_700_000_000_000)}
	keys, err := seal.Open(b.ctx, seal.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	log, err := audit.Open(b.ctx, audit.Options{DB: d, Keys: keys, Name: "hs", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	b.opts = Options{
		DB: d, Seal: keys, Audit: log, ServerName: "hs", Registerer: prometheus.NewRegistry(), Clock: b.clock,
		Changed: func(tx *db.Tx, c Change) {
			tx.After(func() { b.lock(func() { b.changes = append(b.changes, c) }) })
		},
		ProfileChanged: func(_ context.Context, u id.UserID) { b.lock(func() { b.renamed = append(b.renamed, u) }) },
		DeviceRemoved: func(tx *db.Tx, _ id.UserID, device id.DeviceID) {
			tx.After(func() { b.lock(func() { b.removed = append(b.removed, device) }) })
		},
		Deactivated: func(_ context.Context, u id.UserID, erase bool) error {
			b.lock(func() { b.left = append(b.left, fmt.Sprint(u, erase)) })
			return b.failing
		},
		Revoked: func(_ id.UserID, device id.DeviceID) { b.lock(func() { b.revoked = append(b.revoked, device) }) },
	}
	b.Accounts = New(b.opts)
	return b
}

func (b *bench) lock(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) pass(d time.Duration) { b.lock(func() { b.now = b.now.Add(d) }) }

// other is another process on the same database.
func (b *bench) other() *Accounts {
	o := b.opts
	o.Registerer = prometheus.NewRegistry()
	return New(o)
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) wantFault(err error, k fault.Kind) {
	b.t.Helper()
	if !fault.Is(err, k) {
		b.t.Errorf("got %v, want %s", err, k)
	}
}

// user makes an account with a device.
func (b *bench) user(u id.UserID, device id.DeviceID) Session {
	b.t.Helper()
	s, err := b.Create(b.ctx, NewUser{User: u, Password: "hash", SignIn: &SignIn{Device: device, DeviceName: "Phone", Addr: "1.2.3.4", Agent: "test"}})
	b.must(err)
	return s
}

func (b *bench) signIn(u id.UserID, device id.DeviceID, refresh bool) Session {
	b.t.Helper()
	s, err := b.SignIn(b.ctx, SignIn{User: u, Device: device, Refresh: refresh})
	b.must(err)
	return s
}

func (b *bench) works(token string) access.Who {
	b.t.Helper()
	who, err := b.Authenticate(b.ctx, token)
	b.must(err)
	return who
}

func (b *bench) dead(token string) {
	b.t.Helper()
	_, err := b.Authenticate(b.ctx, token)
	b.wantFault(err, fault.UnknownToken)
}

func each(t *testing.T, f func(b *bench)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { f(newBench(t, d)) })
}

func TestLocalparts(t *testing.T) {
	a := &Accounts{o: Options{ServerName: "hs"}}
	for name, want := range map[string]string{
		"anna": "anna", "Anna.B": "anna.b", "a-b_c=d/e+f": "a-b_c=d/e+f", "": "", "_anna": "", "an na": "", "änna": "", "a:b": "", "@anna": "",
		strings.Repeat("x", 260): "",
	} {
		got, err := a.CheckLocalpart(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q becomes %q, %v", name, got, err)
		}
	}
	if a.Local("@a:other") || a.Local("hs") || a.Local("") || !a.Local("@a:hs") {
		t.Error("Local")
	}
}

func TestCreate(t *testing.T) {
	each(t, func(b *bench) {
		s := b.user(alice, "PHONE")
		if s.User != alice || s.Device != "PHONE" || !strings.HasPrefix(s.AccessToken, "mya_") || s.RefreshToken != "" || s.ExpiresIn != 0 {
			b.t.Errorf("session %+v", s)
		}
		if who := b.works(s.AccessToken); who.User != alice || who.Device != "PHONE" || who.Admin || who.Guest || who.Token == 0 {
			b.t.Errorf("%+v", who)
		}
		_, err := b.Create(b.ctx, NewUser{User: alice})
		b.wantFault(err, fault.UserInUse)
		none, err := b.Create(b.ctx, NewUser{User: bob, Admin: true, DisplayName: "Bob", Password: "h"})
		b.must(err)
		if none.AccessToken != "" || none.User != bob {
			b.t.Errorf("%+v", none)
		}
		u, err := b.User(b.ctx, bob)
		b.must(err)
		if !u.Admin || u.Guest || u.Password != "h" || u.Created != b.now.UnixMilli() || u.Gone() {
			b.t.Errorf("%+v", u)
		}
		p, err := b.Profile(b.ctx, bob)
		b.must(err)
		if p.DisplayName != "Bob" {
			b.t.Errorf("%+v", p)
		}
		for user, want := range map[id.UserID]bool{alice: true, "@carol:hs": false, "@alice:other": false} {
			got, err := b.Exists(b.ctx, user)
			b.must(err)
			taken, err := b.Taken(b.ctx, user)
			b.must(err)
			if got != want || taken != want {
				b.t.Errorf("%s exists: %v, taken: %v", user, got, taken)
			}
		}
	})
}

func TestAuthenticateRemembers(t *testing.T) {
	each(t, func(b *bench) {
		s := b.user(alice, "A")
		b.dead("mya_guess")
		b.dead("")
		first := b.works(s.AccessToken)
		if b.sessions.len() != 1 || b.works(s.AccessToken) != first {
			b.t.Error("the token is not remembered")
		}
		// The bound holds, and forgotten tokens are read again.
		b.sessions.max = 16
		var tokens []string
		for i := range 40 {
			tokens = append(tokens, b.signIn(alice, id.DeviceID(fmt.Sprint("D", i)), false).AccessToken)
			b.works(tokens[i])
			if b.sessions.len() > 16 {
				b.t.Fatalf("%d sessions in memory", b.sessions.len())
			}
		}
		for _, token := range tokens {
			b.works(token)
		}
		// What was read before a removal is not remembered.
		generation := b.sessions.generation.Load()
		b.sessions.drop("@nobody:hs", "")
		b.sessions.put(&session{who: access.Who{User: "@late:hs"}}, generation)
		if b.sessions.byUser["@late:hs"] != nil {
			b.t.Error("a session that may have ended is remembered")
		}
	})
}

func TestSignInAgain(t *testing.T) {
	each(t, func(b *bench) {
		first := b.user(alice, "A")
		b.works(first.AccessToken)
		second := b.signIn(alice, "A", false)
		b.dead(first.AccessToken)
		b.works(second.AccessToken)
		made := b.signIn(alice, "", false)
		if len(made.Device) != 10 {
			b.t.Errorf("made device id %q", made.Device)
		}
		devices, err := b.Devices(b.ctx, alice)
		b.must(err)
		if len(devices) != 2 || devices[0].Name != "Phone" || devices[0].SeenAddr != "1.2.3.4" || devices[0].Agent != "test" || devices[1].Name != "" {
			b.t.Errorf("%+v", devices)
		}
		ids, err := b.DeviceIDs(b.ctx, alice)
		b.must(err)
		if len(ids) != 2 || len(b.changes) != 2 {
			b.t.Errorf("devices %v, changes %v", ids, b.changes)
		}
		_, err = b.SignIn(b.ctx, SignIn{User: "@carol:hs"})
		b.wantFault(err, fault.NotFound)
		for _, bad := range []id.DeviceID{id.DeviceID(strings.Repeat("x", 300)), "a\x00"} {
			_, err = b.SignIn(b.ctx, SignIn{User: alice, Device: bad})
			b.wantFault(err, fault.InvalidParam)
		}
	})
}

func TestRefresh(t *testing.T) {
	each(t, func(b *bench) {
		b.user(alice, "A")
		first := b.signIn(alice, "B", true)
		if first.RefreshToken == "" || first.ExpiresIn != time.Hour.Milliseconds() {
			b.t.Fatalf("%+v", first)
		}
		b.works(first.AccessToken)
		b.pass(time.Hour)
		_, err := b.Authenticate(b.ctx, first.AccessToken)
		b.wantFault(err, fault.UnknownToken)
		if f, _ := fault.As(err); f.Fields["soft_logout"] != true {
			b.t.Errorf("an expired token that can be refreshed: %+v", f)
		}
		// Refreshed twice, as after a lost answer: the pair that is used first ends the other and the parent.
		lost, err := b.Refresh(b.ctx, first.RefreshToken)
		b.must(err)
		second, err := b.Refresh(b.ctx, first.RefreshToken)
		b.must(err)
		if who := b.works(second.AccessToken); who.Device != "B" {
			b.t.Errorf("%+v", who)
		}
		b.works(second.AccessToken)
		b.dead(lost.AccessToken)
		_, err = b.Refresh(b.ctx, first.RefreshToken)
		b.wantFault(err, fault.UnknownToken)
		_, err = b.Refresh(b.ctx, lost.RefreshToken)
		b.wantFault(err, fault.UnknownToken)
		// Use of the new refresh token ends its parent as well.
		third, err := b.Refresh(b.ctx, second.RefreshToken)
		b.must(err)
		fourth, err := b.Refresh(b.ctx, third.RefreshToken)
		b.must(err)
		b.dead(second.AccessToken)
		b.works(third.AccessToken)
		b.works(fourth.AccessToken)
		b.dead(third.AccessToken)
		_, err = b.Refresh(b.ctx, "myr_guess")
		b.wantFault(err, fault.UnknownToken)
		b.must(b.SetState(b.ctx, alice, bob, Locked))
		_, err = b.Refresh(b.ctx, fourth.RefreshToken)
		b.wantFault(err, fault.UserLocked)
	})
}

func TestSignOut(t *testing.T) {
	each(t, func(b *bench) {
		one, two, three := b.user(alice, "A"), b.signIn(alice, "B", false), b.signIn(alice, "C", true)
		other := b.user(bob, "A")
		b.changes = nil
		b.must(b.SignOut(b.ctx, b.works(one.AccessToken)))
		b.dead(one.AccessToken)
		b.works(two.AccessToken)
		if !slices.Equal(b.removed, []id.DeviceID{"A"}) || !slices.Equal(b.changes, []Change{{Kind: DeviceList, User: alice, Key: "A"}}) || !slices.Contains(b.revoked, "A") {
			b.t.Errorf("removed %v, changes %v, revoked %v", b.removed, b.changes, b.revoked)
		}
		b.must(b.SignOutAll(b.ctx, b.works(two.AccessToken)))
		b.dead(two.AccessToken)
		b.dead(three.AccessToken)
		_, err := b.Refresh(b.ctx, three.RefreshToken)
		b.wantFault(err, fault.UnknownToken)
		b.works(other.AccessToken)
		if list, err := b.Devices(b.ctx, alice); err != nil || len(list) != 0 {
			b.t.Errorf("devices left: %v, %v", list, err)
		}
	})
}

func TestDevices(t *testing.T) {
	each(t, func(b *bench) {
		b.user(alice, "A")
		s := b.signIn(alice, "B", false)
		b.must(b.RenameDevice(b.ctx, alice, "B", "Laptop"))
		d, err := b.Device(b.ctx, alice, "B")
		b.must(err)
		if d.Name != "Laptop" || d.ID != "B" || d.User != alice {
			b.t.Errorf("%+v", d)
		}
		_, err = b.Device(b.ctx, alice, "X")
		b.wantFault(err, fault.NotFound)
		b.wantFault(b.RenameDevice(b.ctx, alice, "X", "n"), fault.NotFound)
		b.wantFault(b.RenameDevice(b.ctx, alice, "B", strings.Repeat("n", 300)), fault.InvalidParam)
		b.must(b.RemoveDevices(b.ctx, alice, "A", []id.DeviceID{"B", "X"}))
		b.dead(s.AccessToken)
		if ids, err := b.DeviceIDs(b.ctx, alice); err != nil || !slices.Equal(ids, []id.DeviceID{"A"}) || !slices.Equal(b.removed, []id.DeviceID{"B"}) {
			b.t.Errorf("left %v, told %v, %v", ids, b.removed, err)
		}
	})
}

// Devices that another package adds and drops inside its own write.
func TestAddedDevice(t *testing.T) {
	each(t, func(b *bench) {
		b.user(alice, "A")
		within := func(f func(tx *db.Tx) error) error { return b.db.Write(b.ctx, "test", nil, f) }
		add := func(device id.DeviceID, name string) error {
			return within(func(tx *db.Tx) error { return b.AddDevice(tx, alice, device, name) })
		}
		drop := func(device id.DeviceID) error {
			return within(func(tx *db.Tx) error { return b.DropDevice(tx, alice, device) })
		}
		b.must(add("DRY", "Inbox"))
		b.must(add("BARE", ""))
		b.wantFault(add("", "x"), fault.InvalidParam)
		if d, err := b.Device(b.ctx, alice, "DRY"); err != nil || d.Name != "Inbox" || d.Seen != 0 {
			b.t.Errorf("%+v %v", d, err)
		}
		b.must(drop("DRY"))
		b.must(drop("A"))
		if ids, err := b.DeviceIDs(b.ctx, alice); err != nil || !slices.Equal(ids, []id.DeviceID{"A", "BARE"}) {
			b.t.Errorf("devices %v, %v", ids, err)
		}
	})
}

func TestSeen(t *testing.T) {
	each(t, func(b *bench) {
		s := b.user(alice, "A")
		who := b.works(s.AccessToken)
		b.pass(10 * time.Minute)
		b.Seen(who, "9.9.9.9", strings.Repeat("ä", 200))
		b.Seen(access.Who{User: alice}, "8.8.8.8", "")
		b.pass(time.Minute)
		b.Seen(who, "7.7.7.7", "soon after")
		b.Start(b.ctx)
		b.must(b.Close(b.ctx))
		d, err := b.Device(b.ctx, alice, "A")
		b.must(err)
		if d.SeenAddr != "9.9.9.9" || len(d.Agent) != 200 || d.Seen != d.Created+10*time.Minute.Milliseconds() {
			b.t.Errorf("%+v", d)
		}
		b.must(b.FlushSeen(b.ctx))
		for i := range 150 {
			b.Seen(access.Who{User: alice, Device: id.DeviceID(fmt.Sprint(i))}, "", "")
		}
		b.must(b.FlushSeen(b.ctx))
	})
}

func TestPassword(t *testing.T) {
	each(t, func(b *bench) {
		keep, lose := b.user(alice, "A"), b.signIn(alice, "B", false)
		b.must(b.SetPassword(b.ctx, alice, "new", "A", false))
		b.works(lose.AccessToken)
		b.must(b.SetPassword(b.ctx, alice, "newer", "A", true))
		b.works(keep.AccessToken)
		b.dead(lose.AccessToken)
		if u, err := b.User(b.ctx, alice); err != nil || u.Password != "newer" {
			b.t.Errorf("%+v %v", u, err)
		}
		b.wantFault(b.SetPassword(b.ctx, "@nobody:hs", "x", "", true), fault.NotFound)
	})
}

func TestLock(t *testing.T) {
	each(t, func(b *bench) {
		s := b.user(alice, "A")
		b.works(s.AccessToken)
		b.must(b.SetState(b.ctx, alice, bob, Locked))
		if !b.works(s.AccessToken).Locked {
			b.t.Error("not locked")
		}
		_, err := b.SignIn(b.ctx, SignIn{User: alice})
		b.wantFault(err, fault.UserLocked)
		b.must(b.SetState(b.ctx, alice, bob, Active))
		if b.works(s.AccessToken).Locked {
			b.t.Error("still locked")
		}
		b.wantFault(b.SetState(b.ctx, "@nobody:hs", bob, Locked), fault.NotFound)
		if b.SetState(b.ctx, alice, bob, Erased) == nil {
			b.t.Error("erased by locking")
		}
	})
}

func TestDeactivate(t *testing.T) {
	each(t, func(b *bench) {
		s := b.user(alice, "A")
		b.must(b.SetProfileField(b.ctx, alice, FieldDisplayName, json.RawMessage(`"Alice"`)))
		b.must(b.SetDatum(b.ctx, alice, Datum{Type: "x", Content: json.RawMessage(`{}`)}))
		b.failing = errors.New("a room is busy")
		if err := b.Deactivate(b.ctx, alice, "A", false); !errors.Is(err, b.failing) {
			b.t.Errorf("a failure to leave is not told: %v", err)
		}
		b.failing = nil
		b.must(b.Deactivate(b.ctx, alice, "A", false))
		b.dead(s.AccessToken)
		_, err := b.SignIn(b.ctx, SignIn{User: alice})
		b.wantFault(err, fault.UserDeactivated)
		u, err := b.User(b.ctx, alice)
		b.must(err)
		if !u.Gone() || u.Password != "" {
			b.t.Errorf("%+v", u)
		}
		if p, err := b.Profile(b.ctx, alice); err != nil || p.DisplayName != "" {
			b.t.Errorf("profile %+v, %v", p, err)
		}
		_, err = b.Datum(b.ctx, alice, "", "x")
		b.wantFault(err, fault.NotFound)
		_, err = b.Create(b.ctx, NewUser{User: alice})
		b.wantFault(err, fault.UserInUse)
		if ok, err := b.Exists(b.ctx, alice); ok || err != nil {
			b.t.Errorf("exists: %v %v", ok, err)
		}
		b.wantFault(b.SetProfileField(b.ctx, alice, FieldDisplayName, json.RawMessage(`"A"`)), fault.NotFound)
		b.wantFault(b.Deactivate(b.ctx, "@nobody:hs", "", false), fault.NotFound)

		b.user(bob, "B")
		sealed, err := b.sealed(b.ctx, bob, "x", []byte("what he wrote"))
		b.must(err)
		b.must(b.Deactivate(b.ctx, bob, "B", true))
		if _, err := b.opened(b.ctx, bob, "x", sealed); !errors.Is(err, seal.ErrErased) {
			b.t.Errorf("what the person sealed can still be read: %v", err)
		}
		if want := []string{"@alice:hsfalse", "@alice:hsfalse", "@bob:hstrue"}; !slices.Equal(b.left, want) {
			b.t.Errorf("told %v", b.left)
		}
		if found, _, err := b.Search(b.ctx, "@carol:hs", "bob", 10); err != nil || len(found) != 0 {
			b.t.Errorf("found %v, %v", found, err)
		}
	})
}

func TestProfile(t *testing.T) {
	each(t, func(b *bench) {
		b.user(alice, "A")
		set := func(key, value string) error { return b.SetProfileField(b.ctx, alice, key, json.RawMessage(value)) }
		b.must(set(FieldDisplayName, `"Dr. Ä <b>"`))
		b.must(set(FieldAvatarURL, `"mxc://hs/abc"`))
		b.must(set("m.tz", `"Europe/Berlin"`))
		b.must(set("org.example.role", `{"a":[1,null]}`))
		b.must(set("org.example.role", `{"a":[2]}`))
		if !slices.Equal(b.renamed, []id.UserID{alice, alice}) {
			b.t.Errorf("told of %v; only names and avatars go into rooms", b.renamed)
		}
		p, err := b.Profile(b.ctx, alice)
		b.must(err)
		raw, err := p.JSON()
		b.must(err)
		var got map[string]any
		b.must(json.Unmarshal(raw, &got))
		if p.DisplayName != "Dr. Ä <b>" || got["displayname"] != p.DisplayName || got["avatar_url"] != "mxc://hs/abc" || len(got) != 4 {
			b.t.Errorf("%s", raw)
		}
		for key, want := range map[string]string{FieldDisplayName: "", FieldAvatarURL: `"mxc://hs/abc"`, "m.tz": `"Europe/Berlin"`, "org.example.role": `{"a":[2]}`} {
			if v, ok := p.Field(key); !ok || want != "" && string(v) != want {
				b.t.Errorf("%s is %s", key, v)
			}
		}
		if _, ok := p.Field("org.example.none"); ok {
			b.t.Error("a field out of nothing")
		}
		b.must(b.SetProfileField(b.ctx, alice, "org.example.role", nil))
		b.must(b.SetProfileField(b.ctx, alice, FieldDisplayName, nil))
		b.must(set(FieldAvatarURL, `null`))
		p, err = b.Profile(b.ctx, alice)
		b.must(err)
		if p.DisplayName != "" || p.AvatarURL != "" || len(p.Fields) != 1 {
			b.t.Errorf("%+v", p)
		}
		if _, ok := p.Field(FieldDisplayName); ok {
			b.t.Error("a name out of nothing")
		}
		for _, c := range []struct {
			key, value string
			kind       fault.Kind
		}{
			{FieldDisplayName, `1`, fault.BadJSON},
			{FieldDisplayName, `"` + strings.Repeat("x", 300) + `"`, fault.InvalidParam},
			{FieldAvatarURL, `{}`, fault.BadJSON},
			{FieldAvatarURL, `"mxc://` + strings.Repeat("x", 3000) + `"`, fault.InvalidParam},
			{"m.tz", `1`, fault.InvalidParam},
			{"role", `1`, fault.InvalidParam},
			{"org.example." + strings.Repeat("x", 255), `1`, fault.KeyTooLarge},
			{"org.example.x", `"` + strings.Repeat("x", 70<<10) + `"`, fault.ProfileTooLarge},
		} {
			b.wantFault(set(c.key, c.value), c.kind)
		}
		big := `"` + strings.Repeat("x", 40<<10) + `"`
		b.must(set("org.example.one", big))
		b.wantFault(set("org.example.two", big), fault.ProfileTooLarge)
		_, err = b.Profile(b.ctx, "@nobody:hs")
		b.wantFault(err, fault.NotFound)
		b.wantFault(b.SetProfileField(b.ctx, "@nobody:hs", "m.tz", json.RawMessage(`"x"`)), fault.NotFound)
	})
}

func TestAccountData(t *testing.T) {
	each(t, func(b *bench) {
		b.user(alice, "A")
		b.changes = nil
		put := func(room id.RoomID, typ, content string) {
			b.must(b.SetDatum(b.ctx, alice, Datum{room, typ, json.RawMessage(content)}))
		}
		put("", "a", `{"v":1}`)
		put("", "a", `{"v":2}`)
		put("!r:hs", "a", `{"v":3}`)
		all, err := b.Data(b.ctx, alice, nil)
		b.must(err)
		if len(all) != 2 || string(all[0].Content) != `{"v":2}` || all[1].Room != "!r:hs" || string(all[1].Content) != `{"v":3}` {
			b.t.Errorf("%s", all)
		}
		some, err := b.Data(b.ctx, alice, []Datum{{Room: "!r:hs", Type: "a"}, {Type: "none"}})
		b.must(err)
		if len(some) != 1 || string(some[0].Content) != `{"v":3}` {
			b.t.Errorf("%s", some)
		}
		if none, err := b.Data(b.ctx, alice, []Datum{}); err != nil || len(none) != 0 {
			b.t.Errorf("%s %v", none, err)
		}
		want := []Change{{AccountData, alice, "", "a"}, {AccountData, alice, "", "a"}, {AccountData, alice, "!r:hs", "a"}}
		if !slices.Equal(b.changes, want) {
			b.t.Errorf("told %v", b.changes)
		}
		_, err = b.Datum(b.ctx, bob, "", "a")
		b.wantFault(err, fault.NotFound)
		b.wantFault(b.SetDatum(b.ctx, alice, Datum{}), fault.InvalidParam)
		var content []byte
		b.must(b.db.QueryRow(b.ctx, `select content from account_data where type = 'a' and room_id = ''`).Scan(&content))
		if bytes.Contains(content, []byte("v")) && bytes.Contains(content, []byte(`{"`)) {
			b.t.Error("account data lies in the clear")
		}
	})
}

func TestTags(t *testing.T) {
	each(t, func(b *bench) {
		b.user(alice, "A")
		const room = id.RoomID("!r:hs")
		if tags, err := b.Tags(b.ctx, alice, room); err != nil || tags == nil || len(tags) != 0 {
			b.t.Errorf("%v %v", tags, err)
		}
		var wait sync.WaitGroup
		for i := range 10 {
			wait.Go(func() {
				if err := b.SetTag(b.ctx, alice, room, fmt.Sprint("u.", i), json.RawMessage(`{"order":0.5}`)); err != nil {
					b.t.Error(err)
				}
			})
		}
		wait.Wait()
		b.must(b.SetTag(b.ctx, alice, room, "u.3", nil))
		tags, err := b.Tags(b.ctx, alice, room)
		b.must(err)
		if len(tags) != 9 || string(tags["u.4"]) != `{"order":0.5}` {
			b.t.Errorf("%s", tags)
		}
		b.wantFault(b.SetTag(b.ctx, alice, room, "", nil), fault.InvalidParam)
		for i := range maxTags - 9 {
			b.must(b.SetTag(b.ctx, alice, room, fmt.Sprint("more", i), json.RawMessage(`{}`)))
		}
		b.wantFault(b.SetTag(b.ctx, alice, room, "one too many", json.RawMessage(`{}`)), fault.InvalidParam)
		b.must(b.SetDatum(b.ctx, alice, Datum{room, "m.tag", json.RawMessage(`{"tags":7}`)}))
		if tags, err := b.Tags(b.ctx, alice, room); err != nil || len(tags) != 0 {
			b.t.Errorf("%v %v", tags, err)
		}
	})
}

func TestIgnored(t *testing.T) {
	each(t, func(b *bench) {
		b.user(alice, "A")
		want := func(users ...id.UserID) {
			b.t.Helper()
			for range 2 { // from the database, then from memory
				got, err := b.Ignored(b.ctx, alice)
				b.must(err)
				if len(got) != len(users) || len(users) > 0 && !got[users[0]] {
					b.t.Errorf("ignores %v, want %v", got, users)
				}
			}
		}
		want()
		for content, users := range map[string][]id.UserID{`{"ignored_users":{"@bob:hs":{}}}`: {bob}, `{"ignored_users":7}`: {}, `{}`: {}} {
			b.must(b.SetDatum(b.ctx, alice, Datum{Type: "m.ignored_user_list", Content: json.RawMessage(content)}))
			want(users...)
		}
	})
}

func TestFilters(t *testing.T) {
	each(t, func(b *bench) {
		b.user(alice, "A")
		const filter = `{"room":{"timeline":{"limit":10,"types":["m.room.*"],"senders":["@a:b"]},"rooms":["!r:hs"]},"event_format":"client"}`
		one, err := b.AddFilter(b.ctx, alice, json.RawMessage(filter))
		b.must(err)
		two, err := b.AddFilter(b.ctx, alice, json.RawMessage(filter))
		b.must(err)
		if one != two || one == "" || one[0] == '{' {
			b.t.Errorf("ids %q, %q", one, two)
		}
		got, err := b.Filter(b.ctx, alice, one)
		b.must(err)
		if string(got) != filter {
			b.t.Errorf("%s", got)
		}
		_, err = b.Filter(b.ctx, bob, one)
		b.wantFault(err, fault.NotFound)
		for _, bad := range []string{
			`{"presence":"x"}`, `{"room":{"timeline":"x"}}`, `{"room":{"state":"x"}}`, `{"room":{"ephemeral":"x"}}`, `{"room":{"account_data":"x"}}`,
			`{"room":{"timeline":{"rooms":"x"}}}`, `{"room":{"timeline":{"not_rooms":"x"}}}`, `{"room":{"timeline":{"senders":"x"}}}`,
			`{"room":{"timeline":{"not_senders":"x"}}}`, `{"room":{"timeline":{"types":"x"}}}`, `{"room":{"timeline":{"not_types":"x"}}}`,
			`{"room":{"timeline":{"types":[1]}}}`, `{"room":{"timeline":{"rooms":["not_a_room_id"]}}}`, `{"room":{"timeline":{"senders":["not_a_sender_id"]}}}`,
			`{"room":{"rooms":["x"]}}`, `{"event_format":"x"}`, `{"room":{"timeline":{"limit":"x"}}}`, `{"room":{"timeline":{"limit":-1}}}`, `{"presence":{"limit":1.5}}`,
			`{"x":"` + strings.Repeat("x", maxFilter) + `"}`,
		} {
			if _, err := b.AddFilter(b.ctx, alice, json.RawMessage(bad)); err == nil {
				b.t.Errorf("took %.100s", bad)
			} else if f, ok := fault.As(err); !ok || f.HTTPStatus() >= 500 {
				b.t.Errorf("%s: %v", bad, err)
			}
		}
	})
}

func TestSearch(t *testing.T) {
	each(t, func(b *bench) {
		for user, name := range map[id.UserID]string{
			"@jsmith:hs": "Dr. Jürgen Smith", "@anna-b:hs": "Anna Ødegård-Bjørk", "@anna2:hs": "Anna", "@ward7:hs": "", "@li:hs": "李 明", "@sz:hs": "Szöllősi Łukasz",
		} {
			_, err := b.Create(b.ctx, NewUser{User: user, DisplayName: name})
			b.must(err)
		}
		_, err := b.Create(b.ctx, NewUser{User: "@guest:hs", DisplayName: "Anna Guest", Guest: true})
		b.must(err)
		fresh := b.other()
		for term, want := range map[string]string{
			"jurgen": "@jsmith:hs", "SMITH jür": "@jsmith:hs", "smi": "@jsmith:hs", "mith": "", "anna": "@anna2:hs @anna-b:hs", "odegard": "@anna-b:hs", "bjork": "@anna-b:hs",
			"@anna": "@anna2:hs @anna-b:hs", "@anna-b:hs": "@anna-b:hs", "@anna-c": "", "ward": "@ward7:hs", "李": "@li:hs", "lukasz": "@sz:hs", "": "", " . ": "", "anna nobody": "", "anna b": "@anna-b:hs",
		} {
			found, limited, err := fresh.Search(b.ctx, alice, term, 10)
			b.must(err)
			var got []string
			for _, f := range found {
				got = append(got, string(f.User))
			}
			if strings.Join(got, " ") != want || limited {
				b.t.Errorf("%q finds %v, want %s", term, got, want)
			}
		}
		if found, limited, err := fresh.Search(b.ctx, alice, "hs", 2); err != nil || len(found) != 2 || !limited {
			b.t.Errorf("%v %v %v", found, limited, err)
		}
		fresh.o.Visible = func(context.Context, id.UserID) (map[id.UserID]bool, error) {
			return map[id.UserID]bool{"@anna2:hs": true}, nil
		}
		if found, _, err := fresh.Search(b.ctx, alice, "anna", 10); err != nil || len(found) != 1 {
			b.t.Errorf("%v %v", found, err)
		}
		fresh.o.Visible = func(context.Context, id.UserID) (map[id.UserID]bool, error) { return nil, errors.New("no") }
		if _, _, err := fresh.Search(b.ctx, alice, "anna", 10); err == nil {
			b.t.Error("an error is lost")
		}
		// Changes are found at once, also those that happen while the directory loads.
		b.must(b.SetProfileField(b.ctx, "@ward7:hs", FieldDisplayName, json.RawMessage(`"Intensive Care"`)))
		if found, _, err := b.Search(b.ctx, alice, "intensive", 10); err != nil || len(found) != 1 || found[0].DisplayName != "Intensive Care" {
			b.t.Errorf("%v %v", found, err)
		}
		late := b.other()
		late.directory.touched = map[id.UserID]bool{}
		late.directory.remove("@li:hs")
		touched := late.directory.touched
		b.must(late.directory.load(b.ctx, late))
		if !touched["@li:hs"] {
			b.t.Error("a change during loading is not noted")
		}
	})
}

// Two processes on one database: what one changes the other knows within a second.
func TestTwoProcesses(t *testing.T) {
	url := dbtest.PostgresURL(t)
	b := newBench(t, dbtest.Open(t, db.Options{URL: url}))
	s := b.user(alice, "A")
	b.user(bob, "B")
	b.opts.DB = dbtest.Open(t, db.Options{URL: url})
	other := b.other()
	ok := func(token string) bool {
		t.Helper()
		_, err := other.Authenticate(b.ctx, token)
		if err != nil && !fault.Is(err, fault.UnknownToken) {
			t.Fatal(err)
		}
		return err == nil
	}
	find := func(term string) int {
		t.Helper()
		found, _, err := other.Search(b.ctx, bob, term, 10)
		b.must(err)
		return len(found)
	}
	if !ok(s.AccessToken) || find("alice") != 1 {
		t.Fatal("the other process knows nothing")
	}
	if _, err := other.Ignored(b.ctx, alice); err != nil {
		t.Fatal(err)
	}
	b.must(b.SetProfileField(b.ctx, alice, FieldDisplayName, json.RawMessage(`"Zoe"`)))
	b.must(b.SetDatum(b.ctx, alice, Datum{Type: "m.ignored_user_list", Content: json.RawMessage(`{"ignored_users":{"@bob:hs":{}}}`)}))
	b.pass(time.Second)
	if find("zoe") != 1 {
		t.Error("a changed name is not found")
	}
	if got, err := other.Ignored(b.ctx, alice); err != nil || !got[bob] {
		t.Errorf("ignored %v %v", got, err)
	}
	b.must(b.SignOut(b.ctx, access.Who{User: alice, Device: "A"}))
	b.pass(time.Second)
	if ok(s.AccessToken) {
		t.Error("a signed out token works in the other process after a second")
	}
	s = b.signIn(alice, "A", false)
	ok(s.AccessToken)
	b.must(b.Deactivate(b.ctx, alice, "A", false))
	b.pass(2 * changesKept) // the other process slept longer than changes are kept
	if ok(s.AccessToken) || find("zoe") != 0 {
		t.Error("a process that slept knows what no longer is")
	}
	// Old changes are removed at times.
	for i := range 70 {
		b.signIn(bob, id.DeviceID(fmt.Sprint("D", i%2)), false)
		b.pass(10 * time.Minute)
	}
	var n int
	b.must(b.db.QueryRow(b.ctx, `select count(*) from account_changes`).Scan(&n))
	if n > 64 {
		t.Errorf("%d changes are kept", n)
	}
}

// Two processes that change one person's data at a time lose nothing.
func TestTwoProcessesOnePerson(t *testing.T) {
	url := dbtest.PostgresURL(t)
	b := newBench(t, dbtest.Open(t, db.Options{URL: url}))
	b.user(alice, "A")
	b.opts.DB = dbtest.Open(t, db.Options{URL: url})
	other := b.other()
	var wait sync.WaitGroup
	for i := range 20 {
		a := b.Accounts
		if i%2 == 0 {
			a = other
		}
		wait.Go(func() {
			if err := a.SetTag(b.ctx, alice, "!r:hs", fmt.Sprint(i), json.RawMessage(`{}`)); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if tags, err := b.Tags(b.ctx, alice, "!r:hs"); err != nil || len(tags) != 20 {
		t.Errorf("%d tags, %v", len(tags), err)
	}
}

func TestDirectoryHoldsAPersonOnce(t *testing.T) {
	p := newPerson("@a.b:hs", Profile{DisplayName: "É é"})
	if p.words != " e e a b hs" || p.rank("e", []string{" e"}) != 1 || p.rank("x", []string{" x"}) != -1 {
		t.Errorf("%+v", p)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	a := &Accounts{o: Options{ServerName: "hs"}, clock: time.Now, db: dbtest.SQLite(b)}
	a.sessions.init(10)
	token, hash := newToken(accessPrefix)
	a.sessions.put(&session{hash: hash, who: access.Who{User: alice}}, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}
