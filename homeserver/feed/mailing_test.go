package feed

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/homeserver/mail"
	"github.com/myelin-health/myelin/homeserver/mail/mailtest"
)

const bobs = "bob@home.example"

// post is how a feed writes letters to a mail server.
type post struct {
	*mailtest.Server
	box  *mail.Outbox
	gone atomic.Bool
}

func (p *post) option(o *Options) {
	o.Gateway = func(context.Context, string, []byte) (int, []byte, error) { return 200, []byte("{}"), nil }
	o.MailUnread = func(ctx context.Context, u Unread) (bool, error) {
		if p.gone.Load() {
			return true, nil
		}
		return false, p.box.Send(ctx, mail.Letter{To: mail.Address(u.Address), User: u.User, Kind: mail.Unread, Lang: u.Lang, Count: u.Conversations}, "")
	}
}

func newPost(t *testing.T, d *db.DB) (*post, *world) {
	t.Helper()
	p := &post{Server: mailtest.New(t, mailtest.Options{})}
	w := newWorld(t, d, p.option)
	relay, err := mail.NewRelay(mail.RelayOptions{Address: p.Address, Encryption: mail.None})
	w.ok(err)
	p.box = mail.New(mail.Options{DB: d, Seal: w.keys, Audit: w.log, Relay: relay, From: "chat@ward.example", ServerName: "ward.example", PublicURL: "https://ward.example"})
	p.box.Start(ctx)
	t.Cleanup(p.box.Close)
	b, err := json.Marshal(map[string]any{"kind": "email", "app_id": MailApp, "pushkey": bobs, "lang": "de", "data": map[string]any{}})
	w.ok(err)
	w.ok(w.SetPusher(ctx, who(bob), MailApp, bobs, b, false))
	return p, w
}

// looks pushes to somebody now, and says how long a letter waits.
func (w *world) looks(u id.UserID) (wait time.Duration) {
	w.t.Helper()
	pushers, _, err := w.pushing.pushersOf(ctx, u)
	w.ok(err)
	news, _, err := w.pushing.news(ctx, u)
	w.ok(err)
	for _, to := range pushers {
		wait, err = w.pushing.mail(ctx, to, news)
		w.ok(err)
	}
	return wait
}

func TestMailing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p, w := newPost(t, d)
		r, other := w.public(alice, bob), w.public(alice, bob)
		w.say(r, alice, "a secret about a patient")
		w.say(other, alice, "another one")
		if wait := w.looks(bob); wait <= 0 || wait > mailAfter || !p.None() {
			t.Errorf("a letter is due in %v", wait)
		}
		w.clock.pass(mailAfter)
		w.pushing.due(bob)
		l := p.Next()
		if l.To != bobs || l.Subject != "Sie haben ungelesene Nachrichten" || !strings.Contains(l.Text, "in 2 Unterhaltungen") {
			t.Errorf("%+v", l)
		}
		for _, secret := range []string{"secret", "alice", string(r), "Ward"} {
			if strings.Contains(l.Text, secret) || strings.Contains(l.HTML, secret) {
				t.Errorf("the letter tells of %s: %s", secret, l.Text)
			}
		}
		// One letter was about all of that; the next one waits for its time.
		for told := int64(0); told == 0; { // it is noted after the letter
			w.ok(w.pause(ctx))
			w.ok(d.QueryRow(ctx, `select told from feed_pusher`).Scan(&told))
		}
		w.say(r, alice, "later")
		w.clock.pass(mailAfter)
		if wait := w.looks(bob); wait <= 0 || wait > mailEvery {
			t.Errorf("the second letter is due in %v", wait)
		}
		// What was read meanwhile is not written about.
		w.say(r, bob, "read")
		w.say(other, bob, "read")
		w.clock.pass(mailEvery)
		if wait := w.looks(bob); wait != 0 || !p.None() {
			t.Errorf("a letter about nothing, or in %v", wait)
		}
		w.say(r, alice, "the last one")
		w.clock.pass(mailAfter)
		w.pushing.due(bob)
		if l := p.Next(); !strings.Contains(l.Text, "einer Unterhaltung") {
			t.Errorf("%+v", l)
		}
		// An address that is not the person's any more ends the pusher.
		p.gone.Store(true)
		w.say(r, alice, "to nobody")
		w.clock.pass(mailEvery)
		for {
			w.pushing.due(bob)
			left, err := w.Pushers(ctx, bob)
			w.ok(err)
			if len(left) == 0 {
				break
			}
			w.ok(w.pause(ctx))
		}
	})
}

func TestMailingGoesOnAfterARestart(t *testing.T) {
	p, w := newPost(t, dbtest.SQLite(t))
	r := w.public(alice, bob)
	w.say(r, alice, "before the restart")
	w.Feed.Close()
	w.clock.pass(mailAfter)
	w.start(p.option)
	p.Next()
}
