package audit

import (
	"crypto/sha256"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileWidth = 256 // hashes in a full tile; its root is one hash of the level above
	tileBytes = tileWidth * tlog.HashSize
)

// tree computes the Merkle tree (RFC 6962) over leaves that come one after the other. It keeps the right edge only: of
// each level the hashes that do not fill a tile yet.
type tree struct {
	size  int64
	edge  [][]byte // by level
	full  func(level int, number int64, hashes []byte)
	spare []byte
}

// add adds a leaf. full is called for each tile that it fills; hashes must not be kept.
func (t *tree) add(h tlog.Hash) {
	t.size++
	for level := 0; ; level++ {
		if level == len(t.edge) {
			t.edge = append(t.edge, make([]byte, 0, tileBytes))
		}
		t.edge[level] = append(t.edge[level], h[:]...)
		if len(t.edge[level]) < tileBytes {
			return
		}
		if t.full != nil {
			t.full(level, t.size>>(8*(level+1))-1, t.edge[level])
		}
		t.spare = append(t.spare[:0], t.edge[level]...)
		h = fold(t.spare)
		t.edge[level] = t.edge[level][:0]
	}
}

// fold returns the root of a complete subtree over the hashes, whose number is a power of two. It destroys them.
func fold(hashes []byte) tlog.Hash {
	for n := len(hashes) / tlog.HashSize; n > 1; n /= 2 {
		for i := range n / 2 {
			h := tlog.NodeHash(at(hashes, 2*i), at(hashes, 2*i+1))
			copy(hashes[i*tlog.HashSize:], h[:])
		}
	}
	return at(hashes, 0)
}

func at(hashes []byte, i int) tlog.Hash { return tlog.Hash(hashes[i*tlog.HashSize:]) }

// root returns the hash over all leaves.
func (t *tree) root() tlog.Hash {
	var root tlog.Hash
	found := false
	for _, hashes := range t.edge { // from the right end of the leaves to the left
		n := len(hashes) / tlog.HashSize
		for width := 1; width <= n; width *= 2 {
			if n&width == 0 {
				continue
			}
			end := n &^ (width - 1) // the groups to the right are done
			group := append(t.spare[:0], hashes[(end-width)*tlog.HashSize:end*tlog.HashSize]...)
			h := fold(group)
			if found {
				h = tlog.NodeHash(h, root)
			}
			root, found = h, true
		}
	}
	if !found {
		return sha256.Sum256(nil)
	}
	return root
}
