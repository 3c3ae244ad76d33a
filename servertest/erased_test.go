package servertest

import (
	"bytes"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	_ "modernc.org/sqlite" // to look at the rows as a thief of the disk would
)

// A redacted message is nowhere in the data folder any more, not even sealed,
// while the server runs on.
func TestRedactedLeavesTheFolder(t *testing.T) {
	p := NewProcess(t, "")
	p.Start(t)
	nurse := Register(t, p.URL, "nurse")
	room := Room(t, &mautrix.ReqCreateRoom{Preset: "public_chat"}, nurse)
	sent, err := nurse.SendText(t.Context(), room, "The wrong patient's results")
	if err != nil {
		t.Fatal(err)
	}
	sealed := sealedBody(t, p.Dir, string(sent.EventID))
	if len(holding(t, p.Dir, sealed)) == 0 {
		t.Fatal("the test looks in the wrong place")
	}
	if _, err := nurse.RedactEvent(t.Context(), room, sent.EventID); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 20*time.Second, "the sealed text has left every file", func() bool { return len(holding(t, p.Dir, sealed)) == 0 })
	p.Stop(t)
}

// sealedBody reads what is stored of an event.
func sealedBody(t *testing.T, dir, event string) []byte {
	t.Helper()
	d, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "myelin.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var body []byte
	if err := d.QueryRow(`select body from event where event_id = ?`, event).Scan(&body); err != nil {
		t.Fatal(err)
	}
	return body[len(body)-64:] // ciphertext and tag
}

// holding lists the files below dir that contain the bytes.
func holding(t *testing.T, dir string, want []byte) (files []string) {
	t.Helper()
	eachFile(t, dir, func(name string, raw []byte) {
		if bytes.Contains(raw, want) {
			files = append(files, name)
		}
	})
	return files
}
