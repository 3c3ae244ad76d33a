package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// postgres is a private cluster with PostgreSQL's own defaults, durable as those are.
type postgres struct {
	cmd *exec.Cmd
	dir string
	url string
}

func startPostgres(ctx context.Context, parent string) (*postgres, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	p := &postgres{}
	if p.dir, err = os.MkdirTemp(parent, "myelin-bench-postgres-"); err != nil {
		return nil, err
	}
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Geteuid() == 0 {
		// PostgreSQL refuses to run as root.
		uid, gid, err := unprivileged()
		if err != nil {
			return nil, err
		}
		if err := os.Chown(p.dir, uid, gid); err != nil {
			return nil, err
		}
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir, cmd.SysProcAttr = p.dir, attr
		return cmd
	}
	if out, err := run("initdb", "-D", p.dir, "-U", "myelin", "-A", "trust", "-E", "UTF8", "--locale=C").CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out)), os.RemoveAll(p.dir))
	}
	p.cmd = run("postgres", "-D", p.dir, "-k", p.dir, "-h", "", "-c", "max_connections=200")
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	p.url = (&url.URL{Scheme: "postgres", User: url.User("myelin"), Path: "/myelin", RawQuery: url.Values{"host": {p.dir}}.Encode()}).String()
	for begun := time.Now(); time.Since(begun) < 30*time.Second; {
		out, err := run("createdb", "-h", p.dir, "-U", "myelin", "myelin").CombinedOutput()
		if err == nil {
			return p, nil
		}
		if !strings.Contains(string(out), "connection") && !strings.Contains(string(out), "starting up") {
			return nil, errors.Join(fmt.Errorf("createdb: %w: %s", err, bytes.TrimSpace(out)), p.stop())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), p.stop())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil, errors.Join(errors.New("PostgreSQL does not start"), p.stop())
}

func (p *postgres) pid() int { return p.cmd.Process.Pid }

// stop ends the cluster and removes it.
func (p *postgres) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	_ = p.cmd.Wait() // how it ended says nothing: its files go
	return os.RemoveAll(p.dir)
}

// postgresPrograms is the folder of the newest PostgreSQL's programs.
func postgresPrograms() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	best, dir := 0, ""
	for _, f := range found {
		if v, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(f)))); err == nil && v > best {
			best, dir = v, filepath.Dir(f)
		}
	}
	if dir != "" {
		return dir, nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New("PostgreSQL 15 or newer is needed (Debian: apt-get install postgresql), or leave it out with -db sqlite")
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	return filepath.Dir(path), nil
}

func unprivileged() (uid, gid int, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, lookErr := user.Lookup(name)
		if lookErr != nil {
			err = lookErr
			continue
		}
		uid, uidErr := strconv.Atoi(u.Uid)
		gid, gidErr := strconv.Atoi(u.Gid)
		if err = errors.Join(uidErr, gidErr); err == nil {
			return uid, gid, nil
		}
	}
	return 0, 0, fmt.Errorf("find a user to run PostgreSQL: %w", err)
}
