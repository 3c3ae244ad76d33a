package audit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/seal"
)

var leafTable = &db.Table{
	Name:    "audit_leaf",
	Columns: []string{"number", "time", "act", "who", "device", "room", "target", "outcome", "sealed", "tag", "hash"},
	Types:   []string{"bigint", "bigint", "text", "text", "text", "text", "text", "text", "bytea", "bytea", "bytea"},
}

const leafColumns = `number, time, act, who, device, room, target, outcome, sealed, tag, hash`

// leaf is a row of audit_leaf.
type leaf struct {
	number, time                            int64
	act, who, device, room, target, outcome string
	sealed, tag, hash                       []byte
}

func scanLeaf(rows *sql.Rows) (leaf, error) {
	var f leaf
	err := rows.Scan(&f.number, &f.time, &f.act, &f.who, &f.device, &f.room, &f.target, &f.outcome, &f.sealed, &f.tag, &f.hash)
	if err != nil {
		return f, fmt.Errorf("read audit entry: %w", err)
	}
	return f, nil
}

// record appends the encoding of which tag and hash are made: a version, the numbers, every text with its length before
// it, and the hash of the sealed details in place of these, so that they may be dropped one day without breaking the tree.
func (f *leaf) record(b []byte) []byte {
	b = append(b, 1)
	b = binary.AppendUvarint(b, uint64(f.number))
	b = binary.AppendVarint(b, f.time)
	for _, s := range [...]string{f.act, f.who, f.device, f.room, f.target, f.outcome} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	if f.sealed == nil {
		return append(b, 0)
	}
	sum := sha256.Sum256(f.sealed)
	return append(append(b, 1), sum[:]...)
}

var records = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// seal computes tag and hash. The tag is a keyed hash of the record: a row that somebody without the server's keys wrote
// or changed is known by it even before its hash was signed. The leaf of the tree is the record and the tag.
func (f *leaf) seal(tags *seal.Hasher) (tag []byte, hash tlog.Hash) {
	buf := records.Get().(*[]byte)
	b := append((*buf)[:0], 0) // RFC 6962: a leaf's hash is over 0 and its content
	b = f.record(b)
	n := len(b)
	b = tags.Append(b, b[1:n])
	tag = append(make([]byte, 0, sha256.Size), b[n:]...)
	hash = sha256.Sum256(b) // tlog.RecordHash without its copy
	*buf = b
	records.Put(buf)
	return tag, hash
}

// Append adds an entry to the transaction of the act it tells of. Its number is given, and its hash made, when the
// transaction is numbered. If details cannot be sealed the transaction fails. The first details of a person make their key,
// which waits for the disk: where that matters, call [seal.Keys.Prepare] before the transaction.
func (l *Log) Append(tx *db.Tx, e Entry) {
	if !e.valid() {
		tx.Fail(fmt.Errorf("audit: unknown act %q or outcome %q", e.Act, e.Outcome))
		return
	}
	f := &leaf{time: l.clock().UnixMilli(), act: string(e.Act), who: clean(string(e.Who)), device: clean(string(e.Device)),
		room: clean(string(e.Room)), target: clean(e.Target), outcome: string(e.Outcome)}
	if len(e.Detail) > 0 {
		var err error
		if f.sealed, err = l.sealDetail(tx.Context(), f, e.Detail); err != nil {
			tx.Fail(err)
			return
		}
	}
	n := tx.Number(db.Leaf)
	hashed := func() {
		if v := n.Value(); f.number != v {
			var hash tlog.Hash
			f.number = v
			f.tag, hash = f.seal(l.tags)
			f.hash = hash[:]
		}
	}
	tag := db.Late(func() any { hashed(); return f.tag })
	hash := db.Late(func() any { hashed(); return f.hash })
	tx.Append(leafTable, n, f.time, f.act, f.who, f.device, f.room, f.target, f.outcome, f.sealed, tag, hash)
	tx.After(l.mark)
}

// The first byte of sealed details says under which key they are.
const (
	underPerson = 'p'
	underServer = 's'
)

func (f *leaf) aad() string { return "audit detail\n" + f.act + "\n" + strconv.FormatInt(f.time, 10) }

func (l *Log) sealDetail(ctx context.Context, f *leaf, detail map[string]any) ([]byte, error) {
	plain, err := encodeDetail(detail)
	if err != nil {
		return nil, fmt.Errorf("audit: encode details: %w", err)
	}
	scope, mark := seal.Person(id.UserID(f.who)), byte(underPerson)
	switch {
	case f.who == "":
		scope, mark = seal.Server, underServer
	case f.act == string(SignInFailed) || f.act == string(AccessRefused):
		// A stranger chooses this name: no key is made for it.
		known, err := l.keys.Exists(ctx, scope)
		if err != nil {
			return nil, fmt.Errorf("audit: %w", err)
		}
		if !known {
			scope, mark = seal.Server, underServer
		}
	}
	sealed := append(make([]byte, 0, 1+seal.Overhead+len(plain)), mark)
	if sealed, err = l.keys.AppendSeal(ctx, sealed, scope, f.aad(), plain); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return sealed, nil
}

// encodeDetail is json.Marshal, made fast for the texts and numbers that details mostly are.
func encodeDetail(detail map[string]any) ([]byte, error) {
	names := make([]string, 0, 8)
	for name := range detail {
		names = append(names, name)
	}
	slices.Sort(names)
	b := append(make([]byte, 0, 128), '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendQuoted(b, name), ':')
		switch v := detail[name].(type) {
		case string:
			b = appendQuoted(b, v)
		case int64:
			b = strconv.AppendInt(b, v, 10)
		case int:
			b = strconv.AppendInt(b, int64(v), 10)
		case bool:
			b = strconv.AppendBool(b, v)
		default:
			encoded, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			b = append(b, encoded...)
		}
	}
	return append(b, '}'), nil
}

// appendQuoted appends s as a JSON string; each byte that is no UTF-8 becomes U+FFFD, which is all the error would say.
func appendQuoted(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// openDetail returns nil details when there are none, and seal.ErrErased when they were erased.
func (l *Log) openDetail(ctx context.Context, f *leaf) (map[string]any, error) {
	if len(f.sealed) == 0 {
		return nil, nil
	}
	scope := seal.Server
	if f.sealed[0] == underPerson {
		scope = seal.Person(id.UserID(f.who))
	}
	plain, err := l.keys.Open(ctx, scope, f.aad(), f.sealed[1:])
	if err != nil {
		return nil, err
	}
	var detail map[string]any
	if err := json.Unmarshal(plain, &detail); err != nil {
		return nil, errors.Join(seal.ErrCorrupt, err)
	}
	return detail, nil
}
