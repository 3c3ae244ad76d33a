package server

import (
	"net"
	"testing"

	"github.com/myelin-health/myelin/config"
)

// A start that fails holds on to nothing: the same folder and the same addresses serve at the next try.
func TestFailedStartLeavesNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load("", []string{"MYELIN_SERVER_NAME=start.test", "MYELIN_DATA_DIR=" + t.TempDir(),
		"MYELIN_LISTEN_HTTP=" + address, "MYELIN_ADMIN_LISTEN=" + taken.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), c, Options{}); err == nil {
		t.Fatal("started on an address that is taken")
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
