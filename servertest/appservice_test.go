package servertest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// bridge is an application service as bridges are: it has ghosts for the people of another network, takes
// transactions, and makes people and rooms when it is asked for them.
type bridge struct {
	*httptest.Server
	t      *testing.T
	server string // URL of the homeserver

	mu     sync.Mutex
	down   bool
	txns   []string
	events []gjson.Result
	bodies []gjson.Result // of transactions
}

const (
	asToken = "as-secret"
	hsToken = "hs-secret"
)

func newBridge(t *testing.T) (*bridge, string) {
	b := &bridge{t: t}
	b.Server = httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(b.Close)
	dir := t.TempDir()
	registration := `
id: pager
url: ` + b.URL + `
as_token: ` + asToken + `
hs_token: ` + hsToken + `
sender_localpart: pagerbot
rate_limited: false
receive_ephemeral: true
org.matrix.msc3202: true
io.element.msc4190: true
protocols: [pager]
namespaces:
  users: [{exclusive: true, regex: "@_pager_.*:localhost"}]
  aliases: [{exclusive: true, regex: "#_pager_.*:localhost"}]
`
	if err := os.WriteFile(filepath.Join(dir, "pager.yaml"), []byte(registration), 0o600); err != nil {
		t.Fatal(err)
	}
	return b, dir
}

func (b *bridge) serve(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+hsToken {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	body, _ := io.ReadAll(r.Body)
	path := strings.TrimPrefix(r.URL.Path, "/_matrix/app/v1/")
	switch {
	case strings.HasPrefix(path, "transactions/"):
		b.transaction(w, strings.TrimPrefix(path, "transactions/"), body)
		return
	case path == "users/@_pager_found:localhost":
		b.register("_pager_found")
	case path == "rooms/#_pager_room:localhost":
		b.do("POST", "v3/createRoom", "", `{"room_alias_name":"_pager_room","preset":"public_chat"}`, 200)
	case path == "ping", path == "thirdparty/protocol/pager":
	case path == "thirdparty/user/pager":
		_, _ = io.WriteString(w, `[{"userid":"@_pager_1:localhost","protocol":"pager","fields":{"number":"`+r.URL.Query().Get("number")+`"}}]`)
		return
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	_, _ = io.WriteString(w, `{}`)
}

func (b *bridge) transaction(w http.ResponseWriter, txn string, body []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.txns = append(b.txns, txn)
	if b.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	all := gjson.ParseBytes(body)
	b.bodies = append(b.bodies, all)
	b.events = append(b.events, all.Get("events").Array()...)
	_, _ = io.WriteString(w, `{}`)
}

// do asks the homeserver with the service's token; as is a query string such as user_id=….
func (b *bridge) do(method, path, as, body string, want int) gjson.Result {
	b.t.Helper()
	req, err := http.NewRequest(method, b.server+"/_matrix/client/"+path+"?"+as, bytes.NewReader([]byte(body)))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+asToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Error(err)
		return gjson.Result{}
	}
	defer func() { _ = resp.Body.Close() }()
	answer, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != want {
		b.t.Errorf("%s %s as %s: %d, want %d: %s", method, path, as, resp.StatusCode, want, answer)
	}
	return gjson.ParseBytes(answer)
}

func (b *bridge) register(name string) {
	b.do("POST", "v3/register", "", `{"type":"m.login.application_service","username":"`+name+`","inhibit_login":true}`, 200)
}

func (b *bridge) turn(down bool) {
	b.mu.Lock()
	b.down = down
	b.mu.Unlock()
}

// got waits for an event with a text.
func (b *bridge) got(text string) {
	b.t.Helper()
	Eventually(b.t, 20*time.Second, "the bridge has "+text, func() bool { return b.count(text) > 0 })
}

func (b *bridge) count(text string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if e.Get("content.body").Str == text {
			n++
		}
	}
	return n
}

// has waits for something in a transaction.
func (b *bridge) has(what string, find func(gjson.Result) bool) {
	b.t.Helper()
	Eventually(b.t, 20*time.Second, "the bridge has "+what, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, body := range b.bodies {
			if find(body) {
				return true
			}
		}
		return false
	})
}

func as(user string) string { return "user_id=" + url.QueryEscape(user) }

// A bridge brings people of another network into a room, gets what is said there, also what was said while
// it was away and while the server was restarted, and has devices of its own for encryption.
func TestApplicationService(t *testing.T) {
	b, dir := newBridge(t)
	s := Start(t, "", "MYELIN_APPSERVICES_DIR="+dir, "MYELIN_ENCRYPT_ROOMS=never")
	b.server = s.URL
	nurse := Register(t, s.URL, "nurse")
	ghost := "@_pager_1:localhost"
	b.register("_pager_1")
	room := Room(t, &mautrix.ReqCreateRoom{Preset: "public_chat"}, nurse)
	b.do("POST", "v3/rooms/"+string(room)+"/join", as(ghost), `{}`, 200)
	say := func(text string) {
		t.Helper()
		if _, err := nurse.SendText(t.Context(), room, text); err != nil {
			t.Fatal(err)
		}
	}
	say("one")
	b.got("one")
	sent := b.do("PUT", "v3/rooms/"+string(room)+"/send/m.room.message/t1", as(ghost)+"&ts=1000", `{"msgtype":"m.text","body":"from a pager"}`, 200).Get("event_id").Str
	ev, err := nurse.GetEvent(t.Context(), room, id.EventID(sent))
	if err != nil || ev.Sender != id.UserID(ghost) || ev.Timestamp != 1000 {
		t.Errorf("the ghost's message: %v %+v", err, ev)
	}

	b.turn(true)
	say("while it is away")
	Eventually(t, 20*time.Second, "the server tries", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.txns) > 1 })
	s.Restart(t)
	say("after the restart")
	b.turn(false)
	b.got("while it is away")
	b.got("after the restart")
	for _, text := range []string{"one", "while it is away", "after the restart"} {
		if n := b.count(text); n != 1 {
			t.Errorf("%q came %d times", text, n)
		}
	}

	// People and rooms that are made when somebody asks for them.
	if _, err := nurse.InviteUser(t.Context(), room, &mautrix.ReqInviteUser{UserID: "@_pager_found:localhost"}); err != nil {
		t.Error(err)
	}
	if _, err := nurse.ResolveAlias(t.Context(), "#_pager_room:localhost"); err != nil {
		t.Error(err)
	}
	if _, err := nurse.CreateRoom(t.Context(), &mautrix.ReqCreateRoom{RoomAliasName: "_pager_mine"}); err == nil {
		t.Error("an alias of the bridge is given to somebody else")
	}

	// Devices of the bridge's own, and what comes for them.
	device := as(ghost) + "&device_id=PAGER"
	b.do("GET", "v3/account/whoami", device, "", 400)
	b.do("PUT", "v3/devices/PAGER", as(ghost), `{"display_name":"pager"}`, 201)
	if got := b.do("GET", "v3/account/whoami", device, "", 200); got.Get("device_id").Str != "PAGER" || got.Get("user_id").Str != ghost {
		t.Errorf("whoami: %s", got)
	}
	messages := &mautrix.ReqSendToDevice{Messages: map[id.UserID]map[id.DeviceID]*event.Content{id.UserID(ghost): {"PAGER": {Raw: map[string]any{"n": 7}}}}}
	if _, err := nurse.SendToDevice(t.Context(), event.NewEventType("org.test"), messages); err != nil {
		t.Fatal(err)
	}
	b.has("a message to a device", func(body gjson.Result) bool {
		m := body.Get("to_device.0")
		return m.Get("content.n").Int() == 7 && m.Get("to_device_id").Str == "PAGER" && m.Get("to_user_id").Str == ghost
	})
	b.has("the counts of its keys", func(body gjson.Result) bool {
		return body.Get("device_one_time_keys_count." + gjson.Escape(ghost) + ".PAGER").Exists()
	})
	if err := nurse.MarkRead(t.Context(), room, id.EventID(sent)); err != nil {
		t.Fatal(err)
	}
	b.has("a receipt", func(body gjson.Result) bool {
		return body.Get("ephemeral.#(type==\"m.receipt\").room_id").Str == string(room)
	})
	if _, err := nurse.UserTyping(t.Context(), room, true, time.Minute); err != nil {
		t.Fatal(err)
	}
	b.has("typing", func(body gjson.Result) bool { return body.Get("ephemeral.#(type==\"m.typing\")").Exists() })
	b.do("DELETE", "v3/devices/PAGER", as(ghost), `{}`, 200)
	if _, err := nurse.LeaveRoom(t.Context(), room); err != nil {
		t.Fatal(err)
	}
	b.has("somebody whose devices are of no interest any more", func(body gjson.Result) bool {
		return body.Get("device_lists.left.0").Str == string(nurse.UserID)
	})

	b.do("POST", "v1/appservice/pager/ping", "", `{"transaction_id":"x"}`, 200)
	b.do("POST", "v1/appservice/other/ping", "", `{}`, 403)
	b.do("GET", "v3/account/whoami", as(string(nurse.UserID)), "", 403)
	b.do("GET", "v3/account/whoami", as("@_pager_none:localhost"), "", 403)
	b.do("POST", "v3/login", "", `{"type":"m.login.application_service","identifier":{"type":"m.id.user","user":"_pager_1"}}`, 200)
	b.do("POST", "v3/login", "", `{"type":"m.login.application_service","identifier":{"type":"m.id.user","user":"nurse"}}`, 403)
	b.do("POST", "v3/register", "", `{"type":"m.login.application_service","username":"somebody"}`, 400)
	if got := b.do("GET", "v3/thirdparty/protocols", "", "", 200); !got.Get("pager").Exists() {
		t.Errorf("protocols: %s", got)
	}
	if got := b.do("GET", "v3/thirdparty/user/pager", "number=12", "", 200); got.Get("0.fields.number").Str != "12" {
		t.Errorf("third-party users: %s", got)
	}
	b.do("GET", "v3/thirdparty/location/fax", "", "", 404)
}

// A registration that is wrong stops the start and says what is wrong.
func TestWrongRegistration(t *testing.T) {
	for text, want := range map[string]string{
		"id: [":              "yaml",
		"id: a\nas_token: a": "is missing",
		wrongURL:             "url is no http",
		strings.Replace(wrongURL, "ftp", "http", 1) + "\nnamespaces: {users: [{regex: '('}]}": "namespaces.users",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := startError(t, "MYELIN_APPSERVICES_DIR="+dir); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "a.yaml") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

const wrongURL = "id: a\nas_token: a\nhs_token: b\nsender_localpart: bot\nurl: ftp://example.org"
