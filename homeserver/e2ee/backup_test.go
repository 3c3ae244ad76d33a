package e2ee

import (
	"encoding/json"
	"fmt"
	"testing"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
)

func backedUp(verified bool, first, forwarded int64) BackedUpKey {
	return BackedUpKey{&first, &forwarded, &verified, raw(map[string]any{"ciphertext": fmt.Sprint(verified, first, forwarded)})}
}

func inRoom(room id.RoomID, session string, key BackedUpKey) Backups {
	return Backups{room: {Sessions: map[string]BackedUpKey{session: key}}}
}

func TestBackupVersions(t *testing.T) {
	each2(t, func(t *testing.T, w *world) {
		_, err := w.Backup(w.ctx, alice, "")
		w.refused(err, fault.NotFound)
		auth := raw(map[string]string{"public_key": "abc"})
		one, err := w.CreateBackup(w.ctx, alice, "m.megolm_backup.v1", auth)
		w.must(err)
		b, err := w.Backup(w.ctx, alice, "")
		w.must(err)
		if b.Version != one || b.Count != 0 || b.Algorithm != "m.megolm_backup.v1" || string(b.AuthData) != string(auth) {
			t.Errorf("backup is %+v", b)
		}
		two, err := w.CreateBackup(w.ctx, alice, "m.megolm_backup.v1", auth)
		w.must(err)
		if one == two {
			t.Fatal("two versions of one name")
		}
		if b, err := w.Backup(w.ctx, alice, one); err != nil || b.Version != one {
			t.Errorf("former version: %+v, %v", b, err)
		}

		// Keys go into the current version only.
		key := inRoom("!r:test", "s", backedUp(true, 0, 0))
		_, err = w.StoreBackup(w.ctx, alice, one, key)
		w.refused(err, fault.WrongRoomKeysVersion)
		if f, _ := fault.As(err); f.Fields["current_version"] != two {
			t.Errorf("fields are %v", f.Fields)
		}
		_, err = w.StoreBackup(w.ctx, alice, "77", key)
		w.refused(err, fault.NotFound)
		_, err = w.StoreBackup(w.ctx, bob, two, key)
		w.refused(err, fault.NotFound)

		w.must(w.UpdateBackup(w.ctx, alice, two, two, "m.megolm_backup.v1", raw(map[string]string{"public_key": "def"})))
		w.refused(w.UpdateBackup(w.ctx, alice, two, one, "m.megolm_backup.v1", auth), fault.InvalidParam)
		w.refused(w.UpdateBackup(w.ctx, alice, two, "", "other", auth), fault.InvalidParam)
		w.refused(w.UpdateBackup(w.ctx, alice, "9", "", "m.megolm_backup.v1", auth), fault.NotFound)

		w.must(w.DeleteBackup(w.ctx, alice, two))
		w.must(w.DeleteBackup(w.ctx, alice, two))
		w.refused(w.DeleteBackup(w.ctx, alice, "9"), fault.NotFound)
		w.refused(w.DeleteBackup(w.ctx, alice, "x"), fault.NotFound)
		w.refused(w.UpdateBackup(w.ctx, alice, two, "", "m.megolm_backup.v1", auth), fault.NotFound)
		_, err = w.Backup(w.ctx, alice, two)
		w.refused(err, fault.NotFound)
		_, err = w.LoadBackup(w.ctx, alice, two, "", "")
		w.refused(err, fault.NotFound)
		_, err = w.DeleteBackupKeys(w.ctx, alice, two, "", "")
		w.refused(err, fault.NotFound)
		if b, err := w.Backup(w.ctx, alice, ""); err != nil || b.Version != one {
			t.Errorf("current version: %+v, %v", b, err)
		}
		if three, _ := w.CreateBackup(w.ctx, alice, "x", auth); three == two {
			t.Error("the name of a deleted version was used again")
		}
	})
}

func TestBackupKeys(t *testing.T) {
	each2(t, func(t *testing.T, w *world) {
		version, err := w.CreateBackup(w.ctx, alice, "x", raw(map[string]string{}))
		w.must(err)
		many := Backups{}
		for i := range 3 {
			sessions := map[string]BackedUpKey{}
			for j := range 70 {
				sessions[fmt.Sprint("s", j)] = backedUp(false, int64(j), 0)
			}
			many[id.RoomID(fmt.Sprintf("!%d:test", i))] = RoomBackup{sessions}
		}
		s, err := w.StoreBackup(w.ctx, alice, version, many)
		w.must(err)
		if s.Count != 210 || s.ETag == "0" {
			t.Errorf("state is %+v", s)
		}
		again, err := w.StoreBackup(w.ctx, alice, version, many)
		w.must(err)
		if *again != *s {
			t.Errorf("the same keys again: %+v, before %+v", again, s)
		}
		if empty, err := w.StoreBackup(w.ctx, alice, version, Backups{}); err != nil || *empty != *s {
			t.Errorf("nothing: %+v, %v", empty, err)
		}
		for _, c := range []struct {
			room    id.RoomID
			session string
			rooms   int
			keys    int
		}{{"", "", 3, 210}, {"!1:test", "", 1, 70}, {"!1:test", "s5", 1, 1}, {"!9:test", "", 0, 0}, {"!1:test", "none", 0, 0}} {
			got, err := w.LoadBackup(w.ctx, alice, version, c.room, c.session)
			w.must(err)
			n := 0
			for _, r := range got {
				n += len(r.Sessions)
			}
			if len(got) != c.rooms || n != c.keys {
				t.Errorf("%q %q: %d rooms, %d keys", c.room, c.session, len(got), n)
			}
		}
		for _, c := range []struct {
			room    id.RoomID
			session string
			left    int64
		}{{"!1:test", "s5", 209}, {"!1:test", "s5", 209}, {"!1:test", "", 140}, {"", "", 0}} {
			s, err := w.DeleteBackupKeys(w.ctx, alice, version, c.room, c.session)
			w.must(err)
			if s.Count != c.left {
				t.Errorf("after deleting %q %q: %+v", c.room, c.session, s)
			}
		}
		if b, _ := w.Backup(w.ctx, alice, version); b.Count != 0 || b.ETag == s.ETag {
			t.Errorf("in the end %+v", b)
		}
	})
}

func TestBackupKeepsTheBetterKey(t *testing.T) {
	each2(t, func(t *testing.T, w *world) {
		version, err := w.CreateBackup(w.ctx, alice, "x", raw(map[string]string{}))
		w.must(err)
		for i, c := range []struct {
			have, offer BackedUpKey
			replaced    bool
		}{
			{backedUp(false, 10, 5), backedUp(false, 11, 5), false},
			{backedUp(false, 10, 5), backedUp(false, 10, 6), false},
			{backedUp(false, 10, 5), backedUp(false, 10, 5), false},
			{backedUp(true, 10, 5), backedUp(false, 0, 0), false},
			{backedUp(true, 10, 5), backedUp(true, 11, 0), false},
			{backedUp(false, 10, 5), backedUp(true, 99, 99), true},
			{backedUp(false, 10, 5), backedUp(false, 9, 99), true},
			{backedUp(true, 10, 5), backedUp(true, 10, 4), true},
		} {
			session := fmt.Sprint("session", i)
			before, err := w.StoreBackup(w.ctx, alice, version, inRoom("!r:test", session, c.have))
			w.must(err)
			after, err := w.StoreBackup(w.ctx, alice, version, inRoom("!r:test", session, c.offer))
			w.must(err)
			if changed := before.ETag != after.ETag; changed != c.replaced || before.Count != after.Count {
				t.Errorf("case %d: %+v, then %+v", i, before, after)
			}
			want := c.have
			if c.replaced {
				want = c.offer
			}
			got, err := w.LoadBackup(w.ctx, alice, version, "!r:test", session)
			w.must(err)
			key := got["!r:test"].Sessions[session]
			if *key.FirstMessageIndex != *want.FirstMessageIndex || *key.ForwardedCount != *want.ForwardedCount ||
				*key.IsVerified != *want.IsVerified || string(key.SessionData) != string(want.SessionData) {
				t.Errorf("case %d: kept %s", i, raw(key))
			}
		}
	})
}

func TestBackupRefusals(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	good := raw(map[string]string{})
	for _, c := range []struct {
		algorithm string
		auth      json.RawMessage
		kind      fault.Kind
	}{{"", good, fault.MissingParam}, {"x", nil, fault.MissingParam}, {"x", raw(1), fault.BadJSON}, {"x", raw(string(make([]byte, maxObjectBytes))), fault.TooLarge}} {
		_, err := w.CreateBackup(w.ctx, alice, c.algorithm, c.auth)
		w.refused(err, c.kind)
		w.refused(w.UpdateBackup(w.ctx, alice, "1", "", c.algorithm, c.auth), c.kind)
	}
	version, err := w.CreateBackup(w.ctx, alice, "x", good)
	w.must(err)
	var one int64
	yes := true
	many := map[string]BackedUpKey{}
	for i := range maxBackupKeys + 1 {
		many[fmt.Sprint(i)] = backedUp(true, 0, 0)
	}
	for name, c := range map[string]struct {
		keys Backups
		kind fault.Kind
	}{
		"incomplete": {inRoom("!r:test", "s", BackedUpKey{SessionData: good}), fault.BadJSON},
		"no object":  {inRoom("!r:test", "s", BackedUpKey{&one, &one, &yes, raw(1)}), fault.BadJSON},
		"no session": {inRoom("!r:test", "", backedUp(true, 0, 0)), fault.InvalidParam},
		"too large":  {inRoom("!r:test", "s", BackedUpKey{&one, &one, &yes, raw(map[string]string{"a": string(make([]byte, maxBackupKeyBytes))})}), fault.TooLarge},
		"too many":   {Backups{"!r:test": {many}}, fault.TooLarge},
	} {
		if _, err := w.StoreBackup(w.ctx, alice, version, c.keys); !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
