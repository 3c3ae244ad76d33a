// Package rest is the HTTP edge of the server: it finds the route of a request, limits, authenticates and
// asks access for permission, decodes bodies with caps, writes answers, maps faults to error answers, and
// counts and logs what happened.
//
// It knows no Matrix API in particular: handlers are in homeserver/clientapi and the other API packages.
// It does not know how a token is checked (Options.Authenticate does).
package rest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
)

// DefaultMaxBody caps the request body of a route that sets no cap of its own, in bytes.
const DefaultMaxBody = 1 << 20

// Handler serves one route. What it returns is the answer: nil is {}, RawJSON is written as it is, Answer
// sets status and headers too, Handled means that the handler wrote to r.W itself, Wait that there is nothing
// to answer yet, and anything else is encoded as JSON. An error that is a fault.Fault is told to the caller, any other is logged and answered
// as M_UNKNOWN.
type Handler func(r *Request) (any, error)

// Route is one operation of an API.
type Route struct {
	Method string
	// Path is the path with {names} of whole segments, as the specification writes it; the last may be
	// {name...} for the rest of the path. A path below /_matrix/client/v3 is served below
	// /_matrix/client/r0 too. It is also the label of the route in metrics and logs.
	Path string
	// Also lists other paths of the same operation, with the same names in the same order (unstable
	// prefixes, older versions).
	Also []string
	// Access is the rule of who may call; there is no default.
	Access access.Rule
	// Limit is the rate limit that applies; the zero value is Ordinary.
	Limit Limit
	// MaxBody caps the body in bytes; 0 is DefaultMaxBody. A handler that streams reads r.Body itself
	// and is bound by the same cap; negative means that the handler bounds the body.
	MaxBody int64
	// Long marks an operation that waits (long poll, streamed media): it has a concurrency limit of its
	// own and is left out of the latency histogram.
	Long bool
	// Handle serves the request.
	Handle Handler
}

// RawJSON is an answer that is JSON already.
type RawJSON []byte

// Answer is an answer with a status and headers of its own.
type Answer struct {
	Status int
	Header http.Header
	Body   any // as a handler's answer
}

type handled struct{}

// Handled is what a handler returns when it wrote the answer to r.W itself.
var Handled any = handled{}

// Options configures a Server.
type Options struct {
	// Authenticate turns an access token into the caller. It is on the path of every request.
	Authenticate func(ctx context.Context, token string) (access.Who, error)
	// Masquerade, if set, is asked for whom a request of an application service is: user and device are the
	// query parameters by which it says so.
	Masquerade func(ctx context.Context, who access.Who, user, device string) (access.Who, error)
	// Seen, if set, is told of every authenticated request. It must be cheap and must not block.
	Seen func(who access.Who, addr, agent string)
	// Refused, if set, is told of every signed-in caller who is answered 403. It must not block.
	Refused func(r *Request, f *fault.Fault)
	// Log receives one line per request at debug level and every inner error; nil discards.
	Log *slog.Logger
	// Registerer takes the metrics; nil is the default registerer.
	Registerer prometheus.Registerer
	// Clock is the time for rate limits; nil is time.Now.
	Clock func() time.Time
	// RateLimits turns the buckets on.
	RateLimits bool
	// Rates overrides the default rate of a limit.
	Rates map[Limit]Rate
	// MaxConcurrent bounds requests that are being served at one time; 0 is 2,000.
	MaxConcurrent int
	// Context is that of work for requests that wait without a goroutine; nil is the background.
	Context context.Context
	// ParkAfter is how long a request waits in its own goroutine before that and its buffers are given up:
	// most news comes soon, and giving up a connection costs something. 0 is two seconds.
	ParkAfter time.Duration
	// MaxWaiting bounds requests of Long routes at one time; 0 is 100,000.
	MaxWaiting int
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// PublicURL is the address that people use: pages from there may open a stream, beside those from the
	// address that a request names.
	PublicURL string
	// Fallback serves paths outside the APIs (the web client); nil answers M_UNRECOGNIZED.
	Fallback http.Handler
}

// Server routes requests. Routes are added before it serves; it is an http.Handler.
type Server struct {
	o       Options
	log     *slog.Logger
	clock   func() time.Time
	root    node
	routes  []Route
	limits  *limiter
	metrics *metrics
	boot    string // prefix of request ids
	next    atomic.Uint64
	active  atomic.Int64 // requests in service
	waiting atomic.Int64 // requests of Long routes

	streams  streams
	helloing *endpoint // whose rules hold for who opens a stream
}

// New makes a Server without routes.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.MaxConcurrent <= 0 {
		o.MaxConcurrent = 2000
	}
	if o.Context == nil {
		o.Context = context.Background()
	}
	if o.ParkAfter == 0 {
		o.ParkAfter = 2 * time.Second
	}
	if o.MaxWaiting <= 0 {
		o.MaxWaiting = 100_000
	}
	s := &Server{o: o, log: o.Log.With("package", "rest"), clock: o.Clock, boot: bootID()}
	s.metrics = newMetrics(o.Registerer, s)
	if o.RateLimits {
		s.limits = newLimiter(o.Rates, o.Clock)
	}
	return s
}

// Add adds routes. A route without an access rule, a method, a handler or with a path that is taken is a
// mistake of the programmer and panics.
func (s *Server) Add(routes ...Route) {
	for _, r := range routes {
		switch {
		case !r.Access.Valid():
			panic(fmt.Sprintf("rest: route %s %s names no access rule", r.Method, r.Path))
		case r.Method == "" || r.Handle == nil || !strings.HasPrefix(r.Path, "/"):
			panic(fmt.Sprintf("rest: route %s %s is incomplete", r.Method, r.Path))
		case r.Access.Token() && s.o.Authenticate == nil:
			panic(fmt.Sprintf("rest: route %s %s needs a token and nothing authenticates", r.Method, r.Path))
		case !r.Limit.valid():
			panic(fmt.Sprintf("rest: route %s %s has an unknown limit", r.Method, r.Path))
		}
		if r.MaxBody == 0 {
			r.MaxBody = DefaultMaxBody
		}
		e := &endpoint{Route: r, m: s.metrics.route(r.Method, r.Path)}
		for _, p := range r.paths() {
			e.names = s.root.add(r.Method, p, e, e.names)
		}
		s.routes = append(s.routes, r)
	}
}

// Routes lists the routes as they were added.
func (s *Server) Routes() []Route { return append([]Route(nil), s.routes...) }

// paths lists every path a route is served at.
func (r *Route) paths() []string {
	var out []string
	for _, p := range append([]string{r.Path}, r.Also...) {
		out = append(out, p)
		if rest, ok := strings.CutPrefix(p, "/_matrix/client/v3/"); ok {
			out = append(out, "/_matrix/client/r0/"+rest)
		}
	}
	return out
}

// NewHTTPServer makes a net/http server around h with the time-outs and sizes that fit long polls: a
// header must arrive in time, an idle connection is closed, an answer may take as long as it needs.
func NewHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 20 * time.Second,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.With("package", "http").Handler(), slog.LevelDebug),
	}
}
