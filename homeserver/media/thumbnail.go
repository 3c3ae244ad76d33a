package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/seal"
)

// Wish is the thumbnail that a client would like. The answer is at least that large, unless the image
// itself is smaller ("Thumbnails" of the content repository).
type Wish struct {
	Width, Height int
	Crop          bool // exactly this shape; otherwise the shape of the image
}

// The sizes that are kept once they were made; larger ones are made each time.
var (
	scaleSizes = []image.Point{{32, 32}, {96, 96}, {320, 240}, {640, 480}, {800, 600}, {1600, 1200}}
	cropSizes  = []image.Point{{32, 32}, {96, 96}, {320, 320}, {640, 640}}
)

const maxThumbnail = 4096 // pixels of either side

// snap returns the smallest size that is kept and satisfies the wish.
func (w Wish) snap() (snapped Wish, kept bool) {
	sizes := scaleSizes
	if w.Crop {
		if w.Width != w.Height {
			return w, false
		}
		sizes = cropSizes
	}
	for _, s := range sizes {
		if s.X >= w.Width && s.Y >= w.Height {
			return Wish{s.X, s.Y, w.Crop}, true
		}
	}
	return w, false
}

func (w Wish) String() string {
	method := "scale"
	if w.Crop {
		method = "crop"
	}
	return fmt.Sprintf("%dx%d-%s", w.Width, w.Height, method)
}

// Thumbnail opens a still, smaller picture of an image, JPEG or PNG. Files that are no image (encrypted
// ones among them) are M_UNKNOWN with status 400, images of too many pixels M_TOO_LARGE.
func (m *Media) Thumbnail(ctx context.Context, who Person, server, mediaID string, wish Wish, wait time.Duration) (*File, error) {
	if wish.Width <= 0 || wish.Height <= 0 {
		return nil, fault.New(fault.InvalidParam, "Width and height must be above 0.")
	}
	wish.Width, wish.Height = min(wish.Width, maxThumbnail), min(wish.Height, maxThumbnail)
	r, err := m.await(ctx, server, mediaID, wait)
	if err != nil {
		return nil, err
	}
	if err := m.auditRead(ctx, who, r.mediaID); err != nil {
		return nil, err
	}
	wish, keep := wish.snap()
	f := &File{ETag: `"` + r.mediaID + "-" + wish.String() + `"`}
	if keep {
		err := m.openSealed(ctx, f, r.user, r.file+"."+wish.String(), aad(r.mediaID, wish.String()))
		if err == nil {
			return f, f.sniff()
		}
		// A damaged one (it is not synced) is made anew, as is a missing one.
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, seal.ErrCorrupt) {
			return nil, err
		}
	}
	data, err := m.scale(ctx, r, wish)
	if err != nil {
		return nil, err
	}
	f.ReadSeeker, f.Size = bytes.NewReader(data), int64(len(data))
	if keep {
		if err := m.keepThumbnail(ctx, r, wish, data); err != nil {
			m.Log.LogAttrs(ctx, slog.LevelWarn, "thumbnail not kept", slog.Any("error", err))
		}
	}
	return f, f.sniff()
}

// sniff sets the content type of a thumbnail, which this server made itself.
func (f *File) sniff() error {
	var head [4]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return fmt.Errorf("read thumbnail: %w", err)
	}
	f.Meta = Meta{Name: "thumbnail.jpg", Type: "image/jpeg"}
	if string(head[1:]) == "PNG" {
		f.Meta = Meta{Name: "thumbnail.png", Type: "image/png"}
	}
	_, err := f.Seek(0, io.SeekStart)
	return err
}

func (m *Media) keepThumbnail(ctx context.Context, r *row, wish Wish, data []byte) error {
	file, err := m.files.create()
	if err != nil {
		return err
	}
	w, err := m.Seal.NewWriter(ctx, seal.Person(r.user), aad(r.mediaID, wish.String()), file)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		m.files.discard(file)
		return fmt.Errorf("seal thumbnail: %w", err)
	}
	return m.files.keep(file, r.file+"."+wish.String(), false)
}

// scale makes the thumbnail in memory. As many images as there are places in m.scaling are worked on at
// one time, each of at most maxPixels.
func (m *Media) scale(ctx context.Context, r *row, wish Wish) ([]byte, error) {
	select {
	case m.scaling <- struct{}{}:
		defer func() { <-m.scaling }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	f, err := m.open(ctx, r)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	picture, format, err := decode(f)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := encode(&out, shrink(picture, wish), format); err != nil {
		return nil, fmt.Errorf("encode thumbnail: %w", err)
	}
	return out.Bytes(), nil
}

type codec struct {
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error) // of several frames the first
}

// codecFor knows images by their first bytes, whatever the uploader says they are.
func codecFor(head string) (codec, string, bool) {
	switch {
	case strings.HasPrefix(head, "\xff\xd8\xff"):
		return codec{jpeg.DecodeConfig, jpeg.Decode}, "jpeg", true
	case strings.HasPrefix(head, "\x89PNG\r\n\x1a\n"):
		return codec{png.DecodeConfig, png.Decode}, "png", true
	case strings.HasPrefix(head, "GIF8"):
		return codec{gif.DecodeConfig, gif.Decode}, "gif", true
	case strings.HasPrefix(head, "RIFF") && len(head) >= 12 && head[8:12] == "WEBP":
		return codec{webp.DecodeConfig, webp.Decode}, "webp", true
	}
	return codec{}, "", false
}

func noThumbnail(err error) error {
	return fault.New(fault.Unknown, "Cannot generate thumbnails for the requested content.").WithStatus(400).Because(err)
}

func decode(f io.ReadSeeker) (picture image.Image, format string, err error) {
	head := make([]byte, 12)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return nil, "", fmt.Errorf("read image: %w", err)
	}
	c, format, ok := codecFor(string(head[:n]))
	if !ok {
		return nil, "", noThumbnail(nil)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, "", err
	}
	config, err := c.config(f)
	if err != nil {
		return nil, "", noThumbnail(err)
	}
	if config.Width <= 0 || config.Height <= 0 || config.Width > maxPixels/config.Height {
		return nil, "", fault.New(fault.TooLarge, "Content is too large to thumbnail.")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, "", err
	}
	if picture, err = c.decode(f); err != nil {
		return nil, "", noThumbnail(err)
	}
	return picture, format, nil
}

// shrink scales the picture to what the wish asks for; it never makes one larger.
func shrink(picture image.Image, wish Wish) image.Image {
	b := picture.Bounds()
	width, height := b.Dx(), b.Dy()
	part := b
	if wish.Crop {
		part = cropped(b, wish)
		width, height = part.Dx(), part.Dy()
	}
	// The larger of both ratios, so that neither side gets smaller than asked for.
	numerator, denominator := wish.Width, width
	if wish.Height*width > wish.Width*height {
		numerator, denominator = wish.Height, height
	}
	if numerator < denominator {
		width = max(1, (width*numerator+denominator-1)/denominator)
		height = max(1, (height*numerator+denominator-1)/denominator)
	} else if part == b {
		return picture
	}
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.CatmullRom.Scale(out, out.Bounds(), picture, part, draw.Src, nil)
	return out
}

// cropped is the largest part in the middle of b that has the shape of the wish.
func cropped(b image.Rectangle, wish Wish) image.Rectangle {
	width, height := b.Dx(), b.Dy()
	if width*wish.Height > height*wish.Width {
		width = max(1, height*wish.Width/wish.Height)
	} else {
		height = max(1, width*wish.Height/wish.Width)
	}
	x, y := b.Min.X+(b.Dx()-width)/2, b.Min.Y+(b.Dy()-height)/2
	return image.Rect(x, y, x+width, y+height)
}

const jpegQuality = 85

// encode writes JPEG unless something shines through the picture or it was drawn (PNG, GIF).
func encode(w io.Writer, picture image.Image, format string) error {
	opaque, ok := picture.(interface{ Opaque() bool })
	if format == "jpeg" || format == "webp" && ok && opaque.Opaque() {
		return jpeg.Encode(w, picture, &jpeg.Options{Quality: jpegQuality})
	}
	return png.Encode(w, picture)
}
