package audit

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/seal"
)

const keyAAD = "audit signing key"

// openKey reads the key that signs from audit.key: the private key on the first line, the public one on the second. The
// first process makes it; the database has a sealed copy for other processes with data directories of their own.
func (l *Log) openKey(ctx context.Context) error {
	path := filepath.Join(l.dir, "audit.key")
	public, sealed, err := l.storedKey(ctx)
	if err != nil {
		return err
	}
	generated := false
	content, err := seal.SecretFile(path, func() ([]byte, error) {
		if public != "" {
			return l.keys.Open(ctx, seal.Server, keyAAD, sealed)
		}
		generated = true
		private, public, err := note.GenerateKey(rand.Reader, l.origin)
		return []byte(private + "\n" + public + "\n"), err
	})
	if err != nil {
		return fmt.Errorf("read signing key: %w", err)
	}
	if public == "" {
		if public, err = l.storeKey(ctx, content); err != nil {
			return err
		}
		if generated && public != publicOf(content) { // another process was first: its key counts
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("adopt signing key: %w", err)
			}
			return l.openKey(ctx)
		}
	}
	return l.useKey(path, content, public)
}

// storedKey returns the key that is in the database; public is empty when there is none.
func (l *Log) storedKey(ctx context.Context) (public string, sealed []byte, err error) {
	err = l.db.QueryRow(ctx, `select public, sealed from audit_key where one = 1`).Scan(&public, &sealed)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", nil, fmt.Errorf("look up signing key: %w", err)
	}
	return public, sealed, nil
}

// storeKey puts the key into the database unless one is there, and returns the public key that is there then.
func (l *Log) storeKey(ctx context.Context, content []byte) (string, error) {
	sealed, err := l.keys.Seal(ctx, seal.Server, keyAAD, content)
	if err != nil {
		return "", fmt.Errorf("seal signing key: %w", err)
	}
	err = l.db.Write(ctx, "audit key", nil, func(tx *db.Tx) error {
		_, err := tx.Exec(`insert into audit_key (one, public, sealed) values (1, $1, $2) on conflict do nothing`, publicOf(content), sealed)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("store signing key: %w", err)
	}
	public, _, err := l.storedKey(ctx)
	return public, err
}

func publicOf(content []byte) string {
	_, public, _ := strings.Cut(strings.TrimSpace(string(content)), "\n")
	return public
}

func (l *Log) useKey(path string, content []byte, public string) error {
	private, _, _ := strings.Cut(string(content), "\n")
	var err1, err2 error
	l.signer, err1 = note.NewSigner(private)
	l.verifier, err2 = note.NewVerifier(publicOf(content))
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("%s holds no key: %w", path, err)
	}
	if l.signer.Name() != l.origin || l.signer.KeyHash() != l.verifier.KeyHash() {
		return fmt.Errorf("%s is the key of %s, not of %s", path, l.signer.Name(), l.origin)
	}
	if public != publicOf(content) {
		return fmt.Errorf("%s is not the key that signs this database's audit log", path)
	}
	l.public = public
	return nil
}

// PublicKey is what others need to verify the log's signatures, in the format of signed notes.
func (l *Log) PublicKey() string { return l.public }
