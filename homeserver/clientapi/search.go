package clientapi

import (
	"encoding/json/v2"
	"net/http"
	"strconv"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/homeserver/search"
	"github.com/myelin-health/myelin/rest"
)

const (
	maxFound   = 100 // results of one answer
	maxContext = 50  // events around one on each side
)

// searchRoutes serves "Server Side Search".
func (a *API) searchRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/search", Access: access.User, Limit: rest.Searching, Handle: a.search},
	}
}

// searchRequest are the criteria for room_events.
type searchRequest struct {
	Term    *string      `json:"search_term"`
	Keys    []string     `json:"keys"`
	Filter  *room.Filter `json:"filter"`
	OrderBy string       `json:"order_by"`
	State   bool         `json:"include_state"`
	Context *struct {
		Before  *int `json:"before_limit"`
		After   *int `json:"after_limit"`
		Profile bool `json:"include_profile"`
	} `json:"event_context"`
	Groupings struct {
		By []struct {
			Key string `json:"key"`
		} `json:"group_by"`
	} `json:"groupings"`
}

func (q *searchRequest) query(from string) (search.Query, error) {
	s := search.Query{Keys: q.Keys, Filter: q.Filter, From: from, ByRank: q.OrderBy != "recent", Limit: 10}
	switch {
	case q.Term == nil:
		return s, fault.New(fault.MissingParam, "search_term is missing.")
	case q.OrderBy != "" && q.OrderBy != "rank" && q.OrderBy != "recent":
		return s, fault.New(fault.InvalidParam, "order_by must be rank or recent.")
	}
	s.Term = *q.Term
	for _, k := range q.Keys {
		if k != search.Body && k != search.Name && k != search.Topic {
			return s, fault.New(fault.InvalidParam, "keys can be content.body, content.name and content.topic.")
		}
	}
	for _, g := range q.Groupings.By {
		if g.Key != "room_id" && g.Key != "sender" {
			return s, fault.New(fault.InvalidParam, "Results can be grouped by room_id and sender.")
		}
	}
	if q.Filter != nil && q.Filter.Limit > 0 {
		s.Limit = min(q.Filter.Limit, maxFound)
	}
	return s, nil
}

func (a *API) search(r *rest.Request) (any, error) {
	var body struct {
		Categories *struct {
			Events *searchRequest `json:"room_events"`
		} `json:"search_categories"`
	}
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	if body.Categories == nil {
		return nil, fault.New(fault.MissingParam, "search_categories is missing.")
	}
	q := body.Categories.Events
	if q == nil {
		return map[string]any{"search_categories": struct{}{}}, nil
	}
	query, err := q.query(r.Q("next_batch"))
	if err != nil {
		return nil, err
	}
	found, err := a.Search.Search(r.Context(), r.Who.User, query)
	if err != nil {
		return nil, err
	}
	b := append(field([]byte{'{'}, "count"), strconv.Itoa(found.Count)...)
	if b, err = a.results(r, field(b, "results"), q, found); err != nil {
		return nil, err
	}
	if b, err = appendJSON(field(b, "highlights"), emptyNotNull(found.Words)); err != nil {
		return nil, err
	}
	if q.State {
		if b, err = a.foundState(r, field(b, "state"), found); err != nil {
			return nil, err
		}
	}
	if len(q.Groupings.By) > 0 {
		if b, err = appendJSON(field(b, "groups"), groups(q, found)); err != nil {
			return nil, err
		}
	}
	if found.Next != "" {
		b = stringField(b, "next_batch", found.Next)
	}
	return rest.RawJSON(append(append([]byte(`{"search_categories":{"room_events":`), b...), "}}}"...)), nil
}

// appendJSON appends the encoding of a value that always has one.
func appendJSON(dst []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(dst, b...), err
}

func emptyNotNull[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// results appends the list of results, each with what is around it when that is asked for.
func (a *API) results(r *rest.Request, b []byte, q *searchRequest, found *search.Found) ([]byte, error) {
	b = append(b, '[')
	for i, h := range found.Hits {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(append(b, `{"rank":`...), h.Rank, 'f', 4, 64)
		reader := a.reader(r)
		reader.Relations = h.Relations
		var err error
		if reader.Member, err = h.Sight.Membership(r.Context(), h.Event); err != nil {
			return nil, err
		}
		b = h.Event.AppendClient(field(b, "result"), reader)
		if q.Context != nil {
			if b, err = a.foundContext(r, field(b, "context"), q, h); err != nil {
				return nil, err
			}
		}
		b = append(b, '}')
	}
	return append(b, ']'), nil
}

func (a *API) foundContext(r *rest.Request, b []byte, q *searchRequest, h search.Hit) ([]byte, error) {
	limit := func(n *int) int {
		if n == nil {
			return 5
		}
		return min(max(*n, 0), maxContext)
	}
	before, after := limit(q.Context.Before), limit(q.Context.After)
	c, err := a.Rooms.Around(r.Context(), r.Who.User, h.Event.RoomID, h.Event.ID, before, after, &room.Filter{LazyMembers: true})
	if err != nil {
		return nil, err
	}
	b = stringField(append(b, '{'), "start", c.Start)
	b = stringField(b, "end", c.End)
	if b, err = a.eventsField(r, b, "events_before", c.Sight, c.Before); err != nil {
		return nil, err
	}
	if b, err = a.eventsField(r, b, "events_after", c.Sight, c.After); err != nil {
		return nil, err
	}
	if q.Context.Profile {
		profiles := map[string]map[string]string{}
		for _, m := range c.State {
			if m.Type != "m.room.member" {
				continue
			}
			profiles[*m.StateKey] = map[string]string{}
			for _, key := range []string{"displayname", "avatar_url"} {
				if v := m.Get(key); v.Str != "" {
					profiles[*m.StateKey][key] = v.Str
				}
			}
		}
		if b, err = appendJSON(field(b, "profile_info"), profiles); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// foundState appends the state of each room with a result, as the caller may see it.
func (a *API) foundState(r *rest.Request, b []byte, found *search.Found) ([]byte, error) {
	b = append(b, '{')
	done := map[id.RoomID]bool{}
	for _, h := range found.Hits {
		roomID := h.Event.RoomID
		if done[roomID] {
			continue
		}
		done[roomID] = true
		access, err := a.Rooms.Access(r.Context(), roomID, r.Who.User)
		if err != nil {
			return nil, err
		}
		state, err := access.State(r.Context())
		if err != nil {
			return nil, err
		}
		if b, err = a.eventsField(r, b, string(roomID), h.Sight, state.Events()); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// group is the results that have something in common, of this answer.
type group struct {
	Order   int          `json:"order"`
	Results []id.EventID `json:"results"`
}

func groups(q *searchRequest, found *search.Found) map[string]map[string]*group {
	all := map[string]map[string]*group{}
	for _, by := range q.Groupings.By {
		m := map[string]*group{}
		for i, h := range found.Hits {
			key := string(h.Event.RoomID)
			if by.Key == "sender" {
				key = string(h.Event.Sender)
			}
			if m[key] == nil {
				m[key] = &group{Order: i + 1}
			}
			m[key].Results = append(m[key].Results, h.Event.ID)
		}
		all[by.Key] = m
	}
	return all
}
