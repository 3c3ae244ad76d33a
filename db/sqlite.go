package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// sqliteEngine writes to a SQLite file over one connection. Nothing else writes
// to the file, so numbers and heads are kept in memory.
type sqliteEngine struct {
	d     *DB
	conn  *sql.Conn
	texts texts
	open  bool

	next  [seriesCount]int64 // last number given out and committed
	taken [seriesCount]int64 // last number given out in the open transaction
	heads map[Key]head       // committed heads

	raw     map[string]driver.StmtExecContext
	args    []driver.NamedValue
	inserts map[*Table]driver.StmtExecContext
	wal     *checkpointer
}

// maxHeads bounds the heads kept in memory.
const maxHeads = 1 << 16

func sqliteAddress(path, vfs string, pragmas ...string) string {
	q := url.Values{}
	if vfs != "" {
		q.Set("vfs", vfs)
	}
	for _, p := range append([]string{"busy_timeout(5000)", "foreign_keys(1)"}, pragmas...) {
		q.Add("_pragma", p)
	}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	return u.String()
}

func (d *DB) openSQLite(ctx context.Context, o Options) (engine, error) {
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", o.Path, err)
	}
	unlock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	d.stop = append(d.stop, unlock)
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil { // as SQLite does
		return nil, fmt.Errorf("open %s: %w", o.Path, err)
	}
	wal, vfs, err := registerWAL(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	d.stop = append(d.stop, func() error { forgetWAL(path); return nil })
	autoCheckpoint := "0"
	if vfs == "" {
		autoCheckpoint = "1000"
	}
	pragmas := []string{"synchronous(FULL)", "secure_delete(1)", "wal_autocheckpoint(" + autoCheckpoint + ")", "temp_store(MEMORY)"}
	writes, err := sql.Open("sqlite", sqliteAddress(path, vfs, append(pragmas, "journal_mode(WAL)", "cache_size(-16384)")...))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	writes.SetMaxOpenConns(1)
	d.stop = append(d.stop, writes.Close)
	conn, err := writes.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	d.stop = append(d.stop, conn.Close)
	if err := verifyPragmas(ctx, conn, autoCheckpoint); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := migrate(ctx, conn, sqliteDialect); err != nil {
		return nil, fmt.Errorf("migrate %s: %w", path, err)
	}
	e := &sqliteEngine{d: d, conn: conn, heads: map[Key]head{}, raw: map[string]driver.StmtExecContext{},
		inserts: map[*Table]driver.StmtExecContext{}}
	if err := conn.QueryRowContext(ctx, `select stream, leaf from position`).Scan(&e.next[Stream], &e.next[Leaf]); err != nil {
		return nil, fmt.Errorf("read position of %s: %w", path, err)
	}
	d.committed.Store(e.next[Stream])
	readers := o.Readers
	if readers == 0 {
		readers = max(4, 2*runtime.NumCPU())
	}
	d.reads, err = sql.Open("sqlite", sqliteAddress(path, "", "query_only(1)", "cache_size(-8192)", "temp_store(MEMORY)"))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	d.reads.SetMaxOpenConns(readers)
	d.reads.SetMaxIdleConns(readers)
	d.stop = append(d.stop, d.reads.Close)
	if vfs != "" {
		if e.wal, err = startCheckpointer(d, sqliteAddress(path, vfs, pragmas...), wal); err != nil {
			return nil, err
		}
		d.wal = e.wal
		d.stop = append(d.stop, e.wal.close)
	}
	return e, nil
}

// verifyPragmas reads back what durability and correctness rest on.
func verifyPragmas(ctx context.Context, conn *sql.Conn, autoCheckpoint string) error {
	for _, p := range []struct{ name, want string }{
		{"journal_mode", "wal"}, {"synchronous", "2"}, {"foreign_keys", "1"}, {"secure_delete", "1"}, {"wal_autocheckpoint", autoCheckpoint},
	} {
		var got string
		if err := conn.QueryRowContext(ctx, "pragma "+p.name).Scan(&got); err != nil {
			return fmt.Errorf("read pragma %s: %w", p.name, err)
		}
		if got != p.want {
			return fmt.Errorf("pragma %s is %s, must be %s", p.name, got, p.want)
		}
	}
	return nil
}

// createPrivate makes the file readable by its owner only; SQLite gives its
// journal the same mode.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	return f.Close()
}

// lockFile keeps a second process from opening the same data. The lock ends with
// the process.
func lockFile(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock database: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: another process has this database open", path)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f.Close, nil
}

func (e *sqliteEngine) begin(b *batch) error {
	if err := e.run("begin immediate"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	e.open = true
	e.taken = e.next
	for _, k := range b.keys {
		h, ok := e.heads[k]
		if !ok {
			var err error
			if h, err = e.loadHead(k); err != nil {
				return err
			}
			e.keep(k, h)
		}
		*b.heads[k] = h
	}
	return nil
}

func (e *sqliteEngine) loadHead(k Key) (head, error) {
	var h head
	err := e.queryRow(`select version, value from head where key = $1`, []any{int64(k)}).Scan(&h.version, &h.value)
	if errors.Is(err, sql.ErrNoRows) {
		return head{}, nil
	}
	if err != nil {
		return head{}, fmt.Errorf("read head: %w", err)
	}
	h.found, h.stored = true, h.version
	return h, nil
}

func (e *sqliteEngine) keep(k Key, h head) {
	if len(e.heads) >= maxHeads {
		for old := range e.heads { // any one
			delete(e.heads, old)
			break
		}
	}
	e.heads[k] = h
}

func (e *sqliteEngine) number(n [seriesCount]int) (first [seriesCount]int64, err error) {
	for s := range n {
		first[s] = e.taken[s] + 1
		e.taken[s] += int64(n[s])
	}
	return first, nil
}

func (e *sqliteEngine) commit(b *batch) error {
	if e.taken != e.next {
		if err := e.run("update position set stream = ?1, leaf = ?2 where one = 1", e.taken[Stream], e.taken[Leaf]); err != nil {
			return fmt.Errorf("update position: %w", err)
		}
	}
	for _, k := range b.keys {
		if h := b.heads[k]; h.changed {
			var value any
			if h.value != nil {
				value = h.value
			}
			q := "update head set version = ?2, value = ?3 where key = ?1"
			if h.stored == 0 {
				q = "insert into head (key, version, value) values (?1, ?2, ?3)"
			}
			if err := e.run(q, int64(k), h.version, value); err != nil {
				return fmt.Errorf("write head: %w", err)
			}
		}
	}
	for _, s := range b.tables {
		if err := e.insert(s); err != nil {
			return fmt.Errorf("write %s: %w", s.t.Name, err)
		}
	}
	e.d.slowCommit()
	if err := e.run("commit"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	e.open = false
	e.next = e.taken
	for _, k := range b.keys {
		if h := *b.heads[k]; h.changed {
			h.changed, h.stored = false, h.version
			e.keep(k, h)
		}
	}
	if e.wal != nil {
		e.wal.committed(e)
	}
	return nil
}

func (e *sqliteEngine) rollback() {
	if !e.open {
		return
	}
	e.open = false
	// SQLite may have rolled back by itself (disk full): then this fails and nothing is left to do.
	if err := e.run("rollback"); err != nil && !strings.Contains(err.Error(), "no transaction is active") {
		e.d.log.Error("rollback failed", "error", err)
	}
}

func (e *sqliteEngine) transient(error) bool { return false }
func (e *sqliteEngine) broken() bool         { return false }

// run executes a statement with the driver's own prepared statement: what
// database/sql does around it costs more than the statement.
func (e *sqliteEngine) run(q string, args ...any) error {
	st, err := e.prepared(q)
	if err != nil {
		return err
	}
	e.args = e.args[:0]
	for i, a := range args {
		e.args = append(e.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	_, err = st.ExecContext(context.Background(), e.args)
	return err
}

func (e *sqliteEngine) prepared(q string) (driver.StmtExecContext, error) {
	if st, ok := e.raw[q]; ok {
		return st, nil
	}
	var st driver.StmtExecContext
	err := e.conn.Raw(func(c any) error {
		s, err := c.(driver.ConnPrepareContext).PrepareContext(context.Background(), q)
		if err == nil {
			st = s.(driver.StmtExecContext)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	e.raw[q] = st
	return st, nil
}

func (e *sqliteEngine) exec(q string, args []any) (int64, error) {
	ctx := context.Background()
	t, args, err := e.text(ctx, q, args)
	if err != nil {
		return 0, err
	}
	var r sql.Result
	if t.stmt != nil {
		r, err = t.stmt.ExecContext(ctx, args...)
	} else {
		r, err = e.conn.ExecContext(ctx, t.text, args...)
	}
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (e *sqliteEngine) query(q string, args []any) (*sql.Rows, error) {
	ctx := context.Background()
	t, args, err := e.text(ctx, q, args)
	if err != nil {
		return nil, err
	}
	if t.stmt == nil {
		return e.conn.QueryContext(ctx, t.text, args...)
	}
	return t.stmt.QueryContext(ctx, args...)
}

func (e *sqliteEngine) queryRow(q string, args []any) *sql.Row {
	ctx := context.Background()
	t, converted, err := e.text(ctx, q, args)
	if err != nil {
		return e.conn.QueryRowContext(ctx, rewrite(q).text, args...) // fails the same way, at Scan
	}
	if t.stmt == nil {
		return e.conn.QueryRowContext(ctx, t.text, converted...)
	}
	return t.stmt.QueryRowContext(ctx, converted...)
}

func (e *sqliteEngine) text(ctx context.Context, q string, args []any) (*text, []any, error) {
	t, err := e.texts.get(ctx, e.conn, q)
	if err != nil {
		return nil, nil, err
	}
	args, err = t.args(args)
	return t, args, err
}
