package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	senders  = 32
	roomSize = 20
)

// text is the content of the messages that are only counted; a usual length.
const text = `{"msgtype":"m.text","body":"Bed 12 is free from two o'clock, the relatives know. Please bring the chart along when you come."}`

// sender sends messages to one room over one connection, with as little work as possible.
type sender struct {
	c      *conn
	prefix []byte // of the request up to the transaction id
	token  string
	txn    int64
	buf    []byte
}

var txnSpace atomic.Int64 // keeps transaction ids of different senders apart

func newSender(address string, room *hall, p *person) (*sender, error) {
	c, err := dial(address)
	if err != nil {
		return nil, err
	}
	return &sender{c: c, token: p.token, txn: txnSpace.Add(1) << 32,
		prefix: []byte("PUT /_matrix/client/v3/rooms/" + escape(room.id) + "/send/m.room.message/")}, nil
}

// send sends one message and waits until it is accepted.
func (s *sender) send(content []byte) error {
	s.txn++
	s.buf = strconv.AppendInt(append(s.buf[:0], s.prefix...), s.txn, 10)
	s.buf = append(appendHeaders(s.buf, s.token, len(content)), content...)
	status, body, err := s.c.do(s.buf)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("a message was answered with %d %.200s", status, body)
	}
	return err
}

// closedLoop sends from some senders, each as soon as its last message was accepted, and returns how many
// were accepted in the given time, and the processor time for them. The first second is not counted.
func (b *bench) closedLoop(ctx context.Context, rooms []*hall, lasting time.Duration) (messages int, cpu time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var count atomic.Int64
	var stopped atomic.Bool
	failed := make(chan error, 1)
	go func() {
		failed <- b.parallel(ctx, senders, senders, func(_ *conn, i int) error {
			room := rooms[i%len(rooms)]
			s, err := newSender(b.server.address, room, room.members[i%len(room.members)])
			if err != nil {
				return err
			}
			defer s.c.close()
			for n := i; !stopped.Load(); n++ {
				if err := s.send([]byte(text)); err != nil {
					return err
				}
				count.Add(1)
				if len(rooms) > senders && n%64 == 0 {
					room = rooms[(n/64*7+i)%len(rooms)]
					s.prefix = []byte("PUT /_matrix/client/v3/rooms/" + escape(room.id) + "/send/m.room.message/")
					s.token = room.members[i%len(room.members)].token
				}
			}
			return nil
		})
	}()
	pause := func(d time.Duration) error {
		select {
		case err := <-failed:
			if err == nil {
				err = context.Canceled
			}
			return err
		case <-time.After(d):
			return nil
		}
	}
	if err := pause(time.Second); err != nil {
		return 0, 0, err
	}
	before, used := count.Load(), b.cpu()
	if err := pause(lasting); err != nil {
		return 0, 0, err
	}
	messages, cpu = int(count.Load()-before), b.cpu()-used
	stopped.Store(true)
	err = <-failed
	b.events += int(count.Load())
	return messages, cpu, err
}

func (b *bench) cpuTarget() float64 {
	if b.database == "postgres" {
		return 0.2
	}
	return 0.15
}

func (b *bench) measureSend(ctx context.Context) error {
	rooms, err := b.halls(ctx, 50, roomSize, 5)
	if err != nil {
		return err
	}
	return b.reportClosedLoop(ctx, "send", "rooms of 20", rooms, 6000)
}

func (b *bench) measureOneRoom(ctx context.Context) error {
	rooms, err := b.halls(ctx, 1, roomSize, 1)
	if err != nil {
		return err
	}
	return b.reportClosedLoop(ctx, "room", "one room", rooms, 3000)
}

func (b *bench) reportClosedLoop(ctx context.Context, name, where string, rooms []*hall, target float64) error {
	since := len(b.figures)
	n, cpu, err := b.closedLoop(ctx, rooms, b.seconds)
	if err != nil {
		return err
	}
	b.add(
		figure{Name: "CPU per accepted message, " + where, Value: perMessage(cpu, n), Target: b.cpuTarget(), Unit: "ms"},
		figure{Name: "accepted messages, 32 senders, " + where, Value: float64(n) / b.seconds.Seconds(), Target: target, AtLeast: true, Unit: "/s"},
	)
	return b.profiled(ctx, name, since, func() error {
		_, _, err := b.closedLoop(ctx, rooms, b.seconds)
		return err
	})
}
