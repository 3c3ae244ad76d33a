package db

import (
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// SQLite writes its log page by page, two system calls each; at a few dozen
// pages per commit they cost more than everything else. The VFS below is
// SQLite's own one, except that consecutive writes to a log are gathered and
// written in one go before the log is synced, read, measured, truncated or closed.
// With synchronous=FULL SQLite syncs the log before it shows a commit
// to anybody, so nobody can miss what is still gathered.

const walVFS = "myelin-wal"

// walBuffer is how much is gathered at most. SQLite's own method takes no more than 131071
// bytes at a time.
const walBuffer = 124 << 10

// walFile is one open log of one connection. SQLite calls its methods one at a time.
type walFile struct {
	own   *sqlite3.Tsqlite3_io_methods // SQLite's methods
	state *walState
	buf   uintptr // walBuffer bytes outside of the Go heap; 0 until the first write
	at    int64   // offset of the first gathered byte
	n     int     // gathered bytes
}

// walState is what the rest of the package knows of one log.
type walState struct {
	size  atomic.Int64 // bytes since the log was last started anew
	syncs atomic.Int64
}

var (
	walOnce    sync.Once
	walErr     error
	walMethods sqlite3.Tsqlite3_io_methods
	walDefault uintptr  // SQLite's default VFS
	walFiles   sync.Map // uintptr of the sqlite3_file -> *walFile
	walStates  sync.Map // path of the log -> *walState
)

// at turns an address outside of the Go heap into a pointer.
func addr[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

// call turns a C function pointer into a Go function.
func call[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&struct{ p uintptr }{p})) }

// registerWAL registers the VFS and returns the state of the log of a database
// and the VFS's name.
func registerWAL(path string) (*walState, string, error) {
	walOnce.Do(func() { walErr = installWAL() })
	if walErr != nil {
		return nil, "", walErr
	}
	s, _ := walStates.LoadOrStore(path+"-wal", new(walState))
	return s.(*walState), walVFS, nil
}

func forgetWAL(path string) { walStates.Delete(path + "-wal") }

func installWAL() error {
	tls := libc.NewTLS()
	defer tls.Close()
	if rc := sqlite3.Xsqlite3_initialize(tls); rc != sqlite3.SQLITE_OK {
		return fmt.Errorf("initialise SQLite: code %d", rc)
	}
	if walDefault = sqlite3.Xsqlite3_vfs_find(tls, 0); walDefault == 0 {
		return fmt.Errorf("SQLite has no default VFS")
	}
	name, err := libc.CString(walVFS)
	if err != nil {
		return err
	}
	p := libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(sqlite3.Tsqlite3_vfs{})))
	if p == 0 {
		return fmt.Errorf("no memory for a VFS")
	}
	vfs := addr[sqlite3.Tsqlite3_vfs](p)
	*vfs = *addr[sqlite3.Tsqlite3_vfs](walDefault)
	vfs.FpNext, vfs.FzName = 0, name
	*(*func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32)(unsafe.Pointer(&vfs.FxOpen)) = walOpen
	if rc := sqlite3.Xsqlite3_vfs_register(tls, p, 0); rc != sqlite3.SQLITE_OK {
		return fmt.Errorf("register a VFS: code %d", rc)
	}
	return nil
}

var walMethodsOnce sync.Once

func walOpen(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32 {
	own := addr[sqlite3.Tsqlite3_vfs](walDefault)
	rc := call[func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32](own.FxOpen)(tls, walDefault, name, file, flags, outFlags)
	if rc != sqlite3.SQLITE_OK || flags&sqlite3.SQLITE_OPEN_WAL == 0 {
		return rc
	}
	state, ok := walStates.Load(libc.GoString(name))
	if !ok {
		return rc
	}
	f := addr[sqlite3.Tsqlite3_file](file)
	w := &walFile{own: addr[sqlite3.Tsqlite3_io_methods](f.FpMethods), state: state.(*walState)}
	walMethodsOnce.Do(func() {
		walMethods = *w.own
		*(*func(*libc.TLS, uintptr) int32)(unsafe.Pointer(&walMethods.FxClose)) = walClose
		*(*func(*libc.TLS, uintptr, uintptr, int32, int64) int32)(unsafe.Pointer(&walMethods.FxRead)) = walRead
		*(*func(*libc.TLS, uintptr, uintptr, int32, int64) int32)(unsafe.Pointer(&walMethods.FxWrite)) = walWrite
		*(*func(*libc.TLS, uintptr, int64) int32)(unsafe.Pointer(&walMethods.FxTruncate)) = walTruncate
		*(*func(*libc.TLS, uintptr, int32) int32)(unsafe.Pointer(&walMethods.FxSync)) = walSync
		*(*func(*libc.TLS, uintptr, uintptr) int32)(unsafe.Pointer(&walMethods.FxFileSize)) = walFileSize
	})
	walFiles.Store(file, w)
	f.FpMethods = uintptr(unsafe.Pointer(&walMethods))
	return rc
}

func walOf(file uintptr) *walFile {
	w, _ := walFiles.Load(file)
	return w.(*walFile)
}

// flush writes what was gathered.
func (w *walFile) flush(tls *libc.TLS, file uintptr) int32 {
	if w.n == 0 {
		return sqlite3.SQLITE_OK
	}
	rc := call[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](w.own.FxWrite)(tls, file, w.buf, int32(w.n), w.at)
	// Gone also after an error: SQLite takes the transaction back then.
	w.n = 0
	return rc
}

func walWrite(tls *libc.TLS, file, p uintptr, n int32, at int64) int32 {
	w := walOf(file)
	if at == 0 {
		w.state.size.Store(0)
	}
	if end := at + int64(n); end > w.state.size.Load() {
		w.state.size.Store(end)
	}
	if w.buf == 0 {
		if w.buf = libc.Xmalloc(tls, walBuffer); w.buf == 0 {
			return sqlite3.SQLITE_IOERR_NOMEM
		}
	}
	if w.n > 0 && (at != w.at+int64(w.n) || w.n+int(n) > walBuffer) {
		if rc := w.flush(tls, file); rc != sqlite3.SQLITE_OK {
			return rc
		}
	}
	if int(n) > walBuffer {
		return call[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](w.own.FxWrite)(tls, file, p, n, at)
	}
	if w.n == 0 {
		w.at = at
	}
	copy(unsafe.Slice(addr[byte](w.buf), walBuffer)[w.n:], unsafe.Slice(addr[byte](p), n))
	w.n += int(n)
	return sqlite3.SQLITE_OK
}

func walSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	w := walOf(file)
	if rc := w.flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	rc := call[func(*libc.TLS, uintptr, int32) int32](w.own.FxSync)(tls, file, flags)
	w.state.syncs.Add(1)
	return rc
}

func walRead(tls *libc.TLS, file, p uintptr, n int32, at int64) int32 {
	w := walOf(file)
	if rc := w.flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return call[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](w.own.FxRead)(tls, file, p, n, at)
}

func walTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	w := walOf(file)
	if rc := w.flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return call[func(*libc.TLS, uintptr, int64) int32](w.own.FxTruncate)(tls, file, size)
}

func walFileSize(tls *libc.TLS, file, size uintptr) int32 {
	w := walOf(file)
	if rc := w.flush(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return call[func(*libc.TLS, uintptr, uintptr) int32](w.own.FxFileSize)(tls, file, size)
}

func walClose(tls *libc.TLS, file uintptr) int32 {
	w := walOf(file)
	flushed := w.flush(tls, file)
	walFiles.Delete(file)
	if w.buf != 0 {
		libc.Xfree(tls, w.buf)
	}
	if rc := call[func(*libc.TLS, uintptr) int32](w.own.FxClose)(tls, file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return flushed
}
