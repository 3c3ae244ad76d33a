package appservice

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
)

// processID tells this process from others and from its earlier lives.
var processID = func() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return int64(binary.LittleEndian.Uint64(b[:]) >> 1)
}()

// FindUser asks the services in whose namespace a user is whether there is such a person; one that knows
// them has registered them when it answers (GET /_matrix/app/v1/users/{userId}).
func (s *Services) FindUser(ctx context.Context, user id.UserID) bool {
	for _, a := range s.all {
		if within(a.users, string(user), false) && s.knows(ctx, a, "/_matrix/app/v1/users/"+url.PathEscape(string(user))) {
			return true
		}
	}
	return false
}

// FindAlias asks the services in whose namespace an alias is whether there is such a room; one that knows it
// has made the alias when it answers.
func (s *Services) FindAlias(ctx context.Context, alias id.RoomAlias) bool {
	for _, a := range s.all {
		if within(a.aliases, string(alias), false) && s.knows(ctx, a, "/_matrix/app/v1/rooms/"+url.PathEscape(string(alias))) {
			return true
		}
	}
	return false
}

func (s *Services) knows(ctx context.Context, a *Service, path string) bool {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	status, _, err := s.call(ctx, a, "GET", path, nil)
	return err == nil && status == 200
}

// Network asks a protocol's service about the protocol, or about its users and locations: kind is protocol,
// user or location; query is passed on. The fault is M_NOT_FOUND.
func (s *Services) Network(ctx context.Context, kind, protocol, query string) (json.RawMessage, error) {
	a := s.Networks()[protocol]
	if a == nil {
		return nil, fault.New(fault.NotFound, "This server has no bridge to this network.")
	}
	path := "/_matrix/app/v1/thirdparty/" + kind + "/" + url.PathEscape(protocol)
	if query != "" {
		path += "?" + query
	}
	status, answer, err := s.call(ctx, a, "GET", path, nil)
	if err != nil || status != 200 || !json.Valid(answer) {
		return nil, fault.New(fault.NotFound, "The bridge to this network does not answer.").Because(err)
	}
	return answer, nil
}

// Reverse asks every service which third-party users or locations a Matrix identifier stands for.
func (s *Services) Reverse(ctx context.Context, kind, query string) []json.RawMessage {
	out := []json.RawMessage{}
	for _, a := range s.all {
		if len(a.Protocols) == 0 {
			continue
		}
		status, answer, err := s.call(ctx, a, "GET", "/_matrix/app/v1/thirdparty/"+kind+"?"+query, nil)
		var some []json.RawMessage
		if err == nil && status == 200 && json.Unmarshal(answer, &some) == nil {
			out = slices.Concat(out, some)
		}
	}
	return out
}

// Ping has a service called, and says how long its answer took (POST /_matrix/client/v1/appservice/{id}/ping).
func (s *Services) Ping(ctx context.Context, a *Service, txn string) (time.Duration, error) {
	body, err := json.Marshal(map[string]string{"transaction_id": txn})
	if err != nil {
		return 0, err
	}
	start := time.Now()
	status, answer, err := s.call(ctx, a, "POST", "/_matrix/app/v1/ping", body)
	took := time.Since(start)
	switch {
	case errors.Is(err, errNoURL):
		return 0, fault.New(fault.URLNotSet, "The registration of the application service has no url.").WithStatus(400)
	case errors.Is(err, context.DeadlineExceeded):
		return 0, fault.New(fault.ConnectionTimeout, "The application service did not answer in time.").WithStatus(504).Because(err)
	case err != nil:
		return 0, fault.New(fault.ConnectionFailed, "The application service cannot be reached.").WithStatus(502).Because(err)
	case status < 200 || status > 299:
		return 0, fault.New(fault.BadStatus, "The application service answered with status %d.", status).WithStatus(502).
			With("status", status).With("body", string(answer[:min(len(answer), 1000)]))
	}
	return took, nil
}
