package servertest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"

	"github.com/myelin-health/myelin/db/dbtest"
)

// Two processes on one PostgreSQL serve one room: what is sent through either
// reaches people who are connected to the other, once and in one order, while
// both write at full speed. A sign-out on one is known to the other.
func TestTwoProcessesOneRoom(t *testing.T) {
	database := dbtest.PostgresURL(t)
	master := "MYELIN_MASTER_KEY=c2VydmVydGVzdCBtYXN0ZXIga2V5LCAzMiBieXRlcyE="
	a, b := NewProcess(t, database, master), NewProcess(t, database, master)
	a.Start(t)
	b.Start(t)
	if one, two := signing(t, a), signing(t, b); !bytes.Equal(one, two) {
		t.Error("the processes sign with different keys")
	}
	nurse, physician := Register(t, a.URL, "nurse"), Register(t, b.URL, "physician")
	room := Room(t, &mautrix.ReqCreateRoom{Preset: "public_chat"}, nurse, physician)

	seen := map[string]*arrivals{"nurse": follow(t, nurse), "physician": follow(t, physician)}
	const each = 200
	var senders sync.WaitGroup
	for name, client := range map[string]*mautrix.Client{"nurse": nurse, "physician": physician} {
		for worker := range 4 {
			senders.Go(func() {
				for n := range each / 4 {
					if _, err := client.SendText(t.Context(), room, fmt.Sprintf("%s %d %03d", name, worker, n)); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		}
	}
	senders.Wait()
	for who, s := range seen {
		Eventually(t, 20*time.Second, who+" has everything", func() bool { return len(s.list()) >= 2*each })
	}
	first, second := seen["nurse"].list(), seen["physician"].list()
	if len(first) != 2*each || len(second) != 2*each {
		t.Fatalf("%d and %d messages arrived, want %d", len(first), len(second), 2*each)
	}
	once := map[string]bool{}
	for i := range first {
		if first[i] != second[i] {
			t.Fatalf("message %d is %q for one and %q for the other", i, first[i], second[i])
		}
		if once[first[i]] {
			t.Errorf("%q arrived twice", first[i])
		}
		once[first[i]] = true
	}

	elsewhere, err := mautrix.NewClient(b.URL, nurse.UserID, nurse.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := elsewhere.Whoami(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := nurse.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 5*time.Second, "the other process knows of the sign-out", func() bool {
		_, err := elsewhere.Whoami(t.Context())
		return err != nil
	})
}

func signing(t *testing.T, p *Process) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(p.Dir, "signing.key"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// arrivals are the texts that a client was given by /sync, in order.
type arrivals struct {
	mu    sync.Mutex
	texts []string
}

func (a *arrivals) list() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.texts...)
}

// follow syncs until the test ends.
func follow(t *testing.T, client *mautrix.Client) *arrivals {
	t.Helper()
	a := &arrivals{}
	syncer := client.Syncer.(*mautrix.DefaultSyncer)
	syncer.FilterJSON = &mautrix.Filter{Room: &mautrix.RoomFilter{Timeline: &mautrix.FilterPart{Limit: 1000}}}
	syncer.OnEventType(event.EventMessage, func(_ context.Context, ev *event.Event) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.texts = append(a.texts, ev.Content.AsMessage().Body)
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = client.SyncWithContext(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return a
}
