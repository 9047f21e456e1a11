package conformance

import (
	"slices"
	"testing"
)

// A case that asks for two clients gets two, of those that the suite was given, or is told that
// there are not that many.
func TestGiven(t *testing.T) {
	registered := map[string]any{"token_endpoint_auth_method": "client_secret_basic", "grant_types": []any{"authorization_code"}, "redirect_uris": []any{"https://app.example/"}}
	target := &Target{Clients: []Client{{ID: "a", Metadata: registered}, {ID: "public", Metadata: map[string]any{"token_endpoint_auth_method": "none"}}, {ID: "b", Metadata: registered}}}
	asked := map[string]any{"token_endpoint_auth_method": "client_secret_basic", "grant_types": []string{"authorization_code"}, "redirect_uris": []string{"https://client.example/callback"}}
	for range 2 { // two cases may have the same
		p := &probe{run: &running{target: target}}
		var got []string
		for range 3 {
			c := &client{p: p}
			if p.given(c, asked) {
				got = append(got, c.ID)
			}
		}
		if !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("the case gets %v", got)
		}
	}
}
