package event_test

import (
	"crypto/ed25519"
	"strings"
	"testing"

	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/matrix/matrixtest"
	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// message is what people send: 200 characters in a room of some age.
func message(v id.RoomVersion) pdu.PDU {
	long := func(c string) id.EventID { return id.EventID("$" + strings.Repeat(c, 43)) }
	return pdu.PDU{
		AuthEvents: []id.EventID{long("a"), long("b")}, PrevEvents: []id.EventID{long("c")},
		Content: []byte(`{"msgtype":"m.text","body":"` + strings.Repeat("All is well. ", 15) + `"}`),
		Depth:   4711, OriginServerTS: 1_700_000_000_123,
		RoomID: id.RoomID("!" + strings.Repeat("r", 43)), Sender: "@physician:hospital.example", Type: "m.room.message",
	}
}

func BenchmarkBuild(b *testing.B) {
	key := matrixtest.Key("hospital.example")
	for _, v := range []id.RoomVersion{"3", "6", "11", "12"} {
		b.Run(string(v), func(b *testing.B) {
			template := message(v)
			b.ReportAllocs()
			for b.Loop() {
				p := template
				if _, _, err := event.Build(v, &p, key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("signature alone", func(b *testing.B) {
		text := make([]byte, 500)
		for b.Loop() {
			ed25519.Sign(key.Private, text)
		}
	})
	b.Run("mautrix", func(b *testing.B) {
		template := message("12")
		b.ReportAllocs()
		for b.Loop() {
			p := template
			if err := p.Sign("12", key.Server, key.ID, key.Private); err != nil {
				b.Fatal(err)
			}
			if _, err := p.GetEventID("12"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func built(b *testing.B, v id.RoomVersion) (*pdu.PDU, []byte) {
	p := message(v)
	_, raw, err := event.Build(v, &p, matrixtest.Key("hospital.example"))
	if err != nil {
		b.Fatal(err)
	}
	return &p, raw
}

func BenchmarkParse(b *testing.B) {
	for _, v := range []id.RoomVersion{"3", "6", "11", "12"} {
		_, raw := built(b, v)
		b.Run(string(v), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := event.Parse(v, raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	_, raw := built(b, "12")
	b.Run("Decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := event.Decode(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkParseUntrusted(b *testing.B) {
	for _, v := range []id.RoomVersion{"11", "12"} {
		_, raw := built(b, v)
		b.Run(string(v), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := event.ParseUntrusted(v, raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerifySignatures(b *testing.B) {
	p, _ := built(b, "12")
	for b.Loop() {
		if err := event.VerifySignatures("12", p, matrixtest.GetKey); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClientFormat(b *testing.B) {
	p, _ := built(b, "12")
	b.ReportAllocs()
	for b.Loop() {
		event.ClientFormat(p, p.InternalMeta.EventID, p.RoomID)
	}
}
