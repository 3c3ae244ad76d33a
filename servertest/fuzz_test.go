package servertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"maunium.net/go/mautrix"

	"github.com/myelin-health/myelin/rest"
)

// visitor makes requests of any form to a running server, as somebody who is signed in.
type visitor struct {
	server *Server
	me     *mautrix.Client
	names  *strings.Replacer // {me}, {bob}, {room}, {event}, {device} in a path or a body
}

func newVisitor(t testing.TB) *visitor {
	t.Helper()
	v := &visitor{server: Start(t, "", "MYELIN_TURN_URIS=turn:turn.example.org", "MYELIN_TURN_SECRET=turn"), me: nil}
	v.me = Register(t, v.server.URL, "alice")
	bob := Register(t, v.server.URL, "bob")
	room := Room(t, &mautrix.ReqCreateRoom{Preset: "public_chat", Name: "Ward"}, v.me, bob)
	sent, err := v.me.SendText(t.Context(), room, "text")
	if err != nil {
		t.Fatal(err)
	}
	v.names = strings.NewReplacer("{me}", string(v.me.UserID), "{bob}", string(bob.UserID), "{room}", string(room),
		"{event}", string(sent.EventID), "{device}", string(v.me.DeviceID))
	return v
}

// ask makes a request without a connection, so that nothing cleans up what no client would send. ok is
// false for what is no request at all.
func (v *visitor) ask(t testing.TB, method, target string, body []byte, token bool) (*httptest.ResponseRecorder, bool) {
	t.Helper()
	path, query, _ := strings.Cut(v.names.Replace(target), "?")
	plain, err := url.PathUnescape(path)
	if err != nil || !strings.HasPrefix(path, "/") || method == "" || strings.ContainsFunc(method, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, false
	}
	q, err := url.ParseQuery(query)
	if err == nil && (q.Has("timeout") || strings.HasSuffix(plain, "/events")) {
		q.Set("timeout", "0") // nobody waits here
		query = q.Encode()
	}
	body = []byte(v.names.Replace(string(body)))
	r := &http.Request{
		Method: method, URL: &url.URL{Path: plain, RawPath: path, RawQuery: query}, RequestURI: target, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		Host: "localhost", RemoteAddr: "127.0.0.1:1",
	}
	if token {
		r.Header.Set("Authorization", "Bearer "+v.me.AccessToken)
	}
	w := httptest.NewRecorder()
	v.server.Handler().ServeHTTP(w, r.WithContext(t.Context()))
	return w, true
}

// check asks and looks at what every answer has to be: never a failure of the server's own, errors in the
// form of the specification.
func (v *visitor) check(t testing.TB, method, target string, body []byte, token bool) int {
	t.Helper()
	w, ok := v.ask(t, method, target, body, token)
	if !ok {
		return 0
	}
	shown := fmt.Sprintf("%s %.200s with %.200q", method, target, body)
	var answer struct {
		Code string `json:"errcode"`
		Text string `json:"error"`
	}
	api := strings.HasPrefix(target, "/_matrix/") && method != http.MethodHead
	if w.Code >= 400 && api {
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Errorf("%s: %d %.200q: %v", shown, w.Code, w.Body.Bytes(), err)
		}
		// The first answer of user-interactive authentication has no code.
		if answer.Code == "" && w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d without a code: %.200q", shown, w.Code, w.Body.Bytes())
		}
	}
	switch {
	case w.Code < 500:
	case w.Code == http.StatusBadGateway && answer.Code == "M_CONNECTION_FAILED": // what another server has
	case w.Code == http.StatusGatewayTimeout && answer.Code == "M_NOT_YET_UPLOADED":
	default:
		t.Errorf("%s: %d %.300q", shown, w.Code, w.Body.Bytes())
	}
	if w.Code == http.StatusUnauthorized && token && answer.Code == "M_UNKNOWN_TOKEN" {
		SignIn(t, v.me, "alice") // a request before this one signed out
	}
	return w.Code
}

// target is a route's path with names in it that mean something. The room is left alone by what ends it.
func target(route rest.Route) string {
	room := "{room}"
	if strings.HasSuffix(route.Path, "/leave") || strings.HasSuffix(route.Path, "/upgrade") {
		room = "!other:localhost"
	}
	return strings.NewReplacer("{roomId}", room, "{roomIdOrAlias}", "{room}", "{userId}", "{me}", "{eventId}", "{event}",
		"{deviceId}", "{device}", "{eventType}", "m.room.topic", "{stateKey}", "", "{txnId}", "t", "{roomAlias}", "%23ward:localhost",
		"{keyName}", "displayname", "{relType}", "m.thread", "{receiptType}", "m.read", "{kind}", "room", "{ruleId}", "{room}",
		"{type}", "m.direct", "{tag}", "u.x", "{serverName}", "localhost", "{mediaId}", "abc", "{filterId}", "0").Replace(route.Path)
}

// bodies are what every route is tried with.
var bodies = []string{
	``, `{}`, `[]`, `null`, `"x"`, `{`, "{\"a\":\"\xff\xfe\"}", `{"a":"\ud800"}`, `{"a":1e400}`, `{"a":1.5,"b":-0}`, `{"a":1,"a":2}`, `{"\u0000":"\u0000"}`,
	`{"user_id":7,"room_id":{},"type":[],"messages":[],"device_keys":[],"one_time_keys":3,"filter":1,"auth":[],"identifier":"x","limit":"x","content":0}`,
	`{"user_id":"x","room_id":"!","event_id":"$","m.read":"x","m.fully_read":"$","typing":true,"timeout":-1,"membership":"no","limit":-5,"displayname":null}`,
	`{"user_id":"{bob}","new_version":"1","limit":99999999999999999999,"since":"x","search_term":"","devices":["",null],"timeout":1e30}`,
	`{"messages":{"*":{"*":{}},"{bob}":null},"device_keys":{"":[""],"{bob}":null},"one_time_keys":{"":{"":""}},"rooms":{"":{"sessions":{"":{}}}}}`,
}

// Every route answers every body, known or not, in the form of the specification.
func TestEveryRouteTakesAnything(t *testing.T) {
	v := newVisitor(t)
	long := strings.Repeat("x", 100_000)
	tried := append([]string{
		strings.Repeat("[", 10_000), strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
		`{"a":` + strings.Repeat(`{"a":`, 10_000) + `1` + strings.Repeat("}", 10_001), `{"a":"` + long + `"}`,
	}, bodies...)
	for _, route := range v.server.Routes() {
		if strings.HasSuffix(route.Path, "/logout/all") || strings.HasSuffix(route.Path, "/logout") {
			continue // has nothing to read and signs out
		}
		path := target(route)
		for _, body := range tried {
			v.check(t, route.Method, path, []byte(body), true)
		}
		for _, query := range []string{
			"?limit=-1&from=x&to=y&since=x&dir=b&ts=-1&filter={&at=x&timeout=-1&membership=x&width=-1&height=0&method=x",
			"?limit=99999999999999999999&from=s-5&to=s99999999999999999&dir=f&ts=99999999999999999999&since=s1_x&filter=%7B%22limit%22:-1%7D&at=s-9",
			"?limit=100000000&from=s9223372036854775807&to=s0&dir=b&ts=0&since=s9223372036854775807_x_9223372036854775807&at=s9223372036854775807&width=100000&height=100000",
			"?limit=%00&from=%ff&dir=f&since=%ff_%00&filter=%5B%5D&set_presence=x&full_state=x&version=-1&suggested_only=x&max_depth=-1",
			"?=&&&;%&" + strings.Repeat("a=b&", 3000),
		} {
			v.check(t, route.Method, path+query, []byte(`{}`), true)
		}
		for _, value := range []string{"%00", "%ff%fe", "..", "%2F", "%2e%2e%2f", "@", "!", "$", "%23", "@x", "!x:", "@:", "%F0%9F%98%80", long[:3000], "-1", "undefined"} {
			v.check(t, route.Method, strings.NewReplacer("{room}", value, "{me}", value, "{event}", value, "{device}", value).Replace(path), []byte(`{}`), true)
		}
		v.check(t, "BREW", path, nil, true)
		v.check(t, route.Method, path+"/more/and/more", []byte(`{}`), true)
		v.check(t, route.Method, path, []byte(`{}`), false)
	}
	for _, missing := range []string{"/", "/_matrix", "/_matrix/client", "/_matrix/client/v3/none", "/_matrix/client/v9/sync", "/_matrix//client", "/%00", "/_matrix/client/v3/rooms/%"} {
		v.check(t, http.MethodGet, missing, nil, true)
	}
	if got := v.check(t, http.MethodGet, "/_matrix/client/v3/account/whoami", nil, true); got != http.StatusOK {
		t.Errorf("after all of this the server answers %d", got)
	}
}

// State events hold what clients put there; nothing that reads them may fail.
func TestStateMayHoldAnything(t *testing.T) {
	v := newVisitor(t)
	contents := []string{`{}`}
	for _, value := range []string{`null`, `1`, `"x"`, `[]`, `{}`, `[null,1,{"x":[]}]`, `{"{bob}":"100","":null}`, `-9007199254740991`, `{"m.text":[{"body":1}]}`} {
		var b strings.Builder
		for i, key := range []string{
			"membership", "join_rule", "allow", "history_visibility", "guest_access", "alias", "alt_aliases", "name", "topic", "m.topic", "url", "algorithm",
			"rotation_period_ms", "users", "users_default", "events", "events_default", "state_default", "ban", "invite", "notifications", "via", "order",
			"suggested", "pinned", "replacement_room", "deny", "displayname", "avatar_url", "type", "m.relates_to", "m.mentions", "m.new_content",
		} {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "%q:%s", key, value)
		}
		contents = append(contents, "{"+b.String()+"}")
	}
	for _, typ := range []string{
		"create", "member", "power_levels", "join_rules", "history_visibility", "guest_access", "canonical_alias", "name", "topic", "avatar", "encryption",
		"tombstone", "server_acl", "pinned_events", "third_party_invite",
	} {
		made, ok := v.ask(t, http.MethodPost, "/_matrix/client/v3/createRoom", []byte(`{"preset":"public_chat","visibility":"public","room_version":"9"}`), true)
		var room struct {
			ID string `json:"room_id"`
		}
		if err := json.Unmarshal(made.Body.Bytes(), &room); err != nil || !ok || room.ID == "" {
			t.Fatalf("no room: %s", made.Body)
		}
		base := "/_matrix/client/v3/rooms/" + room.ID
		for _, content := range contents {
			for _, path := range []string{"/state/m.room." + typ + "/", "/state/m.room." + typ + "/{me}", "/state/m.space.child/{room}", "/send/m.room." + typ + "/x" + fmt.Sprint(len(content))} {
				v.check(t, http.MethodPut, base+path, []byte(content), true)
			}
			for _, path := range []string{
				base + "/state", base + "/members", base + "/messages?dir=b&limit=50", base + "/joined_members", base + "/aliases",
				"/_matrix/client/v1/rooms/" + room.ID + "/hierarchy", "/_matrix/client/v1/room_summary/" + room.ID, "/_matrix/client/v3/publicRooms",
				"/_matrix/client/v3/sync", "/_matrix/client/v1/rooms/" + room.ID + "/threads",
			} {
				v.check(t, http.MethodGet, path, nil, true)
			}
		}
	}
}

// FuzzHTTP makes requests of any method, path and body.
func FuzzHTTP(f *testing.F) {
	v := newVisitor(f)
	for _, route := range v.server.Routes() {
		f.Add(route.Method, target(route), []byte(`{}`), true)
	}
	for i, body := range bodies {
		f.Add(http.MethodPut, fmt.Sprintf("/_matrix/client/v3/rooms/{room}/send/m.room.message/f%d", i), []byte(body), i%4 != 0)
	}
	f.Add(http.MethodPost, "/_matrix/client/v3/createRoom", []byte(`{"preset":"public_chat","initial_state":[{"type":"m.room.name","content":{"name":"x"}}],"power_level_content_override":{"users":{"{me}":100}}}`), true)
	f.Add(http.MethodPut, "/_matrix/client/v3/rooms/{room}/state/m.room.power_levels/", []byte(`{"users":{"{bob}":"50"},"events":{"m.room.name":50}}`), true)
	f.Add(http.MethodPost, "/_matrix/client/v3/rooms/{room}/invite", []byte(`{"user_id":"@x:other.example"}`), true)
	f.Add(http.MethodGet, "/_matrix/client/v3/rooms/{room}/messages?dir=b&filter=%7B%22types%22:[%22m.*%22]%7D", []byte{}, true)
	f.Add(http.MethodGet, "/_matrix/client/v3/sync?filter=%7B%22room%22:%7B%22timeline%22:%7B%22limit%22:1%7D%7D%7D&since=s3", []byte{}, true)
	f.Add(http.MethodPost, "/_matrix/client/v3/keys/upload", []byte(`{"one_time_keys":{"signed_curve25519:A":{"key":"x","signatures":{}}}}`), true)
	f.Fuzz(func(t *testing.T, method, target string, body []byte, token bool) {
		v.check(t, method, target, body, token)
	})
}
