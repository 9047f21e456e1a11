// Package faults shows what the server does when its store is slow, fails, hangs or
// panics, when the disk is full, and when the clock jumps. All of it happens over HTTP,
// with every endpoint mounted, as clients would see it.
//
// The instruments are here, the experiments in the tests. [Store] is a store whose calls
// go wrong on demand, [Host] an application with the server mounted, [Site] what browsers
// and clients do to it, [History] a record of what was asked and answered, fit to be
// checked for linearizability.
//
// # Running it
//
//	go test ./conformance/faults
//	GRANTOR_LONG=1 go test -timeout 2h ./conformance/faults
//
// The second is the long form: a thousand rounds of each race, a hundred histories of a
// thousand operations each. Where a race is run over two processes, the second is the test
// binary once more. Tests that need a PostgreSQL, or the right to mount a file
// system, skip where there is none and say so; with GRANTOR_REQUIRE_ALL=1 they fail
// instead.
//
// # What has to hold
//
// A store that cannot answer makes the server say 503 with Retry-After (or send the user
// back to the client with temporarily_unavailable), never anything about a credential.
// Nothing is written by halves. The same request succeeds once the store is back, without
// a restart. What a revocation has ended, once acknowledged, stays ended.
package faults
