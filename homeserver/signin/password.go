package signin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost is the cost of argon2id: memory in KiB, passes, threads.
type Cost struct {
	Memory  uint32
	Passes  uint32
	Threads uint8
}

// The costs to choose from.
var (
	// Strong is OWASP's first choice: 19 MiB, two passes; about 40 ms.
	Strong = Cost{19 << 10, 2, 1}
	// Fast hides nothing. It is for tests.
	Fast = Cost{8, 1, 1}
)

const (
	maxPassword = 1024 // bytes
	saltSize    = 16
	hashSize    = 32
)

// Bounds of what a stored hash may ask for.
const (
	maxMemory  = 1 << 20 // KiB
	maxPasses  = 64
	maxThreads = 64
)

var errPHC = errors.New("not an argon2id hash in PHC form")

// hasher hashes passwords, as many at a time as there are processors.
type hasher struct {
	cost  Cost
	slots chan struct{}
	dummy string // a hash of nothing, for accounts that do not exist
}

func newHasher(c Cost) *hasher {
	h := &hasher{cost: c, slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)))}
	h.dummy = phc(c, make([]byte, saltSize), make([]byte, hashSize))
	return h
}

func (h *hasher) enter(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait to hash a password: %w", ctx.Err())
	}
}

// hash returns the PHC form of a new hash of password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer func() { <-h.slots }()
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	return phc(h.cost, salt, argon2.IDKey([]byte(password), salt, h.cost.Passes, h.cost.Memory, h.cost.Threads, hashSize)), nil
}

// verify reports whether password fits stored; an empty stored fits nothing and takes as long.
func (h *hasher) verify(ctx context.Context, password, stored string) (bool, error) {
	none := stored == ""
	if none {
		stored = h.dummy
	}
	c, salt, want, err := parsePHC(stored)
	if err != nil {
		return false, fmt.Errorf("read password hash: %w", err)
	}
	if len(password) > maxPassword {
		password, none = "", true
	}
	if err := h.enter(ctx); err != nil {
		return false, err
	}
	defer func() { <-h.slots }()
	got := argon2.IDKey([]byte(password), salt, c.Passes, c.Memory, c.Threads, uint32(len(want))) //nolint:gosec // bounded by parsePHC
	return subtle.ConstantTimeCompare(got, want) == 1 && !none, nil
}

// phc is $argon2id$v=19$m=…,t=…,p=…$salt$hash.
func phc(c Cost, salt, hash []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.Memory, c.Passes, c.Threads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(hash))
}

// parsePHC reads what phc writes, and bounds what it asks for.
func parsePHC(s string) (c Cost, salt, hash []byte, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return c, nil, nil, errPHC
	}
	var got [3]uint64
	params := strings.Split(parts[3], ",")
	if len(params) != 3 {
		return c, nil, nil, errPHC
	}
	for i, name := range []string{"m=", "t=", "p="} {
		text, ok := strings.CutPrefix(params[i], name)
		if got[i], err = strconv.ParseUint(text, 10, 32); !ok || err != nil {
			return c, nil, nil, errPHC
		}
	}
	if got[0] < 8 || got[0] > maxMemory || got[1] < 1 || got[1] > maxPasses || got[2] < 1 || got[2] > maxThreads {
		return c, nil, nil, errPHC
	}
	c = Cost{uint32(got[0]), uint32(got[1]), uint8(got[2])} //nolint:gosec // bounded above
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	hash, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(salt) > 64 || len(hash) < 16 || len(hash) > 64 {
		return c, nil, nil, errPHC
	}
	return c, salt, hash, nil
}
