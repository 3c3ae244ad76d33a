package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
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
	host    string
	options []gomail.Option
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
	r := Relay{host, []gomail.Option{gomail.WithPort(port), gomail.WithTimeout(sendTime), gomail.WithTLSConfig(security), gomail.WithoutSMTPUTF8()}}
	switch o.Encryption {
	case StartTLS:
		r.options = append(r.options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case Implicit:
		r.options = append(r.options, gomail.WithSSL())
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

// deliver hands messages to the mail server by one connection. The result has an error, or nil, for each.
func (r Relay) deliver(ctx context.Context, messages []message) []error {
	results := make([]error, len(messages))
	client, err := gomail.NewClient(r.host, r.options...)
	if err == nil {
		err = client.DialWithContext(ctx)
	}
	if err != nil {
		err = fmt.Errorf("connect to the mail server: %w", err)
		for i := range results {
			results[i] = err
		}
		return results
	}
	defer func() { _ = client.Close() }()
	for i, m := range messages {
		if results[i] = ctx.Err(); results[i] != nil {
			continue
		}
		results[i] = deliverOne(client, m)
		if errors.Is(results[i], errBroken) {
			for j := i + 1; j < len(results); j++ {
				results[j] = errBroken
			}
			break
		}
	}
	return results
}

func deliverOne(client *gomail.Client, m message) error {
	out := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := errors.Join(out.FromFormat(m.fromName, m.from), out.To(m.to)); err != nil {
		return refusal{553} // not an address that mail can be sent to
	}
	out.Subject(m.subject)
	out.SetMessageIDWithValue(m.id)
	out.SetDateWithValue(m.date)
	out.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's holiday answers it
	out.SetBodyString(gomail.TypeTextPlain, m.text)
	out.AddAlternativeString(gomail.TypeTextHTML, m.html)
	if err := client.Send(out); err != nil {
		var s *gomail.SendError
		if errors.As(err, &s) && s.ErrorCode() > 0 {
			return refusal{s.ErrorCode()}
		}
		return errBroken
	}
	return nil
}
