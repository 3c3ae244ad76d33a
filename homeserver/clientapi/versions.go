package clientapi

import (
	"net/http"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/rest"
)

func (a *API) versionsRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodGet, Path: "/_matrix/client/versions", Access: access.UserOrNobody, Handle: a.versions},
	}
}

// versions are the versions of the specification this server speaks; what it answers beyond is named in
// unstable_features (section "API Versions").
var versions = map[string]any{
	"versions": []string{
		"r0.5.0", "r0.6.0", "r0.6.1", "v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6", "v1.7", "v1.8", "v1.9", "v1.10",
		"v1.11", "v1.12", "v1.13", "v1.14", "v1.15", "v1.16", "v1.17", "v1.18", "v1.19",
	},
	"unstable_features": map[string]bool{
		"org.matrix.msc3391":            true, // account data can be deleted
		"org.matrix.msc3814":            true, // dehydrated devices
		"org.matrix.msc3874":            true, // filters by relation
		"org.matrix.msc4140":            true, // delayed events
		"org.matrix.msc4306":            true, // subscriptions of threads
		"org.matrix.msc4308":            true, // their changes in sliding sync
		"org.matrix.simplified_msc3575": true, // sliding sync
		"org.myelin.delivered":          true, // receipts that say what reached a device
	},
}

func (a *API) versions(*rest.Request) (any, error) { return versions, nil }
