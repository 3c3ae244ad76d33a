package media

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/seal"
)

// File is an open file or thumbnail. It must be closed.
type File struct {
	io.ReadSeeker
	Meta
	Size int64
	ETag string // the content under this address never changes

	file *os.File
}

// Close releases the file.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// MaxWait bounds how long Open waits for content that was announced.
const MaxWait = 60 * time.Second

// Open opens a file for who, after it said so in the audit log (once per device, file and day). Reserved
// ids are waited for; one that stays empty is M_NOT_YET_UPLOADED.
func (m *Media) Open(ctx context.Context, who Person, server, mediaID string, wait time.Duration) (*File, error) {
	r, err := m.await(ctx, server, mediaID, wait)
	if err != nil {
		return nil, err
	}
	if err := m.auditRead(ctx, who, r.mediaID); err != nil {
		return nil, err
	}
	return m.open(ctx, r)
}

// remote is the answer for files of other servers.
func remote() error {
	return fault.New(fault.ConnectionFailed, "Files of other servers cannot be fetched.").WithStatus(502)
}

// recheck is how often a waiting reader looks whether another node filled the id.
const recheck = time.Second

// await finds a row and waits until it has content.
func (m *Media) await(ctx context.Context, server, mediaID string, wait time.Duration) (*row, error) {
	if server != m.ServerName {
		return nil, remote()
	}
	deadline := time.NewTimer(min(wait, MaxWait))
	defer deadline.Stop()
	for {
		// Listen before looking: an id that is filled in between is not missed.
		filled := m.listen(mediaID)
		r, err := m.find(ctx, mediaID)
		if err != nil || !r.pending() {
			m.unlisten(mediaID, filled)
			return r, err
		}
		again := time.NewTimer(recheck)
		select {
		case <-filled:
		case <-again.C:
		case <-deadline.C:
			again.Stop()
			m.unlisten(mediaID, filled)
			return nil, fault.New(fault.NotYetUploaded, "Content has not yet been uploaded.")
		case <-ctx.Done():
			again.Stop()
			m.unlisten(mediaID, filled)
			return nil, ctx.Err()
		}
		again.Stop()
	}
}

func (m *Media) listen(mediaID string) chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.waiting[mediaID]
	if c == nil {
		c = make(chan struct{})
		m.waiting[mediaID] = c
	}
	return c
}

// unlisten forgets the channel. Others who wait on it look again by themselves.
func (m *Media) unlisten(mediaID string, c chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.waiting[mediaID] == c {
		delete(m.waiting, mediaID)
		close(c)
	}
}

func (m *Media) announce(mediaID string) {
	m.mu.Lock()
	c := m.waiting[mediaID]
	m.mu.Unlock()
	if c != nil {
		m.unlisten(mediaID, c)
	}
}

func (m *Media) open(ctx context.Context, r *row) (*File, error) {
	plain, err := m.Seal.Open(ctx, seal.Person(r.user), aad(r.mediaID, "meta"), r.meta)
	if errors.Is(err, seal.ErrErased) {
		return nil, unknown()
	}
	if err != nil {
		return nil, fmt.Errorf("open sealed file name and type: %w", err)
	}
	f := &File{ETag: `"` + r.mediaID + `"`}
	if err := json.Unmarshal(plain, &f.Meta); err != nil {
		return nil, fmt.Errorf("decode file name and type: %w", err)
	}
	if err := m.openSealed(ctx, f, r.user, r.file, aad(r.mediaID, "content")); err != nil {
		return nil, err
	}
	return f, nil
}

// openSealed opens the sealed file of that name into f.
func (m *Media) openSealed(ctx context.Context, f *File, user id.UserID, name, aad string) error {
	file, size, err := m.files.open(name)
	if err != nil {
		return err
	}
	reader, err := m.Seal.NewReader(ctx, seal.Person(user), aad, file, size)
	if err != nil {
		return errors.Join(fmt.Errorf("open sealed file: %w", err), file.Close())
	}
	f.ReadSeeker, f.Size, f.file = reader, reader.Size(), file
	return nil
}

// auditRead writes that who reads the file, once a day.
func (m *Media) auditRead(ctx context.Context, who Person, mediaID string) error {
	return m.Audit.FileRead(ctx, audit.Entry{Who: who.User, Device: who.Device, Target: m.uri(mediaID).String(), Outcome: audit.Done})
}

// Delete removes a file for good: its content, its thumbnails and its row. Only the uploader may, unless
// anyway is set for an administrator.
func (m *Media) Delete(ctx context.Context, who Person, mediaID string, anyway bool) error {
	r, err := m.find(ctx, mediaID)
	if err != nil {
		return err
	}
	if r.user != who.User && !anyway {
		return fault.New(fault.Forbidden, "Another user uploaded this file.")
	}
	err = m.DB.Write(ctx, "delete media", nil, func(tx *db.Tx) error {
		if _, err := tx.Exec(`delete from media where media_id = $1`, mediaID); err != nil {
			return err
		}
		m.Audit.Append(tx, audit.Entry{Act: audit.Erase, Who: who.User, Device: who.Device, Target: m.uri(mediaID).String(), Outcome: audit.Done})
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete media: %w", err)
	}
	if r.pending() {
		return nil
	}
	return m.files.remove(r.file)
}

// Sweep removes reserved ids that expired, and files of at least an hour without a row. It is called from
// time to time.
func (m *Media) Sweep(ctx context.Context) error {
	now := m.Clock()
	err := m.DB.Write(ctx, "sweep media", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`delete from media where expires <> 0 and expires < $1`, now.UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("sweep media: %w", err)
	}
	return m.files.each(now.Add(-time.Hour), func(names []string) error { return m.removeOrphans(ctx, names) })
}

func (m *Media) removeOrphans(ctx context.Context, names []string) error {
	rows, err := m.DB.Query(ctx, `select file from media where file = any($1)`, names)
	if err != nil {
		return fmt.Errorf("look for files without a row: %w", err)
	}
	defer rows.Close()
	known := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return fmt.Errorf("look for files without a row: %w", err)
		}
		known[name] = true
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("look for files without a row: %w", err)
	}
	for _, name := range names {
		if known[name] {
			continue
		}
		if err := m.files.remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
