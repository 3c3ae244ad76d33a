package event

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"maunium.net/go/mautrix/id"
)

// Key is a server's signing key.
type Key struct {
	Server  string   // server name that signs
	ID      id.KeyID // "ed25519:…"
	Private ed25519.PrivateKey
}

var unpadded = base64.RawStdEncoding

// NewKey makes a signing key. The version is the part of the key id behind
// "ed25519:" and may contain letters, digits and underscores. Random is where the 32
// bytes of the seed are read from; crypto/rand.Reader outside of tests.
func NewKey(server, version string, random io.Reader) (Key, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return Key{}, fmt.Errorf("making a signing key: %w", err)
	}
	return keyFromSeed(server, version, seed)
}

func keyFromSeed(server, version string, seed []byte) (Key, error) {
	if len(seed) != ed25519.SeedSize {
		return Key{}, fmt.Errorf("signing key has %d bytes, not %d", len(seed), ed25519.SeedSize)
	}
	if version == "" || strings.ContainsFunc(version, notKeyVersion) {
		return Key{}, fmt.Errorf("signing key has the malformed version %q", version)
	}
	return Key{server, id.KeyID("ed25519:" + version), ed25519.NewKeyFromSeed(seed)}, nil
}

func notKeyVersion(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_')
}

// ParseKey reads the text that Marshal writes: "ed25519 version seed", the format
// other Matrix servers keep their signing keys in.
func ParseKey(server string, text []byte) (Key, error) {
	fields := strings.Fields(string(text))
	if len(fields) != 3 || fields[0] != "ed25519" {
		return Key{}, errors.New("signing key is not of the form \"ed25519 version seed\"")
	}
	seed, err := unpadded.DecodeString(strings.TrimRight(fields[2], "="))
	if err != nil {
		return Key{}, errors.New("signing key's seed is not base64")
	}
	return keyFromSeed(server, fields[1], seed)
}

// Marshal returns the private key as one line of text. Keep it secret.
func (k Key) Marshal() []byte {
	_, version, _ := strings.Cut(string(k.ID), ":")
	return []byte("ed25519 " + version + " " + unpadded.EncodeToString(k.Private.Seed()) + "\n")
}

// Public returns the verifying half in unpadded base64, as servers publish it.
func (k Key) Public() id.SigningKey {
	return id.SigningKey(unpadded.EncodeToString(k.Private.Public().(ed25519.PublicKey)))
}

// SignJSON signs a JSON object that is not an event (server keys, third-party
// invites, requests): the signature covers its canonical form without "signatures" and
// "unsigned". It returns the unpadded base64 signature to be put into the object.
func (k Key) SignJSON(object []byte) (string, error) {
	text, err := signedText(object)
	if err != nil {
		return "", fmt.Errorf("signing JSON: %w", err)
	}
	return unpadded.EncodeToString(ed25519.Sign(k.Private, text)), nil
}

// VerifyJSON checks one signature (unpadded base64) over a JSON object that is not
// an event, see SignJSON.
func VerifyJSON(object []byte, public id.SigningKey, signature string) error {
	text, err := signedText(object)
	if err != nil {
		return fmt.Errorf("verifying JSON: %w", err)
	}
	if !verify(public, text, signature) {
		return ErrSignature
	}
	return nil
}

func signedText(object []byte) ([]byte, error) {
	text, err := Canonical(object, false)
	if err != nil {
		return nil, err
	}
	members, err := splitObject(text)
	if err != nil {
		return nil, err
	}
	return joinObject(make([]byte, 0, len(text)), members, "signatures", "unsigned"), nil
}

// verify reports whether signature is public's over text. Both are base64, padded
// or not.
func verify(public id.SigningKey, text []byte, signature string) bool {
	key, err := unpadded.DecodeString(strings.TrimRight(string(public), "="))
	if err != nil || len(key) != ed25519.PublicKeySize {
		return false
	}
	sig, err := unpadded.DecodeString(strings.TrimRight(signature, "="))
	return err == nil && ed25519.Verify(key, text, sig)
}
