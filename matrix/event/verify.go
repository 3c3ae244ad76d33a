package event

import (
	"fmt"
	"slices"
	"time"

	"maunium.net/go/mautrix/federation/pdu"
	"maunium.net/go/mautrix/id"
)

// RequiredServers returns the servers that must have signed an event: the sender's,
// unless it is an invite made from a third-party invite, which another server may
// send; and, from room version 8 on, that of the user in whose name a restricted join
// was allowed.
func RequiredServers(v id.RoomVersion, p *pdu.PDU) []string {
	servers := make([]string, 0, 2)
	if p.Type != "m.room.member" {
		return append(servers, p.Sender.Homeserver())
	}
	membership, _ := stringValue(lookup(p.Content, "membership"))
	if membership != "invite" || lookup(p.Content, "third_party_invite") == nil {
		servers = append(servers, p.Sender.Homeserver())
	}
	if v.RestrictedJoins() {
		if via, ok := stringValue(lookup(p.Content, "join_authorised_via_users_server")); ok {
			if server := id.UserID(via).Homeserver(); !slices.Contains(servers, server) {
				servers = append(servers, server)
			}
		}
	}
	return servers
}

// VerifySignatures checks that every one of RequiredServers has signed the event
// with a key that was valid at the event's time. GetKey is asked for keys; an error of
// it ends the check and is returned, an empty key means that there is none. The error
// wraps ErrSignature when the event is at fault.
func VerifySignatures(v id.RoomVersion, p *pdu.PDU, getKey pdu.GetKeyFunc) error {
	signed, err := appendEvent(make([]byte, 0, 1024), v, p, referenceForm)
	if err != nil {
		return fmt.Errorf("verifying an event: %w", err)
	}
	for _, server := range RequiredServers(v, p) {
		if err := verifyServer(v, p, server, signed, getKey); err != nil {
			return err
		}
	}
	return nil
}

func verifyServer(v id.RoomVersion, p *pdu.PDU, server string, signed []byte, getKey pdu.GetKeyFunc) error {
	if server == "" {
		return fmt.Errorf("%w: a required signer is not a user id", ErrSignature)
	}
	sent := time.UnixMilli(p.OriginServerTS)
	var failed error
	signatures := p.Signatures[server]
	for _, keyID := range sortedKeys(signatures) {
		key, until, err := getKey(server, keyID, sent)
		switch {
		case err != nil:
			failed = fmt.Errorf("getting key %s of %s: %w", keyID, server, err)
		case key == "":
		case v.EnforceSigningKeyValidity() && until.Before(sent):
		case verify(key, signed, signatures[keyID]):
			return nil
		}
	}
	if failed != nil {
		return failed
	}
	return fmt.Errorf("%w by %s", ErrSignature, server)
}
