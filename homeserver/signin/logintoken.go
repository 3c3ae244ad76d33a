package signin

import (
	"context"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
)

// loginTokenLasts is how long a token waits for the device that it signs in.
const loginTokenLasts = 2 * time.Minute

// LoginToken makes a token that signs another device of the caller in, once (POST /login/get_token).
func (s *Signin) LoginToken(ctx context.Context, who access.Who) (token string, lasts time.Duration, err error) {
	token, err = s.accounts.NewGrant(ctx, who.User, who.Device, account.GrantLogin, loginTokenLasts)
	return token, loginTokenLasts, err
}

// byToken is who a token of LoginToken signs in.
func (s *Signin) byToken(ctx context.Context, l Login, c Client) (id.UserID, error) {
	if l.Token == "" {
		return "", fault.New(fault.MissingParam, "The token is missing.")
	}
	user, err := s.accounts.SpendGrant(ctx, account.GrantLogin, l.Token)
	if fault.Is(err, fault.UnknownToken) {
		s.attempts.WithLabelValues("token", "refused").Inc()
		s.o.Audit.Refused(audit.Entry{Act: audit.SignInFailed, Outcome: audit.Refused,
			Detail: map[string]any{"way": "token", "address": c.Addr, "agent": c.Agent}})
		return "", fault.New(fault.Forbidden, "The token is not known or has expired.")
	}
	if err == nil {
		s.attempts.WithLabelValues("token", "done").Inc()
	}
	return user, err
}
