package media

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/seal"
)

// Person is who does something, on which device.
type Person struct {
	User   id.UserID
	Device id.DeviceID
}

// Upload stores a file and returns its address. size is what the uploader announced, or -1. When it
// returns, file and row survive power loss.
func (m *Media) Upload(ctx context.Context, who Person, meta Meta, body io.Reader, size int64) (id.ContentURI, error) {
	return m.add(ctx, who, meta, body, size, 0)
}

// Lend is Upload of a file that nobody needs for long: it goes at the first Sweep after until.
func (m *Media) Lend(ctx context.Context, who Person, meta Meta, body io.Reader, size int64, until time.Time) (id.ContentURI, error) {
	return m.add(ctx, who, meta, body, size, until.UnixMilli())
}

func (m *Media) add(ctx context.Context, who Person, meta Meta, body io.Reader, size, expires int64) (id.ContentURI, error) {
	mediaID := newID()
	s, err := m.store(ctx, who.User, mediaID, meta, body, size)
	if err != nil {
		return id.ContentURI{}, err
	}
	err = m.DB.Write(ctx, "upload media", nil, func(tx *db.Tx) error {
		if _, err := tx.Exec(`insert into media (media_id, user_id, created, expires, file, size, meta) values ($1, $2, $3, $4, $5, $6, $7)`,
			mediaID, who.User, m.Clock().UnixMilli(), expires, s.file, s.size, s.meta); err != nil {
			return err
		}
		m.auditUpload(tx, who, mediaID, s.size)
		return nil
	})
	if err != nil {
		return id.ContentURI{}, errors.Join(fmt.Errorf("store media: %w", err), m.drop(err, s.file))
	}
	return m.uri(mediaID), nil
}

// drop removes the file of a row that could not be written. When it is not known whether it was, the file
// stays; Sweep removes it if it has no row.
func (m *Media) drop(err error, file string) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return m.files.remove(file)
}

func (m *Media) auditUpload(tx *db.Tx, who Person, mediaID string, size int64) {
	m.Audit.Append(tx, audit.Entry{Act: audit.FileUpload, Who: who.User, Device: who.Device, Target: m.uri(mediaID).String(),
		Outcome: audit.Done, Detail: map[string]any{"bytes": size}})
}

// Create reserves an id that is to be filled by Fill until a time (POST /media/v1/create).
func (m *Media) Create(ctx context.Context, user id.UserID) (uri id.ContentURI, until time.Time, err error) {
	mediaID := newID()
	now := m.Clock()
	until = now.Add(PendingFor).Truncate(time.Millisecond)
	err = m.DB.Write(ctx, "reserve media id", nil, func(tx *db.Tx) error {
		var n int
		if err := tx.QueryRow(`select count(*) from media where user_id = $1 and expires >= $2 and file = ''`, user, now.UnixMilli()).Scan(&n); err != nil {
			return err
		}
		if n >= MaxPending {
			return &fault.Fault{Kind: fault.LimitExceeded, Text: "Too many media ids are waiting for their content.", RetryAfter: time.Minute}
		}
		_, err := tx.Exec(`insert into media (media_id, user_id, created, expires, file, size, meta) values ($1, $2, $3, $4, '', 0, $5)`,
			mediaID, user, now.UnixMilli(), until.UnixMilli(), []byte{})
		return err
	})
	if err != nil {
		return id.ContentURI{}, time.Time{}, fmt.Errorf("reserve media id: %w", err)
	}
	return m.uri(mediaID), until, nil
}

// Fill stores the content of an id from Create (PUT /media/v3/upload/{serverName}/{mediaId}).
func (m *Media) Fill(ctx context.Context, who Person, server, mediaID string, meta Meta, body io.Reader, size int64) error {
	if server != m.ServerName {
		return unknown()
	}
	r, err := m.find(ctx, mediaID)
	if err != nil {
		return err
	}
	if r.user != who.User {
		return fault.New(fault.Forbidden, "Another user reserved this media ID.")
	}
	if !r.pending() {
		return filled()
	}
	s, err := m.store(ctx, who.User, mediaID, meta, body, size)
	if err != nil {
		return err
	}
	err = m.DB.Write(ctx, "fill media", nil, func(tx *db.Tx) error {
		n, err := tx.Exec(`update media set expires = 0, file = $1, size = $2, meta = $3 where media_id = $4 and file = ''`,
			s.file, s.size, s.meta, mediaID)
		if err != nil {
			return err
		}
		if n == 0 {
			return filled()
		}
		m.auditUpload(tx, who, mediaID, s.size)
		tx.After(func() { m.announce(mediaID) })
		return nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("fill media: %w", err), m.drop(err, s.file))
	}
	return nil
}

func filled() *fault.Fault { return fault.New(fault.CannotOverwriteMedia, "Media already uploaded.") }

// stored is content on disk that has no row yet.
type stored struct {
	file string
	size int64
	meta []byte
}

// store seals body into a new file, which is on disk when it returns.
func (m *Media) store(ctx context.Context, user id.UserID, mediaID string, meta Meta, body io.Reader, size int64) (*stored, error) {
	if err := meta.check(); err != nil {
		return nil, err
	}
	if size > m.MaxBytes {
		return nil, m.tooLarge()
	}
	plain, err := json.Marshal(meta)
	if err != nil {
		return nil, fmt.Errorf("encode file name and type: %w", err)
	}
	s := &stored{file: newID()}
	if s.meta, err = m.Seal.Seal(ctx, seal.Person(user), aad(mediaID, "meta"), plain); err != nil {
		return nil, fmt.Errorf("seal file name and type: %w", err)
	}
	file, err := m.files.create()
	if err != nil {
		return nil, err
	}
	if s.size, err = m.sealInto(ctx, user, aad(mediaID, "content"), file, body, size); err != nil {
		m.files.discard(file)
		return nil, err
	}
	if err := m.files.keep(file, s.file, true); err != nil {
		return nil, err
	}
	return s, nil
}

func (m *Media) tooLarge() error {
	return fault.New(fault.TooLarge, "Cannot upload files larger than %d bytes.", m.MaxBytes)
}

func (m *Media) sealInto(ctx context.Context, user id.UserID, name string, file *os.File, body io.Reader, announced int64) (int64, error) {
	w, err := m.Seal.NewWriter(ctx, seal.Person(user), name, file)
	if err != nil {
		return 0, fmt.Errorf("seal file: %w", err)
	}
	source := &reading{r: io.LimitReader(body, m.MaxBytes+1)}
	n, err := io.Copy(w, source)
	switch {
	case source.err != nil:
		// The uploader went away or was cut off by a limit below us.
		if f, ok := fault.As(source.err); ok {
			return 0, f
		}
		return 0, fault.New(fault.Unknown, "The upload was interrupted.").WithStatus(400).Because(source.err)
	case err != nil:
		return 0, fmt.Errorf("write sealed file: %w", err)
	case n > m.MaxBytes:
		return 0, m.tooLarge()
	case announced >= 0 && n != announced:
		return 0, fault.New(fault.Unknown, "The upload was interrupted.").WithStatus(400)
	}
	if err := w.Close(); err != nil {
		return 0, fmt.Errorf("finish sealed file: %w", err)
	}
	return n, nil
}

// reading remembers a failure of the source, to tell it from one of the disk.
type reading struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (s *reading) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
