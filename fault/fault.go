// Package fault holds the errors that a caller may be told about: a Matrix error code, a text for a
// human reader, an HTTP status and optional extra keys of the answer.
//
// It is not for errors that stay inside the server: those are ordinary wrapped errors, which rest logs
// and answers as M_UNKNOWN without their text.
package fault

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"
)

// Kind is an error code of the Matrix specification ("errcode"). The set is closed: it may label metrics.
type Kind string

// The error codes of the client-server API, section "Standard error response" and the operations' own.
const (
	Forbidden               Kind = "M_FORBIDDEN"
	UnknownToken            Kind = "M_UNKNOWN_TOKEN"
	MissingToken            Kind = "M_MISSING_TOKEN"
	UserLocked              Kind = "M_USER_LOCKED"
	UserSuspended           Kind = "M_USER_SUSPENDED"
	BadJSON                 Kind = "M_BAD_JSON"
	NotJSON                 Kind = "M_NOT_JSON"
	NotFound                Kind = "M_NOT_FOUND"
	LimitExceeded           Kind = "M_LIMIT_EXCEEDED"
	Unrecognized            Kind = "M_UNRECOGNIZED"
	Unknown                 Kind = "M_UNKNOWN"
	Unauthorized            Kind = "M_UNAUTHORIZED"
	UserDeactivated         Kind = "M_USER_DEACTIVATED"
	UserInUse               Kind = "M_USER_IN_USE"
	InvalidUsername         Kind = "M_INVALID_USERNAME"
	Exclusive               Kind = "M_EXCLUSIVE"
	WeakPassword            Kind = "M_WEAK_PASSWORD"
	RoomInUse               Kind = "M_ROOM_IN_USE"
	InvalidRoomState        Kind = "M_INVALID_ROOM_STATE"
	BadState                Kind = "M_BAD_STATE"
	BadAlias                Kind = "M_BAD_ALIAS"
	GuestForbidden          Kind = "M_GUEST_ACCESS_FORBIDDEN"
	InviteBlocked           Kind = "M_INVITE_BLOCKED"
	MissingParam            Kind = "M_MISSING_PARAM"
	InvalidParam            Kind = "M_INVALID_PARAM"
	TooLarge                Kind = "M_TOO_LARGE"
	ResourceLimit           Kind = "M_RESOURCE_LIMIT_EXCEEDED"
	UnsupportedRoomVersion  Kind = "M_UNSUPPORTED_ROOM_VERSION"
	IncompatibleRoomVersion Kind = "M_INCOMPATIBLE_ROOM_VERSION"
	WrongRoomKeysVersion    Kind = "M_WRONG_ROOM_KEYS_VERSION"
	CannotLeaveServerNotice Kind = "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM"
	UnableToAuthorizeJoin   Kind = "M_UNABLE_TO_AUTHORISE_JOIN"
	UnableToGrantJoin       Kind = "M_UNABLE_TO_GRANT_JOIN"
	NotYetUploaded          Kind = "M_NOT_YET_UPLOADED"
	CannotOverwriteMedia    Kind = "M_CANNOT_OVERWRITE_MEDIA"
	DuplicateAnnotation     Kind = "M_DUPLICATE_ANNOTATION"
	BadSignature            Kind = "M_INVALID_SIGNATURE"
	UnknownPos              Kind = "M_UNKNOWN_POS"
	ConnectionFailed        Kind = "M_CONNECTION_FAILED"
	ConnectionTimeout       Kind = "M_CONNECTION_TIMEOUT"
	BadPagination           Kind = "M_BAD_PAGINATION"
	ThreepidInUse           Kind = "M_THREEPID_IN_USE"
	ThreepidNotFound        Kind = "M_THREEPID_NOT_FOUND"
	ThreepidAuthFailed      Kind = "M_THREEPID_AUTH_FAILED"
	ThreepidDenied          Kind = "M_THREEPID_DENIED"
	ThreepidMediumUnknown   Kind = "M_THREEPID_MEDIUM_NOT_SUPPORTED"
	KeyTooLarge             Kind = "M_KEY_TOO_LARGE"
	ProfileTooLarge         Kind = "M_PROFILE_TOO_LARGE"
	UnknownDevice           Kind = "M_UNKNOWN_DEVICE"
	URLNotSet               Kind = "M_URL_NOT_SET"
	BadStatus               Kind = "M_BAD_STATUS"

	// Of proposals that are not part of the specification yet.
	NotInThread    Kind = "IO.ELEMENT.MSC4306.M_NOT_IN_THREAD"
	Unsubscription Kind = "IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION"
)

// Status is the HTTP status that the specification gives the kind unless an operation says otherwise.
func (k Kind) Status() int {
	switch k {
	case Forbidden, GuestForbidden, InviteBlocked, CannotLeaveServerNotice, WrongRoomKeysVersion, UserSuspended,
		UserDeactivated, ThreepidDenied, ThreepidAuthFailed:
		return http.StatusForbidden
	case UnknownToken, MissingToken, UserLocked, Unauthorized:
		return http.StatusUnauthorized
	case NotFound, Unrecognized:
		return http.StatusNotFound
	case LimitExceeded:
		return http.StatusTooManyRequests
	case TooLarge:
		return http.StatusRequestEntityTooLarge
	case Unknown:
		return http.StatusInternalServerError
	case NotYetUploaded, ConnectionTimeout:
		return http.StatusGatewayTimeout
	case ConnectionFailed:
		return http.StatusBadGateway
	case CannotOverwriteMedia, Unsubscription:
		return http.StatusConflict
	default:
		return http.StatusBadRequest
	}
}

// Fault is an error whose kind, text and fields the caller gets to see.
type Fault struct {
	Kind       Kind
	Text       string         // for a human reader; never content, tokens or names of other people
	Status     int            // HTTP status; 0 means the kind's own
	Fields     map[string]any // extra top-level keys of the answer
	RetryAfter time.Duration  // with LimitExceeded: when to try again
	cause      error          // for the log only
}

// New makes a fault; the text is formatted as by fmt.Sprintf.
func New(k Kind, format string, a ...any) *Fault {
	text := format
	if len(a) > 0 {
		text = fmt.Sprintf(format, a...)
	}
	return &Fault{Kind: k, Text: text}
}

// Error implements error.
func (f *Fault) Error() string {
	if f.cause != nil {
		return string(f.Kind) + ": " + f.Text + ": " + f.cause.Error()
	}
	return string(f.Kind) + ": " + f.Text
}

// Unwrap returns the cause that Because named, if any.
func (f *Fault) Unwrap() error { return f.cause }

// With returns a copy of f whose answer also carries key.
func (f *Fault) With(key string, value any) *Fault {
	g := *f
	g.Fields = maps.Clone(f.Fields)
	if g.Fields == nil {
		g.Fields = make(map[string]any, 1)
	}
	g.Fields[key] = value
	return &g
}

// WithStatus returns a copy of f that is answered with the given HTTP status.
func (f *Fault) WithStatus(status int) *Fault {
	g := *f
	g.Status = status
	return &g
}

// Because returns a copy of f that remembers err for the log; the caller is not told.
func (f *Fault) Because(err error) *Fault {
	g := *f
	g.cause = err
	return &g
}

// After returns a LimitExceeded fault that asks the caller to wait.
func After(wait time.Duration) *Fault {
	return &Fault{Kind: LimitExceeded, Text: "Too many requests.", RetryAfter: wait}
}

// HTTPStatus is the status to answer with.
func (f *Fault) HTTPStatus() int {
	if f.Status != 0 {
		return f.Status
	}
	return f.Kind.Status()
}

// Is reports whether err is, or wraps, a fault of kind k.
func Is(err error, k Kind) bool {
	f, ok := As(err)
	return ok && f.Kind == k
}

// As returns the fault that err is or wraps.
func As(err error) (*Fault, bool) {
	var f *Fault
	ok := errors.As(err, &f)
	return f, ok
}
