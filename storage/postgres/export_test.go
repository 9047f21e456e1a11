package postgres

import "testing"

// SetIsolation makes all transactions stricter until the test ends, as some engines do
// whatever they are asked for.
func SetIsolation(t testing.TB, level string) {
	before := isolation
	isolation = level
	t.Cleanup(func() { isolation = before })
}

// Newest is the version of the tables that this program makes.
func Newest() int { return int(newest()) }
