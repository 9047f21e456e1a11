package authz_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// said are the events since the last time, each as "type reason".
func (s *server) said() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var words []string
	for _, e := range s.events {
		words = append(words, strings.TrimSpace(string(e.Type)+" "+e.Reason))
	}
	s.events = nil
	return words
}

// Each step says what happened, with a stable reason.
func TestEvents(t *testing.T) {
	s := newServer(t)
	if got := s.said(); !slices.Equal(got, []string{"key_rotated secret", "key_rotated ES256"}) {
		t.Errorf("New: %q", got)
	}
	expect := func(step string, want ...string) {
		t.Helper()
		if got := s.said(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", step, got, want)
		}
	}
	sub := submission(s.page(t, web))
	expect("showing the page")
	response, err := s.submit(sub)
	code := back(t, response, err).Get("code")
	expect("approval", "authorization_granted")
	tokens := must(s.redeem(web, code))(t)
	expect("code", "token_issued")
	tokens = must(s.refresh(web, tokens.RefreshToken))(t)
	expect("refresh", "token_refreshed")
	must(s.own())(t)
	expect("own token", "token_issued")
	s.introspect(t, rs, tokens.AccessToken)
	s.live(tokens.AccessToken)
	expect("introspection")
	s.revoke(t, web, tokens.AccessToken)
	expect("revocation", "token_revoked revoked_by_client")
	s.revoke(t, web, tokens.AccessToken)
	s.revoke(t, first, tokens.RefreshToken)
	expect("revocation of nothing")
	s.revoke(t, web, tokens.RefreshToken)
	expect("revocation", "token_revoked revoked_by_client")
	_, err = s.redeem(web, code)
	wantRefusal(t, err, "invalid_grant code_replayed")
	expect("code again", "replay_detected code_replayed", "request_refused code_replayed")
	tokens = s.tokens(t, web)
	must(s.refresh(web, tokens.RefreshToken))(t)
	must(s.refresh(web, tokens.RefreshToken))(t)
	expect("refresh, repeated at once", "authorization_granted", "token_issued", "token_refreshed")
	s.clock.Advance(time.Minute)
	_, err = s.refresh(web, tokens.RefreshToken)
	wantRefusal(t, err, "invalid_grant refresh_token_replayed")
	expect("refresh, again later", "replay_detected refresh_token_replayed", "request_refused refresh_token_replayed")
	sub = submission(s.page(t, web, set("prompt", "consent")))
	deny(sub)
	if _, err := s.submit(sub); err != nil {
		t.Fatal(err)
	}
	expect("denial", "authorization_denied denied_by_user", "request_refused denied_by_user")
	_, err = s.authorize(web, set("redirect_uri", "x"))
	wantRefusal(t, err, "invalid_request redirect_uri_not_registered")
	expect("refusal", "request_refused redirect_uri_not_registered")
	if err := errors.Join(s.RevokeUser(t.Context(), "ana"), s.Disconnect(t.Context(), "ana", web), s.RevokeGrant(t.Context(), "x")); err != nil {
		t.Fatal(err)
	}
	expect("by the host", "grant_revoked revoked_by_host", "grant_revoked disconnected_by_user", "grant_revoked revoked_by_host")
	s.clock.Advance(90 * day)
	must(s.JWKS(t.Context()))(t)
	expect("rotation", "key_rotated secret", "key_rotated ES256")
}

// What an event says besides.
func TestEvents_fields(t *testing.T) {
	s := newServer(t)
	s.said()
	tokens := s.tokens(t, web)
	grant := must(s.store.ListGrants(t.Context(), "ana", "", 1))(t)[0].ID
	s.clock.Advance(time.Minute)
	must(s.refresh(web, tokens.RefreshToken, set("scope", "read")))(t)
	_, err := s.redeem(web, "x", set("client_id", "x"))
	wantRefusal(t, err, "invalid_request two_clients")
	for i, e := range s.heard() {
		want := authz.Event{Type: e.Type, At: s.clock.Now(), ClientID: web, Subject: "ana", GrantID: grant, Scopes: []string{"read", "write"}}
		switch i {
		case 0, 1:
			want.At = want.At.Add(-time.Minute)
		case 2:
			want.Scopes = []string{"read"}
		case 3:
			want = authz.Event{Type: authz.RequestRefused, At: s.clock.Now(), Reason: "two_clients"}
		}
		if !e.At.Equal(want.At) || e.ClientID != want.ClientID || e.Subject != want.Subject || e.GrantID != want.GrantID || !slices.Equal(e.Scopes, want.Scopes) || e.Reason != want.Reason {
			t.Errorf("event %d: %+v, want %+v", i, e, want)
		}
	}
}

// Nothing secret gets into events, errors or logs (RFC 6819 §5.1): every flow runs with
// secrets that are looked for afterwards.
func TestRFC6819_Section5_1(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		t.Run(format, func(t *testing.T) {
			s := newServer(t, func(c *authz.Config) { c.AccessTokenFormat = format })
			canaries := map[string]string{"the browser's cookie": browser}
			var errs []string
			keep := func(name, secret string) string { canaries[name] = secret; return secret }
			failed := func(err error) {
				t.Helper()
				if err == nil {
					t.Error("that was meant to fail")
					return
				}
				errs = append(errs, err.Error(), fmt.Sprintf("%v %q", err, err), err.(*authz.Error).Description, err.(*authz.Error).Reason)
			}
			verifier := keep("the verifier", strings.Repeat("canary-verifier-", 3))
			challenge := set("code_challenge", challengeOf(verifier))

			prompt := s.page(t, web, challenge, set("state", keep("the state", "canary-state")))
			sub := submission(prompt)
			keep("the interaction", sub.Interaction)
			response, err := s.submit(sub)
			code := keep("the code", back(t, response, err).Get("code"))
			_, err = s.redeem(web, code, set("code_verifier", keep("a wrong verifier", strings.Repeat("wrong-canary-", 4))))
			failed(err)
			_, err = s.redeem(web, code, set("redirect_uri", "https://evil.example/?x="+keep("a secret in a wrong redirect_uri", "canary-redirect")), set("code_verifier", verifier))
			failed(err)
			tokens := must(s.redeem(web, code, set("code_verifier", verifier)))(t)
			keep("the access token", tokens.AccessToken)
			keep("the refresh token", tokens.RefreshToken)
			next := must(s.refresh(web, tokens.RefreshToken))(t)
			keep("the next access token", next.AccessToken)
			keep("the next refresh token", next.RefreshToken)
			must(s.refresh(web, tokens.RefreshToken))(t)
			_, err = s.refresh(web, next.RefreshToken, set("scope", "admin"))
			failed(err)
			_, err = s.refresh(spa, next.RefreshToken)
			failed(err)
			s.introspect(t, rs, next.AccessToken)
			s.introspect(t, web, next.RefreshToken)
			s.revoke(t, first, next.RefreshToken)
			s.revoke(t, web, next.AccessToken)
			_, err = s.VerifyAccessToken(t.Context(), next.AccessToken)
			errs = append(errs, fmt.Sprint(err))
			_, err = s.VerifyAccessToken(t.Context(), keep("a forged token", "canary.forged."+next.RefreshToken))
			errs = append(errs, fmt.Sprint(err))
			_, err = s.redeem(web, code, set("code_verifier", verifier))
			failed(err)
			_, err = s.refresh(web, next.RefreshToken)
			failed(err)
			_, err = s.redeem(web, keep("an unknown code", strings.Repeat("canary", 9)[:51]))
			failed(err)

			// Credentials in all the wrong places.
			wrong := keep("a wrong client secret", "canary-client-secret")
			for _, req := range []*authz.Request{
				{Parameters: form(nil, "grant_type", "client_credentials"), Authorization: basic(web, wrong)},
				{Parameters: form(nil, "grant_type", "client_credentials"), Authorization: "Basic " + wrong},
				{Parameters: form(nil, "grant_type", "client_credentials"), Authorization: "Bearer " + wrong},
				{Parameters: form(nil, "grant_type", "client_credentials"), Authorization: basic(web, secretOf[web])},
				{Parameters: form(nil, "grant_type", "client_credentials", "client_id", web, "client_secret", wrong)},
				{Parameters: form(nil, "grant_type", wrong, "client_id", web, "client_secret", wrong)},
				{Parameters: form(nil, "grant_type", "client_credentials", "client_id", web, "client_secret", wrong), Authorization: basic(web, secretOf[web])},
				{Parameters: form([]edit{set("client_secret", wrong, wrong)}, "grant_type", "client_credentials")},
				{Parameters: form(nil, "grant_type", "client_credentials", "client_assertion", wrong)},
				{Parameters: form(nil, "grant_type", "refresh_token", "refresh_token", keep("an unknown refresh token", "canary-refresh")), Authorization: basic(web, secretOf[web])},
			} {
				_, err := s.Token(t.Context(), req)
				failed(err)
				if _, err := s.Introspect(t.Context(), req); err != nil {
					failed(err)
				}
			}
			keep("the client secret", secretOf[web])
			_, err = s.authorize(web, set("redirect_uri", redirectOf[web]+"?code="+canaries["the code"]))
			failed(err)
			for _, e := range []edit{set("request", wrong), set("response_type", wrong), set("prompt", "none"), set("code_challenge", wrong), set("resource", "https://"+wrong)} {
				if response, err := s.authorize(web, e, set("x", wrong), set("client_secret", wrong)); err != nil {
					failed(err)
				} else if strings.Contains(response.Redirect, wrong) {
					t.Errorf("%q repeats what was sent", response.Redirect)
				}
			}
			sub.Browser = "canary-other-browser"
			_, err = s.submit(sub)
			failed(err)
			s.store.breakDown(true)
			_, err = s.refresh(web, next.RefreshToken)
			failed(err)
			_, err = s.redeem(web, code)
			failed(err)

			events, err := json.Marshal(s.heard())
			if err != nil {
				t.Fatal(err)
			}
			for name, secret := range canaries {
				for _, form := range []string{secret, url.QueryEscape(secret)} {
					for where, text := range map[string]string{"events": string(events), "errors": strings.Join(errs, "\n"), "log": s.log.String()} {
						if strings.Contains(text, form) {
							t.Errorf("%s stands in the %s", name, where)
						}
					}
				}
			}
			if strings.Contains(s.log.String(), "canary") {
				t.Errorf("a part of a secret stands in the log:\n%s", s.log.String())
			}
			if dump := s.dump(t); strings.Contains(dump, "canary") || strings.Contains(dump, code) || strings.Contains(dump, next.RefreshToken) || strings.Contains(dump, secretOf[web]) {
				t.Error("a secret stands in the store")
			}
			if strings.Count(s.log.String(), "\n") < 10 {
				t.Error("the log was not looked at")
			}
		})
	}
}

// A refusal is logged once, with its reason and its cause, and never without an event.
func TestLog(t *testing.T) {
	s := newServer(t)
	s.said()
	_, err := s.authorize(web, set("redirect_uri", "https://typo.example/cb"))
	wantRefusal(t, err, "invalid_request redirect_uri_not_registered")
	line := s.log.String()
	for _, want := range []string{`"level":"INFO"`, `"reason":"redirect_uri_not_registered"`, `"client_id":"web"`, "https://typo.example/cb", redirectOf[web]} {
		if !strings.Contains(line, want) {
			t.Errorf("log %s does not say %s", line, want)
		}
	}
	s.store.breakDown(true)
	_, err = s.authorize(web)
	wantRefusal(t, err, "temporarily_unavailable storage_failed")
	if !errors.Is(err, errDown) {
		t.Errorf("%v does not wrap its cause", err)
	}
	if !strings.Contains(s.log.String(), `"level":"ERROR"`) || !strings.Contains(s.log.String(), errDown.Error()) {
		t.Errorf("log %s", s.log.String())
	}
	if got := s.said(); len(got) != 2 {
		t.Errorf("events %q", got)
	}
}

// An Events hook may call the server, and its panic harms nothing.
func TestEvents_hook_reenters_and_panics(t *testing.T) {
	var as *authz.Server
	s := newServer(t, func(c *authz.Config) {
		c.Events = func(ctx context.Context, e authz.Event) {
			if as == nil {
				return
			}
			_, _ = as.JWKS(ctx)
			_, _ = as.Consents(ctx, e.Subject, "", 1)
			panic("canary-panic")
		}
	})
	as = s.Server
	tokens := s.tokens(t, web)
	must(s.refresh(web, tokens.RefreshToken))(t)
	s.clock.Advance(200 * day)
	must(s.JWKS(t.Context()))(t)
	if log := s.log.String(); !strings.Contains(log, "Events hook panicked") || strings.Contains(log, "canary-panic") {
		t.Errorf("log %s", log)
	}
}
