package clientapi

import (
	"encoding/json"
	"net/http"
	"strings"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/rest"
)

// accountDataRoutes serves "Client Config" (account data, global and per room) and "Room Tagging".
func (a *API) accountDataRoutes() []rest.Route {
	const unstable = "/_matrix/client/unstable/org.matrix.msc3391/user/{userId}"
	const user, room = "/_matrix/client/v3/user/{userId}", "/_matrix/client/v3/user/{userId}/rooms/{roomId}"
	return []rest.Route{
		{Method: http.MethodGet, Path: user + "/account_data/{type}", Access: access.User, Handle: a.accountData},
		{Method: http.MethodPut, Path: user + "/account_data/{type}", Access: access.User, Handle: a.setAccountData},
		{Method: http.MethodGet, Path: room + "/account_data/{type}", Access: access.User, Handle: a.accountData},
		{Method: http.MethodPut, Path: room + "/account_data/{type}", Access: access.User, Handle: a.setAccountData},
		{Method: http.MethodDelete, Path: unstable + "/account_data/{type}", Access: access.User, Handle: a.deleteAccountData},
		{Method: http.MethodDelete, Path: unstable + "/rooms/{roomId}/account_data/{type}", Access: access.User, Handle: a.deleteAccountData},
		{Method: http.MethodGet, Path: room + "/tags", Access: access.User, Handle: a.tags},
		{Method: http.MethodPut, Path: room + "/tags/{tag}", Access: access.User, Handle: a.setTag},
		{Method: http.MethodDelete, Path: room + "/tags/{tag}", Access: access.User, Handle: a.deleteTag},
	}
}

// ownUser checks that the path names the caller.
func ownUser(r *rest.Request) error {
	if id.UserID(r.Param("userId")) != r.Who.User {
		return fault.New(fault.Forbidden, "This belongs to somebody else.")
	}
	return nil
}

// ownRoom is the room of the path, empty if the path has none.
func ownRoom(r *rest.Request) (id.RoomID, error) {
	if err := ownUser(r); err != nil {
		return "", err
	}
	room := r.Param("roomId")
	if room != "" && (!strings.HasPrefix(room, "!") || len(room) < 2 || len(room) > 255) {
		return "", fault.New(fault.InvalidParam, "This is no room id.")
	}
	return id.RoomID(room), nil
}

func (a *API) accountData(r *rest.Request) (any, error) {
	room, err := ownRoom(r)
	if err != nil {
		return nil, err
	}
	content, err := a.Accounts.Datum(r.Context(), r.Who.User, room, r.Param("type"))
	return rest.RawJSON(content), err
}

func (a *API) setAccountData(r *rest.Request) (any, error) {
	room, err := ownRoom(r)
	if err != nil {
		return nil, err
	}
	content, err := r.Object()
	if err != nil {
		return nil, err
	}
	typ, err := settableType(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Accounts.SetDatum(r.Context(), r.Who.User, account.Datum{Room: room, Type: typ, Content: json.RawMessage(content)})
}

// deleteAccountData is of MSC3391.
func (a *API) deleteAccountData(r *rest.Request) (any, error) {
	room, err := ownRoom(r)
	if err != nil {
		return nil, err
	}
	typ, err := settableType(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Accounts.DeleteDatum(r.Context(), r.Who.User, room, typ)
}

// settableType is the type of the path, unless it has an API of its own.
func settableType(r *rest.Request) (string, error) {
	typ := r.Param("type")
	switch typ {
	case "m.push_rules", "m.fully_read":
		return "", fault.New(fault.BadJSON, "%s cannot be set through this API.", typ).WithStatus(http.StatusMethodNotAllowed)
	}
	return typ, nil
}

func (a *API) tags(r *rest.Request) (any, error) {
	room, err := ownRoom(r)
	if err != nil {
		return nil, err
	}
	tags, err := a.Accounts.Tags(r.Context(), r.Who.User, room)
	return map[string]any{"tags": tags}, err
}

func (a *API) setTag(r *rest.Request) (any, error) {
	room, err := ownRoom(r)
	if err != nil {
		return nil, err
	}
	content, err := r.Object()
	if err != nil {
		return nil, err
	}
	var tag struct {
		Order *float64 `json:"order"`
	}
	if err := rest.Decode(content, &tag); err != nil {
		return nil, err
	}
	return nil, a.Accounts.SetTag(r.Context(), r.Who.User, room, r.Param("tag"), json.RawMessage(content))
}

func (a *API) deleteTag(r *rest.Request) (any, error) {
	room, err := ownRoom(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Accounts.SetTag(r.Context(), r.Who.User, room, r.Param("tag"), nil)
}
