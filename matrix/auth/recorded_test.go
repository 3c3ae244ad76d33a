package auth_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/myelin-health/myelin/matrix/auth"
	"github.com/myelin-health/myelin/matrix/event"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// A room that another server recorded: every event is allowed, both by its auth events
// and by the state before it.
func TestRecordedRoom(t *testing.T) {
	file, err := os.ReadFile("testdata/room-v12.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	events := map[id.EventID]*pdu.PDU{}
	state := map[auth.StateKey]*pdu.PDU{}
	for line := range bytes.Lines(file) {
		r, err := event.ParseUntrusted(id.RoomV12, line)
		if err != nil || r.Redacted {
			t.Fatalf("%s: %v", line, err)
		}
		if said, _ := event.LookupString(r.PDU.Unsigned, "event_id"); said != string(r.ID) {
			t.Errorf("id %s, recorded %s", r.ID, said)
		}
		var list []*pdu.PDU
		for _, eventID := range r.PDU.AuthEvents {
			list = append(list, events[eventID])
		}
		create := state[auth.StateKey{Type: "m.room.create"}]
		if err := auth.CheckAuthEvents(id.RoomV12, r.PDU, create, list, nil); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		lookup := func(eventType, stateKey string) *pdu.PDU {
			return state[auth.StateKey{Type: eventType, StateKey: stateKey}]
		}
		if err := auth.Check(id.RoomV12, r.PDU, lookup); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		events[r.ID] = r.PDU
		if r.PDU.StateKey != nil {
			state[auth.StateKey{Type: r.PDU.Type, StateKey: *r.PDU.StateKey}] = r.PDU
		}
	}
	if len(events) < 20 {
		t.Errorf("only %d events", len(events))
	}
}
