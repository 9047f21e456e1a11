package interop_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/conformance/browser"
)

// page is a single-page application with oidc-client-ts. It starts the flow when it is
// opened, goes on when it is called back, refreshes, and signs out of its token.
const page = `<!doctype html>
<link rel="icon" href="data:,">
<script src="/oidc-client-ts.min.js"></script>
<script>
(async () => {
  const manager = new oidc.UserManager({
    authority: %q,
    metadataUrl: %q,
    client_id: 'page',
    redirect_uri: location.origin + '/callback',
    scope: 'read offline_access',
    response_type: 'code',
    loadUserInfo: false,
    automaticSilentRenew: false,
  })
  try {
    if (location.pathname !== '/callback') return await manager.signinRedirect()
    const user = await manager.signinRedirectCallback()
    const renewed = await manager.signinSilent()
    await manager.revokeTokens(['access_token', 'refresh_token'])
    document.title = JSON.stringify({
      first: user.access_token, second: renewed.access_token, scope: renewed.scope,
      rotated: !!renewed.refresh_token && renewed.refresh_token !== user.refresh_token,
    })
  } catch (e) {
    document.title = 'failed: ' + e
  }
})()
</script>`

// newApp is an origin of its own, which serves oidc-client-ts. The pages are the test's.
func newApp(t *testing.T) (string, *http.ServeMux) {
	t.Helper()
	dir, err := installed()
	if err != nil {
		skip(t, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/oidc-client-ts.min.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(dir, "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js"))
	})
	app := httptest.NewServer(mux)
	t.Cleanup(app.Close)
	return app.URL, mux
}

// outcome opens a page, and waits until its title is what it has found out, as JSON.
func outcome(t *testing.T, address string) *browser.Page {
	t.Helper()
	p := browser.Open(t, address)
	p.Await("document.title !== ''")
	if title, _ := p.Eval("document.title").(string); !strings.HasPrefix(title, "{") {
		t.Fatalf("%s\n%s", title, strings.Join(p.Problems(), "\n"))
	}
	return p
}

// oidc-client-ts in a browser, on an origin of its own: redirect, PKCE, the token endpoint by
// CORS, refresh, revocation.
func TestOIDCClientTS(t *testing.T) {
	app, mux := newApp(t)
	h := newHost(t, func(c *authz.Config) {
		c.Clients = append(c.Clients, authz.Client{
			ID: "page", RedirectURIs: []string{app + "/callback"}, AllowedOrigins: []string{app},
			Scopes: []string{"read", "offline_access"}, FirstParty: true, ApplicationType: "native",
		})
		c.Consent = func(context.Context, *authz.ConsentRequest) (authz.Decision, error) { return authz.Allow, nil }
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, page, h.URL, h.URL+"/.well-known/oauth-authorization-server")
	})
	p := outcome(t, app+"/")
	for name, want := range map[string]string{"rotated": "true", "scope": "read offline_access"} {
		if got := p.Eval("String(JSON.parse(document.title)." + name + ")"); got != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
	for _, name := range []string{"first", "second"} {
		token, _ := p.Eval("JSON.parse(document.title)." + name).(string)
		if _, err := h.as.VerifyAccessToken(t.Context(), token); token == "" || err == nil {
			t.Errorf("the %s token is not revoked", name)
		}
	}
}
