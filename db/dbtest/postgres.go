package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/pgcluster"
)

// cluster is the PostgreSQL of this test process.
type cluster struct {
	base     *url.URL
	admin    *sql.DB
	template string
	keeper   int      // process id
	stdin    *os.File // open as long as this process lives: the cluster ends with it
}

var (
	start    sync.Once
	running  *cluster
	startErr error
	count    atomic.Int64
)

// PostgresURL makes a new, empty database with the product's schema and returns
// its address. It is dropped when the test ends.
func PostgresURL(t testing.TB) string {
	t.Helper()
	start.Do(func() { running, startErr = startCluster() })
	if startErr != nil {
		t.Fatal(startErr)
	}
	return running.database(t, running.template)
}

// EmptyPostgresURL is PostgresURL without the schema.
func EmptyPostgresURL(t testing.TB) string {
	t.Helper()
	start.Do(func() { running, startErr = startCluster() })
	if startErr != nil {
		t.Fatal(startErr)
	}
	return running.database(t, "template0")
}

func (c *cluster) database(t testing.TB, template string) string {
	t.Helper()
	name := fmt.Sprintf("myelin_test_%d_%d", os.Getpid(), count.Add(1))
	if _, err := c.admin.Exec("create database " + name + " template " + template); err != nil {
		t.Fatalf("create test database: %v", err)
	}
	t.Cleanup(func() {
		if _, err := c.admin.Exec("drop database if exists " + name + " with (force)"); err != nil {
			t.Errorf("drop test database: %v", err)
		}
	})
	return c.url(name)
}

func (c *cluster) url(database string) string {
	u := *c.base
	u.Path = "/" + database
	return u.String()
}

func startCluster() (*cluster, error) {
	c := &cluster{template: fmt.Sprintf("myelin_template_%d", os.Getpid())}
	if given := os.Getenv("MYELIN_TEST_POSTGRES"); given != "" {
		u, err := url.Parse(given)
		if err != nil {
			return nil, fmt.Errorf("MYELIN_TEST_POSTGRES: %w", err)
		}
		c.base = u
	} else if err := c.launch(); err != nil {
		return nil, err
	}
	admin := *c.base
	if admin.Path == "" || admin.Path == "/" {
		admin.Path = "/postgres"
	}
	var err error
	if c.admin, err = sql.Open("pgx", admin.String()); err != nil {
		return nil, err
	}
	if err := c.await(); err != nil {
		return nil, err
	}
	if _, err := c.admin.Exec("create database " + c.template + " template template0 encoding 'UTF8'"); err != nil {
		return nil, fmt.Errorf("create template database: %w", err)
	}
	d, err := db.Open(context.Background(), db.Options{URL: c.url(c.template), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("make the schema: %w", err)
	}
	return c, d.Close()
}

func (c *cluster) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		err := c.admin.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return err
		}
	}
}

// keeper runs PostgreSQL and, when this process has gone however it went, ends
// it and removes its files.
const keeper = `"$1"/postgres -D "$2" -k "$2" -h "" -c synchronous_commit=$3 -c fsync=$3 -c full_page_writes=$3 ` +
	`-c max_connections=200 -c shared_buffers=64MB -c log_min_messages=panic </dev/null & ` +
	`read -r gone; kill -QUIT $!; wait $!; rm -rf "$2"`

func (c *cluster) launch() error {
	own, err := pgcluster.New("", "myelin-postgres-", "--no-sync")
	if err != nil {
		return fmt.Errorf("%w; or set MYELIN_TEST_POSTGRES to the address of a server on which databases may be created", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	durable := "off"
	if os.Getenv("MYELIN_TEST_POSTGRES_FSYNC") == "on" {
		durable = "on"
	}
	sh := exec.Command("/bin/sh", "-c", keeper, "sh", own.Bin, own.Dir, durable)
	sh.Dir, sh.Stdin = "/", read
	sh.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: own.Credential}
	if err := sh.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	read.Close()
	c.keeper = sh.Process.Pid
	go sh.Wait()
	c.stdin = write
	c.base = own.URL("")
	return nil
}

// PostgresCPU is the processor time that the throw-away cluster has used so far,
// 0 when the cluster is not ours.
func PostgresCPU() time.Duration {
	if running == nil || running.keeper == 0 {
		return 0
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	parent, ticks := map[int]int{}, map[int]int64{}
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		_, rest, ok := strings.Cut(string(b), ") ")
		f := strings.Fields(rest)
		if !ok || len(f) < 15 {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		parent[pid], _ = strconv.Atoi(f[1])
		for _, field := range f[11:15] { // own and waited-for children's user and system time
			n, _ := strconv.ParseInt(field, 10, 64)
			ticks[pid] += n
		}
	}
	var sum int64
	for pid, n := range ticks {
		for up := pid; up > 1; up = parent[up] {
			if up == running.keeper {
				sum += n
				break
			}
		}
	}
	return time.Duration(sum) * time.Second / 100
}
