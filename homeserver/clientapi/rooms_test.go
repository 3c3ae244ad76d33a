package clientapi

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/homeserver/search"
	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/rest"
	"github.com/myelin-health/myelin/seal"
)

// roomServer serves the sections about rooms by HTTP. The token of a user is the local part of their name;
// "boss" is an administrator.
type roomServer struct {
	t   *testing.T
	api *API
	url string
	n   int
}

func newRoomServer(t *testing.T, d *db.DB) *roomServer {
	t.Helper()
	keys, err := seal.Open(t.Context(), seal.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	key, err := event.NewKey("hs", "1", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &API{ServerName: "hs"}
	a.Search = search.New(search.Options{DB: d, Seal: keys, Rooms: func() *room.Rooms { return a.Rooms }})
	a.Rooms, err = room.New(room.Options{DB: d, Seal: keys, ServerName: "hs", Key: key, EncryptRooms: room.EncryptNever, Observers: []room.Observer{a.Search}})
	if err != nil {
		t.Fatal(err)
	}
	s := rest.New(rest.Options{Registerer: prometheus.NewRegistry(), Authenticate: func(_ context.Context, token string) (access.Who, error) {
		if token == "wrong" {
			return access.Who{}, fault.New(fault.UnknownToken, "unknown")
		}
		return access.Who{User: id.UserID("@" + token + ":hs"), Device: id.DeviceID("DEV-" + token), Token: 1, Admin: token == "boss"}, nil
	}})
	s.Add(slices.Concat(a.roomsRoutes(), a.sendRoutes(), a.roomStateRoutes(), a.membershipRoutes(), a.aliasesRoutes(), a.messagesRoutes(),
		a.relationsRoutes(), a.searchRoutes(), a.publicRoomsRoutes())...)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return &roomServer{t: t, api: a, url: srv.URL + "/_matrix/client/"}
}

// call makes a request; path is below /_matrix/client. It fails unless the answer has the status, and the
// error code when there is one behind the status.
func (w *roomServer) call(want, method, path, token, body string) gjson.Result {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	got := fmt.Sprint(res.StatusCode)
	if code := gjson.GetBytes(b, "errcode").Str; code != "" {
		got += " " + code
	}
	if got != want {
		w.t.Fatalf("%s %s: got %s, want %s: %s", method, path, got, want, b)
	}
	if !gjson.ValidBytes(b) {
		w.t.Fatalf("%s %s: no JSON: %s", method, path, b)
	}
	return gjson.ParseBytes(b)
}

func (w *roomServer) get(want, path, token string) gjson.Result {
	w.t.Helper()
	return w.call(want, http.MethodGet, path, token, "")
}

func (w *roomServer) create(token, body string) string {
	w.t.Helper()
	return w.call("200", http.MethodPost, "v3/createRoom", token, body).Get("room_id").Str
}

func (w *roomServer) send(r, token, typ, content string) string {
	w.t.Helper()
	w.n++
	return w.call("200", http.MethodPut, fmt.Sprintf("v3/rooms/%s/send/%s/t%d", url.PathEscape(r), typ, w.n), token, content).Get("event_id").Str
}

func (w *roomServer) say(r, token, text string) string {
	w.t.Helper()
	return w.send(r, token, "m.room.message", fmt.Sprintf(`{"msgtype":"m.text","body":%q}`, text))
}

func onRoomServers(t *testing.T, f func(t *testing.T, w *roomServer)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { f(t, newRoomServer(t, d)) })
}

func bodiesOf(l gjson.Result) string {
	var s []string
	for _, e := range l.Array() {
		s = append(s, e.Get("content.body").Str)
	}
	return strings.TrimSpace(strings.Join(s, " "))
}

func TestRoomsByHTTP(t *testing.T) {
	onRoomServers(t, func(t *testing.T, w *roomServer) {
		const post, put = http.MethodPost, http.MethodPut
		w.call("401 M_MISSING_TOKEN", post, "v3/createRoom", "", "{}")
		w.call("401 M_UNKNOWN_TOKEN", post, "v3/createRoom", "wrong", "{}")
		w.call("400 M_BAD_JSON", post, "v3/createRoom", "alice", `{"room_version":1}`)
		w.call("400 M_UNSUPPORTED_ROOM_VERSION", post, "v3/createRoom", "alice", `{"room_version":"x"}`)
		r := w.create("alice", `{"preset":"public_chat","room_alias_name":"ward","name":"Ward","visibility":"public"}`)
		base := "v3/rooms/" + url.PathEscape(r)
		w.call("400 M_ROOM_IN_USE", post, "v3/createRoom", "alice", `{"room_alias_name":"ward"}`)

		if got := w.call("200", post, "v3/join/%23ward:hs", "bob", `{"foo":"bar","membership":"ban"}`).Get("room_id").Str; got != r {
			t.Errorf("joined %s", got)
		}
		if c := w.get("200", base+"/state/m.room.member/@bob:hs", "alice"); c.Get("foo").Str != "bar" || c.Get("membership").Str != "join" {
			t.Errorf("member %s", c)
		}
		w.call("404 M_NOT_FOUND", post, "v3/join/%23none:hs", "bob", "")
		w.call("404 M_NOT_FOUND", post, "v3/rooms/!none/join", "bob", "")
		if got := w.get("200", "v3/joined_rooms", "bob").Get("joined_rooms.0").Str; got != r {
			t.Errorf("joined rooms %s", got)
		}
		if l := w.get("200", base+"/joined_members", "bob").Get("joined").Map(); len(l) != 2 || l["@bob:hs"].Raw != `{"display_name":null,"avatar_url":null}` {
			t.Errorf("joined members %s", l)
		}
		w.get("403 M_FORBIDDEN", base+"/joined_members", "carol")
		w.call("403 M_FORBIDDEN", post, base+"/kick", "bob", `{"user_id":"@alice:hs"}`)
		w.call("400 M_MISSING_PARAM", post, base+"/ban", "alice", `{}`)
		w.call("200", post, base+"/ban", "alice", `{"user_id":"@carol:hs","reason":"r"}`)
		w.call("403 M_FORBIDDEN", post, base+"/join", "carol", "")
		w.call("200", post, base+"/unban", "alice", `{"user_id":"@carol:hs"}`)
		w.call("200", post, base+"/invite", "alice", `{"user_id":"@carol:hs"}`)
		w.call("200", post, base+"/leave", "carol", "")
		if got := w.get("200", base+"/members?membership=leave", "bob").Get("chunk.#.state_key"); got.String() != `["@carol:hs"]` {
			t.Errorf("left: %s", got)
		}

		// State.
		w.call("200", put, base+"/state/m.room.topic", "alice", `{"topic":"x"}`)
		w.call("200", put, base+"/state/m.room.topic/", "alice", `{"topic":"y"}`)
		w.call("403 M_FORBIDDEN", put, base+"/state/m.room.topic/", "bob", `{"topic":"y"}`)
		w.call("400 M_NOT_JSON", put, base+"/state/m.room.topic/", "alice", `{`)
		w.call("413 M_TOO_LARGE", put, base+"/state/org.big/", "alice", `{"x":"`+strings.Repeat("x", 66000)+`"}`)
		if got := w.get("200", base+"/state/m.room.topic/", "bob").Get("topic").Str; got != "y" {
			t.Errorf("topic %q", got)
		}
		if got := w.get("200", base+"/state/m.room.topic?format=event", "bob"); got.Get("sender").Str != "@alice:hs" || got.Get("room_id").Str != r {
			t.Errorf("topic event %s", got)
		}
		w.get("404 M_NOT_FOUND", base+"/state/m.room.avatar", "bob")
		w.get("403 M_FORBIDDEN", base+"/state/m.room.topic", "carol")
		if n := len(w.get("200", base+"/state", "bob").Array()); n < 9 {
			t.Errorf("%d state events", n)
		}

		// Aliases.
		w.call("200", put, "v3/directory/room/%23b:hs", "bob", fmt.Sprintf(`{"room_id":%q}`, r))
		w.call("409 M_UNKNOWN", put, "v3/directory/room/%23b:hs", "bob", fmt.Sprintf(`{"room_id":%q}`, r))
		if got := w.get("200", "v3/directory/room/%23b:hs", "").Get("room_id").Str; got != r {
			t.Errorf("alias names %s", got)
		}
		if got := w.get("200", base+"/aliases", "bob").Get("aliases").String(); got != `["#b:hs","#ward:hs"]` {
			t.Errorf("aliases %s", got)
		}
		w.call("403 M_FORBIDDEN", http.MethodDelete, "v3/directory/room/%23ward:hs", "bob", "")
		w.call("200", http.MethodDelete, "v3/directory/room/%23b:hs", "bob", "")
		w.get("404 M_NOT_FOUND", "v3/directory/room/%23b:hs", "")

		// Knocking and upgrading.
		k := w.create("alice", `{"initial_state":[{"type":"m.room.join_rules","content":{"join_rule":"knock"}}]}`)
		if got := w.call("200", post, "v3/knock/"+url.PathEscape(k), "bob", `{"reason":"please"}`).Get("room_id").Str; got != k {
			t.Errorf("knocked on %s", got)
		}
		w.call("400 M_MISSING_PARAM", post, base+"/upgrade", "alice", `{}`)
		w.call("400 M_UNSUPPORTED_ROOM_VERSION", post, base+"/upgrade", "alice", `{"new_version":"x"}`)
		w.call("403 M_FORBIDDEN", post, base+"/upgrade", "bob", `{"new_version":"11"}`)
	})
}

func TestHistoryByHTTP(t *testing.T) {
	onRoomServers(t, func(t *testing.T, w *roomServer) {
		r := w.create("alice", `{"preset":"public_chat"}`)
		base := "v3/rooms/" + url.PathEscape(r)
		w.call("200", http.MethodPost, base+"/join", "bob", "")
		var ids []string
		for i := range 5 {
			ids = append(ids, w.say(r, "alice", fmt.Sprint("m", i)))
		}
		first := w.call("200", http.MethodPut, base+"/send/m.room.message/same", "bob", `{"body":"b"}`).Get("event_id").Str
		if again := w.call("200", http.MethodPut, base+"/send/m.room.message/same", "bob", `{"body":"c"}`).Get("event_id").Str; again != first {
			t.Error("the transaction was done twice")
		}
		w.call("400 M_BAD_JSON", http.MethodPut, base+"/send/m.room.message/x", "bob", `{"n":1.5}`)
		w.call("400 M_NOT_JSON", http.MethodPut, base+"/send/m.room.message/x", "bob", `{"n":NaN}`)
		w.call("403 M_FORBIDDEN", http.MethodPut, base+"/send/m.room.message/x", "carol", `{}`)

		p := w.get("200", base+"/messages?dir=b&limit=2", "bob")
		if got := bodiesOf(p.Get("chunk")); got != "b m4" || p.Get("chunk.0.unsigned.transaction_id").Str != "same" ||
			p.Get("chunk.1.unsigned.membership").Str != "join" {
			t.Errorf("page %s", p)
		}
		p = w.get("200", base+"/messages?dir=b&from="+p.Get("end").Str+"&filter="+url.QueryEscape(`{"types":["m.room.message"],"lazy_load_members":true}`), "bob")
		if got := bodiesOf(p.Get("chunk")); got != "m3 m2 m1 m0" || p.Get("state.#").Int() != 1 || !p.Get("end").Exists() {
			t.Errorf("page %s", p)
		}
		if p = w.get("200", base+"/messages?dir=b&from="+p.Get("end").Str, "bob"); p.Get("chunk.0.state_key").Str != "@bob:hs" || p.Get("end").Exists() {
			t.Errorf("page behind a filtered one %s", p)
		}
		if l := w.get("200", base+"/members?at=s0", "alice").Get("chunk.#.state_key"); l.Raw != `["@alice:hs"]` {
			t.Errorf("members at the beginning %s", l)
		}
		if l := w.get("200", base+"/members?at=s0", "bob").Get("chunk.#.state_key"); l.Raw != `["@alice:hs","@bob:hs"]` {
			t.Errorf("members when bob came %s", l)
		}
		p = w.get("200", base+"/messages?dir=f&limit=100", "bob")
		if got := bodiesOf(p.Get("chunk")); got != "m0 m1 m2 m3 m4 b" || p.Get("chunk.0.type").Str != "m.room.create" || p.Get("start").Str == "" {
			t.Errorf("page %s", p)
		}
		w.get("400 M_MISSING_PARAM", base+"/messages", "bob")
		w.get("400 M_INVALID_PARAM", base+"/messages?dir=x", "bob")
		w.get("400 M_INVALID_PARAM", base+"/messages?dir=b&limit=x", "bob")
		w.get("400 M_INVALID_PARAM", base+"/messages?dir=b&from=x", "bob")
		w.get("400 M_INVALID_PARAM", base+"/messages?dir=b&filter={", "bob")
		w.get("403 M_FORBIDDEN", base+"/messages?dir=b", "carol")
		w.get("403 M_FORBIDDEN", base+"/messages", "carol")

		if e := w.get("200", base+"/event/"+ids[2], "bob"); e.Get("content.body").Str != "m2" || e.Get("room_id").Str != r {
			t.Errorf("event %s", e)
		}
		w.get("404 M_NOT_FOUND", base+"/event/"+ids[2], "carol")
		w.get("404 M_NOT_FOUND", base+"/event/$none", "bob")
		c := w.get("200", base+"/context/"+ids[2]+"?limit=2", "bob")
		if c.Get("event.event_id").Str != ids[2] || bodiesOf(c.Get("events_before")) != "m1" || bodiesOf(c.Get("events_after")) != "m3" ||
			c.Get("state.#").Int() < 7 || c.Get("start").Str == "" || c.Get("end").Str == "" {
			t.Errorf("context %s", c)
		}
		w.get("400 M_INVALID_PARAM", base+"/context/"+ids[2]+"?limit=x", "bob")
		w.get("400 M_INVALID_PARAM", base+"/context/"+ids[2]+"?filter=x", "bob")
		w.get("404 M_NOT_FOUND", base+"/context/$none", "bob")

		at := "v1/rooms/" + url.PathEscape(r) + "/timestamp_to_event"
		if e := w.get("200", at+"?ts=0&dir=f", "bob"); e.Get("event_id").Str != p.Get("chunk.0.event_id").Str || e.Get("origin_server_ts").Int() == 0 {
			t.Errorf("event at the beginning %s", e)
		}
		w.get("404 M_NOT_FOUND", at+"?ts=0&dir=b", "bob")
		w.get("400 M_MISSING_PARAM", at+"?dir=b", "bob")
		w.get("400 M_INVALID_PARAM", at+"?ts=1&dir=x", "bob")
		w.get("400 M_INVALID_PARAM", at+"?ts=x&dir=b", "bob")

		w.call("403 M_FORBIDDEN", http.MethodPut, base+"/redact/"+ids[0]+"/r1", "bob", `{}`)
		red := w.call("200", http.MethodPut, base+"/redact/"+ids[0]+"/r1", "alice", `{"reason":"oops"}`).Get("event_id").Str
		if e := w.get("200", base+"/event/"+ids[0], "bob"); e.Get("content.body").Exists() || e.Get("unsigned.redacted_because.event_id").Str != red {
			t.Errorf("redacted event %s", e)
		}
	})
}

func TestRelationsByHTTP(t *testing.T) {
	onRoomServers(t, func(t *testing.T, w *roomServer) {
		r := w.create("alice", `{"preset":"public_chat"}`)
		base := "v1/rooms/" + url.PathEscape(r)
		root := w.say(r, "alice", "root")
		relate := func(typ, rel, to string) string {
			return w.send(r, "alice", typ, fmt.Sprintf(`{"body":"c","m.new_content":{},"m.relates_to":{"rel_type":%q,"event_id":%q}}`, rel, to))
		}
		one, two := relate("m.room.message", "m.thread", root), relate("m.dummy", "m.thread", root)
		edit := relate("m.room.message", "m.replace", root)
		deep := relate("m.room.message", "m.replace", one)
		ids := func(p gjson.Result) string { return p.Get("chunk.#.event_id").String() }
		list := func(l ...string) string { return `["` + strings.Join(l, `","`) + `"]` }
		at := base + "/relations/" + root
		if got := ids(w.get("200", at, "alice")); got != list(edit, two, one) {
			t.Errorf("relations %s", got)
		}
		if got := ids(w.get("200", at+"/m.thread?dir=f", "alice")); got != list(one, two) {
			t.Errorf("thread %s", got)
		}
		if got := ids(w.get("200", at+"/m.thread/m.dummy", "alice")); got != list(two) {
			t.Errorf("dummies %s", got)
		}
		p := w.get("200", at+"/m.replace?recurse=true", "alice")
		if got := ids(p); got != list(deep, edit) || p.Get("recursion_depth").Int() != 3 {
			t.Errorf("recursive %s", p)
		}
		p = w.get("200", at+"?limit=2", "alice")
		q := w.get("200", at+"?limit=2&from="+p.Get("next_batch").Str, "alice")
		if ids(p) != list(edit, two) || ids(q) != list(one) || q.Get("next_batch").Exists() || q.Get("prev_batch").Str == "" {
			t.Errorf("pages %s, %s", p, q)
		}
		w.get("404 M_NOT_FOUND", base+"/relations/$none", "alice")
		w.get("403 M_FORBIDDEN", at, "bob")
		w.get("400 M_INVALID_PARAM", at+"?dir=x", "alice")
		w.get("400 M_INVALID_PARAM", at+"?limit=x", "alice")
		w.get("400 M_INVALID_PARAM", at+"?recurse=x", "alice")

		th := w.get("200", base+"/threads?include=participated", "alice")
		if ids(th) != list(root) || th.Get(`chunk.0.unsigned.m\.relations.m\.thread.latest_event.event_id`).Str != two {
			t.Errorf("threads %s", th)
		}
		w.get("200", base+"/threads?limit=1", "alice")
		w.get("400 M_INVALID_PARAM", base+"/threads?limit=0", "alice")
		w.get("400 M_INVALID_PARAM", base+"/threads?limit=x", "alice")
		w.get("400 M_INVALID_PARAM", base+"/threads?include=x", "alice")
		w.get("400 M_INVALID_PARAM", base+"/threads?from=x", "alice")
	})
}

func TestPublicRoomsByHTTP(t *testing.T) {
	onRoomServers(t, func(t *testing.T, w *roomServer) {
		space := w.create("alice", `{"preset":"public_chat","visibility":"public","name":"Space","creation_content":{"type":"m.space"}}`)
		r := w.create("alice", `{"preset":"public_chat","name":"Ward"}`)
		for _, c := range []string{r, "!unknown:hs"} {
			w.call("200", http.MethodPut, "v3/rooms/"+url.PathEscape(space)+"/state/m.space.child/"+url.PathEscape(c), "alice", `{"via":["hs"]}`)
		}
		list := "v3/directory/list/room/" + url.PathEscape(r)
		if v := w.get("200", list, "").Get("visibility").Str; v != "private" {
			t.Errorf("the room is %s", v)
		}
		w.call("403 M_FORBIDDEN", http.MethodPut, list, "bob", `{"visibility":"public"}`)
		w.call("400 M_INVALID_PARAM", http.MethodPut, list, "alice", `{"visibility":"x"}`)
		w.call("200", http.MethodPut, list, "boss", `{"visibility":"public"}`)
		if v := w.get("200", list, "").Get("visibility").Str; v != "public" {
			t.Errorf("the room is %s", v)
		}
		w.get("404 M_NOT_FOUND", "v3/directory/list/room/!none", "")

		p := w.get("200", "v3/publicRooms?limit=1", "")
		q := w.get("200", "v3/publicRooms?limit=1&since="+p.Get("next_batch").Str, "")
		if p.Get("total_room_count_estimate").Int() != 2 || p.Get("chunk.#").Int() != 1 || q.Get("chunk.#").Int() != 1 || q.Get("next_batch").Exists() {
			t.Errorf("pages %s, %s", p, q)
		}
		for body, want := range map[string]string{
			`{"filter":{"generic_search_term":"WARD"}}`: `["Ward"]`, `{"filter":{"room_types":["m.space"]}}`: `["Space"]`,
			`{"filter":{"room_types":[null]}}`: `["Ward"]`, `{"limit":1,"filter":{"generic_search_term":"zzz"}}`: `[]`,
		} {
			if got := w.call("200", http.MethodPost, "v3/publicRooms", "bob", body).Get("chunk.#.name").String(); got != want {
				t.Errorf("%s: %s", body, got)
			}
		}
		w.get("404 M_NOT_FOUND", "v3/publicRooms?server=elsewhere", "")
		w.get("400 M_INVALID_PARAM", "v3/publicRooms?limit=x", "")
		w.get("400 M_INVALID_PARAM", "v3/publicRooms?since=x", "")

		if s := w.get("200", "v1/room_summary/"+url.PathEscape(space), ""); s.Get("name").Str != "Space" || s.Get("room_type").Str != "m.space" {
			t.Errorf("summary %s", s)
		}
		secret := w.create("alice", `{}`)
		w.get("404 M_NOT_FOUND", "v1/room_summary/"+url.PathEscape(secret), "bob")
		w.get("404 M_NOT_FOUND", "v1/room_summary/%23none:hs", "bob")

		at := "v1/rooms/" + url.PathEscape(space) + "/hierarchy"
		h := w.get("200", at, "bob")
		if h.Get("rooms.#.name").String() != `["Space","Ward"]` || h.Get("rooms.0.children_state.#").Int() != 2 || h.Get("next_batch").Exists() {
			t.Errorf("hierarchy %s", h)
		}
		h = w.get("200", at+"?limit=1", "bob")
		if h.Get("rooms.#.name").String() != `["Space"]` {
			t.Errorf("hierarchy %s", h)
		}
		h = w.get("200", at+"?limit=1&from="+h.Get("next_batch").Str, "bob")
		if h.Get("rooms.#.name").String() != `["Ward"]` || h.Get("next_batch").Exists() {
			t.Errorf("hierarchy %s", h)
		}
		for _, bad := range []string{"limit=0", "limit=x", "max_depth=-1", "max_depth=x", "from=-1", "from=x", "suggested_only=x"} {
			w.get("400 M_INVALID_PARAM", at+"?"+bad, "bob")
		}
		w.get("403 M_FORBIDDEN", "v1/rooms/"+url.PathEscape(secret)+"/hierarchy", "bob")
	})
}
