package auth

import (
	"github.com/myelin-health/myelin/matrix/event"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// State is what an event is checked against.
type State struct {
	Lookup Lookup
	// Levels are the power levels of the same state, if the caller has them at hand:
	// what ReadPowerLevels returns. They are read when needed otherwise.
	Levels *PowerLevels
}

// Check authorises an event against a state: the state before the event, the current
// state (for soft failure and for sending), or a partial state during state
// resolution. Rules about the event's own list of auth events are not applied, see
// CheckAuthEvents. The state must contain the create event unless p is it.
//
// The error is an *Error.
func Check(v id.RoomVersion, p *pdu.PDU, state Lookup) error {
	return CheckState(v, p, State{Lookup: state})
}

// CheckState is Check with power levels that have been read before.
func CheckState(v id.RoomVersion, p *pdu.PDU, s State) error {
	if p.Hashes == nil {
		return errIncomplete
	}
	if p.Type == typeCreate {
		return checkCreate(v, p)
	}
	create := s.Lookup(typeCreate, "")
	if create == nil {
		return errNoCreateForRoom
	}
	if v.RoomIDIsCreateEventID() && !sameHash(p.RoomID, idOf(v, create)) {
		return errNoCreateForRoom
	}
	if text(event.Lookup(create.Content, "m.federate")) == "false" &&
		create.Sender.Homeserver() != p.Sender.Homeserver() {
		return errNotFederated
	}
	if p.Type == typeAliases && v.SpecialCasedAliasesAuth() {
		return checkAliases(p)
	}
	c := check{v, p, create, s}
	if p.Type == typeMember {
		return c.member()
	}
	if c.membership(string(p.Sender)) != "join" {
		return errSenderAbsent
	}
	levels := c.levels()
	level := levels.User(p.Sender)
	if p.Type == typeThirdPartyInvite {
		if level < levels.Invite {
			return errThirdInviteLevel
		}
		return nil
	}
	if levels.Event(p.Type, p.StateKey != nil) > level {
		return errEventLevel
	}
	if p.StateKey != nil && len(*p.StateKey) > 0 && (*p.StateKey)[0] == '@' && *p.StateKey != string(p.Sender) {
		return errStateKeyOwner
	}
	if p.Type == typePowerLevels {
		return c.powerLevels(levels)
	}
	return nil
}

// check is one event on its way through the rules.
type check struct {
	v      id.RoomVersion
	p      *pdu.PDU
	create *pdu.PDU
	state  State
}

func (c *check) levels() *PowerLevels {
	if c.state.Levels == nil {
		c.state.Levels = ReadPowerLevels(c.v, c.create, c.state.Lookup(typePowerLevels, ""))
	}
	return c.state.Levels
}

// membership returns a user's current membership; "leave" if there is none.
func (c *check) membership(user string) string {
	if p := c.state.Lookup(typeMember, user); p != nil {
		if m, ok := event.LookupString(p.Content, "membership"); ok {
			return m
		}
	}
	return "leave"
}

// joinRule returns the room's join rule; "invite" if there is none.
func (c *check) joinRule() string {
	if p := c.state.Lookup(typeJoinRules, ""); p != nil {
		if rule, ok := event.LookupString(p.Content, "join_rule"); ok {
			return rule
		}
	}
	return "invite"
}

func text(b []byte) string { return string(b) }

func idOf(v id.RoomVersion, p *pdu.PDU) id.EventID {
	eventID, err := event.ID(v, p)
	if err != nil {
		return ""
	}
	return eventID
}

// sameHash reports whether a room id is an event id but for the sigil.
func sameHash(room id.RoomID, create id.EventID) bool {
	return len(room) > 1 && room[0] == '!' && len(create) == len(room) && room[1:] == id.RoomID(create[1:])
}

// checkCreate is rule 1.
func checkCreate(v id.RoomVersion, p *pdu.PDU) error {
	if len(p.PrevEvents) > 0 {
		return errCreateHasPrev
	}
	if v.RoomIDIsCreateEventID() {
		if p.RoomID != "" {
			return errCreateHasRoom
		}
	} else if server := serverOf(string(p.RoomID)); server == "" || server != p.Sender.Homeserver() {
		return errCreateRoomDomain
	}
	if raw := event.Lookup(p.Content, "room_version"); raw != nil {
		version, ok := event.String(raw)
		if !ok || !recognised(id.RoomVersion(version)) {
			return errCreateVersion
		}
	}
	if v.PrivilegedRoomCreators() {
		if raw := event.Lookup(p.Content, "additional_creators"); raw != nil && !userIDs(raw) {
			return errCreateCreators
		}
	}
	if v.CreatorInContent() && event.Lookup(p.Content, "creator") == nil {
		return errCreateNoCreator
	}
	return nil
}

func recognised(v id.RoomVersion) bool {
	return event.Known(v) || v == id.RoomV1 || v == id.RoomV2
}

func userIDs(raw []byte) bool {
	valid := true
	isArray := event.EachItem(raw, func(item []byte) bool {
		s, ok := event.String(item)
		valid = ok && event.ValidUserID(s)
		return valid
	})
	return isArray && valid
}

// serverOf returns what is behind the first colon of a room id.
func serverOf(s string) string {
	for i := range len(s) {
		if s[i] == ':' {
			return s[i+1:]
		}
	}
	return ""
}

// checkAliases is rule 4 of room versions 3 to 5.
func checkAliases(p *pdu.PDU) error {
	if p.StateKey == nil {
		return errAliasesState
	}
	if *p.StateKey != p.Sender.Homeserver() {
		return errAliasesOwner
	}
	return nil
}
