package room

import (
	"context"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"slices"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
)

// carriedOver are the types of state that a new version of a room takes from the old one, whatever their key.
var carriedOver = []string{
	typeACL, typeEncryption, typeName, typeAvatar, typeTopic, typeGuestAccess, typeVisibility, typeJoinRules,
	"m.space.child", "m.space.parent", "m.room.pinned_events", "m.room.policy",
}

// Upgrade replaces a room by a new one of another version (client-server API, "Room Upgrades"): the new room
// takes over the state, bans, aliases and place in the directory, the old one gets a tombstone and falls
// silent. It returns the id of the new room.
func (rs *Rooms) Upgrade(ctx context.Context, user id.UserID, roomID id.RoomID, v id.RoomVersion, creators []id.UserID) (id.RoomID, error) {
	if !slices.Contains(rs.o.CreatableVersions, v) {
		return "", fault.New(fault.UnsupportedRoomVersion, "This server does not make rooms of that version.")
	}
	old, err := rs.Get(ctx, roomID)
	if err != nil {
		return "", err
	}
	power := old.Power()
	if old.Membership(user) != Join {
		return "", errNotJoined
	}
	if power.User(user) < power.Event(typeTombstone, true) {
		return "", fault.New(fault.Forbidden, "You may not upgrade this room.")
	}
	replacement, err := rs.replace(ctx, user, old, v, creators)
	if err != nil {
		return "", err
	}
	return replacement, rs.bury(context.WithoutCancel(ctx), user, old, replacement)
}

// replace makes the new room. Its transaction also notes that the old one has to be buried, so that a crash between
// the two leaves no room that is replaced and does not say so.
func (rs *Rooms) replace(ctx context.Context, user id.UserID, old *Room, v id.RoomVersion, creators []id.UserID) (id.RoomID, error) {
	drafts, err := rs.upgradeDrafts(ctx, user, old, v, creators)
	if err != nil {
		return "", err
	}
	return rs.create(ctx, user, v, drafts, func(b *batch) {
		b.rows = append(b.rows, func(tx *db.Tx) error {
			for _, q := range []string{
				`update room_alias set room = $1 where room = $2`,
				`update room set listed = (select listed from room where nid = $2) where nid = $1`,
			} {
				if _, err := tx.Exec(q, b.r.nid, old.nid); err != nil {
					return fmt.Errorf("move the room's names: %w", err)
				}
			}
			if _, err := tx.Exec(`update room set listed = 0 where nid = $1`, old.nid); err != nil {
				return fmt.Errorf("move the room's names: %w", err)
			}
			_, err := tx.Exec(`insert into room_upgrade (room_id, replacement, user_id) values ($1, $2, $3)
				on conflict (room_id) do update set replacement = excluded.replacement, user_id = excluded.user_id`,
				string(old.ID), string(b.r.ID), string(user))
			return err
		})
	})
}

// FinishUpgrades buries the rooms that were replaced by a process that ended before it did.
func (rs *Rooms) FinishUpgrades(ctx context.Context) error {
	type upgrade struct{ old, replacement, user string }
	rows, err := rs.db.Query(ctx, `select room_id, replacement, user_id from room_upgrade`)
	if err != nil {
		return fmt.Errorf("look for upgrades: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var open []upgrade
	for rows.Next() {
		var u upgrade
		if err := rows.Scan(&u.old, &u.replacement, &u.user); err != nil {
			return fmt.Errorf("look for upgrades: %w", err)
		}
		open = append(open, u)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("look for upgrades: %w", err)
	}
	for _, u := range open {
		old, err := rs.Get(ctx, id.RoomID(u.old))
		if err != nil {
			return err
		}
		if err := rs.bury(ctx, id.UserID(u.user), old, id.RoomID(u.replacement)); err != nil && !fault.Is(err, fault.Forbidden) {
			return err
		}
	}
	return nil
}

// upgradeDrafts lists the events of the new room. Its power levels come last: until then the creator may
// set everything.
func (rs *Rooms) upgradeDrafts(ctx context.Context, user id.UserID, old *Room, v id.RoomVersion, creators []id.UserID) ([]*Draft, error) {
	s := old.StateMap()
	create := map[string]any{}
	gjson.ParseBytes(contentOf(s.Get(typeCreate, ""))).ForEach(func(k, val gjson.Result) bool {
		if k.Str != "creator" && k.Str != "additional_creators" && k.Str != "predecessor" {
			create[k.String()] = jsontext.Value(val.Raw)
		}
		return true
	})
	create["room_version"] = string(v)
	predecessor := map[string]string{"room_id": string(old.ID)}
	if ext := old.stored.Load().ext; len(ext) > 0 && !v.RoomIDIsCreateEventID() {
		predecessor["event_id"] = string(ext[len(ext)-1])
	}
	create["predecessor"] = predecessor
	if v.CreatorInContent() {
		create["creator"] = string(user)
	}
	if len(creators) > 0 {
		if !v.PrivilegedRoomCreators() {
			return nil, fault.New(fault.InvalidParam, "Rooms of that version have one creator.")
		}
		create["additional_creators"] = creators
	}
	self, err := rs.memberContent(ctx, user, Join, nil)
	if err != nil {
		return nil, err
	}
	draft := func(typ, key string, content []byte) *Draft {
		return &Draft{Type: typ, StateKey: &key, Sender: user, Content: content}
	}
	drafts := []*Draft{draft(typeCreate, "", object(create)), draft(typeMember, string(user), self)}
	var rest []*Draft
	for e := range s.All {
		switch {
		case slices.Contains(carriedOver, e.Type), e.Type == typeAlias && *e.StateKey == "":
			rest = append(rest, draft(e.Type, *e.StateKey, e.Content))
		case e.Type == typeMember && e.Membership() == Ban:
			rest = append(rest, draft(e.Type, *e.StateKey, e.Content))
		}
	}
	slices.SortFunc(rest, func(a, b *Draft) int {
		return compareKeys(Key{a.Type, *a.StateKey}, Key{b.Type, *b.StateKey})
	})
	drafts = append(drafts, rest...)
	return append(drafts, draft(typePower, "", carriedPower(s, v, append([]id.UserID{user}, creators...)))), nil
}

func compareKeys(a, b Key) int {
	switch {
	case a.Type < b.Type, a.Type == b.Type && a.StateKey < b.StateKey:
		return -1
	case a == b:
		return 0
	}
	return 1
}

// carriedPower are the power levels for the new version of a room.
func carriedPower(s *State, v id.RoomVersion, creators []id.UserID) []byte {
	levels := map[string]any{}
	gjson.ParseBytes(contentOf(s.Get(typePower, ""))).ForEach(func(k, val gjson.Result) bool {
		levels[k.String()] = jsontext.Value(val.Raw)
		return true
	})
	users := map[string]int64{}
	p := powerOf(s)
	for u, l := range p.Users {
		users[string(u)] = l
	}
	if !v.PrivilegedRoomCreators() {
		for _, u := range p.Creators() {
			users[string(u)] = 100 // what was unlimited is the highest that there is in older versions
		}
		creators = nil
	}
	for _, u := range creators {
		delete(users, string(u))
	}
	levels["users"] = users
	if v.PrivilegedRoomCreators() && p.Event(typeTombstone, true) < 150 {
		events := map[string]int64{}
		for t, l := range p.Events {
			events[t] = l
		}
		events[typeTombstone] = 150
		levels["events"] = events
	}
	return object(levels)
}

// bury ends a room that was replaced, and notes that it did.
func (rs *Rooms) bury(ctx context.Context, user id.UserID, old *Room, replacement id.RoomID) error {
	err := rs.silence(ctx, user, old, replacement)
	if err != nil && !fault.Is(err, fault.Forbidden) {
		return err
	}
	return errors.Join(err, rs.db.Write(ctx, "room: buried", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`delete from room_upgrade where room_id = $1 and replacement = $2`, string(old.ID), string(replacement))
		return err
	}))
}

// silence puts the tombstone into a room that was replaced. Who may not do all of it does what they may.
func (rs *Rooms) silence(ctx context.Context, user id.UserID, old *Room, replacement id.RoomID) error {
	key := ""
	_, err := rs.setState(ctx, old.ID, Draft{Type: typeTombstone, StateKey: &key, Sender: user, Content: object(map[string]string{
		"body": "This room has been replaced", "replacement_room": string(replacement),
	})})
	if err != nil {
		return err
	}
	var after []Draft
	if a := old.State(typeAlias, ""); a != nil && len(aliasesIn(a.Get("@this"))) > 0 {
		after = append(after, Draft{Type: typeAlias, StateKey: &key, Sender: user, Content: []byte("{}")})
	}
	if e := old.State(typePower, ""); e != nil {
		p := old.Power()
		silent := max(50, p.UsersDefault+1)
		content := map[string]any{}
		gjson.ParseBytes(e.Content).ForEach(func(k, val gjson.Result) bool {
			content[k.String()] = jsontext.Value(val.Raw)
			return true
		})
		content["events_default"] = max(p.EventsDefault, silent)
		content["invite"] = max(p.Invite, silent)
		after = append(after, Draft{Type: typePower, StateKey: &key, Sender: user, Content: object(content)})
	}
	for _, d := range after {
		if _, err := rs.setState(ctx, old.ID, d); err != nil && !fault.Is(err, fault.Forbidden) {
			return err
		}
	}
	return nil
}
