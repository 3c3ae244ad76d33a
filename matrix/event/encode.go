package event

import (
	"bytes"
	"slices"
	"strconv"

	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// form is one of the three encodings of an event that the protocol is built on.
type form int

const (
	hashForm      form = iota // all but hashes, signatures and unsigned: the content hash covers it
	referenceForm             // as redacted, but signatures: signatures and the event id cover it
	fullForm                  // all but unsigned: what is stored and sent
)

// encoder appends the members of an event in order. Members the package does not
// know (pdu.PDU.Unknown) are woven in where they belong.
type encoder struct {
	dst     []byte
	unknown []field // those not yet written, sorted
	err     error
}

// key starts a member, after the unknown ones that sort before it. Quoted is the
// key with quotes and colon.
func (e *encoder) key(quoted string) {
	if len(e.unknown) > 0 {
		e.unknownBefore(quoted[1 : len(quoted)-2])
	}
	if e.dst[len(e.dst)-1] != '{' {
		e.dst = append(e.dst, ',')
	}
	e.dst = append(e.dst, quoted...)
}

// unknownBefore writes the unknown members that sort before key; all if key is "".
func (e *encoder) unknownBefore(key string) {
	for len(e.unknown) > 0 {
		f := e.unknown[0]
		if key != "" && string(unescape(f.key)) > key {
			return
		}
		e.unknown = e.unknown[1:]
		if e.dst[len(e.dst)-1] != '{' {
			e.dst = append(e.dst, ',')
		}
		e.dst = append(append(append(e.dst, '"'), f.key...), '"', ':')
		e.dst = append(e.dst, f.value...)
	}
}

func (e *encoder) str(s string) {
	var err error
	if e.dst, err = appendString(e.dst, s); err != nil && e.err == nil {
		e.err = err
	}
}

func (e *encoder) number(n int64) { e.dst = strconv.AppendInt(e.dst, n, 10) }

func (e *encoder) raw(v []byte) { e.dst = append(e.dst, v...) }

func (e *encoder) ids(list []id.EventID) {
	e.dst = append(e.dst, '[')
	for i, s := range list {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		e.str(string(s))
	}
	e.dst = append(e.dst, ']')
}

// appendEvent appends one form of p. Its raw members (content, the deprecated ones,
// unknown ones) must be canonical already.
func appendEvent(dst []byte, v id.RoomVersion, p *pdu.PDU, f form) ([]byte, error) {
	e := encoder{dst: append(dst, '{')}
	content := []byte(p.Content)
	redacted, old := f == referenceForm, !v.UpdatedRedactionRules()
	if redacted {
		content = redactContent(v, p.Type, content)
	}
	if len(p.Unknown) > 2 {
		if e.unknown, e.err = unknownFields(p.Unknown, redacted); e.err != nil {
			return dst, e.err
		}
	}
	e.key(`"auth_events":`)
	e.ids(p.AuthEvents)
	e.key(`"content":`)
	e.raw(content)
	e.key(`"depth":`)
	e.number(p.Depth)
	if f != hashForm && p.Hashes != nil {
		e.key(`"hashes":`)
		e.hashes(p.Hashes)
	}
	if len(p.DeprecatedMembership) > 0 && (!redacted || old) {
		e.key(`"membership":`)
		e.raw(p.DeprecatedMembership)
	}
	if len(p.DeprecatedOrigin) > 0 && (!redacted || old) {
		e.key(`"origin":`)
		e.raw(p.DeprecatedOrigin)
	}
	e.key(`"origin_server_ts":`)
	e.number(p.OriginServerTS)
	e.key(`"prev_events":`)
	e.ids(p.PrevEvents)
	if len(p.DeprecatedPrevState) > 0 && (!redacted || old) {
		e.key(`"prev_state":`)
		e.raw(p.DeprecatedPrevState)
	}
	if p.Redacts != nil && !redacted {
		e.key(`"redacts":`)
		e.str(string(*p.Redacts))
	}
	if p.RoomID != "" {
		e.key(`"room_id":`)
		e.str(string(p.RoomID))
	}
	e.key(`"sender":`)
	e.str(string(p.Sender))
	if f == fullForm && p.Signatures != nil {
		e.key(`"signatures":`)
		e.signatures(p.Signatures)
	}
	if p.StateKey != nil {
		e.key(`"state_key":`)
		e.str(*p.StateKey)
	}
	e.key(`"type":`)
	e.str(p.Type)
	e.unknownBefore("")
	return append(e.dst, '}'), e.err
}

// unknownFields splits PDU.Unknown. A redacted event keeps only "event_id" of what
// this package has no name for.
func unknownFields(raw []byte, redacted bool) ([]field, error) {
	fields, err := splitObject(raw)
	if redacted {
		fields = slices.DeleteFunc(fields, func(f field) bool { return string(f.key) != "event_id" })
	}
	return fields, err
}

func (e *encoder) hashes(h *pdu.Hashes) {
	outer := e.dst
	in := encoder{dst: append(outer, '{')}
	if len(h.Unknown) > 2 {
		in.unknown, in.err = splitObject(h.Unknown)
	}
	in.key(`"sha256":`)
	in.dst = append(in.dst, '"')
	in.dst = unpadded.AppendEncode(in.dst, h.SHA256)
	in.dst = append(in.dst, '"')
	in.unknownBefore("")
	e.dst = append(in.dst, '}')
	if e.err == nil {
		e.err = in.err
	}
}

func (e *encoder) signatures(all map[string]map[id.KeyID]string) {
	e.dst = append(e.dst, '{')
	for i, server := range sortedKeys(all) {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		e.str(server)
		e.dst = append(e.dst, ':', '{')
		for j, key := range sortedKeys(all[server]) {
			if j > 0 {
				e.dst = append(e.dst, ',')
			}
			e.str(string(key))
			e.dst = append(e.dst, ':')
			e.str(all[server][key])
		}
		e.dst = append(e.dst, '}')
	}
	e.dst = append(e.dst, '}')
}

func sortedKeys[K ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	if len(keys) > 1 {
		slices.Sort(keys)
	}
	return keys
}

// canonicalMembers makes the members of p that are kept as raw JSON canonical, in p,
// where they are not already.
func canonicalMembers(v id.RoomVersion, p *pdu.PDU) error {
	strict := v.ForbidFloatsAndBigInts()
	if len(p.Content) == 0 {
		p.Content = emptyObject
	}
	content, err := Canonical(p.Content, strict)
	if err != nil {
		return err
	}
	if content[0] != '{' {
		return malformed("content is not an object")
	}
	if !bytes.Equal(content, p.Content) {
		p.Content = content
	}
	if p.Unknown == nil && p.DeprecatedPrevState == nil && p.DeprecatedOrigin == nil && p.DeprecatedMembership == nil {
		return nil
	}
	if p.Unknown != nil {
		if p.Unknown, err = Canonical(p.Unknown, strict); err != nil {
			return err
		}
		if err := onlyUnknown(p.Unknown); err != nil {
			return err
		}
	}
	if p.DeprecatedPrevState != nil {
		if p.DeprecatedPrevState, err = Canonical(p.DeprecatedPrevState, strict); err != nil {
			return err
		}
	}
	if p.DeprecatedOrigin != nil {
		if p.DeprecatedOrigin, err = Canonical(p.DeprecatedOrigin, strict); err != nil {
			return err
		}
	}
	if p.DeprecatedMembership != nil {
		p.DeprecatedMembership, err = Canonical(p.DeprecatedMembership, strict)
	}
	return err
}

// onlyUnknown makes sure that no member would be written twice.
func onlyUnknown(unknown []byte) error {
	return eachField(unknown, func(key, _ []byte) error {
		switch string(unescape(key)) {
		case "auth_events", "content", "depth", "hashes", "origin_server_ts", "prev_events",
			"room_id", "sender", "signatures", "state_key", "type", "unsigned":
			return malformed("%s is given twice", key)
		}
		return nil
	})
}
