package feed

import (
	"context"
	"strings"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
)

// maxWait is the longest that a sync waits for news.
const maxWait = 5 * time.Minute

// Sync answers what a device has not seen since a token, as the JSON of GET /sync. When there is nothing and
// req.Timeout allows it, it returns a Wait instead, and wake is called when there may be something.
func (f *Feed) Sync(ctx context.Context, who access.Who, req SyncRequest, wake func()) ([]byte, *Wait, error) {
	c, err := f.begin(ctx, who, req)
	if err != nil {
		return nil, nil, err
	}
	leave := f.syncing(who.User, who.Device, c.presence)
	if c.initial || c.fullState || req.Timeout <= 0 {
		defer leave()
		b, err := f.answer(ctx, c)
		return b, nil, err
	}
	return f.wait(ctx, &Wait{
		For: min(req.Timeout, maxWait), user: who.User, memory: c.memory, leave: leave, again: "next_batch", since: strings.Clone(req.Since),
		look: func(ctx context.Context, asides bool) ([]byte, bool, error) { return f.look(ctx, c, asides) },
		end:  func(ctx context.Context) ([]byte, error) { return f.answer(ctx, c) },
	}, wake)
}

// Revoked ends the waiting syncs of a person whose tokens may have stopped working. They are answered with
// nothing new, and a device whose token still works goes on where it was.
func (f *Feed) Revoked(user id.UserID) { f.waiters.dismiss(user) }

// call is one sync request, understood.
type call struct {
	who       access.Who
	since     token
	initial   bool
	filter    *filter
	presence  string
	fullState bool
	after     bool // state_after instead of state
	msc4222   bool // state_after under its old name
	memory    *deviceMemory
}

func (f *Feed) begin(ctx context.Context, who access.Who, req SyncRequest) (*call, error) {
	c := &call{who: who, initial: req.Since == "", fullState: req.FullState, after: req.StateAfter, msc4222: req.MSC4222, presence: req.SetPresence}
	if c.presence == "" {
		c.presence = Online
	}
	if err := checkPresence(c.presence); err != nil {
		return nil, err
	}
	var err error
	if c.filter, err = f.readFilter(ctx, who.User, req.Filter); err != nil {
		if fault.Is(err, fault.NotFound) {
			return nil, fault.New(fault.InvalidParam, "There is no such filter.").Because(err)
		}
		return nil, err
	}
	key := deviceKey{who.User, who.Device}
	c.memory = f.memory(key)
	if c.initial {
		c.memory.restart()
		return c, nil
	}
	if c.since, err = parseToken(req.Since); err != nil {
		return nil, err
	}
	if err := f.clamp(ctx, &c.since); err != nil {
		return nil, err
	}
	c.memory.came(req.Since)
	return c, f.acknowledge(ctx, c.memory, key, c.since.toDevice)
}

// clamp makes a token that is newer than what is visible here usable: another process gave it, then its
// positions are committed and are published now; or the database was restored to an earlier time, then
// the device goes on from what there is.
func (f *Feed) clamp(ctx context.Context, t *token) error {
	if t.pos <= f.visible.Load() {
		return nil
	}
	committed, err := f.db.Position(ctx)
	if err != nil {
		return err
	}
	if err := f.waitVisible(ctx, min(t.pos, committed)); err != nil {
		return err
	}
	if v := f.visible.Load(); t.pos > v {
		f.log.Warn("a sync token is newer than the database", "position", t.pos, "visible", v)
		t.pos = v
		t.toDevice = min(t.toDevice, v)
	}
	return nil
}

// look answers if there is news, else it returns nil. Asides alone are news only if asides is true; else they
// are held back.
func (f *Feed) look(ctx context.Context, c *call, asides bool) (answer []byte, held bool, err error) {
	a, err := f.gather(ctx, c, asides)
	if err != nil || !a.news && !(a.aside && asides) {
		return nil, err == nil && a.aside, err
	}
	return f.finish(c, a, "news"), false, nil
}

// answer answers in any case.
func (f *Feed) answer(ctx context.Context, c *call) ([]byte, error) {
	a, err := f.gather(ctx, c, true)
	if err != nil {
		return nil, err
	}
	kind := "nothing"
	switch {
	case c.initial:
		kind = "initial"
	case a.news || a.aside:
		kind = "news"
	}
	return f.finish(c, a, kind), nil
}

// finish closes the answer and remembers what was in it until the device acknowledges it.
func (f *Feed) finish(c *call, a *answer, kind string) []byte {
	next := a.next.String()
	if a.out == nil {
		a.out = append(make([]byte, 0, 128), '{')
	}
	a.key("next_batch")
	a.out = appendString(a.out, next)
	a.out = append(a.out, '}')
	c.memory.sent(next, a.members, a.mailed)
	if kind == "news" {
		c.memory.told.Store(a.now)
	}
	f.metrics.syncs.WithLabelValues(kind).Inc()
	f.metrics.bytes.Add(float64(len(a.out)))
	return a.out
}

// answer is a sync answer that is being written.
type answer struct {
	f    *Feed
	call *call
	p    *person
	set  settings
	now  int64

	from, upTo     int64 // positions
	fleeting       int64 // serial up to which typing and presence are told
	fleetingSince  int64
	fleetingAnyway bool // the token's serial is of another process: tell all there is

	out     []byte
	some    bool // out has a member
	news    bool
	aside   bool // there are receipts, typing or presence, which may come a moment later
	next    token
	members []uint64 // member events that were written, see deviceMemory
	mailed  int64    // newest position of a message to the device in it

	data   []AccountDatum            // new to the device
	typing map[id.RoomID][]id.UserID // rooms where who types changed

	newcomers map[id.UserID]bool // people who came to share a room
	leavers   map[id.UserID]bool // people who left one, or whose room the reader left
}

// gather writes everything but the token. For a device that is up to date it needs no query, nor for one that is
// not to be told of asides now and has no other news.
func (f *Feed) gather(ctx context.Context, c *call, asides bool) (*answer, error) {
	p, err := f.person(ctx, c.who.User)
	if err != nil {
		return nil, err
	}
	a := &answer{f: f, call: c, p: p, now: f.now(), from: c.since.pos}
	a.fleetingAnyway = c.initial || c.since.boot != f.boot
	if !a.fleetingAnyway {
		a.fleetingSince = c.since.fleeting
	}
	// The serial first: what changes while this gathers is told again next time rather than never.
	a.fleeting = f.serial.Load()
	a.upTo = f.visible.Load()
	a.next = token{pos: a.upTo, toDevice: a.upTo, boot: f.boot, fleeting: a.fleeting}
	if !c.initial && !c.fullState {
		news, aside := a.mayHaveNews()
		if !news && (!aside || !asides) {
			a.aside = aside
			return a, nil
		}
	}
	if a.set, err = f.settings(ctx, p); err != nil {
		return nil, err
	}
	a.open()
	if err := a.loadAccountData(ctx); err != nil {
		return nil, err
	}
	a.typing = f.typingIn(*p.stays.Load(), a.fleetingSince, a.fleetingAnyway)
	for _, write := range [...]func(context.Context) error{a.rooms, a.toDevice, a.deviceLists, a.presence, a.keyCounts} {
		if err := write(ctx); err != nil {
			return nil, err
		}
	}
	a.accountData()
	return a, nil
}

func (a *answer) open() {
	if a.call.initial {
		a.out = make([]byte, 0, 64<<10)
	} else {
		a.out = make([]byte, 0, 2048)
	}
	a.out = append(a.out, '{')
}

// key starts a member of the answer.
func (a *answer) key(name string) {
	if a.some {
		a.out = append(a.out, ',')
	}
	a.some = true
	a.out = appendKey(a.out, name)
}

// mayHaveNews looks in memory only, and says no only when it is sure.
func (a *answer) mayHaveNews() (news, aside bool) {
	f, p := a.f, a.p
	f.mu.Lock()
	known := a.from >= p.floor && a.call.since.toDevice >= p.floor
	lists := f.lists.newest() > a.from || a.from < f.lists.floor
	mail := p.mail[a.call.who.Device] > a.call.since.toDevice
	f.mu.Unlock()
	if !known || lists || mail || p.changed.Load() > a.from {
		return true, true
	}
	aside = a.fleetingAnyway || f.serial.Load() > a.fleetingSince
	for _, s := range *p.stays.Load() {
		if s.place.last.Load() > a.from || s.place.floor > a.from {
			return true, true
		}
		aside = aside || s.place.read.Load() > a.from
	}
	return false, aside
}
