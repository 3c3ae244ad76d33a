package feed

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
)

// rooms writes the member "rooms".
func (a *answer) rooms(ctx context.Context) error {
	start := len(a.out)
	some := a.some
	a.key("rooms")
	a.out = append(a.out, '{')
	stays := *a.p.stays.Load()
	sections := list{}
	for _, section := range [...]struct {
		name  string
		wants func(stay) bool
		write func(context.Context, stay) (bool, error)
	}{
		{"join", func(s stay) bool { return s.Membership == room.Join }, a.joinedRoom},
		{"invite", func(s stay) bool { return s.Membership == room.Invite && a.changed(s) }, a.invitedRoom},
		{"knock", func(s stay) bool { return s.Membership == room.Knock && a.changed(s) }, a.knockedRoom},
		{"leave", a.wantsLeft, a.leftRoom},
	} {
		if err := a.section(ctx, &sections, section.name, stays, section.wants, section.write); err != nil {
			return err
		}
	}
	if !sections.some {
		a.out, a.some = a.out[:start], some
		return nil
	}
	a.out = append(a.out, '}')
	return nil
}

// section writes the rooms of one membership, or nothing when there are none.
func (a *answer) section(ctx context.Context, sections *list, name string, stays []stay, wants func(stay) bool, write func(context.Context, stay) (bool, error)) error {
	start := len(a.out)
	if sections.some {
		a.out = append(a.out, ',')
	}
	a.out = appendKey(a.out, name)
	a.out = append(a.out, '{')
	some := false
	for _, s := range stays {
		if !wants(s) || !a.call.filter.room(s.Room) {
			continue
		}
		mark := len(a.out)
		if some {
			a.out = append(a.out, ',')
		}
		a.out = appendKey(a.out, string(s.Room))
		wrote, err := write(ctx, s)
		if fault.Is(err, fault.NotFound) {
			// An erased room is no reason to tell nothing of the others.
			wrote, err = false, nil
		}
		if err != nil {
			return fmt.Errorf("sync a room: %w", err)
		}
		if !wrote {
			a.out = a.out[:mark]
			continue
		}
		some = true
	}
	if !some {
		a.out = a.out[:start]
		return nil
	}
	sections.some = true
	a.out = append(a.out, '}')
	return nil
}

// changed reports whether a membership is news.
func (a *answer) changed(s stay) bool {
	return a.call.initial || a.call.fullState || s.Pos > a.from
}

func (a *answer) wantsLeft(s stay) bool {
	if s.Membership != room.Leave && s.Membership != room.Ban {
		return false
	}
	if !a.call.initial && s.Pos > a.from {
		return true // of a forgotten room too: the person's other devices have to take it off their lists
	}
	return !s.Forgotten && a.call.filter.Room.IncludeLeave && (a.call.initial || a.call.fullState)
}

// invitedRoom writes an invitation, unless the person ignores who sent it or wants none of theirs.
func (a *answer) invitedRoom(ctx context.Context, s stay) (bool, error) {
	if a.set.hides(s.Sender) {
		return false, nil
	}
	return a.strippedRoom(ctx, s, `{"invite_state":{"events":`)
}

func (a *answer) knockedRoom(ctx context.Context, s stay) (bool, error) {
	return a.strippedRoom(ctx, s, `{"knock_state":{"events":`)
}

func (a *answer) strippedRoom(ctx context.Context, s stay, open string) (bool, error) {
	r, err := a.f.rooms.Get(ctx, s.Room)
	if err != nil {
		return false, err
	}
	a.out = append(a.out, open...)
	a.out = append(a.out, a.f.rooms.Stripped(r, a.p.user)...)
	a.out = append(a.out, `}}`...)
	a.news = true
	return true, nil
}

// part is a room's share of an answer.
type part struct {
	r     *room.Room
	s     stay
	sight *room.Sight
	fresh bool  // the device knows nothing of the room
	after int64 // events after it are told
	upTo  int64

	events  []*room.Event // the timeline, oldest first
	limited bool
	whole   bool  // the timeline goes back to the room's first event
	start   int64 // position of the first event of the timeline, after upTo when it is empty
	state   []*room.Event
	moved   bool // somebody's membership changed
}

// joinedRoom writes a room that the person is in.
func (a *answer) joinedRoom(ctx context.Context, s stay) (bool, error) {
	c := a.call
	if a.quiet(s) {
		return false, nil
	}
	newlyJoined := false
	r, err := a.f.rooms.Get(ctx, s.Room)
	if err != nil {
		return false, err
	}
	pt := &part{r: r, s: s, after: a.from, upTo: a.upTo}
	if pt.sight, err = a.f.rooms.Sight(ctx, r, a.p.user); err != nil {
		return false, err
	}
	if !c.initial && s.Pos > a.from {
		was, err := membershipAt(ctx, pt.sight, a.from)
		if err != nil {
			return false, err
		}
		newlyJoined = was != room.Join
	}
	pt.fresh = c.initial || newlyJoined
	ephemeral, err := a.ephemeral(ctx, pt)
	if err != nil {
		return false, err
	}
	data := a.roomAccountData(s.Room)
	if !pt.fresh && !c.fullState && r.LastPos() <= a.from && ephemeral == nil && data == nil {
		return false, nil
	}
	if pt.fresh {
		pt.after = 0
	}
	if err := a.timeline(ctx, pt); err != nil {
		return false, err
	}
	if newlyJoined {
		pt.limited = true
	}
	if err := a.state(ctx, pt); err != nil {
		return false, err
	}
	if newlyJoined {
		a.met(r)
	}
	switch {
	case pt.fresh || c.fullState || len(pt.events) > 0 || len(pt.state) > 0 || data != nil:
		a.news = true
	case ephemeral != nil:
		a.aside = true
	default:
		return false, nil
	}
	a.out = append(a.out, '{')
	a.summary(pt)
	if err := a.writeState(ctx, pt); err != nil {
		return false, err
	}
	if err := a.writeTimeline(ctx, pt); err != nil {
		return false, err
	}
	a.out = append(a.out, `,"ephemeral":{"events":[`...)
	a.out = append(a.out, ephemeral...)
	a.out = append(a.out, `]},"account_data":{"events":[`...)
	a.out = append(a.out, data...)
	a.out = append(a.out, `]}`...)
	if err := a.unread(ctx, pt); err != nil {
		return false, err
	}
	a.out = append(a.out, '}')
	return true, nil
}

// quiet reports, from memory, that a room has nothing new.
func (a *answer) quiet(s stay) bool {
	if a.call.initial || a.call.fullState || s.Pos > a.from || s.place.floor > a.from || s.place.last.Load() > a.from || s.place.read.Load() > a.from {
		return false
	}
	if _, ok := a.typing[s.Room]; ok {
		return false
	}
	return !slices.ContainsFunc(a.data, func(d AccountDatum) bool { return d.Room == s.Room })
}

// leftRoom writes a room that the person left or was banned from, up to when that was.
func (a *answer) leftRoom(ctx context.Context, s stay) (bool, error) {
	r, err := a.f.rooms.Get(ctx, s.Room)
	if err != nil {
		return false, err
	}
	pt := &part{r: r, s: s, after: a.from, upTo: min(s.Pos, a.upTo)}
	if pt.sight, err = a.f.rooms.Sight(ctx, r, a.p.user); err != nil {
		return false, err
	}
	before, err := membershipAt(ctx, pt.sight, s.Pos-1)
	if err != nil {
		return false, err
	}
	was := room.Leave
	if !a.call.initial {
		if was, err = membershipAt(ctx, pt.sight, a.from); err != nil {
			return false, err
		}
		if was == room.Join && s.Pos > a.from {
			a.parted(r)
		}
	}
	if s.Membership == room.Leave && was == room.Invite {
		// Turning down an invitation of somebody who is ignored is nothing to tell either.
		if ev, err := a.f.rooms.Event(ctx, r.ID, s.EventID); err == nil && a.set.hides(ev.PrevSender) {
			return false, nil
		}
	}
	pt.fresh = a.call.initial || a.call.fullState || was != room.Join
	if pt.fresh {
		pt.after = 0
	}
	within := before == room.Join && !s.Forgotten
	if !within {
		// The person was never inside, or forgot the room: there is nothing to see but the own membership.
		pt.after = s.Pos - 1
	}
	if err := a.timeline(ctx, pt); err != nil {
		return false, err
	}
	if within {
		if err := a.state(ctx, pt); err != nil {
			return false, err
		}
	}
	data := a.roomAccountData(s.Room)
	a.out = append(a.out, '{')
	mark := len(a.out)
	if err := a.writeState(ctx, pt); err != nil {
		return false, err
	}
	a.out = slices.Delete(a.out, mark, mark+1) // the comma
	if err := a.writeTimeline(ctx, pt); err != nil {
		return false, err
	}
	a.out = append(a.out, `,"account_data":{"events":[`...)
	a.out = append(a.out, data...)
	a.out = append(a.out, `]}}`...)
	a.news = true
	return true, nil
}

// membershipAt is what the reader was in a room at a position.
func membershipAt(ctx context.Context, s *room.Sight, pos int64) (string, error) {
	return s.Membership(ctx, &room.Event{Pos: pos})
}

func membershipIn(content []byte) string { return gjson.GetBytes(content, "membership").Str }

// met notes that the reader came to share a room with its members.
func (a *answer) met(r *room.Room) {
	for e := range r.StateMap().All {
		if e.Type == "m.room.member" && e.Membership() == room.Join {
			a.came(id.UserID(*e.StateKey))
		}
	}
}

// parted notes that the reader shares a room no more with its members.
func (a *answer) parted(r *room.Room) {
	for e := range r.StateMap().All {
		if e.Type == "m.room.member" && e.Membership() == room.Join {
			a.left(id.UserID(*e.StateKey))
		}
	}
}

func (a *answer) came(u id.UserID) {
	if a.newcomers == nil {
		a.newcomers = make(map[id.UserID]bool)
	}
	a.newcomers[u] = true
}

func (a *answer) left(u id.UserID) {
	if a.leavers == nil {
		a.leavers = make(map[id.UserID]bool)
	}
	a.leavers[u] = true
}

// ephemeral are the typing and receipt events of a room, nil when there are none.
func (a *answer) ephemeral(ctx context.Context, pt *part) ([]byte, error) {
	flt := &a.call.filter.Room.Ephemeral
	if !flt.inRoom(pt.r.ID) {
		return nil, nil
	}
	var out []byte
	if flt.kind("m.typing", "") {
		users, ok := a.typing[pt.r.ID]
		if pt.fresh && !a.call.initial {
			users, ok = a.f.typingNow(pt.r.ID)
		}
		if ok {
			out = appendTyping(out, slices.DeleteFunc(users, func(u id.UserID) bool { return a.set.ignored[u] }))
		}
	}
	after := a.from
	if pt.fresh {
		after = 0
	}
	if pt.fresh || pt.s.place.read.Load() > after || pt.s.place.floor > after {
		return a.receipts(ctx, out, pt.r.ID, after)
	}
	return out, nil
}

// receipts appends the events that say how far the messages of a room got and were read.
func (a *answer) receipts(ctx context.Context, out []byte, r id.RoomID, after int64) ([]byte, error) {
	rr, err := a.f.receiptsOf(ctx, r)
	if err != nil {
		return nil, err
	}
	add := func(typ string, found []receipt, event func([]byte, []receipt) []byte) {
		found = slices.DeleteFunc(found, func(x receipt) bool { return a.set.ignored[x.user] })
		if len(found) == 0 || !a.call.filter.Room.Ephemeral.kind(typ, "") {
			return
		}
		if out != nil {
			out = append(out, ',')
		}
		out = event(out, found)
	}
	add("m.receipt", rr.between(a.p.user, after, a.upTo), appendReceipts)
	add(Delivered, rr.delivered(after, a.upTo), appendDelivered)
	return out, nil
}

// summary writes the room summary when it may have changed.
func (a *answer) summary(pt *part) {
	a.out = append(a.out, `"summary":{`...)
	if pt.fresh || a.call.fullState || pt.moved {
		if pt.r.State("m.room.name", "").Get("name").Str == "" && pt.r.State("m.room.canonical_alias", "").Get("alias").Str == "" {
			a.out = append(a.out, `"m.heroes":[`...)
			for i, h := range pt.r.Heroes(a.p.user) {
				if i > 0 {
					a.out = append(a.out, ',')
				}
				a.out = appendString(a.out, *h.StateKey)
			}
			a.out = append(a.out, `],`...)
		}
		joined, invited := pt.r.Counts()
		a.out = append(a.out, `"m.joined_member_count":`...)
		a.out = strconv.AppendInt(a.out, int64(joined), 10)
		a.out = append(a.out, `,"m.invited_member_count":`...)
		a.out = strconv.AppendInt(a.out, int64(invited), 10)
	}
	a.out = append(a.out, '}')
}

// unread writes the unread counts.
func (a *answer) unread(ctx context.Context, pt *part) error {
	n, err := a.f.count(ctx, a.p, a.set, pt.r, a.upTo)
	if err != nil {
		return err
	}
	threads := a.call.filter.Room.Timeline.ThreadNumbers
	total := n.all
	if threads {
		total = n.main
	}
	a.out = append(a.out, `,"unread_notifications":`...)
	a.out = total.append(a.out)
	if !threads || len(n.threads) == 0 {
		return nil
	}
	a.out = append(a.out, `,"unread_thread_notifications":{`...)
	some := false
	for root, t := range n.threads {
		if some {
			a.out = append(a.out, ',')
		}
		some = true
		a.out = appendKey(a.out, root)
		a.out = t.append(a.out)
	}
	a.out = append(a.out, '}')
	return nil
}

func (t tally) append(dst []byte) []byte {
	dst = append(dst, `{"highlight_count":`...)
	dst = strconv.AppendInt(dst, int64(t.highlights), 10)
	dst = append(dst, `,"notification_count":`...)
	dst = strconv.AppendInt(dst, int64(t.notifications), 10)
	return append(dst, '}')
}
