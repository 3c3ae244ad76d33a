package room

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
)

// page collects all pages of a user's /messages.
func (w *world) page(u id.UserID, r id.RoomID, q PageRequest) string {
	w.t.Helper()
	var all []*Event
	for range 100 {
		p, err := w.Messages(ctx, u, r, q)
		w.ok(err)
		all = append(all, p.Events...)
		if p.End == "" {
			return bodies(all)
		}
		if len(p.Events) > q.Limit {
			w.t.Fatalf("page of %d", len(p.Events))
		}
		q.From = p.End
	}
	w.t.Fatal("pages without end")
	return ""
}

func TestMessages(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice)
		for i := range 7 {
			w.say(r, alice, fmt.Sprint("m", i))
		}
		only := &Filter{Types: []string{"m.room.mess*"}}
		for _, limit := range []int{1, 2, 3, 7, 50} {
			if got := w.page(alice, r, PageRequest{Back: true, Limit: limit, Filter: only}); got != "m6 m5 m4 m3 m2 m1 m0" {
				t.Errorf("limit %d: back %q", limit, got)
			}
			if got := w.page(alice, r, PageRequest{Limit: limit, Filter: only}); got != "m0 m1 m2 m3 m4 m5 m6" {
				t.Errorf("limit %d: forth %q", limit, got)
			}
		}
		p, err := w.Messages(ctx, alice, r, PageRequest{Back: true, Limit: 3})
		w.ok(err)
		w.say(r, alice, "new")
		q, err := w.Messages(ctx, alice, r, PageRequest{From: p.Start, Limit: 10})
		w.ok(err)
		if got := bodies(q.Events); got != "new" || q.End != "" {
			t.Errorf("since the token: %q", got)
		}
		q, err = w.Messages(ctx, alice, r, PageRequest{From: p.End, To: p.Start, Limit: 10})
		w.ok(err)
		if got := bodies(q.Events); got != "m4 m5 m6" {
			t.Errorf("between tokens: %q", got)
		}
		q, err = w.Messages(ctx, alice, r, PageRequest{Back: true, From: p.Start + "_boot_3", To: p.End, Limit: 10,
			Filter: &Filter{LazyMembers: true}})
		w.ok(err)
		if got := bodies(q.Events); got != "m6 m5 m4" || len(q.State) != 1 {
			t.Errorf("back between tokens: %q, %d members", got, len(q.State))
		}
		_, err = w.Messages(ctx, alice, r, PageRequest{From: "x"})
		wantFault(t, err, fault.InvalidParam)
		_, err = w.Messages(ctx, alice, r, PageRequest{To: "s"})
		wantFault(t, err, fault.InvalidParam)
		_, err = w.Messages(ctx, bob, r, PageRequest{})
		wantFault(t, err, fault.Forbidden)
		_, err = w.Messages(ctx, bob, "!nowhere", PageRequest{})
		wantFault(t, err, fault.Forbidden)
	})
}

func TestFilter(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		w.say(r, alice, "a")
		parent := w.say(r, bob, "b")
		_, err := w.Send(ctx, r, Draft{Type: "m.image", Sender: alice, Content: []byte(`{"url":"mxc://x/y","body":"pic"}`)})
		w.ok(err)
		_, err = w.Send(ctx, r, Draft{Type: "m.reply", Sender: alice, Content: relates(parent, relThread, nil)})
		w.ok(err)
		yes, no := true, false
		for want, f := range map[string]*Filter{
			"b":      {Senders: []id.UserID{bob}, Types: []string{"m.room.message"}},
			"a":      {NotSenders: []id.UserID{bob}, Types: []string{"m.room.message"}},
			"pic":    {ContainsURL: &yes},
			"a b":    {ContainsURL: &no, Types: []string{"m.room.message", "m.image"}},
			"child":  {Types: []string{"m.*"}, NotTypes: []string{"m.room.*", "m.ima*e"}},
			"":       {Rooms: &[]id.RoomID{"!other"}},
			"b ":     {RelTypes: []string{relThread}, RelSenders: []id.UserID{alice}},
			" ":      {RelSenders: []id.UserID{bob}},
			"  ":     {NotRooms: []id.RoomID{r}},
			"child ": {Relations: []string{relThread}},
			"a b ":   {NotRelations: []string{relThread}, Types: []string{"m.room.message", "m.reply"}},
		} {
			if got := w.page(alice, r, PageRequest{Limit: 50, Filter: f}); got != strings.TrimSpace(want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
}

func TestHistoryVisibility(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		want := map[string]map[string]string{
			// what bob sees who was invited and joined in between, and left at last; and what carol sees
			// who joined after he left.
			worldReadable: {"bob": "before invited joined left again", "carol": "before invited joined left again"},
			shared:        {"bob": "before invited joined", "carol": "before invited joined left again"},
			invited:       {"bob": "invited joined", "carol": "again"},
			joined:        {"bob": "joined", "carol": "again"},
		}
		for v, by := range want {
			r := w.create(alice, Creation{InitialState: []StateDraft{
				{Type: typeVisibility, Content: object(map[string]string{"history_visibility": v})}}})
			w.say(r, alice, "before")
			w.ok(w.Invite(ctx, alice, r, bob, ""))
			w.say(r, alice, "invited")
			w.ok(w.Join(ctx, bob, r, ""))
			e := w.say(r, alice, "joined")
			w.ok(w.Leave(ctx, bob, r, ""))
			w.say(r, alice, "left")
			w.ok(w.Invite(ctx, alice, r, carol, ""))
			w.ok(w.Join(ctx, carol, r, ""))
			last := w.say(r, alice, "again")
			only := &Filter{Types: []string{"m.room.message"}}
			for name, w := range map[string]*world{"hot": w, "restarted": w.fresh()} {
				if got := w.page(bob, r, PageRequest{Limit: 2, Filter: only}); got != by["bob"] {
					t.Errorf("%s, %s: bob sees %q, want %q", v, name, got, by["bob"])
				}
				if got := w.page(carol, r, PageRequest{Limit: 2, Filter: only}); got != by["carol"] {
					t.Errorf("%s, %s: carol sees %q, want %q", v, name, got, by["carol"])
				}
				if _, _, err := w.Seen(ctx, bob, r, e); err != nil {
					t.Errorf("%s: bob does not see his event: %v", v, err)
				}
				_, _, err := w.Seen(ctx, bob, r, last)
				if (err == nil) != (v == worldReadable) {
					t.Errorf("%s: bob sees the last event: %v", v, err)
				}
				_, _, err = w.Seen(ctx, dave, r, last)
				if (err == nil) != (v == worldReadable) {
					t.Errorf("%s: a stranger sees the last event: %v", v, err)
				}
				all, err := w.Timeline(ctx, w.room(r), 0, w.room(r).LastPos(), 100)
				w.ok(err)
				visible, err := w.Visible(ctx, w.room(r), bob, all)
				w.ok(err)
				if own := slices.ContainsFunc(visible, func(e *Event) bool { return e.Is(typeMember, string(bob)) }); !own {
					t.Errorf("%s: bob does not see his own membership", v)
				}
			}
		}
	})
}

func TestVisibilityChanges(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice)
		w.say(r, alice, "open")
		s, err := w.Sight(ctx, w.room(r), alice)
		w.ok(err)
		if !s.open {
			t.Error("an open history is not known to be open")
		}
		change := w.set(r, alice, typeVisibility, "", `{"history_visibility":"joined"}`)
		w.say(r, alice, "closed")
		w.ok(w.Join(ctx, bob, r, ""))
		w.say(r, alice, "here")
		if got := w.page(bob, r, PageRequest{Limit: 5, Filter: &Filter{Types: []string{"m.room.message"}}}); got != "open here" {
			t.Errorf("bob sees %q", got)
		}
		if _, _, err := w.Seen(ctx, bob, r, change); err != nil {
			t.Errorf("bob does not see how the history was closed: %v", err)
		}
		s, err = w.Sight(ctx, w.room(r), bob)
		w.ok(err)
		l, err := w.Timeline(ctx, w.room(r), 0, w.room(r).LastPos(), 3)
		w.ok(err)
		var got []string
		for _, e := range l {
			m, err := s.Membership(ctx, e)
			w.ok(err)
			got = append(got, m)
		}
		if fmt.Sprint(got) != "[join join leave]" {
			t.Errorf("memberships %v", got)
		}
	})
}

func TestAccess(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.create(alice, Creation{Invite: []id.UserID{bob, carol}})
		_, err := w.Access(ctx, r, bob)
		wantFault(t, err, fault.Forbidden)
		w.ok(w.Leave(ctx, carol, r, "")) // declined, was never in
		_, err = w.Access(ctx, r, carol)
		wantFault(t, err, fault.Forbidden)
		w.ok(w.Join(ctx, bob, r, ""))
		a, err := w.Access(ctx, r, bob)
		w.ok(err)
		if !a.Joined {
			t.Error("not joined")
		}
		w.set(r, alice, typeName, "", `{"name":"then"}`)
		w.ok(w.Leave(ctx, bob, r, ""))
		w.set(r, alice, typeName, "", `{"name":"now"}`)
		a, err = w.Access(ctx, r, bob)
		w.ok(err)
		s, err := a.State(ctx)
		w.ok(err)
		if n := s.Get(typeName, "").Get("name").Str; n != "then" || a.Joined {
			t.Errorf("bob sees the name %q", n)
		}
		a, err = w.Access(ctx, r, alice)
		w.ok(err)
		s, err = a.State(ctx)
		w.ok(err)
		if n := s.Get(typeName, "").Get("name").Str; n != "now" {
			t.Errorf("alice sees the name %q", n)
		}
		w.ok(w.Forget(ctx, bob, r))
		_, err = w.Access(ctx, r, bob)
		wantFault(t, err, fault.Forbidden)
	})
}

func TestContext(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		var ids []id.EventID
		for i := range 9 {
			ids = append(ids, w.say(r, alice, fmt.Sprint("m", i)))
		}
		c, err := w.Context(ctx, bob, r, ids[4], 4, nil)
		w.ok(err)
		if b, a := bodies(c.Before), bodies(c.After); b != "m3 m2" || a != "m5 m6" || c.Event.ID != ids[4] {
			t.Errorf("before %q, after %q", b, a)
		}
		if len(c.State) != w.room(r).StateMap().Len() {
			t.Errorf("%d state events", len(c.State))
		}
		p, err := w.Messages(ctx, bob, r, PageRequest{From: c.Start, Back: true, Limit: 2})
		w.ok(err)
		if got := bodies(p.Events); got != "m1 m0" {
			t.Errorf("before the start: %q", got)
		}
		p, err = w.Messages(ctx, bob, r, PageRequest{From: c.End, Limit: 2})
		w.ok(err)
		if got := bodies(p.Events); got != "m7 m8" {
			t.Errorf("after the end: %q", got)
		}
		c, err = w.Context(ctx, bob, r, ids[0], 0, &Filter{LazyMembers: true})
		w.ok(err)
		if len(c.Before)+len(c.After) != 0 || c.Start == c.End || len(c.State) != w.room(r).StateMap().Len()-1 {
			t.Errorf("limit 0: %d before, %d after, %d state", len(c.Before), len(c.After), len(c.State))
		}
		_, err = w.Context(ctx, bob, r, "$no", 4, nil)
		wantFault(t, err, fault.NotFound)
		_, err = w.Context(ctx, carol, r, ids[0], 4, nil)
		wantFault(t, err, fault.Forbidden)
		_, _, err = w.Seen(ctx, carol, r, ids[0])
		wantFault(t, err, fault.NotFound)

		ts := w.event(r, ids[3]).TS
		for want, at := range map[id.EventID]struct {
			ts      int64
			forward bool
		}{ids[3]: {ts, true}, ids[2]: {ts - 1, false}} {
			e, err := w.EventAt(ctx, bob, r, at.ts, at.forward)
			w.ok(err)
			if e.ID != want {
				t.Errorf("at %v: %s", at, e.Get("body").Str)
			}
		}
		_, err = w.EventAt(ctx, bob, r, ts+1e9, true)
		wantFault(t, err, fault.NotFound)
		_, err = w.EventAt(ctx, carol, r, ts, true)
		wantFault(t, err, fault.Forbidden)
	})
}

func TestRelations(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		root := w.say(r, alice, "root")
		child := func(by id.UserID, typ, rel string, to id.EventID, more map[string]any) id.EventID {
			e, err := w.Send(ctx, r, Draft{Type: typ, Sender: by, Content: relates(to, rel, more)})
			w.ok(err)
			return e
		}
		l, err := w.Timeline(ctx, w.room(r), 0, w.room(r).LastPos(), 1)
		w.ok(err)
		bundle := func(w *world, by id.UserID) gjson.Result {
			s, err := w.Sight(ctx, w.room(r), by)
			w.ok(err)
			b, err := w.AppendEvents(ctx, nil, s, Reader{User: by}, []*Event{w.event(r, root)})
			w.ok(err)
			return gjson.ParseBytes(b).Get(`0.unsigned.m\.relations`)
		}
		if b := bundle(w, alice); b.Exists() || l[0].kids.Load() != kidsNone {
			t.Errorf("a childless event has %s", b)
		}
		edit := child(alice, "m.room.message", relReplace, root, nil)
		child(bob, "m.room.message", relReplace, root, nil) // not his to edit
		one := child(bob, "m.room.message", relThread, root, nil)
		two := child(bob, "m.dummy", relThread, root, nil)
		ref := child(bob, "m.room.message", relReference, root, nil)
		reaction := child(bob, "m.reaction", relAnnotate, one, map[string]any{"key": "x"})
		edited := child(bob, "m.dummy", relReplace, two, nil)
		for name, w := range map[string]*world{"hot": w, "restarted": w.fresh()} {
			b := bundle(w, alice)
			if b.Get(`m\.replace.event_id`).Str != string(edit) || b.Get(`m\.reference.chunk.0.event_id`).Str != string(ref) {
				t.Errorf("%s: %s", name, b)
			}
			th := b.Get(`m\.thread`)
			if th.Get("count").Int() != 2 || th.Get("latest_event.event_id").Str != string(two) || !th.Get("current_user_participated").Bool() ||
				th.Get(`latest_event.unsigned.m\.relations.m\.replace.event_id`).Str != string(edited) {
				t.Errorf("%s: thread %s", name, th)
			}
			list := func(q RelationRequest) string {
				var got []id.EventID
				for range 20 {
					p, err := w.Relations(ctx, bob, r, root, q)
					w.ok(err)
					for _, e := range p.Events {
						got = append(got, e.ID)
					}
					if q.From = p.End; p.End == "" {
						break
					}
				}
				return fmt.Sprint(got)
			}
			for _, limit := range []int{1, 2, 10} {
				if got := list(RelationRequest{RelType: relThread, Limit: limit}); got != fmt.Sprint([]id.EventID{two, one}) {
					t.Errorf("%s: thread %v", name, got)
				}
				if got := list(RelationRequest{RelType: relThread, EventType: "m.room.message", Limit: limit, Forward: true}); got != fmt.Sprint([]id.EventID{one}) {
					t.Errorf("%s: messages of the thread %v", name, got)
				}
				if got := list(RelationRequest{RelType: relAnnotate, Recurse: true, Limit: limit}); got != fmt.Sprint([]id.EventID{reaction}) {
					t.Errorf("%s: reactions %v", name, got)
				}
				if got := list(RelationRequest{Limit: limit, Forward: true}); strings.Count(got, "$") != 5 {
					t.Errorf("%s: children %v", name, got)
				}
			}
			_, err = w.Relations(ctx, bob, r, "$no", RelationRequest{})
			wantFault(t, err, fault.NotFound)
			_, err = w.Relations(ctx, bob, r, root, RelationRequest{From: "?"})
			wantFault(t, err, fault.InvalidParam)
			_, err = w.Relations(ctx, bob, r, root, RelationRequest{To: "?"})
			wantFault(t, err, fault.InvalidParam)
		}
		_, err = w.Redact(ctx, r, edit, Draft{Sender: alice})
		w.ok(err)
		if b := bundle(w, alice); b.Get(`m\.replace`).Exists() {
			t.Errorf("a redacted edit still counts: %s", b)
		}
	})
}

func TestThreads(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob, carol)
		var roots []id.EventID
		reply := func(by id.UserID, i int) {
			_, err := w.Send(ctx, r, Draft{Type: "m.room.message", Sender: by, Content: relates(roots[i], relThread, nil)})
			w.ok(err)
		}
		for i, by := range []id.UserID{alice, bob, carol} {
			roots = append(roots, w.say(r, by, fmt.Sprint("t", i)))
		}
		reply(alice, 1)
		reply(bob, 2)
		reply(bob, 0)
		reply(bob, 1)
		list := func(u id.UserID, participated bool, limit int) string {
			var all []*Event
			from := ""
			for range 10 {
				p, err := w.Threads(ctx, u, r, participated, from, limit)
				w.ok(err)
				all = append(all, p.Events...)
				if from = p.End; from == "" {
					break
				}
			}
			return bodies(all)
		}
		for _, limit := range []int{1, 2, 5} {
			if got := list(alice, false, limit); got != "t1 t0 t2" {
				t.Errorf("all threads by %d: %q", limit, got)
			}
			if got := list(alice, true, limit); got != "t1 t0" {
				t.Errorf("alice's threads by %d: %q", limit, got)
			}
			if got := list(carol, true, limit); got != "t2" {
				t.Errorf("carol's threads by %d: %q", limit, got)
			}
		}
		_, err := w.Threads(ctx, dave, r, false, "", 5)
		wantFault(t, err, fault.Forbidden)
		_, err = w.Threads(ctx, alice, r, false, "?", 5)
		wantFault(t, err, fault.InvalidParam)
	})
}

// What came after somebody left is not shown to them by way of what came before: not as the state when they were
// banned later on, and not as what is aggregated for an older event.
func TestLeftSeeNothingNew(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := w.public(alice, bob)
		root := w.say(r, alice, "root")
		reply := func(by id.UserID) id.EventID {
			e, err := w.Send(ctx, r, Draft{Type: "m.room.message", Sender: by, Content: relates(root, relThread, nil)})
			w.ok(err)
			return e
		}
		first := reply(bob)
		w.set(r, alice, typeTopic, "", `{"topic":"then"}`)
		w.ok(w.Leave(ctx, bob, r, ""))
		w.set(r, alice, typeTopic, "", `{"topic":"now"}`)
		reply(alice)
		for _, rel := range []string{relReplace, relReference} {
			_, err := w.Send(ctx, r, Draft{Type: "m.room.message", Sender: alice, Content: relates(root, rel, nil)})
			w.ok(err)
		}
		w.ok(w.Ban(ctx, alice, r, bob, ""))
		for name, w := range map[string]*world{"hot": w, "restarted": w.fresh()} {
			a, err := w.Access(ctx, r, bob)
			w.ok(err)
			s, err := a.State(ctx)
			w.ok(err)
			if got := s.Get(typeTopic, "").Get("topic").Str; got != "then" {
				t.Errorf("%s: the topic is %q for who left before", name, got)
			}
			sight, e, err := w.Seen(ctx, bob, r, root)
			w.ok(err)
			b, err := w.AppendEvents(ctx, nil, sight, Reader{User: bob}, []*Event{e})
			w.ok(err)
			rel := gjson.ParseBytes(b).Get(`0.unsigned.m\.relations`)
			if rel.Get(`m\.replace`).Exists() || rel.Get(`m\.reference`).Exists() || rel.Get(`m\.thread.count`).Int() != 1 ||
				rel.Get(`m\.thread.latest_event.event_id`).Str != string(first) {
				t.Errorf("%s: bob sees %s", name, rel)
			}
		}
	})
}
