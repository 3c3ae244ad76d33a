package room

import (
	"cmp"
	"slices"
	"sync/atomic"

	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// view is a state with what is asked of it all the time. Immutable.
type view struct {
	snapshot int64 // id of state in room_snapshot
	state    *State
	power    *Power
	local    []id.UserID // joined people of this server, in the order of joining
	joined   int         // everybody who is joined
	invited  int
	heroes   atomic.Pointer[[]*Event] // see heroList
}

// lookup is the state in the form of the authorisation rules.
func (v *view) lookup(typ, key string) *pdu.PDU { return pduOf(v.state.Get(typ, key)) }

// viewOf makes the view of a state.
func (rs *Rooms) viewOf(snapshot int64, s *State) *view {
	v := &view{snapshot: snapshot, state: s, power: powerOf(s)}
	var local []*Event
	for e := range s.All {
		if e.Type != typeMember {
			continue
		}
		switch e.Membership() {
		case Join:
			v.joined++
			if rs.isLocal(id.UserID(*e.StateKey)) {
				local = append(local, e)
			}
		case Invite:
			v.invited++
		}
	}
	slices.SortFunc(local, byAge)
	for _, e := range local {
		v.local = append(v.local, id.UserID(*e.StateKey))
	}
	return v
}

func byAge(a, b *Event) int {
	return cmp.Or(cmp.Compare(a.Depth, b.Depth), cmp.Compare(a.TS, b.TS), cmp.Compare(a.ID, b.ID))
}

// with is the view after the given changes of the state.
func (v *view) with(rs *Rooms, snapshot int64, entries ...stateEntry) *view {
	n := &view{snapshot: snapshot, state: v.state, power: v.power, local: v.local, joined: v.joined, invited: v.invited}
	power := false
	for _, c := range entries {
		old := n.state.at(c.key)
		n.state = n.state.set(c.key, c.event)
		switch c.key.Type {
		case typeMember:
			n.member(rs, id.UserID(c.key.StateKey), old.Membership(), c.event.Membership())
		case typePower, typeCreate:
			power = true
		}
	}
	if power {
		n.power = powerOf(n.state)
	}
	return n
}

func (v *view) member(rs *Rooms, u id.UserID, before, after string) {
	if before == after {
		return
	}
	switch before {
	case Join:
		v.joined--
		if i := slices.Index(v.local, u); i >= 0 {
			v.local = slices.Delete(slices.Clone(v.local), i, i+1)
		}
	case Invite:
		v.invited--
	}
	switch after {
	case Join:
		v.joined++
		if rs.isLocal(u) {
			// A full slice expression, so that two views never share the free space behind.
			v.local = append(v.local[:len(v.local):len(v.local)], u)
		}
	case Invite:
		v.invited++
	}
}

// heroList are the member events from which a client makes the name of a room without one: the first
// joined and invited people or, when there is at most one of them, those who left. It holds one more
// than the five that are shown, so that the reader can be left out.
func (v *view) heroList() []*Event {
	if h := v.heroes.Load(); h != nil {
		return *h
	}
	var in, out []*Event
	for e := range v.state.All {
		if e.Type != typeMember {
			continue
		}
		switch e.Membership() {
		case Join, Invite:
			in = append(in, e)
		case Leave, Ban, Knock:
			out = append(out, e)
		}
	}
	if len(in) <= 1 {
		slices.SortFunc(out, byAge)
		in = append(in, out...)
	} else {
		slices.SortFunc(in, byAge)
	}
	in = slices.Clip(in[:min(len(in), 6)])
	v.heroes.Store(&in)
	return in
}

// membership is what a user is in the state; Leave for strangers.
func (v *view) membership(u id.UserID) string {
	if m := v.state.Get(typeMember, string(u)).Membership(); m != "" {
		return m
	}
	return Leave
}
