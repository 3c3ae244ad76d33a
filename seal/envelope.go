package seal

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
)

// scratch holds buffers for associated data, which would otherwise be one more allocation for each call.
var scratch = sync.Pool{New: func() any { b := make([]byte, 0, 256); return &b }}

// Seal encrypts plain under the scope's data key. aad names what is sealed (such as the table and the row's key): Open
// needs the same, so that sealed bytes cannot be moved to another place. The data key is made, durably, when the scope
// has none; after Destroy that is a new one, which cannot open what the old one sealed.
//
// Layout of the result: version (1 byte), generation of the data key (4, big endian), nonce (12), cipher text, tag (16).
func (k *Keys) Seal(ctx context.Context, scope Scope, aad string, plain []byte) ([]byte, error) {
	return k.AppendSeal(ctx, make([]byte, 0, Overhead+len(plain)), scope, aad, plain)
}

// AppendSeal is Seal that appends to dst and returns the longer slice. dst must not overlap plain.
func (k *Keys) AppendSeal(ctx context.Context, dst []byte, scope Scope, aad string, plain []byte) ([]byte, error) {
	if len(aad) > maxAAD {
		return nil, fmt.Errorf("seal: associated data of %d bytes is too long", len(aad))
	}
	r, err := k.ring(ctx, scope, true)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	key := r.newest()
	dst = slices.Grow(dst, Overhead+len(plain))
	dst = append(dst, version)
	dst = binary.BigEndian.AppendUint32(dst, key.generation)

	buf := scratch.Get().(*[]byte)
	ad := append(append((*buf)[:0], r.prefix...), aad...)
	dst = key.aead.Seal(dst, nil, plain, ad)
	*buf = ad
	scratch.Put(buf)
	return dst, nil
}

// Open decrypts what Seal returned for the same scope and aad. It fails with ErrErased when the key was destroyed and
// with ErrCorrupt when sealed is damaged or was sealed for another scope or aad.
func (k *Keys) Open(ctx context.Context, scope Scope, aad string, sealed []byte) ([]byte, error) {
	size := max(0, len(sealed)-Overhead)
	return k.AppendOpen(ctx, make([]byte, 0, size), scope, aad, sealed)
}

// AppendOpen is Open that appends the clear text to dst and returns the longer slice. dst must not overlap sealed.
func (k *Keys) AppendOpen(ctx context.Context, dst []byte, scope Scope, aad string, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != version {
		return nil, fmt.Errorf("open sealed data: not an envelope: %w", ErrCorrupt)
	}
	key, r, err := k.generation(ctx, scope, binary.BigEndian.Uint32(sealed[1:]))
	if err != nil {
		return nil, fmt.Errorf("open sealed data: %w", err)
	}
	buf := scratch.Get().(*[]byte)
	ad := append(append((*buf)[:0], r.prefix...), aad...)
	out, err := key.aead.Open(dst, nil, sealed[headerSize:], ad)
	*buf = ad
	scratch.Put(buf)
	if err != nil {
		return nil, fmt.Errorf("open sealed data: %w", ErrCorrupt)
	}
	return out, nil
}
