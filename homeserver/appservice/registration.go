package appservice

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
	"maunium.net/go/mautrix/id"
)

// registration is the file by which an operator admits an application service (application service API,
// section "Registration").
type registration struct {
	ID         string  `yaml:"id"`
	URL        *string `yaml:"url"`
	ASToken    string  `yaml:"as_token"`
	HSToken    string  `yaml:"hs_token"`
	Sender     string  `yaml:"sender_localpart"`
	Limited    *bool   `yaml:"rate_limited"`
	Namespaces struct {
		Users   []namespace `yaml:"users"`
		Aliases []namespace `yaml:"aliases"`
		Rooms   []namespace `yaml:"rooms"`
	} `yaml:"namespaces"`
	Protocols   []string `yaml:"protocols"`
	Ephemeral   bool     `yaml:"receive_ephemeral"`
	Ephemeral2  bool     `yaml:"de.sorunome.msc2409.push_ephemeral"` // its name before the specification had it
	Encryption  bool     `yaml:"org.matrix.msc3202"`
	Encryption2 bool     `yaml:"io.element.msc4190"`
}

type namespace struct {
	Regex     string `yaml:"regex"`
	Exclusive bool   `yaml:"exclusive"`
	pattern   *regexp.Regexp
}

// Service is an admitted application service.
type Service struct {
	ID        string
	Sender    id.UserID // its own account
	Protocols []string
	Ephemeral bool // wants receipts, typing, presence and messages to devices
	Devices   bool // wants to know of devices and their keys, and makes devices of its people itself (MSC3202, MSC4190)
	Limited   bool // requests for people other than the sender are rate-limited

	url              string // without a slash at the end; empty: nothing is sent to it
	asToken, hsToken string
	users            []namespace
	aliases          []namespace
	rooms            []namespace
}

// load reads every registration of a folder.
func load(dir, server string) ([]*Service, error) {
	if dir == "" {
		return nil, nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("list registrations: %w", err)
	}
	more, err := filepath.Glob(filepath.Join(dir, "*.yml"))
	if err != nil {
		return nil, fmt.Errorf("list registrations: %w", err)
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("list registrations: %w", err)
	}
	var all []*Service
	seen := map[string]string{}
	for _, file := range append(files, more...) {
		s, err := read(file, server)
		if err != nil {
			return nil, fmt.Errorf("registration %s: %w", filepath.Base(file), err)
		}
		for _, unique := range []string{"id " + s.ID, "as_token", "sender_localpart " + string(s.Sender)} {
			key := unique
			if unique == "as_token" {
				key += s.asToken
			}
			if other, taken := seen[key]; taken {
				return nil, fmt.Errorf("registration %s: %s is that of %s too", filepath.Base(file), unique, other)
			}
			seen[key] = filepath.Base(file)
		}
		all = append(all, s)
	}
	return all, nil
}

func read(file, server string) (*Service, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var r registration
	if err := yaml.Unmarshal(b, &r); err != nil {
		return nil, err
	}
	for key, value := range map[string]string{"id": r.ID, "as_token": r.ASToken, "hs_token": r.HSToken, "sender_localpart": r.Sender} {
		if value == "" {
			return nil, fmt.Errorf("%s is missing", key)
		}
	}
	if id.ValidateUserLocalpart(r.Sender) != nil {
		return nil, errors.New("sender_localpart is no localpart")
	}
	s := &Service{ID: r.ID, Sender: id.NewUserID(r.Sender, server), Protocols: r.Protocols, Ephemeral: r.Ephemeral || r.Ephemeral2,
		Devices: r.Encryption || r.Encryption2, Limited: r.Limited == nil || *r.Limited, asToken: r.ASToken, hsToken: r.HSToken}
	if r.URL != nil && *r.URL != "" {
		u, err := url.Parse(*r.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, errors.New("url is no http or https address")
		}
		s.url = strings.TrimSuffix(*r.URL, "/")
	}
	for _, n := range []struct {
		name string
		from []namespace
		to   *[]namespace
	}{{"users", r.Namespaces.Users, &s.users}, {"aliases", r.Namespaces.Aliases, &s.aliases}, {"rooms", r.Namespaces.Rooms, &s.rooms}} {
		for _, ns := range n.from {
			// The whole identifier has to match, as the specification's examples mean it.
			if ns.pattern, err = regexp.Compile(`^(?:` + ns.Regex + `)$`); err != nil {
				return nil, fmt.Errorf("namespaces.%s: %w", n.name, err)
			}
			*n.to = append(*n.to, ns)
		}
	}
	return s, nil
}

func within(l []namespace, s string, exclusive bool) bool {
	for _, n := range l {
		if (!exclusive || n.Exclusive) && n.pattern.MatchString(s) {
			return true
		}
	}
	return false
}
