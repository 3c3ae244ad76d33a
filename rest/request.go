package rest

import (
	"bytes"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
)

// bodyTimeout is how long a caller may take to send a body that is read whole.
const bodyTimeout = time.Minute

// Request is a request of an allowed caller. It must not be used after its handler returned.
type Request struct {
	*http.Request
	W   http.ResponseWriter // for handlers that write the answer themselves
	Who access.Who          // zero for nobody

	s     *Server
	e     *endpoint
	m     match
	rec   recorder
	query url.Values
	body  []byte
	read  bool
	addr  string
	start time.Time
	guest *guest // if it may wait
}

// recorder remembers the status that was written.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap serves http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements http.Flusher.
func (w *recorder) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Param returns the named segment of the path, unescaped.
func (r *Request) Param(name string) string {
	if r.e != nil {
		for i, n := range r.e.names {
			if n == name {
				return r.m.values[i]
			}
		}
	}
	return ""
}

// PathValue is Param; it shadows the method of http.Request, which knows no parameters here.
func (r *Request) PathValue(name string) string { return r.Param(name) }

// Pattern is the path of the route that serves the request.
func (r *Request) Pattern() string { return r.e.Path }

// Query returns the parsed query string.
func (r *Request) Query() url.Values {
	if r.query == nil {
		r.query = r.URL.Query()
	}
	return r.query
}

// Q returns the first value of a query parameter, or "".
func (r *Request) Q(name string) string {
	if r.URL.RawQuery == "" {
		return ""
	}
	return r.Query().Get(name)
}

// QInt returns a query parameter as a number, or def if it is not there. It is a fault if it is no number.
func (r *Request) QInt(name string, def int64) (int64, error) {
	v := r.Q(name)
	if v == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return 0, fault.New(fault.InvalidParam, "%s must be a number.", name)
	}
	return n, nil
}

// QBool returns a query parameter as a boolean, or def if it is not there. It is a fault if it is neither
// true nor false.
func (r *Request) QBool(name string, def bool) (bool, error) {
	switch r.Q(name) {
	case "":
		return def, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fault.New(fault.InvalidParam, "%s must be true or false.", name)
}

// Bearer is the access token of the request, which need not be good; empty: none.
func (r *Request) Bearer() string { return bearer(r.Request) }

// Addr is the address of the caller: that of the connection, or what a trusted proxy says.
func (r *Request) Addr() string {
	if r.addr == "" {
		r.addr = r.s.clientAddr(r.Request)
	}
	return r.addr
}

// Bytes reads the whole body, up to the cap of the route. It may be called more than once.
func (r *Request) Bytes() ([]byte, error) {
	if r.read {
		return r.body, nil
	}
	limit := r.e.MaxBody
	if limit < 0 {
		limit = DefaultMaxBody
	}
	if r.ContentLength > limit {
		return nil, tooLarge()
	}
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		r.read = true
		return nil, nil
	}
	b, err := r.readBody(limit)
	if err != nil {
		var max *http.MaxBytesError
		if errors.As(err, &max) {
			return nil, tooLarge()
		}
		return nil, fault.New(fault.NotJSON, "The body could not be read.").Because(err)
	}
	if int64(len(b)) > limit {
		return nil, tooLarge()
	}
	r.body, r.read = b, true
	return b, nil
}

// readBody reads at most one byte more than limit, within bodyTimeout.
func (r *Request) readBody(limit int64) ([]byte, error) {
	rc := http.NewResponseController(r.rec.ResponseWriter)
	// Not every ResponseWriter can do this (tests); the body is bounded in any case.
	if rc.SetReadDeadline(time.Now().Add(bodyTimeout)) == nil {
		defer func() { _ = rc.SetReadDeadline(time.Time{}) }()
	}
	if n := r.ContentLength; n > 0 {
		b := make([]byte, n)
		_, err := io.ReadFull(r.Body, b)
		return b, err
	}
	return io.ReadAll(io.LimitReader(r.Body, limit+1))
}

func tooLarge() error { return fault.New(fault.TooLarge, "The request body is too large.") }

// Object reads the body as one JSON object and returns it as it was sent. A body that is not JSON
// (including invalid UTF-8 and doubled keys) is M_NOT_JSON, another value than an object is M_BAD_JSON.
func (r *Request) Object() (jsontext.Value, error) {
	b, err := r.Bytes()
	if err != nil {
		return nil, err
	}
	return b, CheckObject(b)
}

// CheckObject returns a fault unless b is exactly one JSON object.
func CheckObject(b []byte) error {
	if !utf8.Valid(b) || !jsontext.Value(b).IsValid() {
		return fault.New(fault.NotJSON, "The request body is not JSON.")
	}
	return isObject(b)
}

// JSON decodes the body, which must be a JSON object, into v by encoding/json/v2's rules: names are
// case-sensitive, unknown ones are ignored. Wrong types are M_BAD_JSON.
func (r *Request) JSON(v any) error {
	b, err := r.Bytes()
	if err != nil {
		return err
	}
	return Decode(b, v)
}

// OptionalJSON is JSON for operations that may be called without a body: v is left alone then.
func (r *Request) OptionalJSON(v any) error {
	b, err := r.Bytes()
	if err != nil || len(bytes.TrimSpace(b)) == 0 {
		return err
	}
	return Decode(b, v)
}

// Decode is what Request.JSON does with a body.
func Decode(b []byte, v any) error {
	err := json.Unmarshal(b, v)
	if err == nil {
		return isObject(b)
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) && jsontext.Value(b).IsValid() {
		if at := semantic.JSONPointer; at != "" {
			return fault.New(fault.BadJSON, "The request body has a value of the wrong type.").Because(err)
		}
		return fault.New(fault.BadJSON, "The request body must be a JSON object.").Because(err)
	}
	return fault.New(fault.NotJSON, "The request body is not JSON.").Because(err)
}

func isObject(b []byte) error {
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 || b[0] != '{' {
		return fault.New(fault.BadJSON, "The request body must be a JSON object.")
	}
	return nil
}
