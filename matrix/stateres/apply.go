package stateres

import (
	"github.com/myelin-health/myelin/matrix/auth"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// partialState is the state under construction: over, and base below it.
type partialState struct{ base, over State }

func (s *partialState) get(key StateKey) (id.EventID, bool) {
	if eventID, ok := s.over[key]; ok {
		return eventID, true
	}
	eventID, ok := s.base[key]
	return eventID, ok
}

// apply is the iterative auth checks algorithm: each event that the state so far
// allows becomes part of it.
func (r *resolver) apply(state *partialState, ordered []id.EventID) {
	for _, eventID := range ordered {
		p := r.events[eventID]
		lookup := func(eventType, stateKey string) *pdu.PDU {
			key := StateKey{Type: eventType, StateKey: stateKey}
			if held, ok := state.get(key); ok {
				if q := r.events[held]; q != nil {
					return q
				}
			}
			return r.ownAuthEvent(p, key)
		}
		s := auth.State{Lookup: lookup}
		if create := lookup("m.room.create", ""); create != nil {
			s.Levels = r.powerLevels(create, lookup("m.room.power_levels", ""))
		}
		if auth.CheckState(r.v, p, s) == nil {
			state.over[StateKey{Type: p.Type, StateKey: *p.StateKey}] = eventID
		}
	}
}

// ownAuthEvent returns the event at a place of the state by the auth events of the
// event to be checked; those that were rejected do not count.
func (r *resolver) ownAuthEvent(p *pdu.PDU, key StateKey) *pdu.PDU {
	if r.create != nil && key.Type == "m.room.create" && key.StateKey == "" {
		return r.create
	}
	for _, a := range p.AuthEvents {
		q := r.events[a]
		if q != nil && q.StateKey != nil && q.Type == key.Type && *q.StateKey == key.StateKey && !q.InternalMeta.Rejected {
			return q
		}
	}
	return nil
}
