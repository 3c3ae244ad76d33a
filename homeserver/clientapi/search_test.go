package clientapi

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/tidwall/gjson"
)

func TestSearch(t *testing.T) {
	onRoomServers(t, func(t *testing.T, w *roomServer) {
		ward := w.create("alice", `{"preset":"public_chat","topic":"Line of work"}`)
		w.call("200", http.MethodPost, "v3/join/"+ward, "bob", `{}`)
		var sent []string
		for i := range 5 {
			sent = append(sent, w.say(ward, []string{"alice", "bob"}[i%2], fmt.Sprint("Line ", i)))
		}
		find := func(want, token, query, criteria string) gjson.Result {
			t.Helper()
			body := `{"search_categories":{"room_events":{"search_term":"line",` + criteria + `}}}`
			return w.call(want, http.MethodPost, "v3/search"+query, token, body).Get("search_categories.room_events")
		}

		got := find("200", "bob", "", `"order_by":"recent","keys":["content.body"],"filter":{"limit":2},"include_state":true,
			"event_context":{"before_limit":1,"after_limit":2,"include_profile":true},"groupings":{"group_by":[{"key":"sender"},{"key":"room_id"}]}`)
		if got.Get("count").Int() != 5 || got.Get("results.#").Int() != 2 || got.Get("highlights").Raw != `["line"]` {
			t.Errorf("answer: %s", got)
		}
		second := got.Get("results.1")
		if second.Get("result.event_id").Str != sent[3] || second.Get("rank").Float() <= 0 || second.Get("result.content.body").Str != "Line 3" {
			t.Errorf("result: %s", second)
		}
		around := second.Get("context")
		if bodiesOf(around.Get("events_before")) != "Line 2" || bodiesOf(around.Get("events_after")) != "Line 4" || around.Get("start").Str == "" || around.Get("end").Str == "" {
			t.Errorf("context: %s", around)
		}
		if len(around.Get("profile_info").Map()) != 2 {
			t.Errorf("profiles: %s", around.Get("profile_info"))
		}
		if got.Get("state").Map()[ward].Get("#").Int() < 5 {
			t.Errorf("state: %s", got.Get("state"))
		}
		if g := got.Get("groups.sender").Map()["@bob:hs"]; g.Get("results").Raw != fmt.Sprintf("[%q]", sent[3]) || got.Get("groups.room_id").Map()[ward].Get("results.#").Int() != 2 {
			t.Errorf("groups: %s", got.Get("groups"))
		}

		next := got.Get("next_batch").Str
		if got := find("200", "bob", "?next_batch="+next, `"order_by":"recent","keys":["content.body"]`); bodiesOf(got.Get("results.#.result")) != "Line 2 Line 1 Line 0" || got.Get("next_batch").Exists() {
			t.Errorf("next page: %s", got)
		}
		if got := find("200", "eve", "", `"order_by":"rank"`); got.Get("count").Raw != "0" || got.Get("results").Raw != "[]" {
			t.Errorf("a stranger finds %s", got)
		}
		find("400 M_INVALID_PARAM", "bob", "?next_batch=x", `"order_by":"recent"`)
		find("400 M_INVALID_PARAM", "bob", "", `"order_by":"best"`)
		find("400 M_INVALID_PARAM", "bob", "", `"keys":["content.url"]`)
		find("400 M_INVALID_PARAM", "bob", "", `"groupings":{"group_by":[{"key":"type"}]}`)
		w.call("400 M_MISSING_PARAM", http.MethodPost, "v3/search", "bob", `{"search_categories":{"room_events":{}}}`)
		w.call("200", http.MethodPost, "v3/search", "bob", `{"search_categories":{}}`)
		w.call("400 M_MISSING_PARAM", http.MethodPost, "v3/search", "bob", `{}`)
	})
}
