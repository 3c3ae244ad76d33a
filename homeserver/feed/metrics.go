package feed

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	wakeups  *prometheus.CounterVec
	syncs    *prometheus.CounterVec
	bytes    prometheus.Counter
	recounts prometheus.Counter
	caughtUp prometheus.Counter
	pushes   *prometheus.CounterVec
	waiting  prometheus.GaugeFunc
	people   prometheus.GaugeFunc
	places   prometheus.GaugeFunc
}

func newMetrics(reg prometheus.Registerer, f *Feed) *metrics {
	m := &metrics{
		wakeups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "myelin_feed_wakeups", Help: "Waiting devices that were woken, by what woke them."}, []string{"by"}),
		syncs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "myelin_feed_syncs", Help: "Answered syncs: initial, news or nothing."}, []string{"kind"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "myelin_feed_sync_bytes", Help: "Size of the answers to syncs."}),
		recounts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "myelin_feed_recounts", Help: "Unread counts that were made from stored events."}),
		caughtUp: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "myelin_feed_caught_up", Help: "Positions of other processes that were read."}),
		pushes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "myelin_feed_pushes", Help: "Calls of push gateways, and letters: ok, mailed, rejected, failed or unreachable."}, []string{"result"}),
		waiting: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "myelin_feed_waiting", Help: "Devices that wait for news."},
			func() float64 { return float64(f.waiters.count()) }),
		people: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "myelin_feed_people", Help: "People whose state is in memory."},
			func() float64 { f.mu.Lock(); defer f.mu.Unlock(); return float64(len(f.people)) }),
		places: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "myelin_feed_rooms", Help: "Rooms whose newest position is in memory."},
			func() float64 { f.mu.Lock(); defer f.mu.Unlock(); return float64(len(f.places)) }),
	}
	if reg != nil {
		reg.MustRegister(m.wakeups, m.syncs, m.bytes, m.recounts, m.caughtUp, m.pushes, m.waiting, m.people, m.places)
	}
	return m
}
