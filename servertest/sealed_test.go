package servertest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/db/dbtest"
)

// Known words are sent through every path that carries content.
var words = map[string]string{
	"message": "Pericardialeffusion", "edit": "Haemothoraxdrainage", "room name": "Oncologytumourboard", "topic": "Palliativeplanning",
	"display name": "Wolfeschlegelstein", "account data": "Methotrexatreminder", "room account data": "Vancomycinlevels",
	"to-device": "Thrombocytopenia", "file": "Electrocardiogramstrip", "file name": "Echocardiographyloop", "tag": "Anticoagulationclinic",
	"device name": "Nightshifttablet", "redacted": "Pneumothoraxleft", "reason": "Transferredelsewhere", "filter": "Immunosuppression",
	"initial state": "Neutropenicfever", "member name": "Schwarzeneggersson", "searched": "Hyperbilirubinaemia",
}

// The data folder holds nothing in clear text of what people wrote.
func TestDataFolderIsSealed(t *testing.T) {
	s := Start(t, "")
	sayEverything(t, s.URL)
	s.stop(t)
	findWords(t, s.Dir)
	s.start(t)
}

// Neither does the data folder of a server on PostgreSQL, nor PostgreSQL's own.
func TestPostgresIsSealed(t *testing.T) {
	database := dbtest.PostgresURL(t)
	s := Start(t, database)
	sayEverything(t, s.URL)
	s.stop(t)
	findWords(t, s.Dir)
	if address, err := url.Parse(database); err != nil {
		t.Fatal(err)
	} else if dir := address.Query().Get("host"); strings.HasPrefix(dir, "/") {
		findWords(t, dir) // its write-ahead log, whatever it has written back yet
	}
	s.start(t)
}

func sayEverything(t *testing.T, address string) {
	t.Helper()
	ctx := t.Context()
	nurse, physician := Register(t, address, "nurse"), Register(t, address, "physician")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(nurse.SetDisplayName(ctx, words["display name"]))
	room := Room(t, &mautrix.ReqCreateRoom{
		Preset: "public_chat", Name: words["room name"], Topic: words["topic"],
		InitialState: []*event.Event{{Type: event.NewEventType("org.example.note"), Content: event.Content{Raw: map[string]any{"note": words["initial state"]}}}},
	}, nurse, physician)
	say := func(body string) id.EventID {
		t.Helper()
		answer, err := nurse.SendText(ctx, room, body)
		must(err)
		return answer.EventID
	}
	first := say(words["message"])
	_, err := nurse.SendMessageEvent(ctx, room, event.EventMessage, map[string]any{
		"msgtype": "m.text", "body": "* " + words["edit"], "m.new_content": map[string]any{"msgtype": "m.text", "body": words["edit"]},
		"m.relates_to": map[string]any{"rel_type": "m.replace", "event_id": first},
	})
	must(err)
	_, err = nurse.RedactEvent(ctx, room, say(words["redacted"]), mautrix.ReqRedact{Reason: words["reason"]})
	must(err)
	_, err = nurse.SendStateEvent(ctx, room, event.StateMember, string(nurse.UserID), map[string]any{"membership": "join", "displayname": words["member name"]})
	must(err)
	must(nurse.SetAccountData(ctx, "org.example.reminder", map[string]any{"text": words["account data"]}))
	must(nurse.SetRoomAccountData(ctx, room, "org.example.reminder", map[string]any{"text": words["room account data"]}))
	must(nurse.AddTagWithCustomData(ctx, room, event.RoomTag("u."+"clinic"), map[string]any{"note": words["tag"]}))
	_, err = nurse.SendToDevice(ctx, event.NewEventType("org.example.note"), &mautrix.ReqSendToDevice{
		Messages: map[id.UserID]map[id.DeviceID]*event.Content{physician.UserID: {physician.DeviceID: {Raw: map[string]any{"note": words["to-device"]}}}},
	})
	must(err)
	must(nurse.SetDeviceInfo(ctx, nurse.DeviceID, &mautrix.ReqDeviceInfo{DisplayName: words["device name"]}))
	_, err = nurse.UploadMedia(ctx, mautrix.ReqUploadMedia{
		ContentBytes: []byte(strings.Repeat(words["file"]+" ", 10_000)), ContentType: "text/plain", FileName: words["file name"] + ".txt",
	})
	must(err)
	_, err = nurse.CreateFilter(ctx, &mautrix.Filter{AccountData: &mautrix.FilterPart{Types: []event.Type{event.NewEventType(words["filter"])}}})
	must(err)
	for range 520 { // enough for a search to leave its index behind
		say(words["searched"])
	}
	answer, err := nurse.MakeRequest(ctx, http.MethodPost, nurse.BuildClientURL("v3", "search"),
		map[string]any{"search_categories": map[string]any{"room_events": map[string]any{"search_term": words["searched"]}}}, nil)
	must(err)
	if n := gjson.GetBytes(answer, "search_categories.room_events.count").Int(); n != 520 {
		t.Errorf("search finds %d messages", n)
	}
}

// findWords looks for the words in every file below dir, as they are and in
// the encodings a careless column would use.
func findWords(t *testing.T, dir string) {
	t.Helper()
	files := 0
	eachFile(t, dir, func(name string, raw []byte) {
		files++
		raw = bytes.ToLower(raw)
		for what, word := range words {
			for _, form := range []string{word, hex.EncodeToString([]byte(word)), base64.StdEncoding.EncodeToString([]byte(word))[:len(word)]} {
				if bytes.Contains(raw, []byte(strings.ToLower(form))) {
					t.Errorf("%s holds the %s in clear text", name, what)
				}
			}
		}
	})
	if files == 0 {
		t.Fatalf("no files in %s", dir)
	}
}

// eachFile reads every file below dir. A file that its program, which runs on, removes meanwhile holds nothing.
func eachFile(t *testing.T, dir string, look func(name string, raw []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			var raw []byte
			if raw, err = os.ReadFile(path); err == nil {
				look(d.Name(), raw)
			}
		}
		if path != dir && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// statusOf sends an empty request and returns the status of its answer.
func statusOf(t *testing.T, method, address string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}
