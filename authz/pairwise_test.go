package authz_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// local is a subject that is found wherever it gets to.
const local = "the-hosts-own-name-of-ana"

// withPairwise lets clients have pairwise subjects.
func withPairwise(c *authz.Config) { c.PairwiseKey = bytes.Repeat([]byte{7}, 32) }

// newPairwise is a server at which web has pairwise subjects, and spa and first public ones.
func newPairwise(t testing.TB, configure ...func(*authz.Config)) *server {
	t.Helper()
	s := newOpenID(t, append([]func(*authz.Config){withPairwise}, configure...)...)
	s.change(t, web, func(c *authz.Client) { c.SubjectType = "pairwise" })
	s.host.SignIn(local)
	return s
}

// silent fails if the host's own subject is anywhere in what a client was told.
func silent(t testing.TB, where string, told any) {
	t.Helper()
	b := string(must(json.Marshal(told))(t))
	for part := range strings.FieldsFuncSeq(b, func(r rune) bool { return strings.ContainsRune(`".?&=#`, r) }) {
		if decoded, err := strictDecode(part); err == nil && strings.Contains(decoded, local) {
			t.Errorf("%s holds the host's subject inside: %s", where, decoded)
		}
	}
	if strings.Contains(b, local) {
		t.Errorf("%s holds the host's subject: %s", where, b)
	}
}

// OpenID Connect Core §8: all that a client is told of a user, whatever way it asks.
func TestOpenIDConnectCore_Section8(t *testing.T) {
	for _, f := range bothFormats {
		s := newPairwise(t, format(f), withResources, func(c *authz.Config) { c.UserClaims = nil })
		tokens := s.login(t, web, set("scope", "openid read offline_access"))
		sub, _ := s.idToken(t, tokens.IDToken, "RS256")["sub"].(string)
		if len(sub) != 43 {
			t.Fatalf("%s: sub %q", f, sub)
		}
		again := must(s.token(refreshing(web, tokens.RefreshToken)))(t)
		for where, told := range map[string]map[string]any{
			"the refreshed ID token": s.idToken(t, again.IDToken, "RS256"), "UserInfo": s.userInfo(t, again.AccessToken),
			"introspection": s.introspect(t, web, again.AccessToken), "of a refresh token": s.introspect(t, web, again.RefreshToken),
			"signed introspection": s.introspectJWT(t, web, again.AccessToken).introspection(),
		} {
			if told["sub"] != sub {
				t.Errorf("%s: sub of %s is %v, want %s", f, where, told["sub"], sub)
			}
			silent(t, where, told)
		}
		silent(t, "the token response", tokens)
		silent(t, "the refreshed one", again)
		if strings.Contains(again.AccessToken, ".") {
			t.Errorf("%s: the client can read its access token", f)
		}
		// Those who need the host's own subject have it.
		if got := s.introspect(t, rs, again.AccessToken)["sub"]; got != local {
			t.Errorf("%s: the resource server sees %v", f, got)
		}
		if got := must(s.VerifyAccessToken(t.Context(), again.AccessToken))(t).Subject; got != local {
			t.Errorf("%s: the host sees %q", f, got)
		}
		for _, e := range s.heard() {
			if e.Subject != "" && e.Subject != local {
				t.Errorf("%s: event %+v", f, e)
			}
		}
		// Public subjects are the host's, and a signed UserInfo answer says what a plain one does.
		if got := s.idToken(t, s.login(t, spa).IDToken, "RS256")["sub"]; got != local {
			t.Errorf("%s: public %v", f, got)
		}
		s.change(t, web, func(c *authz.Client) { c.UserInfoSignedResponseAlg = "ES256" })
		if got := s.idToken(t, must(s.UserInfo(t.Context(), again.AccessToken))(t).JWT, "ES256")["sub"]; got != sub {
			t.Errorf("%s: signed UserInfo %v", f, got)
		}
		// Nor does a resource or a registration that wants JWTs make them readable.
		s.change(t, web, func(c *authz.Client) { c.AccessTokenFormat = "jwt" })
		silent(t, "a token for another resource", s.login(t, web, set("scope", "openid read"), set("resource", mail)))
		silent(t, "a token of a client that wants JWTs", s.login(t, web))
	}
}

// OpenID Connect Core §3.1.2.1, §5.5.1: a client names users as it knows them, and cannot find
// out the host's name by guessing.
func TestOpenIDConnectCore_Section8_hints(t *testing.T) {
	s := newPairwise(t)
	hint := s.login(t, web).IDToken
	sub := s.idToken(t, hint, "RS256")["sub"].(string)
	wants := func(sub string) edit { return set("claims", `{"id_token":{"sub":{"value":`+quoted(sub)+`}}}`) }
	const another = "back: login_required signed_in_as_another"
	visit := func(want string, edits ...edit) {
		t.Helper()
		response, err := s.authorize(web, append([]edit{set("scope", "openid"), set("prompt", "none")}, edits...)...)
		if got := s.outcome(t, response, err); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	visit("code", set("id_token_hint", hint))
	visit("code", wants(sub))
	visit("code", wants(sub), set("id_token_hint", hint))
	visit(another, wants(local))
	visit("back: invalid_request subjects_contradictory", wants(local), set("id_token_hint", hint))
	s.host.SignIn("ben")
	visit(another, set("id_token_hint", hint))
	visit(another, wants(sub))
}

// The other ways to a token of a user: a device, and the exchange of another client's.
func TestOpenIDConnectCore_Section8_other_grants(t *testing.T) {
	s := newPairwise(t, withExchange, func(c *authz.Config) { c.DeviceGrant, c.UserClaims = true, nil })
	s.change(t, web, func(c *authz.Client) { c.GrantTypes = []string{"authorization_code", deviceCode, exchangeGrant} })
	sub := s.idToken(t, s.login(t, web).IDToken, "RS256")["sub"]
	d := s.device(t, web, set("scope", "openid read"))
	if got := s.decide(s.asked(t, d.UserCode)); got != "approved" {
		t.Fatal(got)
	}
	tokens := must(s.poll(web, d.DeviceCode))(t)
	silent(t, "the device's token response", tokens)
	if got := s.idToken(t, tokens.IDToken, "RS256")["sub"]; got != sub {
		t.Errorf("the device's ID token: %v", got)
	}
	// Another client's token, with a user who acts.
	theirs, actor := s.login(t, spa, set("scope", "openid read")).AccessToken, s.login(t, first).AccessToken
	ask := form(nil, "grant_type", exchangeGrant, "subject_token", theirs, "subject_token_type", accessType, "actor_token", actor, "actor_token_type", accessType)
	exchanged := must(s.token(request(web, ask)))(t)
	silent(t, "the exchange's response", exchanged)
	said := s.introspect(t, web, exchanged.AccessToken)
	if silent(t, "introspection of what was exchanged", said); said["sub"] != sub || said["act"] != nil {
		t.Errorf("%v", said)
	}
	if got := s.userInfo(t, exchanged.AccessToken)["sub"]; got != sub {
		t.Errorf("UserInfo with what was exchanged: %v", got)
	}
	if act, _ := s.introspect(t, rs, exchanged.AccessToken)["act"].(map[string]any); act["sub"] != local {
		t.Errorf("a resource server is told that %v acts", act)
	}
	ask.Set("requested_token_type", jwtType)
	_, err := s.token(request(web, ask))
	wantRefusal(t, err, "invalid_request requested_token_type_not_supported")
	// A token that is about no user names the client.
	s.change(t, web, func(c *authz.Client) { c.GrantTypes = []string{"client_credentials"} })
	own := must(s.token(request(web, form(nil, "grant_type", "client_credentials", "scope", "read"))))(t)
	if got := s.introspect(t, web, own.AccessToken)["sub"]; got != web {
		t.Errorf("the client's own token is about %v", got)
	}
}

// A client that nobody checked, or a key that is gone, is an error, and never a public subject.
func TestOpenIDConnectCore_Section8_unchecked(t *testing.T) {
	for name, edit := range map[string]func(*authz.Client){
		"unknown type": func(c *authz.Client) { c.SubjectType = "Pairwise" },
		"two hosts":    func(c *authz.Client) { c.RedirectURIs = append(c.RedirectURIs, "https://b.example/cb") },
	} {
		s := newPairwise(t, func(c *authz.Config) { c.UserClaims = nil })
		tokens := s.login(t, web)
		code := s.code(t, web, set("scope", "openid"))
		s.change(t, web, edit)
		response, err := s.authorize(web, set("scope", "openid"))
		if got := s.outcome(t, response, err); got != "back: server_error pairwise_subject_impossible" {
			t.Errorf("%s: %s", name, got)
		}
		_, err = s.token(redemption(web, code))
		wantRefusal(t, err, "server_error pairwise_subject_impossible")
		for _, token := range []string{tokens.AccessToken, tokens.RefreshToken} {
			_, err = s.Introspect(t.Context(), request(web, form(nil, "token", token)))
			wantRefusal(t, err, "server_error pairwise_subject_impossible")
		}
		_, err = s.UserInfo(t.Context(), tokens.AccessToken)
		wantRefusal(t, err, "server_error pairwise_subject_impossible")
	}
	s := newOpenID(t)
	s.change(t, web, func(c *authz.Client) { c.SubjectType = "pairwise" })
	_, err := s.token(redemption(web, s.code(t, web)))
	if err != nil {
		t.Error(err) // no openid, nothing told
	}
	response, err := s.authorize(web, set("scope", "openid"))
	if got := s.outcome(t, response, err); got != "back: server_error pairwise_subject_impossible" || !strings.Contains(s.log.String(), "Config.PairwiseKey is gone") {
		t.Error(got)
	}
}

// OpenID Connect Core §8.1: a thousand logins at once, of five users at five clients of two
// sectors, at two servers on one store with keys of their own rotation. A subject is one user's
// in one sector, and always the same.
func TestOpenIDConnectCore_Section8_1_parallel(t *testing.T) {
	const logins, users = 1000, 5
	store := memory.New()
	make1 := func() *authz.Server {
		config := validConfig()
		withOpenID(&config)
		withPairwise(&config)
		quiet(&config)
		config.Storage, config.UserClaims = store, nil
		config.StorageTimeout = time.Minute // a thousand at once take their time
		config.Login = func(r *http.Request) (*authz.User, error) { return &authz.User{Subject: r.Header.Get("X-User")}, nil }
		for i, uri := range []string{"https://a.example/1", "https://A.example:8443/2", "https://x.example/cb", "https://b.example/1", "https://b.example/2"} {
			c := authz.Client{ID: fmt.Sprint("c", i), RedirectURIs: []string{uri}, Scopes: []string{"openid"}, SubjectType: "pairwise", FirstParty: true}
			if i == 2 { // vouched for by the host
				c.SectorIdentifierURI = "https://a.example/sector.json"
			}
			config.Clients = append(config.Clients, c)
		}
		return must(authz.New(config))(t)
	}
	sector := []string{"a", "a", "a", "b", "b"}
	redirects := []string{"https://a.example/1", "https://A.example:8443/2", "https://x.example/cb", "https://b.example/1", "https://b.example/2"}
	servers := []*authz.Server{make1(), make1()}
	var mu sync.Mutex
	subs, owner := map[string]string{}, map[string]string{}
	var wait sync.WaitGroup
	for i := range logins {
		wait.Go(func() {
			as, c, user := servers[i%2], i/2%5, fmt.Sprint("user", i/10%users)
			id := fmt.Sprint("c", c)
			r := httptest.NewRequest("GET", "/oauth2/authorize", nil)
			r.Header.Set("X-User", user)
			response, err := as.Authorize(t.Context(), &authz.AuthorizationRequest{HTTP: r, Browser: browser, Parameters: form(nil,
				"response_type", "code", "client_id", id, "redirect_uri", redirects[c], "scope", "openid",
				"code_challenge", authztest.Challenge(), "code_challenge_method", "S256")})
			if err != nil || response.Redirect == "" {
				t.Errorf("%+v, %v", response, err)
				return
			}
			code := must(http.NewRequest("GET", response.Redirect, nil))(t).URL.Query().Get("code")
			tokens, err := as.Token(t.Context(), request(id, form(nil, "grant_type", "authorization_code", "code", code,
				"redirect_uri", redirects[c], "code_verifier", authztest.Verifier)))
			if err != nil {
				t.Error(err)
				return
			}
			sub, _ := must(as.UserInfo(t.Context(), tokens.AccessToken))(t).Claims["sub"].(string)
			said := (&server{Server: as}).idToken(t, tokens.IDToken, "RS256")["sub"]
			mu.Lock()
			defer mu.Unlock()
			whose := user + " in " + sector[c]
			if said != sub || sub == "" || subs[whose] != "" && subs[whose] != sub || owner[sub] != "" && owner[sub] != whose {
				t.Errorf("%s is %q, and in the ID token %q; before %q, of %q", whose, sub, said, subs[whose], owner[sub])
			}
			subs[whose], owner[sub] = sub, whose
		})
	}
	wait.Wait()
	if len(subs) != 2*users || len(owner) != 2*users {
		t.Errorf("%d users in sectors, %d subjects", len(subs), len(owner))
	}
}
