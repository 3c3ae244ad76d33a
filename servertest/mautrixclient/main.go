//go:build goolm

// Command mautrixclient is a client of mautrix-go with its own end-to-end
// encryption, which tests drive by JSON lines: one command a line on standard
// input, answers and what arrived on standard output.
//
// It is a program of its own because mautrix-go's encryption signs one-time
// keys wrongly when it is built with GOEXPERIMENT=jsonv2, as Myelin is: tests
// build it without, and with the tag goolm.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

type command struct {
	Do       string      `json:"do"` // start, send or file
	URL      string      `json:"url"`
	User     string      `json:"user"`
	Password string      `json:"password"`
	Room     id.RoomID   `json:"room"`
	Body     string      `json:"body"`
	Data     []byte      `json:"data"`
	Members  []id.UserID `json:"members"`
}

type line struct {
	Done   bool       `json:"done,omitempty"`
	Error  string     `json:"error,omitempty"`
	Event  id.EventID `json:"event,omitempty"`
	Sender id.UserID  `json:"sender,omitempty"`
	Body   string     `json:"body,omitempty"`
	Data   []byte     `json:"data,omitempty"`
}

type device struct {
	*mautrix.Client
	machine *crypto.OlmMachine
	mu      sync.Mutex
	out     *json.Encoder
}

func main() {
	d := &device{out: json.NewEncoder(os.Stdout)}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var c command
		answer := line{Done: true}
		err := json.Unmarshal(in.Bytes(), &c)
		if err == nil {
			answer.Event, err = d.do(context.Background(), c)
		}
		if err != nil {
			answer.Error = err.Error()
		}
		d.say(answer)
	}
}

func (d *device) say(l line) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.out.Encode(l)
}

func (d *device) do(ctx context.Context, c command) (id.EventID, error) {
	switch c.Do {
	case "start":
		return "", d.start(ctx, c)
	case "send":
		return d.send(ctx, c, &event.MessageEventContent{MsgType: event.MsgText, Body: c.Body})
	case "file":
		file := attachment.NewEncryptedFile()
		up, err := d.UploadBytes(ctx, file.Encrypt(c.Data), "application/octet-stream")
		if err != nil {
			return "", err
		}
		return d.send(ctx, c, &event.MessageEventContent{MsgType: event.MsgImage, Body: c.Body,
			File: &event.EncryptedFileInfo{EncryptedFile: *file, URL: up.ContentURI.CUString()}})
	}
	return "", fmt.Errorf("unknown command %q", c.Do)
}

// start signs in, uploads keys and syncs from then on.
func (d *device) start(ctx context.Context, c command) (err error) {
	if d.Client, err = mautrix.NewClient(c.URL, "", ""); err != nil {
		return err
	}
	if _, err = d.Login(ctx, &mautrix.ReqLogin{
		Type: mautrix.AuthTypePassword, Identifier: mautrix.UserIdentifier{Type: mautrix.IdentifierTypeUser, User: c.User},
		Password: c.Password, StoreCredentials: true,
	}); err != nil {
		return err
	}
	log := zerolog.Nop()
	states := mautrix.NewMemoryStateStore()
	d.StateStore = states
	d.machine = crypto.NewOlmMachine(d.Client, &log, crypto.NewMemoryStore(nil), states.(crypto.StateStore))
	if err = d.machine.Load(ctx); err != nil {
		return err
	}
	if err = d.machine.ShareKeys(ctx, 0); err != nil {
		return err
	}
	syncer := d.Syncer.(*mautrix.DefaultSyncer)
	syncer.OnSync(d.machine.ProcessSyncResponse)
	syncer.OnEventType(event.StateMember, d.machine.HandleMemberEvent)
	syncer.OnEvent(d.StateStoreSyncHandler)
	syncer.OnEventType(event.EventEncrypted, d.arrived)
	go func() {
		if err := d.SyncWithContext(ctx); err != nil {
			d.say(line{Error: "sync: " + err.Error()})
		}
	}()
	return nil
}

// arrived decrypts a message, and the file that comes with it.
func (d *device) arrived(ctx context.Context, sealed *event.Event) {
	clear, err := d.machine.DecryptMegolmEvent(ctx, sealed)
	if err != nil {
		d.say(line{Event: sealed.ID, Error: "decrypt: " + err.Error()})
		return
	}
	content := clear.Content.AsMessage()
	l := line{Event: sealed.ID, Sender: sealed.Sender, Body: content.Body}
	if content.File != nil {
		if l.Data, err = d.DownloadBytes(ctx, content.File.URL.ParseOrIgnore()); err == nil {
			l.Data, err = content.File.Decrypt(l.Data)
		}
		if err != nil {
			l.Error = "file: " + err.Error()
		}
	}
	d.say(l)
}

func (d *device) send(ctx context.Context, c command, content *event.MessageEventContent) (id.EventID, error) {
	sealed, err := d.machine.EncryptMegolmEvent(ctx, c.Room, event.EventMessage, content)
	if crypto.IsShareError(err) {
		if err = d.machine.ShareGroupSession(ctx, c.Room, c.Members); err == nil {
			sealed, err = d.machine.EncryptMegolmEvent(ctx, c.Room, event.EventMessage, content)
		}
	}
	if err != nil {
		return "", err
	}
	answer, err := d.SendMessageEvent(ctx, c.Room, event.EventEncrypted, sealed)
	if err != nil {
		return "", err
	}
	return answer.EventID, nil
}
