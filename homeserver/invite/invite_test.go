package invite

import (
	"testing"

	"maunium.net/go/mautrix/id"
)

func TestWish(t *testing.T) {
	for _, c := range []struct {
		stable, unstable string
		want             map[id.UserID]Verdict
	}{
		{``, ``, map[id.UserID]Verdict{"@a:x": Allow}},
		{`{"default_action":"block"}`, ``, map[id.UserID]Verdict{"@a:x": Block}},
		{`{"default_action":"other"}`, `[]`, map[id.UserID]Verdict{"@a:x": Allow}},
		{`{"default_action":"block"}`, `{"allowed_users":["@a:x"]}`, map[id.UserID]Verdict{"@a:x": Allow, "@b:x": Block}},
		{``, `{"blocked_users":["@a:x"],"ignored_users":["@b:x"]}`, map[id.UserID]Verdict{"@a:x": Block, "@b:x": Ignore, "@c:x": Allow}},
		{``, `{"allowed_users":["@a:x"],"blocked_servers":["x"]}`, map[id.UserID]Verdict{"@a:x": Allow, "@b:x": Block, "@b:y": Allow}},
		{``, `{"blocked_users":["@a:x"],"allowed_servers":["x"]}`, map[id.UserID]Verdict{"@a:x": Block, "@b:x": Allow}},
		{``, `{"blocked_users":["@user-?*"],"ignored_servers":["*.x"]}`, map[id.UserID]Verdict{"@user-1:y": Block, "@user-:y": Block, "@u:a.x": Ignore, "@u:x": Allow}},
		{`{"allowed_servers":["x"]}`, `{"blocked_users":["@a:x"]}`, map[id.UserID]Verdict{"@a:x": Block}},
		{``, `{"enabled":false,"blocked_users":["*"]}`, map[id.UserID]Verdict{"@a:x": Allow}},
		{``, `{"blocked_users":null,"ignored_users":7,"allowed_users":["@a:x",1]}`, map[id.UserID]Verdict{"@a:x": Allow}},
	} {
		w := Parse([]byte(c.stable), []byte(c.unstable))
		for sender, want := range c.want {
			if got := w.Of(sender); got != want {
				t.Errorf("%s %s: an invitation of %s gets %d, want %d", c.stable, c.unstable, sender, got, want)
			}
		}
	}
}
