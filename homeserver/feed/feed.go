package feed

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/homeserver/push"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/seal"
)

// Options are what a Feed is made of.
type Options struct {
	DB         *db.DB
	Seal       *seal.Keys
	ServerName string
	Account    Account
	// Counts returns what is left of a device's one-time and fallback keys; nil: no encryption.
	Counts func(ctx context.Context, user id.UserID, device id.DeviceID) (DeviceCounts, error)
	// Elsewhere is told of each change that another process reported, before a device sees anything of it. May be nil.
	Elsewhere func(Change)

	Clock   func() time.Time
	Log     *slog.Logger
	Metrics prometheus.Registerer // nil: metrics are kept but not exported

	// Stirred is told, if set, that there may be something new for application services. It must not block.
	Stirred func()
	// Gateway posts JSON to a push gateway; nil: nothing is pushed.
	Gateway func(ctx context.Context, url string, body []byte) (status int, answer []byte, err error)
	// MailUnread writes a letter about unread messages; gone is true when the address is not the person's any more. nil: no
	// letters are written. It needs Gateway.
	MailUnread func(ctx context.Context, u Unread) (gone bool, err error)

	Presence bool // share who is online with people of the same rooms
	People   int  // how many people's state is kept in memory at most; 0 means 20,000
}

// Feed answers what a device has not seen yet. Its methods may be called from any goroutine.
type Feed struct {
	db        *db.DB
	seal      *seal.Keys
	rooms     *room.Rooms
	server    string
	account   Account
	counts    func(ctx context.Context, user id.UserID, device id.DeviceID) (DeviceCounts, error)
	elsewhere func(Change)
	clock     func() time.Time
	log       *slog.Logger
	metrics   *metrics
	presence  *presence // nil: off
	boot      string
	filters   *lru.Cache[filterKey, *filter]
	devices   *lru.Cache[deviceKey, *deviceMemory]
	conns     *lru.Cache[connKey, *connection] // of sliding sync
	slides    atomic.Uint64                    // answers of sliding sync, which it numbers
	// pushEvents are the newest events as push rules look at them.
	pushEvents *lru.Cache[*room.Event, *push.Event]

	waiters    waiters
	stirred    func()
	pushing    *pushing                                             // nil: off
	mailUnread func(context.Context, Unread) (gone bool, err error) // nil: off
	visible    atomic.Int64                                         // everything up to it may be read; moves on under mu
	serial     atomic.Int64                                         // counter of what is never stored; see fleeting.go

	mu       sync.Mutex
	people   map[id.UserID]*person
	places   map[id.RoomID]*place
	maxP     int
	tick     int64
	lists    changeLog                 // newest changes of device lists
	ended    int64                     // last position of the newest batch of this process
	txns     map[mailTxn]chan struct{} // to-device requests under way
	typing   map[id.RoomID]*typing
	soon     map[id.RoomID]bool // rooms with asides that were not told
	receipts receiptBook
	threads  threadBook

	histories map[id.RoomID]*history

	looking  atomic.Bool // nudgeSoon is about to run
	catching sync.Mutex  // held while positions of other processes are read
	ruling   sync.Mutex  // held while push rules are changed
	stop     chan struct{}
	stopped  sync.WaitGroup
	closed   atomic.Bool
}

// New makes a Feed over an open database. It is an observer of the rooms, which Start hands to it.
func New(o Options) (*Feed, error) {
	switch {
	case o.DB == nil || o.Seal == nil:
		return nil, errors.New("the feed needs a database and a key store")
	case o.Account.Data == nil || o.Account.SetData == nil || o.Account.Filter == nil || o.Account.Devices == nil:
		return nil, errors.New("the feed needs the accounts' data, filters and devices")
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.People == 0 {
		o.People = 20_000
	}
	if o.Counts == nil {
		o.Counts = func(context.Context, id.UserID, id.DeviceID) (DeviceCounts, error) { return DeviceCounts{}, nil }
	}
	if o.Elsewhere == nil {
		o.Elsewhere = func(Change) {}
	}
	filters, err := lru.New[filterKey, *filter](1024)
	if err != nil {
		return nil, fmt.Errorf("make filter cache: %w", err)
	}
	devices, err := lru.New[deviceKey, *deviceMemory](o.People)
	if err != nil {
		return nil, fmt.Errorf("make device memory: %w", err)
	}
	conns, err := lru.New[connKey, *connection](slideConns)
	if err != nil {
		return nil, fmt.Errorf("make connection memory: %w", err)
	}
	pushEvents, err := lru.New[*room.Event, *push.Event](2048)
	if err != nil {
		return nil, fmt.Errorf("make event cache: %w", err)
	}
	f := &Feed{
		pushEvents: pushEvents, db: o.DB, seal: o.Seal, server: o.ServerName, account: o.Account, counts: o.Counts, elsewhere: o.Elsewhere,
		clock: o.Clock, log: o.Log.With("pkg", "feed"), boot: newBoot(), filters: filters, devices: devices, conns: conns,
		people: make(map[id.UserID]*person), places: make(map[id.RoomID]*place), maxP: o.People,
		txns: make(map[mailTxn]chan struct{}), typing: make(map[id.RoomID]*typing), soon: make(map[id.RoomID]bool),
		histories: make(map[id.RoomID]*history),
		stop:      make(chan struct{}),
	}
	if f.receipts.rooms, err = lru.New[id.RoomID, *roomReceipts](bookRooms); err != nil {
		return nil, fmt.Errorf("make receipt book: %w", err)
	}
	if f.threads.by, err = lru.New[thread, map[id.UserID]subscription](bookThreads); err != nil {
		return nil, fmt.Errorf("make thread book: %w", err)
	}
	f.metrics = newMetrics(o.Metrics, f)
	f.waiters.by = make(map[id.UserID][]*waiter)
	if o.Presence {
		f.presence = newPresence()
	}
	if f.stirred = o.Stirred; f.stirred == nil {
		f.stirred = func() {}
	}
	if o.Gateway != nil {
		f.pushing, f.mailUnread = newPushing(f, o.Gateway), o.MailUnread
	}
	return f, nil
}

// Start begins to serve: it notes the position from which on it publishes, and starts the clockwork. It is
// called once, before anything is written.
func (f *Feed) Start(ctx context.Context, rooms *room.Rooms) error {
	pos, err := f.db.Position(ctx)
	if err != nil {
		return fmt.Errorf("start the feed: %w", err)
	}
	f.rooms = rooms
	f.mu.Lock()
	f.visible.Store(pos)
	f.ended = pos
	f.lists.floor = pos
	f.mu.Unlock()
	f.db.OnBatch(f.batch)
	f.stopped.Add(1)
	go f.clockwork()
	f.pushing.begin()
	return nil
}

// Close ends the clockwork and sends everybody who waits home with what there is.
func (f *Feed) Close() {
	f.mu.Lock()
	closed := f.closed.Swap(true)
	f.mu.Unlock()
	if closed {
		return
	}
	close(f.stop)
	f.pushing.end()
	f.stopped.Wait()
	f.waiters.all()
}

// Visible is the position up to which everything may be read by a sync.
func (f *Feed) Visible() int64 { return f.visible.Load() }

func newBoot() string {
	var b [5]byte
	rand.Read(b[:])
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

func (f *Feed) now() int64 { return f.clock().UnixMilli() }

func (f *Feed) isLocal(u id.UserID) bool { return u.Homeserver() == f.server }

// deviceKey names a device.
type deviceKey struct {
	user   id.UserID
	device id.DeviceID
}
