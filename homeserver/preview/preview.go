// Package preview describes the web pages that links point to: it reads a page once for everybody who asks,
// takes from it what OpenGraph and its head say, and lends its picture from the media store.
//
// What it knows is in memory, bounded and for an hour, and is written nowhere: who asked for which link is
// nobody's business. Which addresses may be called is decided by package outgoing. A page that cannot be
// read, whatever the reason, gives one and the same answer, so that nobody explores a network with it.
package preview

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // what previewed pictures may be
	_ "image/jpeg" // as above
	_ "image/png"  // as above
	"log/slog"
	"mime"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"
	_ "golang.org/x/image/webp" // as above
	"golang.org/x/sync/singleflight"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/media"
	"github.com/myelin-health/myelin/outgoing"
)

const (
	maxLink    = 4096             // bytes of a link
	maxPage    = 1 << 20          // bytes of a page that are looked at
	maxPicture = 4 << 20          // bytes of a picture
	patience   = 15 * time.Second // for a page and its picture together
	atOnce     = 32               // pages being read; bounds the memory they take
	remembered = 2000             // pages whose answer is known

	fresh     = time.Hour      // how long an answer is given again
	failed    = time.Minute    // how long a page that could not be read is left alone
	pictureOf = 48 * time.Hour // how long a picture stays; longer than any answer that names it
)

// Options are what Previews are built from. Web and Media are needed.
type Options struct {
	Web     *outgoing.Client
	Media   *media.Media
	Clock   func() time.Time
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Previews answers what a link points to. It is safe for concurrent use.
type Previews struct {
	Options
	known   *lru.Cache[string, *answer]
	reading singleflight.Group
	slots   chan struct{} // one entry for each page being read
	serving context.Context
	stop    context.CancelFunc
	pages   *prometheus.CounterVec
}

// Preview is what is said of a page, by OpenGraph property. It may be empty and is not changed by who gets it.
type Preview map[string]any

// answer is a preview that is known until a time; nil is of a page that could not be read.
type answer struct {
	preview Preview
	until   time.Time
}

// New makes Previews that know nothing yet.
func New(o Options) *Previews {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	known, err := lru.New[string, *answer](remembered)
	if err != nil {
		panic(err) // the size is positive
	}
	p := &Previews{Options: o, known: known, slots: make(chan struct{}, atOnce)}
	p.serving, p.stop = context.WithCancel(context.Background())
	p.pages = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "myelin_preview_pages", Help: "Pages read for previews: ok or failed."}, []string{"result"})
	if o.Metrics != nil {
		o.Metrics.MustRegister(p.pages)
	}
	return p
}

// Close gives up what is being read and waits for its end.
func (p *Previews) Close() {
	p.stop()
	for range atOnce {
		p.slots <- struct{}{} // never given back: nothing starts any more
	}
}

// Of describes the page that a link points to. A page that cannot be read is M_NOT_FOUND.
func (p *Previews) Of(ctx context.Context, who media.Person, link string) (Preview, error) {
	address, err := p.Web.Address(link)
	if err != nil || len(link) > maxLink {
		return nil, fault.New(fault.InvalidParam, "There are no previews of such addresses.")
	}
	key := address.String()
	a := p.remembered(key)
	if a == nil {
		done := p.reading.DoChan(key, func() (any, error) {
			if a := p.remembered(key); a != nil { // another one read it just now
				return a, nil
			}
			return p.read(who, address), nil
		})
		select {
		case <-ctx.Done():
			return nil, ctx.Err() // the page is read on for those who ask next
		case result := <-done:
			a = result.Val.(*answer)
		}
	}
	if a.preview == nil {
		return nil, fault.New(fault.NotFound, "There is no preview of this page.")
	}
	return a.preview, nil
}

// remembered is what is known of a page; nil if nothing is, or too long.
func (p *Previews) remembered(key string) *answer {
	if a, ok := p.known.Get(key); ok && p.Clock().Before(a.until) {
		return a
	}
	return nil
}

// read reads a page and remembers what came of it.
func (p *Previews) read(who media.Person, address *url.URL) *answer {
	ctx, done := context.WithTimeout(p.serving, patience)
	defer done()
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return &answer{}
	}
	preview, err := p.describe(ctx, who, address)
	a := &answer{preview, p.Clock().Add(fresh)}
	if err != nil {
		a = &answer{until: p.Clock().Add(failed)}
		p.pages.WithLabelValues("failed").Inc()
	} else {
		p.pages.WithLabelValues("ok").Inc()
	}
	p.known.Add(address.String(), a)
	return a
}

// describe reads a page and its picture. It runs in a goroutine of its own on what a stranger sent, so a panic
// of a decoder must not take the process along.
func (p *Previews) describe(ctx context.Context, who media.Person, address *url.URL) (preview Preview, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("panic")
			p.Log.LogAttrs(ctx, slog.LevelError, "describing a page panicked", slog.String("stack", string(debug.Stack())))
		}
	}()
	got, err := p.Web.Get(ctx, address, "text/html,application/xhtml+xml,image/*;q=0.9", maxPicture)
	if err != nil {
		return nil, err
	}
	if got.Status < 200 || got.Status > 299 {
		return nil, fmt.Errorf("status %d", got.Status)
	}
	kind, _, _ := mime.ParseMediaType(got.Type)
	switch {
	case strings.HasPrefix(kind, "image/"):
		preview = Preview{}
		p.addPicture(ctx, who, preview, got)
	case kind == "text/html" || kind == "application/xhtml+xml":
		var picture string
		preview, picture = parse(got.Body[:min(len(got.Body), maxPage)], got.Type, got.URL)
		if from, err := p.Web.Address(picture); err == nil {
			if got, err := p.Web.Get(ctx, from, "image/*", maxPicture); err == nil && got.Status == 200 {
				p.addPicture(ctx, who, preview, got)
			}
		}
	default:
		preview = Preview{}
	}
	return preview, nil
}

// addPicture lends a picture from the media store. One that is too large, or of a kind whose content cannot be
// checked here, is left out. What it is said to be does not count.
func (p *Previews) addPicture(ctx context.Context, who media.Person, preview Preview, got *outgoing.Answer) {
	config, format, err := image.DecodeConfig(bytes.NewReader(got.Body))
	if err != nil || got.Cut || config.Width <= 0 || config.Height <= 0 {
		return
	}
	size := int64(len(got.Body))
	meta := media.Meta{Name: "preview." + format, Type: "image/" + format}
	uri, err := p.Media.Lend(ctx, who, meta, bytes.NewReader(got.Body), size, p.Clock().Add(pictureOf))
	if err != nil {
		if !fault.Is(err, fault.TooLarge) && ctx.Err() == nil {
			p.Log.LogAttrs(ctx, slog.LevelWarn, "the picture of a preview was not stored", slog.Any("error", err))
		}
		return
	}
	preview["og:image"], preview["og:image:type"], preview["matrix:image:size"] = uri.String(), meta.Type, size
	preview["og:image:width"], preview["og:image:height"] = config.Width, config.Height
}
