package clientapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/mail"
	"github.com/myelin-health/myelin/homeserver/signin"
	"github.com/myelin-health/myelin/rest"
)

// confirmRoutes serves the page that letters link to. Looking at it changes nothing, because mail servers look at links
// too; its button does. It works without scripts, loads nothing, and tells nobody else its address.
func (a *API) confirmRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodGet, Path: mail.ConfirmPath, Access: access.Public, Limit: rest.SigningIn, Handle: a.askToConfirm},
		{Method: http.MethodPost, Path: mail.ConfirmPath, Access: access.Public, Limit: rest.SigningIn, MaxBody: 4 << 10, Handle: a.confirm},
	}
}

//go:embed confirm.html
var confirmText string

var (
	confirmPage = template.Must(template.New("confirm").Parse(confirmText))
	// confirmPolicy allows the page's own style and its form, nothing else.
	confirmPolicy = fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'", styleHash())
)

// styleHash is the hash of the page's style, by which the policy names it.
func styleHash() string {
	_, style, _ := strings.Cut(confirmText, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// confirmWords are what the page says, by language and by what is confirmed or what became of it.
var confirmWords = map[string]map[string][3]string{ // title, text, button
	"en": {
		string(mail.Adding):      {"Add this e-mail address?", "It is added to the account of whoever asked for it. Only go on if that was you.", "Confirm the address"},
		string(mail.Registering): {"Is this your e-mail address?", "It becomes part of the account that is being made. Only go on if you are making it.", "Confirm the address"},
		string(mail.Resetting):   {"Set a new password?", "Whoever asked for it can then set the password of your account. Only go on if that was you, just now.", "Yes, it was me"},
		"done":                   {"Confirmed", "You can close this page and go on where you began.", ""},
		"unknown":                {"This link does not work any more", "It has expired, was used, or a newer letter replaced it. Begin again where you began.", ""},
	},
	"de": {
		string(mail.Adding):      {"Diese E-Mail-Adresse hinzufügen?", "Sie wird dem Konto hinzugefügt, von dem aus danach gefragt wurde. Machen Sie nur weiter, wenn Sie das waren.", "Adresse bestätigen"},
		string(mail.Registering): {"Ist das Ihre E-Mail-Adresse?", "Sie wird Teil des Kontos, das gerade angelegt wird. Machen Sie nur weiter, wenn Sie es anlegen.", "Adresse bestätigen"},
		string(mail.Resetting):   {"Neues Passwort festlegen?", "Wer danach gefragt hat, kann dann das Passwort Ihres Kontos festlegen. Machen Sie nur weiter, wenn Sie das gerade waren.", "Ja, das war ich"},
		"done":                   {"Bestätigt", "Sie können diese Seite schließen und dort weitermachen, wo Sie begonnen haben.", ""},
		"unknown":                {"Dieser Link gilt nicht mehr", "Er ist abgelaufen, wurde benutzt oder durch einen neueren Brief ersetzt. Beginnen Sie dort neu, wo Sie begonnen haben.", ""},
	},
}

// askToConfirm shows what a token confirms.
func (a *API) askToConfirm(r *rest.Request) (any, error) {
	token := r.Q("token")
	p, err := a.proving(r, token)
	if fault.Is(err, fault.NotFound) {
		return a.page(r, http.StatusNotFound, "unknown", "")
	} else if err != nil {
		return nil, err
	}
	return a.page(r, http.StatusOK, string(p), token)
}

func (a *API) proving(r *rest.Request, token string) (signin.Purpose, error) {
	if !a.Signin.Mails() {
		return "", fault.New(fault.NotFound, "This server sends no e-mail.")
	}
	return a.Signin.Proving(r.Context(), token)
}

// confirm is what the button does.
func (a *API) confirm(r *rest.Request) (any, error) {
	body, err := r.Bytes()
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fault.New(fault.BadJSON, "The body is not that of a form.")
	}
	token := form.Get("token")
	if _, err = a.proving(r, token); err == nil {
		err = a.Signin.Prove(r.Context(), token, client(r))
	}
	if fault.Is(err, fault.NotFound) {
		return a.page(r, http.StatusNotFound, "unknown", "")
	} else if err != nil {
		return nil, err
	}
	return a.page(r, http.StatusOK, "done", "")
}

func (a *API) page(r *rest.Request, status int, what, token string) (any, error) {
	lang := mail.Speaks(r.Header.Get("Accept-Language"))
	words := confirmWords[lang][what]
	var b bytes.Buffer
	err := confirmPage.Execute(&b, struct{ Lang, Server, Title, Text, Button, Token string }{lang, a.ServerName, words[0], words[1], words[2], token})
	if err != nil {
		return nil, fmt.Errorf("write the page: %w", err)
	}
	h := r.W.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", confirmPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Language")
	r.W.WriteHeader(status)
	_, _ = r.W.Write(b.Bytes()) // who went away does not read it
	return rest.Handled, nil
}
