package clientapi

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/feed"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/rest"
	"github.com/myelin-health/myelin/seal"
)

// ward serves the sections about what devices have not seen, and the rooms. Accounts "alice" and "bob" are
// signed in with their name as the token.
type ward struct {
	t   *testing.T
	api *API
	url string
}

func newWard(t *testing.T) *ward {
	t.Helper()
	d, dir := dbtest.SQLite(t), t.TempDir()
	keys, err := seal.Open(t.Context(), seal.Options{Dir: dir})
	must(t, err)
	t.Cleanup(func() { _ = keys.Close() })
	log, err := audit.Open(t.Context(), audit.Options{DB: d, Keys: keys, Name: "test", Dir: dir})
	must(t, err)
	t.Cleanup(func() { _ = log.Close() })
	w := &ward{t: t, api: &API{ServerName: "test"}}
	registry := prometheus.NewRegistry()
	w.api.Feed, err = feed.New(feed.Options{DB: d, Seal: keys, ServerName: "test", Metrics: registry, Presence: true, Account: feed.Account{
		Data: func(ctx context.Context, u id.UserID, keys []feed.AccountDatum) ([]feed.AccountDatum, error) {
			var out []feed.AccountDatum
			all, err := w.api.Accounts.Data(ctx, u, nil)
			for _, d := range all {
				for _, k := range keys {
					if k.Room == d.Room && k.Type == d.Type {
						out = append(out, feed.AccountDatum(d))
					}
				}
				if keys == nil {
					out = append(out, feed.AccountDatum(d))
				}
			}
			return out, err
		},
		SetData: func(ctx context.Context, u id.UserID, d feed.AccountDatum) error {
			return w.api.Accounts.SetDatum(ctx, u, account.Datum(d))
		},
		Filter: func(ctx context.Context, u id.UserID, f string) (json.RawMessage, error) {
			return w.api.Accounts.Filter(ctx, u, f)
		},
		Devices: func(ctx context.Context, u id.UserID) ([]id.DeviceID, error) { return w.api.Accounts.DeviceIDs(ctx, u) },
	}})
	must(t, err)
	w.api.Accounts = account.New(account.Options{DB: d, Seal: keys, Audit: log, ServerName: "test", Registerer: registry,
		DeviceRemoved: w.api.Feed.DeviceRemoved,
		Changed: func(tx *db.Tx, c account.Change) {
			w.api.Feed.Changed(tx, feed.Change{Kind: feed.Kind(c.Kind), User: c.User, Room: c.Room, Key: c.Key})
		}})
	w.api.Rooms, err = room.New(room.Options{DB: d, Seal: keys, ServerName: "test", Observers: []room.Observer{w.api.Feed},
		Key: event.Key{Server: "test", ID: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, 32))}, EncryptRooms: room.EncryptNever})
	must(t, err)
	must(t, w.api.Feed.Start(t.Context(), w.api.Rooms))
	t.Cleanup(w.api.Feed.Close)
	for _, name := range []string{"alice", "bob"} {
		_, err := w.api.Accounts.Create(t.Context(), account.NewUser{User: id.UserID("@" + name + ":test"),
			SignIn: &account.SignIn{Device: id.DeviceID(strings.ToUpper(name))}})
		must(t, err)
	}
	server := rest.New(rest.Options{Registerer: registry, Authenticate: func(_ context.Context, token string) (access.Who, error) {
		if token != "alice" && token != "bob" {
			return access.Who{}, fault.New(fault.UnknownToken, "No such token.")
		}
		return access.Who{User: id.UserID("@" + token + ":test"), Device: id.DeviceID(strings.ToUpper(token)), Token: 1}, nil
	}})
	for _, routes := range [][]rest.Route{w.api.syncRoutes(), w.api.slidingSyncRoutes(), w.api.receiptsRoutes(), w.api.typingRoutes(), w.api.presenceRoutes(),
		w.api.toDeviceRoutes(), w.api.pushRulesRoutes(), w.api.pushersRoutes(), w.api.notificationsRoutes(), w.api.accountDataRoutes(),
		w.api.publicRoomsRoutes(), w.api.roomStateRoutes(), w.api.roomsRoutes(), w.api.membershipRoutes(), w.api.sendRoutes(), w.api.filtersRoutes()} {
		server.Add(routes...)
	}
	s := httptest.NewServer(server)
	t.Cleanup(s.Close)
	w.url = s.URL + "/_matrix/client/v3/"
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// do makes a request and expects "200" or a status and an error code.
func (w *ward) do(token, method, path, body, want string) gjson.Result {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, bytes.NewReader([]byte(body)))
	must(w.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	must(w.t, err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	must(w.t, err)
	got := strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", gjson.GetBytes(b, "errcode").Str))
	if got != want {
		w.t.Errorf("%s %s: %s, want %s: %s", method, path, got, want, b)
	}
	if !json.Valid(b) {
		w.t.Errorf("%s %s: no JSON: %s", method, path, b)
	}
	return gjson.ParseBytes(b)
}

func TestFeedSections(t *testing.T) {
	w := newWard(t)
	roomID := w.do("alice", "POST", "createRoom", `{"preset":"public_chat"}`, "200").Get("room_id").Str
	at := "rooms/" + url.PathEscape(roomID)
	w.do("bob", "POST", at+"/join", `{}`, "200")
	since := w.do("bob", "GET", "sync?timeout=1000&set_presence=offline", "", "200").Get("next_batch").Str
	ev := w.do("alice", "PUT", at+"/send/m.room.message/t1", `{"msgtype":"m.text","body":"hello"}`, "200").Get("event_id").Str

	j := w.do("bob", "GET", "sync?timeout=60000&use_state_after=true&full_state=false&set_presence=offline&since="+since, "", "200").Get("rooms.join." + gjson.Escape(roomID))
	if j.Get("timeline.events.0.content.body").Str != "hello" || j.Get("unread_notifications.notification_count").Int() != 1 || !j.Get("state_after").Exists() {
		t.Errorf("sync: %s", j)
	}
	mine := w.do("alice", "GET", "sync?set_presence=offline&since="+since, "", "200").Get("rooms.join." + gjson.Escape(roomID))
	if mine.Get("timeline.events.0.unsigned.transaction_id").Str != "t1" {
		t.Errorf("own event: %s", mine)
	}
	if n := w.do("bob", "GET", "notifications?limit=1", "", "200"); n.Get("notifications.0.event.content.body").Str != "hello" {
		t.Errorf("notifications: %s", n)
	}
	w.do("bob", "GET", "notifications?limit=x", "", "400 M_INVALID_PARAM")
	w.do("bob", "GET", "sync?timeout=x", "", "400 M_INVALID_PARAM")
	w.do("bob", "GET", "sync?timeout=-1", "", "400 M_INVALID_PARAM")
	w.do("bob", "GET", "sync?full_state=x", "", "400 M_INVALID_PARAM")
	w.do("bob", "GET", "sync?use_state_after=x", "", "400 M_INVALID_PARAM")
	w.do("bob", "GET", "sync?since=x", "", "400 M_INVALID_PARAM")
	w.do("nobody", "GET", "sync", "", "401 M_UNKNOWN_TOKEN")

	receipt := at + "/receipt/m.read/" + url.PathEscape(ev)
	w.do("bob", "POST", receipt, `{"thread_id":"main"}`, "200")
	w.do("bob", "POST", receipt, ``, "200")
	w.do("bob", "POST", receipt, `{"thread_id":3}`, "400 M_BAD_JSON")
	w.do("bob", "POST", receipt, `{"thread_id":""}`, "400 M_INVALID_PARAM")
	w.do("bob", "POST", at+"/read_markers", `{"m.fully_read":"`+ev+`","m.read":"`+ev+`","m.read.private":"`+ev+`"}`, "200")
	w.do("bob", "POST", at+"/read_markers", `{"m.read":"$nosuch"}`, "404 M_NOT_FOUND")
	w.do("bob", "POST", at+"/read_markers", `[`, "400 M_NOT_JSON")

	w.do("bob", "PUT", at+"/typing/@bob:test", `{"typing":true,"timeout":1000}`, "200")
	w.do("bob", "PUT", at+"/typing/@alice:test", `{"typing":true}`, "403 M_FORBIDDEN")
	w.do("bob", "PUT", at+"/typing/@bob:test", `{}`, "400 M_BAD_JSON")
	w.do("bob", "PUT", at+"/typing/@bob:test", `{"typing":3}`, "400 M_BAD_JSON")

	w.do("bob", "PUT", "presence/@bob:test/status", `{"presence":"online","status_msg":"here"}`, "200")
	if got := w.do("alice", "GET", "presence/@bob:test/status", "", "200"); got.Get("status_msg").Str != "here" {
		t.Errorf("presence: %s", got)
	}
	w.do("alice", "GET", "presence/@nobody:test/status", "", "403 M_FORBIDDEN")
	w.do("alice", "PUT", "presence/@bob:test/status", `{"presence":"online"}`, "403 M_FORBIDDEN")
	w.do("bob", "PUT", "presence/@bob:test/status", `{}`, "400 M_BAD_JSON")
	w.do("bob", "PUT", "presence/@bob:test/status", `{"presence":1}`, "400 M_BAD_JSON")

	w.do("alice", "PUT", "sendToDevice/org.test/t1", `{"messages":{"@bob:test":{"*":{"x":1}}}}`, "200")
	w.do("alice", "PUT", "sendToDevice/org.test/t2", `{"messages":{"@bob:test":{"*":3}}}`, "400 M_BAD_JSON")
	w.do("alice", "PUT", "sendToDevice/org.test/t3", `{}`, "400 M_BAD_JSON")
	w.do("alice", "PUT", "sendToDevice/org.test/t4", `x`, "400 M_NOT_JSON")
	got := w.do("bob", "GET", "sync?since="+since, "", "200")
	if got.Get("to_device.events.0.content.x").Int() != 1 || got.Get("rooms.join."+gjson.Escape(roomID)+".ephemeral.events.#").Int() != 2 {
		t.Errorf("sync: %s", got)
	}
	w.do("bob", "POST", at+"/leave", `{}`, "200")
	w.do("bob", "POST", at+"/forget", `{}`, "200")
	if got := w.do("bob", "GET", "sync?since="+since, "", "200"); got.Get("rooms.join").Exists() || got.Get("rooms.leave."+gjson.Escape(roomID)+".timeline.events.#").Int() != 1 {
		t.Errorf("a forgotten room: %s", got)
	}
}

func TestPushRuleRoutes(t *testing.T) {
	w := newWard(t)
	if got := w.do("bob", "GET", "pushrules/", "", "200"); got.Get("global.override.0.rule_id").Str != ".m.rule.master" {
		t.Errorf("rules: %s", got)
	}
	w.do("bob", "GET", "pushrules", "", "200")
	if got := w.do("bob", "GET", "pushrules/global/", "", "200"); !got.Get("underride.0.rule_id").Exists() || !got.Get("room").IsArray() {
		t.Errorf("rules: %s", got)
	}
	const cake, pie = "pushrules/global/content/cake", "pushrules/global/content/pie"
	w.do("bob", "PUT", cake, `{"pattern":"cake*lie","actions":["notify"]}`, "200")
	w.do("bob", "PUT", pie+"?after=cake", `{"pattern":"pie","actions":[]}`, "200")
	w.do("bob", "PUT", pie+"?before=nosuch", `{"pattern":"pie","actions":[]}`, "400 M_UNKNOWN")
	w.do("bob", "PUT", pie, `{"actions":[]}`, "400 M_MISSING_PARAM")
	w.do("bob", "PUT", pie, `{"pattern":3,"actions":[]}`, "400 M_BAD_JSON")
	w.do("bob", "PUT", "pushrules/global/content/.x", `{"pattern":"x","actions":[]}`, "400 M_INVALID_PARAM")
	w.do("bob", "PUT", "pushrules/global/override/a%2Fb", `{"actions":[]}`, "400 M_INVALID_PARAM")
	if got := w.do("bob", "GET", cake, "", "200"); got.Get("pattern").Str != "cake*lie" || !got.Get("enabled").Bool() || got.Get("default").Bool() {
		t.Errorf("rule: %s", got)
	}
	w.do("bob", "GET", "pushrules/global/content/nosuch", "", "404 M_NOT_FOUND")
	w.do("bob", "PUT", cake+"/enabled", `{"enabled":false}`, "200")
	w.do("bob", "PUT", cake+"/enabled", `{}`, "400 M_BAD_JSON")
	w.do("bob", "PUT", cake+"/enabled", `{"enabled":1}`, "400 M_BAD_JSON")
	w.do("bob", "PUT", "pushrules/global/content/nosuch/enabled", `{"enabled":false}`, "404 M_NOT_FOUND")
	if got := w.do("bob", "GET", cake+"/enabled", "", "200"); got.Raw != `{"enabled":false}` {
		t.Errorf("enabled: %s", got)
	}
	w.do("bob", "PUT", cake+"/actions", `{"actions":["notify",{"set_tweak":"highlight"}]}`, "200")
	w.do("bob", "PUT", cake+"/actions", `{"actions":3}`, "400 M_BAD_JSON")
	if got := w.do("bob", "GET", cake+"/actions", "", "200"); got.Raw != `{"actions":["notify",{"set_tweak":"highlight"}]}` {
		t.Errorf("actions: %s", got)
	}
	w.do("bob", "GET", "pushrules/global/content/nosuch/actions", "", "404 M_NOT_FOUND")
	w.do("bob", "DELETE", cake, "", "200")
	w.do("bob", "DELETE", cake, "", "404 M_NOT_FOUND")
	w.do("bob", "GET", "pushrules/global/device/x", "", "404 M_NOT_FOUND")
}

func TestPusherRoutes(t *testing.T) {
	w := newWard(t)
	const pusher = `"app_id":"org.test","pushkey":"k","app_display_name":"a","device_display_name":"d","lang":"en","profile_tag":"p"`
	const data = `"data":{"url":"https://push.test/_matrix/push/v1/notify","format":"event_id_only"}`
	w.do("bob", "POST", "pushers/set", `{"kind":"http",`+pusher+`,`+data+`}`, "200")
	got := w.do("bob", "GET", "pushers", "", "200").Get("pushers")
	if got.Get("#").Int() != 1 || got.Get("0.data.format").Str != "event_id_only" || got.Get("0.append").Exists() {
		t.Errorf("pushers: %s", got)
	}
	if got := w.do("bob", "POST", "pushers/set", `{"kind":"http","app_id":"a","pushkey":"k","app_display_name":"a","device_display_name":"d"}`, "400 M_MISSING_PARAM"); got.Get("error").Str != "Missing parameters: lang, data" {
		t.Errorf("error: %s", got)
	}
	w.do("bob", "POST", "pushers/set", `{"kind":"http",`+pusher+`,"data":{"url":"http://push.test/_matrix/push/v1/notify"}}`, "400 M_INVALID_PARAM")
	w.do("bob", "POST", "pushers/set", `{"kind":"http",`+pusher+`,"data":{"url":"https://push.test/other"}}`, "400 M_INVALID_PARAM")
	w.do("bob", "POST", "pushers/set", `{"kind":"carrier-pigeon",`+pusher+`,`+data+`}`, "400 M_INVALID_PARAM")
	w.do("bob", "POST", "pushers/set", `{"kind":"http","app_id":"`+strings.Repeat("x", 65)+`","pushkey":"k","app_display_name":"a","device_display_name":"d","lang":"e",`+data+`}`, "400 M_INVALID_PARAM")
	w.do("bob", "POST", "pushers/set", `{"kind":3}`, "400 M_BAD_JSON")
	w.do("bob", "POST", "pushers/set", `3`, "400 M_BAD_JSON")
	w.do("bob", "POST", "pushers/set", `{"kind":null,"app_id":"org.test","pushkey":"k"}`, "200")
	if got := w.do("bob", "GET", "pushers", "", "200").Get("pushers"); got.Raw != "[]" {
		t.Errorf("after deleting: %s", got)
	}
}

func TestUpgradedRoomKeepsSettings(t *testing.T) {
	w := newWard(t)
	upgrade := func(old string) string {
		return w.do("bob", "POST", "rooms/"+url.PathEscape(old)+"/upgrade", `{"new_version":"11"}`, "200").Get("replacement_room").Str
	}
	byHand := func(old string) string {
		return w.do("bob", "POST", "createRoom", fmt.Sprintf(`{"preset":"public_chat","creation_content":{"predecessor":{"room_id":%q}}}`, old), "200").Get("room_id").Str
	}
	for name, replace := range map[string]func(string) string{"upgrade": upgrade, "by hand": byHand} {
		t.Run(name, func(t *testing.T) {
			old := w.do("bob", "POST", "createRoom", `{"preset":"public_chat","room_version":"10"}`, "200").Get("room_id").Str
			w.do("alice", "POST", "join/"+url.PathEscape(old), "", "200")
			for _, who := range []string{"bob", "alice"} {
				w.do(who, "PUT", "pushrules/global/room/"+url.PathEscape(old), `{"actions":["dont_notify"]}`, "200")
				w.do(who, "PUT", "pushrules/global/room/"+url.PathEscape(old)+"/enabled", `{"enabled":false}`, "200")
				w.do(who, "PUT", "user/@"+who+":test/rooms/"+url.PathEscape(old)+"/tags/m.favourite", `{"order":0.5}`, "200")
			}
			next := replace(old)
			if name == "upgrade" {
				if got := w.do("alice", "GET", "rooms/"+url.PathEscape(old)+"/state/m.room.tombstone", "", "200").Get("replacement_room").Str; got != next {
					t.Errorf("replaced by %s", got)
				}
			}
			w.do("alice", "POST", "join/"+url.PathEscape(next), "", "200")
			for _, who := range []string{"bob", "alice"} {
				rule := w.do(who, "GET", "pushrules/global/room/"+url.PathEscape(next), "", "200")
				if rule.Get("actions.0").Str != "dont_notify" || rule.Get("enabled").Bool() {
					t.Errorf("%s: %s", who, rule)
				}
				tags := w.do(who, "GET", "user/@"+who+":test/rooms/"+url.PathEscape(next)+"/tags", "", "200")
				if tags.Get(`tags.m\.favourite.order`).Num != 0.5 {
					t.Errorf("%s: %s", who, tags)
				}
			}
			// What was set for the new room is not changed by coming back.
			w.do("alice", "PUT", "pushrules/global/room/"+url.PathEscape(next), `{"actions":["notify"]}`, "200")
			w.do("alice", "POST", "rooms/"+url.PathEscape(next)+"/leave", "", "200")
			w.do("alice", "POST", "join/"+url.PathEscape(next), "", "200")
			if rule := w.do("alice", "GET", "pushrules/global/room/"+url.PathEscape(next), "", "200"); rule.Get("actions.0").Str != "notify" {
				t.Errorf("%s", rule)
			}
		})
	}
}

// The other devices of a person who forgot a room learn that the room was left, and nothing else of it.
func TestForgottenRoomIsLeft(t *testing.T) {
	w := newWard(t)
	r := w.do("bob", "POST", "createRoom", `{"preset":"public_chat"}`, "200").Get("room_id").Str
	w.do("alice", "POST", "join/"+url.PathEscape(r), "", "200")
	since := w.do("alice", "GET", "sync", "", "200").Get("next_batch").Str
	w.do("bob", "PUT", "rooms/"+url.PathEscape(r)+"/send/m.room.message/1", `{"body":"x"}`, "200")
	w.do("alice", "POST", "rooms/"+url.PathEscape(r)+"/leave", "", "200")
	w.do("alice", "POST", "rooms/"+url.PathEscape(r)+"/forget", "", "200")
	w.do("bob", "PUT", "rooms/"+url.PathEscape(r)+"/send/m.room.message/2", `{"body":"y"}`, "200")
	got := w.do("alice", "GET", "sync?since="+since, "", "200")
	left := got.Get("rooms.leave").Map()[r]
	if n := len(left.Get("timeline.events").Array()); n != 1 || left.Get("timeline.events.0.content.membership").Str != "leave" {
		t.Errorf("left: %s", left)
	}
	if again := w.do("alice", "GET", "sync?since="+got.Get("next_batch").Str, "", "200"); again.Get("rooms").Exists() {
		t.Errorf("again: %s", again)
	}
	if all := w.do("alice", "GET", `sync?filter={"room":{"include_leave":true}}`, "", "200"); all.Get("rooms").Exists() {
		t.Errorf("from the beginning: %s", all)
	}
}
