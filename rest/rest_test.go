package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
)

// tokens are the callers of the tests.
var tokens = map[string]access.Who{
	"user":   {User: "@u:x", Device: "D", Token: 1},
	"guest":  {User: "@g:x", Device: "D", Token: 2, Guest: true},
	"admin":  {User: "@a:x", Device: "D", Token: 3, Admin: true},
	"locked": {User: "@l:x", Device: "D", Token: 4, Locked: true},
}

func authenticate(_ context.Context, token string) (access.Who, error) {
	if token == "broken" {
		return access.Who{}, errors.New("database is gone")
	}
	if w, ok := tokens[token]; ok {
		return w, nil
	}
	return access.Who{}, fault.New(fault.UnknownToken, "no").With("soft_logout", true)
}

func newServer(t *testing.T, o Options, routes ...Route) *Server {
	t.Helper()
	o.Authenticate = authenticate
	o.Registerer = prometheus.NewRegistry()
	s := New(o)
	s.Add(routes...)
	return s
}

func say(text string) Handler {
	return func(r *Request) (any, error) {
		return map[string]string{"said": text, "who": string(r.Who.User), "a": r.Param("a"), "b": r.PathValue("b")}, nil
	}
}

type reply struct {
	*httptest.ResponseRecorder
	json map[string]any
}

func do(t *testing.T, h http.Handler, method, target, token, body string) reply {
	t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, in)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	out := reply{ResponseRecorder: w}
	_ = json.Unmarshal(w.Body.Bytes(), &out.json)
	return out
}

func (r reply) want(t *testing.T, status int, code fault.Kind) {
	t.Helper()
	got, _ := r.json["errcode"].(string)
	if r.Code != status || got != string(code) {
		t.Errorf("answer %d %s, want %d %s; body %s", r.Code, got, status, code, r.Body)
	}
}

func TestRouting(t *testing.T) {
	const v3 = "/_matrix/client/v3"
	s := newServer(t, Options{},
		Route{Method: "GET", Path: v3 + "/rooms/{a}/state/{b}", Access: access.Public, Handle: say("state")},
		Route{Method: "GET", Path: v3 + "/rooms/{a}/members", Access: access.Public, Handle: say("members")},
		Route{Method: "GET", Path: v3 + "/rooms/special/{a}", Access: access.Public, Handle: say("special")},
		Route{Method: "PUT", Path: v3 + "/rooms/{a}/members", Also: []string{"/_matrix/client/unstable/x/{a}"}, Access: access.Public, Handle: say("put")},
		Route{Method: "GET", Path: "/files/{a...}", Access: access.Public, Handle: say("file")},
	)
	for _, c := range []struct{ method, path, said, a, b string }{
		{"GET", v3 + "/rooms/!r:x/members", "members", "!r:x", ""},
		{"HEAD", v3 + "/rooms/!r:x/members", "", "", ""},
		{"GET", "/_matrix/client/r0/rooms/!r:x/members", "members", "!r:x", ""},
		{"GET", v3 + "/rooms/%21r%3Ax/state/a%2Fb", "state", "!r:x", "a/b"},
		{"GET", v3 + "/rooms/!r:x/state/ein%20Typ/", "state", "!r:x", "ein Typ"},
		{"GET", v3 + "/rooms/special/members", "special", "members", ""},
		{"GET", v3 + "/rooms/special/state/x", "state", "special", "x"},
		{"PUT", "/_matrix/client/unstable/x/y", "put", "y", ""},
		{"GET", "/files/a/b/c", "file", "a/b/c", ""},
	} {
		got := do(t, s, c.method, c.path, "", "")
		if got.Code != 200 || c.method != "HEAD" && (got.json["said"] != c.said || got.json["a"] != c.a || got.json["b"] != c.b) {
			t.Errorf("%s %s: %d %s", c.method, c.path, got.Code, got.Body)
		}
	}
	do(t, s, "GET", v3+"/nothing", "", "").want(t, 404, fault.Unrecognized)
	do(t, s, "GET", v3+"/rooms//members", "", "").want(t, 404, fault.Unrecognized)
	do(t, s, "GET", v3+"/rooms/%ff/members", "", "").want(t, 404, fault.Unrecognized)
	do(t, s, "GET", v3+"/rooms/a%00/members", "", "").want(t, 404, fault.Unrecognized)
	do(t, s, "GET", "/elsewhere", "", "").want(t, 404, fault.Unrecognized)
	do(t, s, "DELETE", v3+"/rooms/!r:x/members", "", "").want(t, 405, fault.Unrecognized)
	if n := len(s.Routes()); n != 5 {
		t.Errorf("%d routes", n)
	}
}

// A big answer is compressed for who reads that.
func TestZip(t *testing.T) {
	const long = "the same again and again, "
	s := newServer(t, Options{},
		Route{Method: "GET", Path: "/big", Access: access.Public, Handle: say(strings.Repeat(long, 1000))},
		Route{Method: "GET", Path: "/small", Access: access.Public, Handle: say(long)})
	for _, c := range []struct {
		path, encoding string
		zipped         bool
	}{
		{"/big", "deflate, gzip", true}, {"/big", "gzip;q=0", false}, {"/big", "br", false}, {"/big", "", false}, {"/small", "gzip", false},
	} {
		for range 2 { // compressors are used again
			r := httptest.NewRequest("GET", c.path, nil)
			r.Header.Set("Accept-Encoding", c.encoding)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if got := w.Header().Get("Content-Encoding") == "gzip"; got != c.zipped || w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
				t.Errorf("%s for %q: headers %v of %d bytes", c.path, c.encoding, w.Header(), w.Body.Len())
			}
			var body io.Reader = w.Body
			if c.zipped {
				unzip, err := gzip.NewReader(w.Body)
				if err != nil {
					t.Fatal(err)
				}
				body = unzip
			}
			var answer map[string]string
			if err := json.NewDecoder(body).Decode(&answer); err != nil || !strings.HasPrefix(answer["said"], long) {
				t.Errorf("%s for %q: %v, %.50s", c.path, c.encoding, err, answer["said"])
			}
		}
	}
}

func TestAddRefusesMistakes(t *testing.T) {
	ok := Route{Method: "GET", Path: "/a/{x}", Access: access.Public, Handle: say("")}
	for name, change := range map[string]func(*Route){
		"no access rule": func(r *Route) { r.Access = "" },
		"no method":      func(r *Route) { r.Method = "" },
		"no handler":     func(r *Route) { r.Handle = nil },
		"bad path":       func(r *Route) { r.Path = "a" },
		"open brace":     func(r *Route) { r.Path = "/{x" },
		"tail inside":    func(r *Route) { r.Path = "/{x...}/y" },
		"bad limit":      func(r *Route) { r.Limit = 99 },
		"other names":    func(r *Route) { r.Also = []string{"/b/{y}"} },
		"twice":          func(r *Route) { r.Also = []string{"/a/{x}"} },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			r := ok
			change(&r)
			newServer(t, Options{}, r)
		})
	}
	defer func() {
		if recover() == nil {
			t.Error("a server that authenticates nobody took a route for users")
		}
	}()
	New(Options{Registerer: prometheus.NewRegistry()}).Add(Route{Method: "GET", Path: "/", Access: access.User, Handle: say("")})
}

func TestAccess(t *testing.T) {
	s := newServer(t, Options{})
	for _, rule := range []access.Rule{access.Public, access.User, access.UserOrGuest, access.UserOrNobody, access.Locked, access.Admin, access.SharedSecret} {
		s.Add(Route{Method: "GET", Path: "/_matrix/" + string(rule), Access: rule, Handle: say("ok")})
	}
	for _, c := range []struct {
		rule   access.Rule
		token  string
		status int
		code   fault.Kind
	}{
		{access.Public, "", 200, ""},
		{access.Public, "nonsense", 200, ""},
		{access.SharedSecret, "", 200, ""},
		{access.User, "user", 200, ""},
		{access.User, "", 401, fault.MissingToken},
		{access.User, "nonsense", 401, fault.UnknownToken},
		{access.User, "broken", 500, fault.Unknown},
		{access.User, "guest", 403, fault.GuestForbidden},
		{access.User, "locked", 401, fault.UserLocked},
		{access.UserOrGuest, "guest", 200, ""},
		{access.UserOrNobody, "", 200, ""},
		{access.UserOrNobody, "nonsense", 401, fault.UnknownToken},
		{access.Locked, "locked", 200, ""},
		{access.Locked, "", 401, fault.MissingToken},
		{access.Admin, "admin", 200, ""},
		{access.Admin, "user", 403, fault.Forbidden},
	} {
		do(t, s, "GET", "/_matrix/"+string(c.rule), c.token, "").want(t, c.status, c.code)
	}
	if got := do(t, s, "GET", "/_matrix/user?access_token=user", "", ""); got.json["who"] != "@u:x" {
		t.Errorf("token in the query: %d %s", got.Code, got.Body)
	}
	if got := do(t, s, "GET", "/_matrix/user", "nonsense", ""); got.json["soft_logout"] != true {
		t.Errorf("extra fields of a fault: %s", got.Body)
	}
}

func TestCORS(t *testing.T) {
	s := newServer(t, Options{}, Route{Method: "GET", Path: "/_matrix/x", Access: access.User, Handle: say("")},
		Route{Method: "GET", Path: "/healthz", Access: access.Public, Handle: say("")})
	for _, c := range []struct {
		method, path string
		status       int
		origin       string
	}{
		{"OPTIONS", "/_matrix/x", 204, "*"}, {"GET", "/_matrix/x", 401, "*"}, {"GET", "/_matrix/unknown", 404, "*"}, {"GET", "/healthz", 200, ""},
	} {
		got := do(t, s, c.method, c.path, "", "")
		if got.Code != c.status || got.Header().Get("Access-Control-Allow-Origin") != c.origin {
			t.Errorf("%s %s: %d %v", c.method, c.path, got.Code, got.Header())
		}
	}
}

func TestBodies(t *testing.T) {
	type in struct {
		Name string `json:"name"`
		List []int  `json:"list"`
	}
	var seen in
	strict := func(r *Request) (any, error) { seen = in{}; return nil, r.JSON(&seen) }
	optional := func(r *Request) (any, error) { seen = in{}; return nil, r.OptionalJSON(&seen) }
	object := func(r *Request) (any, error) {
		v, err := r.Object()
		if again, _ := r.Bytes(); err == nil && !bytes.Equal(again, v) {
			t.Error("the second reading differs")
		}
		return nil, err
	}
	s := newServer(t, Options{},
		Route{Method: "POST", Path: "/_matrix/strict", Access: access.Public, MaxBody: 200, Handle: strict},
		Route{Method: "POST", Path: "/_matrix/optional", Access: access.Public, Handle: optional},
		Route{Method: "POST", Path: "/_matrix/object", Access: access.Public, MaxBody: 200, Handle: object},
		Route{Method: "POST", Path: "/_matrix/unbounded", Access: access.Public, MaxBody: -1, Handle: object},
	)
	for _, c := range []struct {
		path, body string
		status     int
		code       fault.Kind
	}{
		{"strict", `{"name":"a","list":[1],"other":{}}`, 200, ""},
		{"strict", ``, 400, fault.NotJSON},
		{"strict", `{`, 400, fault.NotJSON},
		{"strict", `{} x`, 400, fault.NotJSON},
		{"strict", "{\"name\":\"a\x81\"}", 400, fault.NotJSON},
		{"strict", `{"name":"a","name":"b"}`, 400, fault.NotJSON},
		{"strict", `{"name":NaN}`, 400, fault.NotJSON},
		{"strict", `{"name":1}`, 400, fault.BadJSON},
		{"strict", `{"list":[1.5]}`, 400, fault.BadJSON},
		{"strict", `null`, 400, fault.BadJSON},
		{"strict", `[]`, 400, fault.BadJSON},
		{"strict", `"text"`, 400, fault.BadJSON},
		{"strict", `{"name":"` + strings.Repeat("a", 300) + `"}`, 413, fault.TooLarge},
		{"optional", ``, 200, ""},
		{"optional", ` `, 200, ""},
		{"optional", `{`, 400, fault.NotJSON},
		{"object", `{"a":[{"b":null}]}`, 200, ""},
		{"object", `[1]`, 400, fault.BadJSON},
		{"object", `{"a":1,"a":2}`, 400, fault.NotJSON},
		{"object", "{\"a\":\"\xff\"}", 400, fault.NotJSON},
		{"object", ``, 400, fault.NotJSON},
		{"unbounded", `{"a":1}`, 200, ""},
	} {
		got := do(t, s, "POST", "/_matrix/"+c.path, "", c.body)
		got.want(t, c.status, c.code)
		if c.status == 200 && strings.TrimSpace(got.Body.String()) != "{}" {
			t.Errorf("empty answer is %q", got.Body)
		}
	}
}

// A body of unknown length is capped as well, and read over a real connection with its deadline.
func TestBodyWithoutLength(t *testing.T) {
	s := newServer(t, Options{}, Route{Method: "POST", Path: "/x", Access: access.Public, MaxBody: 100, Handle: func(r *Request) (any, error) {
		v, err := r.Object()
		return RawJSON(v), err
	}})
	srv := httptest.NewUnstartedServer(s)
	srv.Config = NewHTTPServer(s, nil)
	srv.Start()
	defer srv.Close()
	for body, want := range map[string]int{`{"a":1}`: 200, `{"a":"` + strings.Repeat("x", 200) + `"}`: 413} {
		res, err := http.Post(srv.URL+"/x", "application/json", io.MultiReader(strings.NewReader(body[:3]), strings.NewReader(body[3:])))
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != want || want == 200 && string(got) != body {
			t.Errorf("%d %s, want %d", res.StatusCode, got, want)
		}
	}
}

func TestQuery(t *testing.T) {
	s := newServer(t, Options{}, Route{Method: "GET", Path: "/x", Access: access.Public, Handle: func(r *Request) (any, error) {
		n, err := r.QInt("n", 7)
		if err != nil {
			return nil, err
		}
		b, err := r.QBool("b", true)
		return map[string]any{"n": n, "b": b, "q": r.Q("q"), "pattern": r.Pattern()}, err
	}})
	if got := do(t, s, "GET", "/x?n=5&b=false&q=a%20b", "", ""); got.json["n"] != 5.0 || got.json["b"] != false || got.json["q"] != "a b" || got.json["pattern"] != "/x" {
		t.Error(got.Body)
	}
	if got := do(t, s, "GET", "/x", "", ""); got.json["n"] != 7.0 || got.json["b"] != true || got.json["q"] != "" {
		t.Error(got.Body)
	}
	if got := do(t, s, "GET", "/x?b=true", "", ""); got.json["b"] != true {
		t.Error(got.Body)
	}
	do(t, s, "GET", "/x?n=x", "", "").want(t, 400, fault.InvalidParam)
	do(t, s, "GET", "/x?b=x", "", "").want(t, 400, fault.InvalidParam)
}

func TestAnswers(t *testing.T) {
	handle := func(answer any, err error) Handler { return func(*Request) (any, error) { return answer, err } }
	s := newServer(t, Options{},
		Route{Method: "GET", Path: "/nil", Access: access.Public, Handle: handle(nil, nil)},
		Route{Method: "GET", Path: "/raw", Access: access.Public, Handle: handle(RawJSON(`{"raw":1}`), nil)},
		Route{Method: "GET", Path: "/answer", Access: access.Public, Handle: handle(Answer{Status: 201, Header: http.Header{"X-A": {"b"}, "Cache-Control": {"public"}}, Body: RawJSON(`{}`)}, nil)},
		Route{Method: "GET", Path: "/struct", Access: access.Public, Handle: handle(struct {
			Zero int      `json:"zero,omitempty"`
			No   bool     `json:"no,omitempty"`
			List []string `json:"list"`
		}{}, nil)},
		Route{Method: "GET", Path: "/bad", Access: access.Public, Handle: handle(func() {}, nil)},
		Route{Method: "GET", Path: "/inner", Access: access.Public, Handle: handle(nil, errors.New("secret detail"))},
		Route{Method: "GET", Path: "/limited", Access: access.Public, Handle: handle(nil, fault.After(1500*time.Millisecond))},
		Route{Method: "GET", Path: "/interactive", Access: access.Public, Handle: handle(nil, &fault.Fault{Status: 401, Fields: map[string]any{"flows": []string{}}})},
		Route{Method: "GET", Path: "/upstream", Access: access.Public, Handle: handle(nil, fault.New(fault.ConnectionFailed, "no"))},
		Route{Method: "GET", Path: "/own", Access: access.Public, Handle: func(r *Request) (any, error) {
			r.W.Header().Set("Content-Type", "text/plain")
			r.W.WriteHeader(http.StatusTeapot)
			_, _ = r.W.Write([]byte("tea"))
			http.NewResponseController(r.W).Flush()
			return Handled, nil
		}},
		Route{Method: "GET", Path: "/late", Access: access.Public, Handle: func(r *Request) (any, error) {
			_, _ = r.W.Write([]byte("begun"))
			return nil, errors.New("too late to say")
		}},
		Route{Method: "GET", Path: "/panic", Access: access.Public, Handle: func(r *Request) (any, error) { panic("patient name") }},
		Route{Method: "GET", Path: "/index", Access: access.Public, Handle: func(r *Request) (any, error) { return []int{}[len(r.URL.Path)], nil }},
	)
	var log bytes.Buffer
	s.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/nil": {200, "{}"}, "/raw": {200, `{"raw":1}`}, "/answer": {201, "{}"}, "/struct": {200, `{"list":[]}`},
		"/bad": {500, ""}, "/inner": {500, ""}, "/limited": {429, ""}, "/interactive": {401, `{"flows":[]}`}, "/upstream": {502, ""},
		"/own": {418, "tea"}, "/late": {200, "begun"}, "/panic": {500, ""}, "/index": {500, ""},
	} {
		got := do(t, s, "GET", path+"?private=1", "", "")
		if got.Code != want.status || want.body != "" && got.Body.String() != want.body {
			t.Errorf("%s: %d %s", path, got.Code, got.Body)
		}
		if strings.Contains(got.Body.String(), "secret") || strings.Contains(got.Body.String(), "patient") {
			t.Errorf("%s tells what it should not: %s", path, got.Body)
		}
		if got.Code == 500 && got.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s has no request id", path)
		}
	}
	got := do(t, s, "GET", "/limited", "", "")
	got.want(t, 429, fault.LimitExceeded)
	if got.json["retry_after_ms"] != 1500.0 || got.Header().Get("Retry-After") != "2" {
		t.Errorf("when to retry: %s %v", got.Body, got.Header())
	}
	if got := do(t, s, "GET", "/answer", "", ""); got.Header().Get("X-A") != "b" || got.Header().Get("Cache-Control") != "public" {
		t.Errorf("headers %v", got.Header())
	}
	if !strings.Contains(log.String(), "index out of range") || !strings.Contains(log.String(), "rest_test.go") {
		t.Error("the panic is not in the log")
	}
	if strings.Contains(log.String(), "patient") || strings.Contains(log.String(), "private") {
		t.Error("the log holds content")
	}
	if n := counted(t, s.metrics.panics); n != 2 {
		t.Errorf("%v panics counted", n)
	}
	if n := counted(t, s.metrics.requests.WithLabelValues("GET", "/nil", "2xx")); n != 1 {
		t.Errorf("%v requests counted", n)
	}
}

func counted(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

func TestAbortedHandler(t *testing.T) {
	s := newServer(t, Options{}, Route{Method: "GET", Path: "/x", Access: access.Public, Handle: func(*Request) (any, error) { panic(http.ErrAbortHandler) }})
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("net/http does not see the abort")
		}
		if s.active.Load() != 0 {
			t.Error("the request still counts")
		}
	}()
	do(t, s, "GET", "/x", "", "")
}

func TestGoneCaller(t *testing.T) {
	s := newServer(t, Options{}, Route{Method: "GET", Path: "/x", Access: access.Public, Handle: func(r *Request) (any, error) { return nil, r.Context().Err() }})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/x", nil).WithContext(ctx))
	if w.Body.Len() != 0 {
		t.Errorf("answered %s to nobody", w.Body)
	}
}

func TestRequestIDs(t *testing.T) {
	var log bytes.Buffer
	s := newServer(t, Options{}, Route{Method: "GET", Path: "/x", Access: access.Public, Handle: say("")})
	s.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, given := range []string{"abc-1", "with space", strings.Repeat("x", 80)} {
		log.Reset()
		r := httptest.NewRequest("GET", "/x", nil)
		r.Header.Set("X-Request-Id", given)
		s.ServeHTTP(httptest.NewRecorder(), r)
		if kept := strings.Contains(log.String(), "id="+given+" "); kept != (given == "abc-1") {
			t.Errorf("%q: %s", given, log.String())
		}
	}
}

func TestRateLimits(t *testing.T) {
	now := time.Unix(1000, 0)
	s := newServer(t, Options{RateLimits: true, Clock: func() time.Time { return now }, Rates: map[Limit]Rate{Ordinary: {1, 3}, SigningIn: {1, 1}}},
		Route{Method: "GET", Path: "/_matrix/user", Access: access.User, Handle: say("")},
		Route{Method: "GET", Path: "/_matrix/free", Access: access.User, Limit: Unlimited, Handle: say("")},
		Route{Method: "GET", Path: "/_matrix/login", Access: access.Public, Limit: SigningIn, Handle: say("")})
	for range 3 {
		do(t, s, "GET", "/_matrix/user", "user", "").want(t, 200, "")
	}
	do(t, s, "GET", "/_matrix/user", "user", "").want(t, 429, fault.LimitExceeded)
	do(t, s, "GET", "/_matrix/user", "admin", "").want(t, 200, "")
	now = now.Add(time.Second)
	do(t, s, "GET", "/_matrix/user", "user", "").want(t, 200, "")
	do(t, s, "GET", "/_matrix/user", "user", "").want(t, 429, fault.LimitExceeded)
	for range 20 {
		do(t, s, "GET", "/_matrix/free", "user", "").want(t, 200, "")
	}
	do(t, s, "GET", "/_matrix/login", "", "").want(t, 200, "")
	do(t, s, "GET", "/_matrix/login", "", "").want(t, 429, fault.LimitExceeded)
	for range 3 {
		do(t, s, "GET", "/_matrix/user", "guessed", "").want(t, 401, fault.UnknownToken)
	}
	do(t, s, "GET", "/_matrix/user", "guessed", "").want(t, 429, fault.LimitExceeded)
}

func TestBuckets(t *testing.T) {
	b := NewBuckets(Rate{PerSecond: 10, Burst: 2})
	now := time.Unix(1000, 0)
	for range 2 {
		if b.Take("a", now) != 0 {
			t.Fatal("no burst")
		}
	}
	if got := b.Take("a", now); got != 100*time.Millisecond {
		t.Errorf("wait %v", got)
	}
	b.Return("a")
	b.Return("b") // nothing was taken
	for want := range 2 {
		if got := b.Take("a", now); (got > 0) != (want > 0) {
			t.Errorf("after one was returned: wait %v", got)
		}
	}
	for i := range 3 * bucketShards * bucketsInShard {
		b.Take(string(rune(i))+"x", now)
	}
	for i := range b.shards {
		if n := len(b.shards[i].at); n > bucketsInShard {
			t.Errorf("%d buckets in a shard", n)
		}
	}
	later := now.Add(time.Hour)
	at := map[uint64]int64{1: now.UnixNano(), 2: later.Add(time.Hour).UnixNano()}
	makeSpace(at, later.UnixNano())
	if len(at) != 1 || at[2] == 0 {
		t.Errorf("buckets that are full again stay: %v", at)
	}
	never := NewBuckets(Rate{})
	if first := never.Take("a", now); first != 0 {
		t.Errorf("a rate of zero does not give its burst: %v", first)
	}
	if second := never.Take("a", now); second == 0 {
		t.Error("a rate of zero gives more than its burst")
	}
}

func TestConcurrencyLimits(t *testing.T) {
	enter, leave := make(chan struct{}), make(chan struct{})
	wait := func(*Request) (any, error) { enter <- struct{}{}; <-leave; return nil, nil }
	s := newServer(t, Options{MaxConcurrent: 1, MaxWaiting: 1},
		Route{Method: "GET", Path: "/_matrix/short", Access: access.Public, Handle: wait},
		Route{Method: "GET", Path: "/_matrix/long", Access: access.Public, Long: true, Handle: wait})
	var done sync.WaitGroup
	for _, path := range []string{"/_matrix/short", "/_matrix/long"} {
		done.Go(func() { do(t, s, "GET", path, "", "").want(t, 200, "") })
		<-enter
		do(t, s, "GET", path, "", "").want(t, 429, fault.LimitExceeded)
	}
	close(leave)
	done.Wait()
}

// A caller who is signed out while it waits does not get the answer.
func TestLongPollEndsWithItsToken(t *testing.T) {
	revoked := false
	s := New(Options{Registerer: prometheus.NewRegistry(), Authenticate: func(ctx context.Context, token string) (access.Who, error) {
		if revoked {
			token = "gone"
		}
		return authenticate(ctx, token)
	}})
	s.Add(Route{Method: "GET", Path: "/_matrix/sync", Access: access.User, Long: true, Handle: func(*Request) (any, error) {
		revoked = true
		return map[string]string{"secret": "x"}, nil
	}})
	do(t, s, "GET", "/_matrix/sync", "user", "").want(t, 401, fault.UnknownToken)
}

func TestRefused(t *testing.T) {
	var refused []string
	s := newServer(t, Options{Refused: func(r *Request, f *fault.Fault) {
		refused = append(refused, string(r.Who.User)+" "+r.Pattern()+" "+string(f.Kind))
	}}, Route{Method: "GET", Path: "/_matrix/x", Access: access.UserOrNobody, Handle: func(*Request) (any, error) { return nil, fault.New(fault.Forbidden, "no") }},
		Route{Method: "GET", Path: "/_matrix/admin", Access: access.Admin, Handle: say("")})
	do(t, s, "GET", "/_matrix/x", "", "").want(t, 403, fault.Forbidden)
	do(t, s, "GET", "/_matrix/x", "user", "").want(t, 403, fault.Forbidden)
	do(t, s, "GET", "/_matrix/admin", "user", "").want(t, 403, fault.Forbidden)
	do(t, s, "GET", "/_matrix/admin", "", "").want(t, 401, fault.MissingToken)
	if len(refused) != 2 || refused[0] != "@u:x /_matrix/x M_FORBIDDEN" || refused[1] != "@u:x /_matrix/admin M_FORBIDDEN" {
		t.Errorf("told of %q", refused)
	}
}

func TestSeen(t *testing.T) {
	var seen []string
	s := newServer(t, Options{Seen: func(w access.Who, addr, agent string) { seen = append(seen, string(w.User)+" "+addr+" "+agent) }},
		Route{Method: "GET", Path: "/_matrix/x", Access: access.UserOrNobody, Handle: say("")})
	r := httptest.NewRequest("GET", "/_matrix/x", nil)
	r.Header.Set("Authorization", "bearer user")
	r.Header.Set("User-Agent", "test")
	s.ServeHTTP(httptest.NewRecorder(), r)
	do(t, s, "GET", "/_matrix/x", "", "").want(t, 200, "")
	if len(seen) != 1 || seen[0] != "@u:x 192.0.2.1 test" {
		t.Errorf("seen %q", seen)
	}
}

func TestClientAddress(t *testing.T) {
	s := newServer(t, Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}})
	plain := newServer(t, Options{})
	for _, c := range []struct{ peer, forwarded, want string }{
		{"1.2.3.4:5", "9.9.9.9", "1.2.3.4"},
		{"10.0.0.1:5", "9.9.9.9", "9.9.9.9"},
		{"10.0.0.1:5", "8.8.8.8, 9.9.9.9, 10.0.0.2", "9.9.9.9"},
		{"10.0.0.1:5", "nonsense", "10.0.0.1"},
		{"10.0.0.1:5", "", "10.0.0.1"},
		{"[::1]:5", "2001:db8::1", "2001:db8::1"},
		{"", "", ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := s.clientAddr(r); got != c.want {
			t.Errorf("%v: %s", c, got)
		}
		if got := plain.clientAddr(r); c.peer == "10.0.0.1:5" && got != "10.0.0.1" {
			t.Errorf("believed a stranger: %s", got)
		}
	}
	if Network("2001:db8::1") != "2001:db8::/64" || Network("1.2.3.4") != "1.2.3.4" || Network("@") != "@" {
		t.Error("networks")
	}
}

func TestFallback(t *testing.T) {
	s := newServer(t, Options{Fallback: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("web")) })},
		Route{Method: "GET", Path: "/healthz", Access: access.Public, Handle: say("")})
	if got := do(t, s, "GET", "/index.html", "", ""); got.Body.String() != "web" {
		t.Error(got.Body)
	}
	do(t, s, "GET", "/_matrix/x", "", "").want(t, 404, fault.Unrecognized)
	do(t, s, "POST", "/healthz", "", "").want(t, 405, fault.Unrecognized)
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{}`, `{"name":"a","list":[1,2],"more":{"x":null}}`, `[1]`, "{\"a\":\"\xff\"}", `{"name":1}`, `{"a":1,"a":2}`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v struct {
			Name string          `json:"name"`
			List []int           `json:"list"`
			More json.RawMessage `json:"more"`
		}
		err := Decode(b, &v)
		if whole := CheckObject(b); err == nil && whole != nil {
			t.Errorf("decoded %q, which is no object", b)
		}
		if err == nil {
			return
		}
		if fl, ok := fault.As(err); !ok || fl.Kind != fault.NotJSON && fl.Kind != fault.BadJSON {
			t.Errorf("%q: %v", b, err)
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add("GET", "/_matrix/client/v3/rooms/!a:b/state/x/", "a=b&access_token=user", "Bearer user", `{"a":1}`)
	f.Add("PUT", "/_matrix/client/v3/rooms/%2f/%zz", "%", "Bearer", "\xff")
	s := New(Options{Registerer: prometheus.NewRegistry(), Authenticate: authenticate, RateLimits: true})
	s.Add(Route{Method: "PUT", Path: "/_matrix/client/v3/rooms/{a}/state/{b}", Access: access.User, Handle: func(r *Request) (any, error) {
		_ = r.Q("a")
		v, err := r.Object()
		return RawJSON(v), err
	}})
	f.Fuzz(func(t *testing.T, method, path, query, header, body string) {
		r, err := http.NewRequest(method, "http://x/", strings.NewReader(body))
		if err != nil {
			return
		}
		u, err := r.URL.Parse(path)
		if err != nil {
			return
		}
		u.RawQuery = query
		r.URL = u
		r.Header.Set("Authorization", header)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

func BenchmarkServe(b *testing.B) {
	s := New(Options{Registerer: prometheus.NewRegistry(), Authenticate: authenticate, RateLimits: true, Rates: map[Limit]Rate{Sending: {1e9, 1e9}}})
	s.Add(Route{Method: "PUT", Path: "/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}", Access: access.User, Limit: Sending, Handle: func(r *Request) (any, error) {
		if _, err := r.Object(); err != nil {
			return nil, err
		}
		return RawJSON(`{"event_id":"$x"}`), nil
	}})
	body := []byte(`{"msgtype":"m.text","body":"hello there, this is a message of ordinary length"}`)
	r := httptest.NewRequest("PUT", "/_matrix/client/v3/rooms/%21abc%3Ax/send/m.room.message/1", nil)
	r.Header.Set("Authorization", "Bearer user")
	r.ContentLength = int64(len(body))
	w := &sink{h: http.Header{}}
	rd := bytes.NewReader(body)
	r.Body = io.NopCloser(rd)
	b.ReportAllocs()
	for b.Loop() {
		rd.Reset(body)
		s.ServeHTTP(w, r)
	}
}

type sink struct{ h http.Header }

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
