package room

import (
	"context"
	"database/sql"
	"encoding/json/v2"
	"errors"
	"fmt"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/seal"
)

// load reads a room from the database.
func (rs *Rooms) load(ctx context.Context, roomID id.RoomID) (*Room, error) {
	r := &Room{ID: roomID, rooms: rs}
	err := rs.db.QueryRow(ctx, `select nid, version, creator from room where room_id = $1`, string(roomID)).
		Scan(&r.nid, (*string)(&r.Version), (*string)(&r.Creator))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errUnknownRoom
	}
	if err != nil {
		return nil, fmt.Errorf("load room: %w", err)
	}
	// The position before the head: a write of another process in between makes the room newer than its
	// position says, and the next catch-up brings the position up to date.
	pos, err := rs.lastPos(ctx, r.nid)
	if err != nil {
		return nil, err
	}
	h, err := rs.loadHead(ctx, r, nil)
	if err != nil {
		return nil, err
	}
	r.stored.Store(h)
	r.last.Store(pos)
	r.recent.from = pos + 1
	return r, nil
}

func (rs *Rooms) lastPos(ctx context.Context, nid int64) (int64, error) {
	var pos int64
	err := rs.db.QueryRow(ctx, `select pos from event where room = $1 and kind = 0 order by pos desc limit 1`, nid).Scan(&pos)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("load last position: %w", err)
	}
	return pos, nil
}

// loadHead reads the stored head of a room. known is a view whose state may be the same.
func (rs *Rooms) loadHead(ctx context.Context, r *Room, known *view) (*head, error) {
	version, value, ok, err := rs.db.Head(ctx, db.Key(r.nid))
	if err != nil {
		return nil, err
	}
	if !ok {
		return &head{view: rs.viewOf(0, emptyState)}, nil
	}
	j, err := decodeHead(value)
	if err != nil {
		return nil, err
	}
	h := &head{ext: j.Ext, depth: j.Depth, chain: j.Chain, version: version, value: value}
	if known != nil && known.snapshot == j.Snapshot {
		h.view = known
		return h, nil
	}
	s, err := rs.state(ctx, r, j.Snapshot)
	if err != nil {
		return nil, err
	}
	h.view = rs.viewOf(j.Snapshot, s)
	return h, nil
}

// state reads a snapshot.
func (rs *Rooms) state(ctx context.Context, r *Room, snapshot int64) (*State, error) {
	if snapshot == 0 {
		return emptyState, nil
	}
	if h := r.stored.Load(); h != nil && h.view.snapshot == snapshot {
		return h.view.state, nil
	}
	if s, ok := rs.states.get(snapshot); ok {
		return s, nil
	}
	pruned := rs.states.reading()
	deltas, base, err := rs.deltas(ctx, snapshot)
	if err != nil {
		return nil, err
	}
	places := make(map[Key]id.EventID)
	for i := len(deltas) - 1; i >= 0; i-- {
		for _, d := range deltas[i] {
			places[Key{d[0], d[1]}] = id.EventID(d[2])
		}
	}
	ids := make([]id.EventID, 0, len(places))
	for _, e := range places {
		if e != "" {
			ids = append(ids, e)
		}
	}
	events, err := rs.byID(ctx, r, ids)
	if err != nil {
		return nil, fmt.Errorf("load state: %w", err)
	}
	var s *State
	if base == nil {
		l := make([]*Event, 0, len(events))
		for _, e := range events {
			l = append(l, e)
		}
		s = stateOf(l)
	} else {
		s = base
		for k, e := range places {
			s = s.set(k, events[e])
		}
	}
	rs.states.add(snapshot, s, pruned)
	return s, nil
}

type delta = [][3]string

// deltas reads what a snapshot differs in from a full one, or from one that is cached, newest first.
func (rs *Rooms) deltas(ctx context.Context, snapshot int64) ([]delta, *State, error) {
	rows, err := rs.db.Query(ctx, `with recursive chain(id, parent, delta, step) as (
			select id, parent, delta, 0 from room_snapshot where id = $1
			union all
			select s.id, s.parent, s.delta, c.step + 1 from room_snapshot s join chain c on s.id = c.parent
		) select parent, delta from chain order by step`, snapshot)
	if err != nil {
		return nil, nil, fmt.Errorf("load snapshot: %w", err)
	}
	defer rows.Close()
	var out []delta
	for rows.Next() {
		var parent int64
		var text string
		if err := rows.Scan(&parent, &text); err != nil {
			return nil, nil, fmt.Errorf("load snapshot: %w", err)
		}
		var d delta
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return nil, nil, fmt.Errorf("decode snapshot: %w", err)
		}
		out = append(out, d)
		if parent == 0 {
			return out, nil, rows.Close()
		}
		if s, ok := rs.states.get(parent); ok {
			return out, s, rows.Close()
		}
	}
	if err := rows.Err(); err != nil {
		return nil, nil, fmt.Errorf("load snapshot: %w", err)
	}
	return nil, nil, fmt.Errorf("snapshot %d is not complete", snapshot)
}

// eventColumns are what scanEvent reads.
const eventColumns = `e.event_id, e.pos, e.kind, e.snapshot, e.replaces, e.device, e.txn, e.redacted_by, e.body`

// found is an event as it was read, and the ids of what belongs to it.
type found struct {
	*Event
	redactedBy id.EventID
	shared     bool // complete, and must not be changed
}

// errErased is answered for a room whose key was destroyed: nobody can read it any more.
var errErased = fault.New(fault.NotFound, "The room was erased.")

// place says which room a row belongs to.
type place struct {
	room    id.RoomID
	version id.RoomVersion
}

func (r *Room) place() place { return place{r.ID, r.Version} }

// scanEvent reads the eventColumns of one row; more are the caller's own columns behind them.
func (rs *Rooms) scanEvent(ctx context.Context, rows *sql.Rows, p *place, more ...any) (found, error) {
	var (
		eventID, replaces, device, txn, redacted sql.NullString
		pos, kind, snapshot                      int64
		body                                     []byte
	)
	dest := append([]any{&eventID, &pos, &kind, &snapshot, &replaces, &device, &txn, &redacted, &body}, more...)
	if err := rows.Scan(dest...); err != nil {
		return found{}, fmt.Errorf("read event: %w", err)
	}
	want := id.EventID(eventID.String)
	if e := rs.events.get(want); e != nil && e.Pos == pos && e.Kind == Kind(kind) && (e.RedactedBecause != nil) == redacted.Valid {
		return found{Event: e, shared: true}, nil
	}
	raw, err := rs.seal.Open(ctx, seal.Room(p.room), string(want), body)
	if errors.Is(err, seal.ErrErased) {
		return found{}, errErased.Because(err)
	}
	if err != nil {
		return found{}, fmt.Errorf("open event %s: %w", want, err)
	}
	e, err := decode(raw, p.version, p.room, want)
	if err != nil {
		return found{}, err
	}
	e.Pos, e.Kind, e.Snapshot = pos, Kind(kind), snapshot
	e.Replaces, e.Device, e.Txn = id.EventID(replaces.String), id.DeviceID(device.String), plainTxn(txn.String, e.Redacts)
	return found{Event: e, redactedBy: id.EventID(redacted.String)}, nil
}

// query reads events of one room.
func (rs *Rooms) query(ctx context.Context, r *Room, q string, args ...any) ([]*Event, error) {
	rows, err := rs.db.Query(ctx, q, args...)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	defer rows.Close()
	p := r.place()
	var l []found
	for rows.Next() {
		f, err := rs.scanEvent(ctx, rows, &p)
		if err != nil {
			return nil, err
		}
		l = append(l, f)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	rows.Close()
	return rs.complete(ctx, r, l)
}

// complete adds to events what is in others: the content they replaced and the redaction they are pruned by.
func (rs *Rooms) complete(ctx context.Context, r *Room, l []found) ([]*Event, error) {
	var ids []id.EventID
	for _, f := range l {
		if f.shared {
			continue
		}
		if f.Replaces != "" {
			ids = append(ids, f.Replaces)
		}
		if f.redactedBy != "" {
			ids = append(ids, f.redactedBy)
		}
	}
	var others map[id.EventID]*Event
	if len(ids) > 0 {
		var err error
		if others, err = rs.bare(ctx, r, ids); err != nil {
			return nil, err
		}
	}
	out := make([]*Event, len(l))
	for i, f := range l {
		if f.shared {
			out[i] = f.Event
			continue
		}
		f.RedactedBecause = others[f.redactedBy]
		if prev := others[f.Replaces]; prev != nil {
			f.PrevContent, f.PrevSender = prev.Content, prev.Sender
		}
		out[i] = rs.events.add(f.Event)
	}
	return out, nil
}

// eventsByID reads the eventColumns of events of one room.
const eventsByID = `select ` + eventColumns + ` from event e where e.event_id = any($1) and e.room + 0 = $2`

// bare reads events by id without what complete adds. "room + 0" in this package's queries keeps SQLite from
// walking through the whole room instead of looking up the ids.
func (rs *Rooms) bare(ctx context.Context, r *Room, ids []id.EventID) (map[id.EventID]*Event, error) {
	out := make(map[id.EventID]*Event, len(ids))
	var want []string
	for _, i := range ids {
		if e := rs.events.get(i); e != nil {
			out[i] = e
		} else {
			want = append(want, string(i))
		}
	}
	p := r.place()
	for len(want) > 0 {
		part := want[:min(len(want), 500)]
		want = want[len(part):]
		rows, err := rs.db.Query(ctx, eventsByID, part, r.nid)
		if err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
		for rows.Next() {
			f, err := rs.scanEvent(ctx, rows, &p)
			if err != nil {
				rows.Close()
				return nil, err
			}
			out[f.ID] = f.Event
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
	}
	return out, nil
}

// byID reads events of a room by id; those that are not here are left out.
func (rs *Rooms) byID(ctx context.Context, r *Room, ids []id.EventID) (map[id.EventID]*Event, error) {
	out := make(map[id.EventID]*Event, len(ids))
	var want []string
	for _, i := range ids {
		if e := rs.events.get(i); e != nil && e.RoomID == r.ID {
			out[i] = e
		} else if i != "" && storable(string(i)) {
			want = append(want, string(i))
		}
	}
	for len(want) > 0 {
		part := want[:min(len(want), 500)]
		want = want[len(part):]
		l, err := rs.query(ctx, r, eventsByID, part, r.nid)
		if err != nil {
			return nil, err
		}
		for _, e := range l {
			out[e.ID] = e
		}
	}
	return out, nil
}

// event reads one event of a room, nil when it is not here.
func (rs *Rooms) event(ctx context.Context, r *Room, want id.EventID) (*Event, error) {
	m, err := rs.byID(ctx, r, []id.EventID{want})
	return m[want], err
}
