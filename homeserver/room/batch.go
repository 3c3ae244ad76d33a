package room

import (
	"bytes"
	"context"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/matrix/auth"
	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/seal"
)

// batch is what one write adds to one room. It is built while the room is held and then queued; what is
// built next may build on it before it is committed.
type batch struct {
	rs   *Rooms
	r    *Room
	name string
	ctx  context.Context
	now  int64

	base *head  // what it was built on
	pred *batch // the batch whose head base is; nil when base is stored
	gen  int64
	// own is false for events of other servers: they cannot be built anew when the stored head is another one.
	own bool

	head  *head // after all items
	items []*item
	rows  []func(*db.Tx) error // further rows, such as aliases

	pending *db.Pending
	// done is set after the commit. Until then a successor does not know whether its predecessor exists.
	done atomic.Bool
	// rebuilt is set when the events were built again on the lane: what successors name is not there.
	rebuilt atomic.Bool
}

// item is one event of a batch.
type item struct {
	ev     *Event
	draft  *Draft // own events
	sealed []byte

	snapshot *snapshotRow
	before   *snapshotRow // a resolved state before the event that was not stored yet
	changes  []StateChange
	pruned   *Event // redactions: their target as it is now
	resealed []byte
	missing  []id.EventID // held events: what they wait for
	replace  bool         // the event was stored before, as another kind
}

// snapshotRow is a snapshot that is stored with the event that made it.
type snapshotRow struct {
	id, parent int64
	delta      []byte
}

// begin starts a batch on the newest head. The room is held.
func (rs *Rooms) begin(ctx context.Context, r *Room, name string) *batch {
	b := &batch{rs: rs, r: r, name: name, ctx: ctx, now: rs.now(), gen: r.gen, own: true}
	if t := r.tip; t != nil && !t.done.Load() {
		b.base, b.pred = t.head, t
	} else {
		b.base = r.stored.Load()
	}
	b.head = b.base
	return b
}

// errNothing is returned by a plan that finds nothing to write.
var errNothing = errors.New("nothing to write")

// maxTries bounds how often a write is built anew because another process changed the room's state.
const maxTries = 20

// write builds a batch with plan and commits it. plan runs while the room is held and may run again; it
// must not wait. When it returns errNothing, write returns a batch without items as soon as all that
// plan looked at is committed.
func (rs *Rooms) write(ctx context.Context, roomID id.RoomID, name string, plan func(*batch) error) (*batch, error) {
	for range maxTries {
		r, err := rs.hold(ctx, roomID)
		if err != nil {
			return nil, hidden(err)
		}
		b := rs.begin(ctx, r, name)
		err = plan(b)
		if errors.Is(err, errNothing) {
			pred := b.pred
			r.mu.Unlock()
			if pred == nil || pred.pending.Wait(context.WithoutCancel(ctx)) == nil {
				return b, nil
			}
			rs.failed(pred)
			continue
		}
		if err != nil {
			r.mu.Unlock()
			return nil, err
		}
		err = rs.commit(b)
		if err == nil {
			return b, nil
		}
		if !errors.Is(err, db.ErrStale) {
			return nil, err
		}
		rs.metrics.stale.Inc()
		if err := rs.refresh(ctx, r); err != nil {
			return nil, err
		}
	}
	return nil, fault.After(0).WithStatus(503)
}

// commit queues a batch, releases the room and waits.
func (rs *Rooms) commit(b *batch) error {
	r := b.r
	b.head.encode()
	r.inflight.Add(1)
	r.tip = b
	b.pending = rs.db.Queue(b.name, []db.Key{db.Key(r.nid)}, b.run)
	r.mu.Unlock()
	// What was queued happens whether the caller is still there or not, and its outcome must be seen.
	err := b.pending.Wait(context.Background())
	r.inflight.Add(-1)
	if err != nil {
		rs.failed(b)
		return fmt.Errorf("write to room: %w", err)
	}
	return nil
}

// failed gives up what was built on a batch that was not written.
func (rs *Rooms) failed(b *batch) {
	r := b.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gen == b.gen {
		r.gen++
		r.tip = nil
	}
}

// refresh reads the head of a room again after another process moved it.
func (rs *Rooms) refresh(ctx context.Context, r *Room) error {
	// What this process queued before is behind us when this returns, so that stored is not older than it.
	if err := rs.db.Write(ctx, "room: settle", nil, func(*db.Tx) error { return nil }); err != nil {
		return fmt.Errorf("wait for the room: %w", err)
	}
	h, err := rs.loadHead(ctx, r, r.stored.Load().view)
	if err != nil {
		return err
	}
	r.store(h)
	return nil
}

// store notes a head that is in the database, unless a newer one is known. It tells whether it was newer.
func (r *Room) store(h *head) bool {
	for {
		old := r.stored.Load()
		if old != nil && old.version >= h.version {
			return false
		}
		if r.stored.CompareAndSwap(old, h) {
			return true
		}
	}
}

// maxPrev is how many predecessors an event of ours names at most.
const maxPrev = event.MaxPrevEvents

// add builds an event on the batch's head, authorises it and puts it on top.
func (b *batch) add(d *Draft) (*Event, error) {
	for _, p := range b.rs.o.Policies {
		if err := p(b.ctx, b.r, d); err != nil {
			return nil, err
		}
	}
	return b.build(d)
}

// build is add without the policies, for events that follow from others.
func (b *batch) build(d *Draft) (*Event, error) {
	rs, r, h := b.rs, b.r, b.head
	if len(d.Content) == 0 {
		return nil, fault.New(fault.NotJSON, "The content is missing.")
	}
	if !storable(d.Type) || d.StateKey != nil && !storable(*d.StateKey) || !storable(string(d.Redacts)) {
		return nil, fault.New(fault.BadJSON, "A type, state key or event id has a zero byte.")
	}
	p := &pdu.PDU{
		Type: d.Type, StateKey: d.StateKey, Sender: d.Sender, Content: d.Content, OriginServerTS: d.TS,
		RoomID: r.ID, PrevEvents: h.ext, Depth: h.depth + 1,
	}
	if len(p.PrevEvents) > maxPrev {
		p.PrevEvents = p.PrevEvents[len(p.PrevEvents)-maxPrev:]
	}
	if p.OriginServerTS == 0 {
		p.OriginServerTS = b.now
	}
	if d.Type == typeCreate && r.Version.RoomIDIsCreateEventID() {
		p.RoomID = ""
	}
	if d.Redacts != "" {
		if r.Version.RedactsInContent() {
			p.Content = setKey(p.Content, "redacts", string(d.Redacts))
		} else {
			p.Redacts = &d.Redacts
		}
	}
	if d.Type == typeMember {
		// The choice of the auth events looks into the content.
		c, err := event.Canonical(p.Content, r.Version.ForbidFloatsAndBigInts())
		if err != nil {
			return nil, buildFault(err, d.Content)
		}
		p.Content = c
	}
	p.AuthEvents = authIDs(r.Version, p, h.view.state)
	eventID, raw, err := event.Build(r.Version, p, rs.o.Key)
	if err != nil {
		return nil, buildFault(err, d.Content)
	}
	if err := auth.CheckState(r.Version, p, auth.State{Lookup: h.view.lookup, Levels: h.view.power}); err != nil {
		return nil, forbidden(err)
	}
	e := &Event{
		ID: eventID, RoomID: r.ID, Version: r.Version, Type: d.Type, StateKey: d.StateKey, Sender: d.Sender,
		TS: p.OriginServerTS, Depth: p.Depth, Content: p.Content, Redacts: d.Redacts,
		Snapshot: h.view.snapshot, Device: d.Device, Txn: d.Txn, raw: raw,
	}
	e.fill()
	if i := bytes.Index(raw, contentKey); i >= 0 {
		// The content once, not twice: before it in canonical JSON there are only ids.
		i += len(contentKey)
		e.Content = raw[i : i+len(p.Content) : i+len(p.Content)]
		p.Content = e.Content
	}
	e.pdu.Store(p)
	e.kids.Store(kidsNone)
	if d.Type == typeCreate && r.ID == "" {
		r.ID = event.RoomIDOfCreate(eventID)
		e.RoomID = r.ID
	}
	it := &item{ev: e, draft: d}
	if it.sealed, err = rs.seal.Seal(b.ctx, seal.Room(r.ID), string(eventID), raw); err != nil {
		return nil, fmt.Errorf("seal event: %w", err)
	}
	b.apply(it)
	return e, nil
}

var contentKey = []byte(`"content":`)

// authIDs are the ids of the auth events of an event that is sent in a state.
func authIDs(v id.RoomVersion, p *pdu.PDU, s *State) []id.EventID {
	var buf [8]auth.StateKey
	keys := auth.AppendAuthEventKeys(buf[:0], v, p)
	ids := make([]id.EventID, 0, len(keys))
	for _, k := range keys {
		if e := s.Get(k.Type, k.StateKey); e != nil {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// apply puts an event that was accepted on top of the batch's head.
func (b *batch) apply(it *item) {
	h, e := b.head, it.ev
	n := &head{ext: next(h.ext, e.prev(), e.ID), depth: max(h.depth, e.Depth), chain: h.chain, view: h.view}
	if e.State() {
		old := h.view.state.at(e.Key())
		if old != nil {
			e.Replaces, e.PrevContent, e.PrevSender = old.ID, old.Content, old.Sender
		}
		it.changes = []StateChange{{Type: e.Type, StateKey: *e.StateKey, Old: old, New: e}}
		b.advance(n, it, []stateEntry{{e.Key(), e}})
	}
	b.head = n
	b.items = append(b.items, it)
}

func (e *Event) prev() []id.EventID {
	if p := pduOf(e); p != nil {
		return p.PrevEvents
	}
	return nil
}

// advance sets the view of n to the state after the entries and makes the snapshot of it.
func (b *batch) advance(n *head, it *item, entries []stateEntry) {
	rs := b.rs
	n.view = n.view.with(rs, rs.newID(), entries...)
	it.snapshot, n.chain = newSnapshot(n.view.snapshot, b.head.view.snapshot, n.view.state, entries, n.chain)
}

// newSnapshot makes the row of a state: the difference to its parent or, when the chain of those has become
// long, all of it. It returns the length of the chain that ends in it.
func newSnapshot(snapshot, parent int64, s *State, entries []stateEntry, chain int) (*snapshotRow, int) {
	row := &snapshotRow{id: snapshot, parent: parent}
	chain += len(entries)
	if parent == 0 || chain > max(64, s.Len()/4) {
		row.parent, chain = 0, 0
		row.delta = append(row.delta, '[')
		for e := range s.All {
			row.add(e.Key(), e.ID)
		}
		row.delta = append(row.delta, ']')
		return row, chain
	}
	row.delta = append(row.delta, '[')
	for _, c := range entries {
		if c.event == nil {
			row.add(c.key, "")
		} else {
			row.add(c.key, c.event.ID)
		}
	}
	row.delta = append(row.delta, ']')
	return row, chain
}

func (row *snapshotRow) add(k Key, e id.EventID) {
	if len(row.delta) > 1 {
		row.delta = append(row.delta, ',')
	}
	row.delta = append(row.delta, '[')
	row.delta = appendString(row.delta, k.Type)
	row.delta = append(row.delta, ',')
	row.delta = appendString(row.delta, k.StateKey)
	row.delta = append(row.delta, ',')
	row.delta = appendString(row.delta, string(e))
	row.delta = append(row.delta, ']')
}

// redact makes a redaction of the batch take effect on its target.
func (b *batch) redact(redaction, target *Event) error {
	var it *item
	for _, i := range b.items {
		if i.ev == redaction {
			it = i
		}
	}
	pruned, err := prune(target, redaction)
	if err != nil {
		return err
	}
	it.pruned = pruned
	if it.resealed, err = b.rs.seal.Seal(b.ctx, seal.Room(b.r.ID), string(target.ID), pruned.raw); err != nil {
		return fmt.Errorf("seal pruned event: %w", err)
	}
	if !pruned.State() {
		return nil
	}
	if now := b.head.view.state.at(pruned.Key()); now != nil && now.ID == pruned.ID {
		n := *b.head
		n.view = n.view.with(b.rs, n.view.snapshot, stateEntry{pruned.Key(), pruned})
		b.head = &n
	}
	return nil
}

// prune returns the event without what a redaction takes away.
func prune(target, because *Event) (*Event, error) {
	p, err := target.PDU()
	if err != nil {
		return nil, err
	}
	raw, err := event.Encode(target.Version, event.Redact(target.Version, p))
	if err != nil {
		return nil, fmt.Errorf("prune event %s: %w", target.ID, err)
	}
	n, err := decode(raw, target.Version, target.RoomID, target.ID)
	if err != nil {
		return nil, err
	}
	n.Pos, n.Kind, n.Snapshot, n.Device, n.Txn = target.Pos, target.Kind, target.Snapshot, target.Device, target.Txn
	n.Replaces, n.PrevContent, n.PrevSender = target.Replaces, target.previous(), target.PrevSender
	n.RedactedBecause = because
	return n, nil
}

// run writes the batch. It runs on the lane, perhaps twice.
func (b *batch) run(tx *db.Tx) error {
	key := db.Key(b.r.nid)
	version, value, _ := tx.Head(key)
	h := b.head
	if !bytes.Equal(value, b.base.value) {
		var err error
		if h, err = b.rebase(value); err != nil {
			return err
		}
	}
	for _, f := range b.rows {
		if err := f(tx); err != nil {
			return err
		}
	}
	nums := make([]*db.Num, len(b.items))
	for i, it := range b.items {
		n, err := b.append(tx, it)
		if err != nil {
			return err
		}
		nums[i] = n
	}
	if len(b.items) > 0 {
		tx.SetHead(key, h.value)
		version++
	}
	stored := *h
	stored.version = version
	tx.After(func() { b.committed(&stored, nums) })
	return nil
}

// rebase says how the batch can be written although the stored head is not the one that it was built on.
//
// When only messages came in between, its authorisation still holds, because the state is the same: a
// message stays as it is and becomes a fork of the history, an event that changes the state is built again.
// When the state has changed too, the sender has to look at it: db.ErrStale.
func (b *batch) rebase(value []byte) (*head, error) {
	if !b.own || len(value) == 0 || len(b.items) == 0 {
		return nil, db.ErrStale
	}
	j, err := decodeHead(value)
	if err != nil {
		return nil, err
	}
	if j.Snapshot != b.base.view.snapshot || !b.predecessorsExist(j.Ext) {
		return nil, db.ErrStale
	}
	b.rs.metrics.rebased.Inc()
	on := &head{ext: j.Ext, depth: j.Depth, chain: j.Chain, view: b.base.view}
	if it := b.items[0]; len(b.items) == 1 && it.snapshot == nil && it.pruned == nil && len(j.Ext) < maxPrev/2 {
		n := &head{ext: next(j.Ext, it.ev.prev(), it.ev.ID), depth: max(j.Depth, it.ev.Depth), chain: j.Chain, view: b.base.view}
		n.encode()
		return n, nil
	}
	return b.rebuild(on)
}

// rebuild builds the batch's events again on another head with the same state. What was built on the
// batch meanwhile is on a snapshot that will not exist, and goes back to its senders.
func (b *batch) rebuild(on *head) (*head, error) {
	old := b.items
	n := &batch{rs: b.rs, r: b.r, name: b.name, ctx: b.ctx, now: b.now, base: on, head: on, own: true}
	for _, it := range old {
		e, err := n.build(it.draft)
		if err != nil {
			return nil, err
		}
		if it.pruned != nil {
			if err := n.redact(e, it.pruned); err != nil {
				return nil, err
			}
		}
	}
	n.head.encode()
	b.items = n.items
	b.rebuilt.Store(true)
	return n.head, nil
}

// predecessorsExist tells whether what the batch was built on is in the database.
func (b *batch) predecessorsExist(ext []id.EventID) bool {
	if b.pred == nil || b.pred.done.Load() && !b.pred.rebuilt.Load() {
		return true
	}
	for _, p := range b.items[0].ev.prev() {
		if !slices.Contains(ext, p) {
			return false
		}
	}
	return true
}

// forbidden turns a refusal of the authorisation rules into a fault.
func forbidden(err error) error {
	var e *auth.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Rule {
	case "1.1", "1.2", "1.3", "1.4", "10.1", "10.2", "10.3", "10.4":
		// It is not that this sender may not: nobody may send such an event.
		return fault.New(fault.BadJSON, "Not a valid event: %s.", e.Reason).Because(err)
	}
	return fault.New(fault.Forbidden, "Not allowed: %s.", e.Reason).Because(err)
}

// buildFault turns what is wrong with the content of an event into a fault.
func buildFault(err error, content jsontext.Value) error {
	switch {
	case errors.Is(err, event.ErrBadJSON) && !content.IsValid():
		return fault.New(fault.NotJSON, "The content is not JSON.").Because(err)
	case errors.Is(err, event.ErrTooLarge):
		return fault.New(fault.TooLarge, "The event is too large.").Because(err)
	case errors.Is(err, event.ErrBadJSON):
		return fault.New(fault.BadJSON, "The content is not valid in an event: %s.", lastPart(err)).Because(err)
	case errors.Is(err, event.ErrFormat):
		return fault.New(fault.BadJSON, "The event is malformed: %s.", lastPart(err)).Because(err)
	}
	return fmt.Errorf("build event: %w", err)
}

func lastPart(err error) string {
	s := err.Error()
	return s[strings.LastIndex(s, ": ")+1:]
}
