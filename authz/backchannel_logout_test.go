package authz_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// §2.1: what the discovery document says, and only what is true.
func TestBackChannelLogout_2_1(t *testing.T) {
	for name, test := range map[string]struct {
		s    *server
		want [4]bool
		sid  bool
	}{
		"plain OAuth":       {newServer(t), [4]bool{}, false},
		"OpenID Connect":    {newOpenID(t), [4]bool{true}, false},
		"with sessions":     {newOpenID(t, func(c *authz.Config) { c.Sessions = true }), [4]bool{true, true}, true},
		"and logout":        {newHouse(t).server, [4]bool{true, true, true, true}, true},
		"logout by itself ": {newLeaver(t).server, [4]bool{true}, false},
	} {
		m := test.s.Metadata()
		got := [4]bool{m.BackchannelLogoutSupported, m.BackchannelLogoutSessionSupported, m.FrontchannelLogoutSupported, m.FrontchannelLogoutSessionSupported}
		if got != test.want || slices.Contains(m.ClaimsSupported, "sid") != test.sid {
			t.Errorf("%s: %v, %v", name, got, m.ClaimsSupported)
		}
	}
	c := validConfig()
	c.Sessions = true
	if _, err := authz.New(c); err == nil || !strings.Contains(err.Error(), "Config.Sessions: is set, but OpenID Connect is off") {
		t.Errorf("%v", err)
	}
}

// §2.1 and §2.4: sid is the same in each ID token of a session and in its logout token, another
// for each client, session and user, and never what the host calls it.
func TestBackChannelLogout_2_1_sid(t *testing.T) {
	h := newHouse(t, withPairwise)
	h.change(t, spa, func(c *authz.Client) { c.SubjectType = "pairwise" })
	h.change(t, first, func(c *authz.Client) {
		c.SubjectType, c.SectorIdentifierURI = "pairwise", "https://first.example/sector"
	})
	seen := map[string]string{}
	for _, client := range []string{web, spa, first} {
		for _, session := range []string{"s1", "s2"} {
			for _, user := range []string{"ana", "ben"} {
				h.in(session)
				h.host.SignIn(user)
				tokens := h.login(t, client)
				sid, _ := h.idToken(t, tokens.IDToken, "RS256")["sid"].(string)
				what := client + session + user
				if other, twice := seen[sid]; twice || sid == "" || strings.Contains(sid, session) {
					t.Errorf("%s: sid %q, as %s", what, sid, other)
				}
				seen[sid] = what
				again, _ := h.idToken(t, h.login(t, client).IDToken, "RS256")["sid"].(string)
				if again != sid {
					t.Errorf("%s: %q, and then %q", what, sid, again)
				}
				if tokens.RefreshToken != "" {
					fresh := must(h.refresh(client, tokens.RefreshToken))(t)
					if got := h.idToken(t, fresh.IDToken, "RS256")["sid"]; got != sid {
						t.Errorf("%s: refreshed %q, want %q", what, got, sid)
					}
				}
			}
		}
	}
	// Two clients of one sector call a session the same, as they do the user.
	h.in("s1")
	h.change(t, web, func(c *authz.Client) {
		c.SubjectType, c.SectorIdentifierURI = "pairwise", "https://first.example/sector"
	})
	a, b := h.idToken(t, h.login(t, web).IDToken, "RS256"), h.idToken(t, h.login(t, first).IDToken, "RS256")
	if a["sid"] != b["sid"] || a["sub"] != b["sub"] {
		t.Errorf("one sector: %v and %v", a, b)
	}
	// Without a session there is none.
	s := newOpenID(t)
	if claims := s.idToken(t, s.login(t, web).IDToken, "RS256"); claims["sid"] != nil {
		t.Errorf("%v", claims)
	}
}

// The Login hook has to name sessions if the host says that it does.
func TestBackChannelLogout_2_1_hook(t *testing.T) {
	h := newHouse(t)
	for _, bad := range []string{"", "a\nb", "a\x00b", strings.Repeat("x", 513)} {
		h.in(bad)
		_, err := h.authorize(web, set("scope", "openid"))
		wantRefusal(t, err, "server_error login_hook_failed")
	}
	h.in(strings.Repeat("x", 512))
	h.login(t, web)
}

// §2.4, §2.5: what is sent when a client signs the user out, by itself and without a call of the
// host's.
func TestBackChannelLogout_2_4(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256"} {
		h := newHouse(t, withPairwise)
		p := newParty(t, nil)
		h.tells(t, web, p.URL+"/out?tenant=1")
		h.change(t, web, func(c *authz.Client) { c.IDTokenSignedResponseAlg, c.SubjectType = alg, "pairwise" })
		hint := h.login(t, web, set("nonce", "n")).IDToken
		said := h.idToken(t, hint, alg)
		response, err := h.leave(set("id_token_hint", hint))
		if got := h.outcome(t, response, err); got != "done" || h.ended != 1 {
			t.Fatalf("%s, ended %d times", got, h.ended)
		}
		token := p.waitFor(t, 1)[0]
		r := p.heard()[0]
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.URL.String() != "/out?tenant=1" || len(r.PostForm) != 1 {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		claims := h.idToken(t, token, alg)
		if header(t, token)["typ"] != "logout+jwt" {
			t.Errorf("header %v", header(t, token))
		}
		jti, _ := claims["jti"].(string)
		at := float64(h.clock.Now().Unix())
		if len(jti) < 20 || claims["exp"].(float64)-at > 120 {
			t.Errorf("%v", claims)
		}
		delete(claims, "jti")
		delete(claims, "exp")
		event, _ := claims["events"].(map[string]any)["http://schemas.openid.net/event/backchannel-logout"].(map[string]any)
		if event == nil || len(event) != 0 || len(claims["events"].(map[string]any)) != 1 {
			t.Errorf("events %v", claims["events"])
		}
		delete(claims, "events")
		if want := map[string]any{"iss": issuer, "aud": web, "sub": said["sub"], "sid": said["sid"], "iat": at}; !maps.Equal(claims, want) {
			t.Errorf("%v, want %v", claims, want)
		}
		h.told(t, web)
		// It is nothing else (§4.1).
		h.in("s2")
		if h.live(token) {
			t.Error("a logout token opens something")
		}
		response, err = h.leave(set("id_token_hint", token))
		if got := h.outcome(t, response, err); got != "ask" {
			t.Errorf("as a hint: %s", got)
		}
		if h.due(t) != 0 || strings.Contains(h.log.String(), token) {
			t.Error("something is left of it")
		}
	}
}

// §2.6, step 1: a client that gets its ID tokens encrypted gets these encrypted as well.
func TestBackChannelLogout_2_6_encrypted(t *testing.T) {
	const alg, enc, kid = "ECDH-ES", "A128GCM", "k"
	h := newHouse(t)
	p := newParty(t, nil)
	h.tells(t, web, p.URL)
	h.change(t, web, func(c *authz.Client) {
		c.JWKS = keySet(ours(privateOf(alg), kid))
		c.IDTokenEncryptedResponseAlg, c.IDTokenEncryptedResponseEnc = alg, enc
	})
	open := func(token string) map[string]any {
		return h.idToken(t, opened(t, token, alg, enc, privateOf(alg), kid, "JWT"), "RS256")
	}
	said := open(h.login(t, web).IDToken)
	wantNil(t, h.RevokeSession(t.Context(), "ana", "s1"))
	if claims := open(p.waitFor(t, 1)[0]); claims["events"] == nil || claims["sid"] != said["sid"] {
		t.Errorf("%v", claims)
	}
}

// §2.3: a client that takes nothing but an ID token is signed in to as well.
func TestBackChannelLogout_2_3_id_token_alone(t *testing.T) {
	h := newHouse(t, func(c *authz.Config) { c.ResponseTypes = []string{"id_token"} })
	p := newParty(t, nil)
	h.tells(t, web, p.URL)
	h.change(t, web, func(c *authz.Client) {
		c.ResponseTypes, c.GrantTypes = []string{"id_token"}, []string{"implicit"}
	})
	response := must(h.authorize(web, set("response_type", "id_token"), set("scope", "openid"), set("nonce", "n"), drop("code_challenge"), drop("code_challenge_method")))(t)
	if response.Consent != nil {
		response = must(h.SubmitConsent(t.Context(), submission(response.Consent)))(t)
	}
	answer, err := url.ParseQuery(response.Redirect[strings.Index(response.Redirect, "#")+1:])
	if err != nil {
		t.Fatal(err)
	}
	said := h.idToken(t, answer.Get("id_token"), "RS256")
	wantNil(t, h.RevokeSession(t.Context(), "ana", "s1"))
	if claims := h.idToken(t, p.waitFor(t, 1)[0], "RS256"); claims["sid"] != said["sid"] || said["sid"] == nil {
		t.Errorf("%v, want sid %v", claims, said["sid"])
	}
}

// §2.3, §2.7: who is told, and what is revoked.
func TestBackChannelLogout_2_3(t *testing.T) {
	h := newHouse(t)
	p := newParty(t, nil)
	for _, id := range []string{web, spa, first} {
		h.tells(t, id, p.URL+"/"+id)
	}
	h.in("s2")
	elsewhere := h.login(t, first)
	h.in("s1")
	online := h.login(t, web)
	_ = h.login(t, web) // again: told once
	offline := h.login(t, spa, set("scope", "openid offline_access"))
	app := h.tokens(t, first) // without openid: an app that is connected
	h.host.SignIn("ben")
	bens := h.login(t, web)
	h.in("s1")
	must(h.leave(set("id_token_hint", online.IDToken)))(t)
	h.told(t, spa, web)
	p.waitFor(t, 2)
	for what, test := range map[string]struct {
		tokens *authz.TokenResponse
		client string
		lives  bool
	}{
		"of the session": {online, web, false}, "offline": {offline, spa, true}, "of another session": {elsewhere, first, true},
		"of an app": {app, first, true}, "of another user": {bens, web, true},
	} {
		if h.live(test.tokens.AccessToken) != test.lives {
			t.Errorf("access token %s: alive %v", what, !test.lives)
		}
		if _, err := h.refresh(test.client, test.tokens.RefreshToken); (err == nil) != test.lives {
			t.Errorf("refresh token %s: %v", what, err)
		}
	}
}

// §2.3: a client that has no token any more is remembered for as long as the session may last.
func TestBackChannelLogout_2_3_remembered(t *testing.T) {
	h := newHouse(t, func(c *authz.Config) { c.Lifetimes.Session = 10 * 24 * time.Hour })
	p := newParty(t, nil)
	h.tells(t, spa, p.URL)
	access := h.login(t, spa).AccessToken
	h.clock.Advance(9 * 24 * time.Hour)
	if h.live(access) {
		t.Error("its tokens live as long")
	}
	if err := h.RevokeSession(t.Context(), "ana", "s1"); err != nil {
		t.Fatal(err)
	}
	p.waitFor(t, 1)
	h.told(t, spa) // and nothing of it is left in the store
	h.login(t, spa)
	h.clock.Advance(10*24*time.Hour + time.Minute)
	if err := h.RevokeSession(t.Context(), "ana", "s1"); err != nil {
		t.Fatal(err)
	}
	if h.due(t) != 0 {
		t.Error("it is remembered for longer")
	}
}

// §2.4: a token without sid means all of the user's sessions. Revoking one authorization is no
// logout.
func TestBackChannelLogout_2_4_all_sessions(t *testing.T) {
	h := newHouse(t)
	p, q := newParty(t, nil), newParty(t, nil)
	h.tells(t, web, p.URL)
	h.tells(t, spa, q.URL)
	h.change(t, spa, func(c *authz.Client) { c.BackchannelLogoutSessionRequired = true })
	sids := map[any]bool{}
	for _, session := range []string{"s1", "s2"} {
		h.in(session)
		h.login(t, web)
		sids[h.idToken(t, h.login(t, spa).IDToken, "RS256")["sid"]] = true
	}
	must(0, h.Disconnect(t.Context(), "ana", first))(t)
	must(0, h.RevokeGrant(t.Context(), must(h.store.inner.ListGrants(t.Context(), "ana", "", 1))(t)[0].ID))(t)
	if h.due(t) != 0 {
		t.Error("somebody is told of a grant")
	}
	must(0, h.RevokeUser(t.Context(), "ana"))(t)
	h.told(t, spa, spa, web)
	if claims := h.idToken(t, p.waitFor(t, 1)[0], "RS256"); claims["sid"] != nil || claims["sub"] != "ana" {
		t.Errorf("%v", claims)
	}
	for _, token := range q.waitFor(t, 2) {
		sid := h.idToken(t, token, "RS256")["sid"]
		if !sids[sid] {
			t.Errorf("sid %v", sid)
		}
		delete(sids, sid)
	}
	for _, ids := range [][2]string{{"", "s1"}, {"ana", ""}} {
		if err := h.RevokeSession(t.Context(), ids[0], ids[1]); err == nil {
			t.Errorf("RevokeSession(%q): no error", ids)
		}
	}
	if err := h.RevokeUser(t.Context(), ""); err == nil {
		t.Error("RevokeUser of nobody: no error")
	}
}

// Whoever signs in to a client while the session, or all of the user's, is being ended does not
// slip through.
func TestBackChannelLogout_2_3_meanwhile(t *testing.T) {
	h := newHouse(t)
	p := newParty(t, nil)
	h.tells(t, first, p.URL)
	h.clock.Advance(time.Second)
	h.store.meanwhile = func() {
		h.clock.Advance(time.Second)
		must(0, h.RevokeSession(t.Context(), "ana", "s1"))(t)
	}
	response, err := h.authorize(first, set("scope", "openid"))
	if got := h.server.outcome(t, response, err); got != "back: access_denied ended_meanwhile" {
		t.Errorf("the session: %s", got)
	}
	h.clock.Advance(time.Second)
	h.login(t, first) // later it may
	h.in("s2")
	h.store.meanwhile = func() {
		h.clock.Advance(time.Second)
		must(0, h.RevokeSession(t.Context(), "ana", "s1"))(t)
	}
	h.login(t, first) // nor does another session matter
	h.told(t, first)
	// Between the look at the user's grants and the end of them.
	h.store.meanwhile = func() { h.login(t, first) }
	must(0, h.RevokeUser(t.Context(), "ana"))(t)
	h.told(t, first, first, first)
}

// RP-Initiated Logout §2: a hint that is about another session than the one at this browser.
func TestRPInitiatedLogout_Section2_session(t *testing.T) {
	h := newHouse(t)
	hint := h.login(t, web).IDToken
	for session, want := range map[string]string{"s1": "done", "s2": "ask"} {
		h.in(session)
		response, err := h.leave(set("id_token_hint", hint))
		if got := h.outcome(t, response, err); got != want {
			t.Errorf("%s: %s, want %s", session, got, want)
		}
	}
}
