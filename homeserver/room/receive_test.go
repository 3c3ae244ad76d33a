package room

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/matrix/auth"
	"github.com/myelin-health/myelin/matrix/event"
)

// clinic is another server: it signs with a key of its own and knows what it was told.
type clinic struct {
	t    *testing.T
	w    *world
	key  event.Key
	room id.RoomID
	v    id.RoomVersion
	pdus map[id.EventID][]byte
	ts   int64

	state map[id.EventID][]id.EventID // answers of StateIDs
	asked int
}

const erin = id.UserID("@erin:clinic.test")

// Missing implements Fetcher: everything it has that is not known, by depth.
func (c *clinic) Missing(_ context.Context, _ string, _ id.RoomID, _, arrived []id.EventID) ([][]byte, error) {
	c.asked++
	var l [][]byte
	todo := slices.Clone(arrived)
	for len(todo) > 0 {
		p, err := event.Decode(c.pdus[todo[0]])
		todo = todo[1:]
		if err != nil {
			continue
		}
		for _, prev := range p.PrevEvents {
			if raw := c.pdus[prev]; raw != nil {
				l = append([][]byte{raw}, l...)
				todo = append(todo, prev)
			}
		}
	}
	return l, nil
}

// Event implements Fetcher.
func (c *clinic) Event(_ context.Context, _ string, _ id.RoomID, want id.EventID) ([]byte, error) {
	c.asked++
	if raw := c.pdus[want]; raw != nil {
		return raw, nil
	}
	return nil, errors.New("no such event")
}

// StateIDs implements Fetcher.
func (c *clinic) StateIDs(_ context.Context, _ string, _ id.RoomID, before id.EventID) (state, chain []id.EventID, err error) {
	if s := c.state[before]; s != nil {
		return s, nil, nil
	}
	return nil, nil, errors.New("not known")
}

// pair is a room of this server with a member of the clinic, who joined through Receive.
func pair(t *testing.T, d *db.DB, v id.RoomVersion) (*world, *clinic) {
	t.Helper()
	c := &clinic{t: t, v: v, pdus: map[id.EventID][]byte{}, state: map[id.EventID][]id.EventID{}, ts: 1_800_000_000_000}
	var err error
	if c.key, err = event.NewKey("clinic.test", "b", rand.Reader); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, d, sealKeys(t), func(o *Options) {
		o.ServerKey = func(server string, keyID id.KeyID, _ time.Time) (id.SigningKey, time.Time, error) {
			until := time.UnixMilli(4_000_000_000_000)
			switch {
			case server == "clinic.test" && keyID == c.key.ID:
				return c.key.Public(), until, nil
			case server == "hospital.test":
				return signingKey.Public(), until, nil
			}
			return "", time.Time{}, nil
		}
	})
	c.w = w
	c.room = w.create(alice, Creation{Preset: presetPublic, Version: v})
	c.accept(c.build(erin, typeMember, string(erin), `{"membership":"join"}`))
	return w, c
}

// on names where an event is put: its predecessors, and the state that its auth events are taken from.
type on struct {
	prev  []id.EventID
	state *State
	depth int64
}

// here is the present end of the room.
func (c *clinic) here() on {
	h := c.w.room(c.room).stored.Load()
	return on{h.ext, h.view.state, h.depth + 1}
}

// build makes an event at the end of the room. A state key of "-" makes a message.
func (c *clinic) build(sender id.UserID, typ, key, content string) []byte {
	return c.buildOn(c.here(), sender, typ, key, content)
}

func (c *clinic) buildOn(o on, sender id.UserID, typ, key, content string) []byte {
	c.t.Helper()
	c.ts += 10
	p := &pdu.PDU{Type: typ, Sender: sender, RoomID: c.room, Content: []byte(content), OriginServerTS: c.ts,
		PrevEvents: o.prev, Depth: o.depth}
	if key != "-" {
		p.StateKey = &key
	}
	p.AuthEvents = authIDs(c.v, p, o.state)
	eventID, raw, err := event.Build(c.v, p, c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	c.pdus[eventID] = raw
	return raw
}

func (c *clinic) id(raw []byte) id.EventID {
	_, eventID, err := event.Parse(c.v, raw)
	if err != nil {
		c.t.Fatal(err)
	}
	return eventID
}

// then is what comes right after an event that was built.
func (c *clinic) then(o on, raw ...[]byte) on {
	n := on{state: o.state, depth: o.depth + 1}
	for _, r := range raw {
		e, err := decode(r, c.v, c.room, c.id(r))
		if err != nil {
			c.t.Fatal(err)
		}
		n.prev = append(n.prev, e.ID)
		n.depth = max(n.depth, e.Depth+1)
		if e.State() {
			n.state = n.state.with(e)
		}
	}
	return n
}

func (c *clinic) receive(raw ...[]byte) []Received {
	c.t.Helper()
	l, err := c.w.Receive(ctx, "clinic.test", c.room, raw...)
	if err != nil {
		c.t.Fatal(err)
	}
	return l
}

func (c *clinic) accept(raw []byte) id.EventID {
	c.t.Helper()
	return c.want(raw, Accepted)
}

func (c *clinic) want(raw []byte, o Outcome) id.EventID {
	c.t.Helper()
	got := c.receive(raw)[0]
	if got.Outcome != o {
		c.t.Fatalf("event is %s (%v), want %s", got.Outcome, got.Err, o)
	}
	return got.ID
}

func (c *clinic) say(text string) []byte {
	return c.build(erin, "m.room.message", "-", fmt.Sprintf(`{"body":%q}`, text))
}

func (w *world) history(r id.RoomID) string {
	w.t.Helper()
	room := w.room(r)
	l, err := w.Timeline(ctx, room, 0, room.LastPos(), 1000)
	w.ok(err)
	slices.Reverse(l)
	var msgs []*Event
	for _, e := range l {
		if e.Type == "m.room.message" {
			msgs = append(msgs, e)
		}
	}
	return bodies(msgs)
}

func eachVersion(t *testing.T, f func(t *testing.T, w *world, c *clinic)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for _, v := range []id.RoomVersion{id.RoomV6, id.RoomV10, id.RoomV12} {
			t.Run("v"+string(v), func(t *testing.T) {
				w, c := pair(t, d, v)
				f(t, w, c)
			})
		}
	})
}

func TestReceiveInOrder(t *testing.T) {
	eachVersion(t, func(t *testing.T, w *world, c *clinic) {
		if m := w.room(c.room).Membership(erin); m != Join {
			t.Fatalf("erin is %s", m)
		}
		w.say(c.room, alice, "one")
		raw := c.say("two")
		c.accept(raw)
		c.want(raw, AlreadyKnown)
		w.say(c.room, alice, "three")
		if got := w.history(c.room); got != "one two three" {
			t.Errorf("history %q", got)
		}
		if got := w.fresh().history(c.room); got != "one two three" {
			t.Errorf("history after a restart %q", got)
		}
		if ext := w.room(c.room).stored.Load().ext; len(ext) != 1 {
			t.Errorf("extremities %v", ext)
		}
	})
}

func TestReceiveInvalid(t *testing.T) {
	eachVersion(t, func(t *testing.T, w *world, c *clinic) {
		c.want([]byte(`{"type":1}`), Invalid)
		c.want([]byte(`no`), Invalid)
		forged := c.key
		other, err := event.NewKey("clinic.test", "b", rand.Reader)
		w.ok(err)
		c.key = other
		raw := c.say("forged")
		c.key = forged
		got := c.receive(raw)[0]
		if got.Outcome != Invalid || !errors.Is(got.Err, event.ErrSignature) {
			t.Errorf("forged event is %s: %v", got.Outcome, got.Err)
		}
		elsewhere := w.public(alice)
		at := c.here()
		room := c.room
		c.room = elsewhere
		raw = c.buildOn(at, erin, "m.room.message", "-", `{}`)
		c.room = room
		c.want(raw, Invalid)
		w.o.ServerKey = nil
		c.want(c.say("no keys"), Invalid)
		if _, err := w.Receive(ctx, "clinic.test", "!nowhere:clinic.test", raw); err == nil {
			t.Error("events of an unknown room were taken")
		}
	})
}

func TestReceiveRejectedAndSoftFailed(t *testing.T) {
	eachVersion(t, func(t *testing.T, w *world, c *clinic) {
		before := c.here()
		// Rejected: erin has no power to set the name.
		got := c.receive(c.build(erin, typeName, "", `{"name":"mine"}`))[0]
		var rule *auth.Error
		if got.Outcome != Refused || !errors.As(got.Err, &rule) {
			t.Fatalf("got %s, %v", got.Outcome, got.Err)
		}
		if w.room(c.room).Name() != "" {
			t.Error("a rejected event changed the state")
		}
		// Its descendants stand on the state before it.
		rejected := c.pdus[got.ID]
		c.accept(c.buildOn(on{prev: []id.EventID{c.id(rejected)}, state: before.state, depth: before.depth + 1}, erin, "m.room.message", "-", `{"body":"after"}`))

		fork := c.here()
		w.ok(w.Ban(ctx, alice, c.room, erin, ""))
		late := c.buildOn(fork, erin, "m.room.message", "-", `{"body":"late"}`)
		soft := c.receive(late)[0]
		if soft.Outcome != SoftRefused {
			t.Fatalf("a message on a fork before the ban is %s, %v", soft.Outcome, soft.Err)
		}
		c.want(late, AlreadyKnown)
		if _, err := w.Event(ctx, c.room, soft.ID); err == nil {
			t.Error("a soft-failed event is shown")
		}
		w.say(c.room, alice, "calm")
		if got := w.history(c.room); got != "after calm" {
			t.Errorf("history %q", got)
		}
		for _, c := range w.seen.committed {
			if c.Event.ID == soft.ID || c.Event.ID == got.ID {
				t.Error("the observer was told of an event that is not shown")
			}
		}
	})
}

func TestReceiveForks(t *testing.T) {
	eachVersion(t, func(t *testing.T, w *world, c *clinic) {
		w.set(c.room, alice, typePower, "", string(withUser(w, c.room, erin, 60)))
		fork := c.here()
		w.set(c.room, alice, typeName, "", `{"name":"ours"}`)
		w.set(c.room, alice, typeTopic, "", `{"topic":"ours"}`)
		c.ts = w.room(c.room).State(typeTopic, "").TS
		theirs := c.buildOn(fork, erin, typeName, "", `{"name":"theirs"}`)
		c.accept(theirs)
		h := w.room(c.room).stored.Load()
		if len(h.ext) != 2 {
			t.Fatalf("extremities %v", h.ext)
		}
		// Both names are by people who may set it; the later one wins.
		if n := w.room(c.room).Name(); n != "theirs" {
			t.Errorf("name %q", n)
		}
		if w.room(c.room).State(typeTopic, "").Get("topic").Str != "ours" {
			t.Error("the topic was lost")
		}
		// A second fork from the same point, older than what is there, changes nothing.
		c.ts -= 1000
		c.accept(c.buildOn(fork, erin, typeName, "", `{"name":"older"}`))
		if n := w.room(c.room).Name(); n != "theirs" {
			t.Errorf("name %q", n)
		}
		// What is sent now merges the forks.
		e := w.event(c.room, w.say(c.room, alice, "merged"))
		p, err := e.PDU()
		w.ok(err)
		if len(p.PrevEvents) != 3 {
			t.Errorf("predecessors %v", p.PrevEvents)
		}
		if ext := w.room(c.room).stored.Load().ext; len(ext) != 1 {
			t.Errorf("extremities %v", ext)
		}
		s, err := w.StateBefore(ctx, e)
		w.ok(err)
		if s.Get(typeName, "").Get("name").Str != "theirs" {
			t.Error("wrong state before the merge")
		}
		s, err = w.StateBefore(ctx, w.event(c.room, c.id(theirs)))
		w.ok(err)
		if s.Get(typeName, "") != nil || s.Get(typeTopic, "") != nil {
			t.Error("wrong state before the fork")
		}
		f := w.fresh()
		if f.room(c.room).Name() != "theirs" || f.room(c.room).StateMap().Len() != w.room(c.room).StateMap().Len() {
			t.Error("the state is another one after a restart")
		}
		// On a merge of two of the forks, the state before is resolved.
		m := c.then(fork, theirs)
		m.prev = append(m.prev, w.room(c.room).State(typeTopic, "").ID)
		m.depth += 5
		got := w.event(c.room, c.accept(c.buildOn(m, erin, "m.room.message", "-", `{"body":"x"}`)))
		s, err = w.StateBefore(ctx, got)
		w.ok(err)
		if s.Get(typeTopic, "").Get("topic").Str != "ours" || s.Get(typeName, "").Get("name").Str != "theirs" {
			t.Error("wrong resolved state")
		}
	})
}

// withUser is the room's power levels with one more user.
func withUser(w *world, r id.RoomID, u id.UserID, level int) []byte {
	c := w.room(r).State(typePower, "").Content
	return setLevel(c, u, level)
}

func TestReceiveMissing(t *testing.T) {
	eachVersion(t, func(t *testing.T, w *world, c *clinic) {
		at := c.here()
		one := c.buildOn(at, erin, "m.room.message", "-", `{"body":"one"}`)
		two := c.buildOn(c.then(at, one), erin, "m.room.message", "-", `{"body":"two"}`)
		three := c.buildOn(c.then(at, two), erin, "m.room.message", "-", `{"body":"three"}`)
		// Without anybody to ask they wait, whatever the order, and are not lost by a restart.
		c.want(three, Waiting)
		c.want(three, Waiting)
		c.want(two, Waiting)
		if got := w.history(c.room); got != "" {
			t.Errorf("history %q", got)
		}
		c.accept(one)
		if got := w.history(c.room); got != "one two three" {
			t.Errorf("history %q", got)
		}
		if ext := w.room(c.room).stored.Load().ext; len(ext) != 1 || ext[0] != c.id(three) {
			t.Errorf("extremities %v", ext)
		}
		// With somebody to ask they come along.
		w.o.Fetcher = c
		at = c.here()
		four := c.buildOn(at, erin, "m.room.message", "-", `{"body":"four"}`)
		five := c.buildOn(c.then(at, four), erin, "m.room.message", "-", `{"body":"five"}`)
		six := c.buildOn(c.then(at, five), erin, "m.room.message", "-", `{"body":"six"}`)
		c.accept(six)
		if got := w.history(c.room); got != "one two three four five six" || c.asked == 0 {
			t.Errorf("history %q after %d questions", got, c.asked)
		}
	})
}

func TestReceiveWithGivenState(t *testing.T) {
	eachVersion(t, func(t *testing.T, w *world, c *clinic) {
		w.set(c.room, alice, typePower, "", string(withUser(w, c.room, erin, 60)))
		at := c.here()
		name := c.buildOn(at, erin, typeName, "", `{"name":"far"}`)
		gap := c.buildOn(c.then(at, name), erin, "m.room.message", "-", `{"body":"gap"}`)
		last := c.buildOn(c.then(c.then(at, name), gap), erin, "m.room.message", "-", `{"body":"last"}`)
		gapID := c.id(gap)
		delete(c.pdus, gapID)
		for e := range at.state.All {
			c.state[c.id(last)] = append(c.state[c.id(last)], e.ID)
		}
		c.state[c.id(last)] = append(c.state[c.id(last)], c.id(name))
		w.o.Fetcher = c
		c.accept(last)
		// The name is known as an outlier, and part of the state that was given.
		s, err := w.StateBefore(ctx, w.event(c.room, c.id(last)))
		w.ok(err)
		if s.Get(typeName, "").Get("name").Str != "far" {
			t.Error("the given state was not taken")
		}
		if n := w.room(c.room).Name(); n != "far" {
			t.Errorf("name %q", n)
		}
		outlier, err := w.Rooms.event(ctx, w.room(c.room), c.id(name))
		w.ok(err)
		if outlier.Kind != Outlier {
			t.Fatalf("the name event is of kind %d", outlier.Kind)
		}
		if _, err := w.StateBefore(ctx, outlier); err == nil {
			t.Error("an outlier has a state before it")
		}
		// When the outlier arrives as an event it gets its place; what closes the gap is no new end.
		c.accept(name)
		ext := w.room(c.room).stored.Load().ext
		c.accept(gap)
		if now := w.room(c.room).stored.Load().ext; !slices.Equal(ext, now) {
			t.Errorf("extremities %v, were %v", now, ext)
		}
		w.say(c.room, alice, "on top")
		if ext := w.room(c.room).stored.Load().ext; len(ext) != 1 {
			t.Errorf("extremities %v", ext)
		}
	})
}

func TestReceiveRedactions(t *testing.T) {
	eachVersion(t, func(t *testing.T, w *world, c *clinic) {
		redaction := func(o on, target id.EventID) []byte {
			if c.v.RedactsInContent() {
				return c.buildOn(o, erin, typeRedaction, "-", fmt.Sprintf(`{"redacts":%q}`, target))
			}
			p := &pdu.PDU{Type: typeRedaction, Sender: erin, RoomID: c.room, Content: []byte(`{}`), OriginServerTS: c.ts,
				PrevEvents: o.prev, Depth: o.depth, Redacts: &target}
			p.AuthEvents = authIDs(c.v, p, o.state)
			_, raw, err := event.Build(c.v, p, c.key)
			w.ok(err)
			return raw
		}
		said := c.accept(c.say("secret"))
		c.accept(redaction(c.here(), said))
		e := w.event(c.room, said)
		if e.RedactedBecause == nil || e.Get("body").Exists() {
			t.Errorf("not pruned: %s", e.ClientJSON())
		}
		// Not of somebody else's events on another server, without the power for it.
		ours := w.say(c.room, alice, "ours")
		c.accept(redaction(c.here(), ours))
		if e := w.event(c.room, ours); e.RedactedBecause != nil {
			t.Error("erin redacted alice")
		}
		// A redaction may come first.
		at := c.here()
		first := c.buildOn(at, erin, "m.room.message", "-", `{"body":"first"}`)
		c.accept(redaction(at, c.id(first)))
		c.accept(first)
		for name, w := range map[string]*world{"hot": w, "restarted": w.fresh()} {
			if e := w.event(c.room, c.id(first)); e.RedactedBecause == nil || e.Get("body").Exists() {
				t.Errorf("%s: not pruned: %s", name, e.ClientJSON())
			}
		}
	})
}
