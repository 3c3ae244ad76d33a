package feed

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/homeserver/room"
)

// extensions writes what is asked for beyond rooms.
func (a *slideAnswer) extensions(ctx context.Context) error {
	l := list{}
	for _, e := range [...]struct {
		name  string
		on    bool
		write func(context.Context, []byte) ([]byte, error)
	}{
		{"to_device", a.s.req.ToDevice.Enabled, a.slideToDevice},
		{"e2ee", a.s.req.E2EE.Enabled, a.slideKeys},
		{"account_data", a.s.req.AccountData.Enabled, a.slideAccountData},
		{"receipts", a.s.req.Receipts.Enabled, a.slideReceipts},
		{"typing", a.s.req.Typing.Enabled, a.slideTyping},
		{"io.element.msc4308.thread_subscriptions", a.s.req.Threads.Enabled, a.slideThreads},
	} {
		if !e.on {
			continue
		}
		l.next()
		l.dst = appendKey(l.dst, e.name)
		var err error
		if l.dst, err = e.write(ctx, l.dst); err != nil {
			return fmt.Errorf("slide %s: %w", e.name, err)
		}
	}
	a.extra = l.dst
	return nil
}

// slideToDevice writes the messages to the device (MSC3885). They wait until the device names the position
// behind them, which need not be that of the connection.
func (a *slideAnswer) slideToDevice(ctx context.Context, dst []byte) ([]byte, error) {
	limit := a.s.req.ToDevice.Limit
	if limit <= 0 || limit > toDevicePage {
		limit = toDevicePage
	}
	mail, last, err := a.f.mailFor(ctx, a.p, a.s.who.Device, a.s.mail, a.upTo, limit)
	if err != nil {
		return nil, err
	}
	dst = append(dst, `{"next_batch":"`...)
	dst = strconv.AppendInt(dst, last, 10)
	dst = append(dst, `","events":[`...)
	for i, m := range mail {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, m...)
	}
	if len(mail) > 0 {
		a.news = true
		a.f.memory(deviceKey{a.s.who.User, a.s.who.Device}).mailed(last)
	}
	return append(dst, `]}`...), nil
}

// slideKeys writes whose devices changed and what is left of the device's own keys (MSC3884).
func (a *slideAnswer) slideKeys(ctx context.Context, dst []byte) ([]byte, error) {
	n, err := a.f.counts(ctx, a.p.user, a.s.who.Device)
	if err != nil {
		return nil, fmt.Errorf("count keys: %w", err)
	}
	dst = n.append(append(dst, '{'))
	if a.call.initial {
		return append(dst, '}'), nil
	}
	changes, err := a.f.ownChanges(ctx, a.p, a.from, a.upTo)
	if err != nil {
		return nil, err
	}
	// The timelines in the answer noted who came and went in their windows; all that happened counts.
	a.newcomers, a.leavers = nil, nil
	for _, c := range changes {
		switch {
		case c.Kind == KeyCounts && c.Key == string(a.s.who.Device):
			a.news = true
		case c.Kind == OwnView:
			a.came(id.UserID(c.Key))
		}
	}
	for _, s := range *a.p.stays.Load() {
		if err := a.membersMoved(ctx, s); err != nil {
			return nil, err
		}
	}
	changed, left, err := a.listNews(ctx)
	if err != nil {
		return nil, err
	}
	if len(changed) > 0 || len(left) > 0 {
		a.news = true
		dst = append(dst, `,"device_lists":{"changed":[`...)
		dst = appendUsers(dst, changed)
		dst = append(dst, `],"left":[`...)
		dst = appendUsers(dst, left)
		dst = append(dst, `]}`...)
	}
	return append(dst, '}'), nil
}

// slideAccountData writes the account data that is new, the rooms' own for the rooms asked for (MSC3959).
func (a *slideAnswer) slideAccountData(ctx context.Context, dst []byte) ([]byte, error) {
	wanted := a.wanted(&a.s.req.AccountData)
	late := make(map[id.RoomID]bool) // told nothing of late, so all is told
	for _, m := range wanted {
		late[m.Room] = a.was.room[m.Room].data < a.from || a.call.initial
		a.mark(m.Room, func(t *told) { t.data = a.upTo })
	}
	data, err := a.slideData(ctx, late)
	if err != nil {
		return nil, err
	}
	l := list{dst: append(dst, `{"global":[`...)}
	for _, d := range data {
		if d.Room == "" {
			l.next()
			l.dst = appendDatum(l.dst, d)
			a.news = true
		}
	}
	l = list{dst: append(l.dst, `],"rooms":{`...)}
	for _, m := range wanted {
		of := list{}
		for _, d := range data {
			if d.Room == m.Room {
				of.next()
				of.dst = appendDatum(of.dst, d)
			}
		}
		if of.some {
			a.news = true
			l.next()
			l.dst = append(appendKey(l.dst, string(m.Room)), '[')
			l.dst = append(append(l.dst, of.dst...), ']')
		}
	}
	return append(l.dst, `}}`...), nil
}

// slideData reads the global account data that is new, and that of rooms: what is new or, of late ones, all.
func (a *slideAnswer) slideData(ctx context.Context, late map[id.RoomID]bool) ([]AccountDatum, error) {
	if a.call.initial {
		err := a.loadAccountData(ctx)
		return a.data, err
	}
	changes, err := a.f.ownChanges(ctx, a.p, a.from, a.upTo)
	if err != nil {
		return nil, err
	}
	var keys []AccountDatum
	for _, c := range changes {
		if c.Kind == AccountData && !late[c.Room] {
			keys = append(keys, AccountDatum{Room: c.Room, Type: c.Key})
		}
	}
	var data []AccountDatum
	if len(keys) > 0 {
		if data, err = a.f.changedData(ctx, a.p.user, keys); err != nil {
			return nil, err
		}
	}
	for _, is := range late {
		if is {
			all, err := a.f.account.Data(ctx, a.p.user, nil)
			return append(data, slices.DeleteFunc(all, func(d AccountDatum) bool { return !late[d.Room] })...), err
		}
	}
	return data, nil
}

// slideReceipts writes the receipts of the rooms asked for (MSC3960). Of a room that is new to the
// connection those are told that belong to events of its timeline, and the reader's own.
func (a *slideAnswer) slideReceipts(ctx context.Context, dst []byte) ([]byte, error) {
	l := list{dst: append(dst, `{"rooms":{`...)}
	for _, m := range a.wanted(&a.s.req.Receipts) {
		since := a.was.room[m.Room].receipts
		if m.Membership != room.Join || since > 0 && m.place.floor <= since && m.place.read.Load() <= since {
			continue
		}
		rr, err := a.f.receiptsOf(ctx, m.Room)
		if err != nil {
			return nil, err
		}
		found := rr.between(a.p.user, since, a.upTo)
		found = slices.DeleteFunc(found, func(x receipt) bool {
			return a.set.ignored[x.user] || since == 0 && x.user != a.p.user && x.at < m.first
		})
		a.mark(m.Room, func(t *told) { t.receipts = a.upTo })
		if len(found) > 0 {
			a.aside = true
			l.next()
			l.dst = appendReceipts(appendKey(l.dst, string(m.Room)), found)
		}
	}
	return append(l.dst, `}}`...), nil
}

// slideTyping writes who types in the rooms asked for (MSC3961).
func (a *slideAnswer) slideTyping(_ context.Context, dst []byte) ([]byte, error) {
	l := list{dst: append(dst, `{"rooms":{`...)}
	for _, m := range a.wanted(&a.s.req.Typing) {
		if m.Membership != room.Join {
			continue
		}
		after := a.was.room[m.Room].typing
		typing := a.f.typingIn([]stay{m.stay}, after-1, after == 0)
		a.mark(m.Room, func(t *told) { t.typing = a.fleeting + 1 })
		users, ok := typing[m.Room]
		if !ok {
			continue
		}
		a.aside = true
		l.next()
		users = slices.DeleteFunc(users, func(u id.UserID) bool { return a.set.ignored[u] })
		l.dst = appendTyping(appendKey(l.dst, string(m.Room)), users)
	}
	return append(l.dst, `}}`...), nil
}

// mark changes what the connection will be known to have been told of a room.
func (a *slideAnswer) mark(r id.RoomID, change func(*told)) {
	t := a.step.rooms[r]
	change(&t)
	a.step.rooms[r] = t
}
