package audit

import (
	"slices"
	"strings"
	"unicode/utf8"

	"maunium.net/go/mautrix/id"
)

// Act is what was done. The set is closed: an entry with another act is refused.
type Act string

// The acts. Target is, unless said otherwise: for acts on a person their user ID, on an event its ID, on a file its
// mxc:// address, otherwise empty.
const (
	SignIn         Act = "sign-in"
	SignInFailed   Act = "sign-in failed" // Who is who it claimed to be
	SignOut        Act = "sign-out"
	Register       Act = "registered"
	Deactivate     Act = "deactivated"
	PasswordChange Act = "password changed"
	TokenMade      Act = "token made"      // a short-lived one; Target is what it is good for
	AddressAdded   Act = "address added"   // an e-mail address to an account
	AddressRemoved Act = "address removed" // and from it
	MailGivenUp    Act = "mail given up"   // Target is what it was about

	RoomCreate Act = "room created"
	Join       Act = "joined"
	Leave      Act = "left"
	Invite     Act = "invited"
	Kick       Act = "removed"
	Ban        Act = "banned"
	Unban      Act = "unbanned"
	Knock      Act = "knocked"
	RoomChange Act = "room settings changed" // Target is the state event's type

	MessageSend   Act = "message sent"
	MessageRedact Act = "message redacted"
	FileUpload    Act = "file uploaded"
	FileRead      Act = "file read"

	AccessRefused Act = "access refused"
	Complaint     Act = "reported"           // Target is the event, the person or empty: the room
	KeyChange     Act = "keys changed"       // a device's or a person's encryption keys
	Admin         Act = "administrative act" // Target says which, and on whom
	Erase         Act = "erased"             // Target is the person or the room
)

// Acts is every act there is.
var Acts = []Act{SignIn, SignInFailed, SignOut, Register, Deactivate, PasswordChange, TokenMade, AddressAdded, AddressRemoved, MailGivenUp, RoomCreate, Join, Leave, Invite, Kick,
	Ban, Unban, Knock, RoomChange, MessageSend, MessageRedact, FileUpload, FileRead, AccessRefused, Complaint, KeyChange, Admin, Erase}

var acts = func() map[Act]bool {
	m := map[Act]bool{}
	for _, a := range Acts {
		m[a] = true
	}
	return m
}()

// Outcome is how it ended.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused" // it was not allowed
	Failed  Outcome = "failed"  // it was allowed and did not work
)

var outcomes = []Outcome{Done, Refused, Failed}

// Entry is one act. Everything but Detail is stored in the clear and kept when a person's data are erased: names, texts
// and addresses of devices belong into Detail.
type Entry struct {
	Act     Act
	Who     id.UserID
	Device  id.DeviceID
	Room    id.RoomID
	Target  string
	Outcome Outcome
	// Detail is sealed under the key of Who; of failed sign-ins and refusals under the server's when Who has none.
	Detail map[string]any
}

func (e *Entry) valid() bool { return acts[e.Act] && slices.Contains(outcomes, e.Outcome) }

// maxText is how many bytes of an identifier are kept. Longer ones are not valid in Matrix.
const maxText = 512

// clean makes text that may come from a stranger storable: valid UTF-8, no zero bytes, not too long.
func clean(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
