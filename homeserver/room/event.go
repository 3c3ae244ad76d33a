package room

import (
	"encoding/json/jsontext"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/matrix/event"
)

// Kind says what an event is to this server.
type Kind int64

// The kinds of events. Only timeline events are shown to people.
const (
	Timeline   Kind = 0 // accepted, part of the room's history
	Outlier    Kind = 1 // known for its own sake (an auth event), not placed in the history
	Rejected   Kind = 2 // failed the authorisation rules
	SoftFailed Kind = 3 // passed them where it stands, but not against the current state
	Held       Kind = 4 // waits for predecessors that are not here
)

// Event is one event of a room. It is immutable once it was handed out, and shared by everybody: what is
// personal to a reader (transaction id, membership, aggregations) is added by AppendClient.
//
// A redaction replaces the Event by a pruned one; whoever kept the old pointer keeps the old content, so
// nobody keeps events longer than an answer or outside the caches of this package and the feed's ring.
type Event struct {
	ID       id.EventID
	RoomID   id.RoomID
	Version  id.RoomVersion // of the room
	Type     string
	StateKey *string // nil: no state event
	Sender   id.UserID
	TS       int64 // origin_server_ts, milliseconds
	Depth    int64
	Content  jsontext.Value
	Redacts  id.EventID // m.room.redaction: its target, wherever the room version puts it

	Pos      int64 // position in the one sequence, set when the event is committed
	Kind     Kind
	Snapshot int64 // state before the event, see Rooms.StateBefore; 0 when unknown

	RelType   string     // m.relates_to of a child event
	RelTarget id.EventID // its parent

	Device id.DeviceID // local senders: the device it was sent from
	Txn    string      // and the transaction id that device used; "" without one

	Replaces    id.EventID     // state events: the event whose place in the current state it took
	PrevContent jsontext.Value // its content
	PrevSender  id.UserID

	RedactedBecause *Event // the redaction when this event is pruned

	// prevPruned is what is shown instead of PrevContent after what this event replaced was redacted.
	prevPruned atomic.Pointer[jsontext.Value]

	raw  []byte                  // canonical JSON of the PDU, pruned when redacted
	pdu  atomic.Pointer[pdu.PDU] // raw decoded, at first use
	core atomic.Pointer[[]byte]  // see AppendClient
	// kids is what this process knows of events that relate to this one: kidsUnknown, kidsNone, kidsSome.
	kids atomic.Int32
}

const (
	kidsUnknown = iota
	kidsNone
	kidsSome
)

// State reports whether e is a state event.
func (e *Event) State() bool { return e.StateKey != nil }

// Is reports whether e is the kind of state event that type and key name.
func (e *Event) Is(typ, key string) bool {
	return e.StateKey != nil && *e.StateKey == key && e.Type == typ
}

// Key is the place of a state event in the state. Only for state events.
func (e *Event) Key() Key { return Key{e.Type, *e.StateKey} }

// JSON is the canonical JSON of the PDU. The caller must not change it.
func (e *Event) JSON() []byte { return e.raw }

// Membership is content.membership of a member event.
func (e *Event) Membership() string {
	if e == nil {
		return ""
	}
	return gjson.GetBytes(e.Content, "membership").Str
}

// Get reads a path (gjson syntax) of the content.
func (e *Event) Get(path string) gjson.Result {
	if e == nil {
		return gjson.Result{}
	}
	return gjson.GetBytes(e.Content, path)
}

// PDU is the event in the form of the authorisation rules. The caller must not change it.
func (e *Event) PDU() (*pdu.PDU, error) {
	if p := e.pdu.Load(); p != nil {
		return p, nil
	}
	p, err := event.Decode(e.raw)
	if err != nil {
		return nil, fmt.Errorf("decode event %s: %w", e.ID, err)
	}
	p.InternalMeta.EventID = e.ID
	p.InternalMeta.Rejected = e.Kind == Rejected
	e.pdu.Store(p)
	return p, nil
}

// Size is about how much memory the event takes, in bytes.
func (e *Event) Size() int {
	n := 600 + 2*len(e.raw) + len(e.PrevContent)
	if e.RedactedBecause != nil {
		n += 2 * len(e.RedactedBecause.raw)
	}
	return n
}

// decode reads the canonical JSON of an event whose id is known. raw is kept.
func decode(raw []byte, version id.RoomVersion, room id.RoomID, eventID id.EventID) (*Event, error) {
	e := &Event{ID: eventID, RoomID: room, Version: version, raw: raw}
	doc := gjson.ParseBytes(raw)
	if !doc.IsObject() {
		return nil, fmt.Errorf("event %s is no JSON object", eventID)
	}
	doc.ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "type":
			e.Type = v.Str
		case "state_key":
			if v.Type == gjson.String {
				s := v.Str
				e.StateKey = &s
			}
		case "sender":
			e.Sender = id.UserID(v.Str)
		case "origin_server_ts":
			e.TS = v.Int()
		case "depth":
			e.Depth = v.Int()
		case "content":
			e.Content = raw[v.Index : v.Index+len(v.Raw) : v.Index+len(v.Raw)]
		case "redacts":
			e.Redacts = id.EventID(v.Str)
		}
		return true
	})
	e.fill()
	return e, nil
}

// fill sets the fields that follow from the content.
func (e *Event) fill() {
	if e.Type == typeRedaction && e.Version.RedactsInContent() {
		e.Redacts = id.EventID(gjson.GetBytes(e.Content, "redacts").Str)
	}
	if e.Type == typeRedaction {
		// So that a redaction is found by its target, also when it arrives first.
		e.RelType, e.RelTarget = relRedaction, e.Redacts
		return
	}
	if e.StateKey != nil {
		return
	}
	e.RelType, e.RelTarget = relation(e.Content)
}

// storable tells whether a text can be stored in a clear column: it has no zero byte.
func storable(s string) bool { return strings.IndexByte(s, 0) < 0 }

// relation reads m.relates_to of a content: the relation's type and target, empty when there is none.
func relation(content []byte) (string, id.EventID) {
	rel := gjson.GetBytes(content, `m\.relates_to`)
	if !rel.IsObject() {
		return "", ""
	}
	typ, target := rel.Get("rel_type"), rel.Get("event_id")
	if typ.Type != gjson.String || target.Type != gjson.String || typ.Str == relRedaction ||
		!storable(typ.Str) || !storable(target.Str) {
		return "", ""
	}
	return typ.Str, id.EventID(target.Str)
}

// Reader says for whom, and how, an event is written.
type Reader struct {
	User      id.UserID
	Device    id.DeviceID // its transaction ids are shown
	Now       int64       // milliseconds; 0 leaves out the age
	NoRoom    bool        // leave out room_id, as /sync does
	Member    string      // membership of User when the event was sent; "" leaves it out
	Relations []byte      // value of unsigned.m.relations; nil leaves it out
}

// previous is the content of the event that e replaced, as it is now.
func (e *Event) previous() jsontext.Value {
	if p := e.prevPruned.Load(); p != nil {
		return *p
	}
	return e.PrevContent
}

// forgetPrevious notes that an event was redacted, which e may have replaced.
func (e *Event) forgetPrevious(pruned *Event) {
	if e != nil && e.Replaces == pruned.ID {
		e.prevPruned.Store(&pruned.Content)
	}
}

// ClientJSON is the event as the client-server API shows it to anybody: with room_id and without what is
// personal to a reader.
func (e *Event) ClientJSON() []byte { return e.AppendClient(nil, Reader{}) }

// AppendClient appends the event in the format of the client-server API (ClientEvent, or
// ClientEventWithoutRoomID) to dst.
func (e *Event) AppendClient(dst []byte, r Reader) []byte {
	core := e.clientCore()
	dst = append(dst, core...)
	if !r.NoRoom {
		dst = append(dst, `,"room_id":`...)
		dst = appendString(dst, string(e.RoomID))
	}
	open := false
	member := func(key string) {
		if open {
			dst = append(dst, ',')
		} else {
			dst = append(dst, `,"unsigned":{`...)
			open = true
		}
		dst = append(dst, key...)
	}
	if r.Now != 0 {
		member(`"age":`)
		dst = strconv.AppendInt(dst, max(0, r.Now-e.TS), 10)
	}
	if e.Txn != "" && r.Device != "" && r.Device == e.Device && r.User == e.Sender {
		member(`"transaction_id":`)
		dst = appendString(dst, e.Txn)
	}
	if r.Member != "" {
		member(`"membership":`)
		dst = appendString(dst, r.Member)
	}
	if e.Replaces != "" {
		member(`"replaces_state":`)
		dst = appendString(dst, string(e.Replaces))
		if prev := e.previous(); len(prev) > 0 {
			dst = append(dst, `,"prev_content":`...)
			dst = append(dst, prev...)
			dst = append(dst, `,"prev_sender":`...)
			dst = appendString(dst, string(e.PrevSender))
		}
	}
	if e.RedactedBecause != nil {
		member(`"redacted_by":`)
		dst = appendString(dst, string(e.RedactedBecause.ID))
		dst = append(dst, `,"redacted_because":`...)
		dst = e.RedactedBecause.AppendClient(dst, Reader{})
	}
	if len(r.Relations) > 0 {
		member(`"m.relations":`)
		dst = append(dst, r.Relations...)
	}
	if open {
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// clientCore is the part of the client format that is the same for every reader, without the closing
// brace. It is made once.
func (e *Event) clientCore() []byte {
	if c := e.core.Load(); c != nil {
		return *c
	}
	content := []byte(e.Content)
	if e.Type == typeRedaction && e.Redacts != "" && !e.Version.RedactsInContent() {
		// "redacts" is shown in both places, whatever the room version (client-server API, m.room.redaction).
		content = setKey(content, "redacts", string(e.Redacts))
	}
	b := make([]byte, 0, len(content)+len(e.ID)+len(e.Sender)+len(e.Type)+128)
	b = append(b, `{"content":`...)
	b = append(b, content...)
	b = append(b, `,"event_id":`...)
	b = appendString(b, string(e.ID))
	b = append(b, `,"origin_server_ts":`...)
	b = strconv.AppendInt(b, e.TS, 10)
	b = append(b, `,"sender":`...)
	b = appendString(b, string(e.Sender))
	if e.StateKey != nil {
		b = append(b, `,"state_key":`...)
		b = appendString(b, *e.StateKey)
	}
	if e.Redacts != "" && e.Type == typeRedaction {
		b = append(b, `,"redacts":`...)
		b = appendString(b, string(e.Redacts))
	}
	b = append(b, `,"type":`...)
	b = appendString(b, e.Type)
	e.core.Store(&b)
	return b
}

// stripped appends the event in the stripped form that invited and knocking people get.
func (e *Event) stripped(dst []byte) []byte {
	dst = append(dst, `{"content":`...)
	dst = append(dst, e.Content...)
	dst = append(dst, `,"sender":`...)
	dst = appendString(dst, string(e.Sender))
	dst = append(dst, `,"state_key":`...)
	dst = appendString(dst, *e.StateKey)
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, e.Type)
	return append(dst, '}')
}

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			q, err := jsontext.AppendQuote(dst, strings.ToValidUTF8(s, "\ufffd"))
			if err != nil { // only for invalid UTF-8
				return append(dst, '"', '"')
			}
			return q
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
