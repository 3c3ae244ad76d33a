package feed

import "encoding/json/jsontext"

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			// Invalid UTF-8 is reported, and written with replacement characters.
			dst, _ = jsontext.AppendQuote(dst, s)
			return dst
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// appendKey appends a member's name and the colon.
func appendKey(dst []byte, s string) []byte {
	return append(appendString(dst, s), ':')
}

// list appends the elements of a JSON array or object, with commas between them.
type list struct {
	dst  []byte
	some bool
}

func (l *list) next() {
	if l.some {
		l.dst = append(l.dst, ',')
	}
	l.some = true
}
