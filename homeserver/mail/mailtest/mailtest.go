// Package mailtest is a mail server for tests: it speaks SMTP on loopback, takes every letter or refuses it as it is told
// to, and hands out what it took.
package mailtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// User and Password are what servers that want a sign-in want.
const User, Password = "chat", "correct horse"

// Options says what the server is like.
type Options struct {
	TLS      bool // STARTTLS is offered
	Implicit bool // TLS from the beginning
	SignIn   bool // wanted before a letter
}

// Server is a running mail server.
type Server struct {
	Address string // host:port
	CA      string // PEM file, with TLS

	t       *testing.T
	signIn  bool
	letters chan Letter

	mu     sync.Mutex
	refuse func(to string) error
}

// Letter is a mail that was taken.
type Letter struct {
	From, To   string // of the envelope
	Header     mail.Header
	Subject    string // decoded
	Text, HTML string
	Encrypted  bool
}

// New starts a server that ends with the test.
func New(t *testing.T, o Options) *Server {
	t.Helper()
	s := &Server{t: t, signIn: o.SignIn, letters: make(chan Letter, 100)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Address = l.Addr().String()
	srv := smtp.NewServer(s)
	srv.Domain, srv.AllowInsecureAuth = "mail.test", true
	srv.ReadTimeout, srv.WriteTimeout, srv.MaxRecipients = time.Minute, time.Minute, 1
	srv.ErrorLog = discard{}
	if o.TLS || o.Implicit {
		cert := s.certificate()
		conf := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
		if o.Implicit {
			l = tls.NewListener(l, conf)
		} else {
			srv.TLSConfig = conf
		}
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return s
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

// certificate makes one for loopback and writes it into a file.
func (s *Server) certificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.CA = filepath.Join(s.t.TempDir(), "ca.pem")
	if err := os.WriteFile(s.CA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Refuse makes the server answer what f returns to a recipient; 0 takes the letter.
func (s *Server) Refuse(f func(to string) (code int)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = func(to string) error {
		if code := f(to); code != 0 {
			return &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: "not now, " + to}
		}
		return nil
	}
}

// Next is the next letter that was taken.
func (s *Server) Next() Letter {
	s.t.Helper()
	select {
	case l := <-s.letters:
		return l
	case <-time.After(30 * time.Second):
		s.t.Fatal("no letter came")
	}
	return Letter{}
}

// None reports whether no letter is there that was not handed out.
func (s *Server) None() bool { return len(s.letters) == 0 }

var tokens = regexp.MustCompile(`[?&]token=([\w-]+)`)

// Token is the token in the link of a letter.
func (l Letter) Token() string {
	if m := tokens.FindStringSubmatch(l.Text); m != nil {
		return m[1]
	}
	return ""
}

// NewSession implements smtp.Backend.
func (s *Server) NewSession(c *smtp.Conn) (smtp.Session, error) {
	_, encrypted := c.TLSConnectionState()
	return &session{s: s, encrypted: encrypted}, nil
}

type session struct {
	s         *Server
	encrypted bool
	known     bool
	from, to  string
}

// AuthMechanisms implements smtp.AuthSession.
func (c *session) AuthMechanisms() []string {
	if !c.s.signIn {
		return nil
	}
	return []string{sasl.Plain}
}

// Auth implements smtp.AuthSession.
func (c *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != User || password != Password {
			return smtp.ErrAuthFailed
		}
		c.known = true
		return nil
	}), nil
}

// Mail implements smtp.Session.
func (c *session) Mail(from string, _ *smtp.MailOptions) error {
	if c.s.signIn && !c.known {
		return smtp.ErrAuthRequired
	}
	c.from = from
	return nil
}

// Rcpt implements smtp.Session.
func (c *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.s.mu.Lock()
	refuse := c.s.refuse
	c.s.mu.Unlock()
	if refuse != nil {
		if err := refuse(to); err != nil {
			return err
		}
	}
	c.to = to
	return nil
}

// Data implements smtp.Session.
func (c *session) Data(r io.Reader) error {
	l, err := read(r)
	if err != nil {
		c.s.t.Errorf("a letter cannot be read: %v", err)
		return err
	}
	l.From, l.To, l.Encrypted = c.from, c.to, c.encrypted
	c.s.letters <- l
	return nil
}

// Reset implements smtp.Session.
func (c *session) Reset() { c.from, c.to = "", "" }

// Logout implements smtp.Session.
func (c *session) Logout() error { return nil }

func read(r io.Reader) (l Letter, err error) {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return l, err
	}
	l.Header = m.Header
	if l.Subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return l, err
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		return l, errors.Join(err, errors.New("not a letter of two parts: "+kind))
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for _, into := range []*string{&l.Text, &l.HTML} {
		p, err := parts.NextRawPart()
		if err != nil {
			return l, err
		}
		var body io.Reader = p
		if p.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
			body = quotedprintable.NewReader(p)
		}
		b, err := io.ReadAll(body)
		if err != nil {
			return l, err
		}
		*into = strings.ReplaceAll(string(b), "\r\n", "\n")
	}
	return l, nil
}
