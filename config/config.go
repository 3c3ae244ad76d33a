// Package config reads Myelin's configuration: one struct, filled from a TOML
// file and then from the environment, checked as a whole before anything
// starts. Each key has one name: `server_name` in the file is
// MYELIN_SERVER_NAME in the environment. It is not a place for state: a Config
// is read once and passed down.
package config

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// Config is everything an operator may set. The struct tags are the
// documentation: `myelin config` prints them as an annotated example.
type Config struct {
	ServerName               string        `key:"server_name" default:"localhost" doc:"The name after the colon of every user id, with or without a port. It can never be changed once people have signed in."`
	DataDir                  string        `key:"data_dir" default:"data" doc:"Folder for keys, the SQLite database and uploaded files. Made at the first start, readable by its owner only."`
	Database                 string        `key:"database" default:"" doc:"Empty: SQLite in data_dir. Otherwise a postgres:// URL (PostgreSQL 15 or newer)." secret:"url"`
	ListenHTTP               string        `key:"listen_http" default:"127.0.0.1:8008" doc:"Address and port for plain HTTP: the web app and the client API. Empty: off. Put a TLS proxy in front of anything but loopback."`
	ListenHTTPS              string        `key:"listen_https" default:"" doc:"Address and port for HTTPS: the same, and the federation API. Needs tls_cert and tls_key."`
	TLSCert                  string        `key:"tls_cert" default:"" doc:"PEM file with the certificate chain for listen_https."`
	TLSKey                   string        `key:"tls_key" default:"" doc:"PEM file with the private key for listen_https."`
	AdminListen              string        `key:"admin_listen" default:"" doc:"Address and port for /metrics and /debug/pprof. Empty: off. Never reachable from outside the hospital's operations network."`
	PublicURL                string        `key:"public_url" default:"" doc:"The address people and apps use, as https://chat.example.org. Empty: worked out from each request."`
	SupportPage              string        `key:"support_page" default:"" doc:"Web page where people find help, published at /.well-known/matrix/support."`
	SupportEmail             string        `key:"support_email" default:"" doc:"E-mail address of who looks after this server, published there too."`
	SupportMatrixID          string        `key:"support_matrix_id" default:"" doc:"Matrix user id of who looks after this server, published there too."`
	TURNURIs                 []string      `key:"turn_uris" default:"" doc:"Addresses of a TURN server for calls of other clients, as turn:turn.example.org:3478?transport=udp. Empty: none."`
	TURNSecret               string        `key:"turn_secret" default:"" doc:"Secret that the TURN server shares (coturn: static-auth-secret)." secret:"all"`
	TURNLifetime             time.Duration `key:"turn_lifetime" default:"24h" doc:"How long a password for the TURN server works."`
	Registration             string        `key:"registration" default:"closed" allowed:"closed,open,shared_secret,token" doc:"Who may make an account: nobody, anybody, who has one of registration_tokens, or only tools that know registration_shared_secret."`
	Guests                   string        `key:"guests" default:"off" allowed:"off,on" doc:"Whether somebody without an account may come as a guest, into rooms that admit guests."`
	RegistrationTokens       []string      `key:"registration_tokens" default:"" doc:"Words that let people make an account when registration is token." secret:"all"`
	RegistrationSharedSecret string        `key:"registration_shared_secret" default:"" doc:"Serves /_synapse/admin/v1/register for tools that hold this secret, also beside open registration." secret:"all"`
	RateLimits               string        `key:"rate_limits" default:"on" allowed:"on,off" doc:"Limits on sign-ins, messages and requests per person and per address. Off is for tests only."`
	PasswordHashing          string        `key:"password_hashing" default:"strong" allowed:"strong,fast" doc:"Cost of argon2id. fast is for tests: it also takes short passwords, and refuses to start on an address that is not loopback."`
	PrivateAddresses         string        `key:"private_addresses" default:"deny" allowed:"deny,allow" doc:"Whether outgoing calls may go to loopback and private addresses."`
	SMTP                     string        `key:"smtp" default:"" doc:"Mail server for addresses of accounts, new passwords, invitations and notifications by e-mail, as mail.example.org:587. Empty: the server sends no mail. Needs smtp_from and public_url."`
	SMTPTLS                  string        `key:"smtp_tls" default:"starttls" allowed:"starttls,implicit,none" doc:"How the connection to the mail server is encrypted: after STARTTLS (port 587), from its beginning (port 465), or not at all, which only a mail server on this machine may."`
	SMTPCA                   string        `key:"smtp_ca" default:"" doc:"PEM file with the certificates that the mail server's is signed by. Empty: those of the system."`
	SMTPUser                 string        `key:"smtp_user" default:"" doc:"Name to sign in to the mail server with. Empty: without."`
	SMTPPassword             string        `key:"smtp_password" default:"" doc:"Password to sign in to the mail server with." secret:"all"`
	SMTPPasswordFile         string        `key:"smtp_password_file" default:"" doc:"File that holds the password instead."`
	SMTPFrom                 string        `key:"smtp_from" default:"" doc:"E-mail address that mail comes from, as no-reply@example.org."`
	RegistrationEmail        string        `key:"registration_email" default:"optional" allowed:"optional,required" doc:"Whether who makes an account has to confirm an e-mail address, where smtp is set."`
	AppservicesDir           string        `key:"appservices_dir" default:"" doc:"Folder with registration files (*.yaml) of application services. Empty: none."`
	RoomVersion              string        `key:"room_version" default:"12" allowed:"3,4,5,6,7,8,9,10,11,12" doc:"Room version of new rooms when the client names none."`
	RoomVersions             []string      `key:"room_versions" default:"3,4,5,6,7,8,9,10,11,12" doc:"Room versions that new rooms may have. Others are still understood."`
	EncryptRooms             string        `key:"encrypt_rooms" default:"private" allowed:"private,never,always" doc:"Which new rooms are end-to-end encrypted without being asked."`
	URLPreviews              string        `key:"url_previews" default:"off" allowed:"off,on" doc:"Whether the server fetches web pages that messages link to, to show a preview."`
	SecondFactor             string        `key:"second_factor" default:"optional" allowed:"required,optional" doc:"Whether everyone needs a second factor to sign in."`
	MaxUploadBytes           int64         `key:"max_upload_bytes" default:"104857600" doc:"Largest file that may be uploaded, in bytes."`
	MaxRequests              int64         `key:"max_requests" default:"100000" doc:"Requests that may wait for news at once (long polls); more are answered 429 with Retry-After."`
	Presence                 string        `key:"presence" default:"on" allowed:"on,off" doc:"Whether people see who is online."`
	DirectorySearch          string        `key:"directory_search" default:"all" allowed:"all,shared" doc:"Whom the people search finds: everyone with an account here, or only people one shares a room with."`
	AccessTokenLifetime      time.Duration `key:"access_token_lifetime" default:"1h" doc:"How long an access token works that came with a refresh token. Tokens without one last until sign-out."`
	LongestDelay             time.Duration `key:"longest_delay" default:"8760h" doc:"How far ahead an event may be scheduled."`
	LogLevel                 string        `key:"log_level" default:"info" allowed:"debug,info,warn,error" doc:"How much is logged. Message content, names and tokens are not logged at any level."`
	LogFormat                string        `key:"log_format" default:"text" allowed:"text,json" doc:"Format of log lines on standard error."`
	FrameAncestors           []string      `key:"frame_ancestors" default:"" doc:"Origins that may show the web app inside a frame, for a launch from the EHR. Empty: none."`
	MasterKey                string        `key:"master_key" default:"" doc:"Key-encryption key, 32 bytes in base64. Empty: the file master.key in data_dir, made at the first start." secret:"all"`
	MasterKeyPrevious        string        `key:"master_key_previous" default:"" doc:"The former master_key while 'myelin keys rotate' runs." secret:"all"`
	TestCommitDelay          time.Duration `key:"test_commit_delay" default:"0s" doc:"For tests only: waits this long in every commit, to bring out mistakes of ordering."`
}

// Setting errors name the key, the value that was given and what is allowed.
type settingError struct{ key, value, allowed string }

func (e settingError) Error() string {
	return fmt.Sprintf("configuration key %s (environment %s): %q is not allowed; allowed: %s",
		e.key, EnvName(e.key), e.value, e.allowed)
}

// EnvName returns the environment variable of a key.
func EnvName(key string) string { return "MYELIN_" + strings.ToUpper(key) }

// Load reads the file (none when path is empty), then the environment given
// as "NAME=value" strings, and checks the result. The error names every wrong
// key at once.
func Load(path string, environ []string) (*Config, error) {
	c := defaults()
	var problems []error
	if path != "" {
		problems = append(problems, c.fromFile(path)...)
	}
	problems = append(problems, c.fromEnviron(environ)...)
	if len(problems) == 0 {
		problems = c.check()
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return c, nil
}

func defaults() *Config {
	c := &Config{}
	for _, f := range fields() {
		if err := c.set(f, f.Tag.Get("default")); err != nil {
			panic(fmt.Sprintf("default of %s: %v", f.Tag.Get("key"), err))
		}
	}
	return c
}

func fields() []reflect.StructField {
	return reflect.VisibleFields(reflect.TypeFor[Config]())
}

func fieldOf(key string) (reflect.StructField, bool) {
	for _, f := range fields() {
		if f.Tag.Get("key") == key {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func (c *Config) fromFile(path string) []error {
	var raw map[string]any
	if _, err := toml.DecodeFile(path, &raw); err != nil {
		return []error{fmt.Errorf("read configuration file: %w", err)}
	}
	keys := make([]string, 0, len(raw))
	for key := range raw {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	var problems []error
	for _, key := range keys {
		f, ok := fieldOf(key)
		if !ok {
			problems = append(problems, unknownKey(key))
			continue
		}
		text, err := tomlText(raw[key])
		if err != nil {
			problems = append(problems, fmt.Errorf("configuration key %s: %w", key, err))
			continue
		}
		if err := c.set(f, text); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

// tomlText brings a TOML value into the form that the environment uses.
func tomlText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case int64, bool:
		return fmt.Sprint(v), nil
	case []any:
		parts := make([]string, len(v))
		for i, p := range v {
			parts[i] = fmt.Sprint(p)
		}
		return strings.Join(parts, ","), nil
	}
	return "", fmt.Errorf("a %T is not allowed here; allowed: a string, a whole number, a list of strings", v)
}

// fromEnviron ignores names that do not start with MYELIN_ and the ones that
// tests use (MYELIN_TEST_POSTGRES, MYELIN_E2E_…).
func (c *Config) fromEnviron(environ []string) []error {
	var problems []error
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "MYELIN_") || strings.HasPrefix(name, "MYELIN_TEST_POSTGRES") || strings.HasPrefix(name, "MYELIN_E2E_") {
			continue
		}
		key := strings.ToLower(strings.TrimPrefix(name, "MYELIN_"))
		f, ok := fieldOf(key)
		if !ok {
			problems = append(problems, unknownKey(key))
			continue
		}
		if err := c.set(f, value); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

func unknownKey(key string) error {
	var names []string
	for _, f := range fields() {
		names = append(names, f.Tag.Get("key"))
	}
	return fmt.Errorf("configuration key %s (environment %s) is not known; known keys: %s", key, EnvName(key), strings.Join(names, ", "))
}

func (c *Config) set(f reflect.StructField, value string) error {
	key, allowed := f.Tag.Get("key"), f.Tag.Get("allowed")
	if allowed != "" && !slices.Contains(strings.Split(allowed, ","), value) {
		return settingError{key, shown(f, value), strings.ReplaceAll(allowed, ",", ", ")}
	}
	target := reflect.ValueOf(c).Elem().FieldByIndex(f.Index)
	switch target.Interface().(type) {
	case string:
		target.SetString(value)
	case []string:
		var list []string
		for part := range strings.SplitSeq(value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
		target.Set(reflect.ValueOf(list))
	case time.Duration:
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 {
			return settingError{key, value, `a duration such as "90s", "15m" or "1h"`}
		}
		target.SetInt(int64(d))
	case int64:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n <= 0 {
			return settingError{key, value, "a whole number above 0"}
		}
		target.SetInt(n)
	default:
		panic("configuration field of unknown type: " + f.Name)
	}
	return nil
}

// shown hides the value of a secret.
func shown(f reflect.StructField, value string) string {
	switch {
	case value == "":
		return ""
	case f.Tag.Get("secret") == "all":
		return "(hidden)"
	case f.Tag.Get("secret") == "url":
		if scheme, _, ok := strings.Cut(value, "://"); ok {
			return scheme + "://(hidden)"
		}
	}
	return value
}

func (c *Config) check() []error {
	var problems []error
	bad := func(key, value, allowed string) { problems = append(problems, settingError{key, value, allowed}) }
	if !validServerName(c.ServerName) {
		bad("server_name", c.ServerName, "a host name or address, with or without a port, as chat.example.org or 127.0.0.1:8448")
	}
	if c.DataDir == "" {
		bad("data_dir", "", "a folder")
	}
	if c.Database != "" && !strings.HasPrefix(c.Database, "postgres://") && !strings.HasPrefix(c.Database, "postgresql://") {
		bad("database", "(hidden)", "empty for SQLite, or a postgres:// URL")
	}
	for key, address := range map[string]string{"listen_http": c.ListenHTTP, "listen_https": c.ListenHTTPS, "admin_listen": c.AdminListen} {
		if _, _, err := net.SplitHostPort(address); address != "" && err != nil {
			bad(key, address, "address:port, as 127.0.0.1:8008 or :8008")
		}
	}
	if c.ListenHTTP == "" && c.ListenHTTPS == "" {
		bad("listen_http", "", "an address:port here or for listen_https")
	}
	if c.ListenHTTPS != "" && (c.TLSCert == "" || c.TLSKey == "") {
		bad("listen_https", c.ListenHTTPS, "only together with tls_cert and tls_key")
	}
	if c.Registration == "shared_secret" && c.RegistrationSharedSecret == "" {
		bad("registration", c.Registration, "shared_secret only together with registration_shared_secret")
	}
	if c.Registration == "token" && len(c.RegistrationTokens) == 0 {
		bad("registration", c.Registration, "token only together with registration_tokens")
	}
	if len(c.TURNURIs) > 0 && c.TURNSecret == "" {
		bad("turn_uris", strings.Join(c.TURNURIs, ", "), "only together with turn_secret")
	}
	if c.PasswordHashing == "fast" && (!Loopback(c.ListenHTTP) || !Loopback(c.ListenHTTPS)) {
		bad("password_hashing", c.PasswordHashing, "fast only when listen_http and listen_https are loopback addresses")
	}
	if c.SecondFactor == "required" {
		bad("second_factor", c.SecondFactor, "optional, until this version of Myelin has second factors")
	}
	for _, v := range c.RoomVersions {
		if n, err := strconv.Atoi(v); err != nil || n < 3 || n > 12 {
			bad("room_versions", v, "3 to 12")
		}
	}
	if !slices.Contains(c.RoomVersions, c.RoomVersion) {
		bad("room_version", c.RoomVersion, "one of room_versions ("+strings.Join(c.RoomVersions, ", ")+")")
	}
	return append(problems, c.checkMail()...)
}

// checkMail checks what concerns e-mail.
func (c *Config) checkMail() []error {
	var problems []error
	bad := func(key, value, allowed string) { problems = append(problems, settingError{key, value, allowed}) }
	if c.SMTP == "" {
		if c.RegistrationEmail == "required" {
			bad("registration_email", c.RegistrationEmail, "required only together with smtp")
		}
		return problems
	}
	host, port, err := net.SplitHostPort(c.SMTP)
	if n, portErr := strconv.Atoi(port); err != nil || host == "" || portErr != nil || n < 1 || n > 65535 {
		bad("smtp", c.SMTP, "host:port, as mail.example.org:587")
	}
	if c.SMTPTLS == "none" && !Loopback(c.SMTP) {
		bad("smtp_tls", c.SMTPTLS, "none only when smtp is a loopback address; else starttls or implicit")
	}
	if a, err := mail.ParseAddress(c.SMTPFrom); err != nil || a.Address != c.SMTPFrom || strings.ContainsFunc(c.SMTPFrom, func(r rune) bool { return r <= ' ' || r > '~' }) {
		bad("smtp_from", c.SMTPFrom, "an e-mail address without a name, as no-reply@example.org")
	}
	if u, err := url.Parse(c.PublicURL); err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !Loopback(net.JoinHostPort(u.Hostname(), "80"))) {
		bad("public_url", c.PublicURL, "an https:// address, because smtp is set and mail links to it")
	}
	if c.SMTPPassword != "" && c.SMTPPasswordFile != "" {
		bad("smtp_password_file", c.SMTPPasswordFile, "only without smtp_password")
	}
	if (c.SMTPUser == "") != (c.SMTPPassword == "" && c.SMTPPasswordFile == "") {
		bad("smtp_user", c.SMTPUser, "only together with smtp_password or smtp_password_file")
	}
	return problems
}

// Loopback reports whether address can be reached from this machine only. An
// empty address is not listened on.
func Loopback(address string) bool {
	if address == "" {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// validServerName follows the grammar of server names
// (appendices, "Server Name").
func validServerName(name string) bool {
	host, port := name, ""
	if i := strings.LastIndexByte(name, ':'); i >= 0 && !strings.HasSuffix(name, "]") {
		host, port = name[:i], name[i+1:]
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || len(port) > 5 {
			return false
		}
	}
	if strings.HasPrefix(host, "[") {
		ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
		return err == nil && ip.Is6()
	}
	if host == "" || len(name) > 230 {
		return false
	}
	for _, r := range host {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '-' && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return true
}

// SQLitePath is the database file used when Database is empty.
func (c *Config) SQLitePath() string { return filepath.Join(c.DataDir, "myelin.db") }

// Effective writes the values in force, one key a line, secrets hidden.
func (c *Config) Effective(w io.Writer) error {
	for _, f := range fields() {
		if _, err := fmt.Fprintf(w, "%s = %s\n", f.Tag.Get("key"), tomlValue(shown(f, c.text(f)), f)); err != nil {
			return err
		}
	}
	return nil
}

// Example writes a configuration file with every key, its meaning, its
// default and what is allowed.
func Example(w io.Writer) error {
	for _, f := range fields() {
		key := f.Tag.Get("key")
		text := "# " + f.Tag.Get("doc") + "\n"
		if allowed := f.Tag.Get("allowed"); allowed != "" {
			text += "# Allowed: " + strings.ReplaceAll(allowed, ",", ", ") + ".\n"
		}
		text += fmt.Sprintf("# Environment: %s\n#%s = %s\n\n", EnvName(key), key, tomlValue(f.Tag.Get("default"), f))
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) text(f reflect.StructField) string {
	switch v := reflect.ValueOf(c).Elem().FieldByIndex(f.Index).Interface().(type) {
	case []string:
		return strings.Join(v, ",")
	default:
		return fmt.Sprint(v)
	}
}

func tomlValue(text string, f reflect.StructField) string {
	switch f.Type.Kind() {
	case reflect.Int64:
		if f.Type != reflect.TypeFor[time.Duration]() {
			return text
		}
	case reflect.Slice:
		parts := []string{}
		for part := range strings.SplitSeq(text, ",") {
			if part != "" {
				parts = append(parts, strconv.Quote(part))
			}
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return strconv.Quote(text)
}
