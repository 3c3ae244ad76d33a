package event

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sync"

	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// Build completes an event of this server: it makes the content canonical, fills in
// the content hash, signs, and computes the id. It sets p.Content, p.Hashes,
// p.Signatures and p.InternalMeta.EventID; everything else must be set before.
// Canonical is what is stored and sent to other servers. Unsigned is left out of it.
//
// p.Content may be any JSON object from a client. Errors are ErrBadJSON when it is
// not (from room version 6 on also for floats and integers outside ±(2^53-1)),
// ErrTooLarge, ErrFormat and ErrVersion. After an error p must not be used.
//
// The canonical content is shared by p and must not be modified.
func Build(v id.RoomVersion, p *pdu.PDU, key Key) (eventID id.EventID, canonical []byte, err error) {
	if !Known(v) {
		return "", nil, fmt.Errorf("%w %q", ErrVersion, v)
	}
	if p.Type == "" || p.Sender == "" {
		return "", nil, malformed("type or sender is missing")
	}
	if err := canonicalMembers(v, p); err != nil {
		return "", nil, err
	}
	// One buffer serves all three forms; each is copied out of or hashed in place.
	work := buffers.Get().(*[]byte)
	buf := (*work)[:0]
	defer func() {
		if cap(buf) <= maxKept {
			*work = buf
			buffers.Put(work)
		}
	}()
	p.Hashes, p.Signatures = nil, nil
	if buf, err = appendEvent(buf, v, p, hashForm); err != nil {
		return "", nil, fmt.Errorf("building an event: %w", err)
	}
	hash := sha256.Sum256(buf)
	p.Hashes = &pdu.Hashes{SHA256: hash[:]}
	if buf, err = appendEvent(buf[:0], v, p, referenceForm); err != nil {
		return "", nil, fmt.Errorf("building an event: %w", err)
	}
	eventID = idOf(v, sha256.Sum256(buf))
	signature := unpadded.EncodeToString(ed25519.Sign(key.Private, buf))
	p.Signatures = map[string]map[id.KeyID]string{key.Server: {key.ID: signature}}
	if buf, err = appendEvent(buf[:0], v, p, fullForm); err != nil {
		return "", nil, fmt.Errorf("building an event: %w", err)
	}
	if err := checkSizes(p, len(buf)); err != nil {
		return "", nil, err
	}
	p.InternalMeta.EventID = eventID
	return eventID, bytes.Clone(buf), nil
}

// buffers are what Build writes into.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxKept is the largest buffer that is kept for the next event.
const maxKept = 16 << 10

// Sign adds the signature of one more server to an event that is complete, as for
// invites and restricted joins, and returns its new canonical form. The id does not
// change.
func Sign(v id.RoomVersion, p *pdu.PDU, key Key) (canonical []byte, err error) {
	buf, err := appendEvent(nil, v, p, referenceForm)
	if err != nil {
		return nil, fmt.Errorf("signing an event: %w", err)
	}
	p.AddSignature(key.Server, key.ID, unpadded.EncodeToString(ed25519.Sign(key.Private, buf)))
	return Encode(v, p)
}

// Encode returns the canonical form of a complete event, without unsigned.
func Encode(v id.RoomVersion, p *pdu.PDU) ([]byte, error) {
	buf, err := appendEvent(make([]byte, 0, 1024+len(p.Content)+len(p.Unknown)), v, p, fullForm)
	if err != nil {
		return nil, fmt.Errorf("encoding an event: %w", err)
	}
	return buf, checkSizes(p, len(buf))
}

// ID returns the id of a complete event: p.InternalMeta.EventID if that is set, as
// Build and the Parse functions do, or else the reference hash computed anew.
func ID(v id.RoomVersion, p *pdu.PDU) (id.EventID, error) {
	if p.InternalMeta.EventID != "" {
		return p.InternalMeta.EventID, nil
	}
	return computeID(v, p)
}

func computeID(v id.RoomVersion, p *pdu.PDU) (id.EventID, error) {
	buf, err := appendEvent(make([]byte, 0, 1024), v, p, referenceForm)
	if err != nil {
		return "", fmt.Errorf("computing an event id: %w", err)
	}
	return idOf(v, sha256.Sum256(buf)), nil
}

func idOf(v id.RoomVersion, hash [32]byte) id.EventID {
	encoding := base64.RawURLEncoding
	if v.EventIDFormat() == id.EventIDFormatBase64 {
		encoding = base64.RawStdEncoding
	}
	var b [44]byte
	b[0] = '$'
	encoding.Encode(b[1:], hash[:])
	return id.EventID(b[:])
}
