package feed

import (
	"context"
	"fmt"
	"slices"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
)

const (
	mailAfter = 10 * time.Minute // how long a message waits unread before a letter says so
	mailEvery = time.Hour        // between two letters to one address
)

// MailApp is the app_id of pushers of kind email, whose push key is the address.
const MailApp = "m.email"

// kindMail is the kind of pushers that write letters.
const kindMail = "email"

// Unread is what a letter tells somebody: that there is something to read, and nothing of what it says.
type Unread struct {
	User          id.UserID
	Address       string
	Lang          string // that the pusher asked for
	Conversations int
}

// mail writes a letter when messages behind a pusher's position have been unread for long enough, one for all of them. wait is
// when to look again; 0: when there is news.
func (p *pushing) mail(ctx context.Context, to *storedPusher, news []notified) (wait time.Duration, err error) {
	first := slices.IndexFunc(news, func(n notified) bool { return n.pos > to.pos })
	if first < 0 || p.f.mailUnread == nil {
		return 0, nil
	}
	now, said := p.f.now(), int64(0)
	if ev, err := p.f.rooms.Event(ctx, news[first].r.ID, news[first].event); err == nil {
		said = min(ev.TS, now)
	}
	if due := max(said+mailAfter.Milliseconds(), to.told+mailEvery.Milliseconds()); due > now {
		return time.Duration(due-now) * time.Millisecond, nil
	}
	rooms := map[id.RoomID]bool{}
	for _, n := range news {
		rooms[n.r.ID] = true
	}
	gone, err := p.f.mailUnread(ctx, Unread{User: to.user, Address: to.PushKey, Lang: to.Lang, Conversations: len(rooms)})
	if err != nil {
		p.f.metrics.pushes.WithLabelValues("failed").Inc()
		return 0, fmt.Errorf("write a letter about unread messages: %w", err)
	}
	if gone {
		p.f.metrics.pushes.WithLabelValues("rejected").Inc()
		return 0, p.remove(ctx, to)
	}
	p.f.metrics.pushes.WithLabelValues("mailed").Inc()
	return 0, p.mailed(ctx, to, news[len(news)-1].pos, now)
}

// mailed stores what a letter was about and when it was written.
func (p *pushing) mailed(ctx context.Context, to *storedPusher, pos, now int64) error {
	err := p.f.db.Write(ctx, "mailed", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`update feed_pusher set pos = $4, told = $5 where app_id = $1 and pushkey = $2 and user_id = $3`, to.app, to.key, to.user, pos, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("store what a letter was about: %w", err)
	}
	to.pos, to.told = pos, now
	return nil
}

// lookAgain looks at somebody's pushers later; an earlier time to do so is replaced.
func (p *pushing) lookAgain(user id.UserID, x *pushee, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x.later != nil {
		x.later.Stop()
	}
	x.later = time.AfterFunc(wait, func() { p.due(user) })
}
