package room

import (
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	events   prometheus.Counter
	stale    prometheus.Counter
	rebased  prometheus.Counter
	rejected *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, rs *Rooms) *metrics {
	m := &metrics{
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "myelin_room_events_total", Help: "Timeline events written by this process."}),
		stale: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "myelin_room_stale_total", Help: "Writes built again because another process changed the state of the room."}),
		rebased: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "myelin_room_rebased_total", Help: "Writes put behind what another process wrote to the room."}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "myelin_room_received_total", Help: "Events of other servers by what became of them."}, []string{"outcome"}),
	}
	hot := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "myelin_room_hot", Help: "Rooms in memory."}, func() float64 {
		rs.mu.Lock()
		defer rs.mu.Unlock()
		return float64(len(rs.hot))
	})
	if reg != nil {
		reg.MustRegister(m.events, m.stale, m.rebased, m.rejected, hot)
	}
	return m
}
