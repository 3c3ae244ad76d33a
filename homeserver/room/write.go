package room

import (
	"fmt"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
)

var eventTable = &db.Table{
	Name: "event",
	Columns: []string{"pos", "room", "event_id", "type", "state_key", "sender", "ts", "kind", "snapshot", "depth",
		"rel_type", "rel_target", "replaces", "device", "txn", "redacted_by", "body"},
	Types: []string{"bigint", "bigint", "text", "text", "text", "text", "bigint", "bigint", "bigint", "bigint",
		"text", "text", "text", "text", "text", "text", "bytea"},
}

var snapshotTable = &db.Table{
	Name:    "room_snapshot",
	Columns: []string{"id", "room", "parent", "delta"},
	Types:   []string{"bigint", "bigint", "bigint", "text"},
}

var stateTable = &db.Table{
	Name:    "room_state",
	Columns: []string{"room", "type", "state_key", "pos", "event_id"},
	Types:   []string{"bigint", "text", "text", "bigint", "text"},
	Key:     4,
}

var memberTable = &db.Table{
	Name:    "room_member",
	Columns: []string{"user_id", "room", "membership", "event_id", "sender", "pos", "forgotten"},
	Types:   []string{"text", "bigint", "text", "text", "text", "bigint", "bigint"},
	Key:     2,
}

var missingTable = &db.Table{
	Name:    "event_missing",
	Columns: []string{"room", "missing_id", "event_id"},
	Types:   []string{"bigint", "text", "text"},
	Ignore:  true,
}

// null is how an empty text is stored.
func null[T ~string](s T) any {
	if s == "" {
		return nil
	}
	return string(s)
}

// append writes the rows of one event.
func (b *batch) append(tx *db.Tx, it *item) (*db.Num, error) {
	e, nid := it.ev, b.r.nid
	if it.replace {
		if err := b.forgetStored(tx, e); err != nil {
			return nil, err
		}
	}
	pos := tx.Number(db.Stream)
	var key, redacted any
	if e.RedactedBecause != nil {
		redacted = string(e.RedactedBecause.ID)
	}
	if e.StateKey != nil {
		key = *e.StateKey
	}
	tx.Append(eventTable, pos, nid, string(e.ID), e.Type, key, string(e.Sender), e.TS, int64(e.Kind), e.Snapshot, e.Depth,
		null(e.RelType), null(e.RelTarget), null(e.Replaces), null(e.Device), null(e.storedTxn()), redacted, it.sealed)
	for _, s := range []*snapshotRow{it.before, it.snapshot} {
		if s != nil {
			tx.Append(snapshotTable, s.id, nid, s.parent, string(s.delta))
		}
	}
	for _, c := range it.changes {
		var eventID any
		if c.New != nil {
			eventID = string(c.New.ID)
		}
		tx.Append(stateTable, nid, c.Type, c.StateKey, pos, eventID)
		if c.Type == typeMember {
			b.appendMember(tx, pos, c)
		}
	}
	for _, m := range it.missing {
		tx.Append(missingTable, nid, string(m), string(e.ID))
	}
	if it.pruned != nil {
		// Its relation went with its content, so it counts for its parent no more.
		if _, err := tx.Exec(`update event set body = $1, redacted_by = $2, rel_type = null, rel_target = null
			where event_id = $3 and redacted_by is null`, it.resealed, string(e.ID), string(it.pruned.ID)); err != nil {
			return nil, fmt.Errorf("prune event: %w", err)
		}
		tx.After(b.rs.db.Erased)
	}
	if e.Kind == Timeline {
		for _, o := range b.rs.o.Observers {
			o.Committing(tx, pos, e, b.r, it.changes)
		}
	}
	return pos, nil
}

func (b *batch) appendMember(tx *db.Tx, pos *db.Num, c StateChange) {
	if c.New == nil {
		tx.Append(memberTable, c.StateKey, b.r.nid, Leave, "", "", pos, int64(0))
		return
	}
	tx.Append(memberTable, c.StateKey, b.r.nid, c.New.Membership(), string(c.New.ID), string(c.New.Sender), pos, int64(0))
}

// forgetStored removes the row of an event that is stored again as another kind.
func (b *batch) forgetStored(tx *db.Tx, e *Event) error {
	if _, err := tx.Exec(`delete from event where event_id = $1`, string(e.ID)); err != nil {
		return fmt.Errorf("replace event: %w", err)
	}
	if _, err := tx.Exec(`delete from event_missing where event_id = $1`, string(e.ID)); err != nil {
		return fmt.Errorf("replace event: %w", err)
	}
	return nil
}

// committed makes the batch visible to the readers of this process. It runs after the commit, in the order
// of the commits.
func (b *batch) committed(h *head, nums []*db.Num) {
	rs, r := b.rs, b.r
	for i, it := range b.items {
		it.ev.Pos = nums[i].Value()
		if it.pruned != nil {
			rs.forget(r, it.pruned)
		}
		if it.replace {
			rs.events.replace(it.ev)
		} else {
			rs.events.add(it.ev)
		}
		if it.ev.Kind != Timeline {
			continue
		}
		if !it.ev.State() {
			it.ev.pdu.Store(nil) // hardly anybody asks a message for it again
		}
		if it.ev.RelTarget != "" {
			rs.related(r, it.ev.RelTarget)
		}
		if it.ev.Type == typeVisibility {
			r.forgetHistory()
		}
		r.recent.add(it.ev)
		r.advance(it.ev.Pos)
	}
	if len(b.items) > 0 {
		r.store(h)
	}
	b.done.Store(true)
	b.pred = nil
	for _, it := range b.items {
		if it.ev.Kind != Timeline {
			continue
		}
		c := Committed{Event: it.ev, Room: r, Changes: it.changes, Redacted: it.pruned, Local: true}
		for _, o := range rs.o.Observers {
			o.Committed(c)
		}
		rs.metrics.events.Inc()
	}
}

// forget puts the pruned form of an event wherever this process keeps it.
func (rs *Rooms) forget(r *Room, pruned *Event) {
	rs.events.redacted(pruned)
	r.recent.replace(pruned)
	if !pruned.State() {
		return
	}
	rs.states.purge()
	r.prune(pruned)
	// The event that took its place shows its content as prev_content.
	rs.events.each(func(e *Event) { e.forgetPrevious(pruned) })
	r.recent.each(func(e *Event) { e.forgetPrevious(pruned) })
	r.State(pruned.Type, *pruned.StateKey).forgetPrevious(pruned)
}

// prune puts the pruned form of a state event into the committed view, if it is there.
func (r *Room) prune(pruned *Event) {
	for {
		old := r.stored.Load()
		now := old.view.state.at(pruned.Key())
		if now == nil || now == pruned || now.ID != pruned.ID {
			return
		}
		n := *old
		n.view = old.view.with(r.rooms, old.view.snapshot, stateEntry{pruned.Key(), pruned})
		if r.stored.CompareAndSwap(old, &n) {
			return
		}
	}
}

// related notes that an event has children, wherever this process keeps it.
func (rs *Rooms) related(r *Room, parent id.EventID) {
	if e := rs.events.get(parent); e != nil {
		e.kids.Store(kidsSome)
	}
	r.recent.mu.Lock()
	defer r.recent.mu.Unlock()
	for _, e := range r.recent.events {
		if e.ID == parent {
			e.kids.Store(kidsSome)
		}
	}
}
