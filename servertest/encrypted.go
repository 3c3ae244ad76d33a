package servertest

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"maunium.net/go/mautrix/id"
)

// Device is a client of mautrix-go with its own end-to-end encryption, in a
// process of its own (see mautrixclient).
type Device struct {
	in      *json.Encoder
	answers chan Message
	mu      sync.Mutex
	read    []Message
}

// Message is what a device has decrypted, or the answer to a command.
type Message struct {
	Done   bool       `json:"done"`
	Error  string     `json:"error"`
	Event  id.EventID `json:"event"`
	Sender id.UserID  `json:"sender"`
	Body   string     `json:"body"`
	Data   []byte     `json:"data"` // of its file
}

var deviceProgram program

// NewDevice signs a new device in to an account that Register made. It syncs
// until the test ends.
func NewDevice(t testing.TB, url, localpart string) *Device {
	t.Helper()
	path := deviceProgram.build(t, "servertest/mautrixclient", "GOEXPERIMENT=", "-tags", "goolm")
	cmd := exec.Command(path)
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
	d := &Device{in: json.NewEncoder(in), answers: make(chan Message, 1)}
	done := make(chan struct{})
	go func() { defer close(done); d.listen(out) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait()
	})
	d.do(t, map[string]any{"do": "start", "url": url, "user": localpart, "password": password})
	return d
}

func (d *Device) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var m Message
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			continue
		}
		if m.Done {
			d.answers <- m
			continue
		}
		d.mu.Lock()
		d.read = append(d.read, m)
		d.mu.Unlock()
	}
}

func (d *Device) do(t testing.TB, command map[string]any) id.EventID {
	t.Helper()
	if err := d.in.Encode(command); err != nil {
		t.Fatal(err)
	}
	select {
	case m := <-d.answers:
		if m.Error != "" {
			t.Fatalf("%s: %s", command["do"], m.Error)
		}
		return m.Event
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: no answer", command["do"])
	}
	return ""
}

// Send encrypts a message for the members of a room and sends it.
func (d *Device) Send(t testing.TB, room id.RoomID, body string, members ...id.UserID) id.EventID {
	t.Helper()
	return d.do(t, map[string]any{"do": "send", "room": room, "body": body, "members": members})
}

// SendFile encrypts and uploads a file and sends it.
func (d *Device) SendFile(t testing.TB, room id.RoomID, name string, data []byte, members ...id.UserID) id.EventID {
	t.Helper()
	return d.do(t, map[string]any{"do": "file", "room": room, "body": name, "data": data, "members": members})
}

// Read lists what the device has received so far.
func (d *Device) Read() []Message {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.read)
}

// Expect waits for a message and returns it.
func (d *Device) Expect(t testing.TB, body string) Message {
	t.Helper()
	var found Message
	Eventually(t, 20*time.Second, body, func() bool {
		for _, m := range d.Read() {
			if m.Error != "" {
				t.Fatalf("%s: %s", m.Event, m.Error)
			}
			if m.Body == body {
				found = m
				return true
			}
		}
		return false
	})
	return found
}
