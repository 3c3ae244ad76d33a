package clientapi

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"net/http"
	"strconv"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/rest"
)

// publicRoomsRoutes serves "Published room directory", room summaries, spaces and room upgrades.
func (a *API) publicRoomsRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/directory/list/room/{roomId}", Access: access.UserOrNobody, Handle: a.listed},
		{Method: http.MethodPut, Path: "/_matrix/client/v3/directory/list/room/{roomId}", Access: access.Acting, Handle: a.setListed},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/publicRooms", Access: access.UserOrNobody, Limit: rest.Searching, Handle: a.publicRooms},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/publicRooms", Access: access.UserOrGuest, Limit: rest.Searching, Handle: a.searchPublicRooms},
		{Method: http.MethodGet, Path: "/_matrix/client/v1/room_summary/{roomIdOrAlias}",
			Also:   []string{"/_matrix/client/unstable/im.nheko.summary/summary/{roomIdOrAlias}"},
			Access: access.UserOrNobody, Handle: a.roomSummary},
		{Method: http.MethodGet, Path: "/_matrix/client/v1/rooms/{roomId}/hierarchy", Access: access.UserOrGuest, Handle: a.hierarchy},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/rooms/{roomId}/upgrade", Access: access.Acting, Limit: rest.Joining, Handle: a.upgrade},
	}
}

type listing struct {
	Visibility string `json:"visibility"`
}

func (a *API) listed(r *rest.Request) (any, error) {
	on, err := a.Rooms.Listed(r.Context(), id.RoomID(r.Param("roomId")))
	if err != nil {
		return nil, err
	}
	return listing{visibility(on)}, nil
}

func visibility(listed bool) string {
	if listed {
		return "public"
	}
	return "private"
}

func (a *API) setListed(r *rest.Request) (any, error) {
	body := listing{"public"}
	if err := r.OptionalJSON(&body); err != nil {
		return nil, err
	}
	if body.Visibility != "public" && body.Visibility != "private" {
		return nil, fault.New(fault.InvalidParam, "visibility must be public or private.")
	}
	return nil, a.Rooms.SetListed(r.Context(), r.Who.User, r.Who.Admin, id.RoomID(r.Param("roomId")), body.Visibility == "public")
}

func (a *API) publicRooms(r *rest.Request) (any, error) {
	limit, err := r.QInt("limit", 0)
	if err != nil {
		return nil, err
	}
	return a.directory(r, room.DirectoryRequest{Since: r.Q("since"), Limit: int(min(max(limit, 0), 1000))})
}

func (a *API) searchPublicRooms(r *rest.Request) (any, error) {
	var body struct {
		Since  string `json:"since"`
		Limit  int    `json:"limit"`
		Filter struct {
			Term  string     `json:"generic_search_term"`
			Types *[]*string `json:"room_types"`
		} `json:"filter"`
	}
	if err := r.OptionalJSON(&body); err != nil {
		return nil, err
	}
	q := room.DirectoryRequest{Since: body.Since, Limit: min(max(body.Limit, 0), 1000), Term: body.Filter.Term}
	if body.Filter.Types != nil {
		types := []string{}
		for _, t := range *body.Filter.Types {
			if t == nil { // rooms without a type
				types = append(types, "")
			} else {
				types = append(types, *t)
			}
		}
		q.Types = &types
	}
	return a.directory(r, q)
}

func (a *API) directory(r *rest.Request, q room.DirectoryRequest) (any, error) {
	if server := r.Q("server"); server != "" && server != a.ServerName {
		return nil, fault.New(fault.NotFound, "This server does not know the rooms of that one.")
	}
	return a.Rooms.Directory(r.Context(), q)
}

func (a *API) roomSummary(r *rest.Request) (any, error) {
	roomID, err := a.Rooms.Resolve(r.Context(), r.Param("roomIdOrAlias"))
	if err != nil {
		return nil, err
	}
	return a.Rooms.Summary(r.Context(), r.Who.User, roomID)
}

// hierarchy pages through the walk of a space: a token is how many rooms came before.
func (a *API) hierarchy(r *rest.Request) (any, error) {
	suggested, err := r.QBool("suggested_only", false)
	if err != nil {
		return nil, err
	}
	limit, err := r.QInt("limit", 50)
	if err != nil {
		return nil, err
	}
	depth, err := r.QInt("max_depth", -1)
	if err != nil {
		return nil, err
	}
	from, err := r.QInt("from", 0)
	if err != nil {
		return nil, err
	}
	if limit < 1 || from < 0 || r.Q("max_depth") != "" && depth < 0 {
		return nil, fault.New(fault.InvalidParam, "limit must be greater than zero, from and max_depth not negative.")
	}
	all, err := a.Rooms.Hierarchy(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), suggested, int(min(depth, 1000)))
	if err != nil {
		return nil, err
	}
	rooms := []jsontext.Value{}
	n := int64(len(all))
	from = min(from, n)
	to := min(from+min(limit, 1000), n)
	for _, s := range all[from:to] {
		b, err := json.Marshal(s.Published)
		if err != nil {
			return nil, fmt.Errorf("encode room: %w", err)
		}
		b = append(field(b[:len(b)-1], "children_state"), s.Children...)
		rooms = append(rooms, append(b, '}'))
	}
	answer := map[string]any{"rooms": rooms}
	if to < n {
		answer["next_batch"] = strconv.FormatInt(to, 10)
	}
	return answer, nil
}

func (a *API) upgrade(r *rest.Request) (any, error) {
	var body struct {
		Version  id.RoomVersion `json:"new_version"`
		Creators []id.UserID    `json:"additional_creators"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if body.Version == "" {
		return nil, fault.New(fault.MissingParam, "new_version is missing.")
	}
	replacement, err := a.Rooms.Upgrade(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), body.Version, body.Creators)
	if err != nil {
		return nil, err
	}
	a.settle(r, replacement)
	return map[string]id.RoomID{"replacement_room": replacement}, nil
}
