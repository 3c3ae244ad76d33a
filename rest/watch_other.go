//go:build !linux

package rest

import "net"

// What a connection can be watched for.
const (
	hangUp uint32 = iota
	readable
)

// watcher is there on Linux only. Without one, requests wait in their goroutines.
type watcher struct{}

func newWatcher() *watcher { return nil }

func (*watcher) add(net.Conn, uint32, func()) (uint64, bool) { return 0, false }
func (*watcher) rearm(uint64, uint32, func()) bool           { return false }
func (*watcher) remove(uint64)                               {}
func (*watcher) close()                                      {}
