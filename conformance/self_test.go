package conformance_test

import (
	"errors"
	"os"
	"testing"

	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/conformance/internal/self"
	"github.com/grantor-oauth/grantor/storage/postgres/postgrestest"
)

// start starts this project's own server.
func start(t *testing.T, backend, profile string) *self.Site {
	t.Helper()
	site, err := self.Start(t.Context(), self.Options{Backend: backend, Profile: profile})
	if errors.Is(err, postgrestest.ErrNotInstalled) && os.Getenv("GRANTOR_REQUIRE_ALL") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Close(); err != nil {
			t.Error(err)
		}
	})
	return site
}

// Our own server passes, in every profile.
func TestSelf(t *testing.T) {
	for _, profile := range self.Profiles() {
		t.Run(profile, func(t *testing.T) {
			conformance.Run(t, start(t, "bolt", profile).Target())
		})
	}
}
