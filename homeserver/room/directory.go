package room

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
)

// Published is what the public room list says about a room (client-server API, PublicRoomsChunk).
type Published struct {
	RoomID        id.RoomID      `json:"room_id"`
	Name          string         `json:"name,omitempty"`
	Topic         string         `json:"topic,omitempty"`
	Alias         string         `json:"canonical_alias,omitempty"`
	Avatar        string         `json:"avatar_url,omitempty"`
	Joined        int            `json:"num_joined_members"`
	WorldReadable bool           `json:"world_readable"`
	GuestsJoin    bool           `json:"guest_can_join"`
	JoinRule      string         `json:"join_rule"`
	Type          string         `json:"room_type,omitempty"`
	Encryption    string         `json:"encryption,omitempty"`
	Version       id.RoomVersion `json:"room_version,omitempty"`
	Allowed       []id.RoomID    `json:"allowed_room_ids,omitempty"` // whose members may join
	Membership    string         `json:"membership,omitempty"`       // of the reader, in summaries
}

// publish says what a room is to people who are not in it.
func (r *Room) publish() Published {
	joined, _ := r.Counts()
	return Published{
		RoomID: r.ID, Name: r.Name(), Topic: r.State(typeTopic, "").Get("topic").Str,
		Alias: r.State(typeAlias, "").Get("alias").Str, Avatar: r.State(typeAvatar, "").Get("url").Str,
		Joined: joined, WorldReadable: r.Visibility() == worldReadable,
		GuestsJoin: r.State(typeGuestAccess, "").Get("guest_access").Str == "can_join",
		JoinRule:   r.JoinRule(), Type: r.State(typeCreate, "").Get("type").Str,
	}
}

// admits lists the rooms whose members may join, when the join rule names any.
func (r *Room) admits() []id.RoomID {
	var l []id.RoomID
	if rule := r.JoinRule(); rule != "restricted" && rule != "knock_restricted" {
		return nil
	}
	r.State(typeJoinRules, "").Get("allow").ForEach(func(_, v gjson.Result) bool {
		if v.Get("type").Str == "m.room_membership" {
			l = append(l, id.RoomID(v.Get("room_id").Str))
		}
		return true
	})
	return l
}

// Listed tells whether a room is in the public room list.
func (rs *Rooms) Listed(ctx context.Context, roomID id.RoomID) (bool, error) {
	r, err := rs.Get(ctx, roomID)
	if err != nil {
		return false, err
	}
	var listed int64
	if err := rs.db.QueryRow(ctx, `select listed from room where nid = $1`, r.nid).Scan(&listed); err != nil {
		return false, fmt.Errorf("look up room: %w", err)
	}
	return listed != 0, nil
}

// SetListed puts a room into the public room list or takes it out. That may whoever may set the room's
// main alias, and administrators.
func (rs *Rooms) SetListed(ctx context.Context, user id.UserID, admin bool, roomID id.RoomID, listed bool) error {
	r, err := rs.Get(ctx, roomID)
	if err != nil {
		return err
	}
	if !admin && !r.maySetAlias(user) {
		return fault.New(fault.Forbidden, "You may not change how this room is published.")
	}
	n := 0
	if listed {
		n = 1
	}
	return rs.db.Write(ctx, "room: list", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`update room set listed = $1 where nid = $2`, n, r.nid)
		return err
	})
}

// DirectoryRequest asks for a part of the public room list.
type DirectoryRequest struct {
	Since string
	Limit int       // 0: all
	Term  string    // only rooms whose name, topic or alias contains it, in any case
	Types *[]string // only rooms of these types; "" is an ordinary room
}

// Directory is a part of the public room list, the largest rooms first.
type Directory struct {
	Chunk []Published `json:"chunk"`
	Next  string      `json:"next_batch,omitempty"`
	Prev  string      `json:"prev_batch,omitempty"`
	Total int         `json:"total_room_count_estimate"`
}

// Directory lists the published rooms.
func (rs *Rooms) Directory(ctx context.Context, q DirectoryRequest) (*Directory, error) {
	from := 0
	if q.Since != "" {
		n, err := strconv.Atoi(q.Since)
		if err != nil || n < 0 {
			return nil, fault.New(fault.InvalidParam, "The token is not one of this list.")
		}
		from = n
	}
	all, err := rs.published(ctx)
	if err != nil {
		return nil, err
	}
	term := strings.ToLower(q.Term)
	all = slices.DeleteFunc(all, func(p Published) bool {
		if q.Types != nil && !slices.Contains(*q.Types, p.Type) {
			return true
		}
		return term != "" && !strings.Contains(strings.ToLower(p.Name+"\n"+p.Topic+"\n"+p.Alias), term)
	})
	slices.SortFunc(all, func(a, b Published) int {
		return cmp.Or(cmp.Compare(b.Joined, a.Joined), cmp.Compare(a.RoomID, b.RoomID))
	})
	d := &Directory{Total: len(all), Chunk: []Published{}}
	from = min(from, len(all))
	to := len(all)
	if q.Limit > 0 {
		to = min(to, from+q.Limit)
	}
	d.Chunk = append(d.Chunk, all[from:to]...)
	if to < len(all) {
		d.Next = strconv.Itoa(to)
	}
	if from > 0 && q.Limit > 0 {
		d.Prev = strconv.Itoa(max(0, from-q.Limit))
	}
	return d, nil
}

func (rs *Rooms) published(ctx context.Context) ([]Published, error) {
	rows, err := rs.db.Query(ctx, `select room_id from room where listed = 1`)
	if err != nil {
		return nil, fmt.Errorf("list public rooms: %w", err)
	}
	defer rows.Close()
	var ids []id.RoomID
	for rows.Next() {
		var i id.RoomID
		if err := rows.Scan((*string)(&i)); err != nil {
			return nil, fmt.Errorf("list public rooms: %w", err)
		}
		ids = append(ids, i)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list public rooms: %w", err)
	}
	rows.Close()
	out := make([]Published, 0, len(ids))
	for _, i := range ids {
		r, err := rs.Get(ctx, i)
		if fault.Is(err, fault.NotFound) {
			continue // erased
		}
		if err != nil {
			return nil, err
		}
		out = append(out, r.publish())
	}
	return out, nil
}

// visibleTo tells whether somebody may know what a room is without being in it.
func (rs *Rooms) visibleTo(ctx context.Context, r *Room, user id.UserID) bool {
	switch r.Membership(user) {
	case Join, Invite:
		return user != ""
	}
	switch r.JoinRule() {
	case "public", "knock", "knock_restricted":
		return true
	case "restricted":
		_, err := rs.authoriser(ctx, r, user)
		return user != "" && err == nil
	}
	return r.Visibility() == worldReadable
}

// Summary says what a room is to somebody who may not be in it (client-server API, room_summary). user may
// be empty. NotFound when they may not know of it.
func (rs *Rooms) Summary(ctx context.Context, user id.UserID, roomID id.RoomID) (*Published, error) {
	r, err := rs.Get(ctx, roomID)
	if err != nil {
		return nil, err
	}
	if !rs.visibleTo(ctx, r, user) {
		return nil, errUnknownRoom
	}
	p := r.publish()
	p.Version = r.Version
	p.Encryption = r.State(typeEncryption, "").Get("algorithm").Str
	p.Allowed = r.admits()
	if user != "" && r.State(typeMember, string(user)) != nil {
		p.Membership = r.Membership(user)
	}
	return &p, nil
}

// SpaceRoom is one room of a hierarchy, with the stripped m.space.child events of a space.
type SpaceRoom struct {
	Published
	Children []byte // JSON array
}

// maxHierarchy bounds how many rooms of a space are walked through.
const maxHierarchy = 1000

// Hierarchy walks through a space and the spaces within it, parents before children (client-server API,
// "Spaces").
func (rs *Rooms) Hierarchy(ctx context.Context, user id.UserID, roomID id.RoomID, suggested bool, depth int) ([]SpaceRoom, error) {
	root, err := rs.Get(ctx, roomID)
	if err != nil {
		return nil, hidden(err)
	}
	if !rs.visibleTo(ctx, root, user) {
		return nil, errNotJoined
	}
	type step struct {
		room  id.RoomID
		depth int
	}
	var out []SpaceRoom
	seen := map[id.RoomID]bool{roomID: true}
	for todo := []step{{roomID, 0}}; len(todo) > 0 && len(out) < maxHierarchy; {
		at := todo[0]
		todo = todo[1:]
		r, err := rs.Get(ctx, at.room)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !rs.visibleTo(ctx, r, user) {
			continue
		}
		s := SpaceRoom{Published: r.publish()}
		s.Version, s.Encryption, s.Allowed = r.Version, r.State(typeEncryption, "").Get("algorithm").Str, r.admits()
		children, json := r.children(suggested)
		s.Children = json
		out = append(out, s)
		if depth >= 0 && at.depth >= depth {
			continue
		}
		next := make([]step, 0, len(children)+len(todo))
		for _, c := range children {
			if !seen[c] {
				seen[c] = true
				next = append(next, step{c, at.depth + 1})
			}
		}
		todo = append(next, todo...)
	}
	return out, nil
}

// children are the rooms of a space in their order, and their events in stripped form.
func (r *Room) children(suggested bool) ([]id.RoomID, []byte) {
	var l []*Event
	if r.State(typeCreate, "").Get("type").Str == "m.space" {
		for e := range r.StateMap().All {
			if e.Type == "m.space.child" && len(e.Get("via").Array()) > 0 && (!suggested || e.Get("suggested").Bool()) {
				l = append(l, e)
			}
		}
	}
	slices.SortFunc(l, func(a, b *Event) int {
		x, y := a.Get("order").Str, b.Get("order").Str
		if (x == "") != (y == "") {
			return strings.Compare(y, x) // those with an order come first
		}
		return cmp.Or(strings.Compare(x, y), cmp.Compare(a.TS, b.TS), strings.Compare(*a.StateKey, *b.StateKey))
	})
	json := []byte{'['}
	ids := make([]id.RoomID, 0, len(l))
	for i, e := range l {
		if i > 0 {
			json = append(json, ',')
		}
		b := e.stripped(nil)
		json = append(json, b[:len(b)-1]...)
		json = append(json, `,"origin_server_ts":`...)
		json = append(strconv.AppendInt(json, e.TS, 10), '}')
		ids = append(ids, id.RoomID(*e.StateKey))
	}
	return ids, append(json, ']')
}
