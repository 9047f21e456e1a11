package authz_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
)

// newProfiled is a server with this Config, to which a host has added what it must.
func newProfiled(t testing.TB, profile authz.Config) *server {
	t.Helper()
	s := &server{}
	s.host = authztest.New(t, func(c *authz.Config) {
		profile.Issuer, profile.Storage, profile.Login, profile.Clock, profile.Logger = c.Issuer, c.Storage, c.Login, c.Clock, c.Logger
		profile.Events = s.hear
		if profile.Scopes == nil {
			profile.Scopes = c.Scopes
		}
		*c = profile
	})
	s.Server, s.clock = s.host.Server, s.host.Clock
	s.host.SignIn("ana")
	return s
}

var mcpScopes = authz.Scopes{"read": "Read your notes", "write": "Add notes"}

// What MCP's authorization specification asks of a server.
func TestProfileMCP(t *testing.T) {
	s := newProfiled(t, authz.ProfileMCP(mcpScopes))
	m := s.Metadata()
	if !m.ClientIDMetadataDocumentSupported || m.RegistrationEndpoint == "" || !m.AuthorizationResponseIssParameterSupported ||
		!slices.Equal(m.CodeChallengeMethodsSupported, []string{"S256"}) || !slices.Contains(m.TokenEndpointAuthMethodsSupported, "none") ||
		!slices.Equal(m.ScopesSupported, []string{"read", "write"}) {
		t.Errorf("metadata %+v", m)
	}
	if !s.OriginAllowed("https://inspector.example") {
		t.Error("a page may not call the token endpoint")
	}
	// A native client that registers, listens on any port of localhost, and stays connected.
	info := must(s.introduce("redirect_uris", `["http://localhost:3000/callback"]`))(t)
	const elsewhere = "http://localhost:49152/callback"
	for _, scope := range []string{"read", "read write"} {
		code := s.code(t, info.ClientID, set("redirect_uri", elsewhere), set("scope", scope), set("resource", issuer+"/"))
		tokens := must(s.token(request(info.ClientID, form(nil, "grant_type", "authorization_code", "code", code,
			"redirect_uri", elsewhere, "code_verifier", authztest.Verifier, "resource", issuer))))(t)
		next := must(s.token(refreshing(info.ClientID, tokens.RefreshToken)))(t)
		if tokens.Scope != scope || next.RefreshToken == "" || next.RefreshToken == tokens.RefreshToken {
			t.Errorf("%s: %q, rotated: %t", scope, tokens.Scope, next.RefreshToken != tokens.RefreshToken)
		}
	}
	// The user may be asked for more than the client knew of; the scopes are the host's.
	mcpScopes := authz.Scopes{"read": "Read", "offline_access": "Stay connected"}
	s = newProfiled(t, authz.ProfileMCP(mcpScopes))
	mcpScopes["admin"] = "Do everything"
	if slices.Contains(s.Metadata().ScopesSupported, "admin") {
		t.Error("the profile shares the host's map")
	}
	info = must(s.introduce("redirect_uris", `["http://127.0.0.1/callback"]`))(t)
	for scope, stays := range map[string]bool{"read": false, "read offline_access": true} {
		const redirect = "http://127.0.0.1:5000/callback"
		code := s.code(t, info.ClientID, set("redirect_uri", redirect), set("scope", scope))
		tokens := must(s.token(request(info.ClientID, form(nil, "grant_type", "authorization_code", "code", code, "redirect_uri", redirect, "code_verifier", authztest.Verifier))))(t)
		if (tokens.RefreshToken != "") != stays {
			t.Errorf("%s: refresh token %t", scope, !stays)
		}
	}
}

// A profile is a Config: whatever it says can be changed.
func TestProfile_overridden(t *testing.T) {
	c := authz.ProfileMCP(mcpScopes)
	c.Registration, c.AllowedOrigins = nil, nil
	if s := newProfiled(t, c); s.Metadata().RegistrationEndpoint != "" || s.OriginAllowed("https://inspector.example") {
		t.Error("what was taken away is there")
	}
	c = authz.ProfileStrict()
	c.TokenEndpointAuthMethods = append(c.TokenEndpointAuthMethods, "none")
	c.RequirePushedAuthorizationRequests = false
	s := newProfiled(t, c)
	s.register(t, authz.Client{ID: spa, RedirectURIs: []string{redirectOf[spa]}, Scopes: []string{"read"}})
	tokens := must(s.token(s.proven(authztest.NewDPoPKey(), redemption(spa, s.code(t, spa, set("scope", "read"))))))(t)
	if tokens.TokenType != "DPoP" {
		t.Errorf("token type %s", tokens.TokenType)
	}
}

// The whole flow of a client that does what RFC 9700 recommends, by DPoP and by certificate.
func TestProfileStrict(t *testing.T) {
	strict := authz.ProfileStrict()
	strict.MutualTLS = true
	s := newProfiled(t, strict)
	m := s.Metadata()
	if methods := []string{"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"}; !m.RequirePushedAuthorizationRequests ||
		!slices.Equal(m.TokenEndpointAuthMethodsSupported, methods) || !slices.Equal(m.IntrospectionEndpointAuthMethodsSupported, methods) {
		t.Errorf("metadata %+v", m)
	}
	if methods := newProfiled(t, authz.ProfileStrict()).Metadata().TokenEndpointAuthMethodsSupported; !slices.Equal(methods, []string{"private_key_jwt"}) {
		t.Errorf("without MutualTLS: %q", methods)
	}
	c := testKeyClient()
	c.RedirectURIs, c.GrantTypes = []string{"https://app.example/cb"}, []string{"authorization_code", "refresh_token", "client_credentials"}
	s.register(t, c)
	key, cert := authztest.NewDPoPKey(), certificate(t, p384, nil)
	as := func(edits ...edit) *authz.Request {
		return &authz.Request{Parameters: form(edits, "client_assertion_type", jwtBearer, "client_assertion", s.assert(t, assertion{}), "client_id", keyClient)}
	}
	flow := func(bind func(*authz.Request) *authz.Request) (*authz.TokenResponse, error) {
		redirect := set("redirect_uri", c.RedirectURIs[0])
		pushed := must(s.PushAuthorization(t.Context(), as(redirect, set("response_type", "code"), set("scope", "read"), set("state", "xyz"),
			set("code_challenge", authztest.Challenge()), set("code_challenge_method", "S256"))))(t)
		response, err := s.visit(referTo(keyClient, pushed))
		if err == nil && response.Consent != nil {
			response, err = s.submit(submission(response.Consent))
		}
		code := back(t, response, err).Get("code")
		return s.token(bind(as(redirect, set("grant_type", "authorization_code"), set("code", code), set("code_verifier", authztest.Verifier))))
	}
	tokens := must(flow(func(r *authz.Request) *authz.Request { return s.proven(key, r) }))(t)
	if got := must(s.VerifyAccessToken(t.Context(), tokens.AccessToken))(t).Claims["cnf"].(map[string]any)["jkt"]; got != key.JKT() || tokens.ExpiresIn != 600 {
		t.Errorf("bound to %v, for %d s", got, tokens.ExpiresIn)
	}
	must(s.token(s.proven(key, as(set("grant_type", "refresh_token"), set("refresh_token", tokens.RefreshToken)))))(t)
	tokens = must(flow(func(r *authz.Request) *authz.Request { r.Certificate = cert; return r }))(t)
	if got := must(s.VerifyAccessToken(t.Context(), tokens.AccessToken))(t).Claims["cnf"].(map[string]any)["x5t#S256"]; got != thumbprintOf(cert) {
		t.Errorf("bound to %v", got)
	}

	_, err := flow(func(r *authz.Request) *authz.Request { return r })
	wantRefusal(t, err, "invalid_request key_missing")
	_, err = s.token(as(set("grant_type", "client_credentials")))
	wantRefusal(t, err, "invalid_request key_missing")
	response, err := s.authorize(keyClient, set("redirect_uri", c.RedirectURIs[0]))
	if got := s.outcome(t, response, err); !strings.Contains(got, "invalid_request") {
		t.Errorf("not pushed: %s", got)
	}
	if got := s.asserted(t, s.assert(t, assertion{claims: map[string]any{"aud": tokenURL}})); got != "assertion_audience_wrong" {
		t.Errorf("for the token endpoint: %s", got)
	}
	for _, c := range testClients() { // all with secrets or without anything
		if err := s.RegisterClient(t.Context(), c); err == nil || !strings.Contains(err.Error(), "not in Config.TokenEndpointAuthMethods") {
			t.Errorf("%s: %v", c.ID, err)
		}
	}
}

// Methods that the host does not allow are refused of clients from its own storage too.
func TestConfig_TokenEndpointAuthMethods(t *testing.T) {
	s := newServer(t)
	store := s.store
	for method, refused := range map[string][]string{
		"client_secret_basic": {spa, keyClient},
		"none":                {service, keyClient},
		"private_key_jwt":     {service, spa},
	} {
		s := newProfiled(t, authz.Config{TokenEndpointAuthMethods: []string{method}})
		for _, c := range append(testClients(), testKeyClient()) {
			if err := s.host.Store.PutClient(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range refused {
			req := request(id, form(nil, "grant_type", "client_credentials"))
			if id == keyClient {
				req = asserting(s.assert(t, assertion{}))
			}
			_, err := s.token(req)
			wantRefusal(t, err, "invalid_client auth_method_not_supported")
		}
	}
	for name, c := range map[string]authz.Config{
		`"password" is not supported`: {TokenEndpointAuthMethods: []string{"password"}},
		"turn on DPoP or MutualTLS":   {RequireBoundAccessTokens: true},
	} {
		c.Issuer, c.Storage = issuer, store
		if _, err := authz.New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
