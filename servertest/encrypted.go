package servertest

import (
	"context"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// Device is a client of mautrix-go with its own end-to-end encryption.
type Device struct {
	*mautrix.Client
	Machine *crypto.OlmMachine

	mu   sync.Mutex
	read []*event.Event // decrypted, in the order of arrival
}

// Encrypt gives a signed-in client an encryption machine, uploads its keys and
// syncs in the background until the test ends.
func Encrypt(t testing.TB, client *mautrix.Client) *Device {
	t.Helper()
	d := &Device{Client: client}
	log := zerolog.Nop()
	states := mautrix.NewMemoryStateStore()
	client.StateStore = states
	d.Machine = crypto.NewOlmMachine(client, &log, crypto.NewMemoryStore(nil), states.(crypto.StateStore))
	if err := d.Machine.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.Machine.ShareKeys(t.Context(), 0); err != nil {
		t.Fatalf("upload keys: %v", err)
	}
	syncer := client.Syncer.(*mautrix.DefaultSyncer)
	syncer.OnSync(d.Machine.ProcessSyncResponse)
	syncer.OnEventType(event.StateMember, d.Machine.HandleMemberEvent)
	syncer.OnEvent(client.StateStoreSyncHandler)
	syncer.OnEventType(event.EventEncrypted, func(ctx context.Context, ev *event.Event) {
		clear, err := d.Machine.DecryptMegolmEvent(ctx, ev)
		if err != nil {
			t.Errorf("%s cannot read %s: %v", client.UserID, ev.ID, err)
			return
		}
		d.mu.Lock()
		d.read = append(d.read, clear)
		d.mu.Unlock()
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = client.SyncWithContext(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return d
}

// Read lists what the device has decrypted so far.
func (d *Device) Read() []*event.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]*event.Event(nil), d.read...)
}

// SendSealed encrypts a message for everybody in members and sends it.
func (d *Device) SendSealed(t testing.TB, room id.RoomID, content *event.MessageEventContent, members ...id.UserID) id.EventID {
	t.Helper()
	ctx := t.Context()
	sealed, err := d.Machine.EncryptMegolmEvent(ctx, room, event.EventMessage, content)
	if crypto.IsShareError(err) {
		if err = d.Machine.ShareGroupSession(ctx, room, members); err == nil {
			sealed, err = d.Machine.EncryptMegolmEvent(ctx, room, event.EventMessage, content)
		}
	}
	if err != nil {
		t.Fatalf("encrypt: %v", err)
	}
	answer, err := d.SendMessageEvent(ctx, room, event.EventEncrypted, sealed)
	if err != nil {
		t.Fatal(err)
	}
	return answer.EventID
}
