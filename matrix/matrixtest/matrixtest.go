// Package matrixtest makes Matrix rooms for tests: real, signed, authorised events in
// chosen or random shapes, with forks and merges. It is no part of the server.
package matrixtest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/myelin-health/myelin/matrix/auth"
	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/matrix/stateres"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// Room is a room whose every event is known. It is not safe for concurrent use.
type Room struct {
	Version id.RoomVersion
	ID      id.RoomID
	Order   []id.EventID                  // all events as they were made; the first is the create event
	Events  map[id.EventID]*pdu.PDU       // accepted and rejected ones
	JSON    map[id.EventID][]byte         // their canonical forms
	After   map[id.EventID]stateres.State // the state after each event; do not modify
	Now     int64                         // origin_server_ts of the next event, milliseconds
}

// Key returns the signing key of a server: always the same for the same name.
func Key(server string) event.Key {
	seed := sha256.Sum256([]byte(server))
	key, err := event.NewKey(server, "test", bytes.NewReader(seed[:]))
	if err != nil {
		panic(err)
	}
	return key
}

// GetKey is a pdu.GetKeyFunc for the keys of Key.
func GetKey(server string, keyID id.KeyID, _ time.Time) (id.SigningKey, time.Time, error) {
	key := Key(server)
	if keyID != key.ID {
		return "", time.Time{}, nil
	}
	return key.Public(), time.UnixMilli(1 << 50), nil
}

// NewRoom makes a room with nothing but its create event. Content is that event's
// content without creator and room_version, which are added.
func NewRoom(v id.RoomVersion, creator id.UserID, content string) *Room {
	r := &Room{
		Version: v,
		Events:  make(map[id.EventID]*pdu.PDU),
		JSON:    make(map[id.EventID][]byte),
		After:   make(map[id.EventID]stateres.State),
		Now:     1_700_000_000_000,
	}
	head := fmt.Sprintf(`{"room_version":%q`, v)
	if v.CreatorInContent() {
		head += fmt.Sprintf(`,"creator":%q`, creator)
	}
	if len(content) > 2 {
		head += "," + content[1:]
	} else {
		head += "}"
	}
	p := &pdu.PDU{Sender: creator, Type: "m.room.create", StateKey: new(string), Content: []byte(head), Depth: 1}
	if !v.RoomIDIsCreateEventID() {
		p.RoomID = id.RoomID("!room:" + creator.Homeserver())
	}
	eventID, err := r.add(p, stateres.State{})
	if err != nil {
		panic(err)
	}
	r.ID = event.RoomID(v, p, eventID)
	return r
}

// Create returns the id of the create event.
func (r *Room) Create() id.EventID { return r.Order[0] }

// Last returns the id of the newest event.
func (r *Room) Last() id.EventID { return r.Order[len(r.Order)-1] }

// Send makes a message event behind prev, the newest event if there is none. See
// SetState.
func (r *Room) Send(sender id.UserID, eventType, content string, prev ...id.EventID) (id.EventID, error) {
	return r.make(sender, eventType, nil, content, prev)
}

// SetState makes a state event behind prev, the newest event if there is none. An
// event that is not allowed is not added; its error is that of package auth.
func (r *Room) SetState(sender id.UserID, eventType, stateKey, content string, prev ...id.EventID) (id.EventID, error) {
	return r.make(sender, eventType, &stateKey, content, prev)
}

// Must panics if err is not nil, to wrap Send and SetState in.
func Must(eventID id.EventID, err error) id.EventID {
	if err != nil {
		panic(err)
	}
	return eventID
}

// Draft returns an event behind prev, with its auth events by the state there, not yet
// built, and that state.
func (r *Room) Draft(sender id.UserID, eventType string, stateKey *string, content string, prev ...id.EventID) (*pdu.PDU, stateres.State) {
	if len(prev) == 0 {
		prev = []id.EventID{r.Last()}
	}
	before := r.Before(prev...)
	p := &pdu.PDU{
		RoomID: r.ID, Sender: sender, Type: eventType, StateKey: stateKey,
		Content: []byte(content), PrevEvents: slices.Clone(prev), OriginServerTS: r.Now,
	}
	r.Now++
	for _, eventID := range prev {
		p.Depth = max(p.Depth, r.Events[eventID].Depth+1)
	}
	for _, key := range auth.AuthEventKeys(r.Version, p) {
		if eventID, ok := before[key]; ok {
			p.AuthEvents = append(p.AuthEvents, eventID)
		}
	}
	return p, before
}

// Before returns the state before an event behind prev.
func (r *Room) Before(prev ...id.EventID) stateres.State {
	states := make([]stateres.State, len(prev))
	for i, eventID := range prev {
		states[i] = r.After[eventID]
	}
	before, err := stateres.Resolve(r.Version, states, r.Fetch)
	if err != nil {
		panic(err)
	}
	return before
}

func (r *Room) make(sender id.UserID, eventType string, stateKey *string, content string, prev []id.EventID) (id.EventID, error) {
	p, before := r.Draft(sender, eventType, stateKey, content, prev...)
	return r.add(p, before)
}

// add builds p, authorises it against the state before it, and keeps it.
func (r *Room) add(p *pdu.PDU, before stateres.State) (id.EventID, error) {
	eventID, canonical, err := event.Build(r.Version, p, Key(p.Sender.Homeserver()))
	if err != nil {
		return "", err
	}
	if err := auth.Check(r.Version, p, r.Lookup(before)); err != nil {
		return "", err
	}
	r.Order = append(r.Order, eventID)
	r.Events[eventID] = p
	r.JSON[eventID] = canonical
	if p.StateKey != nil {
		after := make(stateres.State, len(before)+1)
		for k, v := range before {
			after[k] = v
		}
		after[stateres.StateKey{Type: p.Type, StateKey: *p.StateKey}] = eventID
		before = after
	}
	r.After[eventID] = before
	return eventID, nil
}

// Lookup turns a state of the room into what package auth checks against.
func (r *Room) Lookup(state stateres.State) auth.Lookup {
	return func(eventType, stateKey string) *pdu.PDU {
		return r.Events[state[stateres.StateKey{Type: eventType, StateKey: stateKey}]]
	}
}

// Fetch is a stateres.Fetch over the events of the room.
func (r *Room) Fetch(ids []id.EventID) (map[id.EventID]*pdu.PDU, error) {
	found := make(map[id.EventID]*pdu.PDU, len(ids))
	for _, eventID := range ids {
		if p := r.Events[eventID]; p != nil {
			found[eventID] = p
		}
	}
	return found, nil
}

// Member returns the content of a member event.
func Member(membership string) string { return fmt.Sprintf(`{"membership":%q}`, membership) }
