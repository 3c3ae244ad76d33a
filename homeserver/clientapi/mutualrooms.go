package clientapi

import (
	"net/http"
	"slices"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/rest"
)

// maxMutual is how many rooms one answer lists.
const maxMutual = 500

// mutualRoomsRoutes serves "Mutual Rooms".
func (a *API) mutualRoomsRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodGet, Path: "/_matrix/client/v1/mutual_rooms",
			Also:   []string{"/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms"},
			Access: access.User, Limit: rest.Searching, Handle: a.mutualRooms},
	}
}

// mutualRooms lists rooms in the order of their ids; a batch token is the id of the last one.
func (a *API) mutualRooms(r *rest.Request) (any, error) {
	other, from := id.UserID(r.Q("user_id")), id.RoomID(r.Q("from"))
	switch _, _, err := other.Parse(); {
	case other == "":
		return nil, fault.New(fault.MissingParam, "user_id is missing.")
	case err != nil || len(other) > id.UserIDMaxLength:
		return nil, fault.New(fault.InvalidParam, "user_id is no user id.")
	case other == r.Who.User:
		return nil, fault.New(fault.InvalidParam, "user_id must be somebody else.")
	case from != "" && from[0] != '!':
		return nil, fault.New(fault.InvalidParam, "from is no token of this list.")
	}
	joined, err := a.Rooms.Joined(r.Context(), r.Who.User)
	if err != nil {
		return nil, err
	}
	mutual := []id.RoomID{}
	for _, roomID := range joined {
		shared, err := a.Rooms.Get(r.Context(), roomID)
		if err != nil {
			return nil, err
		}
		if shared.Membership(other) == room.Join {
			mutual = append(mutual, roomID)
		}
	}
	slices.Sort(mutual)
	answer := map[string]any{"count": len(mutual)}
	at, found := slices.BinarySearch(mutual, from)
	if found {
		at++
	}
	mutual = mutual[at:]
	if len(mutual) > maxMutual {
		mutual = mutual[:maxMutual]
		answer["next_batch"] = mutual[maxMutual-1]
	}
	answer["joined"] = mutual
	return answer, nil
}
