package auth_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/myelin-health/myelin/matrix/auth"
	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/matrix/matrixtest"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

const (
	ada id.UserID = "@ada:one.example"
	bob id.UserID = "@bob:one.example"
	cyd id.UserID = "@cyd:two.example"
	dan id.UserID = "@dan:two.example"
	eve id.UserID = "@eve:three.example"
)

// step is one attempt in a room: who sets which state, and which rule refuses it.
type step struct {
	sender    id.UserID
	eventType string
	stateKey  string // "-" for a message
	content   string
	rule      string // "" if it is allowed
}

func join(u id.UserID) step {
	return step{u, "m.room.member", string(u), matrixtest.Member("join"), ""}
}

func member(sender, target id.UserID, membership, rule string) step {
	return step{sender, "m.room.member", string(target), matrixtest.Member(membership), rule}
}

func levels(sender id.UserID, content, rule string) step {
	return step{sender, "m.room.power_levels", "", content, rule}
}

func rules(rule string) step {
	return step{ada, "m.room.join_rules", "", fmt.Sprintf(`{"join_rule":%q}`, rule), ""}
}

func play(t *testing.T, v id.RoomVersion, create string, steps []step) *matrixtest.Room {
	t.Helper()
	r := matrixtest.NewRoom(v, ada, create)
	for i, s := range steps {
		var err error
		if s.stateKey == "-" {
			_, err = r.Send(s.sender, s.eventType, s.content)
		} else {
			_, err = r.SetState(s.sender, s.eventType, s.stateKey, s.content)
		}
		if rule := ruleOf(t, err); rule != s.rule {
			t.Fatalf("version %s, step %d (%s %s %s by %s): rule %q, want %q", v, i, s.eventType, s.stateKey, s.content, s.sender, rule, s.rule)
		}
	}
	return r
}

func ruleOf(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var refusal *auth.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("%v is no refusal", err)
	}
	return refusal.Rule
}

func TestMembership(t *testing.T) {
	levelsBob50 := levels(ada, fmt.Sprintf(`{"users":{%q:100,%q:50},"invite":50}`, ada, bob), "")
	for _, v := range event.Versions {
		if v.PrivilegedRoomCreators() {
			levelsBob50 = levels(ada, fmt.Sprintf(`{"users":{%q:50},"invite":50}`, bob), "")
		}
		play(t, v, "{}", []step{
			member(bob, bob, "join", "5.3.4"), // nobody there, no join rule: invite
			join(ada),
			levelsBob50,
			member(bob, bob, "join", "5.3.4"),
			rules("public"),
			join(bob), join(cyd), join(dan),
			member(cyd, dan, "join", "5.3.2"),
			member(cyd, eve, "invite", "5.4.5"),
			member(bob, dan, "invite", "5.4.3"),
			member(bob, eve, "invite", ""),
			member(eve, eve, "leave", ""),
			member(eve, eve, "leave", "5.5.1"),
			member(eve, cyd, "leave", "5.5.2"),
			member(eve, cyd, "ban", "5.6.1"),
			member(eve, cyd, "invite", "5.4.2"),
			member(cyd, dan, "leave", "5.5.5"),
			member(cyd, dan, "ban", "5.6.3"),
			member(bob, ada, "ban", "5.6.3"),
			member(bob, ada, "leave", "5.5.5"),
			member(bob, dan, "ban", ""),
			member(dan, dan, "join", "5.3.3"),
			member(bob, dan, "invite", "5.4.3"),
			member(cyd, dan, "leave", "5.5.3"),
			member(bob, dan, "leave", ""),
			member(dan, dan, "dance", "5.8"),
			{dan, "m.room.member", string(dan), `{"membership":5}`, "5.1"},
			{dan, "m.room.member", string(dan), `{}`, "5.1"},
			{dan, "m.room.member", "-", `{"membership":"join"}`, "5.1"},
			join(dan),
			rules("private"),
			member(eve, eve, "join", "5.3.7"),
			rules("invite"),
			member(cyd, cyd, "join", ""), // a change of profile
		})
	}
}

func TestOtherEvents(t *testing.T) {
	for _, v := range event.Versions {
		set := fmt.Sprintf(`{"users":{%q:100},"events":{"m.room.topic":0,"secret":70}}`, ada)
		if v.PrivilegedRoomCreators() {
			set = `{"events":{"m.room.topic":0,"secret":70}}`
		}
		play(t, v, "{}", []step{
			join(ada), rules("public"), join(bob),
			levels(ada, set, ""),
			{eve, "m.room.message", "-", `{}`, "6"},
			{bob, "m.room.message", "-", `{}`, ""},
			{bob, "m.room.name", "", `{}`, "8"},
			{bob, "secret", "-", `{}`, "8"},
			{bob, "m.room.topic", "", `{}`, ""},
			{bob, "m.room.topic", string(ada), `{}`, "9"},
			{bob, "m.room.topic", string(bob), `{}`, ""},
			{bob, "m.room.third_party_invite", string(ada), `{}`, ""},
			levels(ada, `{"invite":101}`, map[bool]string{true: "", false: "10.6"}[v.PrivilegedRoomCreators()]),
		})
		aliases := map[bool][2]string{true: {"", "4"}, false: {"8", "8"}}[v.SpecialCasedAliasesAuth()]
		play(t, v, "{}", []step{
			join(ada), rules("public"), join(bob),
			{bob, "m.room.aliases", "one.example", `{}`, aliases[0]},
			{bob, "m.room.aliases", "two.example", `{}`, aliases[1]},
			{bob, "m.room.aliases", "-", `{}`, map[bool]string{true: "4", false: ""}[v.SpecialCasedAliasesAuth()]},
		})
		play(t, v, `{"m.federate":false}`, []step{
			join(ada), rules("public"), join(bob),
			member(cyd, cyd, "join", "4"),
		})
	}
}

func TestThirdPartyInviteLevel(t *testing.T) {
	play(t, id.RoomV11, "{}", []step{
		join(ada), rules("public"), join(bob),
		levels(ada, fmt.Sprintf(`{"users":{%q:100},"invite":30}`, ada), ""),
		{bob, "m.room.third_party_invite", "token", `{}`, "7.1"},
		{ada, "m.room.third_party_invite", "token", `{}`, ""},
	})
}

func TestPowerLevelChanges(t *testing.T) {
	base := func(more string) string {
		return fmt.Sprintf(`{"users":{%q:100,%q:50,%q:50}%s}`, ada, bob, cyd, more)
	}
	play(t, id.RoomV10, "{}", []step{
		join(ada), rules("public"), join(bob), join(cyd),
		levels(ada, base(`,"events":{"m.room.power_levels":50,"high":90},"kick":70,"notifications":{"room":90}`), ""),
		levels(bob, base(``), "10.6"), // kick removed
		levels(bob, base(`,"kick":70`), "10.7"),
		levels(bob, base(`,"kick":70,"events":{"m.room.power_levels":50,"high":90}`), "10.7"),
		levels(bob, base(`,"kick":70,"events":{"m.room.power_levels":51,"high":90},"notifications":{"room":90}`), "10.7"),
		levels(bob, fmt.Sprintf(`{"kick":70,"events":{"m.room.power_levels":50,"high":90},"notifications":{"room":90},"users":{%q:100,%q:50,%q:10}}`, ada, bob, cyd), "10.9"),
		levels(bob, fmt.Sprintf(`{"kick":70,"events":{"m.room.power_levels":50,"high":90},"notifications":{"room":90},"users":{%q:100,%q:50,%q:50,%q:51}}`, ada, bob, cyd, dan), "10.10"),
		levels(bob, fmt.Sprintf(`{"kick":70,"events":{"m.room.power_levels":50,"high":90},"notifications":{"room":90},"users":{%q:100,%q:51,%q:50}}`, ada, bob, cyd), "10.10"),
		levels(bob, base(`,"kick":"70"`), "10.1"),
		levels(bob, base(`,"kick":70,"events":{"m.room.power_levels":"50"}`), "10.2"),
		levels(bob, base(`,"kick":70,"events":[]`), "10.2"),
		levels(bob, `{"users":5}`, "10.3"),
		levels(bob, `{"users":{"bob":5}}`, "10.3"),
		levels(bob, `{"users":{"@bob:x":null}}`, "10.3"),
		levels(bob, fmt.Sprintf(`{"kick":70,"events":{"m.room.power_levels":50,"high":90},"notifications":{"room":90},"users":{%q:100,%q:20,%q:50}}`, ada, bob, cyd), ""),
	})
	play(t, id.RoomV12, fmt.Sprintf(`{"additional_creators":[%q]}`, bob), []step{
		join(ada), rules("public"), join(bob),
		levels(ada, fmt.Sprintf(`{"users":{%q:100}}`, ada), "10.4"),
		levels(ada, fmt.Sprintf(`{"users":{%q:100}}`, bob), "10.4"),
		levels(ada, fmt.Sprintf(`{"users":{%q:100}}`, cyd), ""),
		levels(bob, fmt.Sprintf(`{"users":{%q:9007199254740991}}`, cyd), ""),
		member(bob, ada, "ban", "5.6.3"),
		levels(bob, fmt.Sprintf(`{"users":{%q:1}}`, cyd), ""),
	})
}

func TestNotificationLevelsOfOldRooms(t *testing.T) {
	for _, c := range []struct {
		v    id.RoomVersion
		rule string
	}{{id.RoomV5, ""}, {id.RoomV6, "10.7"}} {
		play(t, c.v, "{}", []step{
			join(ada), rules("public"), join(bob),
			levels(ada, fmt.Sprintf(`{"users":{%q:100,%q:50},"notifications":{"room":"90"}}`, ada, bob), ""),
			levels(bob, fmt.Sprintf(`{"users":{%q:100,%q:50},"notifications":{"room":"10"}}`, ada, bob), c.rule),
		})
	}
}

func TestKnocking(t *testing.T) {
	for _, v := range event.Versions {
		want := map[bool]string{true: "", false: "5.8"}[v.Knocks()]
		start := []step{join(ada), rules("knock"), member(bob, bob, "knock", want)}
		if !v.Knocks() {
			play(t, v, "{}", start)
			continue
		}
		play(t, v, "{}", append(start,
			member(cyd, dan, "knock", "5.7.2"),
			member(bob, bob, "knock", ""),
			member(bob, bob, "join", "5.3.4"),
			member(ada, bob, "invite", ""),
			member(bob, bob, "knock", "5.7.4"),
			join(bob),
			rules("invite"),
			member(cyd, cyd, "knock", "5.7.1"),
		))
		want = map[bool]string{true: "", false: "5.7.1"}[v.KnockRestricted()]
		play(t, v, "{}", []step{join(ada), rules("knock_restricted"), member(bob, bob, "knock", want)})
	}
	play(t, id.RoomV7, "{}", []step{join(ada), rules("knock"), member(bob, bob, "knock", ""), member(bob, bob, "leave", "")})
}

func TestRestrictedJoins(t *testing.T) {
	via := func(u id.UserID, rule string) step {
		return step{cyd, "m.room.member", string(cyd), fmt.Sprintf(`{"membership":"join","join_authorised_via_users_server":%q}`, u), rule}
	}
	for _, rule := range []string{"restricted", "knock_restricted"} {
		for _, v := range event.Versions {
			known := v.RestrictedJoins() && rule == "restricted" || v.KnockRestricted()
			refuse := map[bool]string{true: "5.3.5.2", false: "5.3.7"}[known]
			set := fmt.Sprintf(`{"users":{%q:100},"invite":50}`, ada)
			if v.PrivilegedRoomCreators() {
				set = `{"invite":50}`
			}
			steps := []step{
				join(ada), rules("public"), join(bob), levels(ada, set, ""), rules(rule),
				member(cyd, cyd, "join", refuse),
				via(bob, refuse), // may not invite
				via(dan, refuse), // is not joined
			}
			if known {
				steps = append(steps, via(ada, ""), member(cyd, cyd, "join", ""))
			}
			play(t, v, "{}", steps)
		}
	}
}

// thirdParty returns a third-party invite's signed part.
func thirdParty(t *testing.T, key event.Key, user, token string) string {
	t.Helper()
	signed := fmt.Sprintf(`{"mxid":%q,"token":%q}`, user, token)
	signature, err := key.SignJSON([]byte(signed))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"mxid":%q,"signatures":{"id.example":{"ed25519:0":%q}},"token":%q}`, user, signature, token)
}

func TestThirdPartyInvites(t *testing.T) {
	identity, other := matrixtest.Key("id.example"), matrixtest.Key("evil.example")
	invite := func(signed string, rule string) step {
		return step{ada, "m.room.member", string(cyd), `{"membership":"invite","third_party_invite":` + signed + `}`, rule}
	}
	good := thirdParty(t, identity, string(cyd), "token")
	for _, v := range event.Versions {
		for _, keys := range []string{
			fmt.Sprintf(`{"public_key":%q}`, identity.Public()),
			fmt.Sprintf(`{"public_key":%q,"public_keys":[{"public_key":%q},{"public_key":%q}]}`, other.Public(), other.Public(), identity.Public()),
		} {
			play(t, v, "{}", []step{
				join(ada), rules("public"), join(bob),
				invite(`{"signed":`+good+`}`, "5.4.1.5"),
				{ada, "m.room.third_party_invite", "token", keys, ""},
				{bob, "m.room.third_party_invite", "bobs", keys, ""},
				invite(`{}`, "5.4.1.2"),
				invite(`5`, "5.4.1.2"),
				invite(`{"signed":{"mxid":"@cyd:two.example"}}`, "5.4.1.3"),
				invite(`{"signed":`+thirdParty(t, identity, string(dan), "token")+`}`, "5.4.1.4"),
				invite(`{"signed":`+thirdParty(t, identity, string(cyd), "bobs")+`}`, "5.4.1.6"),
				invite(`{"signed":{"mxid":"@cyd:two.example","token":"token"}}`, "5.4.1.8"),
				invite(fmt.Sprintf(`{"signed":%s},"public_key":%q`, thirdParty(t, matrixtest.Key("ada.example"), string(cyd), "token"),
					matrixtest.Key("ada.example").Public()), "5.4.1.8"), // a key of the inviter's own does not count
				invite(`{"signed":`+good+`}`, ""),
				join(cyd),
				{ada, "m.room.power_levels", "", map[bool]string{true: "{}", false: `{"users":{"@ada:one.example":100}}`}[v.PrivilegedRoomCreators()], ""},
				member(ada, cyd, "ban", ""),
				invite(`{"signed":`+good+`}`, "5.4.1.1"),
			})
		}
	}
}

func TestCreate(t *testing.T) {
	build := func(v id.RoomVersion, change func(p *pdu.PDU)) *pdu.PDU {
		p := &pdu.PDU{Sender: ada, Type: "m.room.create", StateKey: new(string), Depth: 1, Content: []byte(`{"creator":"@ada:one.example"}`)}
		if !v.RoomIDIsCreateEventID() {
			p.RoomID = "!r:one.example"
		}
		change(p)
		if _, _, err := event.Build(v, p, matrixtest.Key("one.example")); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, v := range event.Versions {
		old, creators := "", ""
		if v.CreatorInContent() {
			old = "1.4"
		}
		if v.PrivilegedRoomCreators() {
			creators = "1.4"
		}
		for _, c := range []struct {
			name, rule string
			change     func(p *pdu.PDU)
		}{
			{"good", "", func(*pdu.PDU) {}},
			{"predecessors", "1.1", func(p *pdu.PDU) { p.PrevEvents = []id.EventID{"$x"} }},
			{"room of another", "1.2", func(p *pdu.PDU) { p.RoomID = "!r:two.example" }},
			{"unknown version", "1.3", func(p *pdu.PDU) { p.Content = []byte(`{"creator":"x","room_version":"org.test"}`) }},
			{"version is no string", "1.3", func(p *pdu.PDU) { p.Content = []byte(`{"creator":"x","room_version":12}`) }},
			{"old version", "", func(p *pdu.PDU) { p.Content = []byte(`{"creator":"x","room_version":"1"}`) }},
			{"no creator", old, func(p *pdu.PDU) { p.Content = nil }},
			{"creators are no list", creators, func(p *pdu.PDU) { p.Content = []byte(`{"creator":"x","additional_creators":{}}`) }},
			{"creator is no user", creators, func(p *pdu.PDU) { p.Content = []byte(`{"creator":"x","additional_creators":["@a:b","c"]}`) }},
			{"creator is no string", creators, func(p *pdu.PDU) { p.Content = []byte(`{"creator":"x","additional_creators":[1]}`) }},
			{"creators", "", func(p *pdu.PDU) { p.Content = []byte(`{"creator":"x","additional_creators":["@a:b"]}`) }},
		} {
			err := auth.Check(v, build(v, c.change), func(string, string) *pdu.PDU { return nil })
			if rule := ruleOf(t, err); rule != c.rule {
				t.Errorf("version %s, %s: rule %q, want %q", v, c.name, rule, c.rule)
			}
		}
	}
}

func TestAuthEvents(t *testing.T) {
	for _, v := range event.Versions {
		r := play(t, v, "{}", []step{join(ada), rules("public"), join(bob), {ada, "m.room.topic", "", `{}`, ""}})
		other := play(t, v, `{"x":1}`, []step{join(ada)})
		p, before := r.Draft(bob, "org.test.message", nil, `{}`)
		topic := r.Events[before[auth.StateKey{Type: "m.room.topic"}]]
		message := *topic
		message.StateKey = nil
		create, elsewhere := r.Events[r.Create()], other.Events[other.Last()]
		for _, c := range []struct {
			name, rule string
			change     func(list []*pdu.PDU) []*pdu.PDU
			rejected   bool
		}{
			{"good", "", func(l []*pdu.PDU) []*pdu.PDU { return l }, false},
			{"twice", "3.1", func(l []*pdu.PDU) []*pdu.PDU { return append(l, l[0]) }, false},
			{"unknown", "3.2", func(l []*pdu.PDU) []*pdu.PDU { return append(l, nil) }, false},
			{"not needed", "3.2", func(l []*pdu.PDU) []*pdu.PDU { return append(l, topic) }, false},
			{"not state", "3.2", func(l []*pdu.PDU) []*pdu.PDU { return append(l, &message) }, false},
			{"empty", map[bool]string{true: "6", false: "3.2"}[v.RoomIDIsCreateEventID()], func([]*pdu.PDU) []*pdu.PDU { return nil }, false},
			{"rejected", map[bool]string{true: "2", false: "3.3"}[v.RoomIDIsCreateEventID()], func(l []*pdu.PDU) []*pdu.PDU { return l }, true},
		} {
			q := *p
			var list []*pdu.PDU
			for _, eventID := range p.AuthEvents {
				list = append(list, r.Events[eventID])
			}
			list = c.change(list)
			q.AuthEvents = make([]id.EventID, len(list))
			if _, _, err := event.Build(v, &q, matrixtest.Key("one.example")); err != nil {
				t.Fatal(err)
			}
			err := auth.CheckAuthEvents(v, &q, create, list, func(id.EventID) bool { return c.rejected })
			if rule := ruleOf(t, err); rule != c.rule {
				t.Errorf("version %s, %s: %v, want rule %q", v, c.name, err, c.rule)
			}
		}
		q := *p
		q.AuthEvents = []id.EventID{elsewhere.InternalMeta.EventID}
		q.Sender = ada
		if _, _, err := event.Build(v, &q, matrixtest.Key("one.example")); err != nil {
			t.Fatal(err)
		}
		moved := *elsewhere
		moved.RoomID = "!elsewhere:one.example"
		if rule := ruleOf(t, auth.CheckAuthEvents(v, &q, create, []*pdu.PDU{&moved}, nil)); rule != "3.5" {
			t.Errorf("version %s: an auth event of another room: rule %q", v, rule)
		}
		if rule := ruleOf(t, auth.CheckAuthEvents(v, create, nil, nil, nil)); rule != "" {
			t.Errorf("version %s: create event: rule %q", v, rule)
		}
		if v.RoomIDIsCreateEventID() {
			if rule := ruleOf(t, auth.CheckAuthEvents(v, &q, nil, nil, nil)); rule != "2" {
				t.Errorf("no create event: rule %q", rule)
			}
			if rule := ruleOf(t, auth.Check(v, &q, other.Lookup(other.After[other.Last()]))); rule != "2" {
				t.Errorf("create event of another room: rule %q", rule)
			}
		}
	}
}

func TestUnfinishedEventIsRefused(t *testing.T) {
	r := play(t, id.RoomV12, "{}", []step{join(ada)})
	p, before := r.Draft(ada, "m.room.message", nil, `{ "a" : 1 }`)
	if rule := ruleOf(t, auth.Check(id.RoomV12, p, r.Lookup(before))); rule != "0" {
		t.Errorf("rule %q", rule)
	}
	built := *p
	if _, _, err := event.Build(id.RoomV12, &built, matrixtest.Key("one.example")); err != nil {
		t.Fatal(err)
	}
	if rule := ruleOf(t, auth.Check(id.RoomV12, &built, func(string, string) *pdu.PDU { return nil })); rule != "2" {
		t.Errorf("without state: rule %q", rule)
	}
}

func TestAuthEventKeys(t *testing.T) {
	key := func(eventType, stateKey string) auth.StateKey {
		return auth.StateKey{Type: eventType, StateKey: stateKey}
	}
	state := func(s string) *string { return &s }
	for _, c := range []struct {
		v    id.RoomVersion
		p    pdu.PDU
		want []auth.StateKey
	}{
		{"11", pdu.PDU{Type: "m.room.create", StateKey: state("")}, nil},
		{"11", pdu.PDU{Type: "m", Sender: ada}, []auth.StateKey{key("m.room.create", ""), key("m.room.power_levels", ""), key("m.room.member", string(ada))}},
		{"12", pdu.PDU{Type: "m", Sender: ada}, []auth.StateKey{key("m.room.power_levels", ""), key("m.room.member", string(ada))}},
		{"12", pdu.PDU{Type: "m.room.member", Sender: ada, StateKey: state(string(ada)), Content: []byte(`{"membership":"join"}`)},
			[]auth.StateKey{key("m.room.power_levels", ""), key("m.room.member", string(ada)), key("m.room.join_rules", "")}},
		{"12", pdu.PDU{Type: "m.room.member", Sender: ada, StateKey: state(string(bob)), Content: []byte(`{"membership":"leave"}`)},
			[]auth.StateKey{key("m.room.power_levels", ""), key("m.room.member", string(ada)), key("m.room.member", string(bob))}},
		{"12", pdu.PDU{Type: "m.room.member", Sender: ada, StateKey: state(string(bob)),
			Content: []byte(`{"membership":"invite","third_party_invite":{"signed":{"token":"t"}}}`)},
			[]auth.StateKey{key("m.room.power_levels", ""), key("m.room.member", string(ada)), key("m.room.member", string(bob)),
				key("m.room.join_rules", ""), key("m.room.third_party_invite", "t")}},
		{"8", pdu.PDU{Type: "m.room.member", Sender: ada, StateKey: state(string(ada)),
			Content: []byte(`{"join_authorised_via_users_server":"@bob:one.example","membership":"join"}`)},
			[]auth.StateKey{key("m.room.create", ""), key("m.room.power_levels", ""), key("m.room.member", string(ada)),
				key("m.room.join_rules", ""), key("m.room.member", string(bob))}},
		{"7", pdu.PDU{Type: "m.room.member", Sender: ada, StateKey: state(string(ada)),
			Content: []byte(`{"join_authorised_via_users_server":"@bob:one.example","membership":"join"}`)},
			[]auth.StateKey{key("m.room.create", ""), key("m.room.power_levels", ""), key("m.room.member", string(ada)), key("m.room.join_rules", "")}},
	} {
		if got := auth.AuthEventKeys(c.v, &c.p); !slices.Equal(got, c.want) {
			t.Errorf("version %s, %s %s: %v, want %v", c.v, c.p.Type, c.p.Content, got, c.want)
		}
	}
}

func TestReadPowerLevels(t *testing.T) {
	create := &pdu.PDU{Sender: ada, Content: []byte(`{"additional_creators":["@dan:two.example",5],"creator":"@bob:one.example"}`)}
	l := auth.ReadPowerLevels(id.RoomV10, create, nil)
	if l.User(bob) != 100 || l.User(ada) != 0 || l.Event("x", true) != 50 || l.Event("x", false) != 0 ||
		l.Invite != 0 || l.Ban != 50 || l.Kick != 50 || l.Redact != 50 || l.Notification("room") != 50 || len(l.Creators()) != 0 {
		t.Errorf("defaults: %+v", l)
	}
	if l := auth.ReadPowerLevels(id.RoomV11, create, nil); l.User(ada) != 100 || l.User(bob) != 0 {
		t.Errorf("creator of version 11: %+v", l)
	}
	set := &pdu.PDU{Content: []byte(`{"ban":"  +0075 ","events":{"a":1,"b":"x","c":2.9},"events_default":true,"invite":1e3,"kick":null,` +
		`"notifications":{"room":20},"redact":false,"state_default":99999999999999999999,"users":{"@ada:one.example":"7","@cyd:two.example":3},"users_default":-1}`)}
	l = auth.ReadPowerLevels(id.RoomV5, create, set)
	if l.Ban != 75 || l.Event("a", false) != 1 || l.Event("b", false) != 1 || l.Event("c", true) != 2 || l.EventsDefault != 1 ||
		l.Invite != 1000 || l.Kick != 50 || l.Redact != 0 || l.StateDefault != 1<<62 || l.User(ada) != 7 || l.User(cyd) != 3 ||
		l.User(eve) != -1 || l.Notification("room") != 20 {
		t.Errorf("old values: %+v", l)
	}
	l = auth.ReadPowerLevels(id.RoomV12, create, set)
	if l.User(ada) != auth.Infinite || l.User(dan) != auth.Infinite || l.User(cyd) != 3 || l.Ban != 50 || l.EventsDefault != 0 {
		t.Errorf("new values: %+v", l)
	}
	if !slices.Equal(l.Creators(), []id.UserID{ada, dan}) {
		t.Errorf("creators: %v", l.Creators())
	}
	if !l.CanRedact(ada, cyd) || !l.CanRedact(cyd, dan) || l.CanRedact(eve, cyd) {
		t.Error("redacting")
	}
}
