package conformance_test

import (
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/conformance"
	"github.com/grantor-oauth/grantor/conformance/internal/self"
	"github.com/grantor-oauth/grantor/storage"
)

// A server of somebody else's has no controls, and the suite registers its clients itself: what
// passes with them passes without, or is not tested.
func TestSelf_fromOutside(t *testing.T) {
	if raced {
		t.Skip("it says nothing about races that TestSelf does not")
	}
	for _, profile := range []string{"everything", "mcp"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			target := start(t, "memory", profile).Target()
			target.Controls = nil
			conformance.Run(t, target)
		})
	}
}

// The suite registers its clients where that takes an initial access token, and finds that it
// does.
func TestSelf_closedRegistration(t *testing.T) {
	token, digest := authz.NewSecret()
	site, err := self.Start(t.Context(), self.Options{Backend: "memory", Profile: "mcp", Change: func(c *authz.Config) {
		c.Registration.Open, c.Registration.InitialAccessTokens = false, []storage.Secret{digest}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	target := site.Target()
	target.Controls, target.InitialAccessToken = nil, token
	report, err := conformance.Check(t.Context(), target, conformance.Options{Only: []string{"dcr", "dcm", "pkce"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if r.Status == conformance.Failed || r.ID == "dcr-initial-access-token" && r.Status != conformance.Passed {
			t.Errorf("%s: %s %s %q", r.ID, r.Status, r.Reason, r.Problems)
		}
	}
}
