package interop_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
)

// signInPage signs in with oidc-client-ts, and then asks twice in a frame that nobody sees
// whether the user is still there: before and after the host has signed her out.
const signInPage = `<!doctype html>
<link rel="icon" href="data:,">
<script src="/oidc-client-ts.min.js"></script>
<script>
(async () => {
  const manager = new oidc.UserManager({
    authority: %q,
    client_id: 'page',
    redirect_uri: location.origin + '/callback',
    silent_redirect_uri: location.origin + '/silent',
    scope: 'openid profile email',
    loadUserInfo: true,
    automaticSilentRenew: false,
    silentRequestTimeoutInSeconds: 8,
  })
  if (location.pathname === '/silent') return manager.signinSilentCallback()
  try {
    if (location.pathname !== '/callback') return await manager.signinRedirect({ nonce: 'n-0S6_WzA2Mj' })
    const user = await manager.signinRedirectCallback()
    const renewed = await manager.signinSilent()
    await fetch('/sign-out', { method: 'POST' })
    const later = await manager.signinSilent().then(() => 'signed in', (e) => e.error)
    document.title = JSON.stringify({
      sub: user.profile.sub, email: user.profile.email, name: user.profile.name,
      refreshable: !!user.refresh_token, renewedSub: renewed.profile.sub,
      another: renewed.access_token !== user.access_token && renewed.id_token !== user.id_token, later,
    })
  } catch (e) {
    document.title = 'failed: ' + e
  }
})()
</script>`

// oidc-client-ts as a site without a server: the ID token, UserInfo by CORS, and renewal by
// prompt=none in a frame. The endpoint's redirects may pass through a frame; its pages may not
// be shown in one (RFC 9700 §4.16), and with prompt=none there is no page. Whether the frame
// brings the host's session cookie is up to the cookie and the browser: a page of another site
// gets login_required where the cookie is SameSite=Lax, or third-party cookies are kept apart.
func TestOIDCClientTS_openID(t *testing.T) {
	app, mux := newApp(t)
	var signedOut atomic.Bool
	h := newOpenIDHost(t, func(c *authz.Config) {
		c.Clients = append(c.Clients, authz.Client{
			ID: "page", RedirectURIs: []string{app + "/callback", app + "/silent"}, AllowedOrigins: []string{app},
			Scopes: []string{"openid", "profile", "email"}, FirstParty: true, ApplicationType: "native",
		})
		login := c.Login
		c.Login = func(r *http.Request) (*authz.User, error) {
			if signedOut.Load() {
				return nil, authz.RedirectToLogin("/login")
			}
			return login(r)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, signInPage, h.URL)
	})
	mux.HandleFunc("POST /sign-out", func(http.ResponseWriter, *http.Request) { signedOut.Store(true) })
	p := outcome(t, app+"/")
	for name, want := range map[string]string{
		"sub": "ana", "email": "ana@example.com", "name": "Ana Example", "refreshable": "false",
		"renewedSub": "ana", "another": "true", "later": "login_required",
	} {
		if got := p.Eval("String(JSON.parse(document.title)." + name + ")"); got != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
}
