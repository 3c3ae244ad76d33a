package clientapi

import (
	"encoding/json"
	"net/http"
	"strings"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/feed"
	"github.com/myelin-health/myelin/rest"
)

// toDeviceRoutes serves "Send-to-Device messaging".
func (a *API) toDeviceRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodPut, Path: "/_matrix/client/v3/sendToDevice/{eventType}/{txnId}", Access: access.UserOrGuest, MaxBody: 4 << 20, Handle: a.sendToDevice},
	}
}

func (a *API) sendToDevice(r *rest.Request) (any, error) {
	var body struct {
		Messages map[id.UserID]map[id.DeviceID]json.RawMessage `json:"messages"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if body.Messages == nil {
		return nil, fault.New(fault.BadJSON, `"messages" is missing.`)
	}
	var messages []feed.ToDevice
	for user, devices := range body.Messages {
		for device, content := range devices {
			if !strings.HasPrefix(strings.TrimSpace(string(content)), "{") {
				return nil, fault.New(fault.BadJSON, "Each message must be an object.")
			}
			messages = append(messages, feed.ToDevice{User: user, Device: device, Content: content})
		}
	}
	return nil, a.Feed.SendToDevice(r.Context(), r.Who.User, r.Who.Device, r.Param("eventType"), r.Param("txnId"), messages)
}
