// Package db gives transactions over SQLite or PostgreSQL: open, migrate, group
// commit, positions, after-commit. It gives no queries: a package that owns
// tables owns their SQL too. Why it is built this way is in DESIGN.md.
//
// Reading goes through [DB.Query] and [DB.QueryRow], which never wait for a
// writer. All writing goes through one lane per process ([DB.Write],
// [DB.Queue]): what queued while the last commit was under way becomes one
// transaction, with one statement per table and one commit.
//
// # One text for both databases
//
// Queries use $1 parameters. `= any($1)` and `<> all($1)` take a slice of
// strings or integers on both databases. Schema files use the types bigint, text and bytea
// only, see DESIGN.md.
package db
