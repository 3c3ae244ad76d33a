package room

import (
	"context"
	"errors"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
)

// admitsGuests tells whether guests may join (client-server API, "Guest Access").
func (r *Room) admitsGuests() bool {
	return r.State(typeGuestAccess, "").Get("guest_access").Str == "can_join"
}

func (rs *Rooms) checkGuest(ctx context.Context, r *Room, user id.UserID) error {
	if rs.o.Guest == nil || r.admitsGuests() {
		return nil
	}
	guest, err := rs.o.Guest(ctx, user)
	if err == nil && guest {
		err = fault.New(fault.GuestForbidden, "Guests may not join this room.")
	}
	return err
}

// expelGuests makes the guests of this server leave a room that does not admit them any more.
func (rs *Rooms) expelGuests(ctx context.Context, roomID id.RoomID) error {
	if rs.o.Guest == nil {
		return nil
	}
	r, err := rs.Get(ctx, roomID)
	if err != nil || r.admitsGuests() {
		return err
	}
	var failed error
	for _, u := range r.JoinedLocal() {
		guest, err := rs.o.Guest(ctx, u)
		if err == nil && guest {
			err = rs.Leave(ctx, u, roomID, "")
		}
		failed = errors.Join(failed, err)
	}
	return failed
}
