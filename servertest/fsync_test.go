package servertest

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"

	"github.com/myelin-health/myelin/db/dbtest"
)

// The tests of this package run on a PostgreSQL that syncs.
func TestMain(m *testing.M) {
	if err := os.Setenv("MYELIN_TEST_POSTGRES_FSYNC", "on"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// call is one system call of a traced process.
type call struct {
	at, end    float64 // seconds
	name, args string
}

var (
	lineOf    = regexp.MustCompile(`^(\d+) +(\d+\.\d+) (.*)$`)
	whole     = regexp.MustCompile(`^(\w+)\((.*)\) += (-?\d+|\?).*?(?:<(\d+\.\d+)>)?$`)
	begun     = regexp.MustCompile(`^(\w+)\((.*) <unfinished \.\.\.>$`)
	resumed   = regexp.MustCompile(`^<\.\.\. (\w+) resumed>(.*)\) += (-?\d+|\?).*$`)
	traceArgs = []string{"-f", "-ttt", "-T", "-y", "-s", "48", "-e", "trace=read,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2"}
)

// calls reads a trace of strace, in the order in which the calls ended.
func calls(t *testing.T, path string) []call {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	open := map[string]call{}
	var all []call
	for line := range strings.Lines(string(raw)) {
		m := lineOf.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		at, _ := strconv.ParseFloat(m[2], 64)
		if w := whole.FindStringSubmatch(m[3]); w != nil {
			took, _ := strconv.ParseFloat(w[4], 64)
			all = append(all, call{at, at + took, w[1], w[2]})
		} else if b := begun.FindStringSubmatch(m[3]); b != nil {
			open[m[1]] = call{at: at, name: b[1], args: b[2]}
		} else if r := resumed.FindStringSubmatch(m[3]); r != nil {
			c := open[m[1]]
			c.end, c.args = at, c.args+r[2]
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b call) int { return int((a.end - b.end) * 1e9) })
	return all
}

func (c call) sync() bool          { return c.name == "fsync" || c.name == "fdatasync" }
func (c call) on(part string) bool { return strings.Contains(c.args, part) }

// window is one request with the calls between its arrival and its answer.
type window struct {
	calls  []call
	answer call
}

// windows cuts a trace into the requests that contain request, up to the
// first byte of their answers. There must be one request at a time.
func windows(all []call, request string) []window {
	var found []window
	var current *window
	for _, c := range all {
		switch {
		case c.name == "read" && c.on(request):
			current = &window{}
		case current != nil && c.name == "write" && c.on(`"HTTP/1.1 200`):
			current.answer = c
			found = append(found, *current)
			current = nil
		case current != nil:
			current.calls = append(current.calls, c)
		}
	}
	return found
}

// last returns the end of the last call that fits, 0 when there is none.
func (w window) last(fits func(call) bool) float64 {
	var at float64
	for _, c := range w.calls {
		if fits(c) {
			at = max(at, c.end)
		}
	}
	return at
}

const traced = 20 // messages and files

func strace(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("strace is needed for this test: install it (Debian: apt-get install strace)")
	}
	return path
}

// sendAndUpload sends messages and files one after the other.
func sendAndUpload(t *testing.T, url string) {
	t.Helper()
	c := Register(t, url, "nurse")
	room := Room(t, &mautrix.ReqCreateRoom{Preset: "private_chat"}, c)
	for i := range traced {
		if _, err := c.SendMessageEvent(t.Context(), room, event.EventMessage,
			&event.MessageEventContent{MsgType: event.MsgText, Body: fmt.Sprint("message ", i)}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.UploadBytes(t.Context(), []byte(strings.Repeat(fmt.Sprint("file ", i), 1000)), "text/plain"); err != nil {
			t.Fatal(err)
		}
	}
}

// On SQLite an answer follows a sync of the write-ahead log that came after its
// last write; a file and its folder are synced before the row is written.
func TestAnswerAfterSyncSQLite(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	p := NewProcess(t, "")
	p.Start(t, append([]string{strace(t), "-D", "-o", trace}, traceArgs...)...)
	sendAndUpload(t, p.URL)
	p.Stop(t)
	all := calls(t, trace)

	sends := windows(all, "T /_matrix/client/v3/rooms/")
	if len(sends) < traced {
		t.Fatalf("the trace shows %d of %d messages", len(sends), traced)
	}
	wal := func(c call) bool { return c.on("myelin.db-wal>") }
	for i, w := range sends {
		written := w.last(func(c call) bool { return c.name == "pwrite64" && wal(c) })
		synced := w.last(func(c call) bool { return c.sync() && wal(c) && c.at >= written })
		if written == 0 || synced == 0 || w.answer.at < synced {
			t.Errorf("message %d: written %f, synced %f, answered %f", i, written, synced, w.answer.at)
		}
	}

	uploads := windows(all, "T /_matrix/media/v3/upload")
	if len(uploads) < traced {
		t.Fatalf("the trace shows %d of %d files", len(uploads), traced)
	}
	for i, w := range uploads {
		file := w.last(func(c call) bool { return c.sync() && c.on("/data/media/") })
		renamed := w.last(func(c call) bool { return strings.HasPrefix(c.name, "rename") && c.on("/data/media") })
		var row float64 // first write of the row
		for _, c := range w.calls {
			if c.name == "pwrite64" && wal(c) && c.at >= file {
				row = c.at
				break
			}
		}
		synced := w.last(func(c call) bool { return c.sync() && wal(c) })
		if file == 0 || renamed == 0 || file < renamed || row == 0 || row < file || synced < row || w.answer.at < synced {
			t.Errorf("file %d: renamed %f, file and folder synced %f, row written %f and synced %f, answered %f", i, renamed, file, row, synced, w.answer.at)
		}
	}
}

// On PostgreSQL an answer follows a sync of its write-ahead log that began after
// the request came in.
func TestAnswerAfterSyncPostgres(t *testing.T) {
	database := dbtest.PostgresURL(t)
	address, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := os.ReadFile(filepath.Join(address.Query().Get("host"), "postmaster.pid"))
	if err != nil {
		t.Skipf("PostgreSQL is not ours to trace: %v", err)
	}
	main, _, _ := strings.Cut(string(pid), "\n")
	dir := t.TempDir()
	tracer := exec.Command(strace(t), append([]string{"-o", filepath.Join(dir, "postgres"), "-p", main}, traceArgs...)...)
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 10*time.Second, "strace is attached", func() bool {
		status, err := os.ReadFile("/proc/" + main + "/status")
		return err == nil && !strings.Contains(string(status), "TracerPid:\t0\n")
	})
	p := NewProcess(t, database)
	p.Start(t, append([]string{strace(t), "-D", "-o", filepath.Join(dir, "server")}, traceArgs...)...)
	sendAndUpload(t, p.URL)
	p.Stop(t)
	if err := tracer.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = tracer.Wait()

	var syncs []call
	for _, c := range calls(t, filepath.Join(dir, "postgres")) {
		if c.sync() && c.on("/pg_wal/") {
			syncs = append(syncs, c)
		}
	}
	all := calls(t, filepath.Join(dir, "server"))
	for _, request := range []string{"T /_matrix/client/v3/rooms/", "T /_matrix/media/v3/upload"} {
		found := windows(all, request)
		if len(found) < traced {
			t.Fatalf("the trace shows %d of %d requests %s", len(found), traced, request)
		}
		for i, w := range found {
			arrived := w.answer.at
			if len(w.calls) > 0 {
				arrived = w.calls[0].at
			}
			if !slices.ContainsFunc(syncs, func(s call) bool { return s.at >= arrived && s.end <= w.answer.at }) {
				t.Errorf("%s %d was answered without a sync of the log", request, i)
			}
		}
	}
}
