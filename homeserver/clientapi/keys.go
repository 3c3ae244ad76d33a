package clientapi

import (
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/e2ee"
	"github.com/myelin-health/myelin/rest"
)

// keysRoutes serves "Key management API" of the end-to-end encryption module.
func (a *API) keysRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/keys/upload", Access: access.UserOrGuest, Handle: a.uploadKeys},
		// Clients of r0 put the device into the path; it is the token's in any case.
		{Method: http.MethodPost, Path: "/_matrix/client/v3/keys/upload/{deviceId}", Access: access.UserOrGuest, Handle: a.uploadKeys},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/keys/query", Access: access.UserOrGuest, Handle: a.queryKeys},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/keys/claim", Access: access.UserOrGuest, Handle: a.claimKeys},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/keys/changes", Access: access.UserOrGuest, Handle: a.keyChanges},
	}
}

func (a *API) uploadKeys(r *rest.Request) (any, error) {
	var body e2ee.Upload
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if device := r.Param("deviceId"); device != "" && id.DeviceID(device) != r.Who.Device {
		return nil, fault.New(fault.InvalidParam, "Keys can be uploaded for the own device only.")
	}
	counts, err := a.E2EE.Upload(r.Context(), r.Who.User, r.Who.Device, body)
	if err != nil {
		return nil, err
	}
	return map[string]any{"one_time_key_counts": counts}, nil
}

func (a *API) queryKeys(r *rest.Request) (any, error) {
	var body struct {
		DeviceKeys map[id.UserID][]id.DeviceID `json:"device_keys"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if body.DeviceKeys == nil {
		return nil, fault.New(fault.BadJSON, `"device_keys" is missing.`)
	}
	return a.E2EE.Query(r.Context(), r.Who.User, body.DeviceKeys)
}

func (a *API) claimKeys(r *rest.Request) (any, error) {
	var body struct {
		OneTimeKeys map[id.UserID]map[id.DeviceID]string `json:"one_time_keys"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if body.OneTimeKeys == nil {
		return nil, fault.New(fault.BadJSON, `"one_time_keys" is missing.`)
	}
	keys, failures, err := a.E2EE.Claim(r.Context(), body.OneTimeKeys)
	if err != nil {
		return nil, err
	}
	return map[string]any{"one_time_keys": keys, "failures": failures}, nil
}

func (a *API) keyChanges(r *rest.Request) (any, error) {
	from, to := r.Q("from"), r.Q("to")
	if from == "" {
		return nil, fault.New(fault.MissingParam, `"from" is missing.`)
	}
	changed, left, err := a.DeviceLists(r.Context(), r.Who.User, from, to)
	if err != nil {
		return nil, err
	}
	return map[string][]id.UserID{"changed": changed, "left": left}, nil
}

func faultObject(f *fault.Fault) map[string]string {
	return map[string]string{"errcode": string(f.Kind), "error": f.Text}
}
