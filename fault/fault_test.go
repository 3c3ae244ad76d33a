package fault

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestStatus(t *testing.T) {
	for k, want := range map[Kind]int{
		Forbidden: 403, GuestForbidden: 403, UserDeactivated: 403, UnknownToken: 401, MissingToken: 401, NotFound: 404, Unrecognized: 404,
		LimitExceeded: 429, TooLarge: 413, Unknown: 500, NotYetUploaded: 504, ConnectionFailed: 502, CannotOverwriteMedia: 409,
		BadJSON: 400, UserInUse: 400, WrongRoomKeysVersion: 403,
	} {
		if got := New(k, "x").HTTPStatus(); got != want {
			t.Errorf("%s is answered with %d, want %d", k, got, want)
		}
	}
}

func TestCopies(t *testing.T) {
	inner := errors.New("disk is full")
	plain := New(Forbidden, "You may not do %s.", "this")
	full := plain.With("a", 1).With("b", 2).WithStatus(http.StatusConflict).Because(inner)
	if plain.Fields != nil || plain.Status != 0 || errors.Is(plain, inner) {
		t.Errorf("the original changed: %+v", plain)
	}
	if full.Fields["a"] != 1 || full.Fields["b"] != 2 || full.HTTPStatus() != 409 || !errors.Is(full, inner) {
		t.Errorf("the copy lacks something: %+v", full)
	}
	if plain.Error() != "M_FORBIDDEN: You may not do this." || full.Error() != plain.Error()+": disk is full" {
		t.Errorf("texts %q and %q", plain, full)
	}
}

func TestIs(t *testing.T) {
	err := fmt.Errorf("join: %w", New(NotFound, "no"))
	if !Is(err, NotFound) || Is(err, Forbidden) || Is(errors.New("x"), NotFound) || Is(nil, NotFound) {
		t.Error("Is")
	}
	if f, ok := As(err); !ok || f.Text != "no" {
		t.Error("As")
	}
	if f := After(time.Minute); f.Kind != LimitExceeded || f.RetryAfter != time.Minute {
		t.Errorf("%+v", f)
	}
}
