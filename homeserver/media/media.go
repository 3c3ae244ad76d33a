// Package media keeps uploaded files: it stores them sealed on disk, streams them back, makes thumbnails
// and says in the audit log who read what. It owns the table media and the files below
// its folder.
//
// It decides nothing about how a browser treats a file: headers are clientapi's business. It knows no
// HTTP and never holds a file in memory as a whole.
package media

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"runtime"
	"sync"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/seal"
)

// Options are what Media is built from.
type Options struct {
	DB         *db.DB
	Seal       *seal.Keys
	Audit      *audit.Log
	ServerName string
	Dir        string // folder for the files; made when missing
	MaxBytes   int64  // largest upload; 0 means 100 MiB
	Clock      func() time.Time
	Log        *slog.Logger
}

// Limits that are not configurable.
const (
	// PendingFor is how long a reserved id may stay without content.
	PendingFor = 24 * time.Hour
	// MaxPending is how many reserved ids without content a user may have.
	MaxPending = 100

	defaultMaxBytes = 100 << 20
	maxPixels       = 40_000_000 // of an image that is made smaller: up to 160 MB while it is worked on
)

// Media serves all users' files. It is safe for concurrent use.
type Media struct {
	Options
	files   *files
	scaling chan struct{} // one entry for each image being worked on

	mu      sync.Mutex
	waiting map[string]chan struct{} // by media id; closed when it is filled
}

// New opens the folder and removes what an earlier process left unfinished in it.
func New(o Options) (*Media, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	files, err := openFiles(o.Dir, (*os.File).Sync)
	if err != nil {
		return nil, err
	}
	return &Media{
		Options: o,
		files:   files,
		scaling: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		waiting: map[string]chan struct{}{},
	}, nil
}

// Meta is what the uploader says about a file. Both may be empty.
type Meta struct {
	Name string `json:"name,omitempty"`
	Type string `json:"type,omitempty"`
}

const maxMeta = 1024 // bytes of a name or content type

func (m Meta) check() error {
	if len(m.Name) > maxMeta || len(m.Type) > maxMeta {
		return fault.New(fault.InvalidParam, "The file name or content type is too long.")
	}
	return nil
}

var validID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

// newID returns 192 random bits in the alphabet of media ids.
func newID() string {
	var b [24]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (m *Media) uri(mediaID string) id.ContentURI {
	return id.ContentURI{Homeserver: m.ServerName, FileID: mediaID}
}

// row is a row of the table media.
type row struct {
	mediaID       string
	user          id.UserID
	expires, size int64
	file          string
	meta          []byte
}

func unknown() *fault.Fault { return fault.New(fault.NotFound, "Unknown media ID.") }

// find reads a row; a reserved id that has expired is unknown.
func (m *Media) find(ctx context.Context, mediaID string) (*row, error) {
	if !validID.MatchString(mediaID) {
		return nil, unknown()
	}
	r := &row{mediaID: mediaID}
	rows, err := m.DB.Query(ctx, `select user_id, expires, size, file, meta from media where media_id = $1`, mediaID)
	if err != nil {
		return nil, fmt.Errorf("find media: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("find media: %w", err)
		}
		return nil, unknown()
	}
	if err := rows.Scan(&r.user, &r.expires, &r.size, &r.file, &r.meta); err != nil {
		return nil, fmt.Errorf("find media: %w", err)
	}
	if r.pending() && r.expires < m.Clock().UnixMilli() {
		return nil, unknown()
	}
	return r, nil
}

func (r *row) pending() bool { return r.file == "" }

// aad binds what is sealed to its row and its use.
func aad(mediaID, what string) string { return "media/" + mediaID + "/" + what }
