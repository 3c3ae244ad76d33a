package feed

import (
	"time"

	"maunium.net/go/mautrix/id"
)

// Asides are receipts, typing and presence. They come with other news or, when there is none, at most once in a
// while: in a busy room everybody reads and types, and each aside told by itself would cost a device more than
// the messages do.

const (
	// asidePause is how long after news a device is not woken for asides.
	asidePause = time.Second
	// gather is how long the asides of a room are gathered, and how often it is looked whose pause is over.
	gather = 100 * time.Millisecond
)

// calm reports whether a device may be told of asides alone.
func (x *waiter) calm(now int64) bool { return now >= x.pauseEnd() }

func (x *waiter) pauseEnd() int64 { return x.memory.told.Load() + asidePause.Milliseconds() }

// nudge wakes the waiting devices of the given people for an aside, each when its pause is over.
func (f *Feed) nudge(by string, users ...id.UserID) {
	n, held := f.waiters.nudge(f.now(), users)
	f.woke(by, n)
	if held {
		f.soonAgain()
	}
}

// nudge returns how many devices were woken, and whether there are some whose pause is not over.
func (w *waiters) nudge(now int64, users []id.UserID) (woken int, held bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range users {
		for _, x := range w.by[u] {
			if x.calm(now) {
				woken += x.tell()
			} else {
				w.hold(x)
				held = true
			}
		}
	}
	return woken, held
}

// hold notes that a device is to be woken when its pause is over. w.mu is held.
func (w *waiters) hold(x *waiter) {
	if x.due == 0 && !x.left {
		x.due = x.pauseEnd()
		w.held = append(w.held, x)
	}
}

// holdBack has a device look again when its pause is over.
func (f *Feed) holdBack(x *waiter) {
	f.waiters.mu.Lock()
	f.waiters.hold(x)
	f.waiters.mu.Unlock()
	f.soonAgain()
}

// release wakes the devices whose pause is over. They are told of asides even if another request of the same
// device was answered just now, else one could keep the other from ever hearing of them.
func (w *waiters) release(now int64) (woken int, held bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	still := w.held[:0]
	for _, x := range w.held {
		switch {
		case x.left:
		case x.due > now:
			still = append(still, x)
		default:
			x.due = 0
			x.ripe.Store(true)
			woken += x.tell()
		}
	}
	clear(w.held[len(still):])
	if w.held = still; len(still) == 0 {
		w.held = nil
	}
	return woken, len(still) > 0
}

// nudgeRoom nudges a room's members in a moment, once for all that happens until then.
func (f *Feed) nudgeRoom(r id.RoomID) {
	f.mu.Lock()
	f.soon[r] = true
	f.mu.Unlock()
	f.soonAgain()
}

// soonAgain has somebody look in a moment who is to be nudged.
func (f *Feed) soonAgain() {
	if !f.closed.Load() && !f.looking.Swap(true) {
		time.AfterFunc(gather, f.nudgeSoon)
	}
}

// nudgeSoon nudges the members of the rooms where asides were gathered, and those whose pause is over.
func (f *Feed) nudgeSoon() {
	f.looking.Store(false)
	f.mu.Lock()
	rooms := f.soon
	f.soon = make(map[id.RoomID]bool)
	f.mu.Unlock()
	ctx, cancel := f.background()
	defer cancel()
	for roomID := range rooms {
		if r, err := f.rooms.Get(ctx, roomID); err == nil {
			f.nudge("soon", r.JoinedLocal()...)
		}
	}
	n, held := f.waiters.release(f.now())
	f.woke("soon", n)
	if held {
		f.soonAgain()
	}
}
