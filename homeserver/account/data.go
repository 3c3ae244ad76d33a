package account

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/seal"
)

const (
	maxDatumType = 255
	maxData      = 10_000 // entries of one person
	maxTags      = 100
	typeTags     = "m.tag"
	typeIgnored  = "m.ignored_user_list"
)

// Datum is one entry of a person's account data.
type Datum struct {
	Room    id.RoomID // empty: global
	Type    string
	Content json.RawMessage // a JSON object
}

func personScope(user id.UserID) seal.Scope { return seal.Person(user) }

// Datum returns one entry. The fault is M_NOT_FOUND.
func (a *Accounts) Datum(ctx context.Context, user id.UserID, room id.RoomID, typ string) (json.RawMessage, error) {
	var b []byte
	err := a.db.QueryRow(ctx, `select content from account_data where user_id = $1 and room_id = $2 and type = $3`,
		string(user), string(room), typ).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "There is no such account data.")
	} else if err != nil {
		return nil, fmt.Errorf("load account data: %w", err)
	}
	return a.openDatum(ctx, user, b)
}

func (a *Accounts) openDatum(ctx context.Context, user id.UserID, b []byte) (json.RawMessage, error) {
	plain, err := a.opened(ctx, user, "data", b)
	if err != nil {
		return nil, fmt.Errorf("open account data: %w", err)
	}
	return plain, nil
}

// Data lists all entries of a person, or only those of the given rooms and types if keys is not nil.
// Entries that are not there are left out.
func (a *Accounts) Data(ctx context.Context, user id.UserID, keys []Datum) ([]Datum, error) {
	if keys == nil {
		return a.allData(ctx, user)
	}
	out := make([]Datum, 0, len(keys))
	for _, k := range keys {
		content, err := a.Datum(ctx, user, k.Room, k.Type)
		if fault.Is(err, fault.NotFound) {
			continue
		} else if err != nil {
			return nil, err
		}
		out = append(out, Datum{k.Room, k.Type, content})
	}
	return out, nil
}

func (a *Accounts) allData(ctx context.Context, user id.UserID) ([]Datum, error) {
	rows, err := a.db.Query(ctx, `select room_id, type, content from account_data where user_id = $1 order by room_id, type`, string(user))
	if err != nil {
		return nil, fmt.Errorf("load account data: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []Datum
	for rows.Next() {
		var d Datum
		var b []byte
		if err := rows.Scan(&d.Room, &d.Type, &b); err != nil {
			return nil, fmt.Errorf("load account data: %w", err)
		}
		if d.Content, err = a.openDatum(ctx, user, b); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("load account data: %w", err)
	}
	return out, nil
}

// SetDatum stores one entry, whose content must be a JSON object, and reports the change. An empty object
// deletes the entry (MSC3391).
func (a *Accounts) SetDatum(ctx context.Context, user id.UserID, d Datum) error {
	if d.Type == "" || len(d.Type) > maxDatumType || len(d.Room) > maxDatumType {
		return fault.New(fault.InvalidParam, "The type of the account data is empty or too long.")
	}
	if object := gjson.ParseBytes(d.Content); object.IsObject() && len(object.Map()) == 0 {
		return a.DeleteDatum(ctx, user, d.Room, d.Type)
	}
	if err := a.checkSpace(ctx, user, d); err != nil {
		return err
	}
	b, err := a.sealed(ctx, user, "data", d.Content)
	if err != nil {
		return err
	}
	put := func(tx *db.Tx) error { return a.putDatum(tx, user, d, b) }
	if d.Type == typeTags || d.Type == typeIgnored {
		return a.write(ctx, "set account data", user, put)
	}
	return a.db.Write(ctx, "set account data", nil, put)
}

// DeleteDatum removes one entry and reports the change, also when the entry was not there: who asked waits to
// be told. Each report stays in the database, so those about nothing count like entries.
func (a *Accounts) DeleteDatum(ctx context.Context, user id.UserID, room id.RoomID, typ string) error {
	if typ == "" || len(typ) > maxDatumType || len(room) > maxDatumType {
		return fault.New(fault.InvalidParam, "The type of the account data is empty or too long.")
	}
	return a.write(ctx, "delete account data", user, func(tx *db.Tx) error {
		n, err := tx.Exec(`delete from account_data where user_id = $1 and room_id = $2 and type = $3`, string(user), string(room), typ)
		if err != nil {
			return fmt.Errorf("delete account data: %w", err)
		}
		if n == 0 {
			var told int
			err := tx.QueryRow(`select count(*) from feed_change where user_id = $1 and kind = 'account_data'`, string(user)).Scan(&told)
			if err != nil {
				return fmt.Errorf("count reports of account data: %w", err)
			}
			if told >= maxData {
				return fault.New(fault.TooLarge, "This account has too many entries of account data.")
			}
		}
		a.dataChanged(tx, user, room, typ)
		return nil
	})
}

// checkSpace refuses a new entry of somebody who has very many. It is not exact when several are written at a time.
func (a *Accounts) checkSpace(ctx context.Context, user id.UserID, d Datum) error {
	var have, there int
	err := a.db.QueryRow(ctx, `select count(*), coalesce(sum(case when room_id = $2 and type = $3 then 1 else 0 end), 0)
		from account_data where user_id = $1`, string(user), string(d.Room), d.Type).Scan(&have, &there)
	if err != nil {
		return fmt.Errorf("count account data: %w", err)
	}
	if have >= maxData && there == 0 {
		return fault.New(fault.TooLarge, "This account has too many entries of account data.")
	}
	return nil
}

// putDatum writes an entry whose content is sealed as b. Tags are read inside writes, so they are written
// at once; the others with the rest of the batch.
func (a *Accounts) putDatum(tx *db.Tx, user id.UserID, d Datum, b []byte) error {
	if d.Type != typeTags {
		tx.Append(dataTable, string(user), string(d.Room), d.Type, b)
	} else if err := putTags(tx, user, d.Room, b); err != nil {
		return err
	}
	a.dataChanged(tx, user, d.Room, d.Type)
	return nil
}

func (a *Accounts) dataChanged(tx *db.Tx, user id.UserID, room id.RoomID, typ string) {
	a.changed(tx, Change{Kind: AccountData, User: user, Room: room, Key: typ})
	if typ == typeIgnored && room == "" {
		a.touch(tx, user)
		tx.After(func() { a.ignored.forget(user) })
	}
}

var dataTable = &db.Table{
	Name:    "account_data",
	Columns: []string{"user_id", "room_id", "type", "content"},
	Types:   []string{"text", "text", "text", "bytea"},
	Key:     3,
}

func putTags(tx *db.Tx, user id.UserID, room id.RoomID, b []byte) error {
	_, err := tx.Exec(`insert into account_data (user_id, room_id, type, content) values ($1, $2, $3, $4)
		on conflict (user_id, room_id, type) do update set content = excluded.content`,
		string(user), string(room), typeTags, b)
	if err != nil {
		return fmt.Errorf("write tags: %w", err)
	}
	return nil
}

// changeTags rewrites the tags of a room by a function of what they are now (nil: there are none).
func (a *Accounts) changeTags(ctx context.Context, user id.UserID, room id.RoomID, f func(json.RawMessage) (json.RawMessage, error)) error {
	if err := a.seal.Prepare(ctx, personScope(user)); err != nil {
		return err
	}
	return a.write(ctx, "change tags", user, func(tx *db.Tx) error {
		var b []byte
		err := tx.QueryRow(`select content from account_data where user_id = $1 and room_id = $2 and type = $3`,
			string(user), string(room), typeTags).Scan(&b)
		var now json.RawMessage
		switch {
		case err == nil:
			if now, err = a.openDatum(ctx, user, b); err != nil {
				return err
			}
		case !errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("load account data: %w", err)
		}
		next, err := f(now)
		if err != nil {
			return err
		}
		if b, err = a.sealed(ctx, user, "data", next); err != nil {
			return err
		}
		return a.putDatum(tx, user, Datum{room, typeTags, next}, b)
	})
}

// tags is the content of m.tag.
type tags struct {
	Tags map[string]json.RawMessage `json:"tags"`
}

// Tags returns the tags that a person gave a room, as the content of an m.tag event.
func (a *Accounts) Tags(ctx context.Context, user id.UserID, room id.RoomID) (map[string]json.RawMessage, error) {
	content, err := a.Datum(ctx, user, room, typeTags)
	if fault.Is(err, fault.NotFound) {
		return map[string]json.RawMessage{}, nil
	} else if err != nil {
		return nil, err
	}
	return parseTags(content), nil
}

// parseTags reads m.tag; clients may have stored anything in its place.
func parseTags(content json.RawMessage) map[string]json.RawMessage {
	var t tags
	if json.Unmarshal(content, &t) != nil || t.Tags == nil {
		return map[string]json.RawMessage{}
	}
	return t.Tags
}

// SetTag gives a room a tag, or takes it away if content is nil.
func (a *Accounts) SetTag(ctx context.Context, user id.UserID, room id.RoomID, tag string, content json.RawMessage) error {
	if tag == "" || len(tag) > maxDatumType {
		return fault.New(fault.InvalidParam, "The tag is empty or too long.")
	}
	return a.changeTags(ctx, user, room, func(now json.RawMessage) (json.RawMessage, error) {
		t := tags{parseTags(now)}
		if content == nil {
			delete(t.Tags, tag)
		} else {
			t.Tags[tag] = content
		}
		if len(t.Tags) > maxTags {
			return nil, fault.New(fault.InvalidParam, "The room has too many tags.")
		}
		return json.Marshal(t)
	})
}
