package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/tlog"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/seal"
)

func TestLog(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		o := p.options()
		o.Metrics = prometheus.NewRegistry()
		l := openWith(t, o)
		l.Start()
		if r := verified(t, l); r.Entries != 0 || r.Root != "" {
			t.Errorf("empty log: %+v", r)
		}
		p.append(l, Entry{Act: SignIn, Who: "@a:x", Device: "D", Outcome: Done, Detail: map[string]any{"address": "192.0.2.7"}})
		p.append(l, Entry{Act: MessageSend, Who: "@a:x", Room: "!r:x", Target: "$e", Outcome: Done}, Entry{Act: Join, Who: "@b:x", Room: "!r:x", Outcome: Done})
		if r := verified(t, l); r.Entries != 3 || r.Signed != 0 {
			t.Errorf("before signing: %+v", r)
		}
		sign(t, l)
		if r := verified(t, l); r.Signed != 3 || r.Checkpoints != 1 || r.Root == "" {
			t.Errorf("after signing: %+v", r)
		}
		sign(t, l) // nothing new
		p.fill(l, 700)
		sign(t, l)
		p.fill(l, 20)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		again := p.open()
		if r := verified(t, again); r.Entries != 723 || r.Signed != 723 || r.Checkpoints != 3 {
			t.Errorf("after Close: %+v", r)
		}
		p.fill(again, 300) // goes on where the other ended
		sign(t, again)
		if r := verified(t, again); r.Signed != 1023 || r.Checkpoints != 4 {
			t.Errorf("after going on: %+v", r)
		}
	})
}

func TestEntryRefused(t *testing.T) {
	p := newPlace(t, "")
	l := p.open()
	for name, e := range map[string]Entry{
		"act":     {Act: "something", Outcome: Done},
		"outcome": {Act: Join, Outcome: "?"},
		"detail":  {Act: Join, Outcome: Done, Detail: map[string]any{"x": func() {}}},
	} {
		err := p.db.Write(t.Context(), "test", nil, func(tx *db.Tx) error { l.Append(tx, e); return nil })
		if err == nil {
			t.Errorf("%s: written", name)
		}
	}
	p.append(l, Entry{Act: SignInFailed, Who: id.UserID("@a\x00\xff" + strings.Repeat("x", 1000)), Outcome: Failed})
	page, err := l.Search(t.Context(), Query{})
	if err != nil || len(page.Entries) != 1 || len(page.Entries[0].Who) > maxText+10 || !strings.HasPrefix(string(page.Entries[0].Who), "@a\uFFFD\uFFFD") {
		t.Errorf("%+v, %v", page, err)
	}
	verified(t, l)
}

func TestEncodeDetail(t *testing.T) {
	for _, in := range []map[string]any{
		{"a": "b"}, {"z": 1, "a": int64(-2), "b": true, "c": nil, "d": 1.5, "e": []string{"x"}, "f\"\n": "\u2028<&>\x00", "g": map[string]any{"h": 1}},
		{"\xff": "\xff\xfe", "ok": "ä€😀"},
	} {
		got, err := encodeDetail(in)
		if err != nil {
			t.Fatal(err)
		}
		var back map[string]any
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		reference, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]any
		if err := json.Unmarshal(reference, &want); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprintf("%#v", back) != fmt.Sprintf("%#v", want) {
			t.Errorf("%s, want %s", got, reference)
		}
	}
}

// An act that is undone leaves no entry, and no gap.
func TestAppendIsPartOfTheAct(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		l := p.open()
		undone := errors.New("undone")
		var pending []*db.Pending
		for i := range 50 {
			pending = append(pending, p.db.Queue("test", nil, func(tx *db.Tx) error {
				l.Append(tx, Entry{Act: Join, Who: "@a:x", Target: fmt.Sprint(i), Outcome: Done})
				if i%3 == 0 {
					return undone
				}
				return nil
			}))
		}
		for i, w := range pending {
			if err := w.Wait(t.Context()); (err != nil) != (i%3 == 0) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if r := verified(t, l); r.Entries != 33 {
			t.Errorf("%d entries", r.Entries)
		}
	})
}

func TestDetailsErased(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		l := p.open()
		detail := func(s string) map[string]any { return map[string]any{"address": s} }
		p.append(l,
			Entry{Act: SignIn, Who: "@a:x", Outcome: Done, Detail: detail("a")},
			Entry{Act: SignIn, Who: "@b:x", Outcome: Done, Detail: detail("b")},
			Entry{Act: SignInFailed, Who: "@a:x", Outcome: Failed, Detail: detail("known")},
			Entry{Act: SignInFailed, Who: "@stranger:x", Outcome: Failed, Detail: detail("unknown")},
			Entry{Act: Admin, Outcome: Done, Detail: detail("nobody")})
		if known, err := p.keys.Exists(t.Context(), seal.Person("@stranger:x")); known || err != nil {
			t.Error("a failed sign-in made a key")
		}
		sign(t, l)
		if err := p.keys.Destroy(t.Context(), seal.Person("@a:x")); err != nil {
			t.Fatal(err)
		}
		verified(t, l)
		page, err := l.Search(t.Context(), Query{})
		if err != nil || len(page.Entries) != 5 {
			t.Fatalf("%+v, %v", page, err)
		}
		for i, want := range []string{"nobody", "unknown", "", "b", ""} {
			f := page.Entries[i]
			if f.Erased != (want == "") || f.Damaged || want != "" && f.Detail["address"] != want {
				t.Errorf("entry %d: %+v", f.Number, f)
			}
		}
		if s := page.Entries[4].describe(); !strings.Contains(s, "details erased") || !strings.Contains(s, `"@a:x"`) {
			t.Error(s)
		}
	})
}

func TestFileRead(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		l := p.open()
		read := func(l *Log, who id.UserID, device id.DeviceID, file string) {
			t.Helper()
			if err := l.FileRead(t.Context(), Entry{Who: who, Device: device, Room: "!r:x", Target: file, Outcome: Done}); err != nil {
				t.Fatal(err)
			}
		}
		count := func(want int64) {
			t.Helper()
			if n := p.number(`select count(*) from audit_leaf where act = $1`, string(FileRead)); n != want {
				t.Fatalf("%d entries, want %d", n, want)
			}
		}
		read(l, "@a:x", "D", "mxc://x/1")
		read(l, "@a:x", "D", "mxc://x/1")
		count(1)
		read(l, "@a:x", "E", "mxc://x/1")
		read(l, "@b:x", "D", "mxc://x/1")
		read(l, "@a:x", "D", "mxc://x/2")
		count(4)
		other := p.open() // after a restart
		read(other, "@a:x", "D", "mxc://x/1")
		count(4)
		p.now.Add(milliDay)
		read(l, "@a:x", "D", "mxc://x/1")
		read(l, "@a:x", "D", "mxc://x/1")
		count(5)
		if err := l.forgetReads(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := p.number(`select count(*) from audit_read_once`); n != 5 {
			t.Errorf("%d rows, yesterday's are still needed", n)
		}
		p.now.Add(milliDay)
		for range 2 {
			if err := l.forgetReads(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := p.number(`select count(*) from audit_read_once`); n != 1 {
			t.Errorf("%d rows left", n)
		}
		if err := l.FileRead(t.Context(), Entry{Who: "@a:x", Outcome: "?"}); err == nil {
			t.Error("unknown outcome accepted")
		}
		verified(t, l)
	})
}

func TestRefused(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		l := p.open()
		for range 500 {
			l.Refused(Entry{Act: SignInFailed, Who: "@a:x", Detail: map[string]any{"address": "192.0.2.1"}})
			p.now.Add(10)
		}
		l.Refused(Entry{Who: "@b:x", Room: "!r:x", Target: "m.room.name"})
		if n := p.number(`select count(*) from audit_leaf`); n != 0 {
			t.Errorf("%d entries at once", n)
		}
		if err := l.flushRefusals(t.Context()); err != nil {
			t.Fatal(err)
		}
		page, err := l.Search(t.Context(), Query{Who: "@a:x"})
		if err != nil || len(page.Entries) != 1 {
			t.Fatalf("%+v, %v", page, err)
		}
		f := page.Entries[0]
		if f.Act != SignInFailed || f.Outcome != Refused || f.Detail["count"] != float64(500) || f.Detail["address"] != "192.0.2.1" || f.Detail["first"] == f.Detail["last"] {
			t.Errorf("%+v", f)
		}
		page, err = l.Search(t.Context(), Query{Who: "@b:x", Acts: []Act{AccessRefused}})
		if err != nil || len(page.Entries) != 1 || page.Entries[0].Detail != nil {
			t.Fatalf("%+v, %v", page, err)
		}
		// The rest is written by Close, and very many different ones are counted together.
		for i := range maxRefusals + 50 {
			l.Refused(Entry{Who: id.UserID(fmt.Sprint("@x", i, ":x"))})
		}
		select {
		case <-l.refusals.full:
		default:
			t.Error("many refusals do not wake the writer")
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if n := p.number(`select count(*) from audit_leaf`); n != maxRefusals+3 {
			t.Errorf("%d entries", n)
		}
		page, err = l.Search(t.Context(), Query{Target: "many", Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		for len(page.Entries) == 0 && page.Next > 0 {
			page, err = l.Search(t.Context(), Query{Target: "many", Before: page.Next})
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(page.Entries) != 1 || page.Entries[0].Detail["count"] != float64(50) {
			t.Errorf("%+v", page)
		}
		verified(t, p.open())
	})
}

// The leaf hash is RFC 6962's over record and tag, and no two entries have the same record.
func TestRecord(t *testing.T) {
	p := newPlace(t, "")
	l := p.open()
	r := rand.New(rand.NewPCG(1, 2))
	parts := []string{"", "a", "b", "ab", "\x01", "aa"}
	seen := map[string]leaf{}
	for range 20_000 {
		pick := func() string { return parts[r.IntN(len(parts))] }
		f := leaf{number: int64(r.IntN(3)), time: int64(r.IntN(3) - 1), act: pick(), who: pick(), device: pick(), room: pick(), target: pick(), outcome: pick()}
		if r.IntN(2) == 0 {
			f.sealed = []byte(pick())
		}
		record := string(f.record(nil))
		if other, ok := seen[record]; ok && fmt.Sprintf("%+v", other) != fmt.Sprintf("%+v", f) {
			t.Fatalf("%+v and %+v have the same record", f, other)
		}
		seen[record] = f
		tag, hash := f.seal(l.tags)
		if hash != tlog.RecordHash(append([]byte(record), tag...)) {
			t.Fatal("not the RFC's hash")
		}
	}
}
