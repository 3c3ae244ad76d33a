package room

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json/jsontext"
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

// Creation is what the client says about a room to be made (client-server API, createRoom).
type Creation struct {
	Visibility   string           `json:"visibility"`
	Alias        string           `json:"room_alias_name"`
	Name         string           `json:"name"`
	Topic        string           `json:"topic"`
	Invite       []id.UserID      `json:"invite"`
	Invite3PID   []jsontext.Value `json:"invite_3pid"`
	Version      id.RoomVersion   `json:"room_version"`
	Content      jsontext.Value   `json:"creation_content"`
	InitialState []StateDraft     `json:"initial_state"`
	Preset       string           `json:"preset"`
	Direct       bool             `json:"is_direct"`
	Power        jsontext.Value   `json:"power_level_content_override"`
	Plain        bool             `json:"-"` // never encrypted: the server itself writes there
}

// StateDraft is one state event of a creation.
type StateDraft struct {
	Type     string         `json:"type"`
	StateKey string         `json:"state_key"`
	Content  jsontext.Value `json:"content"`
}

// The presets of createRoom.
const (
	presetPrivate = "private_chat"
	presetTrusted = "trusted_private_chat"
	presetPublic  = "public_chat"
)

// Create makes a room with everything that was asked for, in one transaction: either the whole room exists
// or none of it. It returns the room's id.
func (rs *Rooms) Create(ctx context.Context, creator id.UserID, c Creation) (id.RoomID, error) {
	if err := rs.checkCreation(ctx, creator, &c); err != nil {
		return "", err
	}
	drafts, err := rs.creationDrafts(ctx, creator, &c)
	if err != nil {
		return "", err
	}
	alias := ""
	if c.Alias != "" {
		alias = "#" + c.Alias + ":" + rs.o.ServerName
	}
	return rs.create(ctx, creator, c.Version, drafts, func(b *batch) {
		if alias != "" {
			b.rows = append(b.rows, rs.takeAlias(b.r, alias, creator))
		}
		if c.Visibility == "public" {
			b.rows = append(b.rows, func(tx *db.Tx) error {
				_, err := tx.Exec(`update room set listed = 1 where nid = $1`, b.r.nid)
				return err
			})
		}
	})
}

// create makes a room of drafts, the first of which is the create event. From version 12 on a room's id is
// the hash of that: when the same user makes another one just like it in the same millisecond, the clock is
// put forward for one of them.
func (rs *Rooms) create(ctx context.Context, creator id.UserID, v id.RoomVersion, drafts []*Draft, more func(*batch)) (id.RoomID, error) {
	now := rs.now()
	for try := range int64(100) {
		drafts[0].TS = now + try
		r, err := rs.tryCreate(ctx, creator, v, drafts, more)
		if errors.Is(err, errRoomExists) {
			continue
		}
		if err != nil {
			return "", err
		}
		return r.ID, nil
	}
	return "", fmt.Errorf("create room: %w", errRoomExists)
}

var errRoomExists = errors.New("there is a room of that id")

func (rs *Rooms) tryCreate(ctx context.Context, creator id.UserID, v id.RoomVersion, drafts []*Draft, more func(*batch)) (*Room, error) {
	var b [8]byte
	rand.Read(b[:])
	r := &Room{rooms: rs, Version: v, Creator: creator, nid: int64(binary.BigEndian.Uint64(b[:]) >> 2)}
	if !v.RoomIDIsCreateEventID() {
		r.ID = id.RoomID("!" + randomName(18) + ":" + rs.o.ServerName)
	}
	r.stored.Store(&head{view: rs.viewOf(0, emptyState)})
	r.recent.from = 1
	r.mu.Lock()
	batch := rs.begin(ctx, r, "room: create")
	for _, d := range drafts {
		if _, err := batch.add(d); err != nil {
			r.mu.Unlock()
			if f, ok := fault.As(err); ok && f.Kind == fault.Forbidden && d != drafts[0] {
				// The rest of what the client asked for forbids this part of it.
				err = fault.New(fault.InvalidRoomState, "The room cannot be made like this: %s: %s", d.Type, f.Text).Because(err)
			}
			return nil, err
		}
	}
	batch.rows = append(batch.rows, func(tx *db.Tx) error {
		var n int64
		if err := tx.QueryRow(`select count(*) from room where room_id = $1`, string(r.ID)).Scan(&n); err != nil {
			return fmt.Errorf("look up room: %w", err)
		}
		if n > 0 {
			return errRoomExists
		}
		_, err := tx.Exec(`insert into room (nid, room_id, version, creator, listed) values ($1, $2, $3, $4, 0)`,
			r.nid, string(r.ID), string(v), string(creator))
		return err
	})
	more(batch)
	rs.mu.Lock()
	if rs.hot[r.ID] != nil {
		rs.mu.Unlock()
		r.mu.Unlock()
		return nil, errRoomExists
	}
	rs.keep(r)
	rs.mu.Unlock()
	if err := rs.commit(batch); err != nil {
		rs.mu.Lock()
		delete(rs.hot, r.ID)
		rs.mu.Unlock()
		return nil, err
	}
	return r, nil
}

func randomName(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	b := make([]byte, n)
	rand.Read(b)
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b)
}

// maxCreation bounds the events that a client may add to a creation, which is one transaction.
const maxCreation = 500

// checkCreation refuses what cannot be made and fills in the defaults.
func (rs *Rooms) checkCreation(ctx context.Context, creator id.UserID, c *Creation) error {
	if len(c.Invite3PID) > 0 {
		return fault.New(fault.ThreepidDenied, "This server does not invite by e-mail address or telephone number.")
	}
	if c.Version == "" {
		c.Version = rs.o.DefaultVersion
	}
	if !slices.Contains(rs.o.CreatableVersions, c.Version) {
		return fault.New(fault.UnsupportedRoomVersion, "This server does not make rooms of that version.")
	}
	switch c.Visibility {
	case "", "private", "public":
	default:
		return fault.New(fault.InvalidParam, "visibility must be public or private.")
	}
	switch c.Preset {
	case "":
		c.Preset = presetPrivate
		if c.Visibility == "public" {
			c.Preset = presetPublic
		}
	case presetPrivate, presetTrusted, presetPublic:
	default:
		return fault.New(fault.InvalidParam, "There is no such preset.")
	}
	for _, v := range []jsontext.Value{c.Content, c.Power} {
		if len(v) > 0 && string(v) != "null" && v.Kind() != '{' {
			return fault.New(fault.BadJSON, "creation_content and power_level_content_override must be objects.")
		}
	}
	if len(c.Invite)+len(c.InitialState) > maxCreation {
		return fault.New(fault.InvalidParam, "That is more than a room can be made with: invite the others later.")
	}
	for _, s := range c.InitialState {
		if s.Type == "" || s.Content.Kind() != '{' {
			return fault.New(fault.BadJSON, "Each event of initial_state needs a type and a content.")
		}
		if s.Type == typeCreate || s.Type == typeMember {
			return fault.New(fault.InvalidParam, "initial_state cannot hold create and member events.")
		}
	}
	for i, u := range c.Invite {
		if err := rs.checkInvitee(ctx, creator, u); err != nil {
			return err
		}
		if u == creator || slices.Contains(c.Invite[:i], u) {
			return fault.New(fault.InvalidParam, "invite lists a user twice, or the creator.")
		}
	}
	if c.Alias != "" {
		if err := rs.checkAliasName(c.Alias); err != nil {
			return err
		}
		switch _, err := rs.ResolveAlias(ctx, id.RoomAlias("#"+c.Alias+":"+rs.o.ServerName)); {
		case err == nil:
			return fault.New(fault.RoomInUse, "The alias is taken.")
		case !fault.Is(err, fault.NotFound):
			return err
		}
	}
	return nil
}

// validUser tells whether a user id can be given a place in a room by somebody else: besides being one, its
// server has to have the form of a server name.
func validUser(u id.UserID) bool {
	host := u.Homeserver()
	return event.ValidUserID(string(u)) && host != "" &&
		!strings.ContainsFunc(host, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]", r)
		})
}

// checkInvitee refuses users that cannot be invited, or not by sender.
func (rs *Rooms) checkInvitee(ctx context.Context, sender, u id.UserID) error {
	if !validUser(u) {
		return fault.New(fault.InvalidParam, "Not a user id.")
	}
	if !rs.isLocal(u) {
		return fault.New(fault.Unknown, "This server does not talk to other servers.").WithStatus(400)
	}
	if rs.o.Exists == nil {
		return nil
	}
	ok, err := rs.o.Exists(ctx, u)
	if err != nil {
		return fmt.Errorf("look up invited user: %w", err)
	}
	if !ok {
		return fault.New(fault.NotFound, "There is no such user.")
	}
	if rs.o.Invitable == nil {
		return nil
	}
	return rs.o.Invitable(ctx, sender, u)
}

// creationDrafts lists the events of a new room in the order of the specification.
func (rs *Rooms) creationDrafts(ctx context.Context, creator id.UserID, c *Creation) ([]*Draft, error) {
	add := func(l []*Draft, typ, key string, content []byte) []*Draft {
		return append(l, &Draft{Type: typ, StateKey: &key, Sender: creator, Content: content})
	}
	create, err := rs.createContent(creator, c)
	if err != nil {
		return nil, err
	}
	self, err := rs.memberContent(ctx, creator, Join, nil)
	if err != nil {
		return nil, err
	}
	drafts := add(nil, typeCreate, "", create)
	drafts = add(drafts, typeMember, string(creator), self)
	drafts = add(drafts, typePower, "", rs.powerContent(creator, c, create))
	if c.Alias != "" {
		drafts = add(drafts, typeAlias, "", object(map[string]string{"alias": "#" + c.Alias + ":" + rs.o.ServerName}))
	}
	given := func(typ string) bool {
		return slices.ContainsFunc(c.InitialState, func(s StateDraft) bool { return s.Type == typ && s.StateKey == "" })
	}
	rule, guests := "invite", "can_join"
	if c.Preset == presetPublic {
		rule, guests = "public", "forbidden"
	}
	for _, p := range []struct{ typ, key, value string }{
		{typeJoinRules, "join_rule", rule}, {typeVisibility, "history_visibility", shared}, {typeGuestAccess, "guest_access", guests},
	} {
		if !given(p.typ) {
			drafts = add(drafts, p.typ, "", object(map[string]string{p.key: p.value}))
		}
	}
	encrypt := rs.o.EncryptRooms == EncryptAlways || rs.o.EncryptRooms == EncryptPrivate && c.Preset != presetPublic
	if encrypt && !c.Plain && !given(typeEncryption) {
		drafts = add(drafts, typeEncryption, "", object(map[string]string{"algorithm": string(id.AlgorithmMegolmV1)}))
	}
	for _, s := range c.InitialState {
		if s.Type == typeName && s.StateKey == "" && c.Name != "" || s.Type == typeTopic && s.StateKey == "" && c.Topic != "" ||
			s.Type == typePower && s.StateKey == "" {
			continue // said elsewhere, or done above
		}
		drafts = add(drafts, s.Type, s.StateKey, s.Content)
	}
	if c.Name != "" {
		drafts = add(drafts, typeName, "", object(map[string]string{"name": c.Name}))
	}
	if c.Topic != "" {
		drafts = add(drafts, typeTopic, "", topicContent(c.Topic))
	}
	for _, u := range c.Invite {
		extra := map[string]any{}
		if c.Direct {
			extra["is_direct"] = true
		}
		content, err := rs.memberContent(ctx, u, Invite, extra)
		if err != nil {
			return nil, err
		}
		drafts = add(drafts, typeMember, string(u), content)
	}
	return drafts, nil
}

// topicContent is a topic with its rich form (m.topic, spec v1.15).
func topicContent(topic string) []byte {
	return object(map[string]any{
		"topic":   topic,
		"m.topic": map[string]any{"m.text": []map[string]string{{"body": topic}}},
	})
}

func (rs *Rooms) createContent(creator id.UserID, c *Creation) ([]byte, error) {
	content := map[string]any{}
	gjson.ParseBytes(c.Content).ForEach(func(k, v gjson.Result) bool {
		content[k.String()] = jsontext.Value(v.Raw)
		return true
	})
	content["room_version"] = string(c.Version)
	delete(content, "creator")
	if c.Version.CreatorInContent() {
		content["creator"] = string(creator)
	}
	if !c.Version.PrivilegedRoomCreators() {
		return object(content), nil
	}
	more := gjson.GetBytes(c.Content, "additional_creators")
	if c.Preset != presetTrusted && !more.Exists() {
		return object(content), nil
	}
	creators := []string{}
	valid := !more.Exists() || more.IsArray()
	more.ForEach(func(_, v gjson.Result) bool {
		valid = valid && v.Type == gjson.String && validUser(id.UserID(v.Str))
		if v.Str != string(creator) && !slices.Contains(creators, v.Str) {
			creators = append(creators, v.Str)
		}
		return valid
	})
	if !valid {
		return nil, fault.New(fault.InvalidParam, "additional_creators must be a list of user ids.")
	}
	if c.Preset == presetTrusted {
		for _, u := range c.Invite {
			if !slices.Contains(creators, string(u)) {
				creators = append(creators, string(u))
			}
		}
	}
	if len(creators) > 0 {
		content["additional_creators"] = creators
	} else {
		delete(content, "additional_creators")
	}
	return object(content), nil
}

// powerContent is the power levels of a new room: the defaults, what the preset asks for, and the keys
// that the client overrides.
func (rs *Rooms) powerContent(creator id.UserID, c *Creation, create []byte) []byte {
	users := map[string]int64{}
	tombstone := int64(100)
	if c.Version.PrivilegedRoomCreators() {
		tombstone = 150
	} else {
		users[string(creator)] = 100
		if c.Preset == presetTrusted {
			for _, u := range c.Invite {
				users[string(u)] = 100
			}
		}
	}
	content := map[string]any{
		"users": users, "users_default": 0, "events_default": 0, "state_default": 50,
		"ban": 50, "kick": 50, "redact": 50, "invite": 0,
		"events": map[string]int64{
			typeName: 50, typePower: 100, typeVisibility: 100, typeAlias: 50, typeAvatar: 50,
			typeTombstone: tombstone, typeACL: 100, typeEncryption: 100,
		},
	}
	if c.Preset == presetPublic {
		content["invite"] = 50
	}
	for _, s := range c.InitialState {
		if s.Type == typePower && s.StateKey == "" && len(c.Power) == 0 {
			return s.Content
		}
	}
	gjson.ParseBytes(c.Power).ForEach(func(k, v gjson.Result) bool {
		content[k.String()] = jsontext.Value(v.Raw)
		return true
	})
	return object(content)
}

// memberContent is the content of a member event: the membership, the user's profile where it belongs, and
// what else is given.
func (rs *Rooms) memberContent(ctx context.Context, u id.UserID, membership string, extra map[string]any) ([]byte, error) {
	content := map[string]any{"membership": membership}
	for k, v := range extra {
		content[k] = v
	}
	if rs.o.Profile != nil && rs.isLocal(u) && (membership == Join || membership == Invite || membership == Knock) {
		name, avatar, err := rs.o.Profile(ctx, u)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, fmt.Errorf("load profile: %w", err)
		}
		if name != "" {
			content["displayname"] = name
		}
		if avatar != "" {
			content["avatar_url"] = avatar
		}
	}
	return object(content), nil
}

// checkAliasName refuses local parts that an alias cannot have.
func (rs *Rooms) checkAliasName(name string) error {
	if strings.ContainsAny(name, ":\x00") || len(name)+len(rs.o.ServerName)+2 > event.MaxFieldBytes {
		return fault.New(fault.InvalidParam, "Not a room alias.")
	}
	return nil
}
