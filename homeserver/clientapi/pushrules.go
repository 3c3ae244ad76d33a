package clientapi

import (
	"encoding/json"
	"net/http"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/push"
	"github.com/myelin-health/myelin/rest"
)

// pushRulesRoutes serves "Push Rules: API".
func (a *API) pushRulesRoutes() []rest.Route {
	const base = "/_matrix/client/v3/pushrules/"
	const rule = base + "global/{kind}/{ruleId}"
	route := func(method, path string, handle rest.Handler) rest.Route {
		return rest.Route{Method: method, Path: path, Access: access.User, Handle: handle}
	}
	return []rest.Route{
		{Method: http.MethodGet, Path: base, Also: []string{"/_matrix/client/v3/pushrules"}, Access: access.User, Handle: a.pushRules},
		{Method: http.MethodGet, Path: base + "global/", Also: []string{base + "global"}, Access: access.User, Handle: a.globalPushRules},
		route(http.MethodGet, rule, a.pushRule),
		route(http.MethodPut, rule, a.setPushRule),
		route(http.MethodDelete, rule, a.deletePushRule),
		route(http.MethodGet, rule+"/enabled", a.pushRuleEnabled),
		route(http.MethodPut, rule+"/enabled", a.enablePushRule),
		route(http.MethodGet, rule+"/actions", a.pushRuleActions),
		route(http.MethodPut, rule+"/actions", a.setPushRuleActions),
	}
}

func (a *API) pushRules(r *rest.Request) (any, error) {
	rules, err := a.Feed.Rules(r.Context(), r.Who.User)
	if err != nil {
		return nil, err
	}
	b, err := rules.Encode()
	return rest.RawJSON(b), err
}

func (a *API) globalPushRules(r *rest.Request) (any, error) {
	rules, err := a.Feed.Rules(r.Context(), r.Who.User)
	if err != nil {
		return nil, err
	}
	return rules, nil
}

// theRule is the rule that the path names.
func (a *API) theRule(r *rest.Request) (push.Rule, error) {
	rules, err := a.Feed.Rules(r.Context(), r.Who.User)
	if err != nil {
		return push.Rule{}, err
	}
	return rules.Get(push.RuleKind(r.Param("kind")), r.Param("ruleId"))
}

func (a *API) pushRule(r *rest.Request) (any, error) {
	rule, err := a.theRule(r)
	if err != nil {
		return nil, err
	}
	return rule, nil
}

func (a *API) pushRuleEnabled(r *rest.Request) (any, error) {
	rule, err := a.theRule(r)
	return map[string]bool{"enabled": rule.Enabled}, err
}

func (a *API) pushRuleActions(r *rest.Request) (any, error) {
	rule, err := a.theRule(r)
	return map[string]any{"actions": rule.Actions}, err
}

func (a *API) setPushRule(r *rest.Request) (any, error) {
	var body struct {
		Actions    []json.RawMessage `json:"actions"`
		Conditions []json.RawMessage `json:"conditions"`
		Pattern    *string           `json:"pattern"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	rule := push.Rule{ID: r.Param("ruleId"), Actions: body.Actions, Conditions: body.Conditions, Pattern: body.Pattern}
	return nil, a.changeRules(r, func(rules *push.Rules) error {
		return rules.Put(push.RuleKind(r.Param("kind")), rule, r.Q("before"), r.Q("after"))
	})
}

func (a *API) deletePushRule(r *rest.Request) (any, error) {
	return nil, a.changeRules(r, func(rules *push.Rules) error {
		return rules.Delete(push.RuleKind(r.Param("kind")), r.Param("ruleId"))
	})
}

func (a *API) enablePushRule(r *rest.Request) (any, error) {
	var body struct {
		Enabled *bool `json:"enabled"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if body.Enabled == nil {
		return nil, fault.New(fault.BadJSON, `"enabled" is missing.`)
	}
	return nil, a.changeRules(r, func(rules *push.Rules) error {
		return rules.Enable(push.RuleKind(r.Param("kind")), r.Param("ruleId"), *body.Enabled)
	})
}

func (a *API) setPushRuleActions(r *rest.Request) (any, error) {
	var body struct {
		Actions []json.RawMessage `json:"actions"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	return nil, a.changeRules(r, func(rules *push.Rules) error {
		return rules.SetActions(push.RuleKind(r.Param("kind")), r.Param("ruleId"), body.Actions)
	})
}

func (a *API) changeRules(r *rest.Request, change func(*push.Rules) error) error {
	return a.Feed.ChangeRules(r.Context(), r.Who.User, change)
}
