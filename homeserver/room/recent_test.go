package room

import (
	"math/rand/v2"
	"testing"
)

// Whatever the order in which events of several processes come in: what recent says is complete from a
// position on is complete, and nothing older is in it.
func TestRecentIsComplete(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		c := &recent{from: 1}
		var came []int64
		for pos := int64(1); pos <= 300; {
			n := 1 + random.IntN(50)
			batch := make([]int64, n)
			for i := range batch {
				batch[i] = pos
				pos++
			}
			random.Shuffle(n, func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
			for _, p := range batch {
				c.add(&Event{Pos: p})
				came = append(came, p)
			}
			held := map[int64]bool{}
			last := int64(0)
			for _, e := range c.events {
				if e.Pos < c.from || e.Pos <= last {
					t.Fatalf("seed %d: event %d after %d, complete from %d", seed, e.Pos, last, c.from)
				}
				last = e.Pos
				held[e.Pos] = true
			}
			for _, p := range came {
				if p >= c.from && !held[p] {
					t.Fatalf("seed %d: event %d is missing, complete from %d", seed, p, c.from)
				}
			}
		}
	}
}
