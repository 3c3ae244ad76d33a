package room

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
)

// AppendEvents appends events as their reader sees them, as a JSON array: with the reader's transaction ids,
// their membership when each was sent, and what is aggregated from the events' children.
func (rs *Rooms) AppendEvents(ctx context.Context, dst []byte, s *Sight, reader Reader, l []*Event) ([]byte, error) {
	bundles, err := rs.Bundles(ctx, s, l)
	if err != nil {
		return nil, err
	}
	dst = append(dst, '[')
	for i, e := range l {
		if i > 0 {
			dst = append(dst, ',')
		}
		if reader.Member, err = s.Membership(ctx, e); err != nil {
			return nil, err
		}
		reader.Relations = bundles[e.ID]
		dst = e.AppendClient(dst, reader)
	}
	return append(dst, ']'), nil
}

// Bundles aggregates the children of events (client-server API, "Aggregations of child events"): the value
// of unsigned.m.relations for each event that has any. It needs no query for events that are known to have
// none, which the newest ones are.
func (rs *Rooms) Bundles(ctx context.Context, s *Sight, l []*Event) (map[id.EventID][]byte, error) {
	return rs.bundles(ctx, s, l, true)
}

// kin is what is aggregated for one event.
type kin struct {
	edit       *Event
	references []id.EventID
	replies    int64
	latest     int64 // position of the newest reply in the thread
	taken      bool  // the reader took part in the thread
}

func (rs *Rooms) bundles(ctx context.Context, s *Sight, l []*Event, threads bool) (map[id.EventID][]byte, error) {
	parents := make(map[id.EventID]*Event)
	var ids []string
	for _, e := range l {
		if e.kids.Load() != kidsNone && e.RedactedBecause == nil {
			parents[e.ID] = e
			ids = append(ids, string(e.ID))
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	kins, err := rs.countKin(ctx, s, ids)
	if err != nil {
		return nil, err
	}
	for _, e := range parents {
		if kins[e.ID] == nil {
			// Unless a child came meanwhile.
			e.kids.CompareAndSwap(kidsUnknown, kidsNone)
		}
	}
	if len(kins) == 0 {
		return nil, nil
	}
	if err := rs.readKin(ctx, s, ids, parents, kins); err != nil {
		return nil, err
	}
	out := make(map[id.EventID][]byte, len(kins))
	for parent, k := range kins {
		b, err := rs.bundle(ctx, s, parents[parent], k, threads)
		if err != nil {
			return nil, err
		}
		if len(b) > 0 {
			out[parent] = b
		}
	}
	return out, nil
}

const (
	kinCounts = `select rel_target, rel_type, count(*), max(pos), max(case when sender = $3 then 1 else 0 end)
		from event where rel_target = any($1) and room + 0 = $2 and kind = 0
		group by rel_target, rel_type`
	kinEvents = `select ` + eventColumns + ` from event e
		where e.rel_target = any($1) and e.room + 0 = $2 and e.kind = 0 and e.rel_type = any($3) order by e.pos`
)

// countKin counts the children of events.
func (rs *Rooms) countKin(ctx context.Context, s *Sight, ids []string) (map[id.EventID]*kin, error) {
	rows, err := rs.db.Query(ctx, kinCounts, ids, s.r.nid, string(s.user))
	if err != nil {
		return nil, fmt.Errorf("count relations: %w", err)
	}
	defer rows.Close()
	kins := make(map[id.EventID]*kin)
	for rows.Next() {
		var target, rel string
		var n, latest, own int64
		if err := rows.Scan(&target, &rel, &n, &latest, &own); err != nil {
			return nil, fmt.Errorf("count relations: %w", err)
		}
		k := kins[id.EventID(target)]
		if k == nil {
			k = &kin{}
			kins[id.EventID(target)] = k
		}
		if rel == relThread && s.open {
			k.replies, k.latest, k.taken = n, latest, own == 1
		}
	}
	return kins, rows.Err()
}

// readKin reads the edits and references of events. For a reader who may not see everything it reads the threads
// too, and counts what they may see.
func (rs *Rooms) readKin(ctx context.Context, s *Sight, ids []string, parents map[id.EventID]*Event, kins map[id.EventID]*kin) error {
	rels := []string{relReplace, relReference}
	if !s.open {
		rels = append(rels, relThread)
	}
	children, err := rs.query(ctx, s.r, kinEvents, ids, s.r.nid, rels)
	if err != nil {
		return err
	}
	if children, err = s.Filter(ctx, children); err != nil {
		return err
	}
	for _, c := range children {
		parent, k := parents[c.RelTarget], kins[c.RelTarget]
		if parent == nil || k == nil {
			continue
		}
		switch c.RelType {
		case relReference:
			k.references = append(k.references, c.ID)
			continue
		case relThread:
			k.replies, k.latest, k.taken = k.replies+1, c.Pos, k.taken || c.Sender == s.user
			continue
		}
		if validEdit(parent, c) && (k.edit == nil || c.TS > k.edit.TS || c.TS == k.edit.TS && c.ID > k.edit.ID) {
			k.edit = c
		}
	}
	return nil
}

// validEdit tells whether an event may replace another (client-server API, "Validity of replacement events").
func validEdit(e, edit *Event) bool {
	return e.Sender == edit.Sender && e.Type == edit.Type && !e.State() && !edit.State() && e.RelType != relReplace &&
		(e.Type == "m.room.encrypted" || edit.Get(`m\.new_content`).IsObject())
}

// bundle writes what is aggregated for one event.
func (rs *Rooms) bundle(ctx context.Context, s *Sight, parent *Event, k *kin, threads bool) ([]byte, error) {
	var b []byte
	key := func(name string) {
		if b == nil {
			b = append(b, '{')
		} else {
			b = append(b, ',')
		}
		b = append(b, name...)
	}
	if k.edit != nil {
		key(`"m.replace":`)
		b = k.edit.AppendClient(b, Reader{})
	}
	if len(k.references) > 0 {
		key(`"m.reference":{"chunk":[`)
		for i, r := range k.references {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"event_id":`...)
			b = append(appendString(b, string(r)), '}')
		}
		b = append(b, "]}"...)
	}
	if k.replies > 0 && threads {
		l, err := rs.query(ctx, s.r, `select `+eventColumns+` from event e where e.pos = $1`, k.latest)
		if err != nil {
			return nil, err
		}
		if len(l) == 1 {
			of, err := rs.bundles(ctx, s, l, false)
			if err != nil {
				return nil, err
			}
			key(`"m.thread":{"latest_event":`)
			b = l[0].AppendClient(b, Reader{Relations: of[l[0].ID]})
			b = append(b, `,"count":`...)
			b = strconv.AppendInt(b, k.replies, 10)
			b = append(b, `,"current_user_participated":`...)
			b = append(strconv.AppendBool(b, k.taken || parent.Sender == s.user), '}')
		}
	}
	if b != nil {
		b = append(b, '}')
	}
	return b, nil
}

// relatedBy tells whether an event has a child of one of the types, by one of the senders.
func (rs *Rooms) relatedBy(ctx context.Context, r *Room, e *Event, types []string, senders []id.UserID) (bool, error) {
	rows, err := rs.db.Query(ctx, `select rel_type, sender from event where rel_target = $1 and room + 0 = $2 and kind = 0`, string(e.ID), r.nid)
	if err != nil {
		return false, fmt.Errorf("look up relations: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var typ string
		var sender id.UserID
		if err := rows.Scan(&typ, (*string)(&sender)); err != nil {
			return false, fmt.Errorf("look up relations: %w", err)
		}
		if (len(types) == 0 || slices.Contains(types, typ)) && (len(senders) == 0 || slices.Contains(senders, sender)) {
			return true, nil
		}
	}
	return false, rows.Err()
}

// RelationRequest asks for the children of an event.
type RelationRequest struct {
	RelType, EventType string // empty: all
	From, To           string // tokens
	Forward            bool   // oldest first
	Limit              int
	Recurse            bool // children of children too
}

// RelationDepth is how deep a recursive request goes.
const RelationDepth = 3

// Relations pages through the children of an event (client-server API, "Relationships API").
func (rs *Rooms) Relations(ctx context.Context, user id.UserID, roomID id.RoomID, parent id.EventID, q RelationRequest) (*Page, error) {
	a, s, e, err := rs.seen(ctx, user, roomID, parent)
	if err != nil {
		return nil, err
	}
	low, high := int64(math.MinInt64), a.UpTo
	if q.From != "" {
		from, err := ParseToken(q.From)
		if err != nil {
			return nil, err
		}
		if q.Forward {
			low = from
		} else {
			high = min(high, from)
		}
	}
	if q.To != "" {
		to, err := ParseToken(q.To)
		if err != nil {
			return nil, err
		}
		if q.Forward {
			high = min(high, to)
		} else {
			low = to
		}
	}
	all, err := rs.descendants(ctx, s, e, q)
	if err != nil {
		return nil, err
	}
	p := &Page{Sight: s, Start: q.From}
	limit := min(max(q.Limit, 1), maxPage)
	for _, c := range all {
		if c.Pos <= low || c.Pos > high || q.RelType != "" && c.RelType != q.RelType || q.EventType != "" && c.Type != q.EventType {
			continue
		}
		if ok, err := s.Sees(ctx, c); err != nil || !ok {
			if err != nil {
				return nil, err
			}
			continue
		}
		if len(p.Events) == limit {
			p.End = Token(behind(!q.Forward, c))
			break
		}
		p.Events = append(p.Events, c)
	}
	return p, nil
}

// descendants reads the children of an event, and theirs when asked, in the order of the request.
func (rs *Rooms) descendants(ctx context.Context, s *Sight, e *Event, q RelationRequest) ([]*Event, error) {
	depth := 1
	if q.Recurse {
		depth = RelationDepth
	}
	var all []*Event
	parents := []string{string(e.ID)}
	for range depth {
		if len(parents) == 0 {
			break
		}
		l, err := rs.query(ctx, s.r, `select `+eventColumns+` from event e
			where e.rel_target = any($1) and e.room + 0 = $2 and e.kind = 0 and e.rel_type <> $3 order by e.pos`,
			parents, s.r.nid, relRedaction)
		if err != nil {
			return nil, err
		}
		parents = parents[:0:0]
		for _, c := range l {
			parents = append(parents, string(c.ID))
		}
		all = append(all, l...)
	}
	slices.SortFunc(all, func(a, b *Event) int {
		if q.Forward {
			a, b = b, a
		}
		return int(min(max(b.Pos-a.Pos, -1), 1))
	})
	return all, nil
}

// Threads pages through the roots of a room's threads, the one with the newest reply first.
func (rs *Rooms) Threads(ctx context.Context, user id.UserID, roomID id.RoomID, participated bool, from string, limit int) (*Page, error) {
	a, err := rs.Access(ctx, roomID, user)
	if err != nil {
		return nil, err
	}
	s, err := rs.Sight(ctx, a.Room, user)
	if err != nil {
		return nil, err
	}
	high := a.UpTo
	if from != "" {
		pos, err := ParseToken(from)
		if err != nil {
			return nil, err
		}
		high = min(high, pos)
	}
	limit = min(max(limit, 1), maxPage)
	p := &Page{Sight: s, Start: from}
	roots, latest, err := rs.threadRoots(ctx, s, participated, high, limit+1)
	if err != nil {
		return nil, err
	}
	events, err := rs.byID(ctx, a.Room, roots)
	if err != nil {
		return nil, err
	}
	for i, root := range roots {
		if i == limit {
			p.End = Token(latest[i])
			break
		}
		e := events[root]
		if e == nil || e.Kind != Timeline {
			continue
		}
		ok, err := s.Sees(ctx, e)
		if err != nil {
			return nil, err
		}
		if ok {
			p.Events = append(p.Events, e)
		}
	}
	return p, nil
}

func (rs *Rooms) threadRoots(ctx context.Context, s *Sight, participated bool, high int64, limit int) ([]id.EventID, []int64, error) {
	q := `select c.rel_target, max(c.pos) from event c where c.room = $1 and c.kind = 0 and c.rel_type = $2`
	args := []any{s.r.nid, relThread, min(high, math.MaxInt64-1), limit}
	if participated {
		q += ` and (exists (select 1 from event o where o.rel_target = c.rel_target and o.sender = $5 and o.rel_type = $2)
			or exists (select 1 from event o where o.event_id = c.rel_target and o.sender = $5))`
		args = append(args, string(s.user))
	}
	rows, err := rs.db.Query(ctx, q+` group by c.rel_target having max(c.pos) <= $3 order by max(c.pos) desc limit $4`, args...)
	if err != nil {
		return nil, nil, fmt.Errorf("list threads: %w", err)
	}
	defer rows.Close()
	var roots []id.EventID
	var latest []int64
	for rows.Next() {
		var root id.EventID
		var pos int64
		if err := rows.Scan((*string)(&root), &pos); err != nil {
			return nil, nil, fmt.Errorf("list threads: %w", err)
		}
		roots, latest = append(roots, root), append(latest, pos)
	}
	return roots, latest, rows.Err()
}

// EventAt finds the event nearest to a time, at or after it when forward, else at or before it.
func (rs *Rooms) EventAt(ctx context.Context, user id.UserID, roomID id.RoomID, ts int64, forward bool) (*Event, error) {
	a, err := rs.Access(ctx, roomID, user)
	if err != nil {
		return nil, err
	}
	s, err := rs.Sight(ctx, a.Room, user)
	if err != nil {
		return nil, err
	}
	q := ` from event e where e.room = $1 and e.kind = 0 and e.ts <= $2 order by e.ts desc, e.pos desc limit 50`
	if forward {
		q = ` from event e where e.room = $1 and e.kind = 0 and e.ts >= $2 order by e.ts, e.pos limit 50`
	}
	l, err := rs.query(ctx, a.Room, `select `+eventColumns+q, a.Room.nid, ts)
	if err != nil {
		return nil, err
	}
	for _, e := range l {
		ok, err := s.Sees(ctx, e)
		if err != nil {
			return nil, err
		}
		if ok && e.Pos <= a.UpTo {
			return e, nil
		}
	}
	return nil, fault.New(fault.NotFound, "There is no event on that side of that time.")
}
