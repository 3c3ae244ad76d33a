package clientapi

import (
	"net/http"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/rest"
)

// typingRoutes serves "Typing Notifications".
func (a *API) typingRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodPut, Path: "/_matrix/client/v3/rooms/{roomId}/typing/{userId}", Access: access.Acting, Handle: a.setTyping},
	}
}

func (a *API) setTyping(r *rest.Request) (any, error) {
	if err := ownUser(r); err != nil {
		return nil, err
	}
	var body struct {
		Typing  *bool `json:"typing"`
		Timeout int64 `json:"timeout"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if body.Typing == nil {
		return nil, fault.New(fault.BadJSON, `"typing" is missing.`)
	}
	timeout := time.Duration(min(max(body.Timeout, 0), 3_600_000)) * time.Millisecond
	return nil, a.Feed.Type(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), *body.Typing, timeout)
}
