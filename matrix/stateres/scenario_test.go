package stateres_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/matrix/matrixtest"
	"github.com/myelin-health/myelin/matrix/stateres"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

const (
	alice   id.UserID = "@alice:one.example"
	bob     id.UserID = "@bob:one.example"
	charlie id.UserID = "@charlie:two.example"
	evelyn  id.UserID = "@evelyn:two.example"
	zara    id.UserID = "@zara:two.example"
)

// node is one event of a scenario, and the names of those it follows.
type node struct {
	name     string
	sender   id.UserID
	kind     string // "power", "topic", "message", "ban bob", "join", "private"
	levels   map[id.UserID]int
	previous string
}

// start makes the room that the scenarios begin in.
func start(v id.RoomVersion) *matrixtest.Room {
	r := matrixtest.NewRoom(v, alice, "{}")
	matrixtest.Must(r.SetState(alice, "m.room.member", string(alice), matrixtest.Member("join")))
	matrixtest.Must(r.SetState(alice, "m.room.power_levels", "", levelsContent(v, nil)))
	matrixtest.Must(r.SetState(alice, "m.room.join_rules", "", `{"join_rule":"public"}`))
	for _, u := range []id.UserID{bob, charlie, zara} {
		matrixtest.Must(r.SetState(u, "m.room.member", string(u), matrixtest.Member("join")))
	}
	matrixtest.Must(r.Send(zara, "m.room.message", `{}`))
	return r
}

func levelsContent(v id.RoomVersion, levels map[id.UserID]int) string {
	parts := []string{}
	if !v.PrivilegedRoomCreators() {
		parts = append(parts, fmt.Sprintf("%q:100", alice))
	}
	for u, n := range levels {
		parts = append(parts, fmt.Sprintf("%q:%d", u, n))
	}
	return `{"users":{` + strings.Join(parts, ",") + `}}`
}

// The scenarios that Synapse tests its state resolution with, in every version.
func TestScenarios(t *testing.T) {
	bob50 := map[id.UserID]int{bob: 50}
	for name, c := range map[string]struct {
		nodes []node
		ends  string // what the state is resolved of
		want  string // what must be part of it, besides the beginning
	}{
		"ban against power levels": {[]node{
			{"PA", alice, "power", bob50, "START"},
			{"MA", alice, "join", nil, "PA"},
			{"MB", alice, "ban bob", nil, "MA"},
			{"PB", bob, "power", bob50, "PA"},
		}, "MB PB", "PA MA MB"},
		"evading join rules": {[]node{
			{"JR", alice, "private", nil, "START"},
			{"ME", evelyn, "join", nil, "START"},
		}, "JR ME", "JR"},
		"power levels off topic": {[]node{
			{"PA", alice, "power", bob50, "START"},
			{"PB", bob, "power", map[id.UserID]int{bob: 50, charlie: 50}, "PA"},
			{"PC", charlie, "power", map[id.UserID]int{bob: 50, charlie: 0}, "PB"},
		}, "PC PA", "PC"},
		"topic, basic": {[]node{
			{"T1", alice, "topic", nil, "START"},
			{"PA1", alice, "power", bob50, "T1"},
			{"T2", alice, "topic", nil, "PA1"},
			{"PA2", alice, "power", map[id.UserID]int{bob: 0}, "T2"},
			{"PB", bob, "power", bob50, "PA1"},
			{"T3", bob, "topic", nil, "PB"},
		}, "PA2 T3", "PA2 T2"},
		"topic, reset": {[]node{
			{"T1", alice, "topic", nil, "START"},
			{"PA", alice, "power", bob50, "T1"},
			{"T2", bob, "topic", nil, "PA"},
			{"MB", alice, "ban bob", nil, "T2"},
		}, "MB T1", "T1 MB PA"},
		"topic": {[]node{
			{"T1", alice, "topic", nil, "START"},
			{"PA1", alice, "power", bob50, "T1"},
			{"T2", alice, "topic", nil, "PA1"},
			{"PA2", alice, "power", map[id.UserID]int{bob: 0}, "T2"},
			{"PB", bob, "power", bob50, "PA1"},
			{"T3", bob, "topic", nil, "PB"},
			{"MZ1", zara, "message", nil, "T3 PA2"},
			{"T4", alice, "topic", nil, "MZ1"},
		}, "T4 T3", "T4 PA2"},
	} {
		for _, v := range event.Versions {
			t.Run(name+"/"+string(v), func(t *testing.T) {
				r := start(v)
				ids := map[string]id.EventID{"START": r.Last()}
				for _, n := range c.nodes {
					ids[n.name] = addNode(t, r, n, ids)
				}
				var states []stateres.State
				for _, end := range strings.Fields(c.ends) {
					states = append(states, r.After[ids[end]])
				}
				got, err := stateres.Resolve(v, states, r.Fetch)
				if err != nil {
					t.Fatal(err)
				}
				want := maps.Clone(r.After[ids["START"]])
				for _, name := range strings.Fields(c.want) {
					p := r.Events[ids[name]]
					want[stateres.StateKey{Type: p.Type, StateKey: *p.StateKey}] = ids[name]
				}
				if !maps.Equal(got, want) {
					t.Error(difference(r, got, want))
				}
			})
		}
	}
}

func addNode(t *testing.T, r *matrixtest.Room, n node, ids map[string]id.EventID) id.EventID {
	t.Helper()
	var previous []id.EventID
	for _, name := range strings.Fields(n.previous) {
		previous = append(previous, ids[name])
	}
	var eventID id.EventID
	var err error
	switch n.kind {
	case "power":
		eventID, err = r.SetState(n.sender, "m.room.power_levels", "", levelsContent(r.Version, n.levels), previous...)
	case "topic":
		eventID, err = r.SetState(n.sender, "m.room.topic", "", `{"topic":"`+n.name+`"}`, previous...)
	case "ban bob":
		eventID, err = r.SetState(n.sender, "m.room.member", string(bob), matrixtest.Member("ban"), previous...)
	case "join":
		eventID, err = r.SetState(n.sender, "m.room.member", string(n.sender), `{"displayname":"`+n.name+`","membership":"join"}`, previous...)
	case "private":
		eventID, err = r.SetState(n.sender, "m.room.join_rules", "", `{"join_rule":"invite"}`, previous...)
	default:
		eventID, err = r.Send(n.sender, "m.room.message", `{}`, previous...)
	}
	if err != nil {
		t.Fatalf("%s: %v", n.name, err)
	}
	return eventID
}

var memberBob = stateres.StateKey{Type: "m.room.member", StateKey: string(bob)}

// Somebody who joined when the room was open, before it was closed, and whose join one
// server forgot: version 2 checks the join by the join rules of today and loses the
// member, version 2.1 checks it by those of its time.
func TestForgottenJoin(t *testing.T) {
	for _, v := range event.Versions {
		r := start(v)
		matrixtest.Must(r.SetState(alice, "m.room.join_rules", "", `{"join_rule":"invite"}`))
		full := r.After[r.Last()]
		forgot := maps.Clone(full)
		delete(forgot, memberBob)
		got, err := stateres.Resolve(v, []stateres.State{full, forgot}, r.Fetch)
		if err != nil {
			t.Fatal(err)
		}
		want := full
		if v.StateResVersion() == id.StateResV2 {
			want = forgot
		}
		if !maps.Equal(got, want) {
			t.Errorf("version %s:\n%s", v, difference(r, got, want))
		}
	}
}

// An auth event that was rejected does not stand in for state that is missing.
func TestRejectedAuthEvents(t *testing.T) {
	for _, v := range event.Versions {
		for _, rejected := range []bool{false, true} {
			r := start(v)
			joined := r.After[r.Last()][memberBob]
			// What Bob did keeps his join in the auth chain of all states, so it is not itself
			// part of what is to be resolved.
			matrixtest.Must(r.SetState(alice, "m.room.power_levels", "", levelsContent(v, map[id.UserID]int{bob: 50})))
			matrixtest.Must(r.SetState(bob, "m.room.topic", "", `{}`))
			left := matrixtest.Must(r.SetState(bob, "m.room.member", string(bob), matrixtest.Member("leave")))
			full := r.After[left]
			forgot := maps.Clone(full)
			delete(forgot, memberBob)
			r.Events[joined].InternalMeta.Rejected = rejected
			got, err := stateres.Resolve(v, []stateres.State{full, forgot}, r.Fetch)
			if err != nil {
				t.Fatal(err)
			}
			if _, there := got[memberBob]; there == rejected {
				t.Errorf("version %s, rejected %v: %v", v, rejected, got[memberBob])
			}
		}
	}
}

func TestMissingEvents(t *testing.T) {
	for _, v := range event.Versions {
		r := start(v)
		base := r.Last()
		one := matrixtest.Must(r.SetState(alice, "m.room.topic", "", `{"topic":"1"}`, base))
		two := matrixtest.Must(r.SetState(alice, "m.room.topic", "", `{"topic":"2"}`, base))
		states := []stateres.State{r.After[one], r.After[two]}
		without := func(gone ...id.EventID) stateres.Fetch {
			return func(ids []id.EventID) (map[id.EventID]*pdu.PDU, error) {
				found, err := r.Fetch(ids)
				for _, eventID := range gone {
					delete(found, eventID)
				}
				return found, err
			}
		}
		want, err := stateres.Resolve(v, states, r.Fetch)
		if err != nil {
			t.Fatal(err)
		}
		levels := r.After[base][stateres.StateKey{Type: "m.room.power_levels"}]
		// Further down the chain events may be missing: here an old member event.
		got, err := stateres.Resolve(v, states, without(r.After[base][memberBob]))
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("version %s: %v\n%s", v, err, difference(r, got, want))
		}
		if _, err := stateres.Resolve(v, states, without(levels)); err != nil {
			t.Errorf("version %s: without power levels: %v", v, err)
		}
		if got, err := stateres.Resolve(v, states, without(r.Create())); err != nil || got[stateres.StateKey{Type: "m.room.topic"}] != "" {
			t.Errorf("version %s: without a create event: %v, %v", v, got, err)
		}
		var missing *stateres.MissingError
		_, err = stateres.Resolve(v, states, without(one))
		if !errors.As(err, &missing) || len(missing.IDs) != 1 || missing.IDs[0] != one || !strings.Contains(err.Error(), string(one)) {
			t.Errorf("version %s: without what is in dispute: %v", v, err)
		}
		// Every fetch may fail.
		for fail := range 4 {
			n, broken := 0, errors.New("no database")
			_, err := stateres.Resolve(v, states, func(ids []id.EventID) (map[id.EventID]*pdu.PDU, error) {
				if n++; n > fail {
					return nil, broken
				}
				return r.Fetch(ids)
			})
			if err != nil && !errors.Is(err, broken) || err == nil && n > fail {
				t.Errorf("version %s: fetch %d failed: %v", v, fail, err)
			}
		}
	}
}

func TestEdges(t *testing.T) {
	if _, err := stateres.Resolve("1", nil, nil); !errors.Is(err, event.ErrVersion) {
		t.Errorf("version 1: %v", err)
	}
	if got, err := stateres.Resolve("12", nil, noFetch(t)); err != nil || len(got) != 0 {
		t.Errorf("nothing: %v, %v", got, err)
	}
	one := stateres.State{{Type: "a"}: "$a"}
	got, err := stateres.Resolve("12", []stateres.State{one}, noFetch(t))
	if err != nil || !maps.Equal(got, one) {
		t.Errorf("one state: %v, %v", got, err)
	}
	got[stateres.StateKey{Type: "b"}] = "$b"
	if len(one) != 1 {
		t.Error("the result is the input")
	}
}

// Every event is asked for once at most, and in order.
func TestFetches(t *testing.T) {
	for _, v := range event.Versions {
		eachFork(v, 5, 60, 20, func(r *matrixtest.Room, states []stateres.State) {
			asked := map[id.EventID]bool{}
			_, err := stateres.Resolve(v, states, func(ids []id.EventID) (map[id.EventID]*pdu.PDU, error) {
				for i, eventID := range ids {
					if asked[eventID] || i > 0 && ids[i-1] >= eventID {
						t.Errorf("asked for %s again or out of order", eventID)
					}
					asked[eventID] = true
				}
				return r.Fetch(ids)
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A room of many members in which one topic is in dispute.
func BenchmarkResolve(b *testing.B) {
	for _, v := range []id.RoomVersion{"11", "12"} {
		r := start(v)
		for i := range 1000 {
			u := id.UserID(fmt.Sprintf("@member%d:one.example", i))
			matrixtest.Must(r.SetState(u, "m.room.member", string(u), matrixtest.Member("join")))
		}
		base := r.Last()
		one := matrixtest.Must(r.SetState(alice, "m.room.topic", "", `{"topic":"1"}`, base))
		two := matrixtest.Must(r.SetState(alice, "m.room.topic", "", `{"topic":"2"}`, base))
		gone := matrixtest.Must(r.SetState(alice, "m.room.power_levels", "", levelsContent(v, map[id.UserID]int{bob: 50}), two))
		for name, end := range map[string]id.EventID{"topic": two, "power levels": gone} {
			states := []stateres.State{r.After[one], r.After[end]}
			b.Run(string(v)+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := stateres.Resolve(v, states, r.Fetch); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
