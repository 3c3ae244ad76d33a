package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/quick"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db/dbtest"
)

// each runs a test on both kinds of key store.
func each(t *testing.T, f func(t *testing.T, o Options)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, Options{Dir: t.TempDir()}) })
	t.Run("postgres", func(t *testing.T) { f(t, Options{Dir: t.TempDir(), URL: dbtest.EmptyPostgresURL(t)}) })
}

func open(t testing.TB, o Options) *Keys {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	k, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func mustSeal(t testing.TB, k *Keys, scope Scope, aad, plain string) []byte {
	t.Helper()
	sealed, err := k.Seal(t.Context(), scope, aad, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func mustOpen(t testing.TB, k *Keys, scope Scope, aad string, sealed []byte, want string) {
	t.Helper()
	plain, err := k.Open(t.Context(), scope, aad, sealed)
	if err != nil || string(plain) != want {
		t.Fatalf("Open = %q, %v; want %q", plain, err, want)
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

func TestSealOpen(t *testing.T) {
	each(t, func(t *testing.T, o Options) {
		k := open(t, o)
		room := Room("!ward:hospital.example")
		sealed := mustSeal(t, k, room, "event/1", "the patient in bed 7")
		if len(sealed) != Overhead+len("the patient in bed 7") {
			t.Errorf("sealed text is %d bytes", len(sealed))
		}
		if bytes.Contains(sealed, []byte("patient")) {
			t.Error("clear text in sealed text")
		}
		mustOpen(t, k, room, "event/1", sealed, "the patient in bed 7")
		if again := mustSeal(t, k, room, "event/1", "the patient in bed 7"); bytes.Equal(again, sealed) {
			t.Error("the same text sealed twice is the same")
		}
		for name, try := range map[string]func() ([]byte, error){
			"other place": func() ([]byte, error) { return k.Open(t.Context(), room, "event/2", sealed) },
			"other scope": func() ([]byte, error) { return k.Open(t.Context(), Person("@a:b"), "event/1", sealed) },
			"empty":       func() ([]byte, error) { return k.Open(t.Context(), room, "event/1", nil) },
			"short":       func() ([]byte, error) { return k.Open(t.Context(), room, "event/1", sealed[:Overhead-1]) },
			"cut":         func() ([]byte, error) { return k.Open(t.Context(), room, "event/1", sealed[:len(sealed)-1]) },
			"other key": func() ([]byte, error) {
				b := bytes.Clone(sealed)
				b[4] = 9
				return k.Open(t.Context(), room, "event/1", b)
			},
			"other format": func() ([]byte, error) {
				b := bytes.Clone(sealed)
				b[0] = 9
				return k.Open(t.Context(), room, "event/1", b)
			},
		} {
			if plain, err := try(); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %q, %v", name, plain, err)
			}
		}
		for i := range sealed {
			b := bytes.Clone(sealed)
			b[i] ^= 1
			if _, err := k.Open(t.Context(), room, "event/1", b); !errors.Is(err, ErrCorrupt) {
				t.Errorf("byte %d changed: %v", i, err)
			}
		}

		prefixed, err := k.AppendSeal(t.Context(), []byte("before"), Server, "x", []byte("text"))
		if err != nil || !bytes.HasPrefix(prefixed, []byte("before")) {
			t.Fatalf("AppendSeal: %q, %v", prefixed, err)
		}
		plain, err := k.AppendOpen(t.Context(), []byte("clear "), Server, "x", prefixed[6:])
		if err != nil || string(plain) != "clear text" {
			t.Fatalf("AppendOpen: %q, %v", plain, err)
		}

		// Another process, and the next start.
		mustOpen(t, open(t, o), room, "event/1", sealed, "the patient in bed 7")
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Seal(t.Context(), room, "x", nil); !errors.Is(err, ErrClosed) {
			t.Errorf("Seal after Close: %v", err)
		}
		if _, err := k.Seal(t.Context(), Room("!new:x"), "x", nil); !errors.Is(err, ErrClosed) {
			t.Errorf("Seal with a new key after Close: %v", err)
		}
		if err := k.Destroy(t.Context(), room); !errors.Is(err, ErrClosed) {
			t.Errorf("Destroy after Close: %v", err)
		}
		if err := k.Close(); err != nil {
			t.Errorf("Close twice: %v", err)
		}
		mustOpen(t, open(t, o), room, "event/1", sealed, "the patient in bed 7")
	})
}

func TestBoundsOfArguments(t *testing.T) {
	k := open(t, Options{Dir: t.TempDir()})
	if _, err := k.Seal(t.Context(), "", "x", nil); err == nil {
		t.Error("empty scope accepted")
	}
	if _, err := k.Seal(t.Context(), Server, string(make([]byte, maxAAD+1)), nil); err == nil {
		t.Error("endless associated data accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Seal(ctx, Room("!never:x"), "x", nil); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	mustOpen(t, k, Server, "", mustSeal(t, k, Server, "", ""), "")
}

// Whatever is sealed opens again, and with nothing else than what it was sealed with.
func TestSealProperty(t *testing.T) {
	k := open(t, Options{Dir: t.TempDir(), Cache: 2})
	check := func(who uint8, aad, other string, plain []byte) bool {
		scope := Person("@" + idOf(who) + ":x")
		sealed, err := k.Seal(t.Context(), scope, aad, plain)
		if err != nil {
			return false
		}
		got, err := k.Open(t.Context(), scope, aad, sealed)
		if err != nil || !bytes.Equal(got, plain) {
			return false
		}
		_, err = k.Open(t.Context(), scope, other, sealed)
		return (err == nil) == (aad == other)
	}
	if err := quick.Check(check, &quick.Config{MaxCount: 300}); err != nil {
		t.Error(err)
	}
}

func idOf[T ~int | ~uint8](n T) id.UserID { return id.UserID(fmt.Sprint("u", n)) }

func TestFirstUsesCoalesce(t *testing.T) {
	each(t, func(t *testing.T, o Options) {
		registry := prometheus.NewRegistry()
		o.Metrics = registry
		k := open(t, o)
		o.Metrics = nil
		other := open(t, o)
		const scopes, users = 50, 8
		sealed := make([][]byte, scopes*users)
		var wait sync.WaitGroup
		for i := range sealed {
			wait.Go(func() {
				keys := k
				if i%2 == 1 {
					keys = other
				}
				sealed[i] = mustSeal(t, keys, Person("@"+idOf(i%scopes)+":x"), "a", "text")
			})
		}
		wait.Wait()
		for i := range sealed {
			mustOpen(t, k, Person("@"+idOf(i%scopes)+":x"), "a", sealed[i], "text")
			mustOpen(t, other, Person("@"+idOf(i%scopes)+":x"), "a", sealed[i], "text")
		}
		var keys int
		if err := k.store.read.QueryRow(`select count(*) from data_key`).Scan(&keys); err != nil {
			t.Fatal(err)
		}
		if keys != scopes {
			t.Errorf("%d keys for %d scopes", keys, scopes)
		}
		if families, err := registry.Gather(); len(families) != 3 || err != nil {
			t.Errorf("metrics: %v, %v", families, err)
		}
	})
}

func TestPrepareAndExists(t *testing.T) {
	k := open(t, Options{Dir: t.TempDir()})
	if known, err := k.Exists(t.Context(), Person("@a:x")); known || err != nil {
		t.Fatalf("Exists before the first use: %v, %v", known, err)
	}
	if err := k.Prepare(t.Context(), Person("@a:x"), Person("@b:x"), Server); err != nil {
		t.Fatal(err)
	}
	if known, err := k.Exists(t.Context(), Person("@a:x")); !known || err != nil {
		t.Fatalf("Exists after Prepare: %v, %v", known, err)
	}
	if err := k.Prepare(t.Context(), ""); err == nil {
		t.Error("Prepare accepts an empty scope")
	}
}

func TestRenew(t *testing.T) {
	each(t, func(t *testing.T, o Options) {
		k, other := open(t, o), open(t, o)
		scope := Room("!r:x")
		before := mustSeal(t, k, scope, "", "before")
		mustOpen(t, other, scope, "", before, "before")
		mac, err := k.MAC(t.Context(), scope, "word", []byte("w"))
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Renew(t.Context(), scope); err != nil {
			t.Fatal(err)
		}
		after := mustSeal(t, k, scope, "", "after")
		if bytes.Equal(before[:headerSize], after[:headerSize]) {
			t.Error("sealed under the same key after Renew")
		}
		for _, keys := range []*Keys{k, other} { // other has the old ring in memory
			mustOpen(t, keys, scope, "", before, "before")
			mustOpen(t, keys, scope, "", after, "after")
		}
		again, err := k.MAC(t.Context(), scope, "word", []byte("w"))
		if err != nil || !bytes.Equal(mac, again) {
			t.Errorf("MAC changed with Renew: %v", err)
		}
	})
}

func TestMAC(t *testing.T) {
	k := open(t, Options{Dir: t.TempDir()})
	of := func(scope Scope, purpose, data string) string {
		mac, err := k.MAC(t.Context(), scope, purpose, []byte(data))
		if err != nil || len(mac) != 32 {
			t.Fatalf("MAC: %x, %v", mac, err)
		}
		return string(mac)
	}
	seen := map[string]bool{}
	for _, scope := range []Scope{Server, Room("!a:x")} {
		for _, in := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"", "abc"}} {
			seen[of(scope, in[0], in[1])] = true
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d different MACs of 6 inputs", len(seen))
	}
	if first, second := of(Server, "a", "bc"), of(Server, "a", "bc"); first != second {
		t.Error("MAC is not stable")
	}
	if _, err := k.MAC(t.Context(), "", "a", nil); err == nil {
		t.Error("MAC with an empty scope")
	}
}

// inFiles says whether any file under dir contains the bytes.
func inFiles(t *testing.T, dir string, what []byte) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		found = found || bytes.Contains(content, what)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestDestroy(t *testing.T) {
	each(t, func(t *testing.T, o Options) {
		now := time.UnixMilli(1_800_000_000_000)
		o.Clock = func() time.Time { return now }
		k := open(t, o)
		scope, kept := Person("@gone:x"), Person("@kept:x")
		sealed, others := mustSeal(t, k, scope, "", "secret"), mustSeal(t, k, kept, "", "kept")
		if err := k.Renew(t.Context(), scope); err != nil {
			t.Fatal(err)
		}
		newer := mustSeal(t, k, scope, "", "secret too")
		rows, err := k.store.keysOf(t.Context(), scope)
		if err != nil || len(rows) != 2 {
			t.Fatalf("%d keys, %v", len(rows), err)
		}
		if o.URL == "" && !inFiles(t, o.Dir, rows[0].secret) {
			t.Fatal("the wrapped key is in no file before it is destroyed")
		}
		if err := k.Destroy(t.Context(), scope); err != nil {
			t.Fatal(err)
		}
		for _, w := range rows {
			if inFiles(t, o.Dir, w.secret) {
				t.Error("the wrapped key is still in a file")
			}
		}
		for _, text := range [][]byte{sealed, newer} {
			_, err := k.Open(t.Context(), scope, "", text)
			wantErr(t, err, ErrErased)
		}
		mustOpen(t, k, kept, "", others, "kept")

		// What is sealed afterwards is under a new key.
		again := mustSeal(t, k, scope, "", "later")
		mustOpen(t, k, scope, "", again, "later")
		_, err = k.Open(t.Context(), scope, "", sealed)
		wantErr(t, err, ErrErased)
		if err := k.Destroy(t.Context(), scope, Person("@never:x")); err != nil {
			t.Fatal(err)
		}
		_, err = k.Open(t.Context(), scope, "", again)
		wantErr(t, err, ErrErased)
		if err := k.Destroy(t.Context(), Server); err == nil {
			t.Error("the server's key was destroyed")
		}

		next := open(t, o)
		_, err = next.Open(t.Context(), scope, "", sealed)
		wantErr(t, err, ErrErased)
	})
}

func TestDestroyIsHonouredByOthers(t *testing.T) {
	each(t, func(t *testing.T, o Options) {
		k, other := open(t, o), open(t, o)
		scope := Room("!r:x")
		sealed := mustSeal(t, k, scope, "", "secret")
		mustOpen(t, other, scope, "", sealed, "secret")
		if err := k.Destroy(t.Context(), scope); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for {
			_, err := other.Open(t.Context(), scope, "", sealed)
			if errors.Is(err, ErrErased) {
				break
			}
			if err != nil || time.Since(began) > time.Second {
				t.Fatalf("after %v: %v", time.Since(began), err)
			}
		}
	})
}

// While the store does not answer, keys in memory are not trusted.
func TestWatchWithoutStore(t *testing.T) {
	k := open(t, Options{Dir: t.TempDir()})
	sealed := mustSeal(t, k, Server, "", "text")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.look(ctx, 0); err == nil {
		t.Fatal("no error from a store that cannot be asked")
	}
	if _, ok := k.cache.Get(Server); ok {
		t.Error("key is still in memory")
	}
	mustOpen(t, k, Server, "", sealed, "text")
}

// A load that began before an erasure must not put the erased key back into memory.
func TestLoadRacesDestroy(t *testing.T) {
	k := open(t, Options{Dir: t.TempDir()})
	scope := Room("!r:x")
	mustSeal(t, k, scope, "", "text")
	r, err := k.ring(t.Context(), scope, false)
	if err != nil {
		t.Fatal(err)
	}
	before := k.epoch
	if err := k.Destroy(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	if k.keep(scope, r, before) {
		t.Error("an erased key was kept")
	}
}

func TestWrappedKeyDamaged(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	k := open(t, o)
	scope := Room("!r:x")
	sealed := mustSeal(t, k, scope, "", "text")
	if _, err := k.store.write.Exec(`update data_key set wrapped = zeroblob(60) where scope = ?1`, string(scope)); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, o).Open(t.Context(), scope, "", sealed)
	wantErr(t, err, ErrCorrupt)
}

func TestManyScopesWithSmallCache(t *testing.T) {
	k := open(t, Options{Dir: t.TempDir(), Cache: 3})
	var sealed [][]byte
	for i := range 20 {
		sealed = append(sealed, mustSeal(t, k, Person("@"+idOf(i)+":x"), "", "text"))
	}
	for i := range 20 {
		mustOpen(t, k, Person("@"+idOf(i)+":x"), "", sealed[i], "text")
	}
	if k.cache.Len() > 3 {
		t.Errorf("%d scopes in memory", k.cache.Len())
	}
}

func FuzzOpen(f *testing.F) {
	k := open(f, Options{Dir: f.TempDir()})
	sealed, err := k.Seal(context.Background(), Server, "aad", []byte("text"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed, "aad")
	f.Add([]byte{}, "")
	f.Add(bytes.Repeat([]byte{1}, Overhead), "aad")
	f.Fuzz(func(t *testing.T, b []byte, aad string) {
		plain, err := k.Open(context.Background(), Server, aad, b)
		if err == nil && !(bytes.Equal(b, sealed) && aad == "aad" && string(plain) == "text") {
			t.Errorf("opened %x as %q", b, plain)
		}
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrErased) {
			t.Errorf("unexpected error %v", err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	k := open(b, Options{Dir: b.TempDir()})
	plain := bytes.Repeat([]byte("x"), 300)
	room := Room("!ward:hospital.example")
	for name, scopes := range map[string]int{"1 room": 1, "1000 rooms": 1000} {
		b.Run(name, func(b *testing.B) {
			list := make([]Scope, scopes)
			for i := range list {
				list[i] = room + Scope(fmt.Sprint(i))
				if _, err := k.Seal(b.Context(), list[i], "", nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := k.Seal(b.Context(), list[i%scopes], "$event", plain); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	k := open(b, Options{Dir: b.TempDir()})
	sealed, err := k.Seal(b.Context(), Server, "$event", bytes.Repeat([]byte("x"), 300))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Open(b.Context(), Server, "$event", sealed); err != nil {
			b.Fatal(err)
		}
	}
}
