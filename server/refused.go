package server

import (
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/rest"
)

// refused notes that a signed-in person was refused something.
func (s *Server) refused(r *rest.Request, f *fault.Fault) {
	s.audit.Refused(audit.Entry{
		Act: audit.AccessRefused, Who: r.Who.User, Device: r.Who.Device, Room: id.RoomID(r.Param("roomId")),
		Target: r.Method + " " + r.Pattern(), Outcome: audit.Refused, Detail: map[string]any{"code": string(f.Kind), "address": r.Addr()},
	})
}
