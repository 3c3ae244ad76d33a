package audit

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/seal"
)

// The background work signs without being asked.
func TestBackground(t *testing.T) {
	p := newPlace(t, "")
	o := p.options()
	o.Interval = time.Millisecond
	l := openWith(t, o)
	l.Start()
	p.fill(l, 2*indexChunk)
	l.Refused(Entry{Who: "@refused:x"})
	deadline := time.Now().Add(20 * time.Second)
	for p.number(`select coalesce(max(size), 0) from audit_checkpoint`) < 2*indexChunk+1 || p.number(`select count(*) from audit_index where chunk = 1 and kind = 'day'`) == 0 {
		if time.Now().After(deadline) {
			t.Fatal("nothing was signed or indexed")
		}
		if err := p.db.Write(t.Context(), "let time pass", nil, func(*db.Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if r := verified(t, l); r.Signed != 2*indexChunk+1 {
		t.Errorf("%+v", r)
	}
}

func TestSigningKey(t *testing.T) {
	url := dbtest.PostgresURL(t)
	p := newPlace(t, url)
	l := p.open()
	p.fill(l, 3)
	sign(t, l)

	// Another node with a data directory of its own adopts the key.
	o := p.options()
	o.Dir = t.TempDir()
	node := openWith(t, o)
	if node.PublicKey() != l.PublicKey() || !strings.HasPrefix(l.PublicKey(), "hospital.example/audit+") {
		t.Errorf("keys are %s and %s", node.PublicKey(), l.PublicKey())
	}
	p.fill(node, 3)
	sign(t, node)
	p.fill(l, 3)
	sign(t, l) // has to notice that the other signed
	if r := verified(t, node); r.Signed != 9 || r.Checkpoints != 3 {
		t.Errorf("%+v", r)
	}
	verified(t, l)

	for name, change := range map[string]func(o *Options){
		"other name": func(o *Options) { o.Name = "other.example" },
		"bad name":   func(o *Options) { o.Name = "a b"; o.Dir = t.TempDir() },
		"no folder":  func(o *Options) { o.Dir = filepath.Join(o.Dir, "missing") },
		"other key": func(o *Options) {
			o.Dir = t.TempDir()
			other := newPlace(t, "")
			openWith(t, other.options())
			if err := seal.WriteSecretFile(filepath.Join(o.Dir, "audit.key"), readFile(t, filepath.Join(other.dir, "audit.key"))); err != nil {
				t.Fatal(err)
			}
		},
		"damaged": func(o *Options) {
			o.Dir = t.TempDir()
			if err := seal.WriteSecretFile(filepath.Join(o.Dir, "audit.key"), []byte("x\ny\n")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		o := p.options()
		change(&o)
		if _, err := Open(t.Context(), o); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func TestNodesStartAtOnce(t *testing.T) {
	url := dbtest.PostgresURL(t)
	p := newPlace(t, url)
	logs := make(chan *Log, 4)
	for range 4 {
		o := p.options()
		o.Dir = t.TempDir()
		go func() {
			l, err := Open(t.Context(), o)
			if err != nil {
				t.Error(err)
			}
			logs <- l
		}()
	}
	first := <-logs
	for range 3 {
		if l := <-logs; l != nil && first != nil && l.PublicKey() != first.PublicKey() {
			t.Error("nodes sign with different keys")
		}
	}
}

// A tool that opens the log to look at it signs nothing.
func TestCloseWithoutStart(t *testing.T) {
	p := newPlace(t, "")
	l := p.open()
	p.fill(l, 5)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if n := p.number(`select count(*) from audit_checkpoint`); n != 0 {
		t.Errorf("%d checkpoints", n)
	}
	started := p.open()
	started.Start()
	if err := errors.Join(started.Close(), started.Close()); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, l); r.Signed != 5 {
		t.Errorf("%+v", r)
	}
}

// Two processes write and sign one log at once.
func TestTwoProcesses(t *testing.T) {
	url := dbtest.PostgresURL(t)
	a := newPlace(t, url)
	b := &place{t: t, url: url, dir: t.TempDir()}
	b.now.Store(a.now.Load())
	b.db = b.openDB()
	b.keys = b.openKeys(b.dir)
	logs := []*Log{a.open(), b.open()}
	done := make(chan error, 2)
	for i, p := range []*place{a, b} {
		go func() {
			for range 20 {
				err := p.db.Write(t.Context(), "test", nil, func(tx *db.Tx) error {
					for range 10 {
						logs[i].Append(tx, Entry{Act: Join, Who: "@a:x", Outcome: Done, Detail: map[string]any{"x": "y"}})
					}
					return nil
				})
				if err == nil {
					err = logs[i].Sign(t.Context())
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range logs {
		if r := verified(t, l); r.Entries != 400 || r.Signed != 400 {
			t.Errorf("%+v", r)
		}
	}
}
