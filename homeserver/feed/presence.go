package feed

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
)

// The states of presence.
const (
	Online      = "online"
	Unavailable = "unavailable"
	Offline     = "offline"
)

const (
	presenceGrace = 30 * time.Second // how long a device counts after its last sync
	presenceIdle  = 5 * time.Minute  // after that without a deed somebody who is online is unavailable
	presenceNow   = time.Minute      // a deed within it is being active now
	crowd         = 500              // members of rooms larger than that are not woken for presence
	statusMax     = 1024             // bytes of a status message
)

// presence is who is online. It is never stored.
type presence struct {
	mu      sync.Mutex
	by      map[id.UserID]*status
	log     []presenceMark // newest changes, in order
	floor   int64          // the log is complete after this serial
	pending []id.UserID    // changed since the last wake-up for presence
	armed   bool
}

// status is what is known of one person.
type status struct {
	state   string // that the others see
	message string
	active  int64 // last deed, milliseconds
	serial  int64
	devices map[id.DeviceID]*deviceStatus
}

type deviceStatus struct {
	state   string
	syncing int
	last    int64 // last sync, milliseconds
}

type presenceMark struct {
	serial int64
	user   id.UserID
}

const presenceLog = 4096

func newPresence() *presence { return &presence{by: make(map[id.UserID]*status)} }

func rank(state string) int {
	switch state {
	case Online:
		return 2
	case Unavailable:
		return 1
	}
	return 0
}

func checkPresence(state string) error {
	switch state {
	case Online, Unavailable, Offline:
		return nil
	}
	return fault.New(fault.InvalidParam, "Presence is online, unavailable or offline.")
}

// SetPresence says how a person is and, if not nil, their status message.
func (f *Feed) SetPresence(user id.UserID, device id.DeviceID, state string, message *string) error {
	if err := checkPresence(state); err != nil {
		return err
	}
	if message != nil && len(*message) > statusMax {
		return fault.New(fault.TooLarge, "The status message is too long.")
	}
	p := f.presence
	if p == nil {
		return nil
	}
	now := f.now()
	p.mu.Lock()
	s := p.status(user)
	d := s.device(device)
	d.state, d.last = state, now
	s.active = now
	text := ""
	if message != nil {
		text = *message
	}
	f.settle(user, s, now, text != s.message)
	s.message = text
	p.mu.Unlock()
	return nil
}

// PresenceOf is the presence of a person as the API answers it, ok false when nothing is known.
func (f *Feed) PresenceOf(ctx context.Context, reader, user id.UserID) ([]byte, error) {
	if reader != user {
		shares, err := f.shares(ctx, reader, user)
		if err != nil {
			return nil, err
		}
		if !shares {
			return nil, fault.New(fault.Forbidden, "You are not allowed to see their presence.")
		}
	}
	b := []byte(`{"presence":"offline"}`)
	if p := f.presence; p != nil {
		p.mu.Lock()
		if s := p.by[user]; s != nil {
			b = s.append(nil, f.now())
		}
		p.mu.Unlock()
	}
	return b, nil
}

func (p *presence) status(user id.UserID) *status {
	s := p.by[user]
	if s == nil {
		s = &status{state: Offline, devices: make(map[id.DeviceID]*deviceStatus)}
		p.by[user] = s
	}
	return s
}

func (s *status) device(d id.DeviceID) *deviceStatus {
	x := s.devices[d]
	if x == nil {
		x = &deviceStatus{state: Offline}
		s.devices[d] = x
	}
	return x
}

// settle works out what the others see now. p.mu is held.
func (f *Feed) settle(user id.UserID, s *status, now int64, changed bool) {
	state := Offline
	for name, d := range s.devices {
		if d.syncing == 0 && now-d.last > presenceGrace.Milliseconds() {
			delete(s.devices, name)
			continue
		}
		if rank(d.state) > rank(state) {
			state = d.state
		}
	}
	if state == Online && s.state == Offline {
		s.active = max(s.active, now)
	}
	if state == Online && now-s.active > presenceIdle.Milliseconds() {
		state = Unavailable
	}
	if state == s.state && !changed {
		return
	}
	s.state = state
	p := f.presence
	s.serial = f.serial.Add(1)
	if len(p.log) >= presenceLog {
		cut := len(p.log) / 2
		p.floor = p.log[cut-1].serial
		p.log = append(p.log[:0], p.log[cut:]...)
	}
	p.log = append(p.log, presenceMark{s.serial, user})
	if !slices.Contains(p.pending, user) {
		p.pending = append(p.pending, user)
	}
	if !p.armed {
		p.armed = true
		time.AfterFunc(gather, f.wakePresence)
	}
}

// syncing notes that a device syncs and how it wants its person to be seen; the returned function ends it.
func (f *Feed) syncing(user id.UserID, device id.DeviceID, state string) func() {
	p := f.presence
	if p == nil {
		return func() {}
	}
	now := f.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if state == Offline && p.by[user] == nil {
		return func() {} // nothing to tell of, and nothing to remember
	}
	s := p.status(user)
	d := s.device(device)
	if state == Offline && d.syncing == 0 && d.state == Offline {
		d.last = now
		f.settle(user, s, now, false)
		return func() {}
	}
	d.state, d.last = state, now
	d.syncing++
	f.settle(user, s, now, false)
	return func() {
		p.mu.Lock()
		d.syncing--
		d.last = f.now()
		p.mu.Unlock()
	}
}

// active notes that a person did something.
func (f *Feed) active(user id.UserID) {
	p := f.presence
	if p == nil {
		return
	}
	now := f.now()
	p.mu.Lock()
	if s := p.by[user]; s != nil {
		s.active = now
		if s.state == Unavailable {
			f.settle(user, s, now, false)
		}
	}
	p.mu.Unlock()
}

// expirePresence finds who went away.
func (f *Feed) expirePresence() {
	p := f.presence
	now := f.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for user, s := range p.by {
		f.settle(user, s, now, false)
		if s.state == Offline && s.message == "" && len(s.devices) == 0 && now-s.active > time.Hour.Milliseconds() {
			delete(p.by, user)
		}
	}
}

// wakePresence wakes, once, everybody who shares a room that is no crowd with somebody who changed.
func (f *Feed) wakePresence() {
	p := f.presence
	p.mu.Lock()
	users := p.pending
	p.pending, p.armed = nil, false
	p.mu.Unlock()
	if f.waiters.count() == 0 {
		return
	}
	ctx, cancel := f.background()
	defer cancel()
	rooms := make(map[id.RoomID]bool)
	tell := make(map[id.UserID]bool)
	for _, u := range users {
		joined, err := f.joinedRooms(ctx, u)
		if err != nil {
			f.log.Warn("people to tell of somebody's presence not found", "error", err)
			continue
		}
		for _, roomID := range joined {
			if rooms[roomID] {
				continue
			}
			rooms[roomID] = true
			if r, err := f.rooms.Get(ctx, roomID); err == nil && len(r.JoinedLocal()) <= crowd {
				for _, m := range r.JoinedLocal() {
					tell[m] = true
				}
			}
		}
	}
	for u := range tell {
		f.nudge("presence", u)
	}
}

// appendEvent appends the m.presence event of a person, if anything is known, to a list.
func (p *presence) appendEvent(dst []byte, some bool, user id.UserID, now int64) ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.by[user]
	if s == nil || s.serial == 0 {
		return dst, some
	}
	if some {
		dst = append(dst, ',')
	}
	dst = append(dst, `{"type":"m.presence","sender":`...)
	dst = appendString(dst, string(user))
	dst = append(dst, `,"content":`...)
	return append(s.append(dst, now), '}'), true
}

// joinedRooms lists the rooms that somebody is in, from memory if they are there.
func (f *Feed) joinedRooms(ctx context.Context, user id.UserID) ([]id.RoomID, error) {
	f.mu.Lock()
	p := f.people[user]
	f.mu.Unlock()
	if p == nil || p.stays.Load() == nil {
		return f.rooms.Joined(ctx, user)
	}
	var out []id.RoomID
	for _, s := range *p.stays.Load() {
		if s.Membership == room.Join {
			out = append(out, s.Room)
		}
	}
	return out, nil
}

// since lists the people whose presence changed after a serial, everybody known for a snapshot.
func (p *presence) since(serial int64, snapshot bool) []id.UserID {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []id.UserID
	if snapshot || serial < p.floor {
		for u, s := range p.by {
			if snapshot && s.state != Offline || !snapshot && s.serial > serial {
				out = append(out, u)
			}
		}
		return out
	}
	for i := len(p.log) - 1; i >= 0 && p.log[i].serial > serial; i-- {
		// Only the newest change of each person: the one whose serial they have.
		if m := p.log[i]; p.by[m.user] != nil && p.by[m.user].serial == m.serial {
			out = append(out, m.user)
		}
	}
	return out
}

// append appends the content of a presence event.
func (s *status) append(dst []byte, now int64) []byte {
	dst = append(dst, `{"presence":"`...)
	dst = append(dst, s.state...)
	dst = append(dst, '"')
	if s.active > 0 {
		dst = append(dst, `,"last_active_ago":`...)
		dst = strconv.AppendInt(dst, max(0, now-s.active), 10)
	}
	if s.state == Online {
		dst = append(dst, `,"currently_active":`...)
		dst = strconv.AppendBool(dst, now-s.active <= presenceNow.Milliseconds())
	}
	if s.message != "" {
		dst = append(dst, `,"status_msg":`...)
		dst = appendString(dst, s.message)
	}
	return append(dst, '}')
}

// shares reports whether two people are in a room together.
func (f *Feed) shares(ctx context.Context, a, b id.UserID) (bool, error) {
	joined, err := f.joinedRooms(ctx, a)
	if err != nil {
		return false, err
	}
	for _, roomID := range joined {
		r, err := f.rooms.Get(ctx, roomID)
		if fault.Is(err, fault.NotFound) {
			continue // erased
		}
		if err != nil {
			return false, err
		}
		if r.Membership(b) == room.Join {
			return true, nil
		}
	}
	return false, nil
}
