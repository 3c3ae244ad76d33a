package search

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
)

// hashSize is how much of a word's keyed hash is kept. Two words with one hash cost a look at an event, no more.
const hashSize = 8

type hash [hashSize]byte

// postings say at which positions words occur, each list in order.
type postings map[string][]int64

func (p postings) add(words []string, pos int64) {
	for _, w := range words {
		at, known := p[w]
		if !known {
			w = strings.Clone(w) // or the whole text stays in memory
		}
		p[w] = append(at, pos)
	}
}

// all returns the positions at which every word occurs.
func (p postings) all(words []string) []int64 {
	return common(len(words), func(i int) []int64 { return p[words[i]] })
}

// encode makes a block of the postings of what came after first: the number of words, their hashes in order, the
// lengths of their lists, the lists; each position as the distance to the one before it.
func (p postings) encode(first int64, hashOf func(string) hash) []byte {
	type entry struct {
		hash hash
		at   []int64
	}
	entries := make([]entry, 0, len(p))
	for w, at := range p {
		entries = append(entries, entry{hashOf(w), at})
	}
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.hash[:], b.hash[:]) })
	b := binary.AppendUvarint(nil, uint64(len(entries)))
	for _, e := range entries {
		b = append(b, e.hash[:]...)
	}
	var lists []byte
	for _, e := range entries {
		start, last := len(lists), first
		for _, pos := range e.at {
			lists = binary.AppendUvarint(lists, uint64(pos-last))
			last = pos
		}
		b = binary.AppendUvarint(b, uint64(len(lists)-start))
	}
	return append(b, lists...)
}

var errBlock = errors.New("search block is damaged")

// lookUp returns the positions at which every word of a block occurs.
func lookUp(block []byte, first int64, words []hash) ([]int64, error) {
	n, size := binary.Uvarint(block)
	if size <= 0 || n > uint64(len(block)-size)/hashSize {
		return nil, errBlock
	}
	hashes := block[size : size+int(n)*hashSize]
	rest := block[size+len(hashes):]
	ends := make([]int, n+1) // of the lists
	for i := range n {
		length, size := binary.Uvarint(rest)
		if size <= 0 || length > uint64(len(block)) {
			return nil, errBlock
		}
		rest, ends[i+1] = rest[size:], ends[i]+int(length)
	}
	if ends[n] != len(rest) {
		return nil, errBlock
	}
	return common(len(words), func(i int) []int64 {
		at, ok := find(hashes, words[i])
		if !ok {
			return nil
		}
		return positions(rest[ends[at]:ends[at+1]], first)
	}), nil
}

// find looks a hash up in an ordered row of them.
func find(hashes []byte, want hash) (int, bool) {
	low, high := 0, len(hashes)/hashSize
	for low < high {
		mid := (low + high) / 2
		switch bytes.Compare(hashes[mid*hashSize:][:hashSize], want[:]) {
		case 0:
			return mid, true
		case -1:
			low = mid + 1
		default:
			high = mid
		}
	}
	return 0, false
}

func positions(list []byte, pos int64) []int64 {
	var l []int64
	for len(list) > 0 {
		d, size := binary.Uvarint(list)
		if size <= 0 {
			return l
		}
		pos += int64(d)
		l, list = append(l, pos), list[size:]
	}
	return l
}

// common returns what n ordered lists have in common.
func common(n int, list func(int) []int64) []int64 {
	var l []int64
	for i := range n {
		next := list(i)
		if i == 0 {
			l = slices.Clone(next)
			continue
		}
		l = slices.DeleteFunc(l, func(pos int64) bool {
			_, ok := slices.BinarySearch(next, pos)
			return !ok
		})
	}
	return l
}
