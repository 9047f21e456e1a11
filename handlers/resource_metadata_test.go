package handlers_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/handlers/protect"
)

// RFC 9728 §3 and §5: from the first refusal a client finds the metadata, and from there
// the server. Resources elsewhere are left to those who serve them.
func TestRFC9728_FromChallengeToServer(t *testing.T) {
	as := authztest.New(t, func(c *authz.Config) {
		c.Resource = "https://auth.example/mcp"
		c.Resources = []authz.Resource{
			{Identifier: "https://auth.example/mcp", Name: "Tools", Scopes: []string{"read"}},
			{Identifier: "https://auth.example"},
			{Identifier: "https://elsewhere.example/api"},
			{Identifier: "https://auth.example.evil.example/api"},
			{Identifier: "urn:example:api"},
		}
	})
	mux := http.NewServeMux()
	handlers.Mount(mux, as.Server)
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", "https://auth.example"+path, nil))
		return w
	}
	mux.Handle("/mcp", handlers.Protect(as.Server, "read")(http.NotFoundHandler()))
	const place = "/.well-known/oauth-protected-resource"
	refused := ask("/mcp")
	if challenge := refused.Header().Get("WWW-Authenticate"); refused.Code != 401 || !strings.Contains(challenge, `resource_metadata="https://auth.example`+place+`/mcp"`) {
		t.Fatalf("%d %q", refused.Code, challenge)
	}
	var m protect.Metadata
	if err := json.Unmarshal(ask(place+"/mcp").Body.Bytes(), &m); err != nil || m.Resource != "https://auth.example/mcp" ||
		m.AuthorizationServers[0] != as.Issuer() || m.Name != "Tools" || strings.Join(m.ScopesSupported, " ") != "read" {
		t.Errorf("%+v, %v", m, err)
	}
	m = protect.Metadata{}
	if err := json.Unmarshal(ask(place).Body.Bytes(), &m); err != nil || m.Resource != "https://auth.example" || len(m.ScopesSupported) != 3 {
		t.Errorf("%+v, %v", m, err)
	}
	for _, path := range []string{place + "/api", place + "/", place + "/mcp/"} {
		if got := ask(path).Code; got != 404 {
			t.Errorf("%s: %d", path, got)
		}
	}
	elsewhere := handlers.ProtectWith(as.Server, protect.Options{Audience: "https://elsewhere.example/api"})(http.NotFoundHandler())
	w := httptest.NewRecorder()
	elsewhere.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if challenge := w.Header().Get("WWW-Authenticate"); challenge != `Bearer realm="https://elsewhere.example/api"` {
		t.Errorf("%q", challenge)
	}
}

// RFC 9470 §3 by the server's clock.
func TestRFC9470_ProtectWith(t *testing.T) {
	as := authztest.New(t)
	as.SignIn("ana")
	token := as.AccessToken(t, "read")
	api := handlers.ProtectWith(as.Server, protect.Options{MaxAge: time.Minute}, "read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, want := range []int{200, 401} {
		as.Clock.Advance(31 * time.Second)
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%d, want %d", w.Code, want)
		}
	}
}
