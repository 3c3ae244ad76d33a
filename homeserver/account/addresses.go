package account

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/mail"
	"github.com/myelin-health/myelin/seal"
)

// maxAddresses bounds the addresses of one person.
const maxAddresses = 20

// Address is an e-mail address that a person proved to have.
type Address struct {
	Address   mail.Address
	Validated int64 // milliseconds
	Added     int64 // milliseconds
}

// AddressHash is the form in which an address can be looked up. It is keyed, so that the address stays unreadable at rest.
func (a *Accounts) AddressHash(ctx context.Context, address mail.Address) (string, error) {
	mac, err := a.seal.MAC(ctx, seal.Server, "account_addresses", []byte(address))
	if err != nil {
		return "", fmt.Errorf("hash an address: %w", err)
	}
	return hex.EncodeToString(mac), nil
}

// AddressOwner is whose address it is; the fault is M_THREEPID_NOT_FOUND if it is nobody's.
func (a *Accounts) AddressOwner(ctx context.Context, address mail.Address) (id.UserID, error) {
	hash, err := a.AddressHash(ctx, address)
	if err != nil {
		return "", err
	}
	var user id.UserID
	err = a.db.QueryRow(ctx, `select user_id from account_addresses where hash = $1`, hash).Scan((*string)(&user))
	if errors.Is(err, sql.ErrNoRows) {
		return "", fault.New(fault.ThreepidNotFound, "No account has this address.")
	} else if err != nil {
		return "", fmt.Errorf("look up an address: %w", err)
	}
	return user, nil
}

// Addresses lists a person's addresses in the order they were added in.
func (a *Accounts) Addresses(ctx context.Context, user id.UserID) ([]Address, error) {
	rows, err := a.db.Query(ctx, `select body, validated, added from account_addresses where user_id = $1 order by added, hash`, string(user))
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	defer func() { _ = rows.Close() }()
	list := []Address{}
	for rows.Next() {
		var body []byte
		var e Address
		if err := rows.Scan(&body, &e.Validated, &e.Added); err != nil {
			return nil, fmt.Errorf("list addresses: %w", err)
		}
		plain, err := a.opened(ctx, user, "address", body)
		if err != nil {
			return nil, fmt.Errorf("open an address: %w", err)
		}
		e.Address = mail.Address(plain)
		list = append(list, e)
	}
	return list, rows.Err()
}

// NewAddress is an address that is to be added, once it was proved.
type NewAddress struct {
	Address   mail.Address
	Validated int64 // milliseconds
}

// AddAddress adds an address to an account. The fault is M_THREEPID_IN_USE if it is another's.
func (a *Accounts) AddAddress(ctx context.Context, user id.UserID, device id.DeviceID, n NewAddress) error {
	add, err := a.adding(ctx, user, device, n)
	if err != nil {
		return err
	}
	return a.write(ctx, "add address", user, add)
}

// adding prepares what adds an address in a transaction under the lock of its owner.
func (a *Accounts) adding(ctx context.Context, user id.UserID, device id.DeviceID, n NewAddress) (func(tx *db.Tx) error, error) {
	hash, err := a.AddressHash(ctx, n.Address)
	if err != nil {
		return nil, err
	}
	body, err := a.sealed(ctx, user, "address", []byte(n.Address))
	if err != nil {
		return nil, err
	}
	return func(tx *db.Tx) error {
		var state State
		if err := tx.QueryRow(`select state from account_users where user_id = $1`, string(user)).Scan(&state); err != nil {
			return fmt.Errorf("look up an account: %w", err)
		}
		if (User{State: state}).Gone() {
			return fault.New(fault.UserDeactivated, "This account was deactivated.")
		}
		var have int
		if err := tx.QueryRow(`select count(*) from account_addresses where user_id = $1`, string(user)).Scan(&have); err != nil {
			return fmt.Errorf("count addresses: %w", err)
		}
		if have >= maxAddresses {
			return fault.New(fault.ThreepidDenied, "An account has %d addresses at most.", maxAddresses)
		}
		rows, err := tx.Exec(`insert into account_addresses (hash, user_id, body, validated, added) values ($1, $2, $3, $4, $5) on conflict do nothing`,
			hash, string(user), body, n.Validated, a.now())
		if err != nil {
			return fmt.Errorf("insert address: %w", err)
		}
		if rows == 0 {
			var owner string
			if err := tx.QueryRow(`select user_id from account_addresses where hash = $1`, hash).Scan(&owner); err != nil {
				return fmt.Errorf("look up an address: %w", err)
			}
			if owner != string(user) {
				return fault.New(fault.ThreepidInUse, "This address is that of another account.")
			}
			return nil
		}
		if a.o.AddressAdded != nil {
			tx.After(a.o.AddressAdded)
		}
		a.o.Audit.Append(tx, audit.Entry{Act: audit.AddressAdded, Who: user, Device: device, Outcome: audit.Done,
			Detail: AuditDetail{"address": string(n.Address)}})
		return nil
	}, nil
}

// proofsEnd ends the proofs of all addresses of a person: those of a kind, or all.
func (a *Accounts) proofsEnd(tx *db.Tx, user id.UserID, of ...mail.Kind) error {
	if a.endProofs == nil {
		return nil
	}
	hashes, err := hashesOf(tx, user)
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, hash := range hashes {
		if err := a.endProofs(tx, hash, of...); err != nil {
			return err
		}
	}
	return nil
}

func hashesOf(tx *db.Tx, user id.UserID) (hashes []string, err error) {
	rows, err := tx.Query(`select hash from account_addresses where user_id = $1`, string(user))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var hash string
		if err := rows.Scan(&hash); err != nil {
			return nil, err
		}
		hashes = append(hashes, hash)
	}
	return hashes, rows.Err()
}

// RemoveAddress takes an address from an account; one that it has not is removed already.
func (a *Accounts) RemoveAddress(ctx context.Context, user id.UserID, device id.DeviceID, address mail.Address) error {
	hash, err := a.AddressHash(ctx, address)
	if err != nil {
		return err
	}
	err = a.write(ctx, "remove address", user, func(tx *db.Tx) error {
		rows, err := tx.Exec(`delete from account_addresses where hash = $1 and user_id = $2`, hash, string(user))
		if err != nil {
			return fmt.Errorf("remove address: %w", err)
		}
		if rows > 0 && a.endProofs != nil {
			if err := a.endProofs(tx, hash); err != nil {
				return err
			}
		}
		if rows > 0 {
			a.o.Audit.Append(tx, audit.Entry{Act: audit.AddressRemoved, Who: user, Device: device, Outcome: audit.Done,
				Detail: AuditDetail{"address": string(address)}})
		}
		return nil
	})
	if err != nil || a.o.AddressRemoved == nil {
		return err
	}
	return a.o.AddressRemoved(ctx, user, address)
}
