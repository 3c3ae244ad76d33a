package search

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/seal"
)

const alice, bob = id.UserID("@alice:hs"), id.UserID("@bob:hs")

// ward is a room with Alice and Bob.
type ward struct {
	*Index
	t     *testing.T
	db    *db.DB
	keys  *seal.Keys
	rooms *room.Rooms
	room  id.RoomID
	sent  int
}

func newWard(t *testing.T, d *db.DB) *ward {
	t.Helper()
	keys, err := seal.Open(t.Context(), seal.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	w := &ward{t: t, db: d, keys: keys}
	w.Index = New(Options{DB: d, Seal: keys, Rooms: func() *room.Rooms { return w.rooms }})
	w.restart()
	w.room = w.newRoom(`shared`)
	return w
}

// restart forgets what is in memory of rooms.
func (w *ward) restart() {
	w.t.Helper()
	key, err := event.NewKey("hs", "1", rand.Reader)
	w.must(err)
	w.rooms, err = room.New(room.Options{
		DB: w.db, Seal: w.keys, ServerName: "hs", Key: key, EncryptRooms: room.EncryptNever, Observers: []room.Observer{w.Index},
	})
	w.must(err)
}

func (w *ward) newRoom(visibility string) id.RoomID {
	w.t.Helper()
	r, err := w.rooms.Create(w.t.Context(), alice, room.Creation{Preset: "public_chat", InitialState: []room.StateDraft{
		{Type: "m.room.history_visibility", Content: []byte(`{"history_visibility":"` + visibility + `"}`)},
	}})
	w.must(err)
	w.must(w.rooms.Join(w.t.Context(), bob, r, ""))
	return r
}

func (w *ward) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *ward) say(by id.UserID, text string) id.EventID {
	w.t.Helper()
	return w.send(by, fmt.Sprintf(`{"msgtype":"m.text","body":%q}`, text))
}

func (w *ward) send(by id.UserID, content string) id.EventID {
	w.t.Helper()
	w.sent++
	e, err := w.rooms.Send(w.t.Context(), w.room, room.Draft{Type: "m.room.message", Sender: by, Device: "PHONE", Txn: fmt.Sprint(w.sent), Content: []byte(content)})
	w.must(err)
	return e
}

func (w *ward) edit(by id.UserID, of id.EventID, text string) id.EventID {
	w.t.Helper()
	return w.send(by, fmt.Sprintf(`{"msgtype":"m.text","body":"* %[1]s","m.new_content":{"msgtype":"m.text","body":%[1]q},"m.relates_to":{"rel_type":"m.replace","event_id":%[2]q}}`, text, of))
}

func (w *ward) redact(e id.EventID) {
	w.t.Helper()
	w.sent++
	_, err := w.rooms.Redact(w.t.Context(), w.room, e, room.Draft{Sender: alice, Device: "PHONE", Txn: fmt.Sprint(w.sent), Content: []byte(`{}`)})
	w.must(err)
}

func (w *ward) find(by id.UserID, q Query) *Found {
	w.t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	f, err := w.Search(w.t.Context(), by, q)
	w.must(err)
	return f
}

// finds checks what a search for a term finds, newest first.
func (w *ward) finds(by id.UserID, term string, want ...id.EventID) {
	w.t.Helper()
	if got := ids(w.find(by, Query{Term: term})); !slices.Equal(got, want) {
		w.t.Errorf("%q finds %v, want %v", term, got, want)
	}
}

func ids(f *Found) (l []id.EventID) {
	for _, h := range f.Hits {
		l = append(l, h.Event.ID)
	}
	return l
}

func (w *ward) blockCount() (n int) {
	w.t.Helper()
	w.must(w.db.QueryRow(w.t.Context(), `select count(*) from search_block`).Scan(&n))
	return n
}

func TestFindsWords(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWard(t, d)
		fever := w.say(alice, "Fieber 39,5 °C bei Müller")
		both := w.say(bob, "Herr Müller hat kein FIEBER")
		tokyo := w.say(bob, "東京都の患者")
		w.finds(alice, "fieber", both, fever)
		w.finds(bob, "muller 39,5", fever)
		w.finds(bob, "京都", tokyo)
		w.finds(bob, "京", tokyo)
		w.finds(bob, "大阪")
		w.finds(bob, "!?")
		w.finds("@eve:hs", "fieber")
		if f := w.find(alice, Query{Term: "Fieber müller", Filter: &room.Filter{Senders: []id.UserID{bob}}}); !slices.Equal(ids(f), []id.EventID{both}) || !slices.Equal(f.Words, []string{"fieber", "muller"}) {
			t.Errorf("%v %v", ids(f), f.Words)
		}
		if f := w.find(alice, Query{Term: "fieber", Filter: &room.Filter{NotRooms: []id.RoomID{w.room}}}); len(f.Hits) > 0 {
			t.Error("found in a room that is left out")
		}
		if f := w.find(alice, Query{Term: "fieber", Keys: []string{Topic}}); len(f.Hits) > 0 {
			t.Error("found in a key that was not asked for")
		}
		none := ""
		_, err := w.rooms.SetState(t.Context(), w.room, room.Draft{Type: "m.room.topic", StateKey: &none, Sender: alice, Content: []byte(`{"topic":"Fieber"}`)})
		w.must(err)
		if f := w.find(alice, Query{Term: "fieber", Keys: []string{Topic}}); len(f.Hits) != 1 || f.Hits[0].Event.Type != "m.room.topic" {
			t.Error("topic not found")
		}
	})
}

func TestPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWard(t, d)
		var all []id.EventID
		for i := range 7 {
			all = append(all, w.say(alice, strings.Repeat("pain ", i+1)+"and a few other words"))
		}
		for _, byRank := range []bool{false, true} {
			var got []id.EventID
			q := Query{Term: "pain", ByRank: byRank, Limit: 3}
			for {
				f := w.find(bob, q)
				if got = append(got, ids(f)...); f.Count != 7 {
					t.Errorf("count %d", f.Count)
				}
				if q.From = f.Next; q.From == "" {
					break
				}
			}
			want := slices.Clone(all) // the newest ones have the word most often
			slices.Reverse(want)
			if !slices.Equal(got, want) {
				t.Errorf("by rank %t: %v, want %v", byRank, got, want)
			}
		}
		for _, q := range []Query{{From: "n1"}, {From: "p-1_1"}, {From: "p1"}, {From: "p1_1", ByRank: true}, {From: "n9999", ByRank: true}, {From: "x"}} {
			q.Term, q.Limit = "pain", 1
			if _, err := w.Search(t.Context(), bob, q); !fault.Is(err, fault.InvalidParam) {
				t.Errorf("%+v: %v", q, err)
			}
		}
		long := ""
		for i := range maxWords + 1 {
			long += fmt.Sprint(" ", i)
		}
		if _, err := w.Search(t.Context(), bob, Query{Term: long, Limit: 1}); !fault.Is(err, fault.InvalidParam) {
			t.Errorf("a very long query: %v", err)
		}
	})
}

func TestEdits(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWard(t, d)
		dose := w.say(alice, "Give 5 mg")
		w.edit(alice, dose, "Give 7 mg")
		w.edit(bob, dose, "Give 9 mg") // not his
		last := w.edit(alice, dose, "Give 8 mg")
		w.finds(bob, "mg 8", dose)
		for _, old := range []string{"mg 5", "mg 7", "mg 9"} {
			w.finds(bob, old)
		}
		w.redact(last)
		w.finds(bob, "mg 8")
		w.finds(bob, "mg 7", dose)
		w.redact(dose)
		w.finds(bob, "mg")
	})
}

// What somebody may not see is not found either.
func TestSeesOnlyOwn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWard(t, d)
		ctx, carol := t.Context(), id.UserID("@carol:hs")
		w.room = w.newRoom("joined")
		before := w.say(alice, "secret one")
		w.must(w.rooms.Join(ctx, carol, w.room, ""))
		during := w.say(alice, "secret two")
		w.must(w.rooms.Leave(ctx, carol, w.room, ""))
		after := w.say(alice, "secret three")
		w.finds(carol, "secret", during)
		for _, byRank := range []bool{false, true} {
			if f := w.find(carol, Query{Term: "secret", ByRank: byRank}); f.Count != 1 {
				t.Errorf("%d of what she may not see are counted", f.Count-1)
			}
		}
		w.finds(bob, "secret", after, during, before)
		w.must(w.rooms.Forget(ctx, carol, w.room))
		w.finds(carol, "secret")
		w.must(w.keys.Destroy(ctx, seal.Room(w.room)))
		w.restart()
		w.finds(bob, "secret")
	})
}

// Full blocks are kept, sealed, and looked up instead of the room; a redaction takes its block away.
func TestBlocks(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWard(t, d)
		var sent []id.EventID
		for i := range blockTexts + 20 {
			sent = append(sent, w.say(alice, fmt.Sprintf("word number%d", i)))
		}
		w.finds(bob, "number3", sent[3])
		if w.blockCount() != 1 {
			t.Fatalf("%d blocks", w.blockCount())
		}
		w.finds(bob, "number3", sent[3])
		w.finds(bob, "number515", sent[515])
		if f := w.find(bob, Query{Term: "word", Limit: 2}); f.Count != len(sent) {
			t.Errorf("count %d", f.Count)
		}
		w.redact(sent[3])
		if w.blockCount() != 0 {
			t.Error("the block of what was redacted is still there")
		}
		w.finds(bob, "number3")
		w.finds(bob, "number4", sent[4])
		if w.blockCount() != 1 {
			t.Errorf("%d blocks", w.blockCount())
		}
		w.must(d.Write(t.Context(), "damage", nil, func(tx *db.Tx) error {
			_, err := tx.Exec(`update search_block set words = $1`, []byte("nonsense"))
			return err
		}))
		w.finds(bob, "number4", sent[4])
		w.finds(bob, "number4", sent[4])
	})
}

// A block of what was read before a redaction is not kept.
func TestRedactedWhileReading(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWard(t, d)
		said := w.say(alice, "secret")
		r, err := w.rooms.Get(t.Context(), w.room)
		w.must(err)
		in := reading{x: w.Index, r: r, hashOf: func(string) hash { return hash{} }}
		seen := in.now()
		w.redact(said)
		w.must(in.write(t.Context(), postings{"secret": {r.LastPos()}}, -1, r.LastPos(), seen))
		seen.redactions = w.redactions.Load() // as another process would see it
		w.must(in.write(t.Context(), postings{"secret": {r.LastPos()}}, -1, r.LastPos(), seen))
		if w.blockCount() != 0 {
			t.Error("a block holds what was redacted")
		}
		w.must(in.write(t.Context(), postings{}, -1, r.LastPos(), in.now()))
		if w.blockCount() != 1 {
			t.Error("no block")
		}
	})
}

// manyWords is a text of which a few more than n fill a block.
func manyWords(n int) string {
	var b strings.Builder
	for i := range blockPostings / n {
		b.WriteString(strconv.FormatInt(int64(i), 36) + " ")
	}
	return b.String()
}

// What was read together with a block before is not kept either, when it was redacted while that block was written.
func TestRedactedBehindBlock(t *testing.T) {
	w := newWard(t, dbtest.SQLite(t))
	var last id.EventID
	for range 12 { // two blocks
		last = w.say(alice, manyWords(5))
	}
	r, err := w.rooms.Get(t.Context(), w.room)
	w.must(err)
	once := sync.OnceFunc(func() { w.redact(last) })
	in := reading{x: w.Index, r: r, upTo: r.LastPos(), hashOf: func(s string) (h hash) {
		once() // while the first block is made
		copy(h[:], s)
		return h
	}}
	w.must(in.tail(t.Context(), -1))
	if w.blockCount() != 0 {
		t.Error("a block holds what was redacted")
	}
	w.finds(bob, "nothing")
	if w.blockCount() != 1 {
		t.Errorf("%d blocks", w.blockCount())
	}
}

// What is redacted or hidden while a search looks further is not returned.
func TestRedactedWhileLooking(t *testing.T) {
	w := newWard(t, dbtest.SQLite(t))
	said, kept := w.say(alice, "secret"), w.say(alice, "secret too")
	q := Query{Term: "secret", Limit: 10}
	s := &session{x: w.Index, user: bob, q: q, words: []string{"secret"}}
	seen := s.begin()
	places, more, err := w.places(t.Context(), bob, nil, s.words, math.MaxInt64)
	w.must(err)
	var f Found
	w.must(s.newest(t.Context(), &f, places, more, mark{below: math.MaxInt64, count: -1}))
	w.redact(said)
	hits, err := s.confirm(t.Context(), seen, f.Hits)
	w.must(err)
	if len(f.Hits) != 2 || len(hits) != 1 || hits[0].Event.ID != kept {
		t.Errorf("%v were found, %v are left", f.Hits, hits)
	}
}

// Encrypted rooms are read once, also where no block is written.
func TestWordless(t *testing.T) {
	w := newWard(t, dbtest.SQLite(t))
	w.finds(bob, "fever")
	r, err := w.rooms.Get(t.Context(), w.room)
	w.must(err)
	if after := w.wordless.after(w.room, -1); after != r.LastPos() {
		t.Errorf("%d is where reading starts, the room is at %d", after, r.LastPos())
	}
	fever := w.say(alice, "fever")
	w.finds(bob, "fever", fever)
	var sent []id.EventID
	for range 6 {
		sent = append(sent, w.say(alice, manyWords(5)))
	}
	w.finds(bob, "fever", fever)
	if w.blockCount() != 1 {
		t.Fatalf("%d blocks", w.blockCount())
	}
	w.finds(bob, "nothing")
	w.redact(sent[0]) // takes the block
	w.finds(bob, "fever", fever)
}

// A search looks at the newest places only; where there are more, an answer goes on below them.
func TestManyPlaces(t *testing.T) {
	in := reading{upTo: 3 * maxLooked}
	for pos := range int64(4 * maxLooked) {
		in.add([]int64{pos, pos})
	}
	if in.newest(); len(in.at) != maxLooked || in.at[0] != 2*maxLooked+1 || !in.more {
		t.Errorf("%d places from %d on", len(in.at), in.at[0])
	}
	w := newWard(t, dbtest.SQLite(t))
	s := &session{x: w.Index, user: bob, q: Query{Limit: 10}}
	s.begin()
	a, err := w.rooms.Access(t.Context(), w.room, bob)
	w.must(err)
	var f Found
	w.must(s.newest(t.Context(), &f, []place{{a, 9}, {a, 8}}, true, mark{below: 10, count: 5}))
	if f.Count != 5 || f.Next != "p8_5" {
		t.Errorf("%d hits, next is %q", f.Count, f.Next)
	}
}

func TestTurns(t *testing.T) {
	turns := newTurns()
	done, err := turns.take(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error)
	for range maxWaiting - 1 {
		if _, err := turns.join(alice); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := turns.take(ctx, alice); err != errBusyPerson {
		t.Errorf("one search too many: %v", err)
	}
	for range maxWaiting - 1 {
		turns.leave(alice, turns.people[alice])
	}
	for i := range maxRunning - 1 {
		if _, err := turns.take(t.Context(), id.UserID(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	go func() { // waits for a place
		_, err := turns.take(ctx, bob)
		waited <- err
	}()
	go func() { // waits for her own
		_, err := turns.take(ctx, alice)
		waited <- err
	}()
	cancel()
	for range 2 {
		if err := <-waited; err != context.Canceled {
			t.Errorf("waiting ends with %v", err)
		}
	}
	done()
	if done, err = turns.take(t.Context(), bob); err != nil {
		t.Fatal(err)
	}
	done()
	for i := range maxPeople - len(turns.people) {
		if _, err := turns.join(id.UserID(fmt.Sprint("@", i))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := turns.take(t.Context(), alice); err != errBusy {
		t.Errorf("one person too many: %v", err)
	}
}

func TestBlockFormat(t *testing.T) {
	hashOf := func(w string) (h hash) { copy(h[:], w); return h }
	p := postings{}
	p.add([]string{"a", "b"}, 5)
	p.add([]string{"b"}, 9)
	p.add([]string{"b", "a"}, math.MaxInt64)
	b := p.encode(4, hashOf)
	for words, want := range map[string][]int64{"a": {5, math.MaxInt64}, "b": {5, 9, math.MaxInt64}, "ba": {5, math.MaxInt64}, "ac": nil, "": nil} {
		var hashes []hash
		for _, w := range strings.Split(words, "") {
			hashes = append(hashes, hashOf(w))
		}
		got, err := lookUp(b, 4, hashes)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v %v", words, got, err)
		}
	}
}

func FuzzLookUp(f *testing.F) {
	f.Add(postings{"a": {3, 4}, "b": {7}}.encode(0, func(string) hash { return hash{1} }), int64(0))
	f.Add([]byte{}, int64(9))
	f.Fuzz(func(_ *testing.T, b []byte, first int64) {
		_, _ = lookUp(b, first, []hash{{1}, {2}})
	})
}
