package auth

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/myelin-health/myelin/matrix/event"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// Infinite is the power level of the creators of a room from version 12 on. No level
// that an event can set is as high.
const Infinite int64 = math.MaxInt64

// maxLevel bounds what an event can set; only rooms before version 6 can exceed it.
const maxLevel int64 = 1 << 62

// PowerLevels are the levels in force in a room: those of its m.room.power_levels
// event, with the specification's defaults for what it does not say. They are
// immutable and can be shared.
type PowerLevels struct {
	Users         map[id.UserID]int64
	UsersDefault  int64
	Events        map[string]int64
	EventsDefault int64
	StateDefault  int64
	Ban           int64
	Invite        int64
	Kick          int64
	Redact        int64
	Notifications map[string]int64

	creators []id.UserID // of infinite level
}

// User returns a user's level.
func (l *PowerLevels) User(user id.UserID) int64 {
	if slices.Contains(l.creators, user) {
		return Infinite
	}
	if level, ok := l.Users[user]; ok {
		return level
	}
	return l.UsersDefault
}

// Event returns the level needed to send an event of a type, as a state event or as a
// message.
func (l *PowerLevels) Event(eventType string, state bool) int64 {
	if level, ok := l.Events[eventType]; ok {
		return level
	}
	if state {
		return l.StateDefault
	}
	return l.EventsDefault
}

// Notification returns the level needed to trigger a notification, such as "room";
// 50 where the room does not say.
func (l *PowerLevels) Notification(kind string) int64 {
	if level, ok := l.Notifications[kind]; ok {
		return level
	}
	return 50
}

// CanRedact reports whether a redaction that redactor sent applies to an event that
// author sent ("Handling redactions" of room version 3). Sending one needs only the
// level of its type.
func (l *PowerLevels) CanRedact(redactor, author id.UserID) bool {
	return l.User(redactor) >= l.Redact || redactor.Homeserver() == author.Homeserver()
}

// Creators returns who has infinite power: nobody before room version 12.
func (l *PowerLevels) Creators() []id.UserID { return slices.Clone(l.creators) }

// ReadPowerLevels reads the levels in force from a room's create event and its
// m.room.power_levels event, which is nil if there is none. Values that the room
// version does not accept count as not said.
func ReadPowerLevels(v id.RoomVersion, create, levels *pdu.PDU) *PowerLevels {
	l := &PowerLevels{Ban: 50, Kick: 50, Redact: 50, StateDefault: 50}
	if v.PrivilegedRoomCreators() {
		l.creators = creatorsOf(create)
	}
	if levels == nil {
		if !v.PrivilegedRoomCreators() {
			l.Users = map[id.UserID]int64{creatorOf(v, create): 100}
		}
		return l
	}
	event.Each(levels.Content, func(key string, raw []byte) bool {
		switch key {
		case "users":
			l.Users = readLevels[id.UserID](v, raw)
		case "events":
			l.Events = readLevels[string](v, raw)
		case "notifications":
			l.Notifications = readLevels[string](v, raw)
		default:
			if field := l.field(key); field != nil {
				if n, ok := readLevel(v, raw); ok {
					*field = n
				}
			}
		}
		return true
	})
	return l
}

// field returns where the level of a top-level key is kept; nil for other keys.
func (l *PowerLevels) field(key string) *int64 {
	switch key {
	case "users_default":
		return &l.UsersDefault
	case "events_default":
		return &l.EventsDefault
	case "state_default":
		return &l.StateDefault
	case "ban":
		return &l.Ban
	case "invite":
		return &l.Invite
	case "kick":
		return &l.Kick
	case "redact":
		return &l.Redact
	}
	return nil
}

func creatorOf(v id.RoomVersion, create *pdu.PDU) id.UserID {
	if v.CreatorInContent() {
		creator, _ := event.LookupString(create.Content, "creator")
		return id.UserID(creator)
	}
	return create.Sender
}

func creatorsOf(create *pdu.PDU) []id.UserID {
	creators := []id.UserID{create.Sender}
	event.EachItem(event.Lookup(create.Content, "additional_creators"), func(item []byte) bool {
		if s, ok := event.String(item); ok {
			creators = append(creators, id.UserID(s))
		}
		return true
	})
	return creators
}

func readLevels[K ~string](v id.RoomVersion, raw []byte) map[K]int64 {
	m := make(map[K]int64)
	event.Each(raw, func(key string, value []byte) bool {
		if n, ok := readLevel(v, value); ok {
			m[K(key)] = n
		}
		return true
	})
	return m
}

// readLevel reads one level. Room versions before 10 accept what Python's int()
// accepts, as the specification's description of strings and floats amounts to that.
func readLevel(v id.RoomVersion, raw []byte) (level int64, ok bool) {
	if len(raw) == 0 {
		return 0, false
	}
	s := string(raw)
	if !v.ValidatePowerLevelInts() {
		switch {
		case s == "true":
			return 1, true
		case s == "false":
			return 0, true
		case raw[0] == '"':
			s, _ = event.String(raw)
			s = strings.TrimSpace(s)
		case strings.ContainsAny(s, ".e"):
			f, err := strconv.ParseFloat(s, 64)
			return int64(min(max(f, -float64(maxLevel)), float64(maxLevel))), err == nil
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil && !isRange(err) {
		return 0, false
	}
	return min(max(n, -maxLevel), maxLevel), true
}

func isRange(err error) bool {
	e, ok := err.(*strconv.NumError)
	return ok && e.Err == strconv.ErrRange
}
