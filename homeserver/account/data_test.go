package account

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
)

func TestProfile(t *testing.T) {
	each(t, func(b *bench) {
		b.user(alice, "A")
		set := func(key, value string) error {
			return b.SetProfileField(b.ctx, alice, alice, key, json.RawMessage(value))
		}
		b.must(set(FieldDisplayName, `"Dr. Ä <b>"`))
		b.must(set(FieldAvatarURL, `"mxc://hs/abc"`))
		b.must(set("m.tz", `"Europe/Berlin"`))
		b.must(set("org.example.role", `{"a":[1,null]}`))
		b.must(set("org.example.role", `{"a":[2]}`))
		if !slices.Equal(b.renamed, []id.UserID{alice, alice}) {
			b.t.Errorf("told of %v; only names and avatars go into rooms", b.renamed)
		}
		p, err := b.Profile(b.ctx, alice)
		b.must(err)
		raw, err := p.JSON()
		b.must(err)
		var got map[string]any
		b.must(json.Unmarshal(raw, &got))
		if p.DisplayName != "Dr. Ä <b>" || got["displayname"] != p.DisplayName || got["avatar_url"] != "mxc://hs/abc" || len(got) != 4 {
			b.t.Errorf("%s", raw)
		}
		for key, want := range map[string]string{FieldDisplayName: "", FieldAvatarURL: `"mxc://hs/abc"`, "m.tz": `"Europe/Berlin"`, "org.example.role": `{"a":[2]}`} {
			if v, ok := p.Field(key); !ok || want != "" && string(v) != want {
				b.t.Errorf("%s is %s", key, v)
			}
		}
		if _, ok := p.Field("org.example.none"); ok {
			b.t.Error("a field out of nothing")
		}
		b.must(b.SetProfileField(b.ctx, alice, alice, "org.example.role", nil))
		b.must(b.SetProfileField(b.ctx, alice, alice, FieldDisplayName, nil))
		b.must(set(FieldAvatarURL, `null`))
		p, err = b.Profile(b.ctx, alice)
		b.must(err)
		if p.DisplayName != "" || p.AvatarURL != "" || len(p.Fields) != 1 {
			b.t.Errorf("%+v", p)
		}
		if _, ok := p.Field(FieldDisplayName); ok {
			b.t.Error("a name out of nothing")
		}
		for _, c := range []struct {
			key, value string
			kind       fault.Kind
		}{
			{FieldDisplayName, `1`, fault.BadJSON},
			{FieldDisplayName, `"` + strings.Repeat("x", 300) + `"`, fault.InvalidParam},
			{FieldAvatarURL, `{}`, fault.BadJSON},
			{FieldAvatarURL, `"mxc://` + strings.Repeat("x", 3000) + `"`, fault.InvalidParam},
			{"m.tz", `1`, fault.InvalidParam},
			{"role", `1`, fault.InvalidParam},
			{"org.example." + strings.Repeat("x", 255), `1`, fault.KeyTooLarge},
			{"org.example.x", `"` + strings.Repeat("x", 70<<10) + `"`, fault.ProfileTooLarge},
		} {
			b.wantFault(set(c.key, c.value), c.kind)
		}
		big := `"` + strings.Repeat("x", 40<<10) + `"`
		b.must(set("org.example.one", big))
		b.wantFault(set("org.example.two", big), fault.ProfileTooLarge)
		_, err = b.Profile(b.ctx, "@nobody:hs")
		b.wantFault(err, fault.NotFound)
		b.wantFault(b.SetProfileField(b.ctx, "@nobody:hs", "@nobody:hs", "m.tz", json.RawMessage(`"x"`)), fault.NotFound)
	})
}

func TestAccountData(t *testing.T) {
	each(t, func(b *bench) {
		b.user(alice, "A")
		b.changes = nil
		put := func(room id.RoomID, typ, content string) {
			b.must(b.SetDatum(b.ctx, alice, Datum{room, typ, json.RawMessage(content)}))
		}
		put("", "a", `{"v":1}`)
		put("", "a", `{"v":2}`)
		put("!r:hs", "a", `{"v":3}`)
		all, err := b.Data(b.ctx, alice, nil)
		b.must(err)
		if len(all) != 2 || string(all[0].Content) != `{"v":2}` || all[1].Room != "!r:hs" || string(all[1].Content) != `{"v":3}` {
			b.t.Errorf("%s", all)
		}
		some, err := b.Data(b.ctx, alice, []Datum{{Room: "!r:hs", Type: "a"}, {Type: "none"}})
		b.must(err)
		if len(some) != 1 || string(some[0].Content) != `{"v":3}` {
			b.t.Errorf("%s", some)
		}
		if none, err := b.Data(b.ctx, alice, []Datum{}); err != nil || len(none) != 0 {
			b.t.Errorf("%s %v", none, err)
		}
		want := []Change{{AccountData, alice, "", "a"}, {AccountData, alice, "", "a"}, {AccountData, alice, "!r:hs", "a"}}
		if !slices.Equal(b.changes, want) {
			b.t.Errorf("told %v", b.changes)
		}
		_, err = b.Datum(b.ctx, bob, "", "a")
		b.wantFault(err, fault.NotFound)
		b.wantFault(b.SetDatum(b.ctx, alice, Datum{}), fault.InvalidParam)
		b.changes = nil
		put("!r:hs", "a", ` { } `)
		b.must(b.DeleteDatum(b.ctx, alice, "", "none"))
		b.must(b.db.Write(b.ctx, "many reports", nil, func(tx *db.Tx) error {
			_, err := tx.Exec(`with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000)
				insert into feed_change (user_id, kind, room_id, name, pos) select '@bob:test', 'account_data', '', 'type' || i, i from n`)
			return err
		}))
		b.wantFault(b.DeleteDatum(b.ctx, "@bob:test", "", "another"), fault.TooLarge)
		b.wantFault(b.DeleteDatum(b.ctx, alice, "", ""), fault.InvalidParam)
		if all, err := b.Data(b.ctx, alice, nil); err != nil || len(all) != 1 || all[0].Room != "" {
			b.t.Errorf("left after deleting: %s, %v", all, err)
		}
		if want := []Change{{AccountData, alice, "!r:hs", "a"}, {AccountData, alice, "", "none"}}; !slices.Equal(b.changes, want) {
			b.t.Errorf("told %v", b.changes)
		}
		var content []byte
		b.must(b.db.QueryRow(b.ctx, `select content from account_data where type = 'a' and room_id = ''`).Scan(&content))
		if bytes.Contains(content, []byte("v")) && bytes.Contains(content, []byte(`{"`)) {
			b.t.Error("account data lies in the clear")
		}
	})
}

func TestTags(t *testing.T) {
	each(t, func(b *bench) {
		b.user(alice, "A")
		const room = id.RoomID("!r:hs")
		if tags, err := b.Tags(b.ctx, alice, room); err != nil || tags == nil || len(tags) != 0 {
			b.t.Errorf("%v %v", tags, err)
		}
		var wait sync.WaitGroup
		for i := range 10 {
			wait.Go(func() {
				if err := b.SetTag(b.ctx, alice, room, fmt.Sprint("u.", i), json.RawMessage(`{"order":0.5}`)); err != nil {
					b.t.Error(err)
				}
			})
		}
		wait.Wait()
		b.must(b.SetTag(b.ctx, alice, room, "u.3", nil))
		tags, err := b.Tags(b.ctx, alice, room)
		b.must(err)
		if len(tags) != 9 || string(tags["u.4"]) != `{"order":0.5}` {
			b.t.Errorf("%s", tags)
		}
		b.wantFault(b.SetTag(b.ctx, alice, room, "", nil), fault.InvalidParam)
		for i := range maxTags - 9 {
			b.must(b.SetTag(b.ctx, alice, room, fmt.Sprint("more", i), json.RawMessage(`{}`)))
		}
		b.wantFault(b.SetTag(b.ctx, alice, room, "one too many", json.RawMessage(`{}`)), fault.InvalidParam)
		b.must(b.SetDatum(b.ctx, alice, Datum{room, "m.tag", json.RawMessage(`{"tags":7}`)}))
		if tags, err := b.Tags(b.ctx, alice, room); err != nil || len(tags) != 0 {
			b.t.Errorf("%v %v", tags, err)
		}
	})
}

func TestIgnored(t *testing.T) {
	each(t, func(b *bench) {
		b.user(alice, "A")
		want := func(users ...id.UserID) {
			b.t.Helper()
			for range 2 { // from the database, then from memory
				got, err := b.Ignored(b.ctx, alice)
				b.must(err)
				if len(got) != len(users) || len(users) > 0 && !got[users[0]] {
					b.t.Errorf("ignores %v, want %v", got, users)
				}
			}
		}
		want()
		for content, users := range map[string][]id.UserID{`{"ignored_users":{"@bob:hs":{}}}`: {bob}, `{"ignored_users":7}`: {}, `{}`: {}} {
			b.must(b.SetDatum(b.ctx, alice, Datum{Type: "m.ignored_user_list", Content: json.RawMessage(content)}))
			want(users...)
		}
	})
}

func TestFilters(t *testing.T) {
	each(t, func(b *bench) {
		b.user(alice, "A")
		const filter = `{"room":{"timeline":{"limit":10,"types":["m.room.*"],"senders":["@a:b"]},"rooms":["!r:hs"]},"event_format":"client"}`
		one, err := b.AddFilter(b.ctx, alice, json.RawMessage(filter))
		b.must(err)
		two, err := b.AddFilter(b.ctx, alice, json.RawMessage(filter))
		b.must(err)
		if one != two || one == "" || one[0] == '{' {
			b.t.Errorf("ids %q, %q", one, two)
		}
		got, err := b.Filter(b.ctx, alice, one)
		b.must(err)
		if string(got) != filter {
			b.t.Errorf("%s", got)
		}
		_, err = b.Filter(b.ctx, bob, one)
		b.wantFault(err, fault.NotFound)
		for _, bad := range []string{
			`{"presence":"x"}`, `{"room":{"timeline":"x"}}`, `{"room":{"state":"x"}}`, `{"room":{"ephemeral":"x"}}`, `{"room":{"account_data":"x"}}`,
			`{"room":{"timeline":{"rooms":"x"}}}`, `{"room":{"timeline":{"not_rooms":"x"}}}`, `{"room":{"timeline":{"senders":"x"}}}`,
			`{"room":{"timeline":{"not_senders":"x"}}}`, `{"room":{"timeline":{"types":"x"}}}`, `{"room":{"timeline":{"not_types":"x"}}}`,
			`{"room":{"timeline":{"types":[1]}}}`, `{"room":{"timeline":{"rooms":["not_a_room_id"]}}}`, `{"room":{"timeline":{"senders":["not_a_sender_id"]}}}`,
			`{"room":{"rooms":["x"]}}`, `{"event_format":"x"}`, `{"room":{"timeline":{"limit":"x"}}}`, `{"room":{"timeline":{"limit":-1}}}`, `{"presence":{"limit":1.5}}`,
			`{"x":"` + strings.Repeat("x", maxFilter) + `"}`,
		} {
			if _, err := b.AddFilter(b.ctx, alice, json.RawMessage(bad)); err == nil {
				b.t.Errorf("took %.100s", bad)
			} else if f, ok := fault.As(err); !ok || f.HTTPStatus() >= 500 {
				b.t.Errorf("%s: %v", bad, err)
			}
		}
	})
}

func TestAccountDataIsBounded(t *testing.T) {
	each(t, func(b *bench) {
		b.user(alice, "A")
		set := func(typ string) error {
			return b.SetDatum(b.ctx, alice, Datum{Type: typ, Content: json.RawMessage(`{"a":1}`)})
		}
		b.must(set("x"))
		b.must(b.db.Write(b.ctx, "fill", nil, func(tx *db.Tx) error {
			_, err := tx.Exec(fmt.Sprintf(`insert into account_data (user_id, room_id, type, content)
				with recursive n(i) as (select 1 union all select i + 1 from n where i < %d)
				select user_id, room_id, 't' || i, content from account_data, n where type = 'x'`, maxData-1))
			return err
		}))
		b.wantFault(set("one more"), fault.TooLarge)
		b.must(set("t7"))
	})
}
