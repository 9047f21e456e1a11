package engine_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ory/fosite"

	"github.com/grantor-oauth/grantor/authz"
)

// day is what refresh tokens live in.
const day = 24 * time.Hour

// A client may ask for less than it was granted. fosite does not look at the parameter:
// the client, and the API it sends the token to, get more than was asked for.
func TestRefreshNarrowerScope_RFC6749_6(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		got := r.token(t, refreshForm(publicID, r.tokens(t, publicID).text("refresh_token"), "scope", "read"))
		fact(t, got.text("scope") == allScopes, "refreshHandler in refresh.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		narrow := s.token(t, refreshForm(publicID, s.tokens(t, publicID).text("refresh_token"), "scope", "read"))
		wantOK(t, narrow)
		if got := narrow.text("scope"); got != "read" {
			t.Errorf("scope %q, want read", got)
		}
		if _, claims := readJWT(t, narrow.text("access_token")); claims["scope"] != "read" {
			t.Errorf("the token carries %v, want read", claims["scope"])
		}
		// The authorization itself is as wide as it was.
		wide := s.token(t, refreshForm(publicID, narrow.text("refresh_token")))
		if got := wide.text("scope"); got != allScopes {
			t.Errorf("the next refresh yields %q, want %q", got, allScopes)
		}
	})
}

// A client may not ask for more than it was granted. fosite does not look here either.
func TestRefreshWiderScope_RFC6749_6(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		token := r.tokens(t, publicID, "scope", "read offline_access").text("refresh_token")
		got := r.token(t, refreshForm(publicID, token, "scope", "read write"))
		fact(t, got.status == http.StatusOK && got.text("scope") == "read offline_access", "refreshHandler in refresh.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		token := s.tokens(t, publicID, "scope", "read offline_access").text("refresh_token")
		for _, scope := range []string{"read write", "write", "unheard-of", "read  offline_access", `read "`} {
			want(t, s.token(t, refreshForm(publicID, token, "scope", scope)), http.StatusBadRequest, "invalid_scope")
		}
		wantOK(t, s.token(t, refreshForm(publicID, token))) // not used up by the refusals
	})
}

// Every refresh moves the expiry on, and fosite knows no other limit.
func TestRefreshAbsoluteLimit_RFC9700_4_14_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRaw(t, rawOptions{}) // idle limit 30 days
			begin := time.Now()
			got := r.tokens(t, publicID)
			for time.Since(begin) < 3*365*day && got.status == http.StatusOK {
				time.Sleep(29 * day)
				got = r.token(t, refreshForm(publicID, got.text("refresh_token")))
			}
			fact(t, got.status == http.StatusOK, "Grant.ExpiresAt, which no refresh moves", got)
		})
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		begin := s.Clock.Now()
		end := begin.Add(365 * day)
		auth := credentialsOf(confidentialID)
		got := s.tokens(t, confidentialID)
		for s.Clock.Now().Add(89 * day).Before(end) {
			s.Clock.Advance(89 * day) // idle limit 90 days
			got = s.token(t, refreshForm(confidentialID, got.text("refresh_token")), auth...)
			wantOK(t, got)
		}
		// What is issued at the very end does not reach beyond it.
		s.Clock.Advance(end.Sub(s.Clock.Now()) - time.Minute)
		got = s.token(t, refreshForm(confidentialID, got.text("refresh_token")), auth...)
		wantOK(t, got)
		if left := got.body["expires_in"]; left != 60.0 {
			t.Errorf("an access token of %v s a minute before the end, want 60", left)
		}
		told := s.introspect(t, askAbout(got.text("refresh_token")), auth...)
		if told.body["exp"] != float64(end.Unix()) {
			t.Errorf("a refresh token until %v, want %v", told.body["exp"], end.Unix())
		}
		s.Clock.Advance(time.Minute)
		want(t, s.token(t, refreshForm(confidentialID, got.text("refresh_token")), auth...), http.StatusBadRequest, "invalid_grant")
		wantInactive(t, s.introspect(t, askAbout(got.text("access_token")), auth...))
	})
}

// A refresh token that nobody uses ends before that.
func TestRefreshIdleLimit_RFC9700_4_14_2(t *testing.T) {
	// fosite does this, so there is no contrast; ours is by our own clock and records.
	s := newOurs(t)
	token := s.tokens(t, publicID).text("refresh_token")
	s.Clock.Advance(90*day - time.Second)
	got := s.token(t, refreshForm(publicID, token))
	wantOK(t, got)
	s.Clock.Advance(90 * day)
	want(t, s.token(t, refreshForm(publicID, got.text("refresh_token"))), http.StatusBadRequest, "invalid_grant")
}

// noRefreshTokens is a store that cannot keep refresh tokens, from some moment on.
type noRefreshTokens struct {
	rawStorage
	down *bool
}

func (s noRefreshTokens) CreateRefreshTokenSession(ctx context.Context, signature, access string, r fosite.Requester) error {
	if *s.down {
		return errDown
	}
	return s.rawStorage.CreateRefreshTokenSession(ctx, signature, access, r)
}

// The store fails between using the old token up and storing the new one. With fosite
// the user has to sign in again: the client's retry is taken for a theft.
func TestStoreFailureWhileRefreshing_RFC6749_6(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		down := false
		r := newRaw(t, rawOptions{store: noRefreshTokens{newSlowStore(t), &down}})
		token := r.tokens(t, publicID).text("refresh_token")
		down = true
		want(t, r.token(t, refreshForm(publicID, token)), http.StatusInternalServerError, "server_error")
		down = false
		got := r.token(t, refreshForm(publicID, token))
		fact(t, got.failure() == "invalid_grant", "the unit of work (unit.go)", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t, func(c *authz.Config) { c.Lifetimes.RefreshGrace = -1 })
		token := s.tokens(t, publicID).text("refresh_token")
		for _, call := range []string{"Token", "Grant", "Commit"} {
			s.store.fail(call)
			wantUnavailable(t, s.token(t, refreshForm(publicID, token)))
		}
		s.store.mend()
		wantOK(t, s.token(t, refreshForm(publicID, token)))
	})
}

// An answer that got lost on the way is asked for again. fosite ends the family; so do
// we, once the grace window is over.
func TestRefreshRepeated_RFC9700_4_14_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		first := r.tokens(t, publicID).text("refresh_token")
		second := r.token(t, refreshForm(publicID, first)).text("refresh_token")
		got := r.token(t, refreshForm(publicID, first))
		ended := r.token(t, refreshForm(publicID, second))
		fact(t, got.failure() == "invalid_grant" && ended.failure() == "invalid_grant", "refreshAgain in authz/refresh.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		first := s.tokens(t, publicID).text("refresh_token")
		second := s.token(t, refreshForm(publicID, first))
		s.Clock.Advance(20 * time.Second)
		again := s.token(t, refreshForm(publicID, first))
		wantOK(t, again)
		for _, name := range []string{"access_token", "refresh_token"} {
			if again.text(name) != second.text(name) {
				t.Errorf("a second %s", name)
			}
		}
		if left := again.body["expires_in"]; left != 3580.0 {
			t.Errorf("expires_in %v, want what is left: 3580", left)
		}
		s.Clock.Advance(10 * time.Second) // repeating does not hold the window open
		want(t, s.token(t, refreshForm(publicID, first)), http.StatusBadRequest, "invalid_grant")
		dead(t, s, second)
	})
	t.Run("ours, asking for something else", func(t *testing.T) {
		s := newOurs(t)
		first := s.tokens(t, publicID).text("refresh_token")
		second := s.token(t, refreshForm(publicID, first, "scope", "read"))
		wantOK(t, second)
		want(t, s.token(t, refreshForm(publicID, first)), http.StatusBadRequest, "invalid_grant")
		dead(t, s, second)
	})
}
