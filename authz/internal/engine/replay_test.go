package engine_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/ory/fosite"

	"github.com/grantor-oauth/grantor/authz"
)

// forge keeps the second half of a credential and changes its first: for fosite's, what
// stands before the dot, for ours, whose halves nobody tells apart, a character of it.
func forge(credential string) string {
	if random, signature, ok := strings.Cut(credential, "."); ok {
		return strings.Repeat("A", len(random)) + "." + signature
	}
	b := []byte(credential)
	for i := 8; i < len(b)/2; i++ { // after the time it is filed by
		b[i] = 'A'
	}
	return string(b)
}

// forgeTime changes the time that a credential of ours is filed by, and nothing else.
func forgeTime(credential string) string {
	b := []byte(credential)
	if b[7] != 'A' {
		b[7] = 'A'
	} else {
		b[7] = 'B'
	}
	return string(b)
}

// fosite files a code under its second half alone, so a forgery of a used code counts as
// its replay and ends the family.
func TestForgedFirstHalfOfCode_RFC6749_4_1_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		code := r.code(t, publicID)
		tokens := r.token(t, codeForm(publicID, code))
		r.token(t, codeForm(publicID, forge(code)))
		got := r.token(t, refreshForm(publicID, tokens.text("refresh_token")))
		fact(t, got.failure() == "invalid_grant", "the digest over whole credentials (credentials.signature)", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		code := s.code(t, publicID)
		for _, forged := range []string{forge(code), forgeTime(code)} {
			want(t, s.token(t, codeForm(publicID, forged)), http.StatusBadRequest, "invalid_grant")
		}
		tokens := s.token(t, codeForm(publicID, code)) // unharmed
		wantOK(t, tokens)
		for _, forged := range []string{forge(code), forgeTime(code)} {
			want(t, s.token(t, codeForm(publicID, forged)), http.StatusBadRequest, "invalid_grant")
		}
		wantOK(t, s.token(t, refreshForm(publicID, tokens.text("refresh_token"))))
	})
}

// The same with a refresh token that has been rotated.
func TestForgedFirstHalfOfRefreshToken_RFC9700_4_14_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		first := r.tokens(t, publicID)
		second := r.token(t, refreshForm(publicID, first.text("refresh_token")))
		r.token(t, refreshForm(publicID, forge(first.text("refresh_token"))))
		got := r.token(t, refreshForm(publicID, second.text("refresh_token")))
		fact(t, got.failure() == "invalid_grant", "the digest over whole credentials (credentials.signature)", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t, func(c *authz.Config) { c.Lifetimes.RefreshGrace = -1 })
		first := s.tokens(t, publicID)
		second := s.token(t, refreshForm(publicID, first.text("refresh_token")))
		for _, token := range []string{first.text("refresh_token"), second.text("refresh_token")} {
			for _, forged := range []string{forge(token), forgeTime(token)} {
				want(t, s.token(t, refreshForm(publicID, forged)), http.StatusBadRequest, "invalid_grant")
			}
		}
		wantOK(t, s.token(t, refreshForm(publicID, second.text("refresh_token"))))
	})
}

// fosite ends the family before it looks whose credential it is: another client that got
// hold of a used one can shut the owner out.
func TestReplayByAnotherClient_RFC6749_4_1_3(t *testing.T) {
	stranger := credentialsOf(strangerID)
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		code := r.code(t, publicID)
		tokens := r.token(t, codeForm(publicID, code))
		r.token(t, codeForm(strangerID, code), stranger...)
		got := r.token(t, refreshForm(publicID, tokens.text("refresh_token")))
		fact(t, got.failure() == "invalid_grant", "the client check in findCode (store.go)", got)

		first := r.tokens(t, publicID)
		second := r.token(t, refreshForm(publicID, first.text("refresh_token")))
		r.token(t, refreshForm(strangerID, first.text("refresh_token")), stranger...)
		got = r.token(t, refreshForm(publicID, second.text("refresh_token")))
		fact(t, got.failure() == "invalid_grant", "the client check in findRefreshToken (authz/refresh.go)", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		code := s.code(t, publicID)
		want(t, s.token(t, codeForm(strangerID, code), stranger...), http.StatusBadRequest, "invalid_grant")
		tokens := s.token(t, codeForm(publicID, code))
		wantOK(t, tokens)
		want(t, s.token(t, codeForm(strangerID, code), stranger...), http.StatusBadRequest, "invalid_grant")

		first := tokens.text("refresh_token")
		want(t, s.token(t, refreshForm(strangerID, first), stranger...), http.StatusBadRequest, "invalid_grant")
		second := s.token(t, refreshForm(publicID, first))
		wantOK(t, second)
		want(t, s.token(t, refreshForm(strangerID, first), stranger...), http.StatusBadRequest, "invalid_grant")
		wantOK(t, s.token(t, refreshForm(publicID, second.text("refresh_token"))))
	})
}

// Of two redemptions at once the slower one finds the code used when it writes. That is
// a replay like any other. fosite has forgotten by then what it is about: the family of
// the faster one, who may be the thief, lives.
func TestReplayNoticedWhileWriting_RFC6749_4_1_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		store := &usedMeanwhile{slowStore: newSlowStore(t)}
		store.compareAndSet = true
		r := newRaw(t, rawOptions{store: store})
		// Without PKCE, which the first of them would have used up before it writes.
		form := codeForm(publicID, r.code(t, publicID, "code_challenge", "-", "code_challenge_method", "-"), "code_verifier", "-")
		var faster answer
		store.meanwhile = func() { faster = r.token(t, form) }
		got := r.token(t, form)
		wantOK(t, faster)
		lives := r.token(t, refreshForm(publicID, faster.text("refresh_token")))
		fact(t, got.failure() == "server_error" && lives.status == http.StatusOK, "ErrConsumed in redeemCode, authz/token.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		code := s.code(t, publicID)
		var faster answer
		s.store.meanwhile = func() { faster = s.token(t, codeForm(publicID, code)) }
		got := s.token(t, codeForm(publicID, code))
		wantOK(t, faster)
		want(t, got, http.StatusBadRequest, "invalid_grant")
		if got.reason != "code_replayed" {
			t.Errorf("reason %s, want code_replayed", got.reason)
		}
		dead(t, s, faster)
	})
}

// usedMeanwhile does something once, before a code is used up.
type usedMeanwhile struct {
	*slowStore
	meanwhile func()
}

func (s *usedMeanwhile) InvalidateAuthorizeCodeSession(ctx context.Context, signature string) error {
	if f := s.meanwhile; f != nil {
		s.meanwhile = nil
		f()
	}
	return s.slowStore.InvalidateAuthorizeCodeSession(ctx, signature)
}

// A replayed code has to end the family. When the store fails in the middle of that,
// fosite says invalid_grant and is done: the family lives.
func TestStoreFailureWhileEndingReplayed_RFC6749_4_1_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		store := newSlowStore(t)
		r := newRaw(t, rawOptions{store: noRevocation{store}})
		code := r.code(t, publicID)
		tokens := r.token(t, codeForm(publicID, code))
		got := r.token(t, codeForm(publicID, code))
		lives := r.token(t, refreshForm(publicID, tokens.text("refresh_token")))
		fact(t, got.failure() == "invalid_grant" && lives.status == http.StatusOK, "endReplayed in authz/token.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		code := s.code(t, publicID)
		tokens := s.token(t, codeForm(publicID, code))
		s.store.fail("Commit")
		wantUnavailable(t, s.token(t, codeForm(publicID, code)))
		s.store.mend()
		got := s.token(t, codeForm(publicID, code)) // the next try ends it
		want(t, got, http.StatusBadRequest, "invalid_grant")
		if got.reason != "code_replayed" {
			t.Errorf("reason %s, want code_replayed", got.reason)
		}
		want(t, s.token(t, refreshForm(publicID, tokens.text("refresh_token"))), http.StatusBadRequest, "invalid_grant")
		if _, err := s.VerifyAccessToken(t.Context(), tokens.text("access_token")); err == nil {
			t.Error("the access token outlived the replay")
		}
	})
}

// noRevocation is a store that cannot revoke anything.
type noRevocation struct{ rawStorage }

func (noRevocation) RevokeRefreshToken(context.Context, string) error { return errDown }
func (noRevocation) RevokeAccessToken(context.Context, string) error  { return errDown }

// noAccessTokens is a store that cannot keep access tokens.
type noAccessTokens struct{ rawStorage }

func (noAccessTokens) CreateAccessTokenSession(context.Context, string, fosite.Requester) error {
	return errDown
}

// The store fails between using the code up and storing the tokens. fosite's client has
// lost its code, and its retry is a replay; ours tries again and gets its tokens.
func TestStoreFailureWhileIssuing_RFC6749_5_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{store: noAccessTokens{newSlowStore(t)}})
		code := r.code(t, publicID)
		want(t, r.token(t, codeForm(publicID, code)), http.StatusInternalServerError, "server_error")
		got := r.token(t, codeForm(publicID, code))
		fact(t, got.failure() == "invalid_grant", "the unit of work (unit.go)", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		code := s.code(t, publicID)
		for _, call := range []string{"Code", "Grant", "Commit"} {
			s.store.fail(call)
			wantUnavailable(t, s.token(t, codeForm(publicID, code)))
		}
		s.store.mend()
		before := s.store.commits
		wantOK(t, s.token(t, codeForm(publicID, code)))
		if n := s.store.commits - before; n != 1 {
			t.Errorf("redeeming a code took %d commits, want 1", n)
		}
	})
}
