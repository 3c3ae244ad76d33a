package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
)

// The types of receipts.
const (
	Read        = "m.read"
	ReadPrivate = "m.read.private"
	FullyRead   = "m.fully_read"
	// Delivered says that a device of theirs has a message and can show it. Clients would take it for reading
	// in an m.receipt event, so it is told in an event of its own type, which those that do not know it ignore.
	Delivered = "org.myelin.delivered"

	mainThread = "main"
)

var receiptTable = &db.Table{
	Name:    "feed_receipt",
	Columns: []string{"room_id", "user_id", "type", "thread", "event_id", "event_pos", "ts", "pos"},
	Types:   []string{"text", "text", "text", "text", "text", "bigint", "bigint", "bigint"},
	Key:     4,
}

// receipt says how far somebody read.
type receipt struct {
	room id.RoomID
	receiptKey
	event id.EventID
	at    int64 // position of the event
	ts    int64
	pos   int64
}

// receiptKey is what a person has one receipt for in a room. An empty thread is the whole room.
type receiptKey struct {
	user   id.UserID
	typ    string
	thread string
}

// roomReceipts are all receipts of a room.
type roomReceipts struct {
	mu      sync.Mutex
	by      map[id.UserID][]receipt // one per type and thread; nil until loaded
	newest  int64                   // highest position
	sending map[receiptKey]int64    // event positions of receipts on their way to the database
	pending []receipt               // while loading: what was published meanwhile
	ready   chan struct{}           // closed when by is loaded
	err     error
}

// receiptBook keeps the receipts of the rooms in use.
type receiptBook struct {
	mu    sync.Mutex
	rooms *lru.Cache[id.RoomID, *roomReceipts]
}

// bookRooms is how many rooms' receipts are kept in memory.
const bookRooms = 4096

// receiptsOf returns the receipts of a room, read from the database at first use.
func (f *Feed) receiptsOf(ctx context.Context, r id.RoomID) (*roomReceipts, error) {
	b := &f.receipts
	b.mu.Lock()
	rr, ok := b.rooms.Get(r)
	if !ok {
		rr = &roomReceipts{ready: make(chan struct{}), sending: make(map[receiptKey]int64)}
		b.rooms.Add(r, rr)
	}
	b.mu.Unlock()
	if !ok {
		f.loadReceipts(context.WithoutCancel(ctx), r, rr)
	}
	select {
	case <-rr.ready:
		return rr, rr.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *Feed) loadReceipts(ctx context.Context, r id.RoomID, rr *roomReceipts) {
	all, err := f.readReceipts(ctx, `where room_id = $1`, r)
	rr.mu.Lock()
	rr.by = make(map[id.UserID][]receipt)
	for _, x := range append(all, rr.pending...) {
		rr.put(x)
	}
	rr.pending, rr.err = nil, err
	rr.mu.Unlock()
	close(rr.ready)
	if err != nil {
		f.receipts.mu.Lock()
		f.receipts.rooms.Remove(r)
		f.receipts.mu.Unlock()
	}
}

func (rr *roomReceipts) put(x receipt) {
	if rr.by == nil {
		rr.pending = append(rr.pending, x)
		return
	}
	rr.newest = max(rr.newest, x.pos)
	l := rr.by[x.user]
	for i := range l {
		if l[i].receiptKey == x.receiptKey {
			if l[i].pos < x.pos {
				l[i] = x
			}
			return
		}
	}
	rr.by[x.user] = append(l, x)
}

// get returns a person's receipt of one type and thread.
func (rr *roomReceipts) get(k receiptKey) (receipt, bool) {
	for _, x := range rr.by[k.user] {
		if x.receiptKey == k {
			return x, true
		}
	}
	return receipt{}, false
}

func (f *Feed) readReceipts(ctx context.Context, where string, args ...any) ([]receipt, error) {
	rows, err := f.db.Query(ctx, `select room_id, user_id, type, thread, event_id, event_pos, ts, pos from feed_receipt `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read receipts: %w", err)
	}
	defer rows.Close()
	var out []receipt
	for rows.Next() {
		var x receipt
		if err := rows.Scan(&x.room, &x.user, &x.typ, &x.thread, &x.event, &x.at, &x.ts, &x.pos); err != nil {
			return nil, fmt.Errorf("read receipts: %w", err)
		}
		out = append(out, x)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read receipts: %w", err)
	}
	return out, nil
}

// Mark sets how far somebody read in a room: a receipt, or the read marker for type FullyRead. It only
// moves forward; an event that is not newer changes nothing. thread is empty for the whole room.
func (f *Feed) Mark(ctx context.Context, user id.UserID, roomID id.RoomID, typ string, event id.EventID, thread *string) error {
	switch typ {
	case Read, ReadPrivate, FullyRead, Delivered:
	default:
		return fault.New(fault.InvalidParam, "Receipts are of type m.read, m.read.private, m.fully_read or org.myelin.delivered.")
	}
	if thread != nil && *thread == "" {
		return fault.New(fault.InvalidParam, "thread_id must be a non-empty string.")
	}
	if thread != nil && (typ == FullyRead || typ == Delivered) {
		return fault.New(fault.InvalidParam, "thread_id goes with m.read and m.read.private only.")
	}
	r, err := f.rooms.Get(ctx, roomID)
	if err != nil {
		return err
	}
	if r.Membership(user) != room.Join {
		return fault.New(fault.Forbidden, "You are not in this room.")
	}
	ev, err := f.rooms.Event(ctx, r.ID, event)
	if err != nil {
		return err
	}
	if typ != Delivered { // which comes without anybody looking
		f.active(user)
	}
	if typ == FullyRead {
		return f.markFullyRead(ctx, user, r, ev)
	}
	x := receipt{room: roomID, receiptKey: receiptKey{user: user, typ: typ}, event: event, at: ev.Pos, ts: f.now()}
	if thread != nil {
		related, err := f.related(ctx, r, ev, *thread)
		if err != nil {
			return err
		}
		if !related {
			return fault.New(fault.InvalidParam, "The event is not related to the thread.")
		}
		x.thread = *thread
	}
	return f.storeReceipt(ctx, x)
}

// storeReceipt writes a receipt unless a newer one is there or on its way.
func (f *Feed) storeReceipt(ctx context.Context, x receipt) error {
	rr, err := f.receiptsOf(ctx, x.room)
	if err != nil {
		return err
	}
	rr.mu.Lock()
	if have, ok := rr.get(x.receiptKey); (ok && have.at >= x.at) || rr.sending[x.receiptKey] >= x.at {
		rr.mu.Unlock()
		return nil
	}
	rr.sending[x.receiptKey] = x.at
	// Queued while the room's receipts are held, so that they are stored in the order of this check.
	p := f.db.Queue("receipt", nil, func(tx *db.Tx) error {
		pos := tx.Number(db.Stream)
		tx.Append(receiptTable, x.room, x.user, x.typ, x.thread, x.event, x.at, x.ts, pos)
		tx.After(func() {
			x.pos = pos.Value()
			f.publishReceipt(x)
		})
		return nil
	})
	rr.mu.Unlock()
	err = p.Wait(ctx)
	rr.mu.Lock()
	if rr.sending[x.receiptKey] == x.at {
		delete(rr.sending, x.receiptKey)
	}
	rr.mu.Unlock()
	if err != nil {
		return fmt.Errorf("store receipt: %w", err)
	}
	return nil
}

func (f *Feed) publishReceipt(x receipt) {
	f.mu.Lock()
	f.noteReceipt(x)
	f.advance(x.pos)
	f.mu.Unlock()
	f.wakeForReceipt(x)
}

// noteReceipt remembers a receipt. f.mu is held.
func (f *Feed) noteReceipt(x receipt) {
	f.receipts.mu.Lock()
	rr, ok := f.receipts.rooms.Peek(x.room)
	f.receipts.mu.Unlock()
	if ok {
		rr.mu.Lock()
		rr.put(x)
		rr.mu.Unlock()
	}
	if p := f.places[x.room]; p != nil && x.pos > p.read.Load() {
		p.read.Store(x.pos)
	}
}

// wakeForReceipt tells the reader's own devices first, for their unread counts, and the other members a little
// later, together with what else was read meanwhile.
func (f *Feed) wakeForReceipt(x receipt) {
	f.stirred()
	if x.typ != Delivered { // which changes no count
		f.nudge("receipt", x.user)
		f.pushing.due(x.user)
	}
	if x.typ != ReadPrivate && f.waiters.count() > 0 {
		f.nudgeRoom(x.room)
	}
}

// markFullyRead moves the read marker, which is account data of the room.
func (f *Feed) markFullyRead(ctx context.Context, user id.UserID, r *room.Room, ev *room.Event) error {
	have, err := f.account.Data(ctx, user, []AccountDatum{{Room: r.ID, Type: FullyRead}})
	if err != nil {
		return fmt.Errorf("read the read marker: %w", err)
	}
	if len(have) > 0 {
		var c struct {
			Event id.EventID `json:"event_id"`
		}
		if json.Unmarshal(have[0].Content, &c) == nil && c.Event != "" {
			if old, err := f.rooms.Event(ctx, r.ID, c.Event); err == nil && old.Pos >= ev.Pos {
				return nil
			}
		}
	}
	content, err := json.Marshal(map[string]id.EventID{"event_id": ev.ID})
	if err != nil {
		return fmt.Errorf("encode read marker: %w", err)
	}
	return f.account.SetData(ctx, user, AccountDatum{Room: r.ID, Type: FullyRead, Content: content})
}

// readUpTo returns how far a person read: the whole room, and each thread that has its own receipt.
func (rr *roomReceipts) readUpTo(user id.UserID) (all int64, threads map[string]int64) {
	rr.mu.Lock()
	defer rr.mu.Unlock()
	for _, x := range rr.by[user] {
		if x.typ == Delivered {
			continue
		}
		if x.thread == "" {
			all = max(all, x.at)
			continue
		}
		if threads == nil {
			threads = make(map[string]int64)
		}
		threads[x.thread] = max(threads[x.thread], x.at)
	}
	return all, threads
}

// between lists the receipts of reading that a reader may see with a position after one and up to another.
func (rr *roomReceipts) between(reader id.UserID, after, upTo int64) []receipt {
	return rr.those(after, upTo, func(x receipt) bool { return x.typ == Read || (x.typ == ReadPrivate && x.user == reader) })
}

// delivered lists how far the messages of the room got, as far as that has a position after one and up to another.
func (rr *roomReceipts) delivered(after, upTo int64) []receipt {
	return rr.those(after, upTo, func(x receipt) bool { return x.typ == Delivered })
}

func (rr *roomReceipts) those(after, upTo int64, wanted func(receipt) bool) []receipt {
	rr.mu.Lock()
	defer rr.mu.Unlock()
	if rr.newest <= after {
		return nil
	}
	var out []receipt
	for _, l := range rr.by {
		for _, x := range l {
			if x.pos > after && x.pos <= upTo && wanted(x) {
				out = append(out, x)
			}
		}
	}
	return out
}

// appendReceipts appends an m.receipt event. Of several receipts of one person for one event that of the
// whole room is shown.
func appendReceipts(dst []byte, all []receipt) []byte {
	slices.SortFunc(all, cmpReceipt)
	dst = append(dst, `{"type":"m.receipt","content":{`...)
	for i, x := range all {
		sameEvent := i > 0 && all[i-1].event == x.event
		sameType := sameEvent && all[i-1].typ == x.typ
		switch {
		case sameType && all[i-1].user == x.user:
			continue
		case sameType:
			dst = append(dst, ',')
		case sameEvent:
			dst = append(dst, `},`...)
			dst = appendKey(dst, x.typ)
			dst = append(dst, '{')
		default:
			if i > 0 {
				dst = append(dst, `}},`...)
			}
			dst = appendKey(dst, string(x.event))
			dst = append(dst, '{')
			dst = appendKey(dst, x.typ)
			dst = append(dst, '{')
		}
		dst = appendKey(dst, string(x.user))
		dst = append(dst, `{"ts":`...)
		dst = strconv.AppendInt(dst, x.ts, 10)
		if x.thread != "" {
			dst = append(dst, `,"thread_id":`...)
			dst = appendString(dst, x.thread)
		}
		dst = append(dst, '}')
	}
	return append(dst, `}}}}`...)
}

func cmpReceipt(a, b receipt) int {
	for _, c := range [...][2]string{{string(a.event), string(b.event)}, {a.typ, b.typ}, {string(a.user), string(b.user)}, {a.thread, b.thread}} {
		switch {
		case c[0] < c[1]:
			return -1
		case c[0] > c[1]:
			return 1
		}
	}
	return 0
}

// appendDelivered appends an event that says for each person which was the newest message to reach a device.
func appendDelivered(dst []byte, all []receipt) []byte {
	slices.SortFunc(all, cmpReceipt)
	dst = append(dst, `{"type":"`+Delivered+`","content":{`...)
	for i, x := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendKey(dst, string(x.user))
		dst = append(dst, `{"event_id":`...)
		dst = appendString(dst, string(x.event))
		dst = append(dst, `,"ts":`...)
		dst = strconv.AppendInt(dst, x.ts, 10)
		dst = append(dst, '}')
	}
	return append(dst, `}}`...)
}
