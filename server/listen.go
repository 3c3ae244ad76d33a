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
	room   *rest.WaitingRoom // of connections whose request waits
	server *http.Server
	scheme string
}

func (l *listener) serve() error {
	var err error
	if l.scheme == "https" {
		err = l.server.ServeTLS(l.Listener, "", "")
	} else {
		err = l.server.Serve(l.Listener)
	}
	return l.served(err)
}

// serveRoom serves the connections that come back.
func (l *listener) serveRoom() error { return l.served(l.server.Serve(l.room)) }

func (l *listener) served(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", l.Addr(), err)
}

// stop lets requests under way finish, and cuts them off when ctx ends.
func (l *listener) stop(ctx context.Context) error {
	defer func() { _ = l.Close() }() // an address that was opened and never served, because the start failed
	_ = l.room.Close()               // never fails
	if err := errors.Join(l.room.Drain(ctx), l.server.Shutdown(ctx)); err != nil {
		return fmt.Errorf("requests under way at %s were cut off: %w", l.Addr(), errors.Join(err, l.server.Close()))
	}
	return nil
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
		entry := &listener{Listener: l, room: rest.NewWaitingRoom(l.Addr()), server: rest.NewHTTPServer(serve, s.log), scheme: address.scheme}
		entry.server.BaseContext = func(net.Listener) context.Context { return entry.room.Context(s.serving) }
		s.listeners = append(s.listeners, entry)
		if address.scheme == "https" {
			pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
			if err != nil {
				return fmt.Errorf("configuration keys tls_cert and tls_key: %w", err)
			}
			entry.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
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
