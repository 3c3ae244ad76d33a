// Package account holds who has an account here and what belongs to it: users, devices, access and
// refresh tokens, profiles, account data, filters and the user directory.
//
// It does not prove who somebody is (signin does), it knows no HTTP, and it does not know rooms: what
// follows from a change in rooms is done by the observers in Options.
package account
