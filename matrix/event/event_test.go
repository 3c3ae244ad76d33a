package event_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/matrix-org/gomatrixserverlib"
	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/matrix/matrixtest"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

func ptr[T any](v T) *T { return &v }

// samples are events of every kind that hashing treats in its own way.
func samples(v id.RoomVersion) map[string]*pdu.PDU {
	make := func(eventType string, state bool, content string) *pdu.PDU {
		p := &pdu.PDU{
			AuthEvents: []id.EventID{"$a", "$b"}, PrevEvents: []id.EventID{"$c"},
			Content: []byte(content), Depth: 7, OriginServerTS: 1_700_000_000_123,
			RoomID: "!room:one.example", Sender: "@ada:one.example", Type: eventType,
		}
		if state {
			p.StateKey = ptr("")
		}
		return p
	}
	all := map[string]*pdu.PDU{
		"message":     make("m.room.message", false, ` {"msgtype":"m.text","body":"h\u00e9 \ud83d\ude00\n\"x\"","z":{"b":[1,{"d":2,"c":-3}],"a":null}} `),
		"empty":       make("m.room.message", false, `{}`),
		"member":      make("m.room.member", true, `{"membership":"join","displayname":"x","join_authorised_via_users_server":"@bob:one.example"}`),
		"invite":      make("m.room.member", true, `{"membership":"invite","third_party_invite":{"display_name":"x"}}`),
		"third party": make("m.room.member", true, `{"membership":"invite","third_party_invite":{"display_name":"x","signed":{"token":"t","mxid":"@x:y"}}}`),
		"odd third":   make("m.room.member", true, `{"membership":"invite","third_party_invite":5}`),
		"levels":      make("m.room.power_levels", true, `{"users":{"@a:b":1},"invite":5,"ban":6,"notifications":{"room":1},"events":{},"x":1}`),
		"join rules":  make("m.room.join_rules", true, `{"join_rule":"restricted","allow":[],"x":1}`),
		"visibility":  make("m.room.history_visibility", true, `{"history_visibility":"shared","x":1}`),
		"aliases":     make("m.room.aliases", true, `{"aliases":["#a:b"],"x":1}`),
		"redaction":   make("m.room.redaction", false, `{"redacts":"$x","reason":"y"}`),
		"topic":       make("m.room.topic", true, `{"topic":"y"}`),
	}
	create := make("m.room.create", true, `{"creator":"@ada:one.example","room_version":"`+string(v)+`","m.federate":true}`)
	create.AuthEvents, create.PrevEvents = nil, nil
	if v.RoomIDIsCreateEventID() {
		create.RoomID = ""
	}
	all["create"] = create
	old := make("m.room.message", false, `{"body":"old"}`)
	old.DeprecatedOrigin, old.DeprecatedMembership, old.DeprecatedPrevState = []byte(`"one.example"`), []byte(`"join"`), []byte(`[ ]`)
	all["old members"] = old
	extra := make("m.room.topic", true, `{"topic":"z"}`)
	extra.Unknown = []byte(`{"zz":1,"aaa":{"c":1,"b":2},"org.test":"x"}`)
	all["unknown members"] = extra
	return all
}

func TestBuildAsOtherLibrariesDo(t *testing.T) {
	key := matrixtest.Key("one.example")
	for _, v := range event.Versions {
		for name, p := range samples(v) {
			eventID, canonical, err := event.Build(v, p, key)
			if err != nil {
				t.Fatalf("version %s, %s: %v", v, name, err)
			}
			// The oracle for redacting third-party invites is mautrix from version 11 on, as
			// gomatrixserverlib drops what must be kept, and neither for those without a
			// signed part, where Synapse keeps the empty object.
			mautrixRight := !(v.UpdatedRedactionRules() && name == "invite")
			gmslRight := !(v.UpdatedRedactionRules() && strings.Contains(name, "third") || v.UpdatedRedactionRules() && name == "invite")
			if mautrixRight {
				theirs := new(pdu.PDU)
				if err := json.Unmarshal(canonical, theirs); err != nil {
					t.Fatal(err)
				}
				if got, err := theirs.GetEventID(v); err != nil || got != eventID {
					t.Errorf("version %s, %s: id %s, mautrix: %s, %v", v, name, eventID, got, err)
				}
				if !theirs.VerifyContentHash() {
					t.Errorf("version %s, %s: mautrix refuses the hash", v, name)
				}
				if err := theirs.VerifySignature(v, "one.example", matrixtest.GetKey); err != nil {
					t.Errorf("version %s, %s: mautrix: %v", v, name, err)
				}
			}
			if gmslRight {
				theirs, err := gomatrixserverlib.MustGetRoomVersion(gomatrixserverlib.RoomVersion(v)).NewEventFromUntrustedJSON(canonical)
				if err != nil {
					t.Errorf("version %s, %s: gomatrixserverlib: %v", v, name, err)
					continue
				}
				if theirs.EventID() != string(eventID) || theirs.Redacted() || !bytes.Equal(theirs.JSON(), canonical) {
					t.Errorf("version %s, %s: id %s, gomatrixserverlib: %s, redacted %v\n%s\n%s", v, name, eventID, theirs.EventID(), theirs.Redacted(), canonical, theirs.JSON())
				}
			}
			if again, err := event.Canonical(canonical, true); err != nil || !bytes.Equal(again, canonical) {
				t.Errorf("version %s, %s: not canonical: %s", v, name, canonical)
			}
			checkRoundTrip(t, v, name, p, eventID, canonical)
		}
	}
}

func checkRoundTrip(t *testing.T, v id.RoomVersion, name string, p *pdu.PDU, eventID id.EventID, canonical []byte) {
	t.Helper()
	if got, err := event.ID(v, p); err != nil || got != eventID {
		t.Errorf("version %s, %s: ID says %s, %v", v, name, got, err)
	}
	q, got, err := event.Parse(v, canonical)
	if err != nil || got != eventID || q.InternalMeta.EventID != eventID {
		t.Fatalf("version %s, %s: parsed: %s, %v", v, name, got, err)
	}
	if again, err := event.Encode(v, q); err != nil || !bytes.Equal(again, canonical) {
		t.Errorf("version %s, %s: encoded again: %s, %v", v, name, again, err)
	}
	spaced := append([]byte("{ \"unsigned\" : {\"age\" : 5} ,\n\t"), canonical[1:]...)
	r, err := event.ParseUntrusted(v, spaced)
	if err != nil || r.Redacted || r.ID != eventID || !bytes.Equal(r.Canonical, canonical) || string(r.PDU.Unsigned) != `{"age":5}` {
		t.Fatalf("version %s, %s: received: %+v, %v", v, name, r, err)
	}
	if err := event.VerifySignatures(v, r.PDU, matrixtest.GetKey); err != nil && name != "member" {
		t.Errorf("version %s, %s: %v", v, name, err)
	}
	redacted := event.Redact(v, p)
	if got, err := event.ID(v, redacted); err != nil || got != eventID {
		t.Errorf("version %s, %s: redacted id %s, %v", v, name, got, err)
	}
	redacted.InternalMeta.EventID = ""
	if got, err := event.ID(v, redacted); err != nil || got != eventID {
		t.Errorf("version %s, %s: redacted id computed anew %s, %v", v, name, got, err)
	}
	text, err := event.Encode(v, redacted)
	if err != nil {
		t.Fatal(err)
	}
	r, err = event.ParseUntrusted(v, text)
	if err != nil || r.ID != eventID {
		t.Errorf("version %s, %s: redacted and received: %+v, %v", v, name, r, err)
	}
}

// The target of a redaction is not protected by redaction before room version 11;
// mautrix v0.29.0 keeps it, and so comes to other ids.
func TestTargetOfOldRedactions(t *testing.T) {
	for _, v := range event.Versions[:8] {
		p := samples(v)["redaction"]
		p.Redacts = ptr(id.EventID("$target"))
		eventID, canonical, err := event.Build(v, p, matrixtest.Key("one.example"))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := gomatrixserverlib.MustGetRoomVersion(gomatrixserverlib.RoomVersion(v)).NewEventFromUntrustedJSON(canonical)
		if err != nil || theirs.EventID() != string(eventID) || theirs.Redacted() {
			t.Errorf("version %s: gomatrixserverlib: %v, %v", v, theirs, err)
		}
		q, _, err := event.Parse(v, canonical)
		if err != nil || q.Redacts == nil || *q.Redacts != "$target" {
			t.Errorf("version %s: %s: %v", v, canonical, err)
		}
		if event.Redact(v, q).Redacts != nil {
			t.Errorf("version %s: redacting keeps redacts", v)
		}
	}
}

func TestRedactedContent(t *testing.T) {
	all := map[string]map[id.RoomVersion]string{
		"message":     {"3": `{}`, "12": `{}`},
		"member":      {"3": `{"membership":"join"}`, "8": `{"membership":"join"}`, "9": `{"join_authorised_via_users_server":"@bob:one.example","membership":"join"}`},
		"invite":      {"10": `{"membership":"invite"}`, "11": `{"membership":"invite","third_party_invite":{}}`},
		"third party": {"10": `{"membership":"invite"}`, "11": `{"membership":"invite","third_party_invite":{"signed":{"mxid":"@x:y","token":"t"}}}`},
		"odd third":   {"11": `{"membership":"invite"}`},
		"levels":      {"10": `{"ban":6,"events":{},"users":{"@a:b":1}}`, "11": `{"ban":6,"events":{},"invite":5,"users":{"@a:b":1}}`},
		"join rules":  {"7": `{"join_rule":"restricted"}`, "8": `{"allow":[],"join_rule":"restricted"}`},
		"visibility":  {"3": `{"history_visibility":"shared"}`, "12": `{"history_visibility":"shared"}`},
		"aliases":     {"5": `{"aliases":["#a:b"]}`, "6": `{}`},
		"redaction":   {"10": `{}`, "11": `{"redacts":"$x"}`},
		"topic":       {"3": `{}`},
		"create":      {"10": `{"creator":"@ada:one.example"}`, "11": `{"creator":"@ada:one.example","m.federate":true,"room_version":"11"}`},
	}
	for name, byVersion := range all {
		for v, want := range byVersion {
			p := samples(v)[name]
			if _, _, err := event.Build(v, p, matrixtest.Key("one.example")); err != nil {
				t.Fatal(err)
			}
			p.Unsigned = []byte(`{"x":1}`)
			before := string(p.Content)
			r := event.Redact(v, p)
			if string(r.Content) != want || r.Unsigned != nil {
				t.Errorf("version %s, %s: %s, want %s", v, name, r.Content, want)
			}
			if string(p.Content) != before || p.Unsigned == nil {
				t.Errorf("version %s, %s: the original was changed", v, name)
			}
		}
	}
	p := samples("11")["unknown members"]
	p.Unknown = []byte(`{"age_ts":1,"event_id":"$given","zz":1}`)
	if _, _, err := event.Build("11", p, matrixtest.Key("one.example")); err != nil {
		t.Fatal(err)
	}
	if r := event.Redact("11", p); string(r.Unknown) != `{"event_id":"$given"}` {
		t.Errorf("unknown members: %s", r.Unknown)
	}
}

// The test vectors of the specification's appendix.
func TestVectors(t *testing.T) {
	key, err := event.ParseKey("domain", []byte("ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n"))
	if err != nil {
		t.Fatal(err)
	}
	for object, want := range map[string]string{
		`{}`:                      "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ",
		`{"two":"Two", "one": 1}`: "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
		`{"signatures":{"x":1},"two":"Two", "one": 1, "unsigned":{}}`: "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
	} {
		got, err := key.SignJSON([]byte(object))
		if err != nil || got != want {
			t.Errorf("%s: %s, %v", object, got, err)
		}
		if err := event.VerifyJSON([]byte(object), key.Public(), got); err != nil {
			t.Error(err)
		}
	}
	p := &pdu.PDU{
		RoomID: "!x:domain", Sender: "@a:domain", DeprecatedOrigin: []byte(`"domain"`), OriginServerTS: 1000000,
		Type: "X", Content: []byte(`{}`), Depth: 3, Unsigned: []byte(`{"age_ts":1000000}`),
	}
	_, canonical, err := event.Build(id.RoomV3, p, key)
	want := `{"auth_events":[],"content":{},"depth":3,"hashes":{"sha256":"5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos"},` +
		`"origin":"domain","origin_server_ts":1000000,"prev_events":[],"room_id":"!x:domain","sender":"@a:domain",` +
		`"signatures":{"domain":{"ed25519:1":"KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg"}},"type":"X"}`
	if err != nil || string(canonical) != want {
		t.Errorf("%s, %v", canonical, err)
	}
}

func TestBuildRefuses(t *testing.T) {
	key := matrixtest.Key("one.example")
	long := strings.Repeat("x", 256)
	for name, c := range map[string]struct {
		change func(p *pdu.PDU)
		v      id.RoomVersion
		want   error
	}{
		"float":             {func(p *pdu.PDU) { p.Content = []byte(`{"a":1.5}`) }, "6", event.ErrBadJSON},
		"float of old":      {func(p *pdu.PDU) { p.Content = []byte(`{"a":1.5}`) }, "5", nil},
		"large integer":     {func(p *pdu.PDU) { p.Content = []byte(`{"a":9007199254740992}`) }, "12", event.ErrBadJSON},
		"duplicate":         {func(p *pdu.PDU) { p.Content = []byte(`{"a":1,"a":1}`) }, "12", event.ErrBadJSON},
		"UTF-8":             {func(p *pdu.PDU) { p.Content = []byte("{\"a\":\"\xff\"}") }, "12", event.ErrBadJSON},
		"UTF-8 in type":     {func(p *pdu.PDU) { p.Type = "\xff" }, "12", event.ErrBadJSON},
		"UTF-8 in key":      {func(p *pdu.PDU) { p.StateKey = ptr("é\xff") }, "12", event.ErrBadJSON},
		"no object":         {func(p *pdu.PDU) { p.Content = []byte(`[]`) }, "12", event.ErrFormat},
		"no content":        {func(p *pdu.PDU) { p.Content = nil }, "12", nil},
		"no type":           {func(p *pdu.PDU) { p.Type = "" }, "12", event.ErrFormat},
		"no sender":         {func(p *pdu.PDU) { p.Sender = "" }, "12", event.ErrFormat},
		"unknown version":   {func(p *pdu.PDU) {}, "2", event.ErrVersion},
		"long type":         {func(p *pdu.PDU) { p.Type = long }, "12", event.ErrTooLarge},
		"longest type":      {func(p *pdu.PDU) { p.Type = long[1:] }, "12", nil},
		"long state key":    {func(p *pdu.PDU) { p.StateKey = &long }, "12", event.ErrTooLarge},
		"long sender":       {func(p *pdu.PDU) { p.Sender = id.UserID("@" + long + ":x") }, "12", event.ErrTooLarge},
		"long room":         {func(p *pdu.PDU) { p.RoomID = id.RoomID("!" + long) }, "12", event.ErrTooLarge},
		"many auth":         {func(p *pdu.PDU) { p.AuthEvents = make([]id.EventID, 11) }, "12", event.ErrTooLarge},
		"many prev":         {func(p *pdu.PDU) { p.PrevEvents = make([]id.EventID, 21) }, "12", event.ErrTooLarge},
		"large":             {func(p *pdu.PDU) { p.Content = []byte(`{"a":"` + strings.Repeat("x", 65536) + `"}`) }, "12", event.ErrTooLarge},
		"unknown twice":     {func(p *pdu.PDU) { p.Unknown = []byte(`{"type":"x"}`) }, "12", event.ErrFormat},
		"unknown broken":    {func(p *pdu.PDU) { p.Unknown = []byte(`{"a":1.5}`) }, "12", event.ErrBadJSON},
		"unknown no object": {func(p *pdu.PDU) { p.Unknown = []byte(`"abc"`) }, "12", event.ErrFormat},
		"origin broken":     {func(p *pdu.PDU) { p.DeprecatedOrigin = []byte(`x`) }, "10", event.ErrBadJSON},
		"membership broken": {func(p *pdu.PDU) { p.DeprecatedMembership = []byte(`x`) }, "10", event.ErrBadJSON},
		"prev_state broken": {func(p *pdu.PDU) { p.DeprecatedPrevState = []byte(`x`) }, "10", event.ErrBadJSON},
	} {
		p := samples("12")["empty"]
		c.change(p)
		_, _, err := event.Build(c.v, p, key)
		if !errors.Is(err, c.want) || err == nil && c.want != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		var size *event.SizeError
		if c.want == event.ErrTooLarge && (!errors.As(err, &size) || size.Size <= size.Limit || size.Field == "" || size.Error() == "") {
			t.Errorf("%s: %#v", name, err)
		}
	}
	// Exactly at the limit.
	p := samples("12")["empty"]
	_, canonical, err := event.Build("12", p, key)
	if err != nil {
		t.Fatal(err)
	}
	for extra, want := range map[int]error{0: nil, 1: event.ErrTooLarge} {
		p := samples("12")["empty"]
		p.Content = []byte(`{"a":"` + strings.Repeat("x", event.MaxEventBytes-len(canonical)-6+extra) + `"}`)
		if _, raw, err := event.Build("12", p, key); !errors.Is(err, want) || err == nil && len(raw) != event.MaxEventBytes {
			t.Errorf("%d over the limit: %v, %d bytes", extra, err, len(raw))
		}
	}
}

func TestReceiveRefuses(t *testing.T) {
	p := samples("10")["topic"]
	_, canonical, err := event.Build("10", p, matrixtest.Key("one.example"))
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(canonical, &members); err != nil {
		t.Fatal(err)
	}
	with := func(key, value string) []byte {
		m := maps.Clone(members)
		if m[key] = json.RawMessage(value); value == "" {
			delete(m, key)
		}
		raw, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for key := range members {
		if key == "state_key" {
			continue
		}
		if _, err := event.ParseUntrusted("10", with(key, "")); !errors.Is(err, event.ErrFormat) {
			t.Errorf("without %s: %v", key, err)
		}
	}
	for _, key := range []string{"auth_events", "content", "depth", "hashes", "origin_server_ts", "prev_events", "room_id", "sender", "signatures", "state_key", "type"} {
		for _, value := range []string{`null`, `true`, `[[]]`} {
			if _, err := event.ParseUntrusted("10", with(key, value)); !errors.Is(err, event.ErrFormat) {
				t.Errorf("%s is %s: %v", key, value, err)
			}
		}
	}
	for key, values := range map[string][]string{
		"hashes":     {`{}`, `{"sha256":5}`, `{"sha256":"AA=="}`, `{"sha256":"-_"}`, `{"sha256":"AB"}`},
		"signatures": {`{"a":5}`, `{"a":{"b":5}}`},
		"room_id":    {`""`, `"x"`, `"#x:y"`},
		"sender":     {`""`, `"ada"`, `"@ada"`, `"@ada:"`},
		"depth":      {`-1`, `"5"`},
	} {
		for _, value := range values {
			if _, err := event.ParseUntrusted("10", with(key, value)); !errors.Is(err, event.ErrFormat) {
				t.Errorf("%s is %s: %v", key, value, err)
			}
		}
	}
	for _, raw := range []string{``, `[]`, `5`, `{"a":1}`} {
		if _, err := event.ParseUntrusted("10", []byte(raw)); err == nil {
			t.Errorf("%s was taken for an event", raw)
		}
	}
	if _, err := event.ParseUntrusted("1", canonical); !errors.Is(err, event.ErrVersion) {
		t.Errorf("version 1: %v", err)
	}
	if _, err := event.ParseUntrusted("10", with("depth", "1.0")); !errors.Is(err, event.ErrBadJSON) {
		t.Errorf("float: %v", err)
	}
	if _, err := event.ParseUntrusted("10", bytes.Repeat([]byte(" "), 1<<20)); !errors.Is(err, event.ErrTooLarge) {
		t.Errorf("a megabyte: %v", err)
	}
	if _, err := event.ParseUntrusted("10", with("content", `{"a":"`+strings.Repeat("x", 65500)+`"}`)); !errors.Is(err, event.ErrTooLarge) {
		t.Errorf("large: %v", err)
	}
	if _, err := event.Decode([]byte(`{"auth_events":["a",]}`)); err == nil {
		t.Error("a broken list was read")
	}
	if _, err := event.Decode([]byte(`{"hashes":[]}`)); err == nil {
		t.Error("broken hashes were read")
	}
	if _, _, err := event.Parse("10", []byte(`{"depth":"x"}`)); err == nil {
		t.Error("a broken event was parsed")
	}
}

func TestWrongHashRedacts(t *testing.T) {
	for _, v := range event.Versions {
		p := samples(v)["levels"]
		p.Unknown = []byte(`{"extra":1}`)
		eventID, canonical, err := event.Build(v, p, matrixtest.Key("one.example"))
		if err != nil {
			t.Fatal(err)
		}
		altered := bytes.Replace(canonical, []byte(`"x":1`), []byte(`"x":2`), 1)
		r, err := event.ParseUntrusted(v, altered)
		if err != nil || !r.Redacted || r.ID != eventID {
			t.Fatalf("version %s: %+v, %v", v, r, err)
		}
		if bytes.Contains(r.PDU.Content, []byte(`"x"`)) || bytes.Contains(r.Canonical, []byte(`extra`)) || r.PDU.Unknown != nil {
			t.Errorf("version %s: %s", v, r.Canonical)
		}
		if err := event.VerifySignatures(v, r.PDU, matrixtest.GetKey); err != nil {
			t.Errorf("version %s: %v", v, err)
		}
		if _, got, err := event.Parse(v, r.Canonical); err != nil || got != eventID {
			t.Errorf("version %s: read again: %s, %v", v, got, err)
		}
	}
}

func TestOtherHashesAndOddRedactsSurvive(t *testing.T) {
	p := samples("10")["topic"]
	_, canonical, err := event.Build("10", p, matrixtest.Key("one.example"))
	if err != nil {
		t.Fatal(err)
	}
	raw := bytes.Replace(canonical, []byte(`"hashes":{`), []byte(`"hashes":{"md5":"x","zzz":{"b":1},`), 1)
	raw = bytes.Replace(raw, []byte(`"room_id"`), []byte(`"redacts":5,"room_id"`), 1)
	r, err := event.ParseUntrusted("10", raw)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Redacted || !bytes.Contains(r.Canonical, []byte(`"hashes":{"md5":"x","sha256":`)) || bytes.Contains(r.Canonical, []byte("redacts")) {
		t.Errorf("%s", r.Canonical)
	}
	q, err := event.Decode([]byte(`{"content":{},"redacts":5,"type":"x"}`))
	if err != nil || string(q.Unknown) != `{"redacts":5}` {
		t.Errorf("%s, %v", q.Unknown, err)
	}
}

func TestSignatures(t *testing.T) {
	one, two := matrixtest.Key("one.example"), matrixtest.Key("two.example")
	member := func(content string) *pdu.PDU {
		p := samples("8")["member"]
		p.Content = []byte(content)
		return p
	}
	for name, c := range map[string]struct {
		v    id.RoomVersion
		p    *pdu.PDU
		sign []event.Key // further ones
		want []string
		ok   bool
	}{
		"message":            {"12", samples("12")["empty"], nil, []string{"one.example"}, true},
		"join":               {"12", member(`{"membership":"join"}`), nil, []string{"one.example"}, true},
		"authorised":         {"12", member(`{"membership":"join","join_authorised_via_users_server":"@x:two.example"}`), nil, []string{"one.example", "two.example"}, false},
		"authorised, signed": {"8", member(`{"membership":"join","join_authorised_via_users_server":"@x:two.example"}`), []event.Key{two}, []string{"one.example", "two.example"}, true},
		"authorised by own":  {"8", member(`{"membership":"join","join_authorised_via_users_server":"@x:one.example"}`), nil, []string{"one.example"}, true},
		"authorised, old":    {"7", member(`{"membership":"join","join_authorised_via_users_server":"@x:two.example"}`), nil, []string{"one.example"}, true},
		"authorised by what": {"8", member(`{"membership":"join","join_authorised_via_users_server":"x"}`), nil, []string{"one.example", ""}, false},
		"third party":        {"12", member(`{"membership":"invite","third_party_invite":{}}`), nil, nil, true},
	} {
		if _, _, err := event.Build(c.v, c.p, one); err != nil {
			t.Fatal(err)
		}
		for _, k := range c.sign {
			canonical, err := event.Sign(c.v, c.p, k)
			if err != nil {
				t.Fatal(err)
			}
			if q, got, err := event.Parse(c.v, canonical); err != nil || got != c.p.InternalMeta.EventID || len(q.Signatures) != 2 {
				t.Errorf("%s: signed twice: %s, %v", name, canonical, err)
			}
		}
		if got := event.RequiredServers(c.v, c.p); strings.Join(got, " ") != strings.Join(c.want, " ") {
			t.Errorf("%s: %q", name, got)
		}
		err := event.VerifySignatures(c.v, c.p, matrixtest.GetKey)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, event.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSignatureKeys(t *testing.T) {
	p := samples("12")["empty"]
	if _, _, err := event.Build("12", p, matrixtest.Key("one.example")); err != nil {
		t.Fatal(err)
	}
	own := matrixtest.Key("one.example").Public()
	get := func(key id.SigningKey, until time.Time, err error) pdu.GetKeyFunc {
		return func(string, id.KeyID, time.Time) (id.SigningKey, time.Time, error) { return key, until, err }
	}
	sent, broken := time.UnixMilli(p.OriginServerTS), errors.New("no network")
	for name, c := range map[string]struct {
		v    id.RoomVersion
		get  pdu.GetKeyFunc
		want error
	}{
		"valid":       {"12", get(own, sent, nil), nil},
		"padded":      {"12", get(own+"=", sent, nil), nil},
		"expired":     {"12", get(own, sent.Add(-time.Millisecond), nil), event.ErrSignature},
		"expired old": {"4", get(own, sent.Add(-time.Hour), nil), event.ErrSignature}, // another form is signed there: see below
		"other":       {"12", get(matrixtest.Key("x").Public(), sent, nil), event.ErrSignature},
		"none":        {"12", get("", sent, nil), event.ErrSignature},
		"no key":      {"12", get("???", sent, nil), event.ErrSignature},
		"unreachable": {"12", get("", sent, broken), broken},
	} {
		if c.v == "4" { // keys do not expire there
			c.want = nil
		}
		if err := event.VerifySignatures(c.v, p, c.get); !errors.Is(err, c.want) || err == nil && c.want != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	p.Signatures["one.example"]["ed25519:test"] = "AAAA"
	if err := event.VerifySignatures("12", p, matrixtest.GetKey); !errors.Is(err, event.ErrSignature) {
		t.Errorf("a wrong signature: %v", err)
	}
	p.Signatures["one.example"]["ed25519:test"] = "?"
	if err := event.VerifySignatures("12", p, matrixtest.GetKey); !errors.Is(err, event.ErrSignature) {
		t.Errorf("no base64: %v", err)
	}
	delete(p.Signatures, "one.example")
	if err := event.VerifySignatures("12", p, matrixtest.GetKey); !errors.Is(err, event.ErrSignature) {
		t.Errorf("no signature: %v", err)
	}
}

func TestKeys(t *testing.T) {
	key := matrixtest.Key("one.example")
	again, err := event.ParseKey("one.example", key.Marshal())
	if err != nil || !again.Private.Equal(key.Private) || again.ID != key.ID || again.Server != key.Server {
		t.Errorf("%v, %v", again.ID, err)
	}
	seed := base64.RawStdEncoding.EncodeToString(key.Private.Seed())
	for _, text := range []string{"", "ed25519 a", "rsa a " + seed, "ed25519 a! " + seed, "ed25519 a AAAA", "ed25519 a ???", "ed25519 a " + seed + " x"} {
		if _, err := event.ParseKey("x", []byte(text)); err == nil {
			t.Errorf("%q was taken for a key", text)
		} else if strings.Contains(err.Error(), seed) {
			t.Errorf("the error tells the key: %v", err)
		}
	}
	if _, err := event.NewKey("x", "a", strings.NewReader("short")); err == nil {
		t.Error("a key of five bytes was made")
	}
	if _, err := event.NewKey("x", "", strings.NewReader(strings.Repeat("x", 32))); err == nil {
		t.Error("a key without a version was made")
	}
	if _, err := key.SignJSON([]byte(`{`)); err == nil {
		t.Error("broken JSON was signed")
	}
	if _, err := key.SignJSON([]byte(`[]`)); err == nil {
		t.Error("an array was signed")
	}
	if err := event.VerifyJSON([]byte(`{`), key.Public(), ""); err == nil {
		t.Error("broken JSON was verified")
	}
	if err := event.VerifyJSON([]byte(`{}`), key.Public(), "AAAA"); !errors.Is(err, event.ErrSignature) {
		t.Errorf("wrong signature: %v", err)
	}
}

func TestClientForms(t *testing.T) {
	p := samples("12")["topic"]
	eventID, _, err := event.Build("12", p, matrixtest.Key("one.example"))
	if err != nil {
		t.Fatal(err)
	}
	got := event.ClientFormat(p, eventID, "!r:x")
	want := fmt.Sprintf(`{"content":{"topic":"y"},"event_id":%q,"origin_server_ts":1700000000123,"room_id":"!r:x","sender":"@ada:one.example","state_key":"","type":"m.room.topic"}`, eventID)
	if string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
	with := event.WithUnsigned(got, []byte(`{"age":1}`))
	if string(with) != want[:len(want)-1]+`,"unsigned":{"age":1}}` || string(got) != want {
		t.Errorf("%s", with)
	}
	if string(event.WithUnsigned([]byte(`{}`), []byte(`{}`))) != `{"unsigned":{}}` || string(event.WithUnsigned(got, nil)) != want {
		t.Error("unsigned at the edges")
	}
	if s := event.StrippedState(p); string(s) != `{"content":{"topic":"y"},"sender":"@ada:one.example","state_key":"","type":"m.room.topic"}` {
		t.Errorf("%s", s)
	}
	p = samples("12")["empty"]
	if s := event.ClientFormat(p, "$e", ""); string(s) != `{"content":{},"event_id":"$e","origin_server_ts":1700000000123,"sender":"@ada:one.example","type":"m.room.message"}` {
		t.Errorf("%s", s)
	}
	if s := event.StrippedState(p); !json.Valid(s) {
		t.Errorf("%s", s)
	}
	for content, want := range map[string][2]string{ // of the redaction, with redacts beside it and without
		`{"redacts":"$x"}`: {`"content":{"redacts":"$x"},`, `"redacts":"$x","room_id"`},
		`{"redacts":5}`:    {`"content":{"redacts":5},`, `123,"room_id"`},
		`{"reason":"y"}`:   {`"content":{"reason":"y","redacts":"$top"},`, `"redacts":"$top","room_id"`},
	} {
		p := samples("12")["redaction"]
		p.Content, p.Redacts = []byte(content), ptr(id.EventID("$top"))
		s := event.ClientFormat(p, "$e", "!r:x")
		if !json.Valid(s) || !strings.Contains(string(s), want[0]) || !strings.Contains(string(s), want[1]) {
			t.Errorf("%s", s)
		}
	}
	p = samples("12")["redaction"]
	p.Content = []byte(`{}`)
	if s := event.ClientFormat(p, "$e", "!r:x"); !json.Valid(s) || strings.Contains(string(s), "redacts") {
		t.Errorf("%s", s)
	}
}

func TestRoomIDs(t *testing.T) {
	p := samples("12")["create"]
	eventID, canonical, err := event.Build("12", p, matrixtest.Key("one.example"))
	if err != nil || bytes.Contains(canonical, []byte("room_id")) {
		t.Fatalf("%s, %v", canonical, err)
	}
	room := event.RoomID("12", p, eventID)
	theirs, err := p.GetRoomID()
	if err != nil || room != theirs || event.CreateIDOfRoom(room) != eventID || len(room) != 44 {
		t.Errorf("%s, %s, %v", room, theirs, err)
	}
	if event.RoomID("12", samples("12")["topic"], "$x") != "!room:one.example" || event.RoomIDOfCreate("") != "" || event.CreateIDOfRoom("") != "" {
		t.Error("room ids at the edges")
	}
	for s, want := range map[string]bool{"@a:b": true, "@:b": true, "@a b:c:1": true, "": false, "a:b": false, "@a": false, "@a:": false, "@" + strings.Repeat("x", 255) + ":b": false} {
		if event.ValidUserID(s) != want {
			t.Errorf("user id %q", s)
		}
	}
	if event.Known("2") || event.Known("") || !event.Known("12") {
		t.Error("known versions")
	}
}

func FuzzParseUntrusted(f *testing.F) {
	for _, v := range event.Versions {
		for _, p := range samples(v) {
			_, canonical, err := event.Build(v, p, matrixtest.Key("one.example"))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(canonical, uint8(len(v)))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, n uint8) {
		v := event.Versions[int(n)%len(event.Versions)]
		r, err := event.ParseUntrusted(v, raw)
		if err != nil {
			return
		}
		p, eventID, err := event.Parse(v, r.Canonical)
		if err != nil || eventID != r.ID {
			t.Fatalf("%s: id %s, read again: %s, %v", r.Canonical, r.ID, eventID, err)
		}
		if again, err := event.Encode(v, p); err != nil || !bytes.Equal(again, r.Canonical) {
			t.Fatalf("%s\nencoded again: %s, %v", r.Canonical, again, err)
		}
		if redacted, err := event.ID(v, event.Redact(v, p)); err != nil || redacted != eventID {
			t.Fatalf("%s: redacted: %s, %v", r.Canonical, redacted, err)
		}
		if !json.Valid(event.ClientFormat(p, eventID, p.RoomID)) || !json.Valid(event.StrippedState(p)) {
			t.Fatalf("%s: no JSON for clients", r.Canonical)
		}
		_ = event.VerifySignatures(v, p, matrixtest.GetKey)
	})
}

func TestManyRandomEvents(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, v := range event.Versions {
		r := matrixtest.Random(v, rng, 60)
		for eventID, raw := range r.JSON {
			got, err := event.ParseUntrusted(v, raw)
			if err != nil || got.ID != eventID || got.Redacted || !bytes.Equal(got.Canonical, raw) {
				t.Fatalf("%s: %+v, %v", raw, got, err)
			}
			if err := event.VerifySignatures(v, got.PDU, matrixtest.GetKey); err != nil {
				t.Fatalf("%s: %v", raw, err)
			}
		}
	}
}
