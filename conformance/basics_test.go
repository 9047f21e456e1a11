package conformance_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/conformance"
)

// Where good requests fail whatever the case, one case fails, and the others that begin with them
// are not tested. Where they fail in one case alone, that case fails.
func TestBasics(t *testing.T) {
	const about, other = "token-client-credentials", "token-scope-malformed"
	for name, test := range map[string]struct {
		serves func(client string) bool
		want   map[string]conformance.Status
	}{
		"for nobody":   {func(string) bool { return false }, map[string]conformance.Status{about: conformance.Failed, other: conformance.NotTested}},
		"but in other": {func(client string) bool { return !strings.Contains(client, other) }, map[string]conformance.Status{other: conformance.Failed}},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if id, _, _ := r.BasicAuth(); r.URL.Path != "/token" || !test.serves(id) {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = w.Write([]byte(`{"error":"invalid_request"}`))
					return
				}
				_, _ = w.Write([]byte(`{"access_token":"a","token_type":"Bearer"}`))
			}))
			defer server.Close()
			report, err := conformance.Check(t.Context(), conformance.Target{
				Issuer: server.URL, Metadata: map[string]any{"token_endpoint": server.URL + "/token", "grant_types_supported": []string{"client_credentials"}},
				Controls: &conformance.Controls{NewClient: func(_ context.Context, metadata map[string]any) (conformance.Client, error) {
					id, _ := metadata["client_name"].(string)
					return conformance.Client{ID: strings.ReplaceAll(id, " ", "-"), Secret: "secret"}, nil
				}},
			}, conformance.Options{Only: []string{about, other}})
			if err != nil {
				t.Fatal(err)
			}
			for _, result := range report.Results {
				if want, there := test.want[result.ID]; there && result.Status != want {
					t.Errorf("%s: %s, want %s: %s %q", result.ID, result.Status, want, result.Reason, result.Problems)
				}
				if result.Status == conformance.NotTested && result.ID == other && !strings.Contains(result.Reason, about) {
					t.Errorf("%s: the reason names no case: %s", result.ID, result.Reason)
				}
			}
		})
	}
}
