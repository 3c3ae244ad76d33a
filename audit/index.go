package audit

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/myelin-health/myelin/db"
)

var indexTable = &db.Table{
	Name:    "audit_index",
	Columns: []string{"kind", "value", "chunk", "numbers"},
	Types:   []string{"text", "text", "bigint", "bytea"},
	Key:     3,
}

// indexChunk is how many entries are indexed at once. Chunk c is the entries c*indexChunk+1 to (c+1)*indexChunk. What is
// newer than the last full chunk is searched without an index.
const indexChunk = 1024

// The kinds of index.
const (
	byWho  = "who"
	byRoom = "room"
	byAct  = "act"
	byDay  = "day"
)

func dayOf(milli int64) string { return time.UnixMilli(milli).UTC().Format(time.DateOnly) }

type indexed struct{ kind, value string }

// indexedTo returns how many entries are indexed, and the version of that knowledge.
func (l *Log) indexedTo(ctx context.Context) (version, upto int64, err error) {
	version, value, ok, err := l.db.Head(ctx, indexKey)
	if err != nil || !ok {
		return version, 0, err
	}
	return version, int64(binary.BigEndian.Uint64(value)), nil
}

// Index indexes the entries of every chunk that is full, for Search.
func (l *Log) Index(ctx context.Context) error {
	for {
		version, upto, err := l.indexedTo(ctx)
		if err != nil {
			return fmt.Errorf("index audit log: %w", err)
		}
		found, full, err := l.readChunk(ctx, upto)
		if err != nil {
			return fmt.Errorf("index audit log: %w", err)
		}
		if !full {
			return nil
		}
		if err := l.writeChunk(ctx, version, upto, found); err != nil {
			return fmt.Errorf("index audit log: %w", err)
		}
	}
}

// readChunk collects where each value occurs in the chunk after the entry numbered upto.
func (l *Log) readChunk(ctx context.Context, upto int64) (map[indexed][]byte, bool, error) {
	var last bool
	err := l.db.QueryRow(ctx, `select count(*) > 0 from audit_leaf where number = $1`, upto+indexChunk).Scan(&last)
	if err != nil || !last {
		return nil, false, err
	}
	rows, err := l.db.Query(ctx, `select number, time, act, who, room from audit_leaf where number > $1 and number <= $2 order by number`, upto, upto+indexChunk)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	found := map[indexed][]byte{}
	for rows.Next() {
		var number, milli int64
		var act, who, room string
		if err := rows.Scan(&number, &milli, &act, &who, &room); err != nil {
			return nil, false, err
		}
		for _, v := range [...]indexed{{byWho, who}, {byRoom, room}, {byAct, act}, {byDay, dayOf(milli)}} {
			if v.value != "" {
				found[v] = binary.BigEndian.AppendUint16(found[v], uint16(number-upto-1))
			}
		}
	}
	return found, true, rows.Err()
}

// writeChunk writes the index of a chunk in transactions that stay short; the last one says that it is complete. Until
// then nobody reads it, and writing it again is harmless.
func (l *Log) writeChunk(ctx context.Context, version, upto int64, found map[indexed][]byte) error {
	const most = 300
	rows := make([]any, 0, 4*len(found))
	for v, numbers := range found {
		rows = append(rows, v.kind, v.value, upto/indexChunk, numbers)
	}
	for {
		part := rows[:min(len(rows), 4*most)]
		rows = rows[len(part):]
		err := l.db.Write(ctx, "audit index", []db.Key{indexKey}, func(tx *db.Tx) error {
			if now, _, _ := tx.Head(indexKey); now != version {
				return db.ErrStale
			}
			for i := 0; i < len(part); i += 4 {
				tx.Append(indexTable, part[i:i+4]...)
			}
			if len(rows) == 0 {
				tx.SetHead(indexKey, binary.BigEndian.AppendUint64(nil, uint64(upto+indexChunk)))
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return nil
		}
	}
}
