package db_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
)

var pairs = &db.Table{Name: "pair", Columns: []string{"a", "b", "v"}, Types: []string{"text", "bigint", "text"}, Key: 2}
var pairsOnce = &db.Table{Name: "pair", Columns: []string{"a", "b", "v"}, Types: []string{"text", "bigint", "text"}, Ignore: true}

// hold keeps the lane busy with one write until the returned function is called.
func hold(d *db.DB) (release func()) {
	running, end := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p := d.Queue("hold", nil, func(*db.Tx) error {
		once.Do(func() { close(running) })
		<-end
		return nil
	})
	<-running
	return func() {
		close(end)
		_ = p.Wait(context.Background())
	}
}

// addNote appends a row with the next position.
func addNote(tx *db.Tx, name string) *db.Num {
	n := tx.Number(db.Stream)
	tx.Append(notes, n, nil, name, []byte(name), nil)
	return n
}

func noteNames(t *testing.T, d *db.DB) []string {
	t.Helper()
	rows, err := d.Query(context.Background(), `select pos, name from note order by pos`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var pos int64
		var name string
		if err := rows.Scan(&pos, &name); err != nil {
			t.Fatal(err)
		}
		if pos != int64(len(out)+1) {
			t.Errorf("row %d has position %d", len(out)+1, pos)
		}
		out = append(out, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func waitAll(t *testing.T, ps []*db.Pending) []error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var out []error
	for _, p := range ps {
		out = append(out, p.Wait(ctx))
	}
	return out
}

func TestGrouping(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		makeNotes(t, d)
		var order []string
		d.OnBatch(func(first, last int64) { order = append(order, fmt.Sprintf("%d-%d", first, last)) })
		release := hold(d)
		var ps []*db.Pending
		for i := range 100 {
			ps = append(ps, d.Queue("note", nil, func(tx *db.Tx) error {
				n := addNote(tx, fmt.Sprint(i))
				tx.After(func() {
					if i == 0 || i == 64 {
						order = append(order, fmt.Sprintf("after %d at %d", i, n.Value()))
					}
				})
				return nil
			}))
		}
		release()
		for _, err := range waitAll(t, ps) {
			if err != nil {
				t.Fatal(err)
			}
		}
		want := []string{"1-0", "1-64", "after 0 at 1", "65-100", "after 64 at 65"}
		if !slices.Equal(order, want) {
			t.Errorf("got %v, want %v", order, want)
		}
		names := noteNames(t, d)
		for i, n := range names {
			if n != fmt.Sprint(i) {
				t.Errorf("position %d holds %s", i+1, n)
			}
		}
		if len(names) != 100 {
			t.Errorf("%d rows", len(names))
		}
	})
}

var errRefused = errors.New("refused")

// TestErrorIsolation puts every way to fail between members that succeed.
func TestErrorIsolation(t *testing.T) {
	type failure struct {
		name string
		f    func(*db.Tx) error
		want string
	}
	failures := []failure{
		{"before any statement", func(tx *db.Tx) error {
			addNote(tx, "bad")
			tx.Number(db.Leaf)
			return errRefused
		}, "refused"},
		{"after a statement", func(tx *db.Tx) error {
			if _, err := tx.Exec(`insert into pair (a, b, v) values ($1, $2, $3)`, "bad", 1, "x"); err != nil {
				return err
			}
			return errRefused
		}, "refused"},
		{"statement fails", func(tx *db.Tx) error {
			addNote(tx, "bad")
			_, err := tx.Exec(`insert into note (pos, name) values (1, null)`)
			return err
		}, "name"},
		{"statement's failure hidden", func(tx *db.Tx) error {
			addNote(tx, "bad")
			_, _ = tx.Exec(`insert into note (pos, name) values (1, null)`)
			return nil
		}, "name"},
		{"query fails", func(tx *db.Tx) error {
			_, err := tx.Query(`select one from nowhere`)
			return err
		}, "nowhere"},
		{"row violates a constraint", func(tx *db.Tx) error {
			tx.Append(notes, tx.Number(db.Stream), nil, nil, nil, nil)
			return nil
		}, "write bad"},
		{"panic", func(tx *db.Tx) error {
			addNote(tx, "bad")
			panic("oh no")
		}, "oh no"},
		{"panic in a late value", func(tx *db.Tx) error {
			tx.Append(notes, tx.Number(db.Stream), nil, db.Late(func() any { panic("too late") }), nil, nil)
			return nil
		}, "too late"},
		{"wrong type", func(tx *db.Tx) error {
			tx.Append(notes, tx.Number(db.Stream), nil, int64(5), nil, nil)
			return nil
		}, "column name"},
		{"zero byte", func(tx *db.Tx) error {
			tx.Append(notes, tx.Number(db.Stream), nil, "a\x00b", nil, nil)
			return nil
		}, "zero byte"},
		{"zero byte in a statement", func(tx *db.Tx) error {
			type name string
			_, err := tx.Exec(`delete from note where name = $1`, name("a\x00b"))
			return err
		}, "zero byte"},
		{"wrong number of values", func(tx *db.Tx) error {
			tx.Append(notes, tx.Number(db.Stream))
			return nil
		}, "5 columns"},
		{"undeclared key", func(tx *db.Tx) error {
			tx.SetHead(99, nil)
			return nil
		}, "not declared"},
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		makeNotes(t, d)
		var want []string
		for _, bad := range failures {
			release := hold(d)
			good := func(name string) *db.Pending {
				return d.Queue("note", []db.Key{1}, func(tx *db.Tx) error {
					addNote(tx, name)
					tx.SetHead(1, []byte(name))
					return nil
				})
			}
			before := good("before " + bad.name)
			p := d.Queue("bad", []db.Key{1}, bad.f)
			after := good("after " + bad.name)
			release()
			errs := waitAll(t, []*db.Pending{before, p, after})
			if errs[0] != nil || errs[2] != nil {
				t.Errorf("%s: the others failed: %v, %v", bad.name, errs[0], errs[2])
			}
			if errs[1] == nil || !strings.Contains(errs[1].Error(), bad.want) {
				t.Errorf("%s: got %v, want %q", bad.name, errs[1], bad.want)
			}
			want = append(want, "before "+bad.name, "after "+bad.name)
			alone := d.Write(context.Background(), "bad", nil, bad.f)
			if alone == nil {
				t.Errorf("%s: alone it succeeded", bad.name)
			}
		}
		if got := noteNames(t, d); !slices.Equal(got, want) {
			t.Errorf("rows %q\nwant %q", got, want)
		}
		var n int
		if err := d.QueryRow(context.Background(), `select count(*) from pair`).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d rows of refused writes, %v", n, err)
		}
		if v, _, _, _ := d.Head(context.Background(), 1); v != int64(len(want)) {
			t.Errorf("head has version %d, want %d", v, len(want))
		}
	})
}

func TestStale(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		makeNotes(t, d)
		on := func(version int64, fail error) *db.Pending {
			return d.Queue("on", []db.Key{3, 4}, func(tx *db.Tx) error {
				if v, _, _ := tx.Head(3); v != version {
					return db.ErrStale
				}
				tx.SetHead(3, fmt.Appendf(nil, "built on %d", version))
				addNote(tx, fmt.Sprint(version))
				return fail
			})
		}
		release := hold(d)
		ps := []*db.Pending{on(0, nil), on(1, nil), on(2, errRefused), on(3, nil), on(2, nil), on(1, nil)}
		release()
		errs := waitAll(t, ps)
		for i, want := range []error{nil, nil, errRefused, db.ErrStale, nil, db.ErrStale} {
			if !errors.Is(errs[i], want) {
				t.Errorf("member %d: %v, want %v", i, errs[i], want)
			}
		}
		if got := noteNames(t, d); !slices.Equal(got, []string{"0", "1", "2"}) {
			t.Errorf("rows %q", got)
		}
		if v, value, ok, err := d.Head(context.Background(), 3); v != 3 || string(value) != "built on 2" || !ok || err != nil {
			t.Errorf("head %d %s %v %v", v, value, ok, err)
		}
		if _, _, ok, err := d.Head(context.Background(), 4); ok || err != nil {
			t.Errorf("a key that was only declared has a head: %v %v", ok, err)
		}
	})
}

func TestUpsertAndIgnore(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		makeNotes(t, d)
		ctx := context.Background()
		for _, table := range []*db.Table{pairs, pairsOnce} {
			for round := range 2 {
				release := hold(d)
				var ps []*db.Pending
				for i := range 40 {
					ps = append(ps, d.Queue("pair", nil, func(tx *db.Tx) error {
						tx.Append(table, table.Columns[0]+fmt.Sprint(table.Ignore), i%5, fmt.Sprintf("%d.%d", round, i))
						return nil
					}))
				}
				release()
				for _, err := range waitAll(t, ps) {
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			rows, err := d.Query(ctx, `select b, v from pair where a = $1 order by b`, table.Columns[0]+fmt.Sprint(table.Ignore))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for rows.Next() {
				var b int
				var v string
				if err := rows.Scan(&b, &v); err != nil {
					t.Fatal(err)
				}
				got = append(got, v)
			}
			rows.Close()
			want := []string{"1.35", "1.36", "1.37", "1.38", "1.39"}
			if table.Ignore {
				want = []string{"0.0", "0.1", "0.2", "0.3", "0.4"}
			}
			if !slices.Equal(got, want) {
				t.Errorf("ignore %v: %v", table.Ignore, got)
			}
		}
	})
}

func TestStatementsInWrite(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		makeNotes(t, d)
		err := d.Write(context.Background(), "mixed", nil, func(tx *db.Tx) error {
			tx.Append(pairs, "late", 1, "appended")
			for i := range 3 {
				n, err := tx.Exec(`insert into pair (a, b, v) values ($2, $1, $3)`, i, "now", "x")
				if err != nil || n != 1 {
					return fmt.Errorf("exec: %d, %w", n, err)
				}
			}
			var n int
			if err := tx.QueryRow(`select count(*) from pair where b = any($1)`, []int64{0, 1, 9}).Scan(&n); err != nil || n != 2 {
				return fmt.Errorf("count %d, %w", n, err)
			}
			rows, err := tx.Query(`select b from pair where a = $1 order by b`, "now")
			if err != nil {
				return err
			}
			defer rows.Close()
			for i := 0; rows.Next(); i++ {
				var b int
				if err := rows.Scan(&b); err != nil || b != i {
					return fmt.Errorf("row %d is %d, %w", i, b, err)
				}
			}
			if tx.Context() == nil {
				return errors.New("no context")
			}
			return rows.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.QueryRow(context.Background(), `select v from pair where a = 'late'`).Scan(new(string)); err != nil {
			t.Error(err)
		}
	})
}

// TestReopen checks that late values know the numbers, that both series are
// free of gaps, and that they go on after opening the database again.
func TestReopen(t *testing.T) {
	path := t.TempDir() + "/again.db"
	for kind, o := range map[string]db.Options{"sqlite": {Path: path}, "postgres": {URL: dbtest.PostgresURL(t)}} {
		t.Run(kind, func(t *testing.T) {
			for round := range int64(3) {
				d := dbtest.Open(t, o)
				makeNotes(t, d)
				for i := range int64(5) {
					var leaf *db.Num
					if err := d.Write(context.Background(), "note", []db.Key{1}, func(tx *db.Tx) error {
						leaf = tx.Number(db.Leaf)
						tx.Append(notes, tx.Number(db.Stream), leaf, db.Late(func() any { return fmt.Sprint("leaf ", leaf.Value()) }), nil, nil)
						v, _, _ := tx.Head(1)
						tx.SetHead(1, nil)
						if v != round*5+i {
							return fmt.Errorf("head has version %d", v)
						}
						return nil
					}); err != nil {
						t.Fatal(err)
					}
					if leaf.Value() != round*5+i+1 {
						t.Errorf("leaf %d in round %d", leaf.Value(), round)
					}
				}
				if p, err := d.Position(context.Background()); p != round*5+5 || err != nil {
					t.Errorf("position %d, %v", p, err)
				}
				if names := noteNames(t, d); names[len(names)-1] != fmt.Sprint("leaf ", round*5+5) {
					t.Errorf("last row %s", names[len(names)-1])
				}
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
				if err := d.Write(context.Background(), "note", nil, func(*db.Tx) error { return nil }); !errors.Is(err, db.ErrClosed) {
					t.Errorf("write after close: %v", err)
				}
			}
		})
	}
}

func TestReadsDoNotWaitForTheLane(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		makeNotes(t, d)
		if err := d.Write(context.Background(), "note", nil, func(tx *db.Tx) error { addNote(tx, "seen"); return nil }); err != nil {
			t.Fatal(err)
		}
		running, end := make(chan struct{}), make(chan struct{})
		p := d.Queue("hold", nil, func(tx *db.Tx) error {
			_, err := tx.Exec(`update note set name = 'changed'`)
			close(running)
			<-end
			return err
		})
		<-running
		if names := noteNames(t, d); !slices.Equal(names, []string{"seen"}) {
			t.Errorf("read %q", names)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := d.Queue("later", nil, func(*db.Tx) error { return nil }).Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("wait with an ended context: %v", err)
		}
		if err := d.Write(ctx, "later", nil, func(*db.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("write with an ended context: %v", err)
		}
		close(end)
		if err := waitAll(t, []*db.Pending{p})[0]; err != nil {
			t.Fatal(err)
		}
		if names := noteNames(t, d); !slices.Equal(names, []string{"changed"}) {
			t.Errorf("read %q", names)
		}
	})
}

// TestConcurrentWriters has many goroutines build on the same heads, as rooms do.
func TestConcurrentWriters(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		makeNotes(t, d)
		const writers, each = 8, 100
		var mu sync.Mutex
		var seen []int64
		lastBatch := int64(0)
		d.OnBatch(func(first, last int64) {
			if first <= last {
				if first != lastBatch+1 {
					t.Errorf("batch starts at %d after %d", first, lastBatch)
				}
				lastBatch = last
			}
		})
		var all sync.WaitGroup
		for w := range writers {
			all.Add(1)
			go func() {
				defer all.Done()
				for i := range each {
					err := d.Write(context.Background(), "note", []db.Key{5, db.Key(w)}, func(tx *db.Tx) error {
						v, _, _ := tx.Head(5)
						tx.SetHead(5, fmt.Appendf(nil, "%d", v+1))
						n := addNote(tx, fmt.Sprintf("%d.%d", w, i))
						tx.After(func() {
							mu.Lock()
							defer mu.Unlock()
							seen = append(seen, n.Value())
						})
						return nil
					})
					if err != nil {
						t.Error(err)
						return
					}
				}
			}()
		}
		all.Wait()
		if !slices.IsSorted(seen) || len(seen) != writers*each {
			t.Errorf("%d after-functions, sorted %v", len(seen), slices.IsSorted(seen))
		}
		if n := len(noteNames(t, d)); n != writers*each {
			t.Errorf("%d rows", n)
		}
		if v, value, _, _ := d.Head(context.Background(), 5); v != writers*each || string(value) != fmt.Sprint(writers*each) {
			t.Errorf("head %d %s", v, value)
		}
	})
}

func TestCommitDelay(t *testing.T) {
	const delay = 600 * time.Millisecond
	for kind, o := range map[string]db.Options{"sqlite": {Path: t.TempDir() + "/slow.db"}, "postgres": {URL: dbtest.PostgresURL(t)}} {
		t.Run(kind, func(t *testing.T) {
			o.CommitDelay = delay
			d := dbtest.Open(t, o)
			makeNotes(t, d)
			start := time.Now()
			told := make(chan struct{})
			p := d.Queue("note", nil, func(tx *db.Tx) error {
				addNote(tx, "slow")
				tx.After(func() { close(told) })
				return nil
			})
			for len(noteNames(t, d)) == 0 {
				if time.Since(start) > 10*time.Second {
					t.Fatal("never visible")
				}
			}
			if took := time.Since(start); took < delay/2 {
				t.Errorf("visible after %v", took)
			}
			select {
			case <-told:
				t.Error("told at the moment of the commit")
			default:
			}
			if err := waitAll(t, []*db.Pending{p})[0]; err != nil {
				t.Fatal(err)
			}
			<-told
		})
	}
}

func TestPanicAfterCommit(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		makeNotes(t, d)
		err := d.Write(context.Background(), "note", nil, func(tx *db.Tx) error {
			addNote(tx, "kept")
			tx.After(func() { panic("after") })
			return nil
		})
		if err != nil || len(noteNames(t, d)) != 1 {
			t.Errorf("the write failed: %v", err)
		}
	})
}

func TestValues(t *testing.T) {
	type name string
	type count int32
	n, s := int64(7), "text"
	table := &db.Table{Name: "value", Columns: []string{"id", "n", "s", "b"}, Types: []string{"bigint", "bigint", "text", "bytea"}}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		blob := "bytea"
		if !d.Postgres() {
			blob = "blob"
		}
		row := func(id int, n, s, b any) func(*db.Tx) error {
			return func(tx *db.Tx) error {
				tx.Append(table, id, n, s, b)
				return nil
			}
		}
		if err := d.Write(context.Background(), "table", nil, func(tx *db.Tx) error {
			_, err := tx.Exec("create table value (id int, n int, s text, b " + blob + ")")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for i, f := range []func(*db.Tx) error{
			row(0, nil, nil, nil),
			row(1, &n, &s, []byte{0, 255}),
			row(2, true, name("name"), []byte{}),
			row(3, count(-3), (*string)(nil), []byte(nil)),
			row(4, uint8(4), "ünïcode 🙂", [3]byte{1, 2, 3}),
			row(5, 1.5, "", nil),
			row(6, false, "", struct{}{}),
			row(7, uint16(7), db.Late(func() any { return name("late") }), []byte("x")),
		} {
			err := d.Write(context.Background(), "value", nil, f)
			if bad := i == 4 || i == 5 || i == 6; bad != (err != nil) {
				t.Errorf("row %d: %v", i, err)
			}
		}
		rows, err := d.Query(context.Background(), `select id, n, s, b from value order by id`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var got []string
		for rows.Next() {
			var id int
			var n *int64
			var s *string
			var b []byte
			if err := rows.Scan(&id, &n, &s, &b); err != nil {
				t.Fatal(err)
			}
			line := fmt.Sprint(id, " ")
			if n != nil {
				line += fmt.Sprint(*n)
			}
			line += " "
			if s != nil {
				line += *s
			}
			got = append(got, fmt.Sprintf("%s %v", line, b))
		}
		want := []string{"0   []", "1 7 text [0 255]", "2 1 name []", "3 -3  []", "7 7 late [120]"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
	})
}
