// Package demo fills a fresh server with a small invented hospital: people,
// rooms and a plausible conversation, made through the product's own API as
// any client would. It has no part in `myelin serve`.
package demo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
	"maunium.net/go/mautrix/synapseadmin"
)

// Hospital is one demo hospital. Its sign-ins can be asked for while it is
// being made; there are none until then.
type Hospital struct {
	mu    sync.RWMutex
	sheet sheet
}

// sheet is what the sign-in page and the terminal show, and what is remembered.
type sheet struct {
	Name   string   `json:"hospital"`
	People []Person `json:"people"`
	// Complete is set when every room has been made.
	Complete bool `json:"complete"`
}

// New returns a hospital without people.
func New() *Hospital { return &Hospital{sheet: sheet{Name: hospitalName, People: []Person{}}} }

// Person is one demo account. Passwords are random, made at the first start.
type Person struct {
	User       id.UserID `json:"user"`
	Name       string    `json:"name"`
	Role       string    `json:"role"`
	Department string    `json:"department"`
	Password   string    `json:"password"`
}

const file = "demo-hospital.json"

// load returns the hospital whose making an earlier start has begun in dir, or
// a new one.
func load(dir, serverName string) (*sheet, error) {
	h := &sheet{Name: hospitalName}
	raw, err := os.ReadFile(filepath.Join(dir, file))
	switch {
	case errors.Is(err, os.ErrNotExist):
		for _, p := range people {
			h.People = append(h.People, Person{id.NewUserID(p.localpart, serverName), p.name, p.role, p.department, password()})
		}
		return h, h.save(dir)
	case err != nil:
		return nil, fmt.Errorf("read the demo sign-ins: %w", err)
	}
	if err := json.Unmarshal(raw, h); err != nil {
		return nil, fmt.Errorf("read the demo sign-ins in %s: %w", file, err)
	}
	return h, nil
}

func (h *sheet) save(dir string) error {
	raw, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return fmt.Errorf("write the demo sign-ins: %w", err)
	}
	part := filepath.Join(dir, file+".part")
	if err := os.WriteFile(part, raw, 0o600); err != nil {
		return fmt.Errorf("write the demo sign-ins: %w", err)
	}
	if err := os.Rename(part, filepath.Join(dir, file)); err != nil {
		return fmt.Errorf("write the demo sign-ins: %w", err)
	}
	return nil
}

// Fill makes the hospital on the server at base (as http://127.0.0.1:8008),
// which serves registration with secret, and remembers it in dir. It goes on
// where an interrupted start stopped.
func (h *Hospital) Fill(ctx context.Context, dir, base, serverName, secret string) error {
	s, err := load(dir, serverName)
	if err != nil {
		return err
	}
	if !s.Complete {
		if err := s.fill(ctx, base, serverName, secret); err != nil {
			return err
		}
		s.Complete = true
		if err := s.save(dir); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sheet = *s
	return nil
}

func (s *sheet) fill(ctx context.Context, base, serverName, secret string) error {
	clients := map[string]*mautrix.Client{}
	for _, p := range s.People {
		client, err := signIn(ctx, base, secret, p)
		if err != nil {
			return fmt.Errorf("make the demo account %s: %w", p.User, err)
		}
		clients[p.User.Localpart()] = client
	}
	if err := s.name(ctx, clients[keeper]); err != nil {
		return err
	}
	for _, c := range conversations {
		if err := converse(ctx, clients, serverName, c); err != nil {
			return fmt.Errorf("make the demo room %s: %w", c.alias, err)
		}
	}
	for _, client := range clients {
		if _, err := client.Logout(ctx); err != nil {
			return fmt.Errorf("sign out: %w", err)
		}
	}
	return nil
}

// name says what everybody is in the hospital.
func (s *sheet) name(ctx context.Context, keeper *mautrix.Client) error {
	for _, p := range s.People {
		path := keeper.BuildClientURL("v3", "profile", p.User, roleField)
		if _, err := keeper.MakeRequest(ctx, http.MethodPut, path, map[string]string{roleField: p.Role}, nil); err != nil {
			return fmt.Errorf("say what %s is: %w", p.User, err)
		}
	}
	return nil
}

func password() string {
	return strings.ToLower(rand.Text()[:4] + "-" + rand.Text()[:4] + "-" + rand.Text()[:4])
}

// signIn returns a client of the person, whose account it makes when it is not
// there yet.
func signIn(ctx context.Context, base, secret string, p Person) (*mautrix.Client, error) {
	client, err := mautrix.NewClient(base, "", "")
	if err != nil {
		return nil, err
	}
	client.DefaultHTTPRetries = 5
	admin := &synapseadmin.Client{Client: client}
	_, err = admin.SharedSecretRegister(ctx, secret, synapseadmin.ReqSharedSecretRegister{
		Username: p.User.Localpart(), Password: p.Password, Displayname: p.Name, Admin: p.User.Localpart() == keeper,
	})
	if err != nil && !errors.Is(err, mautrix.MUserInUse) {
		return nil, err
	}
	_, err = client.Login(ctx, &mautrix.ReqLogin{
		Type:                     mautrix.AuthTypePassword,
		Identifier:               mautrix.UserIdentifier{Type: mautrix.IdentifierTypeUser, User: string(p.User)},
		Password:                 p.Password,
		InitialDeviceDisplayName: "Demo set-up",
		StoreCredentials:         true,
	})
	if err != nil {
		return nil, err
	}
	return client, client.SetDisplayName(ctx, p.Name)
}

// converse makes the room and says its lines, unless the room is there.
func converse(ctx context.Context, clients map[string]*mautrix.Client, serverName string, c conversation) error {
	first := clients[c.members[0]]
	if _, err := first.ResolveAlias(ctx, id.NewRoomAlias(c.alias, serverName)); err == nil {
		return nil
	} else if !errors.Is(err, mautrix.MNotFound) {
		return err
	}
	room, err := first.CreateRoom(ctx, &mautrix.ReqCreateRoom{
		Visibility: "private", Preset: "public_chat", Name: c.name, Topic: c.topic,
	})
	if err != nil {
		return err
	}
	for _, member := range c.members[1:] {
		if _, err := clients[member].JoinRoomByID(ctx, room.RoomID); err != nil {
			return err
		}
	}
	for _, l := range c.lines {
		if _, err := clients[l.who].SendMessageEvent(ctx, room.RoomID, event.EventMessage,
			&event.MessageEventContent{MsgType: event.MsgText, Body: l.text}); err != nil {
			return err
		}
	}
	// The alias comes last: a room that has it is complete.
	_, err = first.CreateAlias(ctx, id.NewRoomAlias(c.alias, serverName), room.RoomID)
	return err
}

// ServeHTTP answers with the sign-ins; the sign-in page offers them.
func (h *Hospital) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(h.sheet)
}

// Print writes the sign-ins for the terminal.
func (h *Hospital) Print(w io.Writer, address string) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s is open at %s\n\n  %-20s %-22s %-20s %s\n", h.sheet.Name, address, "sign in as", "role", "department", "password")
	for _, p := range h.sheet.People {
		fmt.Fprintf(&b, "  %-20s %-22s %-20s %s\n", p.User.Localpart(), p.Role, p.Department, p.Password)
	}
	b.WriteString("\nThe hospital, its people and their messages are invented. Stop with Ctrl-C.\n")
	_, err := io.WriteString(w, b.String())
	return err
}
