package server

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/seal"
)

// makeDataDir makes the data folder, readable by its owner only.
func makeDataDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data folder (configuration key data_dir): %w", err)
	}
	return nil
}

// signingKey is the server's identity towards other servers, made at the first
// start. It is derived from the server's data key, so that every process on one
// database has the same, and then kept in a file of its own.
func signingKey(ctx context.Context, dir, serverName string, keys *seal.Keys) (event.Key, error) {
	text, err := seal.SecretFile(filepath.Join(dir, "signing.key"), func() ([]byte, error) {
		seed, err := keys.MAC(ctx, seal.Server, "event signing key", []byte(serverName))
		if err != nil {
			return nil, err
		}
		name, err := keys.MAC(ctx, seal.Server, "event signing key id", []byte(serverName))
		if err != nil {
			return nil, err
		}
		key, err := event.NewKey(serverName, hex.EncodeToString(name[:3]), bytes.NewReader(seed))
		return key.Marshal(), err
	})
	if err != nil {
		return event.Key{}, fmt.Errorf("read signing.key: %w", err)
	}
	key, err := event.ParseKey(serverName, text)
	if err != nil {
		return event.Key{}, fmt.Errorf("read signing.key: %w", err)
	}
	return key, nil
}
