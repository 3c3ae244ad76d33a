// Package dbtest gives tests real databases: a SQLite file, and PostgreSQL from
// MYELIN_TEST_POSTGRES or else from a throw-away cluster that the test process
// starts once and that ends with it. It is not for anything but tests.
//
// MYELIN_TEST_COMMIT_DELAY (such as 20ms) opens every database with a
// deliberately slow commit.
package dbtest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/myelin-health/myelin/db"
)

// Each runs a test on SQLite and on PostgreSQL.
func Each(t *testing.T, f func(t *testing.T, d *db.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { f(t, Postgres(t)) })
}

// SQLite opens a new database that is closed when the test ends.
func SQLite(t testing.TB) *db.DB {
	t.Helper()
	return Open(t, db.Options{Path: filepath.Join(t.TempDir(), "myelin.db")})
}

// Postgres opens a new database on PostgreSQL that is closed when the test ends.
func Postgres(t testing.TB) *db.DB {
	t.Helper()
	return Open(t, db.Options{URL: PostgresURL(t)})
}

// Open opens a database with the tests' options, and closes it when the test ends.
func Open(t testing.TB, o db.Options) *db.DB {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	if o.CommitDelay == 0 {
		o.CommitDelay = Delay(t)
	}
	d, err := db.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close database: %v", err)
		}
	})
	return d
}

// Delay is the commit delay that MYELIN_TEST_COMMIT_DELAY asks for.
func Delay(t testing.TB) time.Duration {
	t.Helper()
	s := os.Getenv("MYELIN_TEST_COMMIT_DELAY")
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(fmt.Errorf("MYELIN_TEST_COMMIT_DELAY: %w", err))
	}
	return d
}
