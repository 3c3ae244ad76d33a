//go:build !linux

package db

import (
	"syscall"
	"time"
)

// userTimeout does nothing here: keep-alive has to find a dead connection.
func userTimeout(syscall.RawConn, time.Duration) error { return nil }
