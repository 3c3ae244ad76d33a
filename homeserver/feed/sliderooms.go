package feed

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
)

// rooms writes the rooms that match and have something new.
func (a *slideAnswer) rooms(ctx context.Context) error {
	labels, err := a.f.labels(ctx, a.p, false)
	if err != nil {
		return err
	}
	l := list{dst: a.body}
	for _, m := range a.matched {
		start, some := len(l.dst), l.some
		l.next()
		l.dst = appendKey(l.dst, string(m.Room))
		a.out = l.dst
		wrote, err := a.room(ctx, m, labels.direct[m.Room])
		if fault.Is(err, fault.NotFound) {
			wrote, err = false, nil // erased meanwhile
		}
		if err != nil {
			return fmt.Errorf("slide a room: %w", err)
		}
		if l.dst = a.out; !wrote {
			l.dst, l.some = l.dst[:start], some
			continue
		}
		a.news = true
	}
	a.body, a.out = l.dst, nil
	return nil
}

// slidePart is a room's share of an answer.
type slidePart struct {
	*part
	m        *matched
	told     told
	wish     *wish
	direct   bool
	expanded bool // the timeline holds events that were told before
	stubs    []room.Key
	named    bool // name or avatar changed
}

// room writes a room, or nothing and false when there is nothing new.
func (a *slideAnswer) room(ctx context.Context, m *matched, direct bool) (bool, error) {
	was, known := a.was.room[m.Room]
	wish := a.s.wish(m)
	now := told{pos: a.upTo, membership: m.Membership, limit: wish.limit, wish: wish, direct: direct, receipts: was.receipts, data: was.data, typing: was.typing}
	fresh := !known || was.membership != m.Membership && (m.Membership == room.Join || was.membership != room.Join)
	a.step.rooms[m.Room] = now
	sp := &slidePart{m: m, told: was, wish: wish, direct: direct}
	outside := m.Membership == room.Leave || m.Membership == room.Ban
	if m.Membership == room.Invite || m.Membership == room.Knock || outside && known && was.membership != room.Join {
		return a.strangeRoom(sp, fresh || m.Pos > was.pos), nil
	}
	upTo := a.upTo
	if outside {
		upTo = min(upTo, m.Pos)
	}
	grown := wish.limit > was.limit || was.wish == nil || wish.text != was.wish.text
	if !fresh && !grown && direct == was.direct && min(m.r.LastPos(), upTo) <= was.pos {
		return false, nil
	}
	sight, err := a.f.rooms.Sight(ctx, m.r, a.p.user)
	if err != nil {
		return false, err
	}
	sp.part = &part{r: m.r, s: m.stay, sight: sight, fresh: fresh, after: was.pos, upTo: upTo}
	if fresh {
		sp.after = 0
	}
	if err := a.slideTimeline(ctx, sp); err != nil {
		return false, err
	}
	m.first = sp.start
	if err := a.slideState(ctx, sp); err != nil {
		return false, err
	}
	if !sp.limited || sp.expanded {
		now.limit = max(wish.limit, was.limit)
		a.step.rooms[m.Room] = now
	}
	if !fresh && len(sp.events) == 0 && len(sp.state) == 0 && len(sp.stubs) == 0 && direct == was.direct && !sp.named && !sp.moved {
		return false, nil
	}
	return true, a.writeRoom(ctx, sp)
}

// strangeRoom writes a room that the reader has not been inside of.
func (a *slideAnswer) strangeRoom(sp *slidePart, news bool) bool {
	if !news {
		return false
	}
	name := `,"stripped_state":`
	if a.s.req.Unstable {
		name = `,"invite_state":`
	}
	a.out = append(a.out, `{"initial":true`...)
	a.common(sp, sp.m.Pos)
	a.out = append(a.out, name...)
	a.out = append(a.out, a.f.rooms.Stripped(sp.m.r, a.p.user)...)
	a.out = append(a.out, '}')
	return true
}

// common writes what is told of every room.
func (a *slideAnswer) common(sp *slidePart, bump int64) {
	a.out = append(a.out, `,"bump_stamp":`...)
	a.out = strconv.AppendInt(a.out, bump, 10)
	a.out = append(a.out, `,"membership":`...)
	a.out = appendString(a.out, sp.m.Membership)
	if len(sp.m.lists) > 0 {
		a.out = append(a.out, `,"lists":[`...)
		l := list{dst: a.out}
		for _, name := range sp.m.lists {
			l.next()
			l.dst = appendString(l.dst, name)
		}
		a.out = append(l.dst, ']')
	}
	if sp.direct || sp.told.direct {
		a.out = append(a.out, `,"is_dm":`...)
		a.out = strconv.AppendBool(a.out, sp.direct)
	}
}

// slideTimeline finds the events of a room's timeline: what is new or, when more is wanted than was told
// before, the newest ones.
func (a *slideAnswer) slideTimeline(ctx context.Context, sp *slidePart) error {
	a.call.filter = timelineOf(sp.wish.limit)
	if !sp.fresh && sp.wish.limit > sp.told.limit {
		sp.after = 0
		if err := a.timeline(ctx, sp.part); err != nil {
			return err
		}
		sp.expanded = slices.ContainsFunc(sp.events, func(e *room.Event) bool { return e.Pos <= sp.told.pos })
		sp.after = sp.told.pos
		return nil
	}
	return a.timeline(ctx, sp.part)
}

// timelineOf is the filter for a timeline of some length.
func timelineOf(limit int) *filter {
	f := &filter{limit: limit}
	f.Room.Timeline.pass = true
	return f
}

// slideState finds the wanted state events: all of them, or what changed since the room was told, and what
// is wanted now that was not wanted before.
func (a *slideAnswer) slideState(ctx context.Context, sp *slidePart) error {
	whole := sp.fresh || sp.told.wish == nil || sp.told.wish.text != sp.wish.text
	var full *room.State
	var err error
	if whole {
		if full, err = a.stateAt(ctx, sp.part, sp.upTo); err != nil {
			return err
		}
		for e := range full.All {
			if sp.wish.wants(e.Type, *e.StateKey) && (sp.fresh || !sp.told.wish.wants(e.Type, *e.StateKey)) {
				a.addState(sp, e)
			}
		}
	}
	if !sp.fresh {
		if err := a.slideChanges(ctx, sp); err != nil {
			return err
		}
	}
	if sp.wish.lazy {
		return a.slideMembers(ctx, sp)
	}
	return nil
}

// slideChanges adds what changed of the state since the room was told.
func (a *slideAnswer) slideChanges(ctx context.Context, sp *slidePart) error {
	if sp.r.LastPos() <= sp.told.pos || !sp.limited && !slices.ContainsFunc(sp.events, (*room.Event).State) {
		return nil
	}
	changes, err := a.f.rooms.StateChanges(ctx, sp.r, sp.told.pos, sp.upTo)
	if err != nil {
		return err
	}
	for _, c := range changes {
		switch c.Type {
		case "m.room.name", "m.room.avatar":
			sp.named = true
		case "m.room.member":
			sp.moved = true
		}
		lazy := sp.wish.lazy && c.Type == "m.room.member" && !sp.limited
		switch {
		case !lazy && !sp.wish.wants(c.Type, c.StateKey):
		case c.New == nil:
			sp.stubs = append(sp.stubs, room.Key{Type: c.Type, StateKey: c.StateKey})
		default:
			a.addState(sp, c.New)
		}
	}
	return nil
}

// addState adds a state event once, and remembers that the device has got a member.
func (a *slideAnswer) addState(sp *slidePart, e *room.Event) {
	if slices.Contains(sp.state, e) {
		return
	}
	if e.Type == "m.room.member" {
		a.members = append(a.members, memberHash(e.ID))
	}
	sp.state = append(sp.state, e)
}

// slideMembers adds the member events that the timeline needs and that the device does not have.
func (a *slideAnswer) slideMembers(ctx context.Context, sp *slidePart) error {
	var at *room.State
	for _, ev := range sp.events {
		for _, user := range [...]string{string(ev.Sender), targetOf(ev)} {
			if user == "" {
				continue
			}
			if at == nil {
				var err error
				if at, err = a.stateAt(ctx, sp.part, sp.upTo); err != nil {
					return err
				}
			}
			if e := at.Get("m.room.member", user); e != nil && !a.s.conn.has(memberHash(e.ID)) {
				a.addState(sp, e)
			}
		}
	}
	return nil
}

func targetOf(ev *room.Event) string {
	if ev.Type != "m.room.member" || ev.StateKey == nil {
		return ""
	}
	return *ev.StateKey
}

// writeRoom writes a room that the reader is or was inside of.
func (a *slideAnswer) writeRoom(ctx context.Context, sp *slidePart) error {
	bump, err := a.bumped(ctx, sp)
	if err != nil {
		return err
	}
	a.out = append(a.out, `{"initial":`...)
	a.out = strconv.AppendBool(a.out, sp.fresh)
	a.common(sp, bump)
	if sp.expanded {
		name := `,"expanded_timeline":true`
		if a.s.req.Unstable {
			name = `,"unstable_expanded_timeline":true`
		}
		a.out = append(a.out, name...)
	}
	if err := a.about(ctx, sp); err != nil {
		return err
	}
	a.out = append(a.out, `,"required_state":[`...)
	if err := a.events(ctx, sp.part, sp.state, false); err != nil {
		return err
	}
	if !a.s.req.Unstable {
		a.writeStubs(sp)
	}
	a.out = append(a.out, `],"timeline":[`...)
	if err := a.events(ctx, sp.part, sp.events, true); err != nil {
		return err
	}
	a.out = append(a.out, `],"prev_batch":"s`...)
	a.out = strconv.AppendInt(a.out, sp.start-1, 10)
	a.out = append(a.out, `","limited":`...)
	a.out = strconv.AppendBool(a.out, sp.limited)
	a.out = append(a.out, `,"num_live":`...)
	a.out = strconv.AppendInt(a.out, int64(a.live(sp)), 10)
	if a.s.req.Unstable && sp.m.Membership == room.Join {
		n, err := a.f.count(ctx, a.p, a.set, sp.r, a.upTo)
		if err != nil {
			return err
		}
		a.out = append(a.out, `,"notification_count":`...)
		a.out = strconv.AppendInt(a.out, int64(n.all.notifications), 10)
		a.out = append(a.out, `,"highlight_count":`...)
		a.out = strconv.AppendInt(a.out, int64(n.all.highlights), 10)
	}
	a.out = append(a.out, '}')
	return nil
}

// live counts the events of the timeline that happened since the answer before.
func (a *slideAnswer) live(sp *slidePart) int {
	if a.call.initial {
		return 0
	}
	n := 0
	for _, e := range sp.events {
		if e.Pos > a.from {
			n++
		}
	}
	return n
}

// writeStubs writes the state that was taken away.
func (a *slideAnswer) writeStubs(sp *slidePart) {
	l := list{dst: a.out, some: len(sp.state) > 0}
	for _, k := range sp.stubs {
		l.next()
		l.dst = append(l.dst, `{"type":`...)
		l.dst = appendString(l.dst, k.Type)
		l.dst = append(l.dst, `,"state_key":`...)
		l.dst = append(appendString(l.dst, k.StateKey), '}')
	}
	a.out = l.dst
}

// about writes name, avatar, heroes and counts as far as they may have changed.
func (a *slideAnswer) about(ctx context.Context, sp *slidePart) error {
	if !sp.fresh && !sp.named && !sp.moved {
		return nil
	}
	now, err := a.stateAt(ctx, sp.part, sp.upTo)
	if err != nil {
		return err
	}
	name := now.Get("m.room.name", "").Get("name").Str
	if sp.fresh || sp.named {
		a.textOrNull(sp, `,"name":`, name)
		a.textOrNull(sp, `,"avatar":`, now.Get("m.room.avatar", "").Get("url").Str)
	}
	if sp.m.Membership != room.Join {
		return nil // who came and went afterwards is nothing for the reader
	}
	if name == "" {
		a.heroes(sp)
	}
	joined, invited := sp.r.Counts()
	a.out = append(a.out, `,"joined_count":`...)
	a.out = strconv.AppendInt(a.out, int64(joined), 10)
	a.out = append(a.out, `,"invited_count":`...)
	a.out = strconv.AppendInt(a.out, int64(invited), 10)
	return nil
}

// textOrNull writes a text; none is told as null when the device may have an older one.
func (a *slideAnswer) textOrNull(sp *slidePart, key, text string) {
	switch {
	case text != "":
		a.out = appendString(append(a.out, key...), text)
	case !sp.fresh:
		a.out = append(append(a.out, key...), "null"...)
	}
}

// heroes writes the people from whom a room without a name gets one.
func (a *slideAnswer) heroes(sp *slidePart) {
	l := list{dst: append(a.out, `,"heroes":[`...)}
	for _, h := range sp.r.Heroes(a.p.user) {
		l.next()
		l.dst = appendString(append(l.dst, `{"user_id":`...), *h.StateKey)
		if name := h.Get("displayname").Str; name != "" {
			l.dst = appendString(append(l.dst, `,"displayname":`...), name)
		}
		if url := h.Get("avatar_url").Str; url != "" {
			l.dst = appendString(append(l.dst, `,"avatar_url":`...), url)
		}
		l.dst = append(l.dst, '}')
	}
	a.out = append(l.dst, ']')
}

// bumpTypes are the events that bring a room up in a client's list.
var bumpTypes = []string{"m.room.create", "m.room.message", "m.room.encrypted", "m.sticker", "m.call.invite", "m.poll.start", "m.beacon_info"}

// bumpScan bounds how many events are looked at to find the newest that brings its room up.
const bumpScan = 200

// bumped is the position of the newest event that brings a room up or, when none of the newest ones does,
// that of the oldest of them.
func (a *slideAnswer) bumped(ctx context.Context, sp *slidePart) (int64, error) {
	if sp.m.Membership != room.Join {
		return sp.m.Pos, nil
	}
	bumps := func(e *room.Event) bool { return slices.Contains(bumpTypes, e.Type) }
	for _, e := range slices.Backward(sp.events) {
		if bumps(e) {
			return e.Pos, nil
		}
	}
	last := sp.m.Pos
	for until := sp.upTo; until > 0; {
		found, err := a.f.rooms.Timeline(ctx, sp.r, 0, until, 50)
		if err != nil {
			return 0, err
		}
		for _, e := range found {
			if last = e.Pos; bumps(e) {
				return last, nil
			}
		}
		if len(found) < 50 || sp.upTo-until > bumpScan {
			break
		}
		until = last - 1
	}
	return last, nil
}

// wanted are the rooms of the windows and subscriptions for which an extension is asked.
func (a *slideAnswer) wanted(e *SlideExtension) []*matched {
	var out []*matched
	for _, m := range a.matched {
		if e.within(m, a.s.subscribed(m.Room)) {
			out = append(out, m)
		}
	}
	return out
}
