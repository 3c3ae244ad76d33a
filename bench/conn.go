package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"time"
)

// conn is one kept connection to the server that speaks as much HTTP/1.1 as is needed, at a fraction of the
// cost of net/http. It is used by one goroutine at a time.
type conn struct {
	address string
	from    net.IP        // own address; nil: any
	wait    time.Duration // for an answer; 0 is a minute
	c       net.Conn
	r       *bufio.Reader
	body    []byte // of the last answer; reused
}

func dial(address string) (*conn, error) {
	c := &conn{address: address}
	return c, c.connect()
}

func (c *conn) connect() error {
	d := net.Dialer{Timeout: 10 * time.Second}
	if c.from != nil {
		d.LocalAddr = &net.TCPAddr{IP: c.from}
	}
	n, err := d.Dial("tcp", c.address)
	if err != nil {
		return err
	}
	c.c = n
	if c.r == nil {
		c.r = bufio.NewReaderSize(n, 4096)
	} else {
		c.r.Reset(n)
	}
	return nil
}

func (c *conn) close() {
	if c.c != nil {
		_ = c.c.Close() // nothing is waiting to be written
		c.c = nil
	}
}

// request makes the bytes of a request.
func request(method, path, token string, body []byte) []byte {
	b := appendHead(nil, method, path, token, len(body))
	return append(b, body...)
}

func appendHead(b []byte, method, path, token string, length int) []byte {
	b = append(append(append(b, method...), ' '), path...)
	return appendHeaders(b, token, length)
}

// appendHeaders ends a request line and adds what follows it.
func appendHeaders(b []byte, token string, length int) []byte {
	b = append(b, " HTTP/1.1\r\nHost: bench.example\r\n"...)
	if token != "" {
		b = append(append(append(b, "Authorization: Bearer "...), token...), "\r\n"...)
	}
	if length > 0 {
		b = append(b, "Content-Type: application/json\r\nContent-Length: "...)
		b = append(strconv.AppendInt(b, int64(length), 10), "\r\n"...)
	} else {
		b = append(b, "Content-Length: 0\r\n"...)
	}
	return append(b, "\r\n"...)
}

// do sends a request and returns the answer, whose body is good until the next call. A connection that the
// server closed meanwhile is made anew once: requests are ones that may be repeated.
func (c *conn) do(req []byte) (status int, body []byte, err error) {
	if c.c == nil {
		if err := c.connect(); err != nil {
			return 0, nil, err
		}
	} else if status, body, err = c.try(req); err == nil {
		return status, body, nil
	} else {
		c.close()
		if err := c.connect(); err != nil {
			return 0, nil, err
		}
	}
	if status, body, err = c.try(req); err != nil {
		c.close()
	}
	return status, body, err
}

func (c *conn) try(req []byte) (status int, body []byte, err error) {
	wait := c.wait
	if wait == 0 {
		wait = time.Minute
	}
	if err := c.c.SetDeadline(time.Now().Add(wait)); err != nil {
		return 0, nil, err
	}
	if _, err := c.c.Write(req); err != nil {
		return 0, nil, err
	}
	return c.answer()
}

var (
	contentLength = []byte("content-length:")
	chunked       = []byte("transfer-encoding: chunked")
	closing       = []byte("connection: close")
)

func (c *conn) answer() (status int, body []byte, err error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, nil, errors.New("not an HTTP answer")
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, fmt.Errorf("not an HTTP answer: %w", err)
	}
	length, inChunks, last := 0, false, false
	for {
		if line, err = c.r.ReadSlice('\n'); err != nil {
			return 0, nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		switch {
		case hasPrefixFold(line, contentLength):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(contentLength):]))); err != nil || length < 0 {
				return 0, nil, errors.New("bad content length")
			}
		case hasPrefixFold(line, chunked):
			inChunks = true
		case hasPrefixFold(line, closing):
			last = true
		}
	}
	c.body = c.body[:0]
	if inChunks {
		err = c.readChunks()
	} else {
		err = c.read(length)
	}
	if last {
		c.close()
	}
	return status, c.body, err
}

func hasPrefixFold(line, prefix []byte) bool {
	return len(line) >= len(prefix) && bytes.EqualFold(line[:len(prefix)], prefix)
}

// read adds n bytes to the body.
func (c *conn) read(n int) error {
	at := len(c.body)
	if cap(c.body) < at+n {
		grown := make([]byte, at, max(at+n, 2*cap(c.body)))
		copy(grown, c.body)
		c.body = grown
	}
	c.body = c.body[:at+n]
	_, err := io.ReadFull(c.r, c.body[at:])
	return err
}

func (c *conn) readChunks() error {
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return fmt.Errorf("bad chunk: %w", err)
		}
		if err := c.read(int(n)); err != nil {
			return err
		}
		if _, err := c.r.Discard(2); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
	}
}

// field returns the value of the first string of that name in a JSON text, taken as it is: good for ids and
// tokens, which need no escaping.
func field(body []byte, name string) string {
	mark := `"` + name + `":"`
	i := bytes.Index(body, []byte(mark))
	if i < 0 {
		return ""
	}
	rest := body[i+len(mark):]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return ""
	}
	return string(rest[:end])
}

// escape makes an id part of a path.
func escape(id string) string { return url.PathEscape(id) }
