package server

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
// start.
func signingKey(dir, serverName string) (event.Key, error) {
	text, err := seal.SecretFile(filepath.Join(dir, "signing.key"), func() ([]byte, error) {
		key, err := event.NewKey(serverName, strings.ToLower(rand.Text()[:6]), rand.Reader)
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
