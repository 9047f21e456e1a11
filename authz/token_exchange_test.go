package authz_test

import (
	"context"
	"encoding/base64"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
)

const (
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessType    = "urn:ietf:params:oauth:token-type:access_token"
	jwtType       = "urn:ietf:params:oauth:token-type:jwt"
)

// withExchange turns token exchange on, with a hook that grants what is asked for.
func withExchange(c *authz.Config) {
	c.TokenExchange = func(_ context.Context, req *authz.ExchangeRequest) (*authz.Exchange, error) { return req.Grant() }
}

// newExchange is a server at which the client service may exchange tokens.
func newExchange(t testing.TB, configure ...func(*authz.Config)) *server {
	t.Helper()
	s := newServer(t, append([]func(*authz.Config){withExchange}, configure...)...)
	s.change(t, service, func(c *authz.Client) { c.GrantTypes = append(c.GrantTypes, exchangeGrant) })
	return s
}

func exchangeRequest(subject string, edits ...edit) *authz.Request {
	return request(service, form(edits, "grant_type", exchangeGrant, "subject_token", subject, "subject_token_type", accessType))
}

func (s *server) exchange(subject string, edits ...edit) (*authz.TokenResponse, error) {
	return s.Token(context.Background(), exchangeRequest(subject, edits...))
}

var bothFormats = []string{"jwt", "opaque"}

func format(f string) func(*authz.Config) {
	return func(c *authz.Config) { c.AccessTokenFormat = f }
}

// What comes back, and what the new token says.
func TestRFC8693_Section2_2_1(t *testing.T) {
	for _, f := range bothFormats {
		s := newExchange(t, withResources, format(f))
		subject := s.tokens(t, web, set("scope", "read write")).AccessToken
		s.clock.Advance(10 * time.Minute)
		answer := must(s.exchange(subject, set("resource", mail), set("scope", "read")))(t)
		if answer.IssuedTokenType != accessType || answer.TokenType != "Bearer" || answer.Scope != "read" || answer.ExpiresIn != 50*60 || answer.RefreshToken != "" {
			t.Errorf("%s: %+v", f, answer)
		}
		if event := s.heard()[len(s.heard())-1]; event.Type != authz.TokenExchanged || event.Subject != "ana" || event.ClientID != service || event.GrantID == "" {
			t.Errorf("%s: event %+v", f, event)
		}
		got := must(s.VerifyAccessToken(t.Context(), answer.AccessToken))(t)
		if got.Subject != "ana" || got.ClientID != service || !slices.Equal(got.Audience, []string{mail}) || !slices.Equal(got.Scopes, []string{"read"}) ||
			got.AuthTime.IsZero() || got.Claims["act"] != nil {
			t.Errorf("%s: %+v", f, got)
		}
		if !s.live(subject) {
			t.Errorf("%s: the subject's token is used up", f)
		}
		// The same through introspection.
		if said := s.introspect(t, rs, answer.AccessToken); said["sub"] != "ana" || said["client_id"] != service {
			t.Errorf("%s: introspection %v", f, said)
		}
		// It can be exchanged again, and never lives longer than the first.
		again := must(s.exchange(answer.AccessToken, set("resource", mail)))(t)
		s.clock.Advance(50*time.Minute - aMoment)
		if !s.live(again.AccessToken) {
			t.Errorf("%s: dead too early", f)
		}
		s.clock.Advance(aMoment)
		if s.live(again.AccessToken) || s.live(answer.AccessToken) {
			t.Errorf("%s: outlives the subject's token", f)
		}
	}
}

// What is wrong with a request, and which error says so.
func TestRFC8693_Section2_1_and_2_2_2(t *testing.T) {
	for _, test := range []struct {
		name  string
		edits []edit
		want  string
	}{
		{"good", nil, "ok"},
		{"no subject", []edit{drop("subject_token"), drop("subject_token_type")}, "invalid_request subject_token_missing"},
		{"no subject token", []edit{drop("subject_token")}, "invalid_request subject_token_missing"},
		{"no type", []edit{drop("subject_token_type")}, "invalid_request subject_token_type_missing"},
		{"refresh token type", []edit{set("subject_token_type", "urn:ietf:params:oauth:token-type:refresh_token")}, "invalid_request subject_token_type_not_supported"},
		{"ID token type", []edit{set("subject_token_type", "urn:ietf:params:oauth:token-type:id_token")}, "invalid_request subject_token_type_not_supported"},
		{"unknown type", []edit{set("subject_token_type", "access_token")}, "invalid_request subject_token_type_not_supported"},
		{"rubbish", []edit{set("subject_token", "rubbish")}, "invalid_request subject_token_invalid"},
		{"actor type alone", []edit{set("actor_token_type", accessType)}, "invalid_request actor_token_missing"},
		{"actor without type", []edit{set("actor_token", "x")}, "invalid_request actor_token_type_missing"},
		{"rubbish for an actor", []edit{set("actor_token", "x"), set("actor_token_type", accessType)}, "invalid_request actor_token_invalid"},
		{"a JWT wanted", []edit{set("requested_token_type", jwtType)}, "ok"},
		{"an access token wanted", []edit{set("requested_token_type", accessType)}, "ok"},
		{"a refresh token wanted", []edit{set("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")}, "invalid_request requested_token_type_not_supported"},
		{"a JWT wanted where tokens are opaque", []edit{set("requested_token_type", jwtType), set("resource", files)}, "invalid_request requested_token_type_not_supported"},
		{"unknown resource", []edit{set("resource", "https://api.example/other")}, "invalid_target resource_unknown"},
		{"a resource as audience", []edit{set("audience", mail)}, "ok"},
		{"the same twice", []edit{set("audience", mail), set("resource", mail)}, "ok"},
		{"unknown audience", []edit{set("audience", "mail")}, "invalid_target audience_unknown"},
		{"two audiences", []edit{set("audience", mail, files)}, "invalid_target several_resources"},
		{"too many audiences", []edit{set("audience", slices.Repeat([]string{mail}, 21)...)}, "invalid_target too_many_resources"},
		{"scope twice", []edit{set("scope", "read", "write")}, "invalid_request parameter_repeated"},
		{"unknown scope", []edit{set("scope", "nope")}, "invalid_scope scope_not_allowed"},
		{"scope of nobody", []edit{set("scope", "admin")}, "invalid_scope scope_not_allowed"},
		{"more than the subject's token has", []edit{set("scope", "write")}, "invalid_scope scope_not_exchangeable"},
		{"offline_access", []edit{set("scope", "offline_access")}, "invalid_scope scope_not_exchangeable"},
		{"scope of another resource", []edit{set("scope", "write"), set("resource", mail)}, "invalid_scope scope_not_exchangeable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newExchange(t, withResources)
			_, err := s.exchange(s.tokens(t, web, set("scope", "read offline_access")).AccessToken, test.edits...)
			if got := outcomeOf(t, err); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// Repeating audience is for this grant alone.
func TestRFC8693_Section2_1_audience_elsewhere(t *testing.T) {
	s := newExchange(t)
	_, err := s.own(set("audience", "a", "b"))
	wantRefusal(t, err, "invalid_request parameter_repeated")
}

// Who may exchange tokens, and that nobody may unless the host says so.
func TestRFC8693_Section5(t *testing.T) {
	off := newServer(t)
	_, err := off.exchange(must(off.own())(t).AccessToken)
	wantRefusal(t, err, "unsupported_grant_type grant_type_not_supported")

	s := newExchange(t)
	subject := s.tokens(t, web).AccessToken
	_, err = s.Token(t.Context(), request(web, form(nil, "grant_type", exchangeGrant, "subject_token", subject, "subject_token_type", accessType)))
	wantRefusal(t, err, "unauthorized_client grant_type_not_allowed")
	s.change(t, spa, func(c *authz.Client) { c.GrantTypes = []string{exchangeGrant} })
	_, err = s.Token(t.Context(), request(spa, form(nil, "grant_type", exchangeGrant, "subject_token", subject, "subject_token_type", accessType)))
	wantRefusal(t, err, "unauthorized_client public_client")
	bad := exchangeRequest(subject)
	bad.Authorization = basic(service, "wrong")
	_, err = s.Token(t.Context(), bad)
	wantRefusal(t, err, "invalid_client secret_mismatch")
	if err := s.RegisterClient(t.Context(), authz.Client{ID: "p", GrantTypes: []string{exchangeGrant}}); err == nil || !strings.Contains(err.Error(), "token exchange") {
		t.Errorf("a public client: %v", err)
	}
	if !slices.Contains(s.Metadata().GrantTypesSupported, exchangeGrant) || slices.Contains(off.Metadata().GrantTypesSupported, exchangeGrant) {
		t.Error("the metadata does not tell")
	}
}

// A refresh token is no access token, whatever it is called.
func TestRFC8693_Section2_1_refresh_token(t *testing.T) {
	s := newExchange(t)
	_, err := s.exchange(s.tokens(t, web).RefreshToken)
	wantRefusal(t, err, "invalid_request subject_token_invalid")
}

// Delegation: who acts, and who acted before.
func TestRFC8693_Section4_1(t *testing.T) {
	for _, f := range bothFormats {
		s := newExchange(t, format(f))
		actor := must(s.own())(t).AccessToken
		acting := []edit{set("actor_token", actor), set("actor_token_type", accessType)}
		once := must(s.exchange(s.tokens(t, web).AccessToken, acting...))(t).AccessToken
		twice := must(s.exchange(once, acting...))(t).AccessToken
		kept := must(s.exchange(twice))(t).AccessToken
		one := map[string]any{"sub": service}
		two := map[string]any{"sub": service, "act": one}
		for token, want := range map[string]any{once: one, twice: two, kept: two} {
			got := must(s.VerifyAccessToken(t.Context(), token))(t)
			if got.Subject != "ana" || !reflect.DeepEqual(got.Claims["act"], want) {
				t.Errorf("%s: act %v, want %v", f, got.Claims["act"], want)
			}
		}
		token := twice
		for range 6 {
			token = must(s.exchange(token, acting...))(t).AccessToken
		}
		_, err := s.exchange(token, acting...)
		wantRefusal(t, err, "invalid_request too_many_actors")
	}
}

// The actor's token bounds the life of the new one as well.
func TestRFC8693_Section2_1_actor_ends(t *testing.T) {
	s := newExchange(t)
	actor := must(s.own())(t).AccessToken
	s.clock.Advance(30 * time.Minute)
	answer := must(s.exchange(s.tokens(t, web).AccessToken, set("actor_token", actor), set("actor_token_type", accessType)))(t)
	if answer.ExpiresIn != 30*60 {
		t.Errorf("lives %d s", answer.ExpiresIn)
	}
}

// may_act says who may.
func TestRFC8693_Section4_4(t *testing.T) {
	for _, test := range []struct {
		mayAct any
		want   string
	}{
		{map[string]any{"sub": service}, "ok"},
		{map[string]any{"sub": service, "iss": issuer, "client_id": service}, "ok"},
		{map[string]any{"sub": "other"}, "invalid_request actor_not_allowed"},
		{map[string]any{"sub": service, "iss": "https://other.example"}, "invalid_request actor_not_allowed"},
		{map[string]any{"sub": service, "email": "x@y.example"}, "invalid_request actor_not_allowed"},
		{map[string]any{}, "invalid_request actor_not_allowed"},
		{service, "invalid_request actor_not_allowed"},
	} {
		for _, f := range bothFormats {
			s := newExchange(t, format(f), func(c *authz.Config) {
				c.Claims = func(_ context.Context, r *authz.ClaimsRequest) (map[string]any, error) {
					if r.Client.ID == web {
						return map[string]any{"may_act": test.mayAct}, nil
					}
					return nil, nil
				}
			})
			subject, actor := s.tokens(t, web).AccessToken, must(s.own())(t).AccessToken
			for _, edits := range [][]edit{nil, {set("actor_token", actor), set("actor_token_type", accessType)}} {
				_, err := s.exchange(subject, edits...)
				if got := outcomeOf(t, err); got != test.want {
					t.Errorf("%v, %d edits: %s, want %s", test.mayAct, len(edits), got, test.want)
				}
			}
		}
	}
}

// A token that is bound to a key is not exchanged by whoever does not prove to hold it
// (RFC 9449 §6, RFC 8705 §3).
func TestTokenExchange_bound_token(t *testing.T) {
	s := newExchange(t)
	bound := s.boundToken(t)
	_, err := s.exchange(bound)
	wantRefusal(t, err, "invalid_request subject_token_bound_to_another_key")
	_, err = s.exchange(must(s.own())(t).AccessToken, set("actor_token", bound), set("actor_token_type", accessType))
	wantRefusal(t, err, "invalid_request actor_token_bound_to_another_key")
}

// boundToken puts an opaque token that is bound to a key into the store.
func (s *server) boundToken(t testing.TB) string {
	t.Helper()
	until := s.clock.Now().Add(time.Hour)
	stamp := storage.NewDigest(until, "")
	token := base64.RawURLEncoding.EncodeToString(append(stamp[:6:6], make([]byte, 32)...))
	if err := s.store.inner.Commit(t.Context(), storage.Write{At: s.clock.Now(), Tokens: []storage.Token{{
		Digest: storage.NewDigest(until, token), Kind: storage.AccessToken, ClientID: web, Scopes: []string{"read"},
		Resources: []string{issuer}, IssuedAt: s.clock.Now(), ExpiresAt: until, Confirmation: []byte(`{"jkt":"a key"}`),
	}}}); err != nil {
		t.Fatal(err)
	}
	if !s.live(token) {
		t.Fatal("the bound token is not live")
	}
	return token
}

// FuzzTokenExchange: whatever is presented, it is a token of this server or refused.
func FuzzTokenExchange(f *testing.F) {
	s := newServer(f, quiet, withExchange)
	s.change(f, service, func(c *authz.Client) { c.GrantTypes = append(c.GrantTypes, exchangeGrant) })
	good := s.tokens(f, web).AccessToken
	for _, seed := range []string{"", good, good + "=", good[:len(good)-1], "..", strings.Repeat("A", 51), "\x00", strings.Repeat("a", 9000)} {
		f.Add(seed, accessType, "read", "aud")
	}
	f.Add(good, "", "read  write", "")
	f.Fuzz(func(t *testing.T, subject, tokenType, scope, audience string) {
		_, err := s.Token(t.Context(), request(service, url.Values{
			"grant_type": {exchangeGrant}, "subject_token": {subject}, "subject_token_type": {tokenType}, "scope": {scope}, "audience": {audience, audience},
		}))
		if err == nil {
			if subject != good || tokenType != accessType {
				t.Errorf("%q is exchanged", subject)
			}
			return
		}
		switch code, _, _ := strings.Cut(refusedWith(t, err), " "); code {
		case "invalid_request", "invalid_scope", "invalid_target":
		default:
			t.Errorf("%v", err)
		}
	})
}
