package account

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"encoding/json/jsontext"
	jsonv2 "encoding/json/v2"
	"errors"
	"fmt"
	"strings"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
)

const maxFilter = 64 << 10

// The parts of a filter, for checking; the feed gives them their meaning.
type filterShape struct {
	EventFields []string          `json:"event_fields"`
	EventFormat string            `json:"event_format"`
	Presence    *eventFilterShape `json:"presence"`
	AccountData *eventFilterShape `json:"account_data"`
	Room        *struct {
		Rooms        []string         `json:"rooms"`
		NotRooms     []string         `json:"not_rooms"`
		IncludeLeave bool             `json:"include_leave"`
		Ephemeral    eventFilterShape `json:"ephemeral"`
		State        eventFilterShape `json:"state"`
		Timeline     eventFilterShape `json:"timeline"`
		AccountData  eventFilterShape `json:"account_data"`
	} `json:"room"`
}

type eventFilterShape struct {
	Limit       *jsontext.Value `json:"limit"`
	Senders     []string        `json:"senders"`
	NotSenders  []string        `json:"not_senders"`
	Types       []string        `json:"types"`
	NotTypes    []string        `json:"not_types"`
	Rooms       []string        `json:"rooms"`
	NotRooms    []string        `json:"not_rooms"`
	LazyMembers bool            `json:"lazy_load_members"`
	Redundant   bool            `json:"include_redundant_members"`
	ContainsURL *bool           `json:"contains_url"`
	Threads     bool            `json:"unread_thread_notifications"`
}

// CheckFilter returns a fault unless b is a filter as POST /user/{userId}/filter takes it.
func CheckFilter(b json.RawMessage) error {
	if len(b) > maxFilter {
		return fault.New(fault.TooLarge, "The filter is too large.")
	}
	var f filterShape
	if err := jsonv2.Unmarshal(b, &f); err != nil {
		return fault.New(fault.BadJSON, "The filter has a value of the wrong type.").Because(err)
	}
	if f.EventFormat != "" && f.EventFormat != "client" && f.EventFormat != "federation" {
		return fault.New(fault.InvalidParam, "The event format must be client or federation.")
	}
	parts := []*eventFilterShape{f.Presence, f.AccountData}
	if f.Room != nil {
		parts = append(parts, &f.Room.Ephemeral, &f.Room.State, &f.Room.Timeline, &f.Room.AccountData,
			&eventFilterShape{Rooms: f.Room.Rooms, NotRooms: f.Room.NotRooms})
	}
	for _, p := range parts {
		if p != nil {
			if err := p.check(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *eventFilterShape) check() error {
	for _, rooms := range [][]string{p.Rooms, p.NotRooms} {
		for _, r := range rooms {
			if !strings.HasPrefix(r, "!") || len(r) < 2 {
				return fault.New(fault.InvalidParam, "The filter names a room that is no room id.")
			}
		}
	}
	for _, users := range [][]string{p.Senders, p.NotSenders} {
		for _, u := range users {
			if _, _, err := id.UserID(u).Parse(); err != nil {
				return fault.New(fault.InvalidParam, "The filter names a sender that is no user id.")
			}
		}
	}
	if p.Limit == nil {
		return nil
	}
	var n float64
	if jsonv2.Unmarshal(*p.Limit, &n) != nil || n < 0 || n != float64(int64(n)) {
		return fault.New(fault.BadJSON, "The limit of the filter must be a number.")
	}
	return nil
}

// AddFilter stores a filter and returns its id; the same filter has the same id.
func (a *Accounts) AddFilter(ctx context.Context, user id.UserID, filter json.RawMessage) (string, error) {
	if err := CheckFilter(filter); err != nil {
		return "", err
	}
	sum := sha256.Sum256(filter)
	filterID := base64.RawURLEncoding.EncodeToString(sum[:12])
	if _, err := a.Filter(ctx, user, filterID); err == nil {
		return filterID, nil
	} else if !fault.Is(err, fault.NotFound) {
		return "", err
	}
	b, err := a.sealed(ctx, user, "filter", filter)
	if err != nil {
		return "", err
	}
	return filterID, a.db.Write(ctx, "add filter", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`insert into account_filters (user_id, filter_id, content) values ($1, $2, $3) on conflict do nothing`,
			string(user), filterID, b)
		return err
	})
}

// Filter returns a stored filter. The fault is M_NOT_FOUND.
func (a *Accounts) Filter(ctx context.Context, user id.UserID, filterID string) (json.RawMessage, error) {
	var b []byte
	err := a.db.QueryRow(ctx, `select content from account_filters where user_id = $1 and filter_id = $2`, string(user), filterID).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "There is no such filter.")
	} else if err != nil {
		return nil, fmt.Errorf("load filter: %w", err)
	}
	plain, err := a.opened(ctx, user, "filter", b)
	if err != nil {
		return nil, fmt.Errorf("open filter: %w", err)
	}
	return plain, nil
}
