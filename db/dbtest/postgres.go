package dbtest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"os/user"
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
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := c.admin.Ping()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// keeper runs PostgreSQL and, when this process has gone however it went, ends
// it and removes its files.
const keeper = `"$1"/postgres -D "$2" -k "$2" -h "" -c synchronous_commit=$3 -c fsync=$3 -c full_page_writes=$3 ` +
	`-c max_connections=200 -c shared_buffers=64MB -c log_min_messages=panic </dev/null & ` +
	`read -r gone; kill -QUIT $!; wait $!; rm -rf "$2"`

func (c *cluster) launch() error {
	bin, err := binaries()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "myelin-postgres-")
	if err != nil {
		return err
	}
	attr := &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 {
		uid, gid, err := unprivileged()
		if err != nil {
			return err
		}
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			return err
		}
		attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", dir, "-U", "myelin", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = dir, attr
	if out, err := initdb.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	durable := "off"
	if os.Getenv("MYELIN_TEST_POSTGRES_FSYNC") == "on" {
		durable = "on"
	}
	sh := exec.Command("/bin/sh", "-c", keeper, "sh", bin, dir, durable)
	sh.Dir, sh.SysProcAttr, sh.Stdin = "/", attr, read
	if err := sh.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	read.Close()
	c.keeper = sh.Process.Pid
	go sh.Wait()
	c.stdin = write
	c.base = &url.URL{Scheme: "postgres", User: url.User("myelin"), RawQuery: url.Values{"host": {dir}}.Encode()}
	return nil
}

// binaries is the folder of PostgreSQL's programs, the newest of those found.
func binaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	best, dir := 0, ""
	for _, f := range found {
		if v, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(f)))); err == nil && v > best {
			best, dir = v, filepath.Dir(f)
		}
	}
	if dir != "" {
		return dir, nil
	}
	if p, err := exec.LookPath("postgres"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			return filepath.Dir(p), nil
		}
	}
	return "", errors.New("PostgreSQL 15 or newer is needed for tests: install it (Debian: apt-get install postgresql) " +
		"or set MYELIN_TEST_POSTGRES to the address of a server on which databases may be created")
}

// unprivileged is the user that runs PostgreSQL when the tests run as root, which it refuses.
func unprivileged() (uid, gid uint32, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, lookErr := user.Lookup(name)
		if lookErr != nil {
			err = lookErr
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err = errors.Join(uidErr, gidErr); err == nil {
			return uint32(uid), uint32(gid), nil
		}
	}
	return 0, 0, fmt.Errorf("find an unprivileged user to run PostgreSQL: %w", err)
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
