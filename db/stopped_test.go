package db_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
)

// TestStoppedProcess stops another process (SIGSTOP) while it writes at full speed
// and goes on writing itself; then lets the other one go on.
func TestStoppedProcess(t *testing.T) {
	if url := os.Getenv("MYELIN_TEST_STOPPED_URL"); url != "" {
		writeUntilEnd(t, url)
		return
	}
	url := dbtest.PostgresURL(t)
	d := dbtest.Open(t, db.Options{URL: url})
	makeNotes(t, d)
	cmd := exec.Command(os.Args[0], "-test.run", "^TestStoppedProcess$")
	cmd.Env = append(os.Environ(), "MYELIN_TEST_STOPPED_URL="+url)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	committed := make(chan string, 1<<20)
	var said strings.Builder // what else it wrote; read when committed is closed
	go func() {
		defer close(committed)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var name string
			if _, err := fmt.Sscanf(lines.Text(), "committed %s", &name); err == nil {
				committed <- name
			} else {
				fmt.Fprintln(&said, lines.Text())
			}
		}
	}()
	acknowledged := map[string]bool{}
	slowest := time.Duration(0)
	for round := range 3 { // together shorter than a write is repeated for
		for range 50 {
			acknowledged[<-committed] = true
		}
		if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			name := fmt.Sprintf("parent.%d.%d", round, i)
			start := time.Now()
			if err := d.Write(context.Background(), "note", []db.Key{1}, func(tx *db.Tx) error {
				addNote(tx, name)
				tx.SetHead(1, nil)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			slowest = max(slowest, time.Since(start))
			acknowledged[name] = true
		}
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	in.Close()
	for name := range committed {
		acknowledged[name] = true
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the other process failed: %v\n%s", err, said.String())
	}
	if slowest > 5*time.Second {
		t.Errorf("stalled for %v", slowest)
	}
	seen := map[string]int{}
	for _, name := range noteNames(t, d) {
		seen[name]++
	}
	for name, n := range seen {
		if n != 1 || !acknowledged[name] {
			t.Errorf("%s is there %d times, acknowledged %v", name, n, acknowledged[name])
		}
	}
	if len(seen) != len(acknowledged) {
		t.Errorf("%d rows, %d were acknowledged", len(seen), len(acknowledged))
	}
	t.Logf("slowest write %v, %d rows", slowest, len(seen))
}

func writeUntilEnd(t *testing.T, url string) {
	d := dbtest.Open(t, db.Options{URL: url})
	end := make(chan struct{})
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		close(end)
	}()
	var all sync.WaitGroup
	for w := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := 0; ; i++ {
				select {
				case <-end:
					return
				default:
				}
				name := fmt.Sprintf("child.%d.%d", w, i)
				if err := d.Write(context.Background(), "note", []db.Key{1}, func(tx *db.Tx) error {
					addNote(tx, name)
					tx.SetHead(1, []byte(name))
					tx.After(func() { fmt.Println("committed", name) })
					return nil
				}); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}()
	}
	all.Wait()
}
