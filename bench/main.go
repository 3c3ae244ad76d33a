// Command bench drives a built server from another process with the client-server API and prints what it
// measured beside what is to be reached. It starts the server itself, from the environment alone, on a fresh
// data directory, once on SQLite and once on a PostgreSQL cluster of its own, whose processor time counts.
//
// It is frugal, because it shares the processors with the server, and it is no test: figures depend on the
// machine. It does not look inside the server; with -profiles it fetches a profile when a figure was missed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	bin         string
	dbs         []string
	only        []string
	seconds     time.Duration
	fill        int
	waiting     int
	json        string
	connections int
	profiles    string
	dir         string
}

// measures are what can be asked for with -only, in the order in which they run.
var measures = []struct {
	name string
	run  func(*bench, context.Context) error
}{
	{"send", (*bench).measureSend},
	{"room", (*bench).measureOneRoom},
	{"deliver", (*bench).measureDeliver},
	{"initial", (*bench).measureInitial},
	{"slide", (*bench).measureSlide},
	{"idle", (*bench).measureIdle},
	{"stream", (*bench).measureStream},
	{"many", (*bench).measureMany},
	{"start", (*bench).measureStart},
}

func parseOptions(args []string) (*options, error) {
	o := &options{}
	var dbs, only string
	names := make([]string, len(measures))
	for i, m := range measures {
		names[i] = m.name
	}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.bin, "bin", "bin/myelin", "the server's `program`")
	f.StringVar(&dbs, "db", "sqlite,postgres", "databases to measure on")
	f.StringVar(&only, "only", strings.Join(names, ","), "what to measure")
	seconds := f.Float64("seconds", 10, "how long each load lasts")
	f.IntVar(&o.fill, "fill", 0, "`events` to store before start is measured (1000000 takes some minutes); 0: those that are there")
	f.IntVar(&o.waiting, "waiting", 5000, "idle `connections` to measure with")
	f.IntVar(&o.connections, "connections", 15_000, "`connections` of those who are told of a few messages a second")
	f.StringVar(&o.json, "json", "", "`file` for the figures as JSON")
	f.StringVar(&o.profiles, "profiles", "", "`folder` for a processor profile of each load whose figures were missed")
	f.StringVar(&o.dir, "dir", "", "`folder` for data; on the disk that is to be measured")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	o.seconds = time.Duration(*seconds * float64(time.Second))
	if o.seconds < time.Second {
		return nil, errors.New("-seconds: at least 1")
	}
	o.dbs, o.only = strings.Split(dbs, ","), strings.Split(only, ",")
	for _, d := range o.dbs {
		if d != "sqlite" && d != "postgres" {
			return nil, fmt.Errorf("-db: %q is not sqlite or postgres", d)
		}
	}
	for _, m := range o.only {
		if !slices.Contains(names, m) {
			return nil, fmt.Errorf("-only: %q is not one of %s", m, strings.Join(names, ", "))
		}
	}
	return o, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	var all []figure
	for _, name := range o.dbs {
		figures, err := runOn(ctx, o, name)
		all = append(all, figures...)
		if err != nil {
			printTable(os.Stdout, all)
			return fmt.Errorf("on %s: %w", name, err)
		}
	}
	printTable(os.Stdout, all)
	if o.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(map[string]any{
		"time": time.Now().UTC().Format(time.RFC3339), "cpus": runtime.NumCPU(), "seconds": o.seconds.Seconds(), "figures": all,
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, append(text, '\n'), 0o644)
}

// bench is a run on one database.
type bench struct {
	*options
	database string // sqlite or postgres
	server   *server
	pg       *postgres // nil on SQLite
	figures  []figure
	names    int // makes user names unique
	events   int // accepted so far
}

func runOn(ctx context.Context, o *options, database string) (figures []figure, err error) {
	dir, err := os.MkdirTemp(o.dir, "myelin-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{options: o, database: database}
	url := ""
	if database == "postgres" {
		if b.pg, err = startPostgres(ctx, o.dir); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, b.pg.stop()) }()
		url = b.pg.url
	}
	if b.server, err = newServer(o.bin, dir, url); err != nil {
		return nil, err
	}
	if _, err = b.server.start(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.server.stop()) }()
	for _, m := range measures {
		if !slices.Contains(o.only, m.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s: %s …\n", database, m.name)
		if err := m.run(b, ctx); err != nil {
			return b.figures, fmt.Errorf("measure %s: %w\n%s", m.name, err, b.server.lastLog())
		}
	}
	return b.figures, nil
}

// cpu is the processor time that server and database have used so far.
func (b *bench) cpu() time.Duration {
	pids := []int{b.server.pid()}
	if b.pg != nil {
		pids = append(pids, b.pg.pid())
	}
	return processorTime(pids...)
}
