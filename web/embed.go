// Package web carries the built web client (dist/, made by `make build` from the TypeScript beside this file) inside
// the binary and serves it: the page for every address of the app, immutable assets, and the headers that keep foreign
// code out. It knows nothing about Matrix and serves no API.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed all:dist
var built embed.FS

// Options of Handler.
type Options struct {
	// FrameAncestors are the origins that may show the app in a frame, such as "https://ehr.example.org".
	// Empty means nobody. An entry that is not a plain scheme and host is refused.
	FrameAncestors []string
}

// Types that differ between systems' MIME tables are fixed here: a wrong one stops wasm from streaming.
var contentTypes = map[string]string{
	".css":         "text/css; charset=utf-8",
	".html":        "text/html; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".json":        "application/json",
	".png":         "image/png",
	".svg":         "image/svg+xml",
	".wasm":        "application/wasm",
	".webmanifest": "application/manifest+json",
}

const notBuilt = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Myelin</title>
<h1>The web client is not built</h1>
<p>Run <code>make build</code> and start the server again. The server itself is running.</p>
</html>
`

type file struct {
	plain       []byte
	packed      []packed // best first
	contentType string
	tag         string // names the content, without quotes
}

// A packed is the compressed form of a file.
type packed struct {
	coding string
	body   []byte
}

// Codings that the build writes beside a file that is worth it (scripts/compress.mjs), smallest first.
var codings = []struct{ name, ext string }{{"br", ".br"}, {"gzip", ".gz"}}

type handler struct {
	files  map[string]file // by path without the leading slash
	page   file
	policy string
}

// Handler serves the web client. Paths without a file answer with the page, since the app's addresses exist only in the
// browser; paths under /assets/ and paths that name a missing file type answer 404. The caller keeps /_matrix, /_myelin
// and /.well-known to itself. The error says which option is wrong.
func Handler(o Options) (http.Handler, error) {
	dist, err := fs.Sub(built, "dist")
	if err != nil {
		return nil, fmt.Errorf("open embedded web client: %w", err)
	}
	return newHandler(dist, o)
}

func newHandler(dist fs.FS, o Options) (*handler, error) {
	policy, err := contentSecurityPolicy(o.FrameAncestors)
	if err != nil {
		return nil, err
	}
	h := &handler{files: map[string]file{}, policy: policy}
	err = fs.WalkDir(dist, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(path.Base(name), ".") || isPacked(name) {
			return err
		}
		plain, err := fs.ReadFile(dist, name)
		if err != nil {
			return fmt.Errorf("read embedded %s: %w", name, err)
		}
		h.files[name] = file{plain: plain, packed: packedForms(dist, name), contentType: contentType(name), tag: tagOf(plain)}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("walk embedded web client: %w", err)
	}
	page, ok := h.files["index.html"]
	if !ok {
		page = file{plain: []byte(notBuilt), contentType: contentTypes[".html"], tag: tagOf([]byte(notBuilt))}
	}
	h.page = page
	return h, nil
}

func isPacked(name string) bool {
	for _, c := range codings {
		if strings.HasSuffix(name, c.ext) {
			return true
		}
	}
	return false
}

func packedForms(dist fs.FS, name string) []packed {
	var forms []packed
	for _, c := range codings {
		if body, err := fs.ReadFile(dist, name+c.ext); err == nil {
			forms = append(forms, packed{c.name, body})
		}
	}
	return forms
}

func contentType(name string) string {
	ext := path.Ext(name)
	if t, ok := contentTypes[ext]; ok {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Security-Policy", h.policy)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Permissions-Policy", permissionsPolicy)
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		head.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	f, ok := h.files[name]
	switch {
	case ok && strings.HasPrefix(name, "assets/"):
		head.Set("Cache-Control", "public, max-age=31536000, immutable") // the name holds a hash of the content
	case ok:
		head.Set("Cache-Control", "no-cache")
	case strings.HasPrefix(name, "assets/") || contentTypes[path.Ext(name)] != "":
		http.NotFound(w, r)
		return
	default:
		f = h.page
		head.Set("Cache-Control", "no-cache")
	}
	h.serve(w, r, f)
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request, f file) {
	head := w.Header()
	head.Set("Content-Type", f.contentType)
	body, tag := f.plain, f.tag
	if len(f.packed) > 0 {
		head.Set("Vary", "Accept-Encoding")
	}
	for _, p := range f.packed {
		if accepts(r.Header.Get("Accept-Encoding"), p.coding) {
			head.Set("Content-Encoding", p.coding)
			body, tag = p.body, f.tag+"-"+p.coding
			break
		}
	}
	head.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func tagOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:12])
}

// accepts reads an Accept-Encoding header (RFC 9110, 12.5.3).
func accepts(header, coding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), coding) {
			q := strings.ReplaceAll(weight, " ", "")
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}
