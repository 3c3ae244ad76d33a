package db

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	batchSize   prometheus.Histogram
	batchTime   prometheus.Histogram
	commitTime  prometheus.Histogram
	committed   prometheus.Counter
	refused     prometheus.Counter
	repeats     prometheus.Counter
	slow        *prometheus.CounterVec
	reconnects  prometheus.Counter
	queued      prometheus.Gauge
	checkpoints prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	times := []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .5, 1, 5}
	m := &metrics{
		batchSize: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "myelin_db_batch_members",
			Help: "Members of one group commit.", Buckets: []float64{1, 2, 4, 8, 16, 32, 64}}),
		batchTime: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "myelin_db_batch_seconds",
			Help: "Time of one group commit from taking its members to the end of its commit.", Buckets: times}),
		commitTime: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "myelin_db_commit_seconds",
			Help: "Time of writing the rows of one group commit and committing them.", Buckets: times}),
		committed: prometheus.NewCounter(prometheus.CounterOpts{Name: "myelin_db_writes_committed_total",
			Help: "Members of group commits that were committed."}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{Name: "myelin_db_writes_refused_total",
			Help: "Members of group commits that failed or dropped out."}),
		repeats: prometheus.NewCounter(prometheus.CounterOpts{Name: "myelin_db_batches_repeated_total",
			Help: "Group commits that failed and were repeated one by one."}),
		slow: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "myelin_db_slow_writes_total",
			Help: "Writes whose function held the lane longer than 20 ms."}, []string{"name"}),
		reconnects: prometheus.NewCounter(prometheus.CounterOpts{Name: "myelin_db_reconnects_total",
			Help: "Times the lane lost its PostgreSQL connection."}),
		queued: prometheus.NewGauge(prometheus.GaugeOpts{Name: "myelin_db_queued_writes",
			Help: "Writes waiting for the lane when it last looked."}),
		checkpoints: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "myelin_db_checkpoint_seconds",
			Help: "Time of one SQLite checkpoint.", Buckets: times}),
	}
	if r != nil {
		r.MustRegister(m.batchSize, m.batchTime, m.commitTime, m.committed, m.refused, m.repeats,
			m.slow, m.reconnects, m.queued, m.checkpoints)
	}
	return m
}
