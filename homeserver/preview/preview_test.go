package preview

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/media"
	"github.com/myelin-health/myelin/outgoing"
	"github.com/myelin-health/myelin/seal"
)

var alice = media.Person{User: "@alice:test", Device: "PHONE"}

// web is a web server and the previews of its pages.
type web struct {
	*Previews
	t     *testing.T
	url   string
	mu    sync.Mutex
	now   time.Time
	pages *http.ServeMux
	calls atomic.Int32
}

func newWeb(t *testing.T, private bool) *web {
	t.Helper()
	d, dir := dbtest.SQLite(t), t.TempDir()
	keys, err := seal.Open(t.Context(), seal.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	log, err := audit.Open(t.Context(), audit.Options{DB: d, Keys: keys, Name: "test", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	w := &web{t: t, now: time.Unix(1_700_000_000, 0), pages: http.NewServeMux()}
	clock := func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }
	files, err := media.New(media.Options{DB: d, Seal: keys, Audit: log, ServerName: "test", Dir: filepath.Join(dir, "media"), Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	w.Previews = New(Options{Web: outgoing.New(private), Media: files, Clock: clock})
	t.Cleanup(w.Close)
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.calls.Add(1)
		w.pages.ServeHTTP(rw, r)
	}))
	t.Cleanup(s.Close)
	w.url = s.URL
	return w
}

func (w *web) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *web) serve(path, contentType, body string) {
	w.pages.HandleFunc(path, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", contentType)
		_, _ = rw.Write([]byte(body))
	})
}

// of is the preview of a path, or the kind of its fault.
func (w *web) of(path string) (Preview, fault.Kind) {
	w.t.Helper()
	p, err := w.Of(w.t.Context(), alice, w.url+path)
	if err == nil {
		return p, ""
	}
	f, ok := fault.As(err)
	if !ok {
		w.t.Fatalf("%s: %v", path, err)
	}
	return nil, f.Kind
}

func picture(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 40, 20))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPreview(t *testing.T) {
	w, image := newWeb(t, true), picture(t)
	w.serve("/dir/page", "text/html", `<html><head><title>Old</title><meta property="og:title" content=" The  Rock
		&amp; more "><meta property="og:type" content="video.movie"><meta property="og:url" content="/canonical">
		<meta property=og:image content=a.png><meta name="Description" content="About">`)
	w.serve("/dir/a.png", "application/octet-stream", image)
	got, _ := w.of("/dir/page#part")
	mxc, _ := got["og:image"].(string)
	delete(got, "og:image")
	want := Preview{"og:title": "The Rock & more", "og:description": "About", "og:type": "video.movie", "og:url": w.url + "/canonical",
		"og:image:type": "image/png", "og:image:width": 40, "og:image:height": 20, "matrix:image:size": int64(len(image))}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	mediaID, ours := strings.CutPrefix(mxc, "mxc://test/")
	if !ours {
		t.Fatalf("picture at %q", mxc)
	}
	open := func() error {
		f, err := w.Media.Open(t.Context(), alice, "test", mediaID, 0)
		if err == nil {
			f.Close()
		}
		return err
	}
	if err := open(); err != nil {
		t.Error(err)
	}
	if again, _ := w.of("/dir/page"); len(again) != len(got) || w.calls.Load() != 2 {
		t.Errorf("asked again: %v after %d calls", again, w.calls.Load())
	}
	w.pass(fresh)
	if w.of("/dir/page"); w.calls.Load() != 4 {
		t.Errorf("%d calls after an hour", w.calls.Load())
	}
	w.pass(pictureOf - fresh + time.Millisecond)
	if err := errors.Join(w.Media.Sweep(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := open(); !fault.Is(err, fault.NotFound) {
		t.Errorf("a picture stays for ever: %v", err)
	}
}

func TestWhatIsNoPage(t *testing.T) {
	w := newWeb(t, true)
	w.serve("/image", "image/jpeg", picture(t)) // not what it says
	w.serve("/svg", "image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg"/>`)
	w.serve("/pdf", "application/pdf", "%PDF-1.7")
	w.serve("/untyped", "nonsense;;", "<title>x</title>")
	w.serve("/empty", "text/html", "")
	w.serve("/long", "text/html", "<title>long</title>"+strings.Repeat("<p>", maxPicture)+`<meta name=description content=late>`)
	w.serve("/picture/large", "image/png", picture(t)+strings.Repeat("x", maxPicture))
	w.serve("/large", "text/html", `<title>large</title><meta property=og:image content=/picture/large>`)
	w.serve("/gone", "text/html", `<title>gone</title><meta property=og:image content=/nowhere>`)
	w.serve("/odd", "text/html", `<title>odd</title><meta property=og:image content="javascript:alert(1)"><meta property=og:url content="data:x">`)
	for path, want := range map[string]string{"/svg": "map[]", "/pdf": "map[]", "/untyped": "map[]", "/empty": "map[]", "/picture/large": "map[]",
		"/long": "map[og:title:long]", "/large": "map[og:title:large]", "/gone": "map[og:title:gone]", "/odd": "map[og:title:odd]"} {
		if got, kind := w.of(path); fmt.Sprint(got) != want || kind != "" {
			t.Errorf("%s: %v %s", path, got, kind)
		}
	}
	if got, _ := w.of("/image"); got["og:image:type"] != "image/png" || got["og:image:width"] != 40 {
		t.Errorf("picture: %v", got)
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	w := newWeb(t, true)
	w.pages.HandleFunc("/loop", func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/loop", http.StatusFound) })
	w.pages.HandleFunc("/broken", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Length", "9")
		panic(http.ErrAbortHandler)
	})
	for range 2 {
		for _, path := range []string{"/missing", "/loop", "/broken"} {
			if got, kind := w.of(path); kind != fault.NotFound {
				t.Errorf("%s: %v %s", path, got, kind)
			}
		}
	}
	before := w.calls.Load()
	if before != 1+4+1 {
		t.Errorf("%d calls: what fails is called again at once", before)
	}
	w.pass(failed)
	if w.of("/missing"); w.calls.Load() != before+1 {
		t.Error("what failed is never called again")
	}
	for _, link := range []string{"", "ftp://example.org", "http://u:p@example.org", "http://example.org/" + strings.Repeat("a", maxLink)} {
		if _, err := w.Of(t.Context(), alice, link); !fault.Is(err, fault.InvalidParam) {
			t.Errorf("%.40s: %v", link, err)
		}
	}
}

func TestPrivateAddressesAreRefused(t *testing.T) {
	w := newWeb(t, false)
	w.serve("/", "text/html", "<title>inside</title>")
	if _, kind := w.of("/"); kind != fault.InvalidParam {
		t.Errorf("a port of its own: %s", kind)
	}
	for _, link := range []string{"http://127.0.0.1/", "http://localhost/", "http://10.0.0.1/", "http://169.254.169.254/", "http://[fe80::1]/"} {
		if _, err := w.Of(t.Context(), alice, link); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", link, err)
		}
	}
	if w.calls.Load() != 0 {
		t.Error("a private address was called")
	}
}

// Everybody who asks at once waits for one call; who leaves does not end it, and Close does.
func TestOneCallAtATime(t *testing.T) {
	w := newWeb(t, true)
	asked, answer := make(chan struct{}), make(chan struct{})
	w.pages.HandleFunc("/slow", func(rw http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-answer
		rw.Header().Set("Content-Type", "text/html")
		_, _ = rw.Write([]byte("<title>slow</title>"))
	})
	w.pages.HandleFunc("/stuck", func(_ http.ResponseWriter, r *http.Request) { asked <- struct{}{}; <-r.Context().Done() })
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { _, err := w.Of(ctx, alice, w.url+"/slow"); left <- err }()
	<-asked
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who leaves waits: %v", err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if p, err := w.Of(t.Context(), alice, w.url+"/slow"); err != nil || p["og:title"] != "slow" {
				t.Errorf("%v %v", p, err)
			}
		})
	}
	close(answer)
	all.Wait()
	if w.calls.Load() != 1 {
		t.Errorf("%d calls", w.calls.Load())
	}
	asked = make(chan struct{})
	go func() { _, err := w.Of(t.Context(), alice, w.url+"/stuck"); left <- err }()
	<-asked
	w.Close()
	if err := <-left; !fault.Is(err, fault.NotFound) {
		t.Errorf("after the end: %v", err)
	}
	<-w.slots // for the Close of the cleanup
	for range atOnce - 1 {
		<-w.slots
	}
}

func TestParse(t *testing.T) {
	at := &url.URL{Scheme: "https", Host: "example.org", Path: "/dir/page"}
	for _, c := range []struct{ body, contentType, want, picture string }{
		{"<title>caf\xe9</title>", "text/html; charset=iso-8859-1", "map[og:title:café]", ""},
		{`<meta charset=koi8-r><title>` + "\xf0\xf2\xe9\xf7\xe5\xf4" + `</title>`, "text/html", "map[og:title:ПРИВЕТ]", ""},
		{"\xff\xfe<\x00t\x00i\x00t\x00l\x00e\x00>\x00h\x00i\x00", "text/html", "map[og:title:hi]", ""},
		{"<title>\xff\xfe\x80 x</title>", "text/html; charset=utf-8", "map[og:title:\ufffd\ufffd\ufffd x]", ""},
		{"<title>x</title>", "text/html; charset=no-such-thing", "map[og:title:x]", ""},
		{"<title></title><svg><title>icon</title></svg>", "text/html", "map[og:title:icon]", ""},
		{"<title>a\u202eb\u0007c\n\td</title><title>second</title>", "text/html; charset=utf-8", "map[og:title:abc d]", ""},
		{`<script>"<meta property=og:title content=no>"</script><!-- <title>no</title> --><meta name=twitter:title content=yes>`, "text/html", "map[og:title:yes]", ""},
		{`<base href=/b/><meta property=og:image content=i.png><meta name=theme-color content=#fff>`, "text/html", "map[theme-color:#fff]", "https://example.org/b/i.png"},
		{`<meta property=og:image content=http://u:p@inside/>`, "text/html", "map[]", ""},
		{strings.Repeat("<div>", 100_000) + "<title>deep", "text/html", "map[og:title:deep]", ""},
		{"<title>" + strings.Repeat("é", 400), "text/html; charset=utf-8", "map[og:title:" + strings.Repeat("é", 300) + "…]", ""},
	} {
		got, picture := parse([]byte(c.body), c.contentType, at)
		if fmt.Sprint(got) != c.want || picture != c.picture {
			t.Errorf("%.60q: %v %q", c.body, got, picture)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`<base href=x><title>a</title><meta property="og:image" content="//b/c">`), "text/html; charset=utf-16")
	f.Add([]byte("\xef\xbb\xbf<meta charset=big5><title>\xa4\xa4"), "text/html")
	f.Add([]byte(`<title><svg><script><!--<meta name=og:title content="`), "")
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		got, picture := parse(body, contentType, &url.URL{Scheme: "https", Host: "example.org", Path: "/"})
		for name, value := range got {
			text, ok := value.(string)
			if !ok || text == "" || !utf8.ValidString(text) || len(text) > 3*maxLink || strings.ContainsAny(text, "\n\x00\u202e") {
				t.Errorf("%s is %q", name, value)
			}
		}
		if picture != "" && !strings.HasPrefix(picture, "http://") && !strings.HasPrefix(picture, "https://") {
			t.Errorf("picture at %q", picture)
		}
	})
}
