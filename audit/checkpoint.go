package audit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"

	tlogformat "github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/seal"
)

var (
	tileTable = &db.Table{
		Name:    "audit_tile",
		Columns: []string{"level", "number", "hashes"},
		Types:   []string{"bigint", "bigint", "bytea"},
		Key:     2,
	}
	checkpointTable = &db.Table{
		Name:    "audit_checkpoint",
		Columns: []string{"number", "time", "size", "note"},
		Types:   []string{"bigint", "bigint", "bigint", "text"},
	}
)

// The keys that let one process at a time sign and index.
const (
	signKey  db.Key = -0x61756469740001
	indexKey db.Key = -0x61756469740002
)

// checkpoint is a row of audit_checkpoint: the signed head of the tree at some moment. Its note names the checkpoint
// before it, so that none can be taken out.
type checkpoint struct {
	number, time, size int64
	note               string
}

func (c *checkpoint) text(origin string, root tlog.Hash, previous string) string {
	before := "none"
	if previous != "" {
		sum := sha256.Sum256([]byte(previous))
		before = base64.StdEncoding.EncodeToString(sum[:])
	}
	head := tlogformat.Checkpoint{Origin: origin, Size: uint64(c.size), Hash: root[:]}
	return fmt.Sprintf("%snumber %d\ntime %d\nprevious %s\n", head.Marshal(), c.number, c.time, before)
}

// head is the state that the next checkpoint builds on.
type head struct {
	version int64 // of signKey
	last    checkpoint
	tree    *tree
}

// signChunk is how many entries one transaction covers at most.
const signChunk = 16 * 1024

// Sign makes checkpoints over the entries that have none yet.
func (l *Log) Sign(ctx context.Context) error {
	l.work.Lock()
	defer l.work.Unlock()
	if !l.dirty.Swap(false) {
		return nil
	}
	stale := 0
	for {
		n, err := l.signSome(ctx)
		if errors.Is(err, db.ErrStale) && stale < 10 { // another process signed
			l.head = nil
			stale++
			continue
		}
		if err != nil {
			l.head = nil
			l.dirty.Store(true)
			return fmt.Errorf("sign audit log: %w", err)
		}
		if n < signChunk {
			break
		}
	}
	l.metrics.signed.Set(float64(l.head.last.size))
	if l.head.last.number == 0 {
		return nil
	}
	if err := seal.WriteSecretFile(filepath.Join(l.dir, anchorFile), []byte(l.head.last.note)); err != nil {
		return fmt.Errorf("sign audit log: %w", err)
	}
	return nil
}

// anchorFile holds the last checkpoint outside of the database, for whoever removes the end of the log there.
const anchorFile = "audit.checkpoint"

// signSome signs up to signChunk new entries and returns how many.
func (l *Log) signSome(ctx context.Context) (int, error) {
	if l.head == nil {
		h, err := l.loadHead(ctx)
		if err != nil {
			return 0, err
		}
		l.head = h
	}
	h := l.head
	var tiles []any // level, number, hashes
	h.tree.full = func(level int, number int64, hashes []byte) {
		tiles = append(tiles, int64(level), number, append([]byte(nil), hashes...))
	}
	n, err := l.newHashes(ctx, h.tree)
	if err != nil || n == 0 {
		return 0, err
	}
	for level, hashes := range h.tree.edge {
		if len(hashes) > 0 {
			tiles = append(tiles, int64(level), h.tree.size>>(8*(level+1)), append([]byte(nil), hashes...))
		}
	}
	c := checkpoint{number: h.last.number + 1, time: l.clock().UnixMilli(), size: h.tree.size}
	signed, err := note.Sign(&note.Note{Text: c.text(l.origin, h.tree.root(), h.last.note)}, l.signer)
	if err != nil {
		return 0, err
	}
	c.note = string(signed)
	err = l.db.Write(ctx, "audit checkpoint", []db.Key{signKey}, func(tx *db.Tx) error {
		if version, _, _ := tx.Head(signKey); version != h.version {
			return db.ErrStale
		}
		for i := 0; i < len(tiles); i += 3 {
			tx.Append(tileTable, tiles[i:i+3]...)
		}
		tx.Append(checkpointTable, c.number, c.time, c.size, c.note)
		tx.SetHead(signKey, nil)
		return nil
	})
	if err != nil {
		return 0, err
	}
	h.version++
	h.last = c
	return n, nil
}

// newHashes adds entries to the tree that it does not have yet.
func (l *Log) newHashes(ctx context.Context, t *tree) (int, error) {
	rows, err := l.db.Query(ctx, `select number, hash from audit_leaf where number > $1 order by number limit $2`, t.size, signChunk)
	if err != nil {
		return 0, fmt.Errorf("look up new entries: %w", err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var number int64
		var hash sql.RawBytes
		if err := rows.Scan(&number, &hash); err != nil {
			return n, fmt.Errorf("read new entries: %w", err)
		}
		if number != t.size+1 || len(hash) != tlog.HashSize {
			return n, fmt.Errorf("entry %d is missing or damaged: verify the log", t.size+1)
		}
		t.add(tlog.Hash(hash))
	}
	return n, rows.Err()
}

// loadHead reads the last checkpoint and the right edge of the tree. It does not go on from a tree that was tampered with.
func (l *Log) loadHead(ctx context.Context) (*head, error) {
	for {
		version, _, _, err := l.db.Head(ctx, signKey)
		if err != nil {
			return nil, err
		}
		h, damage, err := l.readHead(ctx)
		if err != nil {
			return nil, err
		}
		again, _, _, err := l.db.Head(ctx, signKey)
		if err != nil {
			return nil, err
		}
		if again != version { // another process signed in between
			continue
		}
		if damage != nil {
			return nil, damage
		}
		h.version = version
		return h, nil
	}
}

// readHead reads without knowing whether somebody writes: damage holds only if nobody did.
func (l *Log) readHead(ctx context.Context) (h *head, damage, err error) {
	h = &head{tree: &tree{}}
	err = l.db.QueryRow(ctx, `select number, time, size, note from audit_checkpoint order by number desc limit 1`).
		Scan(&h.last.number, &h.last.time, &h.last.size, &h.last.note)
	if errors.Is(err, sql.ErrNoRows) {
		return h, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("look up last checkpoint: %w", err)
	}
	h.tree.size = h.last.size
	for level := 0; h.tree.size>>(8*level) > 0; level++ {
		number, partial := h.tree.size>>(8*(level+1)), int(h.tree.size>>(8*level)&(tileWidth-1))
		edge := make([]byte, 0, tileBytes)
		if partial > 0 {
			stored, err := l.tile(ctx, level, number)
			if err != nil {
				return nil, nil, err
			}
			if len(stored) < partial*tlog.HashSize {
				return nil, errors.New("the stored tree is incomplete: verify the log"), nil
			}
			edge = append(edge, stored[:partial*tlog.HashSize]...)
		}
		h.tree.edge = append(h.tree.edge, edge)
	}
	signed, err := l.openCheckpoint(&h.last)
	if err != nil {
		return nil, fmt.Errorf("the last checkpoint is damaged, verify the log: %w", err), nil
	}
	if signed != h.tree.root() {
		return nil, errors.New("the stored tree is not the one that was signed last: verify the log"), nil
	}
	return h, nil, nil
}

// tile returns the stored hashes of a tile, none when it is not there.
func (l *Log) tile(ctx context.Context, level int, number int64) ([]byte, error) {
	var hashes []byte
	err := l.db.QueryRow(ctx, `select hashes from audit_tile where level = $1 and number = $2`, int64(level), number).Scan(&hashes)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("read stored tree: %w", err)
	}
	return hashes, nil
}

// openCheckpoint checks a checkpoint's signature and that its columns are those that were signed, and returns the signed
// root.
func (l *Log) openCheckpoint(c *checkpoint) (tlog.Hash, error) {
	n, err := note.Open([]byte(c.note), note.VerifierList(l.verifier))
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("signature: %w", err)
	}
	if again, err := note.Sign(&note.Note{Text: n.Text, Sigs: n.Sigs}); err != nil || string(again) != c.note {
		return tlog.Hash{}, errors.New("something was added to the signed text")
	}
	var signed tlogformat.Checkpoint
	rest, err := signed.Unmarshal([]byte(n.Text))
	if err != nil {
		return tlog.Hash{}, err
	}
	var number, time int64
	var previous string
	if _, err := fmt.Sscanf(string(rest), "number %d\ntime %d\nprevious %s\n", &number, &time, &previous); err != nil {
		return tlog.Hash{}, fmt.Errorf("signed text: %w", err)
	}
	if signed.Origin != l.origin || number != c.number || time != c.time || int64(signed.Size) != c.size || len(signed.Hash) != tlog.HashSize {
		return tlog.Hash{}, errors.New("columns differ from what was signed")
	}
	return tlog.Hash(signed.Hash), nil
}
