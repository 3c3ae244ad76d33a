package signin

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/seal"
)

const alice, bob = id.UserID("@alice:hs"), id.UserID("@bob:hs")

var here = Client{Addr: "1.2.3.4", Agent: "test"}

type bench struct {
	*Signin
	t     *testing.T
	ctx   context.Context
	now   time.Time
	audit *audit.Log
}

func newBench(t *testing.T, d *db.DB, o Options) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{t: t, ctx: t.Context(), now: time.UnixMilli(1_700_000_000_000)}
	keys, err := seal.Open(b.ctx, seal.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	if b.audit, err = audit.Open(b.ctx, audit.Options{DB: d, Keys: keys, Name: "hs", Dir: dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.audit.Close() })
	clock := func() time.Time { return b.now }
	o.Accounts = account.New(account.Options{DB: d, Seal: keys, Audit: b.audit, ServerName: "hs", Registerer: prometheus.NewRegistry(), Clock: clock})
	o.Seal, o.Audit, o.Registerer, o.Clock = keys, b.audit, prometheus.NewRegistry(), clock
	if o.Cost == (Cost{}) {
		o.Cost = Fast
	}
	b.Signin = New(o)
	return b
}

func each(t *testing.T, o Options, f func(b *bench)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { f(newBench(t, d, o)) })
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) wantFault(err error, k fault.Kind) *fault.Fault {
	b.t.Helper()
	f, ok := fault.As(err)
	if !ok || f.Kind != k {
		b.t.Errorf("got %v, want %q", err, k)
		return &fault.Fault{}
	}
	return f
}

func (b *bench) person(name, password string) id.UserID {
	b.t.Helper()
	u, err := b.CreateUser(b.ctx, name, password, "", false)
	b.must(err)
	return u
}

func login(name, password string) Login {
	return Login{Type: StagePassword, Identifier: &Identifier{Type: "m.id.user", User: name}, Password: password}
}

func TestLogin(t *testing.T) {
	each(t, Options{}, func(b *bench) {
		b.person("alice", "correct horse")
		for _, name := range []string{"alice", "ALICE", "@alice:hs", "@Alice:hs", "@alice"} {
			s, err := b.Login(b.ctx, login(name, "correct horse"), here)
			b.must(err)
			if s.User != alice || s.AccessToken == "" || s.Device == "" {
				b.t.Errorf("%+v", s)
			}
		}
		old := Login{Type: StagePassword, User: "alice", Password: "correct horse", DeviceID: "D", DeviceName: "Phone", Refresh: true}
		s, err := b.Login(b.ctx, old, here)
		b.must(err)
		if s.Device != "D" || s.RefreshToken == "" {
			b.t.Errorf("%+v", s)
		}
		for _, l := range []Login{login("alice", "wrong"), login("alice", ""), login("nobody", "x"), login("@alice:elsewhere", "correct horse"),
			login("alice", strings.Repeat("x", 2*maxPassword))} {
			_, err := b.Login(b.ctx, l, here)
			b.wantFault(err, fault.Forbidden)
		}
		for _, c := range []struct {
			l Login
			k fault.Kind
		}{
			{Login{}, fault.MissingParam},
			{Login{Type: "m.login.sso"}, fault.Unknown},
			{Login{Type: StageToken}, fault.MissingParam},
			{Login{Type: StagePassword}, fault.MissingParam},
			{Login{Type: StagePassword, Identifier: &Identifier{Type: "m.id.phone"}}, fault.Unknown},
		} {
			_, err := b.Login(b.ctx, c.l, here)
			if f := b.wantFault(err, c.k); f.HTTPStatus() != 400 {
				b.t.Errorf("%+v is answered with %d", c.l, f.HTTPStatus())
			}
		}
		b.must(b.accounts.SetState(b.ctx, alice, bob, account.Locked))
		_, err = b.Login(b.ctx, login("alice", "correct horse"), here)
		b.wantFault(err, fault.UserLocked)
		b.must(b.accounts.Deactivate(b.ctx, alice, "", false))
		_, err = b.Login(b.ctx, login("alice", "correct horse"), here)
		b.wantFault(err, fault.Forbidden)
	})
}

func TestFailuresAreLimited(t *testing.T) {
	b := newBench(t, dbtest.SQLite(t), Options{RateLimits: true})
	b.person("alice", "correct horse")
	b.person("bob", "correct horse")
	for range 10 {
		_, err := b.Login(b.ctx, login("alice", "guess"), here)
		b.wantFault(err, fault.Forbidden)
	}
	_, err := b.Login(b.ctx, login("alice", "correct horse"), here)
	if f := b.wantFault(err, fault.LimitExceeded); f.RetryAfter <= 0 {
		t.Errorf("%+v", f)
	}
	// The person gets in from another place, and another person from here.
	_, err = b.Login(b.ctx, login("alice", "correct horse"), Client{Addr: "5.6.7.8"})
	b.must(err)
	_, err = b.Login(b.ctx, login("bob", "correct horse"), here)
	b.must(err)
	b.now = b.now.Add(time.Minute)
	_, err = b.Login(b.ctx, login("alice", "correct horse"), here)
	b.must(err)
	// Guesses from many places are limited as well.
	for i := range 100 {
		_, err = b.Login(b.ctx, login("bob", "guess"), Client{Addr: "10.0.0." + string(rune('a'+i%26)) + string(rune('a'+i/26))})
	}
	b.wantFault(err, fault.LimitExceeded)
}

// Many guesses at once are no more guesses.
func TestFailuresAtOnceAreLimited(t *testing.T) {
	b := newBench(t, dbtest.SQLite(t), Options{RateLimits: true})
	b.person("alice", "correct horse")
	var looked atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := b.Login(b.ctx, login("alice", "guess"), here); fault.Is(err, fault.Forbidden) {
				looked.Add(1)
			}
		})
	}
	all.Wait()
	if n := looked.Load(); n != 10 {
		t.Errorf("%d guesses were looked at", n)
	}
	// Signing in often is no guessing.
	for range 30 {
		_, err := b.Login(b.ctx, login("alice", "correct horse"), Client{Addr: "5.6.7.8"})
		b.must(err)
	}
}

// confirm runs one step of user-interactive authentication.
func (b *bench) confirm(op Operation, auth map[string]any) *fault.Fault {
	b.t.Helper()
	var raw json.RawMessage
	if auth != nil {
		raw, _ = json.Marshal(auth)
	}
	err := b.Confirm(b.ctx, op, raw, here)
	if err == nil {
		return nil
	}
	f, ok := fault.As(err)
	if !ok {
		b.t.Fatal(err)
	}
	return f
}

func TestInteractive(t *testing.T) {
	each(t, Options{}, func(b *bench) {
		b.person("alice", "correct horse")
		b.person("bob", "battery staple")
		op := Operation{Name: "DELETE /devices/X", User: alice}
		first := b.confirm(op, nil)
		if first.HTTPStatus() != 401 || first.Kind != "" || first.Fields["session"] == "" || first.Fields["params"] == nil {
			b.t.Fatalf("%+v", first)
		}
		flows, _ := json.Marshal(first.Fields["flows"])
		if string(flows) != `[{"stages":["m.login.password"]}]` {
			b.t.Errorf("flows %s", flows)
		}
		session := first.Fields["session"]
		who := func(u id.UserID) map[string]any { return map[string]any{"type": "m.id.user", "user": u} }
		// Right, with and without a session, and without naming oneself.
		for _, auth := range []map[string]any{
			{"type": StagePassword, "session": session, "identifier": who(alice), "password": "correct horse"},
			{"type": StagePassword, "identifier": who(alice), "password": "correct horse"},
			{"type": StagePassword, "user": "alice", "password": "correct horse"},
			{"type": StagePassword, "password": "correct horse"},
		} {
			if f := b.confirm(op, auth); f != nil {
				b.t.Errorf("%v: %v", auth, f)
			}
		}
		// Wrong.
		later := b.confirm(Operation{Name: "other", User: alice}, nil).Fields["session"]
		his := b.confirm(Operation{Name: op.Name, User: bob}, nil).Fields["session"]
		for name, c := range map[string]struct {
			auth   map[string]any
			kind   fault.Kind
			status int
			again  bool
		}{
			"wrong password":          {map[string]any{"type": StagePassword, "session": session, "identifier": who(alice), "password": "guess"}, fault.Forbidden, 401, true},
			"somebody else":           {map[string]any{"type": StagePassword, "identifier": who(bob), "password": "battery staple"}, fault.Forbidden, 403, false},
			"stage not offered":       {map[string]any{"type": StageDummy}, fault.Unrecognized, 401, true},
			"made-up session":         {map[string]any{"type": StagePassword, "session": "xyz", "password": "correct horse"}, fault.Forbidden, 401, true},
			"forged session":          {map[string]any{"type": StagePassword, "session": "AAAAAAAA", "password": "correct horse"}, fault.Forbidden, 401, true},
			"other operation":         {map[string]any{"type": StagePassword, "session": later, "password": "correct horse"}, fault.Forbidden, 401, true},
			"other person's session":  {map[string]any{"type": StagePassword, "session": his, "password": "correct horse"}, fault.Forbidden, 401, true},
			"session and nothing":     {map[string]any{"session": session}, "", 401, true},
			"unknown identifier":      {map[string]any{"type": StagePassword, "identifier": map[string]any{"type": "m.id.thirdparty"}}, fault.Unknown, 400, false},
			"a number for a password": {map[string]any{"type": StagePassword, "password": 7}, fault.BadJSON, 400, false},
		} {
			f := b.confirm(op, c.auth)
			if f == nil || f.Kind != c.kind || f.HTTPStatus() != c.status || (f.Fields["session"] != nil) != c.again {
				b.t.Errorf("%s: %+v", name, f)
			}
		}
		b.now = b.now.Add(interactionLasts + time.Second)
		if f := b.confirm(op, map[string]any{"type": StagePassword, "session": session, "password": "correct horse"}); f == nil || f.Kind != fault.Forbidden {
			b.t.Errorf("an old session: %+v", f)
		}
	})
}

// Stages of a flow are done one after the other; the session remembers them.
func TestInteractiveInTwoStages(t *testing.T) {
	b := newBench(t, dbtest.SQLite(t), Options{})
	b.person("alice", "correct horse")
	op := Operation{Name: "x", User: alice, Flows: [][]string{{StageDummy, StagePassword}}}
	half := b.confirm(op, map[string]any{"type": StageDummy})
	if done, _ := json.Marshal(half.Fields["completed"]); string(done) != `["m.login.dummy"]` {
		t.Fatalf("completed %s", done)
	}
	wrong := b.confirm(op, map[string]any{"type": StagePassword, "session": half.Fields["session"], "password": "guess"})
	if f := b.confirm(op, map[string]any{"type": StagePassword, "session": wrong.Fields["session"], "password": "correct horse"}); f != nil {
		t.Errorf("%+v", f)
	}
	if f := b.confirm(op, map[string]any{"type": StagePassword, "password": "correct horse"}); f == nil {
		t.Error("one of two stages is enough")
	}
}

var dummy = json.RawMessage(`{"type":"m.login.dummy"}`)

func TestRegister(t *testing.T) {
	each(t, Options{Registration: Open}, func(b *bench) {
		register := func(n NewAccount) (account.Session, error) { return b.Register(b.ctx, "", n, here) }
		_, err := register(NewAccount{})
		if f := b.wantFault(err, ""); f.HTTPStatus() != 401 || f.Fields["flows"] == nil {
			b.t.Errorf("%+v", f)
		}
		s, err := register(NewAccount{Auth: dummy, Username: "Anna-X", Password: "sUp3rs3kr1t", DeviceID: "D", Refresh: true})
		b.must(err)
		if s.User != "@anna-x:hs" || s.Device != "D" || s.RefreshToken == "" {
			b.t.Errorf("%+v", s)
		}
		s, err = register(NewAccount{Auth: dummy, Password: "übers3kr1t"})
		b.must(err)
		if !b.accounts.Local(s.User) || s.AccessToken == "" {
			b.t.Errorf("%+v", s)
		}
		s, err = register(NewAccount{Auth: dummy, Username: "quiet", Password: "sUp3rs3kr1t", Inhibit: true})
		b.must(err)
		if s.AccessToken != "" || s.Device != "" || s.User != "@quiet:hs" {
			b.t.Errorf("%+v", s)
		}
		_, err = b.Login(b.ctx, login("quiet", "sUp3rs3kr1t"), here)
		b.must(err)
		for _, c := range []struct {
			n NewAccount
			k fault.Kind
		}{
			{NewAccount{Auth: dummy, Username: "quiet", Password: "sUp3rs3kr1t"}, fault.UserInUse},
			{NewAccount{Username: "quiet"}, fault.UserInUse},
			{NewAccount{Auth: dummy, Username: "a!b", Password: "sUp3rs3kr1t"}, fault.InvalidUsername},
			{NewAccount{Auth: dummy, Username: "short", Password: "x"}, fault.WeakPassword},
			{NewAccount{Auth: dummy, Username: "long", Password: strings.Repeat("x", 2000)}, fault.InvalidParam},
			{NewAccount{Auth: dummy, Username: "none"}, fault.MissingParam},
			{NewAccount{Type: "m.login.application_service", Username: "as"}, fault.Forbidden},
		} {
			_, err := register(c.n)
			b.wantFault(err, c.k)
		}
		_, err = b.Register(b.ctx, "guest", NewAccount{}, here)
		b.wantFault(err, fault.GuestForbidden)
		_, err = b.Register(b.ctx, "king", NewAccount{}, here)
		b.wantFault(err, fault.InvalidParam)
		b.must(b.Available(b.ctx, "free"))
		b.wantFault(b.Available(b.ctx, "quiet"), fault.UserInUse)
		b.wantFault(b.Available(b.ctx, "a,b"), fault.InvalidUsername)
		_, err = b.Nonce(b.ctx)
		b.wantFault(err, fault.Unrecognized)
		_, err = b.ToolRegister(b.ctx, ToolAccount{}, here)
		b.wantFault(err, fault.Unrecognized)
		_, err = b.CreateUser(b.ctx, "quiet", "x", "", false)
		b.wantFault(err, fault.UserInUse)
	})
}

func TestClosedRegistration(t *testing.T) {
	for _, mode := range []Registration{Closed, SharedSecret, ""} {
		b := newBench(t, dbtest.SQLite(t), Options{Registration: mode})
		_, err := b.Register(b.ctx, "user", NewAccount{Auth: dummy, Username: "x", Password: "sUp3rs3kr1t"}, here)
		b.wantFault(err, fault.Forbidden)
		b.wantFault(b.Available(b.ctx, "x"), fault.Forbidden)
	}
}

func TestToolRegister(t *testing.T) {
	each(t, Options{Secret: "between us"}, func(b *bench) {
		sign := func(t ToolAccount) ToolAccount {
			t.MAC = hex.EncodeToString(toolMAC("between us", t))
			return t
		}
		nonce, err := b.Nonce(b.ctx)
		b.must(err)
		s, err := b.ToolRegister(b.ctx, sign(ToolAccount{Nonce: nonce, Username: "Root", Password: "p", Admin: true, UserType: "bot", DisplayName: "The Root"}), here)
		b.must(err)
		u, err := b.accounts.User(b.ctx, "@root:hs")
		b.must(err)
		if s.AccessToken == "" || !u.Admin {
			b.t.Errorf("%+v %+v", s, u)
		}
		good := ToolAccount{Nonce: nonce, Username: "us", Password: "p"}
		forged := sign(good)
		forged.Admin = true
		for name, c := range map[string]struct {
			t ToolAccount
			k fault.Kind
		}{
			"symbols":     {sign(ToolAccount{Nonce: nonce, Username: "us,er", Password: "p"}), fault.InvalidUsername},
			"taken":       {sign(ToolAccount{Nonce: nonce, Username: "root", Password: "p"}), fault.UserInUse},
			"changed":     {forged, fault.Forbidden},
			"no hex":      {ToolAccount{Nonce: nonce, Username: "us", Password: "p", MAC: "x"}, fault.Forbidden},
			"incomplete":  {ToolAccount{Nonce: nonce, Username: "us", Password: "p"}, fault.MissingParam},
			"wrong nonce": {sign(ToolAccount{Nonce: "bm9uY2U", Username: "us", Password: "p"}), fault.Unknown},
			"no nonce":    {sign(ToolAccount{Nonce: "?", Username: "us", Password: "p"}), fault.Unknown},
			"zero byte":   {sign(ToolAccount{Nonce: nonce, Username: "us", Password: "p\x00admin"}), fault.InvalidParam},
		} {
			_, err := b.ToolRegister(b.ctx, c.t, here)
			if f, ok := fault.As(err); !ok || f.Kind != c.k {
				b.t.Errorf("%s: %v", name, err)
			}
		}
		b.now = b.now.Add(2 * nonceLasts)
		_, err = b.ToolRegister(b.ctx, sign(good), here)
		b.wantFault(err, fault.Unknown)
	})
}

func TestChangePassword(t *testing.T) {
	each(t, Options{}, func(b *bench) {
		b.person("alice", "correct horse")
		s, err := b.Login(b.ctx, login("alice", "correct horse"), here)
		b.must(err)
		b.must(b.ChangePassword(b.ctx, alice, s.Device, "battery staple", true, here))
		_, err = b.Login(b.ctx, login("alice", "correct horse"), here)
		b.wantFault(err, fault.Forbidden)
		_, err = b.Login(b.ctx, login("alice", "battery staple"), here)
		b.must(err)
		b.wantFault(b.ChangePassword(b.ctx, alice, "", "", true, here), fault.MissingParam)
		b.wantFault(b.ChangePassword(b.ctx, alice, "", "short", true, here), fault.WeakPassword)
	})
}

func TestPasswordHashes(t *testing.T) {
	h := newHasher(Cost{16, 1, 2})
	one, err := h.hash(t.Context(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	two, _ := h.hash(t.Context(), "secret")
	if one == two || !strings.HasPrefix(one, "$argon2id$v=19$m=16,t=1,p=2$") {
		t.Errorf("%s %s", one, two)
	}
	for password, want := range map[string]bool{"secret": true, "Secret": false, "": false} {
		if got, err := newHasher(Fast).verify(t.Context(), password, one); got != want || err != nil {
			t.Errorf("%q: %v %v", password, got, err)
		}
	}
	if ok, err := h.verify(t.Context(), "", ""); ok || err != nil {
		t.Errorf("no hash: %v %v", ok, err)
	}
	if _, err := h.verify(t.Context(), "x", "plain text"); !errors.Is(err, errPHC) {
		t.Errorf("%v", err)
	}
	// Nobody hashes when the caller went away while all slots are taken.
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.hash(gone, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := h.verify(gone, "x", one); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// The vector is of the reference implementation's command line (echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1).
func TestKnownHash(t *testing.T) {
	const known = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if ok, err := newHasher(Fast).verify(t.Context(), "password", known); !ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
}

func FuzzPHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=8,t=1,p=300$c29tZXNhbHQ$AAAA")
	f.Add("$argon2i$v=16$$$")
	f.Fuzz(func(t *testing.T, s string) {
		c, salt, hash, err := parsePHC(s)
		if err != nil {
			return
		}
		if c.Memory > maxMemory || c.Passes > maxPasses || c.Passes == 0 || c.Threads == 0 || len(salt) > 64 || len(hash) > 64 {
			t.Errorf("%q asks for %+v", s, c)
		}
		again, salt2, hash2, err := parsePHC(phc(c, salt, hash))
		if err != nil || again != c || string(salt2) != string(salt) || string(hash2) != string(hash) {
			t.Errorf("%q does not come back", s)
		}
	})
}
