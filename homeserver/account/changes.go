package account

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
)

// recheck is how old a process's knowledge of the others' changes may be: revocations hold within it.
const recheck = time.Second

// changesKept is how long a change stays for others to read. A process that looks less often forgets
// everything it remembers.
const changesKept = time.Hour

// epochKey is the key whose version numbers the changes.
const epochKey db.Key = 0x6163636f756e74 // "account"

// changes is what this process knows of changes that other processes made. On SQLite there are none.
type changes struct {
	checked atomic.Int64 // nanoseconds of the last look
	started atomic.Bool  // looked at least once
	mu      sync.Mutex   // held while looking
	epoch   int64
}

// keys lists the keys of a write that changes a user's cached state.
func (a *Accounts) keys(user id.UserID) []db.Key {
	if a.db.Postgres() {
		return []db.Key{userKey(user), epochKey}
	}
	return []db.Key{userKey(user)}
}

// touch tells the other processes to forget what they remember of user.
func (a *Accounts) touch(tx *db.Tx, user id.UserID) {
	if !a.db.Postgres() {
		return
	}
	tx.SetHead(epochKey, nil)
	epoch, _, _ := tx.Head(epochKey)
	now := a.now()
	tx.Append(changesTable, epoch, string(user), now)
	if epoch%64 == 0 {
		// A failure fails the write as a whole.
		_, _ = tx.Exec(`delete from account_changes where at < $1`, now-2*changesKept.Milliseconds())
	}
}

var changesTable = &db.Table{
	Name:    "account_changes",
	Columns: []string{"epoch", "user_id", "at"},
	Types:   []string{"bigint", "text", "bigint"},
}

// fresh makes sure that no change older than recheck is unknown here.
func (a *Accounts) fresh(ctx context.Context) error {
	if !a.db.Postgres() {
		return nil
	}
	c := &a.changes
	now := a.clock()
	if now.UnixNano()-c.checked.Load() < int64(recheck) && c.started.Load() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.UnixNano()-c.checked.Load() < int64(recheck) && c.started.Load() {
		return nil // somebody else looked meanwhile
	}
	if err := a.catchUp(ctx, now); err != nil {
		return fmt.Errorf("look for changes by other processes: %w", err)
	}
	c.checked.Store(now.UnixNano())
	c.started.Store(true)
	return nil
}

// catchUp forgets every user that changed since the last look; under c.mu.
func (a *Accounts) catchUp(ctx context.Context, now time.Time) error {
	c := &a.changes
	epoch, _, _, err := a.db.Head(ctx, epochKey)
	if err != nil || epoch == c.epoch {
		return err
	}
	if !c.started.Load() || now.UnixNano()-c.checked.Load() > int64(changesKept) {
		a.forgetAll()
		c.epoch = epoch
		return nil
	}
	rows, err := a.db.Query(ctx, `select distinct user_id from account_changes where epoch > $1 and epoch <= $2`, c.epoch, epoch)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var users []id.UserID
	for rows.Next() {
		var user string
		if err := rows.Scan(&user); err != nil {
			return err
		}
		users = append(users, id.UserID(user))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, u := range users {
		a.forget(u)
	}
	c.epoch = epoch
	return nil
}

// forget drops what this process remembers of a user.
func (a *Accounts) forget(user id.UserID) {
	a.sessions.drop(user, "")
	a.ignored.forget(user)
	a.directory.stale(user)
	if a.o.Revoked != nil {
		a.o.Revoked(user, "")
	}
}

func (a *Accounts) forgetAll() {
	a.sessions.dropAll()
	a.ignored.forgetAll()
	a.directory.staleAll()
}

// revoke makes this process and the others forget the sessions of a device, or of all devices of a user.
func (a *Accounts) revoke(tx *db.Tx, user id.UserID, device id.DeviceID) {
	a.touch(tx, user)
	tx.After(func() {
		a.sessions.drop(user, device)
		if a.o.Revoked != nil {
			a.o.Revoked(user, device)
		}
	})
}
