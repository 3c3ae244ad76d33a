package servertest

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"maunium.net/go/mautrix/id"
)

// Administrators tell people something in the name of the server, and nobody can decline it.
func TestServerNotices(t *testing.T) {
	Each(t, func(t *testing.T, s *Server) {
		const path = "/_synapse/admin/v1/send_server_notice"
		admin := registerAdmin(t, s.URL)
		alice := Register(t, s.URL, "alice")
		body := `{"user_id":"@alice:localhost","content":{"msgtype":"m.text","body":"Tonight the server rests from 2 to 3."}}`
		ask(t, s.URL, alice, "403 M_FORBIDDEN", "POST", path, body)
		ask(t, s.URL, admin, "404 M_NOT_FOUND", "POST", path, `{"user_id":"@nobody:localhost","content":{"msgtype":"m.text","body":"x"}}`)
		ask(t, s.URL, admin, "400 M_INVALID_PARAM", "POST", path, `{"user_id":"@a:elsewhere.example","content":{"msgtype":"m.text","body":"x"}}`)
		ask(t, s.URL, admin, "400 M_BAD_JSON", "POST", path, `{"user_id":"@alice:localhost","content":{"msgtype":"m.text"}}`)
		ask(t, s.URL, admin, "400 M_MISSING_PARAM", "POST", path, `{"user_id":"@alice:localhost"}`)

		sent := ask(t, s.URL, admin, "200", "PUT", path+"/1", body).Get("event_id").Str
		if again := ask(t, s.URL, admin, "200", "PUT", path+"/1", body).Get("event_id").Str; again != sent {
			t.Errorf("the same transaction sent %s and %s", sent, again)
		}
		rooms := func(membership string) (found []string) {
			for room := range ask(t, s.URL, alice, "200", "GET", "/_matrix/client/v3/sync", ``).Get("rooms." + membership).Map() {
				found = append(found, room)
			}
			return found
		}
		invited := rooms("invite")
		if len(invited) != 1 {
			t.Fatalf("invitations: %v", invited)
		}
		room := "/_matrix/client/v3/rooms/" + invited[0]
		ask(t, s.URL, alice, "403 M_CANNOT_LEAVE_SERVER_NOTICE_ROOM", "POST", room+"/leave", `{}`)
		ask(t, s.URL, alice, "403 M_CANNOT_LEAVE_SERVER_NOTICE_ROOM", "PUT", room+"/state/m.room.member/@alice:localhost", `{"membership":"leave"}`)
		ask(t, s.URL, alice, "200", "POST", room+"/join", `{}`)
		if e := ask(t, s.URL, alice, "200", "GET", room+"/event/"+sent, ``); e.Get("content.body").Str != "Tonight the server rests from 2 to 3." || e.Get("sender").Str != "@_server:localhost" {
			t.Errorf("notice: %s", e)
		}
		tagPath := "/_matrix/client/v3/user/@alice:localhost/rooms/" + invited[0] + "/tags"
		if tags := ask(t, s.URL, alice, "200", "GET", tagPath, ``); !tags.Get(`tags.m\.server_notice`).Exists() {
			t.Errorf("tags: %s", tags)
		}
		if _, err := alice.SendText(t.Context(), id.RoomID(invited[0]), "Thank you"); err == nil {
			t.Error("people can write where nobody reads")
		}
		ask(t, s.URL, alice, "404 M_NOT_FOUND", "GET", room+"/state/m.room.encryption", ``)
		ask(t, s.URL, alice, "200", "DELETE", tagPath+"/m.server_notice", ``)
		ask(t, s.URL, alice, "200", "POST", room+"/leave", `{}`)
		ask(t, s.URL, admin, "200", "POST", path, body)
		if again := rooms("invite"); len(again) != 1 || again[0] != invited[0] {
			t.Errorf("invited to %v, not to the same room again", again)
		}
		if tags := ask(t, s.URL, alice, "200", "GET", tagPath, ``); !tags.Get(`tags.m\.server_notice`).Exists() {
			t.Errorf("tags after another notice: %s", tags)
		}
		if n := ask(t, s.URL, alice, "200", "POST", "/_matrix/client/v3/user_directory/search", `{"search_term":"_server"}`).Get("results.#").Int(); n != 0 {
			t.Error("the server's own account is found among people")
		}
		if file := filepath.Join(s.Dir, "myelin.db"); fileExists(file) { // with SQLite
			if n := audited(t, file, "administrative act", "@admin:localhost"); n != 2 {
				t.Errorf("%d audit entries say who sent notices, want one for each", n)
			}
		}
	})
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// audited counts what somebody did.
func audited(t *testing.T, file, act, who string) (n int) {
	t.Helper()
	d, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.QueryRow(`select count(*) from audit_leaf where act = ? and who = ?`, act, who).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
