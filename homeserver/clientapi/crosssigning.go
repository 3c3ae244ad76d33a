package clientapi

import (
	"errors"
	"net/http"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/homeserver/e2ee"
	"github.com/myelin-health/myelin/rest"
)

// crossSigningRoutes serves "Cross-signing" of the end-to-end encryption module.
func (a *API) crossSigningRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/keys/device_signing/upload", Also: []string{"/_matrix/client/unstable/keys/device_signing/upload"}, Access: access.User, Handle: a.uploadCrossSigning},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/keys/signatures/upload", Also: []string{"/_matrix/client/unstable/keys/signatures/upload"}, Access: access.User, Handle: a.uploadSignatures},
	}
}

func (a *API) uploadCrossSigning(r *rest.Request) (any, error) {
	var body e2ee.CrossSigning
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	err := a.E2EE.UploadCrossSigning(r.Context(), r.Who.User, body, false)
	if !errors.Is(err, e2ee.ErrUnconfirmed) {
		return nil, err
	}
	if err := a.interactive(r); err != nil {
		return nil, err
	}
	return nil, a.E2EE.UploadCrossSigning(r.Context(), r.Who.User, body, true)
}

func (a *API) uploadSignatures(r *rest.Request) (any, error) {
	var body e2ee.SignedKeys
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	refused, err := a.E2EE.UploadSignatures(r.Context(), r.Who.User, body)
	if err != nil {
		return nil, err
	}
	failures := map[id.UserID]map[string]map[string]string{}
	for user, keys := range refused {
		failures[user] = map[string]map[string]string{}
		for key, f := range keys {
			failures[user][key] = faultObject(f)
		}
	}
	return map[string]any{"failures": failures}, nil
}
