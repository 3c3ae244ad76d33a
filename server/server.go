// Package server builds every part of Myelin from the configuration, connects
// them and runs them. It is the only place that knows all of them, and it
// holds no rules of its own.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/audit"
	"github.com/myelin-health/myelin/cluster"
	"github.com/myelin-health/myelin/config"
	"github.com/myelin-health/myelin/db"
	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/appservice"
	"github.com/myelin-health/myelin/homeserver/clientapi"
	"github.com/myelin-health/myelin/homeserver/delayed"
	"github.com/myelin-health/myelin/homeserver/e2ee"
	"github.com/myelin-health/myelin/homeserver/feed"
	"github.com/myelin-health/myelin/homeserver/mail"
	"github.com/myelin-health/myelin/homeserver/media"
	"github.com/myelin-health/myelin/homeserver/notice"
	"github.com/myelin-health/myelin/homeserver/preview"
	"github.com/myelin-health/myelin/homeserver/promise"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/homeserver/search"
	"github.com/myelin-health/myelin/homeserver/signin"
	"github.com/myelin-health/myelin/matrix/event"
	"github.com/myelin-health/myelin/outgoing"
	"github.com/myelin-health/myelin/rest"
	"github.com/myelin-health/myelin/seal"
	"github.com/myelin-health/myelin/web"
)

// Options are what the configuration does not say.
type Options struct {
	Log *slog.Logger
	// Clock is time.Now when nil.
	Clock func() time.Time
	// Demo, if set, answers with the sign-ins of a demo hospital.
	Demo http.Handler
}

// Server is a running Myelin.
type Server struct {
	config   *config.Config
	options  Options
	log      *slog.Logger
	clock    func() time.Time
	registry *prometheus.Registry

	// The parts, in start order.
	keys     *seal.Keys
	db       *db.DB
	audit    *audit.Log
	key      event.Key    // the server's identity in Matrix
	mail     *mail.Outbox // nil: switched off
	accounts *account.Accounts
	signin   *signin.Signin
	e2ee     *e2ee.Keys
	rooms    *room.Rooms
	feed     *feed.Feed
	promises *promise.Promises // nil: no mail
	delayed  *delayed.Events
	media    *media.Media
	previews *preview.Previews // nil: switched off
	search   *search.Index
	notices  *notice.Notices
	services *appservice.Services
	cluster  *cluster.Cluster
	rest     *rest.Server

	serving   context.Context // of all requests
	stop      context.CancelFunc
	listeners []*listener
	running   *errgroup.Group
	closers   []func() error // of what has started, to be called in reverse order
}

// Version is the version of this build.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}

// Start starts a server. When it returns, the server is ready and its
// addresses are open.
func Start(ctx context.Context, c *config.Config, o Options) (*Server, error) {
	s := newServer(c, o)
	s.serving, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.closers = append(s.closers, func() error { s.stop(); return nil })
	for _, step := range []func(context.Context) error{s.openStores, s.buildParts, s.connect, s.serve} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func newServer(c *config.Config, o Options) *Server {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s := &Server{config: c, options: o, log: o.Log, clock: o.Clock, registry: prometheus.NewRegistry()}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return s
}

// openStores opens what is on the disk or in PostgreSQL: keys, database, audit log.
func (s *Server) openStores(ctx context.Context) error {
	c := s.config
	err := makeDataDir(c.DataDir)
	if err != nil {
		return err
	}
	if s.db, err = db.Open(ctx, db.Options{
		URL: c.Database, Path: c.SQLitePath(), Log: s.log, Metrics: s.registry, CommitDelay: c.TestCommitDelay,
	}); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	s.closers = append(s.closers, s.db.Close)
	if s.keys, err = seal.Open(ctx, seal.Options{
		Dir: c.DataDir, URL: c.Database, MasterKey: c.MasterKey, PreviousMasterKey: c.MasterKeyPrevious,
		Clock: s.clock, Log: s.log, Metrics: s.registry,
	}); err != nil {
		return fmt.Errorf("open the key store: %w", err)
	}
	s.closers = append(s.closers, s.keys.Close)
	if s.audit, err = audit.Open(ctx, audit.Options{
		DB: s.db, Keys: s.keys, Name: c.ServerName, Dir: c.DataDir, Clock: s.clock, Log: s.log, Metrics: s.registry,
	}); err != nil {
		return fmt.Errorf("open the audit log: %w", err)
	}
	s.closers = append(s.closers, s.audit.Close)
	return nil
}

// buildParts builds the homeserver from the bottom up. Where a part tells one
// that is built later, it does so through s.
func (s *Server) buildParts(ctx context.Context) error {
	for _, build := range []func(context.Context) error{
		s.buildServices, s.buildMail, s.buildAccounts, s.buildKeys, s.buildFeed, s.buildRooms, s.buildPromises, s.buildDelayed, s.buildMedia,
	} {
		if err := build(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) buildAccounts(context.Context) error {
	c := s.config
	s.accounts = account.New(account.Options{
		DB: s.db, Seal: s.keys, Audit: s.audit, ServerName: c.ServerName, Log: s.log, Registerer: s.registry, Clock: s.clock,
		TokenLifetime: c.AccessTokenLifetime,
		Changed:       s.accountChanged, ProfileChanged: s.profileChanged, DeviceRemoved: s.deviceRemoved,
		Deactivated: s.deactivated, AddressAdded: s.addressAdded, AddressRemoved: s.addressRemoved, Revoked: s.revoked, Visible: s.directoryLimit(),
	})
	cost, shortest := signin.Strong, 0
	if c.PasswordHashing == "fast" {
		cost, shortest = signin.Fast, 1
	}
	s.signin = signin.New(signin.Options{
		DB: s.db, Accounts: s.accounts, Seal: s.keys, Audit: s.audit, Log: s.log, Registerer: s.registry, Clock: s.clock,
		Mail: s.mail, AddressNeeded: c.RegistrationEmail == "required",
		Reserved:     func(u id.UserID) error { return s.services.Reserved(u, nil) },
		Registration: signin.Registration(c.Registration), Tokens: c.RegistrationTokens, Secret: c.RegistrationSharedSecret, Cost: cost, MinPassword: shortest, RateLimits: c.RateLimits == "on", Guests: c.Guests == "on",
	})
	return nil
}

func (s *Server) buildKeys(context.Context) error {
	s.e2ee = e2ee.New(e2ee.Options{
		DB: s.db, Seal: s.keys, ServerName: s.config.ServerName, Clock: s.clock, Log: s.log,
		DeviceNames: s.deviceNames, Changed: s.keysChanged,
		CreateDevice: s.accounts.AddUnattended, RemoveDevice: s.accounts.RemoveUnattended, Inbox: s.inbox,
	})
	return nil
}

func (s *Server) buildRooms(ctx context.Context) error {
	c := s.config
	var err error
	if s.key, err = signingKey(ctx, c.DataDir, c.ServerName, s.keys); err != nil {
		return err
	}
	s.search = search.New(search.Options{DB: s.db, Seal: s.keys, Rooms: func() *room.Rooms { return s.rooms }, Log: s.log})
	s.notices = notice.New(notice.Options{
		DB: s.db, Accounts: s.accounts, Rooms: func() *room.Rooms { return s.rooms }, Name: c.ServerName,
	})
	s.rooms, err = room.New(room.Options{
		DB: s.db, Seal: s.keys, ServerName: c.ServerName, Key: s.key, Clock: s.clock, Log: s.log, Metrics: s.registry,
		DefaultVersion: id.RoomVersion(c.RoomVersion), CreatableVersions: roomVersions(c), EncryptRooms: room.Encrypt(c.EncryptRooms),
		Policies:  []room.Policy{s.notices.MayLeave},
		Observers: []room.Observer{auditor{s.audit, s.notices}, s.feed, s.search},
		Profile:   s.profile, Exists: s.exists, Invitable: s.invitable, Guest: s.guests(),
		FindAlias: s.services.FindAlias, AliasReserved: s.services.AliasReserved,
	})
	return err
}

func roomVersions(c *config.Config) []id.RoomVersion {
	var versions []id.RoomVersion
	for _, v := range c.RoomVersions {
		versions = append(versions, id.RoomVersion(v))
	}
	return versions
}

func (s *Server) buildFeed(context.Context) (err error) {
	s.feed, err = feed.New(feed.Options{
		DB: s.db, Seal: s.keys, ServerName: s.config.ServerName, Account: s.feedAccount(), Counts: s.keyCounts, Elsewhere: s.changedElsewhere,
		Clock: s.clock, Log: s.log, Metrics: s.registry, Presence: s.config.Presence == "on",
		Stirred: s.services.News, Gateway: outgoing.New(s.config.PrivateAddresses == "allow").PostJSON, MailUnread: s.mailUnread(),
	})
	return err
}

func (s *Server) buildDelayed(context.Context) error {
	s.delayed = delayed.New(delayed.Options{
		DB: s.db, Seal: s.keys, Rooms: s.rooms, Clock: s.clock, Log: s.log, Longest: s.config.LongestDelay, May: s.accounts.MayWrite,
	})
	return nil
}

func (s *Server) buildMedia(context.Context) (err error) {
	s.media, err = media.New(media.Options{
		DB: s.db, Seal: s.keys, Audit: s.audit, ServerName: s.config.ServerName, Dir: filepath.Join(s.config.DataDir, "media"),
		MaxBytes: s.config.MaxUploadBytes, Clock: s.clock, Log: s.log,
	})
	if err != nil || s.config.URLPreviews != "on" {
		return err
	}
	s.previews = preview.New(preview.Options{
		Web: outgoing.New(s.config.PrivateAddresses == "allow"), Media: s.media, Clock: s.clock, Log: s.log, Metrics: s.registry,
	})
	s.closers = append(s.closers, func() error { s.previews.Close(); return nil })
	return nil
}

// connect starts what runs in the background.
func (s *Server) connect(ctx context.Context) (err error) {
	if err := s.feed.Start(ctx, s.rooms); err != nil {
		return err
	}
	s.closers = append(s.closers, func() error { s.feed.Close(); return nil })
	if err := s.services.Start(ctx); err != nil {
		return err
	}
	s.closers = append(s.closers, func() error { s.services.Close(); return nil })
	s.audit.Start()
	s.accounts.Start(ctx)
	s.closers = append(s.closers, func() error { return s.accounts.Close(context.WithoutCancel(ctx)) })
	if err := s.rooms.FinishUpgrades(ctx); err != nil {
		return err
	}
	s.startMail(ctx)
	s.delayed.Start(ctx)
	s.closers = append(s.closers, func() error { s.delayed.Close(); return nil })
	s.cluster, err = cluster.Start(ctx, cluster.Options{DB: s.db, URL: s.config.Database, OnHint: s.hint, Log: s.log})
	if err != nil {
		return fmt.Errorf("listen to other processes: %w", err)
	}
	s.closers = append(s.closers, func() error { s.cluster.Close(); return nil })
	go s.sweep()
	tuneMemory()
	go returnMemory(s.serving)
	return nil
}

// sweep removes expired files and proofs of addresses once an hour.
func (s *Server) sweep() {
	hourly := time.NewTicker(time.Hour)
	defer hourly.Stop()
	for {
		select {
		case <-s.serving.Done():
			return
		case <-hourly.C:
			if err := s.media.Sweep(s.serving); err != nil && s.serving.Err() == nil {
				s.log.Error("expired files were not removed", "error", err)
			}
			if err := s.signin.Sweep(s.serving); err != nil && s.serving.Err() == nil {
				s.log.Error("expired proofs of addresses were not removed", "error", err)
			}
		}
	}
}

// serve adds the routes and opens the addresses.
func (s *Server) serve(ctx context.Context) error {
	app, err := web.Handler(web.Options{FrameAncestors: s.config.FrameAncestors})
	if err != nil {
		return fmt.Errorf("configuration key frame_ancestors: %w", err)
	}
	s.rest = s.newRest(app)
	go collectForCrowds(s.serving, s.rest.Waiting)
	if err := s.listen(ctx, s.rest); err != nil {
		return err
	}
	s.running = new(errgroup.Group)
	for _, l := range s.listeners {
		s.running.Go(l.serve)
		s.running.Go(l.serveRoom)
	}
	return nil
}

func (s *Server) newRest(app http.Handler) *rest.Server {
	c := s.config
	r := rest.New(rest.Options{
		Authenticate: s.authenticate, Masquerade: s.masquerade, Seen: s.accounts.Seen, Refused: s.refused, Log: s.log, Registerer: s.registry, Clock: s.clock,
		RateLimits: c.RateLimits == "on", MaxWaiting: int(c.MaxRequests), Context: s.serving, PublicURL: c.PublicURL, Fallback: app,
	})
	api := &clientapi.API{
		Accounts: s.accounts, Signin: s.signin, Rooms: s.rooms, Feed: s.feed, Delayed: s.delayed, E2EE: s.e2ee, Media: s.media, Search: s.search, Notices: s.notices, Services: s.services, Previews: s.previews, Promises: s.promises,
		DeviceLists: s.feed.DeviceLists,
		ServerName:  c.ServerName, PublicURL: c.PublicURL, RoomVersion: id.RoomVersion(c.RoomVersion), RoomVersions: roomVersions(c),
		Support: clientapi.Support{Page: c.SupportPage, Email: c.SupportEmail, MatrixID: id.UserID(c.SupportMatrixID)},
		TURN:    clientapi.TURN{URIs: c.TURNURIs, Secret: c.TURNSecret, Lifetime: c.TURNLifetime},
		Log:     s.log, Clock: s.clock,
	}
	r.Add(api.Routes()...)
	r.Add(s.ownRoutes()...)
	r.AddStream()
	return r
}

// Routes lists every route that is served.
func (s *Server) Routes() []rest.Route { return s.rest.Routes() }

// Handler is what answers requests on every address but the administrative one.
func (s *Server) Handler() http.Handler { return s.rest }

// Wait serves until ctx ends or an address fails, then drains and closes.
func (s *Server) Wait(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.running.Wait() }()
	select {
	case <-ctx.Done():
		s.log.Info("stopping")
		return s.Close()
	case err := <-failed:
		return errors.Join(err, s.Close())
	}
}

// Close stops accepting, lets requests under way finish (waiting syncs are
// answered at once), and closes every part in reverse start order.
func (s *Server) Close() error {
	var problems []error
	if len(s.listeners) > 0 {
		s.feed.Close()
	}
	drain, done := context.WithTimeout(context.Background(), drainTime)
	defer done()
	if s.rest != nil {
		problems = append(problems, s.rest.CloseStreams(drain))
	}
	for _, l := range s.listeners {
		problems = append(problems, l.stop(drain))
	}
	for i := len(s.closers) - 1; i >= 0; i-- {
		problems = append(problems, s.closers[i]())
	}
	s.closers, s.listeners = nil, nil
	return errors.Join(problems...)
}
