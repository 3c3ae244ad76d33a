package clientapi

import (
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/rest"
)

// devicesRoutes serves "Device Management".
func (a *API) devicesRoutes() []rest.Route {
	const path = "/_matrix/client/v3/devices"
	return []rest.Route{
		{Method: http.MethodGet, Path: path, Access: access.UserOrGuest, Handle: a.devices},
		{Method: http.MethodGet, Path: path + "/{deviceId}", Access: access.UserOrGuest, Handle: a.device},
		{Method: http.MethodPut, Path: path + "/{deviceId}", Access: access.UserOrGuest, Handle: a.renameDevice},
		{Method: http.MethodDelete, Path: path + "/{deviceId}", Access: access.User, Handle: a.deleteDevice},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/delete_devices", Access: access.User, Handle: a.deleteDevices},
	}
}

// deviceAnswer is a device as its owner sees it.
type deviceAnswer struct {
	DeviceID id.DeviceID `json:"device_id"`
	Name     string      `json:"display_name,omitempty"`
	Addr     string      `json:"last_seen_ip,omitempty"`
	Seen     int64       `json:"last_seen_ts,omitempty"`
}

func shownDevice(d account.Device) deviceAnswer {
	return deviceAnswer{DeviceID: d.ID, Name: d.Name, Addr: d.SeenAddr, Seen: d.Seen}
}

func (a *API) devices(r *rest.Request) (any, error) {
	list, err := a.Accounts.Devices(r.Context(), r.Who.User)
	if err != nil {
		return nil, err
	}
	out := make([]deviceAnswer, len(list))
	for i, d := range list {
		out[i] = shownDevice(d)
	}
	return map[string]any{"devices": out}, nil
}

func (a *API) device(r *rest.Request) (any, error) {
	d, err := a.Accounts.Device(r.Context(), r.Who.User, id.DeviceID(r.Param("deviceId")))
	if err != nil {
		return nil, err
	}
	return shownDevice(d), nil
}

func (a *API) renameDevice(r *rest.Request) (any, error) {
	var body struct {
		Name *string `json:"display_name"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	device := id.DeviceID(r.Param("deviceId"))
	if r.Who.Service != "" {
		// Application services make the devices of their people so (MSC4190).
		name := ""
		if body.Name != nil {
			name = *body.Name
		}
		made, err := a.Accounts.EnsureDevice(r.Context(), r.Who.User, device, name)
		if err != nil || made {
			return rest.Answer{Status: http.StatusCreated}, err
		}
	}
	if body.Name == nil {
		_, err := a.Accounts.Device(r.Context(), r.Who.User, device)
		return nil, err
	}
	return nil, a.Accounts.RenameDevice(r.Context(), r.Who.User, device, *body.Name)
}

func (a *API) deleteDevice(r *rest.Request) (any, error) {
	if err := a.interactive(r); err != nil {
		return nil, err
	}
	return nil, a.Accounts.RemoveDevices(r.Context(), r.Who.User, r.Who.Device, []id.DeviceID{id.DeviceID(r.Param("deviceId"))})
}

func (a *API) deleteDevices(r *rest.Request) (any, error) {
	var body struct {
		Devices []id.DeviceID `json:"devices"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if body.Devices == nil {
		return nil, fault.New(fault.MissingParam, "devices is missing.")
	}
	if err := a.interactive(r); err != nil {
		return nil, err
	}
	return nil, a.Accounts.RemoveDevices(r.Context(), r.Who.User, r.Who.Device, body.Devices)
}
