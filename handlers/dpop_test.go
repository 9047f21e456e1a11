package handlers_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/authz/resource/dpop"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/handlers/protect"
)

// prover is a client that proves its key with every request, and does as it is told about
// nonces (RFC 9449 §8.2: it remembers the last one).
type prover struct {
	*host
	key   *authztest.DPoPKey
	nonce string
	tries int
}

func (p *prover) send(method, path string, body any, accessToken string) *answer {
	p.t.Helper()
	for {
		p.tries++
		claims := map[string]any{}
		if p.nonce != "" {
			claims["nonce"] = p.nonce
		}
		headers := []string{}
		if accessToken != "" {
			claims["ath"] = authztest.TokenHash(accessToken)
			headers = append(headers, "Authorization", "DPoP "+accessToken)
		}
		u, _ := url.Parse(p.url + path)
		u.RawQuery = ""
		a := p.do(method, path, body, append(headers, "DPoP", p.key.Proof(method, u.String(), p.Clock.Now(), claims))...)
		old := p.nonce
		if p.nonce = a.Header.Get("DPoP-Nonce"); p.nonce == old || a.StatusCode < 400 {
			return a
		}
	}
}

func (p *prover) tokens(form url.Values) *authz.TokenResponse {
	p.t.Helper()
	a := p.send("POST", "/oauth2/token", form, "")
	tokens := new(authz.TokenResponse)
	if err := json.Unmarshal([]byte(a.body), tokens); err != nil || a.StatusCode != 200 || tokens.TokenType != "DPoP" {
		p.t.Fatalf("%s %s", a.Status, a.body)
	}
	return tokens
}

// The whole way of a public client over HTTP, with and without nonces.
func TestRFC9449(t *testing.T) {
	for name, nonces := range map[string]bool{"without_nonces": false, "with_nonces": true} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, handlers.Options{}, func(c *authz.Config) { c.DPoP, c.DPoPNonces = true, nonces })
			p := &prover{host: h, key: authztest.NewDPoPKey()}
			params := authztest.AuthorizationParameters("read", "offline_access")
			params.Set("dpop_jkt", p.key.JKT())
			code := h.Authorize(t, params).Get("code")
			tokens := p.tokens(url.Values{"grant_type": {"authorization_code"}, "client_id": {authztest.ClientID},
				"redirect_uri": {authztest.RedirectURI}, "code": {code}, "code_verifier": {authztest.Verifier}})
			next := p.tokens(url.Values{"grant_type": {"refresh_token"}, "client_id": {authztest.ClientID}, "refresh_token": {tokens.RefreshToken}})

			api := handlers.Protect(h.Server.Server, "read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Write([]byte(handlers.TokenFrom(r.Context()).Subject))
			}))
			h.mux.Handle("/api/", http.StripPrefix("/api", api))
			if a := p.send("GET", "/api/things?x=y", nil, next.AccessToken); a.StatusCode != 200 || a.body != "ana" {
				t.Fatalf("%s %s %q", a.Status, a.body, a.Header["Www-Authenticate"])
			}
			if a := h.do("GET", "/api/things", nil, "Authorization", "Bearer "+next.AccessToken); a.StatusCode != 401 {
				t.Errorf("the bound token as a bearer token: %s", a.Status)
			}
			// A proof that was used is of no use again.
			claims := map[string]any{"ath": authztest.TokenHash(next.AccessToken), "nonce": p.nonce}
			proof := p.key.Proof("GET", h.url+"/api/things", h.Clock.Now(), claims)
			for i, want := range []int{200, 401} {
				if a := h.do("GET", "/api/things", nil, "Authorization", "DPoP "+next.AccessToken, "DPoP", proof); a.StatusCode != want {
					t.Errorf("use %d of a proof: %s %s", i+1, a.Status, a.body)
				}
			}
			if want := map[bool]int{false: 3, true: 4}[nonces]; p.tries != want {
				t.Errorf("it took %d requests, want %d: the nonce of the server serves for the resource too", p.tries, want)
			}
		})
	}
}

// Every answer of the token endpoint tells the nonce, refusals included (RFC 9449 §8.2).
func TestRFC9449_Section8_header(t *testing.T) {
	h := newHost(t, handlers.Options{}, func(c *authz.Config) { c.DPoP, c.DPoPNonces = true, true })
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"confidential"}, "client_secret": {secret}}
	key := authztest.NewDPoPKey()
	a := h.do("POST", "/oauth2/token", form, "DPoP", key.Proof("POST", h.url+"/oauth2/token", h.Clock.Now(), nil))
	a.isError(t, http.StatusBadRequest, "use_dpop_nonce")
	if a.Header.Get("DPoP-Nonce") == "" {
		t.Error("no nonce with use_dpop_nonce")
	}
	if a := h.do("POST", "/oauth2/token", form); a.StatusCode != 200 || a.Header.Get("DPoP-Nonce") == "" {
		t.Errorf("%s, nonce %q", a.Status, a.Header.Get("DPoP-Nonce"))
	}
	if a := h.do("POST", "/oauth2/token", "x"); a.StatusCode != 400 || a.Header.Get("DPoP-Nonce") == "" {
		t.Errorf("%s, nonce %q", a.Status, a.Header.Get("DPoP-Nonce"))
	}
	off := newHost(t, handlers.Options{})
	if a := off.do("POST", "/oauth2/token", form); a.Header.Get("DPoP-Nonce") != "" {
		t.Error("a nonce that nobody asked for")
	}
}

// RFC 9728 §2: whether certificates count is the same for server and resource.
func TestRFC9728_Section2_certificates(t *testing.T) {
	for _, on := range []bool{false, true} {
		h := newHost(t, handlers.Options{}, func(c *authz.Config) { c.MutualTLS = on })
		for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource"} {
			if a := h.do("GET", path, nil); strings.Contains(a.body, `"tls_client_certificate_bound_access_tokens":true`) != on {
				t.Errorf("%s: %s", path, a.body)
			}
		}
	}
}

func TestRFC9449_Section5_1(t *testing.T) {
	h := newHost(t, handlers.Options{}, func(c *authz.Config) { c.DPoP = true })
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource"} {
		var m protect.Metadata
		a := h.do("GET", path, nil)
		if err := json.Unmarshal([]byte(a.body), &m); err != nil || !slices.Equal(m.DPoPSigningAlgValuesSupported, dpop.Algorithms()) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}
