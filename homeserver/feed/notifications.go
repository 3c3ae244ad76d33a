package feed

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
)

const (
	notificationsDefault = 50
	notificationsMax     = 200
)

// notified is an event that a person was notified of and has not read.
type notified struct {
	note
	r *room.Room
}

// Notifications lists the events that notify a person and that they have not read, newest first, as the JSON
// of GET /notifications. from is the token of an earlier answer, or empty.
func (f *Feed) Notifications(ctx context.Context, who access.Who, from string, limit int, highlights bool) ([]byte, error) {
	before := f.visible.Load() + 1
	if from != "" {
		n, err := strconv.ParseInt(strings.TrimPrefix(from, "n"), 10, 64)
		if err != nil || from[0] != 'n' {
			return nil, fault.New(fault.InvalidParam, "The token is not one of this server.")
		}
		before = n
	}
	if limit <= 0 {
		limit = notificationsDefault
	}
	limit = min(limit, notificationsMax)
	p, err := f.person(ctx, who.User)
	if err != nil {
		return nil, err
	}
	set, err := f.settings(ctx, p)
	if err != nil {
		return nil, err
	}
	found, err := f.notified(ctx, p, set, before, highlights)
	if err != nil {
		return nil, err
	}
	out := []byte(`{"notifications":[`)
	for i, n := range found[:min(limit, len(found))] {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = f.appendNotification(ctx, out, who, set, n); err != nil {
			return nil, err
		}
	}
	out = append(out, ']')
	if len(found) > limit {
		out = append(out, `,"next_token":"n`...)
		out = strconv.AppendInt(out, found[limit-1].pos, 10)
		out = append(out, '"')
	}
	return append(out, '}'), nil
}

// notified gathers what is unread in all rooms, newest first.
func (f *Feed) notified(ctx context.Context, p *person, set settings, before int64, highlights bool) ([]notified, error) {
	upTo := f.visible.Load()
	var found []notified
	for _, s := range *p.stays.Load() {
		if s.Membership != room.Join {
			continue
		}
		r, err := f.rooms.Get(ctx, s.Room)
		if err != nil {
			return nil, err
		}
		u, err := f.unreadOf(ctx, p, set, r, upTo)
		if err != nil {
			return nil, err
		}
		for _, n := range u.notes {
			if n.pos < before && (n.highlight || !highlights) {
				found = append(found, notified{n, r})
			}
		}
		u.mu.Unlock()
	}
	slices.SortFunc(found, func(a, b notified) int { return cmp.Compare(b.pos, a.pos) })
	return found, nil
}

func (f *Feed) appendNotification(ctx context.Context, dst []byte, who access.Who, set settings, n notified) ([]byte, error) {
	ev, err := f.rooms.Event(ctx, n.r.ID, n.event)
	if err != nil {
		return nil, err
	}
	res, _, err := f.match(ctx, readerOf(who.User, set, n.r), n.r, ev)
	if err != nil {
		return nil, err
	}
	dst = append(dst, `{"actions":[`...)
	for i, a := range res.Actions {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, a...)
	}
	dst = append(dst, `],"event":`...)
	dst = ev.AppendClient(dst, room.Reader{User: who.User, Device: who.Device, Now: f.now(), NoRoom: true, Member: room.Join})
	dst = append(dst, `,"read":false,"room_id":`...)
	dst = appendString(dst, string(ev.RoomID))
	dst = append(dst, `,"ts":`...)
	dst = strconv.AppendInt(dst, ev.TS, 10)
	return append(dst, '}'), nil
}
