package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	o, err := parseOptions([]string{"-db", "sqlite", "-only", "send,room", "-seconds", "2"})
	if err != nil || len(o.dbs) != 1 || len(o.only) != 2 || o.seconds != 2*time.Second {
		t.Errorf("%+v, %v", o, err)
	}
	for _, args := range [][]string{{"-db", "oracle"}, {"-only", "nothing"}, {"-seconds", "0"}, {"-x"}} {
		if _, err := parseOptions(args); err == nil {
			t.Errorf("%v was accepted", args)
		}
	}
}

// The client reads answers of both kinds, keeps its connection, and makes it anew when it was closed.
func TestConn(t *testing.T) {
	var connections atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		switch r.URL.Path {
		case "/chunked":
			for range 3 {
				fmt.Fprint(w, strings.Repeat("x", 5000))
				w.(http.Flusher).Flush()
			}
		case "/closing":
			w.Header().Set("Connection", "close")
		case "/missing":
			http.NotFound(w, r)
		default:
			fmt.Fprintf(w, `{"echo":"%s","auth":"%s"}`, body, r.Header.Get("Authorization"))
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c, err := dial(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for range 3 {
		status, body, err := c.do(request("POST", "/", "secret", []byte("hello")))
		if err != nil || status != 200 || field(body, "echo") != "hello" || field(body, "auth") != "Bearer secret" {
			t.Fatalf("%d %q %v", status, body, err)
		}
	}
	if status, body, err := c.do(request("GET", "/chunked", "", nil)); err != nil || status != 200 || len(body) != 15000 {
		t.Errorf("chunked: %d, %d bytes, %v", status, len(body), err)
	}
	if status, _, err := c.do(request("GET", "/missing", "", nil)); err != nil || status != 404 {
		t.Errorf("missing: %d, %v", status, err)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	for range 2 {
		if status, _, err := c.do(request("GET", "/closing", "", nil)); err != nil || status != 200 {
			t.Errorf("closing: %d, %v", status, err)
		}
	}
	if _, err := c.call("GET", "/missing", "", nil); err == nil {
		t.Error("a 404 is no error")
	}
	if got := field([]byte(`{"a":"b"}`), "c") + field([]byte(`{"a":"b`), "a"); got != "" {
		t.Errorf("found %q", got)
	}
}

func TestArrivals(t *testing.T) {
	now := time.Now()
	body := bytes.Join([][]byte{
		deliverable(nil, 3, 1, now.Add(-time.Millisecond)), deliverable(nil, 4, 1, now), deliverable(nil, 3, 2, now), []byte(mark),
	}, []byte("other text"))
	got := arrivals(body, 3, now, nil)
	if len(got) != 2 || got[0] != (arrival{1, time.Millisecond}) || got[1].number != 2 {
		t.Errorf("found %v", got)
	}
}

func TestFaults(t *testing.T) {
	follow := func(numbers ...int32) *recipient {
		r := &recipient{}
		for _, n := range numbers {
			r.got = append(r.got, arrival{number: n})
		}
		return r
	}
	d := &delivery{recipients: [][]*recipient{{follow(1, 3, 2), follow(1, 3, 2), follow(1, 2, 3), follow(1, 3, 3), follow(1, 3, 2, 9)}}, sent: make([]atomic.Int64, 1)}
	d.sent[0].Store(3)
	d.recipients[0][0].gaps = 1
	missing, doubled, disordered, gaps := d.faults()
	if missing != 1 || doubled != 1 || disordered != 2 || gaps != 1 {
		t.Errorf("%d missing, %d doubled, %d disordered, %d gaps", missing, doubled, disordered, gaps)
	}
}

func TestProcessorTime(t *testing.T) {
	parent, ticks, ok := parseStat("12 (a (b) c) S 7 12 12 0 -1 4194304 1 2 3 4 10 20 30 40 20 0")
	if !ok || parent != 7 || ticks != 100 {
		t.Errorf("parent %d, %d ticks, %v", parent, ticks, ok)
	}
	for _, bad := range []string{"", "1 (x) S", "1 (x) S a b c d e f g h i j k l m n o p"} {
		if _, _, ok := parseStat(bad); ok {
			t.Errorf("%q was read", bad)
		}
	}
	before := processorTime(os.Getpid())
	for begun := time.Now(); processorTime(os.Getpid()) == before; {
		if time.Since(begun) > 10*time.Second {
			t.Fatal("being busy costs nothing")
		}
	}
}

func TestReport(t *testing.T) {
	b := &bench{database: "sqlite"}
	b.add(figure{Name: "fast", Value: 1, Target: 2, Unit: "ms"}, figure{Name: "slow", Value: 4, Target: 2, Unit: "ms"},
		figure{Name: "many", Value: 10, Target: 5, AtLeast: true, Unit: "/s"}, figure{Name: "few", Value: 4, Target: 5, AtLeast: true, Unit: "/s"},
		figure{Name: "none", Zero: true}, figure{Name: "some", Value: 1, Zero: true}, figure{Name: "to know", Value: 1})
	var missed []string
	for _, f := range b.figures {
		if f.missed() {
			missed = append(missed, f.Name)
		}
	}
	if got := strings.Join(missed, " "); got != "slow few some" {
		t.Errorf("missed: %s", got)
	}
	if b.missedSince(6) || !b.missedSince(0) || b.figures[1].ratio() != 2 || b.figures[3].ratio() != 1.25 {
		t.Error("ratios are wrong")
	}
	var out strings.Builder
	printTable(&out, b.figures)
	if strings.Count(out.String(), "MISSED") != 3 || strings.Count(out.String(), " ok") != 3 {
		t.Errorf("table:\n%s", out.String())
	}
	sorted := []time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	if percentile(sorted, 0.5) != 5 || percentile(sorted, 0.99) != 10 || percentile(nil, 0.5) != 0 || perMessage(time.Second, 0) != 0 {
		t.Error("percentiles are wrong")
	}
}
