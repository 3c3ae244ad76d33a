package clientapi

import (
	"encoding/json"
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/e2ee"
	"github.com/myelin-health/myelin/rest"
)

// maxBackupBody bounds one upload of backed up room keys.
const maxBackupBody = 16 << 20

// keyBackupRoutes serves "Server-side key backups" of the end-to-end encryption module.
func (a *API) keyBackupRoutes() []rest.Route {
	const version, one, keys = "/_matrix/client/v3/room_keys/version", "/_matrix/client/v3/room_keys/version/{version}", "/_matrix/client/v3/room_keys/keys"
	routes := []rest.Route{
		{Method: http.MethodPost, Path: version, Access: access.User, Handle: a.createBackup},
		{Method: http.MethodGet, Path: version, Access: access.User, Handle: a.getBackup},
		{Method: http.MethodGet, Path: one, Access: access.User, Handle: a.getBackup},
		{Method: http.MethodPut, Path: one, Access: access.User, Handle: a.updateBackup},
		{Method: http.MethodDelete, Path: one, Access: access.User, Handle: a.deleteBackup},
		{Method: http.MethodPut, Path: keys, Access: access.User, MaxBody: maxBackupBody, Handle: a.putAllBackupKeys},
		{Method: http.MethodPut, Path: keys + "/{roomId}", Access: access.User, MaxBody: maxBackupBody, Handle: a.putRoomBackupKeys},
		{Method: http.MethodPut, Path: keys + "/{roomId}/{sessionId}", Access: access.User, Handle: a.putBackupKey},
		{Method: http.MethodGet, Path: keys, Access: access.User, Handle: a.getAllBackupKeys},
		{Method: http.MethodGet, Path: keys + "/{roomId}", Access: access.User, Handle: a.getRoomBackupKeys},
		{Method: http.MethodGet, Path: keys + "/{roomId}/{sessionId}", Access: access.User, Handle: a.getBackupKey},
	}
	for _, path := range []string{keys, keys + "/{roomId}", keys + "/{roomId}/{sessionId}"} {
		routes = append(routes, rest.Route{Method: http.MethodDelete, Path: path, Access: access.User, Handle: a.deleteBackupKeys})
	}
	return routes
}

type backupBody struct {
	Version   string          `json:"version"`
	Algorithm string          `json:"algorithm"`
	AuthData  json.RawMessage `json:"auth_data"`
}

func (a *API) createBackup(r *rest.Request) (any, error) {
	var body backupBody
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	version, err := a.E2EE.CreateBackup(r.Context(), r.Who.User, body.Algorithm, body.AuthData)
	if err != nil {
		return nil, err
	}
	return map[string]string{"version": version}, nil
}

func (a *API) getBackup(r *rest.Request) (any, error) {
	return a.E2EE.Backup(r.Context(), r.Who.User, r.Param("version"))
}

func (a *API) updateBackup(r *rest.Request) (any, error) {
	var body backupBody
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	return nil, a.E2EE.UpdateBackup(r.Context(), r.Who.User, r.Param("version"), body.Version, body.Algorithm, body.AuthData)
}

func (a *API) deleteBackup(r *rest.Request) (any, error) {
	return nil, a.E2EE.DeleteBackup(r.Context(), r.Who.User, r.Param("version"))
}

// backupOf returns the version that a request about stored keys names.
func backupOf(r *rest.Request) (string, error) {
	version := r.Q("version")
	if version == "" {
		return "", fault.New(fault.MissingParam, `"version" is missing.`)
	}
	return version, nil
}

func (a *API) storeBackup(r *rest.Request, keys e2ee.Backups) (any, error) {
	version, err := backupOf(r)
	if err != nil {
		return nil, err
	}
	return a.E2EE.StoreBackup(r.Context(), r.Who.User, version, keys)
}

func (a *API) putAllBackupKeys(r *rest.Request) (any, error) {
	var body struct {
		Rooms e2ee.Backups `json:"rooms"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if body.Rooms == nil {
		return nil, fault.New(fault.BadJSON, `"rooms" is missing.`)
	}
	return a.storeBackup(r, body.Rooms)
}

func (a *API) putRoomBackupKeys(r *rest.Request) (any, error) {
	var body e2ee.RoomBackup
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if body.Sessions == nil {
		return nil, fault.New(fault.BadJSON, `"sessions" is missing.`)
	}
	return a.storeBackup(r, e2ee.Backups{id.RoomID(r.Param("roomId")): body})
}

func (a *API) putBackupKey(r *rest.Request) (any, error) {
	var body e2ee.BackedUpKey
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	sessions := map[string]e2ee.BackedUpKey{r.Param("sessionId"): body}
	return a.storeBackup(r, e2ee.Backups{id.RoomID(r.Param("roomId")): {Sessions: sessions}})
}

func (a *API) loadBackup(r *rest.Request) (e2ee.Backups, error) {
	version, err := backupOf(r)
	if err != nil {
		return nil, err
	}
	return a.E2EE.LoadBackup(r.Context(), r.Who.User, version, id.RoomID(r.Param("roomId")), r.Param("sessionId"))
}

func (a *API) getAllBackupKeys(r *rest.Request) (any, error) {
	rooms, err := a.loadBackup(r)
	if err != nil {
		return nil, err
	}
	return map[string]any{"rooms": rooms}, nil
}

func (a *API) getRoomBackupKeys(r *rest.Request) (any, error) {
	rooms, err := a.loadBackup(r)
	if err != nil {
		return nil, err
	}
	return rooms[id.RoomID(r.Param("roomId"))], nil
}

func (a *API) getBackupKey(r *rest.Request) (any, error) {
	rooms, err := a.loadBackup(r)
	if err != nil {
		return nil, err
	}
	key, ok := rooms[id.RoomID(r.Param("roomId"))].Sessions[r.Param("sessionId")]
	if !ok {
		return nil, fault.New(fault.NotFound, "Key not found.")
	}
	return key, nil
}

func (a *API) deleteBackupKeys(r *rest.Request) (any, error) {
	version, err := backupOf(r)
	if err != nil {
		return nil, err
	}
	return a.E2EE.DeleteBackupKeys(r.Context(), r.Who.User, version, id.RoomID(r.Param("roomId")), r.Param("sessionId"))
}
