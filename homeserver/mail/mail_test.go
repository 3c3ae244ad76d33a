package mail

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/mail/mailtest"
	"github.com/myelin-health/myelin/seal"
)

const (
	anna  = id.UserID("@anna:ward.example")
	annas = Address("anna@home.example")
)

// office is an Outbox with a mail server and a clock that is set by hand.
type office struct {
	*Outbox
	t      *testing.T
	server *mailtest.Server
	keys   *seal.Keys
	time   time.Time
	logged bytes.Buffer
}

func newOffice(t *testing.T, d *db.DB, change ...func(*Options)) *office {
	t.Helper()
	o := &office{t: t, server: mailtest.New(t, mailtest.Options{}), time: time.UnixMilli(1_800_000_000_000)}
	dir := t.TempDir()
	var err error
	if o.keys, err = seal.Open(t.Context(), seal.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.keys.Close() })
	log, err := audit.Open(t.Context(), audit.Options{DB: d, Keys: o.keys, Name: "ward.example", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	options := Options{
		DB: d, Seal: o.keys, Audit: log, From: "chat@ward.example", ServerName: "ward.example", PublicURL: "https://chat.ward.example/",
		Relay: relay(t, RelayOptions{Address: o.server.Address, Encryption: None}),
		Clock: func() time.Time { return o.time }, Log: slog.New(slog.NewTextHandler(&o.logged, nil)),
	}
	for _, f := range change {
		f(&options)
	}
	o.Outbox = New(options)
	return o
}

func relay(t *testing.T, o RelayOptions) Relay {
	t.Helper()
	r, err := NewRelay(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (o *office) send(l Letter) {
	o.t.Helper()
	if err := o.Send(o.t.Context(), l, "test"); err != nil {
		o.t.Fatal(err)
	}
}

// pass lets time pass and sends what is due.
func (o *office) pass(by time.Duration) time.Duration {
	o.t.Helper()
	o.time = o.time.Add(by)
	wait, err := o.SendDue(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	return wait
}

func (o *office) left() (n int) {
	o.t.Helper()
	if err := o.db.QueryRow(o.t.Context(), `select count(*) from mail_outbox`).Scan(&n); err != nil {
		o.t.Fatal(err)
	}
	return n
}

func TestLetters(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		o.send(Letter{To: annas, User: anna, Kind: Resetting, Lang: "de-AT, en;q=0.5", Token: "s3cret"})
		var body []byte
		if err := d.QueryRow(t.Context(), `select body from mail_outbox`).Scan(&body); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(body, []byte("anna")) || bytes.Contains(body, []byte("s3cret")) {
			t.Error("a waiting letter can be read")
		}
		o.pass(0)
		l := o.server.Next()
		const link = "https://chat.ward.example/_myelin/v1/email/confirm?token=s3cret"
		if l.To != string(annas) || l.From != "chat@ward.example" || l.Subject != "Neues Passwort festlegen" || !strings.Contains(l.Text, link) ||
			!strings.Contains(l.HTML, link) || !strings.Contains(l.Text, "Bestätigen") || l.Header.Get("Auto-Submitted") != "auto-generated" ||
			l.Header.Get("From") != `"ward.example" <chat@ward.example>` || l.Header.Get("Message-Id") == "" || l.Token() != "s3cret" {
			t.Errorf("%+v", l)
		}
		if o.left() != 0 {
			t.Error("a letter that was sent waits")
		}

		o.send(Letter{To: annas, User: anna, Kind: Unread, Lang: "fr", Count: 3})
		o.send(Letter{To: annas, User: anna, Kind: Unread, Count: 1})
		o.send(Letter{To: "new@home.example", Kind: Invited, By: anna})
		o.pass(0)
		got := map[string]bool{}
		for range 3 {
			got[strings.Split(o.server.Next().Text, "\n")[0]] = true
		}
		for _, want := range []string{"You have unread messages in 3 conversations on ward.example.", "You have unread messages in one conversation on ward.example.",
			"@anna:ward.example invites you to a conversation on ward.example."} {
			if !got[want] {
				t.Errorf("%q is not among %v", want, got)
			}
		}
	})
}

// Every kind has words in every language.
func TestWords(t *testing.T) {
	o := newOffice(t, dbtest.SQLite(t))
	for _, lang := range spoken {
		for _, k := range []Kind{Adding, Registering, Resetting, Taken, Stranger, Invited, Unread} {
			m, err := o.compose("x", o.time, Letter{To: annas, Kind: k, Lang: lang.String(), By: anna, Token: "<t>"})
			if err != nil || m.subject == "" || strings.ContainsAny(m.text+m.subject, "{}") || strings.Contains(m.html, "<t>") {
				t.Errorf("%s, %s: %v\n%s", lang, k, err, m.text)
			}
		}
	}
}

func TestTriesAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		o.server.Refuse(func(to string) int { return map[string]int{string(annas): 451, "gone@home.example": 550}[to] })
		o.send(Letter{To: annas, User: anna, Kind: Adding, Token: "s3cret"})
		o.send(Letter{To: "gone@home.example", User: anna, Kind: Adding, Token: "s3cret"})
		o.send(Letter{To: "other@home.example", Kind: Registering, Token: "s3cret"})
		o.pass(0)
		if l := o.server.Next(); l.To != "other@home.example" || o.left() != 1 {
			t.Errorf("one that is refused holds up others: %+v, %d left", l, o.left())
		}
		if wait := o.pass(firstPause - time.Second); wait <= 0 || wait > time.Second {
			t.Errorf("waits %v", wait)
		}
		o.pass(time.Second)
		o.pass(firstPause)
		if o.left() != 1 {
			t.Error("it was not put off twice as long")
		}
		// What waits is sent by the next process.
		o.server.Refuse(func(string) int { return 0 })
		o.Outbox = New(o.o)
		o.pass(firstPause)
		if l := o.server.Next(); l.To != string(annas) || o.left() != 0 {
			t.Errorf("%+v", l)
		}
		// No server at all, until it is given up.
		o.o.Relay = relay(t, RelayOptions{Address: "127.0.0.1:1", Encryption: None})
		o.send(Letter{To: annas, User: anna, Kind: Adding, Token: "s3cret"})
		for range 20 {
			o.pass(longest)
		}
		if o.left() != 0 {
			t.Error("it is tried for ever")
		}
		if s := o.logged.String(); strings.Contains(s, "@home.example") || strings.Contains(s, "s3cret") || !strings.Contains(s, "550") {
			t.Errorf("the log: %s", s)
		}
		var entries int
		if err := d.QueryRow(t.Context(), `select count(*) from audit_leaf where act = $1 and who = $2`, string(audit.MailGivenUp), string(anna)).Scan(&entries); err != nil || entries != 2 {
			t.Errorf("%d audit entries, %v", entries, err)
		}
	})
}

// Two processes send a letter once.
func TestOneProcessSends(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		o.send(Letter{To: annas, Kind: Stranger})
		due, err := o.due(t.Context())
		if err != nil || len(due) != 1 {
			t.Fatalf("%v %v", due, err)
		}
		if _, ok, err := o.take(t.Context(), due[0]); !ok || err != nil {
			t.Error(ok, err)
		}
		if _, ok, err := o.take(t.Context(), due[0]); ok || err != nil {
			t.Error("taken twice", err)
		}
		o.pass(0)
		if !o.server.None() {
			t.Error("sent while another process has it")
		}
		o.pass(hold) // which died
		o.server.Next()
	})
}

// moody is a mail server that answers by f: to each line, and to the text of a letter as to ".". An empty answer hangs up.
func moody(t *testing.T, f func(line string) string) RelayOptions {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = conn.Close() }()
				lines, text := bufio.NewScanner(conn), false
				for answer := f(""); answer != ""; {
					if _, err := io.WriteString(conn, answer+"\r\n"); err != nil || !lines.Scan() {
						return
					}
					for text && lines.Text() != "." && lines.Scan() {
					}
					answer = f(lines.Text())
					text = strings.HasPrefix(answer, "354")
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return RelayOptions{Address: l.Addr().String(), Encryption: None}
}

// A letter that was taken is sent, even if the mail server hangs up then; the others go by another connection.
func TestHangsUpAfterEachLetter(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := newOffice(t, d)
		var taken atomic.Int64
		o.o.Relay = relay(t, moody(t, func(line string) string {
			switch line {
			case "":
				return "220 mail.test"
			case "DATA":
				return "354 go on"
			case ".":
				taken.Add(1)
			case "NOOP":
				if taken.Load() > 0 && taken.Load()%2 == 1 {
					taken.Add(1) // odd: just after a letter
					return ""
				}
			}
			return "250 yes"
		}))
		for range 3 {
			o.send(Letter{To: annas, Kind: Stranger})
		}
		o.pass(0)
		if o.left() != 0 || taken.Load() != 6 || o.logged.Len() > 0 {
			t.Errorf("%d left, %d taken: %s", o.left(), taken.Load(), o.logged.String())
		}
	})
}

// A mail server that says nothing does not hold up the end, and what it did not take is not counted as tried.
func TestSilentServer(t *testing.T) {
	o := newOffice(t, dbtest.SQLite(t))
	called, over := make(chan struct{}), make(chan struct{})
	o.o.Relay = relay(t, moody(t, func(string) string { close(called); <-over; return "" }))
	t.Cleanup(func() { close(over) })
	o.send(Letter{To: annas, Kind: Stranger})
	o.Start(t.Context())
	<-called
	o.Close()
	var due, tries int64
	if err := o.db.QueryRow(t.Context(), `select due, tries from mail_outbox`).Scan(&due, &tries); err != nil || due != o.now() || tries != 0 {
		t.Errorf("due in %d ms after %d tries, %v", due-o.now(), tries, err)
	}
}

// A letter that the mail server is just taking at the end is not sent again.
func TestEndWaitsForALetter(t *testing.T) {
	o := newOffice(t, dbtest.SQLite(t))
	called, over := make(chan struct{}), make(chan struct{})
	o.o.Relay = relay(t, moody(t, func(line string) string {
		switch line {
		case "":
			return "220 mail.test"
		case "DATA":
			return "354 go on"
		case ".":
			close(called)
			<-over
		}
		return "250 yes"
	}))
	o.send(Letter{To: annas, Kind: Stranger})
	o.Start(t.Context())
	<-called
	o.stop()
	close(over)
	o.Close()
	if o.left() != 0 {
		t.Error("a letter that was sent waits")
	}
}

// A letter whose time is over is not sent.
func TestTooLate(t *testing.T) {
	o := newOffice(t, dbtest.SQLite(t))
	o.send(Letter{To: annas, Kind: Stranger})
	o.pass(Lasts + time.Second)
	if o.left() != 0 || !o.server.None() {
		t.Error("a letter was sent too late")
	}
}

func TestErasedPeopleGetNoLetters(t *testing.T) {
	o := newOffice(t, dbtest.SQLite(t))
	o.send(Letter{To: annas, User: anna, Kind: Unread, Count: 1})
	if err := o.keys.Destroy(t.Context(), seal.Person(anna)); err != nil {
		t.Fatal(err)
	}
	o.pass(0)
	if o.left() != 0 || !o.server.None() {
		t.Error("a letter to somebody who was erased")
	}
}

func TestLimits(t *testing.T) {
	o := newOffice(t, dbtest.SQLite(t), func(o *Options) { o.RateLimits = true })
	to := Letter{To: annas, Kind: Stranger}
	for range 5 {
		o.send(to)
	}
	if err := o.Send(t.Context(), to, "test"); !fault.Is(err, fault.LimitExceeded) {
		t.Errorf("a sixth letter: %v", err)
	}
	if err := o.Send(t.Context(), to, ""); err != nil {
		t.Errorf("a letter that is paced elsewhere: %v", err)
	}
	var err error
	for n := 0; err == nil && n < 60; n++ {
		err = o.Send(t.Context(), Letter{To: Address(strings.Repeat("a", n+1) + "@home.example"), Kind: Stranger}, "test")
	}
	if !fault.Is(err, fault.LimitExceeded) {
		t.Errorf("letters to many: %v", err)
	}
}

func TestEncryption(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte(mailtest.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		server mailtest.Options
		relay  RelayOptions
		trust  bool
		sent   bool
	}{
		"starttls, password":      {mailtest.Options{TLS: true, SignIn: true}, RelayOptions{Encryption: StartTLS, User: mailtest.User, Password: mailtest.Password}, true, true},
		"implicit, file":          {mailtest.Options{Implicit: true, SignIn: true}, RelayOptions{Encryption: Implicit, User: mailtest.User, PasswordFile: secret}, true, true},
		"starttls not offered":    {mailtest.Options{}, RelayOptions{Encryption: StartTLS}, false, false},
		"unknown certificate":     {mailtest.Options{TLS: true}, RelayOptions{Encryption: StartTLS}, false, false},
		"unknown, from the start": {mailtest.Options{Implicit: true}, RelayOptions{Encryption: Implicit}, false, false},
		"wrong password":          {mailtest.Options{TLS: true, SignIn: true}, RelayOptions{Encryption: StartTLS, User: mailtest.User, Password: "x"}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := mailtest.New(t, c.server)
			c.relay.Address = s.Address
			if c.trust {
				c.relay.CA = s.CA
			}
			by := relay(t, c.relay).courier(t.Context())
			defer by.close()
			err := by.deliver(message{id: "1@x", from: "a@ward.example", to: "b@home.example", date: time.Now(), subject: "s", text: "t", html: "h"})
			if (err == nil) != c.sent || final(err) {
				t.Fatalf("%v", err)
			}
			if c.sent && !s.Next().Encrypted {
				t.Error("it went unencrypted")
			}
		})
	}
	for _, o := range []RelayOptions{{Address: "x:y", Encryption: StartTLS}, {Address: "x", Encryption: StartTLS}, {Address: "x:25", CA: secret}, {Address: "x:25", CA: "none"}, {Address: "x:25", User: "u", PasswordFile: "none"}} {
		if _, err := NewRelay(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]Address{
		"Anna.O'Neill+ward@Home.Example": "anna.o'neill+ward@home.example",
		" a@b.example ":                  "a@b.example",
		"a@bücher.example":               "a@xn--bcher-kva.example",
		"":                               "", "anna": "", "@b.example": "", "a@": "", "a@b": "", "a@b.": "", "a@.b": "", "a@b@c.example": "",
		"a b@c.example": "", `"a"@c.example`: "", "a..b@c.example": "", ".a@c.example": "", "Anna <a@c.example>": "", "a@c.example, d@c.example": "",
		"a@c.example\r\nBcc: d@e.example": "", "a\r\nBcc: d@e.example": "", "a@[127.0.0.1]": "", "ä@c.example": "", "a@c_d.example": "", "a\x00@c.example": "",
		strings.Repeat("a", 65) + "@c.example": "",
	} {
		got, err := ParseAddress(text)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if got := annas.Veiled(); got != "a…@h…" {
		t.Error(got)
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("a@b.example")
	f.Add("a@bücher.example\r\nX: y")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAddress(text)
		if err != nil {
			return
		}
		if again, err := ParseAddress(string(a)); again != a || err != nil {
			t.Errorf("%q becomes %q and then %q: %v", text, a, again, err)
		}
		if strings.ContainsFunc(string(a), func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`<>,;:"\()[]`, r) }) {
			t.Errorf("%q means something in a header", a)
		}
	})
}

func TestNotFinal(t *testing.T) {
	if final(errors.New("x")) || final(refusal{451}) || !final(refusal{550}) || final(nil) {
		t.Error("what is final")
	}
}
