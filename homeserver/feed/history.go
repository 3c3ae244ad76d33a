package feed

import (
	"context"
	"slices"
	"sync"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/homeserver/room"
)

const (
	historyRooms = 64               // rooms whose history is kept at most
	historyKept  = 20 * time.Second // after its last use
)

// history is the newest part of a room's events, kept for a moment: after a restart all members of a room
// count what they have not read at about the same time, and read the same events for it.
type history struct {
	used int64 // milliseconds; guarded by Feed.mu

	mu     sync.Mutex
	from   int64         // events after it are here
	upTo   int64         // up to this position
	events []*room.Event // newest first; never changed in place
}

// events returns a room's events with after < position <= upTo, newest first, and at most unreadScan of them.
func (f *Feed) events(ctx context.Context, r *room.Room, after, upTo int64) ([]*room.Event, error) {
	h := f.history(r.ID)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.events == nil && h.upTo == 0 {
		h.from, h.upTo = upTo, upTo
	}
	if upTo > h.upTo {
		newer, err := f.rooms.Timeline(ctx, r, h.upTo, upTo, unreadScan)
		if err != nil {
			return nil, err
		}
		if len(newer) == unreadScan {
			h.events, h.from = nil, newer[len(newer)-1].Pos-1
		}
		h.events, h.upTo = slices.Concat(newer, h.events), upTo
	}
	for after < h.from && len(h.events) < unreadScan {
		page, err := f.rooms.Timeline(ctx, r, after, h.from, unreadPage)
		if err != nil {
			return nil, err
		}
		h.events = slices.Concat(h.events, page)
		if h.from = after; len(page) == unreadPage {
			h.from = page[len(page)-1].Pos - 1
		}
	}
	first, last := 0, len(h.events)
	for first < last && h.events[first].Pos > upTo {
		first++
	}
	for last > first && h.events[last-1].Pos <= after {
		last--
	}
	return h.events[first:min(last, first+unreadScan)], nil
}

func (f *Feed) history(r id.RoomID) *history {
	now := f.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.histories[r]
	if h == nil {
		h = new(history)
		if len(f.histories) >= historyRooms {
			clear(f.histories)
		}
		f.histories[r] = h
	}
	h.used = now
	return h
}

// forgetHistories drops what nobody used for a while.
func (f *Feed) forgetHistories() {
	before := f.now() - historyKept.Milliseconds()
	f.mu.Lock()
	defer f.mu.Unlock()
	for r, h := range f.histories {
		if h.used < before {
			delete(f.histories, r)
		}
	}
}
