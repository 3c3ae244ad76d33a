// Package clientapi serves the Matrix client-server API: one file per section of the specification, each
// with the routes of its section and their handlers. A handler decodes, calls a domain package and shapes
// the answer; it holds no rules of its own and no SQL.
package clientapi

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/myelin-health/myelin/homeserver/account"
	"github.com/myelin-health/myelin/homeserver/appservice"
	"github.com/myelin-health/myelin/homeserver/delayed"
	"github.com/myelin-health/myelin/homeserver/e2ee"
	"github.com/myelin-health/myelin/homeserver/feed"
	"github.com/myelin-health/myelin/homeserver/media"
	"github.com/myelin-health/myelin/homeserver/notice"
	"github.com/myelin-health/myelin/homeserver/preview"
	"github.com/myelin-health/myelin/homeserver/promise"
	"github.com/myelin-health/myelin/homeserver/room"
	"github.com/myelin-health/myelin/homeserver/search"
	"github.com/myelin-health/myelin/homeserver/signin"
	"github.com/myelin-health/myelin/rest"
)

// API holds what the handlers call. The server fills it; a field is named after its package.
type API struct {
	Accounts *account.Accounts
	Signin   *signin.Signin
	E2EE     *e2ee.Keys
	Media    *media.Media
	Rooms    *room.Rooms
	Feed     *feed.Feed
	Delayed  *delayed.Events
	Search   *search.Index
	Notices  *notice.Notices
	Services *appservice.Services
	Previews *preview.Previews // nil: switched off
	Promises *promise.Promises // nil: no invitations by e-mail

	// DeviceLists names the people whose devices changed between two sync tokens, and those whose devices
	// are no longer of interest. It is the feed's.
	DeviceLists func(ctx context.Context, user id.UserID, from, to string) (changed, left []id.UserID, err error)

	ServerName   string           // of this homeserver
	PublicURL    string           // where people reach it, without a slash at the end; empty: worked out from the request
	Support      Support          // whom people turn to
	TURN         TURN             // relay for calls; none without addresses
	RoomVersion  id.RoomVersion   // of new rooms
	RoomVersions []id.RoomVersion // that new rooms may have
	Log          *slog.Logger
	Clock        func() time.Time // nil is time.Now
}

// Routes lists every route of the client-server API, section by section.
func (a *API) Routes() []rest.Route {
	return slices.Concat(
		a.versionsRoutes(),
		a.wellknownRoutes(),
		a.capabilitiesRoutes(),
		a.registerRoutes(),
		a.loginRoutes(),
		a.logoutRoutes(),
		a.accountRoutes(),
		a.threepidRoutes(),
		a.confirmRoutes(),
		a.moderationRoutes(),
		a.openIDRoutes(),
		a.devicesRoutes(),
		a.profileRoutes(),
		a.accountDataRoutes(),
		a.filtersRoutes(),
		a.userDirectoryRoutes(),
		a.absentRoutes(),
		a.appserviceRoutes(),
		a.voipRoutes(),
		a.reportsRoutes(),
		a.mutualRoomsRoutes(),
		a.oldSyncRoutes(),
		a.keysRoutes(),
		a.crossSigningRoutes(),
		a.keyBackupRoutes(),
		a.dehydratedRoutes(),
		a.mediaRoutes(),
		a.roomsRoutes(),
		a.sendRoutes(),
		a.delayedRoutes(),
		a.roomStateRoutes(),
		a.membershipRoutes(),
		a.promiseRoutes(),
		a.aliasesRoutes(),
		a.messagesRoutes(),
		a.relationsRoutes(),
		a.threadsRoutes(),
		a.searchRoutes(),
		a.noticesRoutes(),
		a.publicRoomsRoutes(),
		a.syncRoutes(),
		a.slidingSyncRoutes(),
		a.receiptsRoutes(),
		a.typingRoutes(),
		a.presenceRoutes(),
		a.toDeviceRoutes(),
		a.pushRulesRoutes(),
		a.pushersRoutes(),
		a.notificationsRoutes(),
	)
}
