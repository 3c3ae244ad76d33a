package audit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
)

// refusals counts refusals until they are written, so that somebody who tries ten thousand times costs one entry.
type refusals struct {
	mu      sync.Mutex
	counted map[refusal]*tally
	full    chan struct{}
}

// refusal is what makes two refusals the same.
type refusal struct {
	act     Act
	who     id.UserID
	device  id.DeviceID
	room    id.RoomID
	target  string
	outcome Outcome
}

type tally struct {
	detail      map[string]any
	count       int64
	first, last time.Time
}

const (
	manyRefusals = 1000  // different ones that are written without waiting for the next round
	maxRefusals  = 10000 // different ones kept; more are counted together
)

func (r *refusals) init() {
	r.counted = map[refusal]*tally{}
	r.full = make(chan struct{}, 1)
}

// Refused notes that something was refused. It does not wait: repeats are counted, and written every few seconds as one
// entry with the count in its details (count, first, last). Of the details those of the first are kept. Act is
// AccessRefused unless it is SignInFailed.
func (l *Log) Refused(e Entry) {
	if e.Act != SignInFailed {
		e.Act = AccessRefused
	}
	e.Outcome = Refused
	now := l.clock()
	key := refusal{e.Act, e.Who, e.Device, e.Room, e.Target, e.Outcome}
	r := &l.refusals
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.counted[key]
	if t == nil && len(r.counted) >= maxRefusals {
		key, e.Detail = refusal{act: e.Act, target: "many", outcome: e.Outcome}, nil
		t = r.counted[key]
	}
	if t == nil {
		t = &tally{first: now, detail: e.Detail}
		r.counted[key] = t
	}
	t.count++
	t.last = now
	if len(r.counted) >= manyRefusals {
		select {
		case r.full <- struct{}{}:
		default:
		}
	}
}

// flushRefusals writes what was counted.
func (l *Log) flushRefusals(ctx context.Context) error {
	r := &l.refusals
	r.mu.Lock()
	counted := r.counted
	if len(counted) > 0 {
		r.counted = map[refusal]*tally{}
	}
	r.mu.Unlock()
	var chunk []Entry
	for key, t := range counted {
		chunk = append(chunk, t.entry(key))
		delete(counted, key)
		if len(chunk) < 200 && len(counted) > 0 {
			continue
		}
		err := l.db.Write(ctx, "audit refusals", nil, func(tx *db.Tx) error {
			for _, e := range chunk {
				l.Append(tx, e)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("write refusals: %w", err)
		}
		chunk = chunk[:0]
	}
	return nil
}

func (t *tally) entry(key refusal) Entry {
	detail := map[string]any{}
	for k, v := range t.detail {
		detail[k] = v
	}
	if t.count > 1 {
		detail["count"] = t.count
		detail["first"] = t.first.UTC().Format(time.RFC3339)
		detail["last"] = t.last.UTC().Format(time.RFC3339)
	}
	return Entry{Act: key.act, Who: key.who, Device: key.device, Room: key.room, Target: key.target, Outcome: key.outcome, Detail: detail}
}
