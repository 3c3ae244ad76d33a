package room

import (
	"context"
	"math"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
)

var errNotJoined = fault.New(fault.Forbidden, "You are not in the room.")

// hidden answers for an unknown room what is answered for one that the user is not in, so that nobody
// learns which rooms exist.
func hidden(err error) error {
	if fault.Is(err, fault.NotFound) {
		return errNotJoined
	}
	return err
}

// Access is what a user may read of a room at all: all of it while joined, what there was until they left,
// and everything when the room is world readable.
type Access struct {
	Room   *Room
	User   id.UserID
	UpTo   int64 // position up to which the user may look; math.MaxInt64 when there is no end
	Joined bool  // now
}

// Access says how a user may read a room; Forbidden when not at all.
func (rs *Rooms) Access(ctx context.Context, roomID id.RoomID, user id.UserID) (*Access, error) {
	r, err := rs.Get(ctx, roomID)
	if err != nil {
		return nil, hidden(err)
	}
	a := &Access{Room: r, User: user, UpTo: math.MaxInt64}
	if r.Membership(user) == Join {
		a.Joined = true
		return a, nil
	}
	if r.Visibility() == worldReadable {
		return a, nil
	}
	m, ok, err := rs.MemberOf(ctx, r, user)
	if err != nil {
		return nil, err
	}
	if !ok || m.Forgotten || m.Membership != Leave && m.Membership != Ban {
		return nil, errNotJoined
	}
	was, err := rs.moments(ctx, r, typeMember, string(user))
	if err != nil {
		return nil, err
	}
	// What came after they were last inside, such as a ban or an invitation that they declined, opens nothing more.
	end := int64(0)
	inside := false
	for _, w := range was {
		if inside && w.value != Join {
			end = w.pos
		}
		inside = w.value == Join
	}
	if end == 0 {
		return nil, errNotJoined
	}
	a.UpTo = end
	return a, nil
}

// JoinedFirst is the position at which the user was joined first, from which on they may know the members; 0 for
// those who never were and read because everybody may.
func (rs *Rooms) JoinedFirst(ctx context.Context, a *Access) (int64, error) {
	was, err := rs.moments(ctx, a.Room, typeMember, string(a.User))
	if err != nil {
		return 0, err
	}
	for _, w := range was {
		if w.value == Join {
			return w.pos, nil
		}
	}
	return 0, nil
}

// State is the room's state as the user may see it: the present one, or the one when they left.
func (a *Access) State(ctx context.Context) (*State, error) {
	if a.UpTo == math.MaxInt64 {
		return a.Room.StateMap(), nil
	}
	return a.Room.rooms.StateAt(ctx, a.Room, a.UpTo)
}
