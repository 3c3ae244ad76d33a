package account

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
)

// Grant says what a short-lived token is good for.
type Grant string

// The kinds of grant.
const (
	// GrantLogin signs another device in, once (client-server API, "Login via token").
	GrantLogin Grant = "login"
	// GrantOpenID tells another service who somebody is, as often as it asks ("OpenID").
	GrantOpenID Grant = "openid"
)

const grantPrefix = "myg_"

// maxGrants is how many tokens of a kind a person may have that are good.
const maxGrants = 50

// NewGrant makes a token.
func (a *Accounts) NewGrant(ctx context.Context, user id.UserID, device id.DeviceID, kind Grant, lasts time.Duration) (string, error) {
	token, hash := newToken(grantPrefix)
	err := a.write(ctx, "grant", user, func(tx *db.Tx) error {
		now := a.now()
		if _, err := tx.Exec(`delete from account_grants where expires < $1`, now); err != nil {
			return fmt.Errorf("remove old grants: %w", err)
		}
		var have int
		if err := tx.QueryRow(`select count(*) from account_grants where user_id = $1 and kind = $2`, string(user), string(kind)).Scan(&have); err != nil {
			return fmt.Errorf("count grants: %w", err)
		}
		if have >= maxGrants {
			return fault.After(lasts)
		}
		_, err := tx.Exec(`insert into account_grants (hash, kind, user_id, expires) values ($1, $2, $3, $4)`,
			hash[:], string(kind), string(user), now+lasts.Milliseconds())
		if err != nil {
			return fmt.Errorf("insert grant: %w", err)
		}
		a.o.Audit.Append(tx, audit.Entry{Act: audit.TokenMade, Who: user, Device: device, Target: string(kind), Outcome: audit.Done})
		return nil
	})
	return token, err
}

// GrantedBy is who a token speaks for; a fault of kind M_UNKNOWN_TOKEN when it is not good.
func (a *Accounts) GrantedBy(ctx context.Context, kind Grant, token string) (id.UserID, error) {
	hash := sha256.Sum256([]byte(token))
	var user id.UserID
	err := a.db.QueryRow(ctx, `select g.user_id from account_grants g join account_users u on u.user_id = g.user_id
		where g.hash = $1 and g.kind = $2 and g.expires >= $3 and u.state = 0`, hash[:], string(kind), a.now()).Scan((*string)(&user))
	if errors.Is(err, sql.ErrNoRows) {
		return "", unknownGrant()
	} else if err != nil {
		return "", fmt.Errorf("load grant: %w", err)
	}
	return user, nil
}

func unknownGrant() error {
	return fault.New(fault.UnknownToken, "The token is not known or has expired.")
}

// SpendGrant is GrantedBy for a token that is good once.
func (a *Accounts) SpendGrant(ctx context.Context, kind Grant, token string) (id.UserID, error) {
	user, err := a.GrantedBy(ctx, kind, token)
	if err != nil {
		return "", err
	}
	hash := sha256.Sum256([]byte(token))
	return user, a.write(ctx, "spend grant", user, func(tx *db.Tx) error {
		n, err := tx.Exec(`delete from account_grants where hash = $1`, hash[:])
		if err != nil {
			return fmt.Errorf("spend grant: %w", err)
		}
		if n == 0 {
			return unknownGrant()
		}
		return nil
	})
}

// Report writes a complaint about an event, a room or a person into the audit log, where administrators find it.
func (a *Accounts) Report(ctx context.Context, e audit.Entry) error {
	e.Act, e.Outcome = audit.Complaint, audit.Done
	return a.write(ctx, "report", e.Who, func(tx *db.Tx) error {
		a.o.Audit.Append(tx, e)
		return nil
	})
}
