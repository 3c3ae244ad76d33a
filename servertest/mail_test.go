package servertest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix"

	"github.com/myelin-health/myelin/homeserver/mail"
	"github.com/myelin-health/myelin/homeserver/mail/mailtest"
)

// Somebody who was invited by e-mail makes an account with that address and finds the invitations, asks to be written to about
// unread messages, and gets in again without the password.
func TestMail(t *testing.T) {
	letters := mailtest.New(t, mailtest.Options{TLS: true, SignIn: true})
	s := Start(t, "", "MYELIN_SMTP="+letters.Address, "MYELIN_SMTP_CA="+letters.CA, "MYELIN_SMTP_FROM=chat@example.org", "MYELIN_SMTP_USER="+mailtest.User,
		"MYELIN_SMTP_PASSWORD="+mailtest.Password, "MYELIN_PUBLIC_URL=https://chat.example.org", "MYELIN_REGISTRATION=open")
	const address = "anna@home.example"
	const invited = `"medium":"email","address":"` + address + `","id_server":"id.example","id_access_token":"x"`
	alice := Register(t, s.URL, "alice")
	first := ask(t, s.URL, alice, "200", "POST", v3+"createRoom", `{"preset":"private_chat","invite_3pid":[{`+invited+`}]}`).Get("room_id").Str
	second := ask(t, s.URL, alice, "200", "POST", v3+"createRoom", `{"preset":"private_chat"}`).Get("room_id").Str
	ask(t, s.URL, alice, "200", "POST", v3+"rooms/"+second+"/invite", "{"+invited+"}")
	for range 2 {
		if l := letters.Next(); l.To != address || !l.Encrypted || !strings.Contains(l.Text, "https://chat.example.org/") {
			t.Errorf("%+v", l)
		}
	}
	s.Restart(t) // what was promised is in the database
	state := ask(t, s.URL, alice, "200", "GET", v3+"rooms/"+second+"/state", "")
	key := state.Get(`#(type=="m.room.third_party_invite").content`)
	valid := strings.Replace(key.Get("key_validity_url").Str, "https://chat.example.org", "", 1) + "?public_key="
	for public, want := range map[string]bool{key.Get("public_key").Str: true, "x": false} {
		if got := ask(t, s.URL, nil, "200", "GET", valid+url.QueryEscape(public), "").Get("valid"); got.Bool() != want {
			t.Errorf("the key %q: %s", public, got.Raw)
		}
	}

	// proved makes the proof of the address.
	proved := func(what string) string {
		sid := ask(t, s.URL, nil, "200", "POST", v3+what+"/email/requestToken", `{"client_secret":"s3cret","send_attempt":1,"email":"`+address+`"}`).Get("sid").Str
		res, err := http.PostForm(s.URL+mail.ConfirmPath, url.Values{"token": {letters.Next().Token()}})
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%v %v", res, err)
		}
		_ = res.Body.Close()
		return fmt.Sprintf(`"auth":{"type":"m.login.email.identity","threepid_creds":{"sid":%q,"client_secret":"s3cret"}}`, sid)
	}
	made := ask(t, s.URL, nil, "200", "POST", v3+"register", `{"username":"anna","password":"`+password+`",`+proved("register")+`}`)
	anna, err := mautrix.NewClient(s.URL, "", made.Get("access_token").Str)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for since := ""; len(found) < 2; {
		sync := ask(t, s.URL, anna, "200", "GET", v3+"sync?timeout=10000&since="+since, "")
		sync.Get("rooms.invite").ForEach(func(room, _ gjson.Result) bool {
			found[room.Str] = true
			return true
		})
		since = sync.Get("next_batch").Str
	}
	for _, room := range []string{first, second} {
		ask(t, s.URL, anna, "200", "POST", v3+"join/"+room, "{}")
	}

	const pusher = `"kind":"email","app_id":"m.email","app_display_name":"a","device_display_name":"d","lang":"en","data":{}`
	said := map[string]bool{} // whether somebody else has the address stays unsaid
	for _, key := range []string{address, "nobody@home.example"} {
		said[ask(t, s.URL, alice, "400 M_THREEPID_NOT_FOUND", "POST", v3+"pushers/set", `{"pushkey":"`+key+`",`+pusher+`}`).Get("error").Str] = true
	}
	if len(said) != 1 {
		t.Errorf("%v", said)
	}
	ask(t, s.URL, anna, "400 M_INVALID_PARAM", "POST", v3+"pushers/set", `{"pushkey":"anna",`+pusher+`}`)
	ask(t, s.URL, anna, "400 M_INVALID_PARAM", "POST", v3+"pushers/set", `{"pushkey":"`+address+`",`+strings.Replace(pusher, "m.email", "other", 1)+`}`)
	ask(t, s.URL, anna, "200", "POST", v3+"pushers/set", `{"pushkey":"Anna@Home.example",`+pusher+`}`)
	if got := ask(t, s.URL, anna, "200", "GET", v3+"pushers", "").Get("pushers.0.pushkey").Str; got != address {
		t.Errorf("the pusher writes to %q", got)
	}
	ask(t, s.URL, nil, "200", "POST", v3+"account/password", `{"new_password":"another one","logout_devices":false,`+proved("account/password")+`}`)
	ask(t, s.URL, nil, "200", "POST", v3+"login", `{"type":"m.login.password","password":"another one","identifier":{"type":"m.id.thirdparty","medium":"email","address":"`+address+`"}}`)
	ask(t, s.URL, anna, "200", "POST", v3+"account/3pid/delete", `{"medium":"email","address":"`+address+`"}`)
	if got := ask(t, s.URL, anna, "200", "GET", v3+"pushers", "").Get("pushers.#").Int(); got != 0 {
		t.Error("an address that was removed is still written to")
	}
}
