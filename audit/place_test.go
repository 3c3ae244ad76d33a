package audit

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

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

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
