package authz_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// A host that keeps its issuers in a database.
func TestTrustedIssuer_found(t *testing.T) {
	keys := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, jwks(p256))
	}))
	defer keys.Close()
	found := map[string]*authz.TrustedIssuer{
		"https://uri.example":   {JWKSURI: keys.URL + "/keys"},
		"https://down.example":  {JWKSURI: keys.URL[:len(keys.URL)-1]},
		"https://wrong.example": {Issuer: idp, JWKS: jwks(p256)},
		"https://empty.example": {},
	}
	var asked []string
	s := newBearer(t, func(c *authz.Config) {
		c.HTTPClient = keys.Client()
		c.FindTrustedIssuer = func(_ context.Context, name string) (*authz.TrustedIssuer, error) {
			asked = append(asked, name)
			if name == "https://broken.example" {
				return nil, errors.New("no database")
			}
			i := found[name]
			if i != nil && i.Issuer == "" {
				i.Issuer = name
			}
			return i, nil
		}
	})
	for name, want := range map[string]string{
		idp: "ok", "https://uri.example": "ok",
		"https://other.example":    "assertion_issuer_unknown",
		"https://broken.example":   "temporarily_unavailable trusted_issuer_unavailable",
		"https://down.example":     "temporarily_unavailable issuer_keys_unavailable",
		"https://wrong.example":    "server_error trusted_issuer_hook_failed",
		"https://empty.example":    "server_error trusted_issuer_hook_failed",
		issuer:                     "assertion_issuer_unknown",
		"https://nul.example/\x00": "assertion_issuer_unknown", // which no PostgreSQL would look for
		"https://long.example/" + strings.Repeat("a", 2048): "assertion_issuer_unknown",
		"": "assertion_issuer_unknown",
	} {
		if got := s.bear(t, s.foreign(t, map[string]any{"iss": name})); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if slices.Contains(asked, idp) || slices.Contains(asked, issuer) || len(asked) != 6 {
		t.Errorf("asked for %q", asked)
	}
}

// What is wrong with a configuration is said at once, with its cure.
func TestTrustedIssuer_configuration(t *testing.T) {
	good := authz.TrustedIssuer{Issuer: idp, JWKS: jwks(p256)}
	for name, test := range map[string]struct {
		edit func(*authz.TrustedIssuer)
		want string
	}{
		"no name":              {func(i *authz.TrustedIssuer) { i.Issuer = "" }, "Issuer is empty"},
		"this server":          {func(i *authz.TrustedIssuer) { i.Issuer = issuer }, "is this server itself"},
		"no keys":              {func(i *authz.TrustedIssuer) { i.JWKS = "" }, "one of JWKS and JWKSURI"},
		"both":                 {func(i *authz.TrustedIssuer) { i.JWKSURI = "https://idp.example/keys" }, "one of JWKS and JWKSURI"},
		"an http URL":          {func(i *authz.TrustedIssuer) { i.JWKS, i.JWKSURI = "", "http://idp.example/keys" }, "JWKSURI: "},
		"not a key set":        {func(i *authz.TrustedIssuer) { i.JWKS = "[]" }, "JWKS: not a JWK Set"},
		"no useful key":        {func(i *authz.TrustedIssuer) { i.JWKS = `{"keys":[{"kty":"oct","k":"AAAA"}]}` }, "no key that it holds is of use"},
		"a secret's alg":       {func(i *authz.TrustedIssuer) { i.SigningAlgorithms = []string{"HS256"} }, `"HS256" is not supported`},
		"a type in upper case": {func(i *authz.TrustedIssuer) { i.Types = []string{"JWT"} }, `Types: "JWT" is never met`},
		"a whole media type":   {func(i *authz.TrustedIssuer) { i.Types = []string{"application/jwt"} }, "is never met"},
		"lives for a year":     {func(i *authz.TrustedIssuer) { i.MaxLifetime = 8760 * time.Hour }, "MaxLifetime is"},
	} {
		bad := good
		test.edit(&bad)
		c := validConfig()
		c.Issuer = issuer
		withBearer(&c)
		c.TrustedIssuers = []authz.TrustedIssuer{bad}
		if _, err := authz.New(c); err == nil || !strings.Contains(err.Error(), "authz: Config.TrustedIssuers: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, test := range map[string]struct {
		edit func(*authz.Config)
		want string
	}{
		"twice":          {func(c *authz.Config) { withBearer(c); c.TrustedIssuers = []authz.TrustedIssuer{good, good} }, "is there twice"},
		"nobody trusted": {func(c *authz.Config) { withBearer(c); c.TrustedIssuers = nil }, "nobody is trusted"},
		"nothing to do":  {func(c *authz.Config) { c.TrustedIssuers = []authz.TrustedIssuer{good} }, "neither JWTBearer nor TokenExchange"},
	} {
		c := validConfig()
		c.Issuer = issuer
		test.edit(&c)
		if _, err := authz.New(c); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// JWTs of others in an exchange: whom they are about here is for the hook to say.
func TestRFC8693_Section3_foreign(t *testing.T) {
	const idType = "urn:ietf:params:oauth:token-type:id_token"
	var told *authz.ExchangeRequest
	user := authz.User{Subject: "ana", ACR: "urn:silver"}
	trusting := func(c *authz.Config) {
		c.TrustedIssuers = []authz.TrustedIssuer{{Issuer: idp, JWKS: jwks(p256), Audiences: []string{"our-client-id"}}}
		c.TokenExchange = func(_ context.Context, req *authz.ExchangeRequest) (*authz.Exchange, error) {
			told = req
			granted, err := req.Grant()
			if granted != nil {
				granted.User = user
			}
			return granted, err
		}
	}
	for _, f := range bothFormats {
		s := newExchange(t, withResources, trusting, format(f))
		exchange := func(claims map[string]any, edits ...edit) (*authz.TokenResponse, error) {
			return s.exchange(s.foreign(t, claims), append([]edit{set("subject_token_type", jwtType), set("scope", "read"), set("resource", mail)}, edits...)...)
		}
		claims := map[string]any{"aud": "our-client-id", "act": map[string]any{"sub": "robot", "iss": idp}}
		jwt := s.foreign(t, claims)
		for range 2 { // it is not used up
			answer := must(s.exchange(jwt, set("subject_token_type", idType), set("scope", "read"), set("resource", mail)))(t)
			got := must(s.VerifyAccessToken(t.Context(), answer.AccessToken))(t)
			if got.Subject != "ana" || got.ClientID != service || got.ACR != "urn:silver" || answer.ExpiresIn > 60 || answer.RefreshToken != "" ||
				!slices.Equal(got.Audience, []string{mail}) || fmt.Sprint(got.Claims["act"]) != fmt.Sprint(claims["act"]) {
				t.Errorf("%s: %+v %+v", f, answer, got)
			}
			if err := s.RevokeUser(t.Context(), "ana"); err != nil || s.live(answer.AccessToken) {
				t.Errorf("%s: lives on (%v)", f, err)
			}
		}
		if told.Subject.Issuer != idp || told.Subject.Subject != "u-1" || !slices.Equal(told.Scopes, []string{"read"}) || !slices.Equal(told.Subject.Audience, []string{"our-client-id"}) {
			t.Errorf("told %+v of %+v", told, told.Subject)
		}
		for name, test := range map[string]struct {
			claims map[string]any
			edits  []edit
			want   string
		}{
			"for this server":             {nil, nil, "ok"},
			"limited by its scope":        {map[string]any{"scope": "write"}, nil, "invalid_scope scope_not_exchangeable"},
			"for another":                 {map[string]any{"aud": "https://other.example"}, nil, "invalid_request subject_token_audience_wrong"},
			"of another":                  {map[string]any{"iss": "https://other.example"}, nil, "invalid_request subject_token_issuer_unknown"},
			"of this server":              {map[string]any{"iss": issuer}, nil, "invalid_request subject_token_issuer_unknown"},
			"expired":                     {map[string]any{"exp": s.clock.Now().Unix()}, nil, "invalid_request subject_token_expired"},
			"called an access token":      {nil, []edit{set("subject_token_type", accessType)}, "invalid_request subject_token_invalid"},
			"bound to a key":              {map[string]any{"cnf": map[string]any{"jkt": "x"}}, nil, "invalid_request subject_token_bound_to_another_key"},
			"an actor that is no object":  {map[string]any{"act": "robot"}, nil, "invalid_request act_malformed"},
			"others may act":              {map[string]any{"may_act": map[string]any{"sub": "robot"}}, nil, "invalid_request actor_not_allowed"},
			"as an actor":                 {nil, []edit{set("actor_token", jwt), set("actor_token_type", jwtType)}, "invalid_request actor_token_type_not_supported"},
			"an access token of its own":  {nil, []edit{set("subject_token", must(s.own())(t).AccessToken)}, map[string]string{"jwt": "invalid_request subject_token_issuer_unknown", "opaque": "invalid_request subject_token_malformed"}[f]},
			"with an access token acting": {nil, []edit{set("actor_token", must(s.own())(t).AccessToken), set("actor_token_type", accessType)}, "ok"},
		} {
			_, err := exchange(test.claims, test.edits...)
			if got := outcomeOf(t, err); got != test.want {
				t.Errorf("%s, %s: %s, want %s", f, name, got, test.want)
			}
		}
		// A hook that was written for the server's own tokens grants nothing.
		user = authz.User{}
		_, err := exchange(nil)
		wantRefusal(t, err, "server_error token_exchange_hook_failed")
		// Nor does one that would make one user another.
		user = authz.User{Subject: "root"}
		_, err = s.exchange(s.tokens(t, web).AccessToken)
		wantRefusal(t, err, "server_error token_exchange_hook_failed")
		user = authz.User{Subject: "ana", ACR: "urn:silver"}
	}
}
