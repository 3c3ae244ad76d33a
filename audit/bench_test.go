package audit

import (
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	p := newPlace(b, "")
	l := p.open()
	table := leafTable
	for name, detail := range map[string]map[string]any{"plain": nil, "with details": {"address": "192.0.2.7", "agent": "Mozilla/5.0"}} {
		b.Run(name, func(b *testing.B) {
			e := Entry{Act: MessageSend, Who: "@nurse:hospital.example", Device: "ABCDEFGHIJ", Room: "!abcdefghijklmnopqr:hospital.example",
				Target: "$abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrs", Outcome: Done, Detail: detail}
			b.ReportAllocs()
			for b.Loop() {
				f := &leaf{number: 1, time: p.now.Load(), act: string(e.Act), who: clean(string(e.Who)), device: string(e.Device), room: string(e.Room), target: e.Target, outcome: string(e.Outcome)}
				if e.Detail != nil {
					var err error
					if f.sealed, err = l.sealDetail(b.Context(), f, e.Detail); err != nil {
						b.Fatal(err)
					}
				}
				f.seal(l.tags)
			}
			_ = table
		})
	}
	b.Run("in the lane, 60 a write", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; n < b.N; n += 60 {
			p.append(l, make60()...)
		}
	})
}

func make60() []Entry {
	e := make([]Entry, 60)
	for i := range e {
		e[i] = Entry{Act: MessageSend, Who: "@nurse:hospital.example", Device: "ABCDEFGHIJ", Room: "!abcdefghijklmnopqr:hospital.example",
			Target: "$abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrs", Outcome: Done}
	}
	return e
}

func BenchmarkVerify(b *testing.B) {
	p := newPlace(b, "")
	l := p.open()
	p.fill(l, 20_000)
	sign(b, l)
	b.ResetTimer()
	for b.Loop() {
		verified(b, l)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/20_000, "ns/entry")
}
