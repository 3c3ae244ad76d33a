package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/push"
	"github.com/myelin-health/myelin/homeserver/room"
)

// accountData writes the global account data that is new. The rooms' own is written with the rooms.
func (a *answer) accountData() {
	var l list
	for _, d := range a.data {
		if d.Room == "" && a.call.filter.AccountData.kind(d.Type, a.p.user) {
			l.next()
			l.dst = appendDatum(l.dst, d)
		}
	}
	if !l.some {
		return
	}
	a.key("account_data")
	a.out = append(a.out, `{"events":[`...)
	a.out = append(a.out, l.dst...)
	a.out = append(a.out, `]}`...)
	a.news = true
}

// loadAccountData reads the account data that is new to the device.
func (a *answer) loadAccountData(ctx context.Context) error {
	if a.call.initial {
		var err error
		if a.data, err = a.f.account.Data(ctx, a.p.user, nil); err != nil {
			return fmt.Errorf("read account data: %w", err)
		}
		return a.defaultRules()
	}
	changes, err := a.f.ownChanges(ctx, a.p, a.from, a.upTo)
	if err != nil {
		return err
	}
	var keys []AccountDatum
	for _, c := range changes {
		switch {
		case c.Kind == AccountData:
			keys = append(keys, AccountDatum{Room: c.Room, Type: c.Key})
		case c.Kind == KeyCounts && c.Key == string(a.call.who.Device):
			a.news = true
		case c.Kind == OwnView:
			a.came(id.UserID(c.Key))
		}
	}
	if len(keys) > 0 {
		if a.data, err = a.f.changedData(ctx, a.p.user, keys); err != nil {
			return fmt.Errorf("read account data: %w", err)
		}
	}
	return nil
}

// changedData reads account data that changed; what was deleted is an empty object (MSC3391).
func (f *Feed) changedData(ctx context.Context, user id.UserID, keys []AccountDatum) ([]AccountDatum, error) {
	data, err := f.account.Data(ctx, user, keys)
	if err != nil {
		return nil, err
	}
	type key struct {
		room id.RoomID
		typ  string
	}
	there := make(map[key]bool, len(data))
	for _, d := range data {
		there[key{d.Room, d.Type}] = true
	}
	for _, k := range keys {
		if !there[key{k.Room, k.Type}] {
			data = append(data, AccountDatum{Room: k.Room, Type: k.Type, Content: json.RawMessage(`{}`)})
		}
	}
	return data, nil
}

// defaultRules adds the push rules of somebody who never changed any.
func (a *answer) defaultRules() error {
	if slices.ContainsFunc(a.data, func(d AccountDatum) bool { return d.Room == "" && d.Type == "m.push_rules" }) {
		return nil
	}
	content, err := push.Defaults(a.p.user).Encode()
	if err != nil {
		return err
	}
	a.data = append(a.data, AccountDatum{Type: "m.push_rules", Content: content})
	return nil
}

// roomAccountData are the events of a room's account data, nil when there are none.
func (a *answer) roomAccountData(r id.RoomID) []byte {
	flt := &a.call.filter.Room.AccountData
	var l list
	for _, d := range a.data {
		if d.Room == r && flt.inRoom(r) && flt.kind(d.Type, a.p.user) {
			l.next()
			l.dst = appendDatum(l.dst, d)
		}
	}
	return l.dst
}

func appendDatum(dst []byte, d AccountDatum) []byte {
	dst = append(dst, `{"type":`...)
	dst = appendString(dst, d.Type)
	dst = append(dst, `,"content":`...)
	dst = append(dst, d.Content...)
	return append(dst, '}')
}

// toDevice writes the messages to the device, at most a page; the token then says how far it got.
func (a *answer) toDevice(ctx context.Context) error {
	after := a.call.since.toDevice
	mail, last, err := a.f.mailFor(ctx, a.p, a.call.who.Device, after, a.upTo, toDevicePage)
	if err != nil {
		return err
	}
	a.next.toDevice = last
	if len(mail) == 0 {
		return nil
	}
	a.key("to_device")
	a.out = append(a.out, `{"events":[`...)
	for i, m := range mail {
		if i > 0 {
			a.out = append(a.out, ',')
		}
		a.out = append(a.out, m...)
	}
	a.out = append(a.out, `]}`...)
	a.mailed = last
	a.news = true
	return nil
}

// deviceLists writes whose devices changed and whose are no longer of interest.
func (a *answer) deviceLists(ctx context.Context) error {
	if a.call.initial {
		return nil
	}
	changed, left, err := a.listNews(ctx)
	if err != nil || len(changed) == 0 && len(left) == 0 {
		return err
	}
	a.key("device_lists")
	a.out = append(a.out, `{"changed":[`...)
	a.out = appendUsers(a.out, changed)
	a.out = append(a.out, `],"left":[`...)
	a.out = appendUsers(a.out, left)
	a.out = append(a.out, `]}`...)
	a.news = true
	return nil
}

// listNews adds the changed device lists to the people who came and went.
func (a *answer) listNews(ctx context.Context) (changed, left []id.UserID, err error) {
	lists, err := a.f.listChanges(ctx, a.from, a.upTo)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range lists {
		if a.newcomers[c.User] {
			continue
		}
		shares := c.User == a.p.user
		if !shares {
			if shares, err = a.sharesWith(ctx, c.User); err != nil {
				return nil, nil, err
			}
		}
		if shares {
			a.came(c.User)
		}
	}
	for u := range a.leavers {
		shares, err := a.sharesWith(ctx, u)
		if err != nil {
			return nil, nil, err
		}
		if !shares && u != a.p.user {
			left = append(left, u)
			delete(a.newcomers, u)
		}
	}
	for u := range a.newcomers {
		changed = append(changed, u)
	}
	slices.Sort(changed)
	slices.Sort(left)
	return changed, left, nil
}

func appendUsers(dst []byte, users []id.UserID) []byte {
	for i, u := range users {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, string(u))
	}
	return dst
}

// sharesWith reports whether the reader is in a room with somebody.
func (a *answer) sharesWith(ctx context.Context, u id.UserID) (bool, error) {
	for _, s := range *a.p.stays.Load() {
		if s.Membership != room.Join {
			continue
		}
		r, err := a.f.rooms.Get(ctx, s.Room)
		if fault.Is(err, fault.NotFound) {
			continue // erased
		}
		if err != nil {
			return false, err
		}
		if r.Membership(u) == room.Join {
			return true, nil
		}
	}
	return false, nil
}

// presence writes the presence of people with whom the reader shares a room.
func (a *answer) presence(ctx context.Context) error {
	p := a.f.presence
	if p == nil {
		return nil
	}
	var users []id.UserID
	if a.fleetingAnyway || a.fleeting > a.fleetingSince {
		users = p.since(a.fleetingSince, a.fleetingAnyway)
	}
	for u := range a.newcomers {
		if !slices.Contains(users, u) {
			users = append(users, u)
		}
	}
	if len(users) == 0 {
		return nil
	}
	known, err := a.acquaintances(ctx, len(users))
	if err != nil {
		return err
	}
	var l list
	others := false
	for _, u := range users {
		if !a.call.filter.Presence.kind("m.presence", u) || a.set.ignored[u] {
			continue
		}
		shares := u == a.p.user || known[u]
		if known == nil && !shares {
			if shares, err = a.sharesWith(ctx, u); err != nil {
				return err
			}
		}
		if shares {
			l.dst, l.some = p.appendEvent(l.dst, l.some, u, a.now)
			// Their own presence is told to people along with other news; it is none by itself.
			others = others || u != a.p.user
		}
	}
	if !l.some {
		return nil
	}
	a.key("presence")
	a.out = append(a.out, `{"events":[`...)
	a.out = append(a.out, l.dst...)
	a.out = append(a.out, `]}`...)
	a.aside = a.aside || others
	return nil
}

// acquaintances are the people of this server in the reader's rooms, gathered only when many are asked for.
func (a *answer) acquaintances(ctx context.Context, asked int) (map[id.UserID]bool, error) {
	if asked < 16 {
		return nil, nil
	}
	known := make(map[id.UserID]bool)
	for _, s := range *a.p.stays.Load() {
		if s.Membership != room.Join {
			continue
		}
		r, err := a.f.rooms.Get(ctx, s.Room)
		if fault.Is(err, fault.NotFound) {
			continue // erased
		}
		if err != nil {
			return nil, err
		}
		for _, u := range r.JoinedLocal() {
			known[u] = true
		}
	}
	return known, nil
}

// keyCounts writes what is left of the device's own keys.
func (a *answer) keyCounts(ctx context.Context) error {
	n, err := a.f.counts(ctx, a.p.user, a.call.who.Device)
	if err != nil {
		return fmt.Errorf("count keys: %w", err)
	}
	if a.some {
		a.out = append(a.out, ',')
	}
	a.some = true
	a.out = n.append(a.out)
	return nil
}

// append writes the two members of an answer that are about a device's own keys.
func (n DeviceCounts) append(dst []byte) []byte {
	l := list{dst: append(dst, `"device_one_time_keys_count":{`...)}
	for algorithm, k := range n.OneTime {
		l.next()
		l.dst = strconv.AppendInt(appendKey(l.dst, algorithm), int64(k), 10)
	}
	l = list{dst: append(l.dst, `},"device_unused_fallback_key_types":[`...)}
	for _, t := range n.UnusedFallback {
		l.next()
		l.dst = appendString(l.dst, t)
	}
	return append(l.dst, ']')
}

// DeviceLists names the people whose devices changed between two sync tokens, and those with whom the person
// shares no room any more (GET /keys/changes).
func (f *Feed) DeviceLists(ctx context.Context, user id.UserID, from, to string) (changed, left []id.UserID, err error) {
	start, err := parseToken(from)
	if err != nil {
		return nil, nil, err
	}
	end, err := parseToken(to)
	if err != nil {
		return nil, nil, err
	}
	p, err := f.person(ctx, user)
	if err != nil {
		return nil, nil, err
	}
	a := &answer{f: f, call: &call{filter: everything}, p: p, from: start.pos, upTo: min(end.pos, f.visible.Load())}
	views, err := f.ownChanges(ctx, p, a.from, a.upTo)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range views {
		if c.Kind == OwnView {
			a.came(id.UserID(c.Key))
		}
	}
	for _, s := range *p.stays.Load() {
		if err := a.membersMoved(ctx, s); err != nil {
			return nil, nil, err
		}
	}
	return a.listNews(ctx)
}

// membersMoved notes who came to and who left a room of the reader's.
func (a *answer) membersMoved(ctx context.Context, s stay) error {
	if s.Pos <= a.from && s.place.floor <= a.from && s.place.last.Load() <= a.from {
		return nil
	}
	r, err := a.f.rooms.Get(ctx, s.Room)
	if fault.Is(err, fault.NotFound) {
		return nil // erased
	}
	if err != nil {
		return err
	}
	was := s.Membership
	if s.Pos > a.from {
		sight, err := a.f.rooms.Sight(ctx, r, a.p.user)
		if err != nil {
			return err
		}
		if was, err = membershipAt(ctx, sight, a.from); err != nil {
			return err
		}
	}
	switch {
	case s.Membership == room.Join && was == room.Join:
		_, err := a.changedState(ctx, &part{r: r, s: s}, a.from, a.upTo)
		return err
	case s.Membership == room.Join:
		a.met(r)
	case was == room.Join:
		a.parted(r)
	}
	return nil
}
