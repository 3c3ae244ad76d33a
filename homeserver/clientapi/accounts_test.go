package clientapi

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the protocol's
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/db/dbtest"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/appservice"
	"github.com/myelin-health/myelin/homeserver/signin"
	"github.com/myelin-health/myelin/rest"
	"github.com/myelin-health/myelin/seal"
)

// accountServer serves the sections about accounts by HTTP.
type accountServer struct {
	t   *testing.T
	api *API
	url string
}

func newAccountServer(t *testing.T, d *db.DB, change ...func(*signin.Options)) *accountServer {
	t.Helper()
	dir := t.TempDir()
	keys, err := seal.Open(t.Context(), seal.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	log, err := audit.Open(t.Context(), audit.Options{DB: d, Keys: keys, Name: "hs", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	reg := prometheus.NewRegistry()
	a := &API{ServerName: "hs", Services: new(appservice.Services), RoomVersion: "12", RoomVersions: []id.RoomVersion{"11", "12"}}
	a.Accounts = account.New(account.Options{DB: d, Seal: keys, Audit: log, ServerName: "hs", Registerer: reg})
	o := signin.Options{DB: d, Accounts: a.Accounts, Seal: keys, Audit: log, Registerer: reg, Registration: signin.Open, Secret: "between us", Cost: signin.Fast}
	for _, f := range change {
		f(&o)
	}
	a.Signin = signin.New(o)
	s := rest.New(rest.Options{Authenticate: a.Accounts.Authenticate, Seen: a.Accounts.Seen, Registerer: reg})
	s.Add(slices.Concat(a.versionsRoutes(), a.wellknownRoutes(), a.capabilitiesRoutes(), a.registerRoutes(), a.loginRoutes(), a.logoutRoutes(),
		a.accountRoutes(), a.threepidRoutes(), a.confirmRoutes(), a.moderationRoutes(), a.voipRoutes(), a.devicesRoutes(), a.profileRoutes(), a.accountDataRoutes(), a.filtersRoutes(), a.userDirectoryRoutes(), a.absentRoutes(), a.appserviceRoutes())...)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return &accountServer{t, a, srv.URL}
}

func onBoth(t *testing.T, f func(s *accountServer)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { f(newAccountServer(t, d)) })
}

type object = map[string]any

// call makes a request; path is below /_matrix/client/v3 unless it begins with a slash.
func (s *accountServer) call(method, path, token string, body any) (int, object) {
	s.t.Helper()
	if !strings.HasPrefix(path, "/") {
		path = "/_matrix/client/v3/" + path
	}
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			s.t.Fatal(err)
		}
		in = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, in)
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var out object
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		s.t.Errorf("%s %s: the answer is no JSON object: %v", method, path, err)
	}
	return res.StatusCode, out
}

// want makes a request and checks its status and error code.
func (s *accountServer) want(status int, code, method, path, token string, body any) object {
	s.t.Helper()
	got, out := s.call(method, path, token, body)
	errcode, _ := out["errcode"].(string)
	if got != status || errcode != code {
		s.t.Errorf("%s %s: %d %v, want %d %s", method, path, got, out, status, code)
	}
	return out
}

func (s *accountServer) ok(method, path, token string, body any) object {
	s.t.Helper()
	return s.want(200, "", method, path, token, body)
}

func text(o object, key string) string { v, _ := o[key].(string); return v }

// register makes an account and returns its user id and token.
func (s *accountServer) register(name string) (user, token string) {
	s.t.Helper()
	out := s.ok("POST", "register", "", object{"auth": object{"type": "m.login.dummy"}, "username": name, "password": "superuser"})
	return text(out, "user_id"), text(out, "access_token")
}

func (s *accountServer) login(user, password string, more object) object {
	s.t.Helper()
	body := object{"type": "m.login.password", "identifier": object{"type": "m.id.user", "user": user}, "password": password}
	for k, v := range more {
		body[k] = v
	}
	return s.ok("POST", "login", "", body)
}

func TestRegisterAndLogin(t *testing.T) {
	onBoth(t, func(s *accountServer) {
		out := s.want(401, "", "POST", "register", "", object{})
		if out["flows"] == nil || text(out, "session") == "" {
			s.t.Errorf("%v", out)
		}
		out = s.ok("POST", "register", "", object{"auth": object{"type": "m.login.dummy", "session": out["session"]}, "username": "user-UPPER",
			"password": "superuser", "device_id": "D", "refresh_token": true})
		if out["user_id"] != "@user-upper:hs" || out["device_id"] != "D" || text(out, "refresh_token") == "" || out["expires_in_ms"] != 3600_000.0 || out["home_server"] != "hs" {
			s.t.Errorf("%v", out)
		}
		next := s.ok("POST", "refresh", "", object{"refresh_token": out["refresh_token"]})
		s.ok("GET", "account/whoami", text(next, "access_token"), nil)
		s.want(401, "M_UNKNOWN_TOKEN", "GET", "account/whoami", text(out, "access_token"), nil)
		s.want(401, "M_UNKNOWN_TOKEN", "POST", "refresh", "", object{"refresh_token": out["refresh_token"]})
		s.want(400, "M_MISSING_PARAM", "POST", "refresh", "", object{})
		s.want(400, "M_NOT_JSON", "POST", "register", "", "{ \"test\":\"a\x81\" }")
		s.want(403, "M_GUEST_ACCESS_FORBIDDEN", "POST", "register?kind=guest", "", object{})
		quiet := s.ok("POST", "register", "", object{"auth": object{"type": "m.login.dummy"}, "username": "quiet", "password": "superuser", "inhibit_login": true})
		if _, ok := quiet["access_token"]; ok || quiet["user_id"] != "@quiet:hs" {
			s.t.Errorf("%v", quiet)
		}
		s.ok("GET", "register/available?username=free", "", nil)
		s.want(400, "M_USER_IN_USE", "GET", "register/available?username=quiet", "", nil)
		s.want(400, "M_INVALID_USERNAME", "GET", "register/available?username=a%2Cb", "", nil)
		s.want(400, "M_MISSING_PARAM", "GET", "register/available", "", nil)
		s.want(403, "M_THREEPID_DENIED", "POST", "register/email/requestToken", "", object{})
		s.want(403, "M_FORBIDDEN", "GET", "/_matrix/client/v1/register/m.login.registration_token/validity?token=x", "", nil)

		if flows := s.ok("GET", "login", "", nil); flows["flows"] == nil {
			s.t.Errorf("%v", flows)
		}
		out = s.login("@QUIET:hs", "superuser", object{"device_id": "E", "initial_device_display_name": "Phone"})
		if who := s.ok("GET", "account/whoami", text(out, "access_token"), nil); who["user_id"] != "@quiet:hs" || who["device_id"] != "E" || who["is_guest"] != false {
			s.t.Errorf("%v", who)
		}
		s.want(403, "M_FORBIDDEN", "POST", "login", "", byPassword("quiet", "wrong"))
		s.want(403, "M_FORBIDDEN", "POST", "login", "", byPassword("i-dont-exist", "superuser"))
		s.want(400, "M_UNKNOWN", "POST", "login", "", object{"type": "m.login.sso"})
		s.want(400, "M_BAD_JSON", "POST", "login", "", object{"type": 7})
		s.ok("GET", "/_matrix/client/r0/login", "", nil)
	})
}

func TestToolRegistration(t *testing.T) {
	onBoth(t, func(s *accountServer) {
		const path = "/_synapse/admin/v1/register"
		nonce := text(s.ok("GET", path, "", nil), "nonce")
		register := func(name string, admin bool) object {
			mac := hmac.New(sha1.New, []byte("between us"))
			_, _ = mac.Write([]byte(nonce + "\x00" + name + "\x00superuser\x00" + map[bool]string{true: "admin", false: "notadmin"}[admin]))
			return object{"nonce": nonce, "username": name, "password": "superuser", "admin": admin, "mac": hex.EncodeToString(mac.Sum(nil))}
		}
		root := s.ok("POST", path, "", register("root", true))
		if root["user_id"] != "@root:hs" || text(root, "access_token") == "" {
			s.t.Errorf("%v", root)
		}
		s.want(400, "M_INVALID_USERNAME", "POST", path, "", register("us,er", false))
		forged := register("mallory", false)
		forged["admin"] = true
		s.want(403, "M_FORBIDDEN", "POST", path, "", forged)
		s.want(400, "M_NOT_JSON", "POST", path, "", "")

		// The administrator locks somebody.
		admin := text(root, "access_token")
		user, token := s.register("alice")
		lock := "/_matrix/client/v1/admin/lock/" + user
		if got := s.ok("GET", lock, admin, nil); got["locked"] != false {
			s.t.Errorf("%v", got)
		}
		s.ok("PUT", lock, admin, object{"locked": true})
		out := s.want(401, "M_USER_LOCKED", "GET", "account/whoami", token, nil)
		if out["soft_logout"] != true {
			s.t.Errorf("%v", out)
		}
		if got := s.ok("GET", lock, admin, nil); got["locked"] != true {
			s.t.Errorf("%v", got)
		}
		s.want(400, "M_MISSING_PARAM", "PUT", lock, admin, object{})
		s.want(403, "M_FORBIDDEN", "PUT", "/_matrix/client/v1/admin/lock/@root:hs", admin, object{"locked": true})
		s.want(400, "M_INVALID_PARAM", "GET", "/_matrix/client/v1/admin/lock/@a:elsewhere", admin, nil)
		s.want(404, "M_NOT_FOUND", "GET", "/_matrix/client/v1/admin/lock/@nobody:hs", admin, nil)
		s.ok("PUT", lock, admin, object{"locked": false})
		s.ok("GET", "account/whoami", token, nil)
		s.want(403, "M_FORBIDDEN", "GET", lock, token, nil)
		for _, by := range []string{admin, token} {
			if got := s.ok("GET", "admin/whois/"+user, by, nil); got["user_id"] != user || len(got["devices"].(object)) != 1 {
				s.t.Errorf("%v", got)
			}
		}
		s.want(403, "M_FORBIDDEN", "GET", "admin/whois/@root:hs", token, nil)
		s.want(404, "M_NOT_FOUND", "GET", "admin/whois/@nobody:hs", admin, nil)
		s.want(401, "M_MISSING_TOKEN", "GET", lock, "", nil)

		// What people are in the hospital they do not say themselves.
		role := "profile/" + user + "/" + account.FieldRole
		s.want(403, "M_FORBIDDEN", "PUT", role, token, object{account.FieldRole: "Surgeon"})
		s.ok("PUT", role, admin, object{account.FieldRole: "Nurse"})
		s.want(403, "M_FORBIDDEN", "DELETE", role, token, nil)
		s.want(403, "M_FORBIDDEN", "PUT", "profile/"+user+"/displayname", admin, object{"displayname": "x"})
		if got := s.ok("GET", "profile/"+user, "", nil); got[account.FieldRole] != "Nurse" {
			s.t.Errorf("%v", got)
		}
		if c := s.ok("GET", "capabilities", admin, nil)["capabilities"].(object); c["m.account_moderation"] == nil {
			s.t.Errorf("%v", c)
		}
	})
}

func TestDeviceManagement(t *testing.T) {
	onBoth(t, func(s *accountServer) {
		user, token := s.register("alice")
		bob, _ := s.register("bob")
		second := s.login(user, "superuser", object{"device_id": "login_device", "initial_device_display_name": "device display"})
		third := s.login(user, "superuser", object{"device_id": "third"})
		got := s.ok("GET", "devices/login_device", token, nil)
		if got["device_id"] != "login_device" || got["display_name"] != "device display" || text(got, "last_seen_ip") != "127.0.0.1" || got["last_seen_ts"] == nil {
			s.t.Errorf("%v", got)
		}
		s.want(404, "M_NOT_FOUND", "GET", "devices/unknown_device", token, nil)
		if list := s.ok("GET", "devices", token, nil)["devices"].([]any); len(list) != 3 {
			s.t.Errorf("%v", list)
		}
		s.ok("PUT", "devices/login_device", token, object{"display_name": "new"})
		s.ok("PUT", "devices/login_device", token, object{})
		if got := s.ok("GET", "devices/login_device", token, nil); got["display_name"] != "new" {
			s.t.Errorf("%v", got)
		}
		s.want(404, "M_NOT_FOUND", "PUT", "devices/unknown_device", token, object{"display_name": "x"})
		s.want(404, "M_NOT_FOUND", "PUT", "devices/unknown_device", token, object{})

		const path = "devices/login_device"
		out := s.want(401, "", "DELETE", path, token, nil)
		if out["session"] == nil || out["flows"] == nil || out["params"] == nil {
			s.t.Errorf("%v", out)
		}
		out = s.want(401, "M_FORBIDDEN", "DELETE", path, token, object{"auth": byPassword(user, "super-wrong-password")})
		if out["session"] == nil || out["flows"] == nil || out["params"] == nil || out["error"] == nil {
			s.t.Errorf("%v", out)
		}
		s.want(403, "M_FORBIDDEN", "DELETE", path, token, object{"auth": byPassword(bob, "superuser")})
		s.ok("GET", path, token, nil)
		s.ok("DELETE", path, token, object{"auth": byPassword(user, "superuser")})
		s.want(404, "M_NOT_FOUND", "GET", path, token, nil)
		s.want(401, "M_UNKNOWN_TOKEN", "GET", "account/whoami", text(second, "access_token"), nil)
		s.want(400, "M_MISSING_PARAM", "POST", "delete_devices", token, object{})
		s.want(401, "", "POST", "delete_devices", token, object{"devices": []string{"third"}})
		s.ok("POST", "delete_devices", token, object{"devices": []string{"third", "gone"}, "auth": byPassword(user, "superuser")})
		s.want(401, "M_UNKNOWN_TOKEN", "GET", "account/whoami", text(third, "access_token"), nil)

		fourth := text(s.login(user, "superuser", nil), "access_token")
		s.ok("POST", "logout", fourth, nil)
		s.want(401, "M_UNKNOWN_TOKEN", "GET", "devices", fourth, nil)
		if list := s.ok("GET", "devices", token, nil)["devices"].([]any); len(list) != 1 {
			s.t.Errorf("%v", list)
		}
		fifth := text(s.login(user, "superuser", nil), "access_token")
		s.ok("POST", "logout/all", fifth, object{})
		s.want(401, "M_UNKNOWN_TOKEN", "GET", "devices", token, nil)
		s.want(401, "M_UNKNOWN_TOKEN", "POST", "logout", "invalid", nil)
		s.want(401, "M_MISSING_TOKEN", "POST", "logout", "", nil)
	})
}

func TestPasswordAndDeactivation(t *testing.T) {
	onBoth(t, func(s *accountServer) {
		user, token := s.register("alice")
		other := text(s.login(user, "superuser", nil), "access_token")
		s.want(401, "", "POST", "account/password", token, object{"new_password": "another one"})
		s.want(400, "M_WEAK_PASSWORD", "POST", "account/password", token, object{"new_password": "x"})
		s.want(400, "M_MISSING_PARAM", "POST", "account/password", token, object{"auth": byPassword(user, "superuser")})
		s.ok("POST", "account/password", token, object{"new_password": "another one", "logout_devices": false, "auth": byPassword(user, "superuser")})
		s.ok("GET", "account/whoami", other, nil)
		s.ok("POST", "account/password", token, object{"new_password": "a third one", "auth": byPassword(user, "another one")})
		s.want(401, "M_UNKNOWN_TOKEN", "GET", "account/whoami", other, nil)
		s.ok("GET", "account/whoami", token, nil)
		s.want(403, "M_FORBIDDEN", "POST", "login", "", byPassword(user, "superuser"))
		if got := s.ok("GET", "account/3pid", token, nil); got["threepids"] == nil {
			s.t.Errorf("%v", got)
		}
		s.want(403, "M_THREEPID_DENIED", "POST", "account/3pid/add", token, object{})
		s.want(403, "M_THREEPID_DENIED", "POST", "account/password/email/requestToken", "", object{})

		s.want(401, "", "POST", "account/deactivate", token, object{})
		s.want(401, "M_FORBIDDEN", "POST", "account/deactivate", token, object{"auth": byPassword(user, "wrong_password")})
		s.ok("GET", "profile/"+user, "", nil)
		s.ok("POST", "account/deactivate", token, object{"auth": byPassword(user, "a third one"), "erase": true})
		s.want(403, "M_FORBIDDEN", "POST", "login", "", byPassword(user, "a third one"))
		s.want(401, "M_UNKNOWN_TOKEN", "GET", "account/whoami", token, nil)
		s.want(404, "M_NOT_FOUND", "GET", "profile/"+user, "", nil)
	})
}

func TestProfiles(t *testing.T) {
	onBoth(t, func(s *accountServer) {
		user, token := s.register("alice")
		own := "profile/" + url.PathEscape(user)
		if got := s.ok("GET", own, "", nil); len(got) != 0 {
			s.t.Errorf("%v", got)
		}
		s.ok("GET", own+"/displayname", "", nil)
		s.ok("PUT", own+"/displayname", token, object{"displayname": "my_display_name"})
		s.ok("PUT", own+"/avatar_url", token, object{"avatar_url": "mxc://hs/x"})
		s.ok("PUT", own+"/org.example.pronouns", token, object{"org.example.pronouns": []string{"they"}})
		if got := s.ok("GET", own+"/displayname", "", nil); got["displayname"] != "my_display_name" {
			s.t.Errorf("%v", got)
		}
		if got := s.ok("GET", own, "", nil); got["displayname"] != "my_display_name" || got["avatar_url"] != "mxc://hs/x" || got["org.example.pronouns"] == nil {
			s.t.Errorf("%v", got)
		}
		s.ok("DELETE", own+"/org.example.pronouns", token, nil)
		s.want(404, "M_NOT_FOUND", "GET", own+"/org.example.pronouns", "", nil)
		s.ok("PUT", own+"/displayname", token, object{})
		if got := s.ok("GET", own+"/displayname", "", nil); len(got) != 0 {
			s.t.Errorf("%v", got)
		}
		s.want(400, "M_MISSING_PARAM", "PUT", own+"/m.tz", token, object{})
		s.want(400, "M_BAD_JSON", "PUT", own+"/displayname", token, object{"displayname": 1})
		s.want(400, "M_INVALID_PARAM", "PUT", own+"/Upper", token, object{"Upper": 1})
		s.want(403, "M_FORBIDDEN", "PUT", "profile/@bob:hs/displayname", token, object{"displayname": "x"})
		s.want(403, "M_FORBIDDEN", "DELETE", "profile/@bob:hs/displayname", token, nil)
		s.want(401, "M_MISSING_TOKEN", "PUT", own+"/displayname", "", object{"displayname": "x"})
		s.want(404, "M_NOT_FOUND", "GET", "profile/@nobody:hs", "", nil)
		s.want(404, "M_NOT_FOUND", "GET", "profile/@nobody:hs/displayname", "", nil)
		s.want(400, "M_INVALID_PARAM", "GET", "profile/nobody", "", nil)
	})
}

func TestAccountDataAndTags(t *testing.T) {
	onBoth(t, func(s *accountServer) {
		user, token := s.register("alice")
		base := "user/" + user + "/"
		room := base + "rooms/" + url.PathEscape("!r:hs") + "/"
		for _, path := range []string{base + "account_data/test.key", room + "account_data/test.key"} {
			s.want(404, "M_NOT_FOUND", "GET", path, token, nil)
			for _, v := range []string{"first", "second"} {
				s.ok("PUT", path, token, object{"value": v})
				if got := s.ok("GET", path, token, nil); got["value"] != v {
					s.t.Errorf("%v", got)
				}
			}
			s.want(400, "M_BAD_JSON", "PUT", path, token, "[]")
			s.want(400, "M_NOT_JSON", "PUT", path, token, "{")
		}
		s.want(405, "M_BAD_JSON", "PUT", base+"account_data/m.push_rules", token, object{})
		s.want(405, "M_BAD_JSON", "PUT", room+"account_data/m.fully_read", token, object{})
		s.want(400, "M_INVALID_PARAM", "GET", base+"rooms/@x:hs/account_data/a", token, nil)
		s.want(400, "M_INVALID_PARAM", "PUT", base+"rooms/@x:hs/account_data/a", token, object{})
		s.want(403, "M_FORBIDDEN", "GET", "user/@bob:hs/account_data/a", token, nil)
		s.want(403, "M_FORBIDDEN", "PUT", "user/@bob:hs/account_data/a", token, object{})

		if got := s.ok("GET", room+"tags", token, nil); got["tags"] == nil {
			s.t.Errorf("%v", got)
		}
		s.ok("PUT", room+"tags/u.Work", token, object{"order": 0.7})
		s.ok("PUT", room+"tags/m.favourite", token, object{})
		s.ok("DELETE", room+"tags/m.favourite", token, nil)
		if got := s.ok("GET", room+"tags", token, nil)["tags"].(object); len(got) != 1 || got["u.Work"].(object)["order"] != 0.7 {
			s.t.Errorf("%v", got)
		}
		if got := s.ok("GET", room+"account_data/m.tag", token, nil); got["tags"] == nil {
			s.t.Errorf("%v", got)
		}
		s.want(400, "M_BAD_JSON", "PUT", room+"tags/u.Work", token, object{"order": "first"})
		s.want(400, "M_NOT_JSON", "PUT", room+"tags/u.Work", token, "")
		for _, m := range []string{"PUT", "DELETE"} {
			s.want(403, "M_FORBIDDEN", m, "user/@bob:hs/rooms/!r:hs/tags/x", token, object{})
		}
		s.want(403, "M_FORBIDDEN", "GET", "user/@bob:hs/rooms/!r:hs/tags", token, nil)
	})
}

func TestFilterUpload(t *testing.T) {
	onBoth(t, func(s *accountServer) {
		user, token := s.register("alice")
		path := "user/" + user + "/filter"
		filter := object{"room": object{"timeline": object{"limit": 10.0}}}
		filterID := text(s.ok("POST", path, token, filter), "filter_id")
		if got := s.ok("GET", path+"/"+filterID, token, nil); got["room"].(object)["timeline"].(object)["limit"] != 10.0 {
			s.t.Errorf("%v", got)
		}
		s.want(404, "M_NOT_FOUND", "GET", path+"/none", token, nil)
		s.want(400, "M_BAD_JSON", "POST", path, token, object{"room": "x"})
		s.want(400, "M_NOT_JSON", "POST", path, token, "{")
		s.want(403, "M_FORBIDDEN", "POST", "user/@bob:hs/filter", token, filter)
		s.want(403, "M_FORBIDDEN", "GET", "user/@bob:hs/filter/x", token, nil)
	})
}

func TestPeopleSearch(t *testing.T) {
	onBoth(t, func(s *accountServer) {
		user, token := s.register("alice")
		_, bob := s.register("bob")
		s.ok("PUT", "profile/"+user+"/displayname", token, object{"displayname": "Dr. Renée Müller"})
		for term, want := range map[string]int{"renee": 1, "müll": 1, "@alice": 1, "hs": 2, "nobody": 0, "": 0} {
			got := s.ok("POST", "user_directory/search", bob, object{"search_term": term})
			if list, ok := got["results"].([]any); !ok || len(list) != want || got["limited"] != false {
				s.t.Errorf("%q: %v", term, got)
			}
		}
		got := s.ok("POST", "user_directory/search", bob, object{"search_term": "dr", "limit": 1})
		if p := got["results"].([]any)[0].(object); p["user_id"] != user || p["display_name"] != "Dr. Renée Müller" {
			s.t.Errorf("%v", got)
		}
		if got := s.ok("POST", "user_directory/search", bob, object{"search_term": "hs", "limit": 1}); got["limited"] != true {
			s.t.Errorf("%v", got)
		}
		s.want(400, "M_MISSING_PARAM", "POST", "user_directory/search", bob, object{})
		s.want(400, "M_INVALID_PARAM", "POST", "user_directory/search", bob, object{"search_term": "x", "limit": 0})
	})
}

func TestDiscovery(t *testing.T) {
	s := newAccountServer(t, dbtest.SQLite(t))
	_, token := s.register("alice")
	v := s.ok("GET", "/_matrix/client/versions", "", nil)
	if list := v["versions"].([]any); !slices.Contains(list, any("v1.1")) || v["unstable_features"] == nil {
		t.Errorf("%v", v)
	}
	caps := s.ok("GET", "capabilities", token, nil)["capabilities"].(object)
	if rooms := caps["m.room_versions"].(object); rooms["default"] != "12" || rooms["available"].(object)["11"] != "stable" || caps["m.change_password"] == nil {
		t.Errorf("%v", caps)
	}
	s.want(401, "M_MISSING_TOKEN", "GET", "capabilities", "", nil)
	base := func() any {
		return s.ok("GET", "/.well-known/matrix/client", "", nil)["m.homeserver"].(object)["base_url"]
	}
	if got := base(); got != s.url {
		t.Errorf("worked out %v", got)
	}
	s.want(404, "M_NOT_FOUND", "GET", "/.well-known/matrix/server", "", nil)
	for public, server := range map[string]string{"https://chat.example.org": "chat.example.org:443", "https://chat.example.org:8448": "chat.example.org:8448"} {
		s.api.PublicURL = public
		if got := s.ok("GET", "/.well-known/matrix/server", "", nil); got["m.server"] != server || base() != public {
			t.Errorf("%v %v", got, base())
		}
	}
	if out := s.login("alice", "superuser", nil); out["well_known"] == nil {
		t.Errorf("%v", out)
	}
	s.ok("GET", "voip/turnServer", token, nil)
	s.ok("GET", "thirdparty/protocols", token, nil)
	s.want(404, "M_NOT_FOUND", "GET", "thirdparty/protocol/irc", token, nil)
	s.want(404, "M_UNRECOGNIZED", "GET", "nothing/here", "", nil)
	s.want(405, "M_UNRECOGNIZED", "PATCH", "login", "", nil)
}

// Every route of the API names an access rule and none is in the way of another.
func TestRoutes(t *testing.T) {
	s := rest.New(rest.Options{Authenticate: (&account.Accounts{}).Authenticate, Registerer: prometheus.NewRegistry()})
	s.Add((&API{}).Routes()...)
	for _, r := range s.Routes() {
		if !r.Access.Valid() {
			t.Errorf("%s %s names no access rule", r.Method, r.Path)
		}
	}
}
