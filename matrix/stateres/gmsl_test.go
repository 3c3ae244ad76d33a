package stateres_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/matrix-org/gomatrixserverlib"
	"github.com/matrix-org/gomatrixserverlib/spec"
	"github.com/myelin-health/myelin/matrix/matrixtest"
	"github.com/myelin-health/myelin/matrix/stateres"
	"maunium.net/go/mautrix/id"
)

// gomatrixserverlib has version 2 only (its 2.1 panics), and even that is right only in
// part: it sorts power events with Kahn's algorithm from the wrong end, so ties and
// independent power events come out of order, and where the specification says to use
// an event's own auth events it uses the event itself. So the two must agree where
// neither matters, and mostly elsewhere; TestAgainstTheSpecification covers the rest.
func TestAgainstGomatrixserverlib(t *testing.T) {
	const rounds = 15
	for _, c := range []struct {
		acts  string
		least int // rounds in which both must agree
	}{
		{"N", rounds}, {"NT", rounds}, {"J", rounds}, {"NTJ", rounds},
		{"NTM", 10}, {"P", 9}, {"B", 10}, {"NTMJPB", 10},
	} {
		for _, v := range []id.RoomVersion{"3", "6", "9", "11"} {
			same := 0
			var diff string
			for seed := range uint64(rounds) {
				r, states := twoBranches(v, c.acts, seed)
				got, err := stateres.Resolve(v, states, r.Fetch)
				if err != nil {
					t.Fatal(err)
				}
				if want := gmslResolve(t, r, states); maps.Equal(got, want) {
					same++
				} else {
					diff = difference(r, got, want)
				}
			}
			if same < c.least {
				t.Errorf("version %s, %s: %d of %d agree, such as not:\n%s", v, c.acts, same, rounds, diff)
			}
		}
	}
}

// twoBranches makes a room that forks once, and returns the states at both ends. The
// letters of acts say what happens there: names, topics, members who come and go,
// power levels, join rules, and bans.
func twoBranches(v id.RoomVersion, acts string, seed uint64) (*matrixtest.Room, []stateres.State) {
	rng := rand.New(rand.NewPCG(seed, 9))
	u := matrixtest.Users
	r := matrixtest.NewRoom(v, u[0], "{}")
	matrixtest.Must(r.SetState(u[0], "m.room.member", string(u[0]), matrixtest.Member("join")))
	matrixtest.Must(r.SetState(u[0], "m.room.power_levels", "", fmt.Sprintf(`{"users":{%q:100,%q:50,%q:50}}`, u[0], u[1], u[2])))
	matrixtest.Must(r.SetState(u[0], "m.room.join_rules", "", `{"join_rule":"public"}`))
	for _, x := range u[1:5] {
		matrixtest.Must(r.SetState(x, "m.room.member", string(x), matrixtest.Member("join")))
	}
	heads := []id.EventID{r.Last(), r.Last()}
	for i := range heads {
		for range 1 + rng.IntN(4) {
			r.Now = 1_700_000_000_000 + int64(rng.IntN(1000))
			sender := u[rng.IntN(3)]
			var eventType, stateKey, content string
			switch acts[rng.IntN(len(acts))] {
			case 'N':
				eventType, content = "m.room.name", fmt.Sprintf(`{"name":"%d"}`, rng.IntN(1000))
			case 'T':
				eventType, content = "m.room.topic", fmt.Sprintf(`{"topic":"%d"}`, rng.IntN(1000))
			case 'M':
				sender = u[3+rng.IntN(3)]
				eventType, stateKey = "m.room.member", string(sender)
				content = matrixtest.Member([]string{"join", "leave"}[rng.IntN(2)])
			case 'P':
				eventType = "m.room.power_levels"
				content = fmt.Sprintf(`{"users":{%q:100,%q:50,%q:%d,%q:%d}}`, u[0], u[1], u[2], rng.IntN(2)*50, u[3], rng.IntN(100))
			case 'J':
				eventType = "m.room.join_rules"
				content = fmt.Sprintf(`{"join_rule":%q}`, []string{"public", "invite", "knock"}[rng.IntN(3)])
			case 'B':
				eventType, stateKey = "m.room.member", string(u[rng.IntN(6)])
				content = matrixtest.Member([]string{"ban", "leave"}[rng.IntN(2)])
			}
			if eventID, err := r.SetState(sender, eventType, stateKey, content, heads[i]); err == nil {
				heads[i] = eventID
			}
		}
	}
	return r, []stateres.State{r.After[heads[0]], r.After[heads[1]]}
}

func gmslResolve(t *testing.T, r *matrixtest.Room, states []stateres.State) stateres.State {
	t.Helper()
	version := gomatrixserverlib.MustGetRoomVersion(gomatrixserverlib.RoomVersion(r.Version))
	all := make(map[id.EventID]gomatrixserverlib.PDU)
	var auths []gomatrixserverlib.PDU
	for eventID, raw := range r.JSON {
		p, err := version.NewEventFromTrustedJSON(raw, false)
		if err != nil {
			t.Fatal(err)
		}
		all[eventID] = p
		if p.StateKey() != nil {
			auths = append(auths, p)
		}
	}
	sets := make([][]gomatrixserverlib.PDU, len(states))
	for i, s := range states {
		for _, eventID := range s {
			sets[i] = append(sets[i], all[eventID])
		}
	}
	userOfSender := func(_ spec.RoomID, sender spec.SenderID) (*spec.UserID, error) {
		return spec.NewUserID(string(sender), true)
	}
	resolved, err := gomatrixserverlib.ResolveConflictsNew(gomatrixserverlib.RoomVersion(r.Version), sets, auths,
		userOfSender, func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	state := stateres.State{}
	for _, p := range resolved {
		state[stateres.StateKey{Type: p.Type(), StateKey: *p.StateKey()}] = id.EventID(p.EventID())
	}
	return state
}
