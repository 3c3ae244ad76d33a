package auth

import (
	"maps"
	"slices"

	"github.com/myelin-health/myelin/matrix/event"
	"maunium.net/go/mautrix/id"
)

var topLevels = [...]string{"users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"}

// powerLevels is rule 10. Levels are those in force before the event.
func (c *check) powerLevels(levels *PowerLevels) error {
	if err := c.levelForm(levels); err != nil {
		return err
	}
	old := c.state.Lookup(typePowerLevels, "")
	if old == nil {
		return nil
	}
	level := levels.User(c.p.Sender)
	if level == Infinite {
		return nil
	}
	for _, key := range topLevels {
		was, had := readLevel(c.v, event.Lookup(old.Content, key))
		is, has := readLevel(c.v, event.Lookup(c.p.Content, key))
		if had == has && was == is {
			continue
		}
		if had && was > level || has && is > level {
			return errLevelsChange
		}
	}
	maps := []string{"events", "notifications"}
	if !c.v.NotificationsPowerLevels() {
		maps = maps[:1]
	}
	for _, key := range maps {
		err := levelChanges(c.v, event.Lookup(old.Content, key), event.Lookup(c.p.Content, key),
			func(_ string, was, is *int64) error {
				if was != nil && *was > level || is != nil && *is > level {
					return errLevelsEvents
				}
				return nil
			})
		if err != nil {
			return err
		}
	}
	return levelChanges(c.v, event.Lookup(old.Content, "users"), event.Lookup(c.p.Content, "users"),
		func(user string, was, is *int64) error {
			if user != string(c.p.Sender) && was != nil && *was >= level {
				return errLevelsPeer
			}
			if is != nil && *is > level {
				return errLevelsTooHigh
			}
			return nil
		})
}

// levelForm is rules 10.1 to 10.4.
func (c *check) levelForm(levels *PowerLevels) error {
	if c.v.ValidatePowerLevelInts() {
		for _, key := range topLevels {
			if raw := event.Lookup(c.p.Content, key); raw != nil {
				if _, ok := readLevel(c.v, raw); !ok {
					return errLevelsInteger
				}
			}
		}
		for _, key := range []string{"events", "notifications"} {
			if raw := event.Lookup(c.p.Content, key); raw != nil && !c.levelMap(raw, nil) {
				return errLevelsMap
			}
		}
	}
	raw := event.Lookup(c.p.Content, "users")
	if raw == nil {
		return nil
	}
	creator := false
	ok := c.levelMap(raw, func(user string) bool {
		creator = creator || slices.Contains(levels.creators, id.UserID(user))
		return event.ValidUserID(user)
	})
	if !ok {
		return errLevelsUsers
	}
	if creator {
		return errLevelsCreator
	}
	return nil
}

// levelMap reports whether raw is an object of levels whose keys are valid.
func (c *check) levelMap(raw []byte, valid func(key string) bool) bool {
	good := true
	isObject := event.Each(raw, func(key string, value []byte) bool {
		_, good = readLevel(c.v, value)
		good = good && (valid == nil || valid(key))
		return good
	})
	return isObject && good
}

// levelChanges calls f for every entry that differs between two objects of levels, in
// the order of their keys. Was is nil for an added entry, is for a removed one.
func levelChanges(v id.RoomVersion, old, now []byte, f func(key string, was, is *int64) error) error {
	before, after := readLevels[string](v, old), readLevels[string](v, now)
	keys := slices.AppendSeq(slices.Collect(maps.Keys(before)), maps.Keys(after))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		var was, is *int64
		if n, ok := before[key]; ok {
			was = &n
		}
		if n, ok := after[key]; ok {
			is = &n
		}
		if was != nil && is != nil && *was == *is {
			continue
		}
		if err := f(key, was, is); err != nil {
			return err
		}
	}
	return nil
}
