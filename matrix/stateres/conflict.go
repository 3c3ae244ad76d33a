package stateres

import (
	"maps"

	"maunium.net/go/mautrix/id"
)

// fullConflictedSet is the conflicted state set with the auth difference and, in
// version 2.1, the conflicted state subgraph. Events that are missing are left out.
func (r *resolver) fullConflictedSet(states []State) (idSet, error) {
	chains := make([]idSet, len(states))
	union := make(idSet)
	for i, s := range states {
		start := make(idSet)
		for key, eventID := range s {
			if _, ok := r.agreed[key]; !ok {
				start[eventID] = struct{}{}
			}
		}
		chain, err := r.chain(start, nil)
		if err != nil {
			return nil, err
		}
		chains[i] = chain
		maps.Copy(union, chain)
	}
	difference := make(idSet)
	for eventID := range union {
		for _, chain := range chains {
			if !chain.has(eventID) {
				difference[eventID] = struct{}{}
				break
			}
		}
	}
	if err := r.dropAgreedChain(difference); err != nil {
		return nil, err
	}
	full := maps.Clone(r.disputed)
	maps.Copy(full, difference)
	if r.v.StateResVersion() == id.StateResV2_1 {
		r.addSubgraph(full, union)
	}
	maps.DeleteFunc(full, func(eventID id.EventID, _ struct{}) bool {
		p := r.events[eventID]
		return p == nil || p.StateKey == nil
	})
	return full, nil
}

// chain returns the events of start and all of their auth chains. It ends early when
// until is given and empty; what it finds is taken out of until.
func (r *resolver) chain(start, until idSet) (idSet, error) {
	seen := maps.Clone(start)
	next := start.sorted()
	for len(next) > 0 {
		for _, eventID := range next {
			delete(until, eventID)
		}
		if until != nil && len(until) == 0 {
			return seen, nil
		}
		if err := r.load(next); err != nil {
			return nil, err
		}
		now := next
		next = nil
		for _, eventID := range now {
			p := r.events[eventID]
			if p == nil {
				continue
			}
			for _, a := range p.AuthEvents {
				if !seen.has(a) {
					seen[a] = struct{}{}
					next = append(next, a)
				}
			}
		}
	}
	return seen, nil
}

// dropAgreedChain takes out of the difference of the chains of what is in dispute
// whatever is in the chains of what is agreed, as that is part of every state's
// chain. Most often nothing is left to look for after a few steps.
func (r *resolver) dropAgreedChain(difference idSet) error {
	// What is in dispute can be part of the difference or not: it is in the full
	// conflicted set anyway.
	for eventID := range r.disputed {
		delete(difference, eventID)
	}
	if len(difference) == 0 {
		return nil
	}
	start := make(idSet, len(r.agreed))
	for _, eventID := range r.agreed {
		start[eventID] = struct{}{}
	}
	_, err := r.chain(start, difference)
	return err
}

// addSubgraph adds the conflicted state subgraph: the events on the paths along
// auth_events from one event in dispute to another. Below are the events in dispute
// with their auth chains; those of them from which one in dispute is reached are it.
func (r *resolver) addSubgraph(full, below idSet) {
	reaches := make(map[id.EventID]bool, len(below))
	var visit func(eventID id.EventID) bool
	visit = func(eventID id.EventID) bool {
		if found, ok := reaches[eventID]; ok {
			return found
		}
		found := r.disputed.has(eventID)
		reaches[eventID] = found
		if p := r.events[eventID]; p != nil {
			for _, a := range p.AuthEvents {
				found = visit(a) || found
			}
		}
		reaches[eventID] = found
		if found {
			full[eventID] = struct{}{}
		}
		return found
	}
	for eventID := range below {
		visit(eventID)
	}
}
