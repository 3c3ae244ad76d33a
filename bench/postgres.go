package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/myelin-health/myelin/db/pgcluster"
)

// postgres is a private cluster with PostgreSQL's own defaults, durable as those are.
type postgres struct {
	cmd *exec.Cmd
	dir string
	url string
}

func startPostgres(ctx context.Context, parent string) (*postgres, error) {
	own, err := pgcluster.New(parent, "myelin-bench-postgres-")
	if err != nil {
		return nil, fmt.Errorf("%w, or leave it out with -db sqlite", err)
	}
	p := &postgres{dir: own.Dir, url: own.URL("myelin").String()}
	p.cmd = own.Command("postgres", "-D", p.dir, "-k", p.dir, "-h", "", "-c", "max_connections=200")
	p.cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	for begun := time.Now(); time.Since(begun) < 30*time.Second; {
		out, err := own.Command("createdb", "-h", p.dir, "-U", "myelin", "myelin").CombinedOutput()
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
