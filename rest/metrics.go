package rest

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics holds what is counted; the children of a route are made when it is added.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	limited  *prometheus.CounterVec
	panics   prometheus.Counter
}

type routeMetrics struct {
	class   [6]prometheus.Counter // by the first digit of the status
	seconds prometheus.Observer
}

var classes = [6]string{"", "1xx", "2xx", "3xx", "4xx", "5xx"}

func newMetrics(reg prometheus.Registerer, s *Server) *metrics {
	if reg == nil {
		reg = prometheus.DefaultRegisterer
	}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "myelin_http_requests_total", Help: "Requests answered, by route and class of status.",
		}, []string{"method", "route", "class"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "myelin_http_request_seconds", Help: "Time to answer, without routes that wait.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
		}, []string{"method", "route"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "myelin_http_limited_total", Help: "Requests refused by a limit.",
		}, []string{"limit"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "myelin_http_panics_total", Help: "Handlers that panicked.",
		}),
	}
	reg.MustRegister(m.requests, m.seconds, m.limited, m.panics,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "myelin_http_active", Help: "Requests being served, without those that wait.",
		}, func() float64 { return float64(s.active.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "myelin_http_waiting", Help: "Long polls and streams being served.",
		}, func() float64 { return float64(s.waiting.Load()) }))
	return m
}

func (m *metrics) route(method, path string) *routeMetrics {
	r := &routeMetrics{seconds: m.seconds.WithLabelValues(method, path)}
	for i := 1; i < len(classes); i++ {
		r.class[i] = m.requests.WithLabelValues(method, path, classes[i])
	}
	return r
}

func (r *routeMetrics) done(status int, long bool, took time.Duration) {
	if c := status / 100; c > 0 && c < len(r.class) {
		r.class[c].Inc()
	}
	if !long {
		r.seconds.Observe(took.Seconds())
	}
}
