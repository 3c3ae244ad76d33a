// Package notice tells people something in the name of the server: in a room of its own with each person, which is marked
// as such and whose invitation cannot be declined (client-server API, "Server Notices").
package notice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/room"
)

const tag = "m.server_notice"

// Options configures Notices. All are needed.
type Options struct {
	DB       *db.DB
	Accounts *account.Accounts
	Rooms    func() *room.Rooms // which is built later and asks MayLeave
	Name     string             // that people see
}

// Notices sends notices. It is safe for concurrent use.
type Notices struct {
	o      Options
	sender id.UserID
}

// New returns Notices.
func New(o Options) *Notices {
	return &Notices{o: o, sender: o.Accounts.UserID(account.Server)}
}

// MayLeave is a room.Policy: invitations to rooms of notices are not declined.
func (n *Notices) MayLeave(_ context.Context, r *room.Room, d *room.Draft) error {
	if r == nil || d.Type != "m.room.member" || d.StateKey == nil || *d.StateKey != string(d.Sender) || gjson.GetBytes(d.Content, "membership").Str != room.Leave {
		return nil
	}
	if m := r.State("m.room.member", *d.StateKey); m != nil && m.Membership() == room.Invite && m.Sender == n.sender {
		return fault.New(fault.CannotLeaveServerNotice, "What the server has to say cannot be declined.")
	}
	return nil
}

// Send tells somebody something on behalf of an administrator and returns the event's id. content is that of an
// m.room.message. The same txn of the same administrator sends once; empty: every time. Faults: NotFound for people who
// are not here, BadJSON and TooLarge for the content.
func (n *Notices) Send(ctx context.Context, by, to id.UserID, content json.RawMessage, txn string) (id.EventID, error) {
	u, err := n.o.Accounts.User(ctx, to)
	if err != nil || u.Gone() || to == n.sender {
		if err == nil || fault.Is(err, fault.NotFound) {
			err = fault.New(fault.NotFound, "There is no such user here.")
		}
		return "", err
	}
	if !gjson.ParseBytes(content).IsObject() || gjson.GetBytes(content, "body").Type != gjson.String || gjson.GetBytes(content, "msgtype").Type != gjson.String {
		return "", fault.New(fault.BadJSON, "content must have a msgtype and a body.")
	}
	roomID, err := n.room(ctx, to)
	if err != nil {
		return "", fmt.Errorf("room of a notice: %w", err)
	}
	// The administrator stands in place of the device: transaction ids go by it, and the audit entry, see On.
	return n.o.Rooms().Send(ctx, roomID, room.Draft{Type: "m.room.message", Sender: n.sender, Device: id.DeviceID(by), Txn: txn, Content: []byte(content)})
}

// On tells on whose behalf the server said something; empty: it is no notice.
func (n *Notices) On(ev *room.Event) id.UserID {
	if ev.Sender != n.sender || ev.State() {
		return ""
	}
	return id.UserID(ev.Device)
}

// room returns the room of somebody's notices; it is made, and they are invited again, when needed.
func (n *Notices) room(ctx context.Context, to id.UserID) (id.RoomID, error) {
	if known, err := n.o.Accounts.Exists(ctx, n.sender); err != nil {
		return "", err
	} else if !known {
		_, err := n.o.Accounts.Create(ctx, account.NewUser{User: n.sender, DisplayName: n.o.Name, Audited: account.AuditDetail{"way": "server_notices"}})
		if err != nil && !fault.Is(err, fault.UserInUse) {
			return "", err
		}
	}
	roomID, err := n.roomOf(ctx, to)
	if err != nil {
		return "", err
	}
	r, err := n.o.Rooms().Get(ctx, roomID)
	if err != nil {
		return "", err
	}
	if tags, err := n.o.Accounts.Tags(ctx, to, roomID); err != nil {
		return "", err
	} else if _, ok := tags[tag]; !ok {
		if err := n.o.Accounts.SetTag(ctx, to, roomID, tag, json.RawMessage(`{"order":0}`)); err != nil {
			return "", err
		}
	}
	if m := r.Membership(to); m == room.Join || m == room.Invite {
		return roomID, nil
	}
	return roomID, n.o.Rooms().Invite(ctx, n.sender, roomID, to, "")
}

// roomOf returns the room of somebody's notices, who may not be in it. Which one it is stands in the head of a key of the
// person's, so that two processes agree on one; the room that the slower one made stays empty.
func (n *Notices) roomOf(ctx context.Context, to id.UserID) (id.RoomID, error) {
	rooms, key := n.o.Rooms(), db.KeyOf("notices\x00", string(to))
	for {
		version, value, ok, err := n.o.DB.Head(ctx, key)
		if err != nil {
			return "", err
		}
		if ok {
			if _, err := rooms.Get(ctx, id.RoomID(value)); !fault.Is(err, fault.NotFound) {
				return id.RoomID(value), err
			}
		}
		made, err := rooms.Create(ctx, n.sender, room.Creation{
			Preset: "private_chat", Name: n.o.Name, Plain: true,
			Power: []byte(`{"users_default":-10,"events_default":0,"invite":50}`), // only the server writes
		})
		if err != nil {
			return "", err
		}
		err = n.o.DB.Write(ctx, "room of notices", []db.Key{key}, func(tx *db.Tx) error {
			if now, _, _ := tx.Head(key); now != version {
				return db.ErrStale
			}
			tx.SetHead(key, []byte(made))
			return nil
		})
		if err == nil || !errors.Is(err, db.ErrStale) {
			return made, err
		}
	}
}
