package feed

import (
	"context"
	"encoding/json"
	"time"

	"maunium.net/go/mautrix/id"
)

// Kind says what changed about a person.
type Kind string

// The kinds of change that other packages report.
const (
	// AccountData: Change.Key is the type, Change.Room the room, or empty for global account data.
	AccountData Kind = "account_data"
	// DeviceList: the person's devices or their public keys changed; everybody who shares an encrypted
	// room with the person and the person's own devices learn it.
	DeviceList Kind = "device_list"
	// OwnView: only the person sees the keys of user Change.Key differently now, having signed them.
	OwnView Kind = "own_view"
	// KeyCounts: the number of one-time keys, or the use of a fallback key, of device Change.Key changed.
	KeyCounts Kind = "key_counts"
)

// Change is one thing about a person that some device has not seen yet.
type Change struct {
	Kind Kind
	User id.UserID
	Room id.RoomID
	Key  string
}

// ToDevice is one message for devices of one person.
type ToDevice struct {
	Sender  id.UserID
	Type    string
	User    id.UserID
	Device  id.DeviceID // "*" means every device the person has now
	Content json.RawMessage
}

// SyncRequest is what the caller of /sync asks for.
type SyncRequest struct {
	Since       string        // empty: an initial sync
	Filter      string        // a filter id, inline JSON, or empty
	SetPresence string        // online, unavailable, offline; empty means online
	Timeout     time.Duration // how long to wait when there is nothing to tell
	FullState   bool
	StateAfter  bool // use_state_after, spec v1.16
	MSC4222     bool // with StateAfter: answer under the name it had before the specification took it
}

// DeviceCounts is what /sync tells a device about its own uploaded keys.
type DeviceCounts struct {
	OneTime        map[string]int // by algorithm
	UnusedFallback []string       // algorithms
}

// AccountDatum is one entry of a person's account data.
type AccountDatum struct {
	Room    id.RoomID // empty: global
	Type    string
	Content json.RawMessage
}

// Account is what the feed needs of the account package.
type Account struct {
	// Data lists account data: all of it, or only the given keys (Room and Type set) when keys is not nil.
	// Missing keys are left out of the answer.
	Data func(ctx context.Context, user id.UserID, keys []AccountDatum) ([]AccountDatum, error)
	// SetData stores one entry and reports it through Changed.
	SetData func(ctx context.Context, user id.UserID, d AccountDatum) error
	// Filter returns the JSON of a stored filter, or a fault of kind NotFound.
	Filter func(ctx context.Context, user id.UserID, filter string) (json.RawMessage, error)
	// Devices lists the ids of a person's devices, including a dehydrated one.
	Devices func(ctx context.Context, user id.UserID) ([]id.DeviceID, error)
}
