package feed

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
)

// SlideRequest is what the caller of sliding sync asks for (MSC4186).
type SlideRequest struct {
	Pos         string // of the answer before; empty: a new connection
	Conn        string // which of the device's connections it is
	Timeout     time.Duration
	SetPresence string
	Lists       map[string]SlideList
	Rooms       map[id.RoomID]SlideConfig // subscriptions
	ToDevice    SlideToDevice
	E2EE        SlideExtension
	AccountData SlideExtension
	Receipts    SlideExtension
	Typing      SlideExtension
	Threads     SlideThreads
	Txn         string // answered as it came
	Unstable    bool   // answer under the names of the unstable endpoint
}

// SlideConfig says what is wanted of a room.
type SlideConfig struct {
	Limit int // events of the timeline at most
	State StateWish
}

// SlideList is a window on the rooms that pass a filter, in order of their last event.
type SlideList struct {
	SlideConfig
	Ranges [][2]int // inclusive; nil: all rooms
	Filter SlideFilter
}

// SlideFilter lets rooms through for which everything that is set holds.
type SlideFilter struct {
	Direct, Encrypted, Invited *bool
	Spaces                     []id.RoomID
	Types, NotTypes            []*string // m.room.create's type; nil stands for none
	Tags, NotTags              []string
	NameLike                   string
}

// SlideExtension asks for more than rooms: for those of the named lists and subscriptions, nil is all of them.
type SlideExtension struct {
	Enabled bool
	Lists   []string
	Rooms   []string
}

// SlideToDevice asks for messages to the device after a position.
type SlideToDevice struct {
	Enabled bool
	Since   string
	Limit   int
}

// SlideThreads asks for changes of the caller's subscriptions of threads (MSC4308).
type SlideThreads struct {
	Enabled bool
	Limit   int
}

// Limits of a sliding sync.
const (
	slideTimeline = 100 // events of a room's timeline at most
	slideLists    = 100
	slideRooms    = 100 // subscriptions
)

// Slide answers what a connection of sliding sync has not been told yet. When there is nothing and req.Timeout
// allows it, it returns a Wait instead, and wake is called when there may be something. The fault UnknownPos
// asks the device to begin a new connection: this process does not know the one that it names.
func (f *Feed) Slide(ctx context.Context, who access.Who, req *SlideRequest, wake func()) ([]byte, *Wait, error) {
	s, err := f.beginSlide(ctx, who, req)
	if err != nil {
		return nil, nil, err
	}
	leave := f.syncing(who.User, who.Device, s.presence)
	if req.Pos == "" || req.Timeout <= 0 {
		defer leave()
		b, err := f.slideNow(ctx, s)
		return b, nil, err
	}
	return f.wait(ctx, &Wait{
		For: min(req.Timeout, maxWait), user: who.User, memory: f.memory(deviceKey{who.User, who.Device}), leave: leave, again: "pos", since: req.Pos,
		look: func(ctx context.Context, asides bool) ([]byte, bool, error) { return f.slideNews(ctx, s, asides) },
		end:  func(ctx context.Context) ([]byte, error) { return f.slideNow(ctx, s) },
	}, wake)
}

// sliding is one request of sliding sync, understood.
type sliding struct {
	who      access.Who
	req      *SlideRequest
	conn     *connection
	n        uint64 // answer of the connection that the device has; 0: none
	presence string
	mail     int64 // messages to the device were seen up to here
	wishes   map[string]*wish
}

func (f *Feed) beginSlide(ctx context.Context, who access.Who, req *SlideRequest) (*sliding, error) {
	s := &sliding{who: who, req: req, presence: req.SetPresence, wishes: make(map[string]*wish)}
	if s.presence == "" {
		s.presence = Online
	}
	if err := checkPresence(s.presence); err != nil {
		return nil, err
	}
	switch {
	case len(req.Lists) > slideLists:
		return nil, fault.New(fault.InvalidParam, "There are more than %d lists.", slideLists)
	case len(req.Rooms) > slideRooms:
		return nil, fault.New(fault.InvalidParam, "There are more than %d room subscriptions.", slideRooms)
	}
	if err := f.resumeSlide(ctx, s); err != nil {
		return nil, err
	}
	return s, f.slideMail(ctx, s)
}

// resumeSlide finds the connection that the request goes on with, or makes a new one.
func (f *Feed) resumeSlide(ctx context.Context, s *sliding) error {
	key := connKey{deviceKey{s.who.User, s.who.Device}, s.req.Conn}
	if s.req.Pos == "" {
		s.conn = newConnection()
		f.conns.Add(key, s.conn)
		return nil
	}
	unknown := fault.New(fault.UnknownPos, "The connection is not known any more; begin a new one.").WithStatus(400)
	text, number, _ := strings.Cut(s.req.Pos, slideMark)
	at, err := parseToken(text)
	if err != nil || at.boot != f.boot {
		return unknown
	}
	if s.n, err = strconv.ParseUint(number, 10, 64); err != nil {
		return unknown
	}
	conn, ok := f.conns.Get(key)
	if !ok || !conn.came(s.n) {
		return unknown
	}
	s.conn = conn
	return f.clamp(ctx, &at)
}

// slideMark divides the sync token of a position from the number of the answer.
const slideMark = "."

// slideMail acknowledges the messages to the device that it has got.
func (f *Feed) slideMail(ctx context.Context, s *sliding) error {
	since := s.req.ToDevice.Since
	if !s.req.ToDevice.Enabled || since == "" {
		return nil
	}
	n, err := strconv.ParseInt(since, 10, 64)
	if err != nil || n < 0 {
		return fault.New(fault.InvalidParam, "extensions.to_device.since is not one of this server.")
	}
	s.mail = min(n, f.visible.Load())
	key := deviceKey{s.who.User, s.who.Device}
	return f.acknowledge(ctx, f.memory(key), key, s.mail)
}

// slideNews answers if there is news, else it returns nil; see look.
func (f *Feed) slideNews(ctx context.Context, s *sliding, asides bool) (answer []byte, held bool, err error) {
	a, err := f.gatherSlide(ctx, s)
	if err != nil || !a.news && !(a.aside && asides) {
		return nil, err == nil && a.aside, err
	}
	return a.finish("news"), false, nil
}

// slideNow answers in any case.
func (f *Feed) slideNow(ctx context.Context, s *sliding) ([]byte, error) {
	a, err := f.gatherSlide(ctx, s)
	if err != nil {
		return nil, err
	}
	kind := "nothing"
	switch {
	case s.n == 0:
		kind = "initial"
	case a.news || a.aside:
		kind = "news"
	}
	return a.finish(kind), nil
}

// slideAnswer is an answer that is being written: rooms and extensions apart, because what is written of a
// room decides what the extensions tell.
type slideAnswer struct {
	*answer
	s       *sliding
	was     view // of the connection, as the device has it
	step    *step
	matched []*matched // rooms of the windows and subscriptions, most recent first
	counts  map[string]int
	body    []byte // rooms
	extra   []byte // extensions
}

// gatherSlide writes everything but the position.
func (f *Feed) gatherSlide(ctx context.Context, s *sliding) (*slideAnswer, error) {
	was, err := s.conn.view(s.n)
	if err != nil {
		return nil, err
	}
	p, err := f.person(ctx, s.who.User)
	if err != nil {
		return nil, err
	}
	a := &answer{f: f, p: p, now: f.now(), from: was.at.pos, call: &call{who: s.who, initial: s.n == 0, since: was.at, filter: everything}}
	a.fleetingAnyway = s.n == 0
	a.fleetingSince = was.at.fleeting
	a.fleeting = f.serial.Load()
	a.upTo = f.visible.Load()
	a.next = token{pos: a.upTo, toDevice: a.upTo, boot: f.boot, fleeting: a.fleeting}
	if a.set, err = f.settings(ctx, p); err != nil {
		return nil, err
	}
	sa := &slideAnswer{answer: a, s: s, was: was, step: &step{at: a.next, rooms: make(map[id.RoomID]told), threads: was.threads}, counts: make(map[string]int)}
	for _, write := range [...]func(context.Context) error{sa.match, sa.rooms, sa.extensions} {
		if err := write(ctx); err != nil {
			return nil, err
		}
	}
	return sa, nil
}

// finish closes the answer and remembers what was in it until the device comes back with its position.
func (a *slideAnswer) finish(kind string) []byte {
	if kind == "news" {
		a.f.memory(deviceKey{a.s.who.User, a.s.who.Device}).told.Store(a.now)
	}
	a.step.members = a.members
	n := a.s.conn.sent(a.f.slides.Add(1), a.s.n, a.step)
	out := append(make([]byte, 0, 256+len(a.body)+len(a.extra)), `{"pos":`...)
	out = appendString(out, a.next.String()+slideMark+strconv.FormatUint(n, 10))
	if a.s.req.Txn != "" {
		out = append(appendKey(append(out, ','), "txn_id"), ""...)
		out = appendString(out, a.s.req.Txn)
	}
	out = append(out, `,"lists":{`...)
	l := list{dst: out}
	for _, name := range sortedKeys(a.s.req.Lists) {
		l.next()
		l.dst = append(appendKey(l.dst, name), `{"count":`...)
		l.dst = append(strconv.AppendInt(l.dst, int64(a.counts[name]), 10), '}')
	}
	out = append(l.dst, `},"rooms":{`...)
	out = append(out, a.body...)
	out = append(out, `},"extensions":{`...)
	out = append(out, a.extra...)
	out = append(out, `}}`...)
	a.f.metrics.syncs.WithLabelValues(kind).Inc()
	a.f.metrics.bytes.Add(float64(len(out)))
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
