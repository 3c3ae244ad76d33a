package clientapi

import (
	"context"
	"net/http"
	"time"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/feed"
	"github.com/myelin-health/myelin/rest"
)

// syncRoutes serves "Syncing".
func (a *API) syncRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/sync", Access: access.UserOrGuest, Limit: rest.Unlimited, Long: true, Handle: a.sync},
	}
}

// sync keeps nothing of the request but what feed.Wait holds: thousands of them wait at one time.
func (a *API) sync(r *rest.Request) (any, error) {
	req, err := syncRequest(r)
	if err != nil {
		return nil, err
	}
	b, wait, err := a.Feed.Sync(r.Context(), r.Who, req, r.Waker())
	return syncAnswer(b, wait, err, asItIs)
}

func asItIs(b []byte) rest.RawJSON { return b }

// syncAnswer is the answer to a sync in some shape, or its waiting for one.
func syncAnswer(b []byte, wait *feed.Wait, err error, shape func([]byte) rest.RawJSON) (any, error) {
	if err != nil {
		return nil, err
	}
	if wait == nil {
		return shape(b), nil
	}
	return rest.Wait{For: wait.For, Leave: wait.Leave, Look: func(ctx context.Context, over bool) (any, error) {
		b, err := wait.Look(ctx, over)
		if b == nil || err != nil {
			return nil, err
		}
		return shape(b), nil
	}}, nil
}

func syncRequest(r *rest.Request) (feed.SyncRequest, error) {
	req := feed.SyncRequest{Since: r.Q("since"), Filter: r.Q("filter"), SetPresence: r.Q("set_presence")}
	timeout, err := r.QInt("timeout", 0)
	if err != nil {
		return req, err
	}
	if timeout < 0 {
		return req, fault.New(fault.InvalidParam, "timeout must not be negative.")
	}
	req.Timeout = time.Duration(min(timeout, 3_600_000)) * time.Millisecond
	if req.FullState, err = r.QBool("full_state", false); err != nil {
		return req, err
	}
	// MSC4222 is the name of it before the specification had it; who asks by that name reads only that name.
	if req.StateAfter, err = r.QBool("use_state_after", false); err != nil || req.StateAfter {
		return req, err
	}
	req.MSC4222, err = r.QBool("org.matrix.msc4222.use_state_after", false)
	req.StateAfter = req.MSC4222
	return req, err
}
