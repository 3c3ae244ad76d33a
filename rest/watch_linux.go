package rest

import (
	"net"
	"os"
	"sync"
	"syscall"
)

// What a connection can be watched for.
const (
	hangUp   = syscall.EPOLLRDHUP // the other side is gone, whatever it sent before
	readable = syscall.EPOLLIN | syscall.EPOLLRDHUP
)

// watcher tells when something happens on connections, with one goroutine for all of them. Go's own way to
// know is a goroutine that reads, which costs its stack and a buffer each.
type watcher struct {
	epoll *os.File
	raw   syscall.RawConn

	mu      sync.Mutex
	last    uint64
	watched map[uint64]*watched
}

type watched struct {
	raw   syscall.RawConn
	ready func()
}

func newWatcher() *watcher {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	// A set of descriptors is a descriptor: Go's own set has it, so that no thread is needed to wait.
	if err := syscall.SetNonblock(fd, true); err != nil {
		_ = syscall.Close(fd) // of no use
		return nil
	}
	w := &watcher{epoll: os.NewFile(uintptr(fd), "epoll"), watched: make(map[uint64]*watched)}
	if w.raw, err = w.epoll.SyscallConn(); err != nil {
		_ = w.epoll.Close() // of no use
		return nil
	}
	go w.run(fd)
	return w
}

func (w *watcher) run(fd int) {
	events := make([]syscall.EpollEvent, 128)
	for {
		n := 0
		err := w.raw.Read(func(uintptr) bool {
			var err error
			n, err = syscall.EpollWait(fd, events, 0)
			return n > 0 || err != nil && err != syscall.EINTR
		})
		if err != nil {
			return // closed
		}
		for _, e := range events[:max(n, 0)] {
			w.mu.Lock()
			x := w.watched[uint64(uint32(e.Fd))|uint64(uint32(e.Pad))<<32]
			var ready func()
			if x != nil {
				ready = x.ready
			}
			w.mu.Unlock()
			if ready != nil {
				ready()
			}
		}
	}
}

// add watches a connection and calls ready, which must not block, once when the events come or it breaks. It
// reports whether it can.
func (w *watcher) add(c net.Conn, events uint32, ready func()) (id uint64, ok bool) {
	for {
		below, wrapped := c.(interface{ NetConn() net.Conn })
		if !wrapped {
			break
		}
		c = below.NetConn()
	}
	sc, ok := c.(syscall.Conn)
	if !ok {
		return 0, false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, false
	}
	w.mu.Lock()
	w.last++
	id = w.last
	w.watched[id] = &watched{raw, ready}
	w.mu.Unlock()
	if !w.control(raw, syscall.EPOLL_CTL_ADD, id, events) {
		w.remove(id)
		return 0, false
	}
	return id, true
}

// rearm watches a connection that was added once more.
func (w *watcher) rearm(id uint64, events uint32, ready func()) bool {
	w.mu.Lock()
	x := w.watched[id]
	if x != nil {
		x.ready = ready
	}
	w.mu.Unlock()
	return x != nil && w.control(x.raw, syscall.EPOLL_CTL_MOD, id, events)
}

// remove ends the watching, before the connection is closed or given away.
func (w *watcher) remove(id uint64) {
	w.mu.Lock()
	x := w.watched[id]
	delete(w.watched, id)
	w.mu.Unlock()
	if x != nil {
		w.control(x.raw, syscall.EPOLL_CTL_DEL, id, 0)
	}
}

// control changes what the system watches. A closed connection is left out by itself.
func (w *watcher) control(raw syscall.RawConn, op int, id uint64, events uint32) bool {
	done := false
	outside := w.raw.Control(func(set uintptr) {
		inside := raw.Control(func(fd uintptr) {
			e := syscall.EpollEvent{Events: events | syscall.EPOLLONESHOT, Fd: int32(uint32(id)), Pad: int32(uint32(id >> 32))}
			done = syscall.EpollCtl(int(set), op, int(fd), &e) == nil
		})
		done = done && inside == nil
	})
	return done && outside == nil
}

func (w *watcher) close() { _ = w.epoll.Close() }
