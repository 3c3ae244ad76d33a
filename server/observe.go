package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/e2ee"
	"github.com/myelin-health/myelin/homeserver/feed"
	"github.com/myelin-health/myelin/homeserver/invite"
	"github.com/myelin-health/myelin/homeserver/notice"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/seal"
)

// auditor writes the audit entry of every event in the event's transaction.
type auditor struct {
	log     *audit.Log
	notices *notice.Notices
}

// Committing implements room.Observer.
func (a auditor) Committing(tx *db.Tx, _ *db.Num, ev *room.Event, r *room.Room, _ []room.StateChange) {
	if by := a.notices.On(ev); by != "" {
		a.log.Append(tx, audit.Entry{Act: audit.Admin, Who: by, Room: ev.RoomID, Target: "notice " + string(ev.ID), Outcome: audit.Done})
		return
	}
	act, target := actOf(ev, r)
	a.log.Append(tx, audit.Entry{Act: act, Who: ev.Sender, Device: ev.Device, Room: ev.RoomID, Target: target, Outcome: audit.Done})
}

// Committed implements room.Observer.
func (auditor) Committed(room.Committed) {}

// actOf says what an event did, and to what.
func actOf(ev *room.Event, r *room.Room) (audit.Act, string) {
	switch {
	case ev.StateKey == nil && ev.Type == "m.room.redaction":
		return audit.MessageRedact, string(ev.Redacts)
	case ev.StateKey == nil:
		return audit.MessageSend, string(ev.ID)
	case ev.Type == "m.room.create":
		return audit.RoomCreate, string(ev.ID)
	case ev.Type == "m.room.member":
		return memberAct(ev, r), *ev.StateKey
	}
	return audit.RoomChange, ev.Type
}

func memberAct(ev *room.Event, r *room.Room) audit.Act {
	own := string(ev.Sender) == *ev.StateKey
	switch gjson.GetBytes(ev.Content, "membership").Str {
	case "join":
		return audit.Join
	case "invite":
		return audit.Invite
	case "knock":
		return audit.Knock
	case "ban":
		return audit.Ban
	}
	switch {
	case own:
		return audit.Leave
	case r != nil && r.Membership(id.UserID(*ev.StateKey)) == "ban":
		return audit.Unban
	}
	return audit.Kick
}

// accountChanged passes on what a person's devices have to learn.
func (s *Server) accountChanged(tx *db.Tx, c account.Change) {
	switch c.Kind {
	case account.AccountData:
		s.feed.Changed(tx, feed.Change{Kind: feed.AccountData, User: c.User, Room: c.Room, Key: c.Key})
	case account.DeviceList:
		s.feed.Changed(tx, feed.Change{Kind: feed.DeviceList, User: c.User})
	}
}

// keysChanged passes on what devices have to learn about public keys.
func (s *Server) keysChanged(tx *db.Tx, c e2ee.Change) {
	switch c.Kind {
	case e2ee.DeviceList:
		s.feed.Changed(tx, feed.Change{Kind: feed.DeviceList, User: c.User})
	case e2ee.OwnView:
		s.feed.Changed(tx, feed.Change{Kind: feed.OwnView, User: c.User, Key: string(c.Subject)})
	case e2ee.Counts:
		s.feed.Changed(tx, feed.Change{Kind: feed.KeyCounts, User: c.User, Key: string(c.Device)})
	}
}

// changedElsewhere drops what this process remembers and another one changed.
func (s *Server) changedElsewhere(c feed.Change) {
	if c.Kind == feed.KeyCounts {
		s.e2ee.Forget(c.User, id.DeviceID(c.Key))
	}
}

// profileChanged brings the person's member events up to date.
func (s *Server) profileChanged(ctx context.Context, user id.UserID) {
	if err := s.rooms.UpdateProfile(ctx, user); err != nil {
		s.log.Error("a changed profile did not reach all rooms", "error", err)
	}
}

// deviceRemoved removes what the other parts keep for a device.
// A failed statement fails the whole write, so the error need not be passed on.
func (s *Server) deviceRemoved(tx *db.Tx, user id.UserID, device id.DeviceID) {
	if err := s.e2ee.DeviceRemoved(tx, user, device); err != nil {
		s.log.Error("the keys of a removed device stay", "error", err)
	}
	s.feed.DeviceRemoved(tx, user, device)
}

// deactivated takes a person who has no account any more out of everything.
// Erasure destroys the key that seals what is theirs alone.
func (s *Server) deactivated(ctx context.Context, user id.UserID, erase bool) error {
	err := errors.Join(s.rooms.LeaveAll(ctx, user), s.e2ee.RemoveUser(ctx, user))
	if err == nil && erase {
		err = s.keys.Destroy(ctx, seal.Person(user))
	}
	return err
}

// revoked ends the waiting requests of tokens that may have stopped working.
func (s *Server) revoked(user id.UserID, _ id.DeviceID) {
	if s.feed != nil {
		s.feed.Revoked(user)
	}
	if s.rest != nil {
		s.rest.Revoked(user)
	}
}

// hint reads what other processes have written.
func (s *Server) hint(_, last int64) {
	if err := s.feed.CatchUp(s.serving, last); err != nil && s.serving.Err() == nil {
		s.log.Error("positions of another process could not be read", "error", err)
	}
}

// invitable refuses an invitation that a person does not want.
func (s *Server) invitable(ctx context.Context, sender, target id.UserID) error {
	found, err := s.accounts.Data(ctx, target, []account.Datum{{Type: invite.Type}, {Type: invite.Unstable}})
	if err != nil {
		return err
	}
	var contents [][]byte
	for _, d := range found {
		contents = append(contents, d.Content)
	}
	if invite.Parse(contents...).Of(sender) == invite.Block {
		return fault.New(fault.InviteBlocked, "This person does not want to be invited.")
	}
	return nil
}

// guests tells who is one, where there are any.
func (s *Server) guests() func(context.Context, id.UserID) (bool, error) {
	if s.config.Guests != "on" {
		return nil
	}
	return func(ctx context.Context, user id.UserID) (bool, error) {
		if !s.accounts.Local(user) {
			return false, nil
		}
		u, err := s.accounts.User(ctx, user)
		return u.Guest, err
	}
}

// profile is what a person's member events carry.
func (s *Server) profile(ctx context.Context, user id.UserID) (name, avatar string, err error) {
	p, err := s.accounts.Profile(ctx, user)
	return p.DisplayName, p.AvatarURL, err
}

// directoryLimit limits the people search as configured; nil shows everyone.
func (s *Server) directoryLimit() func(context.Context, id.UserID) (map[id.UserID]bool, error) {
	if s.config.DirectorySearch != "shared" {
		return nil
	}
	return s.sharers
}

// sharers are the people of this server that a person shares a room with.
func (s *Server) sharers(ctx context.Context, by id.UserID) (map[id.UserID]bool, error) {
	joined, err := s.rooms.Joined(ctx, by)
	if err != nil {
		return nil, err
	}
	sharers := map[id.UserID]bool{by: true}
	for _, roomID := range joined {
		r, err := s.rooms.Get(ctx, roomID)
		if err != nil {
			return nil, err
		}
		for _, u := range r.JoinedLocal() {
			sharers[u] = true
		}
	}
	return sharers, nil
}

// deviceNames are shown beside device keys.
func (s *Server) deviceNames(ctx context.Context, user id.UserID) (map[id.DeviceID]string, error) {
	devices, err := s.accounts.Devices(ctx, user)
	names := make(map[id.DeviceID]string, len(devices))
	for _, d := range devices {
		names[d.ID] = d.Name
	}
	return names, err
}

// keyCounts is what a sync tells a device about its own keys.
func (s *Server) keyCounts(ctx context.Context, user id.UserID, device id.DeviceID) (feed.DeviceCounts, error) {
	counts, err := s.e2ee.Counts(ctx, user, device)
	if err != nil {
		return feed.DeviceCounts{}, fmt.Errorf("count keys: %w", err)
	}
	return feed.DeviceCounts{OneTime: counts.OneTime, UnusedFallback: counts.UnusedFallback}, nil
}

// inbox reads the messages that wait for a dehydrated device.
func (s *Server) inbox(ctx context.Context, user id.UserID, device id.DeviceID, after int64, limit int) ([]json.RawMessage, int64, error) {
	return s.feed.Inbox(ctx, user, device, after, limit)
}

// feedAccount is what the feed asks about accounts.
func (s *Server) feedAccount() feed.Account {
	return feed.Account{
		Data: func(ctx context.Context, user id.UserID, keys []feed.AccountDatum) ([]feed.AccountDatum, error) {
			var wanted []account.Datum
			if keys != nil {
				wanted = make([]account.Datum, len(keys))
				for i, k := range keys {
					wanted[i] = account.Datum(k)
				}
			}
			found, err := s.accounts.Data(ctx, user, wanted)
			data := make([]feed.AccountDatum, len(found))
			for i, d := range found {
				data[i] = feed.AccountDatum(d)
			}
			return data, err
		},
		SetData: func(ctx context.Context, user id.UserID, d feed.AccountDatum) error {
			return s.accounts.SetDatum(ctx, user, account.Datum(d))
		},
		Filter: s.accounts.Filter, Devices: s.accounts.DeviceIDs,
	}
}
