package db

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// userTimeout makes a TCP connection fail when the other side acknowledges
// nothing for so long.
func userTimeout(raw syscall.RawConn, d time.Duration) error {
	var setErr error
	err := raw.Control(func(fd uintptr) {
		setErr = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return setErr
}
