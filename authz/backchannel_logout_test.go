package authz_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/bolt"
	"github.com/grantor-oauth/grantor/storage/memory"
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

// §2.5, §2.8: what a client answers. 400 is a refusal, for good; all else that is no success is
// tried again, seven times in all, within about an hour.
func TestBackChannelLogout_2_8(t *testing.T) {
	var elsewhere *party
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		final  string // after the first attempt; empty if it is tried again
	}{
		"200": {status(200), "web"},
		"204": {status(204), "web"},
		"400": {status(400), "web logout_token_refused"},
		"404": {status(404), ""},
		"500": {status(500), ""},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, ""},
		"no answer": {func(w http.ResponseWriter, _ *http.Request) {
			panic(http.ErrAbortHandler)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere = newParty(t, nil)
			h := newHouse(t)
			p := newParty(t, test.answer)
			h.tells(t, web, p.URL)
			h.login(t, web)
			must(0, h.RevokeSession(t.Context(), "ana", "s1"))(t)
			p.waitFor(t, 1)
			if test.final != "" {
				h.told(t, test.final)
				h.clock.Advance(24 * time.Hour)
				must(0, h.DeliverLogouts(t.Context()))(t)
				p.waitFor(t, 1)
				return
			}
			begun := h.clock.Now()
			for attempts := 1; ; attempts++ {
				must(0, h.DeliverLogouts(t.Context()))(t)
				p.waitFor(t, attempts)
				if h.due(t) == 0 {
					break
				}
				left := must(h.store.inner.ListNotices(t.Context(), "~", 10))(t)
				if len(left) != 1 || left[0].Attempts != attempts || attempts >= 7 {
					t.Fatalf("%+v after %d", left, attempts)
				}
				if pause := left[0].DueAt().Sub(h.clock.Now()); pause <= 5*time.Second {
					t.Fatalf("it is tried again after %v, while the first may be under way", pause)
				}
				h.clock.Advance(left[0].DueAt().Sub(h.clock.Now()) - time.Millisecond)
				must(0, h.DeliverLogouts(t.Context()))(t)
				p.waitFor(t, attempts)
				h.clock.Advance(time.Millisecond)
			}
			h.told(t, "web logout_unanswered")
			if n, took := len(p.heard()), h.clock.Now().Sub(begun); n != 7 || took < 45*time.Minute || took > 75*time.Minute {
				t.Errorf("%d attempts in %v", n, took)
			}
			if n := len(elsewhere.heard()); n != 0 {
				t.Error("a redirect was followed")
			}
			tokens := p.waitFor(t, 7)
			slices.Sort(tokens)
			if len(slices.Compact(tokens)) != 7 {
				t.Error("a token was kept")
			}
		})
	}
}

// A client that answers in the end has been told; one that hangs holds up neither the logout nor
// the others.
func TestBackChannelLogout_2_5_slow(t *testing.T) {
	h := newHouse(t)
	release := make(chan struct{})
	hangs := newParty(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	quick := newParty(t, nil)
	h.tells(t, web, hangs.URL)
	h.tells(t, spa, quick.URL)
	h.login(t, web)
	h.login(t, spa)
	begun := time.Now()
	must(h.leave(set("id_token_hint", h.login(t, web).IDToken)))(t)
	quick.waitFor(t, 1)
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
	hangs.waitFor(t, 1)
	for end := time.Now().Add(10 * time.Second); !strings.Contains(h.log.String(), "tried again"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is still waited for")
		}
	}
	hangs.answers(nil)
	h.clock.Advance(20 * time.Second)
	must(0, h.DeliverLogouts(t.Context()))(t)
	h.told(t, spa, web)
}

// What a client names must not lead inside, whoever has stored it (§2.2).
func TestBackChannelLogout_2_2_inside(t *testing.T) {
	h := newHouse(t, func(c *authz.Config) { c.HTTPClient = nil })
	inside := newParty(t, nil)
	secure := httptest.NewTLSServer(inside)
	t.Cleanup(secure.Close)
	for i, uri := range []string{inside.URL, secure.URL, strings.Replace(secure.URL, "127.0.0.1", "localhost", 1), "ftp://app.example", "http://app.example/", "https://user@app.example/"} {
		session := fmt.Sprint("s", i)
		h.in(session)
		h.tells(t, web, uri)
		h.login(t, web)
		must(0, h.RevokeSession(t.Context(), "ana", session))(t)
		for range 7 {
			must(0, h.DeliverLogouts(t.Context()))(t)
			h.clock.Advance(time.Hour)
		}
	}
	for end := time.Now().Add(10 * time.Second); h.due(t) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it goes on for ever")
		}
		must(0, h.DeliverLogouts(t.Context()))(t)
		h.clock.Advance(time.Hour)
	}
	if len(inside.heard()) != 0 {
		t.Error("it was connected to")
	}
}

// A client that is gone, or does not want to be told any more, is not.
func TestBackChannelLogout_2_2_gone(t *testing.T) {
	h := newHouse(t)
	p := newParty(t, status(500))
	for _, edit := range []func(*authz.Client){
		func(c *authz.Client) { c.Disabled = true },
		func(c *authz.Client) { c.BackchannelLogoutURI = "" },
	} {
		h.tells(t, spa, p.URL)
		h.change(t, spa, func(c *authz.Client) { c.Disabled = false })
		before := len(p.heard())
		h.login(t, spa)
		must(0, h.RevokeSession(t.Context(), "ana", "s1"))(t)
		p.waitFor(t, before+1)
		h.change(t, spa, edit)
		h.clock.Advance(time.Minute)
		for end := time.Now().Add(10 * time.Second); h.due(t) > 0 && time.Now().Before(end); {
			must(0, h.DeliverLogouts(t.Context()))(t)
			h.clock.Advance(time.Minute)
		}
		p.waitFor(t, before+1)
	}
	h.told(t, "spa client_gone", "spa client_gone")
}

// What was to be told when the process died is told by the next one, with nothing done for it.
func TestBackChannelLogout_restart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authz.db")
	start := func(later time.Duration) (*house, *bolt.DB) {
		db := must(bolt.Open(path))(t)
		t.Cleanup(func() { db.Close() })
		return newHouseOn(t, newProbe(db), func(c *authz.Config) {
			now, begun := c.Clock, time.Now()
			c.Clock = func() time.Time { return now().Add(later).Add(time.Since(begun)) }
		}), db
	}
	h, db := start(0)
	p := newParty(t, status(503))
	at := h.clock.Now()
	const shop = "shop" // which no start puts back
	must(0, h.RegisterClient(t.Context(), authz.Client{
		ID: shop, RedirectURIs: []string{"https://shop.example/cb"}, Scopes: []string{"openid"}, BackchannelLogoutURI: p.URL,
	}))(t)
	must(0, db.Commit(t.Context(), storage.Write{At: at, Grants: []storage.Grant{{
		ID: storage.NewGrantID(at.Add(time.Hour)), ClientID: shop, Subject: "ana", SessionID: "s1", Scopes: []string{"openid"}, CreatedAt: at, ExpiresAt: at.Add(time.Hour),
	}}}))(t)
	must(0, h.RevokeSession(t.Context(), "ana", "s1"))(t)
	first := h.idToken(t, p.waitFor(t, 1)[0], "RS256")
	must(0, db.Close())(t)

	p.answers(nil)
	// It was to be tried again 20 s after the first time: nothing is due when this one starts, and
	// nobody asks it for anything.
	second, _ := start(19 * time.Second)
	if n := len(p.heard()); n != 1 {
		t.Errorf("%d attempts, though none was due", n)
	}
	claims := second.idToken(t, p.waitFor(t, 2)[1], "RS256")
	if claims["sid"] != first["sid"] || claims["sub"] != "ana" || claims["jti"] == first["jti"] {
		t.Errorf("%v, and before %v", claims, first)
	}
	second.told(t, shop)
	if second.due(t) != 0 {
		t.Error("it is told again")
	}
}

// Two servers on one store deliver each notice once.
func TestBackChannelLogout_replicas(t *testing.T) {
	store := memory.New()
	one := newHouseOn(t, newProbe(store))
	two := newHouseOn(t, newProbe(store))
	p := newParty(t, func(http.ResponseWriter, *http.Request) { time.Sleep(5 * time.Millisecond) })
	one.tells(t, web, p.URL)
	const users = 150
	at := one.clock.Now()
	var w storage.Write
	for i := range users {
		w.Notices = append(w.Notices, storage.Notice{ID: storage.NewNoticeID(at), Kind: storage.LogoutNotice, ClientID: web, Subject: fmt.Sprint("u", i), CreatedAt: at})
	}
	w.At = at
	must(0, store.Commit(t.Context(), w))(t)
	var wait sync.WaitGroup
	for _, h := range []*house{one, two, one, two} {
		wait.Go(func() {
			if err := h.DeliverLogouts(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	told := map[any]int{}
	for _, token := range p.waitFor(t, users) {
		told[one.idToken(t, token, "RS256")["sub"]]++
	}
	if len(told) != users || one.due(t) != 0 {
		t.Errorf("%d users of %d", len(told), users)
	}
	var both [2]int
	for i, h := range []*house{one, two} {
		for _, e := range h.heard() {
			if e.Type == authz.LogoutDelivered {
				both[i]++
			}
		}
	}
	if both[0]+both[1] != users || both[0] == 0 || both[1] == 0 {
		t.Errorf("the replicas delivered %v", both)
	}
}

// What another server has left is found by the requests that come here.
func TestBackChannelLogout_left_by_another(t *testing.T) {
	h := newHouse(t)
	p := newParty(t, nil)
	h.tells(t, web, p.URL)
	at := h.clock.Now()
	n := storage.Notice{ID: storage.NewNoticeID(at), Kind: storage.LogoutNotice, ClientID: web, Subject: "ana", CreatedAt: at}
	unknown := storage.Notice{ID: storage.NewNoticeID(at), Kind: "of a later version", ClientID: web, Subject: "ana", CreatedAt: at}
	must(0, h.store.inner.Commit(t.Context(), storage.Write{At: at, Notices: []storage.Notice{n, unknown}}))(t)
	h.LookAgain()
	must(h.JWKS(t.Context()))(t)
	p.waitFor(t, 1)
	h.told(t, web)
	if h.due(t) != 1 {
		t.Error("what this version does not know is gone")
	}
}

// A store that fails, and a hook that does: nobody is half signed out without being told to try
// again.
func TestBackChannelLogout_faults(t *testing.T) {
	h := newHouse(t)
	p := newParty(t, nil)
	h.tells(t, web, p.URL)
	hint := h.login(t, web).IDToken
	h.store.breakDown(true)
	_, err := h.leave(set("client_id", "nobody-knows"))
	wantRefusal(t, err, "temporarily_unavailable storage_failed")
	h.store.breakDown(false)
	h.store.watch(-1)
	must(h.leave(set("id_token_hint", hint)))(t)
	calls, _ := h.store.seen()
	h.told(t, web)
	for i := range calls {
		h.in("s1")
		h.ended = 0
		hint = h.login(t, web).IDToken
		h.store.watch(i)
		_, err := h.leave(set("id_token_hint", hint))
		h.store.watch(-1)
		if err != nil && h.ended != 0 {
			t.Errorf("call %d, %s: %v, and the host's session has ended", i, calls[i], err)
		}
		if err == nil {
			continue // a look that can be done without
		}
		wantRefusal(t, err, "temporarily_unavailable storage_failed")
		response, err := h.leave(set("id_token_hint", hint))
		if got := h.outcome(t, response, err); got != "done" || h.ended != 1 {
			t.Errorf("again after call %d: %s, ended %d times", i, got, h.ended)
		}
	}
}

// §2.2: what is registered, by the host and by a client itself.
func TestBackChannelLogout_2_2(t *testing.T) {
	h := newHouse(t, open())
	for _, uri := range []string{"http://web.example/out", "javascript:alert(1)", "https://web.example/out#x", "https://u@web.example/", "/out", "com.example.app:/out"} {
		c := testClients()[0]
		c.BackchannelLogoutURI = uri
		if err := h.RegisterClient(t.Context(), c); err == nil || !strings.Contains(err.Error(), "BackchannelLogoutURI") {
			t.Errorf("%s: %v", uri, err)
		}
		_, err := h.introduce("backchannel_logout_uri", `"`+uri+`"`)
		registrationRefused(t, err, "400 invalid_client_metadata backchannel_logout_uri_invalid")
	}
	// This machine is the host's to allow, never a stranger's.
	c := testClients()[0]
	c.BackchannelLogoutURI = "http://127.0.0.1:1/out"
	must(0, h.RegisterClient(t.Context(), c))(t)
	if err := newOpenID(t).RegisterClient(t.Context(), c); err == nil || !strings.Contains(err.Error(), "Config.HTTPClient") {
		t.Errorf("%v", err)
	}
	_, err := h.introduce("backchannel_logout_uri", `"http://127.0.0.1:1/out"`)
	registrationRefused(t, err, "400 invalid_client_metadata backchannel_logout_uri_invalid")
	info := must(h.introduce("backchannel_logout_uri", `"https://app.example/out?a=b"`, "backchannel_logout_session_required", "true"))(t)
	if info.BackchannelLogoutURI != "https://app.example/out?a=b" || !info.BackchannelLogoutSessionRequired {
		t.Errorf("%+v", info)
	}
	// Who insists on sid does not go without it unawares.
	none := newOpenID(t, open())
	_, err = none.introduce("backchannel_logout_session_required", "true")
	registrationRefused(t, err, "400 invalid_client_metadata backchannel_logout_session_required_invalid")
	c.BackchannelLogoutURI, c.BackchannelLogoutSessionRequired = "", true
	if err := none.RegisterClient(t.Context(), c); err == nil || !strings.Contains(err.Error(), "needs Config.Sessions") {
		t.Errorf("%v", err)
	}
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

// A client that is named by its metadata document says there where it is to be told, and is told
// even if the document cannot be had when the session ends.
func TestBackChannelLogout_2_2_document(t *testing.T) {
	const out = "https://app.example/out"
	w := newWeb()
	h := newHouse(t, documents(w, func(m *authz.ClientIDMetadata) { m.Scopes = []string{"openid"} }))
	said := func(uri string) string {
		return describes(document, "scope", `"openid"`, "backchannel_logout_uri", quoted(uri), "backchannel_logout_session_required", "true")
	}
	for _, bad := range []string{"http://app.example/out", "http://127.0.0.1/out", "https://app.example/out#x"} {
		w.put(document, 200, said(bad), "Cache-Control", "no-store")
		if _, err := h.authorize(document, atApp(), set("scope", "openid")); err == nil {
			t.Errorf("%s is taken", bad)
		}
		h.clock.Advance(time.Hour)
	}
	w.put(document, 200, said(out))
	h.code(t, document, atApp(), set("scope", "openid"))
	h.clock.Advance(26 * time.Hour) // what was fetched is too old, even for want of better
	w.put(document, 503, "")
	must(0, h.RevokeSession(t.Context(), "ana", "s1"))(t)
	for end := time.Now().Add(10 * time.Second); !strings.Contains(h.log.String(), "its metadata document could not be fetched"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("nobody tried: %s", h.log.String())
		}
	}
	w.put(document, 200, said(out))
	w.put(out, 200, "")
	h.clock.Advance(5 * time.Minute)
	must(0, h.DeliverLogouts(t.Context()))(t)
	h.told(t, document)
	if n := w.times(out); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// What ends at once, whatever a client's own server does: one that hangs must not keep a user, or
// the host, from ending what a thief has signed in to. A client that turns out not to want to be
// told is not, and nothing is said of it.
func TestBackChannelLogout_2_2_document_hangs(t *testing.T) {
	for name, end := range map[string]func(context.Context, *house) error{
		"RevokeUser":    func(ctx context.Context, h *house) error { return h.RevokeUser(ctx, "ana") },
		"RevokeSession": func(ctx context.Context, h *house) error { return h.RevokeSession(ctx, "ana", "s1") },
	} {
		w := newWeb()
		var hangs atomic.Bool
		h := newHouse(t, documents(w, func(m *authz.ClientIDMetadata) { m.Scopes = []string{"openid"} }), func(c *authz.Config) {
			c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if hangs.Load() {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}
				return w.RoundTrip(r)
			})}
		})
		w.put(document, 200, describes(document, "scope", `"openid"`), "Cache-Control", "no-store")
		tokens := h.login(t, web)
		h.code(t, document, atApp(), set("scope", "openid"))
		h.clock.Advance(time.Second)
		hangs.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		err := end(ctx, h)
		cancel()
		if err != nil || h.live(tokens.AccessToken) {
			t.Errorf("%s: %v, and the access token is alive: %v", name, err, h.live(tokens.AccessToken))
		}
		hangs.Store(false)
		for end := time.Now().Add(15 * time.Second); h.due(t) > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: the notice stays", name)
			}
			must(0, h.DeliverLogouts(t.Context()))(t)
			h.clock.Advance(time.Minute)
		}
		h.told(t)
	}
}
