// Package event builds, reads, signs, verifies and redacts Matrix room events.
//
// It covers the event formats of room versions 3 to 12: canonical JSON, content
// hashes, reference hashes (event ids), signatures, redaction, the size limits and
// the forms in which clients see an event. It is pure: no I/O, no clock, no state.
// Whether an event is allowed in its room is the business of package auth; which
// of several events wins is that of package stateres.
//
// The in-memory form is mautrix's pdu.PDU. Everything that leaves this package as
// "canonical" is the canonical JSON of the federation format without "unsigned".
package event

import (
	"errors"
	"fmt"
	"strings"

	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// Limits of the specification (client-server API, "Size limits", and the PDU
// definitions of the server-server API).
const (
	MaxEventBytes = 65536 // of the whole event in canonical JSON, with signatures, without unsigned
	MaxFieldBytes = 255   // of sender, room_id, type and state_key
	MaxPrevEvents = 20
	MaxAuthEvents = 10
)

// Errors that callers tell apart with errors.Is. The errors that are returned
// say more: see SyntaxError and SizeError.
var (
	// ErrBadJSON: not JSON at all, or not expressible as canonical JSON (M_BAD_JSON).
	ErrBadJSON = errors.New("bad JSON")
	// ErrTooLarge: the event or one of its fields is over its limit (M_TOO_LARGE).
	ErrTooLarge = errors.New("event too large")
	// ErrFormat: JSON, but not an event of the room version.
	ErrFormat = errors.New("malformed event")
	// ErrVersion: the room version is not one this package knows.
	ErrVersion = errors.New("unsupported room version")
	// ErrSignature: a required signature is missing or wrong.
	ErrSignature = errors.New("event is not validly signed")
)

// SyntaxError tells where and why JSON cannot be made canonical. It wraps ErrBadJSON.
type SyntaxError struct {
	Offset int // bytes into the input
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("bad JSON at byte %d: %s", e.Offset, e.Reason)
}

// Unwrap makes errors.Is(err, ErrBadJSON) true.
func (e *SyntaxError) Unwrap() error { return ErrBadJSON }

// SizeError names the field that is over its limit. It wraps ErrTooLarge.
type SizeError struct {
	Field       string // "event", "sender", "room_id", "type", "state_key", "auth_events" or "prev_events"
	Size, Limit int    // bytes, or entries for the last two
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("%s has size %d, the limit is %d", e.Field, e.Size, e.Limit)
}

// Unwrap makes errors.Is(err, ErrTooLarge) true.
func (e *SizeError) Unwrap() error { return ErrTooLarge }

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, a...))
}

// Versions lists the room versions this package understands, oldest first.
var Versions = []id.RoomVersion{
	id.RoomV3, id.RoomV4, id.RoomV5, id.RoomV6, id.RoomV7,
	id.RoomV8, id.RoomV9, id.RoomV10, id.RoomV11, id.RoomV12,
}

// Known reports whether v is one of Versions. What a known version does differently
// is told by the methods of id.RoomVersion.
func Known(v id.RoomVersion) bool {
	switch v {
	case id.RoomV3, id.RoomV4, id.RoomV5, id.RoomV6, id.RoomV7,
		id.RoomV8, id.RoomV9, id.RoomV10, id.RoomV11, id.RoomV12:
		return true
	}
	return false
}

// RoomID returns the room of an event. From version 12 on a create event carries no
// room_id: its room is its own id with the other sigil.
func RoomID(v id.RoomVersion, p *pdu.PDU, eventID id.EventID) id.RoomID {
	if p.RoomID == "" && p.Type == "m.room.create" && v.RoomIDIsCreateEventID() {
		return RoomIDOfCreate(eventID)
	}
	return p.RoomID
}

// RoomIDOfCreate returns the id of the version 12 room whose create event is eventID.
func RoomIDOfCreate(eventID id.EventID) id.RoomID {
	if len(eventID) < 2 {
		return ""
	}
	return id.RoomID("!" + string(eventID[1:]))
}

// CreateIDOfRoom returns the id of the create event of a version 12 room.
func CreateIDOfRoom(room id.RoomID) id.EventID {
	if len(room) < 2 {
		return ""
	}
	return id.EventID("$" + string(room[1:]))
}

func checkSizes(p *pdu.PDU, whole int) error {
	switch {
	case whole > MaxEventBytes:
		return &SizeError{"event", whole, MaxEventBytes}
	case len(p.Sender) > MaxFieldBytes:
		return &SizeError{"sender", len(p.Sender), MaxFieldBytes}
	case len(p.RoomID) > MaxFieldBytes:
		return &SizeError{"room_id", len(p.RoomID), MaxFieldBytes}
	case len(p.Type) > MaxFieldBytes:
		return &SizeError{"type", len(p.Type), MaxFieldBytes}
	case p.StateKey != nil && len(*p.StateKey) > MaxFieldBytes:
		return &SizeError{"state_key", len(*p.StateKey), MaxFieldBytes}
	case len(p.AuthEvents) > MaxAuthEvents:
		return &SizeError{"auth_events", len(p.AuthEvents), MaxAuthEvents}
	case len(p.PrevEvents) > MaxPrevEvents:
		return &SizeError{"prev_events", len(p.PrevEvents), MaxPrevEvents}
	}
	return nil
}

// ValidUserID reports whether s can be the sender of an event: "@", anything, ":",
// something; at most 255 bytes. Old user ids are no stricter than this.
func ValidUserID(s string) bool {
	if len(s) > MaxFieldBytes || len(s) == 0 || s[0] != '@' {
		return false
	}
	colon := strings.IndexByte(s, ':')
	return colon > 0 && colon < len(s)-1
}
