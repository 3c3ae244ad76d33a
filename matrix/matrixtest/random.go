package matrixtest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"maunium.net/go/mautrix/id"
)

// Users are who acts in random rooms: of three servers, so that signatures and
// federation rules matter. The first is the creator.
var Users = []id.UserID{
	"@ada:one.example", "@bob:one.example", "@cyd:two.example",
	"@dan:two.example", "@eve:three.example", "@fay:three.example",
}

// Random makes a room with about steps events after its beginning. Any user tries
// anything behind any of the recent events, alone or several, so the room has forks,
// merges, and conflicts of every kind. The same rng makes the same room.
func Random(v id.RoomVersion, rng *rand.Rand, steps int) *Room {
	create := "{}"
	if v.PrivilegedRoomCreators() && rng.IntN(3) == 0 {
		create = fmt.Sprintf(`{"additional_creators":[%q]}`, Users[1])
	}
	r := NewRoom(v, Users[0], create)
	Must(r.SetState(Users[0], "m.room.member", string(Users[0]), Member("join")))
	if rng.IntN(10) > 0 {
		Must(r.SetState(Users[0], "m.room.power_levels", "", powerLevels(v, rng)))
	}
	Must(r.SetState(Users[0], "m.room.join_rules", "", `{"join_rule":"public"}`))
	for _, user := range Users[1 : 2+rng.IntN(len(Users)-2)] {
		_, _ = r.SetState(user, "m.room.member", string(user), Member("join"))
	}
	for range steps {
		// Equal and decreasing times test the tie-breakers.
		r.Now = 1_700_000_000_000 + int64(rng.IntN(40)) + int64(len(r.Order)/4)
		eventType, stateKey, sender, content := randomAction(v, rng)
		prev := randomPrev(r, rng)
		if stateKey == nil {
			_, _ = r.Send(sender, eventType, content, prev...)
		} else {
			_, _ = r.SetState(sender, eventType, *stateKey, content, prev...)
		}
	}
	return r
}

func randomPrev(r *Room, rng *rand.Rand) []id.EventID {
	n := 1
	if rng.IntN(3) == 0 {
		n += 1 + rng.IntN(2)
	}
	var prev []id.EventID
	for range n {
		back := 1 + rng.IntN(min(8, len(r.Order)-1))
		eventID := r.Order[len(r.Order)-back]
		known := false
		for _, p := range prev {
			known = known || p == eventID
		}
		if !known {
			prev = append(prev, eventID)
		}
	}
	return prev
}

func randomAction(v id.RoomVersion, rng *rand.Rand) (eventType string, stateKey *string, sender id.UserID, content string) {
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	sender = Users[rng.IntN(len(Users))]
	if rng.IntN(3) == 0 {
		sender = Users[0]
	}
	target := string(Users[rng.IntN(len(Users))])
	empty := ""
	switch rng.IntN(12) {
	case 0:
		return "m.room.message", nil, sender, `{"body":"hello","msgtype":"m.text"}`
	case 1, 2, 3:
		self := string(sender)
		return "m.room.member", &self, sender, Member(pick("join", "join", "leave", "knock"))
	case 4, 5:
		return "m.room.member", &target, sender, Member(pick("invite", "leave", "ban", "ban"))
	case 6, 7:
		return "m.room.power_levels", &empty, sender, powerLevels(v, rng)
	case 8:
		rule := pick("public", "public", "invite", "knock", "restricted")
		return "m.room.join_rules", &empty, sender, fmt.Sprintf(`{"join_rule":%q}`, rule)
	case 9:
		return "m.room.name", &empty, sender, fmt.Sprintf(`{"name":"%d"}`, rng.IntN(100))
	case 10:
		return "m.room.history_visibility", &empty, sender, `{"history_visibility":"shared"}`
	default:
		return "m.room.topic", &empty, sender, fmt.Sprintf(`{"topic":"%d"}`, rng.IntN(100))
	}
}

func powerLevels(v id.RoomVersion, rng *rand.Rand) string {
	var users []string
	for i, user := range Users {
		level := []int{0, 0, 25, 50, 50, 100}[rng.IntN(6)]
		if i == 0 {
			level = 100
		}
		if v.PrivilegedRoomCreators() && i < 2 {
			continue
		}
		if level > 0 {
			users = append(users, fmt.Sprintf("%q:%d", user, level))
		}
	}
	return fmt.Sprintf(`{"users":{%s},"state_default":%d,"invite":%d,"events":{"m.room.topic":%d},"kick":50,"ban":50}`,
		strings.Join(users, ","), []int{0, 25, 50}[rng.IntN(3)], []int{0, 25, 50}[rng.IntN(3)], []int{0, 50}[rng.IntN(2)])
}
