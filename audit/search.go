package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/seal"
)

// Query says which entries are searched. Empty fields do not restrict.
type Query struct {
	Who     id.UserID
	Device  id.DeviceID
	Room    id.RoomID
	Target  string
	Acts    []Act
	Outcome Outcome
	From    time.Time // inclusive
	To      time.Time // exclusive
	Before  int64     // entries with lower numbers only, for the next page
	Limit   int       // 0 means 50; at most 1000
}

// Found is an entry of the log.
type Found struct {
	Number int64
	Time   time.Time
	Entry
	// Erased says that there were details and that their key was destroyed.
	Erased bool
	// Damaged says that the details cannot be opened for another reason. Verify tells more.
	Damaged bool
	Hash    tlog.Hash
}

// Page is one page of a search, newest first.
type Page struct {
	Entries []Found
	// Next is what Before has to be for the next page, 0 when there is none. A page may be empty and have a next one: a
	// search that finds little looks at a limited number of entries at once.
	Next int64
}

// searchEffort is how many entries one search looks at.
const searchEffort = 20_000

// search is a search under way.
type search struct {
	l      *Log
	ctx    context.Context
	q      Query
	page   Page
	effort int
	oldest int64 // the lowest number that may be found
}

// Search finds entries, newest first.
func (l *Log) Search(ctx context.Context, q Query) (Page, error) {
	if q.Limit <= 0 {
		q.Limit = 50
	}
	q.Limit = min(q.Limit, 1000)
	if q.Before <= 0 {
		q.Before = math.MaxInt64
	}
	s := &search{l: l, ctx: ctx, q: q, oldest: 1}
	if err := s.run(); err != nil {
		return Page{}, fmt.Errorf("search audit log: %w", err)
	}
	return s.page, nil
}

func (s *search) run() error {
	_, upto, err := s.l.indexedTo(s.ctx)
	if err != nil {
		return err
	}
	before, newest, err := s.days(upto)
	if err != nil {
		return err
	}
	if before > upto+1 {
		more, err := s.scan(upto+1, before)
		if err != nil || !more {
			return err
		}
	}
	before = min(before, upto+1, newest+1)
	if before <= s.oldest {
		return nil
	}
	filters := s.filters()
	if len(filters) == 0 {
		_, err := s.scan(s.oldest, before)
		return err
	}
	return s.chunks(filters, before)
}

// days narrows the search to the chunks that have entries of the days asked for. It returns below which number to begin,
// and the highest indexed number that may be found.
func (s *search) days(upto int64) (before, newest int64, err error) {
	if s.q.From.IsZero() && s.q.To.IsZero() {
		return s.q.Before, upto, nil
	}
	from, to := "", "~" // after every date
	if !s.q.From.IsZero() {
		from = dayOf(s.q.From.UnixMilli())
	}
	if !s.q.To.IsZero() {
		to = dayOf(s.q.To.UnixMilli())
	}
	var first, last int64
	err = s.l.db.QueryRow(s.ctx, `select coalesce(min(chunk), $1), coalesce(max(chunk), -1) from audit_index
		where kind = $2 and value >= $3 and value <= $4`, upto/indexChunk, byDay, from, to).Scan(&first, &last)
	if err != nil {
		return 0, 0, err
	}
	s.oldest = first*indexChunk + 1
	return s.q.Before, (last + 1) * indexChunk, nil
}

// scan looks at the entries from, inclusive, to before, exclusive, newest first. more is false when the page is complete.
func (s *search) scan(from, before int64) (more bool, err error) {
	step := s.step()
	for before > from {
		leaves, more, err := s.pick(`where number >= $1 and number < $2 order by number desc limit $3`, from, before, step)
		if err != nil || !more || len(leaves) < step {
			return more, err
		}
		before = leaves[len(leaves)-1].number
	}
	return true, nil
}

// pick reads entries and takes those that were searched. more is false when the page is complete.
func (s *search) pick(where string, args ...any) (leaves []leaf, more bool, err error) {
	rows, err := s.l.db.Query(s.ctx, `select `+leafColumns+` from audit_leaf `+where, args...)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		f, err := scanLeaf(rows)
		if err != nil {
			return nil, false, err
		}
		leaves = append(leaves, f)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, false, err
	}
	for i := range leaves {
		if !s.take(&leaves[i]) {
			return leaves, false, nil
		}
	}
	return leaves, true, nil
}

// step is how many entries to read at once: not many more than the page still needs.
func (s *search) step() int { return min(max(s.q.Limit+1-len(s.page.Entries), 50), 500) }

// take adds the entry to the page if it is one that was searched. It returns false when the page is complete.
func (s *search) take(f *leaf) bool {
	if len(s.page.Entries) == s.q.Limit || s.effort == searchEffort {
		s.page.Next = f.number + 1
		return false
	}
	s.effort++
	q := &s.q
	if q.Who != "" && f.who != string(q.Who) || q.Device != "" && f.device != string(q.Device) || q.Room != "" && f.room != string(q.Room) ||
		q.Target != "" && f.target != q.Target || q.Outcome != "" && f.outcome != string(q.Outcome) ||
		len(q.Acts) > 0 && !slices.Contains(q.Acts, Act(f.act)) ||
		!q.From.IsZero() && f.time < q.From.UnixMilli() || !q.To.IsZero() && f.time >= q.To.UnixMilli() {
		return true
	}
	s.page.Entries = append(s.page.Entries, s.l.found(s.ctx, f))
	return true
}

func (l *Log) found(ctx context.Context, f *leaf) Found {
	r := Found{Number: f.number, Time: time.UnixMilli(f.time).UTC(), Entry: Entry{Act: Act(f.act), Who: id.UserID(f.who),
		Device: id.DeviceID(f.device), Room: id.RoomID(f.room), Target: f.target, Outcome: Outcome(f.outcome)}}
	if len(f.hash) == tlog.HashSize {
		r.Hash = tlog.Hash(f.hash)
	}
	var err error
	r.Detail, err = l.openDetail(ctx, f)
	r.Erased = errors.Is(err, seal.ErrErased)
	r.Damaged = err != nil && !r.Erased
	return r
}

type filter struct {
	kind   string
	values []string
}

// filters are those that an index serves, the one that is likely to match least first.
func (s *search) filters() []filter {
	var all []filter
	if s.q.Who != "" {
		all = append(all, filter{byWho, []string{string(s.q.Who)}})
	}
	if s.q.Room != "" {
		all = append(all, filter{byRoom, []string{string(s.q.Room)}})
	}
	if len(s.q.Acts) > 0 {
		f := filter{kind: byAct}
		for _, a := range s.q.Acts {
			f.values = append(f.values, string(a))
		}
		all = append(all, f)
	}
	return all
}

// chunks looks at the indexed entries below before that match the filters.
func (s *search) chunks(filters []filter, before int64) error {
	const step = 256 // more rows than a filter has values
	chunk := (before - 2) / indexChunk
	for {
		rows, err := s.postings(filters[0], chunk, step)
		if err != nil {
			return err
		}
		full := len(rows) == step
		if full { // the last chunk may go on
			last := rows[step-1].chunk
			rows = slices.DeleteFunc(rows, func(p posting) bool { return p.chunk == last })
			chunk = last
		}
		for i := 0; i < len(rows); {
			match := map[uint16]bool{}
			c := rows[i].chunk
			for ; i < len(rows) && rows[i].chunk == c; i++ {
				rows[i].mark(match)
			}
			more, err := s.chunk(c, match, filters[1:], before)
			if err != nil || !more {
				return err
			}
		}
		if !full {
			return nil
		}
	}
}

type posting struct {
	chunk   int64
	numbers []byte
}

func (p posting) mark(set map[uint16]bool) {
	for b := p.numbers; len(b) >= 2; b = b[2:] {
		set[binary.BigEndian.Uint16(b)] = true
	}
}

// postings returns rows of the index up to a chunk, newest first.
func (s *search) postings(f filter, chunk int64, limit int) ([]posting, error) {
	rows, err := s.l.db.Query(s.ctx, `select chunk, numbers from audit_index where kind = $1 and value = any($2)
		and chunk <= $3 and chunk >= $4 order by chunk desc limit $5`, f.kind, f.values, chunk, (s.oldest-1)/indexChunk, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []posting
	for rows.Next() {
		var p posting
		if err := rows.Scan(&p.chunk, &p.numbers); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

// chunk looks at those entries of one chunk that match all filters.
func (s *search) chunk(chunk int64, match map[uint16]bool, filters []filter, before int64) (more bool, err error) {
	for _, f := range filters {
		rows, err := s.l.db.Query(s.ctx, `select numbers from audit_index where kind = $1 and value = any($2) and chunk = $3`, f.kind, f.values, chunk)
		if err != nil {
			return false, err
		}
		also := map[uint16]bool{}
		for rows.Next() {
			var p posting
			if err := rows.Scan(&p.numbers); err != nil {
				rows.Close()
				return false, err
			}
			p.mark(also)
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			return false, err
		}
		for n := range match {
			if !also[n] {
				delete(match, n)
			}
		}
	}
	var numbers []int64
	for n := range match {
		if number := chunk*indexChunk + int64(n) + 1; number < before {
			numbers = append(numbers, number)
		}
	}
	slices.SortFunc(numbers, func(a, b int64) int { return int(b - a) })
	return s.fetch(numbers)
}

// fetch takes the entries with these numbers, newest first.
func (s *search) fetch(numbers []int64) (more bool, err error) {
	for part := range slices.Chunk(numbers, s.step()) {
		if _, more, err := s.pick(`where number = any($1) order by number desc`, part); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// describe is the entry in one line.
func (f *Found) describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d  %s  %s (%s)", f.Number, f.Time.Format("2006-01-02 15:04:05.000Z"), f.Act, f.Outcome)
	for _, part := range [][2]string{{"by", string(f.Who)}, {"device", string(f.Device)}, {"room", string(f.Room)}, {"on", f.Target}} {
		if part[1] != "" {
			fmt.Fprintf(&b, "  %s %q", part[0], part[1])
		}
	}
	switch {
	case f.Erased:
		b.WriteString("  details erased")
	case f.Damaged:
		b.WriteString("  details damaged")
	case f.Detail != nil:
		fmt.Fprintf(&b, "  %s", encode(f.Detail))
	}
	return b.String()
}
