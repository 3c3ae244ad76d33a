package clientapi

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/mail"
	"github.com/myelin-health/myelin/homeserver/mail/mailtest"
	"github.com/myelin-health/myelin/homeserver/signin"
)

// mailServer is an accountServer that sends e-mail.
type mailServer struct {
	*accountServer
	letters *mailtest.Server
	audit   *audit.Log
	time    atomic.Int64 // how much later signin's clock is
}

func newMailServer(t *testing.T, d *db.DB, change ...func(*signin.Options)) *mailServer {
	t.Helper()
	letters := mailtest.New(t, mailtest.Options{})
	relay, err := mail.NewRelay(mail.RelayOptions{Address: letters.Address, Encryption: mail.None})
	if err != nil {
		t.Fatal(err)
	}
	var box *mail.Outbox
	m := &mailServer{letters: letters}
	m.accountServer = newAccountServer(t, d, append([]func(*signin.Options){func(o *signin.Options) {
		box = mail.New(mail.Options{DB: d, Seal: o.Seal, Audit: o.Audit, Relay: relay, From: "chat@hs.example", ServerName: "hs", PublicURL: "https://hs.example"})
		o.Mail, m.audit = box, o.Audit
		o.Clock = func() time.Time { return time.Now().Add(time.Duration(m.time.Load())) }
	}}, change...)...)
	box.Start(t.Context())
	t.Cleanup(box.Close)
	return m
}

func withMail(t *testing.T, f func(s *mailServer)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { f(newMailServer(t, d)) })
}

const anna = "anna@home.example"

// ask asks for a letter and returns the credentials of the proof.
func (s *mailServer) ask(path, address string, attempt int) object {
	s.t.Helper()
	return s.askFor(path, address, "s3cret", attempt)
}

func (s *mailServer) askFor(path, address, secret string, attempt int) object {
	s.t.Helper()
	out := s.ok("POST", path+"/email/requestToken", "", object{"client_secret": secret, "email": address, "send_attempt": attempt})
	return object{"sid": out["sid"], "client_secret": secret}
}

// page opens the page of letters, or presses its button.
func (s *mailServer) page(method, token, lang string, status int) (string, http.Header) {
	s.t.Helper()
	address, body := s.url+mail.ConfirmPath+"?token="+url.QueryEscape(token), io.Reader(nil)
	if method == "POST" {
		address, body = s.url+mail.ConfirmPath, strings.NewReader(url.Values{"token": {token}}.Encode())
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, address, body)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept-Language", lang)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		s.t.Errorf("%s of the page: %d, %v", method, res.StatusCode, err)
	}
	return string(b), res.Header
}

func byPassword(user, password string) object {
	return object{"type": "m.login.password", "identifier": object{"type": "m.id.user", "user": user}, "password": password}
}

func (s *mailServer) addresses(token string) []any {
	s.t.Helper()
	list, _ := s.ok("GET", "account/3pid", token, nil)["threepids"].([]any)
	return list
}

func TestAddressesOfAnAccount(t *testing.T) {
	withMail(t, func(s *mailServer) {
		_, token := s.register("anna")
		_, bob := s.register("bob")
		if c := s.ok("GET", "capabilities", token, nil)["capabilities"].(object)["m.3pid_changes"].(object); c["enabled"] != true {
			s.t.Error("the capability is off")
		}
		creds := s.ask("account/3pid", "Anna@Home.example", 1)
		if again := s.ask("account/3pid", anna, 1); again["sid"] != creds["sid"] {
			s.t.Error("a repeated request is another one")
		}
		first := s.letters.Next()
		if again := s.ask("account/3pid", anna, 2); again["sid"] != creds["sid"] {
			s.t.Error("a reminder is another proof")
		}
		l := s.letters.Next()
		if l.To != anna || l.Subject != "Confirm your e-mail address" || l.Token() == "" || l.Token() == first.Token() {
			s.t.Errorf("%+v", l)
		}
		add := object{"auth": byPassword("anna", "superuser")}
		for k, v := range creds {
			add[k] = v
		}
		s.want(403, "M_THREEPID_AUTH_FAILED", "POST", "account/3pid/add", token, add)

		// Looking at the page changes nothing.
		s.page("GET", first.Token(), "", 404)
		s.page("GET", "x", "", 404)
		page, head := s.page("GET", l.Token(), "de", 200)
		if !strings.Contains(page, "Adresse bestätigen") || !strings.Contains(page, `value="`+l.Token()+`"`) || strings.Contains(page, "http") {
			s.t.Error(page)
		}
		style, _, _ := strings.Cut(page[strings.Index(page, "<style>")+len("<style>"):], "</style>")
		sum := sha256.Sum256([]byte(style))
		if p := head.Get("Content-Security-Policy"); !strings.Contains(p, base64.StdEncoding.EncodeToString(sum[:])) || head.Get("Referrer-Policy") != "no-referrer" || head.Get("Cache-Control") != "no-store" {
			s.t.Error(p, head)
		}
		s.want(403, "M_THREEPID_AUTH_FAILED", "POST", "account/3pid/add", token, add)
		s.page("POST", "x", "", 404)
		if page, _ := s.page("POST", l.Token(), "en", 200); !strings.Contains(page, "Confirmed") {
			s.t.Error(page)
		}
		s.page("POST", l.Token(), "en", 200)

		if out := s.want(401, "", "POST", "account/3pid/add", token, creds); out["flows"] == nil {
			s.t.Errorf("%v", out)
		}
		add["client_secret"] = "guess"
		s.want(403, "M_THREEPID_AUTH_FAILED", "POST", "account/3pid/add", token, add)
		add["client_secret"] = "s3cret"
		s.ok("POST", "account/3pid/add", token, add)
		s.want(403, "M_THREEPID_AUTH_FAILED", "POST", "account/3pid/add", token, add) // it was good once
		list := s.addresses(token)
		if len(list) != 1 || text(list[0].(object), "address") != anna || text(list[0].(object), "medium") != "email" || list[0].(object)["added_at"] == 0 {
			s.t.Errorf("%v", list)
		}

		// Who asks for a taken address is answered like anybody; only the letter says so.
		s.ask("account/3pid", anna, 3)
		if l := s.letters.Next(); l.Subject != "This address already has an account" || l.Token() != "" {
			s.t.Errorf("%+v", l)
		}
		for _, user := range []string{anna, "ANNA@home.example"} {
			id := object{"type": "m.id.thirdparty", "medium": "email", "address": user}
			if out := s.ok("POST", "login", "", object{"type": "m.login.password", "identifier": id, "password": "superuser"}); text(out, "user_id") != "@anna:hs" {
				s.t.Errorf("%v", out)
			}
			s.want(403, "M_FORBIDDEN", "POST", "login", "", object{"type": "m.login.password", "identifier": id, "password": "wrong"})
		}
		s.want(403, "M_FORBIDDEN", "POST", "login", "", object{"type": "m.login.password", "password": "superuser",
			"identifier": object{"type": "m.id.thirdparty", "medium": "email", "address": "nobody@home.example"}})

		gone := object{"medium": "email", "address": anna}
		for _, path := range []string{"account/3pid/unbind", "account/3pid/delete"} {
			if out := s.ok("POST", path, bob, gone); text(out, "id_server_unbind_result") != "no-support" { // another's stays
				s.t.Errorf("%v", out)
			}
		}
		if len(s.addresses(token)) != 1 {
			s.t.Error("another person removed the address")
		}
		s.ok("POST", "account/3pid/delete", token, gone)
		if len(s.addresses(token)) != 0 {
			s.t.Error("the address was not removed")
		}
		s.want(400, "M_INVALID_PARAM", "POST", "account/3pid/email/requestToken", "", object{"client_secret": "s", "email": "a@b.example\r\nBcc: c@d.example", "send_attempt": 1})
		s.want(400, "M_INVALID_PARAM", "POST", "account/3pid/email/requestToken", "", object{"client_secret": "s p", "email": anna, "send_attempt": 1})
		s.want(400, "M_MISSING_PARAM", "POST", "account/3pid/email/requestToken", "", object{"client_secret": "s", "email": anna})
		s.want(400, "M_MISSING_PARAM", "POST", "account/3pid/add", token, object{"sid": "1"})
		s.want(400, "M_THREEPID_MEDIUM_NOT_SUPPORTED", "POST", "account/3pid/delete", token, object{"medium": "msisdn", "address": "1"})
		s.want(403, "M_THREEPID_DENIED", "POST", "account/3pid/bind", token, object{})
		s.want(403, "M_THREEPID_DENIED", "POST", "register/msisdn/requestToken", "", object{})
	})
}

// proved makes the proof of an address.
func (s *mailServer) proved(path, address string) object {
	s.t.Helper()
	creds := s.ask(path, address, 1)
	s.page("POST", s.letters.Next().Token(), "", 200)
	return creds
}

// registered makes an account with an address.
func (s *mailServer) registered(name, address string) (token string) {
	s.t.Helper()
	out := s.ok("POST", "register", "", object{"username": name, "password": "superuser",
		"auth": object{"type": signin.StageEmail, "threepid_creds": s.proved("register", address)}})
	return text(out, "access_token")
}

func TestRegisterWithAnAddress(t *testing.T) {
	withMail(t, func(s *mailServer) {
		out := s.want(401, "", "POST", "register", "", object{})
		if flows := out["flows"].([]any); len(flows) != 2 {
			s.t.Errorf("%v", flows)
		}
		creds := s.ask("register", anna, 1)
		auth := object{"type": signin.StageEmail, "threepid_creds": creds, "session": out["session"]}
		body := object{"username": "anna", "password": "superuser", "auth": auth}
		s.want(401, "M_UNAUTHORIZED", "POST", "register", "", body)
		s.page("POST", s.letters.Next().Token(), "", 200)
		token := text(s.ok("POST", "register", "", body), "access_token")
		if len(s.addresses(token)) != 1 {
			s.t.Error("the account has no address")
		}
		body["username"] = "other"
		s.want(401, "M_UNAUTHORIZED", "POST", "register", "", body) // the proof was good once
		// A proof is good for its purpose only.
		_, bob := s.register("bob")
		add := s.proved("register", "bob@home.example")
		add["auth"] = byPassword("bob", "superuser")
		s.want(403, "M_THREEPID_AUTH_FAILED", "POST", "account/3pid/add", bob, add)
		// Of two who proved one address, the second does not get it.
		add = s.proved("account/3pid", "both@home.example")
		s.registered("both", "both@home.example")
		add["auth"] = byPassword("bob", "superuser")
		s.want(400, "M_THREEPID_IN_USE", "POST", "account/3pid/add", bob, add)
		// The address of an account that has ended is free again.
		s.ok("POST", "account/deactivate", token, object{"auth": byPassword("anna", "superuser")})
		s.registered("again", anna)
	})
}

func TestAddressNeeded(t *testing.T) {
	s := newMailServer(t, dbtest.SQLite(t), func(o *signin.Options) {
		o.AddressNeeded, o.Registration, o.Tokens = true, signin.Token, []string{"let me in"}
	})
	token := object{"type": signin.StageRegistrationToken, "token": "let me in"}
	body := object{"username": "anna", "password": "superuser", "auth": token}
	out := s.want(401, "", "POST", "register", "", body)
	body["auth"] = object{"type": signin.StageEmail, "threepid_creds": s.proved("register", anna), "session": out["session"]}
	if access := text(s.ok("POST", "register", "", body), "access_token"); len(s.addresses(access)) != 1 {
		t.Error("the account has no address")
	}
}

func TestForgottenPassword(t *testing.T) {
	withMail(t, func(s *mailServer) {
		token := s.registered("anna", anna)
		s.ask("account/password", "nobody@home.example", 1)
		if l := s.letters.Next(); l.Subject != "No account has this address" || l.Token() != "" {
			s.t.Errorf("%+v", l)
		}
		out := s.want(401, "", "POST", "account/password", "", object{"new_password": "battery staple"})
		creds := s.ask("account/password", anna, 1)
		body := object{"new_password": "battery staple", "auth": object{"type": signin.StageEmail, "threepid_creds": creds, "session": out["session"]}}
		s.want(401, "M_UNAUTHORIZED", "POST", "account/password", "", body)
		s.page("POST", s.letters.Next().Token(), "", 200)
		body["new_password"] = "short"
		s.want(400, "M_WEAK_PASSWORD", "POST", "account/password", "", body)
		body["new_password"] = ""
		s.want(400, "M_MISSING_PARAM", "POST", "account/password", "", body)
		body["new_password"] = "battery staple" // the proof was not lost
		s.ok("POST", "account/password", "", body)
		if got := s.entries(audit.TokenMade, audit.PasswordChange); len(got) != 2 || got[0].Who != "@anna:hs" || got[0].Target != "password" ||
			got[1].Detail["way"] != "mail" || got[1].Detail["address"] == "" || got[1].Detail["agent"] == "" || got[0].Detail["address"] == "" {
			s.t.Errorf("%+v", got)
		}
		s.want(401, "M_UNKNOWN_TOKEN", "GET", "account/whoami", token, nil)
		token = text(s.login("anna", "battery staple", nil), "access_token")
		s.want(401, "M_UNAUTHORIZED", "POST", "account/password", "", body) // the proof was good once
		// Nor is another that was confirmed before the password was set, and so the link of a letter that waits.
		for _, change := range []func(){
			func() {
				s.ok("POST", "account/password", "", object{"new_password": "battery staple", "logout_devices": false,
					"auth": object{"type": signin.StageEmail, "threepid_creds": s.proved("account/password", anna)}})
			},
			func() {
				s.ok("POST", "account/password", token, object{"new_password": "battery staple", "auth": byPassword("anna", "battery staple")})
			},
		} {
			old := s.askFor("account/password", anna, "theirs", 1)
			s.page("POST", s.letters.Next().Token(), "", 200)
			change()
			s.want(401, "M_UNAUTHORIZED", "POST", "account/password", "", object{"new_password": "stolen battery", "auth": object{"type": signin.StageEmail, "threepid_creds": old}})
		}

		// Sessions stay if it is wished.
		s.ok("POST", "account/password", "", object{"new_password": "correct horse", "logout_devices": false,
			"auth": object{"type": signin.StageEmail, "threepid_creds": s.proved("account/password", anna)}})
		s.ok("GET", "account/whoami", token, nil)
		// An address that was removed meanwhile sets no password.
		creds = s.proved("account/password", anna)
		s.ok("POST", "account/3pid/delete", token, object{"medium": "email", "address": anna})
		s.want(401, "M_UNAUTHORIZED", "POST", "account/password", "", object{"new_password": "stolen battery",
			"auth": object{"type": signin.StageEmail, "threepid_creds": creds}})
	})
}

// entries are those of the audit log about some acts.
func (s *mailServer) entries(acts ...audit.Act) (found []audit.Found) {
	s.t.Helper()
	err := s.audit.Entries(s.t.Context(), time.Time{}, time.Time{}, func(f audit.Found) error {
		if slices.Contains(acts, f.Act) {
			found = append(found, f)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

// Proofs do not outlive their time, their address or the account, and an account that is gone gets no address.
func TestProofsEnd(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newMailServer(t, d)
		left := func() (n int) {
			if err := d.QueryRow(t.Context(), `select count(*) from signin_proofs`).Scan(&n); err != nil {
				t.Error(err)
			}
			return n
		}
		for name, end := range map[string]func(token, address string){
			"removed": func(token, address string) {
				s.ok("POST", "account/3pid/delete", token, object{"medium": "email", "address": address})
			},
			"deactivated": func(token, _ string) {
				s.ok("POST", "account/deactivate", token, object{"auth": byPassword("deactivated", "superuser")})
				err := s.api.Accounts.AddAddress(t.Context(), "@deactivated:hs", "", account.NewAddress{Address: anna, Validated: 1})
				if !fault.Is(err, fault.UserDeactivated) {
					t.Errorf("an address of an account that is gone: %v", err)
				}
			},
			"expired": func(string, string) {
				s.time.Store(int64(mail.Lasts))
				defer s.time.Store(0)
				if err := s.api.Signin.Sweep(t.Context()); err != nil {
					t.Error(err)
				}
			},
		} {
			address := name + "@home.example"
			token := s.registered(name, address)
			s.proved("account/password", address)
			if left() != 1 {
				t.Errorf("%s: %d proofs before", name, left())
			}
			end(token, address)
			if left() != 0 {
				t.Errorf("%s: %d proofs after", name, left())
			}
		}
	})
}

func TestNoLetterWhereRegistrationIsClosed(t *testing.T) {
	s := newMailServer(t, dbtest.SQLite(t), func(o *signin.Options) { o.Registration = signin.Closed })
	s.want(403, "M_FORBIDDEN", "POST", "register/email/requestToken", "", object{"client_secret": "s", "email": anna, "send_attempt": 1})
}
