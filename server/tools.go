package server

import (
	"context"
	"errors"
	"io"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/config"
	"github.com/myelin-health/myelin/seal"
)

// Keys runs "myelin keys …" with the arguments behind "keys".
func Keys(ctx context.Context, c *config.Config, out io.Writer, args []string) error {
	if err := makeDataDir(c.DataDir); err != nil {
		return err
	}
	return seal.Command(ctx, seal.Options{Dir: c.DataDir, URL: c.Database, MasterKey: c.MasterKey, PreviousMasterKey: c.MasterKeyPrevious}, out, args)
}

// Audit runs "myelin audit …" with the arguments behind "audit".
func Audit(ctx context.Context, c *config.Config, out io.Writer, args []string) error {
	s := newServer(c, Options{})
	err := s.openStores(ctx)
	if err == nil {
		err = audit.Command(ctx, s.audit, out, args)
	}
	for i := len(s.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, s.closers[i]())
	}
	return err
}
