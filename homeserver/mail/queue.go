package mail

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/seal"
)

const (
	firstPause = time.Minute // after the first attempt that failed; twice that after each further one
	longest    = 30 * time.Minute
	hold       = 5 * time.Minute // how long other processes leave a letter alone that one is sending
	glance     = time.Minute     // how often the outbox is looked at without a reason: other processes write it
	atOnce     = 50              // letters of one courier
)

// Start sends what is due, also what a former process left behind, until Close.
func (m *Outbox) Start(ctx context.Context) {
	ctx, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	m.done.Go(func() { m.run(ctx) })
}

// Close ends the sending. What waits stays in the database.
func (m *Outbox) Close() {
	if m.stop != nil {
		m.stop()
		m.done.Wait()
	}
}

func (m *Outbox) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.sooner:
		case <-timer.C:
		}
		wait, err := m.SendDue(ctx)
		if err != nil && ctx.Err() == nil {
			m.log.Error("mail was not sent", "error", err)
			wait = glance
		}
		timer.Reset(wait)
	}
}

// waiting is a letter of the outbox.
type waiting struct {
	id      string
	user    id.UserID
	kind    Kind
	created int64
	due     int64
	givesUp int64
	tries   int
	body    []byte
}

// SendDue sends the letters whose time has come and says how long nothing else is due.
func (m *Outbox) SendDue(ctx context.Context) (time.Duration, error) {
	due, err := m.due(ctx)
	if err != nil {
		return 0, err
	}
	c := m.o.Relay.courier(ctx)
	defer c.close()
	for _, w := range due {
		if err := m.sendOne(ctx, c, w); err != nil {
			return 0, err
		}
	}
	var next sql.NullInt64
	if err := m.db.QueryRow(ctx, `select min(due) from mail_outbox`).Scan(&next); err != nil {
		return 0, fmt.Errorf("look when mail is due: %w", err)
	}
	if !next.Valid {
		return glance, nil
	}
	return min(max(time.Duration(next.Int64-m.now())*time.Millisecond, 0), glance), nil
}

// sendOne takes a letter, sends it and writes down what became of it. One that ctx stopped waits for the next process.
func (m *Outbox) sendOne(ctx context.Context, c *courier, w *waiting) error {
	msg, ok, err := m.take(ctx, w)
	if err != nil || !ok {
		return err
	}
	err = c.deliver(msg)
	stopped := ctx.Err()
	ctx = context.WithoutCancel(ctx)
	if err != nil && stopped != nil {
		return errors.Join(stopped, m.putOff(ctx, w, m.now(), w.tries))
	}
	return m.sent(ctx, w, err)
}

func (m *Outbox) due(ctx context.Context) ([]*waiting, error) {
	rows, err := m.db.Query(ctx, `select mail_id, user_id, kind, created, due, gives_up, tries, body from mail_outbox
		where due <= $1 order by due, mail_id limit $2`, m.now(), atOnce)
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var found []*waiting
	for rows.Next() {
		w := new(waiting)
		if err := rows.Scan(&w.id, (*string)(&w.user), (*string)(&w.kind), &w.created, &w.due, &w.givesUp, &w.tries, &w.body); err != nil {
			return nil, fmt.Errorf("read the outbox: %w", err)
		}
		found = append(found, w)
	}
	return found, rows.Err()
}

var errLate = errors.New("its time was over")

// take makes a letter this process's for a while and writes it out; ok is false if another one has it, if its time is over, or
// if it was for a person whose key was destroyed.
func (m *Outbox) take(ctx context.Context, w *waiting) (msg message, ok bool, err error) {
	until := m.now() + hold.Milliseconds()
	var n int64
	err = m.db.Write(ctx, "take mail", nil, func(tx *db.Tx) (err error) {
		n, err = tx.Exec(`update mail_outbox set due = $3 where mail_id = $1 and due = $2`, w.id, w.due, until)
		return err
	})
	if err != nil || n == 0 {
		return message{}, false, err
	}
	if w.givesUp < m.now() {
		return message{}, false, m.sent(ctx, w, errLate)
	}
	plain, err := m.o.Seal.Open(ctx, scope(w.user), use(w.id), w.body)
	if errors.Is(err, seal.ErrErased) {
		return message{}, false, m.remove(ctx, w, nil)
	}
	var l Letter
	if err == nil {
		err = json.Unmarshal(plain, &l)
	}
	if err == nil {
		msg, err = m.compose(w.id, time.UnixMilli(w.created), l)
	}
	if err != nil { // it holds nobody else up
		return message{}, false, m.sent(ctx, w, fmt.Errorf("open a letter: %w", err))
	}
	return msg, true, nil
}

// sent ends a letter that was sent or will never be, and puts off another one.
func (m *Outbox) sent(ctx context.Context, w *waiting, failed error) error {
	if failed == nil {
		m.mails.WithLabelValues("sent").Inc()
		return m.remove(ctx, w, nil)
	}
	due := m.now() + min(firstPause<<min(w.tries, 10), longest).Milliseconds()
	if final(failed) || due > w.givesUp {
		m.mails.WithLabelValues("given up").Inc()
		m.log.Warn("mail was given up", "kind", w.kind, "tries", w.tries+1, "error", failed)
		return m.remove(ctx, w, &audit.Entry{Act: audit.MailGivenUp, Who: w.user, Target: string(w.kind), Outcome: audit.Failed,
			Detail: map[string]any{"tries": w.tries + 1, "because": failed.Error()}})
	}
	m.mails.WithLabelValues("put off").Inc()
	m.log.Warn("mail was put off", "kind", w.kind, "tries", w.tries+1, "error", failed)
	return m.putOff(ctx, w, due, w.tries+1)
}

func (m *Outbox) putOff(ctx context.Context, w *waiting, due int64, tries int) error {
	err := m.db.Write(ctx, "put mail off", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`update mail_outbox set due = $2, tries = $3 where mail_id = $1`, w.id, due, tries)
		return err
	})
	if err != nil {
		return fmt.Errorf("put a letter off: %w", err)
	}
	return nil
}

// remove takes a letter out of the outbox; entry, if not nil, says in the audit log why.
func (m *Outbox) remove(ctx context.Context, w *waiting, entry *audit.Entry) error {
	err := m.db.Write(ctx, "mail sent", nil, func(tx *db.Tx) error {
		if _, err := tx.Exec(`delete from mail_outbox where mail_id = $1`, w.id); err != nil {
			return err
		}
		if entry != nil {
			m.o.Audit.Append(tx, *entry)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("take a letter out of the outbox: %w", err)
	}
	return nil
}
