package db_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
)

var (
	benchEvents = &db.Table{Name: "bench_event",
		Columns: []string{"pos", "room", "id", "type", "state_key", "sender", "ts", "depth", "flags", "prev", "txn", "body"},
		Types:   []string{"bigint", "bigint", "text", "text", "text", "text", "bigint", "bigint", "bigint", "bytea", "text", "bytea"}}
	benchTxns = &db.Table{Name: "bench_txn", Columns: []string{"token", "txn", "id", "ts"},
		Types: []string{"bigint", "text", "text", "bigint"}, Key: 2, Ignore: true}
	benchLeaves = &db.Table{Name: "bench_leaf", Columns: []string{"leaf", "hash", "who", "act", "payload"},
		Types: []string{"bigint", "bytea", "bigint", "bigint", "bytea"}}
)

func makeBench(b *testing.B, d *db.DB) {
	blob, strict := "bytea", ""
	if !d.Postgres() {
		blob, strict = "blob", " strict"
	}
	integer := "integer"
	if d.Postgres() {
		integer = "bigint"
	}
	for _, q := range []string{
		fmt.Sprintf("create table bench_event (pos %[1]s primary key, room %[1]s not null, id text not null, type text not null, state_key text, "+
			"sender text not null, ts %[1]s not null, depth %[1]s not null, flags %[1]s not null, prev %[2]s, txn text, body %[2]s not null)%[3]s", integer, blob, strict),
		"create unique index bench_event_id on bench_event (id)",
		"create index bench_event_room on bench_event (room, pos)",
		fmt.Sprintf("create table bench_txn (token %[1]s not null, txn text not null, id text not null, ts %[1]s not null, primary key (token, txn))%s", integer, strings.Replace(strict, "strict", "without rowid, strict", 1)),
		fmt.Sprintf("create table bench_leaf (leaf %[1]s primary key, hash %[2]s not null, who %[1]s, act %[1]s, payload %[2]s)%[3]s", integer, blob, strict),
	} {
		err := d.Write(context.Background(), "bench tables", nil, func(tx *db.Tx) error {
			_, err := tx.Exec(q)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// cpu is what this process and the test's PostgreSQL have used.
func cpu() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano()+r.Stime.Nano()) + dbtest.PostgresCPU()
}

// benchLane is a message's writes (event, transaction id, audit leaf, head of its
// room) from concurrent senders in a closed loop.
func benchLane(b *testing.B, d *db.DB, senders, rooms int) {
	makeBench(b, d)
	var batches atomic.Int64
	d.OnBatch(func(first, last int64) { batches.Add(1) })
	ctx := context.Background()
	var left atomic.Int64
	left.Store(int64(b.N))
	batches.Store(0)
	before, pgBefore := cpu(), dbtest.PostgresCPU()
	b.ResetTimer()
	var all sync.WaitGroup
	for s := range senders {
		all.Add(1)
		go func() {
			defer all.Done()
			r := rand.New(rand.NewPCG(uint64(s), 1))
			for left.Add(-1) >= 0 {
				if err := benchMessage(ctx, d, r, int64(s), rooms); err != nil {
					b.Error(err)
					return
				}
			}
		}()
	}
	all.Wait()
	b.StopTimer()
	used := cpu() - before
	b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-µs/op")
	if d.Postgres() {
		b.ReportMetric(float64((dbtest.PostgresCPU()-pgBefore).Microseconds())/float64(b.N), "pg-cpu-µs/op")
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64(b.N)/float64(batches.Load()), "msg/batch")
	b.ReportMetric(0, "ns/op")
}

func benchMessage(ctx context.Context, d *db.DB, r *rand.Rand, sender int64, rooms int) error {
	body := make([]byte, 1024)
	for i := 0; i < len(body); i += 8 {
		body[i] = byte(r.Uint32())
	}
	id := fmt.Sprintf("$%016x%016x%011x", r.Uint64(), r.Uint64(), r.Uint64()>>20)
	txn := fmt.Sprintf("m%d.%d", time.Now().UnixNano(), r.Uint32())
	room := r.Int64N(int64(rooms)) + 1
	hash := body[:32]
	return d.Write(ctx, "bench message", []db.Key{db.Key(room)}, func(tx *db.Tx) error {
		version, _, _ := tx.Head(db.Key(room))
		tx.SetHead(db.Key(room), body[:64])
		pos := tx.Number(db.Stream)
		tx.Append(benchEvents, pos, room, id, "m.room.encrypted", nil, "@somebody:hospital.example", int64(1700000000000), version,
			int64(0), body[:44], txn, body)
		tx.Append(benchTxns, sender, txn, id, int64(1700000000000))
		tx.Append(benchLeaves, tx.Number(db.Leaf), db.Late(func() any { return hash }), sender, int64(3), body[:100])
		return nil
	})
}

func BenchmarkLane(b *testing.B) {
	for _, kind := range []string{"sqlite", "postgres"} {
		for _, senders := range []int{1, 32, 64} {
			for _, rooms := range []int{1, 20} {
				b.Run(fmt.Sprintf("%s/senders=%d/rooms=%d", kind, senders, rooms), func(b *testing.B) {
					d := (*db.DB)(nil)
					if kind == "sqlite" {
						d = dbtest.SQLite(b)
					} else {
						b.Setenv("MYELIN_TEST_POSTGRES_FSYNC", "on")
						d = dbtest.Postgres(b)
					}
					benchLane(b, d, senders, rooms)
				})
			}
		}
	}
}

// BenchmarkRead is one row by its key, from several goroutines.
func BenchmarkRead(b *testing.B) {
	for _, kind := range []string{"sqlite", "postgres"} {
		b.Run(kind, func(b *testing.B) {
			d := (*db.DB)(nil)
			if kind == "sqlite" {
				d = dbtest.SQLite(b)
			} else {
				d = dbtest.Postgres(b)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					var n int64
					if err := d.QueryRow(ctx, `select stream from position where one = $1`, 1).Scan(&n); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
