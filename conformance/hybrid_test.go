package conformance_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
)

// hybridOP are the modules of the plans for Hybrid OP and Form Post Hybrid OP: those of Basic
// OP with an ID token in front as well, and what differs.
var hybridOP = func() map[string]func(t *testing.T, p *provider, mode string) {
	modules := maps.Clone(basicOP)
	delete(modules, "OIDCCEnsureRequestWithoutNonceSucceedsForCodeFlow")
	delete(modules, "OIDCCEnsurePostRequestSucceeds")
	modules["OIDCCEnsureRequestWithoutNonceFails"] = func(t *testing.T, p *provider, mode string) {
		if got := p.answer(t, request(mode, "nonce", "")); got.Get("error") != "invalid_request" || got.Has("code") || got.Has("id_token") {
			t.Errorf("%v", got)
		}
	}
	return modules
}()

// What those plans do with code id_token, one subtest for each module, with the answer in the
// fragment and as a form.
func TestHybridOP(t *testing.T) {
	for _, mode := range []string{hybrid, hybrid + " form_post"} {
		t.Run(mode, func(t *testing.T) {
			p := newProvider(t, func(c *authz.Config) {
				c.ResponseTypes = []string{hybrid}
				client := &c.Clients[0]
				client.GrantTypes = []string{"authorization_code", "implicit", "refresh_token"}
				client.ResponseTypes = []string{"code", hybrid}
			})
			for _, module := range slices.Sorted(maps.Keys(hybridOP)) {
				t.Run(module, func(t *testing.T) {
					p.signIn()
					hybridOP[module](t, p, mode)
				})
			}
		})
	}
}
