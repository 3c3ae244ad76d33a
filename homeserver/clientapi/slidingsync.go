package clientapi

import (
	"bytes"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"net/http"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/feed"
	"github.com/myelin-health/myelin/rest"
)

// slidingSyncRoutes serves MSC4186: under the name that it will have, and under the one by which clients
// call it now, whose names and forms differ a little.
func (a *API) slidingSyncRoutes() []rest.Route {
	route := func(path string, unstable bool) rest.Route {
		return rest.Route{Method: http.MethodPost, Path: path, Access: access.User, Limit: rest.Unlimited, Long: true,
			Handle: func(r *rest.Request) (any, error) { return a.slidingSync(r, unstable) }}
	}
	return []rest.Route{
		route("/_matrix/client/v4/sync", false),
		route("/_matrix/client/unstable/org.matrix.simplified_msc3575/sync", true),
	}
}

func (a *API) slidingSync(r *rest.Request, unstable bool) (any, error) {
	var body slideBody
	if err := r.OptionalJSON(&body); err != nil {
		return nil, err
	}
	req, err := body.request(r, unstable)
	if err != nil {
		return nil, err
	}
	b, wait, err := a.Feed.Slide(r.Context(), r.Who, req, r.Waker())
	return syncAnswer(b, wait, err, asItIs)
}

// slideBody is the body of a request in both forms.
type slideBody struct {
	Pos         string                    `json:"pos"`
	Conn        string                    `json:"conn_id"`
	Txn         string                    `json:"txn_id"`
	Timeout     int64                     `json:"timeout"`
	SetPresence string                    `json:"set_presence"`
	Lists       map[string]slideListBody  `json:"lists"`
	Rooms       map[id.RoomID]slideConfig `json:"room_subscriptions"`
	Extensions  struct {
		ToDevice    slideExtension `json:"to_device"`
		E2EE        slideExtension `json:"e2ee"`
		AccountData slideExtension `json:"account_data"`
		Receipts    slideExtension `json:"receipts"`
		Typing      slideExtension `json:"typing"`
		Threads     slideExtension `json:"io.element.msc4308.thread_subscriptions"`
	} `json:"extensions"`
}

type slideConfig struct {
	Limit int            `json:"timeline_limit"`
	State jsontext.Value `json:"required_state"`
}

type slideListBody struct {
	slideConfig
	Range   *[2]int    `json:"range"`
	Ranges  [][2]int   `json:"ranges"`
	All     bool       `json:"slow_get_all_rooms"`
	Filters slideRules `json:"filters"`
}

type slideRules struct {
	Direct    *bool       `json:"is_dm"`
	Encrypted *bool       `json:"is_encrypted"`
	Invited   *bool       `json:"is_invited"`
	Invite    *bool       `json:"is_invite"` // its name at the unstable endpoint
	Spaces    []id.RoomID `json:"spaces"`
	Types     []*string   `json:"room_types"`
	NotTypes  []*string   `json:"not_room_types"`
	Tags      []string    `json:"tags"`
	NotTags   []string    `json:"not_tags"`
	NameLike  string      `json:"room_name_like"`
}

// slideExtension has the settings that the extensions have between them.
type slideExtension struct {
	Enabled bool     `json:"enabled"`
	Since   string   `json:"since"`
	Limit   int      `json:"limit"`
	Lists   []string `json:"lists"`
	Rooms   []string `json:"rooms"`
}

// request is the body, with what the unstable form has in the query string.
func (b *slideBody) request(r *rest.Request, unstable bool) (*feed.SlideRequest, error) {
	timeout, err := r.QInt("timeout", b.Timeout)
	if err != nil {
		return nil, err
	}
	if timeout < 0 {
		return nil, fault.New(fault.InvalidParam, "timeout must not be negative.")
	}
	out := &feed.SlideRequest{
		Pos: b.Pos, Conn: b.Conn, Txn: b.Txn, SetPresence: b.SetPresence, Unstable: unstable,
		Timeout: time.Duration(min(timeout, 3_600_000)) * time.Millisecond,
		Lists:   make(map[string]feed.SlideList, len(b.Lists)), Rooms: make(map[id.RoomID]feed.SlideConfig, len(b.Rooms)),
		E2EE: b.Extensions.E2EE.settings(), AccountData: b.Extensions.AccountData.settings(),
		Receipts: b.Extensions.Receipts.settings(), Typing: b.Extensions.Typing.settings(),
	}
	if v := r.Q("pos"); v != "" {
		out.Pos = v
	}
	if v := r.Q("set_presence"); v != "" {
		out.SetPresence = v
	}
	mail := b.Extensions.ToDevice
	out.Threads = feed.SlideThreads{Enabled: b.Extensions.Threads.Enabled, Limit: b.Extensions.Threads.Limit}
	out.ToDevice = feed.SlideToDevice{Enabled: mail.Enabled, Since: mail.Since, Limit: mail.Limit}
	for name, l := range b.Lists {
		list, err := l.list(r.Who.User)
		if err != nil {
			return nil, err
		}
		out.Lists[name] = list
	}
	for room, c := range b.Rooms {
		if out.Rooms[room], err = c.config(r.Who.User); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (e *slideExtension) settings() feed.SlideExtension {
	return feed.SlideExtension{Enabled: e.Enabled, Lists: e.Lists, Rooms: e.Rooms}
}

func (l *slideListBody) list(me id.UserID) (feed.SlideList, error) {
	config, err := l.config(me)
	if err != nil {
		return feed.SlideList{}, err
	}
	ranges := l.Ranges
	if l.Range != nil {
		ranges = append(ranges, *l.Range)
	}
	if l.All {
		ranges = nil
	}
	for _, r := range ranges {
		if r[0] < 0 || r[1] < r[0] {
			return feed.SlideList{}, fault.New(fault.InvalidParam, "A range is two indices from 0, the first not above the second.")
		}
	}
	invited := l.Filters.Invited
	if invited == nil {
		invited = l.Filters.Invite
	}
	return feed.SlideList{SlideConfig: config, Ranges: ranges, Filter: feed.SlideFilter{
		Direct: l.Filters.Direct, Encrypted: l.Filters.Encrypted, Invited: invited, Spaces: l.Filters.Spaces,
		Types: l.Filters.Types, NotTypes: l.Filters.NotTypes, Tags: l.Filters.Tags, NotTags: l.Filters.NotTags, NameLike: l.Filters.NameLike,
	}}, nil
}

func (c *slideConfig) config(me id.UserID) (feed.SlideConfig, error) {
	if c.Limit < 0 {
		return feed.SlideConfig{}, fault.New(fault.InvalidParam, "timeline_limit must not be negative.")
	}
	wish, err := stateWish(c.State, me)
	return feed.SlideConfig{Limit: c.Limit, State: wish}, err
}

// stateWish understands required_state: an object, or pairs of type and state key in which "*" stands for
// all, "$ME" for the caller, and "$LAZY" for the members that the timeline needs.
func stateWish(raw jsontext.Value, me id.UserID) (feed.StateWish, error) {
	var w feed.StateWish
	bad := func(err error) (feed.StateWish, error) {
		return w, fault.New(fault.BadJSON, "required_state is not understood.").Because(err)
	}
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] == 'n' {
		return w, nil
	}
	if raw[0] == '{' {
		var form struct {
			Include []feed.StateMatch `json:"include"`
			Exclude []feed.StateMatch `json:"exclude"`
			Lazy    bool              `json:"lazy_members"`
		}
		if err := json.Unmarshal(raw, &form); err != nil {
			return bad(err)
		}
		return feed.StateWish{Include: form.Include, Exclude: form.Exclude, LazyMembers: form.Lazy}, nil
	}
	var pairs [][2]string
	if err := json.Unmarshal(raw, &pairs); err != nil {
		return bad(err)
	}
	return pairsWish(pairs, me), nil
}

func pairsWish(pairs [][2]string, me id.UserID) feed.StateWish {
	var w feed.StateWish
	const all = "*"
	everything := false
	for _, p := range pairs {
		everything = everything || p == [2]string{all, all}
	}
	for _, p := range pairs {
		typ, key := p[0], p[1]
		if key == "$ME" {
			key = string(me)
		}
		lazy := typ == "m.room.member" && key == "$LAZY"
		w.LazyMembers = w.LazyMembers || lazy
		switch {
		case everything && typ == all:
			w.Include = append(w.Include, feed.StateMatch{})
		case everything && key != all:
			if w.Only == nil {
				w.Only = make(map[string][]string)
			}
			w.Only[typ] = append(w.Only[typ], key)
		case !lazy:
			w.Include = append(w.Include, match(typ, key))
		}
	}
	return w
}

func match(typ, key string) feed.StateMatch {
	var m feed.StateMatch
	if typ != "*" {
		m.Type = &typ
	}
	if key != "*" {
		m.Key = &key
	}
	return m
}
