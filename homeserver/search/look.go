package search

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/homeserver/words"
)

// session looks at what may be hits.
type session struct {
	x      *Index
	user   id.UserID
	q      Query
	words  []string
	sights map[*room.Room]*room.Sight
	last   map[*room.Room]int64 // position that the room was at when it was looked at first
}

// begin forgets what is known of the user's sight, and returns how many redactions there were.
func (s *session) begin() int64 {
	s.sights, s.last = map[*room.Room]*room.Sight{}, map[*room.Room]int64{}
	return s.x.redactions.Load()
}

// newest fills an answer with the newest hits. The first answer looks at all places, to count them.
func (s *session) newest(ctx context.Context, f *Found, places []place, more bool, from mark) error {
	f.Count = from.count
	var hits []Hit
	looked := 0
	for looked < len(places) && (from.count < 0 || len(hits) < s.q.Limit) {
		part := places[looked:min(len(places), looked+readAhead)]
		looked += len(part)
		l, err := s.look(ctx, part)
		if err != nil {
			return err
		}
		hits = append(hits, l...)
	}
	if from.count < 0 {
		f.Count = len(hits)
	}
	f.Hits = hits[:min(len(hits), s.q.Limit)]
	end := int64(0)
	switch {
	case len(f.Hits) == s.q.Limit:
		end = f.Hits[len(f.Hits)-1].place.pos
	case more:
		end = places[len(places)-1].pos
	default:
		return nil
	}
	f.Next = "p" + strconv.FormatInt(end, 10) + "_" + strconv.Itoa(f.Count)
	return nil
}

// ranked fills an answer with the best hits.
func (s *session) ranked(ctx context.Context, f *Found, places []place, from mark) error {
	var all []Hit
	for part := range slices.Chunk(places, readAhead) {
		hits, err := s.look(ctx, part)
		if err != nil {
			return err
		}
		all = append(all, hits...)
	}
	slices.SortStableFunc(all, func(a, b Hit) int { return cmp.Compare(b.Rank, a.Rank) })
	f.Count = len(all)
	all = all[min(from.skip, len(all)):]
	f.Hits = all[:min(len(all), s.q.Limit)]
	if len(f.Hits) == s.q.Limit {
		f.Next = "n" + strconv.Itoa(from.skip+len(f.Hits))
	}
	return nil
}

// confirm looks at hits again if anything happened in their rooms since begin, which may have been a redaction.
func (s *session) confirm(ctx context.Context, redactions int64, hits []Hit) ([]Hit, error) {
	changed := redactions != s.x.redactions.Load()
	places := make([]place, len(hits))
	for i, h := range hits {
		places[i] = h.place
		changed = changed || s.last[h.place.access.Room] != h.place.access.Room.LastPos()
	}
	if !changed {
		return hits, nil
	}
	s.begin()
	return s.look(ctx, places)
}

// look returns the hits at places, in their order.
func (s *session) look(ctx context.Context, places []place) ([]Hit, error) {
	byRoom := map[*room.Room][]place{}
	for _, p := range places {
		byRoom[p.access.Room] = append(byRoom[p.access.Room], p)
	}
	hits := make(map[int64]Hit, len(places))
	for _, l := range byRoom {
		if err := s.lookInRoom(ctx, l[0].access, l, hits); err != nil {
			return nil, err
		}
	}
	l := make([]Hit, 0, len(hits))
	for _, p := range places {
		if h, ok := hits[p.pos]; ok {
			l = append(l, h)
		}
	}
	return l, nil
}

// lookInRoom adds the hits of one room by their places.
func (s *session) lookInRoom(ctx context.Context, a *room.Access, places []place, hits map[int64]Hit) error {
	sight, err := s.sight(ctx, a.Room)
	if err != nil {
		return err
	}
	l, err := s.read(ctx, a, places)
	if err != nil {
		return err
	}
	var seen []*room.Event
	for i, c := range l {
		if l[i].seen, err = sight.Sees(ctx, c.shown); err != nil {
			return err
		}
		if l[i].seen {
			seen = append(seen, c.shown)
		}
	}
	relations, err := s.x.o.Rooms().Bundles(ctx, sight, seen)
	if err != nil {
		return err
	}
	for _, c := range l {
		edit := gjson.GetBytes(relations[c.shown.ID], `m\.replace.event_id`)
		if !c.seen || edit.Exists() != (c.shown != c.event) || c.shown != c.event && edit.Str != string(c.event.ID) {
			continue
		}
		hits[c.event.Pos] = Hit{c.shown, sight, relations[c.shown.ID], rank(c.text, s.words), place{a, c.event.Pos}}
	}
	return nil
}

// candidate is an event with the words in it, and the event that is shown for it: what is found in the newest edit of an
// event is that event, and what was edited away is not found.
type candidate struct {
	event, shown *room.Event
	text         string
	seen         bool
}

// read reads the events at places and leaves out those that are not what is looked for.
func (s *session) read(ctx context.Context, a *room.Access, places []place) ([]candidate, error) {
	at := make([]int64, len(places))
	for i, p := range places {
		at[i] = p.pos
	}
	events, err := s.x.o.Rooms().At(ctx, a.Room, at)
	if err != nil {
		return nil, err
	}
	var edited []id.EventID
	for _, e := range events {
		if e.RelType == replace {
			edited = append(edited, e.RelTarget)
		}
	}
	originals, err := s.x.o.Rooms().Events(ctx, a.Room, edited)
	if err != nil {
		return nil, err
	}
	var l []candidate
	for _, e := range events {
		key, text := textOf(e)
		c := candidate{event: e, shown: e, text: text}
		if e.RelType == replace {
			c.shown = originals[e.RelTarget]
		}
		if c.shown == nil || c.shown.RedactedBecause != nil || c.shown.Pos > a.UpTo || !s.q.Filter.Matches(c.shown) ||
			len(s.q.Keys) > 0 && !slices.Contains(s.q.Keys, key) || !s.occur(text) {
			continue
		}
		l = append(l, c)
	}
	return l, nil
}

// occur tells whether all words occur in a text.
func (s *session) occur(text string) bool {
	of := words.Of(text)
	for _, w := range s.words {
		if _, ok := slices.BinarySearch(of, w); !ok {
			return false
		}
	}
	return true
}

func rank(text string, wanted []string) float64 {
	n, found := words.Count(text, wanted)
	return float64(found) / math.Sqrt(float64(n))
}

func (s *session) sight(ctx context.Context, r *room.Room) (*room.Sight, error) {
	if known := s.sights[r]; known != nil {
		return known, nil
	}
	s.last[r] = r.LastPos()
	sight, err := s.x.o.Rooms().Sight(ctx, r, s.user)
	s.sights[r] = sight
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
