package account

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/fault"
)

// Limits of profiles (section "Profiles").
const (
	maxProfile     = 64 << 10
	maxProfileKey  = 255
	maxDisplayName = 256
	maxAvatarURL   = 1000
)

// The profile fields that member events repeat.
const (
	FieldDisplayName = "displayname"
	FieldAvatarURL   = "avatar_url"
)

// FieldRole is what somebody does in the hospital, in words.
const FieldRole = keptFields + "role"

// keptFields begins the names of the fields that administrators keep.
const keptFields = "org.myelin."

// Kept reports whether a field of all profiles is written by administrators only.
func Kept(key string) bool { return strings.HasPrefix(key, keptFields) }

var profileKey = regexp.MustCompile(`^(avatar_url|displayname|m\.tz|[a-z][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)+)$`)

// Profile is what a person shows of themselves.
type Profile struct {
	DisplayName string
	AvatarURL   string
	Fields      map[string]json.RawMessage // the others
}

// JSON encodes the profile as the client-server API answers it.
func (p Profile) JSON() ([]byte, error) {
	out := make(map[string]json.RawMessage, len(p.Fields)+2)
	for k, v := range p.Fields {
		out[k] = v
	}
	for k, v := range map[string]string{FieldDisplayName: p.DisplayName, FieldAvatarURL: p.AvatarURL} {
		if v == "" {
			continue
		}
		b, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("encode profile: %w", err)
		}
		out[k] = b
	}
	return json.Marshal(out)
}

// Field returns one field as JSON.
func (p Profile) Field(key string) (json.RawMessage, bool) {
	text := ""
	switch key {
	case FieldDisplayName:
		text = p.DisplayName
	case FieldAvatarURL:
		text = p.AvatarURL
	default:
		v, ok := p.Fields[key]
		return v, ok
	}
	if text == "" {
		return nil, false
	}
	b, err := json.Marshal(text)
	return b, err == nil
}

func parseProfile(b []byte) (Profile, error) {
	var p Profile
	if err := json.Unmarshal(b, &p.Fields); err != nil {
		return p, fmt.Errorf("decode profile: %w", err)
	}
	for k, into := range map[string]*string{FieldDisplayName: &p.DisplayName, FieldAvatarURL: &p.AvatarURL} {
		if v, ok := p.Fields[k]; ok {
			if err := json.Unmarshal(v, into); err != nil {
				return p, fmt.Errorf("decode profile: %w", err)
			}
			delete(p.Fields, k)
		}
	}
	return p, nil
}

func (a *Accounts) sealProfile(ctx context.Context, user id.UserID, p Profile) ([]byte, error) {
	b, err := p.JSON()
	if err != nil {
		return nil, err
	}
	if len(b) > maxProfile {
		return nil, fault.New(fault.ProfileTooLarge, "The profile would be larger than 64 KiB.")
	}
	return a.sealed(ctx, user, "profile", b)
}

func (a *Accounts) openProfile(ctx context.Context, user id.UserID, b []byte) (Profile, error) {
	if b == nil {
		return Profile{}, nil
	}
	plain, err := a.opened(ctx, user, "profile", b)
	if err != nil {
		return Profile{}, fmt.Errorf("open profile: %w", err)
	}
	return parseProfile(plain)
}

// Profile returns the profile of a local user, empty if nothing was set or the account was deactivated.
// The fault is M_NOT_FOUND if there is no such user here.
func (a *Accounts) Profile(ctx context.Context, user id.UserID) (Profile, error) {
	var b []byte
	err := a.db.QueryRow(ctx, `select profile from account_users where user_id = $1`, string(user)).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return Profile{}, noUser()
	} else if err != nil {
		return Profile{}, fmt.Errorf("load profile: %w", err)
	}
	return a.openProfile(ctx, user, b)
}

// SetProfileField sets a field of a profile to a JSON value, or removes it if value is nil; by is who does so.
// The faults are those of PUT /profile/{userId}/{keyName}. It returns after the member events of the person's rooms
// followed, as far as Options.ProfileChanged does that.
func (a *Accounts) SetProfileField(ctx context.Context, user, by id.UserID, key string, value json.RawMessage) error {
	if err := checkField(key, value); err != nil {
		return err
	}
	if err := a.seal.Prepare(ctx, personScope(user)); err != nil {
		return err
	}
	changed := false
	err := a.write(ctx, "set profile", user, func(tx *db.Tx) error {
		changed = false
		var b []byte
		var guest int64
		err := tx.QueryRow(`select profile, guest from account_users where user_id = $1 and state in (0, 1)`, string(user)).Scan(&b, &guest)
		if errors.Is(err, sql.ErrNoRows) {
			return noUser()
		} else if err != nil {
			return fmt.Errorf("load profile: %w", err)
		}
		p, err := a.openProfile(ctx, user, b)
		if err != nil {
			return err
		}
		before := p
		if err := p.set(key, value); err != nil {
			return err
		}
		if b, err = a.sealProfile(ctx, user, p); err != nil {
			return err
		}
		if _, err := tx.Exec(`update account_users set profile = $2 where user_id = $1`, string(user), b); err != nil {
			return fmt.Errorf("set profile: %w", err)
		}
		if Kept(key) {
			a.o.Audit.Append(tx, audit.Entry{Act: audit.Admin, Who: by, Target: string(user), Outcome: audit.Done, Detail: AuditDetail{"profile": key}})
		}
		changed = before.DisplayName != p.DisplayName || before.AvatarURL != p.AvatarURL
		a.touch(tx, user)
		if guest == 0 { // nobody looks for guests
			tx.After(func() { a.directory.put(user, p) })
		}
		return nil
	})
	if err != nil {
		return err
	}
	if changed && a.o.ProfileChanged != nil {
		a.o.ProfileChanged(context.WithoutCancel(ctx), user)
	}
	return nil
}

// set changes a field of a copy.
func (p *Profile) set(key string, value json.RawMessage) error {
	text := ""
	if key == FieldDisplayName || key == FieldAvatarURL {
		if value != nil && string(value) != "null" {
			if err := json.Unmarshal(value, &text); err != nil {
				return fault.New(fault.BadJSON, "The value must be a string.")
			}
		}
		if key == FieldDisplayName {
			p.DisplayName = text
		} else {
			p.AvatarURL = text
		}
		return nil
	}
	fields := make(map[string]json.RawMessage, len(p.Fields)+1)
	for k, v := range p.Fields {
		fields[k] = v
	}
	if value == nil {
		delete(fields, key)
	} else {
		fields[key] = value
	}
	p.Fields = fields
	return nil
}

func checkField(key string, value json.RawMessage) error {
	if len(key) > maxProfileKey {
		return fault.New(fault.KeyTooLarge, "The profile key is longer than 255 bytes.")
	}
	if !profileKey.MatchString(key) {
		return fault.New(fault.InvalidParam, "This is no valid profile key.")
	}
	if value == nil {
		return nil
	}
	if len(value) > maxProfile {
		return fault.New(fault.ProfileTooLarge, "The profile would be larger than 64 KiB.")
	}
	var text string
	switch key {
	case FieldDisplayName:
		if string(value) != "null" && json.Unmarshal(value, &text) != nil {
			return fault.New(fault.BadJSON, "The display name must be a string.")
		}
		if len(text) > maxDisplayName {
			return fault.New(fault.InvalidParam, "The display name is longer than 256 bytes.")
		}
	case FieldAvatarURL:
		if string(value) != "null" && json.Unmarshal(value, &text) != nil {
			return fault.New(fault.BadJSON, "The avatar must be a string.")
		}
		// What is no mxc: address shows nothing; the specification leaves that to clients.
		if len(text) > maxAvatarURL {
			return fault.New(fault.InvalidParam, "The address of the avatar is too long.")
		}
	case "m.tz":
		if json.Unmarshal(value, &text) != nil || len(text) > 64 {
			return fault.New(fault.InvalidParam, "The time zone must be the name of a zone.")
		}
	}
	return nil
}
