package account

import (
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

func TestPassword(t *testing.T) {
	each(t, func(b *bench) {
		keep, lose := b.user(alice, "A"), b.signIn(alice, "B", false)
		b.must(b.SetPassword(b.ctx, alice, "new", "A", false, nil))
		b.works(lose.AccessToken)
		b.must(b.SetPassword(b.ctx, alice, "newer", "A", true, nil))
		b.works(keep.AccessToken)
		b.dead(lose.AccessToken)
		if u, err := b.User(b.ctx, alice); err != nil || u.Password != "newer" {
			b.t.Errorf("%+v %v", u, err)
		}
		b.wantFault(b.SetPassword(b.ctx, "@nobody:hs", "x", "", true, nil), fault.NotFound)
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
		b.must(b.SetProfileField(b.ctx, alice, alice, FieldDisplayName, json.RawMessage(`"Alice"`)))
		b.must(b.SetDatum(b.ctx, alice, Datum{Type: "x", Content: json.RawMessage(`{"a":1}`)}))
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
		b.wantFault(b.SetProfileField(b.ctx, alice, alice, FieldDisplayName, json.RawMessage(`"A"`)), fault.NotFound)
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
		b.must(b.SetProfileField(b.ctx, "@ward7:hs", "@ward7:hs", FieldDisplayName, json.RawMessage(`"Intensive Care"`)))
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

func TestDirectoryHoldsAPersonOnce(t *testing.T) {
	p := newPerson("@a.b:hs", Profile{DisplayName: "É é"})
	if p.words != " e e a b hs" || p.rank("e", []string{" e"}) != 1 || p.rank("x", []string{" x"}) != -1 {
		t.Errorf("%+v", p)
	}
}
