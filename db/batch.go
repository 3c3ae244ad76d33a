package db

import "slices"

// batch is what the members of one transaction handed over. The lane has one and reuses it.
type batch struct {
	keys   []Key // all declared keys, ascending
	heads  map[Key]*head
	tables []*staged
	nums   [seriesCount][]*Num
	alive  []*Pending
	quick  bool // none of the members is expected to run statements

	spare     []*staged
	spareHead []*head
}

func newBatch() *batch { return &batch{heads: map[Key]*head{}} }

func (b *batch) reset(members []*Pending) {
	for _, h := range b.heads {
		*h = head{}
		b.spareHead = append(b.spareHead, h)
	}
	clear(b.heads)
	for _, s := range b.tables {
		clear(s.values)
		s.t, s.values, s.mark = nil, s.values[:0], 0
		b.spare = append(b.spare, s)
	}
	b.tables = b.tables[:0]
	for s := range b.nums {
		clear(b.nums[s])
		b.nums[s] = b.nums[s][:0]
	}
	clear(b.alive)
	b.alive = b.alive[:0]
	b.keys = b.keys[:0]
	for _, m := range members {
		b.keys = append(b.keys, m.keys...)
	}
	slices.Sort(b.keys)
	b.keys = slices.Compact(b.keys)
	for _, k := range b.keys {
		b.heads[k] = b.newHead()
	}
}

func (b *batch) newHead() *head {
	if n := len(b.spareHead); n > 0 {
		h := b.spareHead[n-1]
		b.spareHead = b.spareHead[:n-1]
		return h
	}
	return new(head)
}

func (b *batch) table(t *Table) *staged {
	for _, s := range b.tables {
		if s.t == t {
			return s
		}
	}
	var s *staged
	if n := len(b.spare); n > 0 {
		s, b.spare = b.spare[n-1], b.spare[:n-1]
	} else {
		s = new(staged)
	}
	s.t = t
	b.tables = append(b.tables, s)
	return s
}

// undo takes back what the running member handed over.
func (b *batch) undo(tx *Tx) {
	for _, s := range b.tables {
		clear(s.values[s.mark:])
		s.values = s.values[:s.mark]
	}
	for s, mark := range tx.marks {
		b.nums[s] = b.nums[s][:mark]
	}
	for i := len(tx.undo) - 1; i >= 0; i-- {
		*b.heads[tx.undo[i].key] = tx.undo[i].old
	}
	tx.m.after = nil
}

// streams are the first and last stream position of the batch, first > last when it has none.
func (b *batch) streams() (first, last int64) {
	n := b.nums[Stream]
	if len(n) == 0 {
		return 1, 0
	}
	return n[0].v, n[len(n)-1].v
}
