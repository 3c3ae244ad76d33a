package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// Time-outs of the lane's connection. One hung node must not stop the others for
// more than five seconds: it holds the position row while it hangs.
const (
	lockTimeout    = 4500 * time.Millisecond
	idleTimeout    = 3 * time.Second
	tcpTimeout     = 4 * time.Second
	blockedAfter   = 2500 * time.Millisecond // then whoever blocks the lane and does nothing is ended
	connectTimeout = 5 * time.Second
)

const minPostgres = 150000

// postgresEngine writes over one connection. It talks to it in pipelines: begin
// and lock the heads and, for a batch that is expected to run no statements of
// its own, the position; write everything, notify and commit. Other batches lock the position
// between the two, so that they hold it for no longer than needed.
type postgresEngine struct {
	d        *DB
	pool     *sql.DB // of one connection
	conn     *sql.Conn
	open     bool
	prepared map[string]*pgconn.StatementDescription
	xid      string             // of the open transaction, once it has one
	locked   bool               // the open transaction has locked the position row
	last     [seriesCount]int64 // numbers given out so far, when locked
	moved    bool               // last has to be written
	pid      atomic.Uint32
	buf      []byte
	params   [][]byte
}

func (d *DB) openPostgres(ctx context.Context, o Options) (engine, error) {
	config, err := pgx.ParseConfig(o.URL)
	if err != nil {
		return nil, fmt.Errorf("database address: %w", err)
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "myelin"
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	d.reads = stdlib.OpenDB(*config)
	readers := o.Readers
	if readers == 0 {
		readers = max(8, 2*runtime.NumCPU())
	}
	d.reads.SetMaxOpenConns(readers)
	d.reads.SetMaxIdleConns(readers)
	d.stop = append(d.stop, d.reads.Close)
	if err := migratePostgres(ctx, d.reads); err != nil {
		return nil, err
	}
	e := &postgresEngine{d: d, pool: stdlib.OpenDB(*laneConfig(config))}
	e.pool.SetMaxOpenConns(1)
	d.stop = append(d.stop, e.close)
	if err := e.connect(ctx); err != nil {
		return nil, fmt.Errorf("open the lane's connection: %w", err)
	}
	return e, nil
}

// laneConfig is the configuration of a connection that may hold the position row.
func laneConfig(base *pgx.ConnConfig) *pgx.ConnConfig {
	c := base.Copy()
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	c.RuntimeParams["lock_timeout"] = ms(lockTimeout)
	c.RuntimeParams["idle_in_transaction_session_timeout"] = ms(idleTimeout)
	c.RuntimeParams["tcp_user_timeout"] = ms(tcpTimeout)
	c.RuntimeParams["synchronous_commit"] = "on"
	c.RuntimeParams["plan_cache_mode"] = "force_generic_plan" // few, simple statements that run all the time
	c.RuntimeParams["jit"] = "off"
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: tcpTimeout, Control: func(network, _ string, raw syscall.RawConn) error {
		if !strings.HasPrefix(network, "tcp") {
			return nil
		}
		return userTimeout(raw, tcpTimeout)
	}}
	c.DialFunc = dialer.DialContext
	return c
}

// migratePostgres checks the server's version and brings the schema up to date,
// one process at a time.
func migratePostgres(ctx context.Context, pool *sql.DB) (err error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer conn.Close()
	var version int
	if err := conn.QueryRowContext(ctx, `select current_setting('server_version_num')::int`).Scan(&version); err != nil {
		return fmt.Errorf("read the version of PostgreSQL: %w", err)
	}
	if version < minPostgres {
		return fmt.Errorf("PostgreSQL %d is too old, %d or newer is needed", version/10000, minPostgres/10000)
	}
	var encoding string
	if err := conn.QueryRowContext(ctx, `select current_setting('server_encoding')`).Scan(&encoding); err != nil {
		return fmt.Errorf("read the database's encoding: %w", err)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database's encoding is %s, must be UTF8", encoding)
	}
	const lock = 0x6d79656c // any constant that all nodes share
	if _, err := conn.ExecContext(ctx, `select pg_advisory_lock($1)`, lock); err != nil {
		return fmt.Errorf("lock the schema: %w", err)
	}
	defer func() {
		_, unlockErr := conn.ExecContext(context.WithoutCancel(ctx), `select pg_advisory_unlock($1)`, lock)
		err = errors.Join(err, unlockErr)
	}()
	if err := migrate(ctx, conn, postgresDialect); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// connect replaces the lane's connection by a new one.
func (e *postgresEngine) connect(ctx context.Context) error {
	if e.conn != nil {
		e.conn.Close()
		e.conn = nil
	}
	e.open, e.prepared = false, map[string]*pgconn.StatementDescription{}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for {
		conn, err := e.pool.Conn(ctx)
		if err == nil {
			e.conn = conn
			return e.raw(func(c *pgconn.PgConn) error {
				e.pid.Store(c.PID())
				return nil
			})
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("%w: %w", errUnreachable, err)
		}
	}
}

func (e *postgresEngine) close() error {
	if e.conn != nil {
		e.conn.Close()
	}
	return e.pool.Close()
}

func (e *postgresEngine) raw(f func(*pgconn.PgConn) error) error {
	return e.conn.Raw(func(c any) error { return f(c.(*stdlib.Conn).Conn().PgConn()) })
}

// ready makes sure that there is a connection which is not known to be dead or
// in the middle of something.
func (e *postgresEngine) ready() error {
	if e.conn != nil {
		err := e.raw(func(c *pgconn.PgConn) error {
			if c.IsClosed() || c.IsBusy() || c.TxStatus() != 'I' {
				return errors.New("the lane's connection is unusable")
			}
			return nil
		})
		if err == nil {
			return nil
		}
		e.d.metrics.reconnects.Inc()
		e.d.log.Warn("lane reconnects to PostgreSQL")
	}
	return e.connect(context.Background())
}

func (e *postgresEngine) begin(b *batch) error {
	if err := e.ready(); err != nil {
		return err
	}
	defer e.unblock()()
	e.xid, e.locked, e.moved = "", false, false
	return e.raw(func(c *pgconn.PgConn) error {
		p := &pipeline{e: e, c: c}
		e.open = true
		if err := p.send("begin", nil); err != nil {
			return err
		}
		if len(b.keys) > 0 {
			e.buf = appendInts(e.buf[:0], len(b.keys), func(i int) int64 { return int64(b.keys[i]) })
			if err := p.send(`select key, version, value from head where key = any($1::bigint[]) order by key for update`,
				[][]byte{e.buf}); err != nil {
				return err
			}
		}
		heads := len(p.qs) - 1
		if b.quick {
			if err := p.send(`select stream, leaf, pg_current_xact_id()::text from position for update`, nil); err != nil {
				return err
			}
		}
		return p.run(func(i int, r *pgconn.ResultReader) {
			if i == heads {
				readHeads(b, r)
			} else if i > heads {
				e.locked = e.readPosition(r)
			}
		})
	})
}

func readHeads(b *batch, r *pgconn.ResultReader) {
	for r.NextRow() {
		v := r.Values()
		h := b.heads[Key(readInt(v[0]))]
		h.version, h.found = readInt(v[1]), true
		h.stored = h.version
		if v[2] != nil {
			h.value = append([]byte{}, v[2]...)
		}
	}
}

func (e *postgresEngine) readPosition(r *pgconn.ResultReader) (found bool) {
	for r.NextRow() {
		v := r.Values()
		for s := range e.last {
			e.last[s] = readInt(v[s])
		}
		e.xid, found = string(v[2]), true
	}
	return found
}

// number locks the position row, if begin did not: from there to the commit this process is the
// only one that writes numbered rows.
func (e *postgresEngine) number(n [seriesCount]int) (first [seriesCount]int64, err error) {
	if !e.locked {
		if err := e.lockPosition(n); err != nil {
			return first, err
		}
	}
	for s := range first {
		first[s] = e.last[s] + 1
		e.last[s] += int64(n[s])
		e.moved = e.moved || n[s] > 0
	}
	return first, nil
}

func (e *postgresEngine) lockPosition(n [seriesCount]int) error {
	q := `select stream, leaf, pg_current_xact_id()::text from position for update`
	if n == [seriesCount]int{} {
		q = `select 0::bigint, 0::bigint, pg_current_xact_id()::text`
	}
	defer e.unblock()()
	return e.raw(func(c *pgconn.PgConn) error {
		p := &pipeline{e: e, c: c}
		if err := p.send(q, nil); err != nil {
			return err
		}
		return p.run(func(_ int, r *pgconn.ResultReader) { e.locked = e.readPosition(r) })
	})
}

func (e *postgresEngine) commit(b *batch) error {
	defer e.unblock()()
	sent := false
	err := e.raw(func(c *pgconn.PgConn) error {
		p := &pipeline{e: e, c: c}
		e.buf = e.buf[:0]
		if err := e.sendHeads(p, b); err != nil {
			return err
		}
		for _, s := range b.tables {
			if err := e.sendRows(p, s); err != nil {
				return fmt.Errorf("write %s: %w", s.t.Name, err)
			}
		}
		if e.moved {
			from := len(e.buf)
			e.buf = appendInt(appendInt(e.buf, e.last[Stream]), e.last[Leaf])
			if err := p.send(`update position set stream = $1::bigint, leaf = $2::bigint`,
				[][]byte{e.buf[from : from+8], e.buf[from+8 : from+16]}); err != nil {
				return err
			}
		}
		if first, last := b.streams(); first <= last {
			if err := p.send(`select pg_notify('myelin', $1)`, [][]byte{fmt.Appendf(nil, "%d:%d:%s", first, last, e.d.node)}); err != nil {
				return err
			}
		}
		if e.d.delay > 0 {
			if err := p.run(nil); err != nil {
				return err
			}
			e.d.slowCommit()
			p = &pipeline{e: e, c: c}
		}
		if err := p.send("commit", nil); err != nil {
			return err
		}
		sent = true
		if err := p.run(nil); err != nil {
			return err
		}
		if p.tag != "COMMIT" {
			return fmt.Errorf("commit ended with %s", p.tag)
		}
		return nil
	})
	if err == nil {
		e.open = false
		return nil
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Severity != "FATAL" && pg.Severity != "PANIC" || !sent {
		return err
	}
	return e.settle(err)
}

func (e *postgresEngine) sendHeads(p *pipeline, b *batch) error {
	var old, fresh []Key
	for _, k := range b.keys {
		if h := b.heads[k]; h.changed && h.stored > 0 {
			old = append(old, k)
		} else if h.changed {
			fresh = append(fresh, k)
		}
	}
	for _, set := range []struct {
		keys []Key
		q    string
	}{
		{old, `update head set version = n.version, value = n.value ` +
			`from unnest($1::bigint[], $2::bigint[], $3::bytea[]) as n (key, version, value) where head.key = n.key`},
		// A key that another process created meanwhile is a unique violation: the members are
		// repeated one by one and see it.
		{fresh, `insert into head (key, version, value) select * from unnest($1::bigint[], $2::bigint[], $3::bytea[])`},
	} {
		if len(set.keys) == 0 {
			continue
		}
		n := len(set.keys)
		keys := appendInts(nil, n, func(i int) int64 { return int64(set.keys[i]) })
		versions := appendInts(nil, n, func(i int) int64 { return b.heads[set.keys[i]].version })
		values := appendArray(nil, oidBytes, n, func(i int) any {
			if v := b.heads[set.keys[i]].value; v != nil {
				return v
			}
			return nil
		})
		if err := p.send(set.q, [][]byte{keys, versions, values}); err != nil {
			return err
		}
	}
	return nil
}

func (e *postgresEngine) sendRows(p *pipeline, s *staged) error {
	n := len(s.t.cols)
	rows := len(s.values) / n
	if rows == 0 {
		return nil
	}
	e.params = e.params[:0]
	for c := range n {
		from := len(e.buf)
		e.buf = appendArray(e.buf, s.t.cols[c].oid(), rows, func(i int) any { return s.values[i*n+c] })
		e.params = append(e.params, e.buf[from:])
	}
	return p.send(s.t.unnest(), e.params)
}

// errRolledBack: the connection was lost, and the database says that nothing was written.
var errRolledBack = errors.New("connection lost, transaction rolled back")

// settle finds out whether a transaction was committed whose connection was lost
// during its commit.
func (e *postgresEngine) settle(lost error) error {
	e.d.log.Warn("connection lost during a commit", "error", lost)
	xid := e.xid
	ctx, cancel := context.WithTimeout(context.Background(), retryFor)
	defer cancel()
	for ctx.Err() == nil {
		if err := e.ready(); err != nil {
			continue
		}
		var status sql.NullString
		err := e.conn.QueryRowContext(ctx, `select pg_xact_status($1::text::xid8)`, xid).Scan(&status)
		var pg *pgconn.PgError
		if errors.As(err, &pg) || err == nil && !status.Valid {
			break // this server does not know the transaction
		}
		switch {
		case err == nil && status.String == "committed":
			return nil
		case err == nil && status.String == "aborted":
			return fmt.Errorf("%w: %w", errRolledBack, lost)
		}
		_ = pause(ctx, 20*time.Millisecond) // still in progress, or lost again
	}
	return errors.Join(ErrUncertain, lost)
}

func (e *postgresEngine) rollback() {
	if !e.open || e.conn == nil {
		return
	}
	e.open = false
	err := e.raw(func(c *pgconn.PgConn) error {
		if c.IsClosed() || c.IsBusy() {
			return errors.New("unusable")
		}
		if c.TxStatus() == 'I' {
			return nil
		}
		return c.Exec(context.Background(), "rollback").Close()
	})
	if err != nil {
		e.d.log.Debug("rollback failed, the connection is given up", "error", err)
	}
}

func (e *postgresEngine) broken() bool {
	bad := e.conn == nil
	if !bad {
		err := e.raw(func(c *pgconn.PgConn) error {
			bad = c.IsClosed() || c.IsBusy() || c.TxStatus() != 'T'
			return nil
		})
		bad = bad || err != nil
	}
	return bad
}

// transient: the connection was lost, or another process was in the way.
func (e *postgresEngine) transient(err error) bool {
	if errors.Is(err, ErrUncertain) || errors.Is(err, errUnreachable) {
		return false
	}
	if errors.Is(err, errRolledBack) {
		return true
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "40001", "40P01", "55P03": // serialization, deadlock, lock timeout
			return true
		case "57P01", "57P02", "57P03", "25P03": // shut down, crashed, starting, idle in transaction
			return true
		case "23505":
			return pg.TableName == "head" // another process created the key meanwhile
		}
		return strings.HasPrefix(pg.Code, "08")
	}
	return e.conn == nil || e.lost()
}

func (e *postgresEngine) lost() bool {
	closed := false
	err := e.raw(func(c *pgconn.PgConn) error {
		closed = c.IsClosed()
		return nil
	})
	return closed || err != nil
}

// unblock watches a step that may wait for a lock. When it lasts, whoever blocks it and waits for
// its own client (a hung process, which no time-out of the server ends in every state) is ended.
func (e *postgresEngine) unblock() (done func()) {
	t := time.AfterFunc(blockedAfter, func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		rows, err := e.d.reads.QueryContext(ctx, `select pid, pg_terminate_backend(pid) from pg_stat_activity `+
			`where pid = any(pg_blocking_pids($1)) and wait_event_type = 'Client' and state_change < clock_timestamp() - interval '2 s'`,
			int32(e.pid.Load()))
		if err != nil {
			e.d.log.Error("ending the session that blocks the lane failed", "error", err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			var pid int32
			var ended bool
			if rows.Scan(&pid, &ended) == nil {
				e.d.log.Warn("ended a hung session that blocked the lane", "pid", pid, "ended", ended)
			}
		}
	})
	return func() { t.Stop() }
}

func (e *postgresEngine) exec(q string, args []any) (int64, error) {
	defer e.unblock()()
	r, err := e.conn.ExecContext(context.Background(), q, noBools(args)...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (e *postgresEngine) query(q string, args []any) (*sql.Rows, error) {
	defer e.unblock()()
	return e.conn.QueryContext(context.Background(), q, noBools(args)...)
}

func (e *postgresEngine) queryRow(q string, args []any) *sql.Row {
	defer e.unblock()()
	return e.conn.QueryRowContext(context.Background(), q, noBools(args)...)
}
