// Package room is the only writer of rooms: it sends and receives events, keeps the state of every room
// and its history, decides who is a member, and answers what may be read by whom.
//
// It does not wake anybody and counts nothing unread (package feed does, as an Observer), it speaks no
// HTTP, and it knows no push rules. The rules of the room versions are in matrix/auth and matrix/stateres;
// transport to other servers is not here either: Receive takes what they sent.
//
// A room that is in use is in memory (Room): its committed view, which readers take without a lock, and a
// head that runs ahead of the commits, which senders build on while they hold the room. The head is checked
// against the stored one in the transaction. DESIGN.md tells how several processes share a room.
package room

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/prometheus/client_golang/prometheus"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/seal"
)

// Encrypt says which new rooms are encrypted although their creator did not ask for it.
type Encrypt string

// The values of Options.EncryptRooms.
const (
	EncryptPrivate Encrypt = "private" // the private presets
	EncryptNever   Encrypt = "never"
	EncryptAlways  Encrypt = "always"
)

// Draft is an event that a local user wants to send, before it is built.
type Draft struct {
	Type     string
	StateKey *string // nil: no state event
	Sender   id.UserID
	Content  []byte // a JSON object
	TS       int64  // milliseconds; 0 means now
	Redacts  id.EventID

	Device id.DeviceID // with Txn: the device, for idempotence
	Txn    string
}

// Policy may refuse a draft with a fault. It must not wait: the room is held.
type Policy func(ctx context.Context, r *Room, d *Draft) error

// StateChange is one change of a room's current state.
type StateChange struct {
	Type, StateKey string
	Old, New       *Event // nil: there was, or is, nothing
}

// Committed is one event that became part of a room's history.
type Committed struct {
	Event   *Event
	Room    *Room
	Changes []StateChange // of the current state; usually none for messages and one for state events
	// Redacted is set for a redaction that took effect: its target, pruned. Whoever kept the target under
	// the same id replaces it.
	Redacted *Event
	// Local is false for events that another process on the same database wrote.
	Local bool
}

// Observer is told about every timeline event. Both methods run on the write path: they must be short and
// must not call back into Rooms for anything that writes.
type Observer interface {
	// Committing runs in the transaction of the event and may add O(1) rows. It may run twice for one
	// event, so it has no effect but through tx. pos is the event's position, known after numbering.
	// r is the room before the event: its committed view, or older.
	Committing(tx *db.Tx, pos *db.Num, ev *Event, r *Room, changes []StateChange)
	// Committed runs after the commit, in position order within the process, when r already shows the event.
	Committed(c Committed)
}

// Fetcher gets events from other servers. It is given by the federation; without one, events whose
// predecessors are missing stay held.
type Fetcher interface {
	// Missing returns the events between those that are known and those that arrived, oldest first, as
	// raw PDUs, and may return fewer.
	Missing(ctx context.Context, origin string, room id.RoomID, known, arrived []id.EventID) ([][]byte, error)
	// Event returns one event with the given id.
	Event(ctx context.Context, origin string, room id.RoomID, want id.EventID) ([]byte, error)
	// StateIDs returns the ids of the state before an event and of the auth chains of that state.
	StateIDs(ctx context.Context, origin string, room id.RoomID, before id.EventID) (state, chain []id.EventID, err error)
}

// Options are what Rooms is made of.
type Options struct {
	DB         *db.DB
	Seal       *seal.Keys
	ServerName string
	Key        event.Key // signs events; Key.Server is ServerName
	Clock      func() time.Time
	Log        *slog.Logger
	Metrics    prometheus.Registerer // nil: metrics are kept but not exported

	DefaultVersion    id.RoomVersion   // of new rooms; empty means 12
	CreatableVersions []id.RoomVersion // nil means all that are understood
	EncryptRooms      Encrypt          // empty means EncryptPrivate

	Policies  []Policy
	Observers []Observer

	// Profile returns the display name and the avatar that a user's member events carry.
	Profile func(ctx context.Context, user id.UserID) (name, avatar string, err error)
	// Exists tells whether a local account exists; nil means that all do.
	// FindAlias asks others for a room whose alias is not known; true: it is known now. Nil: nobody is asked.
	FindAlias func(ctx context.Context, alias id.RoomAlias) bool
	// AliasReserved returns a fault when somebody may not take an alias; nil: anybody may.
	AliasReserved func(alias id.RoomAlias, by id.UserID) error
	Exists        func(ctx context.Context, user id.UserID) (bool, error)

	// Invitable returns a fault when a local person does not want to be invited by somebody; nil means that all do.
	Invitable func(ctx context.Context, sender, target id.UserID) error
	// Guest tells whether a local account is one of a guest, who may only be where guests may join; nil means that
	// none is.
	Guest func(ctx context.Context, user id.UserID) (bool, error)

	// ServerKey finds the signing keys of other servers; nil refuses all their events.
	ServerKey pdu.GetKeyFunc
	Fetcher   Fetcher

	HotRooms   int // how many rooms are kept in memory at most; 0 means 4096
	EventCache int // bytes of decoded events kept in memory; 0 means 128 MiB
}

// Rooms are all rooms of this server. Its methods may be called from any goroutine.
type Rooms struct {
	o       Options
	db      *db.DB
	seal    *seal.Keys
	clock   func() time.Time
	log     *slog.Logger
	metrics *metrics
	events  *eventCache
	states  *stateCache
	txns    *txnCache
	nextID  atomic.Int64 // see newID

	mu      sync.Mutex
	hot     map[id.RoomID]*Room
	cold    map[id.RoomID]weak.Pointer[Room] // evicted; perhaps still in use
	loading map[id.RoomID]*loading
	tick    int64 // of the last use of a hot room
}

// New makes Rooms over an open database.
func New(o Options) (*Rooms, error) {
	switch {
	case o.DB == nil || o.Seal == nil:
		return nil, errors.New("rooms need a database and a key store")
	case o.ServerName == "" || o.Key.Server != o.ServerName || len(o.Key.Private) == 0:
		return nil, errors.New("rooms need the server's name and its signing key")
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.DefaultVersion == "" {
		o.DefaultVersion = id.RoomV12
	}
	if o.CreatableVersions == nil {
		o.CreatableVersions = event.Versions
	}
	if !event.Known(o.DefaultVersion) || !slices.Contains(o.CreatableVersions, o.DefaultVersion) {
		return nil, fmt.Errorf("default room version %q cannot be created", o.DefaultVersion)
	}
	if o.EncryptRooms == "" {
		o.EncryptRooms = EncryptPrivate
	}
	if o.HotRooms == 0 {
		o.HotRooms = 4096
	}
	if o.EventCache == 0 {
		o.EventCache = 128 << 20
	}
	rs := &Rooms{
		o: o, db: o.DB, seal: o.Seal, clock: o.Clock, log: o.Log.With("pkg", "room"),
		events: newEventCache(o.EventCache), states: newStateCache(1024), txns: newTxnCache(4096),
		hot: make(map[id.RoomID]*Room), cold: make(map[id.RoomID]weak.Pointer[Room]), loading: make(map[id.RoomID]*loading),
	}
	rs.metrics = newMetrics(o.Metrics, rs)
	var b [8]byte
	rand.Read(b[:])
	rs.nextID.Store(int64(binary.BigEndian.Uint64(b[:]) >> 2))
	return rs, nil
}

// newID makes a number that no row of any process on this database has: they count from random starting
// points of a space of 2^62.
func (rs *Rooms) newID() int64 { return rs.nextID.Add(1) }

func (rs *Rooms) now() int64 { return rs.clock().UnixMilli() }

func (rs *Rooms) isLocal(u id.UserID) bool { return u.Homeserver() == rs.o.ServerName }

// Versions returns the default room version and all that can be created, for the capabilities.
func (rs *Rooms) Versions() (def id.RoomVersion, creatable []id.RoomVersion) {
	return rs.o.DefaultVersion, slices.Clone(rs.o.CreatableVersions)
}

// Room is one room in memory. Its methods tell what is committed and need no lock; what they return is
// shared and must not be changed.
type Room struct {
	ID      id.RoomID
	Version id.RoomVersion
	Creator id.UserID // sender of the create event

	rooms *Rooms
	nid   int64
	used  int64 // guarded by Rooms.mu

	stored   atomic.Pointer[head] // the newest head that is known to be in the database
	last     atomic.Int64         // position of the newest timeline event
	inflight atomic.Int64         // batches that were queued and whose outcome is not known
	recent   recent
	// openHistory is one of the history constants; unknown is looked up when it matters. Above the lowest
	// two bits it counts how often the visibility changed.
	openHistory atomic.Int64

	mu  sync.Mutex // holding it is holding the room: who builds an event does
	tip *batch     // the last batch that was queued, nil to build on stored
	gen int64      // counts the times that tip was given up
}

// loading is a room that somebody reads from the database right now.
type loading struct {
	done chan struct{}
	room *Room
	err  error
}

// errUnknownRoom is answered for rooms that this server does not know.
var errUnknownRoom = fault.New(fault.NotFound, "There is no such room.")

// Get returns a room, a fault of kind NotFound when this server does not know it.
func (rs *Rooms) Get(ctx context.Context, roomID id.RoomID) (*Room, error) {
	rs.mu.Lock()
	if r := rs.hot[roomID]; r != nil {
		rs.tick++
		r.used = rs.tick
		rs.mu.Unlock()
		return r, nil
	}
	if r := rs.cold[roomID].Value(); r != nil {
		rs.keep(r)
		rs.mu.Unlock()
		return r, nil
	}
	if l := rs.loading[roomID]; l != nil {
		rs.mu.Unlock()
		select {
		case <-l.done:
			return l.room, l.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	l := &loading{done: make(chan struct{})}
	rs.loading[roomID] = l
	rs.mu.Unlock()

	// Others wait for it, so it does not end with this caller.
	l.room, l.err = rs.load(context.WithoutCancel(ctx), roomID)
	rs.mu.Lock()
	delete(rs.loading, roomID)
	if l.err == nil {
		rs.keep(l.room)
	}
	rs.mu.Unlock()
	close(l.done)
	return l.room, l.err
}

// keep puts a room among the hot ones. rs.mu is held.
func (rs *Rooms) keep(r *Room) {
	rs.tick++
	r.used = rs.tick
	rs.hot[r.ID] = r
	delete(rs.cold, r.ID)
	if len(rs.hot) > rs.o.HotRooms {
		rs.evict()
	}
}

// evict lets go of the rooms that were not used for the longest time, until there is space again. Somebody
// may still hold one of them: until that ends it is found again (cold), so that there never are two Rooms of
// one room. Those with writes under way stay. rs.mu is held.
func (rs *Rooms) evict() {
	all := make([]*Room, 0, len(rs.hot))
	for _, r := range rs.hot {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *Room) int { return int(a.used - b.used) })
	for _, r := range all {
		if len(rs.hot) <= rs.o.HotRooms-rs.o.HotRooms/16 {
			break
		}
		if r.used != rs.tick && r.inflight.Load() == 0 {
			delete(rs.hot, r.ID)
			rs.cold[r.ID] = weak.Make(r)
		}
	}
	for roomID, r := range rs.cold {
		if r.Value() == nil {
			delete(rs.cold, roomID)
		}
	}
}

// hold returns the room locked for building events on its head.
func (rs *Rooms) hold(ctx context.Context, roomID id.RoomID) (*Room, error) {
	r, err := rs.Get(ctx, roomID)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	return r, nil
}

// now is the committed view.
func (r *Room) now() *view { return r.stored.Load().view }

// State returns the event at a place of the current state, nil when there is none.
func (r *Room) State(typ, key string) *Event { return r.now().state.Get(typ, key) }

// StateMap returns the current state.
func (r *Room) StateMap() *State { return r.now().state }

// Membership is what a user is in the room now: Join, Invite, Knock, Leave or Ban; Leave for strangers.
func (r *Room) Membership(u id.UserID) string { return r.now().membership(u) }

// JoinedLocal lists the joined people of this server, in the order of joining.
func (r *Room) JoinedLocal() []id.UserID { return r.now().local }

// Power is who may do what now.
func (r *Room) Power() *Power { return r.now().power }

// LastPos is the position of the room's newest timeline event.
func (r *Room) LastPos() int64 { return r.last.Load() }

// Encrypted tells whether encryption is on.
func (r *Room) Encrypted() bool { return r.State(typeEncryption, "") != nil }

// Counts is how many people are joined and how many are invited, on all servers.
func (r *Room) Counts() (joined, invited int) {
	v := r.now()
	return v.joined, v.invited
}

// Heroes are the member events of up to five people, never the reader, from which a client names a room
// that has no name (client-server API, RoomSummary).
func (r *Room) Heroes(reader id.UserID) []*Event {
	all := r.now().heroList()
	l := make([]*Event, 0, 5)
	for _, e := range all {
		if *e.StateKey != string(reader) && len(l) < 5 {
			l = append(l, e)
		}
	}
	return l
}

// Name is m.room.name, or "".
func (r *Room) Name() string { return r.State(typeName, "").Get("name").Str }

// Visibility is the history visibility that holds now.
func (r *Room) Visibility() string { return visibilityOf(r.State(typeVisibility, "")) }

// JoinRule is the join rule that holds now.
func (r *Room) JoinRule() string { return joinRuleOf(r.now().state) }

func joinRuleOf(s *State) string {
	if rule := s.Get(typeJoinRules, "").Get("join_rule").Str; rule != "" {
		return rule
	}
	return "invite"
}
