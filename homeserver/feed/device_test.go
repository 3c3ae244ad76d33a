package feed

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
)

func (w *world) mail(from, to id.UserID, device id.DeviceID, txn string, n int) {
	w.t.Helper()
	w.ok(w.SendToDevice(ctx, from, "FROM", "org.test", txn, []ToDevice{{User: to, Device: device, Content: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))}}))
}

func numbers(r gjson.Result) string {
	var s []string
	for _, e := range r.Get("to_device.events.#.content.n").Array() {
		s = append(s, e.Raw)
	}
	return strings.Join(s, " ")
}

func (w *world) waitingMail() (n int) {
	w.t.Helper()
	w.ok(w.d.QueryRow(ctx, `select count(*) from feed_to_device`).Scan(&n))
	return n
}

func TestToDevice(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		since := w.sync(bob, "").next
		w.mail(alice, bob, "BOB", "t1", 1)
		w.mail(alice, bob, "BOB", "t1", 1) // a repeated request
		w.mail(alice, bob, "*", "t2", 2)
		w.mail(alice, bob, "OTHER", "t3", 3)
		w.mail(alice, "@nobody:"+server, "*", "t4", 4)
		w.mail(alice, "@far:away.test", "*", "t5", 5)
		got := w.sync(bob, since)
		w.want("messages", numbers(got.Result), "1 2")
		ev := got.Get("to_device.events.0")
		if ev.Get("sender").Str != string(alice) || ev.Get("type").Str != "org.test" {
			t.Errorf("message: %s", ev)
		}
		w.want("not acknowledged", numbers(w.sync(bob, since).Result), "1 2")
		w.want("acknowledged", numbers(w.sync(bob, got.next).Result), "")
		w.ok(w.d.Write(ctx, "after it", nil, func(*db.Tx) error { return nil }))
		if n := w.waitingMail(); n != 0 {
			t.Errorf("%d messages are kept although they were acknowledged", n)
		}
		w.mail(alice, bob, "BOB", "t6", 6)
		got = w.sync(bob, got.next)
		w.restart()
		w.mail(alice, bob, "BOB", "t1", 7) // the transaction id is remembered
		w.want("acknowledged after a restart", numbers(w.sync(bob, got.next).Result), "")
		w.ok(w.d.Write(ctx, "after it", nil, func(*db.Tx) error { return nil }))
		if n := w.waitingMail(); n != 0 {
			t.Errorf("%d messages are kept although they were acknowledged", n)
		}
		w.clock.pass(30 * 24 * time.Hour)
		w.forgetTransactions()
		w.ok(w.d.Write(ctx, "after it", nil, func(*db.Tx) error { return nil }))
		w.mail(alice, bob, "BOB", "t1", 8)
		w.want("after a month", numbers(w.sync(bob, got.next).Result), "8")
		w.ok(w.accounts.RemoveDevices(ctx, bob, "", []id.DeviceID{"BOB"}))
		if n := w.waitingMail(); n != 0 {
			t.Errorf("%d messages for a device that was removed", n)
		}
	})
}

func TestToDevicePages(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		since := w.sync(bob, "").next
		var messages []ToDevice
		for n := range toDevicePage + 20 {
			messages = append(messages, ToDevice{User: bob, Device: "BOB", Content: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))})
		}
		w.ok(w.SendToDevice(ctx, alice, "A", "org.test", "", messages))
		first := w.sync(bob, since, waits(time.Minute))
		second := w.sync(bob, first.next, waits(time.Minute))
		if a, b := first.Get("to_device.events.#").Int(), second.Get("to_device.events.#").Int(); a != toDevicePage || b != 20 {
			t.Errorf("pages of %d and %d", a, b)
		}
		if strings.Count(first.next, "_") != 3 || strings.Count(second.next, "_") != 2 {
			t.Errorf("tokens %s, %s", first.next, second.next)
		}
		w.want("after them", numbers(w.sync(bob, second.next).Result), "")
		inbox, last, err := w.Inbox(ctx, bob, "BOB", 0, 10)
		w.ok(err)
		if len(inbox) != 0 && last == 0 {
			t.Errorf("inbox: %d up to %d", len(inbox), last)
		}
		for range toDeviceMax {
			messages = append(messages, messages[0])
		}
		w.wantFault(w.SendToDevice(ctx, alice, "A", "org.test", "", messages), fault.TooLarge)
	})
}

func TestToDeviceOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if err := w.SendToDevice(ctx, alice, "A", "org.test", "same", []ToDevice{{User: bob, Device: "BOB"}}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := w.waitingMail(); n != 1 {
			t.Errorf("%d messages of one request", n)
		}
	})
}

func TestKeyCounts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.counts["BOB"] = DeviceCounts{OneTime: map[string]int{"signed_curve25519": 3}, UnusedFallback: []string{"signed_curve25519"}}
		first := w.sync(bob, "")
		w.want("counts", first.Get("device_one_time_keys_count").Raw+first.Get("device_unused_fallback_key_types").Raw, `{"signed_curve25519":3}["signed_curve25519"]`)
		w.ok(w.d.Write(ctx, "claim", nil, func(tx *db.Tx) error {
			w.Changed(tx, Change{Kind: KeyCounts, User: bob, Key: "BOB"})
			return nil
		}))
		if got := w.sync(bob, first.next, waits(time.Minute)); !got.Get("device_one_time_keys_count").Exists() {
			t.Errorf("changed counts: %s", got)
		}
	})
}

func TestDeviceLists(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.public(alice, bob)
		solo := w.public(carol)
		since := w.sync(bob, "").next
		w.ok(w.accounts.RenameDevice(ctx, alice, "ALICE", "tablet"))
		w.ok(w.accounts.RenameDevice(ctx, carol, "CAROL", "tablet"))
		w.ok(w.accounts.RenameDevice(ctx, bob, "BOB", "tablet"))
		w.ok(w.d.Write(ctx, "sign", nil, func(tx *db.Tx) error {
			w.Changed(tx, Change{Kind: OwnView, User: bob, Key: string(dave)})
			return nil
		}))
		check := func(what string) {
			t.Helper()
			got := w.sync(bob, since)
			w.want(what, got.Get("device_lists.changed").Raw, `["@alice:ward.test","@bob:ward.test","@dave:ward.test"]`)
			changed, left, err := w.DeviceLists(ctx, bob, since, got.next)
			w.ok(err)
			if len(changed) != 3 || len(left) != 0 {
				t.Errorf("%s: changes %v, %v", what, changed, left)
			}
		}
		check("changed")
		w.restart()
		check("after a restart")
		since = w.sync(bob, since).next
		w.ok(w.rooms.Join(ctx, bob, solo, ""))
		mid := w.sync(bob, since)
		changed, _, err := w.DeviceLists(ctx, bob, since, mid.next)
		w.ok(err)
		if fmt.Sprint(changed) != "[@bob:ward.test @carol:ward.test]" {
			t.Errorf("after joining: %v", changed)
		}
		w.ok(w.rooms.Leave(ctx, carol, solo, ""))
		end := w.sync(bob, mid.next)
		w.want("left", end.Get("device_lists.left").Raw, `["@carol:ward.test"]`)
		_, left, err := w.DeviceLists(ctx, bob, mid.next, end.next)
		w.ok(err)
		if fmt.Sprint(left) != "[@carol:ward.test]" {
			t.Errorf("after carol left: %v", left)
		}
		w.ok(w.rooms.Leave(ctx, bob, solo, ""))
		if _, _, err := w.DeviceLists(ctx, bob, since, w.sync(bob, "").next); err != nil {
			t.Error(err)
		}
		_, _, err = w.DeviceLists(ctx, bob, "x", since)
		w.wantFault(err, fault.InvalidParam)
		_, _, err = w.DeviceLists(ctx, bob, since, "x")
		w.wantFault(err, fault.InvalidParam)
	})
}

func TestTransactionIDs(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		since := w.sync(alice, "").next
		_, err := w.rooms.Send(ctx, r, draftWithTxn(alice, "ALICE", "m1"))
		w.ok(err)
		w.want("own device", w.sync(alice, since).joined(r).Get("timeline.events.0.unsigned.transaction_id").Str, "m1")
		w.want("other person", w.sync(bob, since).joined(r).Get("timeline.events.0.unsigned.transaction_id").Str, "")
		b, err := w.poll(ctx, access.Who{User: alice, Device: "OTHER"}, SyncRequest{Since: since})
		w.ok(err)
		w.want("other device", w.parse(b).joined(r).Get("timeline.events.0.unsigned.transaction_id").Str, "")
	})
}

func TestPushers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		list := func(u id.UserID) string {
			l, err := w.Pushers(ctx, u)
			w.ok(err)
			b, err := json.Marshal(l)
			w.ok(err)
			return string(b)
		}
		w.ok(w.SetPusher(ctx, who(bob), "app", "key", json.RawMessage(`{"n":1}`), false))
		w.ok(w.SetPusher(ctx, who(bob), "app", "key", json.RawMessage(`{"n":2}`), false))
		w.want("one pusher", list(bob), `[{"n":2}]`)
		w.ok(w.SetPusher(ctx, who(carol), "app", "key", json.RawMessage(`{"n":3}`), true))
		w.want("beside", list(bob)+list(carol), `[{"n":2}][{"n":3}]`)
		w.ok(w.SetPusher(ctx, who(carol), "app", "key", json.RawMessage(`{"n":4}`), false))
		w.want("instead", list(bob)+list(carol), `[][{"n":4}]`)
		w.ok(w.DeletePusher(ctx, carol, "app", "key"))
		w.want("deleted", list(carol), `[]`)
		w.ok(w.SetPusher(ctx, who(bob), "app", "key", json.RawMessage(`{"n":5}`), false))
		w.ok(w.accounts.RemoveDevices(ctx, bob, "", []id.DeviceID{"BOB"}))
		w.want("device removed", list(bob), `[]`)
	})
}

func TestRevokedTokensEndWaiting(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		since := w.sync(bob, "").next
		done := make(chan answered, 1)
		go func() {
			b, err := w.poll(ctx, who(bob), SyncRequest{Since: since, Timeout: time.Minute, SetPresence: Offline})
			if err != nil {
				t.Error(err)
			}
			done <- w.parse(b)
		}()
		for w.waiters.count() == 0 {
			w.ok(w.pause(ctx))
		}
		w.Revoked(bob)
		if got := <-done; got.next != since || len(got.Map()) != 1 {
			t.Errorf("answer: %s", got)
		}
		w.say(r, alice, "x")
		w.want("goes on", bodies(w.sync(bob, since).joined(r)), "x")
	})
}
