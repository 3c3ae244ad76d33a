// Package push evaluates push rules: which events notify a person, which are highlighted, and how a
// person's rule set is changed (client-server API, "Push Notifications", spec v1.19).
//
// It is pure: no database, no clock, no network. Rule sets are kept as account data of type m.push_rules
// by their owner; unread counts are made from the answers in package feed. It sends nothing to push
// gateways.
package push
