package event_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/myelin-health/myelin/matrix/event"
	"maunium.net/go/mautrix/id"
)

// Events that other servers made: their ids, hashes and signatures are as they say.
func TestRecordedEvents(t *testing.T) {
	file, err := os.ReadFile("testdata/recorded.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(file) {
		var r struct {
			Name        string         `json:"name"`
			RoomVersion id.RoomVersion `json:"room_version"`
			EventID     id.EventID     `json:"event_id"`
			Redacted    bool           `json:"redacted"`
			Server      string         `json:"server"`
			Keys        map[id.KeyID]struct {
				Key        id.SigningKey `json:"key"`
				ValidUntil int64         `json:"valid_until_ts"`
			} `json:"keys"`
			Event string `json:"event"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		got, err := event.ParseUntrusted(r.RoomVersion, []byte(r.Event))
		if err != nil || got.ID != r.EventID || got.Redacted != r.Redacted {
			t.Errorf("%s: %+v, %v", r.Name, got, err)
			continue
		}
		err = event.VerifySignatures(r.RoomVersion, got.PDU, func(server string, keyID id.KeyID, _ time.Time) (id.SigningKey, time.Time, error) {
			if server != r.Server {
				return "", time.Time{}, nil
			}
			key := r.Keys[keyID]
			return key.Key, time.UnixMilli(key.ValidUntil), nil
		})
		if err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
}
