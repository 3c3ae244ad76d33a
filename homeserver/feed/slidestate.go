package feed

import (
	"encoding/json"
	"slices"

	"maunium.net/go/mautrix/id"
)

// StateWish says which state events of a room are wanted (MSC4186, RequiredStateRequest).
type StateWish struct {
	Include, Exclude []StateMatch
	LazyMembers      bool
	// Only narrows types to some state keys, as the unstable form does beside ["*", "*"].
	Only map[string][]string
}

// StateMatch matches state events; nil matches everything.
type StateMatch struct {
	Type *string `json:"type"`
	Key  *string `json:"state_key"`
}

func (m StateMatch) matches(typ, key string) bool {
	return (m.Type == nil || *m.Type == typ) && (m.Key == nil || *m.Key == key)
}

// wish is what all rules that match a room want together.
type wish struct {
	limit int
	state []StateWish
	lazy  bool // members are told as they are needed
	text  string
}

// newWish combines what several rules want: the longest timeline, and each state event that one of them wants.
func newWish(configs []SlideConfig) *wish {
	w := &wish{}
	everyone := false
	for _, c := range configs {
		w.limit = max(w.limit, min(c.Limit, slideTimeline))
		w.state = append(w.state, c.State)
		w.lazy = w.lazy || c.State.LazyMembers
		everyone = everyone || !c.State.LazyMembers && c.State.wants("m.room.member", "\x00")
	}
	w.lazy = w.lazy && !everyone
	text, _ := json.Marshal(w.state) // has no value that cannot be encoded
	w.text = string(text)
	return w
}

// wants reports whether a state event is wanted.
func (w *wish) wants(typ, key string) bool {
	return slices.ContainsFunc(w.state, func(s StateWish) bool { return s.wants(typ, key) })
}

func (s *StateWish) wants(typ, key string) bool {
	if keys, ok := s.Only[typ]; ok {
		return slices.Contains(keys, key)
	}
	included := func(m StateMatch) bool {
		if s.LazyMembers && typ == "m.room.member" {
			// Only members who are named: the others are told as they are needed.
			return m.Type != nil && m.Key != nil && *m.Type == typ && *m.Key == key
		}
		return m.matches(typ, key)
	}
	return slices.ContainsFunc(s.Include, included) &&
		!slices.ContainsFunc(s.Exclude, func(m StateMatch) bool { return m.matches(typ, key) })
}

// lists and subscriptions of a room, in the order of their names.
func (s *sliding) wish(m *matched) *wish {
	key := ""
	configs := make([]SlideConfig, 0, len(m.lists)+1)
	for _, name := range m.lists {
		key += name + "\x00"
		configs = append(configs, s.req.Lists[name].SlideConfig)
	}
	if c, ok := s.req.Rooms[m.Room]; ok {
		key += "\x00" + string(m.Room)
		configs = append(configs, c)
	}
	w := s.wishes[key]
	if w == nil {
		w = newWish(configs)
		s.wishes[key] = w
	}
	return w
}

// within reports whether an extension is asked for a room.
func (e *SlideExtension) within(m *matched, subscribed bool) bool {
	if subscribed && (e.Rooms == nil || slices.Contains(e.Rooms, "*") || slices.Contains(e.Rooms, string(m.Room))) {
		return true
	}
	return slices.ContainsFunc(m.lists, func(name string) bool {
		return e.Lists == nil || slices.Contains(e.Lists, "*") || slices.Contains(e.Lists, name)
	})
}

func (s *sliding) subscribed(r id.RoomID) bool {
	_, ok := s.req.Rooms[r]
	return ok
}
