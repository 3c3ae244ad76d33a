package server

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryFigures(t *testing.T) {
	before := allocated()
	block := make([]byte, 1<<20)
	if block[len(block)-1] = 1; allocated() < before+1<<20 {
		t.Error("a megabyte was not counted")
	}
	used := processorTime()
	for begun := time.Now(); processorTime() == used; {
		if time.Since(begun) > 10*time.Second {
			t.Fatal("being busy costs nothing")
		}
	}
}

// The loop looks again and again, and ends with the server.
func TestReturnMemoryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*quietFor)
		defer cancel()
		begun := time.Now()
		returnMemory(ctx)
		if took := time.Since(begun); took != 10*quietFor {
			t.Errorf("ended after %v", took)
		}
	})
}

// The garbage is collected as a crowd comes.
func TestCollectForCrowds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*crowdLook)
		defer cancel()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		came := 0
		collectForCrowds(ctx, func() int { came += crowd; return came })
		runtime.ReadMemStats(&after)
		if n := after.NumForcedGC - before.NumForcedGC; n < 3 {
			t.Errorf("%d collections", n)
		}
	})
}
