package rest

import (
	"hash/maphash"
	"math"
	"net/netip"
	"sync"
	"time"
)

// Limit names one of the rate limits. Each has a bucket per user, or per address where no user is known.
type Limit uint8

// The limits.
const (
	Ordinary    Limit = iota // reads and small writes
	Sending                  // events
	Joining                  // making and joining rooms, invitations
	SigningIn                // password checks, per address
	Registering              // new accounts, per address
	Uploading                // media
	Searching                // user directory, search
	Previewing               // pages that links point to
	Unlimited                // no bucket
	numLimits
)

func (l Limit) valid() bool { return l < numLimits }

// String names the limit as the configuration does.
func (l Limit) String() string {
	return [...]string{"ordinary", "sending", "joining", "signing_in", "registering", "uploading", "searching", "previewing", "unlimited"}[l]
}

// Rate is a token bucket: Burst at once, then PerSecond.
type Rate struct {
	PerSecond float64
	Burst     int
}

// DefaultRates are the rates of a server that sets none. Addresses are often those of a whole building, so
// sign-in is wide here; failed sign-ins are limited by account as well.
func DefaultRates() map[Limit]Rate {
	return map[Limit]Rate{
		Ordinary:    {100, 500},
		Sending:     {20, 200},
		Joining:     {5, 50},
		SigningIn:   {5, 100},
		Registering: {0.5, 20},
		Uploading:   {5, 50},
		Searching:   {10, 50},
		Previewing:  {2, 100},
	}
}

const (
	bucketShards   = 16
	bucketsInShard = 16384
)

// Buckets is a set of token buckets by key with bounded memory. When it is full, buckets that are full
// again are dropped, then arbitrary ones. It is safe for concurrent use.
type Buckets struct {
	seed     maphash.Seed
	interval int64 // nanoseconds per token
	slack    int64 // nanoseconds a bucket may run ahead
	shards   [bucketShards]struct {
		sync.Mutex
		at map[uint64]int64 // when the bucket is full again, in nanoseconds
	}
}

// NewBuckets makes an empty set of buckets with the given rate.
func NewBuckets(r Rate) *Buckets {
	b := &Buckets{seed: maphash.MakeSeed(), interval: math.MaxInt64 / 4}
	if r.PerSecond > 0 {
		b.interval = max(1, int64(float64(time.Second)/r.PerSecond))
	}
	b.slack = int64(min(float64(b.interval)*float64(max(r.Burst, 1)-1), math.MaxInt64/4))
	for i := range b.shards {
		b.shards[i].at = make(map[uint64]int64)
	}
	return b
}

// Take takes a token from the bucket of key. If there is none it takes nothing and returns how long to wait.
func (b *Buckets) Take(key string, now time.Time) time.Duration {
	return b.take(key, now.UnixNano())
}

// Return puts back a token that was taken.
func (b *Buckets) Return(key string) {
	h := maphash.String(b.seed, key)
	sh := &b.shards[h%bucketShards]
	sh.Lock()
	defer sh.Unlock()
	if full, ok := sh.at[h]; ok {
		sh.at[h] = full - b.interval
	}
}

func (b *Buckets) take(key string, now int64) time.Duration {
	h := maphash.String(b.seed, key)
	sh := &b.shards[h%bucketShards]
	sh.Lock()
	defer sh.Unlock()
	full, ok := sh.at[h]
	if !ok || full < now {
		full = now
	}
	if over := full - now - b.slack; over > 0 {
		return time.Duration(over)
	}
	if !ok && len(sh.at) >= bucketsInShard {
		makeSpace(sh.at, now)
	}
	sh.at[h] = full + b.interval
	return 0
}

func makeSpace(at map[uint64]int64, now int64) {
	for k, full := range at {
		if full <= now {
			delete(at, k)
		}
	}
	for k := range at {
		if len(at) < bucketsInShard*3/4 {
			return
		}
		delete(at, k)
	}
}

// limiter is the buckets of every limit.
type limiter struct {
	clock   func() time.Time
	buckets [numLimits]*Buckets
}

func newLimiter(rates map[Limit]Rate, clock func() time.Time) *limiter {
	l := &limiter{clock: clock}
	for k, r := range DefaultRates() {
		if own, ok := rates[k]; ok {
			r = own
		}
		l.buckets[k] = NewBuckets(r)
	}
	return l
}

func (l *limiter) take(k Limit, key string) time.Duration {
	if l == nil || l.buckets[k] == nil {
		return 0
	}
	return l.buckets[k].Take(key, l.clock())
}

// Network is the part of an address that one caller holds: an IPv4 address, or the /64 of an IPv6 one.
func Network(addr string) string {
	if a, err := netip.ParseAddr(addr); err == nil && a.Is6() && !a.Is4In6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr
}
