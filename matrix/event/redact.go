package event

import (
	"encoding/json/jsontext"

	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

var emptyObject = jsontext.Value("{}")

// Redact returns the redacted form of an event as a new PDU ("Redactions" of the
// room version). Its id and signatures are those of the original. Unsigned is
// dropped; the event that redacted it belongs there when it is shown.
func Redact(v id.RoomVersion, p *pdu.PDU) *pdu.PDU {
	r := *p
	r.Content = redactContent(v, p.Type, p.Content)
	r.Unsigned = nil
	r.Redacts = nil
	if v.UpdatedRedactionRules() {
		r.DeprecatedMembership, r.DeprecatedOrigin, r.DeprecatedPrevState = nil, nil, nil
	}
	r.Unknown = nil
	if eventID := lookup(p.Unknown, "event_id"); eventID != nil {
		r.Unknown = joinObject(nil, []field{{[]byte("event_id"), eventID}})
	}
	return &r
}

// redactContent keeps what the room version protects of canonical content.
func redactContent(v id.RoomVersion, eventType string, content []byte) []byte {
	if len(content) <= 2 {
		return emptyObject
	}
	updated := v.UpdatedRedactionRules()
	var keep func(key string) bool
	switch eventType {
	case "m.room.member":
		keep = func(key string) bool {
			return key == "membership" ||
				key == "join_authorised_via_users_server" && v.RestrictedJoinsFix() ||
				key == "third_party_invite" && updated
		}
	case "m.room.create":
		if updated {
			return content
		}
		keep = func(key string) bool { return key == "creator" }
	case "m.room.join_rules":
		keep = func(key string) bool { return key == "join_rule" || key == "allow" && v.RestrictedJoins() }
	case "m.room.power_levels":
		keep = func(key string) bool {
			switch key {
			case "ban", "events", "events_default", "kick", "redact", "state_default", "users", "users_default":
				return true
			}
			return key == "invite" && updated
		}
	case "m.room.history_visibility":
		keep = func(key string) bool { return key == "history_visibility" }
	case "m.room.redaction":
		if !updated {
			return emptyObject
		}
		keep = func(key string) bool { return key == "redacts" }
	case "m.room.aliases":
		if !v.SpecialCasedAliasesAuth() {
			return emptyObject
		}
		keep = func(key string) bool { return key == "aliases" }
	default:
		return emptyObject
	}
	fields, err := splitObject(content)
	if err != nil {
		return emptyObject
	}
	kept := fields[:0]
	for _, f := range fields {
		key := text(f.key)
		if !keep(key) {
			continue
		}
		if key == "third_party_invite" {
			if len(f.value) == 0 || f.value[0] != '{' {
				continue
			}
			f.value = keepOnly(f.value, "signed")
		}
		kept = append(kept, f)
	}
	return joinObject(make([]byte, 0, len(content)), kept)
}

// keepOnly returns the object with at most the one member.
func keepOnly(object []byte, key string) []byte {
	value := lookup(object, key)
	if value == nil {
		return emptyObject
	}
	return joinObject(nil, []field{{[]byte(key), value}})
}
