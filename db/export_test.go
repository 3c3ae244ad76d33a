package db

import (
	"context"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
)

// SettleCases lets the external tests, which have a PostgreSQL, run a test of the insides.
var SettleCases func(*testing.T, *DB) = settleCases

// DialCheck dials over TCP as the lane does.
func DialCheck() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	base, err := pgx.ParseConfig("postgres://127.0.0.1/x")
	if err != nil {
		return err
	}
	conn, err := laneConfig(base).DialFunc(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		return err
	}
	return conn.Close()
}
