package search

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/homeserver/words"
	"github.com/myelin-health/myelin/seal"
)

const (
	page        = 1000 // events that are read together
	blockTexts  = 512  // texts of a full block
	blockEvents = 4096 // events of a block with few texts
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

// block is what came after first and up to last.
type block struct {
	first, last int64
	sealed      []byte
}

func (x *Index) blocks(ctx context.Context, r *room.Room) ([]block, error) {
	rows, err := x.o.DB.Query(ctx, `select first, last, words from search_block where room_id = $1 order by first`, string(r.ID))
	if err != nil {
		return nil, fmt.Errorf("read the search index: %w", err)
	}
	defer rows.Close()
	var l []block
	for rows.Next() {
		var b block
		if err := rows.Scan(&b.first, &b.last, &b.sealed); err != nil {
			return nil, fmt.Errorf("read the search index: %w", err)
		}
		l = append(l, b)
	}
	return l, rows.Err()
}

// inRoom returns the positions at which all words occur in a room. What no block covers is read.
func (x *Index) inRoom(ctx context.Context, r *room.Room, wanted []string) ([]int64, error) {
	upTo := r.LastPos()
	known, err := x.blocks(ctx, r)
	if err != nil {
		return nil, err
	}
	hasher, err := x.o.Seal.Hasher(ctx, seal.Room(r.ID), "search word")
	if err != nil {
		return nil, err
	}
	hashOf := func(w string) (h hash) {
		copy(h[:], hasher.Append(nil, []byte(w)))
		return h
	}
	hashes := make([]hash, len(wanted))
	for i, w := range wanted {
		hashes[i] = hashOf(w)
	}
	in := reading{x, r, wanted, hashOf, nil}
	end := int64(-1) // of what is covered; no event is there
	for _, b := range known {
		if b.first > end {
			if err := in.gap(ctx, end, b.first); err != nil {
				return nil, err
			}
		}
		end = max(end, b.last)
		text, err := x.o.Seal.Open(ctx, seal.Room(r.ID), b.aad(), b.sealed)
		if errors.Is(err, seal.ErrErased) {
			return nil, err
		}
		at, wrong := lookUp(text, b.first, hashes)
		if err := errors.Join(err, wrong); err != nil {
			x.log.Error("block of the search index cannot be read, reading the room instead", "error", err)
			if err := in.gap(ctx, b.first, b.last); err != nil {
				return nil, err
			}
			continue
		}
		in.at = append(in.at, at...)
	}
	if err := in.tail(ctx, end, upTo); err != nil {
		return nil, err
	}
	slices.Sort(in.at)
	return slices.Compact(in.at), nil
}

func (b *block) aad() string { return fmt.Sprintf("search block\n%d\n%d", b.first, b.last) }

// reading is a search through what no block covers.
type reading struct {
	x      *Index
	r      *room.Room
	wanted []string
	hashOf func(string) hash
	at     []int64 // where all words occur
}

// gap reads what was covered by a block that is gone, and makes it again.
func (in *reading) gap(ctx context.Context, first, last int64) error {
	p, seen := postings{}, in.now()
	for after := first; ; {
		events, err := in.x.o.Rooms().History(ctx, in.r, after, last, page)
		if err != nil {
			return err
		}
		for _, e := range events {
			_, text := textOf(e)
			p.add(words.Of(text), e.Pos)
		}
		if len(events) < page {
			break
		}
		after = events[len(events)-1].Pos
	}
	in.at = append(in.at, p.all(in.wanted)...)
	return in.write(ctx, p, first, last, seen)
}

// tail reads what came after the last block and makes blocks of it as far as they get full.
func (in *reading) tail(ctx context.Context, first, upTo int64) error {
	p, texts, n, seen := postings{}, 0, 0, in.now()
	for after := first; after < upTo; {
		events, err := in.x.o.Rooms().History(ctx, in.r, after, upTo, page)
		if err != nil {
			return err
		}
		for _, e := range events {
			if _, text := textOf(e); text != "" {
				p.add(words.Of(text), e.Pos)
				texts++
			}
			if n++; texts < blockTexts && n < blockEvents {
				continue
			}
			in.at = append(in.at, p.all(in.wanted)...)
			if err := in.write(ctx, p, first, e.Pos, seen); err != nil {
				return err
			}
			p, texts, n, first, seen = postings{}, 0, 0, e.Pos, in.now()
		}
		if len(events) < page {
			break
		}
		after = events[len(events)-1].Pos
	}
	in.at = append(in.at, p.all(in.wanted)...)
	return nil
}

// moment is when reading began.
type moment struct{ pos, redactions int64 }

func (in *reading) now() moment { return moment{in.r.LastPos(), in.x.redactions.Load()} }

// write keeps a block, unless something may have been redacted since a moment.
func (in *reading) write(ctx context.Context, p postings, first, last int64, seen moment) error {
	b := block{first: first, last: last}
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
