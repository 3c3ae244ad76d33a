package clientapi

import (
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

func TestSlidingSync(t *testing.T) {
	w := newWard(t)
	w.url = strings.TrimSuffix(w.url, "v3/")
	roomID := w.do("alice", "POST", "v3/createRoom", `{"preset":"public_chat","name":"Ward 4"}`, "200").Get("room_id").Str
	w.do("alice", "PUT", "v3/rooms/"+roomID+"/send/m.room.message/t1", `{"msgtype":"m.text","body":"hello"}`, "200")
	const old, now = "unstable/org.matrix.simplified_msc3575/sync", "v4/sync"
	room := "rooms." + gjson.Escape(roomID)
	types := func(r gjson.Result) string {
		var s []string
		for _, e := range r.Get(room + ".required_state").Array() {
			s = append(s, strings.TrimPrefix(e.Get("type").Str, "m.room."))
		}
		return strings.Join(s, " ")
	}

	first := w.do("alice", "POST", old+"?timeout=0&set_presence=offline", `{"conn_id":"list","txn_id":"t","lists":{"all":{"ranges":[[0,19]],"timeline_limit":1,
		"required_state":[["m.room.name",""],["m.room.member","$ME"],["m.room.member","$LAZY"]],"filters":{"is_invite":false,"not_room_types":["m.space"]}}},
		"extensions":{"to_device":{"enabled":true},"e2ee":{"enabled":true},"org.test.unknown":{"enabled":3}}}`, "200")
	if got := types(first); got != "name member" && got != "member name" {
		t.Errorf("state: %q", got)
	}
	if r := first.Get(room); r.Get("timeline.0.content.body").Str != "hello" || !r.Get("notification_count").Exists() || first.Get("txn_id").Str != "t" {
		t.Errorf("answer: %s", first)
	}
	everything := w.do("alice", "POST", old, `{"room_subscriptions":{"`+roomID+`":{"timeline_limit":0,"required_state":[["*","*"],["m.room.member","@bob:test"]]}}}`, "200")
	if got := types(everything); strings.Contains(got, "member") || !strings.Contains(got, "create") {
		t.Errorf("state: %q", got)
	}
	newer := w.do("alice", "POST", now, `{"lists":{"all":{"range":[0,19],"timeline_limit":1,"required_state":{"include":[{"type":"m.room.name"}]}}}}`, "200")
	if got := types(newer); got != "name" || newer.Get(room+".notification_count").Exists() {
		t.Errorf("answer: %s", newer)
	}
	w.do("alice", "POST", now, `{"pos":"`+newer.Get("pos").Str+`","timeout":1}`, "200")

	for body, want := range map[string]string{
		`[`:                                     "400 M_NOT_JSON",
		`{"lists":[]}`:                          "400 M_BAD_JSON",
		`{"pos":"s1.1"}`:                        "400 M_UNKNOWN_POS",
		`{"timeout":-1}`:                        "400 M_INVALID_PARAM",
		`{"lists":{"a":{"range":[3,1]}}}`:       "400 M_INVALID_PARAM",
		`{"lists":{"a":{"timeline_limit":-1}}}`: "400 M_INVALID_PARAM",
		`{"lists":{"a":{"required_state":3}}}`:  "400 M_BAD_JSON",
		`{"lists":{"a":{"required_state":{"include":3}}}}`:          "400 M_BAD_JSON",
		`{"set_presence":"asleep"}`:                                 "400 M_INVALID_PARAM",
		`{"extensions":{"to_device":{"enabled":true,"since":"x"}}}`: "400 M_INVALID_PARAM",
	} {
		w.do("alice", "POST", now, body, want)
	}
	w.do("nobody", "POST", now, `{}`, "401 M_UNKNOWN_TOKEN")
}
