package servertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db/dbtest"
)

// kills is how often each database's server loses its power under load.
const kills = 50

// Every message that the server has acknowledged is there exactly once, in the
// order of its sender, with its audit entry, after the process was killed at
// random moments under load.
func TestKilledUnderLoad(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { killUnderLoad(t, "") })
	t.Run("postgres", func(t *testing.T) { killUnderLoad(t, dbtest.PostgresURL(t)) })
}

type sent struct {
	mu    sync.Mutex
	acked map[string]id.EventID // body to event
}

func killUnderLoad(t *testing.T, database string) {
	p := NewProcess(t, database)
	p.Start(t)
	var clients []*mautrix.Client
	for i := range 8 {
		c := Register(t, p.URL, fmt.Sprintf("nurse%d", i))
		c.DefaultHTTPRetries = 0
		clients = append(clients, c)
	}
	room := Room(t, &mautrix.ReqCreateRoom{Preset: "public_chat"}, clients...)
	log := &sent{acked: map[string]id.EventID{}}
	random := rand.New(rand.NewPCG(1, 2))
	for round := range kills {
		sendUntilKilled(t, p, clients, room, round, random, log)
		p.Start(t)
	}
	verifySent(t, clients[0], room, log)
	p.Stop(t)
	verifyAudited(t, p, log)
}

// sendUntilKilled lets every client send one message after the other, kills
// the server once some were acknowledged.
func sendUntilKilled(t *testing.T, p *Process, clients []*mautrix.Client, room id.RoomID, round int, random *rand.Rand, log *sent) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	enough := make(chan struct{})
	after := 1 + random.IntN(60)
	var senders sync.WaitGroup
	var once sync.Once
	for sender, c := range clients {
		senders.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				body := fmt.Sprintf("round %02d sender %d number %05d", round, sender, n)
				answer, err := c.SendMessageEvent(ctx, room, event.EventMessage,
					&event.MessageEventContent{MsgType: event.MsgText, Body: body},
					mautrix.ReqSendEvent{TransactionID: strings.ReplaceAll(body, " ", "-")})
				if err != nil {
					var refused mautrix.HTTPError
					if errors.As(err, &refused) && refused.RespError != nil {
						t.Errorf("%s: %v", body, err)
					}
					return
				}
				log.mu.Lock()
				log.acked[body] = answer.EventID
				log.mu.Unlock()
				if n >= after {
					once.Do(func() { close(enough) })
				}
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(30 * time.Second):
		t.Error("the senders got no answers")
	}
	p.Kill()
	cancel()
	senders.Wait()
}

// verifySent reads the whole history back.
func verifySent(t *testing.T, c *mautrix.Client, room id.RoomID, log *sent) {
	t.Helper()
	seen := map[string]id.EventID{}
	newest := map[string]string{} // by round and sender: the last number that was read
	from := ""
	for {
		page, err := c.Messages(t.Context(), room, from, "", mautrix.DirectionForward, nil, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range page.Chunk {
			if ev.Type != event.EventMessage {
				continue
			}
			body, _ := ev.Content.Raw["body"].(string)
			if _, twice := seen[body]; twice {
				t.Errorf("%q is there twice", body)
			}
			seen[body] = ev.ID
			who, number, _ := strings.Cut(body, " number ")
			if number <= newest[who] && newest[who] != "" {
				t.Errorf("%s: number %s came after %s", who, number, newest[who])
			}
			newest[who] = number
		}
		if page.End == "" || len(page.Chunk) == 0 {
			break
		}
		from = page.End
	}
	for body, want := range log.acked {
		if seen[body] != want {
			t.Errorf("%q was acknowledged as %s and is %q", body, want, seen[body])
		}
	}
	t.Logf("%d acknowledged, %d stored", len(log.acked), len(seen))
}

// verifyAudited proves the audit log and looks for the entry of every
// acknowledged message.
func verifyAudited(t *testing.T, p *Process, log *sent) {
	t.Helper()
	if out, err := p.Run(t, "audit", "verify"); err != nil {
		t.Errorf("audit verify: %v\n%s", err, out)
	}
	out, err := p.Run(t, "audit", "export")
	if err != nil {
		t.Fatal(err)
	}
	entries := map[id.EventID]int{}
	for line := range strings.Lines(out) {
		var entry struct {
			Act    string     `json:"act"`
			Target id.EventID `json:"target"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		entries[entry.Target]++
	}
	for body, ev := range log.acked {
		if entries[ev] != 1 {
			t.Errorf("%q (%s) has %d audit entries", body, ev, entries[ev])
		}
	}
}
