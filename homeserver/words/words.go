// Package words folds and splits text so that people find what they look for: whatever the case and the accents, in
// languages that put spaces between words and in those that do not.
package words

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxWord = 64       // bytes of a word that count; longer ones are no words of a language
	maxText = 64 << 10 // bytes of a text that count, folded or not; an event has no more
)

// plainLetters have no decomposition; people type them like this.
var plainLetters = strings.NewReplacer("ß", "ss", "æ", "ae", "œ", "oe", "ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "ı", "i")

// Fold removes case, diacritics and what differs only in how it is written (NFKD without marks).
func Fold(s string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(s) {
		if !unicode.Is(unicode.Mn, r) {
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return plainLetters.Replace(b.String())
}

// Split returns the runs of letters and numbers of a folded text.
func Split(folded string) []string {
	return strings.FieldsFunc(folded, func(r rune) bool { return !inWord(r) })
}

func inWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Mc, r)
}

// unspaced are the scripts that put no spaces between words, and Korean, which puts endings behind them.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan,
}

// Of returns what a text is found by, without doubles and sorted: its words; of scripts without spaces each letter and
// each two neighbours. A number keeps its decimals.
func Of(text string) []string { return collect(text, true) }

// Wanted returns what a text must have so that a query finds it: all of these, which are among what Of returns for it.
func Wanted(query string) []string { return collect(query, false) }

// Count is how many words a text has and how many of them are wanted.
func Count(text string, wanted []string) (all, hits int) {
	scan(text, true, func(w string) {
		all++
		if slices.Contains(wanted, w) {
			hits++
		}
	})
	return all, hits
}

func collect(text string, letters bool) []string {
	var l []string
	scan(text, letters, func(w string) { l = append(l, w) })
	slices.Sort(l)
	return slices.Compact(l)
}

// scan calls f for each word, and for each piece of a run without spaces: pairs, and single letters when asked for or
// when the run has no other.
func scan(text string, letters bool, f func(string)) {
	s := cut(norm.NFC.String(Fold(cut(text, maxText))), maxText) // Korean syllables in one piece
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case !inWord(r):
		case unicode.In(r, unspaced...):
			n = run(s, func(r rune) bool { return inWord(r) && unicode.In(r, unspaced...) })
			pairs(s[:n], letters, f)
		default:
			n = run(s, func(r rune) bool { return inWord(r) && !unicode.In(r, unspaced...) })
			n += decimals(s, n)
			f(cut(s[:n], maxWord))
		}
		s = s[n:]
	}
}

// run is the length of the beginning of s that is all of one kind.
func run(s string, is func(rune) bool) int {
	if i := strings.IndexFunc(s, func(r rune) bool { return !is(r) }); i >= 0 {
		return i
	}
	return len(s)
}

// decimals is how many bytes behind s[:n] still belong to its number: 0.25, 1,000.
func decimals(s string, n int) int {
	digit := func(i int) bool { return i < len(s) && s[i] >= '0' && s[i] <= '9' }
	end := n
	for digit(end-1) && end < len(s) && (s[end] == '.' || s[end] == ',') && digit(end+1) {
		for end++; digit(end); end++ {
		}
	}
	return end - n
}

func pairs(s string, letters bool, f func(string)) {
	_, first := utf8.DecodeRuneInString(s)
	if letters || first == len(s) {
		for i, r := range s {
			f(s[i : i+utf8.RuneLen(r)])
		}
	}
	for first < len(s) {
		_, second := utf8.DecodeRuneInString(s[first:])
		_, before := utf8.DecodeLastRuneInString(s[:first])
		f(s[first-before : first+second])
		first += second
	}
}

// cut shortens a text to what counts.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}
