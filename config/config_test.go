package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	c, err := Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.ListenHTTP != "127.0.0.1:8008" || c.RoomVersion != "12" || c.Registration != "closed" || c.EncryptRooms != "private" {
		t.Fatalf("defaults: %+v", c)
	}
	if c.SQLitePath() != filepath.Join("data", "myelin.db") {
		t.Fatalf("SQLite path: %s", c.SQLitePath())
	}
}

func TestFileThenEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "myelin.toml")
	file := "server_name = \"file.example\"\nroom_versions = [\"10\", \"11\"]\nroom_version = \"11\"\nmax_upload_bytes = 5000\naccess_token_lifetime = \"5m\"\n"
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, []string{"MYELIN_SERVER_NAME=env.example:8448", "HOME=/x", "MYELIN_TEST_POSTGRES=x", "MYELIN_E2E_BIN=y"})
	if err != nil {
		t.Fatal(err)
	}
	if c.ServerName != "env.example:8448" || c.RoomVersion != "11" || len(c.RoomVersions) != 2 || c.MaxUploadBytes != 5000 || c.AccessTokenLifetime != 5*time.Minute {
		t.Fatalf("loaded: %+v", c)
	}
}

func TestWrongValuesAreNamed(t *testing.T) {
	for _, test := range []struct{ env, want string }{
		{"MYELIN_REGISTRATION=maybe", "closed, open, shared_secret"},
		{"MYELIN_REGISTRATION=shared_secret", "registration_shared_secret"},
		{"MYELIN_SERVER_NAME=ex ample", "server_name"},
		{"MYELIN_SERVER_NAME=a:99999", "server_name"},
		{"MYELIN_LISTEN_HTTP=8008", "address:port"},
		{"MYELIN_LISTEN_HTTP=", "listen_http"},
		{"MYELIN_LISTEN_HTTPS=127.0.0.1:1", "tls_cert"},
		{"MYELIN_DATABASE=mysql://root:hunter2@db", "postgres://"},
		{"MYELIN_ROOM_VERSION=13", "10, 11, 12"},
		{"MYELIN_ROOM_VERSIONS=2,12", "3 to 12"},
		{"MYELIN_ROOM_VERSION=9 ", "10, 11, 12"},
		{"MYELIN_MAX_UPLOAD_BYTES=-1", "whole number"},
		{"MYELIN_ACCESS_TOKEN_LIFETIME=soon", "duration"},
		{"MYELIN_SECOND_FACTOR=required", "second factors"},
		{"MYELIN_DATA_DIR=", "folder"},
		{"MYELIN_NONSENSE=1", "is not known"},
		{"MYELIN_REGISTRATION_EMAIL=required", "smtp"},
	} {
		_, err := Load("", []string{test.env})
		if err == nil {
			t.Errorf("%s: started", test.env)
			continue
		}
		name, value, _ := strings.Cut(test.env, "=")
		if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error does not name the key and what is allowed: %v", test.env, err)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error shows the password: %v", value, err)
		}
	}
}

func TestMailSettings(t *testing.T) {
	good := map[string]string{"SMTP": "mail.example.org:587", "SMTP_FROM": "no-reply@example.org", "PUBLIC_URL": "https://chat.example.org",
		"SMTP_USER": "chat", "SMTP_PASSWORD": "hunter2"}
	for name, c := range map[string]struct {
		change map[string]string
		want   string // key of the error; empty: none
	}{
		"as it should be":         {nil, ""},
		"password in a file":      {map[string]string{"SMTP_PASSWORD": "", "SMTP_PASSWORD_FILE": "/run/secret"}, ""},
		"not encrypted":           {map[string]string{"SMTP_TLS": "none"}, "smtp_tls"},
		"not encrypted, loopback": {map[string]string{"SMTP_TLS": "none", "SMTP": "127.0.0.1:25"}, ""},
		"no port":                 {map[string]string{"SMTP": "mail.example.org"}, "smtp"},
		"no sender":               {map[string]string{"SMTP_FROM": ""}, "smtp_from"},
		"a name of the sender":    {map[string]string{"SMTP_FROM": "Chat <chat@example.org>"}, "smtp_from"},
		"a header in the sender":  {map[string]string{"SMTP_FROM": "chat@example.org\r\nBcc: x@y.example"}, "smtp_from"},
		"nowhere to link to":      {map[string]string{"PUBLIC_URL": ""}, "public_url"},
		"a link that is read":     {map[string]string{"PUBLIC_URL": "http://chat.example.org"}, "public_url"},
		"a user alone":            {map[string]string{"SMTP_PASSWORD": ""}, "smtp_user"},
		"a password alone":        {map[string]string{"SMTP_USER": ""}, "smtp_user"},
		"two passwords":           {map[string]string{"SMTP_PASSWORD_FILE": "x"}, "smtp_password_file"},
	} {
		var environ []string
		for _, set := range []map[string]string{good, c.change} { // what comes later counts
			for key, value := range set {
				environ = append(environ, "MYELIN_"+key+"="+value)
			}
		}
		_, err := Load("", environ)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), "key "+c.want+" ") || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFastHashingOnlyOnLoopback(t *testing.T) {
	for address, ok := range map[string]bool{"127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, "0.0.0.0:1": false, ":1": false, "10.0.0.1:1": false} {
		_, err := Load("", []string{"MYELIN_PASSWORD_HASHING=fast", "MYELIN_LISTEN_HTTP=" + address})
		if (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestWrongFile(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none.toml"), nil); err == nil {
		t.Fatal("a missing file was accepted")
	}
	path := filepath.Join(t.TempDir(), "m.toml")
	if err := os.WriteFile(path, []byte("servername = \"x\"\npresence = 1.5\n[table]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path, nil)
	if err == nil || !strings.Contains(err.Error(), "servername") || !strings.Contains(err.Error(), "presence") {
		t.Fatalf("error: %v", err)
	}
}

func TestServerNames(t *testing.T) {
	for name, ok := range map[string]bool{"a.example": true, "127.0.0.1:8448": true, "[::1]:8448": true, "[::1]": true, "": false, "a_b": false, "a:": false, "[x]": false} {
		if validServerName(name) != ok {
			t.Errorf("%q: %v", name, !ok)
		}
	}
}

// The example must load as it is when its comment signs are taken away, and
// must name every key.
func TestExampleLoads(t *testing.T) {
	var b bytes.Buffer
	if err := Example(&b); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") {
			line = line[1:]
		}
		lines = append(lines, line)
	}
	path := filepath.Join(t.TempDir(), "m.toml")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, nil); err != nil {
		t.Fatal(err)
	}
}

func TestEffectiveHidesSecrets(t *testing.T) {
	c, err := Load("", []string{"MYELIN_REGISTRATION_SHARED_SECRET=geheim", "MYELIN_DATABASE=postgres://u:geheim@h/d", "MYELIN_ROOM_VERSIONS=11,12"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.Effective(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "geheim") || !strings.Contains(b.String(), `room_versions = ["11", "12"]`) || !strings.Contains(b.String(), `database = "postgres://(hidden)"`) {
		t.Fatal(b.String())
	}
}
