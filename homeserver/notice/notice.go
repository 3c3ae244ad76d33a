// Package notice tells people something in the name of the server: in a room of its own with each person, which is marked
// as such and whose invitation cannot be declined (client-server API, "Server Notices").
package notice

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/room"
)

const (
	tag    = "m.server_notice"
	device = "NOTICES" // for transaction ids
)

// Options configures Notices. All are needed.
type Options struct {
	DB       *db.DB
	Audit    *audit.Log
	Accounts *account.Accounts
	Rooms    func() *room.Rooms // which is built later and asks MayLeave
	Name     string             // that people see
}

// Notices sends notices. It is safe for concurrent use.
type Notices struct {
	o      Options
	sender id.UserID
	mu     sync.Mutex // held while a notice is sent, so that nobody gets two rooms
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
	n.mu.Lock()
	defer n.mu.Unlock()
	roomID, err := n.room(ctx, to)
	if err != nil {
		return "", fmt.Errorf("room of a notice: %w", err)
	}
	if txn != "" {
		txn = string(by) + " " + txn
	}
	e, err := n.o.Rooms().Send(ctx, roomID, room.Draft{Type: "m.room.message", Sender: n.sender, Device: device, Txn: txn, Content: []byte(content)})
	if err != nil {
		return "", err
	}
	return e, n.o.DB.Write(ctx, "notice", nil, func(tx *db.Tx) error {
		n.o.Audit.Append(tx, audit.Entry{Act: audit.Admin, Who: by, Room: roomID, Target: "notice to " + string(to), Outcome: audit.Done})
		return nil
	})
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
	rooms := n.o.Rooms()
	members, err := rooms.RoomsOf(ctx, to)
	if err != nil {
		return "", err
	}
	for _, m := range members {
		r, err := rooms.Get(ctx, m.Room)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return "", err
		}
		if r.State("m.room.create", "").Sender != n.sender || r.Membership(n.sender) != room.Join {
			continue
		}
		if m.Membership != room.Join && m.Membership != room.Invite {
			if err := rooms.Invite(ctx, n.sender, m.Room, to, ""); err != nil {
				return "", err
			}
		}
		return m.Room, nil
	}
	roomID, err := rooms.Create(ctx, n.sender, room.Creation{
		Preset: "private_chat", Name: n.o.Name, Invite: []id.UserID{to}, Plain: true,
		Power: []byte(`{"users_default":-10,"events_default":0,"invite":50}`), // only the server writes
	})
	if err != nil {
		return "", err
	}
	return roomID, n.o.Accounts.SetTag(ctx, to, roomID, tag, json.RawMessage(`{"order":0}`))
}
