package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/seal"
)

var (
	alice = Person{"@alice:test", "PHONE"}
	bob   = Person{"@bob:test", "PC"}
)

type world struct {
	*Media
	t   *testing.T
	ctx context.Context
	now time.Time
}

func open(t *testing.T, d *db.DB) *world {
	t.Helper()
	dir := t.TempDir()
	keys, err := seal.Open(t.Context(), seal.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	w := &world{t: t, ctx: t.Context(), now: time.Unix(1_700_000_000, 0)}
	log, err := audit.Open(t.Context(), audit.Options{DB: d, Keys: keys, Name: "test", Dir: dir, Clock: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	w.Media, err = New(Options{DB: d, Seal: keys, Audit: log, ServerName: "test", Dir: filepath.Join(dir, "media"),
		MaxBytes: 1 << 20, Clock: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) refused(err error, kind fault.Kind) {
	w.t.Helper()
	if !fault.Is(err, kind) {
		w.t.Fatalf("got %v, want %s", err, kind)
	}
}

func (w *world) upload(data []byte, meta Meta) string {
	w.t.Helper()
	uri, err := w.Upload(w.ctx, alice, meta, bytes.NewReader(data), int64(len(data)))
	w.must(err)
	if uri.Homeserver != "test" || !validID.MatchString(uri.FileID) || len(uri.FileID) < 22 {
		w.t.Fatalf("address is %s", uri)
	}
	return uri.FileID
}

func (w *world) read(who Person, mediaID string) ([]byte, *File) {
	w.t.Helper()
	f, err := w.Open(w.ctx, who, "test", mediaID, 0)
	w.must(err)
	defer f.Close()
	data, err := io.ReadAll(f)
	w.must(err)
	return data, f
}

// filesIn lists the names below the media folder.
func (w *world) filesIn() []string {
	var names []string
	w.must(filepath.WalkDir(w.Dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, path)
		}
		return err
	}))
	return names
}

func (w *world) count(query string, args ...any) int {
	w.t.Helper()
	var n int
	w.must(w.DB.QueryRow(w.ctx, query, args...).Scan(&n))
	return n
}

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	r.Read(b)
	return b
}

func TestUploadAndDownload(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		for _, size := range []int{0, 1, 64 << 10, 200_000, 1 << 20} {
			data := random(size)
			mediaID := w.upload(data, Meta{"befund ü.pdf", "application/pdf"})
			got, f := w.read(bob, mediaID)
			if !bytes.Equal(got, data) || f.Size != int64(size) || f.Name != "befund ü.pdf" || f.Type != "application/pdf" {
				t.Errorf("%d bytes: got %d, %+v", size, len(got), f.Meta)
			}
		}
		// Length not announced.
		uri, err := w.Upload(w.ctx, alice, Meta{}, bytes.NewReader(random(100)), -1)
		w.must(err)
		if got, _ := w.read(alice, uri.FileID); !bytes.Equal(got, random(100)) {
			t.Error("content differs")
		}
		_, err = w.Open(w.ctx, alice, "test", "unknown", 0)
		w.refused(err, fault.NotFound)
		_, err = w.Open(w.ctx, alice, "test", "../../etc/passwd", 0)
		w.refused(err, fault.NotFound)
		_, err = w.Open(w.ctx, alice, "elsewhere", "x", 0)
		w.refused(err, fault.ConnectionFailed)
	})
}

func TestNothingReadableOnDisk(t *testing.T) {
	w := open(t, dbtest.SQLite(t))
	text := strings.Repeat("the patient's secret ", 10_000)
	w.upload([]byte(text), Meta{"secret name.txt", "text/secret"})
	for _, path := range w.filesIn() {
		data, err := os.ReadFile(path)
		w.must(err)
		if bytes.Contains(data, []byte("secret")) {
			t.Errorf("clear text in %s", path)
		}
		if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
			t.Errorf("mode of %s is %v", path, info.Mode())
		}
	}
	var meta []byte
	w.must(w.DB.QueryRow(w.ctx, `select meta from media`).Scan(&meta))
	if bytes.Contains(meta, []byte("secret")) {
		t.Error("clear name or type in the row")
	}
}

// Every acknowledged file was synced, then its folder, and only then its row was written.
func TestSyncedBeforeTheRow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		var synced []string
		w.files.sync = func(f *os.File) error {
			info, err := f.Stat()
			if err != nil {
				return err
			}
			kind := "file"
			if info.IsDir() {
				kind = "folder"
				if f.Name() == w.Dir {
					kind = "root"
				}
			}
			synced = append(synced, fmt.Sprintf("%s with %d rows", kind, w.count(`select count(*) from media where file <> ''`)))
			return f.Sync()
		}
		for range 3 {
			w.upload(random(1000), Meta{})
			uri, _, err := w.Create(w.ctx, alice.User)
			w.must(err)
			w.must(w.Fill(w.ctx, alice, "test", uri.FileID, Meta{}, bytes.NewReader(random(10)), 10))
		}
		var order []string
		for _, s := range synced {
			if !strings.HasPrefix(s, "root") {
				order = append(order, s)
			}
		}
		for i := range 6 {
			want := []string{fmt.Sprintf("file with %d rows", i), fmt.Sprintf("folder with %d rows", i)}
			if len(order) != 12 || order[2*i] != want[0] || order[2*i+1] != want[1] {
				t.Fatalf("upload %d: synced %v", i, order)
			}
		}
	})
}

func TestFailedSyncRefusesTheUpload(t *testing.T) {
	w := open(t, dbtest.SQLite(t))
	broken := errors.New("disk is broken")
	for fail := range 3 {
		n := 0
		w.files.sync = func(f *os.File) error {
			if n++; n > fail {
				return broken
			}
			return f.Sync()
		}
		_, err := w.Upload(w.ctx, alice, Meta{}, bytes.NewReader(random(10)), 10)
		if !errors.Is(err, broken) {
			t.Errorf("failure %d: got %v", fail, err)
		}
	}
	if n := w.count(`select count(*) from media`); n != 0 {
		t.Errorf("%d rows of files that may be lost", n)
	}
}

func TestLimits(t *testing.T) {
	w := open(t, dbtest.SQLite(t))
	big := random(1<<20 + 1)
	_, err := w.Upload(w.ctx, alice, Meta{}, bytes.NewReader(big), int64(len(big)))
	w.refused(err, fault.TooLarge)
	_, err = w.Upload(w.ctx, alice, Meta{}, bytes.NewReader(big), -1)
	w.refused(err, fault.TooLarge)
	_, err = w.Upload(w.ctx, alice, Meta{}, bytes.NewReader(big[:10]), 20)
	w.refused(err, fault.Unknown)
	_, err = w.Upload(w.ctx, alice, Meta{}, io.MultiReader(bytes.NewReader(big[:10]), failing{io.ErrUnexpectedEOF}), -1)
	w.refused(err, fault.Unknown)
	_, err = w.Upload(w.ctx, alice, Meta{}, failing{fault.New(fault.TooLarge, "cut off")}, -1)
	w.refused(err, fault.TooLarge)
	_, err = w.Upload(w.ctx, alice, Meta{Name: string(make([]byte, maxMeta+1))}, bytes.NewReader(nil), 0)
	w.refused(err, fault.InvalidParam)
	if left := w.filesIn(); len(left) != 0 {
		t.Errorf("refused uploads left %v", left)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestReservedIDs(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		uri, until, err := w.Create(w.ctx, alice.User)
		w.must(err)
		if got := until.Sub(w.now); got != PendingFor {
			t.Errorf("reserved for %v", got)
		}
		_, err = w.Open(w.ctx, bob, "test", uri.FileID, 0)
		w.refused(err, fault.NotYetUploaded)
		fill := func(who Person, server, mediaID string) error {
			return w.Fill(w.ctx, who, server, mediaID, Meta{Type: "text/plain"}, strings.NewReader("late"), 4)
		}
		w.refused(fill(bob, "test", uri.FileID), fault.Forbidden)
		w.refused(fill(alice, "elsewhere", uri.FileID), fault.NotFound)
		w.refused(fill(alice, "test", "unknown"), fault.NotFound)

		// Readers wait for it, and it can be filled once.
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				f, err := w.Open(w.ctx, bob, "test", uri.FileID, time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				defer f.Close()
				if data, _ := io.ReadAll(f); string(data) != "late" {
					t.Errorf("read %q", data)
				}
			})
		}
		w.must(fill(alice, "test", uri.FileID))
		wg.Wait()
		w.refused(fill(alice, "test", uri.FileID), fault.CannotOverwriteMedia)

		// Two at once: one wins, the other leaves nothing.
		uri, _, err = w.Create(w.ctx, alice.User)
		w.must(err)
		before := len(w.filesIn())
		errs := make(chan error, 4)
		for range 4 {
			go func() { errs <- fill(alice, "test", uri.FileID) }()
		}
		won := 0
		for range 4 {
			if err := <-errs; err == nil {
				won++
			} else {
				w.refused(err, fault.CannotOverwriteMedia)
			}
		}
		if won != 1 || len(w.filesIn()) != before+1 {
			t.Errorf("%d uploads won, %d files more", won, len(w.filesIn())-before)
		}

		// What stays empty is forgotten.
		uri, _, err = w.Create(w.ctx, alice.User)
		w.must(err)
		w.now = w.now.Add(PendingFor + time.Second)
		_, err = w.Open(w.ctx, alice, "test", uri.FileID, 0)
		w.refused(err, fault.NotFound)
		w.refused(fill(alice, "test", uri.FileID), fault.NotFound)
		w.must(w.Sweep(w.ctx))
		if n := w.count(`select count(*) from media`); n != 2 {
			t.Errorf("%d rows are left", n)
		}
	})
}

func TestReservedIDsAreBounded(t *testing.T) {
	w := open(t, dbtest.SQLite(t))
	for range MaxPending {
		_, _, err := w.Create(w.ctx, alice.User)
		w.must(err)
	}
	_, _, err := w.Create(w.ctx, alice.User)
	w.refused(err, fault.LimitExceeded)
	_, _, err = w.Create(w.ctx, bob.User)
	w.must(err)
	w.now = w.now.Add(PendingFor + time.Second)
	_, _, err = w.Create(w.ctx, alice.User)
	w.must(err)
}

func TestWaitingEnds(t *testing.T) {
	w := open(t, dbtest.SQLite(t))
	uri, _, err := w.Create(w.ctx, alice.User)
	w.must(err)
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	if _, err = w.Open(ctx, alice, "test", uri.FileID, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if len(w.waiting) != 0 {
		t.Errorf("%d are still waiting", len(w.waiting))
	}
}

func TestReadsAreAudited(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		leaves := func() int {
			p := 0
			w.must(w.DB.QueryRow(w.ctx, `select leaf from position`).Scan(&p))
			return p
		}
		mediaID := w.upload(random(10), Meta{})
		start := leaves()
		for range 3 {
			w.read(bob, mediaID)
			w.read(alice, mediaID)
		}
		if n := leaves() - start; n != 2 {
			t.Errorf("%d entries for two devices", n)
		}
		// Another process, or this one after a restart, does not say it again.
		again, err := New(w.Options)
		w.must(err)
		f, err := again.Open(w.ctx, bob, "test", mediaID, 0)
		w.must(err)
		f.Close()
		if n := leaves() - start; n != 2 {
			t.Errorf("%d entries after a restart", n)
		}
		w.now = w.now.Add(24 * time.Hour)
		w.read(bob, mediaID)
		if n := leaves() - start; n != 3 {
			t.Errorf("%d entries on the next day", n)
		}
	})
}

func TestDelete(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		mediaID := w.upload(picture(t, "png", 600, 400), Meta{Type: "image/png"})
		f, err := w.Thumbnail(w.ctx, alice, "test", mediaID, Wish{32, 32, true}, 0)
		w.must(err)
		f.Close()
		w.refused(w.Delete(w.ctx, bob, mediaID, false), fault.Forbidden)
		w.must(w.Delete(w.ctx, bob, mediaID, true))
		if left := w.filesIn(); len(left) != 0 {
			t.Errorf("left %v", left)
		}
		_, err = w.Open(w.ctx, alice, "test", mediaID, 0)
		w.refused(err, fault.NotFound)
		w.refused(w.Delete(w.ctx, alice, mediaID, false), fault.NotFound)
		uri, _, err := w.Create(w.ctx, alice.User)
		w.must(err)
		w.must(w.Delete(w.ctx, alice, uri.FileID, false))
	})
}

func TestSweepRemovesFilesWithoutRow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		w.now = time.Now()
		kept := w.upload(random(10), Meta{})
		lost := w.upload(random(10), Meta{})
		w.must(w.DB.Write(w.ctx, "test", nil, func(tx *db.Tx) error {
			_, err := tx.Exec(`delete from media where media_id = $1`, lost)
			return err
		}))
		w.must(w.Sweep(w.ctx))
		if n := len(w.filesIn()); n != 2 {
			t.Errorf("%d files at once", n)
		}
		w.now = w.now.Add(2 * time.Hour)
		w.must(w.Sweep(w.ctx))
		if n := len(w.filesIn()); n != 1 {
			t.Errorf("%d files after two hours", n)
		}
		w.read(alice, kept)
	})
}

func TestUnfinishedUploadsAreRemovedAtTheStart(t *testing.T) {
	w := open(t, dbtest.SQLite(t))
	f, err := w.files.create()
	w.must(err)
	f.Close()
	_, err = New(w.Options)
	w.must(err)
	if left := w.filesIn(); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	o := w.Options
	o.Dir = filepath.Join(os.DevNull, "x")
	if _, err := New(o); err == nil {
		t.Error("opened an impossible folder")
	}
}

func TestErasedUploader(t *testing.T) {
	w := open(t, dbtest.SQLite(t))
	mediaID := w.upload(random(10), Meta{})
	w.must(w.Seal.Destroy(w.ctx, seal.Person(alice.User)))
	_, err := w.Open(w.ctx, bob, "test", mediaID, 0)
	w.refused(err, fault.NotFound)
}

// picture draws an image with something in every corner.
func picture(t testing.TB, format string, width, height int) []byte {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.SetNRGBA(x, y, color.NRGBA{uint8(x * 255 / width), uint8(y * 255 / height), 100, 255})
		}
	}
	var b bytes.Buffer
	var err error
	switch format {
	case "png":
		err = png.Encode(&b, img)
	case "jpeg":
		err = jpeg.Encode(&b, img, nil)
	case "gif":
		err = gif.Encode(&b, img, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestThumbnails(t *testing.T) {
	w := open(t, dbtest.SQLite(t))
	webpImage := []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00")
	for _, c := range []struct {
		data          []byte
		wish          Wish
		format        string
		width, height int
	}{
		{picture(t, "jpeg", 1000, 500), Wish{32, 32, false}, "jpeg", 64, 32},
		{picture(t, "jpeg", 1000, 500), Wish{50, 50, true}, "jpeg", 96, 96},
		{picture(t, "png", 1000, 500), Wish{300, 200, false}, "png", 480, 240},
		{picture(t, "png", 500, 1000), Wish{320, 240, false}, "png", 320, 640},
		{picture(t, "png", 500, 1000), Wish{100, 50, true}, "png", 100, 50},
		{picture(t, "gif", 500, 500), Wish{700, 300, false}, "png", 500, 500},
		{picture(t, "png", 20, 10), Wish{32, 32, true}, "png", 10, 10},
		{picture(t, "jpeg", 100, 100), Wish{5000, 5000, false}, "jpeg", 100, 100},
		{webpImage, Wish{32, 32, false}, "png", 1, 1},
	} {
		mediaID := w.upload(c.data, Meta{Type: "application/octet-stream"})
		var etag string
		for range 2 { // made, then kept
			f, err := w.Thumbnail(w.ctx, bob, "test", mediaID, c.wish, 0)
			w.must(err)
			img, format, err := image.Decode(f)
			w.must(err)
			f.Close()
			if img.Bounds().Dx() != c.width || img.Bounds().Dy() != c.height || format != c.format || f.Type != "image/"+format {
				t.Errorf("%v: got %v %s (%s), want %dx%d %s", c.wish, img.Bounds(), format, f.Type, c.width, c.height, c.format)
			}
			if etag != "" && etag != f.ETag {
				t.Error("ETag changed")
			}
			etag = f.ETag
		}
	}
}

func TestDamagedThumbnailIsMadeAnew(t *testing.T) {
	w := open(t, dbtest.SQLite(t))
	mediaID := w.upload(picture(t, "png", 500, 500), Meta{})
	thumbnail := func() {
		t.Helper()
		f, err := w.Thumbnail(w.ctx, bob, "test", mediaID, Wish{32, 32, true}, 0)
		w.must(err)
		defer f.Close()
		if _, err := png.Decode(f); err != nil {
			t.Error(err)
		}
	}
	thumbnail()
	for _, path := range w.filesIn() {
		if strings.Contains(path, "crop") {
			w.must(os.Truncate(path, 0))
		}
	}
	thumbnail()
}

func TestThumbnailRefusals(t *testing.T) {
	w := open(t, dbtest.SQLite(t))
	fixed := picture(t, "png", 10, 10)
	for name, c := range map[string]struct {
		data []byte
		wish Wish
		kind fault.Kind
	}{
		"no image":  {[]byte("just text"), Wish{32, 32, false}, fault.Unknown},
		"empty":     {nil, Wish{32, 32, false}, fault.Unknown},
		"cut off":   {fixed[:len(fixed)/2], Wish{32, 32, false}, fault.Unknown},
		"head only": {fixed[:9], Wish{32, 32, false}, fault.Unknown},
		"no width":  {fixed, Wish{0, 32, false}, fault.InvalidParam},
		"negative":  {fixed, Wish{32, -1, false}, fault.InvalidParam},
	} {
		mediaID := w.upload(c.data, Meta{Type: "image/png"})
		if _, err := w.Thumbnail(w.ctx, bob, "test", mediaID, c.wish, 0); !fault.Is(err, c.kind) {
			t.Errorf("%s: got %v, want %s", name, err, c.kind)
		}
	}
	if _, _, err := decode(bytes.NewReader(manyPixels())); !fault.Is(err, fault.TooLarge) {
		t.Errorf("an image of too many pixels: %v", err)
	}
	_, err := w.Thumbnail(w.ctx, bob, "test", "unknown", Wish{32, 32, false}, 0)
	w.refused(err, fault.NotFound)
	ctx, cancel := context.WithCancel(w.ctx)
	mediaID := w.upload(fixed, Meta{})
	w.read(bob, mediaID)
	for range cap(w.scaling) {
		w.scaling <- struct{}{}
	}
	cancel()
	if _, err := w.Thumbnail(ctx, bob, "test", mediaID, Wish{33, 32, true}, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("busy: %v", err)
	}
}

// manyPixels is the beginning of a GIF of 65535 x 65535.
func manyPixels() []byte {
	return []byte("GIF89a\xff\xff\xff\xff\x00\x00\x00;")
}

func FuzzDecode(f *testing.F) {
	for _, format := range []string{"png", "jpeg", "gif"} {
		f.Add(picture(f, format, 9, 7), 32, 32, true)
	}
	f.Add([]byte("RIFF\x00\x00\x00\x00WEBPVP8 "), 1, 1, false)
	f.Fuzz(func(t *testing.T, data []byte, width, height int, crop bool) {
		if len(data) > 24 && codecPixels(data) > 1_000_000 {
			return // slow, and nothing new
		}
		img, _, err := decode(bytes.NewReader(data))
		if err != nil {
			if _, ok := fault.As(err); !ok {
				t.Errorf("inner error for a caller's mistake: %v", err)
			}
			return
		}
		wish := Wish{1 + abs(width)%maxThumbnail, 1 + abs(height)%maxThumbnail, crop}
		got := shrink(img, wish).Bounds()
		if got.Dx() > img.Bounds().Dx() || got.Dy() > img.Bounds().Dy() || got.Empty() {
			t.Errorf("%v of %v is %v", wish, img.Bounds(), got)
		}
	})
}

func abs(n int) int { return max(n, -(n + 1)) }

func codecPixels(data []byte) int {
	c, _, ok := codecFor(string(data[:12]))
	if !ok {
		return 0
	}
	config, err := c.config(bytes.NewReader(data))
	if err != nil {
		return 0
	}
	return config.Width * config.Height
}
