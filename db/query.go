package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// Query reads committed rows. It never waits for a writer.
func (d *DB) Query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	if d.postgres {
		return d.reads.QueryContext(ctx, q, noBools(args)...)
	}
	t, err := d.texts.get(ctx, d.reads, q)
	if err != nil {
		return nil, err
	}
	if args, err = t.args(args); err != nil {
		return nil, err
	}
	if t.stmt == nil {
		return d.reads.QueryContext(ctx, t.text, args...)
	}
	return t.stmt.QueryContext(ctx, args...)
}

// QueryRow is Query for one row.
func (d *DB) QueryRow(ctx context.Context, q string, args ...any) *sql.Row {
	if d.postgres {
		return d.reads.QueryRowContext(ctx, q, noBools(args)...)
	}
	t, err := d.texts.get(ctx, d.reads, q)
	if err == nil {
		args, err = t.args(args)
	}
	if err != nil {
		// The same text fails the same way and carries the error to Scan.
		return d.reads.QueryRowContext(ctx, rewrite(q).text, args...)
	}
	if t.stmt == nil {
		return d.reads.QueryRowContext(ctx, t.text, args...)
	}
	return t.stmt.QueryRowContext(ctx, args...)
}

// text is a query as SQLite wants it.
type text struct {
	text  string
	lists []int // arguments (from 0) that are slices
	stmt  *sql.Stmt
}

type preparer interface {
	PrepareContext(ctx context.Context, q string) (*sql.Stmt, error)
}

// maxTexts bounds the prepared statements per pool: texts beyond it (built from
// lists of varying length) run unprepared.
const maxTexts = 1000

// texts caches rewritten and prepared queries of one pool or connection.
type texts struct {
	sqlite bool
	m      sync.Map // string -> *text
	mu     sync.Mutex
	n      int
}

func (c *texts) get(ctx context.Context, p preparer, q string) (*text, error) {
	if v, ok := c.m.Load(q); ok {
		return v.(*text), nil
	}
	t := rewrite(q)
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.m.Load(q); ok {
		return v.(*text), nil
	}
	if c.n >= maxTexts {
		return t, nil
	}
	// Not with the caller's context: the statement outlives the call.
	s, err := p.PrepareContext(context.WithoutCancel(ctx), t.text)
	if err != nil {
		return nil, err
	}
	t.stmt = s
	c.m.Store(q, t)
	c.n++
	return t, nil
}

func (t *text) args(args []any) ([]any, error) {
	if len(t.lists) == 0 {
		return args, nil
	}
	out := append([]any(nil), args...)
	for _, i := range t.lists {
		if i < 0 || i >= len(out) {
			return nil, fmt.Errorf("query has no argument $%d", i+1)
		}
		if r := reflect.ValueOf(out[i]); !r.IsValid() || r.Kind() != reflect.Slice {
			return nil, fmt.Errorf("argument $%d must be a slice, is a %T", i+1, out[i])
		}
		b, err := json.Marshal(out[i])
		if err != nil {
			return nil, fmt.Errorf("argument $%d: %w", i+1, err)
		}
		out[i] = string(b)
	}
	return out, nil
}

// noBools turns bools into 0 and 1: both databases store them as bigint.
func noBools(args []any) []any {
	copied := false
	for i, a := range args {
		b, ok := a.(bool)
		if !ok {
			continue
		}
		if !copied {
			args, copied = append([]any(nil), args...), true
		}
		if args[i] = int64(0); b {
			args[i] = int64(1)
		}
	}
	return args
}

var listTest = regexp.MustCompile(`(?i)(=\s*any|<>\s*all)\s*\(\s*\$(\d+)\s*\)`)

// rewrite turns $n into ?n (SQLite takes $n for a name) and tests against a
// slice into tests against a JSON list. Quoted text and comments stay.
func rewrite(q string) *text {
	t := &text{}
	if listTest.MatchString(q) {
		q = listTest.ReplaceAllStringFunc(q, func(s string) string {
			m := listTest.FindStringSubmatch(s)
			n, _ := strconv.Atoi(m[2])
			t.lists = append(t.lists, n-1)
			in := "in"
			if strings.HasPrefix(m[1], "<") {
				in = "not in"
			}
			return in + " (select value from json_each($" + m[2] + "))"
		})
	}
	var b strings.Builder
	b.Grow(len(q))
	for i := 0; i < len(q); {
		end := skipQuoted(q, i)
		if end > i {
			b.WriteString(q[i:end])
			i = end
			continue
		}
		if q[i] == '$' && i+1 < len(q) && q[i+1] >= '1' && q[i+1] <= '9' {
			b.WriteByte('?')
		} else {
			b.WriteByte(q[i])
		}
		i++
	}
	t.text = b.String()
	return t
}

// skipQuoted returns the end of the quoted text or comment that starts at i, or i.
func skipQuoted(q string, i int) int {
	stop := ""
	switch {
	case q[i] == '\'' || q[i] == '"':
		stop = q[i : i+1]
	case strings.HasPrefix(q[i:], "--"):
		stop = "\n"
	case strings.HasPrefix(q[i:], "/*"):
		stop = "*/"
	default:
		return i
	}
	from := i + 1
	if stop == "*/" {
		from = i + 2
	}
	end := strings.Index(q[from:], stop)
	if end < 0 {
		return len(q)
	}
	return from + end + len(stop)
}
