package clientapi

import (
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/feed"
	"github.com/myelin-health/myelin/rest"
)

// threadsRoutes serves subscriptions of threads (MSC4306) and their changes (MSC4308).
func (a *API) threadsRoutes() []rest.Route {
	const subscription = "/_matrix/client/unstable/io.element.msc4306/rooms/{roomId}/thread/{eventId}/subscription"
	return []rest.Route{
		{Method: http.MethodGet, Path: subscription, Access: access.User, Handle: a.threadSubscription},
		{Method: http.MethodPut, Path: subscription, Access: access.User, Handle: a.subscribeToThread},
		{Method: http.MethodDelete, Path: subscription, Access: access.User, Handle: a.unsubscribeFromThread},
		{Method: http.MethodGet, Path: "/_matrix/client/unstable/io.element.msc4308/thread_subscriptions", Access: access.User,
			Handle: a.threadSubscriptions},
	}
}

func (a *API) threadSubscription(r *rest.Request) (any, error) {
	automatic, err := a.Feed.Subscription(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), id.EventID(r.Param("eventId")))
	return map[string]bool{"automatic": automatic}, err
}

func (a *API) subscribeToThread(r *rest.Request) (any, error) {
	var body struct {
		Automatic *id.EventID `json:"automatic"`
	}
	if err := r.OptionalJSON(&body); err != nil {
		return nil, err
	}
	return nil, a.Feed.Subscribe(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), id.EventID(r.Param("eventId")), body.Automatic)
}

func (a *API) unsubscribeFromThread(r *rest.Request) (any, error) {
	return nil, a.Feed.Unsubscribe(r.Context(), r.Who.User, id.RoomID(r.Param("roomId")), id.EventID(r.Param("eventId")))
}

func (a *API) threadSubscriptions(r *rest.Request) (any, error) {
	switch r.Q("dir") {
	case "b":
	case "":
		return nil, fault.New(fault.MissingParam, "dir is missing.")
	default:
		return nil, fault.New(fault.InvalidParam, "dir must be b.")
	}
	limit, err := r.QInt("limit", feed.SubscriptionsPage)
	if err != nil {
		return nil, err
	}
	if limit < 1 {
		return nil, fault.New(fault.InvalidParam, "limit must be greater than zero.")
	}
	b, err := a.Feed.Subscriptions(r.Context(), r.Who.User, r.Q("from"), r.Q("to"), int(min(limit, feed.SubscriptionsPage)))
	return rest.RawJSON(b), err
}
