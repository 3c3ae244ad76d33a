// Package search finds messages that are not encrypted by their words. What is end-to-end encrypted is searched on the
// devices of those who can read it.
//
// Nothing is done while messages are sent. A search reads what no search has read before and leaves blocks behind: which
// words occur at which positions, as hashes under a key of the room, sealed. Each hit is looked at before it is shown, so
// a block is never more than a hint, and who may see an event is asked when it is found; only such hits are counted. A
// redaction removes the block with its target in its own transaction; the next search makes it again without.
package search

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/homeserver/words"
	"github.com/myelin-health/myelin/seal"
)

const (
	maxWords  = 32   // of a query
	maxLooked = 1000 // events that one search looks at, the newest
	readAhead = 100  // events that are looked at together
)

// The keys of content that can be searched.
const (
	Body  = "content.body"  // of m.room.message
	Name  = "content.name"  // of m.room.name
	Topic = "content.topic" // of m.room.topic
)

// Options configures an Index. All are needed but Log.
type Options struct {
	DB    *db.DB
	Seal  *seal.Keys
	Rooms func() *room.Rooms // which is built later: it tells the Index
	Log   *slog.Logger
}

// Index finds events. It is safe for concurrent use.
type Index struct {
	o   Options
	log *slog.Logger
	// redactions counts those of this process, also before they are committed.
	redactions atomic.Int64
	wordless   wordless
	turns      *turns
}

// New returns an Index.
func New(o Options) *Index {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Index{o: o, log: o.Log, turns: newTurns()}
}

// Query is what to look for (client-server API, "Server Side Search").
type Query struct {
	Term   string       // all of its words must occur
	Keys   []string     // Body, Name and Topic; empty: all of them
	Filter *room.Filter // nil: everything
	ByRank bool         // best first; otherwise newest first
	Limit  int          // hits of one answer, at least 1
	From   string       // Next of the answer before
}

// Hit is an event that was found.
type Hit struct {
	Event     *room.Event
	Sight     *room.Sight
	Relations []byte  // what is aggregated of its children, as room.Reader wants it
	Rank      float64 // the higher, the better
	place     place
}

// Found is an answer.
type Found struct {
	Count int // of hits on all pages, among the newest places where the words occur
	Hits  []Hit
	Words []string // of the query, as they were looked for
	Next  string   // empty when there is no more
}

// place is where a hit may be.
type place struct {
	access *room.Access
	pos    int64
}

// Search finds events in the rooms that a user is or was in. Faults: InvalidParam for a From that is none; LimitExceeded
// when too many searches wait.
func (x *Index) Search(ctx context.Context, user id.UserID, q Query) (*Found, error) {
	f := &Found{Words: words.Wanted(q.Term)}
	if len(f.Words) > maxWords {
		return nil, fault.New(fault.InvalidParam, "search_term has more than %d words.", maxWords)
	}
	if len(f.Words) == 0 {
		return f, nil
	}
	from, err := parseMark(q)
	if err != nil {
		return nil, err
	}
	done, err := x.turns.take(ctx, user)
	if err != nil {
		return nil, err
	}
	defer done()
	s := &session{x: x, user: user, q: q, words: f.Words}
	seen := s.begin()
	places, more, err := x.places(ctx, user, q.Filter, f.Words, from.below)
	if err != nil {
		return nil, err
	}
	if q.ByRank {
		err = s.ranked(ctx, f, places, from)
	} else {
		err = s.newest(ctx, f, places, more, from)
	}
	if err == nil {
		f.Hits, err = s.confirm(ctx, seen, f.Hits)
	}
	return f, err
}

// mark is where an answer goes on.
type mark struct {
	below int64 // newest first: position below which
	skip  int   // best first: number of hits before it
	count int   // of all hits; -1 while it is not known
}

func parseMark(q Query) (m mark, err error) {
	m = mark{below: math.MaxInt64, count: -1}
	if q.From == "" {
		return m, nil
	}
	number := func(s string) int64 {
		n, wrong := strconv.ParseInt(s, 10, 64)
		if wrong != nil || n < 0 || q.ByRank && n > maxLooked {
			err = fault.New(fault.InvalidParam, "next_batch is no token of this search.")
		}
		return n
	}
	kind, rest := q.From[:1], q.From[1:]
	if place, count, ok := strings.Cut(rest, "_"); ok && kind == "p" && !q.ByRank {
		m.below, m.count = number(place), int(min(number(count), maxLooked))
	} else if kind == "n" && q.ByRank {
		m.skip = int(number(rest))
	} else {
		number("")
	}
	return m, err
}

// places lists where all words occur below a position, newest first; more says that there are older ones.
func (x *Index) places(ctx context.Context, user id.UserID, f *room.Filter, words []string, below int64) (l []place, more bool, err error) {
	rooms := x.o.Rooms()
	members, err := rooms.RoomsOf(ctx, user)
	if err != nil {
		return nil, false, err
	}
	newest := func() {
		slices.SortFunc(l, func(a, b place) int { return cmp.Compare(b.pos, a.pos) })
		if len(l) > maxLooked {
			l, more = l[:maxLooked], true
		}
	}
	for _, m := range members {
		if m.Forgotten || f != nil && (f.Rooms != nil && !slices.Contains(*f.Rooms, m.Room) || slices.Contains(f.NotRooms, m.Room)) {
			continue
		}
		a, err := rooms.Access(ctx, m.Room, user)
		if fault.Is(err, fault.Forbidden) || fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		in, err := x.inRoom(ctx, a.Room, min(a.UpTo, below-1), words)
		if errors.Is(err, seal.ErrErased) {
			continue
		}
		if err != nil {
			return nil, false, fmt.Errorf("search a room: %w", err)
		}
		for _, pos := range in.at {
			l = append(l, place{a, pos})
		}
		if more = more || in.more; len(l) > 2*maxLooked {
			newest()
		}
	}
	newest()
	return l, more, nil
}
