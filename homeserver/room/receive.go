package room

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/matrix/auth"
	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/seal"
)

// Outcome is what became of an event of another server.
type Outcome string

// The outcomes. Events that are Invalid are not stored, all others are.
const (
	Accepted     Outcome = "accepted"
	Refused      Outcome = "rejected"    // it fails the authorisation rules, see Rejected
	SoftRefused  Outcome = "soft_failed" // see SoftFailed
	Waiting      Outcome = "held"        // see Held
	AlreadyKnown Outcome = "known"
	Invalid      Outcome = "invalid" // malformed, of another room, or not signed by who should have
)

// Received is what became of one event.
type Received struct {
	ID      id.EventID // empty when the event was too malformed to have one
	Outcome Outcome
	Err     error // why, for Invalid, Refused and SoftRefused
}

// maxFetch bounds how many events one Receive asks another server for.
const maxFetch = 500

// Receive takes events of a room that another server sent ("Checks performed on receipt of a PDU" of the
// server-server API) and says what became of each. It is idempotent. Predecessors and auth events that are
// not here are asked for through Options.Fetcher; events for which they cannot be had are held until they
// arrive. An error means that nothing can be said; the same events should be sent again.
func (rs *Rooms) Receive(ctx context.Context, origin string, roomID id.RoomID, raw ...[]byte) ([]Received, error) {
	r, err := rs.Get(ctx, roomID)
	if err != nil {
		return nil, err
	}
	in := &intake{rs: rs, r: r, origin: origin, left: maxFetch}
	out := make([]Received, len(raw))
	for i, b := range raw {
		if out[i], err = in.one(ctx, b); err != nil {
			return nil, err
		}
		rs.metrics.rejected.WithLabelValues(string(out[i].Outcome)).Inc()
	}
	return out, nil
}

// intake is one call of Receive.
type intake struct {
	rs     *Rooms
	r      *Room
	origin string
	left   int // how many events may still be asked for
	depth  int
}

// checked is an event whose form, hash and signatures are right.
type checked struct {
	*event.Received
	stored *Event // what is here already: an outlier or a held event
}

func (in *intake) one(ctx context.Context, raw []byte) (Received, error) {
	c, res, err := in.check(ctx, raw)
	if c == nil {
		return res, err
	}
	return in.take(ctx, c)
}

// check does the first steps: form, hash, room, signatures. c is nil when that is the end of it.
func (in *intake) check(ctx context.Context, raw []byte) (*checked, Received, error) {
	v := in.r.Version
	got, err := event.ParseUntrusted(v, raw)
	if err != nil {
		return nil, Received{Outcome: Invalid, Err: err}, nil
	}
	res := Received{ID: got.ID, Outcome: Invalid}
	if event.RoomID(v, got.PDU, got.ID) != in.r.ID {
		res.Err = errors.New("the event is of another room")
		return nil, res, nil
	}
	known, err := in.rs.event(ctx, in.r, got.ID)
	if err != nil {
		return nil, res, err
	}
	if known != nil && known.Kind != Outlier && known.Kind != Held {
		res.Outcome = AlreadyKnown
		return nil, res, nil
	}
	if in.rs.o.ServerKey == nil {
		res.Err = fmt.Errorf("%w: keys of other servers are not known", event.ErrSignature)
		return nil, res, nil
	}
	if err := event.VerifySignatures(v, got.PDU, in.rs.o.ServerKey); err != nil {
		if !errors.Is(err, event.ErrSignature) {
			return nil, res, fmt.Errorf("verify event %s: %w", got.ID, err)
		}
		res.Err = err
		return nil, res, nil
	}
	return &checked{got, known}, res, nil
}

// take places a checked event in the room.
func (in *intake) take(ctx context.Context, c *checked) (Received, error) {
	res := Received{ID: c.ID}
	given, missing, err := in.prepare(ctx, c)
	if err != nil {
		return res, err
	}
	if len(missing) > 0 && given == nil {
		res.Outcome = Waiting
		return res, in.hold(ctx, c, missing)
	}
	// With the state given, what is missing is noted all the same: it is no end of the history when it comes.
	e, why, err := in.place(ctx, c, given, missing)
	if err != nil {
		return res, err
	}
	switch e.Kind {
	case Rejected:
		res.Outcome, res.Err = Refused, why
	case SoftFailed:
		res.Outcome, res.Err = SoftRefused, why
	default:
		res.Outcome = Accepted
	}
	return res, in.release(ctx, c.ID)
}

// prepare makes sure that what an event stands on is here: its auth events and its predecessors. It returns
// the ids of what cannot be had; when those are predecessors, the state before the event may be given.
func (in *intake) prepare(ctx context.Context, c *checked) (given *State, missing []id.EventID, err error) {
	for _, a := range c.PDU.AuthEvents {
		e, err := in.authEvent(ctx, a)
		if err != nil {
			return nil, nil, err
		}
		if e == nil {
			missing = append(missing, a)
		}
	}
	if len(missing) > 0 {
		return nil, missing, nil
	}
	if missing, err = in.absent(ctx, c.PDU.PrevEvents); err != nil || len(missing) == 0 {
		return nil, nil, err
	}
	if err := in.fetchMissing(ctx, c.ID); err != nil {
		return nil, nil, err
	}
	if missing, err = in.absent(ctx, c.PDU.PrevEvents); err != nil || len(missing) == 0 {
		return nil, nil, err
	}
	given, err = in.fetchState(ctx, c.ID)
	if err != nil {
		return nil, nil, err
	}
	return given, missing, nil
}

// absent lists those of the events that have no place in the history here.
func (in *intake) absent(ctx context.Context, ids []id.EventID) ([]id.EventID, error) {
	known, err := in.rs.byID(ctx, in.r, ids)
	if err != nil {
		return nil, err
	}
	var l []id.EventID
	for _, i := range ids {
		if e := known[i]; e == nil || e.Kind == Outlier || e.Kind == Held {
			l = append(l, i)
		}
	}
	return l, nil
}

// authEvent returns an event that others are authorised by, from here or from the other server.
func (in *intake) authEvent(ctx context.Context, want id.EventID) (*Event, error) {
	e, err := in.rs.event(ctx, in.r, want)
	if err != nil || e != nil && e.Kind != Held {
		return e, err
	}
	f := in.rs.o.Fetcher
	if f == nil || in.left <= 0 || in.depth > 100 {
		return nil, nil
	}
	in.left--
	raw, err := f.Event(ctx, in.origin, in.r.ID, want)
	if err != nil {
		in.rs.log.Debug("auth event not to be had", "error", err)
		return nil, nil
	}
	c, _, err := in.check(ctx, raw)
	if err != nil || c == nil || c.ID != want {
		return nil, err
	}
	in.depth++
	defer func() { in.depth-- }()
	return in.outlier(ctx, c)
}

// outlier stores an event for its own sake, after checking it by its auth events; nil when one of those
// cannot be had.
func (in *intake) outlier(ctx context.Context, c *checked) (*Event, error) {
	for _, a := range c.PDU.AuthEvents {
		if e, err := in.authEvent(ctx, a); e == nil || err != nil {
			return nil, err
		}
	}
	e, err := in.event(c)
	if err != nil {
		return nil, err
	}
	e.Kind = Outlier
	why, err := in.byAuthEvents(ctx, c)
	if err != nil {
		return nil, err
	}
	if why != nil {
		e.Kind = Rejected
	}
	return e, in.store(ctx, e, c, nil)
}

// event makes the Event of a received one.
func (in *intake) event(c *checked) (*Event, error) {
	e, err := decode(c.Canonical, in.r.Version, in.r.ID, c.ID)
	if err != nil {
		return nil, err
	}
	p := *c.PDU
	p.Unsigned = nil
	e.pdu.Store(&p)
	return e, nil
}

// store writes an event that has no place in the history.
func (in *intake) store(ctx context.Context, e *Event, c *checked, missing []id.EventID) error {
	_, err := in.rs.write(ctx, in.r.ID, "room: store received", func(b *batch) error {
		b.own = false
		return b.put(&item{ev: e, missing: missing, replace: c.stored != nil})
	})
	return err
}

// put seals an event and adds it to the batch without moving its head.
func (b *batch) put(it *item) error {
	var err error
	it.sealed, err = b.rs.seal.Seal(b.ctx, seal.Room(b.r.ID), string(it.ev.ID), it.ev.raw)
	if err != nil {
		return fmt.Errorf("seal event: %w", err)
	}
	b.items = append(b.items, it)
	return nil
}

// hold stores an event until what it stands on arrives.
func (in *intake) hold(ctx context.Context, c *checked, missing []id.EventID) error {
	if c.stored != nil && c.stored.Kind == Held {
		return nil
	}
	e, err := in.event(c)
	if err != nil {
		return err
	}
	e.Kind = Held
	return in.store(ctx, e, c, missing)
}

// release takes the events that were held for one that is here now.
func (in *intake) release(ctx context.Context, arrived id.EventID) error {
	held, err := in.rs.query(ctx, in.r, `select `+eventColumns+` from event e
		join event_missing m on m.event_id = e.event_id where m.missing_id = $1 and m.room + 0 = $2 and e.kind = 4 order by e.depth`,
		string(arrived), in.r.nid)
	if err != nil {
		return err
	}
	for _, e := range held {
		p, err := e.PDU()
		if err != nil {
			return err
		}
		c := &checked{&event.Received{PDU: p, ID: e.ID, Canonical: e.raw}, e}
		if _, err := in.take(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// fetchMissing asks for the events between what is known and an event, and takes them, oldest first.
func (in *intake) fetchMissing(ctx context.Context, arrived id.EventID) error {
	f := in.rs.o.Fetcher
	if f == nil || in.left <= 0 || in.depth > 0 {
		return nil
	}
	raw, err := f.Missing(ctx, in.origin, in.r.ID, in.r.stored.Load().ext, []id.EventID{arrived})
	if err != nil {
		in.rs.log.Debug("missing events not to be had", "error", err)
		return nil
	}
	in.left -= len(raw)
	in.depth++ // who is missing events now gets the state instead
	defer func() { in.depth-- }()
	for _, b := range raw {
		c, _, err := in.check(ctx, b)
		if err != nil {
			return err
		}
		if c == nil || c.ID == arrived {
			continue
		}
		if _, err := in.take(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// fetchState asks for the state before an event whose predecessors cannot be had; nil when that cannot be
// had either.
func (in *intake) fetchState(ctx context.Context, before id.EventID) (*State, error) {
	f := in.rs.o.Fetcher
	if f == nil || in.left <= 0 {
		return nil, nil
	}
	ids, chain, err := f.StateIDs(ctx, in.origin, in.r.ID, before)
	if err != nil || len(ids) == 0 {
		in.rs.log.Debug("state before an event not to be had", "error", err)
		return nil, nil
	}
	for _, a := range chain {
		if _, err := in.authEvent(ctx, a); err != nil {
			return nil, err
		}
	}
	var l []*Event
	for _, i := range ids {
		e, err := in.authEvent(ctx, i)
		if err != nil {
			return nil, err
		}
		if e == nil || !e.State() {
			return nil, nil
		}
		if e.Kind != Rejected {
			l = append(l, e)
		}
	}
	return stateOf(l), nil
}

// byAuthEvents checks an event by the auth events that it names. why is an *auth.Error.
func (in *intake) byAuthEvents(ctx context.Context, c *checked) (why, err error) {
	known, err := in.rs.byID(ctx, in.r, c.PDU.AuthEvents)
	if err != nil {
		return nil, err
	}
	events := make([]*pdu.PDU, len(c.PDU.AuthEvents))
	for i, a := range c.PDU.AuthEvents {
		if known[a] != nil && known[a].Kind != Held {
			events[i] = pduOf(known[a])
		}
	}
	var create *pdu.PDU
	if in.r.Version.RoomIDIsCreateEventID() {
		e, err := in.rs.event(ctx, in.r, event.CreateIDOfRoom(in.r.ID))
		if err != nil {
			return nil, err
		}
		create = pduOf(e)
	}
	if why := auth.CheckAuthEvents(in.r.Version, c.PDU, create, events, nil); why != nil {
		return why, nil
	}
	return nil, nil
}

// settle waits until all that was built on the room is committed. The room is held.
func (rs *Rooms) settle(r *Room) {
	if r.tip == nil || r.tip.done.Load() {
		return
	}
	if r.tip.pending.Wait(context.Background()) != nil {
		r.gen++
		r.tip = nil
	}
}

// place gives an event its place in the history: it decides whether it is accepted, and what the state is.
func (in *intake) place(ctx context.Context, c *checked, given *State, gaps []id.EventID) (*Event, error, error) {
	var placed *Event
	var why error
	_, err := in.rs.write(ctx, in.r.ID, "room: receive", func(b *batch) error {
		in.rs.settle(b.r)
		b.base, b.pred, b.gen, b.own = b.r.stored.Load(), nil, b.r.gen, false
		b.head = b.base
		e, err := in.event(c)
		if err != nil {
			return err
		}
		why, err = in.decide(ctx, b, &item{ev: e, replace: c.stored != nil, missing: gaps}, c, given)
		placed = e
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("place event %s: %w", c.ID, err)
	}
	return placed, why, nil
}

// decide fills the batch with an event. why says why it is rejected or soft-failed.
func (in *intake) decide(ctx context.Context, b *batch, it *item, c *checked, given *State) (why, err error) {
	r, h, e := in.r, b.head, it.ev
	before, err := in.stateBefore(ctx, b, it, given)
	if err != nil {
		return nil, err
	}
	if why, err = in.byAuthEvents(ctx, c); err != nil {
		return nil, err
	}
	if why == nil {
		why = auth.Check(r.Version, c.PDU, func(typ, key string) *pdu.PDU { return pduOf(before.Get(typ, key)) })
	}
	if why != nil {
		e.Kind = Rejected
		return why, b.put(it)
	}
	if why = auth.CheckState(r.Version, c.PDU, auth.State{Lookup: h.view.lookup, Levels: h.view.power}); why != nil {
		e.Kind = SoftFailed
		return why, b.put(it)
	}
	if err := in.advance(ctx, b, it, before); err != nil {
		return nil, err
	}
	if err := in.applyRedactions(ctx, b, it); err != nil {
		return nil, err
	}
	if it.ev.State() {
		if old := h.view.state.at(e.Key()); old != nil && old.ID != e.ID {
			it.ev.Replaces, it.ev.PrevContent, it.ev.PrevSender = old.ID, old.Content, old.Sender
		}
	}
	return nil, b.put(it)
}

// stateBefore works out the state before an event and notes its snapshot.
func (in *intake) stateBefore(ctx context.Context, b *batch, it *item, given *State) (*State, error) {
	e, h := it.ev, b.head
	if given != nil {
		row, _ := newSnapshot(in.rs.newID(), 0, given, nil, 0)
		it.before, e.Snapshot = row, row.id
		return given, nil
	}
	prev := e.prev()
	if sameSet(prev, h.ext) {
		e.Snapshot = h.view.snapshot
		return h.view.state, nil
	}
	events, err := in.rs.byID(ctx, in.r, prev)
	if err != nil {
		return nil, err
	}
	if len(prev) == 1 {
		p := events[prev[0]]
		if p == nil {
			return nil, fmt.Errorf("predecessor %s is gone", prev[0])
		}
		s, err := in.rs.state(ctx, in.r, p.Snapshot)
		if err != nil {
			return nil, err
		}
		e.Snapshot = p.Snapshot
		if !p.State() || p.Kind == Rejected {
			return s, nil
		}
		entry := stateEntry{p.Key(), p}
		after := s.with(p)
		it.before, _ = newSnapshot(in.rs.newID(), p.Snapshot, after, []stateEntry{entry}, 0)
		e.Snapshot = it.before.id
		return after, nil
	}
	s, err := in.resolve(ctx, prev)
	if err != nil {
		return nil, err
	}
	it.before, _ = newSnapshot(in.rs.newID(), 0, s, nil, 0)
	e.Snapshot = it.before.id
	return s, nil
}

// advance makes an accepted event part of the end of the history and works out the new current state.
func (in *intake) advance(ctx context.Context, b *batch, it *item, before *State) error {
	h, e := b.head, it.ev
	ancestor, err := in.isAncestor(ctx, e.ID)
	if err != nil || ancestor {
		return err
	}
	n := &head{ext: next(h.ext, e.prev(), e.ID), depth: max(h.depth, e.Depth), chain: h.chain, view: h.view}
	var after *State
	if len(n.ext) == 1 {
		if after = before; e.State() {
			after = before.with(e)
		}
	} else if after, err = in.resolveWith(ctx, n.ext, e, before); err != nil {
		return err
	}
	entries := difference(h.view.state, after)
	if len(entries) > 0 {
		for _, d := range entries {
			it.changes = append(it.changes, StateChange{Type: d.key.Type, StateKey: d.key.StateKey, Old: h.view.state.at(d.key), New: d.event})
		}
		b.advance(n, it, entries)
	}
	b.head = n
	return nil
}

// isAncestor tells whether an event that is here already builds on one that has just arrived.
func (in *intake) isAncestor(ctx context.Context, arrived id.EventID) (bool, error) {
	var n int64
	err := in.rs.db.QueryRow(ctx, `select count(*) from event_missing m join event e on e.event_id = m.event_id
		where m.missing_id = $1 and e.kind = 0`, string(arrived)).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look up descendants: %w", err)
	}
	return n > 0, nil
}

func sameSet(a, b []id.EventID) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		if !slices.Contains(b, x) {
			return false
		}
	}
	return true
}

// applyRedactions makes a redaction take effect, or prunes an event whose redaction came first.
func (in *intake) applyRedactions(ctx context.Context, b *batch, it *item) error {
	e := it.ev
	power := b.head.view.power
	if e.Type == typeRedaction && e.Redacts != "" {
		target, err := in.rs.event(ctx, in.r, e.Redacts)
		if err != nil || target == nil || target.RedactedBecause != nil || !power.CanRedact(e.Sender, target.Sender) {
			return err
		}
		b.items = append(b.items, it)
		err = b.redact(e, target)
		b.items = b.items[:len(b.items)-1]
		return err
	}
	earlier, err := in.rs.query(ctx, in.r, `select `+eventColumns+` from event e
		where e.rel_target = $1 and e.room + 0 = $2 and e.rel_type = $3 and e.kind = 0 order by e.pos`, string(e.ID), in.r.nid, relRedaction)
	if err != nil {
		return err
	}
	for _, redaction := range earlier {
		if !power.CanRedact(redaction.Sender, e.Sender) {
			continue
		}
		pruned, err := prune(e, redaction)
		if err != nil {
			return err
		}
		it.ev = pruned
		for i := range it.changes {
			if it.changes[i].New != nil && it.changes[i].New.ID == pruned.ID {
				it.changes[i].New = pruned
			}
		}
		if pruned.State() && len(it.changes) > 0 {
			n := *b.head
			n.view = n.view.with(in.rs, n.view.snapshot, stateEntry{pruned.Key(), pruned})
			b.head = &n
		}
		return nil
	}
	return nil
}
