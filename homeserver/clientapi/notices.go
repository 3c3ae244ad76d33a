package clientapi

import (
	"encoding/json"
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/rest"
)

// noticesRoutes serves the sending of server notices, under the path that administrators' tools know from Synapse.
func (a *API) noticesRoutes() []rest.Route {
	const path = "/_synapse/admin/v1/send_server_notice"
	return []rest.Route{
		{Method: http.MethodPost, Path: path, Access: access.Admin, Handle: a.sendNotice},
		{Method: http.MethodPut, Path: path + "/{txnId}", Access: access.Admin, Handle: a.sendNotice},
	}
}

func (a *API) sendNotice(r *rest.Request) (any, error) {
	var body struct {
		User    id.UserID       `json:"user_id"`
		Content json.RawMessage `json:"content"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	switch {
	case body.User == "":
		return nil, fault.New(fault.MissingParam, "user_id is missing.")
	case body.Content == nil:
		return nil, fault.New(fault.MissingParam, "content is missing.")
	case !a.Accounts.Local(body.User):
		return nil, fault.New(fault.InvalidParam, "This is no user of this server.")
	}
	e, err := a.Notices.Send(r.Context(), r.Who.User, body.User, body.Content, r.Param("txnId"))
	return map[string]any{"event_id": e}, err
}
