package room

import (
	"maunium.net/go/mautrix/federation/pdu"

	"github.com/myelin-health/myelin/matrix/auth"
)

// Power is who may do what in a room: its power levels with all defaults filled in, and its creators.
type Power = auth.PowerLevels

// powerOf reads the power levels in force in a state; nobody has any in a room without a create event.
func powerOf(s *State) *Power {
	create := pduOf(s.Get(typeCreate, ""))
	if create == nil {
		return &Power{}
	}
	return auth.ReadPowerLevels(s.Get(typeCreate, "").Version, create, pduOf(s.Get(typePower, "")))
}

// pduOf is e in the form of the authorisation rules, nil for no event. What is in a state was decoded
// before, so it cannot fail.
func pduOf(e *Event) *pdu.PDU {
	if e == nil {
		return nil
	}
	p, err := e.PDU()
	if err != nil {
		return nil
	}
	return p
}
