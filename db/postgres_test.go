package db_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
)

// rawConn is a connection beside the product's.
func rawConn(t *testing.T, url string) *sql.Conn {
	t.Helper()
	pool, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pool.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		pool.Close()
	})
	return conn
}

// watchPositions reads the position all the time and checks that every row up to
// it is there, until the returned function is called.
func watchPositions(t *testing.T, d *db.DB) (stop func() int) {
	var end atomic.Bool
	var looks int
	done := make(chan struct{})
	go func() {
		defer close(done)
		last := int64(0)
		for ; !end.Load(); looks++ {
			p, err := d.Position(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			var n int64
			if err := d.QueryRow(context.Background(), `select count(*) from note where pos <= $1`, p).Scan(&n); err != nil {
				t.Error(err)
				return
			}
			if n != p || p < last {
				t.Errorf("position %d after %d with %d rows", p, last, n)
				return
			}
			last = p
		}
	}()
	return func() int {
		end.Store(true)
		<-done
		return looks
	}
}

// TestTwoProcesses writes the same key from two openings of one database at full
// speed, as two nodes do with one room.
func TestTwoProcesses(t *testing.T) {
	url := dbtest.PostgresURL(t)
	nodes := []*db.DB{dbtest.Open(t, db.Options{URL: url}), dbtest.Open(t, db.Options{URL: url})}
	makeNotes(t, nodes[0])
	stop := watchPositions(t, dbtest.Open(t, db.Options{URL: url}))
	const writers, each = 8, 100
	var stale atomic.Int64
	var all sync.WaitGroup
	for n, d := range nodes {
		for w := range writers {
			all.Add(1)
			go func() {
				defer all.Done()
				known := int64(0)
				for i := range each {
					if err := buildOnHead(d, fmt.Sprintf("%d.%d.%d", n, w, i), &known, &stale); err != nil {
						t.Error(err)
						return
					}
				}
			}()
		}
	}
	all.Wait()
	looks := stop()
	if stale.Load() == 0 {
		t.Error("nobody was ever stale")
	}
	total := len(nodes) * writers * each
	if n := len(noteNames(t, nodes[0])); n != total {
		t.Errorf("%d rows, want %d", n, total)
	}
	var distinct int
	if err := nodes[1].QueryRow(context.Background(), `select count(distinct name) from note`).Scan(&distinct); err != nil || distinct != total {
		t.Errorf("%d different rows, %v", distinct, err)
	}
	v, value, _, err := nodes[1].Head(context.Background(), 1)
	if v != int64(total) || string(value) != fmt.Sprint(total) || err != nil {
		t.Errorf("head %d %s, %v", v, value, err)
	}
	t.Logf("%d looks, %d stale members", looks, stale.Load())
}

// buildOnHead adds a note on top of the head that the writer knows, and again after it was stale.
func buildOnHead(d *db.DB, name string, known *int64, stale *atomic.Int64) error {
	ctx := context.Background()
	for tries := 0; ; tries++ {
		err := d.Write(ctx, "build", []db.Key{1}, func(tx *db.Tx) error {
			v, value, _ := tx.Head(1)
			if v > 0 && string(value) != fmt.Sprint(v) {
				return fmt.Errorf("head %s at version %d", value, v)
			}
			if tries < 5 && v != *known { // else anything will do, so that it ends
				return db.ErrStale
			}
			*known = v + 1
			tx.SetHead(1, fmt.Append(nil, v+1))
			addNote(tx, name)
			return nil
		})
		if !errors.Is(err, db.ErrStale) {
			return err
		}
		stale.Add(1)
		if *known, _, _, err = d.Head(ctx, 1); err != nil {
			return err
		}
	}
}

// TestHungProcess holds the lock that every commit needs, as a stopped process does.
func TestHungProcess(t *testing.T) {
	url := dbtest.PostgresURL(t)
	d := dbtest.Open(t, db.Options{URL: url})
	makeNotes(t, d)
	for name, q := range map[string]string{"position": `update position set stream = stream + 5`, "head": `update head set version = version + 1`} {
		t.Run(name, func(t *testing.T) {
			if err := d.Write(context.Background(), "note", []db.Key{1}, func(tx *db.Tx) error { tx.SetHead(1, nil); return nil }); err != nil {
				t.Fatal(err)
			}
			hung := rawConn(t, url)
			if _, err := hung.ExecContext(context.Background(), `begin`); err != nil {
				t.Fatal(err)
			}
			if _, err := hung.ExecContext(context.Background(), q); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			err := d.Write(context.Background(), "note", []db.Key{1}, func(tx *db.Tx) error { addNote(tx, name); tx.SetHead(1, nil); return nil })
			if err != nil {
				t.Errorf("write beside a hung process: %v", err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("stalled for %v", took)
			}
			if _, err := hung.ExecContext(context.Background(), `commit`); err == nil {
				t.Error("the hung transaction could still commit")
			}
		})
	}
	if names := noteNames(t, d); len(names) != 2 {
		t.Errorf("rows %q", names)
	}
}

// TestLostConnections ends the lane's connection again and again while many write.
func TestLostConnections(t *testing.T) {
	url := dbtest.PostgresURL(t)
	d := dbtest.Open(t, db.Options{URL: url})
	makeNotes(t, d)
	stop := watchPositions(t, dbtest.Open(t, db.Options{URL: url}))
	admin := rawConn(t, url)
	var acknowledged sync.Map
	var all sync.WaitGroup
	for w := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range 150 {
				name := fmt.Sprintf("%d.%d", w, i)
				err := d.Write(context.Background(), "note", []db.Key{1}, func(tx *db.Tx) error {
					addNote(tx, name)
					tx.SetHead(1, []byte(name))
					return nil
				})
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				acknowledged.Store(name, true)
			}
		}()
	}
	finished := make(chan struct{})
	go func() { all.Wait(); close(finished) }()
	kills := 0
	for running := true; running; {
		select {
		case <-finished:
			running = false
		case <-time.After(20*time.Millisecond + 5*dbtest.Delay(t)):
			var n int
			if err := admin.QueryRowContext(context.Background(), `select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() `+
				`and (query like '%unnest%' or query = 'begin' or query = 'commit' or query like '%update position%') and pid <> pg_backend_pid()`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			kills += n
		}
	}
	stop()
	seen := map[string]bool{}
	for _, name := range noteNames(t, d) {
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
	}
	acknowledged.Range(func(name, _ any) bool {
		if !seen[name.(string)] {
			t.Errorf("%s was acknowledged and is not there", name)
		}
		return true
	})
	if kills == 0 {
		t.Error("no connection was lost")
	}
	t.Logf("%d connections ended, %d rows", kills, len(seen))
}

// TestDatabaseGone: writes fail in bounded time when there is no database any more, and Close returns.
func TestDatabaseGone(t *testing.T) {
	url := dbtest.PostgresURL(t)
	d := dbtest.Open(t, db.Options{URL: url})
	makeNotes(t, d)
	admin := rawConn(t, strings.Replace(url, url[strings.LastIndex(url, "/"):strings.Index(url, "?")], "/postgres", 1))
	name := url[strings.LastIndex(url, "/")+1 : strings.Index(url, "?")]
	if _, err := admin.ExecContext(context.Background(), `drop database `+name+` with (force)`); err != nil {
		t.Skipf("the databases of MYELIN_TEST_POSTGRES are named differently: %v", err)
	}
	start := time.Now()
	if err := d.Write(context.Background(), "note", nil, func(tx *db.Tx) error { addNote(tx, "x"); return nil }); err == nil {
		t.Error("write without a database succeeded")
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	if _, err := d.Position(context.Background()); err == nil {
		t.Error("position without a database")
	}
}

func TestStartTogether(t *testing.T) {
	url := dbtest.EmptyPostgresURL(t)
	var all sync.WaitGroup
	for range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			d, err := db.Open(context.Background(), db.Options{URL: url})
			if err != nil {
				t.Error(err)
				return
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}()
	}
	all.Wait()
}

func TestOpenPostgresErrors(t *testing.T) {
	for _, url := range []string{"postgres://nobody@127.0.0.1:1/none?connect_timeout=1", "postgres://%zz"} {
		if d, err := db.Open(context.Background(), db.Options{URL: url}); err == nil {
			d.Close()
			t.Errorf("%s opened", url)
		}
	}
}

func TestSettle(t *testing.T) { db.SettleCases(t, dbtest.Postgres(t)) }

// TestTCP is the lane over TCP, where its connection has a time-out of its own.
func TestTCP(t *testing.T) {
	if err := db.DialCheck(); err != nil {
		t.Error(err)
	}
}
