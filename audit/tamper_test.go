package audit

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/seal"
)

// dump is the rows of a table, to put them back.
type dump struct {
	table, columns string
	rows           [][]any
}

var dumped = []dump{
	{table: "audit_leaf", columns: leafColumns},
	{table: "audit_tile", columns: "level, number, hashes"},
	{table: "audit_checkpoint", columns: "number, time, size, note"},
	{table: "audit_key", columns: "one, public, sealed"},
	{table: "position", columns: "one, stream, leaf"},
}

func (p *place) dump() []dump {
	p.t.Helper()
	var all []dump
	for _, d := range dumped {
		rows, err := p.db.Query(p.t.Context(), "select "+d.columns+" from "+d.table)
		if err != nil {
			p.t.Fatal(err)
		}
		for rows.Next() {
			row := make([]any, strings.Count(d.columns, ",")+1)
			at := make([]any, len(row))
			for i := range row {
				at[i] = &row[i]
			}
			if err := rows.Scan(at...); err != nil {
				p.t.Fatal(err)
			}
			d.rows = append(d.rows, row)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			p.t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

// restore puts the rows of one table back.
func (p *place) restore(all []dump, table string) {
	p.t.Helper()
	err := p.db.Write(p.t.Context(), "restore", nil, func(tx *db.Tx) error {
		for _, d := range all {
			if d.table != table {
				continue
			}
			if table == "position" {
				_, err := tx.Exec(`update position set leaf = $1`, d.rows[0][2])
				return err
			}
			if _, err := tx.Exec("delete from " + table); err != nil {
				return err
			}
			n := len(d.rows[0])
			var marks []string
			for i := range n {
				marks = append(marks, fmt.Sprintf("$%d", i+1))
			}
			for _, row := range d.rows {
				if _, err := tx.Exec("insert into "+table+" ("+d.columns+") values ("+strings.Join(marks, ", ")+")", row...); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		p.t.Fatalf("restore %s: %v", table, err)
	}
}

// tampered is a log with everything in it: four checkpoints, full and partial tiles of two levels, unsigned entries, and
// entries with details and without.
func tampered(t *testing.T, p *place) *Log {
	l := p.open()
	for _, n := range []int{100, 200, 290, 40} {
		p.fill(l, n-1)
		p.append(l, Entry{Act: SignIn, Who: "@a:x", Device: "D", Room: "!r:x", Target: "t", Outcome: Done, Detail: map[string]any{"address": n}})
		sign(t, l)
	}
	p.fill(l, 19)
	p.append(l, Entry{Act: SignIn, Who: "@b:x", Outcome: Done, Detail: map[string]any{"address": "x"}})
	if r := verified(t, l); r.Entries != 650 || r.Signed != 630 || r.Checkpoints != 4 {
		t.Fatalf("%+v", r)
	}
	return l
}

func expectBad(t *testing.T, l *Log, what string, entry int64, words ...string) {
	t.Helper()
	r, err := l.Verify(t.Context())
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if r.Bad == nil {
		t.Errorf("%s: not found", what)
		return
	}
	if entry != 0 && r.Bad.Entry != entry {
		t.Errorf("%s: named entry %d, want %d: %v", what, r.Bad.Entry, entry, r.Bad)
	}
	for _, w := range words {
		if !strings.Contains(r.Bad.What, w) {
			t.Errorf("%s: %q does not say %q", what, r.Bad.What, w)
		}
	}
}

// other returns a value that differs from v and fits its column.
func other(r *rand.Rand, v any) any {
	switch v := v.(type) {
	case int64:
		return v + 1_000_000 + r.Int64N(1000)
	case string:
		if len(v) == 0 || r.IntN(2) == 0 {
			return v + "x"
		}
		i := r.IntN(len(v))
		return v[:i] + string(rune('!'+r.IntN(90))) + v[i:]
	case []byte:
		if r.IntN(3) == 0 {
			return append(bytes.Clone(v), 1)
		}
		if r.IntN(3) == 0 {
			return v[:len(v)-1]
		}
		b := bytes.Clone(v)
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		return b
	}
	return []byte("something") // was null
}

// Every column of every row: change it, and Verify names it.
func TestTamperEveryColumn(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		l := tampered(t, p)
		r := rand.New(rand.NewPCG(3, 4))
		all := p.dump()
		for _, d := range all[:4] {
			names := strings.Split(d.columns, ", ")
			for column, name := range names {
				if d.table == "audit_key" && name != "public" {
					continue // not part of the log
				}
				tries := 6
				if len(d.rows) <= 10 {
					tries = len(d.rows)
				}
				for i := range tries {
					row := d.rows[i]
					if len(d.rows) > 10 {
						row = d.rows[r.IntN(len(d.rows))]
					}
					keys := 1
					if d.table == "audit_tile" {
						keys = 2
					}
					value := other(r, row[column])
					var where []string
					args := []any{value}
					for k := range keys {
						args = append(args, row[k])
						where = append(where, fmt.Sprintf("%s = $%d", names[k], k+2))
					}
					if d.table == "audit_tile" && name == "number" && row[0] == int64(0) && row[1] == int64(0) {
						value = int64(7)
						args[0] = value
					}
					p.exec("update "+d.table+" set "+name+" = $1 where "+strings.Join(where, " and "), args...)
					entry := int64(0)
					if d.table == "audit_leaf" {
						entry = row[0].(int64)
					}
					expectBad(t, l, fmt.Sprintf("%s.%s of row %v", d.table, name, row[:keys]), entry)
					args[0] = row[column]
					if column < keys {
						args[column+1] = value
					}
					p.exec("update "+d.table+" set "+name+" = $1 where "+strings.Join(where, " and "), args...)
				}
			}
		}
		verified(t, l)
		for _, number := range []int64{100, 300, 590, 630, 650} { // those with details
			p.exec(`update audit_leaf set sealed = null where number = $1`, number)
			expectBad(t, l, "details removed", number)
			p.restore(all, "audit_leaf")
		}
		verified(t, l)
	})
}

func TestTamperRows(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		l := tampered(t, p)
		all := p.dump()
		leaf := func(what string, entry int64, words []string, q string, args ...any) {
			t.Helper()
			p.exec(q, args...)
			expectBad(t, l, what, entry, words...)
			p.restore(all, "audit_leaf")
		}
		missing, inserted := []string{"missing"}, []string{"inserted"}
		for _, n := range []int64{1, 2, 99, 100, 101, 255, 256, 257, 512, 630, 631, 649} {
			leaf("remove", n, missing, `delete from audit_leaf where number = $1`, n)
		}
		leaf("remove the last", 650, missing, `delete from audit_leaf where number = 650`)
		leaf("remove the unsigned", 631, missing, `delete from audit_leaf where number > 630`)
		leaf("remove a signed end", 500, missing, `delete from audit_leaf where number >= 500`)
		leaf("remove all", 1, missing, `delete from audit_leaf`)
		copyOf := `insert into audit_leaf (` + leafColumns + `) select %d, time, act, who, device, room, target, outcome, sealed, tag, hash from audit_leaf where number = 7`
		leaf("insert at the end", 651, inserted, fmt.Sprintf(copyOf, 651))
		leaf("insert beyond the end", 651, missing, fmt.Sprintf(copyOf, 700))
		leaf("insert before the start", 0, inserted, fmt.Sprintf(copyOf, 0))
		leaf("insert far before the start", -3, inserted, fmt.Sprintf(copyOf, -3))
		p.exec(`delete from audit_leaf where number = 20`)
		leaf("replace", 20, nil, fmt.Sprintf(copyOf, 20))
		verified(t, l)

		tile := func(what string, q string, args ...any) {
			t.Helper()
			p.exec(q, args...)
			expectBad(t, l, what, 0)
			p.restore(all, "audit_tile")
		}
		for _, d := range all[1].rows {
			tile("remove tile", `delete from audit_tile where level = $1 and number = $2`, d[0], d[1])
		}
		tile("insert tile", `insert into audit_tile (level, number, hashes) select 0, 9, hashes from audit_tile where level = 1`)
		tile("insert tile of a higher level", `insert into audit_tile (level, number, hashes) select 2, 0, hashes from audit_tile where level = 1`)

		check := func(what string, entry int64, q string, args ...any) {
			t.Helper()
			p.exec(q, args...)
			expectBad(t, l, what, entry)
			p.restore(all, "audit_checkpoint")
		}
		for i, n := range []int64{1, 101, 301, 631} { // the last leaves tiles that belong to no checkpoint
			check(fmt.Sprint("remove checkpoint ", i+1), min(n, 591), `delete from audit_checkpoint where number = $1`, i+1)
		}
		check("remove all checkpoints", 1, `delete from audit_checkpoint`)
		check("insert checkpoint", 631, `insert into audit_checkpoint (number, time, size, note) select 5, time, size, note from audit_checkpoint where number = 4`)
		check("insert checkpoint before", 1, `insert into audit_checkpoint (number, time, size, note) select 0, time, size, note from audit_checkpoint where number = 1`)
		check("insert checkpoint far before", 1, `insert into audit_checkpoint (number, time, size, note) select -1, time, size, note from audit_checkpoint where number = 1`)
		p.exec(`delete from audit_checkpoint where number = 3`)
		check("renumber", 301, `update audit_checkpoint set number = 3 where number = 4`)
		verified(t, l)
	})
}

// rewrite changes who did entry n, with tag, hash and stored tree made to fit as far as asked.
func (p *place) rewrite(l *Log, n int64, tag, tiles bool) {
	p.t.Helper()
	leaves, err := l.leavesAfter(p.t.Context(), n-1, 1)
	if err != nil {
		p.t.Fatal(err)
	}
	f := leaves[0]
	f.who = "@somebody.else:x"
	hash := tlog.RecordHash(append(f.record(nil), f.tag...))
	if tag {
		f.tag, hash = f.seal(l.tags)
	}
	p.exec(`update audit_leaf set who = $1, tag = $2, hash = $3 where number = $4`, f.who, f.tag, hash[:], n)
	if !tiles {
		return
	}
	// The whole tree anew, as far as it was signed.
	rows, err := p.db.Query(p.t.Context(), `select hash from audit_leaf where number <= 630 order by number`)
	if err != nil {
		p.t.Fatal(err)
	}
	var all [][]byte
	for rows.Next() {
		var h []byte
		if err := rows.Scan(&h); err != nil {
			p.t.Fatal(err)
		}
		all = append(all, h)
	}
	if err := rows.Close(); err != nil {
		p.t.Fatal(err)
	}
	put := func(level int, number int64, hashes []byte) {
		p.exec(`update audit_tile set hashes = $1 where level = $2 and number = $3`, hashes, level, number)
	}
	fresh := &tree{full: put}
	for _, h := range all {
		fresh.add(tlog.Hash(h))
	}
	for level, hashes := range fresh.edge {
		put(level, fresh.size>>(8*(level+1)), hashes)
	}
}

// Somebody changes an entry and makes the rest fit, as far as they have the keys.
func TestTamperCleverly(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		l := tampered(t, p)
		all := p.dump()
		back := func() {
			t.Helper()
			for _, d := range all {
				p.restore(all, d.table)
			}
			verified(t, l)
		}
		for _, n := range []int64{1, 150, 300, 630, 640} {
			p.rewrite(l, n, false, false)
			expectBad(t, l, "hash made to fit", n, "with a hash that fits")
			p.restore(all, "audit_leaf")
		}
		for _, n := range []int64{1, 150, 300, 630} {
			p.rewrite(l, n, true, false)
			expectBad(t, l, "tag and hash made to fit", n, "stored tree")
			p.restore(all, "audit_leaf")
		}
		// With the server's keys, but not the one that signs: the signature tells between which entries.
		for n, first := range map[int64]int64{1: 1, 150: 101, 630: 591} {
			p.rewrite(l, n, true, true)
			expectBad(t, l, "tag, hash and tree made to fit", first, "signed other entries")
			back()
		}
		// Signed again with another key.
		private, _, err := note.GenerateKey(rand2{}, l.origin)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := note.NewSigner(private)
		if err != nil {
			t.Fatal(err)
		}
		resign := func(number int64, change func(text string) string) {
			t.Helper()
			var text string
			if err := p.db.QueryRow(t.Context(), `select note from audit_checkpoint where number = $1`, number).Scan(&text); err != nil {
				t.Fatal(err)
			}
			p.exec(`update audit_checkpoint set note = $1 where number = $2`, change(text), number)
		}
		resign(2, func(s string) string {
			text, _, _ := strings.Cut(s, "\n\n")
			forged, err := note.Sign(&note.Note{Text: text + "\n"}, signer)
			if err != nil {
				t.Fatal(err)
			}
			return string(forged)
		})
		expectBad(t, l, "signed with another key", 101, "checkpoint 2", "signature")
		back()
		resign(2, func(s string) string {
			n, err := note.Open([]byte(s), note.VerifierList(l.verifier))
			if err != nil {
				t.Fatal(err)
			}
			both, err := note.Sign(n, signer)
			if err != nil {
				t.Fatal(err)
			}
			return string(both)
		})
		expectBad(t, l, "a signature added", 101, "added")
		back()

		// Signed with the right key, but not in this order.
		for what, text := range map[string]string{
			"no checkpoint": "x\n",
			"no number":     "hospital.example/audit\n300\n" + tlog.Hash{}.String() + "\n",
			"wrong words":   "hospital.example/audit\n300\n" + tlog.Hash{}.String() + "\nnumber x\n",
			"other log":     "other\n300\n" + tlog.Hash{}.String() + "\nnumber 2\ntime 1\nprevious none\n",
		} {
			resign(2, func(string) string {
				forged, err := note.Sign(&note.Note{Text: text}, l.signer)
				if err != nil {
					t.Fatal(err)
				}
				return string(forged)
			})
			expectBad(t, l, what, 101, "checkpoint 2")
			back()
		}
		var c checkpoint
		if err := p.db.QueryRow(t.Context(), `select number, time, size, note from audit_checkpoint where number = 2`).Scan(&c.number, &c.time, &c.size, &c.note); err != nil {
			t.Fatal(err)
		}
		root, err := l.openCheckpoint(&c)
		if err != nil {
			t.Fatal(err)
		}
		resign(2, func(string) string {
			forged, err := note.Sign(&note.Note{Text: c.text(l.origin, root, "another")}, l.signer)
			if err != nil {
				t.Fatal(err)
			}
			return string(forged)
		})
		expectBad(t, l, "another one before it", 101, "after another")
		back()
	})
}

// The end is cut off, in all tables.
func TestTamperEnd(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		l := tampered(t, p)
		cut := func() {
			t.Helper()
			p.exec(`delete from audit_leaf where number > 590`)
			p.exec(`delete from audit_checkpoint where number = 4`)
			// The tree as it was at checkpoint 3.
			p.exec(`update audit_tile set hashes = (select hashes from audit_tile where level = 0 and number = 2) where level = 0 and number = 2`)
			var hashes []byte
			if err := p.db.QueryRow(t.Context(), `select hashes from audit_tile where level = 0 and number = 2`).Scan(&hashes); err != nil {
				t.Fatal(err)
			}
			p.exec(`update audit_tile set hashes = $1 where level = 0 and number = 2`, hashes[:(590-512)*tlog.HashSize])
		}
		cut()
		expectBad(t, l, "end cut off", 591, "60 entries")
		p.exec(`update position set leaf = 590`)
		expectBad(t, l, "end cut off and counter set back", 591, anchorFile)

		anchor := filepath.Join(p.dir, anchorFile)
		copied := readFile(t, anchor)
		if err := os.WriteFile(anchor, append(copied, 'x'), 0o600); err != nil {
			t.Fatal(err)
		}
		expectBad(t, l, "copy changed", 591, anchorFile)
		if err := os.Remove(anchor); err != nil {
			t.Fatal(err)
		}
		verified(t, l) // from here on only a copy elsewhere can tell
		if err := os.Mkdir(anchor, 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Verify(t.Context()); err == nil {
			t.Error("the copy cannot be read, and nobody says so")
		}
	})
}

// The log does not go on over a tree that was changed.
func TestSignRefusesTamperedTree(t *testing.T) {
	for name, q := range map[string]string{
		"hash of an entry missing": `update audit_leaf set hash = tag where number = 640`, // same length: found by Verify only
		"entry missing":            `delete from audit_leaf where number = 640`,
		"hash too short":           `update audit_leaf set hash = x'01' where number = 640`,
		"tile changed":             `update audit_tile set hashes = zeroblob(8192) where level = 0 and number = 2`,
		"tile missing":             `delete from audit_tile where level = 1`,
		"signature changed":        `update audit_checkpoint set note = 'x' where number = 4`,
		"table missing":            `drop table audit_tile`,
	} {
		p := newPlace(t, "")
		tampered(t, p)
		if name == "table missing" {
			if err := p.db.Write(t.Context(), "tamper", nil, func(tx *db.Tx) error { _, err := tx.Exec(q); return err }); err != nil {
				t.Fatal(err)
			}
		} else {
			p.exec(q)
		}
		o := p.options()
		next, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := next.Sign(t.Context()); (err == nil) != (name == "hash of an entry missing") {
			t.Errorf("%s: signed with %v", name, err)
		}
		if r, err := next.Verify(t.Context()); err == nil && r.Bad == nil {
			t.Errorf("%s: not found", name)
		}
	}
}

// Verify runs while others write and sign.
func TestVerifyWhileWriting(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		l := p.open()
		stop, done := make(chan struct{}), make(chan error, 1)
		go func() {
			for {
				err := p.db.Write(t.Context(), "test", nil, func(tx *db.Tx) error {
					for range 50 {
						l.Append(tx, Entry{Act: Join, Who: "@a:x", Outcome: Done})
					}
					return nil
				})
				if err == nil {
					err = l.Sign(t.Context())
				}
				select {
				case <-stop:
					done <- err
					return
				default:
				}
				if err != nil {
					done <- err
					return
				}
			}
		}()
		for range 15 {
			verified(t, l)
		}
		close(stop)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		verified(t, l)
	})
}

// rand2 is a source of a key that is always the same.
type rand2 struct{}

// Read implements io.Reader.
func (rand2) Read(b []byte) (int, error) {
	sum := sha256.Sum256([]byte("a key"))
	return copy(b, sum[:]), nil
}

func TestSealedCheckpointKey(t *testing.T) {
	p := newPlace(t, "")
	l := p.open()
	content := readFile(t, filepath.Join(p.dir, "audit.key"))
	_, sealed, err := l.storedKey(t.Context())
	if err != nil || bytes.Contains(sealed, []byte("PRIVATE")) {
		t.Fatalf("%q, %v", sealed, err)
	}
	plain, err := p.keys.Open(t.Context(), seal.Server, keyAAD, sealed)
	if err != nil || !bytes.Equal(plain, content) {
		t.Fatalf("%v", err)
	}
}
