package account

import "github.com/prometheus/client_golang/prometheus"

func registerMetrics(reg prometheus.Registerer, a *Accounts) {
	if reg == nil {
		reg = prometheus.DefaultRegisterer
	}
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "myelin_account_sessions", Help: "Access tokens known in memory.",
	}, func() float64 { return float64(a.sessions.len()) }))
}
