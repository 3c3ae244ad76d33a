package event_test

import (
	"bytes"
	"encoding/json"
	"encoding/json/jsontext"
	"errors"
	"strings"
	"testing"

	"github.com/matrix-org/gomatrixserverlib"
	"github.com/myelin-health/myelin/matrix/event"
	"maunium.net/go/mautrix/crypto/canonicaljson"
	"pgregory.net/rapid"
)

func TestCanonical(t *testing.T) {
	for _, c := range []struct{ in, strict, lenient string }{
		// The examples of the specification's appendix.
		{`{}`, `{}`, `{}`},
		{"{\n    \"one\": 1,\n    \"two\": \"Two\"\n}", `{"one":1,"two":"Two"}`, ""},
		{`{"b": "2", "a": "1"}`, `{"a":"1","b":"2"}`, ""},
		{`{"auth":{"success":true,"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"medium":"email","address":"john.doe@example.org"},{"medium":"msisdn","address":"123456789"}]}}}`,
			`{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}`, ""},
		{`{"a": "日本語"}`, `{"a":"日本語"}`, ""},
		{`{"本": 2, "日": 1}`, `{"日":1,"本":2}`, ""},
		{`{"a": "\u65E5"}`, `{"a":"日"}`, ""},
		{`{"a": null}`, `{"a":null}`, ""},
		{`{"a": -0, "b": 1e10}`, "error", `{"a":0,"b":10000000000.0}`},
		// Numbers.
		{`-0`, `0`, `0`},
		{`[9007199254740991,-9007199254740991]`, `[9007199254740991,-9007199254740991]`, ""},
		{`9007199254740992`, "error", `9007199254740992`},
		{`-9007199254740992`, "error", `-9007199254740992`},
		{`123456789012345678901234567890`, "error", `123456789012345678901234567890`},
		{`1.0`, "error", `1.0`},
		{`[1.50,0.1e1,1E+2,1e-2,5e-5,1e16,1.5e300,0.0,-0.0]`, "error", `[1.5,1.0,100.0,0.01,5e-05,1e+16,1.5e+300,0.0,-0.0]`},
		{`1e400`, "error", "error"},
		{`01`, "error", "error"}, {`-`, "error", "error"}, {`1.`, "error", "error"}, {`1e`, "error", "error"},
		{`+1`, "error", "error"}, {`.5`, "error", "error"}, {`1e+`, "error", "error"}, {`NaN`, "error", "error"},
		// Strings.
		{`"\/\"\\\b\f\n\r\t\u0000\u001F\u007f\u00e9\ud83d\ude00"`, `"/\"\\\b\f\n\r\t\u0000\u001f` + "\x7fé😀" + `"`, ""},
		{`"\u000a\u0022\u005c"`, `"\n\"\\"`, ""},
		{`"\ud83d"`, "error", "error"}, {`"\ude00\ud83d"`, "error", "error"}, {`"\ud83dx"`, "error", "error"},
		{`"\ud83d\u0041"`, "error", "error"},
		{`"\x"`, "error", "error"}, {`"\u12"`, "error", "error"}, {`"\u12g4"`, "error", "error"}, {`"\`, "error", "error"},
		{"\"\n\"", "error", "error"}, {"\"\xff\"", "error", "error"}, {`"`, "error", "error"}, {"\"\xc0\xaf\"", "error", "error"},
		{"\"\xed\xa0\x80\"", "error", "error"},
		// Objects: order is that of code points, not of UTF-16 or of the escaped text.
		{`{"\ud83d\ude00":1,"\uff21":2}`, `{"Ａ":2,"😀":1}`, ""},
		{`{"a\n":1,"a ":2,"a\"":3,"a!":4,"a#":5}`, `{"a\n":1,"a ":2,"a!":4,"a\"":3,"a#":5}`, ""},
		{`{"a":1,"a":2}`, "error", "error"}, {`{"a":1,"\u0061":2}`, "error", "error"}, {`{"b":1,"a":1,"b":2}`, "error", "error"},
		{`{"z":{"b":1,"a":{"d":0,"c":[]}},"y":[{"b":1,"a":2}],"":0}`, `{"":0,"y":[{"a":2,"b":1}],"z":{"a":{"c":[],"d":0},"b":1}}`, ""},
		{`{"a":1,}`, "error", "error"}, {`{"a"}`, "error", "error"}, {`{a:1}`, "error", "error"}, {`{"a":1`, "error", "error"},
		{`{"a" 1}`, "error", "error"}, {`{"a":}`, "error", "error"}, {`{"a":1 "b":2}`, "error", "error"}, {`{`, "error", "error"},
		{`[ 1 , [ ] , { } ]`, `[1,[],{}]`, ""}, {`[1,]`, "error", "error"}, {`[1 2]`, "error", "error"}, {`[`, "error", "error"}, {`[1`, "error", "error"},
		{`true`, `true`, ""}, {` false `, `false`, ""}, {`tru`, "error", "error"}, {`nul`, "error", "error"}, {`falze`, "error", "error"},
		{``, "error", "error"}, {`{}{}`, "error", "error"}, {`{} x`, "error", "error"}, {"\ufeff{}", "error", "error"}, {`@`, "error", "error"},
		{strings.Repeat("[", 1001) + strings.Repeat("]", 1001), "error", "error"},
		{strings.Repeat(`{"a":`, 1001) + "1" + strings.Repeat("}", 1001), "error", "error"},
	} {
		if c.lenient == "" {
			c.lenient = c.strict
		}
		for _, strict := range []bool{true, false} {
			want := c.lenient
			if strict {
				want = c.strict
			}
			got, err := event.Canonical([]byte(c.in), strict)
			var syntax *event.SyntaxError
			if want == "error" {
				if err == nil || !errors.Is(err, event.ErrBadJSON) || !errors.As(err, &syntax) || !strings.Contains(err.Error(), "byte") {
					t.Errorf("%.60q strict %v: %s, %v; want an error", c.in, strict, got, err)
				}
			} else if err != nil || string(got) != want {
				t.Errorf("%.60q strict %v: %s, %v; want %s", c.in, strict, got, err, want)
			}
		}
	}
}

// document generates any JSON value that is canonical JSON but for its form.
func document() *rapid.Generator[any] {
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		leaves := []*rapid.Generator[any]{
			rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64Range(-1<<53+1, 1<<53-1).AsAny(),
			rapid.String().AsAny(), rapid.StringN(0, 3, 10).AsAny(),
		}
		if depth == 0 {
			return rapid.OneOf(leaves...)
		}
		inner := rapid.Deferred(func() *rapid.Generator[any] { return value(depth - 1) })
		return rapid.OneOf(append(leaves,
			rapid.SliceOfN(inner, 0, 4).AsAny(), rapid.MapOfN(rapid.StringN(0, 4, 12), inner, 0, 6).AsAny())...)
	}
	return value(4)
}

func TestCanonicalOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain, err := json.MarshalIndent(document().Draw(t, "document"), "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		got, err := event.Canonical(plain, true)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := event.Canonical(got, true); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%s became %s, %v", got, again, err)
		}
		if lenient, err := event.Canonical(plain, false); err != nil || !bytes.Equal(lenient, got) {
			t.Fatalf("leniently %s, %v", lenient, err)
		}
		var a, b any
		if json.Unmarshal(plain, &a) != nil || json.Unmarshal(got, &b) != nil {
			t.Fatalf("%s is no JSON", got)
		}
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		if !bytes.Equal(x, y) {
			t.Fatalf("%s does not mean %s", got, plain)
		}
		// mautrix orders keys by UTF-16, gomatrixserverlib has its own ways to write control
		// characters: both differ from the specification where that can be seen.
		if !strings.ContainsFunc(string(got), func(r rune) bool { return r > 0xffff }) {
			theirs := jsontext.Value(bytes.Clone(plain))
			if err := canonicaljson.Canonicalize((*json.RawMessage)(&theirs)); err != nil || !bytes.Equal(theirs, got) {
				t.Fatalf("%s, mautrix: %s, %v", got, theirs, err)
			}
		}
		if !bytes.Contains(got, []byte(`\`)) {
			theirs, err := gomatrixserverlib.CanonicalJSON(plain)
			if err != nil || !bytes.Equal(theirs, got) {
				t.Fatalf("%s, gomatrixserverlib: %s, %v", got, theirs, err)
			}
		}
	})
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":[true,null,"x\u00e9"]}`, `{"b":{},"a":1.5e3}`, `[-0,"\ud83d\ude00"]`, `{"\n":1,"":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := event.Canonical(in, false)
		valid := jsontext.Value(in).IsValid() // no duplicate keys, valid UTF-8
		if err == nil && !valid {
			t.Fatalf("%q was taken for JSON", in)
		}
		if err != nil {
			return
		}
		again, err := event.Canonical(got, false)
		if err != nil || !bytes.Equal(got, again) {
			t.Fatalf("%q: %s became %s, %v", in, got, again, err)
		}
		strict, err := event.Canonical(in, true)
		if err == nil && !bytes.Equal(strict, got) {
			t.Fatalf("%q: %s strictly, %s leniently", in, strict, got)
		}
	})
}

func TestReaders(t *testing.T) {
	object := []byte(`{"a":"x\"y","b":[1,"]",{"c":[]}],"k\n":true,"o":{"a":5}}`)
	if s, ok := event.LookupString(object, "a"); !ok || s != `x"y` {
		t.Errorf("a is %q", s)
	}
	if _, ok := event.LookupString(object, "b"); ok {
		t.Error("b is a string")
	}
	if event.Lookup(object, "none") != nil || event.Lookup(nil, "a") != nil || event.Lookup([]byte(`[]`), "a") != nil {
		t.Error("found what is not there")
	}
	var keys []string
	if !event.Each(object, func(key string, _ []byte) bool { keys = append(keys, key); return true }) || strings.Join(keys, ",") != "a,b,k\n,o" {
		t.Errorf("keys %q", keys)
	}
	n := 0
	if !event.Each(object, func(string, []byte) bool { n++; return false }) || n != 1 {
		t.Error("Each does not stop")
	}
	var items []string
	if !event.EachItem(event.Lookup(object, "b"), func(item []byte) bool { items = append(items, string(item)); return true }) ||
		strings.Join(items, " ") != `1 "]" {"c":[]}` {
		t.Errorf("items %q", items)
	}
	n = 0
	if !event.EachItem([]byte(`[1,2]`), func([]byte) bool { n++; return false }) || n != 1 {
		t.Error("EachItem does not stop")
	}
	if event.EachItem([]byte(`{}`), nil) || event.EachItem(nil, nil) || event.EachItem([]byte(`[1,"x]`), func([]byte) bool { return true }) {
		t.Error("EachItem takes anything for an array")
	}
	for _, broken := range []string{``, `{`, `}`, `{"`, `{"a`, `{"a"`, `{"a"}`, `{"a":}`, `{"a":1`, `{"a":1}x}`, `{"a":1,}`, `{"a":1,b}`, `{1:1}`, `{"a":"}`, `{"a":[}`, `{"a":["}`, `{"\`} {
		event.Each([]byte(broken), func(string, []byte) bool { return true })
	}
}
