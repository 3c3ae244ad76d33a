package rest

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/net/http/httpguts"
)

// Answers of this size and more are compressed for who reads gzip; a smaller one is a packet or two as it is.
//
// Compression tells a listener something of what is secret in an answer when he can have a browser ask for it over and
// over with words of his own (BREACH). Here he cannot: who asks shows a token that a browser adds to no request by itself.
const gzipFrom = 4 << 10

var (
	gzipCoding = []string{"gzip"}
	varyCoding = []string{"Accept-Encoding"}
)

// zipper compresses answers one after the other.
type zipper struct {
	out bytes.Buffer
	w   *gzip.Writer
}

var zippers = sync.Pool{New: func() any {
	z := new(zipper)
	z.w, _ = gzip.NewWriterLevel(&z.out, gzip.BestSpeed) // a level that there is
	return z
}}

// zip compresses an answer, if the caller reads that and it gets smaller. What it returns goes back to zippers when it was
// written; nil is for answers that stay as they are.
func (r *Request) zip(body []byte) *zipper {
	if !httpguts.HeaderValuesContainsToken(r.Header["Accept-Encoding"], "gzip") {
		return nil
	}
	z := zippers.Get().(*zipper)
	if z.out.Cap() > maxKeptBytes {
		z.out = bytes.Buffer{}
	}
	z.out.Reset()
	z.w.Reset(&z.out)
	_, err := z.w.Write(body)
	if err == nil {
		err = z.w.Close()
	}
	if err != nil || z.out.Len() >= len(body) { // a buffer takes everything
		zippers.Put(z)
		return nil
	}
	return z
}
