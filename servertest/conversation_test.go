package servertest

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
)

// A physician and a nurse talk end-to-end encrypted in both directions, with a
// picture and a restart in the middle; both clients are mautrix-go with its own
// encryption.
func TestEncryptedConversation(t *testing.T) {
	Each(t, func(t *testing.T, s *Server) {
		physician := Encrypt(t, Register(t, s.URL, "physician"))
		nurse := Encrypt(t, Register(t, s.URL, "nurse"))
		room := Room(t, &mautrix.ReqCreateRoom{Preset: "trusted_private_chat", IsDirect: true}, physician.Client, nurse.Client)
		var encryption event.EncryptionEventContent
		if err := physician.StateEvent(t.Context(), room, event.StateEncryption, "", &encryption); err != nil || encryption.Algorithm != id.AlgorithmMegolmV1 {
			t.Fatalf("a private room is not encrypted by default: %v %+v", err, encryption)
		}
		both := []id.UserID{physician.UserID, nurse.UserID}

		physician.SendSealed(t, room, text("Please check the drain in bed 12."), both...)
		expect(t, nurse, "Please check the drain in bed 12.")
		question := nurse.SendSealed(t, room, text("Done. 40 ml since six."), both...)
		expect(t, physician, "Done. 40 ml since six.")
		if err := physician.MarkRead(t.Context(), room, question); err != nil {
			t.Fatal(err)
		}

		picture := bytes.Repeat([]byte("not really a picture "), 5000)
		physician.SendSealed(t, room, sealedFile(t, physician, picture), both...)
		if got := openFile(t, nurse); !bytes.Equal(got, picture) {
			t.Fatalf("the picture arrived with %d bytes of %d", len(got), len(picture))
		}

		s.Restart(t)
		physician.SendSealed(t, room, text("Thank you."), both...)
		expect(t, nurse, "Thank you.")
		if n := len(nurse.Read()); n != 4 { // her own one included
			t.Errorf("the nurse read %d messages, want 4", n)
		}
	})
}

func text(body string) *event.MessageEventContent {
	return &event.MessageEventContent{MsgType: event.MsgText, Body: body}
}

func expect(t *testing.T, d *Device, body string) {
	t.Helper()
	Eventually(t, 20*time.Second, body, func() bool {
		return slices.ContainsFunc(d.Read(), func(ev *event.Event) bool { return ev.Content.AsMessage().Body == body })
	})
}

func sealedFile(t *testing.T, d *Device, clear []byte) *event.MessageEventContent {
	t.Helper()
	file := attachment.NewEncryptedFile()
	up, err := d.UploadBytes(t.Context(), file.Encrypt(clear), "application/octet-stream")
	if err != nil {
		t.Fatal(err)
	}
	return &event.MessageEventContent{
		MsgType: event.MsgImage, Body: "picture.jpg",
		File: &event.EncryptedFileInfo{EncryptedFile: *file, URL: up.ContentURI.CUString()},
	}
}

func openFile(t *testing.T, d *Device) []byte {
	t.Helper()
	var file *event.EncryptedFileInfo
	Eventually(t, 20*time.Second, "the picture", func() bool {
		for _, ev := range d.Read() {
			if content := ev.Content.AsMessage(); content.MsgType == event.MsgImage {
				file = content.File
			}
		}
		return file != nil
	})
	sealed, err := d.DownloadBytes(t.Context(), file.URL.ParseOrIgnore())
	if err != nil {
		t.Fatal(err)
	}
	clear, err := file.Decrypt(sealed)
	if err != nil {
		t.Fatal(err)
	}
	return clear
}

// Every route names its access rule, and every route that needs a token refuses
// a request without one.
func TestEveryRouteHasItsRule(t *testing.T) {
	s := Start(t, "")
	for _, route := range s.Routes() {
		if !route.Access.Valid() {
			t.Errorf("%s %s has no access rule", route.Method, route.Path)
		}
		if !route.Access.Token() || route.Access == access.UserOrNobody {
			continue
		}
		if status := statusOf(t, route.Method, s.URL+strings.NewReplacer("{", "", "}", "", "...", "").Replace(route.Path)); status != 401 {
			t.Errorf("%s %s answers %d without a token", route.Method, route.Path, status)
		}
	}
}
