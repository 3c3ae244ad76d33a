package seal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// storeTimeout bounds every access to the key store.
const storeTimeout = 10 * time.Second

// store is the tables of the key store. Statements are one text for both databases, in SQLite's types and with $1
// parameters in the order of their use.
type store struct {
	pg    bool
	read  *sql.DB
	write *sql.DB // one connection; on PostgreSQL the same pool as read
}

// schema makes the tables. data_key holds wrapped keys. erased_key says which keys are gone, so that a reader can tell an
// erased text from a damaged one, no number is used twice, and other processes learn of it.
var schema = []string{
	`create table if not exists setting (name text not null primary key, value text not null)`,
	`create table if not exists data_key (
		scope text not null, generation bigint not null, master text not null, wrapped bytea not null, created bigint not null,
		primary key (scope, generation))`,
	`create table if not exists erased_key (
		number bigint not null primary key, scope text not null, generation bigint not null, erased bigint not null)`,
	`create index if not exists erased_key_scope on erased_key (scope, generation)`,
}

func openStore(ctx context.Context, databaseURL, path string) (*store, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	var s *store
	var err error
	if databaseURL != "" {
		s, err = openPostgres(databaseURL)
	} else {
		s, err = openSQLite(ctx, path)
	}
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, func(tx *tx) error {
		if s.pg {
			if err := tx.exec(`create schema if not exists myelin_keys`); err != nil {
				return err
			}
		}
		for _, q := range schema {
			if !s.pg && strings.HasPrefix(q, "create table") {
				q = strings.NewReplacer("bigint", "integer", "bytea", "blob").Replace(q) + " strict"
			}
			if err := tx.exec(q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.close()
		return nil, fmt.Errorf("make tables: %w", err)
	}
	return s, nil
}

func openPostgres(databaseURL string) (*store, error) {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return nil, errors.New("the PostgreSQL URL cannot be parsed") // the cause may quote the password
	}
	config.RuntimeParams["search_path"] = "myelin_keys"
	config.RuntimeParams["synchronous_commit"] = "on"
	config.RuntimeParams["lock_timeout"] = "5s"
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "5s"
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(4)
	pool.SetConnMaxIdleTime(time.Minute)
	return &store{pg: true, read: pool, write: pool}, nil
}

func openSQLite(ctx context.Context, path string) (*store, error) {
	if err := makePrivate(path); err != nil {
		return nil, err
	}
	const pragmas = "?_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=secure_delete(on)"
	open := func(extra string, size int) (*sql.DB, error) {
		pool, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+pragmas+extra)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
		pool.SetMaxOpenConns(size)
		return pool, nil
	}
	write, err := open("&_txlock=immediate", 1)
	if err != nil {
		return nil, err
	}
	read, err := open("&_pragma=query_only(on)", 2)
	if err != nil {
		write.Close()
		return nil, err
	}
	s := &store{read: read, write: write}
	for pragma, want := range map[string]int{"synchronous": 2, "secure_delete": 1} {
		var got int
		if err := write.QueryRowContext(ctx, "pragma "+pragma).Scan(&got); err != nil {
			s.close()
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
		if got != want {
			s.close()
			return nil, fmt.Errorf("open %s: SQLite has %s=%d, needed is %d", path, pragma, got, want)
		}
	}
	return s, nil
}

// makePrivate makes an empty file that only its owner may read, unless it is there, and makes sure that it stays there.
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	return syncFolder(filepath.Dir(path))
}

func (s *store) close() error {
	err := s.write.Close()
	if s.read != s.write {
		err = errors.Join(s.read.Close(), err)
	}
	return err
}

var parameter = regexp.MustCompile(`\$(\d+)`)

// text adapts a statement to the database: SQLite takes $1 for a name, ?1 for a number.
func (s *store) text(q string) string {
	if s.pg {
		return q
	}
	return parameter.ReplaceAllString(q, "?$1")
}

func (s *store) query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	rows, err := s.read.QueryContext(ctx, s.text(q), args...)
	if err != nil && strings.Contains(err.Error(), "database is closed") {
		return nil, ErrClosed
	}
	return rows, err
}

// tx is a change of the store.
type tx struct {
	ctx context.Context
	s   *store
	*sql.Tx
}

func (t *tx) exec(q string, args ...any) error {
	_, err := t.ExecContext(t.ctx, t.s.text(q), args...)
	return err
}

func (t *tx) row(q string, args ...any) *sql.Row {
	return t.QueryRowContext(t.ctx, t.s.text(q), args...)
}

// change runs f in a transaction. All changes of one store, by whatever process, run one after the other, and what it
// returns without an error is on disk.
func (s *store) change(ctx context.Context, f func(*tx) error) error {
	raw, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		if strings.Contains(err.Error(), "database is closed") {
			return ErrClosed
		}
		return fmt.Errorf("begin: %w", err)
	}
	defer raw.Rollback()
	t := &tx{ctx: ctx, s: s, Tx: raw}
	if s.pg {
		if err := t.exec(`select pg_advisory_xact_lock(7305804402432537)`); err != nil {
			return fmt.Errorf("lock the key store: %w", err)
		}
	}
	if err := f(t); err != nil {
		return err
	}
	if err := raw.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// wrapped is a row of data_key.
type wrapped struct {
	scope      Scope
	generation uint32
	master     string
	secret     []byte
}

func (s *store) keysOf(ctx context.Context, scope Scope) ([]wrapped, error) {
	rows, err := s.query(ctx, `select scope, generation, master, wrapped from data_key where scope = $1 order by generation`, string(scope))
	if err != nil {
		return nil, fmt.Errorf("look up data key: %w", err)
	}
	return scanKeys(rows)
}

func scanKeys(rows *sql.Rows) ([]wrapped, error) {
	defer rows.Close()
	var all []wrapped
	for rows.Next() {
		var w wrapped
		if err := rows.Scan(&w.scope, &w.generation, &w.master, &w.secret); err != nil {
			return nil, fmt.Errorf("read data key: %w", err)
		}
		all = append(all, w)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read data keys: %w", err)
	}
	return all, nil
}

// erased says whether the scope had this key and it was destroyed.
func (s *store) erased(ctx context.Context, scope Scope, generation uint32) (bool, error) {
	rows, err := s.query(ctx, `select 1 from erased_key where scope = $1 and generation = $2`, string(scope), int64(generation))
	if err != nil {
		return false, fmt.Errorf("look up erased key: %w", err)
	}
	defer rows.Close()
	found := rows.Next()
	return found, rows.Err()
}

// lastErased is the number of the newest row of erased_key.
func (s *store) lastErased(ctx context.Context) (int64, error) {
	rows, err := s.query(ctx, `select coalesce(max(number), 0) from erased_key`)
	if err != nil {
		return 0, fmt.Errorf("look up erased keys: %w", err)
	}
	defer rows.Close()
	var last int64
	for rows.Next() {
		if err := rows.Scan(&last); err != nil {
			return 0, fmt.Errorf("read erased keys: %w", err)
		}
	}
	return last, rows.Err()
}

// erasedSince calls f for each erased scope numbered higher than last, and returns the highest number.
func (s *store) erasedSince(ctx context.Context, last int64, f func(Scope)) (int64, error) {
	rows, err := s.query(ctx, `select number, scope from erased_key where number > $1 order by number`, last)
	if err != nil {
		return last, fmt.Errorf("look up erased keys: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var scope Scope
		if err := rows.Scan(&last, &scope); err != nil {
			return last, fmt.Errorf("read erased keys: %w", err)
		}
		f(scope)
	}
	return last, rows.Err()
}

// scrub removes what deleted or rewritten rows left in the files.
func (s *store) scrub(ctx context.Context) error {
	if s.pg {
		if _, err := s.write.ExecContext(ctx, `vacuum data_key`); err != nil {
			return fmt.Errorf("vacuum: %w", err)
		}
		return nil
	}
	var busy, log, done int
	if err := s.write.QueryRowContext(ctx, `pragma wal_checkpoint(truncate)`).Scan(&busy, &log, &done); err != nil {
		return fmt.Errorf("truncate the write-ahead log: %w", err)
	}
	if busy != 0 {
		return errors.New("truncate the write-ahead log: a reader holds it")
	}
	return nil
}
