package event

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"go.mau.fi/util/jsonbytes"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// Decode reads the canonical JSON that Build, Encode or ParseUntrusted returned,
// without computing the id. It trusts it: only its form is checked, not its hash. The
// PDU refers to raw's memory, which must not be modified afterwards.
func Decode(raw []byte) (*pdu.PDU, error) {
	p := new(pdu.PDU)
	var unknown []field
	err := eachField(raw, func(key, value []byte) error {
		known, err := decodeField(p, text(key), value)
		if !known {
			unknown = append(unknown, field{key, value})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if unknown != nil {
		p.Unknown = joinObject(nil, unknown)
	}
	return p, nil
}

// Parse is Decode and the event's id, which it also puts into
// p.InternalMeta.EventID.
func Parse(v id.RoomVersion, raw []byte) (*pdu.PDU, id.EventID, error) {
	p, err := Decode(raw)
	if err != nil {
		return nil, "", err
	}
	eventID, err := computeID(v, p)
	p.InternalMeta.EventID = eventID
	return p, eventID, err
}

// decodeField puts one member into p; known is false for those it has no place for.
func decodeField(p *pdu.PDU, key string, value []byte) (known bool, err error) {
	ok := true
	switch key {
	case "auth_events":
		p.AuthEvents, ok = stringList[id.EventID](value)
	case "content":
		p.Content, ok = value, value[0] == '{'
	case "depth":
		p.Depth, ok = intValue(value)
	case "hashes":
		p.Hashes, err = decodeHashes(value)
	case "membership":
		p.DeprecatedMembership = value
	case "origin":
		p.DeprecatedOrigin = value
	case "origin_server_ts":
		p.OriginServerTS, ok = intValue(value)
	case "prev_events":
		p.PrevEvents, ok = stringList[id.EventID](value)
	case "prev_state":
		p.DeprecatedPrevState = value
	case "redacts":
		var s string
		if s, ok = stringValue(value); !ok {
			return false, nil
		}
		p.Redacts = (*id.EventID)(&s)
	case "room_id":
		p.RoomID, ok = typedString[id.RoomID](value)
	case "sender":
		p.Sender, ok = typedString[id.UserID](value)
	case "signatures":
		p.Signatures, err = decodeSignatures(value)
	case "state_key":
		var s string
		s, ok = stringValue(value)
		p.StateKey = &s
	case "type":
		p.Type, ok = stringValue(value)
	case "unsigned":
		p.Unsigned = value
	default:
		return false, nil
	}
	if !ok {
		err = malformed("%s has the wrong type", key)
	}
	return true, err
}

func typedString[T ~string](value []byte) (T, bool) {
	s, ok := stringValue(value)
	return T(s), ok
}

func decodeHashes(value []byte) (*pdu.Hashes, error) {
	h := new(pdu.Hashes)
	var unknown []field
	found := false
	err := eachField(value, func(key, value []byte) error {
		if string(key) != "sha256" {
			unknown = append(unknown, field{key, value})
			return nil
		}
		s, ok := stringValue(value)
		if !ok {
			return malformed("hashes.sha256 is not a string")
		}
		sum, err := unpadded.DecodeString(s)
		if err != nil || unpadded.EncodeToString(sum) != s {
			return malformed("hashes.sha256 is not unpadded base64")
		}
		h.SHA256, found = jsonbytes.UnpaddedBytes(sum), true
		return nil
	})
	if err == nil && !found {
		err = malformed("hashes.sha256 is missing")
	}
	if unknown != nil {
		h.Unknown = joinObject(nil, unknown)
	}
	return h, err
}

func decodeSignatures(value []byte) (map[string]map[id.KeyID]string, error) {
	all := make(map[string]map[id.KeyID]string, 1)
	err := eachField(value, func(server, value []byte) error {
		one := make(map[id.KeyID]string, 1)
		all[text(unescape(server))] = one
		return eachField(value, func(key, value []byte) error {
			s, ok := stringValue(value)
			if !ok {
				return malformed("a signature is not a string")
			}
			one[id.KeyID(text(unescape(key)))] = s
			return nil
		})
	})
	return all, err
}

// Received is an event of another server after the checks of its form.
type Received struct {
	PDU       *pdu.PDU // InternalMeta.EventID is set; Unsigned is what the other server said
	ID        id.EventID
	Canonical []byte // to be stored; without unsigned. PDU refers to its memory
	Redacted  bool   // the content hash did not match, so PDU and Canonical are the redacted form
}

// ParseUntrusted reads an event that another server sent: JSON in any form. It
// applies steps 1 and 3 of the "Checks performed on receipt of a PDU" (server-server
// API): the format of the room version with its size limits, and the content hash,
// without which only the redacted form is kept. The signatures, step 2, are checked
// by VerifySignatures, and the rest is the business of package auth.
func ParseUntrusted(v id.RoomVersion, raw []byte) (*Received, error) {
	if !Known(v) {
		return nil, fmt.Errorf("%w %q", ErrVersion, v)
	}
	if len(raw) > 8*MaxEventBytes { // escapes and white space cannot make it longer honestly
		return nil, &SizeError{"event", len(raw), MaxEventBytes}
	}
	whole, err := Canonical(raw, v.ForbidFloatsAndBigInts())
	if err != nil {
		return nil, err
	}
	fields, err := splitObject(whole)
	if err != nil {
		return nil, err
	}
	present := func(key string) bool {
		for _, f := range fields {
			if string(f.key) == key {
				return true
			}
		}
		return false
	}
	for _, key := range []string{"auth_events", "content", "depth", "hashes", "origin_server_ts",
		"prev_events", "sender", "signatures", "type"} {
		if !present(key) {
			return nil, malformed("%s is missing", key)
		}
	}
	canonical := whole
	if present("unsigned") {
		canonical = joinObject(make([]byte, 0, len(whole)), fields, "unsigned")
	}
	p, err := Decode(canonical)
	if err != nil {
		return nil, err
	}
	if err := checkReceived(v, p, present("room_id")); err != nil {
		return nil, err
	}
	if err := checkSizes(p, len(canonical)); err != nil {
		return nil, err
	}
	r := &Received{PDU: p, Canonical: canonical}
	hashed := joinObject(make([]byte, 0, len(whole)), fields, "hashes", "signatures", "unsigned")
	if sum := sha256.Sum256(hashed); !bytes.Equal(sum[:], p.Hashes.SHA256) {
		r.Redacted = true
		r.PDU = Redact(v, p)
		if r.Canonical, err = Encode(v, r.PDU); err != nil {
			return nil, err
		}
	}
	if r.ID, err = computeID(v, r.PDU); err != nil {
		return nil, err
	}
	r.PDU.InternalMeta.EventID = r.ID
	if unsigned := lookup(whole, "unsigned"); unsigned != nil {
		r.PDU.Unsigned = unsigned
	}
	return r, nil
}

// checkReceived checks what the types of the members do not say.
func checkReceived(v id.RoomVersion, p *pdu.PDU, hasRoom bool) error {
	if !hasRoom && !(p.Type == "m.room.create" && v.RoomIDIsCreateEventID()) {
		return malformed("room_id is missing")
	}
	if hasRoom && (len(p.RoomID) < 2 || p.RoomID[0] != '!') {
		return malformed("room_id is not a room id")
	}
	if !ValidUserID(string(p.Sender)) {
		return malformed("sender is not a user id")
	}
	if p.Depth < 0 {
		return malformed("depth is negative")
	}
	return nil
}
