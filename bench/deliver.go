package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// syncPath is what the recipients ask for: enough timeline that no gap is their own fault.
var syncPath = "/_matrix/client/v3/sync?filter=" + url.QueryEscape(`{"room":{"timeline":{"limit":100}}}`)

// arrival is one message in a recipient's sync.
type arrival struct {
	number  int32 // of the message in its room
	latency time.Duration
}

// recipient follows one person's sync.
type recipient struct {
	person *person
	since  string
	last   string // message
	got    []arrival
	count  atomic.Int64
	gaps   int // answers that left something out
	syncs  int
}

// mark begins the body of a message that is to be delivered: room, number and time follow.
const mark = `"body":"delivery `

func deliverable(buf []byte, room, number int, due time.Time) []byte {
	buf = append(buf[:0], `{"msgtype":"m.text",`+mark...)
	buf = append(strconv.AppendInt(buf, int64(room), 10), ' ')
	buf = append(strconv.AppendInt(buf, int64(number), 10), ' ')
	buf = strconv.AppendInt(buf, due.UnixNano(), 10)
	return append(buf, ` and some more text as people write it"}`...)
}

// arrivals finds the marked messages of the room in an answer.
func arrivals(body []byte, room int, now time.Time, into []arrival) []arrival {
	for {
		i := bytes.Index(body, []byte(mark))
		if i < 0 {
			return into
		}
		body = body[i+len(mark):]
		f := bytes.SplitN(body[:min(len(body), 64)], []byte{' '}, 4)
		if len(f) < 4 {
			continue
		}
		in, errIn := strconv.Atoi(string(f[0]))
		number, errNumber := strconv.Atoi(string(f[1]))
		due, errDue := strconv.ParseInt(string(f[2]), 10, 64)
		if errIn == nil && errNumber == nil && errDue == nil && in == room {
			into = append(into, arrival{int32(number), now.Sub(time.Unix(0, due))})
		}
	}
}

// sync asks once from r.since on and notes what came.
func (r *recipient) sync(c *conn, room int, timeout time.Duration) error {
	status, body, err := c.do(request("GET", r.path(timeout), r.person.token, nil))
	if err != nil {
		return err
	}
	return r.note(status, body, room)
}

func (r *recipient) path(timeout time.Duration) string {
	if r.since == "" {
		return syncPath
	}
	return syncPath + "&since=" + url.QueryEscape(r.since) + "&timeout=" + strconv.FormatInt(timeout.Milliseconds(), 10)
}

// note notes what is in an answer.
func (r *recipient) note(status int, body []byte, room int) error {
	if status != http.StatusOK {
		return fmt.Errorf("sync was answered with %d %.200s", status, body)
	}
	now := time.Now()
	next := field(body, "next_batch")
	if next == "" {
		return errors.New("no next_batch in a sync")
	}
	if r.since != "" {
		r.syncs++
		before := len(r.got)
		r.got = arrivals(body, room, now, r.got)
		r.count.Add(int64(len(r.got) - before))
		if bytes.Contains(body, []byte(`"limited":true`)) {
			r.gaps++
		}
	}
	r.since = next
	return nil
}

// delivery is a load with recipients and what came of it.
type delivery struct {
	rooms      []*hall
	recipients [][]*recipient // by room
	sent       []atomic.Int64 // numbers given out, by room
	accepted   atomic.Int64
	cpu        time.Duration
}

// deliver lets every member of the rooms sync and sends messages at a steady rate. A message that is sent
// late, because the server is, counts from when it was due.
func (b *bench) deliver(ctx context.Context, rooms []*hall, rate int, lasting time.Duration) (*delivery, error) {
	d := &delivery{rooms: rooms, recipients: make([][]*recipient, len(rooms)), sent: make([]atomic.Int64, len(rooms))}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var syncing sync.WaitGroup
	failed := make(chan error, 1)
	fail := func(err error) {
		if ctx.Err() == nil {
			select {
			case failed <- err:
			default:
			}
			cancel()
		}
	}
	for i, room := range rooms {
		for _, p := range room.members {
			r := &recipient{person: p}
			d.recipients[i] = append(d.recipients[i], r)
			c, err := dial(b.server.address)
			if err != nil {
				return nil, err
			}
			if err := r.sync(c, i, 0); err != nil {
				return nil, err
			}
			syncing.Go(func() {
				defer c.close()
				for ctx.Err() == nil {
					if err := r.sync(c, i, 2*time.Second); err != nil {
						fail(err)
						return
					}
				}
			})
		}
	}
	// What the arrival of so many people told the others is over before the clock starts.
	wait(ctx, 2*time.Second)
	used := b.cpu()
	err := b.openLoop(ctx, d, rate, lasting)
	d.cpu = b.cpu() - used
	d.settle(ctx)
	cancel()
	syncing.Wait()
	select {
	case syncErr := <-failed:
		return d, errors.Join(err, syncErr)
	default:
		return d, err
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

const paced = 64 // senders of a steady rate

// openLoop sends message n at its time, whatever became of those before it.
func (b *bench) openLoop(ctx context.Context, d *delivery, rate int, lasting time.Duration) error {
	start := time.Now().Add(50 * time.Millisecond)
	total := int(float64(rate) * lasting.Seconds())
	b.events += total
	return b.parallel(ctx, paced, paced, func(_ *conn, i int) error {
		room := i % len(d.rooms)
		s, err := newSender(b.server.address, d.rooms[room], d.rooms[room].members[i/len(d.rooms)%len(d.rooms[room].members)])
		if err != nil {
			return err
		}
		defer s.c.close()
		var content []byte
		for n := i; n < total && ctx.Err() == nil; n += paced {
			due := start.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
			if early := time.Until(due); early > 0 {
				wait(ctx, early)
			}
			number := d.sent[room].Add(1)
			content = deliverable(content, room, int(number), due)
			if err := s.send(content); err != nil {
				return err
			}
			d.accepted.Add(1)
		}
		return nil
	})
}

// settle waits until everybody has everything, or nothing came for some seconds.
func (d *delivery) settle(ctx context.Context) {
	last, since := int64(-1), time.Now()
	for ctx.Err() == nil && time.Since(since) < 5*time.Second {
		var got, want int64
		for i, list := range d.recipients {
			for _, r := range list {
				got += r.count.Load()
				want += d.sent[i].Load()
			}
		}
		if got >= want {
			return
		}
		if got != last {
			last, since = got, time.Now()
		}
		wait(ctx, 20*time.Millisecond)
	}
}

// faults counts deliveries that are missing, doubled, or in another order than the first member of the room
// saw, and answers with gaps.
func (d *delivery) faults() (missing, doubled, disordered, gaps int) {
	for i, list := range d.recipients {
		var order []int32
		for _, r := range list {
			gaps += r.gaps
			seen := make([]bool, d.sent[i].Load()+1)
			var own []int32
			for _, a := range r.got {
				switch {
				case int(a.number) >= len(seen):
				case seen[a.number]:
					doubled++
				default:
					seen[a.number] = true
					own = append(own, a.number)
				}
			}
			missing += len(seen) - 1 - len(own)
			if order == nil {
				order = own
			} else if !slices.Equal(order, own) {
				disordered++
			}
		}
	}
	return missing, doubled, disordered, gaps
}

func (d *delivery) latencies() []time.Duration {
	var all []time.Duration
	for _, list := range d.recipients {
		for _, r := range list {
			for _, a := range r.got {
				all = append(all, a.latency)
			}
		}
	}
	slices.Sort(all)
	return all
}

func (b *bench) measureDeliver(ctx context.Context) error {
	rooms, err := b.halls(ctx, 10, roomSize, 1)
	if err != nil {
		return err
	}
	if _, err := b.deliver(ctx, rooms, 100, 2*time.Second); err != nil { // warms up
		return err
	}
	for _, rate := range []int{200, 1000} {
		since := len(b.figures)
		d, err := b.deliver(ctx, rooms, rate, b.seconds)
		if err != nil {
			return err
		}
		at := fmt.Sprintf(" at %d messages/s to 200 people", rate)
		all := d.latencies()
		missing, doubled, disordered, gaps := d.faults()
		p50, p99 := figure{Name: "p50 send to delivery" + at, Unit: "ms"}, figure{Name: "p99 send to delivery" + at, Unit: "ms"}
		cpu := figure{Name: "CPU per message with its 20 deliveries" + at, Unit: "ms"}
		p50.Value, p99.Value = ms(percentile(all, 0.5)), ms(percentile(all, 0.99))
		cpu.Value = perMessage(d.cpu, int(d.accepted.Load()))
		if rate == 200 {
			p50.Target, p99.Target, cpu.Target = 5, 20, 3
		} else {
			p99.Target = 200
		}
		b.add(p50, p99, cpu, figure{Name: "missed, doubled or disordered" + at, Value: float64(missing + doubled + disordered + gaps), Zero: true,
			Unit: "deliveries", Note: fmt.Sprintf("%d missing, %d doubled, %d of another order, %d gaps of %d", missing, doubled, disordered, gaps, len(all))})
		err = b.profiled(ctx, fmt.Sprintf("deliver-%d", rate), since, func() error {
			_, err := b.deliver(ctx, rooms, rate, b.seconds)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
