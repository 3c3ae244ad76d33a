package account

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/words"
)

// maxFound bounds the answers of a search, whatever was asked for.
const maxFound = 100

// Found is a person that a search found.
type Found struct {
	User        id.UserID
	DisplayName string
	AvatarURL   string
}

// directory is everyone with an account here, in memory.
type directory struct {
	loading sync.Mutex // held while loading
	mu      sync.RWMutex
	loaded  bool
	touched map[id.UserID]bool // changed while loading; nil when not loading
	people  map[id.UserID]*person
	old     map[id.UserID]bool // changed by another process
}

type person struct {
	Found
	name  string // folded display name
	words string // folded words of name and user id, each after a space
	mxid  string // folded user id
}

func (d *directory) init() {
	d.people = make(map[id.UserID]*person)
	d.old = make(map[id.UserID]bool)
}

func newPerson(user id.UserID, p Profile) *person {
	e := &person{Found: Found{user, p.DisplayName, p.AvatarURL}, name: words.Fold(p.DisplayName), mxid: words.Fold(string(user))}
	var b strings.Builder
	for _, w := range append(words.Split(e.name), words.Split(e.mxid)...) {
		b.WriteByte(' ')
		b.WriteString(w)
	}
	e.words = b.String()
	return e
}

// put adds or replaces a person.
func (d *directory) put(user id.UserID, p Profile) { d.set(user, newPerson(user, p)) }

func (d *directory) remove(user id.UserID) { d.set(user, nil) }

func (d *directory) set(user id.UserID, e *person) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.touched != nil {
		d.touched[user] = true
	}
	delete(d.old, user)
	if e == nil {
		delete(d.people, user)
	} else {
		d.people[user] = e
	}
}

// stale notes that another process changed a user.
func (d *directory) stale(user id.UserID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.old[user] = true
}

func (d *directory) staleAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.loaded = false
	clear(d.people)
	clear(d.old)
}

// load fills the directory once.
func (d *directory) load(ctx context.Context, a *Accounts) error {
	d.loading.Lock()
	defer d.loading.Unlock()
	d.mu.Lock()
	if d.loaded {
		d.mu.Unlock()
		return nil
	}
	d.touched = make(map[id.UserID]bool)
	d.mu.Unlock()
	people, err := a.allPeople(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range people {
		if !d.touched[e.User] {
			d.people[e.User] = e
		}
	}
	d.touched = nil
	d.loaded = err == nil
	return err
}

func (a *Accounts) allPeople(ctx context.Context) ([]*person, error) {
	rows, err := a.db.Query(ctx, `select user_id, profile from account_users where state in (0, 1) and guest = 0`)
	if err != nil {
		return nil, fmt.Errorf("load people: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var people []*person
	for rows.Next() {
		var user id.UserID
		var b []byte
		if err := rows.Scan(&user, &b); err != nil {
			return nil, fmt.Errorf("load people: %w", err)
		}
		p, err := a.openProfile(ctx, user, b)
		if err != nil {
			return nil, err
		}
		people = append(people, newPerson(user, p))
	}
	return people, rows.Err()
}

// renew reads again who was changed by other processes.
func (d *directory) renew(ctx context.Context, a *Accounts) error {
	d.mu.Lock()
	var users []id.UserID
	for u := range d.old {
		users = append(users, u)
	}
	clear(d.old)
	d.mu.Unlock()
	for _, u := range users {
		known, err := a.User(ctx, u)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if err != nil || known.Gone() || known.Guest {
			d.remove(u)
			continue
		}
		p, err := a.Profile(ctx, u)
		if err != nil {
			return err
		}
		d.put(u, p)
	}
	return nil
}

// Search finds people by the beginnings of words of their names and user ids, whatever the case and
// diacritics, best first: whole names, beginnings of names, others. Every word of term must match. At most
// limit are returned; limited says that there were more.
func (a *Accounts) Search(ctx context.Context, by id.UserID, term string, limit int) (found []Found, limited bool, err error) {
	if err := a.fresh(ctx); err != nil {
		return nil, false, err
	}
	d := &a.directory
	if err := d.load(ctx, a); err != nil {
		return nil, false, err
	}
	if err := d.renew(ctx, a); err != nil {
		return nil, false, err
	}
	var visible map[id.UserID]bool
	if a.o.Visible != nil {
		if visible, err = a.o.Visible(ctx, by); err != nil {
			return nil, false, fmt.Errorf("look who is visible: %w", err)
		}
	}
	folded := words.Fold(strings.TrimSpace(term))
	needles := words.Split(folded)
	for i := range needles {
		needles[i] = " " + needles[i]
	}
	if len(needles) == 0 {
		return nil, false, nil
	}
	type hit struct {
		rank int
		*person
	}
	var hits []hit
	server := a.UserID(Server)
	d.mu.RLock()
	for _, e := range d.people {
		if e.User == server || visible != nil && !visible[e.User] {
			continue
		}
		if rank := e.rank(folded, needles); rank >= 0 {
			hits = append(hits, hit{rank, e})
		}
	}
	d.mu.RUnlock()
	slices.SortFunc(hits, func(x, y hit) int {
		return cmp.Or(x.rank-y.rank, strings.Compare(x.name, y.name), strings.Compare(string(x.User), string(y.User)))
	})
	limit = min(limit, maxFound)
	if limited = len(hits) > limit; limited {
		hits = hits[:limit]
	}
	for _, h := range hits {
		found = append(found, h.Found)
	}
	return found, limited, nil
}

// rank is how well a person fits, 0 is best, or -1.
func (e *person) rank(folded string, needles []string) int {
	if strings.HasPrefix(folded, "@") {
		if strings.HasPrefix(e.mxid, folded) {
			return 0
		}
		return -1
	}
	for _, n := range needles {
		if !strings.Contains(e.words, n) {
			return -1
		}
	}
	switch {
	case e.name == folded:
		return 0
	case strings.HasPrefix(e.name, folded), strings.HasPrefix(e.mxid[1:], folded):
		return 1
	}
	return 2
}
