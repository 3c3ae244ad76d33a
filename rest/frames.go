package rest

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"github.com/myelin-health/myelin/fault"
)

// Answers of this size and more are compressed when the other side can read that; for less it does not pay.
const packFrom = 1024

// maxAnswer bounds an answer that its handler writes piece by piece.
const maxAnswer = 8 << 20

var (
	errTooBig    = errors.New("the message is too big")
	errNotPacked = errors.New("the message is not compressed as agreed")
	errNotJSON   = errors.New("only JSON is answered over a stream")
	errLeft      = errors.New("the other side closed the stream")
)

// frame is a request of a stream, and the seat where it waits. It is an http.ResponseWriter, so that it is
// served like any other.
type frame struct {
	st     *stream
	number string // by which the other side knows the answer

	cancel context.CancelFunc // of the request while it has a goroutine
	guest  *guest             // nil as long; guarded by st.mu

	header http.Header
	status int
	body   []byte
	sent   bool
}

// Header implements http.ResponseWriter.
func (f *frame) Header() http.Header {
	if f.header == nil {
		f.header = make(http.Header)
	}
	return f.header
}

// WriteHeader implements http.ResponseWriter.
func (f *frame) WriteHeader(status int) {
	if f.status == 0 {
		f.status = status
	}
}

// Write implements http.ResponseWriter.
func (f *frame) Write(p []byte) (int, error) {
	f.WriteHeader(http.StatusOK)
	h := f.Header()
	if kind := h.Get("Content-Type"); kind != jsonType[0] {
		return 0, errNotJSON
	}
	if len(f.body) == 0 && h.Get("Content-Length") == strconv.Itoa(len(p)) {
		return len(p), f.send(p)
	}
	if len(f.body)+len(p) > maxAnswer {
		return 0, errTooBig
	}
	f.body = append(f.body, p...)
	return len(p), nil
}

func (f *frame) send(body []byte) error {
	f.sent = true
	return f.st.send(fmt.Appendf(nil, "%s %d\n", f.number, f.status), body)
}

// end answers what is not answered yet, and ends the request.
func (f *frame) end() {
	if kind := f.Header().Get("Content-Type"); !f.sent && f.status != http.StatusNoContent && kind != jsonType[0] {
		f.header, f.body, f.status = nil, nil, 0
		f.st.s.writeFault(f.faulty(), fault.New(fault.Unrecognized, "This is not served over a stream.").WithStatus(http.StatusNotAcceptable))
	}
	if !f.sent {
		_ = f.send(f.body) // if it cannot be written, nobody is there
	}
	f.done(true)
}

// faulty is a request for a fault to be written to.
func (f *frame) faulty() *Request {
	r := &Request{Request: &http.Request{Header: http.Header{}}, s: f.st.s, W: f}
	return r
}

// done implements seat.
func (f *frame) done(answered bool) {
	st := f.st
	st.mu.Lock()
	if i := slices.Index(st.frames, f); i >= 0 {
		st.frames = slices.Delete(st.frames, i, i+1)
	}
	leave := st.leaving && len(st.frames) == 0
	st.mu.Unlock()
	f.cancel()
	if leave {
		st.close(ws.StatusGoingAway, "")
	}
}

// sit seats a request that waits.
func (f *frame) sit(r *Request, end time.Time) {
	st, g := f.st, r.guest
	f.header = nil // it is made anew for the answer
	st.mu.Lock()
	f.guest = g
	over, leaving := st.over, st.leaving
	st.mu.Unlock()
	if over {
		g.rouse(gone)
	}
	if leaving {
		g.rouse(late)
	}
	g.sit(r, f, end)
	f.cancel() // what was begun in its own goroutine; a guest looks with a context of its own
}

// send writes one message.
func (st *stream) send(head, body []byte) error {
	h := ws.Header{Fin: true, OpCode: ws.OpText}
	if st.packed && len(head)+len(body) >= packFrom {
		packed, err := pack(head, body)
		if err != nil {
			return err
		}
		h.Rsv = ws.Rsv(true, false, false)
		head, body = packed, nil
	}
	h.Length = int64(len(head) + len(body))
	var first bytes.Buffer
	if err := ws.WriteHeader(&first, h); err != nil {
		return err
	}
	return st.write(append(first.Bytes(), head...), body)
}

// control writes a ping, a pong or a close frame.
func (st *stream) control(op ws.OpCode, body []byte) error {
	b, err := ws.CompileFrame(ws.NewFrame(op, true, body))
	if err != nil {
		return err
	}
	return st.write(b, nil)
}

// write drops the stream of somebody who does not read.
func (st *stream) write(first, rest []byte) error {
	st.writing.Lock()
	err := st.conn.SetWriteDeadline(time.Now().Add(writeTime))
	if err == nil {
		pieces := net.Buffers{first, rest}
		_, err = pieces.WriteTo(st.conn)
	}
	st.writing.Unlock()
	if err != nil {
		st.drop()
	}
	return err
}

// read reads one message, or nil for what concerns the connection only.
func (st *stream) read(r *bufio.Reader) ([]byte, error) {
	state := ws.StateServerSide
	if st.packed {
		state = state.Set(ws.StateExtended)
	}
	var text []byte
	packed := false
	if r.Buffered() == 0 {
		// Nothing has begun: the wait for it is bounded by the pings.
		if _, err := r.Peek(1); err != nil {
			return nil, err
		}
	}
	if err := st.conn.SetReadDeadline(time.Now().Add(messageTime)); err != nil {
		return nil, err
	}
	for {
		h, body, err := readFrame(r, state, maxMessage-len(text))
		if err != nil {
			return nil, err
		}
		if h.OpCode.IsControl() {
			if err := st.answerControl(h.OpCode, body); err != nil {
				return nil, err
			}
			if text == nil {
				return nil, st.conn.SetReadDeadline(time.Time{})
			}
			continue
		}
		if h.OpCode == ws.OpBinary {
			return nil, ws.ErrProtocolOpCodeReserved
		}
		packed = packed || h.Rsv1()
		if text = append(text, body...); h.Fin {
			break
		}
		if text == nil {
			text = []byte{}
		}
		state = state.Set(ws.StateFragmented)
	}
	if packed {
		if text = unpack(text); text == nil {
			return nil, errNotPacked
		}
	}
	if text == nil {
		text = []byte{}
	}
	return text, st.conn.SetReadDeadline(time.Time{})
}

func readFrame(r *bufio.Reader, state ws.State, limit int) (ws.Header, []byte, error) {
	h, err := ws.ReadHeader(r)
	if err != nil {
		return h, nil, err
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return h, nil, err
	}
	if h.Rsv2() || h.Rsv3() || h.Rsv1() && (h.OpCode.IsControl() || h.OpCode == ws.OpContinuation) {
		return h, nil, ws.ErrProtocolNonZeroRsv
	}
	if h.Length > int64(limit) && !h.OpCode.IsControl() {
		return h, nil, errTooBig
	}
	body := make([]byte, h.Length)
	if _, err := io.ReadFull(r, body); err != nil {
		return h, nil, err
	}
	ws.Cipher(body, h.Mask, 0)
	return h, body, nil
}

func (st *stream) answerControl(op ws.OpCode, body []byte) error {
	switch op {
	case ws.OpPing:
		return st.control(ws.OpPong, body)
	case ws.OpClose:
		code, _ := ws.ParseCloseFrameData(body)
		if code.Empty() {
			code = ws.StatusNormalClosure
		}
		_ = st.control(ws.OpClose, ws.NewCloseFrameBody(code, "")) // it is closed in any case
		return errLeft
	}
	return nil
}

// failed closes the stream with the code for what could not be read.
func (st *stream) failed(err error) {
	var broken ws.ProtocolError
	switch {
	case errors.Is(err, errTooBig):
		st.close(ws.StatusMessageTooBig, "")
	case errors.Is(err, errNotPacked):
		st.close(ws.StatusInvalidFramePayloadData, "")
	case errors.As(err, &broken), errors.Is(err, ws.ErrHeaderLengthMSB), errors.Is(err, ws.ErrHeaderLengthUnexpected):
		st.close(ws.StatusProtocolError, "")
	}
}

// packer compresses messages one by one, so that nothing is kept between them.
type packer struct {
	out bytes.Buffer
	w   *wsflate.Writer
}

var packers = sync.Pool{New: func() any {
	p := new(packer)
	p.w = wsflate.NewWriter(&p.out, func(w io.Writer) wsflate.Compressor {
		f, _ := flate.NewWriter(w, flate.BestSpeed) // a level that there is
		return f
	})
	return p
}}

// pack compresses the pieces of a message.
func pack(pieces ...[]byte) ([]byte, error) {
	p := packers.Get().(*packer)
	defer packers.Put(p)
	p.out.Reset()
	p.w.Reset(&p.out)
	for _, piece := range pieces {
		if _, err := p.w.Write(piece); err != nil {
			return nil, err
		}
	}
	if err := p.w.Close(); err != nil {
		return nil, err
	}
	packed := bytes.Clone(p.out.Bytes())
	if p.out.Cap() > maxKeptBytes {
		p.out = bytes.Buffer{}
	}
	return packed, nil
}

// unpack returns nil for what is no compressed message, or one that is too big.
func unpack(b []byte) []byte {
	r := wsflate.NewReader(bytes.NewReader(b), func(r io.Reader) wsflate.Decompressor { return flate.NewReader(r) })
	text, err := io.ReadAll(io.LimitReader(r, maxMessage+1))
	if err != nil || len(text) > maxMessage {
		return nil
	}
	return text
}
