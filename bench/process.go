package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is the program under load.
type server struct {
	bin     string
	dir     string
	address string // client API
	admin   string // metrics and profiles
	env     []string
	cmd     *exec.Cmd
	done    chan error
}

func newServer(bin, dir, database string) (*server, error) {
	path, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("the server is not built: %w", err)
	}
	s := &server{bin: path, dir: dir}
	for _, address := range []*string{&s.address, &s.admin} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		*address = l.Addr().String()
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	s.env = append(withoutOurs(os.Environ()),
		"MYELIN_SERVER_NAME=bench.example",
		"MYELIN_DATA_DIR="+filepath.Join(dir, "data"),
		"MYELIN_DATABASE="+database,
		"MYELIN_LISTEN_HTTP="+s.address,
		"MYELIN_ADMIN_LISTEN="+s.admin,
		"MYELIN_REGISTRATION=open",
		"MYELIN_RATE_LIMITS=off",
		"MYELIN_PASSWORD_HASHING=fast",
	)
	return s, nil
}

func withoutOurs(env []string) []string {
	var out []string
	for _, e := range env {
		if !strings.HasPrefix(e, "MYELIN_") {
			out = append(out, e)
		}
	}
	return out
}

func (s *server) logFile() string { return filepath.Join(s.dir, "log") }

// lastLog is the end of what the server said.
func (s *server) lastLog() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return ""
	}
	return string(text[max(0, len(text)-4000):])
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// start starts the server and returns how long it took until it was ready.
func (s *server) start(ctx context.Context) (time.Duration, error) {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	s.cmd = exec.Command(s.bin, "serve")
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = s.env, log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	begun := time.Now()
	if err := s.cmd.Start(); err != nil {
		return 0, err
	}
	s.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan error) { done <- cmd.Wait() }(s.cmd, s.done)
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for time.Since(begun) < time.Minute {
		select {
		case err := <-s.done:
			return 0, fmt.Errorf("the server ended at its start: %v\n%s", err, s.lastLog())
		case <-ctx.Done():
			return 0, errors.Join(ctx.Err(), s.stop())
		case <-look.C:
		}
		c, err := dial(s.address)
		if err != nil {
			continue
		}
		status, _, err := c.do(request("GET", "/readyz", "", nil))
		c.close()
		if err == nil && status == http.StatusOK {
			return time.Since(begun), nil
		}
	}
	return 0, errors.Join(fmt.Errorf("the server is not ready after a minute\n%s", s.lastLog()), s.stop())
}

func (s *server) end(signal os.Signal) error {
	if s.cmd == nil {
		return nil
	}
	if err := s.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.done:
	case <-time.After(30 * time.Second):
		if err := s.cmd.Process.Kill(); err != nil {
			return err
		}
		<-s.done
	}
	s.cmd = nil
	return nil
}

// stop asks the server to end and waits for it.
func (s *server) stop() error { return s.end(syscall.SIGTERM) }

// kill ends the server as a crash would.
func (s *server) kill() error { return s.end(syscall.SIGKILL) }

// fetch reads a page of the admin address into w.
func (s *server) fetch(ctx context.Context, path string, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", path, resp.Status)
	}
	_, err = io.Copy(w, resp.Body)
	return err
}

// resident is the memory of the process in bytes.
func (s *server) resident() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid()))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(rest)
	if !ok || len(fields) == 0 {
		return 0, errors.New("no VmRSS in /proc")
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10, err
}

// clockTick is the unit of processor time in /proc; it is 1/100 s on every Linux that Go supports.
const clockTick = 10 * time.Millisecond

// processorTime is what the processes and their descendants have used, those that have ended included.
func processorTime(pids ...int) time.Duration {
	parents, ticks := map[int]int{}, map[int]int64{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		if parent, used, ok := parseStat(string(text)); ok {
			parents[pid], ticks[pid] = parent, used
		}
	}
	var sum int64
	for pid, used := range ticks {
		for p, depth := pid, 0; p > 1 && depth < 100; p, depth = parents[p], depth+1 {
			if contains(pids, p) {
				sum += used
				break
			}
		}
	}
	return time.Duration(sum) * clockTick
}

func contains(pids []int, pid int) bool {
	for _, p := range pids {
		if p == pid {
			return true
		}
	}
	return false
}

// parseStat reads parent and processor time (own, and of children that have ended) from /proc/…/stat.
func parseStat(text string) (parent int, ticks int64, ok bool) {
	_, rest, ok := cutLast(text, ") ")
	f := strings.Fields(rest)
	if !ok || len(f) < 15 {
		return 0, 0, false
	}
	parent, err := strconv.Atoi(f[1])
	if err != nil {
		return 0, 0, false
	}
	for _, field := range f[11:15] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, 0, false
		}
		ticks += n
	}
	return parent, ticks, true
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
