package room

import (
	"bytes"
	"context"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/matrix/event"
)

// Send sends an event into a room and returns its id as soon as it is durable. With a transaction id it is
// idempotent: the event that the first request made is answered, also across restarts.
//
// Faults: Forbidden when the sender may not, BadJSON and TooLarge for the content, NotFound for a room
// that is not here.
func (rs *Rooms) Send(ctx context.Context, roomID id.RoomID, d Draft) (id.EventID, error) {
	if d.StateKey != nil {
		return rs.SetState(ctx, roomID, d)
	}
	if d.Type == typeRedaction {
		return rs.sendRedaction(ctx, roomID, d)
	}
	return rs.once(ctx, roomID, d, func() (id.EventID, error) {
		if err := rs.checkRelation(ctx, roomID, d); err != nil {
			return "", err
		}
		b, err := rs.write(ctx, roomID, "room: send", func(b *batch) error {
			_, err := b.add(&d)
			return err
		})
		if err != nil {
			return "", err
		}
		return b.items[0].ev.ID, nil
	})
}

// once runs send for a transaction that was not done before.
func (rs *Rooms) once(ctx context.Context, roomID id.RoomID, d Draft, send func() (id.EventID, error)) (id.EventID, error) {
	if d.Txn == "" {
		return send()
	}
	k := txnKey{d.Sender, d.Device, roomID, d.Type, storedTxn(d.Txn, d.Redacts)}
	if e, err := rs.txns.begin(ctx, k); e != "" || err != nil {
		return e, err
	}
	var made id.EventID
	defer func() { rs.txns.finish(k, made) }()
	e, err := send()
	if err != nil {
		// The unique index refuses a transaction that was done before this process, or by another one;
		// and what was sent then counts, even if it could not be sent any more: because the sender may not,
		// or because it would be the same reaction again.
		before, lookup := rs.sentBefore(ctx, k)
		if lookup != nil || before == "" {
			return "", err
		}
		e = before
	}
	made = e
	return e, nil
}

// SetState sends a state event. When the same sender set the same content before, nothing is sent and the
// event that is there is answered.
func (rs *Rooms) SetState(ctx context.Context, roomID id.RoomID, d Draft) (id.EventID, error) {
	if d.Type == typeAlias {
		if err := rs.checkCanonicalAlias(ctx, roomID, d); err != nil {
			return "", err
		}
	}
	if d.Type == typeMember {
		var err error
		if d.Content, err = rs.checkMemberState(ctx, roomID, d); err != nil {
			return "", err
		}
	}
	made, err := rs.setState(ctx, roomID, d)
	if err == nil && d.Type == typeGuestAccess {
		err = rs.expelGuests(context.WithoutCancel(ctx), roomID)
	}
	return made, err
}

func (rs *Rooms) setState(ctx context.Context, roomID id.RoomID, d Draft) (id.EventID, error) {
	var answer id.EventID
	b, err := rs.write(ctx, roomID, "room: set state", func(b *batch) error {
		old := b.head.view.state.Get(d.Type, *d.StateKey)
		if old != nil && old.Sender == d.Sender && sameJSON(d.Content, old) {
			answer = old.ID
			return errNothing
		}
		_, err := b.add(&d)
		return err
	})
	if err != nil {
		return "", err
	}
	if len(b.items) > 0 {
		answer = b.items[0].ev.ID
	}
	return answer, nil
}

// sameJSON tells whether a content is that of an event.
func sameJSON(content []byte, e *Event) bool {
	c, err := event.Canonical(content, e.Version.ForbidFloatsAndBigInts())
	return err == nil && bytes.Equal(c, e.Content)
}

// Redact takes away the content of an event. d carries the sender, the transaction and the content, such
// as a reason; who may redact are the sender of the event and whoever has the power to redact.
func (rs *Rooms) Redact(ctx context.Context, roomID id.RoomID, target id.EventID, d Draft) (id.EventID, error) {
	d.Type, d.Redacts, d.StateKey = typeRedaction, target, nil
	if len(d.Content) == 0 {
		d.Content = []byte("{}")
	}
	return rs.once(ctx, roomID, d, func() (id.EventID, error) { return rs.redact(ctx, roomID, d) })
}

// sendRedaction is a redaction that came as an event of that type.
func (rs *Rooms) sendRedaction(ctx context.Context, roomID id.RoomID, d Draft) (id.EventID, error) {
	if d.Redacts == "" {
		d.Redacts = id.EventID(gjson.GetBytes(d.Content, "redacts").Str)
	}
	if d.Redacts == "" {
		return "", fault.New(fault.MissingParam, "A redaction needs the event to redact.")
	}
	return rs.once(ctx, roomID, d, func() (id.EventID, error) { return rs.redact(ctx, roomID, d) })
}

func (rs *Rooms) redact(ctx context.Context, roomID id.RoomID, d Draft) (id.EventID, error) {
	r, err := rs.Get(ctx, roomID)
	if err != nil {
		return "", hidden(err)
	}
	target, err := rs.event(ctx, r, d.Redacts)
	if err != nil {
		return "", err
	}
	if target == nil || target.Kind != Timeline {
		if r.Membership(d.Sender) != Join {
			return "", fault.New(fault.Forbidden, "You are not in the room.")
		}
		return "", fault.New(fault.NotFound, "There is no such event.")
	}
	if target.Type == typeCreate || target.Type == typeACL {
		return "", fault.New(fault.Forbidden, "Events of this type cannot be redacted.")
	}
	b, err := rs.write(ctx, roomID, "room: redact", func(b *batch) error {
		power := b.head.view.power
		if target.Sender != d.Sender && power.User(d.Sender) < power.Redact {
			return fault.New(fault.Forbidden, "You may not redact events of others.")
		}
		e, err := b.add(&d)
		if err != nil || target.RedactedBecause != nil {
			return err
		}
		return b.redact(e, target)
	})
	if err != nil {
		return "", err
	}
	return b.items[0].ev.ID, nil
}

// checkRelation refuses relations that the specification forbids a client to make.
func (rs *Rooms) checkRelation(ctx context.Context, roomID id.RoomID, d Draft) error {
	if !bytes.Contains(d.Content, []byte(`"m.relates_to"`)) {
		return nil
	}
	rel, target := relation(d.Content)
	if rel != relAnnotate && rel != relThread {
		return nil
	}
	r, err := rs.Get(ctx, roomID)
	if err != nil {
		return hidden(err)
	}
	if rel == relThread {
		root, err := rs.event(ctx, r, target)
		if err != nil {
			return err
		}
		if root != nil && root.RelType != "" {
			// Client-server API, "Threading": there are no threads within threads.
			return fault.New(fault.Unknown, "A thread cannot start at an event that relates to another.").WithStatus(400)
		}
		return nil
	}
	same, err := rs.query(ctx, r, `select `+eventColumns+` from event e
		where e.rel_target = $1 and e.room + 0 = $2 and e.sender = $3 and e.rel_type = $4 and e.type = $5 and e.kind = 0`,
		string(target), r.nid, string(d.Sender), rel, d.Type)
	if err != nil {
		return err
	}
	key := gjson.GetBytes(d.Content, `m\.relates_to.key`).Str
	for _, e := range same {
		if e.RedactedBecause == nil && e.Get(`m\.relates_to.key`).Str == key {
			return fault.New(fault.DuplicateAnnotation, "You have sent that reaction already.")
		}
	}
	return nil
}
