package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// Encryption says how the connection to a mail server is encrypted.
type Encryption string

// The ways of encryption.
const (
	StartTLS Encryption = "starttls"
	Implicit Encryption = "implicit"
	None     Encryption = "none"
)

// sendTime bounds a connection and each step of sending.
const sendTime = 30 * time.Second

// grace is how long the end waits for a letter on its way.
const grace = 3 * time.Second

// RelayOptions says which mail server takes letters. Address and Encryption are needed.
type RelayOptions struct {
	Address      string // host:port
	Encryption   Encryption
	CA           string // PEM file; empty: those of the system
	User         string // empty: without signing in
	Password     string
	PasswordFile string // instead of Password
	Hello        string // how this server calls itself; empty: by the machine's name
}

// Relay is the operator's mail server, which takes letters further.
type Relay struct {
	host     string
	options  []gomail.Option
	implicit *tls.Config // nil: not encrypted from the start
}

// NewRelay checks what can be checked without calling the mail server.
func NewRelay(o RelayOptions) (Relay, error) {
	host, portText, err := net.SplitHostPort(o.Address)
	if err != nil {
		return Relay{}, fmt.Errorf("address of the mail server: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return Relay{}, fmt.Errorf("address of the mail server: %w", err)
	}
	security := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return Relay{}, fmt.Errorf("read the mail server's certificates: %w", err)
		}
		security.RootCAs = x509.NewCertPool()
		if !security.RootCAs.AppendCertsFromPEM(pem) {
			return Relay{}, fmt.Errorf("%s holds no certificate", o.CA)
		}
	}
	r := Relay{host: host, options: []gomail.Option{gomail.WithPort(port), gomail.WithTimeout(sendTime), gomail.WithTLSConfig(security), gomail.WithoutSMTPUTF8()}}
	switch o.Encryption {
	case StartTLS:
		r.options = append(r.options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case Implicit:
		r.implicit = security
		r.options = append(r.options, gomail.WithTLSPolicy(gomail.TLSOpportunistic)) // none is offered on an encrypted connection; NoTLS would not see that it is one
	default:
		r.options = append(r.options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if o.Hello != "" {
		r.options = append(r.options, gomail.WithHELO(o.Hello))
	}
	if o.User != "" {
		if o.PasswordFile != "" {
			b, err := os.ReadFile(o.PasswordFile)
			if err != nil {
				return Relay{}, fmt.Errorf("read the password for the mail server: %w", err)
			}
			o.Password = strings.TrimRight(string(b), "\r\n")
		}
		r.options = append(r.options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(o.User), gomail.WithPassword(o.Password))
	}
	_, err = gomail.NewClient(host, r.options...)
	return r, err
}

// refusal is an answer of the mail server that is no yes. Its text is left out: it may repeat an address.
type refusal struct{ code int }

func (r refusal) Error() string { return fmt.Sprintf("the mail server answered %d", r.code) }

var errBroken = errors.New("the connection to the mail server broke")

// final reports whether trying again is of no use.
func final(err error) bool {
	var r refusal
	return errors.As(err, &r) && r.code >= 500
}

// courier hands letters to the mail server over one connection, and makes another when that broke. It ends with ctx.
type courier struct {
	ctx    context.Context
	relay  Relay
	client *gomail.Client // nil: not connected
	conn   net.Conn
	closed error       // why no connection can be made
	busy   atomic.Bool // a letter is on its way
}

func (r Relay) courier(ctx context.Context) *courier { return &courier{ctx: ctx, relay: r} }

// deliver hands over a letter. Once the mail server cannot be reached, it is not called again.
func (c *courier) deliver(m message) error {
	if err := c.connect(); err != nil {
		return err
	}
	c.busy.Store(true)
	whole, err := deliverOne(c.client, m)
	c.busy.Store(false)
	if !whole {
		c.close()
	}
	return err
}

func (c *courier) connect() error {
	if c.client != nil || c.closed != nil {
		return c.closed
	}
	client, err := gomail.NewClient(c.relay.host, append(slices.Clip(c.relay.options), gomail.WithDialContextFunc(c.dial))...)
	if err == nil {
		err = client.DialWithContext(c.ctx)
	}
	if err != nil {
		c.close()
		c.closed = fmt.Errorf("connect to the mail server: %w", err)
		return c.closed
	}
	c.client = client
	return nil
}

// dial opens a connection that ends with the courier's context, whatever waits on it. A letter on its way has a little time,
// so that it is not sent again because its answer was not heard.
func (c *courier) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.conn = &watched{conn, context.AfterFunc(c.ctx, func() {
		if c.busy.Load() {
			time.AfterFunc(grace, func() { _ = conn.Close() })
			return
		}
		_ = conn.Close()
	})}
	if c.relay.implicit == nil {
		return c.conn, nil
	}
	secure := tls.Client(c.conn, c.relay.implicit)
	return secure, secure.HandshakeContext(ctx)
}

// watched is a connection that something else closes too.
type watched struct {
	net.Conn
	unwatch func() bool
}

func (w *watched) Close() error {
	w.unwatch()
	return w.Conn.Close()
}

// close takes leave of the mail server, as far as there is a connection.
func (c *courier) close() {
	if c.client != nil {
		_ = c.client.Close()
	}
	if c.conn != nil {
		_ = c.conn.Close()
	}
	c.client, c.conn = nil, nil
}

// deliverOne hands over a letter; whole is whether the connection is good for another.
func deliverOne(client *gomail.Client, m message) (whole bool, err error) {
	out := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := errors.Join(out.FromFormat(m.fromName, m.from), out.To(m.to)); err != nil {
		return true, refusal{553} // not an address that mail can be sent to
	}
	out.Subject(m.subject)
	out.SetMessageIDWithValue(m.id)
	out.SetDateWithValue(m.date)
	out.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's holiday answers it
	out.SetBodyString(gomail.TypeTextPlain, m.text)
	out.AddAlternativeString(gomail.TypeTextHTML, m.html)
	err = client.Send(out)
	var s *gomail.SendError
	switch {
	case err == nil:
		return true, nil
	case out.IsDelivered(): // what failed came after
		return false, nil
	case errors.As(err, &s) && s.ErrorCode() > 0:
		return s.ErrorCode() != 421, refusal{s.ErrorCode()} // 421: it hangs up
	}
	return false, errBroken
}
