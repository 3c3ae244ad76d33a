package auth_test

import (
	"errors"
	"testing"

	"github.com/myelin-health/myelin/matrix/auth"
	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/matrix/matrixtest"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// FuzzCheck throws any content at the rules, both as the event and as the state it is
// checked against.
func FuzzCheck(f *testing.F) {
	for _, content := range []string{
		`{"membership":"join"}`, `{"membership":"invite","third_party_invite":{"signed":{"mxid":"@bob:one.example","token":"","signatures":{"a":{"b":"c"}}}}}`,
		`{"join_rule":"restricted","membership":"join","join_authorised_via_users_server":"@ada:one.example"}`,
		`{"users":{"@ada:one.example":"50"},"events":{"x":1},"notifications":{"room":null},"ban":1e3}`,
		`{"additional_creators":["@bob:one.example"],"m.federate":false}`, `{"public_keys":[{"public_key":"AAAA"},5],"public_key":7}`,
	} {
		f.Add(uint8(9), uint8(1), uint8(1), []byte(content), []byte(`{"membership":"join"}`), []byte(`{"join_rule":"public"}`), []byte(content))
	}
	types := []string{"m.room.message", "m.room.member", "m.room.power_levels", "m.room.create", "m.room.aliases", "m.room.third_party_invite", "m.room.topic"}
	f.Fuzz(func(t *testing.T, version, eventType, target uint8, content, member, joinRules, levels []byte) {
		v := event.Versions[int(version)%len(event.Versions)]
		r := matrixtest.NewRoom(v, ada, "{}")
		users := []string{string(ada), string(bob), "", "one.example"}
		make := func(eventType, stateKey string, content []byte) *pdu.PDU {
			p := &pdu.PDU{RoomID: r.ID, Sender: bob, Type: eventType, StateKey: &stateKey, Content: content, PrevEvents: []id.EventID{r.Create()}, Depth: 2}
			if _, _, err := event.Build(v, p, matrixtest.Key("one.example")); err != nil {
				return nil
			}
			return p
		}
		state := map[auth.StateKey]*pdu.PDU{
			{Type: "m.room.create"}:                           r.Events[r.Create()],
			{Type: "m.room.member", StateKey: string(bob)}:    make("m.room.member", string(bob), member),
			{Type: "m.room.member", StateKey: string(ada)}:    make("m.room.member", string(ada), []byte(`{"membership":"join"}`)),
			{Type: "m.room.join_rules"}:                       make("m.room.join_rules", "", joinRules),
			{Type: "m.room.power_levels"}:                     make("m.room.power_levels", "", levels),
			{Type: "m.room.third_party_invite", StateKey: ""}: make("m.room.third_party_invite", "", levels),
		}
		p := make(types[int(eventType)%len(types)], users[int(target)%len(users)], content)
		if p == nil {
			return
		}
		lookup := func(eventType, stateKey string) *pdu.PDU {
			return state[auth.StateKey{Type: eventType, StateKey: stateKey}]
		}
		err := auth.Check(v, p, lookup)
		var refusal *auth.Error
		if err != nil && !errors.As(err, &refusal) {
			t.Fatalf("%v is no refusal", err)
		}
		var list []*pdu.PDU
		for _, key := range auth.AuthEventKeys(v, p) {
			if q := state[key]; q != nil {
				list = append(list, q)
				p.AuthEvents = append(p.AuthEvents, q.InternalMeta.EventID)
			}
		}
		if again := auth.CheckAuthEvents(v, p, r.Events[r.Create()], list, nil); !errors.Is(again, err) {
			t.Fatalf("by state %v, by auth events %v", err, again)
		}
	})
}
