package push

import (
	"encoding/json"
	"strings"
	"testing"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
)

const (
	alice = id.UserID("@alice:ward.test")
	bob   = id.UserID("@bob:ward.test")
)

func ev(typ, content string) *Event {
	return NewEvent(typ, bob, "!room:ward.test", "$event", nil, []byte(content))
}

func state(typ, key, content string) *Event {
	return NewEvent(typ, bob, "!room:ward.test", "$event", &key, []byte(content))
}

func defaultSet() *Set { return Defaults(alice).Compile(alice) }

func TestDefaultRules(t *testing.T) {
	fifty := func(string) int64 { return 50 }
	three := &Context{Members: 3, Notification: fifty}
	for _, c := range []struct {
		name      string
		event     *Event
		room      *Context
		rule      string
		notify    bool
		highlight bool
	}{
		{"message", ev("m.room.message", `{"msgtype":"m.text","body":"hi"}`), three, ".m.rule.message", true, false},
		{"one to one", ev("m.room.message", `{"body":"hi"}`), &Context{Members: 2}, ".m.rule.room_one_to_one", true, false},
		{"encrypted", ev("m.room.encrypted", `{}`), three, ".m.rule.encrypted", true, false},
		{"encrypted one to one", ev("m.room.encrypted", `{}`), &Context{Members: 2}, ".m.rule.encrypted_room_one_to_one", true, false},
		{"notice", ev("m.room.message", `{"msgtype":"m.notice","body":"alice"}`), three, ".m.rule.suppress_notices", false, false},
		{"mention", ev("m.room.message", `{"body":"x","m.mentions":{"user_ids":["@x:y","@alice:ward.test"]}}`), three, ".m.rule.is_user_mention", true, true},
		{"mention of another", ev("m.room.message", `{"body":"alice","m.mentions":{"user_ids":["@x:y"]}}`), three, ".m.rule.message", true, false},
		{"name in the body, old client", ev("m.room.message", `{"body":"Hello @Alice:ward.test!"}`), three, ".m.rule.contains_user_name", true, true},
		{"room mention", ev("m.room.message", `{"body":"x","m.mentions":{"room":true}}`), &Context{Members: 3, SenderLevel: 50, Notification: fifty}, ".m.rule.is_room_mention", true, true},
		{"room mention without power", ev("m.room.message", `{"body":"x","m.mentions":{"room":true}}`), three, ".m.rule.message", true, false},
		{"room mention, no boolean", ev("m.room.message", `{"body":"x","m.mentions":{"room":"true"}}`), &Context{Members: 3, SenderLevel: 50, Notification: fifty}, ".m.rule.message", true, false},
		{"invite", state("m.room.member", string(alice), `{"membership":"invite"}`), three, ".m.rule.invite_for_me", true, false},
		{"invite of another", state("m.room.member", string(bob), `{"membership":"invite"}`), three, ".m.rule.member_event", false, false},
		{"join", state("m.room.member", string(bob), `{"membership":"join"}`), three, ".m.rule.member_event", false, false},
		{"tombstone", state("m.room.tombstone", "", `{}`), three, ".m.rule.tombstone", true, true},
		{"tombstone is no state", ev("m.room.tombstone", `{}`), three, "", false, false},
		{"reaction", ev("m.reaction", `{}`), three, ".m.rule.reaction", false, false},
		{"acl", state("m.room.server_acl", "", `{}`), three, ".m.rule.room.server_acl", false, false},
		{"edit", ev("m.room.message", `{"body":"alice","m.relates_to":{"rel_type":"m.replace"}}`), three, ".m.rule.suppress_edits", false, false},
		{"call", ev("m.call.invite", `{}`), three, ".m.rule.call", true, false},
		{"poll", ev("org.matrix.msc3381.poll.start", `{}`), three, ".org.matrix.msc3930.rule.poll_start", true, false},
		{"poll, one to one", ev("org.matrix.msc3381.poll.start", `{}`), &Context{Members: 2}, ".org.matrix.msc3930.rule.poll_start_one_to_one", true, false},
		{"answer to a poll", ev("org.matrix.msc3381.poll.response", `{}`), three, ".org.matrix.msc3930.rule.poll_response", false, false},
		{"end of a poll", ev("org.matrix.msc3381.poll.end", `{}`), three, ".org.matrix.msc3930.rule.poll_end", true, false},
		{"end of a poll, one to one", ev("org.matrix.msc3381.poll.end", `{}`), &Context{Members: 2}, ".org.matrix.msc3930.rule.poll_end_one_to_one", true, false},
		{"other", ev("org.example.other", `{}`), three, "", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := defaultSet().Match(c.event, c.room)
			shared := DefaultSet(alice).Match(c.event, c.room)
			if shared.Rule != got.Rule || shared.Notify != got.Notify || shared.Highlight != got.Highlight {
				t.Errorf("the shared set gives %+v", shared)
			}
			if got.Rule != c.rule || got.Notify != c.notify || got.Highlight != c.highlight {
				t.Errorf("got %+v, want rule %s notify %v highlight %v", got, c.rule, c.notify, c.highlight)
			}
		})
	}
	own := NewEvent("m.room.message", alice, "!r", "$e", nil, []byte(`{"body":"alice"}`))
	if got := defaultSet().Match(own, three); got.Rule != "" {
		t.Errorf("own event matched %s", got.Rule)
	}
}

func TestConditions(t *testing.T) {
	body := `{"body":"An exciting triple-whammy example event.","topic":"Lunch plans","n":5,"b":true,"nil":null,"l":["a",1,null,{"x":1}],"m.x\\y":{"z":"deep"},"f":1.5}`
	for _, c := range []struct {
		condition string
		want      bool
	}{
		{`{"kind":"event_match","key":"content.topic","pattern":"lunc?*"}`, true},
		{`{"kind":"event_match","key":"content.topic","pattern":"lunch"}`, false},
		{`{"kind":"event_match","key":"content.n","pattern":"*"}`, false},
		{`{"kind":"event_match","key":"content.absent","pattern":"*"}`, false},
		{`{"kind":"event_match","key":"content.body","pattern":"ex*ple"}`, true},
		{`{"kind":"event_match","key":"content.body","pattern":"xciting"}`, false},
		{`{"kind":"event_match","key":"content.body","pattern":"TRIPLE"}`, true},
		{`{"kind":"event_match","key":"content.body","pattern":"event."}`, true},
		{`{"kind":"event_match","key":"content.m\\.x\\\\y.z","pattern":"deep"}`, true},
		{`{"kind":"event_match","key":"room_id","pattern":"!ROOM:*"}`, true},
		{`{"kind":"event_match","key":"sender","pattern":"@bob:ward.test"}`, true},
		{`{"kind":"event_match","key":"event_id","pattern":"$event"}`, true},
		{`{"kind":"event_match","key":"state_key","pattern":""}`, false},
		{`{"kind":"event_match","key":"unsigned.age","pattern":"*"}`, false},
		{`{"kind":"event_match","key":"content.topic"}`, false},
		{`{"kind":"event_property_is","key":"content.n","value":5}`, true},
		{`{"kind":"event_property_is","key":"content.n","value":"5"}`, false},
		{`{"kind":"event_property_is","key":"content.b","value":true}`, true},
		{`{"kind":"event_property_is","key":"content.b","value":1}`, false},
		{`{"kind":"event_property_is","key":"content.nil","value":null}`, true},
		{`{"kind":"event_property_is","key":"content.f","value":1}`, false},
		{`{"kind":"event_property_is","key":"content.l","value":"a"}`, false},
		{`{"kind":"event_property_is","key":"content.n"}`, false},
		{`{"kind":"event_property_contains","key":"content.l","value":"a"}`, true},
		{`{"kind":"event_property_contains","key":"content.l","value":1}`, true},
		{`{"kind":"event_property_contains","key":"content.l","value":null}`, true},
		{`{"kind":"event_property_contains","key":"content.l","value":"b"}`, false},
		{`{"kind":"event_property_contains","key":"content.b","value":true}`, false},
		{`{"kind":"event_property_contains","key":"content.topic.deeper","value":true}`, false},
		{`{"kind":"contains_display_name"}`, true},
		{`{"kind":"room_member_count","is":"3"}`, true},
		{`{"kind":"room_member_count","is":"==3"}`, true},
		{`{"kind":"room_member_count","is":"<3"}`, false},
		{`{"kind":"room_member_count","is":">2"}`, true},
		{`{"kind":"room_member_count","is":"<=3"}`, true},
		{`{"kind":"room_member_count","is":">=4"}`, false},
		{`{"kind":"room_member_count","is":"=3"}`, false},
		{`{"kind":"room_member_count","is":"many"}`, false},
		{`{"kind":"sender_notification_permission","key":"room"}`, true},
		{`{"kind":"org.example.unknown"}`, false},
		{`{}`, false},
	} {
		r := &Rules{Override: []Rule{{ID: "x", Enabled: true, Actions: raws([]string{`"notify"`}), Conditions: raws([]string{c.condition})}}}
		got := r.Compile(alice).Match(ev("m.room.message", body), &Context{
			Members: 3, DisplayName: "Whammy Example", SenderLevel: 20, Notification: func(string) int64 { return 20 }})
		if strings.Contains(c.condition, "display_name") {
			got = r.Compile(alice).Match(ev("m.room.message", body), &Context{DisplayName: "WHAMMY example"})
		}
		if got.Notify != c.want {
			t.Errorf("%s: got %v", c.condition, got.Notify)
		}
	}
}

func TestKindsOfRules(t *testing.T) {
	pattern := "ca?e*lie"
	set := func(r Rules) *Set { return r.Compile(alice) }
	notify := raws([]string{`"notify"`, `{"set_tweak":"highlight","value":false}`, `{"set_tweak":"sound"}`})
	message := ev("m.room.message", `{"body":"the cake is a lie"}`)
	for name, r := range map[string]Rules{
		"content": {Content: []Rule{{ID: "c", Enabled: true, Pattern: &pattern, Actions: notify}}},
		"room":    {Room: []Rule{{ID: "!room:ward.test", Enabled: true, Actions: notify}}},
		"sender":  {Sender: []Rule{{ID: string(bob), Enabled: true, Actions: notify}}},
	} {
		if got := set(r).Match(message, &Context{}); !got.Notify || got.Highlight {
			t.Errorf("%s: %+v", name, got)
		}
		if got := set(r).Match(NewEvent("m.room.message", "@c:d", "!other", "$x", nil, []byte(`{"body":"pie"}`)), &Context{}); got.Notify {
			t.Errorf("%s matched another event", name)
		}
	}
	noPattern := Rules{Content: []Rule{{ID: "c", Enabled: true, Actions: notify}}}
	if set(noPattern).Match(message, &Context{}).Notify {
		t.Error("a content rule without a pattern matched")
	}
	off := Rules{Sender: []Rule{{ID: string(bob), Actions: notify}}}
	if set(off).Match(message, &Context{}).Rule != "" {
		t.Error("a disabled rule matched")
	}
	historic := Rules{Sender: []Rule{{ID: string(bob), Enabled: true, Actions: raws([]string{`"dont_notify"`})}}}
	if got := set(historic).Match(message, &Context{}); got.Notify || got.Rule == "" {
		t.Errorf("dont_notify: %+v", got)
	}
}

// What a thread's subscription decides comes after mentions and words, and before what is wanted of a room (MSC4306).
func TestThreadRules(t *testing.T) {
	in := func(subscribed bool) *Context {
		return &Context{Members: 3, Thread: func() (bool, bool) { return true, subscribed }}
	}
	outside := &Context{Members: 3, Thread: func() (bool, bool) { return false, true }}
	message, word := ev("m.room.message", `{"body":"hi"}`), "hello"
	muted := Defaults(alice)
	for _, err := range []error{
		muted.Put(Room, Rule{ID: "!room:ward.test", Actions: raws([]string{})}, "", ""),
		muted.Put(Content, Rule{ID: "w", Pattern: &word, Actions: raws([]string{`"notify"`, `{"set_tweak":"highlight"}`})}, "", ""),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	quiet, err := Load(alice, []byte(`{"global":{"postcontent":[{"rule_id":"`+unsubscribedThread+`","default":true,"enabled":true,"actions":[]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		rules *Rules
		event *Event
		room  *Context
		rule  string
	}{
		{"subscribed", Defaults(alice), message, in(true), subscribedThread},
		{"not subscribed", Defaults(alice), message, in(false), ".m.rule.message"},
		{"in no thread", Defaults(alice), message, outside, ".m.rule.message"},
		{"not asked for", Defaults(alice), message, &Context{Members: 3}, ".m.rule.message"},
		{"of a muted room", muted, message, in(true), subscribedThread},
		{"word", muted, ev("m.room.message", `{"body":"hello"}`), in(true), "w"},
		{"quiet", quiet, message, in(false), unsubscribedThread},
		{"quiet, subscribed", quiet, message, in(true), subscribedThread},
		{"quiet, mentioned", quiet, ev("m.room.message", `{"body":"x","m.mentions":{"user_ids":["@alice:ward.test"]}}`), in(false), ".m.rule.is_user_mention"},
		{"quiet, in no thread", quiet, message, outside, ".m.rule.message"},
	} {
		if got := c.rules.Compile(alice).Match(c.event, c.room).Rule; got != c.rule {
			t.Errorf("%s: rule %s, want %s", c.name, got, c.rule)
		}
	}
	strange := &Rules{Override: []Rule{{ID: "x", Enabled: true, Conditions: raws([]string{`{"kind":"` + threadCondition + `","subscribed":"true"}`})}}}
	if got := strange.Compile(alice).Match(message, in(true)); got.Rule != "" {
		t.Errorf("a condition that is not understood holds: %+v", got)
	}
}

func ids(list []Rule) string {
	var s []string
	for _, r := range list {
		s = append(s, strings.TrimPrefix(r.ID, ".m.rule."))
	}
	return strings.Join(s, " ")
}

func TestChangeRules(t *testing.T) {
	r := Defaults(alice)
	put := func(name, before, after string) error {
		return r.Put(Override, Rule{ID: name, Actions: raws([]string{})}, before, after)
	}
	for _, step := range []struct{ name, before, after, want string }{
		{"a", "", "", "master a suppress_notices"},
		{"b", "", "", "master b a suppress_notices"},
		{"c", "a", "", "master b c a suppress_notices"},
		{"d", "", "a", "master b c a d suppress_notices"},
		{"b", "", "", "master b c a d suppress_notices"},
		{"b", "d", "c", "master c a b d suppress_notices"},
	} {
		if err := put(step.name, step.before, step.after); err != nil {
			t.Fatal(err)
		}
		if got := ids(r.Override); !strings.HasPrefix(got, step.want) {
			t.Errorf("after %+v: %s", step, got)
		}
	}
	rule, err := r.Get(Override, "b")
	if err != nil || !rule.Enabled || rule.Default {
		t.Errorf("got %+v, %v", rule, err)
	}
	if err := r.Enable(Override, "b", false); err != nil {
		t.Fatal(err)
	}
	if err := put("b", "", ""); err != nil {
		t.Fatal(err)
	}
	if rule, _ = r.Get(Override, "b"); rule.Enabled {
		t.Error("changing a disabled rule enabled it")
	}
	if err := r.SetActions(Override, ".m.rule.suppress_notices", raws([]string{`"notify"`})); err != nil {
		t.Fatal(err)
	}
	content, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load(alice, content)
	if err != nil {
		t.Fatal(err)
	}
	second, _ := again.Encode()
	if string(content) != string(second) {
		t.Errorf("a stored rule set changed:\n%s\n%s", content, second)
	}
	if err := r.Delete(Override, "b"); err != nil {
		t.Fatal(err)
	}
	if got := ids(r.Override); !strings.HasPrefix(got, "master c a d suppress_notices") {
		t.Errorf("after delete: %s", got)
	}
}

func TestRefusedChanges(t *testing.T) {
	r := Defaults(alice)
	ok := raws([]string{`"notify"`})
	_, noRule := r.Get(Sender, "x")
	_, noKind := r.Get("device", "x")
	for name, c := range map[string]struct {
		err  error
		kind fault.Kind
	}{
		"get absent":         {noRule, fault.NotFound},
		"get kind":           {noKind, fault.NotFound},
		"put kind":           {r.Put("device", Rule{ID: "x", Actions: ok}, "", ""), fault.InvalidParam},
		"put server's kind":  {r.Put(PostContent, Rule{ID: "x", Actions: ok}, "", ""), fault.InvalidParam},
		"put dot":            {r.Put(Room, Rule{ID: ".m", Actions: ok}, "", ""), fault.InvalidParam},
		"put slash":          {r.Put(Room, Rule{ID: "a/b", Actions: ok}, "", ""), fault.InvalidParam},
		"put backslash":      {r.Put(Room, Rule{ID: `a\b`, Actions: ok}, "", ""), fault.InvalidParam},
		"put empty":          {r.Put(Room, Rule{Actions: ok}, "", ""), fault.InvalidParam},
		"put long":           {r.Put(Room, Rule{ID: strings.Repeat("x", 256), Actions: ok}, "", ""), fault.InvalidParam},
		"put no actions":     {r.Put(Room, Rule{ID: "x"}, "", ""), fault.MissingParam},
		"put bad action":     {r.Put(Room, Rule{ID: "x", Actions: raws([]string{`{"tweak":1}`})}, "", ""), fault.InvalidParam},
		"put bad condition":  {r.Put(Override, Rule{ID: "x", Actions: ok, Conditions: raws([]string{`{}`})}, "", ""), fault.InvalidParam},
		"put no pattern":     {r.Put(Content, Rule{ID: "x", Actions: ok}, "", ""), fault.MissingParam},
		"put before absent":  {r.Put(Room, Rule{ID: "x", Actions: ok}, "y", ""), fault.Unknown},
		"put after default":  {r.Put(Override, Rule{ID: "x", Actions: ok}, "", ".m.rule.master"), fault.Unknown},
		"delete absent":      {r.Delete(Room, "x"), fault.NotFound},
		"delete default":     {r.Delete(Override, ".m.rule.master"), fault.NotFound},
		"delete kind":        {r.Delete("device", "x"), fault.InvalidParam},
		"enable absent":      {r.Enable(Room, "x", true), fault.NotFound},
		"enable kind":        {r.Enable("device", "x", true), fault.InvalidParam},
		"actions absent":     {r.SetActions(Room, "x", ok), fault.NotFound},
		"actions missing":    {r.SetActions(Room, "x", nil), fault.MissingParam},
		"actions not a list": {r.SetActions(Room, "x", raws([]string{`1`})), fault.InvalidParam},
	} {
		if !fault.Is(c.err, c.kind) {
			t.Errorf("%s: %v, want %s", name, c.err, c.kind)
		}
	}
	for i := range maxRules {
		if err := r.Put(Room, Rule{ID: "!r" + string(rune('a'+i%26)) + strings.Repeat("x", i/26), Actions: ok}, "", ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Put(Room, Rule{ID: "!one-more", Actions: ok}, "", ""); !fault.Is(err, fault.TooLarge) {
		t.Errorf("too many rules: %v", err)
	}
}

func TestLoad(t *testing.T) {
	if _, err := Load(alice, json.RawMessage(`[`)); err == nil {
		t.Error("bad JSON was read")
	}
	r, err := Load(alice, json.RawMessage(`{"global":{"override":[{"rule_id":".m.rule.gone","default":true,"enabled":true,"actions":[]},{"rule_id":".m.rule.master","default":true,"enabled":true,"actions":[]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := r.Get(Override, ".m.rule.master"); !got.Enabled {
		t.Error("the state of a default rule was lost")
	}
	if _, err := r.Get(Override, ".m.rule.gone"); err == nil {
		t.Error("a default rule of another version was kept")
	}
	if got := r.Compile(alice).Match(ev("m.room.message", `{"body":"alice"}`), &Context{}); got.Notify {
		t.Error("the master rule does not silence")
	}
	b, err := (&Rules{}).Encode()
	if err != nil || string(b) != `{"global":{"override":[],"content":[],"postcontent":[],"room":[],"sender":[],"underride":[]}}` {
		t.Errorf("empty set: %s %v", b, err)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add(`{"kind":"event_match","key":"content.body","pattern":"a*?b"}`, `{"body":"ab"}`)
	f.Add(`{"kind":"event_property_contains","key":"content.l","value":1}`, `{"l":[1]}`)
	f.Add(`{"kind":"room_member_count","is":">=2"}`, `{}`)
	f.Fuzz(func(t *testing.T, condition, content string) {
		if !json.Valid([]byte(condition)) || !json.Valid([]byte(content)) {
			return
		}
		r := Rules{Override: []Rule{{ID: "x", Enabled: true, Conditions: raws([]string{condition})}}}
		r.Compile(alice).Match(ev("m.room.message", content), &Context{DisplayName: "x"})
	})
}

func BenchmarkMatchDefaults(b *testing.B) {
	set, e := defaultSet(), ev("m.room.message", `{"msgtype":"m.text","body":"The patient in bed four asks for water, can somebody go please?"}`)
	room := &Context{Members: 20, Notification: func(string) int64 { return 50 }}
	for b.Loop() {
		if !set.Match(e, room).Notify {
			b.Fatal("no match")
		}
	}
}

// People with the default rules share all of them but those with their own name.
func TestDefaultRulesAreShared(t *testing.T) {
	a, b := Defaults("@alice:example.org").Compile("@alice:example.org"), Defaults("@bob:example.org").Compile("@bob:example.org")
	if len(a.rules) != len(b.rules) {
		t.Fatalf("%d and %d rules", len(a.rules), len(b.rules))
	}
	own := 0
	for i := range a.rules {
		if a.rules[i] != b.rules[i] {
			own++
		}
	}
	if own > 4 {
		t.Errorf("%d of %d rules are not shared", own, len(a.rules))
	}
}
