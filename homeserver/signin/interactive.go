package signin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/seal"
)

// interactionLasts is how long a user-interactive authentication may take.
const interactionLasts = 15 * time.Minute

// Operation is what a person has to confirm by user-interactive authentication.
type Operation struct {
	// Name is the operation and what it is about; a session confirms nothing else.
	Name string
	// User is who confirms; empty when the operation makes the account.
	User id.UserID
	// Flows are the stages to choose from; nil is the password.
	Flows [][]string
}

// interaction is the state of a session. The server keeps none of it: the session id is the state, sealed,
// so that every process of a cluster understands it and none can be filled up.
type interaction struct {
	Op      string   `json:"op"`
	User    string   `json:"user,omitempty"`
	Expires int64    `json:"exp"`
	Done    []string `json:"done,omitempty"`
}

// authentication is the auth object of a request.
type authentication struct {
	Type       string      `json:"type"`
	Session    string      `json:"session"`
	Identifier *Identifier `json:"identifier"`
	User       string      `json:"user"`
	Password   string      `json:"password"`
	Token      string      `json:"token"`
}

// Confirm returns nil when auth, the auth object of a request, confirms the operation. Else the fault is the
// 401 answer of section "User-Interactive Authentication API", with the flows, the session and the stages
// that are done.
func (s *Signin) Confirm(ctx context.Context, op Operation, auth json.RawMessage, c Client) error {
	if op.Flows == nil {
		op.Flows = [][]string{{StagePassword}}
	}
	if len(auth) == 0 || string(auth) == "null" {
		return s.challenge(ctx, op, nil, nil)
	}
	var a authentication
	if err := json.Unmarshal(auth, &a); err != nil {
		return fault.New(fault.BadJSON, "The auth object has a value of the wrong type.")
	}
	var done []string
	if a.Session != "" {
		i, ok := s.openInteraction(ctx, a.Session)
		if !ok || i.Op != op.Name || i.User != string(op.User) || i.Expires < s.clock().UnixMilli() {
			return s.challenge(ctx, op, nil, fault.New(fault.Forbidden, "The session is not known, has expired or is for another operation."))
		}
		done = i.Done
	}
	if a.Type != "" {
		if !slices.ContainsFunc(op.Flows, func(flow []string) bool { return slices.Contains(flow, a.Type) }) {
			return s.challenge(ctx, op, done, fault.New(fault.Unrecognized, "This stage is not offered."))
		}
		if f := s.stage(ctx, op, a, c); f != nil {
			if f, ok := fault.As(f); ok && f.Kind == fault.Forbidden && f.Status == 0 {
				return s.challenge(ctx, op, done, f)
			}
			return f
		}
		if !slices.Contains(done, a.Type) {
			done = append(done, a.Type)
		}
	}
	for _, flow := range op.Flows {
		if !slices.ContainsFunc(flow, func(stage string) bool { return !slices.Contains(done, stage) }) {
			return nil
		}
	}
	return s.challenge(ctx, op, done, nil)
}

// stage checks one stage.
func (s *Signin) stage(ctx context.Context, op Operation, a authentication, c Client) error {
	switch a.Type {
	case StageDummy:
		return nil
	case StageRegistrationToken:
		if !s.knows(a.Token) {
			return fault.New(fault.Forbidden, "The registration token is not known.")
		}
		return nil
	}
	user, err := s.identify(a.Identifier, a.User)
	if err != nil {
		return err
	}
	if user == "" {
		user = op.User
	}
	if user != op.User {
		return fault.New(fault.Forbidden, "This is not the account that asked.").WithStatus(http.StatusForbidden)
	}
	return s.prove(ctx, user, a.Password, "confirm", c)
}

// challenge is the 401 answer; because, if not nil, says what was wrong.
func (s *Signin) challenge(ctx context.Context, op Operation, done []string, because *fault.Fault) error {
	session, err := s.sealInteraction(ctx, interaction{
		Op: op.Name, User: string(op.User), Expires: s.clock().Add(interactionLasts).UnixMilli(), Done: done,
	})
	if err != nil {
		return err
	}
	type stages struct {
		Stages []string `json:"stages"`
	}
	flows := make([]stages, len(op.Flows))
	for i, f := range op.Flows {
		flows[i].Stages = f
	}
	f := &fault.Fault{Status: http.StatusUnauthorized}
	if because != nil {
		f.Kind, f.Text = because.Kind, because.Text
	}
	if done == nil {
		done = []string{}
	}
	f.Fields = map[string]any{"flows": flows, "params": struct{}{}, "session": session, "completed": done}
	return f
}

const interactionUse = "user-interactive authentication"

func (s *Signin) sealInteraction(ctx context.Context, i interaction) (string, error) {
	b, err := json.Marshal(i)
	if err != nil {
		return "", err
	}
	b, err = s.o.Seal.Seal(ctx, seal.Server, interactionUse, b)
	return base64.RawURLEncoding.EncodeToString(b), err
}

func (s *Signin) openInteraction(ctx context.Context, session string) (interaction, bool) {
	var i interaction
	b, err := base64.RawURLEncoding.DecodeString(session)
	if err != nil {
		return i, false
	}
	if b, err = s.o.Seal.Open(ctx, seal.Server, interactionUse, b); err != nil {
		return i, false
	}
	return i, json.Unmarshal(b, &i) == nil
}
