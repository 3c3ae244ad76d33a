package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// slideBody is what a phone asks for first: the newest rooms of its list and what stands beside them.
var slideBody = map[string]any{
	"lists": map[string]any{"all": map[string]any{
		"ranges": [][2]int{{0, 19}}, "timeline_limit": 1,
		"required_state": [][2]string{
			{"m.room.name", ""}, {"m.room.avatar", ""}, {"m.room.topic", ""}, {"m.room.encryption", ""}, {"m.room.canonical_alias", ""},
			{"m.room.create", ""}, {"m.room.join_rules", ""}, {"m.room.history_visibility", ""}, {"m.room.power_levels", ""}, {"m.room.tombstone", ""},
			{"m.room.member", "$LAZY"}, {"m.room.member", "$ME"},
		},
	}},
	"extensions": map[string]any{
		"to_device": map[string]any{"enabled": true}, "e2ee": map[string]any{"enabled": true}, "account_data": map[string]any{"enabled": true},
		"receipts": map[string]any{"enabled": true}, "typing": map[string]any{"enabled": true},
	},
}

// measureSlide begins connections of sliding sync on 20 of 50 rooms.
func (b *bench) measureSlide(ctx context.Context) error {
	const rooms, messages = 50, 5
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
	const path = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
	plain, err := c.call("POST", path, people[1].token, slideBody) // it fills the caches, too
	if err != nil {
		return err
	}
	whole := len(plain)
	body, err := json.Marshal(slideBody)
	if err != nil {
		return err
	}
	// Phones read gzip.
	req := bytes.Replace(request("POST", path, people[1].token, body), []byte("\r\n"), []byte("\r\nAccept-Encoding: gzip\r\n"), 1)
	begin := func() ([]byte, error) {
		status, answer, err := c.do(req)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("sliding sync answers %d", status)
		}
		return answer, err
	}
	took := make([]time.Duration, 0, 20)
	size := 0
	for range 20 {
		begun := time.Now()
		answer, err := begin()
		if err != nil {
			return err
		}
		took = append(took, time.Since(begun))
		size = len(answer)
	}
	slices.Sort(took)
	b.add(figure{Name: "first sliding-sync answer of 20 rooms", Value: ms(took[len(took)/2]), Target: 10, Unit: "ms",
		Note: fmt.Sprintf("%.1f to %.1f ms", ms(took[0]), ms(took[len(took)-1]))})
	b.add(figure{Name: "its size", Value: float64(size) / 1024, Target: 50, Unit: "KiB",
		Note: fmt.Sprintf("gzip; %.1f KiB before that", float64(whole)/1024)})
	return b.profiled(ctx, "slide", since, func() error {
		for end := time.Now().Add(b.seconds); time.Now().Before(end); {
			if _, err := begin(); err != nil {
				return err
			}
		}
		return nil
	})
}
