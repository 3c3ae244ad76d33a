package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/rest"
)

// ownRoutes are the routes that belong to no API: health and the demo.
func (s *Server) ownRoutes() []rest.Route {
	routes := []rest.Route{
		{Method: http.MethodGet, Path: "/healthz", Access: access.Public, Limit: rest.Unlimited, Handle: func(*rest.Request) (any, error) {
			return rest.RawJSON(`{"status":"alive"}`), nil
		}},
		{Method: http.MethodGet, Path: "/readyz", Access: access.Public, Limit: rest.Unlimited, Handle: s.ready},
	}
	if s.options.Demo != nil {
		routes = append(routes, rest.Route{
			Method: http.MethodGet, Path: "/_myelin/v1/demo", Access: access.Public, Handle: func(r *rest.Request) (any, error) {
				s.options.Demo.ServeHTTP(r.W, r.Request)
				return rest.Handled, nil
			},
		})
	}
	return routes
}

// ready answers 200 when the database can be written and read.
func (s *Server) ready(r *rest.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	_, reading := s.db.Position(ctx)
	if err := errors.Join(reading, s.db.Write(ctx, "readiness", nil, func(*db.Tx) error { return nil })); err != nil {
		s.log.Warn("not ready", "error", err)
		return nil, fault.New(fault.Unknown, "The database cannot be reached.").WithStatus(http.StatusServiceUnavailable)
	}
	return rest.RawJSON(`{"status":"ready"}`), nil
}
