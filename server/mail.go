package server

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/feed"
	"github.com/myelin-health/myelin/homeserver/mail"
	"github.com/myelin-health/myelin/homeserver/promise"
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

// buildPromises builds what invites by e-mail.
func (s *Server) buildPromises(context.Context) error {
	if s.mail != nil {
		s.promises = promise.New(promise.Options{
			DB: s.db, Accounts: s.accounts, Rooms: s.rooms, Mail: s.mail, Key: s.key, PublicURL: strings.TrimRight(s.config.PublicURL, "/"),
			Clock: s.clock, Log: s.log,
		})
	}
	return nil
}

// startMail begins to send what waits, and to keep what was promised.
func (s *Server) startMail(ctx context.Context) {
	if s.mail == nil {
		return
	}
	s.mail.Start(ctx)
	s.promises.Start(ctx)
	s.closers = append(s.closers, func() error { s.mail.Close(); return nil }, func() error { s.promises.Close(); return nil })
}

// addressAdded looks whether somebody was invited by an address.
func (s *Server) addressAdded() {
	if s.promises != nil {
		s.promises.Hurry()
	}
}

// addressRemoved ends the notifications by e-mail to an address.
func (s *Server) addressRemoved(ctx context.Context, user id.UserID, address mail.Address) error {
	return s.feed.DeletePusher(ctx, user, feed.MailApp, string(address))
}

// mailUnread writes letters about unread messages; nil where no mail is sent. The address may be the person's no more: gone is
// true then.
func (s *Server) mailUnread() func(context.Context, feed.Unread) (gone bool, err error) {
	if s.mail == nil {
		return nil
	}
	return func(ctx context.Context, u feed.Unread) (gone bool, err error) {
		address, err := mail.ParseAddress(u.Address)
		if err != nil {
			return true, nil
		}
		owner, err := s.accounts.AddressOwner(ctx, address)
		if fault.Is(err, fault.ThreepidNotFound) || err == nil && owner != u.User {
			return true, nil
		} else if err != nil {
			return false, err
		}
		return false, s.mail.Send(ctx, mail.Letter{To: address, User: u.User, Kind: mail.Unread, Lang: u.Lang, Count: u.Conversations}, "")
	}
}
