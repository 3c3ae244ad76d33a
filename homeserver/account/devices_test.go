package account

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
)

func TestDevices(t *testing.T) {
	each(t, func(b *bench) {
		b.user(alice, "A")
		s := b.signIn(alice, "B", false)
		b.must(b.RenameDevice(b.ctx, alice, "B", "Laptop"))
		d, err := b.Device(b.ctx, alice, "B")
		b.must(err)
		if d.Name != "Laptop" || d.ID != "B" || d.User != alice {
			b.t.Errorf("%+v", d)
		}
		_, err = b.Device(b.ctx, alice, "X")
		b.wantFault(err, fault.NotFound)
		b.wantFault(b.RenameDevice(b.ctx, alice, "X", "n"), fault.NotFound)
		b.wantFault(b.RenameDevice(b.ctx, alice, "B", strings.Repeat("n", 300)), fault.InvalidParam)
		b.must(b.RemoveDevices(b.ctx, alice, "A", []id.DeviceID{"B", "X"}))
		b.dead(s.AccessToken)
		if ids, err := b.DeviceIDs(b.ctx, alice); err != nil || !slices.Equal(ids, []id.DeviceID{"A"}) || !slices.Equal(b.removed, []id.DeviceID{"B"}) {
			b.t.Errorf("left %v, told %v, %v", ids, b.removed, err)
		}
	})
}

// Devices that another package adds and drops inside its own write.
func TestAddedDevice(t *testing.T) {
	each(t, func(b *bench) {
		b.user(alice, "A")
		within := func(f func(tx *db.Tx) error) error { return b.db.Write(b.ctx, "test", nil, f) }
		add := func(device id.DeviceID, name string) error {
			return within(func(tx *db.Tx) error { return b.AddDevice(tx, alice, device, name) })
		}
		drop := func(device id.DeviceID) error {
			return within(func(tx *db.Tx) error { return b.DropDevice(tx, alice, device) })
		}
		b.must(add("DRY", "Inbox"))
		b.must(add("BARE", ""))
		b.wantFault(add("", "x"), fault.InvalidParam)
		if d, err := b.Device(b.ctx, alice, "DRY"); err != nil || d.Name != "Inbox" || d.Seen != 0 {
			b.t.Errorf("%+v %v", d, err)
		}
		b.must(drop("DRY"))
		b.must(drop("A"))
		if ids, err := b.DeviceIDs(b.ctx, alice); err != nil || !slices.Equal(ids, []id.DeviceID{"A", "BARE"}) {
			b.t.Errorf("devices %v, %v", ids, err)
		}
	})
}

func TestSeen(t *testing.T) {
	each(t, func(b *bench) {
		s := b.user(alice, "A")
		who := b.works(s.AccessToken)
		b.pass(10 * time.Minute)
		b.Seen(who, "9.9.9.9", strings.Repeat("ä", 200))
		b.Seen(access.Who{User: alice}, "8.8.8.8", "")
		b.pass(time.Minute)
		b.Seen(who, "7.7.7.7", "soon after")
		b.Start(b.ctx)
		b.must(b.Close(b.ctx))
		d, err := b.Device(b.ctx, alice, "A")
		b.must(err)
		if d.SeenAddr != "9.9.9.9" || len(d.Agent) != 200 || d.Seen != d.Created+10*time.Minute.Milliseconds() {
			b.t.Errorf("%+v", d)
		}
		b.sessions.dropAll() // as after a restart: what was written down five minutes ago is not written again
		clear(b.seen.last)
		b.works(s.AccessToken)
		b.Seen(who, "6.6.6.6", "after a restart")
		if n := len(b.seen.waiting); n != 0 {
			b.t.Errorf("%d devices to be written", n)
		}
		b.must(b.FlushSeen(b.ctx))
		for i := range 150 {
			b.Seen(access.Who{User: alice, Device: id.DeviceID(fmt.Sprint(i))}, "", "")
		}
		b.must(b.FlushSeen(b.ctx))
	})
}
