package authz_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
)

// withSigningDesk has the client desk sign its requests in ES256.
func withSigningDesk(c *authz.Config) {
	c.Clients[0].BackchannelAuthenticationRequestSigningAlg, c.Clients[0].JWKS = "ES256", jwks(p256, rsa2048)
}

// backchannelClaims are those of a good signed request of desk; nil takes one out.
func (s *server) backchannelClaims(edits map[string]any) map[string]any {
	now := s.clock.Now().Unix()
	claims := map[string]any{
		"iss": desk, "aud": issuer, "iat": now, "nbf": now, "exp": now + 300, "jti": "one",
		"scope": "openid read", "login_hint": "ana",
	}
	maps.Copy(claims, edits)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func (s *server) backchannelObject(t testing.TB, a assertion) string {
	t.Helper()
	if a.alg == "" {
		a.alg, a.key = jose.ES256, p256
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: a.alg, Key: a.key}, &jose.SignerOptions{ExtraHeaders: a.header})
	if err != nil {
		t.Fatal(err)
	}
	jws := must(signer.Sign(kept(json.Marshal(s.backchannelClaims(a.claims)))))(t)
	return must(jws.CompactSerialize())(t)
}

func (s *server) signedBackchannel(object string, edits ...edit) (*authz.BackchannelAuthenticationResponse, error) {
	return s.backchannel(desk, append([]edit{func(v url.Values) { clear(v) }, set("request", object)}, edits...)...)
}

// CIBA Core §7.1.1: what has to be in a signed request, and what must not be beside it.
func TestCIBA_7_1_1(t *testing.T) {
	s, p := newBackchannel(t, withSigningDesk, func(c *authz.Config) { c.Limits.BackchannelPrompts.Burst = -1 })
	now := s.clock.Now().Unix()
	claims := func(pairs ...any) assertion {
		a := assertion{claims: map[string]any{}}
		for i := 0; i < len(pairs); i += 2 {
			a.claims[pairs[i].(string)] = pairs[i+1]
		}
		return a
	}
	typed := func(typ string) assertion { return assertion{header: map[jose.HeaderKey]any{"typ": typ}} }
	good := s.backchannelObject(t, assertion{})
	parts := strings.Split(good, ".")
	const bad = "invalid_request request_object_"
	for _, test := range []struct {
		what, object string
		edits        []edit
		want         string
	}{
		{"iss", s.backchannelObject(t, claims("iss", till)), nil, bad + "iss_wrong"},
		{"no iss", s.backchannelObject(t, claims("iss", nil)), nil, bad + "iss_wrong"},
		{"aud", s.backchannelObject(t, claims("aud", "https://other.example")), nil, bad + "aud_wrong"},
		{"aud, the endpoint", s.backchannelObject(t, claims("aud", issuer+"/oauth2/backchannel_authentication")), nil, bad + "aud_wrong"},
		{"no aud", s.backchannelObject(t, claims("aud", nil)), nil, bad + "aud_wrong"},
		{"no exp", s.backchannelObject(t, claims("exp", nil)), nil, bad + "exp_missing"},
		{"expired", s.backchannelObject(t, claims("exp", now)), nil, bad + "expired"},
		{"good for too long", s.backchannelObject(t, claims("exp", now+3700)), nil, bad + "lives_too_long"},
		{"no iat", s.backchannelObject(t, claims("iat", nil)), nil, bad + "claims_missing"},
		{"no nbf", s.backchannelObject(t, claims("nbf", nil)), nil, bad + "claims_missing"},
		{"not good yet", s.backchannelObject(t, claims("nbf", now+120)), nil, bad + "not_yet_valid"},
		{"no jti", s.backchannelObject(t, claims("jti", nil)), nil, bad + "claims_missing"},
		{"empty jti", s.backchannelObject(t, claims("jti", "")), nil, bad + "claims_missing"},
		{"sub of the client", s.backchannelObject(t, claims("sub", desk)), nil, bad + "sub_is_client"},
		{"another client_id", s.backchannelObject(t, claims("client_id", till)), nil, bad + "client_id_wrong"},
		{"nested", s.backchannelObject(t, claims("request", good)), nil, bad + "nested"},
		{"nested reference", s.backchannelObject(t, claims("request_uri", "https://a.example")), nil, bad + "nested"},
		{"another algorithm", s.backchannelObject(t, assertion{alg: jose.PS256, key: rsa2048}), nil, bad + "alg_not_registered"},
		{"another key", s.backchannelObject(t, assertion{alg: jose.ES256, key: otherP256}), nil, bad + "signature_invalid"},
		{"no signature", parts[0] + "." + parts[1] + ".", nil, bad + "signature_invalid"},
		{"none", "eyJhbGciOiJub25lIn0." + parts[1] + ".", nil, bad + "alg_not_allowed"},
		{"encrypted", "a.b.c.d.e", nil, bad + "encrypted"},
		{"an assertion", s.backchannelObject(t, typed("client-authentication+jwt")), nil, bad + "typ_wrong"},
		{"a scope without openid", s.backchannelObject(t, claims("scope", "read")), nil, "invalid_scope openid_missing"},
		{"a control character", s.backchannelObject(t, claims("binding_message", "a\nb")), nil, "invalid_request parameter_not_text"},
		{"unknown user", s.backchannelObject(t, claims("login_hint", "eve")), nil, "unknown_user_id user_unknown"},
		{"unsigned", "", []edit{set("scope", "openid"), set("login_hint", "ana")}, "invalid_request request_object_required"},
		{"scope outside", good, []edit{set("scope", "openid read")}, "invalid_request parameter_outside_request"},
		{"hint outside", good, []edit{set("login_hint", "ana")}, "invalid_request parameter_outside_request"},
		{"binding message outside", good, []edit{set("binding_message", "x")}, "invalid_request parameter_outside_request"},
		{"resource outside", good, []edit{set("resource", "", issuer)}, "invalid_request parameter_outside_request"},
		{"client_id and others outside", good, []edit{set("client_id", desk), set("state", "x")}, ""},
		{"again", good, nil, bad + "replayed"},
		{"its jti again", s.backchannelObject(t, claims("exp", now+60)), nil, bad + "replayed"},
		{"typ of RFC 9101, requested_expiry as a number", s.backchannelObject(t, assertion{header: typed("oauth-authz-req+jwt").header, claims: map[string]any{"jti": "two", "requested_expiry": 60}}), nil, ""},
		{"requested_expiry as a string", s.backchannelObject(t, claims("jti", "three", "requested_expiry", "60")), nil, ""},
		{"requested_expiry as a fraction", s.backchannelObject(t, claims("jti", "four", "requested_expiry", 60.5)), nil, "invalid_request requested_expiry_malformed"},
		{"that one corrected", s.backchannelObject(t, claims("jti", "four")), nil, ""}, // a refusal uses nothing up
	} {
		before := p.count()
		r, err := s.signedBackchannel(test.object, test.edits...)
		if test.want != "" {
			t.Run(test.what, func(t *testing.T) { wantRefusal(t, err, test.want) })
			if p.count() != before {
				t.Errorf("%s: somebody was asked", test.what)
			}
			continue
		}
		if err != nil || p.count() != before+1 {
			t.Errorf("%s: %v", test.what, err)
		} else if strings.HasPrefix(test.what, "requested_expiry") && r.ExpiresIn != 60 {
			t.Errorf("%s: %+v", test.what, r)
		}
	}
	// Used is used for as long as the request is good.
	long := s.backchannelObject(t, claims("jti", "five", "exp", now+3600))
	must(s.signedBackchannel(long))(t)
	s.clock.Advance(59 * time.Minute)
	_, err := s.signedBackchannel(long)
	wantRefusal(t, err, bad+"replayed")
}

// One signed request, 32 times at once: one user is asked, once.
func TestCIBA_7_1_1_at_once(t *testing.T) {
	s, p := newBackchannel(t, withSigningDesk, func(c *authz.Config) { c.Limits.BackchannelPrompts.Burst = -1 })
	s.store.latency = time.Millisecond
	object := s.backchannelObject(t, assertion{})
	var mu sync.Mutex
	got := map[string]int{}
	together(32, func(int) {
		_, err := s.signedBackchannel(object)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			got["taken"]++
		} else {
			got[codeOf(err)]++
		}
	})
	if got["taken"] != 1 || got["invalid_request request_object_replayed"] != 31 || p.count() != 1 {
		t.Errorf("%v, asked %d times", got, p.count())
	}
}

// FuzzBackchannelAuthentication: whatever is sent, either the right user is asked what the client
// may ask, or nobody is.
func FuzzBackchannelAuthentication(f *testing.F) {
	unlimited := func(c *authz.Config) {
		none := authz.Limit{Burst: -1}
		c.Limits.BackchannelAuthentications, c.Limits.BackchannelPrompts, c.Limits.UnknownUsers = none, none, none
	}
	plain, p := newBackchannel(f, quiet, unlimited)
	signs, q := newBackchannel(f, quiet, unlimited, withSigningDesk)
	object := signs.backchannelObject(f, assertion{})
	for _, seed := range []string{
		"", "scope=openid&login_hint=ana", "scope=openid+read&login_hint_token=ana&binding_message=W4SCT&requested_expiry=10",
		"scope=openid&login_hint=ana&login_hint=ben", "scope=openid&id_token_hint=" + object, "scope=openid&login_hint=ana&requested_expiry=99999999999",
		"scope=openid&login_hint=ana&binding_message=%E2%80%AE", "request=" + object, "request=" + object + "&scope=openid", "request=a.b.c.d.e", "request=..",
		"scope=openid&login_hint=ana&user_code=%00", "scope=openid&login_hint=ana&authorization_details=[[[", "scope=openid%20openid&login_hint=ana&resource=a&resource=b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		params, err := url.ParseQuery(query)
		if err != nil {
			t.Skip()
		}
		for name, asked := range map[string]*phones{"plain": p, "signs": q} {
			s := map[string]*server{"plain": plain, "signs": signs}[name]
			before := asked.count()
			form := url.Values{}
			maps.Copy(form, params)
			form.Del("client_id") // who the client is is not the question here
			r, err := s.AuthenticateBackchannel(t.Context(), request(desk, form))
			if err != nil {
				if codeOf(err) == "not an *authz.Error" || asked.count() != before {
					t.Errorf("%s: %q: %v, asked %d more", name, query, err, asked.count()-before)
				}
				continue
			}
			prompt := asked.last(t)
			if asked.count() != before+1 || r.AuthReqID == prompt.ID || r.ExpiresIn < 1 || r.ExpiresIn > 300 {
				t.Errorf("%s: %q: %+v", name, query, r)
			}
			hint := params.Get("login_hint") + params.Get("login_hint_token")
			if name == "signs" {
				if fields := strings.Split(params.Get("request"), "."); len(fields) != 3 || fields[1] != strings.Split(object, ".")[1] {
					t.Errorf("%q was not signed", query)
				}
				hint = "ana"
			}
			if prompt.Subject != hint {
				t.Errorf("%s: %q: %s was asked", name, query, prompt.Subject)
			}
			for _, scope := range prompt.Scopes {
				if scope.Name == "admin" {
					t.Errorf("%s: %q asks for what the client may not have", name, query)
				}
			}
		}
	})
}
