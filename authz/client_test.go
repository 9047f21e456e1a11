package authz_test

import (
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
)

func TestClient_faults(t *testing.T) {
	secret := []storage.Secret{authz.HashSecret(secretOf[web])}
	const year = 365 * 24 * time.Hour
	for _, test := range []struct {
		name        string
		break_      func(*authz.Client)
		field, cure string
	}{
		{"no ID", func(c *authz.Client) { c.ID = "" }, "ID", "1 to 2048"},
		{"long ID", func(c *authz.Client) { c.ID = strings.Repeat("x", 2049) }, "ID", "1 to 2048"},
		{"ID beyond ASCII", func(c *authz.Client) { c.ID = "caf\u00e9" }, "ID", "printable ASCII"},
		{"ID with a line break", func(c *authz.Client) { c.ID = "a\nb" }, "ID", "printable ASCII"},
		{"application type", func(c *authz.Client) { c.ApplicationType = "desktop" }, "ApplicationType", "web or native"},
		{"password grant", func(c *authz.Client) { c.GrantTypes = []string{"password", "authorization_code"} }, "GrantTypes", "authorization_code, refresh_token"},
		{"implicit grant", func(c *authz.Client) { c.GrantTypes = []string{"implicit", "authorization_code"} }, "GrantTypes", "not supported"},
		{"no redirect URI", func(c *authz.Client) { c.RedirectURIs = nil }, "RedirectURIs", "name at least one"},
		{"second redirect URI", func(c *authz.Client) { c.RedirectURIs = append(c.RedirectURIs, "http://h.example/") }, "RedirectURIs", "use https"},
		{"unknown auth method", func(c *authz.Client) { c.TokenEndpointAuthMethod = "tls" }, "TokenEndpointAuthMethod", "client_secret_basic"},
		{"none with a secret", func(c *authz.Client) { c.TokenEndpointAuthMethod, c.Secrets = "none", secret }, "TokenEndpointAuthMethod", "take one of them out"},
		{"basic without a secret", func(c *authz.Client) { c.TokenEndpointAuthMethod = "client_secret_basic" }, "Secrets", "NewSecret"},
		{"post without a secret", func(c *authz.Client) { c.TokenEndpointAuthMethod = "client_secret_post" }, "Secrets", "NewSecret"},
		{"secret in clear", func(c *authz.Client) { c.Secrets = []storage.Secret{{Hash: "hunter2"}} }, "Secrets", "HashSecret"},
		{"bcrypt", func(c *authz.Client) { c.Secrets = []storage.Secret{{Hash: "$2a$12$x"}} }, "Secrets", "HashSecret"},
		{"public with client_credentials", func(c *authz.Client) { c.GrantTypes = []string{"client_credentials"} }, "GrantTypes", "Secrets"},
		{"public resource server", func(c *authz.Client) { c.ResourceServer = true }, "ResourceServer", "needs Secrets"},
		{"unknown scope", func(c *authz.Client) { c.Scopes = []string{"read", "nope"} }, "Scopes", `"nope" is not in Config.Scopes`},
		{"default scope", func(c *authz.Client) { c.DefaultScopes = []string{"write"} }, "DefaultScopes", "not in Scopes"},
		{"token format", func(c *authz.Client) { c.AccessTokenFormat = "paseto" }, "AccessTokenFormat", "jwt or opaque"},
		{"algorithm", func(c *authz.Client) { c.AccessTokenSigningAlg = "RS256" }, "AccessTokenSigningAlg", "Config.SigningAlgorithms"},
		{"access token lifetime", func(c *authz.Client) { c.AccessTokenLifetime = 25 * time.Hour }, "AccessTokenLifetime", "between 1s and 24h"},
		{"negative lifetime", func(c *authz.Client) { c.AccessTokenLifetime = -1 }, "AccessTokenLifetime", "or 0 for the default"},
		{"idle", func(c *authz.Client) { c.RefreshTokenIdle = 11 * year }, "RefreshTokenIdle", "between 1s"},
		{"refresh lifetime", func(c *authz.Client) { c.RefreshTokenLifetime = time.Millisecond }, "RefreshTokenLifetime", "between 1s"},
		{"origin", func(c *authz.Client) { c.AllowedOrigins = []string{"app.example"} }, "AllowedOrigins", "scheme, host"},
		{"logo", func(c *authz.Client) { c.LogoURI = "javascript:alert(1)" }, "LogoURI", "http or https"},
		{"home page", func(c *authz.Client) { c.URI = "data:text/html,x" }, "URI", "http or https"},
		{"policy", func(c *authz.Client) { c.PolicyURI = "/policy" }, "PolicyURI", "http or https"},
		{"terms", func(c *authz.Client) { c.TOSURI = "https:terms" }, "TOSURI", "http or https"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			c := authz.Client{ID: "app", RedirectURIs: []string{"https://app.example/cb"}, Scopes: []string{"read"}}
			test.break_(&c)
			err := s.RegisterClient(t.Context(), c)
			if err == nil || !strings.Contains(err.Error(), ": "+test.field+": ") || !strings.Contains(err.Error(), test.cure) {
				t.Fatalf("RegisterClient: %v\nwant a fault of %s that says %q", err, test.field, test.cure)
			}
			if lines := strings.Count(err.Error(), "\n") + 1; lines != 1 {
				t.Errorf("%d faults for one:\n%v", lines, err)
			}
			if got, err := s.store.Client(t.Context(), c.ID); err == nil {
				t.Errorf("it was stored all the same: %+v", got)
			}
		})
	}
}

func TestClient_all_faults_at_once(t *testing.T) {
	s := newServer(t)
	err := s.RegisterClient(t.Context(), authz.Client{
		ApplicationType: "x", GrantTypes: []string{"x"}, RedirectURIs: []string{"x"}, Scopes: []string{"x"},
		DefaultScopes: []string{"y"}, TokenEndpointAuthMethod: "x", ResourceServer: true, AllowedOrigins: []string{"x"},
		AccessTokenFormat: "x", AccessTokenSigningAlg: "x", AccessTokenLifetime: -1, RefreshTokenIdle: -1,
		RefreshTokenLifetime: -1, LogoURI: "x", URI: "x", PolicyURI: "x", TOSURI: "x",
	})
	if err == nil {
		t.Fatal("RegisterClient succeeded")
	}
	for _, field := range []string{
		"ID", "ApplicationType", "GrantTypes", "RedirectURIs", "Scopes", "DefaultScopes", "TokenEndpointAuthMethod",
		"ResourceServer", "AllowedOrigins", "AccessTokenFormat", "AccessTokenSigningAlg", "AccessTokenLifetime",
		"RefreshTokenIdle", "RefreshTokenLifetime", "LogoURI", "URI", "PolicyURI", "TOSURI",
	} {
		if !strings.Contains(err.Error(), `authz: client "": `+field+": ") {
			t.Errorf("%v\ndoes not name %s", err, field)
		}
	}
}

// What a client may do counts at the moment it does it.
func TestClient_disabled(t *testing.T) {
	for _, id := range []string{web, spa} {
		t.Run(id, func(t *testing.T) {
			s := newServer(t)
			tokens := s.tokens(t, id, set("scope", "read offline_access"))
			code := s.code(t, id)
			s.change(t, id, func(c *authz.Client) { c.Disabled = true })

			response, err := s.authorize(id)
			if got := s.outcome(t, response, err); got != "page: invalid_request client_unknown" {
				t.Errorf("Authorize: %s", got)
			}
			_, err = s.redeem(id, code)
			wantRefusal(t, err, "invalid_client client_unknown")
			_, err = s.refresh(id, tokens.RefreshToken)
			wantRefusal(t, err, "invalid_client client_unknown")
			if s.live(tokens.AccessToken) {
				t.Error("its access token still opens things")
			}

			s.change(t, id, func(c *authz.Client) { c.Disabled = false })
			if !s.live(tokens.AccessToken) {
				t.Error("its access token is dead for good")
			}
			must(s.redeem(id, code))(t)
			must(s.refresh(id, tokens.RefreshToken))(t)
		})
	}
}

// A host's own look-up that folds case would make one client out of two names.
func TestClient_name_is_exact(t *testing.T) {
	s := newServer(t)
	for _, id := range []string{"WEB", "Web", " web", "web ", "web\x00"} {
		response, err := s.authorize(id, set("redirect_uri", redirectOf[web]))
		if got := s.outcome(t, response, err); got != "page: invalid_request client_unknown" {
			t.Errorf("client_id %q: %s", id, got)
		}
	}
}
