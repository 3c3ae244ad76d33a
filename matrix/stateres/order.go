package stateres

import (
	"cmp"
	"container/heap"
	"math"
	"slices"

	"github.com/myelin-health/myelin/matrix/auth"
	"github.com/myelin-health/myelin/matrix/event"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// powerEvents selects the power events of the full conflicted set and what of their
// auth chains is in it.
func (r *resolver) powerEvents(conflicted idSet) idSet {
	selected := make(idSet)
	var stack []id.EventID
	for eventID := range conflicted {
		if isPowerEvent(r.events[eventID]) {
			stack = append(stack, eventID)
		}
	}
	for len(stack) > 0 {
		eventID := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if selected.has(eventID) {
			continue
		}
		selected[eventID] = struct{}{}
		for _, a := range r.events[eventID].AuthEvents {
			if conflicted.has(a) {
				stack = append(stack, a)
			}
		}
	}
	return selected
}

func isPowerEvent(p *pdu.PDU) bool {
	switch p.Type {
	case "m.room.power_levels", "m.room.join_rules", "m.room.create":
		return *p.StateKey == ""
	case "m.room.member":
		membership, _ := event.LookupString(p.Content, "membership")
		return (membership == "leave" || membership == "ban") && *p.StateKey != string(p.Sender)
	}
	return false
}

// powerOrder is the reverse topological power ordering: Kahn's algorithm over the
// auth events, from the earliest on, and among the candidates the one whose sender is the
// most powerful, then the oldest, then the one of the smallest id.
func (r *resolver) powerOrder(set idSet) []id.EventID {
	waiting := make(map[id.EventID]int, len(set))          // auth events in set still to come
	citedBy := make(map[id.EventID][]id.EventID, len(set)) // the other way round
	ready := make(powerQueue, 0, len(set))
	for _, eventID := range set.sorted() {
		auths := slices.Clone(r.events[eventID].AuthEvents)
		slices.Sort(auths)
		for _, a := range slices.Compact(auths) {
			if set.has(a) {
				waiting[eventID]++
				citedBy[a] = append(citedBy[a], eventID)
			}
		}
		if waiting[eventID] == 0 {
			ready = append(ready, r.powerItem(eventID))
		}
	}
	heap.Init(&ready)
	ordered := make([]id.EventID, 0, len(set))
	for len(ready) > 0 {
		eventID := heap.Pop(&ready).(powerItem).id
		ordered = append(ordered, eventID)
		for _, c := range citedBy[eventID] {
			if waiting[c]--; waiting[c] == 0 {
				heap.Push(&ready, r.powerItem(c))
			}
		}
	}
	return ordered
}

type powerItem struct {
	level, ts int64
	id        id.EventID
}

func (r *resolver) powerItem(eventID id.EventID) powerItem {
	p := r.events[eventID]
	return powerItem{r.senderLevel(p), p.OriginServerTS, eventID}
}

// powerQueue is a heap with the event that comes first in the power ordering on top.
type powerQueue []powerItem

func (q powerQueue) Len() int      { return len(q) }
func (q powerQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *powerQueue) Push(x any)   { *q = append(*q, x.(powerItem)) }
func (q powerQueue) Less(i, j int) bool {
	a, b := q[i], q[j]
	return cmp.Or(cmp.Compare(b.level, a.level), cmp.Compare(a.ts, b.ts), cmp.Compare(a.id, b.id)) < 0
}

// Pop takes the last element, as container/heap wants it.
func (q *powerQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// senderLevel returns the power level of an event's sender by its own auth events.
func (r *resolver) senderLevel(p *pdu.PDU) int64 {
	create := r.create
	var levels *pdu.PDU
	for _, a := range p.AuthEvents {
		q := r.events[a]
		if q == nil || q.StateKey == nil || *q.StateKey != "" {
			continue
		}
		switch q.Type {
		case "m.room.power_levels":
			levels = q
		case "m.room.create":
			create = q
		}
	}
	if create == nil {
		return 0
	}
	return r.powerLevels(create, levels).User(p.Sender)
}

// powerLevels is auth.ReadPowerLevels, remembered.
func (r *resolver) powerLevels(create, levels *pdu.PDU) *auth.PowerLevels {
	var key id.EventID
	if levels != nil {
		key = levels.InternalMeta.EventID
	}
	l := r.levels[key]
	if l == nil || key == "" {
		l = auth.ReadPowerLevels(r.v, create, levels)
		r.levels[key] = l
	}
	return l
}

// mainlineOrder sorts events by the mainline ordering based on the power level
// event top, which is "" if there is none.
func (r *resolver) mainlineOrder(ids []id.EventID, top id.EventID) ([]id.EventID, error) {
	mainline := make(map[id.EventID]int)
	for top != "" {
		if _, again := mainline[top]; again {
			break
		}
		mainline[top] = len(mainline)
		next, err := r.powerLevelsBehind(top)
		if err != nil {
			return nil, err
		}
		top = next
	}
	type item struct {
		position int
		ts       int64
		id       id.EventID
	}
	items := make([]item, len(ids))
	for i, eventID := range ids {
		position, err := r.mainlinePosition(eventID, mainline)
		if err != nil {
			return nil, err
		}
		items[i] = item{position, r.events[eventID].OriginServerTS, eventID}
	}
	slices.SortFunc(items, func(a, b item) int {
		return cmp.Or(cmp.Compare(b.position, a.position), cmp.Compare(a.ts, b.ts), cmp.Compare(a.id, b.id))
	})
	ordered := make([]id.EventID, len(items))
	for i, it := range items {
		ordered[i] = it.id
	}
	return ordered, nil
}

// offMainline is the mainline position of events that no walk along power level events
// connects with the mainline.
const offMainline = math.MaxInt

// mainlinePosition walks from an event along the power level events until one has a
// position, and gives that to those on the way, so that no part of the way is walked
// twice.
func (r *resolver) mainlinePosition(eventID id.EventID, positions map[id.EventID]int) (int, error) {
	if len(positions) == 0 {
		return offMainline, nil
	}
	var way []id.EventID
	position := offMainline
	for {
		next, err := r.powerLevelsBehind(eventID)
		if err != nil {
			return 0, err
		}
		if next == "" {
			break
		}
		if known, ok := positions[next]; ok {
			position = known
			break
		}
		way = append(way, next)
		positions[next] = offMainline // ends the walk should it come here again
		eventID = next
	}
	for _, passed := range way {
		positions[passed] = position
	}
	return position, nil
}

// powerLevelsBehind returns the power level event among an event's auth events, or "".
func (r *resolver) powerLevelsBehind(eventID id.EventID) (id.EventID, error) {
	if err := r.load([]id.EventID{eventID}); err != nil {
		return "", err
	}
	p := r.events[eventID]
	if p == nil {
		return "", nil
	}
	if err := r.load(p.AuthEvents); err != nil {
		return "", err
	}
	for _, a := range p.AuthEvents {
		if q := r.events[a]; q != nil && q.StateKey != nil && q.Type == "m.room.power_levels" && *q.StateKey == "" {
			return a, nil
		}
	}
	return "", nil
}
