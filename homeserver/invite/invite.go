// Package invite says from whom a person wants to be invited: everybody, nobody ("Invite permission" of the
// specification) or some people and servers (MSC4155).
//
// It is pure: it reads account data that others keep, and what follows is done by room (refusing) and feed (hiding).
package invite

import (
	"encoding/json"
	"slices"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/homeserver/push"
)

// The types of account data that hold the wish.
const (
	Type     = "m.invite_permission_config"
	Unstable = "org.matrix.msc4155.invite_permission_config"
)

// Verdict is what is done with an invitation.
type Verdict int

// The verdicts.
const (
	Allow  Verdict = iota
	Ignore         // it is made, and not shown to whom it is for
	Block          // it is refused
)

// Wish is from whom somebody wants to be invited. The zero Wish is everybody.
type Wish struct {
	none  bool
	rules []rule
}

type rule struct {
	matches func(string) bool
	server  bool // matches servers, not people
	verdict Verdict
}

// maxRules bounds the lists of one person; the rest of them is not looked at.
const maxRules = 1000

// Parse reads the content of both types, either of which may be nil. What is not understood counts as not said.
func Parse(contents ...[]byte) Wish {
	var w Wish
	for _, content := range contents {
		var c map[string]json.RawMessage
		if json.Unmarshal(content, &c) != nil {
			continue
		}
		if enabled := string(c["enabled"]); enabled == "false" {
			continue
		}
		w.none = w.none || string(c["default_action"]) == `"block"`
		// People come before servers, and what is allowed before what is not.
		for _, list := range []struct {
			name    string
			server  bool
			verdict Verdict
		}{
			{"allowed_users", false, Allow}, {"ignored_users", false, Ignore}, {"blocked_users", false, Block},
			{"allowed_servers", true, Allow}, {"ignored_servers", true, Ignore}, {"blocked_servers", true, Block},
		} {
			var globs []string
			if json.Unmarshal(c[list.name], &globs) != nil {
				continue
			}
			for _, glob := range globs {
				if len(w.rules) < maxRules {
					w.rules = append(w.rules, rule{push.Whole(glob), list.server, list.verdict})
				}
			}
		}
	}
	slices.SortStableFunc(w.rules, func(x, y rule) int {
		switch {
		case x.server == y.server:
			return 0
		case y.server:
			return -1
		}
		return 1
	})
	return w
}

// Of is what is done with an invitation that somebody sends.
func (w Wish) Of(sender id.UserID) Verdict {
	for _, r := range w.rules {
		of := string(sender)
		if r.server {
			of = sender.Homeserver()
		}
		if r.matches(of) {
			return r.verdict
		}
	}
	if w.none {
		return Block
	}
	return Allow
}
