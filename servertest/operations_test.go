package servertest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/synapseadmin"

	"github.com/myelin-health/myelin/rest"
)

// operation is one line of the table that homeserver/clientapi/apitable writes.
type operation struct {
	method, path, caller          string
	query, body, statuses, answer []string
	deprecated                    bool
}

func (o operation) String() string { return o.method + " " + o.path }

func operations(t *testing.T) []operation {
	t.Helper()
	file, err := os.Open("../homeserver/clientapi/testdata/operations.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	list := func(s string) []string {
		if s == "-" {
			return nil
		}
		return strings.Split(s, ",")
	}
	var all []operation
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if f := strings.Split(lines.Text(), "\t"); !strings.HasPrefix(f[0], "#") {
			all = append(all, operation{f[0], f[1], f[2], list(f[3]), list(f[4]), list(f[5]), list(f[6]), f[7] != "-"})
		}
	}
	return all
}

// Every operation of the specification exists, asks for a token, checks what it is sent and answers with
// the fields it has to; what this server does not have says so as the specification wants.
func TestOperations(t *testing.T) {
	w := newWalk(t)
	all := operations(t)
	if len(all) < 160 {
		t.Errorf("the table has %d operations; it is not complete", len(all))
	}
	for _, last := range []bool{false, true} {
		seen := map[string]int{}
		for _, o := range all {
			name := o.String()
			if seen[name]++; seen[name] > 1 {
				name += fmt.Sprint(" ", seen[name])
			}
			c, ok := cases[name]
			if !ok {
				t.Errorf("%s: no request is known for it", name)
			}
			if c.last == last {
				t.Run(name, func(t *testing.T) { w.walk(t, o, c) })
			}
		}
	}
}

// walk drives one server as several people.
type walk struct {
	*visitor
	people map[string]*mautrix.Client
	values map[string]string // what stands for {names} beside those of the visitor
}

func newWalk(t *testing.T) *walk {
	t.Helper()
	w := &walk{visitor: newVisitor(t), people: map[string]*mautrix.Client{}, values: map[string]string{}}
	w.people["alice"] = w.me
	for _, name := range []string{"carol", "dave", "erin"} {
		w.people[name] = Register(t, w.server.URL, name)
	}
	w.people["admin"] = registerAdmin(t, w.server.URL)
	w.prepare(t)
	return w
}

func registerAdmin(t *testing.T, url string) *mautrix.Client {
	t.Helper()
	client, err := mautrix.NewClient(url, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&synapseadmin.Client{Client: client}).SharedSecretRegister(t.Context(), Secret, synapseadmin.ReqSharedSecretRegister{
		Username: "admin", Password: password, Admin: true,
	}); err != nil {
		t.Fatal(err)
	}
	SignIn(t, client, "admin")
	return client
}

// prepare makes what the requests are about.
func (w *walk) prepare(t *testing.T) {
	t.Helper()
	for _, s := range []struct{ name, as, method, target, body, from string }{
		{"media", "alice", "POST", "/_matrix/media/v3/upload?filename=a.png", picture(t), "content_uri"},
		{"reserved", "alice", "POST", "/_matrix/media/v1/create", "", "content_uri"},
		{"filter", "alice", "POST", "/_matrix/client/v3/user/{me}/filter", `{}`, "filter_id"},
		{"space", "alice", "POST", "/_matrix/client/v3/createRoom", `{"preset":"public_chat","creation_content":{"type":"m.space"}}`, "room_id"},
		{"own", "carol", "POST", "/_matrix/client/v3/createRoom", `{"preset":"public_chat","room_alias_name":"own"}`, "room_id"},
		{"left", "dave", "POST", "/_matrix/client/v3/createRoom", `{"preset":"public_chat"}`, "room_id"},
		{"knocked", "carol", "POST", "/_matrix/client/v3/createRoom", `{"initial_state":[{"type":"m.room.join_rules","state_key":"","content":{"join_rule":"knock"}}]}`, "room_id"},
		{"backup", "alice", "POST", "/_matrix/client/v3/room_keys/version", `{"algorithm":"m.megolm_backup.v1","auth_data":{}}`, "version"},
		{"refresh", "erin", "POST", "/_matrix/client/v3/login", `{"type":"m.login.password","identifier":{"type":"m.id.user","user":"erin"},"password":"{password}","refresh_token":true}`, "refresh_token"},
		{"reply", "alice", "PUT", "/_matrix/client/v3/rooms/{room}/send/m.room.message/reply",
			`{"msgtype":"m.text","body":"in a thread","m.relates_to":{"rel_type":"m.thread","event_id":"{event}"}}`, "event_id"},
		{"", "alice", "PUT", "/_matrix/client/v3/rooms/{room}/state/m.room.topic/", `{"topic":"t"}`, ""},
		{"", "alice", "PUT", "/_matrix/client/v3/rooms/{space}/state/m.space.child/{room}", `{"via":["localhost"]}`, ""},
		{"", "alice", "PUT", "/_matrix/client/v3/directory/room/%23ward:localhost", `{"room_id":"{room}"}`, ""},
		{"", "alice", "PUT", "/_matrix/client/v3/directory/list/room/{room}", `{"visibility":"public"}`, ""},
		{"", "alice", "PUT", "/_matrix/client/v3/user/{me}/account_data/org.example.x", `{"a":1}`, ""},
		{"", "alice", "PUT", "/_matrix/client/v3/user/{me}/rooms/{room}/account_data/org.example.x", `{"a":1}`, ""},
		{"", "alice", "PUT", "/_matrix/client/v3/room_keys/keys/{room}/session?version={backup}", backedUp, ""},
		{"", "alice", "PUT", "/_matrix/client/v3/pushrules/global/content/word", `{"actions":["notify"],"pattern":"word"}`, ""},
	} {
		answer := w.request(t, s.as, s.method, s.target, s.body)
		if answer.Code != http.StatusOK {
			t.Fatalf("%s %s: %d %s", s.method, s.target, answer.Code, answer.Body)
		}
		if s.name != "" {
			w.values["{"+s.name+"}"] = strings.TrimPrefix(gjson.Get(answer.Body.String(), s.from).Str, "mxc://localhost/")
		}
	}
}

// picture is a file that can be shown small.
func picture(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 64, 64))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// fill puts what was made into a target or a body.
func (w *walk) fill(s string) string {
	for name, value := range w.values {
		s = strings.ReplaceAll(s, name, value)
	}
	return strings.ReplaceAll(s, "{password}", password)
}

// request asks as somebody; as "" sends no token, as "nobody" one that is not known.
func (w *walk) request(t *testing.T, as, method, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	token := ""
	if as != "" {
		token = "unknown"
		if c := w.people[as]; c != nil {
			token = c.AccessToken
		}
	}
	before := w.me.AccessToken
	w.me.AccessToken = token
	answer, ok := w.ask(t, method, w.fill(target), []byte(w.fill(body)), token != "")
	w.me.AccessToken = before
	if !ok {
		t.Fatalf("%s %s is no request", method, target)
	}
	return answer
}

func (w *walk) walk(t *testing.T, o operation, c opCase) {
	if c.target == "" {
		c.target = target(rest.Route{Path: o.path})
	}
	if c.as == "" {
		c.as = "alice"
	}
	if c.status == 0 {
		c.status = http.StatusOK
	}
	w.walkCaller(t, o, c)
	if c.code == "" {
		w.walkBody(t, o, c)
		w.walkQuery(t, o, c)
	}
	answer := w.request(t, c.as, o.method, c.target, c.body)
	got := gjson.Get(answer.Body.String(), "errcode").Str
	if answer.Code != c.status || got != c.code {
		t.Fatalf("answers %d %s, want %d %s: %.300s", answer.Code, got, c.status, c.code, answer.Body)
	}
	if c.status == http.StatusOK && len(o.answer) > 0 {
		checkFields(t, answer.Body.Bytes(), o.answer)
	}
}

func (w *walk) walkCaller(t *testing.T, o operation, c opCase) {
	for as, code := range map[string]string{"": "M_MISSING_TOKEN", "nobody": "M_UNKNOWN_TOKEN"} {
		if o.caller == "nobody" || as == "" && o.caller != "user" || c.public {
			continue
		}
		answer := w.request(t, as, o.method, c.target, c.body)
		if got := gjson.Get(answer.Body.String(), "errcode").Str; answer.Code != http.StatusUnauthorized || got != code {
			t.Errorf("with the token of %q: %d %s, want 401 %s", as, answer.Code, got, code)
		}
	}
}

var malformed = []string{"M_BAD_JSON", "M_MISSING_PARAM", "M_INVALID_PARAM"}

func (w *walk) walkBody(t *testing.T, o operation, c opCase) {
	if len(o.body) == 0 {
		return
	}
	bad := func(body string, codes ...string) {
		t.Helper()
		answer := w.request(t, c.as, o.method, c.target, body)
		if got := gjson.Get(answer.Body.String(), "errcode").Str; answer.Code != http.StatusBadRequest || !slices.Contains(codes, got) {
			t.Errorf("with the body %.150s: %d %s, want 400 %v", body, answer.Code, got, codes)
		}
	}
	bad(`{`, "M_NOT_JSON")
	bad(`[]`, "M_BAD_JSON")
	for _, field := range o.body {
		name, kind, ok := cutKind(field)
		if !ok || slices.Contains(c.lenient, name) {
			continue
		}
		without, err := sjson.Delete(c.body, name)
		if err != nil {
			t.Fatal(err)
		}
		bad(without, malformed...)
		if kind != "any" {
			var other any = map[string]any{}
			if kind == "object" {
				other = 7
			}
			wrong, err := sjson.Set(c.body, name, other)
			if err != nil {
				t.Fatal(err)
			}
			bad(wrong, malformed...)
		}
	}
}

func (w *walk) walkQuery(t *testing.T, o operation, c opCase) {
	path, query, _ := strings.Cut(c.target, "?")
	for _, parameter := range o.query {
		name, _, _ := cutKind(parameter)
		if slices.Contains(c.lenient, name) {
			continue
		}
		var kept []string
		for _, pair := range strings.Split(query, "&") {
			if !strings.HasPrefix(pair, name+"=") {
				kept = append(kept, pair)
			}
		}
		answer := w.request(t, c.as, o.method, path+"?"+strings.Join(kept, "&"), c.body)
		if got := gjson.Get(answer.Body.String(), "errcode").Str; answer.Code != http.StatusBadRequest || !slices.Contains(malformed, got) {
			t.Errorf("without %s: %d %s, want 400 %v", name, answer.Code, got, malformed)
		}
	}
}

func cutKind(field string) (name, kind string, ok bool) {
	i := strings.LastIndexByte(field, ':')
	if i < 0 {
		return field, "", false
	}
	return field[:i], field[i+1:], true
}

// checkFields checks that an answer has the fields, wherever it has what they are fields of.
func checkFields(t *testing.T, body []byte, fields []string) {
	t.Helper()
	var answer any
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("the answer is not JSON: %v", err)
	}
	for _, field := range fields {
		if name, kind, ok := cutKind(field); ok {
			var steps []string
			for _, s := range strings.Split(strings.ReplaceAll(name, `\.`, "\x00"), ".") {
				steps = append(steps, strings.ReplaceAll(s, "\x00", "."))
			}
			checkField(t, answer, field, steps, kind)
		}
	}
}

func checkField(t *testing.T, in any, field string, steps []string, kind string) {
	t.Helper()
	step, more := steps[0], steps[1:]
	switch v := in.(type) {
	case []any:
		if step == "[]" {
			for _, member := range v {
				checkField(t, member, field, more, kind)
			}
		}
	case map[string]any:
		if step == "*" {
			for _, member := range v {
				checkField(t, member, field, more, kind)
			}
			return
		}
		value, ok := v[step]
		switch {
		case len(more) > 0 && ok:
			checkField(t, value, field, more, kind)
		case len(more) == 0 && !ok:
			t.Errorf("the answer lacks %s", field)
		case len(more) == 0 && !isKind(value, kind):
			t.Errorf("the answer has %T for %s", value, field)
		}
	}
}

func isKind(value any, kind string) bool {
	switch value.(type) {
	case string:
		return kind == "string" || kind == "any"
	case float64:
		return kind == "integer" || kind == "number" || kind == "any"
	case bool:
		return kind == "boolean" || kind == "any"
	case []any:
		return kind == "array" || kind == "any"
	case map[string]any:
		return kind == "object" || kind == "any"
	}
	return kind == "any"
}
