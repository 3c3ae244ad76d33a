//go:build !linux

package db

import (
	"sync/atomic"
)

type walState struct {
	size  atomic.Int64
	syncs atomic.Int64
}

// registerWAL uses SQLite's own VFS; the size of the log is not known.
func registerWAL(string) (*walState, string, error) { return new(walState), "", nil }

func forgetWAL(string) {}
