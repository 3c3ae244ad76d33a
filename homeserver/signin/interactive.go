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
	// Proof is what the proof of an address has to be for, if StageEmail is among the stages.
	Proof Purpose
}

// interaction is the state of a session. The server keeps none of it: the session id is the state, sealed,
// so that every process of a cluster understands it and none can be filled up.
type interaction struct {
	Op      string   `json:"op"`
	User    string   `json:"user,omitempty"`
	Expires int64    `json:"exp"`
	Done    []string `json:"done,omitempty"`
	Proof   string   `json:"proof,omitempty"` // id of that of an address, when StageEmail is done
}

// authentication is the auth object of a request.
type authentication struct {
	Type       string      `json:"type"`
	Session    string      `json:"session"`
	Identifier *Identifier `json:"identifier"`
	User       string      `json:"user"`
	Password   string      `json:"password"`
	Token      string      `json:"token"`
	Proof      Credentials `json:"threepid_creds"`
}

// Confirm returns nil when auth, the auth object of a request, confirms the operation. Else the fault is the
// 401 answer of section "User-Interactive Authentication API", with the flows, the session and the stages
// that are done.
func (s *Signin) Confirm(ctx context.Context, op Operation, auth json.RawMessage, c Client) error {
	_, err := s.confirm(ctx, op, auth, c)
	return err
}

// confirm is Confirm; what it returns says how the operation was confirmed.
func (s *Signin) confirm(ctx context.Context, op Operation, auth json.RawMessage, c Client) (i interaction, err error) {
	if op.Flows == nil {
		op.Flows = [][]string{{StagePassword}}
	}
	if len(auth) == 0 || string(auth) == "null" {
		return i, s.challenge(ctx, op, i, nil)
	}
	var a authentication
	if err := json.Unmarshal(auth, &a); err != nil {
		return i, fault.New(fault.BadJSON, "The auth object has a value of the wrong type.")
	}
	if a.Session != "" {
		known, ok := s.openInteraction(ctx, a.Session)
		if !ok || known.Op != op.Name || known.User != string(op.User) || known.Expires < s.clock().UnixMilli() {
			return i, s.challenge(ctx, op, i, fault.New(fault.Forbidden, "The session is not known, has expired or is for another operation."))
		}
		i = known
	}
	if a.Type != "" {
		if !slices.ContainsFunc(op.Flows, func(flow []string) bool { return slices.Contains(flow, a.Type) }) {
			return i, s.challenge(ctx, op, i, fault.New(fault.Unrecognized, "This stage is not offered."))
		}
		if err := s.stage(ctx, op, a, c); err != nil {
			if f, ok := fault.As(err); ok && (f.Kind == fault.Forbidden || f.Kind == fault.Unauthorized) && f.Status == 0 {
				return i, s.challenge(ctx, op, i, f)
			}
			return i, err
		}
		if a.Type == StageEmail {
			i.Proof = a.Proof.SID
		}
		if !slices.Contains(i.Done, a.Type) {
			i.Done = append(i.Done, a.Type)
		}
	}
	for _, flow := range op.Flows {
		if !slices.ContainsFunc(flow, func(stage string) bool { return !slices.Contains(i.Done, stage) }) {
			return i, nil
		}
	}
	return i, s.challenge(ctx, op, i, nil)
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
	case StageEmail:
		_, ok, err := s.proved(ctx, op.Proof, a.Proof)
		if err == nil && !ok { // clients ask again until the link was followed, and know this kind
			err = fault.New(fault.Unauthorized, "The address was not confirmed.")
		}
		return err
	}
	user, err := s.identify(ctx, a.Identifier, a.User)
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
func (s *Signin) challenge(ctx context.Context, op Operation, i interaction, because *fault.Fault) error {
	i.Op, i.User, i.Expires = op.Name, string(op.User), s.clock().Add(interactionLasts).UnixMilli()
	session, err := s.sealInteraction(ctx, i)
	if err != nil {
		return err
	}
	type stages struct {
		Stages []string `json:"stages"`
	}
	flows := make([]stages, len(op.Flows))
	for n, f := range op.Flows {
		flows[n].Stages = f
	}
	f := &fault.Fault{Status: http.StatusUnauthorized}
	if because != nil {
		f.Kind, f.Text = because.Kind, because.Text
	}
	done := i.Done
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
