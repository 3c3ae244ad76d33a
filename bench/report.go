package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// figure is one measured value and what it should be.
type figure struct {
	Database string  `json:"database"`
	Name     string  `json:"name"`
	Value    float64 `json:"value"`
	Target   float64 `json:"target,omitempty"` // 0: only to know
	AtLeast  bool    `json:"at_least,omitempty"`
	Zero     bool    `json:"zero,omitempty"` // the target is 0
	Unit     string  `json:"unit"`
	Note     string  `json:"note,omitempty"`
}

func (f figure) missed() bool {
	switch {
	case f.Zero:
		return f.Value != 0
	case f.Target == 0:
		return false
	case f.AtLeast:
		return f.Value < f.Target
	}
	return f.Value > f.Target
}

// ratio is measured to target; above 1 is worse than asked for.
func (f figure) ratio() float64 {
	switch {
	case f.Target == 0 || f.Value == 0:
		return 0
	case f.AtLeast:
		return f.Target / f.Value
	}
	return f.Value / f.Target
}

func (b *bench) add(figures ...figure) {
	for _, f := range figures {
		f.Database = b.database
		b.figures = append(b.figures, f)
	}
}

// missedSince reports whether one of the figures from index on was missed.
func (b *bench) missedSince(index int) bool {
	return slices.ContainsFunc(b.figures[index:], figure.missed)
}

// ms is a duration in milliseconds.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// perMessage is processor time per message in milliseconds.
func perMessage(cpu time.Duration, messages int) float64 {
	if messages == 0 {
		return 0
	}
	return ms(cpu) / float64(messages)
}

// percentile returns the value below which a share of the sorted values lies.
func percentile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	i := int(share*float64(len(sorted))+0.5) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

func printTable(w io.Writer, figures []figure) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\t\tmeasured\ttarget\tratio\t\t")
	for _, f := range figures {
		target, ratio, verdict := "", "", ""
		switch {
		case f.Zero:
			target = "0"
		case f.Target > 0 && f.AtLeast:
			target = fmt.Sprintf("≥ %.4g %s", f.Target, f.Unit)
		case f.Target > 0:
			target = fmt.Sprintf("≤ %.4g %s", f.Target, f.Unit)
		}
		if r := f.ratio(); r > 0 {
			ratio = fmt.Sprintf("%.2f", r)
		}
		if target != "" {
			verdict = "ok"
		}
		if f.missed() {
			verdict = "MISSED"
		}
		fmt.Fprintf(t, "%s\t%s\t%.4g %s\t%s\t%s\t%s\t%s\n", f.Database, f.Name, f.Value, f.Unit, target, ratio, verdict, f.Note)
	}
	t.Flush()
}
