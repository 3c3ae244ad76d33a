package event

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"
)

const (
	maxNesting = 1000
	maxInteger = 1<<53 - 1 // of canonical JSON, both signs
)

// Canonical returns the canonical JSON of one JSON value (appendix "Canonical
// JSON"): sorted keys, shortest strings, no white space. Duplicate keys, invalid
// UTF-8 and lone surrogates are errors (*SyntaxError). When strict, which is the
// rule from room version 6 on, so are numbers that are not integers within ±(2^53-1);
// otherwise floats are written as Python's repr writes them, as the servers
// that made those rooms do.
func Canonical(src []byte, strict bool) ([]byte, error) {
	return AppendCanonical(make([]byte, 0, len(src)), src, strict)
}

// AppendCanonical is Canonical, appending to dst. On an error dst's content past its
// length is undefined.
func AppendCanonical(dst, src []byte, strict bool) ([]byte, error) {
	c := canons.Get().(*canon)
	defer c.free()
	c.src, c.dst, c.pos, c.strict = src, dst, 0, strict
	if err := c.value(0); err != nil {
		return dst, err
	}
	c.space()
	if c.pos != len(src) {
		return dst, c.fail("data after the value")
	}
	return c.dst, nil
}

// canons are ready for use: a canon is larger than most of what it writes.
var canons = sync.Pool{New: func() any { return &canon{members: make([]member, 0, 24)} }}

// free gives c back, unless something unusually large would stay with it.
func (c *canon) free() {
	if cap(c.members) > 1<<10 || cap(c.scratch) > 1<<16 {
		return
	}
	c.src, c.dst, c.members, c.scratch = nil, nil, c.members[:0], c.scratch[:0]
	canons.Put(c)
}

// canon reads src once and writes dst. Objects whose keys are already in order,
// which is nearly all of them on the way in from storage or other servers, are
// written straight through; others are put in order afterwards.
type canon struct {
	src, dst []byte
	pos      int
	strict   bool
	members  []member // stack of the open objects' members
	scratch  []byte
}

// member is one key and value in dst.
type member struct {
	start, keyEnd, end int  // of `"key":value`; keyEnd is behind the closing quote
	escaped            bool // the key contains a backslash
}

func (c *canon) fail(reason string) error {
	return &SyntaxError{Offset: c.pos, Reason: reason}
}

func (c *canon) space() {
	for c.pos < len(c.src) {
		switch c.src[c.pos] {
		case ' ', '\t', '\n', '\r':
			c.pos++
		default:
			return
		}
	}
}

func (c *canon) value(depth int) error {
	c.space()
	if c.pos >= len(c.src) {
		return c.fail("unexpected end")
	}
	switch b := c.src[c.pos]; b {
	case '{':
		return c.object(depth)
	case '[':
		return c.array(depth)
	case '"':
		_, err := c.str()
		return err
	case 't':
		return c.literal("true")
	case 'f':
		return c.literal("false")
	case 'n':
		return c.literal("null")
	default:
		if b == '-' || b >= '0' && b <= '9' {
			return c.number()
		}
		return c.fail("unexpected character")
	}
}

func (c *canon) literal(word string) error {
	if !bytes.HasPrefix(c.src[c.pos:], []byte(word)) {
		return c.fail("unexpected character")
	}
	c.pos += len(word)
	c.dst = append(c.dst, word...)
	return nil
}

func (c *canon) array(depth int) error {
	if depth >= maxNesting {
		return c.fail("nested too deeply")
	}
	c.pos++
	c.dst = append(c.dst, '[')
	c.space()
	if c.pos < len(c.src) && c.src[c.pos] == ']' {
		c.pos++
		c.dst = append(c.dst, ']')
		return nil
	}
	for {
		if err := c.value(depth + 1); err != nil {
			return err
		}
		c.space()
		if c.pos >= len(c.src) {
			return c.fail("unexpected end of an array")
		}
		b := c.src[c.pos]
		if b != ',' && b != ']' {
			return c.fail("expected ',' or ']'")
		}
		c.pos++
		c.dst = append(c.dst, b)
		if b == ']' {
			return nil
		}
	}
}

func (c *canon) object(depth int) error {
	if depth >= maxNesting {
		return c.fail("nested too deeply")
	}
	c.pos++
	c.dst = append(c.dst, '{')
	c.space()
	if c.pos < len(c.src) && c.src[c.pos] == '}' {
		c.pos++
		c.dst = append(c.dst, '}')
		return nil
	}
	base := len(c.members)
	sorted := true
	for {
		m, err := c.member(depth)
		if err != nil {
			return err
		}
		if sorted && len(c.members) > base {
			order := compareKeys(c.dst, c.members[len(c.members)-1], m)
			if order == 0 {
				return c.fail("duplicate key")
			}
			sorted = order < 0
		}
		c.members = append(c.members, m)
		c.space()
		if c.pos >= len(c.src) {
			return c.fail("unexpected end of an object")
		}
		b := c.src[c.pos]
		if b != ',' && b != '}' {
			return c.fail("expected ',' or '}'")
		}
		c.pos++
		c.dst = append(c.dst, b)
		if b == '}' {
			break
		}
	}
	if !sorted {
		if err := c.sort(c.members[base:]); err != nil {
			return err
		}
	}
	c.members = c.members[:base]
	return nil
}

func (c *canon) member(depth int) (member, error) {
	c.space()
	if c.pos >= len(c.src) || c.src[c.pos] != '"' {
		return member{}, c.fail("expected a key")
	}
	m := member{start: len(c.dst)}
	var err error
	if m.escaped, err = c.str(); err != nil {
		return m, err
	}
	m.keyEnd = len(c.dst)
	c.space()
	if c.pos >= len(c.src) || c.src[c.pos] != ':' {
		return m, c.fail("expected ':'")
	}
	c.pos++
	c.dst = append(c.dst, ':')
	err = c.value(depth + 1)
	m.end = len(c.dst)
	return m, err
}

// sort puts the members of the object that has just been written into order.
func (c *canon) sort(members []member) error {
	first := members[0].start
	slices.SortFunc(members, func(a, b member) int { return compareKeys(c.dst, a, b) })
	c.scratch = c.scratch[:0]
	for i, m := range members {
		if i > 0 {
			if compareKeys(c.dst, members[i-1], m) == 0 {
				return c.fail("duplicate key")
			}
			c.scratch = append(c.scratch, ',')
		}
		c.scratch = append(c.scratch, c.dst[m.start:m.end]...)
	}
	copy(c.dst[first:], c.scratch)
	return nil
}

// compareKeys orders by code point, which for UTF-8 is the order of the bytes of
// the unescaped keys.
func compareKeys(buf []byte, a, b member) int {
	x, y := buf[a.start+1:a.keyEnd-1], buf[b.start+1:b.keyEnd-1]
	if a.escaped || b.escaped {
		x, y = unescape(x), unescape(y)
	}
	return bytes.Compare(x, y)
}

// plain marks the bytes that stand for themselves in a canonical string and need no
// look at their neighbours.
var plain = func() (t [256]bool) {
	for i := 0x20; i < 0x80; i++ {
		t[i] = i != '"' && i != '\\'
	}
	return t
}()

// str copies one string, which starts at the quote at c.pos, and tells whether its
// canonical form contains a backslash.
func (c *canon) str() (escaped bool, err error) {
	c.pos++
	c.dst = append(c.dst, '"')
	start := c.pos
	for {
		for c.pos < len(c.src) && plain[c.src[c.pos]] {
			c.pos++
		}
		if c.pos >= len(c.src) {
			return false, c.fail("unexpected end of a string")
		}
		switch b := c.src[c.pos]; {
		case b == '"':
			c.pos++
			c.dst = append(c.dst, c.src[start:c.pos]...)
			return escaped, nil
		case b == '\\':
			c.dst = append(c.dst, c.src[start:c.pos]...)
			r, err := c.escape()
			if err != nil {
				return false, err
			}
			before := len(c.dst)
			c.dst = appendRune(c.dst, r)
			escaped = escaped || c.dst[before] == '\\'
			start = c.pos
		case b < 0x20:
			return false, c.fail("control character in a string")
		default:
			r, n := utf8.DecodeRune(c.src[c.pos:])
			if r == utf8.RuneError && n <= 1 {
				return false, c.fail("invalid UTF-8")
			}
			c.pos += n
		}
	}
}

// escape reads one escape sequence, or the two of a surrogate pair, at c.pos.
func (c *canon) escape() (rune, error) {
	if c.pos+1 >= len(c.src) {
		return 0, c.fail("unexpected end of a string")
	}
	b := c.src[c.pos+1]
	switch b {
	case '"', '\\', '/':
	case 'b':
		b = '\b'
	case 'f':
		b = '\f'
	case 'n':
		b = '\n'
	case 'r':
		b = '\r'
	case 't':
		b = '\t'
	case 'u':
		return c.unicodeEscape()
	default:
		return 0, c.fail("unknown escape")
	}
	c.pos += 2
	return rune(b), nil
}

func (c *canon) unicodeEscape() (rune, error) {
	r, ok := hex4(c.src, c.pos)
	if !ok {
		return 0, c.fail("bad \\u escape")
	}
	if r < 0xD800 || r > 0xDFFF {
		c.pos += 6
		return r, nil
	}
	low, ok := hex4(c.src, c.pos+6)
	if !ok || r > 0xDBFF || low < 0xDC00 || low > 0xDFFF {
		return 0, c.fail("lone surrogate")
	}
	c.pos += 12
	return 0x10000 + (r-0xD800)<<10 + (low - 0xDC00), nil
}

// hex4 reads `\uXXXX` at i.
func hex4(b []byte, i int) (rune, bool) {
	if i+6 > len(b) || b[i] != '\\' || b[i+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, d := range b[i+2 : i+6] {
		switch {
		case d >= '0' && d <= '9':
			d -= '0'
		case d >= 'a' && d <= 'f':
			d -= 'a' - 10
		case d >= 'A' && d <= 'F':
			d -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

const lowerHex = "0123456789abcdef"

func appendRune(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	if r < 0x20 {
		return append(dst, '\\', 'u', '0', '0', lowerHex[r>>4], lowerHex[r&15])
	}
	return utf8.AppendRune(dst, r)
}

// appendString appends s as a canonical JSON string. It fails for invalid UTF-8.
func appendString(dst []byte, s string) ([]byte, error) {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if plain[b] {
			i++
			continue
		}
		if b < 0x80 {
			dst = append(dst, s[start:i]...)
			dst = appendRune(dst, rune(b))
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n <= 1 {
			return dst, &SyntaxError{Offset: i, Reason: "invalid UTF-8"}
		}
		i += n
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"'), nil
}

// unescape returns the text of a canonical string without its quotes.
func unescape(s []byte) []byte {
	if bytes.IndexByte(s, '\\') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 >= len(s) {
			out = append(out, s[i])
			continue
		}
		i++
		switch s[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			if r, ok := hex4(s, i-1); ok {
				out = utf8.AppendRune(out, r)
				i += 4
			}
		default:
			out = append(out, s[i])
		}
	}
	return out
}

func (c *canon) number() error {
	start := c.pos
	if c.src[c.pos] == '-' {
		c.pos++
	}
	digits := c.pos
	c.digits()
	n := c.pos - digits
	if n == 0 || n > 1 && c.src[digits] == '0' {
		return c.fail("malformed number")
	}
	float, err := c.fraction()
	if err != nil {
		return err
	}
	text := c.src[start:c.pos]
	if float {
		if c.strict {
			c.pos = start
			return c.fail("number is not an integer")
		}
		return c.float(text)
	}
	if n == 1 && c.src[digits] == '0' {
		c.dst = append(c.dst, '0') // also for -0
		return nil
	}
	if c.strict && n >= 16 {
		v, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil || v > maxInteger || v < -maxInteger {
			c.pos = start
			return c.fail("integer is out of range")
		}
	}
	c.dst = append(c.dst, text...)
	return nil
}

func (c *canon) digits() {
	for c.pos < len(c.src) && c.src[c.pos] >= '0' && c.src[c.pos] <= '9' {
		c.pos++
	}
}

func (c *canon) fraction() (found bool, err error) {
	if c.pos < len(c.src) && c.src[c.pos] == '.' {
		found = true
		c.pos++
		at := c.pos
		if c.digits(); c.pos == at {
			return false, c.fail("malformed number")
		}
	}
	if c.pos < len(c.src) && (c.src[c.pos] == 'e' || c.src[c.pos] == 'E') {
		found = true
		c.pos++
		if c.pos < len(c.src) && (c.src[c.pos] == '+' || c.src[c.pos] == '-') {
			c.pos++
		}
		at := c.pos
		if c.digits(); c.pos == at {
			return false, c.fail("malformed number")
		}
	}
	return found, nil
}

// float appends a number of room versions 3 to 5 as Python's repr does.
func (c *canon) float(text []byte) error {
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsInf(f, 0) {
		return c.fail("number is out of range")
	}
	if abs := math.Abs(f); f != 0 && (abs < 1e-4 || abs >= 1e16) {
		c.dst = strconv.AppendFloat(c.dst, f, 'e', -1, 64)
		return nil
	}
	at := len(c.dst)
	c.dst = strconv.AppendFloat(c.dst, f, 'f', -1, 64)
	if bytes.IndexByte(c.dst[at:], '.') < 0 {
		c.dst = append(c.dst, '.', '0')
	}
	return nil
}
