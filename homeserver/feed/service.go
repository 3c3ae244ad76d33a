package feed

import (
	"context"
	"fmt"
	"slices"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/homeserver/appservice"
	"github.com/myelin-health/myelin/seal"
)

// ForService gathers what is no event for an application service: of the rooms that it is inside of and of
// its people. Messages to devices of its people wait until they were delivered, the rest is told from the
// start of this process on.
func (f *Feed) ForService(ctx context.Context, s *appservice.Service, inside func(id.RoomID) (bool, error), after appservice.Mark) (appservice.Fleeting, appservice.Mark, error) {
	g := &serviceNews{f: f, s: s, inside: inside, after: after, now: appservice.Mark{Pos: f.visible.Load(), Serial: f.serial.Load()}}
	g.now.Mail = g.now.Pos
	gather := []func(context.Context) error{}
	if s.Ephemeral {
		gather = append(gather, g.receipts, g.typing, g.presence, g.mail)
	}
	if s.Devices {
		gather = append(gather, g.devices, g.parted, g.keys)
	}
	for _, part := range gather {
		if err := part(ctx); err != nil {
			return appservice.Fleeting{}, after, fmt.Errorf("gather for an application service: %w", err)
		}
	}
	return g.out, g.now, nil
}

// serviceNews is what one application service is told.
type serviceNews struct {
	f          *Feed
	s          *appservice.Service
	inside     func(id.RoomID) (bool, error)
	after, now appservice.Mark
	out        appservice.Fleeting
	people     []deviceKey // whose keys are counted
}

// inRoom adds the room to an event and the event to the news.
func (g *serviceNews) inRoom(r id.RoomID, event []byte) {
	event = append(event[:len(event)-1], `,"room_id":`...)
	g.out.Ephemeral = append(g.out.Ephemeral, append(appendString(event, string(r)), '}'))
}

func (g *serviceNews) receipts(ctx context.Context) error {
	all, err := g.f.readReceipts(ctx, `where pos > $1 and pos <= $2 and type = 'm.read' order by room_id`, g.after.Pos, g.now.Pos)
	if err != nil {
		return err
	}
	for len(all) > 0 {
		r := all[0].room
		n := slices.IndexFunc(all, func(x receipt) bool { return x.room != r })
		if n < 0 {
			n = len(all)
		}
		is, err := g.inside(r)
		if err != nil {
			return err
		}
		if is {
			g.inRoom(r, appendReceipts(nil, slices.Clone(all[:n])))
		}
		all = all[n:]
	}
	return nil
}

func (g *serviceNews) typing(context.Context) error {
	f := g.f
	f.mu.Lock()
	changed := make(map[id.RoomID][]id.UserID)
	for r, t := range f.typing {
		if t.serial <= g.after.Serial {
			continue
		}
		users := []id.UserID{}
		for u := range t.until {
			users = append(users, u)
		}
		slices.Sort(users)
		changed[r] = users
	}
	f.mu.Unlock()
	for r, users := range changed {
		is, err := g.inside(r)
		if err != nil {
			return err
		}
		if is {
			g.inRoom(r, appendTyping(nil, users))
		}
	}
	return nil
}

func (g *serviceNews) presence(ctx context.Context) error {
	p := g.f.presence
	if p == nil || g.now.Serial <= g.after.Serial {
		return nil
	}
	for _, u := range p.since(g.after.Serial, false) {
		is, err := g.knows(ctx, u)
		if err != nil {
			return err
		}
		if b, some := p.appendEvent(nil, false, u, g.f.now()); is && some {
			g.out.Ephemeral = append(g.out.Ephemeral, b)
		}
	}
	return nil
}

// knows reports whether a person is in a room that the service is inside of.
func (g *serviceNews) knows(ctx context.Context, u id.UserID) (bool, error) {
	rooms, err := g.f.joinedRooms(ctx, u)
	if err != nil {
		return false, err
	}
	for _, r := range rooms {
		if is, err := g.inside(r); is || err != nil {
			return is, err
		}
	}
	return false, nil
}

// mail reads the messages to devices of the service's people.
func (g *serviceNews) mail(ctx context.Context) error {
	rows, err := g.f.db.Query(ctx, `select user_id, device_id, pos, body from feed_to_device
		where pos > $1 and pos <= $2 order by pos`, g.after.Mail, g.now.Mail)
	if err != nil {
		return err
	}
	defer rows.Close()
	var read []mailbox
	for rows.Next() {
		var m mailbox
		var body []byte
		if err := rows.Scan(&m.user, &m.device, &m.pos, &body); err != nil {
			return err
		}
		if !g.s.Owns(m.user) {
			continue
		}
		if len(read) == toDevicePage {
			g.now.Mail = read[len(read)-1].pos
			break
		}
		plain, err := g.f.seal.Open(ctx, seal.Person(m.user), "feed_to_device "+string(m.device), body)
		if err != nil {
			g.f.log.Warn("message to a device not opened", "pos", m.pos, "error", err)
			continue
		}
		event := append(plain[:len(plain)-1:len(plain)-1], `,"to_user_id":`...)
		event = append(appendString(event, string(m.user)), `,"to_device_id":`...)
		g.out.ToDevice = append(g.out.ToDevice, append(appendString(event, string(m.device)), '}'))
		read = append(read, m)
		g.people = append(g.people, deviceKey{m.user, m.device})
	}
	if err := rows.Err(); err != nil {
		return err
	}
	g.out.Delivered = func() { g.f.delivered(read) }
	return nil
}

// delivered removes messages that a service has got.
func (f *Feed) delivered(read []mailbox) {
	if len(read) == 0 {
		return
	}
	f.db.Queue("to-device delivered", nil, func(tx *db.Tx) error {
		for _, m := range read {
			if _, err := tx.Exec(`delete from feed_to_device where user_id = $1 and device_id = $2 and pos = $3`, m.user, m.device, m.pos); err != nil {
				return err
			}
		}
		return nil
	})
}

// devices finds the people whose device lists changed.
func (g *serviceNews) devices(ctx context.Context) error {
	changes, err := g.f.listChanges(ctx, g.after.Pos, g.now.Pos)
	if err != nil {
		return err
	}
	for _, c := range changes {
		is, err := g.knows(ctx, c.User)
		if err != nil {
			return err
		}
		if is && !slices.Contains(g.out.Changed, c.User) {
			g.out.Changed = append(g.out.Changed, c.User)
		}
	}
	return nil
}

// parted finds the people who are in no room any more that the service is inside of: they left, or its own people did.
func (g *serviceNews) parted(ctx context.Context) error {
	events, err := g.f.rooms.Parted(ctx, g.after.Pos, g.now.Pos)
	if err != nil {
		return err
	}
	gone := make(map[id.UserID]bool)
	left := make(map[id.RoomID]bool) // by the service's people
	for _, e := range events {
		if left[e.RoomID] || !g.s.Owns(id.UserID(*e.StateKey)) {
			continue
		}
		left[e.RoomID] = true
		r, err := g.f.rooms.Get(ctx, e.RoomID)
		if err != nil {
			return err
		}
		for _, u := range r.JoinedLocal() {
			gone[u] = true
		}
	}
	for _, e := range events {
		is, err := g.inside(e.RoomID)
		if err != nil {
			return err
		}
		if is || left[e.RoomID] {
			gone[id.UserID(*e.StateKey)] = true
		}
	}
	for u := range gone {
		if g.s.Owns(u) {
			continue
		}
		is, err := g.knows(ctx, u)
		if err != nil {
			return err
		}
		if !is {
			g.out.Left = append(g.out.Left, u)
		}
	}
	slices.Sort(g.out.Left)
	return nil
}

// keys counts what is left of the keys of the devices that got messages or used some.
func (g *serviceNews) keys(ctx context.Context) error {
	changes, err := g.f.readChanges(ctx, `select user_id, kind, room_id, name, pos from feed_change
		where kind = 'key_counts' and pos > $1 and pos <= $2`, g.after.Pos, g.now.Pos)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if g.s.Owns(c.User) {
			g.people = append(g.people, deviceKey{c.User, id.DeviceID(c.Key)})
		}
	}
	for _, k := range g.people {
		n, err := g.f.counts(ctx, k.user, k.device)
		if err != nil {
			return err
		}
		put(&g.out.OneTime, k, n.OneTime)
		put(&g.out.Fallback, k, n.UnusedFallback)
	}
	return nil
}

func put[V any](m *map[id.UserID]map[id.DeviceID]V, k deviceKey, v V) {
	if *m == nil {
		*m = make(map[id.UserID]map[id.DeviceID]V)
	}
	if (*m)[k.user] == nil {
		(*m)[k.user] = make(map[id.DeviceID]V)
	}
	(*m)[k.user][k.device] = v
}
