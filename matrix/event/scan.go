package event

import (
	"bytes"
	"slices"
	"strconv"
	"unsafe"
)

// The functions of this file read canonical JSON only: no white space, valid
// throughout. On anything else they fail or return nonsense, but they do not panic
// and do not read past the end.

// field is one member of an object. Key is as written, without quotes.
type field struct{ key, value []byte }

// splitObject returns the members of a canonical object in order.
func splitObject(b []byte) ([]field, error) {
	fields := make([]field, 0, 16)
	err := eachField(b, func(key, value []byte) error {
		fields = append(fields, field{key, value})
		return nil
	})
	return fields, err
}

// eachField calls f with the members of a canonical object in order.
func eachField(b []byte, f func(key, value []byte) error) error {
	if len(b) < 2 || b[0] != '{' || b[len(b)-1] != '}' {
		return malformed("not an object")
	}
	for i := 1; b[i] == '"'; {
		keyEnd := stringEnd(b, i)
		if keyEnd < 0 || keyEnd >= len(b) || b[keyEnd] != ':' {
			return malformed("broken object")
		}
		end := valueEnd(b, keyEnd+1)
		if end < 0 || end >= len(b) {
			return malformed("broken object")
		}
		if err := f(b[i+1:keyEnd-1], b[keyEnd+1:end]); err != nil {
			return err
		}
		if b[end] == '}' {
			if end != len(b)-1 {
				return malformed("broken object")
			}
			return nil
		}
		if i = end + 1; b[end] != ',' || i >= len(b) || b[i] != '"' {
			return malformed("broken object")
		}
	}
	if len(b) != 2 {
		return malformed("broken object")
	}
	return nil
}

// joinObject appends an object of the fields whose keys are not among without.
func joinObject(dst []byte, fields []field, without ...string) []byte {
	dst = append(dst, '{')
	for _, f := range fields {
		if slices.Contains(without, text(f.key)) {
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), f.key...), '"', ':')
		dst = append(dst, f.value...)
	}
	return append(dst, '}')
}

// Lookup returns the raw value of a member of a canonical object, such as the
// content of an event from Build or Parse; nil if there is none or it is no object.
func Lookup(object []byte, key string) []byte { return lookup(object, key) }

// LookupString is Lookup for a string; ok is false for any other type.
func LookupString(object []byte, key string) (s string, ok bool) {
	return stringValue(lookup(object, key))
}

// Each calls f with the key and the raw value of each member of a canonical object,
// in order, until f returns false. It reports whether it is an object.
func Each(object []byte, f func(key string, value []byte) bool) bool {
	err := eachField(object, func(key, value []byte) error {
		if f(text(unescape(key)), value) {
			return nil
		}
		return errStop
	})
	return err == nil || err == errStop
}

// EachItem calls f with each raw item of a canonical array until f returns false. It
// reports whether it is an array.
func EachItem(array []byte, f func(item []byte) bool) bool {
	if len(array) < 2 || array[0] != '[' || array[len(array)-1] != ']' {
		return false
	}
	for i := 1; i < len(array)-1; {
		end := valueEnd(array, i)
		if end <= i || end >= len(array) {
			return false
		}
		if !f(array[i:end]) {
			return true
		}
		switch {
		case end == len(array)-1:
			return true
		case array[end] != ',' || end == len(array)-2:
			return false
		}
		i = end + 1
	}
	return true
}

// String reads a raw string value; ok is false for any other type.
func String(value []byte) (s string, ok bool) { return stringValue(value) }

// lookup is Lookup.
func lookup(object []byte, key string) (found []byte) {
	_ = eachField(object, func(k, value []byte) error {
		if text(k) == key {
			found = value
			return errStop
		}
		return nil
	})
	return found
}

var errStop = malformed("stop") // ends an eachField early; never returned to callers

// stringEnd returns the index behind the string that starts at b[i], or -1.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		back := bytes.IndexByte(b[i:i+n], '\\')
		if back < 0 {
			return i + n + 1
		}
		i += back + 1
	}
	return -1
}

// valueEnd returns the index behind the value that starts at b[i], or -1.
func valueEnd(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		depth := 0
		for i < len(b) {
			switch b[i] {
			case '"':
				if i = stringEnd(b, i); i < 0 {
					return -1
				}
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return -1
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' {
		i++
	}
	return i
}

// text views b as a string without copying it. b must never change afterwards.
func text(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// stringValue reads a string value; ok is false for any other type.
func stringValue(v []byte) (s string, ok bool) {
	if len(v) < 2 || v[0] != '"' {
		return "", false
	}
	return text(unescape(v[1 : len(v)-1])), true
}

func intValue(v []byte) (n int64, ok bool) {
	n, err := strconv.ParseInt(text(v), 10, 64)
	return n, err == nil
}

// stringList reads an array of strings.
func stringList[T ~string](v []byte) ([]T, bool) {
	list := make([]T, 0, bytes.Count(v, []byte{','})+1)
	whole := true
	isArray := EachItem(v, func(item []byte) bool {
		var s string
		s, whole = stringValue(item)
		list = append(list, T(s))
		return whole
	})
	return list, isArray && whole
}
