package clientapi

import (
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/rest"
)

// reportsRoutes serves "Reporting Content". A report is an entry of the audit log; its reason is sealed there.
func (a *API) reportsRoutes() []rest.Route {
	const base = "/_matrix/client/v3/"
	return []rest.Route{
		{Method: http.MethodPost, Path: base + "rooms/{roomId}/report/{eventId}", Access: access.User, Limit: rest.Sending, Handle: a.reportEvent},
		{Method: http.MethodPost, Path: base + "rooms/{roomId}/report", Access: access.User, Limit: rest.Sending, Handle: a.reportRoom},
		{Method: http.MethodPost, Path: base + "users/{userId}/report", Access: access.User, Limit: rest.Sending, Handle: a.reportUser},
	}
}

// maxReason bounds the reason of a report, in bytes.
const maxReason = 4000

// report reads the body of a report; of events the reason may be missing.
func report(r *rest.Request, needed bool) (account.AuditDetail, error) {
	var body struct {
		Reason *string `json:"reason"`
		Score  *int64  `json:"score"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	detail := account.AuditDetail{}
	switch {
	case body.Reason == nil && needed:
		return nil, fault.New(fault.MissingParam, "reason is missing.")
	case body.Reason != nil && len(*body.Reason) > maxReason:
		return nil, fault.New(fault.InvalidParam, "The reason is longer than %d bytes.", maxReason)
	case body.Reason != nil:
		detail["reason"] = *body.Reason
	}
	if body.Score != nil {
		if *body.Score < -100 || *body.Score > 0 {
			return nil, fault.New(fault.InvalidParam, "score must be between -100 and 0.")
		}
		detail["score"] = *body.Score
	}
	return detail, nil
}

func (a *API) reportEvent(r *rest.Request) (any, error) {
	detail, err := report(r, false)
	if err != nil {
		return nil, err
	}
	roomID, event := id.RoomID(r.Param("roomId")), id.EventID(r.Param("eventId"))
	in, err := a.Rooms.Access(r.Context(), roomID, r.Who.User)
	if err != nil || !in.Joined {
		return nil, fault.New(fault.NotFound, "There is no such event, or you are not in its room.")
	}
	if _, _, err := a.Rooms.Seen(r.Context(), r.Who.User, roomID, event); err != nil {
		return nil, err
	}
	return nil, a.Accounts.Report(r.Context(), audit.Entry{Who: r.Who.User, Device: r.Who.Device, Room: roomID, Target: string(event), Detail: detail})
}

func (a *API) reportRoom(r *rest.Request) (any, error) {
	detail, err := report(r, true)
	if err != nil {
		return nil, err
	}
	roomID := id.RoomID(r.Param("roomId"))
	if _, err := a.Rooms.Get(r.Context(), roomID); err != nil {
		return nil, err
	}
	return nil, a.Accounts.Report(r.Context(), audit.Entry{Who: r.Who.User, Device: r.Who.Device, Room: roomID, Detail: detail})
}

func (a *API) reportUser(r *rest.Request) (any, error) {
	detail, err := report(r, true)
	if err != nil {
		return nil, err
	}
	user := id.UserID(r.Param("userId"))
	if _, _, err := user.Parse(); err != nil {
		return nil, fault.New(fault.InvalidParam, "This is no user id.")
	}
	if a.Accounts.Local(user) {
		known, err := a.Accounts.Exists(r.Context(), user)
		if err != nil {
			return nil, err
		}
		if !known {
			return nil, fault.New(fault.NotFound, "There is no such user.")
		}
	}
	return nil, a.Accounts.Report(r.Context(), audit.Entry{Who: r.Who.User, Device: r.Who.Device, Target: string(user), Detail: detail})
}
