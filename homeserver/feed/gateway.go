package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/id"
)

// notification is the body of a call of the push gateway API. It holds no content, no names and no type of
// the event, whatever format the pusher asks for: the gateway and the phone's maker are nobody's clinicians.
// The app fetches the event by its id.
type notification struct {
	Event   id.EventID     `json:"event_id,omitempty"`
	Room    id.RoomID      `json:"room_id,omitempty"`
	Prio    string         `json:"prio"`
	Counts  map[string]int `json:"counts"`
	Devices [1]pushDevice  `json:"devices"`
}

type pushDevice struct {
	App     string                     `json:"app_id"`
	PushKey string                     `json:"pushkey"`
	SetAt   int64                      `json:"pushkey_ts"` // seconds
	Data    map[string]any             `json:"data"`
	Tweaks  map[string]json.RawMessage `json:"tweaks,omitempty"`
}

// tell pushes the events behind a pusher's position, one by one, or the number of unread ones alone when
// only that changed.
func (p *pushing) tell(ctx context.Context, to *storedPusher, set settings, news []notified, changed bool) error {
	oldest := p.f.now() - pushMaxAge.Milliseconds()
	first := slices.IndexFunc(news, func(n notified) bool { return n.pos > to.pos })
	if first < 0 {
		if !changed {
			return nil
		}
		gone, err := p.post(ctx, to, notification{Prio: "low", Counts: counted(len(news)), Devices: to.device(nil)})
		if err != nil || !gone {
			return err
		}
		return p.remove(ctx, to)
	}
	for _, n := range news[max(first, len(news)-pushBurst):] {
		ev, err := p.f.rooms.Event(ctx, n.r.ID, n.event)
		if err == nil && ev.TS >= oldest {
			res, _, err := p.f.match(ctx, readerOf(to.user, set, n.r), n.r, ev)
			if err != nil {
				return err
			}
			gone, err := p.post(ctx, to, notification{Event: ev.ID, Room: ev.RoomID, Prio: "high", Counts: counted(len(news)), Devices: to.device(tweaksOf(res.Actions))})
			if err != nil {
				return err
			}
			if gone {
				return p.remove(ctx, to)
			}
		}
		// What is gone meanwhile or too old to be news is passed over.
		if err := p.moved(ctx, to, n.pos); err != nil {
			return err
		}
	}
	return nil
}

// counted is the member "counts", from which zero is left out.
func counted(unread int) map[string]int {
	if unread == 0 {
		return map[string]int{}
	}
	return map[string]int{"unread": unread}
}

// device is the pusher as its gateway knows it: the data of the client but for the gateway's own address.
func (s *storedPusher) device(tweaks map[string]json.RawMessage) [1]pushDevice {
	data := maps.Clone(s.Data)
	delete(data, "url")
	return [1]pushDevice{{App: s.app, PushKey: s.PushKey, SetAt: s.setAt / 1000, Data: data, Tweaks: tweaks}}
}

// tweaksOf are the tweaks among a rule's actions.
func tweaksOf(actions []json.RawMessage) map[string]json.RawMessage {
	var out map[string]json.RawMessage
	for _, a := range actions {
		name := gjson.GetBytes(a, "set_tweak").Str
		if name == "" {
			continue
		}
		value := json.RawMessage(gjson.GetBytes(a, "value").Raw)
		if len(value) == 0 {
			value = json.RawMessage("true") // of highlight, the only one with a value when none is given
		}
		if out == nil {
			out = make(map[string]json.RawMessage)
		}
		out[name] = value
	}
	return out
}

// post calls the gateway and reports whether it rejected the push key.
func (p *pushing) post(ctx context.Context, to *storedPusher, n notification) (gone bool, err error) {
	address, _ := to.Data["url"].(string)
	body, err := json.Marshal(map[string]notification{"notification": n})
	if err != nil {
		return false, fmt.Errorf("encode a notification: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	status, b, err := p.call(ctx, address, body)
	if err != nil {
		p.f.metrics.pushes.WithLabelValues("unreachable").Inc()
		return false, fmt.Errorf("call a push gateway: %w", err)
	}
	if status != 200 {
		p.f.metrics.pushes.WithLabelValues("failed").Inc()
		return false, fmt.Errorf("a push gateway answered %d", status)
	}
	var answer struct {
		Rejected []string `json:"rejected"`
	}
	if json.Unmarshal(b, &answer) == nil && slices.Contains(answer.Rejected, to.PushKey) {
		p.f.metrics.pushes.WithLabelValues("rejected").Inc()
		return true, nil
	}
	p.f.metrics.pushes.WithLabelValues("ok").Inc()
	return false, nil
}
