package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/myelin-health/myelin/rest"
)

// drainTime is how long requests under way may take to finish at the stop.
const drainTime = 10 * time.Second

// listener is one address that is served.
type listener struct {
	net.Listener
	server *http.Server
	scheme string
}

func (l *listener) serve() error {
	var err error
	if l.server.TLSConfig != nil {
		err = l.server.ServeTLS(l.Listener, "", "")
	} else {
		err = l.server.Serve(l.Listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", l.Addr(), err)
}

// listen opens every address of the configuration, so that a taken port stops
// the start.
func (s *Server) listen(ctx context.Context, handler http.Handler) error {
	c := s.config
	for _, address := range []struct{ key, value, scheme string }{
		{"listen_http", c.ListenHTTP, "http"}, {"listen_https", c.ListenHTTPS, "https"}, {"admin_listen", c.AdminListen, "admin"},
	} {
		if address.value == "" {
			continue
		}
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address.value)
		if err != nil {
			return fmt.Errorf("configuration key %s: %w", address.key, err)
		}
		serve := handler
		if address.scheme == "admin" {
			serve = s.adminHandler()
		}
		entry := &listener{Listener: l, server: rest.NewHTTPServer(serve, s.log), scheme: address.scheme}
		entry.server.BaseContext = func(net.Listener) context.Context { return s.serving }
		s.listeners = append(s.listeners, entry)
		if address.scheme == "https" {
			pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
			if err != nil {
				return fmt.Errorf("configuration keys tls_cert and tls_key: %w", err)
			}
			entry.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		}
	}
	return nil
}

// Addresses lists what is served as URLs, plain HTTP first.
func (s *Server) Addresses() []string {
	var urls []string
	for _, l := range s.listeners {
		if l.scheme != "admin" {
			urls = append(urls, l.scheme+"://"+l.Addr().String())
		}
	}
	return urls
}

// adminHandler serves metrics and profiles on an address of its own.
func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
