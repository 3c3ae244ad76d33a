package room

import (
	"context"
	"fmt"

	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/matrix/stateres"
)

// resolve works out the one state that follows from the states after several events.
func (in *intake) resolve(ctx context.Context, after []id.EventID) (*State, error) {
	return in.resolveWith(ctx, after, nil, nil)
}

// resolveWith is resolve when one of the events is not stored yet: extra, with the state before it.
func (in *intake) resolveWith(ctx context.Context, after []id.EventID, extra *Event, before *State) (*State, error) {
	rs, r := in.rs, in.r
	events, err := rs.byID(ctx, r, after)
	if err != nil {
		return nil, err
	}
	states := make([]*State, 0, len(after))
	for _, i := range after {
		e, s := events[i], before
		if extra != nil && i == extra.ID {
			e = extra
		} else {
			if e == nil {
				return nil, fmt.Errorf("event %s is gone", i)
			}
			if s, err = rs.state(ctx, r, e.Snapshot); err != nil {
				return nil, err
			}
		}
		if e.State() && e.Kind != Rejected {
			s = s.with(e)
		}
		states = append(states, s)
	}
	same := true
	for _, s := range states[1:] {
		same = same && sameState(states[0], s)
	}
	if same {
		return states[0], nil
	}
	maps := make([]stateres.State, len(states))
	for i, s := range states {
		maps[i] = make(stateres.State, s.Len())
		for e := range s.All {
			maps[i][stateres.StateKey{Type: e.Type, StateKey: *e.StateKey}] = e.ID
		}
	}
	pick := func(ids []id.EventID) (map[id.EventID]*Event, error) {
		m, err := rs.byID(ctx, r, ids)
		if err == nil && extra != nil {
			for _, i := range ids {
				if i == extra.ID {
					m[i] = extra
				}
			}
		}
		return m, err
	}
	result, err := stateres.Resolve(r.Version, maps, func(ids []id.EventID) (map[id.EventID]*pdu.PDU, error) {
		m, err := pick(ids)
		if err != nil {
			return nil, err
		}
		out := make(map[id.EventID]*pdu.PDU, len(m))
		for i, e := range m {
			if e.Kind != Held {
				out[i] = pduOf(e)
			}
		}
		return out, nil
	})
	if err != nil {
		return nil, fmt.Errorf("resolve state: %w", err)
	}
	ids := make([]id.EventID, 0, len(result))
	for _, i := range result {
		ids = append(ids, i)
	}
	found, err := pick(ids)
	if err != nil {
		return nil, err
	}
	l := make([]*Event, 0, len(ids))
	for _, i := range ids {
		if found[i] == nil {
			return nil, fmt.Errorf("event %s of the resolved state is gone", i)
		}
		l = append(l, found[i])
	}
	return stateOf(l), nil
}

// sameState tells whether two states have the same events.
func sameState(a, b *State) bool {
	if a == b {
		return true
	}
	if a.Len() != b.Len() {
		return false
	}
	for e := range a.All {
		if o := b.at(e.Key()); o == nil || o.ID != e.ID {
			return false
		}
	}
	return true
}
