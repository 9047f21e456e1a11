package authz_test

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz/authztest"
)

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// The challenge of the authorization request, for every client (RFC 9700 §2.1.1).
func TestRFC7636_Section4_3(t *testing.T) {
	good := authztest.Challenge()
	const missing, method, malformed = "back: invalid_request code_challenge_missing", "back: invalid_request code_challenge_method_not_s256", "back: invalid_request code_challenge_malformed"
	for _, test := range []struct {
		name  string
		edits []edit
		want  string
	}{
		{"challenge missing", []edit{drop("code_challenge")}, missing},
		{"challenge empty", []edit{set("code_challenge", "")}, missing},
		{"both missing", []edit{drop("code_challenge"), drop("code_challenge_method")}, missing},
		{"method missing", []edit{drop("code_challenge_method")}, method},
		{"method plain", []edit{set("code_challenge_method", "plain")}, method},
		{"method s256", []edit{set("code_challenge_method", "s256")}, method},
		{"method S512", []edit{set("code_challenge_method", "S512")}, method},
		{"challenge twice", []edit{set("code_challenge", good, good)}, "back: invalid_request parameter_repeated"},
		{"3 characters", []edit{set("code_challenge", "abc")}, malformed},
		{"42 characters", []edit{set("code_challenge", good[:42])}, malformed},
		{"44 characters", []edit{set("code_challenge", good+"A")}, malformed},
		{"padded", []edit{set("code_challenge", good+"=")}, malformed},
		{"standard base64", []edit{set("code_challenge", strings.Repeat("+", 43))}, malformed},
		{"spare bits set", []edit{set("code_challenge", strings.Repeat("A", 42)+"B")}, malformed},
		{"hexadecimal", []edit{set("code_challenge", strings.Repeat("0a", 32))}, malformed},
		{"good", nil, "ask"},
	} {
		for _, client := range []string{web, spa, native} {
			t.Run(test.name+" "+client, func(t *testing.T) {
				s := newServer(t)
				response, err := s.authorize(client, test.edits...)
				if got := s.outcome(t, response, err); got != test.want {
					t.Errorf("%s, want %s", got, test.want)
				}
			})
		}
	}
	// The host's own client has no way around it.
	s := newServer(t)
	response, err := s.authorize(first, drop("code_challenge"))
	if got := s.outcome(t, response, err); got != missing {
		t.Errorf("first party: %s", got)
	}
}

// A wrong verifier, or none, is refused and uses nothing up, and trying without one
// after a wrong one does not get around it.
func TestRFC7636_Section4_6(t *testing.T) {
	const mismatch = "invalid_grant code_verifier_mismatch"
	for _, test := range []struct {
		name string
		edit edit
		want string
	}{
		{"verifier missing", drop("code_verifier"), "invalid_request code_verifier_missing"},
		{"verifier empty", set("code_verifier", ""), "invalid_request code_verifier_missing"},
		{"verifier twice", set("code_verifier", authztest.Verifier, authztest.Verifier), "invalid_request parameter_repeated"},
		{"another verifier", set("code_verifier", strings.Repeat("w", 43)), mismatch},
		{"the challenge itself", set("code_verifier", authztest.Challenge()), mismatch},
		{"42 characters", set("code_verifier", authztest.Verifier[:42]), mismatch},
		{"129 characters", set("code_verifier", strings.Repeat("v", 129)), mismatch},
		{"padded", set("code_verifier", authztest.Verifier+"="), mismatch},
		{"with a space", set("code_verifier", authztest.Verifier+" "), mismatch},
		{"beyond ASCII", set("code_verifier", authztest.Verifier[:42]+"\u00e9"), mismatch},
		{"upper case", set("code_verifier", strings.ToUpper(authztest.Verifier)), mismatch},
		{"1 MB", set("code_verifier", strings.Repeat("v", 1<<20)), "invalid_request parameter_too_long"},
	} {
		for _, client := range []string{web, spa} {
			t.Run(test.name+" "+client, func(t *testing.T) {
				s := newServer(t)
				code := s.code(t, client)
				s.store.watch(-1)
				for range 3 {
					_, err := s.redeem(client, code, test.edit)
					wantRefusal(t, err, test.want)
				}
				_, err := s.redeem(client, code, drop("code_verifier"))
				wantRefusal(t, err, "invalid_request code_verifier_missing")
				if _, commits := s.store.seen(); commits != 0 {
					t.Errorf("%d writes", commits)
				}
				must(s.redeem(client, code))(t)
			})
		}
	}
}

// RFC 7636 §4.1: 43 to 128 characters of the unreserved set.
func TestRFC7636_Section4_1(t *testing.T) {
	s := newServer(t)
	for _, verifier := range []string{
		strings.Repeat("a", 43), strings.Repeat("Z", 128), strings.Repeat("-._~09azAZ", 5),
	} {
		code := s.code(t, spa, set("code_challenge", challengeOf(verifier)))
		if _, err := s.redeem(spa, code, set("code_verifier", verifier)); err != nil {
			t.Errorf("verifier %q: %v", verifier, err)
		}
	}
	// What is no verifier opens nothing, even if its hash fits.
	for _, verifier := range []string{"short", strings.Repeat("a", 42), strings.Repeat("a", 129), strings.Repeat("a", 43) + "=", strings.Repeat("a ", 30), strings.Repeat("\u00e9", 43)} {
		code := s.code(t, spa, set("code_challenge", challengeOf(verifier)))
		_, err := s.redeem(spa, code, set("code_verifier", verifier))
		wantRefusal(t, err, "invalid_grant code_verifier_mismatch")
	}
}

// The verifier of one flow does not open the code of another (RFC 9700 §4.5).
func TestRFC9700_Section4_5_two_flows(t *testing.T) {
	s := newServer(t)
	a, b := strings.Repeat("a", 43), strings.Repeat("b", 43)
	codeA, codeB := s.code(t, spa, set("code_challenge", challengeOf(a))), s.code(t, spa, set("code_challenge", challengeOf(b)))
	_, err := s.redeem(spa, codeA, set("code_verifier", b))
	wantRefusal(t, err, "invalid_grant code_verifier_mismatch")
	must(s.redeem(spa, codeA, set("code_verifier", a)))(t)
	must(s.redeem(spa, codeB, set("code_verifier", b)))(t)
}
