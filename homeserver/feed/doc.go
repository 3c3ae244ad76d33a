// Package feed knows what each device has not seen yet: it answers /sync, keeps receipts, typing, presence
// and messages to devices, counts what is unread, and wakes whoever waits.
//
// It writes no events (package room does) and holds no account data or keys: it remembers that they
// changed and asks their owners for them. It speaks no HTTP.
//
// Everything durable has one position in the database's one sequence; a sync token is such a position plus
// the process's boot id and its counter of what is never stored (typing, presence). After a commit the
// positions are published in order: first memory knows what is new, then the visible position moves on,
// then exactly those people's devices are woken that it concerns. A device that waits has first said that
// it listens and then looked. What is up to date costs no query.
package feed
