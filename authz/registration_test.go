package authz_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// RFC 7591 §3.2.1: everything that is registered is in the answer, and the client can be
// used with it.
func TestRFC7591_Section3_2_1(t *testing.T) {
	s := newServer(t, open())
	got, err := s.introduce("scope", `"read"`, "client_uri", `"https://app.example"`, "logo_uri", `"https://app.example/logo.png"`,
		"policy_uri", `"javascript:alert(1)"`, "software_id", `"x"`, "token_endpoint_auth_method", "", "unknown", `{"a":[1]}`, "contacts", `["ana"]`)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.ClientID, "self_") || got.ClientIDIssuedAt != s.clock.Now().Unix() ||
		got.TokenEndpointAuthMethod != "client_secret_basic" || !strings.HasPrefix(got.ClientSecret, "gcs_") || got.ClientSecretExpiresAt == nil || *got.ClientSecretExpiresAt != 0 ||
		got.ApplicationType != "web" || got.Scope != "read write offline_access" || got.ClientName != "App" || got.ClientURI != "https://app.example" ||
		got.LogoURI == "" || got.PolicyURI != "" || got.SoftwareID != "x" || !reflect.DeepEqual(got.ResponseTypes, []string{"code"}) ||
		!reflect.DeepEqual(got.RedirectURIs, []string{"https://app.example/cb"}) || len(got.RejectedRedirectURIs) > 0 ||
		got.RegistrationClientURI != issuer+"/oauth2/register/"+got.ClientID || !strings.HasPrefix(got.RegistrationAccessToken, "grt_") {
		t.Errorf("%+v", got)
	}
	stored, err := s.store.inner.Client(t.Context(), got.ClientID)
	if err != nil {
		t.Fatal(err)
	}
	if all := fmt.Sprintf("%+v", stored); strings.Contains(all, got.ClientSecret) || strings.Contains(all, got.RegistrationAccessToken) {
		t.Error("a secret is stored as it is")
	}
	if !reflect.DeepEqual(stored.DefaultScopes, []string{"read"}) {
		t.Errorf("by default %q", stored.DefaultScopes)
	}
	if prompt := s.page(t, got.ClientID, set("redirect_uri", "https://app.example/cb")); !prompt.SelfDescribed || prompt.ClientIDHost != "" {
		t.Errorf("%+v", prompt)
	}
	s.flow(t, got.ClientID, got.ClientSecret, "https://app.example/cb")
	if strings.Contains(s.log.String(), got.ClientSecret) || strings.Contains(s.log.String(), got.RegistrationAccessToken) {
		t.Error("a secret is in the log")
	}
}

// RFC 7591 §2: what is left out.
func TestRFC7591_Section2_defaults(t *testing.T) {
	s := newServer(t, open())
	got, err := s.Register(t.Context(), &authz.RegistrationRequest{Body: []byte(`{"redirect_uris":["https://app.example/cb"],"jwks":null}`)})
	if err != nil || got.TokenEndpointAuthMethod != "client_secret_basic" || !reflect.DeepEqual(got.GrantTypes, []string{"authorization_code"}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRFC7591_Section3_2_2(t *testing.T) {
	s := newServer(t, open())
	long := `"` + strings.Repeat("x", 1<<20) + `"`
	key := `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	for name, test := range map[string]struct {
		pairs []string
		want  string
	}{
		"no_redirect":        {[]string{"redirect_uris", ""}, "invalid_redirect_uri redirect_uris_missing"},
		"empty_redirects":    {[]string{"redirect_uris", "[]"}, "invalid_redirect_uri redirect_uris_missing"},
		"redirects_a_string": {[]string{"redirect_uris", `"https://a.example/"`}, "invalid_client_metadata redirect_uris_invalid"},
		"many_redirects":     {[]string{"redirect_uris", `["` + strings.Repeat(`https://a.example/","`, 30) + `x"]`}, "invalid_client_metadata redirect_uris_invalid"},
		"http":               {[]string{"redirect_uris", `["http://app.example/cb"]`}, "invalid_redirect_uri redirect_uri_refused"},
		"javascript":         {[]string{"redirect_uris", `["javascript:alert(1)"]`}, "invalid_redirect_uri redirect_uri_refused"},
		"fragment":           {[]string{"redirect_uris", `["https://app.example/#x"]`}, "invalid_redirect_uri redirect_uri_refused"},
		"private_scheme":     {[]string{"redirect_uris", `["cursor://x/cb"]`}, "invalid_redirect_uri redirect_uri_refused"},
		"web_private_scheme": {[]string{"application_type", `"web"`, "redirect_uris", `["com.example.app:/cb"]`}, "invalid_redirect_uri redirect_uri_refused"},
		"type":               {[]string{"application_type", `"browser"`}, "invalid_client_metadata application_type_invalid"},
		"name_number":        {[]string{"client_name", "1"}, "invalid_client_metadata client_name_invalid"},
		"name_long":          {[]string{"client_name", `"` + strings.Repeat("x", 201) + `"`}, "invalid_client_metadata client_name_invalid"},
		"name_control":       {[]string{"client_name", `"a\u0000"`}, "invalid_client_metadata client_name_invalid"},
		"name_1_MB":          {[]string{"client_name", long}, "invalid_client_metadata metadata_malformed"},
		"grants":             {[]string{"grant_types", `["implicit","password"]`}, "invalid_client_metadata grant_types_invalid"},
		"only_refresh":       {[]string{"grant_types", `["refresh_token"]`}, "invalid_client_metadata grant_types_invalid"},
		"client_credentials": {[]string{"grant_types", `["client_credentials"]`, "token_endpoint_auth_method", ""}, "invalid_client_metadata grant_types_invalid"},
		"response_types":     {[]string{"response_types", `["token"]`}, "invalid_client_metadata response_types_invalid"},
		"scope":              {[]string{"scope", `"admin"`}, "invalid_client_metadata scope_invalid"},
		"auth_method":        {[]string{"token_endpoint_auth_method", `"magic"`}, "invalid_client_metadata token_endpoint_auth_method_invalid"},
		"secret_jwt":         {[]string{"token_endpoint_auth_method", `"client_secret_jwt"`}, "invalid_client_metadata token_endpoint_auth_method_invalid"},
		"both_jwks":          {[]string{"jwks", `{"keys":[` + key + `]}`, "jwks_uri", `"https://app.example/jwks"`}, "invalid_client_metadata jwks_invalid"},
		"jwks_uri_http":      {[]string{"jwks_uri", `"http://app.example/jwks"`}, "invalid_client_metadata jwks_uri_invalid"},
		"jwks_empty":         {[]string{"jwks", `{"keys":[]}`}, "invalid_client_metadata jwks_invalid"},
		"jwks_secret":        {[]string{"jwks", `{"keys":[{"kty":"oct","k":"AAAA"}]}`}, "invalid_client_metadata jwks_invalid"},
		"jwks_private":       {[]string{"jwks", `{"keys":[` + strings.TrimSuffix(key, "}") + `,"d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]}`}, "invalid_client_metadata jwks_invalid"},
		"flag":               {[]string{"dpop_bound_access_tokens", `"yes"`}, "invalid_client_metadata dpop_bound_access_tokens_invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.introduce(test.pairs...)
			e := registrationRefused(t, err, "400 "+test.want)
			if (e.Reason == "redirect_uri_refused") != (len(e.RejectedRedirectURIs) > 0) {
				t.Errorf("rejected: %v", e.RejectedRedirectURIs)
			}
		})
	}
	for _, body := range []string{"", "null", "[]", "{", `"x"`, `{} {}`, `{}}`, string(metadata()) + "]", "{\"client_name\":\"\xff\"}", strings.Repeat("[", 20000)} {
		_, err := s.Register(t.Context(), &authz.RegistrationRequest{Body: []byte(body)})
		registrationRefused(t, err, "400 invalid_client_metadata metadata_malformed")
	}
	if n := s.registered(t); n > 0 {
		t.Errorf("%d clients are registered", n)
	}
}

// What the well-known MCP hosts send is accepted, and leads to tokens.
func TestRFC7591_known_clients(t *testing.T) {
	files, err := filepath.Glob("testdata/clients/*.json")
	if err != nil || len(files) != 6 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			var fixture struct {
				Use, Rejected []string
				Registration  json.RawMessage
			}
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(raw, &fixture); err != nil {
				t.Fatal(err)
			}
			s := newServer(t, open())
			got, err := s.Register(t.Context(), &authz.RegistrationRequest{Body: fixture.Registration})
			if err != nil {
				t.Fatal(err)
			}
			var rejected []string
			for _, r := range got.RejectedRedirectURIs {
				if rejected = append(rejected, r.RedirectURI); r.Reason == "" {
					t.Errorf("%q without a reason", r.RedirectURI)
				}
			}
			if !reflect.DeepEqual(rejected, fixture.Rejected) || got.ClientSecret != "" {
				t.Errorf("rejected %q; %+v", rejected, got)
			}
			for _, uri := range fixture.Use {
				s.flow(t, got.ClientID, "", uri)
			}
			for _, uri := range fixture.Rejected {
				if response, err := s.authorize(got.ClientID, set("redirect_uri", uri)); err == nil {
					t.Errorf("%q works: %s", uri, s.outcome(t, response, err))
				}
			}
			// With the policy that leaves nothing out, all or nothing.
			strict := newServer(t, open(func(r *authz.Registration) { r.StrictRedirectURIs = true }))
			if _, err = strict.Register(t.Context(), &authz.RegistrationRequest{Body: fixture.Registration}); (err == nil) != (len(fixture.Rejected) == 0) {
				t.Error(err)
			}
		})
	}
}

// RFC 7591 §3: closed, with an initial access token, open.
func TestRFC7591_Section3_who_may_register(t *testing.T) {
	token, hashed := authz.NewSecret()
	expired, old := authz.NewSecret()
	for name, test := range map[string]struct {
		configure     func(*authz.Config)
		authorization string
		want          string
	}{
		"off":            {func(*authz.Config) {}, "", "403 access_denied registration_off"},
		"closed":         {open(func(r *authz.Registration) { r.Open = false }), "", "401 invalid_token initial_access_token_missing"},
		"closed_wrong":   {open(func(r *authz.Registration) { r.Open = false }), "Bearer x", "401 invalid_token initial_access_token_invalid"},
		"open_wrong":     {open(), "Bearer x", "401 invalid_token initial_access_token_invalid"},
		"open_malformed": {open(), "Basic x", "401 invalid_token initial_access_token_invalid"},
		"right":          {open(func(r *authz.Registration) { r.Open, r.InitialAccessTokens = false, []storage.Secret{hashed} }), "bearer " + token, ""},
		"expired": {open(func(r *authz.Registration) {
			r.InitialAccessTokens = []storage.Secret{{Hash: old.Hash, ExpiresAt: time.Unix(1, 0)}}
		}), "Bearer " + expired, "401 invalid_token initial_access_token_invalid"},
		"hook": {open(func(r *authz.Registration) {
			r.InitialAccessToken = func(_ context.Context, got string) (bool, error) { return got == "y", nil }
		}), "Bearer y", ""},
		"hook_refuses": {open(func(r *authz.Registration) {
			r.InitialAccessToken = func(context.Context, string) (bool, error) { return false, nil }
		}), "Bearer y", "401 invalid_token initial_access_token_invalid"},
		"hook_fails": {open(func(r *authz.Registration) {
			r.InitialAccessToken = func(context.Context, string) (bool, error) { return true, errDown }
		}), "Bearer y", "500 server_error initial_access_token_hook_failed"},
		"policy_refuses": {open(policy(func(*authz.ClientProposal) error { return &authz.Error{Code: "invalid_client_metadata", Reason: "no"} })), "", "400 invalid_client_metadata no"},
		"policy_fails":   {open(policy(func(*authz.ClientProposal) error { return errDown })), "", "500 server_error registration_policy_failed"},
		"policy_breaks":  {open(policy(func(p *authz.ClientProposal) error { p.Client.RedirectURIs = []string{"javascript:1"}; return nil })), "", "500 server_error registration_policy_failed"},
		"policy_narrows": {open(policy(func(p *authz.ClientProposal) error {
			p.Client.Scopes = []string{"read"}
			p.Client.ID = "web"
			return nil
		})), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, test.configure)
			got, err := s.Register(t.Context(), &authz.RegistrationRequest{Authorization: test.authorization, Body: metadata()})
			if test.want != "" {
				registrationRefused(t, err, test.want)
				return
			}
			if err != nil || !strings.HasPrefix(got.ClientID, "self_") || name == "policy_narrows" && got.Scope != "read" {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	s := newServer(t, open(func(r *authz.Registration) { r.Open = false }))
	s.store.breakDown(true)
	if _, err := s.introduce(); codeOf(err) != "invalid_token initial_access_token_missing" {
		t.Error(err) // a stranger cannot make the store do anything
	}
}

// Clients that nobody uses go; those that are used stay as long as they are.
func TestRegistration_expiry(t *testing.T) {
	s := newServer(t, open(), lifetimes(authz.Lifetimes{RefreshToken: 30 * 24 * time.Hour}))
	used, unused := must(s.introduce())(t), must(s.introduce())(t)
	tokens := s.flow(t, used.ClientID, "", "https://app.example/cb")
	s.clock.Advance(24*time.Hour - time.Second)
	s.page(t, unused.ClientID, set("redirect_uri", "https://app.example/cb"))
	s.clock.Advance(time.Second)
	_, err := s.authorize(unused.ClientID, set("redirect_uri", "https://app.example/cb"))
	wantRefusal(t, err, "invalid_request client_unknown")
	_, err = s.ReadRegistration(t.Context(), manage(unused, unused.RegistrationAccessToken))
	registrationRefused(t, err, "401 invalid_token registration_token_invalid")
	s.clock.Advance(20 * 24 * time.Hour)
	s.store.watch(-1)
	if tokens, err = s.refresh(used.ClientID, tokens.RefreshToken); err != nil {
		t.Fatal(err)
	}
	if calls, _ := s.store.seen(); !slices.Contains(calls, "PutClient") {
		t.Errorf("its expiry has not moved: %q", calls)
	}
	s.store.watch(-1)
	if _, err = s.refresh(used.ClientID, tokens.RefreshToken); err != nil {
		t.Fatal(err)
	}
	if calls, _ := s.store.seen(); slices.Contains(calls, "PutClient") {
		t.Errorf("it is written every time: %q", calls)
	}
	s.clock.Advance(29 * 24 * time.Hour)
	s.page(t, used.ClientID, set("redirect_uri", "https://app.example/cb"))
	s.clock.Advance(2 * 24 * time.Hour)
	_, err = s.authorize(used.ClientID, set("redirect_uri", "https://app.example/cb"))
	wantRefusal(t, err, "invalid_request client_unknown")
}

// Strangers cannot fill the store: what they leave behind is cleared away by those who
// come after them, around those that are in use.
func TestRegistration_bounded(t *testing.T) {
	s := newServer(t, open(), quiet)
	used := map[string]bool{}
	for day := range 20 {
		for i := range 50 {
			got := must(s.introduce())(t)
			if i == 7 && day < 5 {
				s.flow(t, got.ClientID, "", "https://app.example/cb")
				used[got.ClientID] = true
			}
			s.clock.Advance(24 * time.Hour / 50)
		}
		if n := s.registered(t); n > 140 {
			t.Fatalf("after %d days there are %d clients", day, n)
		}
	}
	for id := range used {
		if _, err := s.store.inner.Client(t.Context(), id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := s.store.inner.Client(t.Context(), web); err != nil {
		t.Error(err)
	}
}

// A store that fails is 503 at every call, and nothing half done.
func TestRegistration_store_fails(t *testing.T) {
	s := newServer(t, open())
	got := must(s.introduce())(t)
	before := s.registered(t)
	s.store.breakDown(true)
	for name, do := range map[string]func() error{
		"register": func() error { _, err := s.introduce(); return err },
		"read": func() error {
			_, err := s.ReadRegistration(t.Context(), manage(got, got.RegistrationAccessToken))
			return err
		},
		"update": func() error {
			_, err := s.UpdateRegistration(t.Context(), manage(got, got.RegistrationAccessToken))
			return err
		},
		"delete": func() error { return s.DeleteRegistration(t.Context(), manage(got, got.RegistrationAccessToken)) },
	} {
		if got := codeOf(do()); got != "temporarily_unavailable storage_failed" {
			t.Errorf("%s: %s", name, got)
		}
	}
	s.store.breakDown(false)
	if after := s.registered(t); after != before {
		t.Errorf("%d clients, want %d", after, before)
	}
	if _, err := s.ReadRegistration(t.Context(), manage(got, got.RegistrationAccessToken)); err != nil {
		t.Error(err)
	}
	// Tokens that were issued are issued, whether or not the client's expiry moves.
	code := s.code(t, got.ClientID, set("redirect_uri", "https://app.example/cb"))
	s.store.watch(-1)
	redirectOf[got.ClientID] = "https://app.example/cb"
	defer delete(redirectOf, got.ClientID)
	if _, err := s.redeem(got.ClientID, code); err != nil {
		t.Fatal(err)
	}
	calls, _ := s.store.seen()
	put := slices.Index(calls, "PutClient")
	if put < 0 {
		t.Fatalf("%q", calls)
	}
	other := must(s.introduce())(t)
	redirectOf[other.ClientID] = "https://app.example/cb"
	defer delete(redirectOf, other.ClientID)
	code = s.code(t, other.ClientID)
	s.store.watch(put)
	if _, err := s.redeem(other.ClientID, code); err != nil {
		t.Errorf("the expiry could not be stored: %v", err)
	}
}

// A host whose clients cannot be written to hears what to do.
func TestRegistration_read_only(t *testing.T) {
	inner := memory.New()
	s := authztest.New(t, open(), quiet, func(c *authz.Config) {
		c.Storage = storage.Join(storage.ClientsFunc(inner.Client), inner, inner, inner)
	})
	_, err := s.Register(t.Context(), &authz.RegistrationRequest{Body: metadata()})
	registrationRefused(t, err, "500 server_error clients_read_only")
}

func TestRegistration_config(t *testing.T) {
	for want, edit := range map[string]func(*authz.Config){
		"Registration.Scopes":            open(func(r *authz.Registration) { r.Scopes = nil }),
		`"nope" is not in Config.Scopes`: open(func(r *authz.Registration) { r.Scopes = []string{"nope"} }),
		`Registration.AuthorizationDetailsTypes: "nope" is not in Config.AuthorizationDetails`: open(func(r *authz.Registration) {
			r.AuthorizationDetailsTypes = []string{"nope"}
		}),
		"ClientIDMetadata.AuthorizationDetailsTypes": func(c *authz.Config) {
			c.ClientIDMetadata = &authz.ClientIDMetadata{Scopes: []string{"read"}, AuthorizationDetailsTypes: []string{"nope"}}
		},
		"Registration.UnusedFor":             open(func(r *authz.Registration) { r.UnusedFor = time.Second }),
		"Registration.SoftwareStatementKeys": open(func(r *authz.Registration) { r.RequireSoftwareStatement = true }),
		"ClientIDMetadata.Scopes":            func(c *authz.Config) { c.ClientIDMetadata = &authz.ClientIDMetadata{} },
		"ClientIDMetadata.Allow": func(c *authz.Config) {
			c.ClientIDMetadata = &authz.ClientIDMetadata{Scopes: []string{"read"}, Allow: []string{"https://a.example"}}
		},
	} {
		c := authz.Config{Issuer: issuer, Storage: memory.New(), Scopes: authz.Scopes{"read": "", "write": "", "offline_access": ""}}
		edit(&c)
		if _, err := authz.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want one about %s", err, want)
		}
	}
}
