package stateres_test

import (
	"cmp"
	"slices"

	"github.com/myelin-health/myelin/matrix/auth"
	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/matrix/matrixtest"
	"github.com/myelin-health/myelin/matrix/stateres"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// oracle is state resolution written down from the specification sentence by
// sentence, without any thought of cost, as a second opinion.
type oracle struct {
	r     *matrixtest.Room
	chain map[id.EventID]map[id.EventID]bool // auth chains, each without its start
}

type set = map[id.EventID]bool

func (o *oracle) authChain(eventID id.EventID) set {
	if c, ok := o.chain[eventID]; ok {
		return c
	}
	c := set{}
	for _, a := range o.r.Events[eventID].AuthEvents {
		c[a] = true
		for b := range o.authChain(a) {
			c[b] = true
		}
	}
	o.chain[eventID] = c
	return c
}

func (o *oracle) resolve(states []stateres.State) stateres.State {
	v2_1 := o.r.Version == id.RoomV12
	unconflicted, conflicted := stateres.State{}, set{}
	for _, s := range states {
		for key, eventID := range s {
			everywhere := true
			for _, other := range states {
				everywhere = everywhere && other[key] == eventID
			}
			if everywhere {
				unconflicted[key] = eventID
			} else {
				conflicted[eventID] = true
			}
		}
	}
	full := set{}
	for c := range conflicted {
		full[c] = true
	}
	inAll, inAny := o.chains(states)
	for eventID := range inAny {
		if !inAll[eventID] {
			full[eventID] = true
		}
	}
	if v2_1 {
		for x := range inAny {
			from, to := conflicted[x], conflicted[x]
			for c := range conflicted {
				from = from || o.authChain(c)[x]
				to = to || o.authChain(x)[c]
			}
			if from && to {
				full[x] = true
			}
		}
	}
	state := stateres.State{}
	if !v2_1 {
		for k, e := range unconflicted {
			state[k] = e
		}
	}
	x := o.select1(full)
	o.iterate(state, o.powerOrder(x))
	var rest []id.EventID
	for eventID := range full {
		if !x[eventID] {
			rest = append(rest, eventID)
		}
	}
	o.iterate(state, o.mainlineOrder(rest, state[stateres.StateKey{Type: "m.room.power_levels"}]))
	for k, e := range unconflicted {
		state[k] = e
	}
	return state
}

func (o *oracle) chains(states []stateres.State) (inAll, inAny set) {
	count := map[id.EventID]int{}
	for _, s := range states {
		c := set{}
		for _, eventID := range s {
			c[eventID] = true
			for a := range o.authChain(eventID) {
				c[a] = true
			}
		}
		for eventID := range c {
			count[eventID]++
		}
	}
	inAll, inAny = set{}, set{}
	for eventID, n := range count {
		inAny[eventID] = true
		inAll[eventID] = n == len(states)
	}
	return inAll, inAny
}

// select1 is step 1. An event is pulled in when a path of auth events inside of the
// full conflicted set leads to it from a power event.
func (o *oracle) select1(full set) set {
	x := set{}
	var pull func(eventID id.EventID)
	pull = func(eventID id.EventID) {
		x[eventID] = true
		for _, a := range o.r.Events[eventID].AuthEvents {
			if full[a] && !x[a] {
				pull(a)
			}
		}
	}
	for eventID := range full {
		p := o.r.Events[eventID]
		membership, _ := event.LookupString(p.Content, "membership")
		power := p.Type == "m.room.power_levels" || p.Type == "m.room.join_rules" || p.Type == "m.room.create" ||
			p.Type == "m.room.member" && (membership == "leave" || membership == "ban") && *p.StateKey != string(p.Sender)
		if power && !x[eventID] {
			pull(eventID)
		}
	}
	return x
}

func (o *oracle) powerOrder(x set) (ordered []id.EventID) {
	done := set{}
	for len(done) < len(x) {
		var best id.EventID
		for eventID := range x {
			free := !done[eventID]
			for _, a := range o.r.Events[eventID].AuthEvents {
				free = free && (!x[a] || done[a])
			}
			if free && (best == "" || o.before(eventID, best)) {
				best = eventID
			}
		}
		done[best] = true
		ordered = append(ordered, best)
	}
	return ordered
}

func (o *oracle) before(x, y id.EventID) bool {
	a, b := o.r.Events[x], o.r.Events[y]
	return cmp.Or(cmp.Compare(o.level(b), o.level(a)), cmp.Compare(a.OriginServerTS, b.OriginServerTS), cmp.Compare(x, y)) < 0
}

func (o *oracle) level(p *pdu.PDU) int64 {
	var levels, create *pdu.PDU
	for _, a := range p.AuthEvents {
		switch q := o.r.Events[a]; q.Type {
		case "m.room.power_levels":
			levels = q
		case "m.room.create":
			create = q
		}
	}
	if o.r.Version == id.RoomV12 {
		create = o.r.Events[o.r.Create()]
	}
	if create == nil {
		return 0
	}
	return auth.ReadPowerLevels(o.r.Version, create, levels).User(p.Sender)
}

func (o *oracle) levelsOf(eventID id.EventID) id.EventID {
	for _, a := range o.r.Events[eventID].AuthEvents {
		if o.r.Events[a].Type == "m.room.power_levels" {
			return a
		}
	}
	return ""
}

func (o *oracle) mainlineOrder(list []id.EventID, top id.EventID) []id.EventID {
	var mainline []id.EventID
	for p := top; p != ""; p = o.levelsOf(p) {
		mainline = append(mainline, p)
	}
	position := func(eventID id.EventID) int {
		for e := o.levelsOf(eventID); e != ""; e = o.levelsOf(e) {
			if i := slices.Index(mainline, e); i >= 0 {
				return i
			}
		}
		return 1 << 40
	}
	slices.SortFunc(list, func(x, y id.EventID) int {
		return cmp.Or(cmp.Compare(position(y), position(x)),
			cmp.Compare(o.r.Events[x].OriginServerTS, o.r.Events[y].OriginServerTS), cmp.Compare(x, y))
	})
	return list
}

func (o *oracle) iterate(state stateres.State, list []id.EventID) {
	for _, eventID := range list {
		p := o.r.Events[eventID]
		held := map[stateres.StateKey]*pdu.PDU{{Type: "m.room.create"}: o.r.Events[o.r.Create()]}
		for _, a := range p.AuthEvents {
			q := o.r.Events[a]
			held[stateres.StateKey{Type: q.Type, StateKey: *q.StateKey}] = q
		}
		for key, e := range state {
			held[key] = o.r.Events[e]
		}
		err := auth.Check(o.r.Version, p, func(t, k string) *pdu.PDU { return held[stateres.StateKey{Type: t, StateKey: k}] })
		if err == nil {
			state[stateres.StateKey{Type: p.Type, StateKey: *p.StateKey}] = eventID
		}
	}
}
