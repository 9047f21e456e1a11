package authz_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// CIBA Core §4: what is advertised, and only where it is on.
func TestCIBA_4(t *testing.T) {
	s, _ := newBackchannel(t)
	m := s.Metadata()
	if m.BackchannelAuthenticationEndpoint != issuer+"/oauth2/backchannel_authentication" || !slices.Contains(m.GrantTypesSupported, ciba) ||
		!slices.Equal(m.BackchannelTokenDeliveryModesSupported, []string{"poll", "ping"}) ||
		!slices.Equal(m.BackchannelAuthenticationRequestSigningAlgValuesSupported, keyAlgs) || m.BackchannelUserCodeParameterSupported {
		t.Errorf("%+v", m)
	}
	coded, _ := newBackchannel(t, withUserCodes, func(c *authz.Config) { c.MutualTLS, c.MutualTLSOrigin = true, "https://mtls.auth.example" })
	if m := coded.Metadata(); !m.BackchannelUserCodeParameterSupported || m.MTLSEndpointAliases["backchannel_authentication_endpoint"] != "https://mtls.auth.example/oauth2/backchannel_authentication" {
		t.Errorf("%+v", m)
	}
	off := newOpenID(t)
	if m := off.Metadata(); m.BackchannelAuthenticationEndpoint != "" || m.BackchannelTokenDeliveryModesSupported != nil || m.BackchannelAuthenticationRequestSigningAlgValuesSupported != nil || slices.Contains(m.GrantTypesSupported, ciba) {
		t.Errorf("%+v", m)
	}
	_, err := off.backchannel(web)
	wantRefusal(t, err, "unauthorized_client grant_type_not_allowed")
	_, err = off.collect(web, "x")
	wantRefusal(t, err, "unsupported_grant_type grant_type_not_supported")
}

// CIBA Core §4: clients that cannot be.
func TestCIBA_4_clients(t *testing.T) {
	s, _ := newBackchannel(t)
	good := func(edit func(*authz.Client)) authz.Client {
		c := authz.Client{ID: "new", Scopes: []string{"openid"}, Secrets: liveSecrets[desk], GrantTypes: []string{ciba}}
		edit(&c)
		return c
	}
	for _, test := range []struct {
		what string
		edit func(*authz.Client)
		want string
	}{
		{"poll by default", func(*authz.Client) {}, ""},
		{"public", func(c *authz.Client) { c.Secrets = nil }, "GrantTypes"},
		{"push", func(c *authz.Client) { c.BackchannelTokenDeliveryMode = "push" }, "BackchannelTokenDeliveryMode"},
		{"ping without an endpoint", func(c *authz.Client) { c.BackchannelTokenDeliveryMode = "ping" }, "BackchannelClientNotificationEndpoint"},
		{"http", func(c *authz.Client) { c.BackchannelClientNotificationEndpoint = "http://a.example/" }, "must begin with https"},
		{"fragment", func(c *authz.Client) { c.BackchannelClientNotificationEndpoint = "https://a.example/#a" }, "fragment"},
		{"none", func(c *authz.Client) { c.BackchannelAuthenticationRequestSigningAlg = "none" }, "BackchannelAuthenticationRequestSigningAlg"},
		{"no keys", func(c *authz.Client) { c.BackchannelAuthenticationRequestSigningAlg = "ES256" }, "JWKS"},
		{"keys", func(c *authz.Client) { c.BackchannelAuthenticationRequestSigningAlg, c.JWKS = "ES256", jwks(p256) }, ""},
	} {
		err := s.RegisterClient(t.Context(), good(test.edit))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.what, err, test.want)
		}
	}
}

// A configuration that cannot work says why.
func TestCIBA_config(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*authz.Config)
		want string
	}{
		"without openid":   {func(c *authz.Config) { c.Scopes = authz.Scopes{"read": "Read"}; c.UserClaims = nil }, "add the scope openid"},
		"without FindUser": {func(c *authz.Config) { c.BackchannelAuthentication.FindUser = nil }, "needs FindUser"},
		"without Prompt":   {func(c *authz.Config) { c.BackchannelAuthentication.Prompt = nil }, "Prompt, which asks"},
		"unsigned":         {func(c *authz.Config) { c.Clients, c.RequireSignedRequestObjects = deskAlone(), true }, "RequireSignedRequestObjects needs it"},
		"too long":         {func(c *authz.Config) { c.Lifetimes.BackchannelAuthentication = time.Hour }, "Lifetimes.BackchannelAuthentication"},
	} {
		p := new(phones)
		c := authz.Config{Issuer: issuer, Storage: memory.New(), Login: func(*http.Request) (*authz.User, error) { return nil, errors.New("no") }}
		c.Scopes = authz.Scopes{}
		p.configure(&c)
		c.Clients = nil // their scopes are not all there
		test.edit(&c)
		if _, err := authz.New(c); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// CIBA Core §7.1, §7.2, §13: what is asked, and what is refused.
func TestCIBA_7_1(t *testing.T) {
	s, p := newBackchannel(t)
	long := strings.Repeat("a", 1025)
	for _, test := range []struct {
		what, client string
		edits        []edit
		want         string
	}{
		{"good", desk, nil, ""},
		{"login_hint_token", desk, []edit{drop("login_hint"), set("login_hint_token", "ana")}, ""},
		{"no scope", desk, []edit{drop("scope")}, "invalid_request scope_missing"},
		{"no openid", desk, []edit{set("scope", "read")}, "invalid_scope openid_missing"},
		{"scope of others", desk, []edit{set("scope", "openid admin")}, "invalid_scope scope_not_allowed"},
		{"resource", desk, []edit{set("resource", "https://elsewhere.example")}, "invalid_target resource_unknown"},
		{"details", desk, []edit{set("authorization_details", `[{"type":"x"}]`)}, "invalid_authorization_details authorization_details_type_not_allowed"},
		{"no hint", desk, []edit{drop("login_hint")}, "invalid_request hints_not_one"},
		{"two hints", desk, []edit{set("login_hint_token", "ana")}, "invalid_request hints_not_one"},
		{"a wrong hint", desk, []edit{drop("login_hint"), set("id_token_hint", "x")}, "invalid_request id_token_hint_invalid"},
		{"unknown", desk, []edit{set("login_hint", "eve")}, "unknown_user_id user_unknown"},
		{"expired hint", desk, []edit{drop("login_hint"), set("login_hint_token", "old")}, "expired_login_hint_token login_hint_token_expired"},
		{"a hook that breaks", desk, []edit{set("login_hint", "breaks")}, "server_error backchannel_hook_failed"},
		{"a hook that says nothing", desk, []edit{set("login_hint", "nobody")}, "server_error backchannel_hook_failed"},
		{"binding message", desk, []edit{set("binding_message", "Grüße, W4SCT — №7")}, ""},
		{"long binding message", desk, []edit{set("binding_message", strings.Repeat("ä", 129))}, "invalid_binding_message binding_message_too_long"},
		{"binding message that turns around", desk, []edit{set("binding_message", "pay \u202e001")}, "invalid_binding_message binding_message_not_plain"},
		{"binding message with nothing to see", desk, []edit{set("binding_message", "pay\u200b1")}, "invalid_binding_message binding_message_not_plain"},
		{"expiry", desk, []edit{set("requested_expiry", "soon")}, "invalid_request requested_expiry_malformed"},
		{"expiry of 0", desk, []edit{set("requested_expiry", "0")}, "invalid_request requested_expiry_malformed"},
		{"expiry of -1", desk, []edit{set("requested_expiry", "-1")}, "invalid_request requested_expiry_malformed"},
		{"request_uri", desk, []edit{set("request_uri", "https://a.example")}, "invalid_request request_uri_not_supported"},
		{"request", desk, []edit{set("request", "a.b.c")}, "invalid_request request_object_alg_not_registered"},
		{"twice", desk, []edit{set("login_hint", "ana", "ana")}, "invalid_request parameter_repeated"},
		{"another client's grant", web, nil, "unauthorized_client grant_type_not_allowed"},
		{"public", spa, nil, "unauthorized_client grant_type_not_allowed"},
		{"nobody", "nobody", nil, "invalid_client client_unknown"},
		{"poll with a token", desk, []edit{set("client_notification_token", "x")}, ""},
		{"ping", till, []edit{set("client_notification_token", token)}, ""},
		{"ping without a token", till, nil, "invalid_request client_notification_token_missing"},
		{"a short token", till, []edit{set("client_notification_token", "aaaaaaaaaaaaaaaaaaaaa")}, "invalid_request client_notification_token_short"},
		{"a long token", till, []edit{set("client_notification_token", long)}, "invalid_request client_notification_token_malformed"},
		{"a token that is none", till, []edit{set("client_notification_token", "a token of the client's own, with spaces")}, "invalid_request client_notification_token_malformed"},
		{"a token of = alone", till, []edit{set("client_notification_token", strings.Repeat("=", 30))}, "invalid_request client_notification_token_malformed"},
	} {
		before := p.count()
		s.clock.Advance(10 * time.Minute) // no limit is meant here
		r, err := s.backchannel(test.client, test.edits...)
		if test.want != "" {
			t.Run(test.what, func(t *testing.T) { wantRefusal(t, err, test.want) })
			if p.count() != before {
				t.Errorf("%s: somebody was asked", test.what)
			}
			continue
		}
		if err != nil || r.ExpiresIn != 300 || r.Interval != 5 || p.count() != before+1 {
			t.Errorf("%s: %+v, %v", test.what, r, err)
		}
	}
	// §13 has access_denied be a 403, and the host may say so.
	_, err := s.backchannel(desk, set("login_hint", "refuses"))
	var e *authz.Error
	if !errors.As(err, &e) || e.Code != "access_denied" || e.Status != 403 || e.Reason != "on_holiday" || e.Description != "Not now." {
		t.Errorf("%+v", err)
	}
}

// What a host's own client storage may hold: a public client with the grant.
func TestCIBA_7_public(t *testing.T) {
	s, _ := newBackchannel(t)
	s.change(t, spa, func(c *authz.Client) { c.GrantTypes, c.Scopes = []string{ciba}, []string{"openid", "read"} })
	_, err := s.backchannel(spa)
	wantRefusal(t, err, "unauthorized_client public_client")
	_, err = s.collect(spa, "x")
	wantRefusal(t, err, "unauthorized_client public_client")
}

// CIBA Core §7.1: an ID token of the client's own is a hint, however old, and no other is.
func TestCIBA_7_1_id_token_hint(t *testing.T) {
	s, p := newBackchannel(t)
	first := must(s.backchannel(desk))(t)
	if err := s.answers(p.last(t).ID, true, "read"); err != nil {
		t.Fatal(err)
	}
	tokens := must(s.collect(desk, first.AuthReqID))(t)
	s.clock.Advance(24 * time.Hour)
	hint := []edit{drop("login_hint"), set("id_token_hint", tokens.IDToken)}
	must(s.backchannel(desk, hint...))(t)
	if got := p.last(t); got.Subject != "ana" || p.find[len(p.find)-1].Subject != "ana" || p.find[len(p.find)-1].LoginHint != "" {
		t.Errorf("%+v", got)
	}
	_, err := s.backchannel(till, append(hint, set("client_notification_token", token))...)
	wantRefusal(t, err, "invalid_request id_token_hint_invalid")
}

// Whoever knows users by other names cannot be told by one of those whom it means.
func TestCIBA_7_1_pairwise(t *testing.T) {
	s, p := newBackchannel(t, func(c *authz.Config) {
		c.PairwiseKey = []byte(strings.Repeat("k", 32))
		c.Clients[0].SubjectType, c.Clients[0].RedirectURIs = "pairwise", []string{"https://desk.example/cb"}
	})
	r := must(s.backchannel(desk))(t)
	if err := s.answers(p.last(t).ID, true, "read"); err != nil {
		t.Fatal(err)
	}
	tokens := must(s.collect(desk, r.AuthReqID))(t)
	if sub := s.idToken(t, tokens.IDToken, "RS256")["sub"]; sub == "ana" || sub == "" {
		t.Errorf("sub %v", sub)
	}
	_, err := s.backchannel(desk, drop("login_hint"), set("id_token_hint", tokens.IDToken))
	wantRefusal(t, err, "unknown_user_id id_token_hint_pairwise")
}

// CIBA Core §7.1.2: codes are checked, and not to be guessed; a client that has none sends none.
func TestCIBA_7_1_2(t *testing.T) {
	s, p := newBackchannel(t, withUserCodes)
	_, err := s.backchannel(desk)
	wantRefusal(t, err, "missing_user_code user_code_missing")
	must(s.backchannel(desk, set("user_code", "code-4711")))(t)
	if p.last(t).UserCode != "" {
		t.Error("the prompt has the code")
	}
	must(s.backchannel(desk, set("login_hint", "ben")))(t)
	_, err = s.backchannel(till, set("client_notification_token", token), set("user_code", "code-4711"))
	wantRefusal(t, err, "missing_user_code user_code_missing")
	_, err = s.backchannel(desk, set("user_code", strings.Repeat("1", 257)))
	wantRefusal(t, err, "invalid_user_code user_code_too_long")
	for range 10 {
		_, err = s.backchannel(desk, set("user_code", "code-0815"))
		wantRefusal(t, err, "invalid_user_code user_code_wrong")
	}
	for _, code := range []string{"code-0815", "code-4711"} { // right or not
		_, err = s.backchannel(desk, set("user_code", code))
		if got := codeOf(err); got != "temporarily_unavailable too_many_user_codes" {
			t.Errorf("%s: %s", code, got)
		}
	}
	must(s.backchannel(desk, set("login_hint", "ben")))(t)
	s.clock.Advance(time.Minute)
	must(s.backchannel(desk, set("user_code", "code-4711")))(t)
}

// CIBA Core §7.1, §7.3: the life that the client wants, as far as the host allows.
func TestCIBA_7_3(t *testing.T) {
	s, p := newBackchannel(t)
	for wanted, got := range map[string]int64{"60": 60, "300": 300, "301": 300, "2147483647": 300} {
		s.clock.Advance(time.Hour)
		r := must(s.backchannel(desk, set("requested_expiry", wanted)))(t)
		if r.ExpiresIn != got || !p.last(t).ExpiresAt.Equal(s.clock.Now().Add(time.Duration(got)*time.Second)) {
			t.Errorf("%s: %+v", wanted, r)
		}
		if len(r.AuthReqID) < 43 || strings.ContainsFunc(r.AuthReqID, func(c rune) bool {
			return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_", c)
		}) {
			t.Errorf("auth_req_id %q", r.AuthReqID)
		}
	}
}

// What the host is told to show, then and later, and that its handle is no auth_req_id, nor the
// other way round.
func TestCIBA_8(t *testing.T) {
	s, p := newBackchannel(t)
	r := must(s.backchannel(desk, set("scope", "openid read write"), set("binding_message", "W4SCT"), set("acr_values", "phone card")))(t)
	prompt := p.last(t)
	for what, got := range map[string]*authz.BackchannelAuthenticationRequest{
		"the hook": prompt, "the page": must(s.PendingBackchannelAuthentication(t.Context(), prompt.ID))(t),
	} {
		if got.ID != prompt.ID || got.Client.Name != "Desk" || got.Subject != "ana" || got.BindingMessage != "W4SCT" || !slices.Equal(got.ACRValues, []string{"phone", "card"}) ||
			len(got.Scopes) != 2 || got.Scopes[0] != (authz.ScopePrompt{Name: "read", Description: "Read things"}) || !got.At.Equal(s.clock.Now()) ||
			!got.ExpiresAt.Equal(s.clock.Now().Add(5*time.Minute)) || got.LoginHint != "" {
			t.Errorf("%s: %+v", what, got)
		}
	}
	if prompt.ID == r.AuthReqID || strings.Contains(prompt.ID, r.AuthReqID) {
		t.Error("the host was given the auth_req_id")
	}
	_, err := s.collect(desk, prompt.ID)
	wantRefusal(t, err, "invalid_grant auth_req_id_unknown")
	_, err = s.PendingBackchannelAuthentication(t.Context(), r.AuthReqID)
	wantRefusal(t, err, "invalid_request backchannel_answered")
	wantRefusal(t, s.answers(r.AuthReqID, true), "invalid_request backchannel_answered")
	wantRefusal(t, s.answers("", true), "invalid_request backchannel_answered")

	// Another user is not asked, and nobody is no user.
	err = s.CompleteBackchannelAuthentication(t.Context(), &authz.BackchannelAnswer{ID: prompt.ID, User: &authz.User{Subject: "ben"}, Approve: true})
	var e *authz.Error
	if !errors.As(err, &e) || e.Reason != "answered_by_another_user" {
		t.Errorf("%v", err)
	}
	wantRefusal(t, s.CompleteBackchannelAuthentication(t.Context(), &authz.BackchannelAnswer{ID: prompt.ID, Approve: true}), "server_error backchannel_answer_without_user")
	_, err = s.collect(desk, r.AuthReqID)
	wantRefusal(t, err, "authorization_pending undecided")

	// The user allows a part, and no more than was asked for.
	if err := s.answers(prompt.ID, true, "write", "offline_access"); err != nil {
		t.Fatal(err)
	}
	tokens := must(s.collect(desk, r.AuthReqID))(t)
	if tokens.Scope != "openid write" {
		t.Errorf("scope %q", tokens.Scope)
	}
	wantRefusal(t, s.answers(prompt.ID, true), "invalid_request backchannel_answered")
	_, err = s.PendingBackchannelAuthentication(t.Context(), prompt.ID)
	wantRefusal(t, err, "invalid_request backchannel_answered")
	if consents := must(s.Consents(t.Context(), "ana", "", 10))(t); len(consents) != 1 || consents[0].ClientID != desk {
		t.Errorf("%+v", consents)
	}
}

// CIBA Core §10.1, §10.1.1: the tokens, once.
func TestCIBA_10_1(t *testing.T) {
	s, p := newBackchannel(t)
	r := must(s.backchannel(desk))(t)
	signedIn := s.clock.Now()
	if err := s.answers(p.last(t).ID, true, "read"); err != nil {
		t.Fatal(err)
	}
	_, err := s.collect(till, r.AuthReqID)
	wantRefusal(t, err, "invalid_grant auth_req_id_of_another_client")
	_, err = s.collect(desk, "")
	wantRefusal(t, err, "invalid_request auth_req_id_missing")
	_, err = s.collect(desk, r.AuthReqID+"A")
	wantRefusal(t, err, "invalid_grant auth_req_id_unknown")
	tokens := must(s.collect(desk, r.AuthReqID))(t)
	claims := s.idToken(t, tokens.IDToken, "RS256")
	if claims["sub"] != "ana" || claims["aud"] != desk || claims["acr"] != "phone" || claims["at_hash"] == nil ||
		claims["auth_time"] != float64(signedIn.Unix()) || claims["urn:openid:params:jwt:claim:auth_req_id"] != nil {
		t.Errorf("%v", claims)
	}
	if tokens.Scope != "openid read" || tokens.TokenType != "Bearer" || tokens.RefreshToken == "" || !s.live(tokens.AccessToken) {
		t.Errorf("%+v", tokens)
	}
	if again := must(s.refresh(desk, tokens.RefreshToken))(t); again.IDToken == "" {
		t.Error("a refresh yields no ID token")
	}
	_, err = s.collect(desk, r.AuthReqID)
	wantRefusal(t, err, "invalid_grant auth_req_id_used")
	// Who may not refresh gets no refresh token, and what was ended is not handed out.
	ping := must(s.backchannel(till, set("client_notification_token", token)))(t)
	if err := s.answers(p.last(t).ID, true, "read"); err != nil {
		t.Fatal(err)
	}
	if got := must(s.collect(till, ping.AuthReqID))(t); got.RefreshToken != "" {
		t.Error("a refresh token for who may not use it")
	}
	r = must(s.backchannel(desk))(t)
	if err := s.answers(p.last(t).ID, true, "read"); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeUser(t.Context(), "ana"); err != nil {
		t.Fatal(err)
	}
	_, err = s.collect(desk, r.AuthReqID)
	wantRefusal(t, err, "invalid_grant grant_revoked")
	if s.live(tokens.AccessToken) {
		t.Error("a token outlives its grant")
	}
}

// CIBA Core §11: what a poll is told.
func TestCIBA_11(t *testing.T) {
	s, p := newBackchannel(t)
	r := must(s.backchannel(desk))(t)
	poll := func(want string) {
		t.Helper()
		_, err := s.collect(desk, r.AuthReqID)
		wantRefusal(t, err, want)
	}
	poll("authorization_pending undecided")
	poll("slow_down polled_too_soon")
	s.clock.Advance(5 * time.Second)
	poll("slow_down polled_too_soon") // it has grown to 10 s, and now to 15
	s.clock.Advance(15 * time.Second)
	poll("authorization_pending undecided")
	if err := s.answers(p.last(t).ID, false); err != nil {
		t.Fatal(err)
	}
	poll("access_denied denied_by_user")
	poll("access_denied denied_by_user")

	r = must(s.backchannel(desk))(t)
	id := p.last(t).ID
	s.clock.Advance(5*time.Minute - time.Millisecond)
	poll("authorization_pending undecided")
	s.clock.Advance(time.Millisecond)
	poll("expired_token auth_req_id_expired")
	wantRefusal(t, s.answers(id, true), "invalid_request backchannel_answered")
	_, err := s.PendingBackchannelAuthentication(t.Context(), id)
	wantRefusal(t, err, "invalid_request backchannel_answered")
	// An approval that nobody has fetched in time is worth nothing.
	r = must(s.backchannel(desk))(t)
	if err := s.answers(p.last(t).ID, true); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(5 * time.Minute)
	poll("expired_token auth_req_id_expired")
}
