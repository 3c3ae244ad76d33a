package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// person is an account with a token.
type person struct {
	id    string
	token string
}

// hall is a room with its members; the first one made it.
type hall struct {
	id      string
	members []*person
}

// parallel calls f for 0..n-1 from some workers, each with a connection of its own, until one fails.
func (b *bench) parallel(ctx context.Context, n, workers int, f func(c *conn, i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range min(workers, n) {
		wg.Go(func() {
			c, err := dial(b.server.address)
			if err != nil {
				errs <- err
				cancel()
				return
			}
			defer c.close()
			for ctx.Err() == nil {
				i := int(next.Add(1) - 1)
				if i >= n {
					return
				}
				if err := f(c, i); err != nil {
					errs <- err
					cancel()
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return ctx.Err()
	}
}

const setupWorkers = 16

// call sends a JSON request that has to be answered with 200, and returns the answer.
func (c *conn) call(method, path, token string, body any) ([]byte, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	status, answer, err := c.do(request(method, path, token, text))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %d %.300s", method, path, status, answer)
	}
	return answer, nil
}

// people makes accounts.
func (b *bench) people(ctx context.Context, n int) ([]*person, error) {
	out := make([]*person, n)
	first := b.names
	b.names += n
	err := b.parallel(ctx, n, setupWorkers, func(c *conn, i int) error {
		answer, err := c.call("POST", "/_matrix/client/v3/register", "", map[string]any{
			"username": fmt.Sprintf("person%d", first+i), "password": "correct horse battery staple",
			"auth": map[string]string{"type": "m.login.dummy"},
		})
		if err != nil {
			return err
		}
		out[i] = &person{field(answer, "user_id"), field(answer, "access_token")}
		if out[i].id == "" || out[i].token == "" {
			return errors.New("no token in the answer to a registration")
		}
		return nil
	})
	return out, err
}

// rooms makes a room for each list of members.
func (b *bench) rooms(ctx context.Context, members [][]*person) ([]*hall, error) {
	out := make([]*hall, len(members))
	err := b.parallel(ctx, len(members), setupWorkers, func(c *conn, i int) error {
		answer, err := c.call("POST", "/_matrix/client/v3/createRoom", members[i][0].token,
			map[string]any{"preset": "public_chat", "name": fmt.Sprintf("Ward %d", i)})
		if err != nil {
			return err
		}
		out[i] = &hall{field(answer, "room_id"), members[i]}
		return nil
	})
	if err != nil {
		return nil, err
	}
	type join struct {
		room   *hall
		person *person
	}
	var joins []join
	for i := 1; ; i++ {
		before := len(joins)
		for _, h := range out {
			if i < len(h.members) {
				joins = append(joins, join{h, h.members[i]})
			}
		}
		if len(joins) == before {
			break
		}
	}
	b.events += 7*len(out) + len(joins)
	return out, b.parallel(ctx, len(joins), setupWorkers, func(c *conn, i int) error {
		_, err := c.call("POST", "/_matrix/client/v3/rooms/"+escape(joins[i].room.id)+"/join", joins[i].person.token, struct{}{})
		return err
	})
}

// halls makes n rooms of size members, out of as few people as fit, each in perPerson rooms.
func (b *bench) halls(ctx context.Context, n, size, perPerson int) ([]*hall, error) {
	people, err := b.people(ctx, max(size, n*size/perPerson))
	if err != nil {
		return nil, err
	}
	lists := make([][]*person, n)
	for i := range lists {
		for j := range size {
			lists[i] = append(lists[i], people[(i*size+j)%len(people)])
		}
	}
	return b.rooms(ctx, lists)
}

// profiled runs a load once more with a processor profile, if one of the figures from index on was missed
// and profiles are wanted.
func (b *bench) profiled(ctx context.Context, name string, since int, load func() error) error {
	if b.profiles == "" || !b.missedSince(since) {
		return nil
	}
	if err := os.MkdirAll(b.profiles, 0o755); err != nil {
		return err
	}
	path := filepath.Join(b.profiles, b.database+"-"+name+".pprof")
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	got := make(chan error, 1)
	go func() {
		got <- b.server.fetch(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(1, int(b.seconds/time.Second))), file)
	}()
	err = errors.Join(load(), <-got, file.Close())
	if err == nil {
		fmt.Fprintf(os.Stderr, "%s: profile of the missed figures in %s\n", b.database, path)
	}
	return err
}
