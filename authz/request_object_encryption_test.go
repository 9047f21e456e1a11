package authz_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
)

func decrypting(c *authz.Config) { c.RequestObjectEncryption = true }

// serverKey is the key that this server publishes for an algorithm.
func (s *server) serverKey(t testing.TB, alg string) jose.JSONWebKey {
	t.Helper()
	kty := map[bool]string{true: "RSA", false: "EC"}[strings.HasPrefix(alg, "RSA")]
	for _, key := range must(s.JWKS(t.Context()))(t).Keys {
		if key.Use == "enc" && strings.Contains(string(kept(key.MarshalJSON())), `"kty":"`+kty+`"`) {
			return key
		}
	}
	t.Fatalf("no key for %s is published", alg)
	return jose.JSONWebKey{}
}

// wrapped is a JWE for a key, made as any client can.
func wrapped(alg, enc string, key any, plain string, header map[jose.HeaderKey]any) string {
	encrypter := kept(jose.NewEncrypter(jose.ContentEncryption(enc), jose.Recipient{Algorithm: jose.KeyAlgorithm(alg), Key: key, PBES2Count: 1000}, &jose.EncrypterOptions{ExtraHeaders: header}))
	return kept(kept(encrypter.Encrypt([]byte(plain))).CompactSerialize())
}

var nested = map[jose.HeaderKey]any{"cty": "JWT"}

// RFC 9101 §6.1: what is encrypted to the server is decrypted, and what comes out is judged as if
// it had come so.
func TestRFC9101_Section6_1(t *testing.T) {
	s := newSigning(t, decrypting)
	object := s.requestObject(t, assertion{claims: map[string]any{"state": "in the dark"}})
	for _, alg := range jweAlgs {
		for _, enc := range jweEncs {
			if got := s.requested(t, wrapped(alg, enc, s.serverKey(t, alg), object, nested)); got != "ask" {
				t.Errorf("%s %s: %s", alg, enc, got)
			}
		}
	}
	key := s.serverKey(t, "ECDH-ES")
	sealed := func(plain string, header map[jose.HeaderKey]any) string {
		return wrapped("ECDH-ES", "A128GCM", key, plain, header)
	}
	deflated := func() string {
		encrypter := kept(jose.NewEncrypter(jose.A128GCM, jose.Recipient{Algorithm: jose.ECDH_ES, Key: key}, &jose.EncrypterOptions{Compression: jose.DEFLATE}))
		return kept(kept(encrypter.Encrypt([]byte(object))).CompactSerialize())
	}()
	var signing jose.JSONWebKey
	for _, k := range must(s.JWKS(t.Context()))(t).Keys {
		if k.Use == "sig" {
			signing = k
		}
	}
	mislabelled := signing
	mislabelled.KeyID = key.KeyID
	unnamed := jose.JSONWebKey{Key: key.Key}
	strange := jose.JSONWebKey{Key: key.Key, KeyID: "nobody's"}
	good := sealed(object, nested)
	for _, test := range []struct{ what, object, want string }{
		{"no cty", sealed(object, nil), "ask"},
		{"cty in lower case", sealed(object, map[jose.HeaderKey]any{"cty": "jwt"}), "ask"},
		{"cty of request objects", sealed(object, map[jose.HeaderKey]any{"cty": "oauth-authz-req+jwt"}), "ask"},
		{"cty of something else", sealed(object, map[jose.HeaderKey]any{"cty": "at+jwt"}), "cty_wrong"},
		{"no kid", wrapped("ECDH-ES", "A128GCM", unnamed, object, nested), "ask"},
		{"kid of nobody", wrapped("ECDH-ES", "A128GCM", strange, object, nested), "decryption_failed"},
		{"to a key that signs", wrapped("ECDH-ES", "A128GCM", signing, object, nested), "decryption_failed"},
		{"to that, called the other", wrapped("ECDH-ES", "A128GCM", mislabelled, object, nested), "decryption_failed"},
		{"to the client's own key", wrapped("ECDH-ES", "A128GCM", jose.JSONWebKey{Key: &p256.PublicKey, KeyID: key.KeyID}, object, nested), "decryption_failed"},
		{"to the other key", wrapped("RSA-OAEP", "A128GCM", jose.JSONWebKey{Key: s.serverKey(t, "RSA-OAEP").Key, KeyID: key.KeyID}, object, nested), "decryption_failed"},
		{"changed", good[:len(good)-2] + "AA", "decryption_failed"},
		{"compressed", deflated, "malformed"},
		{"crit", sealed(object, map[jose.HeaderKey]any{"crit": []string{"x"}, "x": 1}), "malformed"},
		{"dir", wrapped("dir", "A128GCM", []byte("0123456789abcdef"), object, nested), "encryption_not_allowed"},
		{"A128KW", wrapped("A128KW", "A128GCM", []byte("0123456789abcdef"), object, nested), "encryption_not_allowed"},
		{"PBES2", wrapped("PBES2-HS256+A128KW", "A128GCM", []byte(secretOf[web]), object, nested), "malformed"},
		{"RSA1_5", wrapped("RSA1_5", "A128GCM", s.serverKey(t, "RSA-OAEP"), object, nested), "encryption_not_allowed"},
		{"A192GCM", wrapped("ECDH-ES", "A192GCM", key, object, nested), "encryption_not_allowed"},
		{"too long", sealed(strings.Repeat("a", 8<<10), nested), "too_long"},
		{"encrypted twice", sealed(good, nested), "encrypted_twice"},
		{"nothing inside", sealed("", nested), "malformed"},
		{"claims that nobody signed", sealed(string(kept(json.Marshal(s.requestClaims(nil)))), nil), "malformed"},
		{"alg none inside", sealed(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))+"."+strings.Split(object, ".")[1]+".", nested), "alg_not_allowed"},
		{"signed by a stranger", sealed(s.requestObject(t, assertion{alg: jose.ES256, key: otherP256}), nested), "signature_invalid"},
		{"for another server", sealed(s.requestObject(t, assertion{claims: map[string]any{"aud": "https://other.example"}}), nested), "aud_wrong"},
		{"of another client", sealed(s.requestObject(t, assertion{claims: map[string]any{"client_id": spa}}), nested), "client_id_wrong"},
		{"an ID token inside", sealed(object[:strings.LastIndexByte(object, '.')]+".AA", nested), "signature_invalid"},
		{"the JSON serialization", kept(jose.ParseEncryptedCompact(good, []jose.KeyAlgorithm{jose.ECDH_ES}, []jose.ContentEncryption{jose.A128GCM})).FullSerialize(), "malformed"},
	} {
		if got := s.requested(t, test.object); got != test.want {
			t.Errorf("%s: %s, want %s", test.what, got, test.want)
		}
	}
	if log := s.log.String(); strings.Contains(log, "in the dark") || strings.Contains(log, good[:20]) {
		t.Error("what was encrypted is in the log")
	}
	// What a client has registered binds it to nothing (OpenID Connect Registration §2).
	s.change(t, web, func(c *authz.Client) {
		c.RequestObjectEncryptionAlg, c.RequestObjectEncryptionEnc = "RSA-OAEP", "A256GCM"
	})
	for what, object := range map[string]string{"signed": object, "another alg": good} {
		if got := s.requested(t, object); got != "ask" {
			t.Errorf("%s: %s", what, got)
		}
	}
	if got := newSigning(t).requested(t, good); got != "encrypted" {
		t.Errorf("turned off: %s", got)
	}
}

// The browser carries what the client encrypted, and nothing of what is in it, through the sign-in
// and the consent page.
func TestRFC9101_Section6_1_way_through_the_browser(t *testing.T) {
	s := newSigning(t, decrypting)
	object := s.requestObject(t, assertion{claims: map[string]any{"state": "in the dark"}})
	compact := wrapped("ECDH-ES+A128KW", "A256GCM", s.serverKey(t, "ECDH-ES"), object, nested)
	s.host.SignIn("")
	response, err := s.visit(signed(compact))
	if got := s.outcome(t, response, err); got != "login" {
		t.Fatal(got)
	}
	params := returnTo(t, response)
	if params.Get("request") != compact || strings.Contains(params.Encode(), "dark") {
		t.Errorf("the way back is %v", params)
	}
	s.clock.Advance(10 * time.Minute)
	s.host.SignIn("ana")
	response, err = s.visit(params)
	if got := s.outcome(t, response, err); got != "ask" {
		t.Fatal(got)
	}
	response, err = s.submit(submission(response.Consent))
	if got := back(t, response, err); got.Get("state") != "in the dark" || got.Get("code") == "" {
		t.Errorf("%v", got)
	}

	// Pushed, it is decrypted then, and what it says is kept.
	object = s.requestObject(t, assertion{claims: map[string]any{"prompt": "consent"}})
	compact = wrapped("RSA-OAEP-256", "A128CBC-HS256", s.serverKey(t, "RSA-OAEP"), object, nested)
	p := must(s.PushAuthorization(t.Context(), request(web, signed(compact))))(t)
	if got := s.visited(t, referTo(web, p)); got != "ask" {
		t.Error(got)
	}
	_, err = s.PushAuthorization(t.Context(), request(web, signed(compact[:len(compact)-4]+"AAAA")))
	wantRefusal(t, err, "invalid_request_object request_object_decryption_failed")
}

// A client that has cached the key set goes on with the former key for a while; another replica
// decrypts as well.
func TestRFC9101_Section6_1_rotation(t *testing.T) {
	s := newSigning(t, decrypting)
	old := s.serverKey(t, "ECDH-ES")
	s.clock.Advance(89 * 24 * time.Hour)
	if s.serverKey(t, "ECDH-ES").KeyID != old.KeyID {
		t.Error("the next key is published before its time")
	}
	s.clock.Advance(24 * time.Hour)
	if s.serverKey(t, "ECDH-ES").KeyID == old.KeyID {
		t.Error("the key is not rotated")
	}
	compact := func() string {
		return wrapped("ECDH-ES", "A128GCM", old, s.requestObject(t, assertion{}), nested)
	}
	if got := s.requested(t, compact()); got != "ask" {
		t.Errorf("after the rotation: %s", got)
	}
	s.clock.Advance(26 * time.Hour)
	if got := s.requested(t, compact()); got != "decryption_failed" {
		t.Errorf("after a day more: %s", got)
	}
}

// A store that cannot be reached says nothing about what was sent (503).
func TestRFC9101_Section6_1_store_fails(t *testing.T) {
	s := newSigning(t, decrypting, func(c *authz.Config) {
		c.Clients = []authz.Client{{ID: "coded", JWKS: jwks(p256), RedirectURIs: []string{"https://coded.example/cb"}, Scopes: []string{"read"}}}
	})
	compact := wrapped("ECDH-ES", "A128GCM", s.serverKey(t, "ECDH-ES"), "a.b.c", nested)
	s.clock.Advance(3 * time.Hour)
	s.store.breakDown(true)
	if got := s.visited(t, form(nil, "client_id", "coded", "request", compact)); got != "page: temporarily_unavailable storage_failed" {
		t.Error(got)
	}
}

// OpenID Connect Core §3.1.2.1, RP-Initiated Logout §2: a client whose ID tokens are encrypted
// sends back what was in them, perhaps encrypted to the server.
func TestOpenIDConnectCore_Section3_1_2_1_encrypted_hint(t *testing.T) {
	for _, on := range []bool{true, false} {
		l := newLeaver(t, func(c *authz.Config) { c.RequestObjectEncryption = on })
		s := l.server
		s.change(t, web, func(c *authz.Client) {
			c.JWKS, c.IDTokenEncryptedResponseAlg, c.IDTokenEncryptedResponseEnc = keySet(ours(p256, "e")), "ECDH-ES", "A128GCM"
		})
		received := s.login(t, web).IDToken
		inside := opened(t, received, "ECDH-ES", "A128GCM", p256, "e", "JWT")
		const refused = "back: invalid_request id_token_hint_invalid"
		hints := map[string]string{"as it came": received, "what was in it": inside}
		want := map[string]string{"as it came": refused, "what was in it": "code"}
		if on {
			key := s.serverKey(t, "ECDH-ES")
			maps.Copy(hints, map[string]string{
				"encrypted again":       wrapped("ECDH-ES", "A128GCM", key, inside, nested),
				"encrypted, another's":  wrapped("ECDH-ES", "A128GCM", key, s.login(t, spa).IDToken, nested),
				"encrypted, not signed": wrapped("ECDH-ES", "A128GCM", key, `{"sub":"ana","aud":"web"}`, nil),
				"encrypted, compressed": "eyJ6aXAiOiJERUYifQ....",
			})
			maps.Copy(want, map[string]string{"encrypted again": "code", "encrypted, another's": refused, "encrypted, not signed": refused, "encrypted, compressed": refused})
		}
		for what, hint := range hints {
			response, err := s.authorize(web, set("scope", "openid"), set("prompt", "none"), set("id_token_hint", hint))
			if got := s.outcome(t, response, err); got != want[what] {
				t.Errorf("on %v, %s: %s, want %s", on, what, got, want[what])
			}
			s.host.SignIn("ana")
			left, err := l.leave(set("id_token_hint", hint), set("post_logout_redirect_uri", goodbye))
			if got := l.outcome(t, left, err); strings.HasPrefix(got, goodbye) != (want[what] == "code") {
				t.Errorf("on %v, logout with a hint, %s: %s", on, what, got)
			}
			s.host.SignIn("ana")
		}
	}
}

// FuzzEncryptedRequestObject: whatever is encrypted to the server, it is refused on a page unless
// the client has signed it.
func FuzzEncryptedRequestObject(f *testing.F) {
	s := newSigning(f, quiet, decrypting)
	object := s.requestObject(f, assertion{})
	for _, seed := range []string{"", object, "....", "..", object + ".", `{"alg":"none"}`, strings.ToUpper(object), object[:len(object)-1]} {
		f.Add(seed, "JWT")
	}
	key := s.serverKey(f, "ECDH-ES")
	f.Fuzz(func(t *testing.T, plain, cty string) {
		response, err := s.visit(signed(wrapped("ECDH-ES", "A128GCM", key, plain, map[jose.HeaderKey]any{"cty": cty})))
		got := s.outcome(t, response, err)
		if plain == object && got == "ask" {
			return
		}
		if !strings.HasPrefix(got, "page: invalid_request_object ") {
			t.Errorf("%q, %q: %s", plain, cty, got)
		}
	})
}
