package cluster

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
)

// node is one opening of the database that collects the hints it gets.
type node struct {
	d     *db.DB
	c     *Cluster
	hints chan span
}

func startNode(t *testing.T, url string, poll time.Duration) *node {
	t.Helper()
	n := &node{d: dbtest.Open(t, db.Options{URL: url}), hints: make(chan span, 1000)}
	c, err := Start(context.Background(), Options{DB: n.d, URL: url, Poll: poll,
		OnHint: func(first, last int64) { n.hints <- span{first, last} }})
	if err != nil {
		t.Fatal(err)
	}
	n.c = c
	t.Cleanup(c.Close)
	return n
}

func (n *node) write(t *testing.T, count int) {
	t.Helper()
	err := n.d.Write(context.Background(), "numbers", nil, func(tx *db.Tx) error {
		for range count {
			tx.Number(db.Stream)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// until collects hints until every position up to last was announced.
func (n *node) until(t *testing.T, from, last int64) {
	t.Helper()
	missing := map[int64]bool{}
	for p := from; p <= last; p++ {
		missing[p] = true
	}
	timeout := time.After(20 * time.Second)
	for len(missing) > 0 {
		select {
		case s := <-n.hints:
			for p := s.first; p <= s.last; p++ {
				delete(missing, p)
			}
			if s.last > last {
				t.Errorf("hint of %d, only %d were written", s.last, last)
			}
		case <-timeout:
			t.Fatalf("%d positions were not announced", len(missing))
		}
	}
}

// listening waits until the node's connection listens.
func listening(t *testing.T, url string, nodes int) *sql.DB {
	t.Helper()
	admin, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	for deadline := time.Now().Add(20 * time.Second); ; {
		var n int
		if err := admin.QueryRow(`select count(*) from pg_stat_activity where datname = current_database() and application_name = 'myelin hints' and query = 'listen myelin' and state = 'idle'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n == nodes {
			return admin
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d nodes listen", n)
		}
	}
}

func TestHints(t *testing.T) {
	url := dbtest.PostgresURL(t)
	// Polling so rarely that only hints can be the reason.
	a, b := startNode(t, url, time.Hour), startNode(t, url, time.Hour)
	listening(t, url, 2)
	a.write(t, 3)
	b.until(t, 1, 3)
	b.write(t, 2)
	a.until(t, 4, 5)
	for i := range int64(50) {
		a.write(t, 1)
		b.write(t, 1)
		b.until(t, 6+2*i, 6+2*i)
		a.until(t, 7+2*i, 7+2*i)
	}
	if p, err := a.d.Position(context.Background()); p != 105 || err != nil {
		t.Errorf("position %d, %v", p, err)
	}
}

func TestLostHints(t *testing.T) {
	url := dbtest.PostgresURL(t)
	a := startNode(t, url, 20*time.Millisecond)
	// Written without any notification.
	admin := listening(t, url, 1)
	if _, err := admin.Exec(`update position set stream = stream + 7`); err != nil {
		t.Fatal(err)
	}
	a.until(t, 1, 7)
	// The listening connection is lost, then hints come again.
	if _, err := admin.Exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'myelin hints'`); err != nil {
		t.Fatal(err)
	}
	b := startNode(t, url, 20*time.Millisecond)
	b.write(t, 1)
	a.until(t, 8, 8)
	listening(t, url, 2)
	// Nonsense on the channel is ignored.
	if _, err := admin.Exec(`notify myelin, 'nonsense'`); err != nil {
		t.Fatal(err)
	}
	b.write(t, 1)
	a.until(t, 9, 9)
	a.write(t, 1)
	b.until(t, 10, 10)
}

func TestSQLiteDoesNothing(t *testing.T) {
	c, err := Start(context.Background(), Options{DB: dbtest.SQLite(t), OnHint: func(int64, int64) { t.Error("a hint") }})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestStartWithoutDatabase(t *testing.T) {
	url := dbtest.PostgresURL(t)
	d := dbtest.Open(t, db.Options{URL: url})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(context.Background(), Options{DB: d, URL: url}); err == nil {
		t.Error("started on a closed database")
	}
}

func TestSpans(t *testing.T) {
	c := &Cluster{}
	for _, s := range []struct {
		first, last, seen int64
		fresh             bool
	}{
		{5, 6, 0, true}, {1, 2, 2, true}, {1, 2, 2, false}, {9, 9, 2, true}, {3, 4, 6, true}, {2, 1, 6, false}, {7, 20, 20, true}, {9, 9, 20, false},
	} {
		if fresh := c.add(span{s.first, s.last}); fresh != s.fresh || c.seen != s.seen {
			t.Errorf("%d-%d: fresh %v, seen %d", s.first, s.last, fresh, c.seen)
		}
	}
	if len(c.more) != 0 {
		t.Errorf("left over: %v", c.more)
	}
}

func TestParseHint(t *testing.T) {
	s, node, err := parseHint("3:7:abc")
	if s != (span{3, 7}) || node != "abc" || err != nil {
		t.Errorf("%v %s %v", s, node, err)
	}
	for _, bad := range []string{"", "3:7", "3:7:", "x:7:a", "3:x:a", "7:3:a", "0:1:a", "1:2:a:b"} {
		if _, _, err := parseHint(bad); err == nil {
			t.Errorf("%q was understood", bad)
		}
	}
}

func FuzzParseHint(f *testing.F) {
	f.Add("1:2:node")
	f.Fuzz(func(t *testing.T, p string) {
		s, node, err := parseHint(p)
		if err == nil && (s.first < 1 || s.last < s.first || node == "") {
			t.Errorf("%q: %v %q", p, s, node)
		}
	})
}
