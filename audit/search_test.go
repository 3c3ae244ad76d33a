package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/seal"
)

// all pages through a search.
func all(t *testing.T, l *Log, q Query) []Found {
	t.Helper()
	var found []Found
	for {
		page, err := l.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, page.Entries...)
		if page.Next == 0 {
			return found
		}
		if q.Before != 0 && page.Next >= q.Before {
			t.Fatalf("page does not go on: %d after %d", page.Next, q.Before)
		}
		q.Before = page.Next
	}
}

// Every search finds what a look at all entries finds, in order, with and without index.
func TestSearchProperty(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		l := p.open()
		r := rand.New(rand.NewPCG(5, 6))
		person := func(i int) id.UserID { return id.UserID(fmt.Sprintf("@u%d:x", i)) }
		room := func(i int) id.RoomID { return id.RoomID(fmt.Sprintf("!r%d:x", i)) }
		began := p.now.Load()
		var entries []Found
		for len(entries) < 3*indexChunk+300 {
			err := p.db.Write(t.Context(), "test", nil, func(tx *db.Tx) error {
				for range 120 {
					p.now.Add(int64(r.IntN(120_000)))
					e := Entry{Act: Acts[r.IntN(len(Acts))], Who: person(r.IntN(40)), Device: id.DeviceID(fmt.Sprint("D", r.IntN(3))),
						Target: fmt.Sprint("t", r.IntN(5)), Outcome: outcomes[r.IntN(3)]}
					if r.IntN(4) > 0 {
						e.Room = room(r.IntN(30))
					}
					l.Append(tx, e)
					entries = append(entries, Found{Number: int64(len(entries) + 1), Time: p.clock().UTC(), Entry: e})
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		span := p.now.Load() - began
		check := func(q Query) {
			t.Helper()
			var want []int64
			for _, f := range slices.Backward(entries) {
				if (q.Who == "" || f.Who == q.Who) && (q.Room == "" || f.Room == q.Room) && (len(q.Acts) == 0 || slices.Contains(q.Acts, f.Act)) &&
					(q.Device == "" || f.Device == q.Device) && (q.Target == "" || f.Target == q.Target) && (q.Outcome == "" || f.Outcome == q.Outcome) &&
					(q.From.IsZero() || !f.Time.Before(q.From)) && (q.To.IsZero() || f.Time.Before(q.To)) && (q.Before == 0 || f.Number < q.Before) {
					want = append(want, f.Number)
				}
			}
			var got []int64
			for _, f := range all(t, l, q) {
				got = append(got, f.Number)
				e := entries[f.Number-1]
				if f.Act != e.Act || f.Who != e.Who || f.Room != e.Room || f.Device != e.Device || f.Target != e.Target || f.Outcome != e.Outcome || !f.Time.Equal(e.Time) {
					t.Fatalf("entry %d is %+v, want %+v", f.Number, f, e)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%+v: found %d entries, want %d\n%v\n%v", q, len(got), len(want), got, want)
			}
		}
		for round := range 3 {
			for i := range 50 {
				q := Query{Limit: []int{0, 100, 300, 5000}[r.IntN(4)]}
				if i < 3 {
					q = Query{Limit: 7, Before: 200 + indexChunk*int64(r.IntN(3))}
				}
				if r.IntN(2) == 0 {
					q.Who = person(r.IntN(41))
				}
				if r.IntN(3) == 0 {
					q.Room = room(r.IntN(31))
				}
				if r.IntN(3) == 0 {
					for range 1 + r.IntN(4) {
						q.Acts = append(q.Acts, Acts[r.IntN(len(Acts))])
					}
				}
				if r.IntN(5) == 0 {
					q.Device, q.Outcome, q.Target = "D1", Done, "t2"
				}
				if r.IntN(3) == 0 {
					q.From = time.UnixMilli(began + r.Int64N(span))
				}
				if r.IntN(3) == 0 {
					q.To = time.UnixMilli(began + r.Int64N(span))
				}
				if r.IntN(3) == 0 {
					q.Before = 1 + r.Int64N(int64(len(entries))+100)
				}
				check(q)
			}
			if round == 1 {
				break
			}
			if err := l.Index(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := p.number(`select count(distinct chunk) from audit_index`); n != 3 {
				t.Fatalf("%d chunks indexed", n)
			}
		}
		if err := l.Index(t.Context()); err != nil { // nothing to do
			t.Fatal(err)
		}
	})
}

// A search that finds little comes back with an empty page and where to go on.
func TestSearchEffort(t *testing.T) {
	p := newPlace(t, "")
	l := p.open()
	p.append(l, Entry{Act: Join, Who: "@rare:x", Device: "RARE", Outcome: Done})
	p.fill(l, searchEffort+500)
	page, err := l.Search(t.Context(), Query{Device: "RARE"})
	if err != nil || len(page.Entries) != 0 || page.Next == 0 {
		t.Fatalf("%+v, %v", page, err)
	}
	if found := all(t, l, Query{Device: "RARE"}); len(found) != 1 {
		t.Errorf("%+v", found)
	}
	// Many rows of one value: more than one step of the index.
	if err := l.Index(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found := all(t, l, Query{Acts: Acts, Who: "@rare:x"}); len(found) != 1 {
		t.Errorf("%+v", found)
	}
	if found := all(t, l, Query{Acts: Acts, Limit: 1000}); len(found) != searchEffort+501 {
		t.Errorf("found %d", len(found))
	}
	if found := all(t, l, Query{Who: "@rare:x"}); len(found) != 1 {
		t.Errorf("%+v", found)
	}
}

func TestIndexOfAnother(t *testing.T) {
	p := newPlace(t, "")
	l := p.open()
	p.fill(l, indexChunk)
	version, upto, err := l.indexedTo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, full, err := l.readChunk(t.Context(), upto)
	if err != nil || !full {
		t.Fatal(full, err)
	}
	if err := l.Index(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.writeChunk(t.Context(), version, upto, found); err == nil {
		t.Error("a chunk was indexed twice")
	}
}

func TestExport(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		l := p.open()
		p.append(l, Entry{Act: SignIn, Who: "@a:x", Device: "D", Room: "!r:x", Target: "t", Outcome: Done, Detail: map[string]any{"address": "192.0.2.7"}})
		p.append(l, Entry{Act: SignIn, Who: "@gone:x", Outcome: Done, Detail: map[string]any{"address": "192.0.2.8"}})
		p.fill(l, 600)
		if err := p.keys.Destroy(t.Context(), seal.Person("@gone:x")); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := l.Export(t.Context(), &out, time.Time{}, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "\n"); n != 602 {
			t.Errorf("%d lines", n)
		}
		sign(t, l)
		out.Reset()
		if err := Command(t.Context(), l, &out, []string{"export"}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 603 {
			t.Fatalf("%d lines", len(lines))
		}
		var first, second exported
		var last map[string]string
		for i, into := range map[int]any{0: &first, 1: &second, 602: &last} {
			if err := json.Unmarshal([]byte(lines[i]), into); err != nil {
				t.Fatal(err)
			}
		}
		if first.Number != 1 || first.Who != "@a:x" || first.Detail["address"] != "192.0.2.7" || first.Hash == "" || first.Time == "" {
			t.Errorf("%+v", first)
		}
		if !second.Erased || second.Detail != nil {
			t.Errorf("%+v", second)
		}
		if !strings.Contains(last["checkpoint"], "hospital.example/audit\n602\n") || last["key"] != l.PublicKey() {
			t.Errorf("%+v", last)
		}
		out.Reset()
		from := p.clock().Add(-10 * time.Second)
		if err := l.Export(t.Context(), &out, from, from.Add(5*time.Second)); err != nil || strings.Count(out.String(), "\n") != 6 {
			t.Errorf("%v, %s", err, out.String())
		}
		if err := l.Export(t.Context(), &failing{}, time.Time{}, time.Time{}); err == nil {
			t.Error("the disk was full, and nobody says so")
		}
	})
}

type failing struct{}

// Write implements io.Writer.
func (failing) Write([]byte) (int, error) { return 0, fmt.Errorf("disk full") }

func TestCommand(t *testing.T) {
	p := newPlace(t, "")
	l := p.open()
	p.fill(l, 120)
	p.append(l, Entry{Act: SignIn, Who: "@a:x", Outcome: Done, Detail: map[string]any{"address": "192.0.2.7"}})
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := Command(t.Context(), l, &out, args)
		return out.String(), err
	}
	for _, args := range [][]string{nil, {"x"}, {"verify", "x"}, {"search", "x"}, {"search", "-act", "x"}, {"search", "-from", "x"}, {"search", "-x"}, {"export", "x"}} {
		if out, err := run(args...); err == nil || out != "" {
			t.Errorf("%v: %q, %v", args, out, err)
		}
	}
	expect := func(want string, args ...string) {
		t.Helper()
		out, err := run(args...)
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: %q, %v", args, out, err)
		}
	}
	expect("121 entries, of which 0 are signed", "verify")
	sign(t, l)
	expect("121 entries, of which 121 are signed by 1 checkpoints.\nRoot of the tree: ", "verify")
	expect(`{"address":"192.0.2.7"}`, "search", "-who", "@a:x")
	expect("There may be more: -before 72", "search")
	expect(`71  2026-`, "search", "-before", "72", "-limit", "1")
	expect(`sign-in (done)  by "@a:x"`, "search", "-act", "sign-in, joined", "-outcome", "done", "-from", "2026-11-01", "-to", "2027-01-01T00:00:00Z")
	if out, err := run("search", "-to", "2020-01-01"); err != nil || out != "" {
		t.Errorf("%q, %v", out, err)
	}
	if s := (moment{&time.Time{}}).String(); s != "" {
		t.Error(s)
	}
	if s := (moment{&[]time.Time{time.Unix(0, 0).UTC()}[0]}).String(); s != "1970-01-01T00:00:00Z" {
		t.Error(s)
	}
	p.exec(`update audit_leaf set sealed = x'70' where number = 121`)
	expect("details damaged", "search", "-limit", "1")
	out, err := run("verify")
	if err == nil || err.Error() != "audit entry 121: it was changed or inserted" || !strings.Contains(out, "The first bad entry is 121") {
		t.Errorf("%q, %v", out, err)
	}
}
