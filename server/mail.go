package server

import (
	"context"
	"fmt"
	"net/url"

	"github.com/myelin-health/myelin/homeserver/mail"
)

// buildMail builds the way to send e-mail, where there is one.
func (s *Server) buildMail(context.Context) error {
	c := s.config
	if c.SMTP == "" {
		return nil
	}
	public, err := url.Parse(c.PublicURL)
	if err != nil {
		return fmt.Errorf("configuration key public_url: %w", err)
	}
	relay, err := mail.NewRelay(mail.RelayOptions{
		Address: c.SMTP, Encryption: mail.Encryption(c.SMTPTLS), CA: c.SMTPCA, User: c.SMTPUser, Password: c.SMTPPassword,
		PasswordFile: c.SMTPPasswordFile, Hello: public.Hostname(),
	})
	if err != nil {
		return fmt.Errorf("configuration keys smtp…: %w", err)
	}
	s.mail = mail.New(mail.Options{
		DB: s.db, Seal: s.keys, Audit: s.audit, Relay: relay, From: c.SMTPFrom, ServerName: c.ServerName, PublicURL: c.PublicURL,
		RateLimits: c.RateLimits == "on", Clock: s.clock, Log: s.log, Registerer: s.registry,
	})
	return nil
}

// startMail begins to send what waits.
func (s *Server) startMail(ctx context.Context) {
	if s.mail == nil {
		return
	}
	s.mail.Start(ctx)
	s.closers = append(s.closers, func() error { s.mail.Close(); return nil })
}
