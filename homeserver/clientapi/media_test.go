package clientapi

import (
	"bytes"
	"image"
	"image/png"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/myelin-health/myelin/homeserver/preview"
	"github.com/myelin-health/myelin/outgoing"
)

const (
	authedMedia = "/_matrix/client/v1/media"
	legacyMedia = "/_matrix/media/v3"
)

// put uploads a file and returns "/test/<media id>".
func (k *keyring) put(name, contentType string, data []byte) string {
	k.t.Helper()
	header := http.Header{}
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	resp, answer := k.send("POST", legacyMedia+"/upload?filename="+url.QueryEscape(name), "alice", header, data)
	uri := gjson.GetBytes(answer, "content_uri").Str
	if resp.StatusCode != 200 || !strings.HasPrefix(uri, "mxc://test/") {
		k.t.Fatalf("upload: %d %s", resp.StatusCode, answer)
	}
	return strings.TrimPrefix(uri, "mxc:/")
}

func TestMediaRoundTrip(t *testing.T) {
	k := newKeyring(t)
	data := bytes.Repeat([]byte("0123456789"), 20_000)
	place := k.put("Befund ü \"1\".txt", "Text/Plain; charset=utf-8", data)
	for _, path := range []string{authedMedia, legacyMedia, "/_matrix/media/r0", "/_matrix/media/v1"} {
		resp, got := k.send("GET", path+"/download"+place, "bob", nil, nil)
		if resp.StatusCode != 200 || !bytes.Equal(got, data) {
			t.Fatalf("%s: %d, %d bytes", path, resp.StatusCode, len(got))
		}
		h := resp.Header
		if h.Get("Content-Type") != "Text/Plain; charset=utf-8" || h.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.HasPrefix(h.Get("Content-Security-Policy"), "sandbox;") || h.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
			t.Errorf("headers are %v", h)
		}
		kind, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
		if err != nil || kind != "inline" || params["filename"] != `Befund ü "1".txt` {
			t.Errorf("disposition %q", h.Get("Content-Disposition"))
		}
	}

	resp, got := k.send("GET", authedMedia+"/download"+place, "bob", http.Header{"Range": {"bytes=65530-65545"}}, nil)
	if resp.StatusCode != 206 || string(got) != "0123456789012345" {
		t.Errorf("range: %d %q", resp.StatusCode, got)
	}
	etag := resp.Header.Get("ETag")
	if resp, _ := k.send("GET", authedMedia+"/download"+place, "bob", http.Header{"If-None-Match": {etag}}, nil); resp.StatusCode != 304 {
		t.Errorf("unchanged: %d", resp.StatusCode)
	}
	resp, got = k.send("HEAD", authedMedia+"/download"+place, "bob", nil, nil)
	if resp.StatusCode != 200 || resp.ContentLength != int64(len(data)) || len(got) != 0 {
		t.Errorf("head: %d, %d", resp.StatusCode, resp.ContentLength)
	}
	resp, _ = k.send("GET", authedMedia+"/download"+place+"/other%20name.txt", "bob", nil, nil)
	if _, params, _ := mime.ParseMediaType(resp.Header.Get("Content-Disposition")); params["filename"] != "other name.txt" {
		t.Errorf("disposition %q", resp.Header.Get("Content-Disposition"))
	}
}

// No content type that a browser could run as a page of this origin is shown.
func TestMediaIsServedSafely(t *testing.T) {
	k := newKeyring(t)
	for contentType, want := range map[string]string{
		"text/html": "attachment", "image/svg+xml": "attachment", "application/xhtml+xml": "attachment", "text/javascript": "attachment",
		"application/pdf": "attachment", "": "attachment", "nonsense": "attachment", "IMAGE/PNG": "inline", "image/png": "inline",
		"text/html; x=\"image/png\"": "attachment",
	} {
		place := k.put("", contentType, []byte("<script>alert(1)</script>"))
		resp, _ := k.send("GET", authedMedia+"/download"+place, "bob", nil, nil)
		if got := resp.Header.Get("Content-Disposition"); got != want {
			t.Errorf("%q: disposition %q", contentType, got)
		}
		served := contentType
		if contentType == "" || contentType == "nonsense" {
			served = "application/octet-stream"
		}
		if got := resp.Header.Get("Content-Type"); got != served {
			t.Errorf("%q is served as %q", contentType, got)
		}
	}
	for name, want := range map[string]string{
		"a\r\nSet-Cookie: x=y": "a\r\nSet-Cookie: x=y", `"; filename=evil`: `"; filename=evil`, "../../etc/passwd": "../../etc/passwd", "日本.pdf": "日本.pdf",
	} {
		place := k.put(name, "", []byte("x"))
		resp, _ := k.send("GET", authedMedia+"/download"+place, "bob", nil, nil)
		_, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition"))
		if err != nil || params["filename"] != want || resp.Header.Get("Set-Cookie") != "" {
			t.Errorf("%q: %q, %v", name, resp.Header.Get("Content-Disposition"), err)
		}
	}
}

func TestMediaRefusals(t *testing.T) {
	k := newKeyring(t)
	place := k.put("a", "text/plain", []byte("hello"))
	// The endpoints without authentication are frozen.
	for _, path := range []string{"/download" + place, "/download" + place + "/name", "/thumbnail" + place + "?width=1&height=1"} {
		k.json("", "GET", legacyMedia+path, nil, "404 M_NOT_FOUND")
		k.json("", "GET", authedMedia+path, nil, "401 M_MISSING_TOKEN")
		k.json("stranger", "GET", legacyMedia+path, nil, "401 M_UNKNOWN_TOKEN")
	}
	k.json("alice", "GET", authedMedia+"/download/test/unknown", nil, "404 M_NOT_FOUND")
	k.json("alice", "GET", authedMedia+"/download/test/..%2F..%2Fetc", nil, "404 M_NOT_FOUND")
	k.json("alice", "GET", authedMedia+"/download/away/unknown", nil, "502 M_CONNECTION_FAILED")
	k.json("alice", "GET", legacyMedia+"/download/away/unknown?allow_remote=false", nil, "404 M_NOT_FOUND")
	k.json("alice", "GET", authedMedia+"/download"+place+"?timeout_ms=x", nil, "400 M_INVALID_PARAM")
	k.json("", "POST", legacyMedia+"/upload", "x", "401 M_MISSING_TOKEN")
	k.json("alice", "POST", legacyMedia+"/upload", strings.Repeat("x", 1<<20+1), "413 M_TOO_LARGE")
	thumbnail := authedMedia + "/thumbnail" + place
	for query, want := range map[string]string{
		"?width=32&height=32":             "400 M_UNKNOWN", // not an image
		"?width=x&height=32":              "400 M_INVALID_PARAM",
		"?width=32&height=x":              "400 M_INVALID_PARAM",
		"":                                "400 M_INVALID_PARAM",
		"?width=32&height=-1":             "400 M_INVALID_PARAM",
		"?width=1&height=1&method=x":      "400 M_INVALID_PARAM",
		"?width=1&height=1&timeout_ms=x":  "400 M_INVALID_PARAM",
		"?width=99999999999&height=1&x=y": "400 M_UNKNOWN",
	} {
		k.json("alice", "GET", thumbnail+query, nil, want)
	}
	for _, base := range []string{authedMedia, legacyMedia} {
		if got := k.json("alice", "GET", base+"/config", nil, "200"); got.Get("m\\.upload\\.size").Int() != 1<<20 {
			t.Errorf("config: %s", got.Raw)
		}
		k.json("alice", "GET", base+"/preview_url?url=https://example.org", nil, "404 M_UNRECOGNIZED")
		k.json("", "GET", base+"/config", nil, "401 M_MISSING_TOKEN")
	}
}

func TestPreviewEndpoint(t *testing.T) {
	k := newKeyring(t)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<title>Ward 3</title>"))
	}))
	defer page.Close()
	k.api.Previews = preview.New(preview.Options{Web: outgoing.New(true), Media: k.api.Media})
	defer k.api.Previews.Close()
	for _, base := range []string{authedMedia, legacyMedia} {
		at := base + "/preview_url?url="
		if got := k.json("alice", "GET", at+url.QueryEscape(page.URL)+"&ts=1510610716656", nil, "200"); got.Get("og:title").Str != "Ward 3" {
			t.Errorf("preview: %s", got.Raw)
		}
		k.json("", "GET", at+url.QueryEscape(page.URL), nil, "401 M_MISSING_TOKEN")
		k.json("alice", "GET", at+url.QueryEscape(page.URL)+"&ts=x", nil, "400 M_INVALID_PARAM")
		k.json("alice", "GET", at, nil, "400 M_MISSING_PARAM")
		k.json("alice", "GET", at+"gopher://x", nil, "400 M_INVALID_PARAM")
	}
}

func TestThumbnailEndpoint(t *testing.T) {
	k := newKeyring(t)
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 400, 200))); err != nil {
		t.Fatal(err)
	}
	place := k.put("x.png", "image/png", picture.Bytes())
	for _, base := range []string{authedMedia, legacyMedia} {
		resp, got := k.send("GET", base+"/thumbnail"+place+"?width=32&height=32&method=crop", "bob", nil, nil)
		config, format, err := image.DecodeConfig(bytes.NewReader(got))
		if err != nil || config.Width != 32 || config.Height != 32 || resp.Header.Get("Content-Type") != "image/"+format {
			t.Errorf("%v: %+v %s, %v", err, config, format, resp.Header)
		}
		if d := resp.Header.Get("Content-Disposition"); !strings.HasPrefix(d, "inline; filename=thumbnail.") {
			t.Errorf("disposition %q", d)
		}
	}
}

func TestMediaLater(t *testing.T) {
	k := newKeyring(t)
	created := k.json("alice", "POST", "/_matrix/media/v1/create", nil, "200")
	place := strings.TrimPrefix(created.Get("content_uri").Str, "mxc:/")
	if !strings.HasPrefix(place, "/test/") || created.Get("unused_expires_at").Int() == 0 {
		t.Fatalf("created %s", created.Raw)
	}
	for _, base := range []string{authedMedia, legacyMedia} {
		k.json("bob", "GET", base+"/download"+place+"?timeout_ms=0", nil, "504 M_NOT_YET_UPLOADED")
		k.json("bob", "GET", base+"/thumbnail"+place+"?timeout_ms=1&width=1&height=1", nil, "504 M_NOT_YET_UPLOADED")
	}
	k.json("bob", "PUT", legacyMedia+"/upload"+place, "x", "403 M_FORBIDDEN")
	k.json("alice", "PUT", legacyMedia+"/upload/test/unknown", "x", "404 M_NOT_FOUND")
	resp, _ := k.send("PUT", legacyMedia+"/upload"+place+"?filename=late.png", "alice", http.Header{"Content-Type": {"image/png"}}, []byte("late"))
	if resp.StatusCode != 200 {
		t.Errorf("fill: %d", resp.StatusCode)
	}
	k.json("alice", "PUT", legacyMedia+"/upload"+place, nil, "409 M_CANNOT_OVERWRITE_MEDIA")
	resp, got := k.send("GET", authedMedia+"/download"+place, "bob", nil, nil)
	if string(got) != "late" || resp.Header.Get("Content-Type") != "image/png" || resp.Header.Get("Content-Disposition") != "inline; filename=late.png" {
		t.Errorf("%q %v", got, resp.Header)
	}
}

func FuzzContentDisposition(f *testing.F) {
	f.Add("a.png")
	f.Add("日本\r\n\".pdf")
	f.Fuzz(func(t *testing.T, name string) {
		value := contentDisposition("attachment", name)
		if strings.ContainsAny(value, "\r\n") {
			t.Errorf("%q breaks the header: %q", name, value)
		}
		kind, _, err := mime.ParseMediaType(value)
		if err != nil || kind != "attachment" {
			t.Errorf("%q: %q, %v", name, value, err)
		}
	})
}
