package auth

import (
	"github.com/myelin-health/myelin/matrix/event"
	"maunium.net/go/mautrix/id"
)

// member is rule 5.
func (c *check) member() error {
	membership, ok := event.LookupString(c.p.Content, "membership")
	if c.p.StateKey == nil || !ok {
		return errMemberForm
	}
	target := *c.p.StateKey
	switch membership {
	case "join":
		return c.join(target)
	case "invite":
		return c.invite(target)
	case "leave":
		return c.leave(target)
	case "ban":
		return c.ban(target)
	case "knock":
		if c.v.Knocks() {
			return c.knock(target)
		}
	}
	return errMembership
}

// join is rule 5.3.
func (c *check) join(target string) error {
	if len(c.p.PrevEvents) == 1 && target == c.creator() && c.p.PrevEvents[0] == idOf(c.v, c.create) {
		return nil
	}
	if target != string(c.p.Sender) {
		return errJoinOther
	}
	current := c.membership(target)
	if current == "ban" {
		return errJoinBanned
	}
	here := current == "join" || current == "invite"
	switch rule := c.joinRule(); {
	case rule == "invite", rule == "knock" && c.v.Knocks():
		if !here {
			return errJoinUninvited
		}
	case rule == "restricted" && c.v.RestrictedJoins(), rule == "knock_restricted" && c.v.KnockRestricted():
		if !here && !c.authorised() {
			return errJoinAuthoriser
		}
	case rule == "public":
	default:
		return errJoinRule
	}
	return nil
}

// creator returns the user whose join may directly follow the create event.
func (c *check) creator() string {
	if c.v.CreatorInContent() {
		creator, _ := event.LookupString(c.create.Content, "creator")
		return creator
	}
	return string(c.create.Sender)
}

// authorised is rule 5.3.5.2; that the user's server signed is checked with the
// signatures.
func (c *check) authorised() bool {
	via, ok := event.LookupString(c.p.Content, "join_authorised_via_users_server")
	return ok && c.membership(via) == "join" && c.levels().User(id.UserID(via)) >= c.levels().Invite
}

// invite is rule 5.4.
func (c *check) invite(target string) error {
	current := c.membership(target)
	if third := event.Lookup(c.p.Content, "third_party_invite"); third != nil {
		if current == "ban" {
			return errThirdBanned
		}
		return c.thirdPartyInvite(target, event.Lookup(third, "signed"))
	}
	if c.membership(string(c.p.Sender)) != "join" {
		return errInviterAbsent
	}
	if current == "join" || current == "ban" {
		return errInviteeState
	}
	if c.levels().User(c.p.Sender) < c.levels().Invite {
		return errInviteLevel
	}
	return nil
}

// thirdPartyInvite is rule 5.4.1. The keys are those of the m.room.third_party_invite
// event, never of the invite itself, whose sender could have made them up.
func (c *check) thirdPartyInvite(target string, signed []byte) error {
	if signed == nil {
		return errThirdUnsigned
	}
	user, okUser := event.LookupString(signed, "mxid")
	token, okToken := event.LookupString(signed, "token")
	if !okUser || !okToken {
		return errThirdFields
	}
	if user != target {
		return errThirdUser
	}
	promise := c.state.Lookup(typeThirdPartyInvite, token)
	if promise == nil {
		return errThirdUnknown
	}
	if promise.Sender != c.p.Sender {
		return errThirdSender
	}
	keys := make([]id.SigningKey, 0, 2)
	if key, ok := event.LookupString(promise.Content, "public_key"); ok {
		keys = append(keys, id.SigningKey(key))
	}
	event.EachItem(event.Lookup(promise.Content, "public_keys"), func(item []byte) bool {
		if key, ok := event.LookupString(item, "public_key"); ok {
			keys = append(keys, id.SigningKey(key))
		}
		return true
	})
	if !signedByAny(signed, keys) {
		return errThirdSignature
	}
	return nil
}

// signedByAny reports whether one of the signatures in an object was made by one of
// the keys, whatever server and key id they are filed under.
func signedByAny(object []byte, keys []id.SigningKey) (found bool) {
	event.Each(event.Lookup(object, "signatures"), func(_ string, byServer []byte) bool {
		event.Each(byServer, func(_ string, raw []byte) bool {
			signature, ok := event.String(raw)
			for i := 0; ok && !found && i < len(keys); i++ {
				found = event.VerifyJSON(object, keys[i], signature) == nil
			}
			return !found
		})
		return !found
	})
	return found
}

// leave is rule 5.5.
func (c *check) leave(target string) error {
	current := c.membership(target)
	if target == string(c.p.Sender) {
		if current == "join" || current == "invite" || current == "knock" && c.v.Knocks() {
			return nil
		}
		return errLeaveAbsent
	}
	if c.membership(string(c.p.Sender)) != "join" {
		return errKickerAbsent
	}
	levels := c.levels()
	level := levels.User(c.p.Sender)
	if current == "ban" && level < levels.Ban {
		return errUnbanLevel
	}
	if level < levels.Kick || levels.User(id.UserID(target)) >= level {
		return errKickLevel
	}
	return nil
}

// ban is rule 5.6.
func (c *check) ban(target string) error {
	if c.membership(string(c.p.Sender)) != "join" {
		return errBannerAbsent
	}
	levels := c.levels()
	level := levels.User(c.p.Sender)
	if level < levels.Ban || levels.User(id.UserID(target)) >= level {
		return errBanLevel
	}
	return nil
}

// knock is rule 5.7.
func (c *check) knock(target string) error {
	rule := c.joinRule()
	if rule != "knock" && !(rule == "knock_restricted" && c.v.KnockRestricted()) {
		return errKnockRule
	}
	if target != string(c.p.Sender) {
		return errKnockOther
	}
	switch c.membership(target) {
	case "ban", "invite", "join":
		return errKnockState
	}
	return nil
}
