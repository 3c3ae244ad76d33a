// Package servertest runs whole servers for tests: in the test's own process,
// or the built program as a process of its own that can be killed. Tests drive
// them with clients that nobody here wrote.
package servertest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"
	"maunium.net/go/mautrix/synapseadmin"
)

// Secret is the registration secret of every server started here.
const Secret = "servertest-secret"

// password of every account made here.
const password = "correct horse battery staple"

// Process is the built program, serving on loopback.
type Process struct {
	Dir  string // data folder
	URL  string
	Name string // server name

	bin string
	env []string
	cmd *exec.Cmd
	log lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// program is one of this module's programs, built once per test process.
type program struct {
	once sync.Once
	path string
	err  error
}

func (p *program) build(t testing.TB, pkg, experiment string, flags ...string) string {
	t.Helper()
	p.once.Do(func() {
		dir, err := os.MkdirTemp("", "myelin-bin")
		if err != nil {
			p.err = err
			return
		}
		p.path = filepath.Join(dir, filepath.Base(pkg))
		args := append(append([]string{"build", "-o", p.path}, flags...), "github.com/myelin-health/myelin/"+pkg)
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), experiment, "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			p.err = fmt.Errorf("build: %w: %s", err, out)
		}
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.path
}

var serverProgram program

// Binary builds the server once per test process and returns its path.
func Binary(t testing.TB) string {
	t.Helper()
	return serverProgram.build(t, "cmd/myelin", "GOEXPERIMENT=jsonv2")
}

// FreeAddress returns a loopback address that nobody listens on.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// NewProcess prepares a server on a data folder of its own; database is empty
// for SQLite. Further settings are given as "MYELIN_…=…".
func NewProcess(t testing.TB, database string, settings ...string) *Process {
	t.Helper()
	address := FreeAddress(t)
	p := &Process{Dir: filepath.Join(t.TempDir(), "data"), URL: "http://" + address, Name: "localhost", bin: Binary(t)}
	p.env = append([]string{
		"MYELIN_SERVER_NAME=" + p.Name, "MYELIN_DATA_DIR=" + p.Dir, "MYELIN_DATABASE=" + database, "MYELIN_LISTEN_HTTP=" + address,
		"MYELIN_REGISTRATION=shared_secret", "MYELIN_REGISTRATION_SHARED_SECRET=" + Secret, "MYELIN_RATE_LIMITS=off",
		"MYELIN_PASSWORD_HASHING=fast", "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(),
	}, append(delay(), settings...)...)
	t.Cleanup(func() {
		if p.cmd != nil {
			p.Kill()
		}
		if t.Failed() {
			t.Log(p.log.String())
		}
	})
	return p
}

// Start starts the program and returns when it is ready.
func (p *Process) Start(t testing.TB, wrap ...string) {
	t.Helper()
	args := append(wrap, p.bin, "serve")
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Env = p.env
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 30*time.Second, "the server is ready", func() bool {
		answer, err := http.Get(p.URL + "/readyz")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// Kill ends the program as loss of power would, as far as a process can.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
}

// Stop asks the program to end and waits for it.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("stopped with %v\n%s", err, p.log.String())
	}
	p.cmd = nil
}

// Run runs another command of the program on the same configuration.
func (p *Process) Run(t testing.TB, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(p.bin, args...)
	cmd.Env = p.env
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%v: %w", args, err)
	}
	return string(out), nil
}

// Log is what the program has written so far.
func (p *Process) Log() string { return p.log.String() }

// Register makes an account on the server at url and returns its signed-in client.
func Register(t testing.TB, url, localpart string) *mautrix.Client {
	t.Helper()
	client, err := mautrix.NewClient(url, "", "")
	if err != nil {
		t.Fatal(err)
	}
	admin := &synapseadmin.Client{Client: client}
	if _, err := admin.SharedSecretRegister(t.Context(), Secret, synapseadmin.ReqSharedSecretRegister{
		Username: localpart, Password: password, Displayname: localpart,
	}); err != nil {
		t.Fatalf("register %s: %v", localpart, err)
	}
	SignIn(t, client, localpart)
	return client
}

// SignIn gives client a device of its own of an account that Register made.
func SignIn(t testing.TB, client *mautrix.Client, localpart string) {
	t.Helper()
	if _, err := client.Login(t.Context(), &mautrix.ReqLogin{
		Type:             mautrix.AuthTypePassword,
		Identifier:       mautrix.UserIdentifier{Type: mautrix.IdentifierTypeUser, User: localpart},
		Password:         password,
		StoreCredentials: true,
	}); err != nil {
		t.Fatalf("sign in %s: %v", localpart, err)
	}
}

// Room makes a room of the clients' users, the first its creator.
func Room(t testing.TB, create *mautrix.ReqCreateRoom, clients ...*mautrix.Client) id.RoomID {
	t.Helper()
	for _, c := range clients[1:] {
		create.Invite = append(create.Invite, c.UserID)
	}
	room, err := clients[0].CreateRoom(t.Context(), create)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range clients[1:] {
		if _, err := c.JoinRoomByID(t.Context(), room.RoomID); err != nil {
			t.Fatal(err)
		}
	}
	return room.RoomID
}

// Eventually polls condition until it holds and fails the test after the time
// given; what says what was waited for.
func Eventually(t testing.TB, within time.Duration, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", within, what)
		case <-tick.C:
		}
	}
}
