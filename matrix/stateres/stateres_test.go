package stateres_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/matrix/matrixtest"
	"github.com/myelin-health/myelin/matrix/stateres"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// eachFork calls f with sets of states that meet in a random room.
func eachFork(v id.RoomVersion, seed uint64, steps, forks int, f func(r *matrixtest.Room, states []stateres.State)) {
	rng := rand.New(rand.NewPCG(seed, 7))
	r := matrixtest.Random(v, rng, steps)
	for range forks {
		states := make([]stateres.State, 2+rng.IntN(3))
		for i := range states {
			states[i] = r.After[r.Order[rng.IntN(len(r.Order))]]
		}
		f(r, states)
	}
}

func TestAgainstTheSpecification(t *testing.T) {
	conflicts := 0
	for _, v := range event.Versions {
		t.Run(string(v), func(t *testing.T) {
			for seed := range uint64(6) {
				eachFork(v, seed, 60, 20, func(r *matrixtest.Room, states []stateres.State) {
					got, err := stateres.Resolve(v, states, r.Fetch)
					if err != nil {
						t.Fatal(err)
					}
					o := oracle{r, map[id.EventID]map[id.EventID]bool{}}
					want := o.resolve(states)
					if !maps.Equal(got, want) {
						t.Fatalf("seed %d:\n%s", seed, difference(r, got, want))
					}
					if !maps.Equal(got, states[0]) {
						conflicts++
					}
				})
			}
		})
	}
	if conflicts < 300 {
		t.Errorf("only %d resolutions were of interest", conflicts)
	}
}

func difference(r *matrixtest.Room, got, want stateres.State) (s string) {
	for key, eventID := range got {
		if want[key] != eventID {
			s += fmt.Sprintf("%v: got %s, want %s\n", key, describe(r, eventID), describe(r, want[key]))
		}
	}
	for key, eventID := range want {
		if got[key] == "" {
			s += fmt.Sprintf("%v: got nothing, want %s\n", key, describe(r, eventID))
		}
	}
	return s
}

func describe(r *matrixtest.Room, eventID id.EventID) string {
	if eventID == "" {
		return "nothing"
	}
	p := r.Events[eventID]
	return fmt.Sprintf("%s %s by %s at %d", eventID[:6], p.Content, p.Sender, p.OriginServerTS)
}

func TestOrderOfStatesDoesNotMatter(t *testing.T) {
	for _, v := range event.Versions {
		for seed := range uint64(8) {
			eachFork(v, 1000+seed, 50, 10, func(r *matrixtest.Room, states []stateres.State) {
				want, err := stateres.Resolve(v, states, r.Fetch)
				if err != nil {
					t.Fatal(err)
				}
				rand.New(rand.NewPCG(seed, 1)).Shuffle(len(states), func(i, j int) { states[i], states[j] = states[j], states[i] })
				states = append(states, states[0]) // nor does saying it twice
				got, err := stateres.Resolve(v, states, r.Fetch)
				if err != nil || !maps.Equal(got, want) {
					t.Fatalf("version %s seed %d: %v\n%s", v, seed, err, difference(r, got, want))
				}
			})
		}
	}
}

func TestResultKeepsWhatIsAgreedAndIsConsistent(t *testing.T) {
	for _, v := range event.Versions {
		eachFork(v, 77, 80, 50, func(r *matrixtest.Room, states []stateres.State) {
			got, err := stateres.Resolve(v, states, r.Fetch)
			if err != nil {
				t.Fatal(err)
			}
			for key, eventID := range got {
				p := r.Events[eventID]
				if p.Type != key.Type || *p.StateKey != key.StateKey {
					t.Fatalf("%v holds %s", key, describe(r, eventID))
				}
			}
			for key, eventID := range states[0] {
				agreed := true
				for _, s := range states {
					agreed = agreed && s[key] == eventID
				}
				if agreed && got[key] != eventID {
					t.Fatalf("%v was agreed", key)
				}
			}
			again, err := stateres.Resolve(v, []stateres.State{got, got}, noFetch(t))
			if err != nil || !maps.Equal(again, got) {
				t.Fatalf("resolving the result with itself changed it: %v", err)
			}
		})
	}
}

func noFetch(t *testing.T) stateres.Fetch {
	return func(ids []id.EventID) (map[id.EventID]*pdu.PDU, error) {
		t.Errorf("fetched %v without a conflict", ids)
		return nil, nil
	}
}
