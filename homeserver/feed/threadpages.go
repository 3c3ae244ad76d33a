package feed

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
)

// SubscriptionsPage is how many changes of subscriptions are told at once at most, and when nothing is asked for.
const SubscriptionsPage = 100

// subscriptionPage are the newest changes of a person's subscriptions within a stretch.
type subscriptionPage struct {
	subscriptions []subscription
	before        int64 // others of the stretch are up to here; 0: there are none
}

// subscriptions reads what changed after one position and up to another. Rooms that were erased are left out.
func (f *Feed) subscriptions(ctx context.Context, user id.UserID, after, upTo int64, limit int) (subscriptionPage, error) {
	found, err := f.readSubscriptions(ctx, `where user_id = $1 and pos > $2 and pos <= $3 order by pos desc limit $4`, user, after, upTo, limit+1)
	if err != nil {
		return subscriptionPage{}, err
	}
	var page subscriptionPage
	if len(found) > limit {
		found = found[:limit]
		page.before = found[limit-1].pos - 1
	}
	erased := make(map[id.RoomID]bool)
	for _, s := range found {
		if _, known := erased[s.room]; known {
			continue
		}
		_, err := f.rooms.Get(ctx, s.room)
		if erased[s.room] = fault.Is(err, fault.NotFound); err != nil && !erased[s.room] {
			return subscriptionPage{}, err
		}
	}
	page.subscriptions = slices.DeleteFunc(found, func(s subscription) bool { return erased[s.room] })
	return page, nil
}

// append appends the page as a JSON object, with the token of the next page under a name.
func (p *subscriptionPage) append(dst []byte, next string) []byte {
	slices.SortFunc(p.subscriptions, func(a, b subscription) int {
		return cmp.Or(cmp.Compare(a.room, b.room), cmp.Compare(a.root, b.root))
	})
	l := list{dst: append(dst, '{')}
	for _, part := range [...]struct {
		name string
		on   bool
	}{{"subscribed", true}, {"unsubscribed", false}} {
		of := slices.DeleteFunc(slices.Clone(p.subscriptions), func(s subscription) bool { return s.on() != part.on })
		if len(of) > 0 {
			l.next()
			l.dst = appendSubscriptions(appendKey(l.dst, part.name), of)
		}
	}
	if p.before > 0 {
		l.next()
		l.dst = appendString(appendKey(l.dst, next), threadMark+strconv.FormatInt(p.before, 10))
	}
	return append(l.dst, '}')
}

// appendSubscriptions appends subscriptions, which are in order of their rooms, by room and thread.
func appendSubscriptions(dst []byte, all []subscription) []byte {
	dst = append(dst, '{')
	for i, s := range all {
		switch {
		case i == 0:
			dst = append(appendKey(dst, string(s.room)), '{')
		case all[i-1].room != s.room:
			dst = append(appendKey(append(dst, `},`...), string(s.room)), '{')
		default:
			dst = append(dst, ',')
		}
		dst = append(appendKey(dst, s.root), '{')
		if s.on() {
			dst = append(dst, `"automatic":`...)
			dst = append(strconv.AppendBool(dst, s.automatic), ',')
		}
		dst = append(dst, `"bump_stamp":`...)
		dst = append(strconv.AppendInt(dst, s.pos, 10), '}')
	}
	return append(dst, `}}`...)
}

// threadMark begins a token of a page of subscriptions; the position up to which it goes follows.
const threadMark = "t"

// Subscriptions pages backwards through the changes of a person's subscriptions (MSC4308), as the JSON of the
// answer. from is the token of an earlier answer, to one or a position of sliding sync; either may be empty.
func (f *Feed) Subscriptions(ctx context.Context, user id.UserID, from, to string, limit int) ([]byte, error) {
	upTo, after := f.visible.Load(), int64(0)
	if from != "" {
		n, err := threadToken(from)
		if err != nil {
			return nil, fault.New(fault.InvalidParam, "from is not a token of this server.").Because(err)
		}
		upTo = min(upTo, n)
	}
	if to != "" {
		n, err := threadToken(to)
		if err != nil {
			n, err = Position(to)
		}
		if err != nil {
			return nil, fault.New(fault.InvalidParam, "to is not a token of this server.").Because(err)
		}
		after = n
	}
	page, err := f.subscriptions(ctx, user, after, upTo, limit)
	if err != nil {
		return nil, err
	}
	return page.append(nil, "end"), nil
}

func threadToken(s string) (int64, error) {
	digits, ok := strings.CutPrefix(s, threadMark)
	if !ok {
		return 0, errToken()
	}
	return strconv.ParseInt(digits, 10, 64)
}

// slideThreads writes the newest changes of the reader's subscriptions of threads (MSC4308). What there is
// more of, the device pages through.
func (a *slideAnswer) slideThreads(ctx context.Context, dst []byte) ([]byte, error) {
	since := a.was.threads
	a.step.threads = a.upTo
	if since > 0 && !a.f.subscribedSince(a.p, since) {
		return append(dst, `{}`...), nil
	}
	limit := a.s.req.Threads.Limit
	if limit <= 0 || limit > SubscriptionsPage {
		limit = SubscriptionsPage
	}
	page, err := a.f.subscriptions(ctx, a.p.user, since, a.upTo, limit)
	if err != nil {
		return nil, err
	}
	a.news = a.news || len(page.subscriptions) > 0
	return page.append(dst, "prev_batch"), nil
}

// subscribedSince looks in memory whether a person's subscriptions may have changed after a position.
func (f *Feed) subscribedSince(p *person, pos int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return p.floor > pos || p.subscribed.Load() > pos
}
