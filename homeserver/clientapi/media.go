package clientapi

import (
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/media"
	"github.com/myelin-health/myelin/rest"
)

// mediaRoutes serves the "Content repository" module. The endpoints below /_matrix/media that read files
// are frozen: without an access token they know no file; with one they do what the newer ones do.
func (a *API) mediaRoutes() []rest.Route {
	const authed, legacy = "/_matrix/client/v1/media", "/_matrix/media/v3"
	read := func(rule access.Rule, base, path string, handle rest.Handler) rest.Route {
		r := rest.Route{Method: http.MethodGet, Path: base + path, Access: rule, Long: true, Handle: handle}
		if base == legacy {
			r.Also = olderMedia(path)
		}
		return r
	}
	var routes []rest.Route
	for base, rule := range map[string]access.Rule{authed: access.UserOrGuest, legacy: access.UserOrNobody} {
		routes = append(routes,
			read(rule, base, "/download/{serverName}/{mediaId}", a.download),
			read(rule, base, "/download/{serverName}/{mediaId}/{fileName}", a.download),
			read(rule, base, "/thumbnail/{serverName}/{mediaId}", a.thumbnail),
			read(access.UserOrGuest, base, "/config", a.mediaConfig),
			rest.Route{Method: http.MethodGet, Path: base + "/preview_url", Access: access.User, Limit: rest.Previewing, Long: true, Handle: a.previewURL},
		)
	}
	return append(routes,
		rest.Route{Method: http.MethodPost, Path: legacy + "/upload", Also: olderMedia("/upload"), Access: access.Acting, Limit: rest.Uploading, MaxBody: -1, Long: true, Handle: a.upload},
		rest.Route{Method: http.MethodPut, Path: legacy + "/upload/{serverName}/{mediaId}", Access: access.Acting, Limit: rest.Uploading, MaxBody: -1, Long: true, Handle: a.fillMedia},
		rest.Route{Method: http.MethodPost, Path: "/_matrix/media/v1/create", Access: access.Acting, Limit: rest.Uploading, Handle: a.createMedia},
	)
}

// olderMedia are the paths of endpoints that exist since r0.
func olderMedia(path string) []string {
	return []string{"/_matrix/media/r0" + path, "/_matrix/media/v1" + path}
}

func person(r *rest.Request) media.Person {
	return media.Person{User: r.Who.User, Device: r.Who.Device}
}

func uploadMeta(r *rest.Request) media.Meta {
	return media.Meta{Name: r.Q("filename"), Type: r.Header.Get("Content-Type")}
}

// patience is how long an upload may go without a byte.
const patience = time.Minute

// body is the body of an upload, whose sender has to go on sending.
type body struct {
	r *rest.Request
	c *http.ResponseController
}

// Read implements io.Reader.
func (b body) Read(p []byte) (int, error) {
	// Not every connection can do this (tests); the size is bounded in any case.
	_ = b.c.SetReadDeadline(time.Now().Add(patience))
	return b.r.Body.Read(p)
}

func streamed(r *rest.Request) body { return body{r, http.NewResponseController(r.W)} }

// done lets the connection rest again after the body was read.
func (b body) done() { _ = b.c.SetReadDeadline(time.Time{}) }

func (a *API) upload(r *rest.Request) (any, error) {
	in := streamed(r)
	defer in.done()
	uri, err := a.Media.Upload(r.Context(), person(r), uploadMeta(r), in, r.ContentLength)
	if err != nil {
		return nil, err
	}
	return map[string]string{"content_uri": uri.String()}, nil
}

func (a *API) createMedia(r *rest.Request) (any, error) {
	uri, until, err := a.Media.Create(r.Context(), r.Who.User)
	if err != nil {
		return nil, err
	}
	return map[string]any{"content_uri": uri.String(), "unused_expires_at": until.UnixMilli()}, nil
}

func (a *API) fillMedia(r *rest.Request) (any, error) {
	in := streamed(r)
	defer in.done()
	return nil, a.Media.Fill(r.Context(), person(r), r.Param("serverName"), r.Param("mediaId"), uploadMeta(r), in, r.ContentLength)
}

func (a *API) mediaConfig(*rest.Request) (any, error) {
	return map[string]int64{"m.upload.size": a.Media.MaxBytes}, nil
}

func (a *API) previewURL(r *rest.Request) (any, error) {
	if a.Previews == nil {
		return nil, fault.New(fault.Unrecognized, "URL previews are switched off.")
	}
	// Which time is preferred (ts) makes no difference: no former versions are kept.
	if _, err := r.QInt("ts", 0); err != nil {
		return nil, err
	}
	link := r.Q("url")
	if link == "" {
		return nil, fault.New(fault.MissingParam, "url is missing.")
	}
	return a.Previews.Of(r.Context(), person(r), link)
}

// mediaWait reads timeout_ms.
func mediaWait(r *rest.Request) (time.Duration, error) {
	ms, err := r.QInt("timeout_ms", 20_000)
	if err != nil {
		return 0, err
	}
	return time.Duration(min(max(ms, 0), media.MaxWait.Milliseconds())) * time.Millisecond, nil
}

// readable refuses callers of the frozen endpoints and files that are not asked for here.
func (a *API) readable(r *rest.Request) error {
	if r.Who.Nobody() || r.Param("serverName") != a.ServerName && r.Q("allow_remote") == "false" {
		return fault.New(fault.NotFound, "Unknown media ID.")
	}
	return nil
}

func (a *API) download(r *rest.Request) (any, error) {
	if err := a.readable(r); err != nil {
		return nil, err
	}
	wait, err := mediaWait(r)
	if err != nil {
		return nil, err
	}
	f, err := a.Media.Open(r.Context(), person(r), r.Param("serverName"), r.Param("mediaId"), wait)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if name := r.Param("fileName"); name != "" {
		f.Name = name
	}
	return serveFile(r, f), nil
}

func (a *API) thumbnail(r *rest.Request) (any, error) {
	if err := a.readable(r); err != nil {
		return nil, err
	}
	wait, err := mediaWait(r)
	if err != nil {
		return nil, err
	}
	width, err := r.QInt("width", 0)
	if err != nil {
		return nil, err
	}
	height, err := r.QInt("height", 0)
	if err != nil {
		return nil, err
	}
	method := r.Q("method")
	if method != "" && method != "crop" && method != "scale" {
		return nil, fault.New(fault.InvalidParam, "method must be crop or scale.")
	}
	wish := media.Wish{Width: int(min(width, 1<<20)), Height: int(min(height, 1<<20)), Crop: method == "crop"}
	f, err := a.Media.Thumbnail(r.Context(), person(r), r.Param("serverName"), r.Param("mediaId"), wish, wait)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return serveFile(r, f), nil
}

// inlineTypes are the content types that a browser may show ("Serving inline content"). Everything else is
// only ever saved.
var inlineTypes = map[string]bool{
	"text/css": true, "text/plain": true, "text/csv": true, "application/json": true, "application/ld+json": true,
	"image/jpeg": true, "image/gif": true, "image/png": true, "image/apng": true, "image/webp": true, "image/avif": true,
	"video/mp4": true, "video/webm": true, "video/ogg": true, "video/quicktime": true,
	"audio/mp4": true, "audio/webm": true, "audio/aac": true, "audio/mpeg": true, "audio/ogg": true, "audio/wave": true,
	"audio/wav": true, "audio/x-wav": true, "audio/x-pn-wav": true, "audio/flac": true, "audio/x-flac": true,
}

// mediaPolicy keeps a file that a browser opens as a page from running or loading anything.
const mediaPolicy = "sandbox; default-src 'none'; script-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'; object-src 'self'"

// serveFile writes the file, or the parts of it that were asked for.
func serveFile(r *rest.Request, f *media.File) any {
	contentType, kind := "application/octet-stream", ""
	if parsed, _, err := mime.ParseMediaType(f.Type); err == nil && strings.Contains(parsed, "/") {
		contentType, kind = f.Type, parsed
	}
	disposition := "attachment"
	if inlineTypes[kind] {
		disposition = "inline"
	}
	h := r.W.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Disposition", contentDisposition(disposition, f.Name))
	h.Set("Content-Security-Policy", mediaPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	h.Set("ETag", f.ETag)
	http.ServeContent(r.W, r.Request, "", time.Time{}, f)
	return rest.Handled
}

// contentDisposition writes the header as RFC 6266 asks: names beyond ASCII in their encoded form.
func contentDisposition(disposition, name string) string {
	if name == "" {
		return disposition
	}
	if value := mime.FormatMediaType(disposition, map[string]string{"filename": name}); value != "" {
		return value
	}
	return disposition
}
