package room

import (
	"context"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"maps"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/matrix/event"
)

func withReason(reason string) map[string]any {
	m := map[string]any{}
	if reason != "" {
		m["reason"] = reason
	}
	return m
}

// setMember sends a member event. check looks at the target's present member event while the room is held;
// it may return errNothing.
func (rs *Rooms) setMember(ctx context.Context, roomID id.RoomID, sender, target id.UserID, content []byte,
	check func(b *batch, now *Event) error) error {
	key := string(target)
	d := Draft{Type: typeMember, StateKey: &key, Sender: sender, Content: content}
	_, err := rs.write(ctx, roomID, "room: membership", func(b *batch) error {
		if err := check(b, b.head.view.state.Get(typeMember, key)); err != nil {
			return err
		}
		_, err := b.add(&d)
		return err
	})
	return err
}

// Join makes a user join a room of this server. Who is joined already stays as they are. In restricted
// rooms membership of one of the named rooms lets people in.
func (rs *Rooms) Join(ctx context.Context, user id.UserID, roomID id.RoomID, reason string) error {
	return rs.JoinWith(ctx, user, roomID, withReason(reason))
}

// JoinWith is Join with keys that the member event is to have beside those that every one has.
func (rs *Rooms) JoinWith(ctx context.Context, user id.UserID, roomID id.RoomID, extra map[string]any) error {
	r, err := rs.Get(ctx, roomID)
	if err != nil {
		return err
	}
	extra = maps.Clone(extra)
	for _, k := range []string{"membership", authorisedVia, "third_party_signed", "third_party_invite"} {
		delete(extra, k)
	}
	content, err := rs.memberContent(ctx, user, Join, extra)
	if err != nil {
		return err
	}
	if content, err = rs.vouch(ctx, r, user, content); err != nil {
		return err
	}
	return rs.setMember(ctx, roomID, user, user, content, func(_ *batch, now *Event) error {
		if now.Membership() == Join {
			return errNothing
		}
		return nil
	})
}

// authoriser finds somebody of this server in whose name a user may join a restricted room.
func (rs *Rooms) authoriser(ctx context.Context, r *Room, user id.UserID) (id.UserID, error) {
	if r.Membership(user) == Ban {
		return "", fault.New(fault.Forbidden, "You are banned from the room.")
	}
	member := false
	for _, other := range r.admits() {
		o, err := rs.Get(ctx, other)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return "", err
		}
		if err == nil && o.Membership(user) == Join {
			member = true
			break
		}
	}
	if !member {
		return "", fault.New(fault.Forbidden, "You are in none of the rooms whose members may join.")
	}
	power := r.Power()
	var best id.UserID
	for _, u := range r.JoinedLocal() {
		if power.User(u) >= power.Invite && (best == "" || power.User(u) > power.User(best)) {
			best = u
		}
	}
	if best == "" {
		return "", fault.New(fault.UnableToGrantJoin, "Nobody here may let you in.")
	}
	return best, nil
}

// Invite invites a user.
func (rs *Rooms) Invite(ctx context.Context, sender id.UserID, roomID id.RoomID, target id.UserID, reason string) error {
	if err := rs.checkInvitee(ctx, sender, target); err != nil {
		return err
	}
	content, err := rs.memberContent(ctx, target, Invite, withReason(reason))
	if err != nil {
		return err
	}
	return rs.setMember(ctx, roomID, sender, target, content, func(_ *batch, now *Event) error {
		if now.Membership() == Invite && now.Sender == sender && sameJSON(content, now) {
			return errNothing
		}
		return nil
	})
}

// InvitePromised invites a user who proved to be the one that an m.room.third_party_invite of sender's was for: signed says so,
// and shown is how that event calls them. Who is joined or invited already stays as they are; what somebody promised who is
// not in the room any more, or may not invite any more, is refused.
func (rs *Rooms) InvitePromised(ctx context.Context, sender id.UserID, roomID id.RoomID, target id.UserID, shown string, signed []byte) error {
	if err := rs.checkInvitee(ctx, sender, target); err != nil {
		return err
	}
	content, err := rs.memberContent(ctx, target, Invite, map[string]any{
		"third_party_invite": map[string]any{"display_name": shown, "signed": jsontext.Value(signed)},
	})
	if err != nil {
		return err
	}
	return rs.setMember(ctx, roomID, sender, target, content, func(b *batch, now *Event) error {
		if m := now.Membership(); m == Join || m == Invite {
			return errNothing
		}
		if b.head.view.membership(sender) != Join {
			return errNotJoined
		}
		if power := b.head.view.power; power.User(sender) < power.Invite {
			return fault.New(fault.Forbidden, "Who promised the invitation may not invite any more.")
		}
		return nil
	})
}

// Knock asks to be let in.
func (rs *Rooms) Knock(ctx context.Context, user id.UserID, roomID id.RoomID, reason string) error {
	if _, err := rs.Get(ctx, roomID); err != nil {
		return err
	}
	content, err := rs.memberContent(ctx, user, Knock, withReason(reason))
	if err != nil {
		return err
	}
	return rs.setMember(ctx, roomID, user, user, content, func(_ *batch, now *Event) error {
		if now.Membership() == Knock && sameJSON(content, now) {
			return errNothing
		}
		return nil
	})
}

// Leave makes a user leave a room, or decline an invitation, or withdraw a knock. Who left already stays
// as they are.
func (rs *Rooms) Leave(ctx context.Context, user id.UserID, roomID id.RoomID, reason string) error {
	content, err := rs.memberContent(ctx, user, Leave, withReason(reason))
	if err != nil {
		return err
	}
	return rs.setMember(ctx, roomID, user, user, content, func(_ *batch, now *Event) error {
		switch now.Membership() {
		case Leave:
			return errNothing
		case "":
			return errNotJoined
		}
		return nil
	})
}

// Kick makes somebody leave who is joined, invited or knocking.
func (rs *Rooms) Kick(ctx context.Context, sender id.UserID, roomID id.RoomID, target id.UserID, reason string) error {
	return rs.remove(ctx, sender, roomID, target, Leave, reason, func(b *batch, now *Event) error {
		switch now.Membership() {
		case Join, Invite, Knock:
			return nil
		}
		return fault.New(fault.Forbidden, "The user is not in the room.")
	})
}

// Ban bans a user, who need not be in the room.
func (rs *Rooms) Ban(ctx context.Context, sender id.UserID, roomID id.RoomID, target id.UserID, reason string) error {
	return rs.remove(ctx, sender, roomID, target, Ban, reason, func(b *batch, now *Event) error {
		if now.Membership() == Ban && now.Sender == sender && now.Get("reason").Str == reason {
			return errNothing
		}
		return nil
	})
}

// Unban lifts a ban.
func (rs *Rooms) Unban(ctx context.Context, sender id.UserID, roomID id.RoomID, target id.UserID, reason string) error {
	return rs.remove(ctx, sender, roomID, target, Leave, reason, func(b *batch, now *Event) error {
		if now.Membership() != Ban {
			return fault.New(fault.Forbidden, "The user is not banned.")
		}
		return nil
	})
}

func (rs *Rooms) remove(ctx context.Context, sender id.UserID, roomID id.RoomID, target id.UserID, membership, reason string,
	check func(*batch, *Event) error) error {
	if !event.ValidUserID(string(target)) {
		return fault.New(fault.InvalidParam, "Not a user id.")
	}
	content, err := rs.memberContent(ctx, target, membership, withReason(reason))
	if err != nil {
		return err
	}
	return rs.setMember(ctx, roomID, sender, target, content, func(b *batch, now *Event) error {
		if b.head.view.membership(sender) != Join {
			return errNotJoined
		}
		return check(b, now)
	})
}

// Forget takes a room that the user left off their list of rooms, and its history with it.
func (rs *Rooms) Forget(ctx context.Context, user id.UserID, roomID id.RoomID) error {
	r, err := rs.Get(ctx, roomID)
	if err != nil {
		return err
	}
	m, ok, err := rs.MemberOf(ctx, r, user)
	if err != nil {
		return err
	}
	if !ok || m.Membership != Leave && m.Membership != Ban {
		return fault.New(fault.Unknown, "Leave the room before you forget it.").WithStatus(400)
	}
	return rs.db.Write(ctx, "room: forget", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`update room_member set forgotten = 1
			where user_id = $1 and room = $2 and membership in ('leave', 'ban')`, string(user), r.nid)
		return err
	})
}

// UpdateProfile puts a user's changed profile into their member events of all rooms they are joined to.
func (rs *Rooms) UpdateProfile(ctx context.Context, user id.UserID) error {
	rooms, err := rs.Joined(ctx, user)
	if err != nil {
		return err
	}
	content, err := rs.memberContent(ctx, user, Join, nil)
	if err != nil {
		return err
	}
	var failed error
	for _, roomID := range rooms {
		err := rs.setMember(ctx, roomID, user, user, content, func(_ *batch, now *Event) error {
			if now.Membership() != Join || sameJSON(content, now) {
				return errNothing
			}
			return nil
		})
		if err != nil && !fault.Is(err, fault.Forbidden) {
			failed = errors.Join(failed, fmt.Errorf("update profile in a room: %w", err))
		}
	}
	return failed
}

// LeaveAll makes a user leave all rooms and decline all invitations, when the account ends.
func (rs *Rooms) LeaveAll(ctx context.Context, user id.UserID) error {
	all, err := rs.RoomsOf(ctx, user)
	if err != nil {
		return err
	}
	var failed error
	for _, m := range all {
		if m.Membership != Join && m.Membership != Invite && m.Membership != Knock {
			continue
		}
		err := rs.Leave(ctx, user, m.Room, "")
		if err != nil && !fault.Is(err, fault.Forbidden) && !fault.Is(err, fault.CannotLeaveServerNotice) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// authorisedVia is who of this server vouches for somebody who joins a restricted room. This server signs for it,
// so it is said by this server only.
const authorisedVia = "join_authorised_via_users_server"

// checkMemberState refuses member events that a client sends as state and that need more than that. It returns the
// content to send.
func (rs *Rooms) checkMemberState(ctx context.Context, roomID id.RoomID, d Draft) ([]byte, error) {
	var c map[string]jsontext.Value
	if err := json.Unmarshal(d.Content, &c); err != nil {
		kind := fault.NotJSON
		if jsontext.Value(d.Content).IsValid() {
			kind = fault.BadJSON
		}
		return nil, fault.New(kind, "The content is not a JSON object.").Because(err)
	}
	if _, said := c[authorisedVia]; said {
		delete(c, authorisedVia)
		d.Content = object(c)
	}
	switch membership := gjson.GetBytes(d.Content, "membership").Str; {
	case membership == Invite && *d.StateKey != string(d.Sender):
		return d.Content, rs.checkInvitee(ctx, d.Sender, id.UserID(*d.StateKey))
	case membership == Join && *d.StateKey == string(d.Sender):
		r, err := rs.Get(ctx, roomID)
		if err != nil {
			return nil, hidden(err)
		}
		return rs.vouch(ctx, r, d.Sender, d.Content)
	}
	return d.Content, nil
}

// vouch refuses guests where they may not be, and adds to the content of a join who lets the user into a restricted room.
func (rs *Rooms) vouch(ctx context.Context, r *Room, user id.UserID, content []byte) ([]byte, error) {
	if err := rs.checkGuest(ctx, r, user); err != nil {
		return nil, err
	}
	if rule := r.JoinRule(); rule != "restricted" && rule != "knock_restricted" {
		return content, nil
	}
	if m := r.Membership(user); m == Join || m == Invite {
		return content, nil
	}
	via, err := rs.authoriser(ctx, r, user)
	if err != nil {
		return nil, err
	}
	return setKey(content, authorisedVia, string(via)), nil
}

// strippedTypes are the state events that show what a room is to somebody who is not in it.
var strippedTypes = []string{typeCreate, typeJoinRules, typeName, typeTopic, typeAvatar, typeAlias, typeEncryption}

// Stripped is the state that an invited or knocking user gets to see, as a JSON array of stripped events:
// what the room is, their own member event and that of who invited them.
func (rs *Rooms) Stripped(r *Room, user id.UserID) []byte {
	s := r.StateMap()
	b := []byte{'['}
	add := func(e *Event) {
		if e == nil {
			return
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = e.stripped(b)
	}
	for _, t := range strippedTypes {
		e := s.Get(t, "")
		if t == typeCreate && e != nil {
			// In full, so that the room id can be checked (room version 12).
			b = e.AppendClient(b, Reader{})
			continue
		}
		add(e)
	}
	own := s.Get(typeMember, string(user))
	if own != nil && own.Sender != user {
		add(s.Get(typeMember, string(own.Sender)))
	}
	add(own)
	return append(b, ']')
}

// Parted returns the events with after < position <= upTo by which somebody who was joined to a room is not any more.
func (rs *Rooms) Parted(ctx context.Context, after, upTo int64) ([]*Event, error) {
	byRoom, _, _, err := rs.across(ctx, `and e.type = 'm.room.member' order by e.pos`, after, upTo)
	if err != nil {
		return nil, err
	}
	var out []*Event
	for roomID, l := range byRoom {
		r, err := rs.Get(ctx, roomID)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		events, err := rs.complete(ctx, r, l)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if e.Membership() != Join && gjson.GetBytes(e.previous(), "membership").Str == Join {
				out = append(out, e)
			}
		}
	}
	return out, nil
}
