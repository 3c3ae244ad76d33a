// Package outgoing is how the server calls others over HTTP: push gateways, application services, previewed
// pages. It calls no private addresses unless the operator allows it, follows redirects only where it says so,
// reads no answer without an end, and does not wait for ever.
//
// It knows nothing of what is called.
package outgoing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// ErrPrivate is why an address was not called.
var ErrPrivate = errors.New("the address is private (configuration key private_addresses)")

// maxAnswer bounds the answers of PostJSON.
const maxAnswer = 1 << 20

// Client calls others. It may be used from any goroutine.
type Client struct {
	http    *http.Client
	private bool // private addresses are allowed
}

// New makes a client. private allows loopback, link-local and private addresses; names are resolved first,
// so that a public name of a private address is refused too.
func New(private bool) *Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	if !private {
		dialer.Control = refusePrivate
	}
	return &Client{private: private, http: &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 45 * time.Second,
			MaxIdleConns: 100, MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// PostJSON posts a JSON body and returns the status and the body of the answer. The error is of a call that
// was not answered, or whose answer is longer than a megabyte.
func (c *Client) PostJSON(ctx context.Context, url string, body []byte) (status int, answer []byte, err error) {
	return c.Do(ctx, http.MethodPost, url, "", body)
}

// Do is PostJSON for any method, without a body when that is nil, and with a token unless that is empty.
func (c *Client) Do(ctx context.Context, method, url, token string, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("make a call: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, fmt.Errorf("read an answer: %w", err)
	}
	if len(answer) > maxAnswer {
		return 0, nil, errors.New("the answer is too long")
	}
	return resp.StatusCode, answer, nil
}

// refusePrivate is called with the address that a connection is about to be made to.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("call %s: %w", address, err)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("call %s: %w", address, err)
	}
	if !Public(ip) {
		return ErrPrivate
	}
	return nil
}

// reserved are networks that are not on the internet and that netip has no method for.
var reserved = func() []netip.Prefix {
	var out []netip.Prefix
	for _, p := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16",
	} {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}()

// Public reports whether an address is one of the internet's (IANA special-purpose address registries).
func Public(ip netip.Addr) bool {
	ip = ip.Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}
