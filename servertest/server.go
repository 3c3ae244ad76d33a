package servertest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/myelin-health/myelin/config"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/server"
)

// Server is a whole server in the test's process, on a data folder and an
// address that stay the same when it is started again.
type Server struct {
	*server.Server
	Dir      string
	URL      string
	settings []string
	clock    func() time.Time // nil: the system's
}

// Each runs a test on a server with SQLite and on one with PostgreSQL.
func Each(t *testing.T, test func(t *testing.T, s *Server), settings ...string) {
	t.Run("sqlite", func(t *testing.T) { test(t, Start(t, "", settings...)) })
	t.Run("postgres", func(t *testing.T) { test(t, Start(t, dbtest.PostgresURL(t), settings...)) })
}

// Start starts a server; database is empty for SQLite.
func Start(t testing.TB, database string, settings ...string) *Server {
	t.Helper()
	return startAt(t, nil, database, settings...)
}

// startAt starts a server that has a clock of the test's.
func startAt(t testing.TB, clock func() time.Time, database string, settings ...string) *Server {
	t.Helper()
	address := FreeAddress(t)
	s := &Server{Dir: filepath.Join(t.TempDir(), "data"), URL: "http://" + address, clock: clock}
	s.settings = append([]string{
		"MYELIN_SERVER_NAME=localhost", "MYELIN_DATA_DIR=" + s.Dir, "MYELIN_DATABASE=" + database, "MYELIN_LISTEN_HTTP=" + address,
		"MYELIN_REGISTRATION=shared_secret", "MYELIN_REGISTRATION_SHARED_SECRET=" + Secret, "MYELIN_RATE_LIMITS=off",
		"MYELIN_PASSWORD_HASHING=fast",
	}, append(delay(), settings...)...)
	s.start(t)
	t.Cleanup(func() { s.stop(t) })
	return s
}

// delay slows every commit down when the whole suite runs that way.
func delay() []string {
	if d := os.Getenv("MYELIN_TEST_COMMIT_DELAY"); d != "" {
		return []string{"MYELIN_TEST_COMMIT_DELAY=" + d}
	}
	return nil
}

func (s *Server) start(t testing.TB) {
	t.Helper()
	c, err := config.Load("", s.settings)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	if s.Server, err = server.Start(context.Background(), c, server.Options{Log: log, Clock: s.clock}); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) stop(t testing.TB) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("stop the server: %v", err)
	}
}

// Restart stops the server and starts it again on the same data.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.stop(t)
	s.start(t)
}

// startError is why a server does not start.
func startError(t testing.TB, settings ...string) error {
	t.Helper()
	c, err := config.Load("", append([]string{"MYELIN_SERVER_NAME=localhost", "MYELIN_DATA_DIR=" + t.TempDir(), "MYELIN_LISTEN_HTTP=" + FreeAddress(t)}, settings...))
	if err != nil {
		return err
	}
	s, err := server.Start(context.Background(), c, server.Options{Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = s.Close()
	}
	return err
}
