// Package seal is encryption at rest. Everything a person wrote, and everything personal about them, is stored only as
// what this package returns: AES-256-GCM under a data key of the room, of the person, or of the server. Data keys live in
// a store of their own (keys.db in the data directory, or the schema myelin_keys on PostgreSQL), wrapped by a master key
// that is kept in a file or in the environment. Destroying a data key erases all it ever sealed, wherever copies are.
//
// It is not end-to-end encryption: the server can open what it sealed. It decides nothing about who may read, and it
// keeps no content; callers store what it returns.
package seal

import (
	"encoding/binary"
	"errors"

	"maunium.net/go/mautrix/id"
)

// Scope names whose data key seals something. Make one with [Room] or [Person], or use [Server].
type Scope string

// Server is the scope of what belongs to neither a room nor a person. Its key is never destroyed.
const Server Scope = "server"

// Room is the scope of a room's content: its events and files.
func Room(room id.RoomID) Scope { return Scope("room:" + string(room)) }

// Person is the scope of what is about one person: account data, profile, to-device payloads, audit details.
func Person(user id.UserID) Scope { return Scope("person:" + string(user)) }

var (
	// ErrErased says that the key was destroyed: what it sealed can be read by nobody any more.
	ErrErased = errors.New("the key was destroyed")
	// ErrCorrupt says that sealed bytes are not what was once sealed under this scope and associated data.
	ErrCorrupt = errors.New("sealed data is damaged or belongs elsewhere")
	// ErrMasterKey says that the master key at hand is not the one that wraps the data keys.
	ErrMasterKey = errors.New("wrong or missing master key")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("key store is closed")
)

const (
	version    = 1         // first byte of everything sealed in one piece
	headerSize = 1 + 4     // version, generation of the data key
	secretSize = 32        // bytes of a data key, of a master key and of a MAC
	gcmSize    = 12 + 16   // nonce and tag
	maxAAD     = 64 * 1024 // longer associated data is a programmer's mistake
)

// Overhead is by how many bytes a sealed text is longer than its clear text.
const Overhead = headerSize + gcmSize

// prefix is the part of the associated data that binds a sealed text to its scope. The length makes it unambiguous
// against the caller's own associated data that follows it.
func prefix(scope Scope) []byte {
	b := []byte{version}
	b = binary.AppendUvarint(b, uint64(len(scope)))
	return append(b, scope...)
}
