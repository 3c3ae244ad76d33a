package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

func openTest(t *testing.T) *DB {
	t.Helper()
	d, err := Open(context.Background(), Options{Path: filepath.Join(t.TempDir(), "x.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// TestOneSyncPerBatch counts the syncs of the log: one per commit, none missing.
func TestOneSyncPerBatch(t *testing.T) {
	d := openTest(t)
	e := d.lane.engine.(*sqliteEngine)
	if e.wal == nil {
		t.Skip("SQLite's own VFS is used here")
	}
	if err := d.Write(context.Background(), "table", nil, func(tx *Tx) error {
		_, err := tx.Exec(`create table big (id integer primary key, b blob) strict`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	big := &Table{Name: "big", Columns: []string{"id", "b"}, Types: []string{"bigint", "bytea"}}
	var mu sync.Mutex
	batches := int64(0)
	d.OnBatch(func(int64, int64) {
		mu.Lock()
		defer mu.Unlock()
		batches++
	})
	before := e.wal.wal.syncs.Load()
	var all sync.WaitGroup
	for range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 20 {
				if err := d.Write(context.Background(), "big", nil, func(tx *Tx) error {
					tx.Append(big, tx.Number(Stream), make([]byte, 10000))
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	all.Wait()
	mu.Lock()
	defer mu.Unlock()
	if syncs := e.wal.wal.syncs.Load() - before; syncs != batches {
		t.Errorf("%d syncs for %d batches", syncs, batches)
	}
}

func TestVerifyPragmas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weak.db")
	db, err := sql.Open("sqlite", sqliteAddress(path, "", "journal_mode(WAL)", "synchronous(NORMAL)"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := verifyPragmas(context.Background(), conn, "0"); err == nil || !strings.Contains(err.Error(), "synchronous is 1") {
		t.Errorf("a weak setting was accepted: %v", err)
	}
}

func TestTranslate(t *testing.T) {
	const text = `-- a comment; with a semicolon
create table a (
	id   bigserial primary key, -- trailing
	n    bigint not null default 0, /* block; */
	b    bytea,
	s    text default 'bigint; -- no',
	-- only: postgres
	pg   jsonb,
	li   text, -- only: sqlite
	primary key (n)
) without rowid;
create table c (x bytea) strict;
-- only: sqlite for next 2 lines
create index one on a (n);
create index two on a (n);
-- only: postgres until "end only"
create index three on a (n);
do $$ begin; end $$;
-- end only postgres
`
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	for d, want := range map[dialect]string{
		sqliteDialect: `create table a ( id integer primary key autoincrement, n integer not null default 0, b blob, ` +
			`s text default 'bigint; -- no', li text, primary key (n) ) without rowid, strict; create table c (x blob) strict; ` +
			`create index one on a (n); create index two on a (n);`,
		postgresDialect: `create table a ( id bigserial primary key, n bigint not null default 0, b bytea, ` +
			`s text default 'bigint; -- no', pg jsonb, primary key (n) ) ; create table c (x bytea) strict; ` +
			`create index three on a (n); do $$ begin; end $$;`,
	} {
		got, err := translate(text, d)
		if err != nil || squeeze(got) != squeeze(want) {
			t.Errorf("%s: %v\n%s\nwant\n%s", d, err, squeeze(got), want)
		}
	}
	for _, bad := range []string{"-- only: postgres until \"end only\"\nx", "-- only: sqlite for next 3 lines\nx"} {
		if _, err := translate(bad, sqliteDialect); err == nil {
			t.Errorf("accepted: %s", bad)
		}
	}
}

func TestMigrate(t *testing.T) {
	db, err := sql.Open("sqlite", sqliteAddress(filepath.Join(t.TempDir(), "m.db"), ""))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	files := fstest.MapFS{
		"schema/01-a.sql": {Data: []byte("create table a (x bigint);")},
		"schema/02-b.sql": {Data: []byte("-- nothing here\n")},
	}
	run := func() error {
		steps, err := schemaSteps(files)
		if err != nil {
			return err
		}
		return migrateWith(ctx, conn, sqliteDialect, steps)
	}
	for range 2 {
		if err := run(); err != nil {
			t.Fatal(err)
		}
	}
	files["schema/03-c.sql"] = &fstest.MapFile{Data: []byte("create table c (x bigint); create table oops (;")}
	if err := run(); err == nil || !strings.Contains(err.Error(), "03-c.sql") {
		t.Errorf("a bad file: %v", err)
	}
	files["schema/03-c.sql"] = &fstest.MapFile{Data: []byte("create table c (x bigint);")}
	if err := run(); err != nil {
		t.Errorf("the failed file left something: %v", err)
	}
	files["schema/01-a.sql"] = &fstest.MapFile{Data: []byte("create table a (x text);")}
	if err := run(); err == nil || !strings.Contains(err.Error(), "changed after") {
		t.Errorf("a changed file: %v", err)
	}
	delete(files, "schema/03-c.sql")
	if err := run(); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer database: %v", err)
	}
}

func TestTableCheck(t *testing.T) {
	for _, table := range []*Table{
		{Name: "none"},
		{Name: "short", Columns: []string{"a", "b"}, Types: []string{"text"}},
		{Name: "key", Columns: []string{"a"}, Types: []string{"text"}, Key: 2},
		{Name: "type", Columns: []string{"a"}, Types: []string{"jsonb"}},
	} {
		d := openTest(t)
		if err := d.Write(context.Background(), "bad", nil, func(tx *Tx) error {
			tx.Append(table, "x")
			return nil
		}); err == nil || !strings.Contains(err.Error(), table.Name) {
			t.Errorf("%s: %v", table.Name, err)
		}
	}
}

// TestManyHeads has more keys than are kept in memory.
func TestManyHeads(t *testing.T) {
	d := openTest(t)
	e := d.lane.engine.(*sqliteEngine)
	for k := range Key(maxHeads) {
		e.heads[k+10] = head{}
	}
	for _, k := range []Key{1, 2, 1} {
		if err := d.Write(context.Background(), "head", []Key{k}, func(tx *Tx) error {
			tx.SetHead(k, fmt.Append(nil, k))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if len(e.heads) > maxHeads {
		t.Errorf("%d heads in memory", len(e.heads))
	}
	delete(e.heads, 1)
	if err := d.Write(context.Background(), "head", []Key{1}, func(tx *Tx) error {
		if v, value, ok := tx.Head(1); v != 2 || string(value) != "1" || !ok {
			return fmt.Errorf("%d %s %v", v, value, ok)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func FuzzRewrite(f *testing.F) {
	for _, s := range []string{"select $1", "select '$1', \"$2\" -- $3\n/* $4", "x = any($1) and y <> all ( $22 )", "$", "$0", "'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, q string) {
		r := rewrite(q)
		if len(r.lists) == 0 && len(r.text) != len(q) {
			t.Errorf("%q became %q", q, r.text)
		}
	})
}

func FuzzTranslate(f *testing.F) {
	f.Add("create table a (x bigint) without rowid; -- only: sqlite\n-- only: postgres\nx $$ ; $$ 'a;'")
	f.Add("-- only: sqlite until \"end only\"\n-- end only sqlite")
	f.Fuzz(func(t *testing.T, s string) {
		for _, d := range []dialect{sqliteDialect, postgresDialect} {
			_, _ = translate(s, d)
		}
	})
}

// settleCases asks PostgreSQL about transactions whose commit's answer was lost. The transaction
// numbers are those of real transactions; only the loss is made up.
func settleCases(t *testing.T, d *DB) {
	e := d.lane.engine.(*postgresEngine)
	lost := errors.New("lost")
	ctx := context.Background()
	xid := func(end string) string {
		conn, err := d.reads.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var id string
		for _, q := range []string{`begin`, `update position set leaf = leaf`} {
			if _, err := conn.ExecContext(ctx, q); err != nil {
				t.Fatal(err)
			}
		}
		if err := conn.QueryRowContext(ctx, `select pg_current_xact_id()::text`).Scan(&id); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ExecContext(ctx, end); err != nil {
			t.Fatal(err)
		}
		return id
	}
	e.xid = xid(`commit`)
	if err := e.settle(lost); err != nil {
		t.Errorf("a committed transaction: %v", err)
	}
	e.xid = xid(`rollback`)
	if err := e.settle(lost); !errors.Is(err, lost) || errors.Is(err, ErrUncertain) {
		t.Errorf("a transaction that was rolled back: %v", err)
	}
	e.xid = "99999999999"
	if err := e.settle(lost); !errors.Is(err, ErrUncertain) {
		t.Errorf("a transaction that the server does not know: %v", err)
	}
}
