package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// exported is a line of an export.
type exported struct {
	Number  int64          `json:"number"`
	Time    string         `json:"time"`
	Act     Act            `json:"act"`
	Who     string         `json:"who,omitempty"`
	Device  string         `json:"device,omitempty"`
	Room    string         `json:"room,omitempty"`
	Target  string         `json:"target,omitempty"`
	Outcome Outcome        `json:"outcome"`
	Detail  map[string]any `json:"detail,omitempty"`
	Erased  bool           `json:"erased,omitempty"`
	Damaged bool           `json:"damaged,omitempty"`
	Hash    string         `json:"hash"`
}

// encode returns v, which is made of JSON values, as JSON.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Appendf(nil, "%q", err.Error())
	}
	return b
}

// Entries calls f for each entry in order, those from inclusive and to exclusive; zero times do not restrict. It ends with
// the first error of f.
func (l *Log) Entries(ctx context.Context, from, to time.Time, f func(Found) error) error {
	var after int64
	for {
		leaves, err := l.leavesAfter(ctx, after, 500)
		if err != nil {
			return fmt.Errorf("read audit log: %w", err)
		}
		if len(leaves) == 0 {
			return nil
		}
		for i := range leaves {
			after = leaves[i].number
			if !from.IsZero() && leaves[i].time < from.UnixMilli() || !to.IsZero() && leaves[i].time >= to.UnixMilli() {
				continue
			}
			if err := f(l.found(ctx, &leaves[i])); err != nil {
				return err
			}
		}
	}
}

// Export writes entries as lines of JSON, oldest first, and last the newest checkpoint, by which they can be verified.
func (l *Log) Export(ctx context.Context, w io.Writer, from, to time.Time) error {
	out := bufio.NewWriter(w)
	line := func(v any) error {
		if _, err := out.Write(append(encode(v), '\n')); err != nil {
			return fmt.Errorf("export audit log: %w", err)
		}
		return nil
	}
	err := l.Entries(ctx, from, to, func(f Found) error {
		return line(exported{Number: f.Number, Time: f.Time.Format(time.RFC3339Nano), Act: f.Act, Who: string(f.Who), Device: string(f.Device),
			Room: string(f.Room), Target: f.Target, Outcome: f.Outcome, Detail: f.Detail, Erased: f.Erased, Damaged: f.Damaged, Hash: f.Hash.String()})
	})
	if err != nil {
		return err
	}
	h, _, err := l.readHead(ctx)
	if err != nil {
		return err
	}
	if h != nil && h.last.number > 0 {
		if err := line(map[string]string{"checkpoint": h.last.note, "key": l.public}); err != nil {
			return err
		}
	}
	return out.Flush()
}
