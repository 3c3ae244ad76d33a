// Package auth decides whether a Matrix event is allowed in its room.
//
// It implements the authorisation rules of room versions 3 to 12, the selection of
// auth events and the reading of power levels. It is pure and looks at nothing but the
// events it is given; signatures and hashes are checked by package event before
// (rule 5.2 of room version 12 too, by event.VerifySignatures), and the state to check
// against is chosen by the caller.
//
// All events must come from package event (Build, Parse or ParseUntrusted), so that
// their content is canonical and their id is known.
package auth

import (
	"slices"

	"github.com/myelin-health/myelin/matrix/event"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// Types of the state events that the rules look at.
const (
	typeCreate           = "m.room.create"
	typeMember           = "m.room.member"
	typePowerLevels      = "m.room.power_levels"
	typeJoinRules        = "m.room.join_rules"
	typeThirdPartyInvite = "m.room.third_party_invite"
	typeAliases          = "m.room.aliases"
)

// StateKey names a place in the state of a room.
type StateKey = pdu.StateKey

// Lookup returns the event at a place of a room's state, nil if there is none.
type Lookup = func(eventType, stateKey string) *pdu.PDU

// Error says which rule forbids an event. The rules are numbered as in room version
// 12, whatever the version of the room, so that a number means one thing.
type Error struct {
	Rule   string
	Reason string
}

func (e *Error) Error() string { return "rule " + e.Rule + ": " + e.Reason }

// AuthEventKeys selects the places of the state whose events an event must name as
// its auth_events ("Auth events selection" of the server-server API). A place without
// an event is skipped by whoever builds the event.
func AuthEventKeys(v id.RoomVersion, p *pdu.PDU) []StateKey {
	return AppendAuthEventKeys(make([]StateKey, 0, 6), v, p)
}

// AppendAuthEventKeys is AuthEventKeys, appending to dst.
func AppendAuthEventKeys(dst []StateKey, v id.RoomVersion, p *pdu.PDU) []StateKey {
	if p.Type == typeCreate {
		return dst
	}
	if !v.RoomIDIsCreateEventID() {
		dst = append(dst, StateKey{Type: typeCreate})
	}
	dst = append(dst, StateKey{Type: typePowerLevels}, StateKey{Type: typeMember, StateKey: string(p.Sender)})
	if p.Type != typeMember || p.StateKey == nil {
		return dst
	}
	if *p.StateKey != string(p.Sender) {
		dst = append(dst, StateKey{Type: typeMember, StateKey: *p.StateKey})
	}
	membership, _ := event.LookupString(p.Content, "membership")
	switch membership {
	case "join", "invite", "knock":
		dst = append(dst, StateKey{Type: typeJoinRules})
	}
	if membership == "invite" {
		signed := event.Lookup(event.Lookup(p.Content, "third_party_invite"), "signed")
		if token, ok := event.LookupString(signed, "token"); ok {
			dst = append(dst, StateKey{Type: typeThirdPartyInvite, StateKey: token})
		}
	}
	if membership == "join" && v.RestrictedJoins() {
		via, ok := event.LookupString(p.Content, "join_authorised_via_users_server")
		key := StateKey{Type: typeMember, StateKey: via}
		if ok && !slices.Contains(dst, key) {
			dst = append(dst, key)
		}
	}
	return dst
}

// CheckAuthEvents authorises an event by the auth events it names: step 4 of the
// checks performed on receipt of a PDU. AuthEvents are the events of p.AuthEvents in
// that order, nil for one that is not known. Create is the room's create event, which
// rooms from version 12 on do not name among the auth events; nil is allowed in
// older ones. Rejected tells whether an event was itself rejected; nil means none.
//
// The error is an *Error.
func CheckAuthEvents(v id.RoomVersion, p, create *pdu.PDU, authEvents []*pdu.PDU, rejected func(id.EventID) bool) error {
	if p.Type == typeCreate {
		return checkCreate(v, p)
	}
	if v.RoomIDIsCreateEventID() {
		if create == nil || rejected != nil && rejected(create.InternalMeta.EventID) {
			return errNoCreateForRoom
		}
	} else {
		create = nil
	}
	if len(authEvents) != len(p.AuthEvents) {
		return errAuthEventMissing
	}
	var buf [8]StateKey
	wanted := AppendAuthEventKeys(buf[:0], v, p)
	for i, a := range authEvents {
		switch {
		case a == nil:
			return errAuthEventMissing
		case a.StateKey == nil:
			return errAuthEventUnexpected
		case slices.ContainsFunc(authEvents[:i], func(b *pdu.PDU) bool {
			return b.Type == a.Type && *b.StateKey == *a.StateKey
		}):
			return errAuthEventTwice
		case !slices.Contains(wanted, StateKey{Type: a.Type, StateKey: *a.StateKey}):
			return errAuthEventUnexpected
		case a.InternalMeta.Rejected || rejected != nil && rejected(p.AuthEvents[i]):
			return errAuthEventRejected
		case a.RoomID != p.RoomID:
			return errAuthEventElsewhere
		case a.Type == typeCreate:
			create = a
		}
	}
	if create == nil {
		return errAuthEventNoCreate
	}
	return CheckState(v, p, State{Lookup: func(eventType, stateKey string) *pdu.PDU {
		if eventType == typeCreate {
			return create
		}
		for _, a := range authEvents {
			if a.Type == eventType && *a.StateKey == stateKey {
				return a
			}
		}
		return nil
	}})
}
