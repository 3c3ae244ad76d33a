package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/myelin-health/myelin/stream"
)

// crowd are people who wait in /sync and have nothing to do.
type crowd struct {
	answers atomic.Int64 // that came although they asked to wait long
	woken   chan time.Time
}

const idleMark = "wake up all"

// line is how one person asks, and waits for the answer.
type line interface {
	ask(path, token string) (status int, body []byte, err error)
	close()
}

// polls is a line of plain requests on one connection.
type polls struct{ *conn }

func (l polls) ask(path, token string) (int, []byte, error) {
	if cap(l.body) > 4096 {
		l.body = nil
	}
	return l.try(request("GET", path, token, nil))
}

// close ends the waiting; the goroutine that asks still has the connection.
func (l polls) close() { _ = l.c.Close() } // the server is stopped next

// frames is a line of requests over a stream.
type frames struct{ *stream.Conn }

func (l frames) ask(path, _ string) (int, []byte, error) {
	return l.Do(context.Background(), "GET", path, nil)
}

func (l frames) close() { _ = l.Close() } // the server is stopped next

// measureIdle lets people wait in long polls.
func (b *bench) measureIdle(ctx context.Context) error {
	return b.measureWaiting(ctx, "waiting sync", 25, func(*person) (line, error) {
		c, err := dial(b.server.address)
		if err != nil {
			return nil, err
		}
		c.wait = time.Hour
		return polls{c}, nil
	})
}

// measureStream lets people wait over streams.
func (b *bench) measureStream(ctx context.Context) error {
	return b.measureWaiting(ctx, "idle stream with a waiting sync", 12, func(p *person) (line, error) {
		c, err := stream.Dial(ctx, "http://"+b.server.address, p.token)
		return frames{c}, err
	})
}

// measureWaiting restarts the server, so that memory is not that of making accounts, and lets everybody wait:
// a thousand of them in one room, the rest in rooms of twenty.
func (b *bench) measureWaiting(ctx context.Context, what string, target float64, open func(*person) (line, error)) error {
	big := min(1000, b.waiting)
	people, err := b.people(ctx, b.waiting)
	if err != nil {
		return err
	}
	lists := [][]*person{people[:big]}
	for i := big; i < len(people); i += roomSize {
		lists = append(lists, people[i:min(i+roomSize, len(people))])
	}
	rooms, err := b.rooms(ctx, lists)
	if err != nil {
		return err
	}
	tokens := make([]string, len(people))
	err = b.parallel(ctx, len(people), setupWorkers, func(c *conn, i int) error {
		answer, err := c.call("GET", "/_matrix/client/v3/sync?set_presence=offline", people[i].token, nil)
		tokens[i] = field(answer, "next_batch")
		return err
	})
	if err != nil {
		return err
	}
	if err := b.server.stop(); err != nil {
		return err
	}
	if _, err := b.server.start(ctx); err != nil {
		return err
	}
	before, err := b.atRest(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var waiting sync.WaitGroup
	var lines []line
	defer func() {
		cancel()
		for _, l := range lines {
			l.close() // ends the waiting
		}
		waiting.Wait()
	}()
	cr := &crowd{woken: make(chan time.Time, len(people))}
	for i, p := range people {
		l, err := open(p)
		if err != nil {
			return err
		}
		lines = append(lines, l)
		waiting.Go(func() { cr.follow(ctx, l, p, tokens[i], i < big) })
	}
	if err := cr.quiet(ctx); err != nil {
		return err
	}
	after, err := b.atRest(ctx)
	if err != nil {
		return err
	}
	answers, used := cr.answers.Load(), b.cpu()
	wait(ctx, b.seconds)
	busy := b.cpu() - used
	since := len(b.figures)
	b.add(
		figure{Name: fmt.Sprintf("memory per %s, %d of them", what, len(people)), Value: float64(after-before) / 1024 / float64(len(people)), Target: target, Unit: "KiB",
			Note: fmt.Sprintf("resident: %d MiB without, %d MiB with them", before>>20, after>>20)},
		figure{Name: "CPU while they wait", Value: 100 * busy.Seconds() / b.seconds.Seconds(), Target: 2, Unit: "% of one",
			Note: fmt.Sprintf("%d answers in that time", cr.answers.Load()-answers)},
	)
	if err := b.keepHeap(ctx, since); err != nil {
		return err
	}
	return b.wakeAll(ctx, cr, rooms[0], big)
}

// keepHeap writes what memory is used for, if too much of it is.
func (b *bench) keepHeap(ctx context.Context, since int) error {
	if b.profiles == "" || !b.missedSince(since) {
		return nil
	}
	var heap bytes.Buffer
	if err := b.server.fetch(ctx, "/debug/pprof/heap", &heap); err != nil {
		return err
	}
	if err := os.MkdirAll(b.profiles, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.profiles, b.database+"-idle-heap.pprof"), heap.Bytes(), 0o644)
}

// rest is how long the server has nothing to do before its memory is read.
const rest = 25 * time.Second

// atRest is the server's memory after it had nothing to do for a while.
func (b *bench) atRest(ctx context.Context) (int64, error) {
	wait(ctx, rest)
	return b.server.resident()
}

// follow waits in /sync again and again.
func (cr *crowd) follow(ctx context.Context, l line, p *person, since string, listens bool) {
	for ctx.Err() == nil {
		status, body, err := l.ask("/_matrix/client/v3/sync?set_presence=offline&timeout=1800000&since="+escape(since), p.token)
		if err != nil || status != 200 {
			return
		}
		cr.answers.Add(1)
		if listens && bytes.Contains(body, []byte(idleMark)) {
			cr.woken <- time.Now()
		}
		since = field(body, "next_batch")
	}
}

// quiet waits until nobody was answered for a while.
func (cr *crowd) quiet(ctx context.Context) error {
	for begun := time.Now(); time.Since(begun) < time.Minute; {
		before := cr.answers.Load()
		wait(ctx, 3*time.Second)
		if cr.answers.Load() == before {
			return ctx.Err()
		}
	}
	return errors.New("people who have nothing to wait for are answered all the time")
}

// wakeAll sends one message to the room in which all wait, some times.
func (b *bench) wakeAll(ctx context.Context, cr *crowd, room *hall, members int) error {
	s, err := newSender(b.server.address, room, room.members[0])
	if err != nil {
		return err
	}
	defer s.c.close()
	var took []time.Duration
	for range 5 {
		begun := time.Now()
		if err := s.send([]byte(`{"msgtype":"m.text","body":"` + idleMark + `"}`)); err != nil {
			return err
		}
		var last time.Time
		for i := range members {
			select {
			case last = <-cr.woken:
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(10 * time.Second):
				return fmt.Errorf("%d of %d waiting members were not told of a message", members-i, members)
			}
		}
		took = append(took, last.Sub(begun))
		wait(ctx, time.Second)
	}
	slices.Sort(took)
	b.events += len(took)
	b.add(figure{Name: fmt.Sprintf("one message to %d waiting members", members), Value: ms(took[len(took)/2]), Target: 150, Unit: "ms",
		Note: fmt.Sprintf("until the last one has it; %.0f to %.0f ms", ms(took[0]), ms(took[len(took)-1]))})
	return nil
}
