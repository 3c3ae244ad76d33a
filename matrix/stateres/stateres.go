// Package stateres resolves forks: it computes the one state of a room that follows
// from several states before an event.
//
// It implements state resolution version 2 (room versions 3 to 11) and version 2.1
// (room version 12). It is pure: events come from a function of the caller, and the same
// input gives the same result whatever the order of the states. It authorises events
// with package auth and reads nothing else from them.
//
// Where the specification leaves room, it does what other servers do, because all
// servers of a room must come to the same state: a state's full auth chain includes the
// events of the state themselves, and power events pull in those of their auth chain
// that are reached within the full conflicted set.
package stateres

import (
	"fmt"
	"maps"
	"slices"

	"github.com/myelin-health/myelin/matrix/auth"
	"github.com/myelin-health/myelin/matrix/event"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// StateKey names a place in the state of a room.
type StateKey = auth.StateKey

// State is one state of a room.
type State = map[StateKey]id.EventID

// Fetch returns events by their ids; those it does not have are absent from its
// answer. The events come from package event, so that InternalMeta.EventID is set;
// InternalMeta.Rejected marks those that were rejected.
type Fetch = func(ids []id.EventID) (map[id.EventID]*pdu.PDU, error)

// MissingError names events of the conflicting states that Fetch does not have. Events
// that are missing further down the auth chain are passed over instead.
type MissingError struct{ IDs []id.EventID }

func (e *MissingError) Error() string {
	return fmt.Sprintf("%d events of the states to resolve are missing, such as %s", len(e.IDs), e.IDs[0])
}

// Resolve returns the resolution of the states. The result is a new map. Without
// conflicts, Fetch is not called. Fetch is called with ids in ascending order,
// each id at most once.
func Resolve(v id.RoomVersion, states []State, fetch Fetch) (State, error) {
	if !event.Known(v) {
		return nil, fmt.Errorf("resolving state: %w %q", event.ErrVersion, v)
	}
	switch len(states) {
	case 0:
		return State{}, nil
	case 1:
		return maps.Clone(states[0]), nil
	}
	agreed, disputed := separate(states)
	if len(disputed) == 0 {
		return agreed, nil
	}
	r := resolver{
		v: v, fetch: fetch, agreed: agreed, disputed: disputed,
		events: make(map[id.EventID]*pdu.PDU),
		levels: make(map[id.EventID]*auth.PowerLevels),
	}
	state, err := r.resolve(states)
	if err != nil {
		return nil, fmt.Errorf("resolving state: %w", err)
	}
	return state, nil
}

// separate divides states into the unconflicted state map and the conflicted state
// set.
func separate(states []State) (agreed State, disputed idSet) {
	agreed, disputed = make(State, len(states[0])), make(idSet)
	for key, eventID := range states[0] {
		same := true
		for _, s := range states[1:] {
			if other, ok := s[key]; !ok || other != eventID {
				same = false
				break
			}
		}
		if same {
			agreed[key] = eventID
		}
	}
	for _, s := range states {
		if len(s) == len(agreed) {
			continue
		}
		for key, eventID := range s {
			if _, ok := agreed[key]; !ok {
				disputed[eventID] = struct{}{}
			}
		}
	}
	return agreed, disputed
}

type idSet map[id.EventID]struct{}

func (s idSet) has(eventID id.EventID) bool {
	_, ok := s[eventID]
	return ok
}

func (s idSet) sorted() []id.EventID { return slices.Sorted(maps.Keys(s)) }

// resolver is one resolution.
type resolver struct {
	v        id.RoomVersion
	fetch    Fetch
	agreed   State                            // the unconflicted state map
	disputed idSet                            // the conflicted state set
	events   map[id.EventID]*pdu.PDU          // what has been fetched; nil if missing
	create   *pdu.PDU                         // from version 12 on, where no auth event names it
	levels   map[id.EventID]*auth.PowerLevels // by power level event; "" without one
}

func (r *resolver) resolve(states []State) (State, error) {
	if err := r.load(r.disputed.sorted()); err != nil {
		return nil, err
	}
	if err := r.complete(); err != nil {
		return nil, err
	}
	conflicted, err := r.fullConflictedSet(states)
	if err != nil {
		return nil, err
	}
	power := r.powerEvents(conflicted)
	first := r.powerOrder(power)
	if err := r.loadNeeded(conflicted); err != nil {
		return nil, err
	}
	partial := partialState{over: make(State, len(conflicted))}
	if r.v.StateResVersion() == id.StateResV2 {
		partial.base = r.agreed // version 2.1 starts from nothing
	}
	r.apply(&partial, first)
	rest := make([]id.EventID, 0, len(conflicted)-len(power))
	for eventID := range conflicted {
		if !power.has(eventID) {
			rest = append(rest, eventID)
		}
	}
	top, _ := partial.get(StateKey{Type: "m.room.power_levels"})
	if rest, err = r.mainlineOrder(rest, top); err != nil {
		return nil, err
	}
	r.apply(&partial, rest)
	result := make(State, len(r.agreed)+len(partial.over))
	maps.Copy(result, partial.over)
	maps.Copy(result, r.agreed)
	return result, nil
}

// complete makes sure that all events in dispute are there, and the create event
// where they do not name it.
func (r *resolver) complete() error {
	var missing []id.EventID
	for _, eventID := range r.disputed.sorted() {
		p := r.events[eventID]
		if p == nil || p.StateKey == nil {
			missing = append(missing, eventID)
			continue
		}
		if r.create == nil && r.v.RoomIDIsCreateEventID() {
			createID := event.CreateIDOfRoom(event.RoomID(r.v, p, eventID))
			if err := r.load([]id.EventID{createID}); err != nil {
				return err
			}
			r.create = r.events[createID]
		}
	}
	if missing != nil {
		return &MissingError{missing}
	}
	return nil
}

// load fetches those events that have not been asked for yet.
func (r *resolver) load(ids []id.EventID) error {
	wanted := make([]id.EventID, 0, len(ids))
	for _, eventID := range ids {
		if _, asked := r.events[eventID]; !asked {
			r.events[eventID] = nil
			wanted = append(wanted, eventID)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	slices.Sort(wanted)
	got, err := r.fetch(wanted)
	if err != nil {
		return fmt.Errorf("fetching %d events: %w", len(wanted), err)
	}
	for _, eventID := range wanted {
		if p := got[eventID]; p != nil {
			r.events[eventID] = p
		}
	}
	return nil
}

// loadNeeded fetches the unconflicted state that the events in question will be
// checked against.
func (r *resolver) loadNeeded(conflicted idSet) error {
	needed := make(idSet)
	var keys []StateKey
	for eventID := range conflicted {
		keys = auth.AppendAuthEventKeys(keys[:0], r.v, r.events[eventID])
		for _, key := range keys {
			if eventID, ok := r.agreed[key]; ok {
				needed[eventID] = struct{}{}
			}
		}
	}
	return r.load(needed.sorted())
}
