package server

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"
)

const (
	// gcPercent makes collections rarer than Go's own 100: the live heap is small, and most of what a
	// request needs is garbage right after it. GOGC in the environment wins.
	gcPercent = 300

	// Memory goes back to the system when the process was quiet for a while after it had work.
	quietFor   = 10 * time.Second
	quietShare = 0.05     // of one processor
	worthwhile = 16 << 20 // bytes allocated since the last time

	// Garbage is collected more often while a crowd arrives that is going to wait.
	crowdLook = 250 * time.Millisecond
	crowd     = 300 // who came to wait since the last collection
	crowdGone = 40  // looks during which there were far fewer until who comes back counts as new
)

// tuneMemory sets how often garbage is collected.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// returnMemory gives the memory of a finished burst of work back: without it, thousands of connections that
// wait would keep what their requests once needed.
func returnMemory(ctx context.Context) {
	look := time.NewTicker(quietFor)
	defer look.Stop()
	var used time.Duration
	var returned uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		now := processorTime()
		quiet := (now - used).Seconds() < quietShare*quietFor.Seconds()
		used = now
		if quiet && allocated()-returned > worthwhile {
			debug.FreeOSMemory()
			returned = allocated()
			used = processorTime()
		}
	}
}

// collectForCrowds lets what arrives fill the gaps that the arrival of those before left in memory. Otherwise what
// stays of each is scattered among garbage, in spans that cannot be given back while one object in them lives.
func collectForCrowds(ctx context.Context, waiting func() int) {
	look := time.NewTicker(crowdLook)
	defer look.Stop()
	most, since := 0, 0 // who waited at most since then, and how often it was looked since they were more
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		n := waiting()
		switch since++; {
		case n-most >= crowd:
			most, since = n, 0
			runtime.GC()
		case n > most-crowd: // they were answered and come back: no new crowd
			since = 0
		case since >= crowdGone:
			most, since = n, 0
		}
	}
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
