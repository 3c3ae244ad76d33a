package room

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/matrix/event"
)

// splitAlias returns the local part and the server of an alias.
func splitAlias(alias id.RoomAlias) (local, server string, err error) {
	local, server, ok := strings.Cut(strings.TrimPrefix(string(alias), "#"), ":")
	if !ok || alias[0] != '#' || local == "" || server == "" || strings.ContainsRune(string(alias), 0) || len(alias) > event.MaxFieldBytes {
		return "", "", fault.New(fault.InvalidParam, "Not a room alias.")
	}
	return local, server, nil
}

// ResolveAlias returns the room of an alias, a fault of kind NotFound when there is none here.
func (rs *Rooms) ResolveAlias(ctx context.Context, alias id.RoomAlias) (id.RoomID, error) {
	if _, _, err := splitAlias(alias); err != nil {
		return "", err
	}
	var roomID id.RoomID
	err := rs.db.QueryRow(ctx, `select r.room_id from room_alias a join room r on r.nid = a.room where a.alias = $1`,
		string(alias)).Scan((*string)(&roomID))
	if errors.Is(err, sql.ErrNoRows) {
		return "", fault.New(fault.NotFound, "There is no such room alias.")
	}
	if err != nil {
		return "", fmt.Errorf("resolve alias: %w", err)
	}
	return roomID, nil
}

// FindAlias is ResolveAlias, and asks others when the alias is not known here.
func (rs *Rooms) FindAlias(ctx context.Context, alias id.RoomAlias) (id.RoomID, error) {
	roomID, err := rs.ResolveAlias(ctx, alias)
	if fault.Is(err, fault.NotFound) && rs.o.FindAlias != nil && rs.o.FindAlias(ctx, alias) {
		return rs.ResolveAlias(ctx, alias) // whoever found the room gave it its alias
	}
	return roomID, err
}

// Resolve returns the room that an id or an alias names.
func (rs *Rooms) Resolve(ctx context.Context, roomOrAlias string) (id.RoomID, error) {
	switch {
	case strings.HasPrefix(roomOrAlias, "!"):
		return id.RoomID(roomOrAlias), nil
	case strings.HasPrefix(roomOrAlias, "#"):
		return rs.FindAlias(ctx, id.RoomAlias(roomOrAlias))
	}
	return "", fault.New(fault.InvalidParam, "Not a room id or alias.")
}

// takeAlias is the write that gives an alias to a room.
func (rs *Rooms) takeAlias(r *Room, alias string, by id.UserID) func(*db.Tx) error {
	now := rs.now()
	return func(tx *db.Tx) error {
		if rs.o.AliasReserved != nil {
			if err := rs.o.AliasReserved(id.RoomAlias(alias), by); err != nil {
				return err
			}
		}
		var n int
		if err := tx.QueryRow(`select count(*) from room_alias where alias = $1`, alias).Scan(&n); err != nil {
			return fmt.Errorf("look up alias: %w", err)
		}
		if n > 0 {
			return fault.New(fault.RoomInUse, "The alias is taken.")
		}
		if _, err := tx.Exec(`insert into room_alias (alias, room, creator, ts) values ($1, $2, $3, $4)`,
			alias, r.nid, string(by), now); err != nil {
			return fmt.Errorf("store alias: %w", err)
		}
		return nil
	}
}

// AddAlias gives an alias of this server to a room. The user must be joined to it.
func (rs *Rooms) AddAlias(ctx context.Context, user id.UserID, alias id.RoomAlias, roomID id.RoomID) error {
	_, server, err := splitAlias(alias)
	if err != nil {
		return err
	}
	if server != rs.o.ServerName {
		return fault.New(fault.InvalidParam, "The alias belongs to another server.")
	}
	r, err := rs.Get(ctx, roomID)
	if err != nil {
		return hidden(err)
	}
	if r.Membership(user) != Join {
		return errNotJoined
	}
	err = rs.db.Write(ctx, "room: add alias", nil, rs.takeAlias(r, string(alias), user))
	if fault.Is(err, fault.RoomInUse) {
		return fault.New(fault.Unknown, "The alias is taken.").WithStatus(409)
	}
	return err
}

// RemoveAlias takes an alias away. That may who made it, and whoever may set the room's main alias. Where
// the room names it as its main alias or another one, it is taken out there too if the user may do that.
func (rs *Rooms) RemoveAlias(ctx context.Context, user id.UserID, admin bool, alias id.RoomAlias) error {
	roomID, err := rs.ResolveAlias(ctx, alias)
	if err != nil {
		return err
	}
	r, err := rs.Get(ctx, roomID)
	if err != nil {
		return err
	}
	var creator string
	if err := rs.db.QueryRow(ctx, `select creator from room_alias where alias = $1`, string(alias)).Scan(&creator); err != nil {
		return fmt.Errorf("look up alias: %w", err)
	}
	if creator != string(user) && !admin && !r.maySetAlias(user) {
		return fault.New(fault.Forbidden, "You may not remove this alias.")
	}
	err = rs.db.Write(ctx, "room: remove alias", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`delete from room_alias where alias = $1`, string(alias))
		return err
	})
	if err != nil {
		return err
	}
	now := r.State(typeAlias, "")
	content := map[string]any{}
	changed := false
	gjson.ParseBytes(contentOf(now)).ForEach(func(k, v gjson.Result) bool {
		switch {
		case k.Str == "alias" && v.Str == string(alias):
			changed = true
		case k.Str == "alt_aliases":
			rest := []string{}
			v.ForEach(func(_, a gjson.Result) bool {
				if a.Str == string(alias) {
					changed = true
				} else {
					rest = append(rest, a.Str)
				}
				return true
			})
			content[k.Str] = rest
		default:
			content[k.Str] = v.Value()
		}
		return true
	})
	if !changed || !r.maySetAlias(user) {
		return nil
	}
	key := ""
	_, err = rs.setState(ctx, roomID, Draft{Type: typeAlias, StateKey: &key, Sender: user, Content: object(content)})
	return err
}

func contentOf(e *Event) []byte {
	if e == nil {
		return []byte("{}")
	}
	return e.Content
}

// maySetAlias tells whether a user may set the room's main alias, which is also what it takes to change its
// place in the public room list.
func (r *Room) maySetAlias(user id.UserID) bool {
	p := r.Power()
	return r.Membership(user) == Join && p.User(user) >= p.Event(typeAlias, true)
}

// Aliases lists the aliases of a room on this server. It is for members, or for everybody when the room is
// world readable.
func (rs *Rooms) Aliases(ctx context.Context, user id.UserID, roomID id.RoomID) ([]string, error) {
	r, err := rs.Get(ctx, roomID)
	if err != nil {
		return nil, hidden(err)
	}
	if r.Membership(user) != Join && r.Visibility() != worldReadable {
		return nil, errNotJoined
	}
	return rs.AliasesOf(ctx, r)
}

// AliasesOf lists the aliases of a room.
func (rs *Rooms) AliasesOf(ctx context.Context, r *Room) ([]string, error) {
	rows, err := rs.db.Query(ctx, `select alias from room_alias where room = $1 order by alias`, r.nid)
	if err != nil {
		return nil, fmt.Errorf("list aliases: %w", err)
	}
	defer rows.Close()
	l := []string{}
	for rows.Next() {
		var a string
		if err := rows.Scan(&a); err != nil {
			return nil, fmt.Errorf("list aliases: %w", err)
		}
		l = append(l, a)
	}
	return l, rows.Err()
}

// checkCanonicalAlias refuses aliases that are malformed or do not name the room (client-server API,
// m.room.canonical_alias). Those that were there before are not looked at again.
func (rs *Rooms) checkCanonicalAlias(ctx context.Context, roomID id.RoomID, d Draft) error {
	r, err := rs.Get(ctx, roomID)
	if err != nil {
		return hidden(err)
	}
	before := aliasesIn(r.State(typeAlias, "").Get("@this"))
	for _, v := range []string{"alias", "alt_aliases"} {
		switch f := gjson.GetBytes(d.Content, v); {
		case !f.Exists(), f.Type == gjson.Null, v == "alias" && f.Type == gjson.String, v == "alt_aliases" && f.IsArray():
		default:
			return fault.New(fault.BadJSON, "%s has the wrong type.", v)
		}
	}
	for _, a := range aliasesIn(gjson.ParseBytes(d.Content)) {
		if slices.Contains(before, a) {
			continue
		}
		if _, _, err := splitAlias(id.RoomAlias("#" + strings.TrimPrefix(a, "#"))); err != nil || !strings.HasPrefix(a, "#") {
			return fault.New(fault.InvalidParam, "Not a room alias.")
		}
		to, err := rs.ResolveAlias(ctx, id.RoomAlias(a))
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if to != roomID {
			return fault.New(fault.BadAlias, "An alias does not name this room.")
		}
	}
	return nil
}

func aliasesIn(content gjson.Result) []string {
	var l []string
	if a := content.Get("alias").String(); a != "" {
		l = append(l, a)
	}
	content.Get("alt_aliases").ForEach(func(_, v gjson.Result) bool {
		l = append(l, v.String())
		return true
	})
	return l
}
