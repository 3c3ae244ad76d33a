package feed

import (
	"strconv"
	"strings"

	"github.com/myelin-health/myelin/fault"
)

// token is a point in the feed of one device: everything up to it was seen.
type token struct {
	pos      int64  // in the one sequence
	toDevice int64  // messages to the device were seen up to here; at most pos
	boot     string // process whose counter fleeting is
	fleeting int64  // typing and presence were seen up to here
}

// String writes s<pos>_<boot>_<fleeting>, followed by _<toDevice> when that is behind.
func (t token) String() string {
	b := make([]byte, 0, 48)
	b = append(b, 's')
	b = strconv.AppendInt(b, t.pos, 10)
	b = append(b, '_')
	b = append(b, t.boot...)
	b = append(b, '_')
	b = strconv.AppendInt(b, t.fleeting, 10)
	if t.toDevice < t.pos {
		b = append(b, '_')
		b = strconv.AppendInt(b, t.toDevice, 10)
	}
	return string(b)
}

func errToken() error {
	return fault.New(fault.InvalidParam, "The since token is not one of this server.")
}

func parseToken(s string) (token, error) {
	rest, ok := strings.CutPrefix(s, "s")
	if !ok {
		return token{}, errToken()
	}
	rest, _, _ = strings.Cut(rest, slideMark) // a position of sliding sync is a token with a number behind
	parts := strings.Split(rest, "_")
	if len(parts) > 4 {
		return token{}, errToken()
	}
	number := func(i int) (int64, bool) {
		n, err := strconv.ParseInt(parts[i], 10, 64)
		return n, err == nil && n >= 0
	}
	var t token
	if t.pos, ok = number(0); !ok {
		return token{}, errToken()
	}
	t.toDevice = t.pos
	if len(parts) >= 3 {
		t.boot = parts[1]
		if t.fleeting, ok = number(2); !ok {
			return token{}, errToken()
		}
	}
	if len(parts) == 4 {
		if t.toDevice, ok = number(3); !ok || t.toDevice > t.pos {
			return token{}, errToken()
		}
	}
	return t, nil
}

// Position returns the position in the one sequence that a token of /sync stands for.
func Position(since string) (int64, error) {
	t, err := parseToken(since)
	return t.pos, err
}

// Now is a token behind everything that is visible: a sync since it tells what comes from now on.
func (f *Feed) Now() string {
	pos := f.visible.Load()
	return token{pos: pos, toDevice: pos}.String()
}
