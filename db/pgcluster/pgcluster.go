// Package pgcluster makes a PostgreSQL cluster of one's own, for tests and measurements. The product itself only
// ever connects to a server that is there.
package pgcluster

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// Cluster is a folder with the data of a server that is yet to be started.
type Cluster struct {
	Dir string // of data and socket
	Bin string // of PostgreSQL's programs
	// Credential is the user whom the folder belongs to, when we are root: PostgreSQL refuses to run as that.
	Credential *syscall.Credential
}

// New makes a cluster in a folder of its own below parent; empty means the system's folder for such things. The
// superuser is myelin, who needs no password. options are for initdb.
func New(parent, pattern string, options ...string) (*Cluster, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	c := &Cluster{Bin: bin}
	if os.Geteuid() == 0 {
		if c.Credential, err = unprivileged(); err != nil {
			return nil, err
		}
	}
	if c.Dir, err = os.MkdirTemp(parent, pattern); err != nil {
		return nil, err
	}
	if err := c.fill(options); err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.Dir))
	}
	return c, nil
}

func (c *Cluster) fill(options []string) error {
	if c.Credential != nil {
		if err := os.Chown(c.Dir, int(c.Credential.Uid), int(c.Credential.Gid)); err != nil {
			return err
		}
	}
	initdb := c.Command("initdb", append([]string{"-D", c.Dir, "-U", "myelin", "-A", "trust", "-E", "UTF8", "--locale=C"}, options...)...)
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// Command is one of PostgreSQL's programs, to be run as the cluster's owner.
func (c *Cluster) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.Bin, name), args...)
	cmd.Dir, cmd.SysProcAttr = c.Dir, &syscall.SysProcAttr{Credential: c.Credential}
	return cmd
}

// URL is the address of a database, over the socket in the cluster's folder.
func (c *Cluster) URL(database string) *url.URL {
	return &url.URL{Scheme: "postgres", User: url.User("myelin"), Path: "/" + database, RawQuery: url.Values{"host": {c.Dir}}.Encode()}
}

// programs is the folder of PostgreSQL's programs, the newest of those found.
func programs() (string, error) {
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
		return "", errors.New("PostgreSQL 15 or newer is needed (Debian: apt-get install postgresql)")
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	return filepath.Dir(path), nil
}

func unprivileged() (*syscall.Credential, error) {
	var all error
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			all = errors.Join(all, err)
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			all = errors.Join(all, err)
			continue
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("find an unprivileged user to run PostgreSQL: %w", all)
}
