package clientapi

import (
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/homeserver/e2ee"
	"github.com/myelin-health/myelin/rest"
)

// dehydratedRoutes serves MSC3814, "Dehydrated devices with SSSS", under its unstable name.
func (a *API) dehydratedRoutes() []rest.Route {
	const device = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device"
	return []rest.Route{
		{Method: http.MethodPut, Path: device, Access: access.User, Handle: a.putDehydrated},
		{Method: http.MethodGet, Path: device, Access: access.User, Handle: a.getDehydrated},
		{Method: http.MethodDelete, Path: device, Access: access.User, Handle: a.deleteDehydrated},
		{Method: http.MethodGet, Path: device + "/{deviceId}/events", Access: access.User, Handle: a.dehydratedEvents},
		{Method: http.MethodPost, Path: device + "/{deviceId}/events", Access: access.User, Handle: a.postDehydratedEvents},
	}
}

func (a *API) putDehydrated(r *rest.Request) (any, error) {
	var body e2ee.Dehydrated
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if err := a.E2EE.PutDehydrated(r.Context(), r.Who.User, body); err != nil {
		return nil, err
	}
	return map[string]id.DeviceID{"device_id": body.DeviceID}, nil
}

func (a *API) getDehydrated(r *rest.Request) (any, error) {
	return a.E2EE.Dehydrated(r.Context(), r.Who.User)
}

func (a *API) deleteDehydrated(r *rest.Request) (any, error) {
	device, err := a.E2EE.DeleteDehydrated(r.Context(), r.Who.User)
	if err != nil {
		return nil, err
	}
	return map[string]id.DeviceID{"device_id": device}, nil
}

// dehydratedEvents is the form of the present draft: next_batch is there while messages remain.
func (a *API) dehydratedEvents(r *rest.Request) (any, error) {
	limit, err := r.QInt("limit", e2ee.MaxDehydratedEvents)
	if err != nil {
		return nil, err
	}
	page, err := a.E2EE.DehydratedEvents(r.Context(), r.Who.User, id.DeviceID(r.Param("deviceId")), r.Q("from"), int(limit))
	if err != nil {
		return nil, err
	}
	answer := map[string]any{"events": page.Events}
	if page.More {
		answer["next_batch"] = page.Next
	}
	return answer, nil
}

// postDehydratedEvents is the form of earlier drafts, in which clients read on until a page is empty.
func (a *API) postDehydratedEvents(r *rest.Request) (any, error) {
	var body struct {
		NextBatch string `json:"next_batch"`
	}
	if err := r.OptionalJSON(&body); err != nil {
		return nil, err
	}
	page, err := a.E2EE.DehydratedEvents(r.Context(), r.Who.User, id.DeviceID(r.Param("deviceId")), body.NextBatch, 0)
	if err != nil {
		return nil, err
	}
	return map[string]any{"events": page.Events, "next_batch": page.Next}, nil
}
