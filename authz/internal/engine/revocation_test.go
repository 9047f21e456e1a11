package engine_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A store that fails is answered like a revocation: the client forgets its token, and
// whoever else has it keeps it.
func TestStoreFailureAtRevocation_RFC7009_2_2_1(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		store := newSlowStore(t)
		for name, broken := range map[string]rawStorage{"reading": noReads{store}, "writing": noRevocation{store}} {
			tokens := newRaw(t, rawOptions{store: store}).tokens(t, publicID)
			got := newRaw(t, rawOptions{store: broken}).revoke(t, tokenForm(publicID, tokens.text("refresh_token")))
			lives := newRaw(t, rawOptions{store: store}).token(t, refreshForm(publicID, tokens.text("refresh_token")))
			fact(t, got.status == http.StatusOK && lives.status == http.StatusOK, "unavailable in authz/error.go ("+name+")", got)
		}
	})
	formats(t, func(t *testing.T, s *ours) {
		for _, name := range []string{"access_token", "refresh_token"} {
			tokens := s.tokens(t, publicID)
			calls := []string{"Token", "Commit"}
			if name == "access_token" {
				calls = append(calls, "Grant") // tells whose it is, and whether there is anything to do
			}
			for _, call := range calls {
				s.store.fail(call)
				wantUnavailable(t, s.revoke(t, tokenForm(publicID, tokens.text(name))))
			}
			s.store.mend()
			wantActive(t, s.introspect(t, askAbout(tokens.text("access_token")), credentialsOf(apiID)...)) // nothing half done
			wantOK(t, s.revoke(t, tokenForm(publicID, tokens.text(name))))
			wantInactive(t, s.introspect(t, askAbout(tokens.text("access_token")), credentialsOf(apiID)...))
		}
	})
}

// noAccessRevocation is a store that fails in the second half of a revocation.
type noAccessRevocation struct{ rawStorage }

func (noAccessRevocation) RevokeAccessToken(context.Context, string) error { return errDown }

// fosite ends the refresh token and the access token in two calls, which may fail apart.
func TestRevocationIsWhole_RFC7009_2_1(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		store := newSlowStore(t)
		r := newRaw(t, rawOptions{store: noAccessRevocation{store}})
		tokens := r.tokens(t, publicID)
		got := r.revoke(t, tokenForm(publicID, tokens.text("refresh_token")))
		lives := r.introspect(t, askAbout(tokens.text("access_token")), credentialsOf(confidentialID)...)
		fact(t, got.status == http.StatusOK && lives.body["active"] == true, "the grant as the one thing to revoke", lives)
	})
	formats(t, func(t *testing.T, s *ours) {
		first := s.tokens(t, publicID)
		second := s.token(t, refreshForm(publicID, first.text("refresh_token")))
		before := s.store.commits
		wantOK(t, s.revoke(t, tokenForm(publicID, first.text("refresh_token")))) // used, but it names the family
		if n := s.store.commits - before; n != 1 {
			t.Errorf("%d commits, want 1", n)
		}
		dead(t, s, first)
		dead(t, s, second)
	})
}

// forgeJWT keeps the signature of a JWT and changes what is signed.
func forgeJWT(token string) string {
	parts := strings.Split(token, ".")
	return strings.Repeat("A", len(parts[0])) + "." + strings.Repeat("A", len(parts[1])) + "." + parts[2]
}

// fosite revokes whatever is filed under the second half of what it is shown, and never
// asks whether the first half belongs to it.
func TestForgedFirstHalfAtRevocation_RFC7009_2_1(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		const mayGo = "the digest over whole credentials (digestOf in authz/credential.go)"
		for _, jwt := range []bool{false, true} {
			r := newRaw(t, rawOptions{jwt: jwt})
			tokens := r.tokens(t, publicID)
			forged := forge(tokens.text("access_token"))
			if jwt {
				forged = forgeJWT(tokens.text("access_token"))
			}
			r.revoke(t, tokenForm(publicID, forged))
			got := r.introspect(t, askAbout(tokens.text("access_token")), credentialsOf(confidentialID)...)
			fact(t, got.body["active"] == false, mayGo, got)

			tokens = r.tokens(t, publicID)
			r.revoke(t, tokenForm(publicID, forge(tokens.text("refresh_token"))))
			got = r.token(t, refreshForm(publicID, tokens.text("refresh_token")))
			fact(t, got.failure() == "invalid_grant", mayGo, got)
		}
	})
	formats(t, func(t *testing.T, s *ours) {
		tokens := s.tokens(t, publicID)
		access, refresh := tokens.text("access_token"), tokens.text("refresh_token")
		forged := []string{forge(refresh), forgeTime(refresh), refresh + "A", refresh[:len(refresh)-1], "", " " + refresh}
		if strings.Contains(access, ".") {
			forged = append(forged, forgeJWT(access), access+"A", access[:len(access)-4])
		} else {
			forged = append(forged, forge(access), forgeTime(access))
		}
		for _, token := range forged {
			if got := s.revoke(t, tokenForm(publicID, token)); token != "" {
				wantOK(t, got)
			}
		}
		wantActive(t, s.introspect(t, askAbout(access), credentialsOf(apiID)...))
		wantOK(t, s.token(t, refreshForm(publicID, refresh)))
	})
}

func TestRevocationWithoutToken_RFC7009_2_1(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		got := newRaw(t, rawOptions{}).revoke(t, url.Values{"client_id": {publicID}})
		fact(t, got.status == http.StatusOK, "token_missing in authz/revocation.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		want(t, s.revoke(t, url.Values{"client_id": {publicID}}), http.StatusBadRequest, "invalid_request")
		want(t, s.revoke(t, tokenForm(publicID, "")), http.StatusBadRequest, "invalid_request")
	})
}

// Of another client's token nothing happens, and nothing is told.
func TestRevocationOfOthers_RFC7009_2_1(t *testing.T) {
	// fosite gets this right, once the halves belong together.
	r := newRaw(t, rawOptions{})
	tokens := r.tokens(t, publicID)
	wantOK(t, r.revoke(t, tokenForm(strangerID, tokens.text("refresh_token")), credentialsOf(strangerID)...))
	wantOK(t, r.token(t, refreshForm(publicID, tokens.text("refresh_token"))))

	formats(t, func(t *testing.T, s *ours) {
		tokens := s.tokens(t, publicID)
		for _, name := range []string{"access_token", "refresh_token"} {
			for _, hint := range []string{"-", "access_token", "refresh_token", "unheard-of"} {
				form := with(tokenForm(strangerID, tokens.text(name)), "token_type_hint", hint)
				wantOK(t, s.revoke(t, form, credentialsOf(strangerID)...))
			}
		}
		wantActive(t, s.introspect(t, askAbout(tokens.text("access_token")), credentialsOf(apiID)...))
		// A wrong hint does not save the owner's.
		wantOK(t, s.revoke(t, with(tokenForm(publicID, tokens.text("refresh_token")), "token_type_hint", "access_token")))
		dead(t, s, tokens)
	})
}
