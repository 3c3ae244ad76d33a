package appservice

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/homeserver/room"
)

const (
	batchEvents = 100              // events of one transaction
	scanEvents  = 1000             // events that are looked at for one
	firstPause  = time.Second      // after a transaction that failed; twice that after each further one
	longest     = 5 * time.Minute  // pause
	holdFor     = time.Minute      // how long another process leaves a service alone
	callTimeout = 30 * time.Second // of a transaction
)

// Mark is up to where a service was told what is no event.
type Mark struct {
	Pos    int64
	Mail   int64 // messages to devices; they wait in the database until the service has them
	Serial int64 // of what is never stored, in this process
}

// Fleeting is what a transaction holds beside events; each is an encoded JSON value, nil when there is none.
type Fleeting struct {
	Ephemeral []json.RawMessage // receipts, typing, presence
	ToDevice  []json.RawMessage // with to_user_id and to_device_id
	Changed   []id.UserID       // whose devices changed
	Left      []id.UserID
	OneTime   map[id.UserID]map[id.DeviceID]map[string]int // keys that are left
	Fallback  map[id.UserID]map[id.DeviceID][]string
	Delivered func() // called when the service has it
}

func (f *Fleeting) empty() bool {
	return len(f.Ephemeral) == 0 && len(f.ToDevice) == 0 && len(f.Changed) == 0 && len(f.Left) == 0
}

// sender sends to one service, one transaction after the other. How far it is is stored, and up to where the
// transaction goes that is under way, so that after a restart the same one is sent under the same id.
type sender struct {
	s       *Services
	a       *Service
	ctx     context.Context
	cancel  context.CancelFunc
	news    chan struct{}
	stopped sync.WaitGroup
	pause   time.Duration // after the first failure

	pos   int64 // events up to it were sent
	until int64 // end of the transaction under way; 0: none
	mark  Mark
	held  int64
	rooms map[id.RoomID]interest
}

// interest is whether a room with a state is one of the service's.
type interest struct {
	state *room.State
	is    bool
}

func (s *Services) newSender(ctx context.Context, a *Service) (*sender, error) {
	to := &sender{s: s, a: a, news: make(chan struct{}, 1), pause: firstPause, rooms: make(map[id.RoomID]interest)}
	to.ctx, to.cancel = context.WithCancel(context.WithoutCancel(ctx))
	at := s.o.Visible()
	err := s.o.DB.Write(ctx, "application service", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`insert into appservice (id, pos, until, holder, held_until) values ($1, $2, 0, '', 0) on conflict do nothing`, a.ID, at)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("remember application service %s: %w", a.ID, err)
	}
	to.mark = Mark{Pos: at}
	to.news <- struct{}{} // what came while the server was down
	return to, nil
}

// run sends until it is cancelled.
func (to *sender) run() {
	defer to.stopped.Done()
	fails := 0
	for {
		var wait <-chan time.Time
		if fails > 0 {
			t := time.NewTimer(min(to.pause<<min(fails-1, 20), longest))
			defer t.Stop()
			wait = t.C
		}
		select {
		case <-to.ctx.Done():
			return
		case <-wait:
		case <-to.ready(fails):
		}
		if err := to.sendAll(); err != nil {
			if to.ctx.Err() == nil {
				to.s.log.Warn("application service not told, trying again", "service", to.a.ID, "error", err)
			}
			fails++
		} else {
			fails = 0
		}
	}
}

// ready is the channel of news, which is not listened to during a pause.
func (to *sender) ready(fails int) <-chan struct{} {
	if fails > 0 {
		return nil
	}
	return to.news
}

// sendAll sends until there is nothing left.
func (to *sender) sendAll() error {
	mine, err := to.hold()
	if err != nil || !mine {
		return err
	}
	for {
		more, err := to.sendOne()
		if err != nil || !more {
			return err
		}
	}
}

// hold takes the service for this process, so that only one sends. On SQLite there is no other.
func (to *sender) hold() (bool, error) {
	d := to.s.o.DB
	now := to.s.o.Clock().UnixMilli()
	if to.held > now+holdFor.Milliseconds()/2 {
		return true, nil
	}
	me := strconv.FormatInt(processID, 36)
	taken := int64(0)
	err := d.Write(to.ctx, "hold application service", nil, func(tx *db.Tx) (err error) {
		taken, err = tx.Exec(`update appservice set holder = $2, held_until = $3 where id = $1 and (holder = $2 or held_until < $4 or $5 = 1)`,
			to.a.ID, me, now+holdFor.Milliseconds(), now, one(!d.Postgres()))
		return err
	})
	if err != nil || taken == 0 {
		return false, err
	}
	fresh := to.held == 0
	to.held = now + holdFor.Milliseconds()
	if !fresh {
		return true, nil
	}
	err = d.QueryRow(to.ctx, `select pos, until from appservice where id = $1`, to.a.ID).Scan(&to.pos, &to.until)
	return err == nil, err
}

func one(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// sendOne sends one transaction, and reports whether there may be more.
func (to *sender) sendOne() (more bool, err error) {
	end := to.s.o.Visible()
	if to.until > 0 {
		end = to.until
	}
	events, last, err := to.interesting(end)
	if err != nil {
		return false, err
	}
	var side Fleeting
	mark := to.mark
	if to.s.o.Fleeting != nil && (to.a.Ephemeral || to.a.Devices) {
		if side, mark, err = to.s.o.Fleeting(to.ctx, to.a, to.inside, to.mark); err != nil {
			return false, err
		}
	}
	if len(events) == 0 && side.empty() {
		to.mark = mark
		if last > to.pos {
			return last < end, to.store(last, 0)
		}
		return false, nil
	}
	if len(events) > 0 && to.until == 0 {
		if err := to.store(to.pos, last); err != nil {
			return false, err
		}
	}
	if err := to.put(events, side, last, mark); err != nil {
		return false, err
	}
	to.mark = mark
	if side.Delivered != nil {
		side.Delivered()
	}
	return true, to.store(last, 0)
}

// store remembers how far the service is and up to where a transaction is under way.
func (to *sender) store(pos, until int64) error {
	err := to.s.o.DB.Write(to.ctx, "application service told", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`update appservice set pos = $2, until = $3 where id = $1`, to.a.ID, pos, until)
		return err
	})
	if err == nil {
		to.pos, to.until = pos, until
	}
	return err
}

// interesting returns the events behind the stored position that the service is interested in, and the
// position up to which it looked.
func (to *sender) interesting(end int64) (out []*room.Event, last int64, err error) {
	last = to.pos
	for scanned := 0; scanned < scanEvents && last < end; {
		page, upTo, err := to.s.o.Rooms().Window(to.ctx, last, end, batchEvents)
		if err != nil {
			return nil, 0, err
		}
		for _, ev := range page {
			wants, err := to.wants(ev)
			if err != nil {
				return nil, 0, err
			}
			if wants {
				out = append(out, ev)
			}
			if len(out) == batchEvents {
				return out, ev.Pos, nil
			}
		}
		scanned += max(len(page), 1)
		last = upTo
	}
	return out, last, nil
}

// wants reports whether an event is the service's business: its people, aliases and rooms.
func (to *sender) wants(ev *room.Event) (bool, error) {
	if within(to.a.rooms, string(ev.RoomID), false) || to.a.Owns(ev.Sender) ||
		ev.StateKey != nil && ev.Type == "m.room.member" && to.a.Owns(id.UserID(*ev.StateKey)) {
		return true, nil
	}
	return to.inside(ev.RoomID)
}

// inside reports whether one of the service's people is in a room or one of its aliases is the room's.
func (to *sender) inside(roomID id.RoomID) (bool, error) {
	r, err := to.s.o.Rooms().Get(to.ctx, roomID)
	if err != nil {
		return false, nil //nolint:nilerr // erased meanwhile: nobody's business
	}
	state := r.StateMap()
	if known, ok := to.rooms[roomID]; ok && known.state == state {
		return known.is, nil
	}
	is := slices.ContainsFunc(r.JoinedLocal(), to.a.Owns)
	if !is && len(to.a.aliases) > 0 {
		names, err := to.s.o.Rooms().AliasesOf(to.ctx, r)
		if err != nil {
			return false, err
		}
		is = slices.ContainsFunc(names, func(n string) bool { return within(to.a.aliases, n, false) })
	}
	if len(to.rooms) > 10_000 {
		clear(to.rooms)
	}
	to.rooms[roomID] = interest{state, is}
	return is, nil
}

// put sends one transaction (PUT /_matrix/app/v1/transactions/{txnId}).
func (to *sender) put(events []*room.Event, side Fleeting, last int64, mark Mark) error {
	body := map[string]any{}
	l := make([]json.RawMessage, len(events))
	for i, ev := range events {
		l[i] = ev.ClientJSON()
	}
	body["events"] = l
	add := func(some bool, v any, names ...string) {
		for _, n := range names {
			if some {
				body[n] = v
			}
		}
	}
	add(len(side.Ephemeral) > 0, side.Ephemeral, "ephemeral", "de.sorunome.msc2409.ephemeral")
	add(len(side.ToDevice) > 0, side.ToDevice, "to_device", "de.sorunome.msc2409.to_device")
	add(len(side.Changed)+len(side.Left) > 0, map[string]any{"changed": side.Changed, "left": side.Left}, "device_lists", "org.matrix.msc3202.device_lists")
	add(len(side.OneTime) > 0, side.OneTime, "device_one_time_keys_count", "org.matrix.msc3202.device_one_time_keys_count")
	add(len(side.Fallback) > 0, side.Fallback, "device_unused_fallback_key_types", "org.matrix.msc3202.device_unused_fallback_key_types")
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode a transaction: %w", err)
	}
	txn := fmt.Sprintf("%d-%d", to.pos, last)
	if len(events) == 0 {
		txn = fmt.Sprintf("f%s-%d-%d-%d", strconv.FormatInt(processID, 36), mark.Pos, mark.Mail, mark.Serial)
	}
	ctx, cancel := context.WithTimeout(to.ctx, callTimeout)
	defer cancel()
	status, _, err := to.s.call(ctx, to.a, "PUT", "/_matrix/app/v1/transactions/"+txn, b)
	if err != nil {
		return fmt.Errorf("send a transaction: %w", err)
	}
	if status != 200 {
		return fmt.Errorf("send a transaction: the answer has status %d", status)
	}
	return nil
}
