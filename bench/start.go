package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// measureStart stores events until there are enough, and starts the server again: after it was stopped, and
// after it was killed.
func (b *bench) measureStart(ctx context.Context) error {
	if b.events < b.fill {
		rooms, err := b.halls(ctx, 200, roomSize, 20)
		if err != nil {
			return err
		}
		for b.events < b.fill && ctx.Err() == nil {
			if _, _, err := b.closedLoop(ctx, rooms, 10*time.Second); err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "%s: %d of %d events\n", b.database, b.events, b.fill)
		}
	}
	for _, c := range []struct {
		name string
		end  func() error
	}{{"start to ready", b.server.stop}, {"start to ready after a crash", b.server.kill}} {
		var took []time.Duration
		for range 5 {
			if err := c.end(); err != nil {
				return err
			}
			t, err := b.server.start(ctx)
			if err != nil {
				return err
			}
			took = append(took, t)
		}
		slices.Sort(took)
		b.add(figure{Name: c.name, Value: took[len(took)/2].Seconds(), Target: 0.5, Unit: "s",
			Note: fmt.Sprintf("about %d events stored; %.2f to %.2f s", b.events, took[0].Seconds(), took[len(took)-1].Seconds())})
	}
	return nil
}
