package room

import (
	"maps"
)

// Event and relation types that this package treats specially.
const (
	typeCreate      = "m.room.create"
	typeMember      = "m.room.member"
	typePower       = "m.room.power_levels"
	typeJoinRules   = "m.room.join_rules"
	typeVisibility  = "m.room.history_visibility"
	typeGuestAccess = "m.room.guest_access"
	typeName        = "m.room.name"
	typeTopic       = "m.room.topic"
	typeAvatar      = "m.room.avatar"
	typeAlias       = "m.room.canonical_alias"
	typeEncryption  = "m.room.encryption"
	typeTombstone   = "m.room.tombstone"
	typeACL         = "m.room.server_acl"
	typeRedaction   = "m.room.redaction"

	relRedaction = "m.room.redaction" // internal: how a redaction is found by its target
	relReplace   = "m.replace"
	relThread    = "m.thread"
	relReference = "m.reference"
	relAnnotate  = "m.annotation"
)

// Memberships of m.room.member.
const (
	Join   = "join"
	Invite = "invite"
	Knock  = "knock"
	Leave  = "leave"
	Ban    = "ban"
)

// Key is a place in a room's state.
type Key struct{ Type, StateKey string }

// State is the state of a room at one moment. It is immutable and shares what it can with its neighbours:
// a base that is copied rarely and a small layer of differences.
type State struct {
	base  map[Key]*Event
	delta map[Key]*Event // nil value: removed
	n     int
}

var emptyState = &State{}

// Get returns the event at a place, nil when there is none.
func (s *State) Get(typ, key string) *Event { return s.at(Key{typ, key}) }

func (s *State) at(k Key) *Event {
	if e, ok := s.delta[k]; ok {
		return e
	}
	return s.base[k]
}

// Len is the number of state events.
func (s *State) Len() int { return s.n }

// All calls f for every state event, in no order, until it returns false. It can be ranged over.
func (s *State) All(f func(*Event) bool) {
	for k, e := range s.base {
		if _, ok := s.delta[k]; ok {
			continue
		}
		if !f(e) {
			return
		}
	}
	for _, e := range s.delta {
		if e != nil && !f(e) {
			return
		}
	}
}

// Events lists the state in no order.
func (s *State) Events() []*Event {
	l := make([]*Event, 0, s.n)
	for e := range s.All {
		l = append(l, e)
	}
	return l
}

// with returns the state after e took its place.
func (s *State) with(e *Event) *State { return s.set(e.Key(), e) }

// set returns the state with e, or nothing when e is nil, at k.
func (s *State) set(k Key, e *Event) *State {
	old := s.at(k)
	if old == e {
		return s
	}
	n := s.n
	switch {
	case old == nil:
		n++
	case e == nil:
		n--
	}
	if len(s.delta) < 16 || len(s.delta)*len(s.delta) < len(s.base) {
		d := make(map[Key]*Event, len(s.delta)+1)
		maps.Copy(d, s.delta)
		d[k] = e
		return &State{base: s.base, delta: d, n: n}
	}
	base := make(map[Key]*Event, n+16)
	for e := range s.All {
		base[e.Key()] = e
	}
	if e == nil {
		delete(base, k)
	} else {
		base[k] = e
	}
	return &State{base: base, n: n}
}

// stateOf makes a state of events.
func stateOf(events []*Event) *State {
	base := make(map[Key]*Event, len(events))
	for _, e := range events {
		base[e.Key()] = e
	}
	return &State{base: base, n: len(base)}
}

// difference lists where b differs from a: places and what b has there, nil for nothing.
func difference(a, b *State) []stateEntry {
	var out []stateEntry
	for e := range b.All {
		if o := a.at(e.Key()); o == nil || o.ID != e.ID {
			out = append(out, stateEntry{e.Key(), e})
		}
	}
	for e := range a.All {
		if b.at(e.Key()) == nil {
			out = append(out, stateEntry{e.Key(), nil})
		}
	}
	return out
}

// stateEntry is a place in the state and what is there.
type stateEntry struct {
	key   Key
	event *Event // nil: nothing any more
}
