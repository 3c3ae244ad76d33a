package seal

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A sealed file is a header and chunks of 64 KiB, each sealed by itself with AES-256-GCM under a key of this file only:
//
//	version 2 (1 byte), generation of the data key (4, big endian), salt (32)
//	{ cipher text of up to 65536 bytes, tag (16) } ...
//
// The nonce of a chunk is its number and a flag for the last one, so that chunks can be neither reordered nor left out and
// the end cannot be cut off. Every chunk but the last is full; an empty file has one empty chunk. The file's key is derived
// from the data key and the salt; scope and associated data go into the derivation.
const (
	streamVersion = 2
	streamHeader  = headerSize + secretSize
	chunkSize     = 64 * 1024
	tagSize       = 16
	sealedChunk   = chunkSize + tagSize
)

// StreamSize is how long a file of size bytes is when sealed by a Writer.
func StreamSize(size int64) int64 {
	chunks := max(1, (size+chunkSize-1)/chunkSize)
	return streamHeader + size + chunks*tagSize
}

func (key *dataKey) file(scope Scope, aad string, salt []byte) (cipher.AEAD, error) {
	info := "myelin file" + string(prefix(scope)) + aad
	secret, err := hkdf.Key(sha256.New, key.stream, salt, info, secretSize)
	if err != nil {
		return nil, fmt.Errorf("derive key of file: %w", err)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

func nonce(chunk int64, last bool) [12]byte {
	var n [12]byte
	binary.BigEndian.PutUint64(n[3:], uint64(chunk))
	if last {
		n[11] = 1
	}
	return n
}

// Writer seals what is written to it. Without Close what it wrote is no complete file and Reader refuses it.
type Writer struct {
	w      io.Writer
	aead   cipher.AEAD
	header []byte // until it is written
	plain  []byte // of the chunk being filled; kept full until it is known whether more follows
	sealed []byte
	chunk  int64
	err    error
}

// NewWriter returns a Writer that seals a file under the scope's key and writes it to w. aad names the file; the reader
// needs the same. It holds two chunks of 64 KiB in memory.
func (k *Keys) NewWriter(ctx context.Context, scope Scope, aad string, w io.Writer) (*Writer, error) {
	r, err := k.ring(ctx, scope, true)
	if err != nil {
		return nil, fmt.Errorf("seal file: %w", err)
	}
	key := r.newest()
	header := binary.BigEndian.AppendUint32([]byte{streamVersion}, key.generation)
	salt := make([]byte, secretSize)
	rand.Read(salt)
	aead, err := key.file(scope, aad, salt)
	if err != nil {
		return nil, err
	}
	return &Writer{w: w, aead: aead, header: append(header, salt...),
		plain: make([]byte, 0, chunkSize), sealed: make([]byte, 0, sealedChunk)}, nil
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if w.err != nil {
			return written, w.err
		}
		if len(w.plain) == chunkSize {
			w.flush(false)
			continue
		}
		n := min(len(p), chunkSize-len(w.plain))
		w.plain = append(w.plain, p[:n]...)
		p = p[n:]
		written += n
	}
	return written, w.err
}

// Close writes the last chunk. It does not close the underlying writer.
func (w *Writer) Close() error {
	if w.err == nil {
		w.flush(true)
	}
	if w.err != nil {
		return w.err
	}
	w.err = errors.New("seal file: already closed")
	return nil
}

func (w *Writer) flush(last bool) {
	if w.header != nil {
		if _, err := w.w.Write(w.header); err != nil {
			w.err = fmt.Errorf("write sealed file: %w", err)
			return
		}
		w.header = nil
	}
	n := nonce(w.chunk, last)
	w.sealed = w.aead.Seal(w.sealed[:0], n[:], w.plain, nil)
	if _, err := w.w.Write(w.sealed); err != nil {
		w.err = fmt.Errorf("write sealed file: %w", err)
		return
	}
	w.chunk++
	clear(w.plain)
	w.plain = w.plain[:0]
}

// Reader reads a sealed file from any place in it. It is not safe for concurrent use.
type Reader struct {
	keys       *Keys
	ctx        context.Context
	scope      Scope
	generation uint32
	aead       cipher.AEAD
	r          io.ReaderAt
	size       int64 // of the clear text
	chunks     int64
	at         int64 // of the next byte to read
	have       int64 // number of the chunk in plain; -1 when none
	plain      []byte
	sealed     []byte
}

// NewReader opens a file that a Writer sealed under the same scope and aad. size is the length of the sealed file. It has
// checked the file's beginning and end when it returns, and every other chunk is checked before a byte of it is given out:
// a changed, shortened or reordered file gives ErrCorrupt, one whose key was destroyed ErrErased, also in the middle.
func (k *Keys) NewReader(ctx context.Context, scope Scope, aad string, r io.ReaderAt, size int64) (*Reader, error) {
	body := size - streamHeader
	chunks := (body + sealedChunk - 1) / sealedChunk
	plain := body - chunks*tagSize
	if body < tagSize || StreamSize(plain) != size {
		return nil, fmt.Errorf("open sealed file: %d bytes cannot be one: %w", size, ErrCorrupt)
	}
	header := make([]byte, streamHeader)
	if err := readFull(r, header, 0); err != nil {
		return nil, fmt.Errorf("open sealed file: %w", err)
	}
	if header[0] != streamVersion {
		return nil, fmt.Errorf("open sealed file: unknown version: %w", ErrCorrupt)
	}
	generation := binary.BigEndian.Uint32(header[1:])
	key, _, err := k.generation(ctx, scope, generation)
	if err != nil {
		return nil, fmt.Errorf("open sealed file: %w", err)
	}
	aead, err := key.file(scope, aad, header[headerSize:])
	if err != nil {
		return nil, err
	}
	f := &Reader{keys: k, ctx: context.WithoutCancel(ctx), scope: scope, generation: generation, aead: aead, r: r,
		size: plain, chunks: chunks, have: -1}
	if err := f.load(chunks - 1); err != nil {
		return nil, err
	}
	return f, nil
}

// readFull reads len(p) bytes at offset. A file that ends before is damaged.
func readFull(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == io.EOF || err == nil {
		return fmt.Errorf("file is too short: %w", ErrCorrupt)
	}
	return fmt.Errorf("read: %w", err)
}

// load decrypts a chunk into plain.
func (f *Reader) load(chunk int64) error {
	if _, _, err := f.keys.generation(f.ctx, f.scope, f.generation); err != nil { // destroyed since?
		return fmt.Errorf("read sealed file: %w", err)
	}
	f.have = -1
	size := int(min(sealedChunk, f.size+f.chunks*tagSize-chunk*sealedChunk))
	if cap(f.sealed) < size {
		f.sealed = make([]byte, size)
	}
	sealed := f.sealed[:size]
	if err := readFull(f.r, sealed, streamHeader+chunk*sealedChunk); err != nil {
		return fmt.Errorf("read sealed file: %w", err)
	}
	n := nonce(chunk, chunk == f.chunks-1)
	plain, err := f.aead.Open(f.plain[:0], n[:], sealed, nil)
	if err != nil {
		return fmt.Errorf("read sealed file, part %d: %w", chunk, ErrCorrupt)
	}
	f.plain, f.have = plain, chunk
	return nil
}

// Size is the length of the clear text.
func (f *Reader) Size() int64 { return f.size }

// chunkAt returns the clear text from offset to the end of its chunk.
func (f *Reader) chunkAt(offset int64) ([]byte, error) {
	chunk := offset / chunkSize
	if chunk != f.have {
		if err := f.load(chunk); err != nil {
			return nil, err
		}
	}
	return f.plain[offset%chunkSize:], nil
}

// Read implements io.Reader.
func (f *Reader) Read(p []byte) (int, error) {
	if f.at >= f.size {
		return 0, io.EOF
	}
	plain, err := f.chunkAt(f.at)
	if err != nil {
		return 0, err
	}
	n := copy(p, plain)
	f.at += int64(n)
	return n, nil
}

// WriteTo implements io.WriterTo: it writes what is left to w, chunk by chunk and without another copy.
func (f *Reader) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for f.at < f.size {
		plain, err := f.chunkAt(f.at)
		if err != nil {
			return written, err
		}
		n, err := io.Copy(w, bytes.NewReader(plain))
		f.at += n
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// Seek implements io.Seeker.
func (f *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.at
	case io.SeekEnd:
		offset += f.size
	case io.SeekStart:
	default:
		return 0, fmt.Errorf("seek in sealed file: unknown whence %d", whence)
	}
	if offset < 0 {
		return 0, errors.New("seek in sealed file: before its start")
	}
	f.at = offset
	return offset, nil
}
