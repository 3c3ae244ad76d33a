// Package search finds messages that are not encrypted by their words. What is end-to-end encrypted is searched on the
// devices of those who can read it.
//
// Nothing is done while messages are sent. A search reads what no search has read before and leaves blocks behind: which
// words occur at which positions, as hashes under a key of the room, sealed. Each hit is looked at before it is shown, so
// a block is never more than a hint, and who may see an event is asked when it is found. A redaction removes the block
// with its target in its own transaction; the next search makes it again without.
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

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/homeserver/words"
	"github.com/myelin-health/myelin/seal"
)

const (
	maxWords  = 32   // of a query
	maxRanked = 1000 // newest events that are put in order of rank
	readAhead = 50   // events that are looked at together
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
}

// New returns an Index.
func New(o Options) *Index {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Index{o: o, log: o.Log}
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
	Event *room.Event
	Sight *room.Sight
	Rank  float64 // the higher, the better
}

// Found is an answer.
type Found struct {
	Count int // of hits on all pages, about
	Hits  []Hit
	Words []string // of the query, as they were looked for
	Next  string   // empty when there is no more
}

// place is where a hit may be.
type place struct {
	access *room.Access
	pos    int64
}

// Search finds events in the rooms that a user is or was in. Faults: InvalidParam for a From that is none.
func (x *Index) Search(ctx context.Context, user id.UserID, q Query) (*Found, error) {
	f := &Found{Words: words.Wanted(q.Term)}
	if len(f.Words) > maxWords {
		return nil, fault.New(fault.InvalidParam, "search_term has more than %d words.", maxWords)
	}
	if len(f.Words) == 0 {
		return f, nil
	}
	from, err := parseFrom(q)
	if err != nil {
		return nil, err
	}
	places, err := x.places(ctx, user, q.Filter, f.Words)
	if err != nil {
		return nil, err
	}
	f.Count = len(places)
	s := &session{x: x, user: user, q: q, words: f.Words, sights: map[id.RoomID]*room.Sight{}}
	if q.ByRank {
		return f, s.ranked(ctx, f, places, from)
	}
	return f, s.newest(ctx, f, places, from)
}

// parseFrom reads where an answer goes on: below a position, or behind a number of hits.
func parseFrom(q Query) (int64, error) {
	kind := "p"
	if q.ByRank {
		kind = "n"
	}
	if q.From == "" {
		if q.ByRank {
			return 0, nil
		}
		return math.MaxInt64, nil
	}
	digits, ok := strings.CutPrefix(q.From, kind)
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n < 0 {
		return 0, fault.New(fault.InvalidParam, "next_batch is no token of this search.")
	}
	return n, nil
}

// places lists where all words occur, newest first.
func (x *Index) places(ctx context.Context, user id.UserID, f *room.Filter, words []string) ([]place, error) {
	rooms := x.o.Rooms()
	members, err := rooms.RoomsOf(ctx, user)
	if err != nil {
		return nil, err
	}
	var l []place
	for _, m := range members {
		if m.Forgotten || f != nil && (f.Rooms != nil && !slices.Contains(*f.Rooms, m.Room) || slices.Contains(f.NotRooms, m.Room)) {
			continue
		}
		a, err := rooms.Access(ctx, m.Room, user)
		if fault.Is(err, fault.Forbidden) || fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		at, err := x.inRoom(ctx, a.Room, words)
		if errors.Is(err, seal.ErrErased) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("search a room: %w", err)
		}
		for _, pos := range at {
			if pos <= a.UpTo {
				l = append(l, place{a, pos})
			}
		}
	}
	slices.SortFunc(l, func(a, b place) int { return cmp.Compare(b.pos, a.pos) })
	return l, nil
}

// session looks at what may be hits.
type session struct {
	x      *Index
	user   id.UserID
	q      Query
	words  []string
	sights map[id.RoomID]*room.Sight
}

func (s *session) newest(ctx context.Context, f *Found, places []place, below int64) error {
	for len(places) > 0 && places[0].pos >= below {
		places = places[1:]
	}
	for len(places) > 0 && len(f.Hits) < s.q.Limit {
		part := places[:min(len(places), readAhead)]
		places = places[len(part):]
		hits, err := s.look(ctx, part)
		if err != nil {
			return err
		}
		for i, p := range part {
			if hits[i] == nil {
				continue
			}
			f.Hits = append(f.Hits, *hits[i])
			if len(f.Hits) == s.q.Limit {
				f.Next = "p" + strconv.FormatInt(p.pos, 10)
				break
			}
		}
	}
	return nil
}

func (s *session) ranked(ctx context.Context, f *Found, places []place, from int64) error {
	var all []Hit
	for part := range slices.Chunk(places[:min(len(places), maxRanked)], readAhead) {
		hits, err := s.look(ctx, part)
		if err != nil {
			return err
		}
		for _, h := range hits {
			if h != nil {
				all = append(all, *h)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Hit) int { return cmp.Compare(b.Rank, a.Rank) })
	all = all[min(from, int64(len(all))):]
	f.Hits = all[:min(len(all), s.q.Limit)]
	if len(f.Hits) == s.q.Limit {
		f.Next = "n" + strconv.FormatInt(from+int64(len(f.Hits)), 10)
	}
	return nil
}

// look reads events and returns those that are hits, nil for the others.
func (s *session) look(ctx context.Context, places []place) ([]*Hit, error) {
	byRoom := map[*room.Room][]int64{}
	for _, p := range places {
		byRoom[p.access.Room] = append(byRoom[p.access.Room], p.pos)
	}
	events := make(map[int64]*room.Event, len(places))
	for r, at := range byRoom {
		l, err := s.x.o.Rooms().At(ctx, r, at)
		if err != nil {
			return nil, err
		}
		for _, e := range l {
			events[e.Pos] = e
		}
	}
	hits := make([]*Hit, len(places))
	for i, p := range places {
		e := events[p.pos]
		if e == nil {
			continue
		}
		var err error
		if hits[i], err = s.hit(ctx, p.access, e); err != nil {
			return nil, err
		}
	}
	return hits, nil
}

// hit tells whether an event is what is looked for, as far as the user may see it. What is found in the newest edit of
// an event is that event, and what was edited away is not found.
func (s *session) hit(ctx context.Context, a *room.Access, e *room.Event) (*Hit, error) {
	key, text := textOf(e)
	shown := e
	if e.RelType == replace {
		var err error
		shown, err = s.x.o.Rooms().Event(ctx, e.RoomID, e.RelTarget)
		if fault.Is(err, fault.NotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	if shown.RedactedBecause != nil || shown.Pos > a.UpTo || !s.q.Filter.Matches(shown) || len(s.q.Keys) > 0 && !slices.Contains(s.q.Keys, key) {
		return nil, nil
	}
	sight, err := s.sight(ctx, a)
	if err != nil {
		return nil, err
	}
	if sees, err := sight.Sees(ctx, shown); err != nil || !sees {
		return nil, err
	}
	bundles, err := s.x.o.Rooms().Bundles(ctx, sight, []*room.Event{shown})
	if err != nil {
		return nil, err
	}
	edit := gjson.GetBytes(bundles[shown.ID], `m\.replace.event_id`)
	if edit.Exists() != (shown != e) || shown != e && edit.Str != string(e.ID) {
		return nil, nil
	}
	of := words.Of(text)
	for _, w := range s.words {
		if _, ok := slices.BinarySearch(of, w); !ok {
			return nil, nil
		}
	}
	n, found := words.Count(text, s.words)
	return &Hit{shown, sight, float64(found) / math.Sqrt(float64(n))}, nil
}

func (s *session) sight(ctx context.Context, a *room.Access) (*room.Sight, error) {
	if known := s.sights[a.Room.ID]; known != nil {
		return known, nil
	}
	sight, err := s.x.o.Rooms().Sight(ctx, a.Room, s.user)
	s.sights[a.Room.ID] = sight
	return sight, err
}

const replace = "m.replace"

// textOf is what an event is found by, and under which key.
func textOf(e *room.Event) (key, text string) {
	if e.RedactedBecause != nil {
		return "", ""
	}
	switch e.Type {
	case "m.room.message":
		if e.RelType == replace {
			return Body, e.Get(`m\.new_content.body`).Str
		}
		return Body, e.Get("body").Str
	case "m.room.name":
		return Name, e.Get("name").Str
	case "m.room.topic":
		return Topic, e.Get("topic").Str
	}
	return "", ""
}
