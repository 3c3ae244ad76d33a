package account

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
)

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
