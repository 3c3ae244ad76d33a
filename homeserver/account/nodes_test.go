package account

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
)

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
	b.must(b.SetProfileField(b.ctx, alice, alice, FieldDisplayName, json.RawMessage(`"Zoe"`)))
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
