package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// command runs the program's command line and returns what it printed.
func command(t *testing.T, environ []string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), args, environ, &out, io.Discard)
	return out.String(), err
}

func TestCommandsThatPrint(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "myelin serve"},
		{[]string{"help"}, "myelin demo"},
		{[]string{"version"}, ""},
		{[]string{"config"}, `server_name = "localhost"`},
		{[]string{"config", "--example"}, "# Environment: MYELIN_SERVER_NAME"},
	} {
		out, err := command(t, nil, test.args...)
		if err != nil || !strings.Contains(out, test.want) {
			t.Errorf("%v: %v\n%s", test.args, err, out)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for _, test := range []struct {
		args    []string
		environ []string
		want    string
	}{
		{[]string{"serv"}, nil, "not a command"},
		{[]string{"serve", "now"}, nil, "not expected"},
		{[]string{"serve", "--config", "/does/not/exist.toml"}, nil, "/does/not/exist.toml"},
		{[]string{"serve"}, []string{"MYELIN_REGISTRATION=maybe"}, "MYELIN_REGISTRATION"},
		{[]string{"config"}, []string{"MYELIN_PORT=1"}, "not known"},
		{[]string{"config", "--exampel"}, nil, "exampel"},
		{[]string{"keys", "turn"}, []string{"MYELIN_DATA_DIR=" + t.TempDir()}, "usage"},
		{[]string{"audit", "count"}, []string{"MYELIN_DATA_DIR=" + filepath.Join(t.TempDir(), "d")}, "usage"},
		{[]string{"demo", "--listen", "0.0.0.0:0"}, nil, "loopback"},
		{[]string{"demo", "--fast"}, nil, "fast"},
		{[]string{"demo"}, []string{"MYELIN_PORT=1"}, "not known"},
	} {
		if _, err := command(t, test.environ, test.args...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %v, want %q", test.args, err, test.want)
		}
	}
}

// watched is an output that can be waited for.
type watched struct {
	mu   sync.Mutex
	text strings.Builder
	news chan struct{}
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
	return w.text.Write(p)
}

func (w *watched) await(t *testing.T, want string, ended <-chan error) string {
	t.Helper()
	late := time.After(time.Minute)
	for {
		w.mu.Lock()
		text := w.text.String()
		w.mu.Unlock()
		if strings.Contains(text, want) {
			return text
		}
		select {
		case <-w.news:
		case err := <-ended:
			t.Fatalf("ended before it said %q: %v\n%s", want, err, text)
		case <-late:
			t.Fatalf("did not say %q\n%s", want, text)
		}
	}
}

// start runs a command until stop is called, which returns its error.
func start(t *testing.T, want string, environ []string, args ...string) (text string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out := &watched{news: make(chan struct{}, 1)}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, args, environ, out, io.Discard) }()
	text = out.await(t, want, ended)
	return text, func() error { cancel(); return <-ended }
}

// The demo hospital is made once, is offered on the sign-in page, and its
// people can sign in; a second start finds it again.
func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	environ := []string{"MYELIN_PASSWORD_HASHING=fast"}
	first, stop := start(t, "Stop with", environ, "demo", "--dir", dir, "--listen", "127.0.0.1:0")
	address := regexp.MustCompile(`http://[0-9.:]+`).FindString(first)
	var sheet struct {
		Hospital string `json:"hospital"`
		People   []struct {
			User, Name, Role, Department, Password string
		} `json:"people"`
	}
	get(t, address+"/_myelin/v1/demo", &sheet)
	if len(sheet.People) < 12 || sheet.Hospital == "" {
		t.Fatalf("demo sign-ins: %+v", sheet)
	}
	for _, p := range sheet.People {
		if !strings.Contains(first, p.Password) {
			t.Errorf("the password of %s is not printed", p.User)
		}
	}
	nurse := sheet.People[1]
	body, _ := json.Marshal(map[string]any{
		"type": "m.login.password", "identifier": map[string]string{"type": "m.id.user", "user": nurse.User}, "password": nurse.Password,
	})
	answer, err := http.Post(address+"/_matrix/client/v3/login", "application/json", bytes.NewReader(body))
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("sign in: %v %v", err, answer)
	}
	answer.Body.Close()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	second, stop := start(t, "Stop with", environ, "demo", "--dir", dir, "--listen", "127.0.0.1:0")
	if !strings.Contains(second, nurse.Password) {
		t.Error("the second start has other passwords")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// serve has no demo accounts, and the tools work on what it left.
func TestServeThenTools(t *testing.T) {
	environ := []string{"MYELIN_DATA_DIR=" + filepath.Join(t.TempDir(), "data"), "MYELIN_LISTEN_HTTP=127.0.0.1:0", "MYELIN_ADMIN_LISTEN=127.0.0.1:0",
		"MYELIN_URL_PREVIEWS=on", "MYELIN_LOG_FORMAT=json"}
	text, stop := start(t, "Myelin serves localhost at", environ, "serve")
	address := regexp.MustCompile(`http://[0-9.:]+`).FindString(text)
	answer, err := http.Get(address + "/_myelin/v1/demo")
	if err != nil || answer.StatusCode == http.StatusOK && strings.Contains(answer.Header.Get("Content-Type"), "json") {
		t.Errorf("serve offers demo sign-ins: %v %v", err, answer)
	}
	answer.Body.Close()
	var health map[string]string
	get(t, address+"/healthz", &health)
	get(t, address+"/readyz", &health)
	if health["status"] != "ready" {
		t.Errorf("not ready: %v", health)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"complete and unaltered": {"audit", "verify"}, "": {"audit", "export"}, "master key was replaced": {"keys", "rotate"},
	} {
		if out, err := command(t, environ, args...); err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

func get(t *testing.T, url string, into any) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", url, answer.StatusCode, err)
	}
}

// Without the experiment the build stops with a message that says what to do.
func TestBuildNeedsTheExperiment(t *testing.T) {
	build := exec.Command("go", "vet", ".")
	build.Env = append(os.Environ(), "GOEXPERIMENT=")
	out, err := build.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "GOEXPERIMENT-set-to-jsonv2") {
		t.Errorf("%v\n%s", err, out)
	}
}
