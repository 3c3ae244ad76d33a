package room

import (
	"encoding/json/v2"
	"fmt"
	"slices"
	"strconv"

	"maunium.net/go/mautrix/id"
)

// head is where a room's history ends: what the next event is built on. Immutable.
type head struct {
	ext   []id.EventID // forward extremities
	depth int64        // of the deepest of them
	chain int          // how many state changes the snapshot is away from a full one
	view  *view        // the current state, as of these extremities

	version int64  // of the stored head, 0 while it is not stored
	value   []byte // how it is stored, see db.Tx.Head; nil when nothing is stored yet
}

// stored form of a head.
type headJSON struct {
	Ext      []id.EventID `json:"x"`
	Depth    int64        `json:"d"`
	Snapshot int64        `json:"s"`
	Chain    int          `json:"c"`
}

// encode sets h.value, which also says that h must not change any more.
func (h *head) encode() {
	b := make([]byte, 0, 64+48*len(h.ext))
	b = append(b, `{"x":[`...)
	for i, x := range h.ext {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, string(x))
	}
	b = append(b, `],"d":`...)
	b = strconv.AppendInt(b, h.depth, 10)
	b = append(b, `,"s":`...)
	b = strconv.AppendInt(b, h.view.snapshot, 10)
	b = append(b, `,"c":`...)
	b = strconv.AppendInt(b, int64(h.chain), 10)
	h.value = append(b, '}')
}

func decodeHead(value []byte) (headJSON, error) {
	var j headJSON
	if err := json.Unmarshal(value, &j); err != nil {
		return j, fmt.Errorf("decode head: %w", err)
	}
	return j, nil
}

// next are the extremities after an event with the given predecessors.
func next(ext, prev []id.EventID, added id.EventID) []id.EventID {
	if len(ext) == 1 && len(prev) == 1 && ext[0] == prev[0] {
		return []id.EventID{added}
	}
	out := make([]id.EventID, 0, len(ext)+1)
	for _, x := range ext {
		if !slices.Contains(prev, x) && x != added {
			out = append(out, x)
		}
	}
	return append(out, added)
}
