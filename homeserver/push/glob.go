package push

import (
	"regexp"
	"strings"
)

// Whole makes a function that matches a glob against a whole value, ignoring case.
func Whole(pattern string) func(string) bool { return matchWhole(pattern) }

// matchWhole makes a function that matches a glob against a whole value, ignoring case.
func matchWhole(pattern string) func(string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return func(s string) bool { return strings.EqualFold(s, pattern) }
	}
	return expression(`(?is)\A` + globExpression(pattern) + `\z`)
}

// matchWords makes a function that looks for a glob between word boundaries. The text is in lower case.
func matchWords(pattern string) func(string) bool {
	pattern = strings.ToLower(pattern)
	if !strings.ContainsAny(pattern, "*?") {
		return func(s string) bool { return containsWords(s, pattern) }
	}
	return expression(`(?s)(?:\A|[^a-z0-9_])` + globExpression(pattern) + `(?:[^a-z0-9_]|\z)`)
}

// expression compiles; a pattern that is too large matches nothing.
func expression(e string) func(string) bool {
	re, err := regexp.Compile(e)
	if err != nil {
		return func(string) bool { return false }
	}
	return re.MatchString
}

// globExpression writes a glob as a regular expression; Go's need linear time, whatever the pattern.
func globExpression(pattern string) string {
	var b strings.Builder
	for _, r := range pattern {
		switch r {
		case '*':
			b.WriteString(`.*?`)
		case '?':
			b.WriteByte('.')
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return b.String()
}

// containsWords reports whether word stands in text between word boundaries; both are in lower case.
func containsWords(text, word string) bool {
	if word == "" {
		return false
	}
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		start := from + i
		end := start + len(word)
		if (start == 0 || !wordByte(text[start-1])) && (end == len(text) || !wordByte(text[end])) {
			return true
		}
		from = start + 1
	}
}

func wordByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
