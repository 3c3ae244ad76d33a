package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/myelin-health/myelin/db"
)

// Report is what Verify found.
type Report struct {
	Entries     int64  // entries that were verified
	Signed      int64  // of these, how many are covered by a signature; the rest is too new
	Checkpoints int64  // signatures that were verified
	Root        string // the tree's root under the last signature, base64
	Bad         *Bad   // nil when the log is complete and unaltered
}

// Bad is the first thing that is wrong. It is an error.
type Bad struct {
	// Entry is the first entry that was altered, removed or inserted, or that can no longer be proved because a signature
	// or the stored tree was altered.
	Entry int64
	What  string
}

func (b *Bad) Error() string { return fmt.Sprintf("audit entry %d: %s", b.Entry, b.What) }

func bad(entry int64, format string, args ...any) *Bad {
	return &Bad{Entry: entry, What: fmt.Sprintf(format, args...)}
}

// verification is a Verify under way. Its steps return the error of the database, or a *Bad, which ends it.
type verification struct {
	l      *Log
	ctx    context.Context
	tree   tree // over the entries seen
	signed bool // entries must be in the stored tree
	broken error

	page  []leaf // read and not yet seen
	after int64  // the last entry read

	stored     []byte // the stored tile of level 0 that has the next entry
	storedTile int64

	last      checkpoint
	lastAfter int64
	root      tlog.Hash
}

// Verify proves that the log is complete and unaltered, and otherwise names the first bad entry. It recomputes every
// entry's keyed hash and leaf hash from its columns, compares them to the stored ones and to the stored tree, recomputes
// the tree, checks every signature, that none is missing and that each signed this tree, and that the end was not cut off:
// against the last signature, its copy in the data directory and the numbers given out. The log may be written meanwhile.
// The error says that it could not be verified.
func (l *Log) Verify(ctx context.Context) (Report, error) {
	v := &verification{l: l, ctx: ctx, after: math.MinInt64, lastAfter: math.MinInt64, storedTile: -1}
	err := v.run()
	r := Report{Entries: v.tree.size, Signed: v.last.size, Checkpoints: v.last.number}
	if v.last.number > 0 {
		r.Root = v.root.String()
	}
	if errors.As(err, &r.Bad) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("verify audit log: %w", err)
	}
	return r, nil
}

func (v *verification) run() error {
	public, _, err := v.l.storedKey(v.ctx)
	if err != nil {
		return err
	}
	if public != v.l.public {
		return bad(1, "the signing key in the database was replaced")
	}
	if err := v.signedPart(); err != nil {
		return err
	}
	if err := v.unsignedPart(); err != nil {
		return err
	}
	return v.anchor()
}

// signedPart goes through the checkpoints and the entries that each adds.
func (v *verification) signedPart() error {
	v.signed = true
	v.tree.full = func(level int, number int64, hashes []byte) {
		if v.broken == nil {
			v.broken = v.compareTile(level, number, hashes)
		}
	}
	for {
		if err := v.checkpoints(); err != nil {
			return err
		}
		wrong := v.edge()
		newest, err := v.newestCheckpoint()
		if err != nil {
			return err
		}
		if newest == v.last.number {
			return wrong
		} // else signed meanwhile: go on
	}
}

func (v *verification) newestCheckpoint() (int64, error) {
	var n int64
	err := v.l.db.QueryRow(v.ctx, `select coalesce(max(number), 0) from audit_checkpoint`).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("look up checkpoints: %w", err)
	}
	return n, nil
}

// checkpoints verifies those that were not yet, with their entries.
func (v *verification) checkpoints() error {
	for {
		rows, err := v.l.db.Query(v.ctx, `select number, time, size, note from audit_checkpoint where number > $1 order by number limit 200`, v.lastAfter)
		if err != nil {
			return fmt.Errorf("look up checkpoints: %w", err)
		}
		var page []checkpoint
		for rows.Next() {
			var c checkpoint
			if err := rows.Scan(&c.number, &c.time, &c.size, &c.note); err != nil {
				rows.Close()
				return fmt.Errorf("read checkpoints: %w", err)
			}
			page = append(page, c)
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			return fmt.Errorf("read checkpoints: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		for _, c := range page {
			if err := v.checkpoint(c); err != nil {
				return err
			}
			v.lastAfter = c.number
		}
	}
}

func (v *verification) checkpoint(c checkpoint) error {
	next := v.last.size + 1
	if c.number != v.last.number+1 {
		if c.number <= v.last.number {
			return bad(next, "a checkpoint %d was inserted", c.number)
		}
		return bad(next, "checkpoint %d is missing", v.last.number+1)
	}
	root, err := v.l.openCheckpoint(&c)
	if err != nil {
		return bad(next, "checkpoint %d was changed: %v", c.number, err)
	}
	if c.size <= v.last.size {
		return bad(next, "checkpoint %d signs %d entries, the one before it %d", c.number, c.size, v.last.size)
	}
	for v.tree.size < c.size {
		if err := v.next(); err != nil {
			return err
		}
	}
	if v.tree.root() != root {
		return bad(next, "checkpoint %d signed other entries %d to %d than these", c.number, next, c.size)
	}
	if !bytes.HasPrefix([]byte(c.note), []byte(c.text(v.l.origin, root, v.last.note))) {
		return bad(next, "checkpoint %d was signed after another one than the one before it", c.number)
	}
	v.last, v.root = c, root
	return nil
}

// next verifies the next entry and adds it to the tree.
func (v *verification) next() error {
	want := v.tree.size + 1
	if len(v.page) == 0 {
		var err error
		if v.page, err = v.l.leavesAfter(v.ctx, v.after, 1000); err != nil {
			return err
		}
		if len(v.page) == 0 {
			return bad(want, "it is missing")
		}
		v.after = v.page[len(v.page)-1].number
	}
	f := &v.page[0]
	if f.number > want {
		return bad(want, "it is missing")
	}
	if f.number < want {
		return bad(f.number, "it was inserted")
	}
	v.page = v.page[1:]
	hash, err := v.entry(f)
	if err != nil {
		return err
	}
	v.tree.add(hash)
	return v.broken
}

// entry verifies what can be said of one entry alone, and its place in the stored tree.
func (v *verification) entry(f *leaf) (tlog.Hash, error) {
	tag, hash := f.seal(v.l.tags)
	if !bytes.Equal(tag, f.tag) {
		if again := tlog.RecordHash(append(f.record(nil), f.tag...)); bytes.Equal(again[:], f.hash) {
			return hash, bad(f.number, "it was changed or inserted, with a hash that fits it")
		}
		return hash, bad(f.number, "it was changed or inserted")
	}
	if !bytes.Equal(hash[:], f.hash) {
		return hash, bad(f.number, "its hash was changed")
	}
	if !v.signed {
		return hash, nil
	}
	tile, place := v.tree.size/tileWidth, int(v.tree.size%tileWidth)*tlog.HashSize
	if tile != v.storedTile || len(v.stored) < place+tlog.HashSize {
		var err error
		if v.stored, err = v.l.tile(v.ctx, 0, tile); err != nil {
			return hash, err
		}
		v.storedTile = tile
	}
	if len(v.stored) < place+tlog.HashSize {
		return hash, bad(f.number, "it is missing in the stored tree")
	}
	if !bytes.Equal(v.stored[place:place+tlog.HashSize], hash[:]) {
		return hash, bad(f.number, "the stored tree has another hash for it")
	}
	return hash, nil
}

// compareTile compares a part of the stored tree to what it must be.
func (v *verification) compareTile(level int, number int64, hashes []byte) error {
	stored, err := v.l.tile(v.ctx, level, number)
	if err != nil {
		return err
	}
	if bytes.Equal(stored, hashes) {
		return nil
	}
	same := 0
	for same < min(len(stored), len(hashes)) && stored[same] == hashes[same] {
		same++
	}
	entry := (number*tileWidth+int64(same/tlog.HashSize))<<(8*level) + 1
	return bad(min(entry, v.tree.size+1), "the stored tree was changed at level %d, part %d", level, number)
}

// edge compares the parts of the stored tree that are not full yet, and counts all of them.
func (v *verification) edge() error {
	for level, hashes := range v.tree.edge {
		if len(hashes) == 0 {
			continue
		}
		if err := v.compareTile(level, v.tree.size>>(8*(level+1)), hashes); err != nil {
			return err
		}
	}
	var want, have int64
	for n := v.tree.size; n > 0; n /= tileWidth {
		want += (n + tileWidth - 1) / tileWidth
	}
	if err := v.l.db.QueryRow(v.ctx, `select count(*) from audit_tile`).Scan(&have); err != nil {
		return fmt.Errorf("read stored tree: %w", err)
	}
	if have != want {
		return bad(v.tree.size+1, "the stored tree has %d parts where %d belong: entries or checkpoints at the end were removed, or parts inserted", have, want)
	}
	return nil
}

// unsignedPart verifies the entries after the last checkpoint.
func (v *verification) unsignedPart() error {
	v.signed, v.tree.full = false, nil
	given, err := v.l.db.Last(v.ctx, db.Leaf)
	if err != nil {
		return err
	}
	var newest int64
	if err := v.l.db.QueryRow(v.ctx, `select coalesce(max(number), 0) from audit_leaf`).Scan(&newest); err != nil {
		return fmt.Errorf("look up last entry: %w", err)
	}
	for v.tree.size < newest {
		if err := v.next(); err != nil {
			return err
		}
	}
	if len(v.page) > 0 && v.page[0].number <= v.tree.size { // numbered below the first
		return bad(v.page[0].number, "it was inserted")
	}
	if v.tree.size < given {
		return bad(v.tree.size+1, "it is missing: the end of the log was removed, %d entries", given-v.tree.size)
	}
	return nil
}

// anchor compares the last checkpoint to its copy in the data directory.
func (v *verification) anchor() error {
	path := filepath.Join(v.l.dir, anchorFile)
	copied, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was signed here yet
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	rows, err := v.l.db.Query(v.ctx, `select count(*) from audit_checkpoint where note = $1`, string(copied))
	if err != nil {
		return fmt.Errorf("look up checkpoint: %w", err)
	}
	defer rows.Close()
	var n int
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			return fmt.Errorf("read checkpoint: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read checkpoint: %w", err)
	}
	if n == 0 {
		return bad(v.last.size+1, "the last checkpoint in %s is not in the database: the end of the log was removed, or that file was changed", anchorFile)
	}
	return nil
}

// leavesAfter reads entries in order.
func (l *Log) leavesAfter(ctx context.Context, after int64, limit int) ([]leaf, error) {
	rows, err := l.db.Query(ctx, `select `+leafColumns+` from audit_leaf where number > $1 order by number limit $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("look up audit entries: %w", err)
	}
	defer rows.Close()
	leaves := make([]leaf, 0, limit)
	for rows.Next() {
		f, err := scanLeaf(rows)
		if err != nil {
			return nil, err
		}
		leaves = append(leaves, f)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read audit entries: %w", err)
	}
	return leaves, nil
}
