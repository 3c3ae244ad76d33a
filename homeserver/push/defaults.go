package push

import (
	"encoding/json"
	"fmt"

	"maunium.net/go/mautrix/id"
)

const (
	masterRule   = ".m.rule.master"
	userNameRule = ".m.rule.contains_user_name"

	threadCondition    = "io.element.msc4306.thread_subscription"
	unsubscribedThread = ".io.element.msc4306.rule.unsubscribed_thread"
	subscribedThread   = ".io.element.msc4306.rule.subscribed_thread"

	pollRule  = ".org.matrix.msc3930.rule."
	pollEvent = "org.matrix.msc3381.poll."
)

// Defaults is the rule set of a person who changed nothing: that of spec v1.19, "Predefined Rules", and the
// older rule .m.rule.contains_user_name. The specification dropped that one for clients that send
// m.mentions; here it applies only to messages without m.mentions, so that a mention made by an older
// client is not missed.
//
// Those for polls are of MSC3930. Of the rules of MSC4306 the one that silences threads without a subscription is off until somebody turns it
// on: a client that subscribes to nothing would not be told of any answer in a thread, and say nothing of it.
func Defaults(user id.UserID) *Rules {
	me := quote(string(user))
	local := user.Localpart()
	return &Rules{
		Override: []Rule{
			{ID: masterRule, Default: true, Conditions: conditions(), Actions: actions()},
			rule(".m.rule.suppress_notices", conditions(match("content.msgtype", "m.notice")), actions()),
			rule(".m.rule.invite_for_me", conditions(
				match("type", "m.room.member"), match("content.membership", "invite"), match("state_key", string(user))),
				actions(`"notify"`, `{"set_tweak":"sound","value":"default"}`)),
			rule(".m.rule.member_event", conditions(match("type", "m.room.member")), actions()),
			rule(".m.rule.is_user_mention", conditions(
				`{"kind":"event_property_contains","key":"content.m\\.mentions.user_ids","value":`+me+`}`),
				actions(`"notify"`, `{"set_tweak":"sound","value":"default"}`, `{"set_tweak":"highlight"}`)),
			rule(".m.rule.is_room_mention", conditions(
				`{"kind":"event_property_is","key":"content.m\\.mentions.room","value":true}`,
				`{"kind":"sender_notification_permission","key":"room"}`),
				actions(`"notify"`, `{"set_tweak":"highlight"}`)),
			rule(".m.rule.tombstone", conditions(match("type", "m.room.tombstone"), match("state_key", "")),
				actions(`"notify"`, `{"set_tweak":"highlight"}`)),
			rule(".m.rule.reaction", conditions(match("type", "m.reaction")), actions()),
			rule(".m.rule.room.server_acl", conditions(match("type", "m.room.server_acl"), match("state_key", "")), actions()),
			rule(".m.rule.suppress_edits", conditions(
				`{"kind":"event_property_is","key":"content.m\\.relates_to.rel_type","value":"m.replace"}`), actions()),
			rule(pollRule+"poll_response", conditions(match("type", pollEvent+"response")), actions()),
		},
		Content: []Rule{{ID: userNameRule, Default: true, Enabled: true, Pattern: &local,
			Actions: actions(`"notify"`, `{"set_tweak":"sound","value":"default"}`, `{"set_tweak":"highlight"}`)}},
		PostContent: []Rule{
			{ID: unsubscribedThread, Default: true, Conditions: conditions(inThread(false)), Actions: actions()},
			rule(subscribedThread, conditions(inThread(true)), actions(`"notify"`, `{"set_tweak":"sound","value":"default"}`)),
		},
		Room:   []Rule{},
		Sender: []Rule{},
		Underride: []Rule{
			rule(".m.rule.call", conditions(match("type", "m.call.invite")),
				actions(`"notify"`, `{"set_tweak":"sound","value":"ring"}`)),
			rule(".m.rule.encrypted_room_one_to_one", conditions(two, match("type", "m.room.encrypted")),
				actions(`"notify"`, `{"set_tweak":"sound","value":"default"}`)),
			rule(".m.rule.room_one_to_one", conditions(two, match("type", "m.room.message")),
				actions(`"notify"`, `{"set_tweak":"sound","value":"default"}`)),
			rule(".m.rule.message", conditions(match("type", "m.room.message")), actions(`"notify"`)),
			rule(".m.rule.encrypted", conditions(match("type", "m.room.encrypted")), actions(`"notify"`)),
			rule(pollRule+"poll_start_one_to_one", conditions(two, match("type", pollEvent+"start")),
				actions(`"notify"`, `{"set_tweak":"sound","value":"default"}`)),
			rule(pollRule+"poll_start", conditions(match("type", pollEvent+"start")), actions(`"notify"`)),
			rule(pollRule+"poll_end_one_to_one", conditions(two, match("type", pollEvent+"end")),
				actions(`"notify"`, `{"set_tweak":"sound","value":"default"}`)),
			rule(pollRule+"poll_end", conditions(match("type", pollEvent+"end")), actions(`"notify"`)),
		},
	}
}

const two = `{"kind":"room_member_count","is":"2"}`

func rule(name string, conditions, actions []json.RawMessage) Rule {
	return Rule{ID: name, Default: true, Enabled: true, Conditions: conditions, Actions: actions}
}

func match(key, pattern string) string {
	return fmt.Sprintf(`{"kind":"event_match","key":%s,"pattern":%s}`, quote(key), quote(pattern))
}

func inThread(subscribed bool) string {
	return fmt.Sprintf(`{"kind":%s,"subscribed":%t}`, quote(threadCondition), subscribed)
}

func conditions(c ...string) []json.RawMessage { return raws(c) }
func actions(a ...string) []json.RawMessage    { return raws(a) }

func raws(s []string) []json.RawMessage {
	out := make([]json.RawMessage, len(s))
	for i := range s {
		out[i] = json.RawMessage(s[i])
	}
	return out
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil { // a string always encodes
		return `""`
	}
	return string(b)
}
