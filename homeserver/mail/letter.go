package mail

import (
	"bytes"
	_ "embed" // the frame
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"
	"maunium.net/go/mautrix/id"
)

// Kind is what a letter is about.
type Kind string

// The kinds of letters. Those with a token ask to confirm something, for as long as Lasts.
const (
	Adding      Kind = "adding"      // the address is to be added to an account
	Registering Kind = "registering" // somebody makes an account with it
	Resetting   Kind = "resetting"   // somebody wants a new password
	Taken       Kind = "taken"       // somebody wanted to use it, but it is that of an account already
	Stranger    Kind = "stranger"    // somebody wanted a new password, but no account has this address
	Invited     Kind = "invited"     // to a conversation, without an account
	Unread      Kind = "unread"      // messages wait
)

// Lasts is how long what a letter asks to confirm can be confirmed. It leaves time for mail servers that put off who they
// do not know.
const Lasts = 4 * time.Hour

// patience is how long sending is tried.
func (k Kind) patience() time.Duration {
	if k == Invited {
		return 48 * time.Hour
	}
	return Lasts
}

// Letter is what is to be told to whom.
type Letter struct {
	To    Address   `json:"to"`
	User  id.UserID `json:"user,omitempty"` // whose address it is
	Kind  Kind      `json:"kind"`
	Lang  string    `json:"lang,omitempty"`  // as in a header Accept-Language; English for others than are spoken here
	Token string    `json:"token,omitempty"` // of what is to be confirmed
	By    id.UserID `json:"by,omitempty"`    // Invited: who invites
	Count int       `json:"count,omitempty"` // Unread: conversations
}

// ConfirmPath is the page that letters with a token link to.
const ConfirmPath = "/_myelin/v1/email/confirm"

// message is a letter as it is sent.
type message struct {
	id         string
	from, to   string
	fromName   string
	date       time.Time
	subject    string
	text, html string
}

// words are a letter in one language. {server}, {who} and {count} stand for what they say.
type words struct {
	subject, lead, button, after string
}

//go:embed frame.html
var frameText string

var frame = template.Must(template.New("letter").Parse(frameText))

var (
	spoken  = []language.Tag{language.English, language.German}
	matcher = language.NewMatcher(spoken)
)

// Speaks is which of the languages of letters (and of the page they link to) comes closest to a wish.
func Speaks(wish string) string {
	_, i := language.MatchStrings(matcher, wish)
	return spoken[i].String()
}

// compose writes a letter out.
func (m *Outbox) compose(mailID string, created time.Time, l Letter) (message, error) {
	lang := Speaks(l.Lang)
	w, ok := texts[lang][l.Kind]
	if !ok {
		return message{}, fmt.Errorf("no words for a letter of kind %q", l.Kind)
	}
	if l.Kind == Unread && l.Count == 1 {
		w.lead = oneConversation[lang]
	}
	fill := strings.NewReplacer("{server}", m.o.ServerName, "{who}", string(l.By), "{count}", strconv.Itoa(l.Count)).Replace
	link := m.o.PublicURL + "/"
	if l.Token != "" {
		link = m.o.PublicURL + ConfirmPath + "?token=" + url.QueryEscape(l.Token)
	}
	page := struct{ Lang, Subject, Lead, Button, Link, After string }{lang, fill(w.subject), fill(w.lead), fill(w.button), link, fill(w.after)}
	var html bytes.Buffer
	if err := frame.Execute(&html, page); err != nil {
		return message{}, fmt.Errorf("write a letter: %w", err)
	}
	_, domain, _ := strings.Cut(m.o.From, "@")
	return message{
		id: mailID + "@" + domain, from: m.o.From, fromName: m.o.ServerName, to: string(l.To), date: created, subject: page.Subject,
		text: page.Lead + "\n\n" + page.Button + ":\n" + link + "\n\n" + page.After + "\n", html: html.String(),
	}, nil
}
