package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/tlog"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/seal"
)

// place is a database and a data directory, with a clock that stands still unless moved.
type place struct {
	t    testing.TB
	db   *db.DB
	dir  string
	url  string
	keys *seal.Keys
	now  atomic.Int64
}

func newPlace(t testing.TB, url string) *place {
	t.Helper()
	p := &place{t: t, url: url, dir: t.TempDir()}
	p.now.Store(1_795_000_000_000) // 2026-11-18
	p.db = p.openDB()
	p.keys = p.openKeys(p.dir)
	return p
}

func (p *place) openDB() *db.DB {
	if p.url != "" {
		return dbtest.Open(p.t, db.Options{URL: p.url})
	}
	return dbtest.Open(p.t, db.Options{Path: filepath.Join(p.dir, "myelin.db")})
}

const testMaster = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

func (p *place) openKeys(dir string) *seal.Keys {
	p.t.Helper()
	k, err := seal.Open(p.t.Context(), seal.Options{Dir: dir, URL: p.url, MasterKey: testMaster})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { k.Close() })
	return k
}

func (p *place) clock() time.Time { return time.UnixMilli(p.now.Load()) }

func (p *place) options() Options {
	return Options{DB: p.db, Keys: p.keys, Name: "hospital.example", Dir: p.dir, Clock: p.clock,
		Log: slog.New(slog.NewTextHandler(p.t.Output(), nil))}
}

func (p *place) open() *Log { return openWith(p.t, p.options()) }

func openWith(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func each(t *testing.T, f func(t *testing.T, p *place)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, newPlace(t, "")) })
	t.Run("postgres", func(t *testing.T) { f(t, newPlace(t, dbtest.PostgresURL(t))) })
}

func (p *place) append(l *Log, entries ...Entry) {
	p.t.Helper()
	err := p.db.Write(p.t.Context(), "test", nil, func(tx *db.Tx) error {
		for _, e := range entries {
			l.Append(tx, e)
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// fill appends n entries of various people, rooms and acts, a second apart.
func (p *place) fill(l *Log, n int) {
	p.t.Helper()
	for n > 0 {
		part := min(n, 100)
		err := p.db.Write(p.t.Context(), "test", nil, func(tx *db.Tx) error {
			for i := range part {
				p.now.Add(1000)
				l.Append(tx, Entry{Act: Acts[i%len(Acts)], Who: id.UserID(fmt.Sprintf("@u%d:hospital.example", i%7)), Device: "DEV",
					Room: id.RoomID(fmt.Sprintf("!r%d:hospital.example", i%3)), Target: fmt.Sprint("$event", i), Outcome: Done})
			}
			return nil
		})
		if err != nil {
			p.t.Fatal(err)
		}
		n -= part
	}
}

func (p *place) exec(q string, args ...any) {
	p.t.Helper()
	err := p.db.Write(p.t.Context(), "tamper", nil, func(tx *db.Tx) error {
		n, err := tx.Exec(q, args...)
		if err == nil && n == 0 {
			err = errors.New("no row was changed")
		}
		return err
	})
	if err != nil {
		p.t.Fatalf("%s: %v", q, err)
	}
}

func (p *place) number(q string, args ...any) int64 {
	p.t.Helper()
	var n int64
	if err := p.db.QueryRow(p.t.Context(), q, args...).Scan(&n); err != nil {
		p.t.Fatal(err)
	}
	return n
}

func verified(t testing.TB, l *Log) Report {
	t.Helper()
	r, err := l.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Bad != nil {
		t.Fatalf("verify: %v", r.Bad)
	}
	return r
}

func sign(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Sign(t.Context()); err != nil {
		t.Fatal(err)
	}
}

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

// The background work signs without being asked.
func TestBackground(t *testing.T) {
	p := newPlace(t, "")
	o := p.options()
	o.Interval = time.Millisecond
	l := openWith(t, o)
	l.Start()
	p.fill(l, 2*indexChunk)
	l.Refused(Entry{Who: "@refused:x"})
	deadline := time.Now().Add(20 * time.Second)
	for p.number(`select coalesce(max(size), 0) from audit_checkpoint`) < 2*indexChunk+1 || p.number(`select count(*) from audit_index where chunk = 1 and kind = 'day'`) == 0 {
		if time.Now().After(deadline) {
			t.Fatal("nothing was signed or indexed")
		}
		if err := p.db.Write(t.Context(), "let time pass", nil, func(*db.Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if r := verified(t, l); r.Signed != 2*indexChunk+1 {
		t.Errorf("%+v", r)
	}
}

func TestSigningKey(t *testing.T) {
	url := dbtest.PostgresURL(t)
	p := newPlace(t, url)
	l := p.open()
	p.fill(l, 3)
	sign(t, l)

	// Another node with a data directory of its own adopts the key.
	o := p.options()
	o.Dir = t.TempDir()
	node := openWith(t, o)
	if node.PublicKey() != l.PublicKey() || !strings.HasPrefix(l.PublicKey(), "hospital.example/audit+") {
		t.Errorf("keys are %s and %s", node.PublicKey(), l.PublicKey())
	}
	p.fill(node, 3)
	sign(t, node)
	p.fill(l, 3)
	sign(t, l) // has to notice that the other signed
	if r := verified(t, node); r.Signed != 9 || r.Checkpoints != 3 {
		t.Errorf("%+v", r)
	}
	verified(t, l)

	for name, change := range map[string]func(o *Options){
		"other name": func(o *Options) { o.Name = "other.example" },
		"bad name":   func(o *Options) { o.Name = "a b"; o.Dir = t.TempDir() },
		"no folder":  func(o *Options) { o.Dir = filepath.Join(o.Dir, "missing") },
		"other key": func(o *Options) {
			o.Dir = t.TempDir()
			other := newPlace(t, "")
			openWith(t, other.options())
			if err := seal.WriteSecretFile(filepath.Join(o.Dir, "audit.key"), readFile(t, filepath.Join(other.dir, "audit.key"))); err != nil {
				t.Fatal(err)
			}
		},
		"damaged": func(o *Options) {
			o.Dir = t.TempDir()
			if err := seal.WriteSecretFile(filepath.Join(o.Dir, "audit.key"), []byte("x\ny\n")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		o := p.options()
		change(&o)
		if _, err := Open(t.Context(), o); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func TestNodesStartAtOnce(t *testing.T) {
	url := dbtest.PostgresURL(t)
	p := newPlace(t, url)
	logs := make(chan *Log, 4)
	for range 4 {
		o := p.options()
		o.Dir = t.TempDir()
		go func() {
			l, err := Open(t.Context(), o)
			if err != nil {
				t.Error(err)
			}
			logs <- l
		}()
	}
	first := <-logs
	for range 3 {
		if l := <-logs; l != nil && first != nil && l.PublicKey() != first.PublicKey() {
			t.Error("nodes sign with different keys")
		}
	}
}

// A tool that opens the log to look at it signs nothing.
func TestCloseWithoutStart(t *testing.T) {
	p := newPlace(t, "")
	l := p.open()
	p.fill(l, 5)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if n := p.number(`select count(*) from audit_checkpoint`); n != 0 {
		t.Errorf("%d checkpoints", n)
	}
	started := p.open()
	started.Start()
	if err := errors.Join(started.Close(), started.Close()); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, l); r.Signed != 5 {
		t.Errorf("%+v", r)
	}
}

func FuzzCheckpoint(f *testing.F) {
	p := newPlace(f, "")
	l := p.open()
	p.fill(l, 5)
	sign(f, l)
	good := l.head.last
	f.Add(good.note)
	f.Add("")
	f.Add("a\n1\nb\n\n— hospital.example/audit AAAA\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := good
		c.note = text
		if _, err := l.openCheckpoint(&c); (err == nil) != (text == good.note) {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// Two processes write and sign one log at once.
func TestTwoProcesses(t *testing.T) {
	url := dbtest.PostgresURL(t)
	a := newPlace(t, url)
	b := &place{t: t, url: url, dir: t.TempDir()}
	b.now.Store(a.now.Load())
	b.db = b.openDB()
	b.keys = b.openKeys(b.dir)
	logs := []*Log{a.open(), b.open()}
	done := make(chan error, 2)
	for i, p := range []*place{a, b} {
		go func() {
			for range 20 {
				err := p.db.Write(t.Context(), "test", nil, func(tx *db.Tx) error {
					for range 10 {
						logs[i].Append(tx, Entry{Act: Join, Who: "@a:x", Outcome: Done, Detail: map[string]any{"x": "y"}})
					}
					return nil
				})
				if err == nil {
					err = logs[i].Sign(t.Context())
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range logs {
		if r := verified(t, l); r.Entries != 400 || r.Signed != 400 {
			t.Errorf("%+v", r)
		}
	}
}

func TestTreeIsRFC6962(t *testing.T) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range indexes {
			out = append(out, stored[i])
		}
		return out, nil
	})
	tiles := map[[2]int64][]byte{}
	mine := &tree{full: func(level int, number int64, hashes []byte) {
		tiles[[2]int64{int64(level), number}] = bytes.Clone(hashes)
	}}
	for n := int64(0); n < 70_000; n++ {
		if n < 2000 || n%97 == 0 || n&(n-1) == 0 || n%256 == 0 {
			want, err := tlog.TreeHash(n, reader)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				want = mine.root() // tlog has a constant; checked below
			}
			if mine.root() != want {
				t.Fatalf("root over %d leaves differs", n)
			}
		}
		data := fmt.Append(nil, n)
		hashes, err := tlog.StoredHashes(n, data, reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, hashes...)
		mine.add(tlog.RecordHash(data))
	}
	for _, tile := range tlog.NewTiles(8, 0, 70_000) {
		if tile.W != tileWidth {
			continue
		}
		want, err := tlog.ReadTileData(tile, reader)
		if err != nil || !bytes.Equal(tiles[[2]int64{int64(tile.L), tile.N}], want) {
			t.Errorf("tile %v differs: %v", tile, err)
		}
	}
	empty, err := tlog.TreeHash(0, reader)
	if err != nil || (&tree{}).root() != empty {
		t.Error("root over nothing")
	}
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

func BenchmarkAppend(b *testing.B) {
	p := newPlace(b, "")
	l := p.open()
	table := leafTable
	for name, detail := range map[string]map[string]any{"plain": nil, "with details": {"address": "192.0.2.7", "agent": "Mozilla/5.0"}} {
		b.Run(name, func(b *testing.B) {
			e := Entry{Act: MessageSend, Who: "@nurse:hospital.example", Device: "ABCDEFGHIJ", Room: "!abcdefghijklmnopqr:hospital.example",
				Target: "$abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrs", Outcome: Done, Detail: detail}
			b.ReportAllocs()
			for b.Loop() {
				f := &leaf{number: 1, time: p.now.Load(), act: string(e.Act), who: clean(string(e.Who)), device: string(e.Device), room: string(e.Room), target: e.Target, outcome: string(e.Outcome)}
				if e.Detail != nil {
					var err error
					if f.sealed, err = l.sealDetail(b.Context(), f, e.Detail); err != nil {
						b.Fatal(err)
					}
				}
				f.seal(l.tags)
			}
			_ = table
		})
	}
	b.Run("in the lane, 60 a write", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; n < b.N; n += 60 {
			p.append(l, make60()...)
		}
	})
}

func make60() []Entry {
	e := make([]Entry, 60)
	for i := range e {
		e[i] = Entry{Act: MessageSend, Who: "@nurse:hospital.example", Device: "ABCDEFGHIJ", Room: "!abcdefghijklmnopqr:hospital.example",
			Target: "$abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrs", Outcome: Done}
	}
	return e
}

func BenchmarkVerify(b *testing.B) {
	p := newPlace(b, "")
	l := p.open()
	p.fill(l, 20_000)
	sign(b, l)
	b.ResetTimer()
	for b.Loop() {
		verified(b, l)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/20_000, "ns/entry")
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
