package room

import (
	"encoding/json/v2"

	"github.com/tidwall/sjson"
)

// setKey returns a JSON object with one string member set.
func setKey(object []byte, key, value string) []byte {
	b, err := sjson.SetBytes(object, escapePath(key), value)
	if err != nil { // only for objects that are none
		return object
	}
	return b
}

// escapePath makes a key a path of gjson and sjson that means just it.
func escapePath(key string) string {
	b := make([]byte, 0, len(key)+4)
	for i := range len(key) {
		switch c := key[i]; c {
		case '.', '*', '?', '|', '#', '@', '\\', '!', '{', '}', '[', ']', '(', ')', '=', '<', '>', '%', ':', '"':
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

// object makes a JSON object of values that can always be encoded.
func object(v any) []byte {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil { // the callers' values are maps and structs of strings and numbers
		return []byte("{}")
	}
	return b
}
