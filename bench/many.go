package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/myelin-health/myelin/stream"
)

const (
	manyRate  = 20 // messages a second
	talking   = 10 // rooms in which people talk at one time
	talk      = 5  // messages in each of them before others talk
	someTypes = 5  // one of so many recipients types an answer
	actors    = 32 // connections over which those with a long poll send
)

// measureMany lets very many people wait, half over streams and half in long polls, while a few messages a
// second arrive. Everybody who gets one sends a receipt, and some type.
func (b *bench) measureMany(ctx context.Context) error {
	halls, err := b.halls(ctx, b.connections/roomSize, roomSize, 1)
	if err != nil {
		return err
	}
	if err := b.server.stop(); err != nil { // memory is not that of making accounts
		return err
	}
	if _, err := b.server.start(ctx); err != nil {
		return err
	}
	since := len(b.figures)
	run := func() error {
		m, err := b.many(ctx, halls)
		if err == nil {
			b.addMany(m)
		}
		return err
	}
	if err := run(); err != nil {
		return err
	}
	return b.profiled(ctx, "many", since, run)
}

func (b *bench) addMany(m *many) {
	all := m.latencies()
	missing, doubled, disordered, gaps := m.faults()
	at := fmt.Sprintf(" to %d connections, half streams, half long polls", m.connections)
	b.add(
		figure{Name: "p50 send to delivery" + at, Value: ms(percentile(all, 0.5)), Unit: "ms"},
		figure{Name: "p99 send to delivery" + at, Value: ms(percentile(all, 0.99)), Target: 200, Unit: "ms",
			Note: fmt.Sprintf("%d messages/s in rooms of %d; %d receipts, %d times typing", manyRate, roomSize, m.receipts.Load(), m.typed.Load())},
		figure{Name: "missed, doubled or disordered" + at, Value: float64(missing + doubled + disordered + gaps), Zero: true, Unit: "deliveries",
			Note: fmt.Sprintf("%d missing, %d doubled, %d of another order, %d gaps of %d", missing, doubled, disordered, gaps, len(all))},
		figure{Name: "answers for each delivery" + at, Value: float64(m.answers.Load()) / float64(max(1, len(all))), Unit: "answers",
			Note: "with those that tell of receipts and typing, or of nothing after half a minute"},
		figure{Name: "CPU" + at, Value: 100 * m.cpu.Seconds() / m.took.Seconds(), Unit: "% of one"},
	)
}

// many is a load with very many recipients.
type many struct {
	delivery
	connections     int
	took            time.Duration
	answers         atomic.Int64
	receipts, typed atomic.Int64
	acts            chan func(*conn) error // of those who have no stream
	failed          chan error
	following       sync.WaitGroup
	cancel          context.CancelFunc
}

// fail ends the run with the first error.
func (m *many) fail(ctx context.Context, err error) {
	if ctx.Err() == nil {
		select {
		case m.failed <- err:
		default:
		}
		m.cancel()
	}
}

func (b *bench) many(ctx context.Context, rooms []*hall) (*many, error) {
	m := &many{delivery: delivery{rooms: rooms, recipients: make([][]*recipient, len(rooms)), sent: make([]atomic.Int64, len(rooms))},
		acts: make(chan func(*conn) error, 1024), failed: make(chan error, 1)}
	ctx, m.cancel = context.WithCancel(ctx)
	defer m.following.Wait()
	defer m.cancel()
	for range actors {
		m.following.Go(func() { m.act(ctx, b.server.address) })
	}
	var lines []line
	defer func() {
		m.cancel()
		for _, l := range lines {
			l.close() // ends the waiting
		}
	}()
	for i, room := range rooms {
		for _, p := range room.members {
			l, err := b.open(ctx, p, m.connections)
			if err != nil {
				return nil, err
			}
			lines = append(lines, l)
			m.connections++
			r := &recipient{person: p}
			m.recipients[i] = append(m.recipients[i], r)
			if err := m.ask(l, r, i, 0); err != nil {
				return nil, err
			}
			m.following.Go(func() { m.follow(ctx, l, r, i) })
		}
	}
	// What the arrival of so many people told the others is over before the clock starts.
	wait(ctx, 5*time.Second)
	used, begun, answers := b.cpu(), time.Now(), m.answers.Load()
	err := b.converse(ctx, m)
	m.cpu, m.took = b.cpu()-used, time.Since(begun)
	m.answers.Add(-answers)
	m.settle(ctx)
	select {
	case failed := <-m.failed:
		return nil, errors.Join(err, failed)
	default:
		return m, err
	}
}

// open opens the line of one person, every other one a stream, from one of many addresses.
func (b *bench) open(ctx context.Context, p *person, i int) (line, error) {
	if i%2 == 0 {
		c, err := stream.Dial(ctx, "http://"+b.server.address, p.token)
		return frames{c}, err
	}
	c := &conn{address: b.server.address, from: net.IPv4(127, 0, 0, byte(2+i/2%100))}
	return polls{c}, c.connect()
}

// follow waits in /sync again and again, and answers messages with a receipt and now and then with typing.
func (m *many) follow(ctx context.Context, l line, r *recipient, room int) {
	for ctx.Err() == nil {
		before := len(r.got)
		if err := m.ask(l, r, room, 30*time.Second); err != nil {
			m.fail(ctx, err)
			return
		}
		if len(r.got) == before {
			continue
		}
		base := "/_matrix/client/v3/rooms/" + escape(m.rooms[room].id)
		m.receipts.Add(1)
		m.do(ctx, l, "POST", base+"/receipt/m.read/"+escape(r.last), r.person.token, "{}")
		if (before+int(r.person.id[len("@person")]))%someTypes == 0 {
			m.typed.Add(1)
			m.do(ctx, l, "PUT", base+"/typing/"+escape(r.person.id), r.person.token, `{"typing":true,"timeout":2000}`)
		}
	}
}

// ask asks once for what is new, and notes it.
func (m *many) ask(l line, r *recipient, room int, timeout time.Duration) error {
	status, body, err := l.ask(r.path(timeout), r.person.token)
	if err != nil {
		return err
	}
	m.answers.Add(1)
	if err := r.note(status, body, room); err != nil {
		return err
	}
	if i := bytes.LastIndex(body, []byte(mark)); i >= 0 {
		r.last = field(body[i:], "event_id")
	}
	return nil
}

// do sends what a person does beside waiting: over the stream, or over a connection that is free.
func (m *many) do(ctx context.Context, l line, method, path, token, body string) {
	check := func(status int, answer []byte, err error) error {
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%s %s: %d %.200s", method, path, status, answer)
		}
		return err
	}
	if f, ok := l.(frames); ok {
		go func() {
			if err := check(f.Do(ctx, method, path, []byte(body))); err != nil {
				m.fail(ctx, err)
			}
		}()
		return
	}
	select {
	case m.acts <- func(c *conn) error { return check(c.do(request(method, path, token, []byte(body)))) }:
	case <-ctx.Done():
	}
}

func (m *many) act(ctx context.Context, address string) {
	c := &conn{address: address}
	defer c.close()
	for {
		select {
		case do := <-m.acts:
			if err := do(c); err != nil {
				m.fail(ctx, err)
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// converse sends messages at a steady rate: for a while in some rooms, then in the next ones.
func (b *bench) converse(ctx context.Context, m *many) error {
	start := time.Now()
	total := int(manyRate * b.seconds.Seconds())
	txn := strconv.FormatInt(txnSpace.Add(1), 10)
	b.events += total
	return b.parallel(ctx, setupWorkers, setupWorkers, func(c *conn, i int) error {
		var content []byte
		for n := i; n < total && ctx.Err() == nil; n += setupWorkers {
			due := start.Add(time.Duration(n) * time.Second / manyRate)
			wait(ctx, time.Until(due))
			room := (n/(talking*talk)*talking + n%talking) % len(m.rooms)
			members := m.rooms[room].members
			content = deliverable(content, room, int(m.sent[room].Add(1)), due)
			path := "/_matrix/client/v3/rooms/" + escape(m.rooms[room].id) + "/send/m.room.message/" + txn + "-" + strconv.Itoa(n)
			status, answer, err := c.do(request("PUT", path, members[n/talking%len(members)].token, content))
			if err != nil {
				return err
			}
			if status != http.StatusOK {
				return fmt.Errorf("a message was answered with %d %.200s", status, answer)
			}
			m.accepted.Add(1)
		}
		return nil
	})
}
