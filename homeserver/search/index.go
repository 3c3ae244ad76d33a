package search

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/homeserver/words"
	"github.com/myelin-health/myelin/seal"
)

const (
	stretch       = 1000        // events that are read together
	blockTexts    = 512         // texts of a full block
	blockPostings = 1 << 16     // words of a full block, each as often as it occurs in another text; the last text may exceed it
	blockEvents   = 4 * stretch // events of a block with few texts
	maxWordless   = 10_000      // rooms of which it is known that there was nothing to find
)

// errRedacted says that what a block was made of was redacted meanwhile.
var errRedacted = errors.New("redacted meanwhile")

// Committing implements room.Observer: what is redacted leaves the index in the same transaction.
func (x *Index) Committing(tx *db.Tx, _ *db.Num, ev *room.Event, _ *room.Room, _ []room.StateChange) {
	if ev.Type != "m.room.redaction" || ev.Redacts == "" {
		return
	}
	x.redactions.Add(1)
	// An error fails the transaction.
	_, _ = tx.Exec(`delete from search_block where room_id = $1
		and first < (select pos from event where event_id = $2) and last >= (select pos from event where event_id = $2)`,
		string(ev.RoomID), string(ev.Redacts))
}

// Committed implements room.Observer.
func (*Index) Committed(room.Committed) {}

// span is what came after first and up to last.
type span struct{ first, last int64 }

// block is the words of a span.
type block struct {
	span
	sealed []byte
}

// block reads the first block that starts after a position and before another; last is 0 when there is none.
func (x *Index) block(ctx context.Context, r *room.Room, after, before int64) (b block, err error) {
	err = x.o.DB.QueryRow(ctx, `select first, last, words from search_block where room_id = $1 and first > $2 and first < $3 order by first limit 1`,
		string(r.ID), after, before).Scan(&b.first, &b.last, &b.sealed)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return block{}, fmt.Errorf("read the search index: %w", err)
	}
	return b, nil
}

func (b *block) aad() string { return fmt.Sprintf("search block\n%d\n%d", b.first, b.last) }

// reading is a search in one room.
type reading struct {
	x      *Index
	r      *room.Room
	upTo   int64 // position above which nothing counts
	wanted []string
	hashOf func(string) hash
	at     []int64 // where all words occur; too many of them, and only the newest are kept
	more   bool    // some were not kept
}

// inRoom finds the positions at which all words occur in a room. What no block covers is read.
func (x *Index) inRoom(ctx context.Context, r *room.Room, upTo int64, wanted []string) (*reading, error) {
	hasher, err := x.o.Seal.Hasher(ctx, seal.Room(r.ID), "search word")
	if err != nil {
		return nil, err
	}
	in := &reading{x: x, r: r, upTo: min(upTo, r.LastPos()), wanted: wanted, hashOf: func(w string) (h hash) {
		copy(h[:], hasher.Append(nil, []byte(w)))
		return h
	}}
	hashes := make([]hash, len(wanted))
	for i, w := range wanted {
		hashes[i] = in.hashOf(w)
	}
	end := int64(-1) // of what is covered; no event is there
	for after := end - 1; ; {
		b, err := x.block(ctx, r, after, in.upTo)
		if err != nil {
			return nil, err
		}
		if b.last == 0 {
			break
		}
		if b.first > end {
			if err := in.gap(ctx, end, b.first); err != nil {
				return nil, err
			}
		}
		if err := in.block(ctx, b, hashes); err != nil {
			return nil, err
		}
		end, after = max(end, b.last), b.first
	}
	if err := in.tail(ctx, end); err != nil {
		return nil, err
	}
	in.newest()
	return in, nil
}

// add notes positions at which all words occur.
func (in *reading) add(at []int64) {
	for _, pos := range at {
		if pos <= in.upTo {
			in.at = append(in.at, pos)
		}
	}
	if len(in.at) > 2*maxLooked {
		in.newest()
	}
}

// newest leaves away all but the newest, which are all that will be looked at.
func (in *reading) newest() {
	slices.Sort(in.at)
	in.at = slices.Compact(in.at)
	if n := len(in.at) - maxLooked; n > 0 {
		in.at, in.more = slices.Delete(in.at, 0, n), true
	}
}

// block looks words up in a block. One that cannot be read is made again.
func (in *reading) block(ctx context.Context, b block, hashes []hash) error {
	text, err := in.x.o.Seal.Open(ctx, seal.Room(in.r.ID), b.aad(), b.sealed)
	if errors.Is(err, seal.ErrErased) {
		return err
	}
	at, wrong := lookUp(text, b.first, hashes)
	if err := errors.Join(err, wrong); err != nil {
		in.x.log.Error("block of the search index cannot be read, reading the room instead", "error", err)
		return in.gap(ctx, b.first, b.last)
	}
	in.add(at)
	return nil
}

// gap reads what was covered by a block that is gone, and makes it again.
func (in *reading) gap(ctx context.Context, first, last int64) error {
	d := draft{first: first, postings: postings{}}
	if err := in.read(ctx, &d, first, last); err != nil || d.first == last {
		return err
	}
	return in.keep(ctx, &d, last)
}

// tail reads what came after the last block and makes blocks of it as far as they get full.
func (in *reading) tail(ctx context.Context, end int64) error {
	d := draft{first: end, postings: postings{}}
	if err := in.read(ctx, &d, in.x.wordless.after(in.r.ID, end), in.upTo); err != nil {
		return err
	}
	in.add(d.postings.all(in.wanted))
	if d.texts == 0 && d.first < in.upTo {
		in.x.wordless.set(in.r.ID, span{d.first, in.upTo})
	}
	return nil
}

// draft is a block that is being made.
type draft struct {
	first         int64
	postings      postings
	texts, events int
	size          int    // of all postings
	read          moment // when reading began
}

func (d *draft) add(text string, pos int64) {
	if text == "" {
		return
	}
	l := words.Of(text)
	d.postings.add(l, pos)
	d.texts++
	d.size += len(l)
}

func (d *draft) full() bool {
	return d.texts >= blockTexts || d.size >= blockPostings || d.events >= blockEvents
}

// read adds what came after a position and up to another to a draft, and keeps the draft whenever it is full.
func (in *reading) read(ctx context.Context, d *draft, after, last int64) error {
	for after < last {
		now := in.now() // before events are read that may be redacted meanwhile
		if d.texts == 0 {
			d.read = now
		}
		events, end, err := in.x.o.Rooms().Texts(ctx, in.r, after, last, stretch)
		if err != nil {
			return err
		}
		for _, e := range events {
			_, text := textOf(e)
			d.add(text, e.Pos)
			if d.full() {
				if err := in.keep(ctx, d, e.Pos); err != nil {
					return err
				}
				d.read = now
			}
		}
		d.events += stretch
		if after = end; d.full() {
			if err := in.keep(ctx, d, end); err != nil {
				return err
			}
		}
	}
	return nil
}

// keep makes a block of a draft, which goes on after it.
func (in *reading) keep(ctx context.Context, d *draft, last int64) error {
	in.add(d.postings.all(in.wanted))
	err := in.write(ctx, d.postings, d.first, last, d.read)
	*d = draft{first: last, postings: postings{}}
	return err
}

// moment is when reading began.
type moment struct{ pos, redactions int64 }

func (in *reading) now() moment { return moment{in.r.LastPos(), in.x.redactions.Load()} }

// write keeps a block, unless something may have been redacted since a moment.
func (in *reading) write(ctx context.Context, p postings, first, last int64, seen moment) error {
	b := block{span: span{first, last}}
	sealed, err := in.x.o.Seal.Seal(ctx, seal.Room(in.r.ID), b.aad(), p.encode(first, in.hashOf))
	if err != nil {
		return err
	}
	err = in.x.o.DB.Write(ctx, "search block", []db.Key{in.r.Lock()}, func(tx *db.Tx) error {
		var redactions int
		err := tx.QueryRow(`select count(*) from event e join room r on r.nid = e.room
			where r.room_id = $1 and e.pos > $2 and e.type = 'm.room.redaction'`, string(in.r.ID), seen.pos).Scan(&redactions)
		if err != nil {
			return fmt.Errorf("look for redactions: %w", err)
		}
		if redactions > 0 || in.x.redactions.Load() != seen.redactions {
			return errRedacted
		}
		// At once, not with the batch's rows: a redaction behind this in the batch removes it again.
		_, err = tx.Exec(`insert into search_block (room_id, first, last, words) values ($1, $2, $3, $4)
			on conflict (room_id, first) do update set last = excluded.last, words = excluded.words`, string(in.r.ID), first, last, sealed)
		if err != nil {
			return fmt.Errorf("write search block: %w", err)
		}
		return nil
	})
	if errors.Is(err, errRedacted) {
		return nil // the next search makes it
	}
	return err
}

// wordless remembers of rooms up to where nothing can be found behind their last block, as in encrypted ones.
type wordless struct {
	mu sync.Mutex
	of map[id.RoomID]span
}

// after is the position after which what came after first needs to be read.
func (w *wordless) after(r id.RoomID, first int64) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s, ok := w.of[r]; ok && s.first == first { // else the last block is another one now
		return s.last
	}
	return first
}

func (w *wordless) set(r id.RoomID, s span) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil || len(w.of) >= maxWordless {
		w.of = map[id.RoomID]span{}
	}
	w.of[r] = s
}
