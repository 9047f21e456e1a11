package authz_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

func (s *server) introspect(t testing.TB, client, token string, edits ...edit) authz.Introspection {
	t.Helper()
	answer, err := s.Introspect(t.Context(), request(client, form(edits, "token", token)))
	if err != nil {
		t.Fatal(err)
	}
	if answer["active"] != true && !reflect.DeepEqual(answer, authz.Introspection{"active": false}) {
		t.Errorf("not active, and more: %v", answer)
	}
	return answer
}

// Who learns what. A resource server sees every access token, a client its own tokens,
// and nobody else anything (RFC 7662 §2.1, §4).
func TestRFC7662_Section2(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		s := newServer(t, func(c *authz.Config) { c.AccessTokenFormat = format })
		tokens := s.tokens(t, web)
		own := must(s.own())(t)
		for _, test := range []struct {
			name, asks, token string
			active            bool
		}{
			{"access token by its client", web, tokens.AccessToken, true},
			{"access token by a resource server", rs, tokens.AccessToken, true},
			{"access token by another client", first, tokens.AccessToken, false},
			{"refresh token by its client", web, tokens.RefreshToken, true},
			{"refresh token by a resource server", rs, tokens.RefreshToken, false},
			{"refresh token by another client", first, tokens.RefreshToken, false},
			{"own token by its client", service, own.AccessToken, true},
			{"own token by a resource server", rs, own.AccessToken, true},
			{"own token by another client", web, own.AccessToken, false},
			{"rubbish", rs, "x", false},
			{"a code", web, s.code(t, web), false},
		} {
			for _, hint := range [][]edit{nil, {set("token_type_hint", "access_token")}, {set("token_type_hint", "refresh_token")}, {set("token_type_hint", "x")}} {
				if got := s.introspect(t, test.asks, test.token, hint...)["active"]; got != test.active {
					t.Errorf("%s, %s: active is %v", format, test.name, got)
				}
			}
		}
	}
}

// The members of an answer (RFC 7662 §2.2).
func TestRFC7662_Section2_2(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		s := newServer(t, func(c *authz.Config) { c.AccessTokenFormat = format })
		at := s.clock.Now().Unix()
		tokens := s.tokens(t, web)
		s.clock.Advance(time.Minute)
		answer := s.introspect(t, rs, tokens.AccessToken)
		if jti, ok := answer["jti"]; ok != (format == "jwt") || ok && jti == "" {
			t.Errorf("jti %v", jti)
		}
		delete(answer, "jti")
		aud := reflect.ValueOf(answer["aud"])
		if aud.Kind() != reflect.Slice || aud.Len() != 1 || aud.Index(0).String() != issuer {
			t.Errorf("aud %v", answer["aud"])
		}
		delete(answer, "aud")
		want := authz.Introspection{"active": true, "token_type": "Bearer", "iss": issuer, "sub": "ana", "client_id": web,
			"scope": "read write", "iat": at, "exp": at + 3600, "auth_time": at}
		if !reflect.DeepEqual(answer, want) {
			t.Errorf("%s: %v, want %v", format, answer, want)
		}
		// A refresh token has its own times and no token_type: it opens nothing.
		answer = s.introspect(t, web, tokens.RefreshToken)
		want = authz.Introspection{"active": true, "iss": issuer, "sub": "ana", "client_id": web,
			"scope": "read write", "iat": at, "exp": at + 90*24*3600}
		if !reflect.DeepEqual(answer, want) {
			t.Errorf("refresh token: %v, want %v", answer, want)
		}
	}
}

func TestRFC7662_Section2_1_refused(t *testing.T) {
	s := newServer(t)
	token := s.tokens(t, spa).AccessToken
	for _, test := range []struct {
		name string
		req  *authz.Request
		want string
	}{
		{"nobody", &authz.Request{Parameters: form(nil, "token", token)}, "invalid_client client_missing"},
		{"a public client", request(spa, form(nil, "token", token)), "invalid_client public_client"},
		{"the token as a credential", &authz.Request{Parameters: form(nil, "token", token), Authorization: "Bearer " + token}, "invalid_client authorization_header_malformed"},
		{"no token", request(rs, form(nil)), "invalid_request token_missing"},
		{"empty token", request(rs, form(nil, "token", "")), "invalid_request token_missing"},
		{"two tokens", request(rs, form([]edit{set("token", "a", "b")})), "invalid_request parameter_repeated"},
		{"not text", request(rs, form(nil, "token", "\x00")), "invalid_request parameter_not_text"},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer, err := s.Introspect(t.Context(), test.req)
			if answer != nil {
				t.Errorf("answer %v", answer)
			}
			wantRefusal(t, err, test.want)
		})
	}
}

// When a token is not active, the answer is {"active": false}, and nothing says why.
func TestRFC7662_Section2_2_inactive(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		for name, kill := range map[string]func(*testing.T, *server, *authz.TokenResponse){
			"expired": func(_ *testing.T, s *server, _ *authz.TokenResponse) { s.clock.Advance(366 * day) },
			"user revoked": func(t *testing.T, s *server, _ *authz.TokenResponse) {
				if err := s.RevokeUser(t.Context(), "ana"); err != nil {
					t.Fatal(err)
				}
			},
			"refresh token revoked": func(t *testing.T, s *server, tokens *authz.TokenResponse) {
				if err := s.Revoke(t.Context(), request(web, form(nil, "token", tokens.RefreshToken))); err != nil {
					t.Fatal(err)
				}
			},
			"replayed": func(t *testing.T, s *server, tokens *authz.TokenResponse) {
				must(s.refresh(web, tokens.RefreshToken))(t)
				s.clock.Advance(time.Minute)
				_, err := s.refresh(web, tokens.RefreshToken)
				wantRefusal(t, err, "invalid_grant refresh_token_replayed")
			},
		} {
			t.Run(format+" "+name, func(t *testing.T) {
				s := newServer(t, func(c *authz.Config) { c.AccessTokenFormat = format })
				tokens := s.tokens(t, web)
				kill(t, s, tokens)
				for _, token := range []string{tokens.AccessToken, tokens.RefreshToken} {
					for _, asks := range []string{web, rs} {
						if answer := s.introspect(t, asks, token); answer["active"] != false {
							t.Errorf("%s: %v", asks, answer)
						}
					}
				}
			})
		}
	}
	s := newServer(t)
	tokens := s.tokens(t, web)
	must(s.refresh(web, tokens.RefreshToken))(t)
	if s.introspect(t, web, tokens.RefreshToken)["active"] != false {
		t.Error("a refresh token that has been used is active")
	}
	s.change(t, web, func(c *authz.Client) { c.Disabled = true })
	if s.introspect(t, rs, tokens.AccessToken)["active"] != false {
		t.Error("a token of a disabled client is active")
	}
}

// A client registered for client_secret_post introspects that way (RFC 8414 §2).
func TestRFC7662_Section2_1_client_secret_post(t *testing.T) {
	s := newServer(t)
	token := s.tokens(t, web).AccessToken
	req := &authz.Request{Parameters: form(nil, "token", token, "client_id", rs, "client_secret", secretOf[rs])}
	if answer := must(s.Introspect(t.Context(), req))(t); answer["active"] != true {
		t.Errorf("%v", answer)
	}
}
