package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxParams bounds the named segments of a route.
const maxParams = 6

// endpoint is a route as it is served.
type endpoint struct {
	Route
	names []string // of the parameters, in order of the path
	m     *routeMetrics
}

// node is one segment of the path tree. Whole segments are compared before they are unescaped, so that an
// escaped slash stays part of its segment; unlike http.ServeMux it never redirects and it tells an unknown
// path from a wrong method.
type node struct {
	literal map[string]*node
	param   *node
	tail    []method // routes whose last segment is {name...}
	ends    []method
}

type method struct {
	name string
	e    *endpoint
}

// add puts e at path and returns the parameter names, which must be want unless that is nil.
func (n *node) add(verb, path string, e *endpoint, want []string) []string {
	names := []string{}
	rest := path[1:]
	for more := true; more; {
		var seg string
		seg, rest, more = strings.Cut(rest, "/")
		name, isParam := strings.CutPrefix(seg, "{")
		if !isParam {
			if n.literal == nil {
				n.literal = make(map[string]*node)
			}
			if n.literal[seg] == nil {
				n.literal[seg] = new(node)
			}
			n = n.literal[seg]
			continue
		}
		name, ok := strings.CutSuffix(name, "}")
		if !ok {
			panic("rest: bad path " + path)
		}
		if tail, ok := strings.CutSuffix(name, "..."); ok {
			if more {
				panic("rest: bad path " + path)
			}
			names = append(names, tail)
			n.tail = put(n.tail, verb, path, e)
			return checkNames(path, names, want)
		}
		names = append(names, name)
		if n.param == nil {
			n.param = new(node)
		}
		n = n.param
	}
	n.ends = put(n.ends, verb, path, e)
	return checkNames(path, names, want)
}

func put(ms []method, verb, path string, e *endpoint) []method {
	for _, m := range ms {
		if m.name == verb {
			panic(fmt.Sprintf("rest: %s %s is there twice", verb, path))
		}
	}
	return append(ms, method{verb, e})
}

func checkNames(path string, names, want []string) []string {
	if len(names) > maxParams || want != nil && !slices.Equal(names, want) {
		panic("rest: the parameters of " + path + " differ from the route's other paths")
	}
	return names
}

// match is the result of a look-up.
type match struct {
	values [maxParams]string
	n      int
	ends   []method
}

// find looks path (which begins after its first slash) up in the tree; escaped says that segments have to
// be unescaped. Literal segments win over parameters.
func (n *node) find(path string, escaped bool, m *match) bool {
	seg, rest, more := strings.Cut(path, "/")
	if next := n.literal[seg]; next != nil && next.step(rest, more, escaped, m) {
		return true
	}
	if n.param != nil && seg != "" {
		if v, ok := unescape(seg, escaped); ok {
			at := m.n
			m.values[at] = v
			m.n++
			if n.param.step(rest, more, escaped, m) {
				return true
			}
			m.n = at
		}
	}
	if n.tail != nil {
		if v, ok := unescape(path, escaped); ok {
			m.values[m.n] = v
			m.n++
			m.ends = n.tail
			return true
		}
	}
	return false
}

// step goes on below n; one trailing slash is ignored.
func (n *node) step(rest string, more, escaped bool, m *match) bool {
	if more && n.find(rest, escaped, m) {
		return true
	}
	if n.ends != nil && (!more || rest == "") {
		m.ends = n.ends
		return true
	}
	return false
}

// unescape returns a segment as text that can be stored: valid UTF-8 without a zero byte.
func unescape(seg string, escaped bool) (string, bool) {
	if escaped && strings.IndexByte(seg, '%') >= 0 {
		v, err := url.PathUnescape(seg)
		return v, err == nil && text(v)
	}
	return seg, text(seg)
}

func text(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// lookup finds the endpoint of a request. Without an endpoint, known says whether the path has other methods.
func (s *Server) lookup(r *http.Request, m *match) (e *endpoint, known bool) {
	path, escaped := r.URL.RawPath, true
	if path == "" {
		path, escaped = r.URL.Path, false
	}
	if path == "" || path[0] != '/' || !s.root.find(path[1:], escaped, m) {
		return nil, false
	}
	verb := r.Method
	if verb == http.MethodHead {
		verb = http.MethodGet
	}
	for i := range m.ends {
		if m.ends[i].name == verb {
			return m.ends[i].e, true
		}
	}
	return nil, true
}
