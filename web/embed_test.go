package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

const wantPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob:; " +
	"media-src 'self' blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; " +
	"frame-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func site(t *testing.T, o Options) *handler {
	t.Helper()
	h, err := newHandler(fstest.MapFS{
		".gitkeep":                {},
		"index.html":              {Data: []byte("<!doctype html><title>page</title>")},
		"favicon.svg":             {Data: []byte("<svg/>")},
		"sw.js":                   {Data: []byte("worker")},
		"assets/app-abc.js":       {Data: []byte("plain script")},
		"assets/app-abc.js.gz":    {Data: []byte("packed script")},
		"assets/app-abc.js.br":    {Data: []byte("smaller script")},
		"assets/crypto-abc.wasm":  {Data: []byte("wasm")},
		"assets/unknown-abc.zzzz": {Data: []byte("?")},
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(t *testing.T, h http.Handler, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestServe(t *testing.T) {
	h := site(t, Options{})
	for _, c := range []struct {
		path, encoding     string
		status             int
		contentType, cache string
		body               string
	}{
		{"/", "", 200, "text/html; charset=utf-8", "no-cache", "<!doctype html><title>page</title>"},
		{"/room/!abc%3Aexample.org", "", 200, "text/html; charset=utf-8", "no-cache", "<!doctype html><title>page</title>"},
		{"/../../etc/passwd", "", 200, "text/html; charset=utf-8", "no-cache", "<!doctype html><title>page</title>"},
		{"/favicon.svg", "", 200, "image/svg+xml", "no-cache", "<svg/>"},
		{"/sw.js", "", 200, "text/javascript; charset=utf-8", "no-cache", "worker"},
		{"/assets/app-abc.js", "", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", "plain script"},
		{"/assets/app-abc.js", "gzip, deflate, br", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", "smaller script"},
		{"/assets/app-abc.js", "gzip, br;q=0", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", "packed script"},
		{"/assets/app-abc.js.br", "", 404, "text/plain; charset=utf-8", "", "404 page not found\n"},
		{"/assets/app-abc.js", "gzip;q=0", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", "plain script"},
		{"/assets/crypto-abc.wasm", "gzip", 200, "application/wasm", "public, max-age=31536000, immutable", "wasm"},
		{"/assets/unknown-abc.zzzz", "", 200, "application/octet-stream", "public, max-age=31536000, immutable", "?"},
		{"/assets/app-old.js", "", 404, "text/plain; charset=utf-8", "", "404 page not found\n"},
		{"/missing.png", "", 404, "text/plain; charset=utf-8", "", "404 page not found\n"},
		{"/.gitkeep", "", 200, "text/html; charset=utf-8", "no-cache", "<!doctype html><title>page</title>"},
	} {
		r := get(t, h, "GET", c.path, "Accept-Encoding", c.encoding)
		if r.StatusCode != c.status || r.Header.Get("Content-Type") != c.contentType || r.Header.Get("Cache-Control") != c.cache {
			t.Errorf("%s: %d %q %q", c.path, r.StatusCode, r.Header.Get("Content-Type"), r.Header.Get("Cache-Control"))
		}
		if body := text(t, r); body != c.body {
			t.Errorf("%s: body %q", c.path, body)
		}
	}
}

func TestHeaders(t *testing.T) {
	h := site(t, Options{})
	for _, path := range []string{"/", "/assets/app-abc.js", "/assets/none.js"} {
		r := get(t, h, "GET", path)
		for name, want := range map[string]string{
			"Content-Security-Policy":    wantPolicy,
			"X-Content-Type-Options":     "nosniff",
			"Referrer-Policy":            "no-referrer",
			"Permissions-Policy":         permissionsPolicy,
			"Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestETag(t *testing.T) {
	h := site(t, Options{})
	plain := get(t, h, "GET", "/assets/app-abc.js").Header.Get("ETag")
	packed := get(t, h, "GET", "/assets/app-abc.js", "Accept-Encoding", "gzip").Header.Get("ETag")
	if plain == "" || plain == packed {
		t.Errorf("tags %q and %q: want two different ones", plain, packed)
	}
	if r := get(t, h, "GET", "/assets/app-abc.js", "If-None-Match", plain); r.StatusCode != http.StatusNotModified {
		t.Errorf("known tag: status %d", r.StatusCode)
	}
}

func TestMethods(t *testing.T) {
	h := site(t, Options{})
	if r := get(t, h, "POST", "/"); r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", r.StatusCode, r.Header.Get("Allow"))
	}
	if r := get(t, h, "HEAD", "/"); r.StatusCode != http.StatusOK || text(t, r) != "" {
		t.Errorf("HEAD: status %d or a body", r.StatusCode)
	}
}

func TestFrameAncestors(t *testing.T) {
	h := site(t, Options{FrameAncestors: []string{"https://ehr.example.org", "http://localhost:9000"}})
	policy := get(t, h, "GET", "/").Header.Get("Content-Security-Policy")
	if !strings.HasSuffix(policy, "; frame-ancestors https://ehr.example.org http://localhost:9000") {
		t.Errorf("policy ends %q", policy)
	}
	for _, bad := range []string{"", "*", "ehr.example.org", "https://*.example.org", "https://a.org/path", "https://a.org; script-src *", "javascript:x"} {
		if _, err := Handler(Options{FrameAncestors: []string{bad}}); err == nil {
			t.Errorf("frame ancestor %q was taken", bad)
		}
	}
}

func TestNotBuilt(t *testing.T) {
	h, err := newHandler(fstest.MapFS{".gitkeep": {}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := get(t, h, "GET", "/room/x")
	if body := text(t, r); r.StatusCode != 200 || !strings.Contains(body, "make build") {
		t.Errorf("status %d, body %q", r.StatusCode, body)
	}
}
