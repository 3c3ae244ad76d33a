package push

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
)

// RuleKind is one of the lists of a rule set.
type RuleKind string

// The kinds of rules.
const (
	Override    RuleKind = "override"
	Content     RuleKind = "content"
	PostContent RuleKind = "postcontent" // the server's own rules only (MSC4306)
	Room        RuleKind = "room"
	Sender      RuleKind = "sender"
	Underride   RuleKind = "underride"
)

// kinds are all kinds in the order in which they are tried.
var kinds = [...]RuleKind{Override, Content, PostContent, Room, Sender, Underride}

// maxRules bounds each list of a rule set; every event is checked against all of them.
const maxRules = 500

// Rule is one push rule as clients see it. Conditions and actions are kept as they were sent.
type Rule struct {
	ID         string            `json:"rule_id"`
	Default    bool              `json:"default"`
	Enabled    bool              `json:"enabled"`
	Conditions []json.RawMessage `json:"conditions,omitzero"` // override, postcontent and underride only
	Pattern    *string           `json:"pattern,omitempty"`   // content only
	Actions    []json.RawMessage `json:"actions"`
}

// Rules is a rule set: the user's own rules before the server's default ones in every list, but for
// .m.rule.master, which is always first.
type Rules struct {
	Override    []Rule `json:"override"`
	Content     []Rule `json:"content"`
	PostContent []Rule `json:"postcontent"`
	Room        []Rule `json:"room"`
	Sender      []Rule `json:"sender"`
	Underride   []Rule `json:"underride"`
}

// stored is the content of m.push_rules.
type stored struct {
	Global Rules `json:"global"`
}

// Load reads the content of m.push_rules for user; nil content gives the default rules. Default rules that
// the stored set does not know are added, with those it knows keeping their changed state and actions, so
// that a new version of the server can bring new rules.
func Load(user id.UserID, content json.RawMessage) (*Rules, error) {
	r := Defaults(user)
	if len(content) == 0 {
		return r, nil
	}
	var s stored
	if err := json.Unmarshal(content, &s); err != nil {
		return nil, fmt.Errorf("decode push rules: %w", err)
	}
	for _, kind := range kinds {
		list := r.list(kind)
		var own []Rule
		for _, rule := range *s.Global.list(kind) {
			if !rule.Default {
				own = append(own, rule)
				continue
			}
			if i := index(*list, rule.ID); i >= 0 {
				(*list)[i].Enabled = rule.Enabled
				(*list)[i].Actions = rule.Actions
			}
		}
		*list = slices.Insert(*list, firstPlace(*list), own...)
	}
	return r, nil
}

// Encode is the set as the content of m.push_rules and as the answer of GET /pushrules/.
func (r *Rules) Encode() (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(stored{Global: *r}); err != nil {
		return nil, fmt.Errorf("encode push rules: %w", err)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// MarshalJSON writes all lists, empty ones as [].
func (r Rules) MarshalJSON() ([]byte, error) {
	type plain Rules
	for _, kind := range kinds {
		if l := r.list(kind); *l == nil {
			*l = []Rule{}
		}
	}
	return json.Marshal(plain(r))
}

// list is the list of a kind; nil for an unknown kind.
func (r *Rules) list(kind RuleKind) *[]Rule {
	switch kind {
	case Override:
		return &r.Override
	case Content:
		return &r.Content
	case PostContent:
		return &r.PostContent
	case Room:
		return &r.Room
	case Sender:
		return &r.Sender
	case Underride:
		return &r.Underride
	}
	return nil
}

func index(list []Rule, rule string) int {
	return slices.IndexFunc(list, func(r Rule) bool { return r.ID == rule })
}

// firstPlace is where the user's most important rule goes.
func firstPlace(list []Rule) int {
	if len(list) > 0 && list[0].ID == masterRule {
		return 1
	}
	return 0
}

func errNoKind(kind RuleKind) error {
	return fault.New(fault.InvalidParam, "There is no kind of push rule named %q.", string(kind))
}

func errNoRule() error { return fault.New(fault.NotFound, "The push rule was not found.") }

// Get returns one rule, or a fault of kind NotFound.
func (r *Rules) Get(kind RuleKind, rule string) (Rule, error) {
	list := r.list(kind)
	if list == nil {
		return Rule{}, errNoRule() // clients ask this way whether a kind is known
	}
	i := index(*list, rule)
	if i < 0 {
		return Rule{}, errNoRule()
	}
	return (*list)[i], nil
}

// Put adds or changes a rule of the user, next to the rule named before or after if one is given (before
// wins). A new rule is enabled and, without a neighbour, the most important of its kind.
func (r *Rules) Put(kind RuleKind, rule Rule, before, after string) error {
	list := r.list(kind)
	if list == nil {
		return errNoKind(kind)
	}
	if kind == PostContent {
		return fault.New(fault.InvalidParam, "Push rules of this kind are the server's.")
	}
	if err := rule.check(kind); err != nil {
		return err
	}
	next := slices.Clone(*list)
	place := -1
	if i := index(next, rule.ID); i >= 0 {
		rule.Enabled = next[i].Enabled
		place = i
		next = slices.Delete(next, i, i+1)
	} else {
		rule.Enabled = true
		if len(next) >= maxRules {
			return fault.New(fault.TooLarge, "There are too many push rules of this kind.")
		}
	}
	switch neighbour := cmpOr(before, after); {
	case neighbour != "":
		i := index(next, neighbour)
		if i < 0 || next[i].Default {
			return fault.New(fault.Unknown, "before/after rule not found: %s", neighbour).WithStatus(400)
		}
		place = i
		if before == "" {
			place++
		}
	case place < 0:
		place = firstPlace(next)
	}
	*list = slices.Insert(next, place, rule)
	return nil
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// check refuses what the specification does not allow in a rule of the user.
func (rule *Rule) check(kind RuleKind) error {
	switch {
	case rule.ID == "":
		return fault.New(fault.InvalidParam, "A push rule needs an id.")
	case strings.HasPrefix(rule.ID, "."):
		return fault.New(fault.InvalidParam, "Ids of push rules that start with a dot are the server's.")
	case strings.ContainsAny(rule.ID, `/\`):
		return fault.New(fault.InvalidParam, "Ids of push rules have no slashes.")
	case len(rule.ID) > 255:
		return fault.New(fault.InvalidParam, "The id of the push rule is too long.")
	}
	rule.Default = false
	if err := checkActions(rule.Actions); err != nil {
		return err
	}
	switch kind {
	case Override, Underride:
		rule.Pattern = nil
		if rule.Conditions == nil {
			rule.Conditions = []json.RawMessage{}
		}
		for _, c := range rule.Conditions {
			if err := checkCondition(c); err != nil {
				return err
			}
		}
	case Content:
		rule.Conditions = nil
		if rule.Pattern == nil {
			return fault.New(fault.MissingParam, "A content rule needs a pattern.")
		}
	default:
		rule.Conditions, rule.Pattern = nil, nil
	}
	return nil
}

func checkActions(actions []json.RawMessage) error {
	if actions == nil {
		return fault.New(fault.MissingParam, "A push rule needs actions.")
	}
	for _, a := range actions {
		if _, ok := parseAction(a); !ok {
			return fault.New(fault.InvalidParam, "An action of the push rule is not understood.")
		}
	}
	return nil
}

func checkCondition(raw json.RawMessage) error {
	var c struct {
		Kind *string `json:"kind"`
	}
	if json.Unmarshal(raw, &c) != nil || c.Kind == nil {
		return fault.New(fault.InvalidParam, "A condition of the push rule has no kind.")
	}
	return nil
}

// Delete removes a rule of the user.
func (r *Rules) Delete(kind RuleKind, rule string) error {
	list := r.list(kind)
	if list == nil {
		return errNoKind(kind)
	}
	i := index(*list, rule)
	if i < 0 || (*list)[i].Default {
		return errNoRule()
	}
	*list = slices.Delete(slices.Clone(*list), i, i+1)
	return nil
}

// Enable turns a rule, also a default one, on or off.
func (r *Rules) Enable(kind RuleKind, rule string, enabled bool) error {
	return r.change(kind, rule, func(x *Rule) { x.Enabled = enabled })
}

// SetActions changes what a rule, also a default one, does.
func (r *Rules) SetActions(kind RuleKind, rule string, actions []json.RawMessage) error {
	if err := checkActions(actions); err != nil {
		return err
	}
	return r.change(kind, rule, func(x *Rule) { x.Actions = actions })
}

func (r *Rules) change(kind RuleKind, rule string, f func(*Rule)) error {
	list := r.list(kind)
	if list == nil {
		return errNoKind(kind)
	}
	i := index(*list, rule)
	if i < 0 {
		return errNoRule()
	}
	*list = slices.Clone(*list)
	f(&(*list)[i])
	return nil
}
