package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// measureInitial asks for everything in 50 rooms with 30 messages each.
func (b *bench) measureInitial(ctx context.Context) error {
	const rooms, messages = 50, 30
	people, err := b.people(ctx, roomSize)
	if err != nil {
		return err
	}
	if err := b.fillRooms(ctx, people, rooms, messages); err != nil {
		return err
	}
	since := len(b.figures)
	c, err := dial(b.server.address)
	if err != nil {
		return err
	}
	defer c.close()
	path := "/_matrix/client/v3/sync?filter=" + url.QueryEscape(`{"room":{"timeline":{"limit":30}}}`)
	var took []time.Duration
	size := 0
	for i := range 21 {
		begun := time.Now()
		answer, err := c.call("GET", path, people[1].token, nil)
		if err != nil {
			return err
		}
		if i > 0 { // the first one fills the caches
			took = append(took, time.Since(begun))
		}
		size = len(answer)
	}
	slices.Sort(took)
	b.add(figure{Name: "initial sync of 50 rooms × 30 messages", Value: ms(took[len(took)/2]), Target: 20, Unit: "ms",
		Note: fmt.Sprintf("%d KiB; %.1f to %.1f ms", size>>10, ms(took[0]), ms(took[len(took)-1]))})
	return b.profiled(ctx, "initial", since, func() error {
		for end := time.Now().Add(b.seconds); time.Now().Before(end); {
			if _, err := c.call("GET", path, people[1].token, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// fillRooms makes rooms of the same people, each with messages of the first one.
func (b *bench) fillRooms(ctx context.Context, people []*person, rooms, messages int) error {
	lists := make([][]*person, rooms)
	for i := range lists {
		lists[i] = people
	}
	halls, err := b.rooms(ctx, lists)
	if err != nil {
		return err
	}
	err = b.parallel(ctx, rooms, setupWorkers, func(_ *conn, i int) error {
		s, err := newSender(b.server.address, halls[i], people[0])
		if err != nil {
			return err
		}
		defer s.c.close()
		for range messages {
			if err := s.send([]byte(text)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.events += rooms * messages
	return nil
}
