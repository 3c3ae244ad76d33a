package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"maunium.net/go/mautrix/id"
)

func newKeyText() string {
	secret := make([]byte, secretSize)
	rand.Read(secret)
	return base64.StdEncoding.EncodeToString(secret)
}

func TestMasterKeyFile(t *testing.T) {
	each(t, func(t *testing.T, o Options) {
		k := open(t, o)
		mustSeal(t, k, Server, "", "text")
		path := filepath.Join(o.Dir, "master.key")
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("master.key: %v, %v", info, err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		k.Close()

		refuse := func(what string) {
			t.Helper()
			if k, err := Open(t.Context(), o); err == nil {
				k.Close()
				t.Errorf("started with a master.key that is %s", what)
			}
		}
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		refuse("readable by the group")
		for what, other := range map[string]string{"empty": "", "too short": "c2hvcnQ=\n", "not base64": "?\n", "another": newKeyText()} {
			if err := WriteSecretFile(path, []byte(other)); err != nil {
				t.Fatal(err)
			}
			refuse(what)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		_, err = Open(t.Context(), o)
		wantErr(t, err, ErrMasterKey)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		refuse("a folder")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := WriteSecretFile(path, append([]byte("\n"), content...)); err != nil {
			t.Fatal(err)
		}
		open(t, o)
	})
}

func TestFilesArePrivate(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	mustSeal(t, open(t, o), Server, "", "text")
	files, err := os.ReadDir(o.Dir)
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	for name, o := range map[string]Options{
		"no folder":       {Dir: filepath.Join(dir, "missing")},
		"no database":     {Dir: dir, URL: "postgres://127.0.0.1:1/x?connect_timeout=1"},
		"no URL":          {Dir: dir, URL: "postgres://user:secret@[bad/x"},
		"bad master key":  {Dir: dir, MasterKey: "short"},
		"bad previous":    {Dir: dir, MasterKey: newKeyText(), PreviousMasterKey: "short"},
		"master no bytes": {Dir: dir, MasterKey: "????"},
	} {
		k, err := Open(t.Context(), o)
		if err == nil {
			k.Close()
			t.Errorf("%s: opened", name)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the password", name)
		}
	}
	notDatabase := t.TempDir()
	if err := os.WriteFile(filepath.Join(notDatabase, "keys.db"), bytes.Repeat([]byte("x"), 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	if k, err := Open(t.Context(), Options{Dir: notDatabase}); err == nil {
		k.Close()
		t.Error("opened a file that is no database")
	}
}

func TestSecretFileOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.key")
	got := make([]string, 20)
	var wait sync.WaitGroup
	for i := range got {
		wait.Go(func() {
			content, err := SecretFile(path, func() ([]byte, error) { return []byte(newKeyText()), nil })
			if err != nil {
				t.Error(err)
			}
			got[i] = string(content)
		})
	}
	wait.Wait()
	for _, s := range got {
		if s != got[0] {
			t.Fatal("two of them got different secrets")
		}
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
	failed := errors.New("no entropy")
	_, err := SecretFile(path+"2", func() ([]byte, error) { return nil, failed })
	wantErr(t, err, failed)
	if err := WriteSecretFile(filepath.Join(path, "x"), nil); err == nil {
		t.Error("wrote a file into a file")
	}
}

func TestRotateFile(t *testing.T) {
	each(t, func(t *testing.T, o Options) {
		k := open(t, o)
		running := open(t, o) // another process that keeps running
		const scopes = rewrapChunk + 20
		all := make([]Scope, scopes)
		for i := range all {
			all[i] = Person("@" + idOf(i) + ":x")
		}
		if err := k.Prepare(t.Context(), all...); err != nil {
			t.Fatal(err)
		}
		sealed := mustSeal(t, k, all[5], "", "text")
		path := filepath.Join(o.Dir, "master.key")
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		old, err := k.store.keysOf(t.Context(), all[7])
		if err != nil {
			t.Fatal(err)
		}

		if n, err := k.Rotate(t.Context()); n != scopes || err != nil {
			t.Fatalf("Rotate = %d, %v", n, err)
		}
		after, err := os.ReadFile(path)
		if err != nil || bytes.Contains(after, bytes.TrimSpace(before)) || bytes.Count(after, []byte("\n")) != 1 {
			t.Fatalf("master.key after rotation: %v", err)
		}
		if inFiles(t, o.Dir, old[0].secret) {
			t.Error("a key wrapped with the old master key is still in a file")
		}
		mustOpen(t, k, all[5], "", sealed, "text")
		// It has only the old key in memory, needs an old and makes a new data key.
		mustOpen(t, running, all[5], "", sealed, "text")
		fresh := mustSeal(t, running, Room("!fresh:x"), "", "fresh")
		mustOpen(t, open(t, o), Room("!fresh:x"), "", fresh, "fresh")

		var out bytes.Buffer
		if err := Command(t.Context(), o, &out, []string{"rotate"}); err != nil || !strings.Contains(out.String(), "521 data keys") {
			t.Errorf("command: %q, %v", out.String(), err)
		}
		mustOpen(t, open(t, o), all[5], "", sealed, "text")
	})
}

func TestRotateInterrupted(t *testing.T) {
	each(t, func(t *testing.T, o Options) {
		k := open(t, o)
		scopes := []Scope{Room("!a:x"), Room("!b:x"), Room("!c:x")}
		var sealed [][]byte
		for _, s := range scopes {
			sealed = append(sealed, mustSeal(t, k, s, "", string(s)))
		}
		check := func(step string) {
			t.Helper()
			next := open(t, o)
			for i, s := range scopes {
				mustOpen(t, next, s, "", sealed[i], string(s))
			}
			s := Room("!" + id.RoomID(step) + ":x")
			scopes, sealed = append(scopes, s), append(sealed, mustSeal(t, next, s, "", string(s)))
			next.Close()
		}
		// Every moment at which the process can die.
		oldKey, target := k.masters.all()[0], generateMaster()
		if err := k.masters.keep(target, oldKey); err != nil {
			t.Fatal(err)
		}
		check("after the file was written")
		err := k.store.change(t.Context(), func(tx *tx) error {
			return tx.exec(`update setting set value = $1 where name = $2`, target.id, currentMaster)
		})
		if err != nil {
			t.Fatal(err)
		}
		check("after the switch")
		err = k.store.change(t.Context(), func(tx *tx) error {
			rows, err := k.store.keysOf(t.Context(), scopes[0])
			if err != nil {
				return err
			}
			return k.rewrapOne(tx, rows[0], target)
		})
		if err != nil {
			t.Fatal(err)
		}
		check("after one key was rewrapped")
		if n, err := k.Rotate(t.Context()); n != 3 || err != nil { // b, c and the first new one
			t.Fatalf("Rotate = %d, %v", n, err)
		}
		check("after the end")
		if list := k.masters.all(); len(list) != 1 || list[0].id != target.id {
			t.Errorf("%d master keys left", len(list))
		}
	})
}

func TestRotateEnvironment(t *testing.T) {
	each(t, func(t *testing.T, o Options) {
		first, second := newKeyText(), newKeyText()
		o.MasterKey = first
		k := open(t, o)
		sealed := mustSeal(t, k, Server, "", "text")
		_, err := k.Rotate(t.Context())
		wantErr(t, err, ErrSameMasterKey)
		if _, err := os.Stat(filepath.Join(o.Dir, "master.key")); err == nil {
			t.Error("a key file was made")
		}

		o.MasterKey = second
		_, err = Open(t.Context(), o)
		wantErr(t, err, ErrMasterKey)
		o.PreviousMasterKey = first
		both := open(t, o)
		mustOpen(t, both, Server, "", sealed, "text")
		mustSeal(t, both, Room("!before:x"), "", "x")
		var out bytes.Buffer
		if err := Command(t.Context(), o, &out, []string{"rotate"}); err != nil || !strings.Contains(out.String(), "MYELIN_MASTER_KEY_PREVIOUS") {
			t.Fatalf("%q, %v", out.String(), err)
		}
		mustSeal(t, both, Room("!after:x"), "", "x")

		o.PreviousMasterKey = ""
		mustOpen(t, open(t, o), Server, "", sealed, "text")
		// The one that was started with the first key only can make no more data keys.
		_, err = k.Seal(t.Context(), Room("!late:x"), "", nil)
		wantErr(t, err, ErrMasterKey)
	})
}

func TestCommandUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"x"}, {"rotate", "x"}} {
		if err := Command(t.Context(), Options{Dir: t.TempDir()}, &bytes.Buffer{}, args); err == nil {
			t.Errorf("%v accepted", args)
		}
	}
	if err := Command(t.Context(), Options{Dir: "/nonexistent"}, &bytes.Buffer{}, []string{"rotate"}); err == nil {
		t.Error("rotated nothing")
	}
}

func TestRotateTwiceAtOnce(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	k := open(t, o)
	unlock, err := lockFolder(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Rotate(t.Context()); err == nil {
		t.Error("two rotations at once")
	}
	unlock()
	if _, err := k.Rotate(t.Context()); err != nil {
		t.Error(err)
	}
}
