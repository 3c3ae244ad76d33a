package mail

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/myelin-health/myelin/fault"
)

// Address is an e-mail address in the form in which two that are the same are equal: small letters, the domain as the DNS
// has it. It holds nothing that means something in a header.
type Address string

// maxAddress and maxLocal are the lengths of RFC 5321, section 4.5.3.1.
const (
	maxAddress = 254
	maxLocal   = 64
)

// ParseAddress reads an address. It takes the plain form of RFC 5321 only (no quotes, comments, names or address literals).
// The fault is InvalidParam.
func ParseAddress(text string) (Address, error) {
	bad := fault.New(fault.InvalidParam, "This is no e-mail address.")
	local, domain, ok := strings.Cut(strings.TrimSpace(text), "@")
	if !ok || len(local) > maxLocal || !dotAtom(local) || !utf8.ValidString(domain) {
		return "", bad
	}
	domain, err := idna.Lookup.ToASCII(domain)
	if err != nil || !strings.Contains(domain, ".") || strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".") ||
		strings.ContainsFunc(domain, func(r rune) bool { return !letterOrDigit(r) && r != '.' && r != '-' }) {
		return "", bad
	}
	a := strings.ToLower(local + "@" + domain)
	if len(a) > maxAddress {
		return "", bad
	}
	return Address(a), nil
}

// dotAtom is the Dot-string of RFC 5321, section 4.1.2.
func dotAtom(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || strings.ContainsFunc(part, func(r rune) bool { return !letterOrDigit(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r) }) {
			return false
		}
	}
	return true
}

func letterOrDigit(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// Veiled is the address for people who may not know it: a…@e….
func (a Address) Veiled() string {
	local, domain, _ := strings.Cut(string(a), "@")
	return local[:1] + "…@" + domain[:1] + "…"
}
