package seal

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"
)

func sealFile(t testing.TB, k *Keys, scope Scope, aad string, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := k.NewWriter(t.Context(), scope, aad, &out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, iotest.OneByteReader(bytes.NewReader(plain[:min(3, len(plain))]))); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain[min(3, len(plain)):]); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if int64(out.Len()) != StreamSize(int64(len(plain))) {
		t.Errorf("%d bytes sealed are %d, StreamSize says %d", len(plain), out.Len(), StreamSize(int64(len(plain))))
	}
	return out.Bytes()
}

func openFile(t testing.TB, k *Keys, scope Scope, aad string, sealed []byte) (*Reader, error) {
	t.Helper()
	return k.NewReader(t.Context(), scope, aad, bytes.NewReader(sealed), int64(len(sealed)))
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	r.Read(b)
	return b
}

func TestStream(t *testing.T) {
	k := open(t, Options{Dir: t.TempDir()})
	scope := Room("!r:x")
	for _, size := range []int{0, 1, 100, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize, 3*chunkSize + 17} {
		plain := noise(size)
		sealed := sealFile(t, k, scope, "file", plain)
		if size > 50 && bytes.Contains(sealed, plain[:50]) {
			t.Error("clear text in the sealed file")
		}
		r, err := openFile(t, k, scope, "file", sealed)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if r.Size() != int64(size) {
			t.Errorf("size is %d, want %d", r.Size(), size)
		}
		if err := iotest.TestReader(r, plain); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		if _, err := r.Seek(int64(size/3), io.SeekStart); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if n, err := r.WriteTo(&out); n != int64(size-size/3) || err != nil || !bytes.Equal(out.Bytes(), plain[size/3:]) {
			t.Errorf("WriteTo of %d bytes: %d, %v", size, n, err)
		}
	}
}

func TestStreamTampered(t *testing.T) {
	k := open(t, Options{Dir: t.TempDir()})
	scope := Room("!r:x")
	plain := noise(3*chunkSize + 17)
	sealed := sealFile(t, k, scope, "file", plain)
	chunk := func(i int) []byte {
		return sealed[streamHeader+i*sealedChunk : min(len(sealed), streamHeader+(i+1)*sealedChunk)]
	}
	swapped := slices.Concat(sealed[:streamHeader], chunk(1), chunk(0), chunk(2), chunk(3))
	changed := bytes.Clone(sealed)
	changed[streamHeader+sealedChunk+5] ^= 1
	cases := map[string][]byte{
		"changed":             changed,
		"swapped":             swapped,
		"last chunk cut":      sealed[:streamHeader+3*sealedChunk],
		"last byte cut":       sealed[:len(sealed)-1],
		"chunk left out":      slices.Concat(sealed[:streamHeader], chunk(0), chunk(2), chunk(3)),
		"appended":            append(bytes.Clone(sealed), 0),
		"appended chunk":      slices.Concat(sealed, chunk(3)),
		"header only":         sealed[:streamHeader],
		"empty":               nil,
		"one tag":             sealed[:streamHeader+tagSize],
		"other salt":          slices.Concat(sealed[:headerSize], make([]byte, secretSize), sealed[streamHeader:]),
		"other version":       append([]byte{7}, sealed[1:]...),
		"other key":           slices.Concat([]byte{streamVersion, 0, 0, 0, 9}, sealed[headerSize:]),
		"tag of an empty one": sealed[:streamHeader+sealedChunk+5],
	}
	for name, b := range cases {
		r, err := openFile(t, k, scope, "file", b)
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, b := range map[string]error{"scope": func() error { _, err := openFile(t, k, Server, "file", sealed); return err }(),
		"place": func() error { _, err := openFile(t, k, scope, "other", sealed); return err }()} {
		if !errors.Is(b, ErrCorrupt) {
			t.Errorf("other %s: %v", name, b)
		}
	}

	// Before the changed chunk everything is good, and after an error the reader can still be used.
	r, err := openFile(t, k, scope, "file", changed)
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, chunkSize)
	if _, err := io.ReadFull(r, first); err != nil || !bytes.Equal(first, plain[:chunkSize]) {
		t.Errorf("first chunk: %v", err)
	}
	var out bytes.Buffer
	if _, err := r.WriteTo(&out); !errors.Is(err, ErrCorrupt) || out.Len() != 0 {
		t.Errorf("changed chunk: %d bytes, %v", out.Len(), err)
	}
	if _, err := r.Seek(-17, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(r); err != nil || !bytes.Equal(rest, plain[3*chunkSize:]) {
		t.Errorf("end: %v", err)
	}
	if _, err := r.Seek(-1, io.SeekStart); err == nil {
		t.Error("sought before the start")
	}
	if _, err := r.Seek(0, 9); err == nil {
		t.Error("sought from nowhere")
	}
	if at, err := r.Seek(5, io.SeekCurrent); at != int64(len(plain)+5) || err != nil {
		t.Errorf("sought to %d, %v", at, err)
	}
	if _, err := r.Read(first); err != io.EOF {
		t.Errorf("read after the end: %v", err)
	}
}

func TestStreamErased(t *testing.T) {
	k := open(t, Options{Dir: t.TempDir()})
	scope := Person("@a:x")
	sealed := sealFile(t, k, scope, "file", noise(2*chunkSize))
	r, err := openFile(t, k, scope, "file", sealed)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Destroy(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(r)
	wantErr(t, err, ErrErased)
	_, err = openFile(t, k, scope, "file", sealed)
	wantErr(t, err, ErrErased)
}

type failAfter struct{ left int }

var errDisk = errors.New("disk full")

func (f *failAfter) Write(p []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

func TestStreamWriteFails(t *testing.T) {
	k := open(t, Options{Dir: t.TempDir()})
	for calls := range 4 {
		w, err := k.NewWriter(t.Context(), Server, "file", &failAfter{calls})
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(w, bytes.NewReader(noise(3*chunkSize)))
		wantErr(t, errors.Join(err, w.Close()), errDisk)
		_, err = w.Write([]byte("more"))
		wantErr(t, err, errDisk)
	}
	var out bytes.Buffer
	w, err := k.NewWriter(t.Context(), Server, "file", &out)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("wrote after Close")
	}
	if err := w.Close(); err == nil {
		t.Error("closed twice")
	}
	if _, err := k.NewWriter(t.Context(), "", "file", &out); err == nil {
		t.Error("empty scope accepted")
	}
}

func TestStreamReadFails(t *testing.T) {
	k := open(t, Options{Dir: t.TempDir()})
	sealed := sealFile(t, k, Server, "file", noise(10))
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, sealed, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.NewReader(t.Context(), Server, "file", f, StreamSize(11)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("file shorter than it should be: %v", err)
	}
	r, err := k.NewReader(t.Context(), Server, "file", f, int64(len(sealed)))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	r.have = -1
	if _, err := io.ReadAll(r); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed file: %v", err)
	}
	if _, err := k.NewReader(t.Context(), Server, "file", f, int64(len(sealed))); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed file: %v", err)
	}
}

func FuzzReader(f *testing.F) {
	k := open(f, Options{Dir: f.TempDir()})
	plain := noise(chunkSize + 100)
	sealed := sealFile(f, k, Server, "file", plain)
	f.Add(sealed)
	f.Add(sealFile(f, k, Server, "file", nil))
	f.Add([]byte{streamVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := openFile(t, k, Server, "file", b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("unexpected error %v", err)
			}
			return
		}
		got, err := io.ReadAll(r)
		if err == nil && len(got) > 0 && !bytes.Equal(got, plain) {
			t.Errorf("a file that nobody sealed was opened: %d bytes", len(got))
		}
	})
}

func BenchmarkStream(b *testing.B) {
	k := open(b, Options{Dir: b.TempDir()})
	plain := noise(1 << 20)
	sealed := sealFile(b, k, Server, "file", plain)
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		for b.Loop() {
			w, err := k.NewWriter(b.Context(), Server, "file", io.Discard)
			if err != nil {
				b.Fatal(err)
			}
			w.Write(plain)
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		for b.Loop() {
			r, err := openFile(b, k, Server, "file", sealed)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := r.WriteTo(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
}
