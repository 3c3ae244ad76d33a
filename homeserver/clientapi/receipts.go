package clientapi

import (
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/homeserver/feed"
	"github.com/myelin-health/myelin/rest"
)

// receiptsRoutes serves "Receipts" and "Read and unread markers".
func (a *API) receiptsRoutes() []rest.Route {
	const base = "/_matrix/client/v3/rooms/{roomId}/"
	return []rest.Route{
		{Method: http.MethodPost, Path: base + "receipt/{receiptType}/{eventId}", Access: access.User, Handle: a.setReceipt},
		{Method: http.MethodPost, Path: base + "read_markers", Access: access.User, Handle: a.setReadMarkers},
	}
}

func (a *API) setReceipt(r *rest.Request) (any, error) {
	var body struct {
		Thread *string `json:"thread_id"`
	}
	if err := r.OptionalJSON(&body); err != nil {
		return nil, err
	}
	return nil, a.Feed.Mark(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), r.Param("receiptType"), id.EventID(r.Param("eventId")), body.Thread)
}

func (a *API) setReadMarkers(r *rest.Request) (any, error) {
	var body struct {
		FullyRead id.EventID `json:"m.fully_read"`
		Read      id.EventID `json:"m.read"`
		Private   id.EventID `json:"m.read.private"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	for _, m := range [...]struct {
		typ   string
		event id.EventID
	}{{feed.FullyRead, body.FullyRead}, {feed.Read, body.Read}, {feed.ReadPrivate, body.Private}} {
		if m.event == "" {
			continue
		}
		if err := a.Feed.Mark(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), m.typ, m.event, nil); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
