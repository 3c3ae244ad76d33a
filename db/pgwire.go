package db

import (
	"context"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Object ids of PostgreSQL's types, and its binary format for them.
const (
	oidBytes = 17
	oidInt8  = 20
	oidText  = 25
)

func (c colType) oid() uint32 {
	switch c {
	case colInt:
		return oidInt8
	case colText:
		return oidText
	}
	return oidBytes
}

func (c colType) postgres() string {
	switch c {
	case colInt:
		return "bigint"
	case colText:
		return "text"
	}
	return "bytea"
}

// unnest is the statement that inserts any number of rows, one array per column.
func (t *Table) unnest() string {
	t.unnestOnce.Do(func() {
		args := make([]string, len(t.cols))
		for i, c := range t.cols {
			args[i] = "$" + strconv.Itoa(i+1) + "::" + c.postgres() + "[]"
		}
		t.unnestText = "insert into " + t.Name + " (" + strings.Join(t.Columns, ", ") + ") select * from unnest(" +
			strings.Join(args, ", ") + ")" + t.conflict()
	})
	return t.unnestText
}

func appendInt(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }

func readInt(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }

func appendArrayHeader(b []byte, oid uint32, n int) []byte {
	b = binary.BigEndian.AppendUint32(b, 1) // dimensions
	b = binary.BigEndian.AppendUint32(b, 1) // may have nulls
	b = binary.BigEndian.AppendUint32(b, oid)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	return binary.BigEndian.AppendUint32(b, 1) // lower bound
}

func appendInts(b []byte, n int, at func(int) int64) []byte {
	b = appendArrayHeader(b, oidInt8, n)
	for i := range n {
		b = appendInt(binary.BigEndian.AppendUint32(b, 8), at(i))
	}
	return b
}

// appendArray writes an array of nil, int64, string and []byte values.
func appendArray(b []byte, oid uint32, n int, at func(int) any) []byte {
	b = appendArrayHeader(b, oid, n)
	for i := range n {
		switch v := at(i).(type) {
		case nil:
			b = binary.BigEndian.AppendUint32(b, 0xffffffff)
		case int64:
			b = appendInt(binary.BigEndian.AppendUint32(b, 8), v)
		case string:
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
		case []byte:
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
		}
	}
	return b
}

// pipeline collects prepared statements and sends them in one go.
type pipeline struct {
	e   *postgresEngine
	c   *pgconn.PgConn
	qs  []queued
	tag string // of the last statement that ran
}

type queued struct {
	sd     *pgconn.StatementDescription
	params [][]byte
}

var binaryFormat = []int16{1}

// send adds a statement, preparing it first when the connection does not know it yet. Parameters
// and results are binary, except that a text is the same in both formats.
func (p *pipeline) send(q string, params [][]byte) error {
	sd := p.e.prepared[q]
	if sd == nil {
		var err error
		sd, err = p.c.Prepare(context.Background(), "myelin_"+strconv.Itoa(len(p.e.prepared)), q, nil)
		if err != nil {
			return err
		}
		p.e.prepared[q] = sd
	}
	p.qs = append(p.qs, queued{sd, append([][]byte(nil), params...)})
	return nil
}

// run sends what was collected, calls each for every result and returns the first error.
func (p *pipeline) run(each func(i int, r *pgconn.ResultReader)) error {
	pl := p.c.StartPipeline(context.Background())
	for _, q := range p.qs {
		pl.SendQueryStatement(q.sd, q.params, binaryFormat, binaryFormat)
	}
	err := pl.Sync()
	for i := 0; err == nil && i < len(p.qs); i++ {
		var res any
		if res, err = pl.GetResults(); err != nil {
			break
		}
		r := res.(*pgconn.ResultReader)
		if each != nil {
			each(i, r)
		}
		var tag pgconn.CommandTag
		if tag, err = r.Close(); i == len(p.qs)-1 {
			p.tag = tag.String()
		}
	}
	if closeErr := pl.Close(); err == nil {
		err = closeErr
	}
	return err
}
