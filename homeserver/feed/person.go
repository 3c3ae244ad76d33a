package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/homeserver/invite"
	"github.com/myelin-health/myelin/homeserver/push"
	"github.com/myelin-health/myelin/homeserver/room"
)

// stay is a person's membership of a room, newest first known.
type stay struct {
	room.Member
	before string // membership that it replaced; "" when that is not known
	place  *place
}

// person is what the feed keeps in memory of somebody who syncs.
type person struct {
	user    id.UserID
	changed atomic.Int64 // newest position of something of the person's own
	// subscribed is the newest position of a change of the person's subscriptions of threads.
	subscribed atomic.Int64
	stays      atomic.Pointer[[]stay]

	// Guarded by Feed.mu.
	used    int64
	floor   int64 // what is known is complete after it
	log     changeLog
	mail    map[id.DeviceID]int64 // newest position of a message for the device
	pending []stay                // while loading: memberships that changed meanwhile
	loading bool

	mu      sync.Mutex
	rules   *push.Set
	ignored map[id.UserID]bool // nil: not read yet
	invites invite.Wish
	unread  map[id.RoomID]*unread
	stale   bool    // rules or ignored were changed while they were read
	labels  *labels // nil: not read yet
	changes int     // of what labels are made of
}

// person returns the state of somebody, loaded if need be.
func (f *Feed) person(ctx context.Context, user id.UserID) (*person, error) {
	for {
		f.mu.Lock()
		f.tick++
		if p := f.people[user]; p != nil && !p.loading {
			p.used = f.tick
			f.mu.Unlock()
			return p, nil
		} else if p != nil {
			f.mu.Unlock()
			// Somebody else loads it; their turn ends soon and is not tied to this caller.
			if err := f.pause(ctx); err != nil {
				return nil, err
			}
			continue
		}
		v := f.visible.Load()
		p := &person{user: user, floor: v, log: changeLog{floor: v}, mail: make(map[id.DeviceID]int64),
			unread: make(map[id.RoomID]*unread), loading: true, used: f.tick}
		f.people[user] = p
		f.evictPeople()
		f.mu.Unlock()
		if err := f.load(ctx, p); err != nil {
			return nil, err
		}
		return p, nil
	}
}

// load reads the memberships of a person. Those that change meanwhile are applied on top.
func (f *Feed) load(ctx context.Context, p *person) error {
	stays, err := f.rooms.RoomsOf(ctx, p.user)
	newest := int64(0)
	for _, s := range stays {
		newest = max(newest, s.Pos)
	}
	if err == nil {
		// A membership may be committed and not published yet.
		err = f.waitVisible(ctx, newest)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p.loading = false
	if err != nil {
		delete(f.people, p.user)
		return fmt.Errorf("load rooms of a person: %w", err)
	}
	list := make([]stay, len(stays))
	for i, s := range stays {
		pl := f.place(s.Room)
		pl.refs++
		list[i] = stay{Member: s, place: pl}
	}
	p.stays.Store(&list)
	p.changed.Store(max(p.changed.Load(), newest))
	pending := p.pending
	p.pending = nil
	for _, s := range pending {
		p.apply(f, s)
	}
	return nil
}

// apply puts a newer membership into the list. Feed.mu is held.
func (p *person) apply(f *Feed, s stay) {
	if p.loading {
		p.pending = append(p.pending, s)
		return
	}
	old := *p.stays.Load()
	i := slices.IndexFunc(old, func(o stay) bool { return o.Room == s.Room })
	if i >= 0 && old[i].Pos >= s.Pos {
		return
	}
	list := slices.Clone(old)
	if i < 0 {
		s.place = f.place(s.Room)
		s.place.refs++
		s.place.last.Store(max(s.place.last.Load(), s.Pos))
		list = append(list, s)
	} else {
		s.place = old[i].place
		list[i] = s
	}
	p.stays.Store(&list)
}

// Forgot notes that a person forgot a room, which is no event.
func (f *Feed) Forgot(ctx context.Context, user id.UserID, r id.RoomID) error {
	if err := f.forgetThreads(ctx, user, r); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.people[user]
	if p == nil || p.loading {
		return nil
	}
	list := slices.Clone(*p.stays.Load())
	for i := range list {
		if list[i].Room == r && list[i].Membership != room.Join {
			list[i].Forgotten = true
		}
	}
	p.stays.Store(&list)
	return nil
}

// evictPeople drops the state of people who did not sync for the longest time. f.mu is held.
func (f *Feed) evictPeople() {
	if len(f.people) <= f.maxP {
		return
	}
	all := make([]*person, 0, len(f.people))
	for _, p := range f.people {
		if !p.loading {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *person) int { return int(a.used - b.used) })
	for _, p := range all[:len(all)/16+1] {
		f.drop(p)
	}
}

// drop forgets a person and the places that nobody names any more. f.mu is held.
func (f *Feed) drop(p *person) {
	delete(f.people, p.user)
	for _, s := range *p.stays.Load() {
		s.place.refs--
		if s.place.refs == 0 {
			delete(f.places, s.Room)
		}
	}
}

// forget drops what was made of account data that changed.
func (p *person) forget(c Change) {
	if c.Key == "m.direct" || c.Key == "m.tag" {
		p.mu.Lock()
		p.labels = nil
		p.changes++
		p.mu.Unlock()
		return
	}
	if c.Room != "" || !slices.Contains(settingTypes, c.Key) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules, p.ignored, p.stale = nil, nil, true
	if c.Key == "m.push_rules" {
		clear(p.unread)
	}
}

// settings are the parts of a person's account data that decide what they see.
type settings struct {
	rules   *push.Set
	ignored map[id.UserID]bool
	invites invite.Wish
}

// settingTypes are the types of account data that settings are made of.
var settingTypes = []string{"m.push_rules", "m.ignored_user_list", invite.Type, invite.Unstable}

// hides tells whether an invitation of somebody is not shown.
func (s *settings) hides(sender id.UserID) bool {
	return s.ignored[sender] || s.invites.Of(sender) != invite.Allow
}

// nobody is whom most people ignore.
var nobody = make(map[id.UserID]bool)

func settingKeys() []AccountDatum {
	keys := make([]AccountDatum, len(settingTypes))
	for i, t := range settingTypes {
		keys[i].Type = t
	}
	return keys
}

// settings returns the person's push rules and ignored people.
func (f *Feed) settings(ctx context.Context, p *person) (settings, error) {
	p.mu.Lock()
	if p.rules != nil && p.ignored != nil {
		s := settings{p.rules, p.ignored, p.invites}
		p.mu.Unlock()
		return s, nil
	}
	p.stale = false
	p.mu.Unlock()
	data, err := f.account.Data(ctx, p.user, settingKeys())
	if err != nil {
		return settings{}, fmt.Errorf("read settings: %w", err)
	}
	var rules json.RawMessage
	var wishes [2][]byte
	s := settings{ignored: nobody}
	for _, d := range data {
		switch d.Type {
		case "m.push_rules":
			rules = d.Content
		case "m.ignored_user_list":
			s.ignored = make(map[id.UserID]bool)
			gjson.GetBytes(d.Content, "ignored_users").ForEach(func(k, _ gjson.Result) bool {
				s.ignored[id.UserID(k.Str)] = true
				return true
			})
		case invite.Type:
			wishes[0] = d.Content
		case invite.Unstable:
			wishes[1] = d.Content
		}
	}
	s.invites = invite.Parse(wishes[0], wishes[1])
	s.rules = push.DefaultSet(p.user)
	if rules != nil {
		own, err := push.Load(p.user, rules)
		if err != nil {
			f.log.Warn("push rules of a person not understood, using the default ones", "error", err)
		} else {
			s.rules = own.Compile(p.user)
		}
	}
	p.mu.Lock()
	if !p.stale {
		p.rules, p.ignored, p.invites = s.rules, s.ignored, s.invites
	}
	p.mu.Unlock()
	return s, nil
}
