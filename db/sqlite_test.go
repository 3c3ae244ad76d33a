package db_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
)

func TestOneProcessOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "one.db")
	d := dbtest.Open(t, db.Options{Path: path})
	if second, err := db.Open(context.Background(), db.Options{Path: path}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v %v", second, err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	dbtest.Open(t, db.Options{Path: path})
}

func TestOpenSQLiteErrors(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("this is no database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "missing", "x.db"), garbage, dir} {
		if d, err := db.Open(context.Background(), db.Options{Path: path}); err == nil {
			d.Close()
			t.Errorf("%s opened", path)
		}
	}
}

// TestOddPath opens a path that has to be escaped, through a symbolic link.
func TestOddPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b%20?#é")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	d := dbtest.Open(t, db.Options{Path: filepath.Join(link, "odd.db"), Metrics: registry})
	makeNotes(t, d)
	if err := d.Write(context.Background(), "slow", nil, func(tx *db.Tx) error {
		for start := time.Now(); time.Since(start) < 25*time.Millisecond; {
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "odd.db-wal")); err != nil {
		t.Error(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range families {
		found[f.GetName()] = true
	}
	if !found["myelin_db_slow_writes_total"] || !found["myelin_db_batch_members"] {
		t.Errorf("metrics %v", found)
	}
}

// TestLogStaysSmall writes far more than the log may hold while others read.
func TestLogStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	d := dbtest.Open(t, db.Options{Path: path})
	makeNotes(t, d)
	ctx, stopReaders := context.WithCancel(context.Background())
	var readers sync.WaitGroup
	for range 2 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for ctx.Err() == nil {
				var n *int
				if err := d.QueryRow(context.Background(), `select max(pos) from note where pos > $1`, 0).Scan(&n); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	body := make([]byte, 128<<10)
	for range 400 { // 50 MiB
		if err := d.Write(context.Background(), "note", nil, func(tx *db.Tx) error {
			tx.Append(notes, tx.Number(db.Stream), nil, "x", body, nil)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	stopReaders()
	readers.Wait()
	st, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if st.Size() > 40<<20 {
		t.Errorf("the log has %d MiB", st.Size()>>20)
	}
	t.Logf("log of %d MiB", st.Size()>>20)
}

// TestCrash kills a writing process at random moments and looks for everything
// that it had acknowledged.
func TestCrash(t *testing.T) {
	if path := os.Getenv("MYELIN_TEST_CRASH_PATH"); path != "" {
		writeUntilKilled(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "crash.db")
	acknowledged := 0
	for round := range 8 {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestCrash$")
		cmd.Env = append(os.Environ(), "MYELIN_TEST_CRASH_PATH="+path, fmt.Sprint("MYELIN_TEST_CRASH_FROM=", acknowledged))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		left := rand.IntN(300) + 1
		for lines.Scan() {
			if _, err := fmt.Sscanf(lines.Text(), "committed %d", &acknowledged); err == nil {
				if left--; left == 0 {
					_ = cmd.Process.Kill()
				}
			}
		}
		_ = cmd.Wait()
		d := dbtest.Open(t, db.Options{Path: path})
		if n := len(noteNames(t, d)); n < acknowledged {
			t.Fatalf("round %d: %d rows, %d were acknowledged", round, n, acknowledged)
		}
		var state string
		if err := d.QueryRow(context.Background(), `pragma integrity_check`).Scan(&state); err != nil || state != "ok" {
			t.Fatalf("round %d: %s, %v", round, state, err)
		}
		v, _, _, err := d.Head(context.Background(), 1)
		if p, _ := d.Position(context.Background()); err != nil || v != p {
			t.Fatalf("round %d: head %d at position %d, %v", round, v, p, err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func writeUntilKilled(t *testing.T, path string) {
	d := dbtest.Open(t, db.Options{Path: path})
	makeNotes(t, d)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for ctx.Err() == nil {
				var n *db.Num
				if err := d.Write(ctx, "note", []db.Key{1}, func(tx *db.Tx) error {
					n = addNote(tx, strings.Repeat("x", 1000))
					tx.SetHead(1, []byte("x"))
					tx.After(func() { fmt.Println("committed", n.Value()) })
					return nil
				}); err != nil {
					return
				}
			}
		}()
	}
	all.Wait()
}

// What was erased leaves every file of the database while it is open.
func TestErasedLeavesTheFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "erase.db")
	d, err := db.Open(t.Context(), db.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	secret := bytes.Repeat([]byte("haemoptysis "), 40)
	write := func(q string, args ...any) {
		t.Helper()
		if err := d.Write(t.Context(), "test", nil, func(tx *db.Tx) error { _, err := tx.Exec(q, args...); return err }); err != nil {
			t.Fatal(err)
		}
	}
	found := func() (files []string) {
		for _, name := range []string{path, path + "-wal"} {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(raw, secret[:12]) {
				files = append(files, filepath.Base(name))
			}
		}
		return files
	}
	write(`insert into head (key, version, value) values ($1, 1, $2)`, 77, secret)
	if len(found()) == 0 {
		t.Fatal("the test looks in the wrong place")
	}
	write(`update head set value = $1 where key = $2`, []byte("gone"), 77)
	d.Erased()
	d.Erased()
	for deadline := time.Now().Add(20 * time.Second); len(found()) > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("still in %v", found())
		}
		runtime.Gosched()
	}
}
