package authz_test

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
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

// RFC 9700 §2.1.1, §4.8.2: where the host lets clients do without, it is those that
// authenticate and ask for openid, and a challenge that was sent cannot be got rid of.
func TestRFC9700_Section4_8_2(t *testing.T) {
	optional := func(c *authz.Config) { c.OptionalPKCE = true }
	const missing = "back: invalid_request code_challenge_missing"
	without := []edit{drop("code_challenge"), drop("code_challenge_method")}
	asOpenID := append(slices.Clone(without), set("scope", "openid read"))
	for _, test := range []struct {
		name, client string
		edits        []edit
		want         string
	}{
		{"a client that authenticates", web, asOpenID, "ask"},
		{"in OAuth", web, without, missing},
		{"by default scopes", web, append(slices.Clone(without), drop("scope")), missing},
		{"a public client", spa, asOpenID, missing},
		{"a method without a challenge", web, []edit{drop("code_challenge"), set("scope", "openid")}, missing},
		{"a challenge without a method", web, []edit{drop("code_challenge_method"), set("scope", "openid")}, "back: invalid_request code_challenge_method_not_s256"},
		{"plain", web, []edit{set("code_challenge_method", "plain"), set("scope", "openid")}, "back: invalid_request code_challenge_method_not_s256"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newOpenID(t, optional)
			response, err := s.authorize(test.client, test.edits...)
			if got := s.outcome(t, response, err); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			s = newOpenID(t)
			response, err = s.authorize(test.client, test.edits...)
			if got := s.outcome(t, response, err); test.want == "ask" && got != missing {
				t.Errorf("unless the host allows it: %s", got)
			}
		})
	}
	s := newOpenID(t, optional)
	for _, test := range []struct {
		name   string
		asked  []edit
		redeem []edit
		want   string
	}{
		{"neither", asOpenID, []edit{drop("code_verifier")}, ""},
		{"a verifier for a challenge that was stripped", asOpenID, nil, "invalid_grant code_verifier_unexpected"},
		{"no verifier for a challenge that was sent", []edit{set("scope", "openid")}, []edit{drop("code_verifier")}, "invalid_grant code_verifier_mismatch"},
		{"the wrong one", []edit{set("scope", "openid")}, []edit{set("code_verifier", strings.Repeat("x", 43))}, "invalid_grant code_verifier_mismatch"},
	} {
		code := s.code(t, web, test.asked...)
		_, err := s.redeem(web, code, test.redeem...)
		if got := codeOf(err); err != nil && got != test.want || err == nil && test.want != "" {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
		if test.want != "" && !strings.Contains(test.want, "unexpected") { // it has used nothing up, and opened nothing
			if _, err := s.redeem(web, code, drop("code_verifier")); codeOf(err) != "invalid_grant code_verifier_mismatch" {
				t.Errorf("%s, then none: %v", test.name, err)
			}
			if _, err := s.redeem(web, code); err != nil {
				t.Errorf("%s, then the right one: %v", test.name, err)
			}
		}
	}
}
