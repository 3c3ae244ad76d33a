package e2ee

import (
	"context"
	"fmt"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"maunium.net/go/mautrix/id"
)

// DeviceCounts is what /sync tells a device about its own one-time and fallback keys. It is shared: do
// not change it.
type DeviceCounts struct {
	OneTime        map[string]int // unclaimed keys by algorithm
	UnusedFallback []string       // algorithms with a fallback key that nobody was given yet, sorted
}

type deviceKey struct {
	user   id.UserID
	device id.DeviceID
}

// countCache remembers counts of the devices that sync. A generation number per lookup keeps an answer
// that was read before a change from being stored after it.
type countCache struct {
	mu         sync.Mutex
	generation uint64
	entries    *lru.Cache[deviceKey, *DeviceCounts]
}

const cachedDevices = 50_000

func newCountCache() countCache {
	entries, err := lru.New[deviceKey, *DeviceCounts](cachedDevices)
	if err != nil {
		panic(err) // the size is a constant above 0
	}
	return countCache{entries: entries}
}

func (c *countCache) get(d deviceKey) (counts *DeviceCounts, generation uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts, ok = c.entries.Get(d)
	return counts, c.generation, ok
}

func (c *countCache) put(d deviceKey, counts *DeviceCounts, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation == generation {
		c.entries.Add(d, counts)
	}
}

func (c *countCache) drop(d deviceKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.entries.Remove(d)
}

// Counts returns what is left of the device's keys, from memory when it was asked for before. What another
// process changes is there after Forget.
func (k *Keys) Counts(ctx context.Context, user id.UserID, device id.DeviceID) (*DeviceCounts, error) {
	d := deviceKey{user, device}
	counts, generation, ok := k.counts.get(d)
	if ok {
		return counts, nil
	}
	counts, err := readCounts(ctx, k.DB, user, device)
	if err != nil {
		return nil, err
	}
	k.counts.put(d, counts, generation)
	return counts, nil
}

// Forget drops what memory holds about the device, because another node changed it.
func (k *Keys) Forget(user id.UserID, device id.DeviceID) { k.counts.drop(deviceKey{user, device}) }

func readCounts(ctx context.Context, q querier, user id.UserID, device id.DeviceID) (*DeviceCounts, error) {
	counts := &DeviceCounts{OneTime: map[string]int{}, UnusedFallback: []string{}}
	err := each(ctx, q, func(scan scanner) error {
		var algorithm string
		var n int
		if err := scan(&algorithm, &n); err != nil {
			return err
		}
		counts.OneTime[algorithm] = n
		return nil
	}, `select algorithm, count(*) from e2ee_one_time_keys where user_id = $1 and device_id = $2 and claimed = 0 group by algorithm`, user, device)
	if err != nil {
		return nil, fmt.Errorf("count one-time keys: %w", err)
	}
	err = each(ctx, q, func(scan scanner) error {
		var algorithm string
		if err := scan(&algorithm); err != nil {
			return err
		}
		counts.UnusedFallback = append(counts.UnusedFallback, algorithm)
		return nil
	}, `select algorithm from e2ee_fallback_keys where user_id = $1 and device_id = $2 and used = 0 order by algorithm`, user, device)
	if err != nil {
		return nil, fmt.Errorf("read fallback keys: %w", err)
	}
	return counts, nil
}
