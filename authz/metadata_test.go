package authz_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// The endpoints follow from the issuer, its path and the prefix (RFC 8414 §2).
func TestRFC8414_Section2(t *testing.T) {
	for _, test := range []struct{ issuer, prefix, base string }{
		{"https://app.example", "", "https://app.example/oauth2"},
		{"https://app.example/tenant/1", "", "https://app.example/tenant/1/oauth2"},
		{"https://app.example", "/auth", "https://app.example/auth"},
		{"http://127.0.0.1:8080/t", "/a/b", "http://127.0.0.1:8080/t/a/b"},
	} {
		s := newServer(t, func(c *authz.Config) { c.Issuer, c.Prefix = test.issuer, test.prefix })
		m := s.Metadata()
		want := &authz.Metadata{
			Issuer:                                     test.issuer,
			AuthorizationEndpoint:                      test.base + "/authorize",
			TokenEndpoint:                              test.base + "/token",
			JWKSURI:                                    test.base + "/jwks",
			RevocationEndpoint:                         test.base + "/revoke",
			IntrospectionEndpoint:                      test.base + "/introspect",
			ScopesSupported:                            []string{"admin", "offline_access", "read", "write"},
			ResponseTypesSupported:                     []string{"code"},
			ResponseModesSupported:                     []string{"query", "form_post", "jwt", "query.jwt", "form_post.jwt"},
			GrantTypesSupported:                        []string{"authorization_code", "refresh_token", "client_credentials"},
			TokenEndpointAuthMethodsSupported:          []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
			RevocationEndpointAuthMethodsSupported:     []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
			IntrospectionEndpointAuthMethodsSupported:  []string{"client_secret_basic", "client_secret_post", "private_key_jwt"},
			PushedAuthorizationRequestEndpoint:         test.base + "/par",
			CodeChallengeMethodsSupported:              []string{"S256"},
			AuthorizationResponseIssParameterSupported: true,
			ProtectedResources:                         []string{test.issuer},

			TokenEndpointAuthSigningAlgValuesSupported:         keyAlgs,
			RevocationEndpointAuthSigningAlgValuesSupported:    keyAlgs,
			IntrospectionEndpointAuthSigningAlgValuesSupported: keyAlgs,
			IntrospectionSigningAlgValuesSupported:             []string{"ES256"},
			AuthorizationSigningAlgValuesSupported:             []string{"ES256"},
			IntrospectionEncryptionAlgValuesSupported:          jweAlgs,
			IntrospectionEncryptionEncValuesSupported:          jweEncs,
			AuthorizationEncryptionAlgValuesSupported:          jweAlgs,
			AuthorizationEncryptionEncValuesSupported:          jweEncs,
			RequestParameterSupported:                          true,
			RequestObjectSigningAlgValuesSupported:             keyAlgs,
		}
		if !reflect.DeepEqual(m, want) {
			t.Errorf("%s %s: %+v\nwant %+v", test.issuer, test.prefix, m, want)
		}
	}
}

var (
	keyAlgs    = strings.Fields("ES256 ES384 ES512 PS256 PS384 PS512 RS256 RS384 RS512 EdDSA")
	secretAlgs = strings.Fields("HS256 HS384 HS512")
	jweAlgs    = strings.Fields("ECDH-ES ECDH-ES+A128KW ECDH-ES+A256KW RSA-OAEP RSA-OAEP-256")
	jweEncs    = strings.Fields("A128CBC-HS256 A128GCM A256GCM")
)

// What a configuration adds is in the metadata, and only then (RFC 8414 §2, RFC 8705 §3.3, §5).
func TestRFC8705_Section3_3(t *testing.T) {
	m := newServer(t, func(c *authz.Config) {
		c.EncryptionKey = sealingKey
		c.Issuer += "/tenant"
		c.MutualTLS, c.MutualTLSOrigin = true, "https://mtls.auth.example:8443"
	}).Metadata()
	methods := strings.Fields("client_secret_basic client_secret_post private_key_jwt client_secret_jwt tls_client_auth self_signed_tls_client_auth")
	algs := append(slices.Clone(keyAlgs), secretAlgs...)
	for what, pair := range map[string][2][]string{
		"token":               {m.TokenEndpointAuthMethodsSupported, append(slices.Clone(methods), "none")},
		"revocation":          {m.RevocationEndpointAuthMethodsSupported, append(slices.Clone(methods), "none")},
		"introspection":       {m.IntrospectionEndpointAuthMethodsSupported, methods},
		"token, algs":         {m.TokenEndpointAuthSigningAlgValuesSupported, algs},
		"revocation, algs":    {m.RevocationEndpointAuthSigningAlgValuesSupported, algs},
		"introspection, algs": {m.IntrospectionEndpointAuthSigningAlgValuesSupported, algs},
	} {
		if !slices.Equal(pair[0], pair[1]) {
			t.Errorf("%s: %q, want %q", what, pair[0], pair[1])
		}
	}
	const there = "https://mtls.auth.example:8443/tenant/oauth2"
	aliases := map[string]string{"token_endpoint": there + "/token", "revocation_endpoint": there + "/revoke", "introspection_endpoint": there + "/introspect",
		"pushed_authorization_request_endpoint": there + "/par"}
	if !m.TLSClientCertificateBoundAccessTokens || !reflect.DeepEqual(m.MTLSEndpointAliases, aliases) {
		t.Errorf("%v, %v", m.TLSClientCertificateBoundAccessTokens, m.MTLSEndpointAliases)
	}
}

// O1, RFC 8414 §2: the algorithms are those of the methods that are there, and the methods that
// are not there are refused.
func TestRFC8414_Section2_signing_algs(t *testing.T) {
	for _, test := range []struct {
		methods string
		want    []string
	}{
		{"", append(slices.Clone(keyAlgs), secretAlgs...)},
		{"private_key_jwt", keyAlgs},
		{"client_secret_jwt client_secret_basic", secretAlgs},
		{"client_secret_basic none", nil},
	} {
		m := kept(authz.New(authz.Config{
			Issuer: issuer, Storage: memory.New(), Login: func(*http.Request) (*authz.User, error) { return nil, nil },
			EncryptionKey: sealingKey, TokenEndpointAuthMethods: strings.Fields(test.methods),
		})).Metadata()
		for _, got := range [][]string{
			m.TokenEndpointAuthSigningAlgValuesSupported, m.RevocationEndpointAuthSigningAlgValuesSupported, m.IntrospectionEndpointAuthSigningAlgValuesSupported,
		} {
			if !slices.Equal(got, test.want) {
				t.Errorf("%q: %q, want %q", test.methods, got, test.want)
			}
		}
		if b := kept(json.Marshal(m)); strings.Contains(string(b), "null") || strings.Contains(string(b), "auth_signing_alg") != (test.want != nil) {
			t.Errorf("%q: %s", test.methods, b)
		}
	}
}

// Member names on the wire, and no more than these.
func TestRFC8414_Section2_names(t *testing.T) {
	b, err := json.Marshal(newServer(t).Metadata())
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	var got []string
	for name := range m {
		got = append(got, name)
	}
	slices.Sort(got)
	want := strings.Fields(`authorization_encryption_alg_values_supported authorization_encryption_enc_values_supported authorization_endpoint authorization_response_iss_parameter_supported authorization_signing_alg_values_supported code_challenge_methods_supported
		grant_types_supported introspection_encryption_alg_values_supported introspection_encryption_enc_values_supported introspection_endpoint introspection_endpoint_auth_methods_supported
		introspection_endpoint_auth_signing_alg_values_supported introspection_signing_alg_values_supported issuer jwks_uri
		protected_resources pushed_authorization_request_endpoint
		request_object_signing_alg_values_supported request_parameter_supported request_uri_parameter_supported response_modes_supported response_types_supported revocation_endpoint revocation_endpoint_auth_methods_supported
		revocation_endpoint_auth_signing_alg_values_supported
		scopes_supported token_endpoint token_endpoint_auth_methods_supported
		token_endpoint_auth_signing_alg_values_supported`)
	if !slices.Equal(got, want) {
		t.Errorf("members %q\nwant %q", got, want)
	}
}

// What it says is true: each grant type listed works, any other is unknown; and whoever
// gets the value may change it without changing the server.
func TestRFC8414_Section3_values_are_true(t *testing.T) {
	s := newServer(t)
	m := s.Metadata()
	for _, grant := range append(slices.Clone(m.GrantTypesSupported), "password", "implicit", "urn:ietf:params:oauth:grant-type:device_code") {
		_, err := s.Token(t.Context(), request(web, form(nil, "grant_type", grant)))
		known := !strings.HasPrefix(refusedWith(t, err), "unsupported_grant_type")
		if known != slices.Contains(m.GrantTypesSupported, grant) {
			t.Errorf("%s: known is %v", grant, known)
		}
	}
	grants := slices.Clone(m.GrantTypesSupported)
	defer copy(m.GrantTypesSupported, grants) // should they be everybody's
	for i := range m.GrantTypesSupported {
		m.GrantTypesSupported[i] = "password"
	}
	for i := range m.ScopesSupported {
		m.ScopesSupported[i] = "nope"
	}
	if _, err := s.own(); err != nil {
		t.Errorf("changing the answer changed the server: %v", err)
	}
	if got := s.Metadata(); slices.Contains(got.GrantTypesSupported, "password") || slices.Contains(got.ScopesSupported, "nope") {
		t.Errorf("changing the answer changed the server: %+v", got)
	}
}
