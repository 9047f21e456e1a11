package engine_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ory/fosite"

	"github.com/grantor-oauth/grantor/authz/authztest"
)

var wrongVerifier = strings.Repeat("w", 43)

// fosite deletes the challenge with the first failed verifier and leaves the code
// alive, so whoever stole the code comes back without one.
func TestPKCEDowngradeAfterFailedVerifier_RFC7636_4_6(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{})
		code := r.code(t, publicID)
		want(t, r.token(t, codeForm(publicID, code, "code_verifier", wrongVerifier)), http.StatusBadRequest, "invalid_grant")
		got := r.token(t, codeForm(publicID, code, "code_verifier", "-"))
		fact(t, got.status == http.StatusOK, "EnforcePKCE in engine.go as a matter of safety", got)
	})
	t.Run("fosite with EnforcePKCE", func(t *testing.T) {
		r := newRaw(t, rawOptions{config: fosite.Config{EnforcePKCE: true}})
		code := r.code(t, publicID)
		r.token(t, codeForm(publicID, code, "code_verifier", wrongVerifier))
		want(t, r.token(t, codeForm(publicID, code, "code_verifier", "-")), http.StatusBadRequest, "invalid_request")
		// The rightful client has lost its code to a stranger's guess.
		got := r.token(t, codeForm(publicID, code))
		fact(t, got.failure() == "invalid_grant", "the challenge inside the code's record (store.go)", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		code := s.code(t, publicID)
		for range 3 {
			want(t, s.token(t, codeForm(publicID, code, "code_verifier", wrongVerifier)), http.StatusBadRequest, "invalid_grant")
			want(t, s.token(t, codeForm(publicID, code, "code_verifier", "-")), http.StatusBadRequest, "invalid_request")
			want(t, s.token(t, codeForm(publicID, code, "code_verifier", "")), http.StatusBadRequest, "invalid_request")
		}
		wantOK(t, s.token(t, codeForm(publicID, code))) // nothing was used up
	})
}

// With EnforcePKCE off, which is its default, an empty challenge switches PKCE off.
func TestPKCEEmptyChallenge_RFC7636_4_4_1(t *testing.T) {
	// The last two name a method without having a challenge for it.
	changes := [][]string{
		{"code_challenge", "", "code_challenge_method", ""},
		{"code_challenge", "-", "code_challenge_method", "-"},
		{"code_challenge", ""},
		{"code_challenge", "-"},
	}
	t.Run("fosite", func(t *testing.T) {
		for _, change := range changes {
			r := newRaw(t, rawOptions{})
			code := r.code(t, publicID, change...)
			got := r.token(t, codeForm(publicID, code, "code_verifier", "-"))
			fact(t, got.status == http.StatusOK, "checkCodeChallenge in authz/authorization.go", got)
		}
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		for _, clientID := range []string{publicID, confidentialID} {
			for _, change := range changes {
				got := s.authorize(t, authorizationParameters(clientID, change...))
				wantSent(t, got, "invalid_request")
			}
		}
	})
}

// fosite has a switch for the method plain, ours has not.
func TestPKCEPlain_RFC7636_4_2(t *testing.T) {
	plain := []string{"code_challenge", authztest.Verifier, "code_challenge_method", "plain"}
	absent := []string{"code_challenge", authztest.Verifier, "code_challenge_method", "-"}
	t.Run("fosite", func(t *testing.T) {
		for _, change := range [][]string{plain, absent} {
			r := newRaw(t, rawOptions{config: fosite.Config{EnforcePKCE: true, EnablePKCEPlainChallengeMethod: true}})
			got := r.token(t, codeForm(publicID, r.code(t, publicID, change...)))
			fact(t, got.status == http.StatusOK, "nothing: the switch is off in engine.go", got)

			// The default is no, in the release we build on.
			r = newRaw(t, rawOptions{config: fosite.Config{EnforcePKCE: true}})
			wantSent(t, r.authorize(t, authorizationParameters(publicID, change...)), "invalid_request")
		}
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		for _, change := range [][]string{plain, absent} {
			wantSent(t, s.authorize(t, authorizationParameters(publicID, change...)), "invalid_request")
		}
		for _, method := range []string{"", "s256", "S512", "S256 ", "none"} {
			got := s.authorize(t, authorizationParameters(publicID, "code_challenge_method", method))
			wantSent(t, got, "invalid_request")
		}
	})
}

// A challenge is the hash of something, so it has 43 characters. fosite takes what it
// is given, and the client finds out when it cannot redeem its code.
func TestPKCEShortChallenge_RFC7636_4_2(t *testing.T) {
	t.Run("fosite", func(t *testing.T) {
		r := newRaw(t, rawOptions{config: fosite.Config{EnforcePKCE: true}})
		got := r.authorize(t, authorizationParameters(publicID, "code_challenge", "abc"))
		fact(t, got.params.Get("code") != "", "the length in checkCodeChallenge, authz/authorization.go", got)
	})
	t.Run("ours", func(t *testing.T) {
		s := newOurs(t)
		good := authztest.Challenge()
		for _, challenge := range []string{
			"abc", good[1:], good + "A", good + "=", good[:42] + "=", "+" + good[1:], "/" + good[1:],
			" " + good[1:], "\u00e9" + good[2:], strings.Repeat("A", 128),
			good[:42] + "B", // ends in bits that no 32 bytes have
		} {
			got := s.authorize(t, authorizationParameters(publicID, "code_challenge", challenge))
			wantSent(t, got, "invalid_request")
			if got.params.Get("code") != "" {
				t.Errorf("challenge %q was accepted", challenge)
			}
		}
	})
}

// What no client of ours would send as a verifier does not use the code up.
func TestPKCEVerifierForm_RFC7636_4_1(t *testing.T) {
	// fosite gets the form right; its code is dead afterwards, which is the fact above.
	s := newOurs(t)
	code := s.code(t, publicID)
	for _, verifier := range []string{
		authztest.Verifier[:42], strings.Repeat("v", 129), authztest.Verifier[:42] + "=",
		authztest.Verifier[:42] + " ", "\u00e9" + authztest.Verifier,
	} {
		got := s.token(t, codeForm(publicID, code, "code_verifier", verifier))
		want(t, got, http.StatusBadRequest, "invalid_grant")
	}
	wantOK(t, s.token(t, codeForm(publicID, code)))
}
