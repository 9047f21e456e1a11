// Package postgrestest runs a private PostgreSQL server for tests and demonstrations,
// from the programs that the machine has installed: no container, nothing to set up.
//
//	func TestOnPostgreSQL(t *testing.T) {
//		cluster := postgrestest.New(t)
//		db, err := postgres.Open(t.Context(), cluster.URL())
//		…
//	}
//
// Where PostgreSQL is not installed the test skips and says so, or fails if
// GRANTOR_REQUIRE_ALL is 1.
//
// A [Cluster] is also a thing to break: it can be killed in the middle of its work and
// started again, and it can have a synchronous standby that takes over.
//
// The server listens on the loopback interface and trusts whoever connects, so every
// user of the machine can, and it has one superuser. Never keep anything in it that is
// worth protecting.
package postgrestest
