package feed

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/room"
)

// crowdWorld is a world with one room of n people.
func crowdWorld(b testing.TB, n int) (*world, id.RoomID, []id.UserID) {
	w := newWorld(b, dbtest.SQLite(b), func(o *Options) { o.Presence = false })
	r := w.public(alice)
	people := make([]id.UserID, n)
	var wg sync.WaitGroup
	for i := range people {
		people[i] = id.UserID(fmt.Sprintf("@p%d:%s", i, server))
		wg.Go(func() {
			if _, err := w.accounts.Create(ctx, account.NewUser{User: people[i]}); err != nil {
				b.Error(err)
			}
			if err := w.rooms.Join(ctx, people[i], r, ""); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	return w, r, people
}

// BenchmarkDelivery is one message and the syncs of the 20 people in its room.
func BenchmarkDelivery(b *testing.B) {
	w, r, people := crowdWorld(b, 20)
	since := make([]string, len(people))
	for i, u := range people {
		since[i] = w.sync(u, "").next
	}
	var spent time.Duration
	for b.Loop() {
		w.say(r, alice, "How is the patient in bed four?")
		begun := time.Now()
		for i, u := range people {
			x, err := w.poll(ctx, access.Who{User: u, Device: "D"}, SyncRequest{Since: since[i], Timeout: time.Minute, SetPresence: Offline})
			if err != nil {
				b.Fatal(err)
			}
			since[i] = w.parse(x).next
		}
		spent += time.Since(begun)
	}
	b.ReportMetric(float64(spent.Microseconds())/float64(b.N*len(people)), "us/delivery")
}

// BenchmarkNothing is a sync of somebody who is up to date.
func BenchmarkNothing(b *testing.B) {
	w := newWorld(b, dbtest.SQLite(b))
	for range 50 {
		w.public(alice, bob)
	}
	since := w.sync(bob, "").next
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.poll(ctx, who(bob), SyncRequest{Since: since, SetPresence: Offline}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInitial is an initial sync of 50 rooms with 30 messages each.
func BenchmarkInitial(b *testing.B) {
	w := newWorld(b, dbtest.SQLite(b))
	for range 50 {
		r := w.public(alice, bob)
		for i := range 30 {
			w.say(r, alice, fmt.Sprint("message ", i))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		x := w.sync(bob, "", filtered(`{"room":{"timeline":{"limit":30}}}`))
		b.SetBytes(int64(len(x.Raw)))
	}
}

// BenchmarkPublish is what a message costs the feed on the write path, with 20 people waiting.
func BenchmarkPublish(b *testing.B) {
	w, r, people := crowdWorld(b, 20)
	for _, u := range people {
		w.sync(u, "")
		w.waiters.listen(u, new(deviceMemory), func() {})
	}
	rm, err := w.rooms.Get(ctx, r)
	w.ok(err)
	last, err := w.rooms.Timeline(ctx, rm, 0, w.Visible(), 1)
	w.ok(err)
	for b.Loop() {
		w.Committed(room.Committed{Event: last[0], Room: rm, Local: true})
	}
}

// One message reaches everybody who waits, also when nobody's unread counts are in memory.
func TestAllWhoWaitHearOfIt(t *testing.T) { tellAll(t, 60) }

// BenchmarkThousandWaiting is one message to 1,000 people who wait, after a restart.
func BenchmarkThousandWaiting(b *testing.B) {
	for b.Loop() {
		each, took := tellAll(b, 1000)
		b.ReportMetric(float64(each), "B/waiting")
		b.ReportMetric(float64(took.Microseconds())/1000, "ms/all")
	}
}

// tellAll lets n people wait and sends one message to all. It returns the bytes of heap and stack that a
// waiting sync takes, and the time until all had the message.
func tellAll(t testing.TB, n int) (each int64, took time.Duration) {
	w, r, people := crowdWorld(t, n)
	since := make([]string, len(people))
	for i, u := range people {
		since[i] = w.sync(u, "", filtered(`{"room":{"state":{"lazy_load_members":true}}}`)).next
	}
	// After a restart nobody's unread counts are in memory.
	w.Feed.Close()
	w.start(func(o *Options) { o.Presence = false })
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var wg sync.WaitGroup
	for i, u := range people {
		wg.Go(func() {
			b, err := w.poll(ctx, access.Who{User: u, Device: "D"}, SyncRequest{Since: since[i], Timeout: time.Minute, SetPresence: Offline})
			if err != nil || bodies(w.parse(b).joined(r)) != "to all" {
				t.Errorf("%s, %v", b, err)
			}
		})
	}
	for w.waiters.count() < len(people) {
		w.ok(w.pause(ctx))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each = (int64(after.HeapInuse+after.StackInuse) - int64(before.HeapInuse+before.StackInuse)) / int64(len(people))
	begun := time.Now()
	w.say(r, alice, "to all")
	wg.Wait()
	return each, time.Since(begun)
}
