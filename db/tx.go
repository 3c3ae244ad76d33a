package db

import (
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"strings"
)

// Key names something that has a head: a small versioned value that is locked
// while a write that declared the key runs, such as the newest state of a room.
type Key int64

// KeyOf is the key of something that is known by a name, such as a person. What tells apart the things that have one
// name; it is part of what is stored.
func KeyOf(what, name string) Key {
	h := fnv.New64a()
	_, _ = h.Write([]byte(what))
	_, _ = h.Write([]byte(name))
	return Key(h.Sum64()) //nolint:gosec // any 64 bits are a key
}

// Series is a sequence of gap-free increasing numbers, starting at 1.
type Series int

const (
	// Stream numbers are the positions of everything durable that somebody may
	// wait for. They become visible in order, on all nodes.
	Stream Series = iota
	// Leaf numbers count the leaves of the audit log.
	Leaf

	seriesCount
)

// Num is a number that the lane gives out when all members of the batch ran.
type Num struct{ v int64 }

// Value is the number; 0 before the lane numbered. It is valid in Late
// functions, After-functions, and once the write returned.
func (n *Num) Value() int64 { return n.v }

type late func() any

// Late is a value for [Tx.Append] that is computed when all numbers of the batch
// are known. f runs on the lane: it must be short, and must not use the Tx.
func Late(f func() any) any { return late(f) }

type head struct {
	version int64
	value   []byte
	found   bool

	stored  int64 // version in the database; 0 when there is no row
	changed bool
}

type headUndo struct {
	key Key
	old head
}

// Tx is what a write function may do. It is valid only while the function runs
// and only on its goroutine.
type Tx struct {
	lane       *lane
	b          *batch
	m          *Pending
	touched    bool // ran a statement that may have changed rows
	statements bool // ran any statement
	failed     error
	undo       []headUndo
	marks      [seriesCount]int
}

// Exec runs a statement at once and returns how many rows it changed. For cold
// paths: on PostgreSQL each call is a round trip.
func (tx *Tx) Exec(q string, args ...any) (int64, error) {
	for i, v := range args {
		if hasZero(v) {
			return 0, tx.fail(fmt.Errorf("argument $%d: %w", i+1, errZero))
		}
	}
	tx.touched, tx.statements = true, true
	n, err := tx.lane.engine.exec(q, args)
	if err != nil {
		return 0, tx.fail(err)
	}
	return n, nil
}

// Query reads inside the transaction. It sees what Exec did, not rows handed to
// Append. The rows must be closed before the function returns.
func (tx *Tx) Query(q string, args ...any) (*sql.Rows, error) {
	tx.touch(q)
	rows, err := tx.lane.engine.query(q, args)
	if err != nil {
		return nil, tx.fail(err)
	}
	return rows, nil
}

// QueryRow is Query for one row.
func (tx *Tx) QueryRow(q string, args ...any) *sql.Row {
	tx.touch(q)
	return tx.lane.engine.queryRow(q, args)
}

func (tx *Tx) touch(q string) {
	tx.statements = true
	q = strings.TrimLeft(q, " \t\r\n")
	if len(q) < 6 || !strings.EqualFold(q[:6], "select") {
		tx.touched = true
	}
}

func (tx *Tx) fail(err error) error {
	if tx.failed == nil {
		tx.failed = err
	}
	return err
}

// Append hands over a row, with one value per column of the table: nil, an
// integer, string or byte slice (or a type or pointer of that kind), a bool
// (stored as 0 or 1), a *Num or a Late. Strings and byte slices must not change
// afterwards. The row is written at the end of the batch.
func (tx *Tx) Append(t *Table, values ...any) {
	if err := t.check(); err != nil {
		panic(err)
	}
	if len(values) != len(t.cols) {
		panic(fmt.Sprintf("table %s has %d columns, got %d values", t.Name, len(t.cols), len(values)))
	}
	for i, v := range values {
		// Found here, it fails this write alone; at the end of the batch it would fail all of them.
		if hasZero(v) {
			_ = tx.fail(fmt.Errorf("table %s column %s: %w", t.Name, t.Columns[i], errZero))
		}
	}
	s := tx.b.table(t)
	s.values = append(s.values, values...)
}

// Number takes the next number of a series.
func (tx *Tx) Number(s Series) *Num {
	n := new(Num)
	tx.b.nums[s] = append(tx.b.nums[s], n)
	return n
}

// After adds a function that runs after the commit, in commit order, before the
// write returns. It must be short and must not write and wait.
func (tx *Tx) After(f func()) { tx.m.after = append(tx.m.after, f) }

// Head returns the version and value of a key that the write declared. It
// includes what members earlier in the batch set. A key that was never set has
// version 0 and ok false. The value must not be changed.
func (tx *Tx) Head(k Key) (version int64, value []byte, ok bool) {
	h := tx.head(k)
	return h.version, h.value, h.found
}

// SetHead sets the value of a key that the write declared and raises its version
// by one. The value must not be changed afterwards.
func (tx *Tx) SetHead(k Key, value []byte) {
	h := tx.head(k)
	tx.undo = append(tx.undo, headUndo{k, *h})
	h.version++
	h.value, h.found, h.changed = value, true, true
}

func (tx *Tx) head(k Key) *head {
	for _, have := range tx.m.keys {
		if have == k {
			return tx.b.heads[k]
		}
	}
	panic(fmt.Sprintf("key %d was not declared by the write", k))
}

// Context is the context for code inside a write function that needs one.
func (tx *Tx) Context() context.Context { return context.Background() }

// Fail makes the write fail with err, whatever its function returns: for helpers of write functions that return nothing.
func (tx *Tx) Fail(err error) { tx.fail(err) }
