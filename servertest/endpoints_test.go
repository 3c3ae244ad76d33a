package servertest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"
)

// ask makes a request as a client's person (nil: nobody) and fails unless the answer is want: a status, and an
// error code behind it where there is one.
func ask(t testing.TB, url string, as *mautrix.Client, want, method, path, body string) gjson.Result {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if as != nil {
		r.Header.Set("Authorization", "Bearer "+as.AccessToken)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := res.Status[:3]
	if code := gjson.GetBytes(b, "errcode").Str; code != "" {
		got += " " + code
	}
	if got != want {
		t.Fatalf("%s %s: %s, want %s: %.300s", method, path, got, want, b)
	}
	return gjson.ParseBytes(b)
}

const v3 = "/_matrix/client/v3/"

// proof confirms an operation by the password of every account made here.
func proof(c *mautrix.Client) string {
	return `"auth":{"type":"m.login.password","identifier":{"type":"m.id.user","user":"` + string(c.UserID) + `"},"password":"` + password + `"}`
}

// TestEndpoints is one server for each database; what is tested follows one after the other.
func TestEndpoints(t *testing.T) {
	Each(t, func(t *testing.T, s *Server) {
		for _, f := range []struct {
			name string
			test func(*testing.T, *Server)
		}{
			{"suspended", suspended}, {"login token", loginToken}, {"openid", openID}, {"reports", reports},
			{"mutual rooms", mutualRooms}, {"old sync", oldSync}, {"later", later}, {"threads", threads},
			{"invites", invites}, {"guests", guests},
		} {
			t.Run(f.name, func(t *testing.T) { f.test(t, s) })
		}
	}, "MYELIN_GUESTS=on", "MYELIN_REGISTRATION=open")
}

func suspended(t *testing.T, s *Server) {
	admin := registerAdmin(t, s.URL)
	carol, dave := Register(t, s.URL, "carol"), Register(t, s.URL, "dave")
	room := string(Room(t, &mautrix.ReqCreateRoom{Preset: "public_chat"}, carol, dave))
	said := ask(t, s.URL, dave, "200", "PUT", v3+"rooms/"+room+"/send/m.room.message/1", `{"body":"before"}`).Get("event_id").Str
	theirs := ask(t, s.URL, carol, "200", "PUT", v3+"rooms/"+room+"/send/m.room.message/1", `{"body":"before"}`).Get("event_id").Str
	path := "/_matrix/client/v1/admin/suspend/@dave:localhost"
	ask(t, s.URL, carol, "403 M_FORBIDDEN", "PUT", path, `{"suspended":true}`)
	ask(t, s.URL, admin, "403 M_FORBIDDEN", "PUT", "/_matrix/client/v1/admin/suspend/@admin:localhost", `{"suspended":true}`)
	ask(t, s.URL, admin, "404 M_NOT_FOUND", "PUT", "/_matrix/client/v1/admin/suspend/@nobody:localhost", `{"suspended":true}`)
	ask(t, s.URL, admin, "400 M_INVALID_PARAM", "GET", "/_matrix/client/v1/admin/suspend/@dave:elsewhere.example", ``)
	ask(t, s.URL, admin, "200", "PUT", path, `{"suspended":true}`)
	s.Restart(t)
	if !ask(t, s.URL, admin, "200", "GET", path, ``).Get("suspended").Bool() {
		t.Error("the suspension did not last")
	}
	const no = "403 M_USER_SUSPENDED"
	ask(t, s.URL, dave, no, "PUT", v3+"rooms/"+room+"/send/m.room.message/2", `{"body":"after"}`)
	ask(t, s.URL, dave, no, "POST", v3+"createRoom", `{}`)
	ask(t, s.URL, dave, no, "PUT", v3+"profile/@dave:localhost/displayname", `{"displayname":"x"}`)
	ask(t, s.URL, dave, no, "POST", v3+"rooms/"+room+"/invite", `{"user_id":"@admin:localhost"}`)
	ask(t, s.URL, dave, no, "PUT", v3+"rooms/"+room+"/redact/"+theirs+"/1", `{}`)
	ask(t, s.URL, dave, "200", "PUT", v3+"rooms/"+room+"/redact/"+said+"/2", `{}`)
	ask(t, s.URL, dave, "200", "GET", v3+"sync?timeout=0", ``)
	ask(t, s.URL, dave, "200", "POST", v3+"rooms/"+room+"/leave", `{}`)
	ask(t, s.URL, dave, no, "POST", v3+"rooms/"+room+"/join", `{}`)
	ask(t, s.URL, admin, "200", "PUT", path, `{"suspended":false}`)
	ask(t, s.URL, dave, "200", "POST", v3+"rooms/"+room+"/join", `{}`)
}

func loginToken(t *testing.T, s *Server) {
	carol := Register(t, s.URL, "caroll")
	const get = "/_matrix/client/v1/login/get_token"
	if ask(t, s.URL, carol, "401", "POST", get, `{}`).Get("session").Str == "" {
		t.Error("nothing asks for a proof")
	}
	token := ask(t, s.URL, carol, "200", "POST", get, `{`+proof(carol)+`}`).Get("login_token").Str
	login := `{"type":"m.login.token","token":"` + token + `"}`
	second := ask(t, s.URL, nil, "200", "POST", v3+"login", login)
	if got := second.Get("user_id").Str; got != string(carol.UserID) {
		t.Errorf("the token signs %s in", got)
	}
	settings := v3 + "user/" + string(carol.UserID) + "/account_data/m.local_notification_settings." + second.Get("device_id").Str
	ask(t, s.URL, carol, "200", "PUT", settings, `{"is_silenced":true}`)
	ask(t, s.URL, &mautrix.Client{AccessToken: second.Get("access_token").Str}, "200", "POST", v3+"logout", ``)
	ask(t, s.URL, carol, "404 M_NOT_FOUND", "GET", settings, ``)
	ask(t, s.URL, nil, "403 M_FORBIDDEN", "POST", v3+"login", login)
	ask(t, s.URL, nil, "400 M_MISSING_PARAM", "POST", v3+"login", `{"type":"m.login.token"}`)
}

func openID(t *testing.T, s *Server) {
	carol := Register(t, s.URL, "carolo")
	token := ask(t, s.URL, carol, "200", "POST", v3+"user/@carolo:localhost/openid/request_token", `{}`).Get("access_token").Str
	ask(t, s.URL, carol, "403 M_FORBIDDEN", "POST", v3+"user/@daveo:localhost/openid/request_token", `{}`)
	s.Restart(t)
	const info = "/_matrix/federation/v1/openid/userinfo"
	if got := ask(t, s.URL, nil, "200", "GET", info+"?access_token="+token, ``).Get("sub").Str; got != string(carol.UserID) {
		t.Errorf("the token speaks for %q", got)
	}
	ask(t, s.URL, nil, "401 M_MISSING_TOKEN", "GET", info, ``)
	ask(t, s.URL, nil, "401 M_UNKNOWN_TOKEN", "GET", info+"?access_token="+carol.AccessToken, ``)
	ask(t, s.URL, nil, "401 M_UNKNOWN_TOKEN", "GET", v3+"account/whoami?access_token="+token, ``)
}

func reports(t *testing.T, s *Server) {
	carol, dave, erin := Register(t, s.URL, "carolr"), Register(t, s.URL, "daver"), Register(t, s.URL, "erinr")
	room := string(Room(t, &mautrix.ReqCreateRoom{Preset: "private_chat"}, carol, dave))
	said := ask(t, s.URL, dave, "200", "PUT", v3+"rooms/"+room+"/send/m.room.message/1", `{"body":"x"}`).Get("event_id").Str
	ask(t, s.URL, carol, "200", "POST", v3+"rooms/"+room+"/report/"+said, `{"reason":"rude","score":-100}`)
	ask(t, s.URL, carol, "200", "POST", v3+"rooms/"+room+"/report", `{"reason":"rude"}`)
	ask(t, s.URL, carol, "200", "POST", v3+"users/@daver:localhost/report", `{"reason":"rude"}`)
	ask(t, s.URL, carol, "404 M_NOT_FOUND", "POST", v3+"users/@nobody:localhost/report", `{"reason":"rude"}`)
	ask(t, s.URL, carol, "404 M_NOT_FOUND", "POST", v3+"rooms/!none:localhost/report", `{"reason":"rude"}`)
	ask(t, s.URL, carol, "404 M_NOT_FOUND", "POST", v3+"rooms/"+room+"/report/$none", `{"reason":"rude"}`)
	ask(t, s.URL, erin, "404 M_NOT_FOUND", "POST", v3+"rooms/"+room+"/report/"+said, `{"reason":"rude"}`)
}

func mutualRooms(t *testing.T, s *Server) {
	carol, dave := Register(t, s.URL, "carolm"), Register(t, s.URL, "davem")
	both := Room(t, &mautrix.ReqCreateRoom{}, carol, dave)
	Room(t, &mautrix.ReqCreateRoom{}, carol)
	const path = "/_matrix/client/v1/mutual_rooms?user_id="
	got := ask(t, s.URL, carol, "200", "GET", path+"@davem:localhost", ``)
	if got.Get("joined.#").Int() != 1 || got.Get("joined.0").Str != string(both) || got.Get("count").Int() != 1 {
		t.Errorf("mutual rooms: %s", got.Raw)
	}
	if got := ask(t, s.URL, carol, "200", "GET", path+"@nobody:elsewhere.example", ``); got.Get("joined").Raw != "[]" {
		t.Errorf("with a stranger: %s", got.Raw)
	}
	ask(t, s.URL, carol, "400 M_INVALID_PARAM", "GET", path+"@carolm:localhost", ``)
	ask(t, s.URL, carol, "400 M_INVALID_PARAM", "GET", path+"dave", ``)
	ask(t, s.URL, carol, "400 M_INVALID_PARAM", "GET", path+"@davem:localhost&from=x", ``)
}

func oldSync(t *testing.T, s *Server) {
	carol, dave := Register(t, s.URL, "caroly"), Register(t, s.URL, "davey")
	room := string(Room(t, &mautrix.ReqCreateRoom{Preset: "public_chat", InitialState: nil}, carol))
	ask(t, s.URL, carol, "200", "PUT", v3+"rooms/"+room+"/state/m.room.history_visibility/", `{"history_visibility":"world_readable"}`)
	ask(t, s.URL, dave, "200", "POST", v3+"createRoom", `{"invite":["@caroly:localhost"]}`)
	all := ask(t, s.URL, carol, "200", "GET", v3+"initialSync?limit=3", ``)
	if all.Get("rooms.#").Int() != 2 || all.Get("rooms.0.messages.chunk.#").Int() != 3 || all.Get("rooms.1.invite.sender").Str != "@davey:localhost" {
		t.Errorf("initialSync: %s", all.Raw)
	}
	from := all.Get("end").Str
	peeked := ask(t, s.URL, dave, "200", "GET", v3+"rooms/"+room+"/initialSync", ``)
	said := ask(t, s.URL, carol, "200", "PUT", v3+"rooms/"+room+"/send/m.room.message/1", `{"body":"x"}`).Get("event_id").Str
	for who, token := range map[*mautrix.Client]string{carol: from, dave: peeked.Get("messages.end").Str} {
		target := v3 + "events?from=" + token
		if who == dave {
			target = v3 + "events?room_id=" + room + "&from=" + from
		}
		got := ask(t, s.URL, who, "200", "GET", target, ``)
		if got.Get("chunk.#").Int() != 1 || got.Get("chunk.0.event_id").Str != said || got.Get("chunk.0.room_id").Str != room || got.Get("end").Str == from {
			t.Errorf("events of %s: %s", who.UserID, got.Raw)
		}
	}
	ask(t, s.URL, dave, "200", "GET", v3+"events/"+said, ``)
	ask(t, s.URL, dave, "404 M_NOT_FOUND", "GET", v3+"events/$none", ``)
	hidden := Room(t, &mautrix.ReqCreateRoom{Preset: "private_chat"}, carol)
	ask(t, s.URL, dave, "403 M_FORBIDDEN", "GET", v3+"rooms/"+string(id.RoomID(hidden))+"/initialSync", ``)
}

// later is sent after a restart, from a table that holds no clear text.
func later(t *testing.T, s *Server) {
	carol := Register(t, s.URL, "carold")
	room := string(Room(t, &mautrix.ReqCreateRoom{Preset: "private_chat"}, carol))
	const list = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events"
	send := v3 + "rooms/" + room + "/send/m.room.message/"
	waits := ask(t, s.URL, carol, "200", "PUT", send+"1?org.matrix.msc4140.delay=600000", `{"body":"much later"}`).Get("delay_id").Str
	ask(t, s.URL, carol, "200", "PUT", send+"2?org.matrix.msc4140.delay=1", `{"body":"soon"}`)
	s.Restart(t)
	Eventually(t, 20*time.Second, "the event to be sent", func() bool {
		return ask(t, s.URL, carol, "200", "GET", list, ``).Get("delayed_events.#").Int() == 1
	})
	got := ask(t, s.URL, carol, "200", "GET", list+"/"+waits, ``)
	if got.Get("content.body").Str != "much later" || got.Get("room_id").Str != room || got.Get("delay").Int() != 600000 {
		t.Errorf("what waits: %s", got.Raw)
	}
	ask(t, s.URL, nil, "401 M_MISSING_TOKEN", "GET", list, ``)
	ask(t, s.URL, nil, "404 M_NOT_FOUND", "POST", list+"/none/cancel", `{}`)
	ask(t, s.URL, nil, "404 M_UNRECOGNIZED", "POST", list+"/"+waits+"/hurry", `{}`)
	ask(t, s.URL, nil, "400 M_MISSING_PARAM", "POST", list+"/"+waits, `{}`)
	ask(t, s.URL, nil, "200", "POST", list+"/"+waits, `{"action":"restart"}`)
	ask(t, s.URL, nil, "200", "POST", list+"/"+waits+"/send", `{}`)
	bodies := ask(t, s.URL, carol, "200", "GET", v3+"rooms/"+room+"/messages?dir=b&limit=2", ``).Get("chunk.#.content.body")
	if bodies.Raw != `["much later","soon"]` {
		t.Errorf("sent: %s", bodies.Raw)
	}
}

// threads are subscribed to and unsubscribed from.
func threads(t *testing.T, s *Server) {
	carol := Register(t, s.URL, "carolt")
	room := string(Room(t, &mautrix.ReqCreateRoom{Preset: "private_chat"}, carol))
	send := v3 + "rooms/" + room + "/send/m.room.message/"
	root := ask(t, s.URL, carol, "200", "PUT", send+"1", `{"body":"root"}`).Get("event_id").Str
	reply := ask(t, s.URL, carol, "200", "PUT", send+"2", `{"body":"x","m.relates_to":{"rel_type":"m.thread","event_id":"`+root+`"}}`).Get("event_id").Str
	const unstable = "/_matrix/client/unstable/io.element.msc430"
	subscription, changes := unstable+"6/rooms/"+room+"/thread/"+root+"/subscription", unstable+"8/thread_subscriptions"
	ask(t, s.URL, nil, "401 M_MISSING_TOKEN", "GET", subscription, ``)
	ask(t, s.URL, carol, "404 M_NOT_FOUND", "GET", subscription, ``)
	ask(t, s.URL, carol, "400 IO.ELEMENT.MSC4306.M_NOT_IN_THREAD", "PUT", subscription, `{"automatic":"`+root+`"}`)
	ask(t, s.URL, carol, "400 M_BAD_JSON", "PUT", subscription, `{"automatic":true}`)
	ask(t, s.URL, carol, "200", "PUT", subscription, `{"automatic":"`+reply+`"}`)
	if got := ask(t, s.URL, carol, "200", "GET", subscription, ``); got.Raw != `{"automatic":true}` {
		t.Errorf("subscription: %s", got.Raw)
	}
	if got := ask(t, s.URL, carol, "200", "GET", changes+"?dir=b&limit=1", ``); !got.Get("subscribed.*.*.automatic").Bool() || got.Get("end").Exists() {
		t.Errorf("changes: %s", got.Raw)
	}
	ask(t, s.URL, carol, "200", "DELETE", subscription, ``)
	ask(t, s.URL, carol, "409 IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION", "PUT", subscription, `{"automatic":"`+reply+`"}`)
	ask(t, s.URL, carol, "400 M_MISSING_PARAM", "GET", changes, ``)
	ask(t, s.URL, carol, "400 M_INVALID_PARAM", "GET", changes+"?dir=f", ``)
	ask(t, s.URL, carol, "400 M_INVALID_PARAM", "GET", changes+"?dir=b&limit=0", ``)
	ask(t, s.URL, carol, "400 M_INVALID_PARAM", "PUT", v3+"pushrules/global/postcontent/own", `{"actions":[]}`)
	ask(t, s.URL, carol, "200", "PUT", v3+"pushrules/global/postcontent/.io.element.msc4306.rule.unsubscribed_thread/enabled", `{"enabled":true}`)
}

// invites follow the wish of who is invited, also before it was made.
func invites(t *testing.T, s *Server) {
	carol, dave := Register(t, s.URL, "caroli"), Register(t, s.URL, "davei")
	room := string(Room(t, &mautrix.ReqCreateRoom{Preset: "private_chat"}, carol))
	wish := func(typ, content string) {
		ask(t, s.URL, dave, "200", "PUT", v3+"user/@davei:localhost/account_data/"+typ, content)
	}
	shown := func() int64 {
		return ask(t, s.URL, dave, "200", "GET", v3+"sync?timeout=0", ``).Get("rooms.invite.@keys.#").Int()
	}
	const stable, unstable = "m.invite_permission_config", "org.matrix.msc4155.invite_permission_config"
	invite := `{"user_id":"@davei:localhost"}`
	ask(t, s.URL, carol, "200", "POST", v3+"rooms/"+room+"/invite", invite)
	if shown() != 1 {
		t.Error("the invitation is not shown")
	}
	wish(stable, `{"default_action":"block"}`)
	if shown() != 0 {
		t.Error("an earlier invitation is shown to who wants none")
	}
	const no = "403 M_INVITE_BLOCKED"
	other := string(Room(t, &mautrix.ReqCreateRoom{Preset: "private_chat"}, carol))
	ask(t, s.URL, carol, no, "POST", v3+"rooms/"+other+"/invite", invite)
	ask(t, s.URL, carol, no, "PUT", v3+"rooms/"+other+"/state/m.room.member/@davei:localhost", `{"membership":"invite"}`)
	ask(t, s.URL, carol, no, "POST", v3+"createRoom", `{"invite":["@davei:localhost"]}`)
	wish(stable, `{}`)
	if shown() != 1 {
		t.Error("the invitation does not come back")
	}
	wish(unstable, `{"ignored_users":["@carol*:localhost"]}`)
	ask(t, s.URL, carol, "200", "POST", v3+"rooms/"+other+"/invite", invite)
	if shown() != 0 {
		t.Error("an ignored invitation is shown")
	}
	wish(unstable, `{}`)
	if shown() != 2 {
		t.Error("the ignored invitations do not come back")
	}
}

func guests(t *testing.T, s *Server) {
	carol := Register(t, s.URL, "carolg")
	made := ask(t, s.URL, nil, "200", "POST", v3+"register?kind=guest", `{}`)
	guest := &mautrix.Client{AccessToken: made.Get("access_token").Str, UserID: id.UserID(made.Get("user_id").Str)}
	const no = "403 M_GUEST_ACCESS_FORBIDDEN"
	room := string(Room(t, &mautrix.ReqCreateRoom{Preset: "public_chat"}, carol))
	ask(t, s.URL, guest, no, "POST", v3+"rooms/"+room+"/join", `{}`)
	ask(t, s.URL, guest, no, "PUT", v3+"rooms/"+room+"/state/m.room.member/"+string(guest.UserID), `{"membership":"join"}`)
	access := v3 + "rooms/" + room + "/state/m.room.guest_access/"
	ask(t, s.URL, carol, "200", "PUT", access, `{"guest_access":"can_join"}`)
	ask(t, s.URL, guest, "200", "POST", v3+"rooms/"+room+"/join", `{}`)
	ask(t, s.URL, guest, "200", "PUT", v3+"rooms/"+room+"/send/m.room.message/1", `{"body":"x"}`)
	ask(t, s.URL, guest, "200", "PUT", v3+"profile/"+string(guest.UserID)+"/displayname", `{"displayname":"Visitor"}`)
	ask(t, s.URL, guest, no, "PUT", v3+"profile/"+string(guest.UserID)+"/avatar_url", `{"avatar_url":"mxc://x/y"}`)
	ask(t, s.URL, guest, no, "POST", v3+"createRoom", `{}`)
	ask(t, s.URL, guest, no, "POST", v3+"rooms/"+room+"/invite", `{"user_id":"@carolg:localhost"}`)
	search := func() int64 {
		return ask(t, s.URL, carol, "200", "POST", v3+"user_directory/search", `{"search_term":"visitor"}`).Get("results.#").Int()
	}
	if search() != 0 {
		t.Error("a guest is in the people search")
	}
	ask(t, s.URL, carol, "200", "PUT", access, `{"guest_access":"forbidden"}`)
	if got := ask(t, s.URL, carol, "200", "GET", v3+"rooms/"+room+"/state/m.room.member/"+string(guest.UserID), ``).Get("membership").Str; got != "leave" {
		t.Errorf("the guest's membership is %s after guests were forbidden", got)
	}
	local := guest.UserID.Localpart()
	full := `{"username":"` + local + `","password":"a long password","guest_access_token":"` + guest.AccessToken + `","auth":{"type":"m.login.dummy"}}`
	ask(t, s.URL, nil, "403 M_FORBIDDEN", "POST", v3+"register", strings.Replace(full, local, "another", 1))
	made = ask(t, s.URL, nil, "200", "POST", v3+"register", full)
	guest.AccessToken = made.Get("access_token").Str
	if made.Get("user_id").Str != string(guest.UserID) {
		t.Errorf("the guest became %s", made.Get("user_id").Str)
	}
	ask(t, s.URL, guest, "200", "POST", v3+"rooms/"+room+"/join", `{}`)
	if search() != 1 {
		t.Error("who was a guest is not in the people search")
	}
}

func TestRegistrationToken(t *testing.T) {
	s := Start(t, "", "MYELIN_REGISTRATION=token", "MYELIN_REGISTRATION_TOKENS=one word,other")
	const validity = "/_matrix/client/v1/register/m.login.registration_token/validity?token="
	if !ask(t, s.URL, nil, "200", "GET", validity+"other", ``).Get("valid").Bool() || ask(t, s.URL, nil, "200", "GET", validity+"wrong", ``).Get("valid").Bool() {
		t.Error("the wrong tokens are valid")
	}
	register := func(want, auth string) gjson.Result {
		return ask(t, s.URL, nil, want, "POST", v3+"register", `{"username":"carol","password":"a long password","auth":`+auth+`}`)
	}
	if got := register("401", `null`); got.Get("flows.0.stages").Raw != `["m.login.registration_token"]` {
		t.Errorf("asked for %s", got.Raw)
	}
	register("401 M_UNRECOGNIZED", `{"type":"m.login.dummy"}`)
	register("401 M_FORBIDDEN", `{"type":"m.login.registration_token","token":"wrong"}`)
	register("401 M_FORBIDDEN", `{"type":"m.login.registration_token"}`)
	register("200", `{"type":"m.login.registration_token","token":"one word"}`)
}
