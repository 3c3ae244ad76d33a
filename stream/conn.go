// Package stream is a client of Myelin's WebSocket stream, which carries requests of the client-server API as
// frames; docs/stream.md has the protocol. Conn is one stream. Transport is an http.RoundTripper: it sends the
// requests of an ordinary Matrix client over a stream while there is one, and over HTTP when not.
package stream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

const (
	path       = "/_myelin/v1/stream"
	maxMessage = 256 << 10 // of a request; the server closes the stream on more
	maxAnswer  = 64 << 20
	helloTime  = 10 * time.Second
)

// ErrClosed is why a request has no answer when the stream ended before.
var ErrClosed = errors.New("the stream is closed")

// Conn is one stream. Its methods may be called from any goroutine.
type Conn struct {
	conn    net.Conn
	writing sync.Mutex

	mu    sync.Mutex
	last  uint64
	asked map[uint64]chan answer
	done  chan struct{}
	err   error
}

type answer struct {
	status int
	body   []byte
}

// Dial opens a stream to a server, named as https://chat.example.org.
func Dial(ctx context.Context, server, token string) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, helloTime)
	defer cancel()
	conn, early, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(strings.TrimSuffix(server, "/"), "http")+path)
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	r := bufio.NewReader(conn)
	if early != nil {
		r = early
	}
	c := &Conn{conn: conn, asked: make(map[uint64]chan answer), done: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends the reading
	if err = c.write(ws.OpText, []byte("hello "+token)); err == nil {
		var text []byte
		if text, err = c.next(r); err == nil && string(text) != "welcome" {
			err = errors.New("no welcome")
		}
	}
	if err != nil || !stop() {
		return nil, errors.Join(fmt.Errorf("open stream: %w", errors.Join(err, ctx.Err())), conn.Close())
	}
	go c.read(r)
	return c, nil
}

// Token tells the server the device's new access token.
func (c *Conn) Token(token string) error { return c.write(ws.OpText, []byte("hello "+token)) }

// Do sends one request, path with its query, and returns the answer. When ctx ends the server is told that
// nobody wants the answer.
func (c *Conn) Do(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	got := make(chan answer, 1)
	c.mu.Lock()
	c.last++
	id := c.last
	c.asked[id] = got
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.asked, id)
		c.mu.Unlock()
	}()
	if err := c.write(ws.OpText, append(fmt.Appendf(nil, "%d %s %s\n", id, method, path), body...)); err != nil {
		return 0, nil, errors.Join(ErrClosed, err)
	}
	select {
	case a := <-got:
		return a.status, a.body, nil
	case <-c.done:
		return 0, nil, errors.Join(ErrClosed, c.err)
	case <-ctx.Done():
		return 0, nil, errors.Join(ctx.Err(), c.write(ws.OpText, fmt.Appendf(nil, "%d cancel", id)))
	}
}

// Done is closed when the stream has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Close ends the stream.
func (c *Conn) Close() error {
	return errors.Join(c.write(ws.OpClose, ws.NewCloseFrameBody(ws.StatusNormalClosure, "")), c.conn.Close())
}

func (c *Conn) write(op ws.OpCode, body []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.conn.SetWriteDeadline(time.Now().Add(helloTime)); err != nil {
		return err
	}
	return ws.WriteFrame(c.conn, ws.MaskFrameInPlace(ws.NewFrame(op, true, bytes.Clone(body))))
}

// read hands answers to those who asked, until the stream ends.
func (c *Conn) read(r *bufio.Reader) {
	for {
		text, err := c.next(r)
		if err != nil {
			c.err = err
			close(c.done)
			_ = c.conn.Close() // it is of no more use
			return
		}
		head, body, _ := bytes.Cut(text, []byte{'\n'})
		number, code, _ := strings.Cut(string(head), " ")
		id, err := strconv.ParseUint(number, 10, 64)
		status, err2 := strconv.Atoi(code)
		if err != nil || err2 != nil {
			continue // a welcome, or something of a later version
		}
		c.mu.Lock()
		got := c.asked[id]
		delete(c.asked, id)
		c.mu.Unlock()
		if got != nil {
			got <- answer{status, body}
		}
	}
}

// next reads a message. The server sends each in one frame.
func (c *Conn) next(r *bufio.Reader) ([]byte, error) {
	for {
		h, err := ws.ReadHeader(r)
		if err != nil {
			return nil, err
		}
		if h.Length > maxAnswer {
			return nil, fmt.Errorf("a message of %d bytes", h.Length)
		}
		body := make([]byte, h.Length)
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, err
		}
		switch h.OpCode {
		case ws.OpText:
			return body, nil
		case ws.OpPing:
			if err := c.write(ws.OpPong, body); err != nil {
				return nil, err
			}
		case ws.OpClose:
			code, reason := ws.ParseCloseFrameData(body)
			return nil, Closed{int(code), reason}
		}
	}
}

// Closed is how the server ended a stream; 4401 means that the token is no good any more.
type Closed struct {
	Code   int
	Reason string
}

func (c Closed) Error() string {
	return fmt.Sprintf("the server closed the stream: %d %s", c.Code, c.Reason)
}
