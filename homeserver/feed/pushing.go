package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/seal"
)

const (
	pushAtOnce   = 8              // people who are pushed to at one time
	pushBurst    = 50             // notifications to one pusher at once; of more the newest
	pushMaxAge   = 24 * time.Hour // what is older when a gateway comes back is not pushed any more
	pushPause    = time.Second    // after the first failure; twice that after each further one
	pushMaxPause = 30 * time.Minute
	pushHold     = time.Minute // how long other processes leave a person's pushers alone
	pushTimeout  = 20 * time.Second
)

// errHeld: another process pushes for this person.
var errHeld = errors.New("another process holds the pushers")

// pushing tells push gateways what notifies people. Each pusher has a durable position up to which its
// events were pushed, so that nothing is left out after a restart; a notification can be repeated, which
// gateways notice by its event id. One process at a time pushes for a person. The nil pushing does nothing.
type pushing struct {
	f      *Feed
	call   func(ctx context.Context, url string, body []byte) (status int, answer []byte, err error)
	ctx    context.Context // of all calls
	cancel context.CancelFunc
	slots  chan struct{}
	pause  time.Duration // after the first failure
	wait   sync.WaitGroup

	mu     sync.Mutex
	people map[id.UserID]*pushee // who has pushers
	closed bool
}

// pushee is somebody who has pushers. It is guarded by pushing.mu.
type pushee struct {
	busy   bool        // their pushers are told, or will be when the pause is over
	again  bool        // there may be more
	fails  int         // since the last success
	unread int         // count that was told last; -1: not known
	held   int64       // until when the pushers are this process's, milliseconds
	later  *time.Timer // looks again for what is to be mailed; nil: there was never any
	// looked is up to where each pusher had nothing left to tell. Only push uses it, one call at a time.
	looked map[string]int64
}

func newPushing(f *Feed, call func(context.Context, string, []byte) (int, []byte, error)) *pushing {
	p := &pushing{f: f, call: call, slots: make(chan struct{}, pushAtOnce), pause: pushPause, people: make(map[id.UserID]*pushee)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// begin goes on with everybody who has pushers.
func (p *pushing) begin() {
	if p != nil {
		p.f.later(p.find)
	}
}

// end stops what is under way; it goes on from the stored positions after the next start.
func (p *pushing) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.closed = true
	for _, x := range p.people {
		if x.later != nil {
			x.later.Stop()
		}
	}
	p.mu.Unlock()
	p.cancel()
	p.wait.Wait()
}

// look finds the people whose first pusher another process set.
func (p *pushing) look() {
	if p != nil && p.f.db.Postgres() {
		p.f.later(p.find)
	}
}

// find pushes to people with pushers who are not known yet.
func (p *pushing) find(ctx context.Context) {
	users, err := p.read(ctx)
	if err != nil {
		p.f.log.Warn("people with pushers not found", "error", err)
		return
	}
	p.mu.Lock()
	users = slices.DeleteFunc(users, func(u id.UserID) bool { return p.people[u] != nil })
	p.mu.Unlock()
	for _, u := range users {
		p.add(u)
	}
	p.due(users...)
}

func (p *pushing) read(ctx context.Context) ([]id.UserID, error) {
	rows, err := p.f.db.Query(ctx, `select distinct user_id from feed_pusher`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []id.UserID
	for rows.Next() {
		var u id.UserID
		if err := rows.Scan(&u); err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, rows.Err()
}

// add notes that somebody has pushers.
func (p *pushing) add(user id.UserID) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.people[user]
	if x == nil {
		x = &pushee{unread: -1, looked: make(map[string]int64)}
		p.people[user] = x
	}
	x.again, x.held = true, 0
}

// due looks soon whether there is something to push to some people.
func (p *pushing) due(users ...id.UserID) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.people) == 0 || p.closed {
		return
	}
	for _, u := range users {
		x := p.people[u]
		switch {
		case x == nil:
		case x.busy:
			x.again = true
		default:
			x.busy = true
			p.start(u, x)
		}
	}
}

// start pushes to somebody outside the write path. mu is held.
func (p *pushing) start(u id.UserID, x *pushee) {
	if p.closed {
		return
	}
	p.wait.Add(1)
	go func() {
		defer p.wait.Done()
		select {
		case p.slots <- struct{}{}:
			defer func() { <-p.slots }()
		case <-p.ctx.Done():
			return
		}
		p.mu.Lock()
		x.again = false
		p.mu.Unlock()
		left, err := p.push(p.ctx, u, x)
		p.pushed(u, x, left, err)
	}()
}

// pushed decides what comes next for somebody: nothing, what came meanwhile, or another try after a pause.
func (p *pushing) pushed(u id.UserID, x *pushee, left bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
		pause := min(p.pause<<min(x.fails, 20), pushMaxPause)
		x.fails++
		if errors.Is(err, errHeld) {
			pause, x.fails = pushHold/2, 0
		}
		time.AfterFunc(pause, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.start(u, x)
		})
	case x.again:
		x.fails = 0
		p.start(u, x)
	default:
		x.busy, x.fails = false, 0
		if !left {
			delete(p.people, u)
		}
	}
}

// push tells a person's pushers what is new, and reports whether there are any.
func (p *pushing) push(ctx context.Context, user id.UserID, x *pushee) (left bool, err error) {
	pushers, err := p.hold(ctx, user, x)
	if err != nil || len(pushers) == 0 {
		return false, err
	}
	upTo := p.f.visible.Load()
	news, set, err := p.news(ctx, user)
	if err != nil {
		return true, err
	}
	p.mu.Lock()
	counted := x.unread
	x.unread = len(news)
	p.mu.Unlock()
	changed := counted >= 0 && counted != len(news)
	var failed error
	var again time.Duration // the least that a pusher waits; 0: none does
	for _, to := range pushers {
		wait, err := time.Duration(0), p.settle(ctx, to, x.looked[to.app+"\n"+to.key], news)
		switch {
		case err != nil:
		case to.Kind == kindMail:
			wait, err = p.mail(ctx, to, news)
		default:
			err = p.tell(ctx, to, set, news, changed)
		}
		if err != nil {
			failed = err
		} else if wait == 0 {
			x.looked[to.app+"\n"+to.key] = upTo
		}
		if wait > 0 && (again == 0 || wait < again) {
			again = wait
		}
	}
	if again > 0 {
		p.lookAgain(user, x, again)
	}
	return true, failed
}

// settle passes over what did not notify when it was looked at and does now: whose sound is turned on again wants no
// news of what was said before.
func (p *pushing) settle(ctx context.Context, to *storedPusher, looked int64, news []notified) error {
	if slices.ContainsFunc(news, func(n notified) bool { return n.pos > to.pos && n.pos <= looked }) {
		return p.moved(ctx, to, looked)
	}
	return nil
}

// storedPusher is a pusher with what is known of its deliveries.
type storedPusher struct {
	user     id.UserID
	app, key string // key is the stored form
	pos      int64
	setAt    int64
	told     int64          // when the newest letter was written, milliseconds
	Lang     string         `json:"lang"`
	PushKey  string         `json:"pushkey"`
	Kind     string         `json:"kind"`
	Data     map[string]any `json:"data"`
}

// hold reads a person's pushers and takes them for this process for a while, so that only one pushes. The
// error is errHeld while another one has them. On SQLite there is no other.
func (p *pushing) hold(ctx context.Context, user id.UserID, x *pushee) ([]*storedPusher, error) {
	all, free, err := p.pushersOf(ctx, user)
	if err != nil || len(all) == 0 || !p.f.db.Postgres() {
		return all, err
	}
	if !free {
		return nil, errHeld
	}
	now := p.f.now()
	p.mu.Lock()
	mine := x.held > now+pushHold.Milliseconds()/2
	p.mu.Unlock()
	if mine {
		return all, nil
	}
	until := now + pushHold.Milliseconds()
	taken := int64(0)
	err = p.f.db.Write(ctx, "hold pushers", nil, func(tx *db.Tx) (err error) {
		taken, err = tx.Exec(`update feed_pusher set holder = $2, held_until = $3 where user_id = $1 and (holder = $2 or held_until < $4)`,
			user, p.f.boot, until, now)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("hold pushers: %w", err)
	}
	if taken < int64(len(all)) {
		return nil, errHeld
	}
	p.mu.Lock()
	x.held = until
	p.mu.Unlock()
	return all, nil
}

// pushersOf reads a person's pushers; free is false when another process holds some.
func (p *pushing) pushersOf(ctx context.Context, user id.UserID) (all []*storedPusher, free bool, err error) {
	rows, err := p.f.db.Query(ctx, `select app_id, pushkey, pos, set_at, told, body, holder, held_until from feed_pusher
		where user_id = $1 order by app_id, pushkey`, user)
	if err != nil {
		return nil, false, fmt.Errorf("read pushers: %w", err)
	}
	defer rows.Close()
	free = true
	for rows.Next() {
		to := &storedPusher{user: user}
		var body []byte
		var holder string
		var until int64
		if err := rows.Scan(&to.app, &to.key, &to.pos, &to.setAt, &to.told, &body, &holder, &until); err != nil {
			return nil, false, fmt.Errorf("read pushers: %w", err)
		}
		if holder != "" && holder != p.f.boot && until >= p.f.now() {
			free = false
		}
		plain, err := p.f.seal.Open(ctx, seal.Person(user), "feed_pusher", body)
		if err == nil {
			err = json.Unmarshal(plain, to)
		}
		if err != nil {
			return nil, false, fmt.Errorf("open a pusher: %w", err)
		}
		all = append(all, to)
	}
	if err := rows.Err(); err != nil {
		return nil, false, fmt.Errorf("read pushers: %w", err)
	}
	return all, free, nil
}

// news are the unread events that notify somebody, oldest first.
func (p *pushing) news(ctx context.Context, user id.UserID) ([]notified, settings, error) {
	who, err := p.f.person(ctx, user)
	if err != nil {
		return nil, settings{}, err
	}
	set, err := p.f.settings(ctx, who)
	if err != nil {
		return nil, settings{}, err
	}
	found, err := p.f.notified(ctx, who, set, p.f.visible.Load()+1, false)
	slices.Reverse(found)
	return found, set, err
}

// moved stores how far a pusher is. It waits, because the next look begins from there.
func (p *pushing) moved(ctx context.Context, to *storedPusher, pos int64) error {
	err := p.f.db.Write(ctx, "pushed", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`update feed_pusher set pos = $4 where app_id = $1 and pushkey = $2 and user_id = $3 and pos < $4`, to.app, to.key, to.user, pos)
		return err
	})
	if err != nil {
		return fmt.Errorf("store how far a pusher is: %w", err)
	}
	to.pos = pos
	return nil
}

// remove removes a pusher that its gateway does not know any more.
func (p *pushing) remove(ctx context.Context, to *storedPusher) error {
	err := p.f.db.Write(ctx, "pusher rejected", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`delete from feed_pusher where app_id = $1 and pushkey = $2 and user_id = $3`, to.app, to.key, to.user)
		return err
	})
	if err != nil {
		return fmt.Errorf("remove a pusher: %w", err)
	}
	return nil
}
