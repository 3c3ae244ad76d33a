package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"
)

// Options says where the data keys and the master key are.
type Options struct {
	// Dir is the data directory. It holds master.key, and keys.db when URL is empty.
	Dir string
	// URL is a postgres:// URL. Empty means SQLite.
	URL string
	// MasterKey is the master key in base64 (32 bytes). Empty means the file master.key in Dir, made at the first start.
	MasterKey string
	// PreviousMasterKey is the master key that MasterKey is to replace, in base64; needed until Rotate has finished.
	PreviousMasterKey string
	// Cache is how many scopes' keys stay in memory; 0 means 20,000 (about 1.5 KiB each).
	Cache int
	// Clock is time.Now when nil.
	Clock func() time.Time
	// Log is slog.Default() when nil.
	Log *slog.Logger
	// Metrics is where the metrics are registered; nowhere when nil.
	Metrics prometheus.Registerer
}

// Keys seals and opens. It is safe for concurrent use, also by several processes on one store: a key destroyed by one
// is honoured by all within a second.
type Keys struct {
	store   *store
	masters *masters
	clock   func() time.Time
	log     *slog.Logger
	metrics metrics

	flights singleflight.Group // loads of scopes' keys that are under way, by scope
	create  creator

	mu    sync.Mutex               // guards epoch, and every change of cache
	cache *lru.Cache[Scope, *ring] // safe to read without mu
	epoch uint64                   // counts erasures: a load that began before one is not cached

	stop    context.CancelFunc
	stopped chan struct{}
	closed  sync.Once
}

// ring holds a scope's data keys, oldest first; never empty, never changed.
type ring struct {
	prefix []byte
	keys   []*dataKey
}

// dataKey is one unwrapped data key. The keys that do the work are derived from it, one for each kind of work.
type dataKey struct {
	generation uint32
	aead       cipher.AEAD // for Seal and Open; makes its own nonces
	mac        []byte      // for MAC
	stream     []byte      // the secret from which each file's key is derived
}

func (r *ring) newest() *dataKey { return r.keys[len(r.keys)-1] }
func (r *ring) oldest() *dataKey { return r.keys[0] }

func (r *ring) find(generation uint32) *dataKey {
	for _, key := range r.keys {
		if key.generation == generation {
			return key
		}
	}
	return nil
}

// Open opens the key store and reads the master key; both are made when there are none yet. It refuses a master key that
// does not fit the store, and a key file that others may read.
func Open(ctx context.Context, o Options) (*Keys, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Cache <= 0 {
		o.Cache = 20_000
	}
	cache, err := lru.New[Scope, *ring](o.Cache)
	if err != nil {
		return nil, fmt.Errorf("make key cache: %w", err)
	}
	s, err := openStore(ctx, o.URL, filepath.Join(o.Dir, "keys.db"))
	if err != nil {
		return nil, fmt.Errorf("open key store: %w", err)
	}
	k := &Keys{store: s, clock: o.Clock, log: o.Log.With("component", "seal"), metrics: newMetrics(o.Metrics), cache: cache, stopped: make(chan struct{})}
	k.create.keys = k
	if k.masters, err = openMasters(ctx, s, o); err != nil {
		s.close()
		return nil, err
	}
	last, err := s.lastErased(ctx)
	if err != nil {
		s.close()
		return nil, err
	}
	background, stop := context.WithCancel(context.Background())
	k.stop = stop
	go k.watch(background, last)
	return k, nil
}

// Close releases the store. Calls after it fail with ErrClosed.
func (k *Keys) Close() error {
	var err error
	k.closed.Do(func() {
		k.stop()
		<-k.stopped
		k.drop()
		err = k.store.close()
	})
	return err
}

// ring returns the scope's keys, from memory if it can. When there are none it makes one if create is set, and fails with
// errNoKey otherwise.
func (k *Keys) ring(ctx context.Context, scope Scope, create bool) (*ring, error) {
	if r, ok := k.cache.Get(scope); ok {
		return r, nil
	}
	if scope == "" {
		return nil, errors.New("empty scope")
	}
	name := "load " + string(scope)
	if create {
		name = "make " + string(scope)
	}
	// Detached from ctx: others may be waiting for the same load.
	done := k.flights.DoChan(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		defer cancel()
		return k.load(ctx, scope, create)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case res := <-done:
		if res.Err != nil {
			return nil, res.Err
		}
		return res.Val.(*ring), nil
	}
}

// errNoKey says that a scope has no data key.
var errNoKey = errors.New("no key for this scope")

func (k *Keys) load(ctx context.Context, scope Scope, create bool) (*ring, error) {
	for {
		k.mu.Lock()
		epoch := k.epoch
		k.mu.Unlock()
		k.metrics.loads.Inc()
		rows, err := k.store.keysOf(ctx, scope)
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			if !create {
				return nil, errNoKey
			}
			if err := k.create.make(ctx, scope, false); err != nil {
				return nil, err
			}
			continue
		}
		r := &ring{prefix: prefix(scope)}
		for _, row := range rows {
			key, err := k.unwrap(ctx, row)
			if err != nil {
				return nil, err
			}
			r.keys = append(r.keys, key)
		}
		if k.keep(scope, r, epoch) {
			return r, nil
		}
	}
}

// keep caches r unless a key was destroyed since epoch, and says whether it did.
func (k *Keys) keep(scope Scope, r *ring, epoch uint64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.epoch != epoch {
		return false
	}
	k.cache.Add(scope, r)
	return true
}

// drop forgets the keys of the scopes, or all keys when none is given.
func (k *Keys) drop(scopes ...Scope) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.epoch++
	if len(scopes) == 0 {
		k.cache.Purge()
	}
	for _, scope := range scopes {
		k.cache.Remove(scope)
		k.flights.Forget("load " + string(scope))
		k.flights.Forget("make " + string(scope))
	}
}

// generation returns the data key that something was sealed under.
func (k *Keys) generation(ctx context.Context, scope Scope, generation uint32) (*dataKey, *ring, error) {
	for attempt := 0; ; attempt++ {
		r, err := k.ring(ctx, scope, false)
		if err != nil && !errors.Is(err, errNoKey) {
			return nil, nil, err
		}
		if err == nil {
			if key := r.find(generation); key != nil {
				return key, r, nil
			}
			if attempt == 0 && generation > r.newest().generation { // another process made it since
				k.drop(scope)
				continue
			}
		}
		erased, err := k.store.erased(ctx, scope, generation)
		if err != nil {
			return nil, nil, err
		}
		if erased {
			return nil, nil, ErrErased
		}
		return nil, nil, fmt.Errorf("key store has no key %d of the scope and never had: %w", generation, ErrCorrupt)
	}
}

// Exists says whether the scope has a data key now, without making one.
func (k *Keys) Exists(ctx context.Context, scope Scope) (bool, error) {
	_, err := k.ring(ctx, scope, false)
	if errors.Is(err, errNoKey) {
		return false, nil
	}
	return err == nil, err
}

// Prepare makes the data keys of the scopes that have none, so that a later Seal need not wait for the disk.
func (k *Keys) Prepare(ctx context.Context, scopes ...Scope) error {
	errs := make(chan error, len(scopes))
	for _, scope := range scopes {
		go func() {
			_, err := k.ring(ctx, scope, true)
			errs <- err
		}()
	}
	var all []error
	for range scopes {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// Renew makes a new data key for the scope. What is sealed from now on is under it; the older ones still open what they
// sealed. Due long before a key has sealed 2^32 texts.
func (k *Keys) Renew(ctx context.Context, scope Scope) error {
	if err := k.create.make(ctx, scope, true); err != nil {
		return fmt.Errorf("renew data key: %w", err)
	}
	k.drop(scope)
	return nil
}

// derive makes the working keys of a data key. Contexts differ so that none of them can be computed from another.
func derive(generation uint32, secret []byte) (*dataKey, error) {
	sub := func(use string) ([]byte, error) {
		return hkdf.Key(sha256.New, secret, nil, "myelin data key: "+use, secretSize)
	}
	sealing, err1 := sub("seal")
	mac, err2 := sub("mac")
	stream, err3 := sub("stream")
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("derive keys: %w", err)
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return &dataKey{generation: generation, aead: aead, mac: mac, stream: stream}, nil
}
