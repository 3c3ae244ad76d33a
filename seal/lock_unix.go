//go:build unix

package seal

import (
	"os"
	"syscall"
)

// tryLock takes the exclusive lock of an open file, which ends when the file is closed. It fails when another has it.
func tryLock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
