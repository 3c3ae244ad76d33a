package audit

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/myelin-health/myelin/db"
)

// reads remembers which file reads of today are in the log, so that most need no database.
type reads struct {
	mu     sync.Mutex
	day    int64
	tokens map[[32]byte]struct{}
	forgot int64 // the day when old rows were last removed
}

// maxReads bounds the memory to some tens of megabytes; beyond it the table is asked.
const maxReads = 500_000

func (r *reads) known(day int64, token [32]byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.tokens[token]
	return ok && r.day == day
}

func (r *reads) add(day int64, token [32]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if day > r.day || r.tokens == nil {
		r.day, r.tokens = day, map[[32]byte]struct{}{}
	}
	if day == r.day && len(r.tokens) < maxReads {
		r.tokens[token] = struct{}{}
	}
}

const milliDay = 24 * 60 * 60 * 1000

// FileRead notes that a person read a file (e.Target): once for each person, device, file and day (UTC), over restarts
// and by all processes. It returns when the entry is on disk; call it before the file's first byte is given out. Act is
// set here.
func (l *Log) FileRead(ctx context.Context, e Entry) error {
	e.Act = FileRead
	day := l.clock().UnixMilli() / milliDay
	var b []byte
	for _, s := range []string{string(e.Who), string(e.Device), e.Target, string(e.Outcome)} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.AppendVarint(b, day)
	token := [32]byte(l.tokens.Append(nil, b))
	if l.reads.known(day, token) {
		return nil
	}
	err := l.db.Write(ctx, "audit file read", nil, func(tx *db.Tx) error {
		n, err := tx.Exec(`insert into audit_read_once (day, token) values ($1, $2) on conflict do nothing`, day, token[:])
		if err != nil {
			return err
		}
		if n > 0 {
			l.Append(tx, e)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("audit file read: %w", err)
	}
	l.reads.add(day, token)
	return nil
}

// forgetReads removes what tells of reads before yesterday.
func (l *Log) forgetReads(ctx context.Context) error {
	today := l.clock().UnixMilli() / milliDay
	l.reads.mu.Lock()
	due := l.reads.forgot < today
	l.reads.mu.Unlock()
	if !due {
		return nil
	}
	const chunk = 2000 // a transaction stays short
	for {
		var n int64
		err := l.db.Write(ctx, "forget file reads", nil, func(tx *db.Tx) error {
			var err error
			n, err = tx.Exec(`delete from audit_read_once where (day, token) in
				(select day, token from audit_read_once where day < $1 limit $2)`, today-1, chunk)
			return err
		})
		if err != nil {
			return fmt.Errorf("forget old file reads: %w", err)
		}
		if n < chunk {
			break
		}
	}
	l.reads.mu.Lock()
	l.reads.forgot = today
	l.reads.mu.Unlock()
	return nil
}
