package db

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/myelin-health/myelin/fault"
)

// Table describes how rows that are handed over with [Tx.Append] are written.
// Declare it once as a package variable; it must not change afterwards.
//
// All rows of one batch for one table are one statement, in the order in which
// they were handed over; tables are written in the order in which the batch
// first met them, so a foreign key between two of them must be deferred.
type Table struct {
	Name    string
	Columns []string
	// Types are the columns' types: bigint, text or bytea. A value of another type is an error.
	Types []string
	// Key > 0: the first Key columns are the primary key (or a unique index) and an existing row
	// is overwritten, the last row wins.
	Key int
	// Ignore: a row that conflicts with an existing one is dropped silently.
	Ignore bool

	once sync.Once
	cols []colType
	err  error

	unnestOnce sync.Once
	unnestText string
}

type colType byte

const (
	colInt colType = iota
	colText
	colBytes
)

func (t *Table) check() error {
	t.once.Do(func() {
		if len(t.Columns) == 0 || len(t.Types) != len(t.Columns) || t.Key > len(t.Columns) {
			t.err = fmt.Errorf("table %s: %d columns, %d types, key of %d", t.Name, len(t.Columns), len(t.Types), t.Key)
			return
		}
		for i, typ := range t.Types {
			switch strings.ToLower(typ) {
			case "bigint":
				t.cols = append(t.cols, colInt)
			case "text":
				t.cols = append(t.cols, colText)
			case "bytea":
				t.cols = append(t.cols, colBytes)
			default:
				t.err = fmt.Errorf("table %s column %s: type %s is not bigint, text or bytea", t.Name, t.Columns[i], typ)
			}
		}
	})
	return t.err
}

// conflict is the on-conflict part of the insert statement.
func (t *Table) conflict() string {
	switch {
	case t.Ignore, t.Key > 0 && t.Key == len(t.Columns):
		return " on conflict do nothing"
	case t.Key > 0:
		var sets []string
		for _, c := range t.Columns[t.Key:] {
			sets = append(sets, c+" = excluded."+c)
		}
		return " on conflict (" + strings.Join(t.Columns[:t.Key], ", ") + ") do update set " + strings.Join(sets, ", ")
	}
	return ""
}

// staged are the rows of one table in one batch, len(t.Columns) values per row.
type staged struct {
	t      *Table
	values []any
	mark   int // len(values) when the running member started
}

// resolve replaces numbers and late values, brings every value to nil, int64,
// string or []byte and checks it against the column's type. For tables with a
// key it keeps only the last row of each key.
func (s *staged) resolve() error {
	n := len(s.t.cols)
	for i, v := range s.values {
		r, err := plain(v)
		if err == nil {
			err = fits(r, s.t.cols[i%n])
		}
		if err != nil {
			return fmt.Errorf("table %s column %s: %w", s.t.Name, s.t.Columns[i%n], err)
		}
		s.values[i] = r
	}
	if s.t.Key > 0 && len(s.values) > n {
		s.dedupe()
	}
	return nil
}

func (s *staged) dedupe() {
	n := len(s.t.cols)
	last := make(map[string]int, len(s.values)/n)
	var key []byte
	keys := make([]string, 0, len(s.values)/n)
	for i := 0; i < len(s.values); i += n {
		key = key[:0]
		for _, v := range s.values[i : i+s.t.Key] {
			key = appendKey(key, v)
		}
		k := string(key)
		keys = append(keys, k)
		last[k] = i
	}
	if len(last) == len(keys) {
		return
	}
	out := s.values[:0]
	for j, k := range keys {
		if last[k] == j*n {
			out = append(out, s.values[j*n:j*n+n]...)
		}
	}
	clear(s.values[len(out):])
	s.values = out
}

func appendKey(b []byte, v any) []byte {
	switch v := v.(type) {
	case int64:
		return fmt.Appendf(b, "i%d;", v)
	case string:
		return append(fmt.Appendf(b, "s%d;", len(v)), v...)
	case []byte:
		return append(fmt.Appendf(b, "b%d;", len(v)), v...)
	}
	return append(b, 'n')
}

// errZero says what PostgreSQL cannot store, and SQLite therefore must not. Such a text came from a caller.
var errZero = fault.New(fault.InvalidParam, "A text with a zero byte cannot be stored.")

// hasZero tells whether v is such a text.
func hasZero(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.IndexByte(v, 0) >= 0
	case nil, int64, []byte, *Num, late:
		return false
	}
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.String && strings.IndexByte(r.String(), 0) >= 0
}

func fits(v any, c colType) error {
	ok := true
	switch v := v.(type) {
	case int64:
		ok = c == colInt
	case string:
		ok = c == colText
		if ok && strings.IndexByte(v, 0) >= 0 {
			return errZero
		}
	case []byte:
		ok = c == colBytes
	}
	if !ok {
		return fmt.Errorf("a %T does not fit the type", v)
	}
	return nil
}

// plain brings a value to nil, int64, string or []byte.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case nil, int64, string:
		return v, nil
	case []byte:
		if v == nil {
			return nil, nil
		}
		return v, nil
	case *Num:
		return v.v, nil
	case late:
		return plain(v())
	case int:
		return int64(v), nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Pointer:
		if r.IsNil() {
			return nil, nil
		}
		return plain(r.Elem().Interface())
	case reflect.String:
		return r.String(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return r.Int(), nil
	case reflect.Bool:
		return plain(r.Bool())
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return int64(r.Uint()), nil
	case reflect.Slice:
		if r.Type().Elem().Kind() == reflect.Uint8 {
			return plain(r.Bytes())
		}
	}
	return nil, fmt.Errorf("a %T cannot be stored", v)
}
