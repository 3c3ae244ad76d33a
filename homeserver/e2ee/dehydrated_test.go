package e2ee

import (
	"fmt"
	"testing"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
)

func dehydrated(device id.DeviceID) Dehydrated {
	return Dehydrated{
		DeviceID:    device,
		DeviceData:  raw(map[string]string{"algorithm": "org.matrix.msc3814.v1.olm", "device_pickle": "encrypted"}),
		DisplayName: "Dehydrated",
		Upload:      Upload{DeviceKeys: identity(alice, device), OneTimeKeys: oneTime("a", "b")},
	}
}

func TestDehydratedDevice(t *testing.T) {
	each2(t, func(t *testing.T, w *world) {
		_, err := w.Dehydrated(w.ctx, alice)
		w.refused(err, fault.NotFound)
		_, err = w.DeleteDehydrated(w.ctx, alice)
		w.refused(err, fault.NotFound)

		w.must(w.PutDehydrated(w.ctx, alice, dehydrated("one/+")))
		d, err := w.Dehydrated(w.ctx, alice)
		w.must(err)
		if d.DeviceID != "one/+" || string(d.DeviceData) != string(dehydrated("x").DeviceData) || w.devices["one/+"] != "Dehydrated" {
			t.Errorf("device is %+v, devices %v", d, w.devices)
		}
		if got := w.claim(alice, "one/+"); got["signed_curve25519:a"] == nil {
			t.Errorf("claimed %v", got)
		}

		// A second one takes the place of the first.
		w.must(w.PutDehydrated(w.ctx, alice, dehydrated("two")))
		if len(w.devices) != 1 || w.query(bob, alice).DeviceKeys[alice]["two"] == nil || len(w.query(bob, alice).DeviceKeys[alice]) != 1 {
			t.Errorf("devices are %v", w.devices)
		}
		// So does one of the same name.
		w.must(w.PutDehydrated(w.ctx, alice, dehydrated("two")))
		if c, _ := w.Counts(w.ctx, alice, "two"); c.OneTime["signed_curve25519"] != 2 {
			t.Errorf("counts are %+v", c)
		}

		device, err := w.DeleteDehydrated(w.ctx, alice)
		w.must(err)
		if device != "two" || len(w.devices) != 0 || len(w.query(bob, alice).DeviceKeys[alice]) != 0 {
			t.Errorf("deleted %s, left %v", device, w.devices)
		}
	})
}

func TestDehydratedEvents(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	w.must(w.PutDehydrated(w.ctx, alice, dehydrated("D")))
	for i := range 2*MaxDehydratedEvents + 5 {
		w.inbox["D"] = append(w.inbox["D"], raw(map[string]int{"n": i}))
	}
	for range 2 { // reading removes nothing
		from, n := "", 0
		for more := true; more; {
			page, err := w.DehydratedEvents(w.ctx, alice, "D", from, 1000)
			w.must(err)
			for _, e := range page.Events {
				if string(e) != fmt.Sprintf(`{"n":%d}`, n) {
					t.Fatalf("message %d is %s", n, e)
				}
				n++
			}
			from, more = page.Next, page.More
		}
		if n != 2*MaxDehydratedEvents+5 {
			t.Errorf("got %d messages", n)
		}
		page, err := w.DehydratedEvents(w.ctx, alice, "D", from, 10)
		w.must(err)
		if len(page.Events) != 0 || page.Next != from || page.More {
			t.Errorf("after the end: %+v", page)
		}
	}
	// A full last page.
	w.inbox["D"] = w.inbox["D"][:10]
	page, err := w.DehydratedEvents(w.ctx, alice, "D", "", 10)
	w.must(err)
	if len(page.Events) != 10 || page.More {
		t.Errorf("full last page: %+v", page)
	}
	_, err = w.DehydratedEvents(w.ctx, alice, "E", "", 10)
	w.refused(err, fault.Forbidden)
	_, err = w.DehydratedEvents(w.ctx, bob, "D", "", 10)
	w.refused(err, fault.Forbidden)
	for _, token := range []string{"x", "-1"} {
		_, err = w.DehydratedEvents(w.ctx, alice, "D", token, 10)
		w.refused(err, fault.InvalidParam)
	}
}

func TestDehydratedRefusals(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	for name, c := range map[string]struct {
		change func(*Dehydrated)
		kind   fault.Kind
	}{
		"no id":        {func(d *Dehydrated) { d.DeviceID = "" }, fault.MissingParam},
		"no data":      {func(d *Dehydrated) { d.DeviceData = nil }, fault.MissingParam},
		"no keys":      {func(d *Dehydrated) { d.DeviceKeys = nil }, fault.MissingParam},
		"null keys":    {func(d *Dehydrated) { d.DeviceKeys = raw(nil) }, fault.MissingParam},
		"no algorithm": {func(d *Dehydrated) { d.DeviceData = raw(map[string]string{}) }, fault.BadJSON},
		"too large": {func(d *Dehydrated) {
			d.DeviceData = raw(map[string]string{"algorithm": string(make([]byte, maxDehydratedBytes))})
		}, fault.TooLarge},
		"keys of another device": {func(d *Dehydrated) { d.DeviceKeys = identity(alice, "E") }, fault.InvalidParam},
	} {
		d := dehydrated("D")
		c.change(&d)
		if err := w.PutDehydrated(w.ctx, alice, d); !fault.Is(err, c.kind) {
			t.Errorf("%s: got %v, want %s", name, err, c.kind)
		}
	}
	// A device that somebody is signed in on cannot become a dehydrated one.
	w.upload(alice, "PHONE", Upload{DeviceKeys: identity(alice, "PHONE")})
	w.refused(w.PutDehydrated(w.ctx, alice, dehydrated("PHONE")), fault.InvalidParam)
}
