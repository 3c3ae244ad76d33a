package audit

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

const usage = `usage:
  myelin audit verify
  myelin audit search [-who USER] [-room ROOM] [-device DEVICE] [-act ACT,…] [-target TEXT] [-outcome done|refused|failed]
                      [-from TIME] [-to TIME] [-before NUMBER] [-limit NUMBER]
  myelin audit export [-from TIME] [-to TIME]
a TIME is 2006-01-02 or 2006-01-02T15:04:05Z`

var errUsage = errors.New(usage)

// Command runs "myelin audit …" with the arguments that follow "audit" and writes the answer to w. Verify returns a *Bad as
// its error when the log was altered.
func Command(ctx context.Context, l *Log, w io.Writer, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	switch args[0] {
	case "verify":
		if len(args) == 1 {
			return l.verifyCommand(ctx, w)
		}
	case "search":
		return l.searchCommand(ctx, w, args[1:])
	case "export":
		return l.exportCommand(ctx, w, args[1:])
	}
	return errUsage
}

func (l *Log) verifyCommand(ctx context.Context, w io.Writer) error {
	r, err := l.Verify(ctx)
	if err != nil {
		return err
	}
	if r.Bad != nil {
		fmt.Fprintf(w, "The audit log was altered. The first bad entry is %d: %s.\n", r.Bad.Entry, r.Bad.What)
		return r.Bad
	}
	fmt.Fprintf(w, "The audit log is complete and unaltered: %d entries, of which %d are signed by %d checkpoints.\n", r.Entries, r.Signed, r.Checkpoints)
	if r.Root != "" {
		fmt.Fprintf(w, "Root of the tree: %s\nSigned by: %s\n", r.Root, l.public)
	}
	return nil
}

// moment is a flag whose value is a time.
type moment struct{ *time.Time }

// String implements flag.Value.
func (m moment) String() string {
	if m.Time == nil || m.IsZero() {
		return ""
	}
	return m.Format(time.RFC3339)
}

// Set implements flag.Value.
func (m moment) Set(s string) error {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			*m.Time = t
			return nil
		}
	}
	return errors.New("want 2006-01-02 or 2006-01-02T15:04:05Z")
}

func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

func parse(flags *flag.FlagSet, args []string) error {
	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, usage)
	}
	return nil
}

func (l *Log) searchCommand(ctx context.Context, w io.Writer, args []string) error {
	var q Query
	flags := newFlags("search")
	flags.StringVar((*string)(&q.Who), "who", "", "")
	flags.StringVar((*string)(&q.Room), "room", "", "")
	flags.StringVar((*string)(&q.Device), "device", "", "")
	flags.StringVar((*string)(&q.Outcome), "outcome", "", "")
	flags.StringVar(&q.Target, "target", "", "")
	flags.Var(moment{&q.From}, "from", "")
	flags.Var(moment{&q.To}, "to", "")
	flags.Int64Var(&q.Before, "before", 0, "")
	limit := flags.Int("limit", 50, "")
	chosen := flags.String("act", "", "")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *chosen != "" {
		for _, a := range strings.Split(*chosen, ",") {
			act := Act(strings.TrimSpace(a))
			if !acts[act] {
				return fmt.Errorf("unknown act %q; there are: %s", act, joinActs())
			}
			q.Acts = append(q.Acts, act)
		}
	}
	for left := *limit; left > 0; {
		q.Limit = left
		page, err := l.Search(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Entries {
			fmt.Fprintln(w, page.Entries[i].describe())
		}
		left -= len(page.Entries)
		if page.Next == 0 {
			return nil
		}
		q.Before = page.Next
	}
	fmt.Fprintf(w, "There may be more: -before %d\n", q.Before)
	return nil
}

func joinActs() string {
	var names []string
	for _, a := range Acts {
		names = append(names, string(a))
	}
	return strings.Join(names, ", ")
}

func (l *Log) exportCommand(ctx context.Context, w io.Writer, args []string) error {
	var from, to time.Time
	flags := newFlags("export")
	flags.Var(moment{&from}, "from", "")
	flags.Var(moment{&to}, "to", "")
	if err := parse(flags, args); err != nil {
		return err
	}
	return l.Export(ctx, w, from, to)
}
