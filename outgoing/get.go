package outgoing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// ErrAddress is why Get does not call an address: it is none of the web's, or not one to be called here.
var ErrAddress = errors.New("the address cannot be called")

// redirects are how many Get follows.
const redirects = 3

// Answer is what Get was answered.
type Answer struct {
	Status int
	Type   string   // as the Content-Type header has it
	URL    *url.URL // that answered, after redirects
	Body   []byte
	Cut    bool // the body was longer
}

// Address parses an address that Get may call: http or https, without a name or password, at the port of its
// scheme unless private addresses are allowed.
func (c *Client) Address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Hostname() == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, ErrAddress
	}
	if port := u.Port(); !c.private && port != "" && port != "80" && port != "443" {
		return nil, ErrAddress
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// Get reads at most the given number of bytes of a page. It follows three redirects at most, each checked like
// the first address, and sends nothing that says who asks. Its errors do not contain the address.
func (c *Client) Get(ctx context.Context, address *url.URL, accept string, most int64) (*Answer, error) {
	for range redirects + 1 {
		answer, next, err := c.getOne(ctx, address, accept, most)
		if err != nil || next == "" {
			return answer, err
		}
		to, err := address.Parse(next)
		if err != nil {
			return nil, ErrAddress
		}
		if address, err = c.Address(to.String()); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("too many redirects")
}

// getOne makes one call; next is where it was sent on to.
func (c *Client) getOne(ctx context.Context, address *url.URL, accept string, most int64) (answer *Answer, next string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, "", ErrAddress
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "Myelin (link preview bot)")
	resp, err := c.http.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the address
		}
		return nil, "", fmt.Errorf("get a page: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if next := resp.Header.Get("Location"); next != "" {
			return nil, next, nil
		}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return nil, "", fmt.Errorf("read a page: %w", err)
	}
	answer = &Answer{Status: resp.StatusCode, Type: resp.Header.Get("Content-Type"), URL: address, Body: body}
	if int64(len(body)) > most {
		answer.Body, answer.Cut = body[:most], true
	}
	return answer, "", nil
}
