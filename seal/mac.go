package seal

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"
)

// MAC returns the HMAC-SHA256 of data under a key derived from the scope's oldest data key, 32 bytes. purpose separates
// uses from each other. The same input gives the same result until the scope's key is destroyed. The key is made when
// the scope has none.
func (k *Keys) MAC(ctx context.Context, scope Scope, purpose string, data []byte) ([]byte, error) {
	m, err := k.Hasher(ctx, scope, purpose)
	if err != nil {
		return nil, err
	}
	return m.Append(nil, data), nil
}

// Hasher computes many MACs for one scope and purpose. It is safe for concurrent use. It keeps the key: do not hold one
// for a scope whose key may be destroyed.
type Hasher struct{ pool sync.Pool }

// Hasher returns a Hasher whose results are those of MAC.
func (k *Keys) Hasher(ctx context.Context, scope Scope, purpose string) (*Hasher, error) {
	r, err := k.ring(ctx, scope, true)
	if err != nil {
		return nil, fmt.Errorf("keyed hash: %w", err)
	}
	key := r.oldest().mac
	start := append(binary.AppendUvarint(nil, uint64(len(purpose))), purpose...)
	return &Hasher{pool: sync.Pool{New: func() any {
		return &hasherState{mac: hmac.New(sha256.New, key), start: start}
	}}}, nil
}

type hasherState struct {
	mac   hash.Hash
	start []byte
}

// Append appends the 32 bytes of data's MAC to dst.
func (h *Hasher) Append(dst, data []byte) []byte {
	s := h.pool.Get().(*hasherState)
	s.mac.Reset()
	s.mac.Write(s.start)
	s.mac.Write(data)
	dst = s.mac.Sum(dst)
	h.pool.Put(s)
	return dst
}
