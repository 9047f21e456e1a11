package conformance

import "testing"

// A case that watches says nothing about a server that does not have what it is about.
func TestOne_watcherNeeds(t *testing.T) {
	c := &Case{ID: "x", needs: []feature{openID}, watch: func(*exchange) (bool, string) { return true, "" }}
	r := &running{md: metadata{}, watched: map[string]*watching{"x": {seen: 1}}}
	if got := r.one(t.Context(), c); got.Status != NotOffered || got.Reason == "" {
		t.Errorf("%s, %q", got.Status, got.Reason)
	}
	r.md = metadata{"scopes_supported": []any{"openid"}, "jwks_uri": "https://server.example/keys"}
	if got := r.one(t.Context(), c); got.Status != Passed {
		t.Errorf("%s, %q", got.Status, got.Reason)
	}
}
