package seal

import (
	"bufio"
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// masters holds the master keys at hand: one, or during a rotation two. Which one wraps new data keys is not for a process
// to say but written in the store, so that all processes agree.
type masters struct {
	path string // of the key file; empty when the keys are from the environment

	mu   sync.Mutex
	list []*master // the one to rotate to comes first
}

// master is a key that wraps data keys.
type master struct {
	id     string // names it in the store, says nothing about it
	secret []byte
	aead   cipher.AEAD
}

func newMaster(secret []byte) (*master, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	sum := sha256.Sum256(append([]byte("myelin master key id\n"), secret...))
	return &master{id: hex.EncodeToString(sum[:8]), secret: secret, aead: aead}, nil
}

func (m *master) context(scope Scope, generation uint32) []byte {
	return fmt.Appendf(prefix(scope), " data key %d under %s", generation, m.id)
}

func (m *master) wrap(scope Scope, generation uint32, secret []byte) []byte {
	return m.aead.Seal(nil, nil, secret, m.context(scope, generation))
}

func (m *master) unwrap(w wrapped) ([]byte, error) {
	secret, err := m.aead.Open(nil, nil, w.secret, m.context(w.scope, w.generation))
	if err != nil || len(secret) != secretSize {
		return nil, fmt.Errorf("unwrap data key: %w", ErrCorrupt)
	}
	return secret, nil
}

func (k *Keys) unwrap(ctx context.Context, w wrapped) (*dataKey, error) {
	m, err := k.masters.find(w.master)
	if err != nil {
		return nil, err
	}
	secret, err := m.unwrap(w)
	if err != nil {
		return nil, err
	}
	return derive(w.generation, secret)
}

const currentMaster = "master" // the setting that names the master key which wraps new data keys

// openMasters reads the master keys, and at the first start of a store makes one and writes down which it is.
func openMasters(ctx context.Context, s *store, o Options) (*masters, error) {
	named, err := s.setting(ctx, currentMaster)
	if err != nil {
		return nil, err
	}
	m := &masters{}
	if o.MasterKey != "" {
		for _, text := range []string{o.MasterKey, o.PreviousMasterKey} {
			if text == "" {
				continue
			}
			key, err := parseMaster(text)
			if err != nil {
				return nil, err
			}
			m.list = append(m.list, key)
		}
	} else {
		m.path = filepath.Join(o.Dir, "master.key")
		if err := m.load(named == ""); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err = s.change(ctx, func(tx *tx) error {
		if err := tx.exec(`insert into setting (name, value) values ($1, $2) on conflict do nothing`, currentMaster, m.list[0].id); err != nil {
			return err
		}
		_, err := m.current(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("check the master key: %w", err)
	}
	return m, nil
}

func parseMaster(text string) (*master, error) {
	secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(secret) != secretSize {
		return nil, fmt.Errorf("a master key is %d bytes in base64: %w", secretSize, ErrMasterKey)
	}
	return newMaster(secret)
}

func generateMaster() *master {
	secret := make([]byte, secretSize)
	rand.Read(secret)
	m, err := newMaster(secret)
	if err != nil {
		panic(err) // the length is right
	}
	return m
}

// load reads the key file: one key in base64 on each line. It makes the file if create is set.
func (m *masters) load(create bool) error {
	var content []byte
	var err error
	if create {
		content, err = SecretFile(m.path, func() ([]byte, error) { return formatMasters(generateMaster()), nil })
	} else {
		content, err = readSecret(m.path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing; without it nothing that was stored can be read: %w", m.path, ErrMasterKey)
	}
	if err != nil {
		return err
	}
	var list []*master
	for lines := bufio.NewScanner(bytes.NewReader(content)); lines.Scan(); {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		key, err := parseMaster(lines.Text())
		if err != nil {
			return fmt.Errorf("read %s: %w", m.path, err)
		}
		list = append(list, key)
	}
	if len(list) == 0 {
		return fmt.Errorf("read %s: it is empty: %w", m.path, ErrMasterKey)
	}
	m.mu.Lock()
	m.list = list
	m.mu.Unlock()
	return nil
}

func formatMasters(list ...*master) []byte {
	var b []byte
	for _, m := range list {
		b = base64.StdEncoding.AppendEncode(b, m.secret)
		b = append(b, '\n')
	}
	return b
}

// keep makes list the master keys of the key file.
func (m *masters) keep(list ...*master) error {
	if err := WriteSecretFile(m.path, formatMasters(list...)); err != nil {
		return err
	}
	m.mu.Lock()
	m.list = list
	m.mu.Unlock()
	return nil
}

func (m *masters) all() []*master {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.list
}

// find returns the master key with this id. When it has none it looks into the file again, for another process may have
// rotated.
func (m *masters) find(id string) (*master, error) {
	for attempt := 0; attempt < 2; attempt++ {
		for _, key := range m.all() {
			if key.id == id {
				return key, nil
			}
		}
		if m.path == "" {
			break
		}
		if err := m.load(false); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("data keys are wrapped by master key %s, which is not among those configured: %w", id, ErrMasterKey)
}

// current is the master key that wraps new data keys.
func (m *masters) current(tx *tx) (*master, error) {
	var id string
	if err := tx.row(`select value from setting where name = $1`, currentMaster).Scan(&id); err != nil {
		return nil, fmt.Errorf("look up which master key is in use: %w", err)
	}
	return m.find(id)
}

func (s *store) setting(ctx context.Context, name string) (string, error) {
	var value string
	err := s.read.QueryRowContext(ctx, s.text(`select value from setting where name = $1`), name).Scan(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("look up setting of the key store: %w", err)
	}
	return value, nil
}

// lockFolder keeps other processes from rotating the keys of the same data directory until the result is called.
func lockFolder(path string) (func(), error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("lock folder: %w", err)
	}
	if err := tryLock(f); err != nil {
		f.Close()
		return nil, errors.New("another process is rotating the master key")
	}
	return func() { f.Close() }, nil
}
