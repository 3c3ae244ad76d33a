package push

import (
	"strings"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"
)

// Event is what rules look at. It is made once per event, does not change and may be shared.
type Event struct {
	Type     string
	Sender   id.UserID
	Room     id.RoomID
	ID       id.EventID
	StateKey *string

	content  gjson.Result
	body     string // content.body in lower case
	hasBody  bool
	mentions bool // content has m.mentions
}

// NewEvent prepares an event; content is its JSON object.
func NewEvent(typ string, sender id.UserID, room id.RoomID, event id.EventID, stateKey *string, content []byte) *Event {
	e := &Event{Type: typ, Sender: sender, Room: room, ID: event, StateKey: stateKey, content: gjson.ParseBytes(content)}
	if body, ok := e.lookup([]string{"content", "body"}); ok && body.Type == gjson.String {
		e.body, e.hasBody = strings.ToLower(body.Str), true
	}
	_, e.mentions = e.lookup([]string{"content", "m.mentions"})
	return e
}

// lookup finds a property by its path.
func (e *Event) lookup(path []string) (gjson.Result, bool) {
	if len(path) == 1 {
		switch path[0] {
		case "type":
			return stringResult(e.Type), true
		case "sender":
			return stringResult(string(e.Sender)), true
		case "room_id":
			return stringResult(string(e.Room)), true
		case "event_id":
			return stringResult(string(e.ID)), true
		case "state_key":
			if e.StateKey == nil {
				return gjson.Result{}, false
			}
			return stringResult(*e.StateKey), true
		}
	}
	if len(path) == 0 || path[0] != "content" {
		return gjson.Result{}, false
	}
	v := e.content
	for _, key := range path[1:] {
		if !v.IsObject() {
			return gjson.Result{}, false
		}
		found := false
		v.ForEach(func(k, value gjson.Result) bool {
			if k.Str == key {
				v, found = value, true
				return false
			}
			return true
		})
		if !found {
			return gjson.Result{}, false
		}
	}
	return v, true
}

func stringResult(s string) gjson.Result { return gjson.Result{Type: gjson.String, Str: s} }

// splitPath takes a dot-separated property path apart (appendices, "Dot-separated property paths").
func splitPath(key string) []string {
	var path []string
	var part strings.Builder
	for i := 0; i < len(key); i++ {
		switch c := key[i]; {
		case c == '\\' && i+1 < len(key) && (key[i+1] == '.' || key[i+1] == '\\'):
			i++
			part.WriteByte(key[i])
		case c == '.':
			path = append(path, part.String())
			part.Reset()
		default:
			part.WriteByte(c)
		}
	}
	return append(path, part.String())
}
