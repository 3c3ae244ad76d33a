package audit

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	entries, failures prometheus.Counter
	signed            prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		entries: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "myelin", Subsystem: "audit", Name: "entries_total",
			Help: "Entries that this process wrote to the audit log."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "myelin", Subsystem: "audit", Name: "failures_total",
			Help: "Failures to sign, index or write refusals; each is tried again."}),
		signed: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "myelin", Subsystem: "audit", Name: "signed_entries",
			Help: "Entries covered by the last signature that this process made."}),
	}
	if r != nil {
		r.MustRegister(m.entries, m.failures, m.signed)
	}
	return m
}
