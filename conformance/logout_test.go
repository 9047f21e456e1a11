package conformance_test

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// leave sends the browser to the end session endpoint, with pairs of name and value. It returns
// where the browser is sent; or else the status and the text of the page that is shown.
func (p *provider) leave(t *testing.T, pairs ...string) (to *url.URL, status int, text string) {
	t.Helper()
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	page, err := p.browser.Get(p.endSession(t) + "?" + v.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	body, err := io.ReadAll(page.Body)
	if err != nil {
		t.Fatal(err)
	}
	if page.StatusCode == http.StatusSeeOther {
		if to, err = page.Location(); err != nil {
			t.Fatal(err)
		}
	}
	return to, page.StatusCode, string(body)
}

func (p *provider) endSession(t *testing.T) string {
	t.Helper()
	var metadata struct {
		Endpoint string `json:"end_session_endpoint"`
	}
	if err := p.found.Claims(&metadata); err != nil || !strings.HasPrefix(metadata.Endpoint, p.URL+"/") {
		t.Fatalf("end_session_endpoint %q, %v", metadata.Endpoint, err)
	}
	return metadata.Endpoint
}

// left checks that nobody is signed in any more, or that ana still is.
func (p *provider) left(t *testing.T, want bool) {
	t.Helper()
	if got := p.signedInAt.Load() == nil; got != want {
		t.Errorf("ana has been signed out: %v", got)
	}
	again := p.answer(t, request("query", "prompt", "none"))
	if refused := again.Get("error") == "login_required"; refused != want {
		t.Errorf("prompt=none: %v", again)
	}
}

// asks checks that there is a page that asks, and that signing out waits for the answer.
func (p *provider) asks(t *testing.T, pairs ...string) {
	t.Helper()
	to, status, text := p.leave(t, pairs...)
	if to != nil || status != http.StatusOK || !strings.Contains(text, `name="interaction"`) {
		t.Errorf("%v, %d: %.300s", to, status, text)
	}
	p.left(t, false)
}

// refuses checks that there is an error page, and that nobody is signed out.
func (p *provider) refuses(t *testing.T, pairs ...string) {
	t.Helper()
	if to, status, text := p.leave(t, pairs...); to != nil || status != http.StatusBadRequest {
		t.Errorf("%v, %d: %.300s", to, status, text)
	}
	p.left(t, false)
}

// logoutOP are the modules of the plan for RP-Initiated Logout OP.
var logoutOP = map[string]func(t *testing.T, p *provider){
	"OIDCCRpInitiatedLogoutDiscoveryEndpointVerification": func(t *testing.T, p *provider) { p.endSession(t) },
	"OIDCCRpInitiatedLogout": func(t *testing.T, p *provider) {
		to, status, _ := p.leave(t, "id_token_hint", p.login(t, "query").raw, "post_logout_redirect_uri", goodbyeURI, "state", "s t")
		if to == nil || to.String() != goodbyeURI+"?state=s+t" {
			t.Errorf("%v, %d", to, status)
		}
		p.left(t, true)
	},
	"OIDCCRpInitiatedLogoutBadLogoutRedirectUri": func(t *testing.T, p *provider) {
		hint := p.login(t, "query").raw
		for _, uri := range []string{goodbyeURI + "/x", goodbyeURI + "?x=1", redirectURI, "https://attacker.example/"} {
			p.refuses(t, "id_token_hint", hint, "post_logout_redirect_uri", uri)
		}
	},
	"OIDCCRpInitiatedLogoutModifiedIdTokenHint": func(t *testing.T, p *provider) {
		parts := strings.Split(p.login(t, "query").raw, ".")
		parts[2] = strings.Repeat("A", len(parts[2]))
		hint := strings.Join(parts, ".")
		p.refuses(t, "id_token_hint", hint, "post_logout_redirect_uri", goodbyeURI, "state", "s")
		p.asks(t, "id_token_hint", hint)
	},
	"OIDCCRpInitiatedLogoutNoIdTokenHint": func(t *testing.T, p *provider) {
		p.refuses(t, "post_logout_redirect_uri", goodbyeURI, "state", "s") // nobody knows whose URI it is
		p.asks(t, "client_id", "client", "post_logout_redirect_uri", goodbyeURI, "state", "s")
	},
	"OIDCCRpInitiatedLogoutNoParams": func(t *testing.T, p *provider) { p.asks(t) },
	"OIDCCRpInitiatedLogoutNoPostLogoutRedirectUri": func(t *testing.T, p *provider) {
		to, status, text := p.leave(t, "id_token_hint", p.login(t, "query").raw, "state", "s")
		if to != nil || status != http.StatusOK || strings.Contains(text, `name="interaction"`) {
			t.Errorf("%v, %d: %.300s", to, status, text)
		}
		p.left(t, true)
	},
	"OIDCCRpInitiatedLogoutNoState": func(t *testing.T, p *provider) {
		to, status, _ := p.leave(t, "id_token_hint", p.login(t, "query").raw, "post_logout_redirect_uri", goodbyeURI)
		if to == nil || to.String() != goodbyeURI {
			t.Errorf("%v, %d", to, status)
		}
		p.left(t, true)
	},
	"OIDCCRpInitiatedLogoutOnlyState": func(t *testing.T, p *provider) { p.asks(t, "state", "s") },
}

// What the plan for RP-Initiated Logout OP does, one subtest for each module.
func TestRPInitiatedLogoutOP(t *testing.T) {
	p := newProvider(t)
	for _, module := range slices.Sorted(maps.Keys(logoutOP)) {
		t.Run(module, func(t *testing.T) {
			p.signIn()
			logoutOP[module](t, p)
		})
	}
}
