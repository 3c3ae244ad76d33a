package push

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"
)

// Context is what conditions ask about the room at the time of the event.
type Context struct {
	Members     int    // joined members
	DisplayName string // the reader's name in the room
	SenderLevel int64
	// Notification is the power level that a notification of the given name needs (50 if the room says nothing).
	Notification func(name string) int64
	// Thread tells whether the event is in a thread, and whether the reader is subscribed to it; nil: it is in none.
	Thread func() (is, subscribed bool)
}

// Result says what the most important matching rule does.
type Result struct {
	Notify    bool
	Highlight bool
	Rule      string            // its id; empty when none matched
	Actions   []json.RawMessage // its actions
}

// Set is a rule set made ready to evaluate. It does not change and may be shared.
type Set struct {
	user  id.UserID
	rules []*compiled
}

type compiled struct {
	conditions []condition
	result     Result
}

// condition reports whether it holds for an event in a room, for a person.
type condition func(*Event, *Context, id.UserID) bool

// Compile prepares the rules of a person.
func (r *Rules) Compile(user id.UserID) *Set {
	s := &Set{user: user}
	for _, kind := range kinds {
		for _, rule := range *r.list(kind) {
			if !rule.Enabled {
				continue
			}
			s.rules = append(s.rules, prepare(kind, rule))
		}
	}
	return s
}

// sharedRule is a default rule that is the same for everybody.
type sharedRule struct {
	text string // the definition that was compiled
	*compiled
}

// shared holds those rules by kind and id, so that thousands of people need the memory of one.
var shared = sync.OnceValue(func() map[string]sharedRule {
	const nobody = "@:"
	all := map[string]sharedRule{}
	rules := Defaults(nobody)
	for _, kind := range []RuleKind{Override, PostContent, Underride} {
		for _, rule := range *rules.list(kind) {
			if text := definition(rule); !strings.Contains(text, nobody) {
				all[string(kind)+"/"+rule.ID] = sharedRule{text, newCompiled(kind, rule)}
			}
		}
	}
	return all
})

func prepare(kind RuleKind, rule Rule) *compiled {
	if rule.Default {
		if s, ok := shared()[string(kind)+"/"+rule.ID]; ok && s.text == definition(rule) {
			return s.compiled
		}
	}
	return newCompiled(kind, rule)
}

// definition is all that a compiled default rule depends on.
func definition(rule Rule) string {
	var b strings.Builder
	for _, list := range [][]json.RawMessage{rule.Conditions, rule.Actions} {
		for _, raw := range list {
			b.Write(raw)
			b.WriteByte('\n')
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func newCompiled(kind RuleKind, rule Rule) *compiled {
	return &compiled{result: result(rule), conditions: ruleConditions(kind, rule)}
}

// defaults are the rules of everybody who changed none, made once: what names the person in them is looked
// up when they are evaluated.
var defaults = sync.OnceValue(func() []*compiled {
	rules := Defaults("@:").Compile("").rules
	for i, rule := range rules {
		own := slices.Clone(rule.conditions)
		switch rule.result.Rule {
		case ".m.rule.invite_for_me":
			own[len(own)-1] = func(e *Event, _ *Context, u id.UserID) bool {
				return e.StateKey != nil && *e.StateKey == string(u)
			}
		case ".m.rule.is_user_mention":
			own[0] = mentioned
		case userNameRule:
			own[0] = func(e *Event, _ *Context, u id.UserID) bool {
				return !e.mentions && e.hasBody && containsWords(e.body, strings.ToLower(u.Localpart()))
			}
		}
		rules[i] = &compiled{own, rule.result}
	}
	return rules
})

// mentioned reports whether the event's m.mentions name the person.
func mentioned(e *Event, _ *Context, u id.UserID) bool {
	if !e.mentions {
		return false
	}
	found := false
	users, _ := e.lookup([]string{"content", "m.mentions", "user_ids"})
	if users.IsArray() {
		users.ForEach(func(_, v gjson.Result) bool {
			found = v.Type == gjson.String && v.Str == string(u)
			return !found
		})
	}
	return found
}

// DefaultSet is Defaults(user).Compile(user) without its cost: it shares everything with those of others.
func DefaultSet(user id.UserID) *Set { return &Set{user: user, rules: defaults()} }

// Match finds the most important rule that matches; a person is never notified of their own events.
func (s *Set) Match(e *Event, room *Context) Result {
	if e.Sender == s.user {
		return Result{}
	}
rules:
	for i := range s.rules {
		for _, holds := range s.rules[i].conditions {
			if !holds(e, room, s.user) {
				continue rules
			}
		}
		return s.rules[i].result
	}
	return Result{}
}

func result(rule Rule) Result {
	res := Result{Rule: rule.ID, Actions: rule.Actions}
	for _, raw := range rule.Actions {
		a, ok := parseAction(raw)
		switch {
		case !ok:
		case a.name == "notify":
			res.Notify = true
		case a.tweak == "highlight":
			res.Highlight = a.value.Type != gjson.False
		}
	}
	res.Highlight = res.Highlight && res.Notify
	return res
}

type action struct {
	name  string
	tweak string
	value gjson.Result
}

// parseAction reads an action. Unknown names, among them the historical dont_notify and coalesce, do nothing.
func parseAction(raw json.RawMessage) (action, bool) {
	v := gjson.ParseBytes(raw)
	if v.Type == gjson.String {
		return action{name: v.Str}, true
	}
	if tweak := v.Get("set_tweak"); v.IsObject() && tweak.Type == gjson.String {
		return action{tweak: tweak.Str, value: v.Get("value")}, true
	}
	return action{}, false
}

func ruleConditions(kind RuleKind, rule Rule) []condition {
	switch kind {
	case Room:
		return []condition{func(e *Event, _ *Context, _ id.UserID) bool { return string(e.Room) == rule.ID }}
	case Sender:
		return []condition{func(e *Event, _ *Context, _ id.UserID) bool { return string(e.Sender) == rule.ID }}
	case Content:
		if rule.Pattern == nil {
			return []condition{never}
		}
		words := matchWords(*rule.Pattern)
		holds := func(e *Event, _ *Context, _ id.UserID) bool { return e.hasBody && words(e.body) }
		if rule.ID == userNameRule && rule.Default {
			return []condition{func(e *Event, c *Context, u id.UserID) bool { return !e.mentions && holds(e, c, u) }}
		}
		return []condition{holds}
	}
	out := make([]condition, len(rule.Conditions))
	for i, raw := range rule.Conditions {
		out[i] = compile(gjson.ParseBytes(raw))
	}
	return out
}

func never(*Event, *Context, id.UserID) bool { return false }

// compile prepares one condition; one that is not understood never holds.
func compile(c gjson.Result) condition {
	key := c.Get("key")
	switch c.Get("kind").Str {
	case "event_match":
		if key.Type == gjson.String && c.Get("pattern").Type == gjson.String {
			return eventMatch(key.Str, c.Get("pattern").Str)
		}
	case "event_property_is":
		if key.Type == gjson.String && simple(c.Get("value")) {
			path, want := splitPath(key.Str), c.Get("value")
			return func(e *Event, _ *Context, _ id.UserID) bool {
				got, ok := e.lookup(path)
				return ok && equal(got, want)
			}
		}
	case "event_property_contains":
		if key.Type == gjson.String && simple(c.Get("value")) {
			return propertyContains(splitPath(key.Str), c.Get("value"))
		}
	case "contains_display_name":
		return containsDisplayName
	case "room_member_count":
		return memberCount(c.Get("is").Str)
	case "sender_notification_permission":
		return func(_ *Event, room *Context, _ id.UserID) bool {
			return room.Notification != nil && room.SenderLevel >= room.Notification(key.Str)
		}
	case threadCondition:
		if want := c.Get("subscribed"); want.IsBool() {
			return threadSubscription(want.Bool())
		}
	}
	return never
}

func eventMatch(key, pattern string) condition {
	if key == "content.body" {
		words := matchWords(pattern)
		return func(e *Event, _ *Context, _ id.UserID) bool { return e.hasBody && words(e.body) }
	}
	path := splitPath(key)
	whole := matchWhole(pattern)
	if key == "type" {
		return func(e *Event, _ *Context, _ id.UserID) bool { return whole(e.Type) }
	}
	return func(e *Event, _ *Context, _ id.UserID) bool {
		got, ok := e.lookup(path)
		return ok && got.Type == gjson.String && whole(got.Str)
	}
}

func propertyContains(path []string, want gjson.Result) condition {
	return func(e *Event, _ *Context, _ id.UserID) bool {
		got, ok := e.lookup(path)
		if !ok || !got.IsArray() {
			return false
		}
		found := false
		got.ForEach(func(_, item gjson.Result) bool {
			found = equal(item, want)
			return !found
		})
		return found
	}
}

// threadSubscription holds for events in threads that the reader is subscribed to, or is not (MSC4306).
func threadSubscription(want bool) condition {
	return func(_ *Event, room *Context, _ id.UserID) bool {
		if room.Thread == nil {
			return false
		}
		is, subscribed := room.Thread()
		return is && subscribed == want
	}
}

func containsDisplayName(e *Event, room *Context, _ id.UserID) bool {
	return e.hasBody && room.DisplayName != "" && containsWords(e.body, strings.ToLower(room.DisplayName))
}

// simple reports whether a value is a string, an integer, a boolean or null.
func simple(v gjson.Result) bool {
	switch v.Type {
	case gjson.String, gjson.True, gjson.False:
		return true
	case gjson.Null:
		return v.Raw != ""
	case gjson.Number:
		_, err := strconv.ParseInt(v.Raw, 10, 64)
		return err == nil
	}
	return false
}

func equal(a, b gjson.Result) bool {
	if !simple(a) || a.Type != b.Type {
		return false
	}
	switch a.Type {
	case gjson.String:
		return a.Str == b.Str
	case gjson.Number:
		return a.Int() == b.Int()
	}
	return true
}

// memberCount reads "2", "==2", "<10", ">=3" ...
func memberCount(is string) condition {
	digits := strings.TrimLeft(is, "=<>")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 {
		return never
	}
	switch strings.TrimSuffix(is, digits) {
	case "", "==":
		return func(_ *Event, c *Context, _ id.UserID) bool { return c.Members == n }
	case "<":
		return func(_ *Event, c *Context, _ id.UserID) bool { return c.Members < n }
	case ">":
		return func(_ *Event, c *Context, _ id.UserID) bool { return c.Members > n }
	case "<=":
		return func(_ *Event, c *Context, _ id.UserID) bool { return c.Members <= n }
	case ">=":
		return func(_ *Event, c *Context, _ id.UserID) bool { return c.Members >= n }
	}
	return never
}
