package clientapi

import (
	"encoding/json/v2"
	"net/http"
	"slices"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/feed"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/rest"
)

// oldSyncRoutes serves what clients used before there was /sync, and "Room Previews", which still do.
func (a *API) oldSyncRoutes() []rest.Route {
	const base = "/_matrix/client/v3/"
	return []rest.Route{
		{Method: http.MethodGet, Path: base + "events", Access: access.UserOrGuest, Limit: rest.Unlimited, Long: true, Handle: a.events},
		{Method: http.MethodGet, Path: base + "events/{eventId}", Access: access.User, Handle: a.eventByID},
		{Method: http.MethodGet, Path: base + "initialSync", Access: access.User, Limit: rest.Searching, Handle: a.initialSync},
		{Method: http.MethodGet, Path: base + "rooms/{roomId}/initialSync", Access: access.UserOrGuest, Handle: a.roomInitialSync},
	}
}

// eventsWait is how long /events waits when the request does not say.
const eventsWait = 30 * time.Second

// events waits for events of the caller's rooms, or of one room that the caller may read.
func (a *API) events(r *rest.Request) (any, error) {
	timeout, err := r.QInt("timeout", eventsWait.Milliseconds())
	if err != nil || timeout < 0 {
		return nil, fault.New(fault.InvalidParam, "timeout must be a number that is not negative.")
	}
	wait := time.Duration(min(timeout, 300_000)) * time.Millisecond
	from := r.Q("from")
	if from == "" {
		from = a.Feed.Now()
	}
	filter := map[string]any{"presence": nobody, "account_data": nobody}
	if roomID := id.RoomID(r.Q("room_id")); roomID != "" {
		in, err := a.Rooms.Access(r.Context(), roomID, r.Who.User)
		if err != nil {
			return nil, err
		}
		if !in.Joined {
			return a.peek(r, in, from, wait)
		}
		filter["room"] = map[string]any{"rooms": []id.RoomID{roomID}}
	}
	text, err := json.Marshal(filter)
	if err != nil {
		return nil, err
	}
	who := r.Who
	who.Device = "" // of no device: messages to devices wait for /sync
	b, waiting, err := a.Feed.Sync(r.Context(), who, feed.SyncRequest{Since: from, Filter: string(text), Timeout: wait}, r.Waker())
	return syncAnswer(b, waiting, err, func(b []byte) rest.RawJSON { return eventsOfSync(from, b) })
}

// eventsOfSync makes an answer of /sync one of /events.
func eventsOfSync(from string, b []byte) rest.RawJSON {
	chunk := []byte{'['}
	for _, part := range []string{"rooms.join", "rooms.leave"} {
		gjson.GetBytes(b, part).ForEach(func(roomID, in gjson.Result) bool {
			in.Get("timeline.events").ForEach(func(_, ev gjson.Result) bool {
				chunk = appendMember(chunk, inRoom(ev.Raw, roomID.Str))
				return true
			})
			return true
		})
	}
	return eventsAnswer(from, gjson.GetBytes(b, "next_batch").Str, append(chunk, ']'))
}

// nobody is a filter that lets nothing through.
var nobody = map[string]any{"not_types": []string{"*"}}

// inRoom adds the room that /sync leaves out of its events.
func inRoom(ev, roomID string) string {
	with, err := sjson.Set(ev, "room_id", roomID)
	if err != nil { // only for what is no JSON
		return ev
	}
	return with
}

func appendMember(dst []byte, member string) []byte {
	if len(dst) > 1 {
		dst = append(dst, ',')
	}
	return append(dst, member...)
}

func eventsAnswer(start, end string, chunk []byte) rest.RawJSON {
	b := stringField([]byte{'{'}, "start", start)
	b = stringField(b, "end", end)
	return append(append(field(b, "chunk"), chunk...), '}')
}

// peek waits for events of a room that the caller may read without being in it. Nothing wakes such a reader, so the
// room is looked at once a second.
func (a *API) peek(r *rest.Request, in *room.Access, from string, wait time.Duration) (any, error) {
	behind, err := feed.Position(from)
	if err != nil {
		return nil, err
	}
	over := time.NewTimer(wait)
	defer over.Stop()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for waiting := wait > 0; waiting && in.Room.LastPos() <= behind; {
		select {
		case <-look.C:
		case <-over.C:
			waiting = false
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	p, err := a.Rooms.Messages(r.Context(), r.Who.User, in.Room.ID, room.PageRequest{From: from, Limit: 100})
	if err != nil {
		return nil, err
	}
	chunk, err := a.Rooms.AppendEvents(r.Context(), nil, p.Sight, a.reader(r), p.Events)
	if err != nil {
		return nil, err
	}
	end := from
	if n := len(p.Events); n > 0 {
		end = room.Token(p.Events[n-1].Pos)
	}
	return eventsAnswer(from, end, chunk), nil
}

func (a *API) eventByID(r *rest.Request) (any, error) {
	event := id.EventID(r.Param("eventId"))
	roomID, err := a.Rooms.RoomOf(r.Context(), event)
	if err != nil {
		return nil, err
	}
	s, e, err := a.Rooms.Seen(r.Context(), r.Who.User, roomID, event)
	if err != nil {
		return nil, err
	}
	one, err := a.Rooms.AppendEvents(r.Context(), nil, s, a.reader(r), []*room.Event{e})
	if err != nil {
		return nil, err
	}
	return rest.RawJSON(one[1 : len(one)-1]), nil
}

// roomInitialSync is a room as somebody sees it who opens it.
func (a *API) roomInitialSync(r *rest.Request) (any, error) {
	limit, err := initialLimit(r)
	if err != nil {
		return nil, err
	}
	in, err := a.Rooms.Access(r.Context(), id.RoomID(r.Param("roomId")), r.Who.User)
	if err != nil {
		return nil, err
	}
	b, err := a.roomShown(r, in, limit)
	return rest.RawJSON(b), err
}

func initialLimit(r *rest.Request) (int, error) {
	limit, err := r.QInt("limit", 16)
	if err != nil {
		return 0, err
	}
	return int(min(max(limit, 1), 100)), nil
}

func (a *API) roomShown(r *rest.Request, in *room.Access, limit int) ([]byte, error) {
	state, err := in.State(r.Context())
	if err != nil {
		return nil, err
	}
	p, err := a.Rooms.Messages(r.Context(), r.Who.User, in.Room.ID, room.PageRequest{Back: true, Limit: limit})
	if err != nil {
		return nil, err
	}
	slices.Reverse(p.Events) // oldest first
	listed, err := a.Rooms.Listed(r.Context(), in.Room.ID)
	if err != nil {
		return nil, err
	}
	data, err := a.accountDataOf(r, in.Room.ID)
	if err != nil {
		return nil, err
	}
	b := stringField([]byte{'{'}, "room_id", string(in.Room.ID))
	b = stringField(b, "membership", in.Room.Membership(r.Who.User))
	b = append(field(b, "messages"), '{')
	if p.End != "" {
		b = stringField(b, "start", p.End)
	}
	b = stringField(b, "end", p.Start)
	if b, err = a.eventsField(r, b, "chunk", p.Sight, p.Events); err != nil {
		return nil, err
	}
	b = append(b, '}')
	b = appendEvents(field(b, "state"), state.Events())
	b = stringField(b, "visibility", visibility(listed))
	return append(append(field(b, "account_data"), data...), '}'), nil
}

// accountDataOf is the caller's account data of a room, or the global ones, as a JSON array.
func (a *API) accountDataOf(r *rest.Request, roomID id.RoomID) ([]byte, error) {
	all, err := a.Accounts.Data(r.Context(), r.Who.User, nil)
	if err != nil {
		return nil, err
	}
	b := []byte{'['}
	for _, d := range all {
		if d.Room == roomID {
			one := stringField([]byte{'{'}, "type", d.Type)
			b = appendMember(b, string(append(append(field(one, "content"), d.Content...), '}')))
		}
	}
	return append(b, ']'), nil
}

// initialSync is everything at once.
func (a *API) initialSync(r *rest.Request) (any, error) {
	limit, err := initialLimit(r)
	if err != nil {
		return nil, err
	}
	archived, err := r.QBool("archived", false)
	if err != nil {
		return nil, err
	}
	end := a.Feed.Now()
	all, err := a.Rooms.RoomsOf(r.Context(), r.Who.User)
	if err != nil {
		return nil, err
	}
	rooms := []byte{'['}
	for _, m := range all {
		left := m.Membership == room.Leave || m.Membership == room.Ban
		if m.Forgotten || left && !archived || m.Membership == room.Knock {
			continue
		}
		one, err := a.memberRoom(r, m, limit)
		if fault.Is(err, fault.Forbidden) { // who was never inside sees nothing of it
			continue
		}
		if err != nil {
			return nil, err
		}
		rooms = appendMember(rooms, string(one))
	}
	data, err := a.accountDataOf(r, "")
	if err != nil {
		return nil, err
	}
	b := stringField([]byte{'{'}, "end", end)
	b = append(field(b, "presence"), "[]"...)
	b = append(append(field(b, "rooms"), rooms...), ']')
	return rest.RawJSON(append(append(field(b, "account_data"), data...), '}')), nil
}

// memberRoom is one room of initialSync.
func (a *API) memberRoom(r *rest.Request, m room.Member, limit int) ([]byte, error) {
	if m.Membership == room.Invite {
		invited, err := a.Rooms.Get(r.Context(), m.Room)
		if err != nil {
			return nil, err
		}
		b := stringField([]byte{'{'}, "room_id", string(m.Room))
		b = stringField(b, "membership", m.Membership)
		if ev := invited.State("m.room.member", string(r.Who.User)); ev != nil {
			b = append(field(b, "invite"), ev.ClientJSON()...)
		}
		return append(b, '}'), nil
	}
	in, err := a.Rooms.Access(r.Context(), m.Room, r.Who.User)
	if err != nil {
		return nil, err
	}
	return a.roomShown(r, in, limit)
}
