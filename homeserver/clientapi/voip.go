package clientapi

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what TURN servers check; HMAC-SHA1 is not broken
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/rest"
)

// TURN is the relay that calls of other clients use. It checks the passwords that are made here by a secret it shares.
type TURN struct {
	URIs     []string
	Secret   string
	Lifetime time.Duration
}

// voipRoutes serves "Voice over IP".
func (a *API) voipRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/voip/turnServer", Access: access.User, Handle: a.turnServer},
	}
}

// turnServer answers an empty object where no relay is configured, which is what clients understand.
func (a *API) turnServer(r *rest.Request) (any, error) {
	if len(a.TURN.URIs) == 0 {
		return nil, nil
	}
	now := time.Now
	if a.Clock != nil {
		now = a.Clock
	}
	name := fmt.Sprintf("%d:%s", now().Add(a.TURN.Lifetime).Unix(), r.Who.User)
	mac := hmac.New(sha1.New, []byte(a.TURN.Secret))
	_, _ = mac.Write([]byte(name))
	return map[string]any{"username": name, "password": base64.StdEncoding.EncodeToString(mac.Sum(nil)),
		"uris": a.TURN.URIs, "ttl": int64(a.TURN.Lifetime.Seconds())}, nil
}
