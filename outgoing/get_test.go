package outgoing

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAddress(t *testing.T) {
	for address, want := range map[string][2]bool{ // denied, allowed
		"http://example.org/a?b#c": {true, true}, "https://example.org:443": {true, true}, "HTTP://example.org:80": {true, true},
		"http://example.org:8008": {false, true}, "http://localhost:22": {false, true},
		"ftp://example.org": {}, "file:///etc/passwd": {}, "http:example.org": {}, "http://": {}, "//example.org": {}, "example.org": {}, "": {},
		"http://user@example.org": {}, "http://user:secret@example.org": {}, "http://exa mple.org": {}, "http://example.org:http": {}, "http://[::1": {},
	} {
		for i, private := range []bool{false, true} {
			u, err := New(private).Address(address)
			if (err == nil) != want[i] {
				t.Errorf("%q, private %v: %v", address, private, err)
			}
			if err == nil && u.Fragment != "" {
				t.Errorf("%q keeps its fragment", address)
			}
		}
	}
}

func TestGet(t *testing.T) {
	stuck := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Referer") != "" || r.Header.Get("Cookie") != "" {
			t.Error("the call says more than it has to")
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Set-Cookie", "a=b")
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte("0123456789"))
	})
	mux.HandleFunc("/to/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.Query().Get("at"))
		w.WriteHeader(http.StatusFound)
	})
	mux.Handle("/3", http.RedirectHandler("/2", http.StatusMovedPermanently))
	mux.Handle("/2", http.RedirectHandler("/1", http.StatusTemporaryRedirect))
	mux.Handle("/1", http.RedirectHandler("page#x", http.StatusFound))
	mux.Handle("/4", http.RedirectHandler("/3", http.StatusSeeOther))
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/stuck", func(http.ResponseWriter, *http.Request) { <-stuck })
	s := httptest.NewServer(mux)
	defer s.Close()
	defer close(stuck)
	c := New(true)
	get := func(ctx context.Context, path string, most int64) (*Answer, error) {
		u, err := c.Address(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		return c.Get(ctx, u, "*/*", most)
	}
	for path, most := range map[string]int64{"/page": 10, "/3": 100} {
		a, err := get(t.Context(), path, most)
		if err != nil || a.Status != http.StatusTeapot || a.Type != "text/plain" || string(a.Body) != "0123456789" || a.Cut || a.URL.String() != s.URL+"/page" {
			t.Errorf("%s: %+v %v", path, a, err)
		}
	}
	if a, err := get(t.Context(), "/page", 9); err != nil || string(a.Body) != "012345678" || !a.Cut {
		t.Errorf("a long page: %+v %v", a, err)
	}
	for _, path := range []string{"/4", "/loop", "/to/?at=file:///etc/passwd", "/to/?at=ftp://127.0.0.1/", "/to/?at=http://u:p@127.0.0.1/", "/to/?at=%3A"} {
		if a, err := get(t.Context(), path, 10); err == nil {
			t.Errorf("%s: %+v", path, a)
		}
	}
	ctx, done := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer done()
	if _, err := get(ctx, "/stuck", 10); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), s.URL) {
		t.Errorf("a page that never comes: %v", err)
	}
}

// What names and redirects lead to is refused where the connection is made.
func TestGetRefusesPrivate(t *testing.T) {
	c := New(false)
	for _, address := range []string{"http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://10.0.0.1/", "http://192.168.0.1/",
		"http://169.254.169.254/latest/meta-data", "http://[fe80::1]/", "http://[::ffff:127.0.0.1]/", "http://0.0.0.0/", "http://2130706433/"} {
		u, err := c.Address(address)
		if err != nil {
			continue
		}
		if _, err := c.Get(t.Context(), u, "*/*", 10); err == nil || strings.Contains(address, ".0.") && !errors.Is(err, ErrPrivate) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// A page of the internet sends on to the inside. The dialer stands for the internet's first hop only.
func TestGetRefusesRedirectToPrivate(t *testing.T) {
	called := false
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer inside.Close()
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
	}))
	defer outside.Close()
	c := New(false)
	transport := c.http.Transport.(*http.Transport)
	dial, first := transport.DialContext, New(true).http.Transport.(*http.Transport).DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "outside.example:80" {
			return first(ctx, network, outside.Listener.Addr().String())
		}
		return dial(ctx, network, address)
	}
	for to, want := range map[string]error{"http://127.0.0.1/": ErrPrivate, "http://localhost/": ErrPrivate, "http://169.254.169.254/": ErrPrivate, inside.URL: ErrAddress} {
		u, err := c.Address("http://outside.example/?to=" + to)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Get(t.Context(), u, "*/*", 10); !errors.Is(err, want) {
			t.Errorf("to %s: %v", to, err)
		}
	}
	if called {
		t.Error("a private address was called")
	}
}
