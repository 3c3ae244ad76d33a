package room

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"maunium.net/go/mautrix/id"
)

// txnKey is the scope of a transaction id: the device and what would be the path of the request
// (client-server API, "Transaction identifiers").
type txnKey struct {
	user   id.UserID
	device id.DeviceID
	room   id.RoomID
	typ    string
	txn    string // as it is stored
}

// txnCache remembers the newest transactions, so that a repetition costs nothing. Those that it does not
// know are found by the unique index when they are written again.
type txnCache struct {
	mu   sync.Mutex
	done *lru.Cache[txnKey, id.EventID]
	open map[txnKey]chan struct{}
}

func newTxnCache(n int) *txnCache {
	c, err := lru.New[txnKey, id.EventID](n)
	if err != nil { // only for n <= 0
		panic(err)
	}
	return &txnCache{done: c, open: make(map[txnKey]chan struct{})}
}

// begin returns the event that the transaction made, or takes it: then finish has to be called.
func (c *txnCache) begin(ctx context.Context, k txnKey) (id.EventID, error) {
	for {
		c.mu.Lock()
		if e, ok := c.done.Get(k); ok {
			c.mu.Unlock()
			return e, nil
		}
		wait := c.open[k]
		if wait == nil {
			c.open[k] = make(chan struct{})
			c.mu.Unlock()
			return "", nil
		}
		c.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// finish ends what begin took; e is "" when nothing was written.
func (c *txnCache) finish(k txnKey, e id.EventID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e != "" {
		c.done.Add(k, e)
	}
	close(c.open[k])
	delete(c.open, k)
}

// storedTxn is the transaction id as the unique index has it: for redactions with their target, which is
// part of the request's path too.
func (e *Event) storedTxn() string { return storedTxn(e.Txn, e.Redacts) }

func storedTxn(txn string, redacts id.EventID) string {
	if txn == "" || redacts == "" {
		return txn
	}
	return txn + "\n" + string(redacts)
}

func plainTxn(stored string, redacts id.EventID) string {
	return strings.TrimSuffix(stored, "\n"+string(redacts))
}

// sentBefore finds the event that a transaction made, "" when there is none.
func (rs *Rooms) sentBefore(ctx context.Context, k txnKey) (id.EventID, error) {
	var e id.EventID
	err := rs.db.QueryRow(ctx, `select e.event_id from event e join room r on r.nid = e.room
		where e.sender = $1 and e.device = $2 and r.room_id = $3 and e.type = $4 and e.txn = $5`,
		string(k.user), string(k.device), string(k.room), k.typ, k.txn).Scan((*string)(&e))
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look up transaction: %w", err)
	}
	return e, nil
}
