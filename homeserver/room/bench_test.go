package room

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/seal"
)

// cpu is what this process, and PostgreSQL if it runs, used so far.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSend sends from 32 senders, into twenty rooms and into one.
func BenchmarkSend(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, rooms := range []int{20, 1} {
			b.Run(fmt.Sprintf("%s/rooms=%d", engine, rooms), func(b *testing.B) {
				var d *db.DB
				if engine == "sqlite" {
					d = dbtest.SQLite(b)
				} else {
					d = dbtest.Postgres(b)
				}
				benchSend(b, d, rooms)
			})
		}
	}
}

func benchSend(b *testing.B, d *db.DB, n int) {
	w := newWorld(b, d, sealKeys(b), func(o *Options) { o.Observers = nil })
	var rooms []id.RoomID
	for range n {
		rooms = append(rooms, w.public(alice, bob, carol, dave))
	}
	var next atomic.Int64
	var group sync.WaitGroup
	used := cpu() + dbtest.PostgresCPU()
	b.ResetTimer()
	for s := range 32 {
		group.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				m := message(alice, "The patient in bed 4 needs a second look at the chest film, please call me back when you are free.")
				m.Device, m.Txn = id.DeviceID(fmt.Sprint("D", s)), fmt.Sprint("m", i)
				if _, err := w.Send(ctx, rooms[int(i)%len(rooms)], m); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric(float64(cpu()+dbtest.PostgresCPU()-used)/float64(b.N)/1e6, "cpu-ms/msg")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// BenchmarkTwoProcesses sends from 32 senders on two processes into one room on one PostgreSQL.
func BenchmarkTwoProcesses(b *testing.B) {
	url, dir := dbtest.PostgresURL(b), b.TempDir()
	var worlds []*world
	for range 2 {
		k, err := seal.Open(ctx, seal.Options{Dir: dir, URL: url})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { k.Close() })
		worlds = append(worlds, newWorld(b, dbtest.Open(b, db.Options{URL: url}), k, func(o *Options) { o.Observers = nil }))
	}
	r := worlds[0].public(alice, bob)
	var next atomic.Int64
	var group sync.WaitGroup
	b.ResetTimer()
	for s := range 32 {
		w := worlds[s%2]
		group.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				m := message(alice, "The patient in bed 4 needs a second look.")
				m.Device, m.Txn = id.DeviceID(fmt.Sprint("D", s)), fmt.Sprint("m", i)
				if _, err := w.Send(ctx, r, m); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}
