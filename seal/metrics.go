package seal

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	loads, made, erased prometheus.Counter
}

func newMetrics(r prometheus.Registerer) metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "myelin", Subsystem: "seal", Name: name, Help: help})
	}
	m := metrics{
		loads:  counter("key_loads_total", "Data keys that were not in memory and were looked up in the key store."),
		made:   counter("keys_made_total", "Data keys made."),
		erased: counter("keys_erased_total", "Data keys destroyed by this process."),
	}
	if r != nil {
		r.MustRegister(m.loads, m.made, m.erased)
	}
	return m
}
