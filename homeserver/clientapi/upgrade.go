package clientapi

import (
	"context"
	"errors"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/push"
	"github.com/myelin-health/myelin/rest"
)

// settle gives somebody who came into a room what they had set for the room that it replaces: tags and the
// push rule of the room ("Room Upgrades", server behaviour). What they set for the new one already stays.
// They are in the room by now, so a failure is only noted.
func (a *API) settle(r *rest.Request, roomID id.RoomID) {
	joined, err := a.Rooms.Get(r.Context(), roomID)
	if err != nil {
		return
	}
	old := id.RoomID(joined.State("m.room.create", "").Get("predecessor.room_id").Str)
	if old == "" || old == roomID {
		return
	}
	err = errors.Join(a.copyTags(r.Context(), r.Who.User, old, roomID), a.copyPushRule(r.Context(), r.Who.User, old, roomID))
	if err != nil && a.Log != nil {
		a.Log.Error("what was set for a replaced room was not carried over", "error", err)
	}
}

func (a *API) copyTags(ctx context.Context, user id.UserID, from, to id.RoomID) error {
	tags, err := a.Accounts.Tags(ctx, user, from)
	if err != nil || len(tags) == 0 {
		return err
	}
	have, err := a.Accounts.Tags(ctx, user, to)
	if err != nil || len(have) > 0 {
		return err
	}
	for name, content := range tags {
		if err := a.Accounts.SetTag(ctx, user, to, name, content); err != nil {
			return err
		}
	}
	return nil
}

func (a *API) copyPushRule(ctx context.Context, user id.UserID, from, to id.RoomID) error {
	rules, err := a.Feed.Rules(ctx, user)
	if err != nil {
		return err
	}
	if _, err := rules.Get(push.Room, string(from)); fault.Is(err, fault.NotFound) {
		return nil
	}
	return a.Feed.ChangeRules(ctx, user, func(rules *push.Rules) error {
		rule, err := rules.Get(push.Room, string(from))
		if err != nil {
			return err
		}
		if _, err := rules.Get(push.Room, string(to)); err == nil {
			return nil
		}
		enabled := rule.Enabled
		rule.ID = string(to)
		if err := rules.Put(push.Room, rule, "", ""); err != nil {
			return err
		}
		return rules.Enable(push.Room, rule.ID, enabled)
	})
}
