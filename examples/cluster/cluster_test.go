package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// TestMain lets the test's own binary be a replica, as the program's is.
func TestMain(m *testing.M) {
	if os.Getenv(replicaAddress) != "" {
		if err := serveReplica(); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func TestCheck(t *testing.T) {
	c, err := start("127.0.0.1:0", "")
	if errors.Is(err, postgrestest.ErrNotInstalled) && os.Getenv("GRANTOR_REQUIRE_ALL") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.stop(); err != nil {
			t.Error(err)
		}
	}()
	var out strings.Builder
	if err := play(t.Context(), c, &out); err != nil {
		t.Fatalf("%v\nafter:\n%s", err, out.String())
	}
	if n := strings.Count(out.String(), "ok  "); n != 13 {
		t.Errorf("%d steps:\n%s", n, out.String())
	}
}
