package feed

import (
	"context"
	"fmt"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/homeserver/push"
)

// Rules returns a person's push rules.
func (f *Feed) Rules(ctx context.Context, user id.UserID) (*push.Rules, error) {
	have, err := f.account.Data(ctx, user, []AccountDatum{{Type: "m.push_rules"}})
	if err != nil {
		return nil, fmt.Errorf("read push rules: %w", err)
	}
	if len(have) == 0 {
		return push.Defaults(user), nil
	}
	return push.Load(user, have[0].Content)
}

// ChangeRules changes a person's push rules by a function, whose error leaves them as they are.
func (f *Feed) ChangeRules(ctx context.Context, user id.UserID, change func(*push.Rules) error) error {
	f.ruling.Lock()
	defer f.ruling.Unlock()
	rules, err := f.Rules(ctx, user)
	if err != nil {
		return err
	}
	if err := change(rules); err != nil {
		return err
	}
	content, err := rules.Encode()
	if err != nil {
		return err
	}
	return f.account.SetData(ctx, user, AccountDatum{Type: "m.push_rules", Content: content})
}
