package event

import (
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// ClientFormat returns an event as clients see it ("Room event format" of the
// client-server API), without unsigned: content, event_id, origin_server_ts,
// room_id, sender, state_key and type, in this order. A reader that has something
// unsigned to say adds it behind the last member with WithUnsigned. An empty roomID
// is left out, as in the answers of /sync.
//
// A redaction names its target both in its content and beside it, whatever the room
// version, as both kinds of clients exist.
func ClientFormat(p *pdu.PDU, eventID id.EventID, roomID id.RoomID) []byte {
	return AppendClientFormat(make([]byte, 0, 256+len(p.Content)), p, eventID, roomID)
}

// AppendClientFormat is ClientFormat, appending to dst.
func AppendClientFormat(dst []byte, p *pdu.PDU, eventID id.EventID, roomID id.RoomID) []byte {
	e := encoder{dst: append(dst, '{')}
	redacts, content := redaction(p)
	e.key(`"content":`)
	e.raw(content)
	e.key(`"event_id":`)
	e.str(string(eventID))
	e.key(`"origin_server_ts":`)
	e.number(p.OriginServerTS)
	if redacts != nil {
		e.key(`"redacts":`)
		e.raw(redacts)
	}
	if roomID != "" {
		e.key(`"room_id":`)
		e.str(string(roomID))
	}
	e.key(`"sender":`)
	e.str(string(p.Sender))
	if p.StateKey != nil {
		e.key(`"state_key":`)
		e.str(*p.StateKey)
	}
	e.key(`"type":`)
	e.str(p.Type)
	return append(e.dst, '}')
}

// redaction returns the target of a redaction as JSON, nil for other events, and the
// content with it in it.
func redaction(p *pdu.PDU) (redacts, content []byte) {
	content = p.Content
	if p.Type != "m.room.redaction" {
		return nil, content
	}
	if redacts = lookup(content, "redacts"); redacts != nil {
		if redacts[0] != '"' {
			redacts = nil
		}
		return redacts, content
	}
	if p.Redacts == nil {
		return nil, content
	}
	redacts, err := appendString(nil, string(*p.Redacts))
	if err != nil {
		return nil, content
	}
	fields, err := splitObject(content)
	if err != nil {
		return redacts, content
	}
	return redacts, joinObject(nil, append(fields, field{[]byte("redacts"), redacts}))
}

// WithUnsigned returns a copy of an event in a client format with unsigned, which must
// be a JSON object, as its last member.
func WithUnsigned(client, unsigned []byte) []byte {
	if len(client) < 2 || len(unsigned) == 0 {
		return client
	}
	out := make([]byte, 0, len(client)+len(unsigned)+13)
	out = append(out, client[:len(client)-1]...)
	if len(client) > 2 {
		out = append(out, ',')
	}
	out = append(out, `"unsigned":`...)
	out = append(out, unsigned...)
	return append(out, '}')
}

// StrippedState returns the four members of a state event that somebody outside of
// the room may see: content, sender, state_key and type.
func StrippedState(p *pdu.PDU) []byte {
	e := encoder{dst: make([]byte, 0, 128+len(p.Content))}
	e.dst = append(e.dst, '{')
	e.key(`"content":`)
	e.raw(p.Content)
	e.key(`"sender":`)
	e.str(string(p.Sender))
	e.key(`"state_key":`)
	if p.StateKey != nil {
		e.str(*p.StateKey)
	} else {
		e.str("")
	}
	e.key(`"type":`)
	e.str(p.Type)
	return append(e.dst, '}')
}
