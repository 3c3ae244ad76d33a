package auth_test

import (
	"fmt"
	"testing"

	"github.com/myelin-health/myelin/matrix/auth"
	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/matrix/matrixtest"
	"maunium.net/go/mautrix/federation/eventauth"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

func BenchmarkCheck(b *testing.B) {
	for _, v := range []id.RoomVersion{"3", "6", "11", "12"} {
		r := matrixtest.NewRoom(v, ada, "{}")
		matrixtest.Must(r.SetState(ada, "m.room.member", string(ada), matrixtest.Member("join")))
		users := fmt.Sprintf(`%q:100,%q:50`, bob, cyd)
		if !v.PrivilegedRoomCreators() {
			users += fmt.Sprintf(`,%q:100`, ada)
		}
		matrixtest.Must(r.SetState(ada, "m.room.power_levels", "", `{"users":{`+users+`},"events":{"m.room.name":50,"m.room.power_levels":100,`+
			`"m.room.history_visibility":100,"m.room.canonical_alias":50,"m.room.avatar":50,"m.room.tombstone":100,"m.room.encryption":100},`+
			`"users_default":0,"events_default":0,"state_default":50,"ban":50,"kick":50,"redact":50,"invite":0}`))
		p, before := r.Draft(ada, "m.room.message", nil, `{"body":"hello","msgtype":"m.text"}`)
		if _, _, err := event.Build(v, p, matrixtest.Key("one.example")); err != nil {
			b.Fatal(err)
		}
		lookup := r.Lookup(before)
		create := r.Events[r.Create()]
		levels := auth.ReadPowerLevels(v, create, lookup("m.room.power_levels", ""))
		var list []*pdu.PDU
		for _, eventID := range p.AuthEvents {
			list = append(list, r.Events[eventID])
		}
		run := func(name string, f func() error) {
			b.Run(string(v)+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("state", func() error { return auth.Check(v, p, lookup) })
		run("state with levels", func() error { return auth.CheckState(v, p, auth.State{Lookup: lookup, Levels: levels}) })
		run("auth events", func() error { return auth.CheckAuthEvents(v, p, create, list, nil) })
		run("mautrix", func() error {
			return eventauth.Authorize(v, p, func(ids []id.EventID) ([]*pdu.PDU, error) {
				if len(ids) == 1 {
					return []*pdu.PDU{create}, nil
				}
				return list, nil
			}, nil)
		})
	}
}
