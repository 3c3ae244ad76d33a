package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// maxMembers is how many writes share one transaction at most.
const maxMembers = 64

// slowWrite is how long one write may hold the lane without being reported.
const slowWrite = 20 * time.Millisecond

// Pending is a write that was queued.
type Pending struct {
	name  string
	keys  []Key
	f     func(*Tx) error
	after []func()
	err   error
	done  chan struct{}
}

// Wait returns when the write was committed and its After-functions ran, or with
// the error that kept it from being written. When ctx ends first the write may
// still happen.
func (p *Pending) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	default:
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Pending) finish(err error) {
	p.err = err
	close(p.done)
}

// Write is Queue and Wait.
func (d *DB) Write(ctx context.Context, name string, keys []Key, f func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.Queue(name, keys, f).Wait(ctx)
}

// Queue hands a write to the lane. The name is a constant that says what it does
// (it appears in logs and metrics); keys are those whose heads it uses.
//
// f decides and hands over rows. It runs on the lane, in the order of queueing,
// and may run twice: when a batch fails its members are repeated one by one. So
// it must be short, must not wait for anything and must have no effect but
// through its Tx. When f returns an error nothing of it is written and Wait
// returns that error.
func (d *DB) Queue(name string, keys []Key, f func(*Tx) error) *Pending {
	p := &Pending{name: name, keys: keys, f: f, done: make(chan struct{})}
	if !d.lane.put(p) {
		p.finish(ErrClosed)
	}
	return p
}

// engine is one of the two databases as the lane sees it. Only the lane calls it.
type engine interface {
	// begin starts a transaction, locks the keys in ascending order and fills in their heads.
	begin(b *batch) error
	// number takes n numbers of each series and returns the first of each.
	number(n [seriesCount]int) ([seriesCount]int64, error)
	// commit writes heads and rows and commits. After an error nothing is committed, except that with
	// ErrUncertain nobody knows.
	commit(b *batch) error
	rollback()
	// transient tells whether the same write may succeed when repeated.
	transient(err error) bool

	exec(q string, args []any) (int64, error)
	query(q string, args []any) (*sql.Rows, error)
	queryRow(q string, args []any) *sql.Row
	// broken tells whether the open transaction can no longer be committed.
	broken() bool
}

// lane is the only writer of a process.
type lane struct {
	d      *DB
	engine engine
	b      *batch
	tx     Tx
	cold   map[string]int // by name of a write: runs left until it counts as quick

	mu     sync.Mutex
	wake   sync.Cond
	queue  []*Pending
	closed bool

	publish chan published
	free    chan []*Pending
	ended   chan struct{} // the lane goroutine
	silent  chan struct{} // the publisher goroutine
}

// published is one committed batch on its way to those who wait.
type published struct {
	members     []*Pending
	first, last int64
}

func startLane(d *DB, e engine) *lane {
	l := &lane{d: d, engine: e, b: newBatch(), cold: map[string]int{}, publish: make(chan published, 4), free: make(chan []*Pending, 8),
		ended: make(chan struct{}), silent: make(chan struct{})}
	l.wake.L = &l.mu
	go l.run()
	go l.publisher()
	return l
}

func (l *lane) put(p *Pending) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.queue = append(l.queue, p)
	if len(l.queue) == 1 {
		l.wake.Signal()
	}
	return true
}

// take waits for at least one write and returns what is there, never waiting for more.
func (l *lane) take(into []*Pending) []*Pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.wake.Wait()
	}
	n := min(len(l.queue), maxMembers)
	into = append(into, l.queue[:n]...)
	rest := copy(l.queue, l.queue[n:])
	clear(l.queue[rest:])
	l.queue = l.queue[:rest]
	l.d.metrics.queued.Set(float64(rest))
	return into
}

func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.wake.Signal()
	l.mu.Unlock()
	<-l.ended
	<-l.silent
}

func (l *lane) run() {
	defer close(l.ended)
	defer close(l.publish)
	for {
		var members []*Pending
		select {
		case members = <-l.free:
		default:
			members = make([]*Pending, 0, maxMembers)
		}
		// Let those who are ready to queue do it; this waits for nobody.
		runtime.Gosched()
		members = l.take(members[:0])
		if len(members) == 0 {
			return
		}
		l.process(members)
	}
}

// errUnreachable means that there was no database for a while. Repeating the members one by one,
// each after a while of its own, would only keep those behind them waiting.
var errUnreachable = errors.New("the database cannot be reached")

// process commits the members together or, when that fails, one by one.
func (l *lane) process(members []*Pending) {
	start := time.Now()
	committed, err := l.attempt(members)
	if errors.Is(err, ErrUncertain) || errors.Is(err, errUnreachable) {
		for _, m := range members {
			if !m.isDone() {
				l.refuse(m, err)
			}
		}
		return
	}
	if err != nil && len(members) > 1 {
		l.d.metrics.repeats.Inc()
		l.d.log.Debug("batch repeated one by one", "members", len(members), "error", err)
		for _, m := range members {
			if m.isDone() {
				continue
			}
			l.single(append(make([]*Pending, 0, 1), m), start)
		}
		return
	}
	if err != nil {
		l.retry(members, start, err)
		return
	}
	l.d.metrics.batchSize.Observe(float64(len(members)))
	l.d.metrics.batchTime.Observe(time.Since(start).Seconds())
	l.send(committed)
}

func (p *Pending) isDone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (l *lane) single(one []*Pending, start time.Time) {
	committed, err := l.attempt(one)
	if err != nil {
		l.retry(one, start, err)
		return
	}
	l.send(committed)
}

// retryFor bounds how long one write is repeated after transient errors.
const retryFor = 10 * time.Second

// retry repeats a single write while its error may pass, then fails it.
func (l *lane) retry(one []*Pending, start time.Time, err error) {
	m := one[0]
	for tries := 0; l.engine.transient(err) && tries < 50 && time.Since(start) < retryFor; tries++ {
		var committed []*Pending
		if committed, err = l.attempt(one); err == nil {
			l.send(committed)
			return
		}
	}
	if !m.isDone() {
		l.refuse(m, fmt.Errorf("write %s: %w", m.name, err))
	}
}

func (l *lane) refuse(m *Pending, err error) {
	l.d.metrics.refused.Inc()
	m.finish(err)
}

// send gives a committed batch to the publisher.
func (l *lane) send(members []*Pending) {
	first, last := l.b.streams()
	l.d.metrics.committed.Add(float64(len(members)))
	if last >= first {
		l.d.committed.Store(last)
	}
	l.publish <- published{members, first, last}
}

func (l *lane) publisher() {
	defer close(l.silent)
	for p := range l.publish {
		if l.d.delay > 0 {
			_ = pause(context.Background(), l.d.delay/2)
		}
		if fs := l.d.onBatch.Load(); fs != nil && len(p.members) > 0 {
			for _, f := range *fs {
				l.guard("on batch", func() { f(p.first, p.last) })
			}
		}
		for _, m := range p.members {
			for _, f := range m.after {
				l.guard(m.name, f)
			}
		}
		for _, m := range p.members {
			m.finish(nil)
		}
		clear(p.members)
		select {
		case l.free <- p.members[:0]:
		default:
		}
	}
}

// guard keeps a panic after the commit from ending the process: the write did happen.
func (l *lane) guard(name string, f func()) {
	defer func() {
		if r := recover(); r != nil {
			l.d.log.Error("panic after commit", "write", name, "panic", r, "stack", string(debug.Stack()))
		}
	}()
	f()
}

// errDirty means that a member failed after it had changed rows.
var errDirty = errors.New("a member failed after it had changed rows")

// attempt runs the members in one transaction and commits it. It returns those
// that were committed; the others were finished with their own errors. When
// it returns an error nothing was committed and the members that are not done
// have to be repeated.
func (l *lane) attempt(members []*Pending) ([]*Pending, error) {
	b := l.b
	b.reset(members)
	b.quick = l.quick(members)
	if err := l.engine.begin(b); err != nil {
		l.engine.rollback()
		return nil, err
	}
	alive := b.alive[:0]
	defer func() { b.alive = alive }()
	for _, m := range members {
		err := l.runMember(m)
		if err == nil {
			alive = append(alive, m)
			continue
		}
		if !l.tx.touched && !l.engine.broken() {
			l.refuse(m, err)
			continue
		}
		l.engine.rollback()
		if len(members) == 1 && !l.engine.transient(err) {
			l.refuse(m, err)
			return nil, nil
		}
		if len(members) == 1 {
			return nil, err
		}
		return nil, errDirty
	}
	if len(alive) == 0 {
		l.engine.rollback()
		return nil, nil
	}
	begun := time.Now()
	if err := l.finish(b); err != nil {
		l.engine.rollback()
		return nil, err
	}
	l.d.metrics.commitTime.Observe(time.Since(begun).Seconds())
	return append(members[:0], alive...), nil
}

func (l *lane) finish(b *batch) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in a late value: %v", r)
		}
	}()
	var n [seriesCount]int
	for s := range n {
		n[s] = len(b.nums[s])
	}
	first, err := l.engine.number(n)
	if err != nil {
		return fmt.Errorf("take numbers: %w", err)
	}
	for s := range n {
		for i, num := range b.nums[s] {
			num.v = first[s] + int64(i)
		}
	}
	for _, s := range b.tables {
		if err := s.resolve(); err != nil {
			return err
		}
	}
	return l.engine.commit(b)
}

// coldFor is how many runs without a statement make a write's name quick again.
const coldFor = 32

// quick tells whether writes of these names ran no statements lately.
func (l *lane) quick(members []*Pending) bool {
	for _, m := range members {
		if l.cold[m.name] > 0 {
			return false
		}
	}
	return true
}

func (l *lane) runMember(m *Pending) (err error) {
	tx := &l.tx
	*tx = Tx{lane: l, b: l.b, m: m, undo: tx.undo[:0]}
	m.after = nil
	for _, s := range l.b.tables {
		s.mark = len(s.values)
	}
	for s := range tx.marks {
		tx.marks[s] = len(l.b.nums[s])
	}
	begun := time.Now()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("write %s: panic: %v", m.name, r)
			l.d.log.Error("panic in a write", "write", m.name, "panic", r, "stack", string(debug.Stack()))
		}
		if err == nil {
			err = tx.failed
		}
		if err == nil && l.engine.broken() {
			err = fmt.Errorf("write %s: a statement failed", m.name)
		}
		if err != nil {
			l.b.undo(tx)
		}
		if tx.statements {
			l.cold[m.name] = coldFor
		} else if n := l.cold[m.name]; n > 0 {
			l.cold[m.name] = n - 1
		}
		if took := time.Since(begun); took > slowWrite {
			l.d.metrics.slow.WithLabelValues(m.name).Inc()
			l.d.log.Warn("slow write", "write", m.name, "took", took)
		}
	}()
	return m.f(tx)
}
