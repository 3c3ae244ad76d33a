package servertest

import (
	"bytes"
	"strings"
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
)

// A physician and a nurse talk end-to-end encrypted in both directions, with a
// picture and a restart in the middle; both clients are mautrix-go with its own
// encryption.
func TestEncryptedConversation(t *testing.T) {
	Each(t, func(t *testing.T, s *Server) {
		physician, nurse := Register(t, s.URL, "physician"), Register(t, s.URL, "nurse")
		room := Room(t, &mautrix.ReqCreateRoom{Preset: "trusted_private_chat", IsDirect: true}, physician, nurse)
		var encryption event.EncryptionEventContent
		if err := physician.StateEvent(t.Context(), room, event.StateEncryption, "", &encryption); err != nil || encryption.Algorithm != id.AlgorithmMegolmV1 {
			t.Fatalf("a private room is not encrypted by default: %v %+v", err, encryption)
		}
		both := []id.UserID{physician.UserID, nurse.UserID}
		tablet, phone := NewDevice(t, s.URL, "physician"), NewDevice(t, s.URL, "nurse")

		tablet.Send(t, room, "Please check the drain in bed 12.", both...)
		phone.Expect(t, "Please check the drain in bed 12.")
		answer := phone.Send(t, room, "Done. 40 ml since six.", both...)
		tablet.Expect(t, "Done. 40 ml since six.")
		if err := physician.MarkRead(t.Context(), room, answer); err != nil {
			t.Fatal(err)
		}

		picture := bytes.Repeat([]byte("not really a picture "), 5000)
		tablet.SendFile(t, room, "drain.jpg", picture, both...)
		if got := phone.Expect(t, "drain.jpg"); !bytes.Equal(got.Data, picture) {
			t.Fatalf("the picture arrived with %d bytes of %d", len(got.Data), len(picture))
		}

		s.Restart(t)
		tablet.Send(t, room, "Thank you.", both...)
		phone.Expect(t, "Thank you.")
		bodies := map[string]int{}
		for _, m := range phone.Read() {
			bodies[m.Body]++
		}
		for body, n := range bodies {
			if n != 1 {
				t.Errorf("%q was received %d times", body, n)
			}
		}
	})
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
