package feed

import (
	"context"
	"slices"
	"strconv"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/homeserver/room"
)

// timelineScan bounds how many events are looked at to find those that a filter lets through.
const timelineScan = 2000

// timeline finds the events of a room's timeline: the newest ones that the reader may see and wants.
func (a *answer) timeline(ctx context.Context, pt *part) error {
	limit := a.call.filter.limit
	flt := &a.call.filter.Room.Timeline
	pt.start = pt.upTo + 1
	if !flt.inRoom(pt.r.ID) {
		return nil
	}
	scanned := 0
	for until := pt.upTo; ; {
		page := limit + 1 - len(pt.events)
		if !flt.pass {
			page = max(page, 50)
		}
		found, err := a.f.rooms.Timeline(ctx, pt.r, pt.after, until, page)
		if err != nil {
			return err
		}
		scanned += len(found)
		seen, err := pt.sight.Filter(ctx, found)
		if err != nil {
			return err
		}
		hidden := len(seen) < len(found)
		for _, ev := range seen {
			if !flt.event(ev) || !ev.State() && a.set.ignored[ev.Sender] {
				continue
			}
			if len(pt.events) == limit {
				pt.limited = true
				break
			}
			pt.events = append(pt.events, ev)
		}
		if pt.limited || len(found) < page || hidden && pt.fresh {
			pt.whole = pt.fresh && flt.pass && !pt.limited && !hidden && pt.after == 0
			break
		}
		if scanned >= timelineScan {
			pt.limited = true
			break
		}
		until = found[len(found)-1].Pos - 1
	}
	slices.Reverse(pt.events)
	if len(pt.events) > 0 {
		pt.start = pt.events[0].Pos
	} else if !pt.limited {
		pt.start = pt.upTo + 1
	}
	for _, ev := range pt.events {
		a.noteMember(pt, ev)
	}
	return nil
}

// noteMember notes, for the summary and the device lists, who came and who went.
func (a *answer) noteMember(pt *part, ev *room.Event) {
	if ev.Type != "m.room.member" || ev.StateKey == nil {
		return
	}
	pt.moved = true
	user := id.UserID(*ev.StateKey)
	if pt.fresh || user == a.p.user {
		return
	}
	now, before := ev.Membership(), membershipIn(ev.PrevContent)
	switch {
	case now == room.Join && before != room.Join:
		a.came(user)
	case now != room.Join && before == room.Join:
		a.left(user)
	}
}

// state finds the state events that go with a timeline: all of them, or what changed since the token, up to
// the timeline's start or, for state_after, its end.
func (a *answer) state(ctx context.Context, pt *part) error {
	flt := &a.call.filter.Room.State
	if !flt.inRoom(pt.r.ID) {
		return nil
	}
	var all []*room.Event
	var err error
	if pt.fresh || a.call.fullState {
		all, err = a.wholeState(ctx, pt)
	} else {
		all, err = a.stateDelta(ctx, pt)
	}
	if err != nil {
		return err
	}
	lazy := a.call.filter.lazy
	var needed map[id.UserID]bool
	if lazy {
		needed = a.neededMembers(pt)
	}
	for _, ev := range all {
		if !flt.event(ev) {
			continue
		}
		if ev.Type == "m.room.member" && lazy {
			user := id.UserID(*ev.StateKey)
			whole := pt.fresh || a.call.fullState
			if whole && !needed[user] {
				continue
			}
			delete(needed, user)
			a.members = append(a.members, memberHash(ev.ID))
		}
		pt.state = append(pt.state, ev)
	}
	if lazy {
		return a.lazyMembers(ctx, pt, needed, all)
	}
	return nil
}

// wholeState is all of the state at the timeline's start or end.
func (a *answer) wholeState(ctx context.Context, pt *part) ([]*room.Event, error) {
	if pt.whole && !a.call.after {
		return nil, nil
	}
	s, err := a.stateAt(ctx, pt, a.stateEnd(pt))
	if err != nil {
		return nil, err
	}
	return s.Events(), nil
}

// stateEnd is the position up to which state is told: before the timeline, or after it.
func (a *answer) stateEnd(pt *part) int64 {
	if a.call.after {
		return pt.upTo
	}
	return pt.start - 1
}

// stateAt is the state at a position. When no state changed since, it is the present one and no query is needed.
func (a *answer) stateAt(ctx context.Context, pt *part, pos int64) (*room.State, error) {
	if pt.r.LastPos() <= pt.upTo && pos >= pt.start-1 && !slices.ContainsFunc(pt.events, func(e *room.Event) bool {
		return e.State() && e.Pos > pos
	}) && a.call.filter.Room.Timeline.pass {
		return pt.r.StateMap(), nil
	}
	return a.f.rooms.StateAt(ctx, pt.r, pos)
}

// stateDelta is what changed of the state since the token and is not in the timeline.
func (a *answer) stateDelta(ctx context.Context, pt *part) ([]*room.Event, error) {
	if pt.r.LastPos() <= pt.after {
		return nil, nil
	}
	switch {
	case a.call.after && !pt.limited && a.call.filter.Room.Timeline.pass && !slices.ContainsFunc(pt.events, (*room.Event).State):
		return nil, nil
	case a.call.after:
		return a.changedState(ctx, pt, pt.after, pt.upTo)
	case a.call.filter.Room.Timeline.pass && !pt.limited:
		return nil, nil // all of it is in the timeline
	case a.call.filter.Room.Timeline.pass:
		return a.changedState(ctx, pt, pt.after, pt.start-1)
	}
	// A filter took state events out of the timeline: tell what they changed.
	changes, err := a.changedState(ctx, pt, pt.after, pt.upTo)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(changes, func(ev *room.Event) bool {
		return slices.ContainsFunc(pt.events, func(t *room.Event) bool { return t.ID == ev.ID })
	}), nil
}

func (a *answer) changedState(ctx context.Context, pt *part, after, upTo int64) ([]*room.Event, error) {
	changes, err := a.f.rooms.StateChanges(ctx, pt.r, after, upTo)
	if err != nil {
		return nil, err
	}
	var out []*room.Event
	for _, c := range changes {
		if c.New != nil {
			out = append(out, c.New)
			a.noteMember(pt, c.New)
		}
	}
	return out, nil
}

// neededMembers are those whose member events a lazy client needs: who sent what is in the timeline, those
// from whom the room's name is made, and the reader when the room is new to the device.
func (a *answer) neededMembers(pt *part) map[id.UserID]bool {
	needed := make(map[id.UserID]bool, len(pt.events)+1)
	for _, ev := range pt.events {
		needed[ev.Sender] = true
	}
	if pt.fresh || a.call.fullState {
		needed[a.p.user] = true
	}
	if pt.fresh || a.call.fullState || pt.moved {
		if pt.r.State("m.room.name", "").Get("name").Str == "" {
			for _, h := range pt.r.Heroes(a.p.user) {
				needed[id.UserID(*h.StateKey)] = true
			}
		}
	}
	return needed
}

// lazyMembers adds the member events that are needed and that the device does not have.
func (a *answer) lazyMembers(ctx context.Context, pt *part, needed map[id.UserID]bool, have []*room.Event) error {
	if len(needed) == 0 || pt.fresh || a.call.fullState {
		return nil // the whole state was looked through
	}
	// Who is changed by the timeline itself needs the event from before it; all others the present one.
	var before *room.State
	for user := range needed {
		ev := pt.r.State("m.room.member", string(user))
		if ev != nil && ev.Pos >= pt.start && !a.call.after {
			if before == nil {
				var err error
				if before, err = a.stateAt(ctx, pt, pt.start-1); err != nil {
					return err
				}
			}
			ev = before.Get("m.room.member", string(user))
		}
		if ev == nil || slices.Contains(have, ev) || !a.call.filter.Room.State.event(ev) {
			continue
		}
		h := memberHash(ev.ID)
		if a.call.memory.has(h) && !a.call.filter.Room.State.AllMembers {
			continue
		}
		a.members = append(a.members, h)
		pt.state = append(pt.state, ev)
	}
	return nil
}

// writeState writes ,"state" or ,"state_after", the latter under the name that was asked for.
func (a *answer) writeState(ctx context.Context, pt *part) error {
	name := `,"state":{"events":[`
	switch {
	case a.call.after && a.call.msc4222:
		name = `,"org.matrix.msc4222.state_after":{"events":[`
	case a.call.after:
		name = `,"state_after":{"events":[`
	}
	a.out = append(a.out, name...)
	if err := a.events(ctx, pt, pt.state, false); err != nil {
		return err
	}
	a.out = append(a.out, `]}`...)
	return nil
}

// writeTimeline writes ,"timeline".
func (a *answer) writeTimeline(ctx context.Context, pt *part) error {
	a.out = append(a.out, `,"timeline":{"events":[`...)
	if err := a.events(ctx, pt, pt.events, true); err != nil {
		return err
	}
	a.out = append(a.out, `],"limited":`...)
	a.out = strconv.AppendBool(a.out, pt.limited)
	a.out = append(a.out, `,"prev_batch":"s`...)
	a.out = strconv.AppendInt(a.out, pt.start-1, 10)
	a.out = append(a.out, `"}`...)
	return nil
}

// events writes events with what is personal to the reader.
func (a *answer) events(ctx context.Context, pt *part, events []*room.Event, timeline bool) error {
	if a.call.filter.EventFormat == "federation" {
		for i, ev := range events {
			if i > 0 {
				a.out = append(a.out, ',')
			}
			a.out = append(a.out, ev.JSON()...)
		}
		return nil
	}
	reader := room.Reader{User: a.p.user, Device: a.call.who.Device, Now: a.now, NoRoom: true}
	var relations map[id.EventID][]byte
	if timeline {
		var err error
		if relations, err = a.f.rooms.Bundles(ctx, pt.sight, events); err != nil {
			return err
		}
	}
	for i, ev := range events {
		if i > 0 {
			a.out = append(a.out, ',')
		}
		var err error
		if reader.Member, err = pt.sight.Membership(ctx, ev); err != nil {
			return err
		}
		reader.Relations = relations[ev.ID]
		a.out = ev.AppendClient(a.out, reader)
	}
	return nil
}
