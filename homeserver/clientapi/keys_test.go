package clientapi

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/gjson"
	"maunium.net/go/mautrix/crypto/canonicaljson"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/access"
	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/fault"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/e2ee"
	"github.com/myelin-health/myelin/homeserver/media"
	"github.com/myelin-health/myelin/homeserver/signin"
	"github.com/myelin-health/myelin/rest"
	"github.com/myelin-health/myelin/seal"
)

// keyring serves the sections about keys and media over HTTP. Accounts "alice" and "bob" are signed in with
// their name as the token.
type keyring struct {
	t     *testing.T
	api   *API
	url   string
	inbox []json.RawMessage
}

func newKeyring(t *testing.T) *keyring {
	t.Helper()
	d, dir := dbtest.SQLite(t), t.TempDir()
	keys, err := seal.Open(t.Context(), seal.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	log, err := audit.Open(t.Context(), audit.Options{DB: d, Keys: keys, Name: "test", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	k := &keyring{t: t, api: &API{ServerName: "test"}}
	registry := prometheus.NewRegistry()
	k.api.Accounts = account.New(account.Options{DB: d, Seal: keys, Audit: log, ServerName: "test", Registerer: registry,
		DeviceRemoved: func(tx *db.Tx, user id.UserID, device id.DeviceID) { _ = k.api.E2EE.DeviceRemoved(tx, user, device) }})
	k.api.Signin = signin.New(signin.Options{Accounts: k.api.Accounts, Seal: keys, Audit: log, Registerer: registry, Cost: signin.Fast})
	for _, name := range []string{"alice", "bob"} {
		if _, err := k.api.Signin.CreateUser(t.Context(), name, "correct horse", "", false); err != nil {
			t.Fatal(err)
		}
	}
	k.api.E2EE = e2ee.New(e2ee.Options{DB: d, Seal: keys, ServerName: "test",
		CreateDevice: k.api.Accounts.AddUnattended, RemoveDevice: k.api.Accounts.RemoveUnattended,
		Inbox: func(_ context.Context, _ id.UserID, _ id.DeviceID, after int64, limit int) ([]json.RawMessage, int64, error) {
			from := min(int(after), len(k.inbox))
			to := min(from+limit, len(k.inbox))
			return k.inbox[from:to], int64(to), nil
		}})
	k.api.DeviceLists = func(_ context.Context, user id.UserID, from, to string) (changed, left []id.UserID, err error) {
		if from == "bad" {
			return nil, nil, fault.New(fault.InvalidParam, "No such token.")
		}
		return []id.UserID{"@bob:test"}, nil, nil
	}
	if k.api.Media, err = media.New(media.Options{DB: d, Seal: keys, Audit: log, ServerName: "test", Dir: filepath.Join(dir, "media"), MaxBytes: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	server := rest.New(rest.Options{Registerer: registry, Authenticate: func(_ context.Context, token string) (access.Who, error) {
		if token != "alice" && token != "bob" {
			return access.Who{}, fault.New(fault.UnknownToken, "No such token.")
		}
		return access.Who{User: id.UserID("@" + token + ":test"), Device: "DEVICE"}, nil
	}})
	server.Add(k.api.keysRoutes()...)
	server.Add(k.api.crossSigningRoutes()...)
	server.Add(k.api.keyBackupRoutes()...)
	server.Add(k.api.dehydratedRoutes()...)
	server.Add(k.api.mediaRoutes()...)
	s := httptest.NewServer(server)
	t.Cleanup(s.Close)
	k.url = s.URL
	return k
}

// send makes a request and returns the answer with its body.
func (k *keyring) send(method, path, token string, header http.Header, body []byte) (*http.Response, []byte) {
	k.t.Helper()
	req, err := http.NewRequestWithContext(k.t.Context(), method, k.url+path, bytes.NewReader(body))
	if err != nil {
		k.t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		k.t.Fatal(err)
	}
	return resp, answer
}

// json makes a JSON request and expects a status; 4xx as in 400 or "403 M_FORBIDDEN".
func (k *keyring) json(token, method, path string, body any, want string) gjson.Result {
	k.t.Helper()
	text, ok := body.(string)
	if !ok && body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			k.t.Fatal(err)
		}
		text = string(b)
	}
	resp, answer := k.send(method, path, token, nil, []byte(text))
	got := fmt.Sprint(resp.StatusCode)
	if code := gjson.GetBytes(answer, "errcode").Str; code != "" && strings.Contains(want, " ") {
		got += " " + code
	}
	if got != want {
		k.t.Errorf("%s %s: %s %s, want %s", method, path, got, answer, want)
	}
	return gjson.ParseBytes(answer)
}

// signed returns object with a signature of user by the key.
func signed(object map[string]any, user, name string, key ed25519.PrivateKey) map[string]any {
	text, err := canonicaljson.Marshal(object)
	if err != nil {
		panic(err)
	}
	object["signatures"] = map[string]any{user: map[string]string{name: base64.RawStdEncoding.EncodeToString(ed25519.Sign(key, text))}}
	return object
}

func keyOf(seed string) (public string, private ed25519.PrivateKey) {
	private = ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%-32.32s", seed)))
	return base64.RawStdEncoding.EncodeToString(private.Public().(ed25519.PublicKey)), private
}

func deviceObject(user, device string) map[string]any {
	public, private := keyOf(user + device)
	return signed(map[string]any{"user_id": user, "device_id": device, "algorithms": []string{"m.olm.v1.curve25519-aes-sha2"},
		"keys": map[string]string{"ed25519:" + device: public}}, user, "ed25519:"+device, private)
}

func TestKeyEndpoints(t *testing.T) {
	k := newKeyring(t)
	const v3 = "/_matrix/client/v3/keys/"
	up := map[string]any{"device_keys": deviceObject("@alice:test", "DEVICE"), "one_time_keys": map[string]any{"signed_curve25519:A": map[string]any{"key": "abc"}}}
	if n := k.json("alice", "POST", v3+"upload", up, "200").Get("one_time_key_counts.signed_curve25519").Int(); n != 1 {
		t.Errorf("%d keys", n)
	}
	k.json("alice", "POST", "/_matrix/client/r0/keys/upload/DEVICE", up, "200")
	k.json("alice", "POST", v3+"upload/OTHER", up, "400 M_INVALID_PARAM")
	k.json("bob", "POST", v3+"upload", up, "400 M_INVALID_PARAM")
	k.json("alice", "POST", v3+"upload", "[]", "400 M_BAD_JSON")
	k.json("", "POST", v3+"upload", up, "401 M_MISSING_TOKEN")
	k.json("alice", "POST", v3+"upload", map[string]any{"device_keys": map[string]string{"user_id": "@alice:test", "device_id": "DEVICE"}}, "400 M_BAD_JSON")

	got := k.json("bob", "POST", v3+"query", map[string]any{"device_keys": map[string]any{"@alice:test": []string{}, "@x:away": []string{}}}, "200")
	if !got.Get(`device_keys.@alice\:test.DEVICE.keys`).Exists() || !got.Get("failures.away").Exists() {
		t.Errorf("query: %s", got.Raw)
	}
	k.json("bob", "POST", v3+"query", map[string]any{"device_keys": map[string]any{"@alice:test": map[string]bool{"DEVICE": true}}}, "400 M_BAD_JSON")
	k.json("bob", "POST", v3+"query", map[string]any{}, "400 M_BAD_JSON")

	claim := map[string]any{"one_time_keys": map[string]any{"@alice:test": map[string]string{"DEVICE": "signed_curve25519"}}}
	if got := k.json("bob", "POST", v3+"claim", claim, "200"); got.Get(`one_time_keys.@alice\:test.DEVICE.signed_curve25519\:A.key`).Str != "abc" {
		t.Errorf("claim: %s", got.Raw)
	}
	if got := k.json("bob", "POST", v3+"claim", claim, "200"); got.Get(`one_time_keys.@alice\:test`).Exists() {
		t.Errorf("second claim: %s", got.Raw)
	}
	k.json("bob", "POST", v3+"claim", map[string]any{}, "400 M_BAD_JSON")

	if got := k.json("alice", "GET", v3+"changes?from=s1&to=s2", nil, "200"); got.Get("changed.0").Str != "@bob:test" || !got.Get("left").IsArray() {
		t.Errorf("changes: %s", got.Raw)
	}
	k.json("alice", "GET", v3+"changes?to=s2", nil, "400 M_MISSING_PARAM")
	k.json("alice", "GET", v3+"changes?from=bad&to=s2", nil, "400 M_INVALID_PARAM")
}

func crossSigningUpload(seed string) (body map[string]any, selfSigning string, private ed25519.PrivateKey) {
	const user = "@alice:test"
	object := func(usage, public string) map[string]any {
		return map[string]any{"user_id": user, "usage": []string{usage}, "keys": map[string]string{"ed25519:" + public: public}}
	}
	master, masterKey := keyOf(seed + "master")
	selfSigning, private = keyOf(seed + "self")
	userSigning, _ := keyOf(seed + "user")
	return map[string]any{
		"master_key":       object("master", master),
		"self_signing_key": signed(object("self_signing", selfSigning), user, "ed25519:"+master, masterKey),
		"user_signing_key": signed(object("user_signing", userSigning), user, "ed25519:"+master, masterKey),
	}, selfSigning, private
}

func TestCrossSigningEndpoints(t *testing.T) {
	k := newKeyring(t)
	const upload = "/_matrix/client/v3/keys/device_signing/upload"
	body, _, _ := crossSigningUpload("first")
	k.json("alice", "POST", upload, body, "200")
	k.json("alice", "POST", upload, body, "200")
	k.json("alice", "POST", upload, map[string]any{}, "400 M_MISSING_PARAM")
	k.json("alice", "POST", upload, "1", "400 M_BAD_JSON")

	// Replacing them asks for the password.
	next, _, _ := crossSigningUpload("second")
	ask := k.json("alice", "POST", upload, next, "401")
	if ask.Get("flows.#").Int() == 0 || ask.Get("session").Str == "" {
		t.Fatalf("asked with %s", ask.Raw)
	}
	auth := map[string]any{"type": "m.login.password", "session": ask.Get("session").Str,
		"identifier": map[string]string{"type": "m.id.user", "user": "alice"}, "password": "wrong"}
	next["auth"] = auth
	k.json("alice", "POST", upload, next, "401")
	auth["password"] = "correct horse"
	k.json("alice", "POST", upload, next, "200")

	// The device is signed with the self-signing key.
	_, selfSigning, private := crossSigningUpload("second")
	k.json("alice", "POST", "/_matrix/client/v3/keys/upload", map[string]any{"device_keys": deviceObject("@alice:test", "DEVICE")}, "200")
	object := deviceObject("@alice:test", "DEVICE")
	delete(object, "signatures")
	signed(object, "@alice:test", "ed25519:"+selfSigning, private)
	const signatures = "/_matrix/client/v3/keys/signatures/upload"
	if got := k.json("alice", "POST", signatures, map[string]any{"@alice:test": map[string]any{"DEVICE": object}}, "200"); got.Get("failures.*").Exists() {
		t.Errorf("signatures: %s", got.Raw)
	}
	if got := k.json("alice", "POST", signatures, map[string]any{"@alice:test": map[string]any{"NONE": object}}, "200"); got.Get(`failures.@alice\:test.NONE.errcode`).Str != "M_NOT_FOUND" {
		t.Errorf("signatures: %s", got.Raw)
	}
	k.json("alice", "POST", signatures, "[]", "400 M_BAD_JSON")
	got := k.json("bob", "POST", "/_matrix/client/v3/keys/query", map[string]any{"device_keys": map[string]any{"@alice:test": []string{}}}, "200")
	if n := len(got.Get(`device_keys.@alice\:test.DEVICE.signatures.@alice\:test`).Map()); n != 2 {
		t.Errorf("%d signatures on the device", n)
	}
}

func TestKeyBackupEndpoints(t *testing.T) {
	k := newKeyring(t)
	const versions, keys = "/_matrix/client/v3/room_keys/version", "/_matrix/client/v3/room_keys/keys"
	backup := map[string]any{"algorithm": "m.megolm_backup.v1", "auth_data": map[string]string{"foo": "bar"}}
	k.json("alice", "GET", versions, nil, "404 M_NOT_FOUND")
	version := k.json("alice", "POST", versions, backup, "200").Get("version").Str
	if got := k.json("alice", "GET", versions, nil, "200"); got.Get("version").Str != version || got.Get("count").Int() != 0 || got.Get("etag").Type != gjson.String {
		t.Errorf("version: %s", got.Raw)
	}
	k.json("alice", "GET", versions+"/"+version, nil, "200")
	k.json("alice", "GET", versions+"/99", nil, "404 M_NOT_FOUND")
	k.json("alice", "PUT", versions+"/"+version, backup, "200")
	k.json("alice", "PUT", versions+"/"+version, map[string]any{"algorithm": "x", "auth_data": map[string]any{}}, "400 M_INVALID_PARAM")
	for _, body := range []string{"1", "{"} {
		want := map[string]string{"1": "400 M_BAD_JSON", "{": "400 M_NOT_JSON"}[body]
		k.json("alice", "POST", versions, body, want)
		k.json("alice", "PUT", versions+"/"+version, body, want)
		for _, path := range []string{"", "/!r:test", "/!r:test/s"} {
			k.json("alice", "PUT", keys+path+"?version="+version, body, want)
		}
	}

	session := map[string]any{"first_message_index": 1, "forwarded_count": 0, "is_verified": true, "session_data": map[string]string{"a": "b"}}
	sessions := map[string]any{"sessions": map[string]any{"s2": session}}
	k.json("alice", "PUT", keys+"/!r:test/s1?version="+version, session, "200")
	k.json("alice", "PUT", keys+"/!r:test?version="+version, sessions, "200")
	if got := k.json("alice", "PUT", keys+"?version="+version, map[string]any{"rooms": map[string]any{"!q:test": sessions}}, "200"); got.Get("count").Int() != 3 {
		t.Errorf("stored: %s", got.Raw)
	}
	k.json("alice", "PUT", keys+"?version="+version, map[string]any{}, "400 M_BAD_JSON")
	k.json("alice", "PUT", keys+"/!r:test?version="+version, map[string]any{}, "400 M_BAD_JSON")
	k.json("alice", "PUT", keys+"/!r:test/s1", session, "400 M_MISSING_PARAM")
	if got := k.json("alice", "GET", keys+"?version="+version, nil, "200"); got.Get(`rooms.!q\:test.sessions.s2.session_data.a`).Str != "b" {
		t.Errorf("all keys: %s", got.Raw)
	}
	if got := k.json("alice", "GET", keys+"/!r:test?version="+version, nil, "200"); len(got.Get("sessions").Map()) != 2 {
		t.Errorf("keys of a room: %s", got.Raw)
	}
	if got := k.json("alice", "GET", keys+"/!none:test?version="+version, nil, "200"); !got.Get("sessions").IsObject() {
		t.Errorf("keys of an unknown room: %s", got.Raw)
	}
	if got := k.json("alice", "GET", keys+"/!r:test/s1?version="+version, nil, "200"); got.Get("first_message_index").Int() != 1 {
		t.Errorf("one key: %s", got.Raw)
	}
	k.json("alice", "GET", keys+"/!r:test/none?version="+version, nil, "404 M_NOT_FOUND")
	for _, path := range []string{"", "/!r:test", "/!r:test/s1"} {
		k.json("alice", "GET", keys+path, nil, "400 M_MISSING_PARAM")
		k.json("alice", "GET", keys+path+"?version=99", nil, "404 M_NOT_FOUND")
		k.json("alice", "DELETE", keys+path, nil, "400 M_MISSING_PARAM")
	}
	for path, left := range map[string]int64{"/!r:test/s1": 2} {
		if got := k.json("alice", "DELETE", keys+path+"?version="+version, nil, "200"); got.Get("count").Int() != left {
			t.Errorf("after deleting %s: %s", path, got.Raw)
		}
	}
	next := k.json("alice", "POST", versions, backup, "200").Get("version").Str
	if got := k.json("alice", "PUT", keys+"/!r:test/s1?version="+version, session, "403 M_WRONG_ROOM_KEYS_VERSION"); got.Get("current_version").Str != next {
		t.Errorf("wrong version: %s", got.Raw)
	}
	k.json("alice", "DELETE", versions+"/"+next, nil, "200")
	k.json("alice", "DELETE", versions+"/"+next, nil, "200")
	k.json("alice", "GET", versions+"/"+next, nil, "404 M_NOT_FOUND")
}

func TestDehydratedEndpoints(t *testing.T) {
	k := newKeyring(t)
	const path = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device"
	const device = "abc/+="
	k.json("alice", "GET", path, nil, "404 M_NOT_FOUND")
	k.json("alice", "PUT", path, "[]", "400 M_BAD_JSON")
	body := map[string]any{"device_id": device, "device_data": map[string]string{"algorithm": "org.matrix.msc3814.v1.olm"},
		"device_keys": deviceObject("@alice:test", device), "initial_device_display_name": "Inbox", "one_time_keys": map[string]any{"a:b": "c"}}
	if got := k.json("alice", "PUT", path, body, "200"); got.Get("device_id").Str != device {
		t.Errorf("put: %s", got.Raw)
	}
	if got := k.json("alice", "GET", path, nil, "200"); got.Get("device_id").Str != device || got.Get("device_data.algorithm").Str == "" {
		t.Errorf("get: %s", got.Raw)
	}
	if d, err := k.api.Accounts.Device(t.Context(), "@alice:test", device); err != nil || d.Name != "Inbox" {
		t.Errorf("device: %+v, %v", d, err)
	}
	for i := range 5 {
		k.inbox = append(k.inbox, json.RawMessage(fmt.Sprintf(`{"n":%d}`, i)))
	}
	events := path + "/abc%2F%2B%3D/events"
	got := k.json("alice", "GET", events+"?limit=3", nil, "200")
	if got.Get("events.#").Int() != 3 || got.Get("next_batch").Str == "" {
		t.Errorf("first page: %s", got.Raw)
	}
	got = k.json("alice", "GET", events+"?limit=3&from="+got.Get("next_batch").Str, nil, "200")
	if got.Get("events.#").Int() != 2 || got.Get("next_batch").Exists() {
		t.Errorf("last page: %s", got.Raw)
	}
	k.json("alice", "GET", events+"?limit=x", nil, "400 M_INVALID_PARAM")
	k.json("bob", "GET", events, nil, "403 M_FORBIDDEN")
	got = k.json("alice", "POST", events, nil, "200")
	if got.Get("events.#").Int() != 5 {
		t.Errorf("older form: %s", got.Raw)
	}
	got = k.json("alice", "POST", events, map[string]string{"next_batch": got.Get("next_batch").Str}, "200")
	if got.Get("events.#").Int() != 0 || !got.Get("events").IsArray() || got.Get("next_batch").Str == "" {
		t.Errorf("older form, end: %s", got.Raw)
	}
	k.json("alice", "POST", events, "[]", "400 M_BAD_JSON")
	k.json("bob", "POST", events, nil, "403 M_FORBIDDEN")
	if got := k.json("alice", "DELETE", path, nil, "200"); got.Get("device_id").Str != device {
		t.Errorf("delete: %s", got.Raw)
	}
	k.json("alice", "DELETE", path, nil, "404 M_NOT_FOUND")
	if _, err := k.api.Accounts.Device(t.Context(), "@alice:test", device); err == nil {
		t.Error("the device is left")
	}
}
