package authz_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
)

// What a client may register, what it is told, and that nothing is registered that would not be
// had: OpenID Connect Registration §2, RFC 9701 §6, JARM §3, RFC 7591 §3.2.2.
func TestOpenIDConnectRegistration_Section2_encryption(t *testing.T) {
	on := func(c *authz.Config) { c.RequestObjectEncryption = true }
	s := newServer(t, withOpenID, open(), on)
	members := []string{"id_token_encrypted_response", "userinfo_encrypted_response", "introspection_encrypted_response", "authorization_encrypted_response", "request_object_encryption"}
	keys := keySet(ours(rsa2048, "e"))
	for _, member := range members {
		alg, enc := member+"_alg", member+"_enc"
		told := func(information *authz.ClientInformation) map[string]any {
			var m map[string]any
			if err := json.Unmarshal(kept(json.Marshal(information)), &m); err != nil {
				t.Fatal(err)
			}
			return m
		}
		if m := told(must(s.introduce("jwks", keys, alg, `"RSA-OAEP"`))(t)); m[alg] != "RSA-OAEP" || m[enc] != "A128CBC-HS256" {
			t.Errorf("%s: %v", member, m)
		}
		m := told(must(s.introduce("jwks_uri", `"https://app.example/jwks"`, alg, `"ECDH-ES"`, enc, `"A256GCM"`))(t))
		if m[alg] != "ECDH-ES" || m[enc] != "A256GCM" {
			t.Errorf("%s: %v", member, m)
		}
		if m := told(must(s.introduce())(t)); m[alg] != nil || m[enc] != nil {
			t.Errorf("%s: %v", member, m)
		}
		for _, test := range []struct {
			pairs []string
			want  string
		}{
			{[]string{"jwks", keys, alg, `"RSA1_5"`}, alg + "_invalid"},
			{[]string{"jwks", keys, alg, `"dir"`}, alg + "_invalid"},
			{[]string{"jwks", keys, alg, `"A128KW"`}, alg + "_invalid"},
			{[]string{"jwks", keys, alg, `"PBES2-HS256+A128KW"`}, alg + "_invalid"},
			{[]string{"jwks", keys, alg, `1`}, alg + "_invalid"},
			{[]string{"jwks", keys, alg, `"RSA-OAEP"`, enc, `"A192GCM"`}, enc + "_invalid"},
			{[]string{"jwks", keys, alg, `"RSA-OAEP"`, enc, `[]`}, enc + "_invalid"},
			{[]string{"jwks", keys, enc, `"A128GCM"`}, enc + "_invalid"},
			{[]string{"jwks", keys, alg, `"ECDH-ES"`}, "metadata_contradictory"},
			{[]string{alg, `"RSA-OAEP"`}, "metadata_contradictory"},
		} {
			information, err := s.introduce(test.pairs...)
			if member == "request_object_encryption" && test.want == "metadata_contradictory" { // the key is ours
				if err != nil {
					t.Errorf("%q: %v", test.pairs, err)
				}
				continue
			}
			if err == nil {
				t.Errorf("%q is registered: %+v", test.pairs, information)
				continue
			}
			registrationRefused(t, err, "400 invalid_client_metadata "+test.want)
		}
	}

	// An update takes away what it does not repeat (RFC 7592 §2.2), and the answers follow it.
	i := must(s.introduce("jwks", keys, "id_token_encrypted_response_alg", `"RSA-OAEP"`))(t)
	i, err := s.UpdateRegistration(t.Context(), manage(i, i.RegistrationAccessToken, "client_id", quoted(i.ClientID), "jwks", keys))
	if err != nil || i.IDTokenEncryptedResponseAlg != "" || i.IDTokenEncryptedResponseEnc != "" {
		t.Errorf("%+v, %v", i, err)
	}

	// Where there is no OpenID Connect, what is of that means nothing; where nothing is decrypted,
	// nobody registers for it.
	off := newServer(t, open())
	if i := must(off.introduce("id_token_encrypted_response_alg", `"RSA1_5"`))(t); i.IDTokenEncryptedResponseAlg != "" {
		t.Errorf("%+v", i)
	}
	_, err = off.introduce("request_object_encryption_enc", `"A128GCM"`)
	registrationRefused(t, err, "400 invalid_client_metadata request_object_encryption_enc_invalid")
}

// A metadata document may ask for it, too.
func TestClientIDMetadata_encryption(t *testing.T) {
	w := newWeb()
	s := newServer(t, documents(w))
	by := []edit{atApp(), set("response_mode", "jwt"), set("scope", "nope")}
	w.put(document, 200, describes(document, "jwks", keySet(ours(p256, "e")), "authorization_encrypted_response_alg", `"ECDH-ES"`))
	response, err := s.authorize(document, by...)
	opened(t, back(t, response, err).Get("response"), "ECDH-ES", "", p256, "e", "JWT")
	other := strings.Replace(document, "client", "other", 1)
	w.put(other, 200, describes(other, "authorization_encrypted_response_alg", `"ECDH-ES"`))
	if _, err = s.authorize(other, by...); err == nil || s.lastReason() != "client_document_invalid" {
		t.Errorf("a client without keys: %v, %s", err, s.lastReason())
	}
}

// What is wrong with a client in code is said with its cure.
func TestClient_encryption_faults(t *testing.T) {
	s := newOpenID(t)
	for _, test := range []struct {
		change func(*authz.Client)
		want   string
	}{
		{func(c *authz.Client) { c.IDTokenEncryptedResponseAlg = "RSA1_5" }, `IDTokenEncryptedResponseAlg: is "RSA1_5"; use one of ECDH-ES, `},
		{func(c *authz.Client) { c.UserInfoEncryptedResponseEnc = "A128GCM" }, "UserInfoEncryptedResponseAlg: is empty, and UserInfoEncryptedResponseEnc is not"},
		{func(c *authz.Client) {
			c.IntrospectionEncryptedResponseAlg, c.IntrospectionEncryptedResponseEnc = "ECDH-ES", "A256CBC-HS512"
		}, `IntrospectionEncryptedResponseEnc: is "A256CBC-HS512"; use one of A128CBC-HS256, `},
		{func(c *authz.Client) { c.AuthorizationEncryptedResponseAlg = "RSA-OAEP" }, "JWKS: holds no key for AuthorizationEncryptedResponseAlg, RSA-OAEP"},
		{func(c *authz.Client) { c.JWKS, c.IDTokenEncryptedResponseAlg = "", "RSA-OAEP" }, "JWKS: is empty, and JWKSURI too; IDTokenEncryptedResponseAlg needs the client's public key"},
		{func(c *authz.Client) {
			c.JWKS = keySet(jose.JSONWebKey{Key: p256.Public(), KeyID: "s", Use: "sig"})
			c.IDTokenEncryptedResponseAlg = "ECDH-ES"
		}, "JWKS: holds no key for IDTokenEncryptedResponseAlg, ECDH-ES"},
		{func(c *authz.Client) { c.RequestObjectEncryptionAlg = "ECDH-ES" }, "RequestObjectEncryptionAlg: needs Config.RequestObjectEncryption; turn that on"},
		{func(c *authz.Client) {
			c.IDTokenEncryptedResponseAlg, c.UserInfoEncryptedResponseAlg = "ECDH-ES", "ECDH-ES"
		}, ""},
	} {
		c := authz.Client{ID: "app", RedirectURIs: []string{"https://app.example/cb"}, JWKS: keySet(ours(p256, "e"))}
		test.change(&c)
		err := s.RegisterClient(t.Context(), c)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
}

// OpenID Connect Discovery §3, RFC 9701 §7, JARM §4: what is true.
func TestOpenIDConnectDiscovery_Section3_encryption(t *testing.T) {
	for _, openID := range []bool{false, true} {
		for _, requests := range []bool{false, true} {
			s := newServer(t, func(c *authz.Config) {
				if c.RequestObjectEncryption = requests; openID {
					withOpenID(c)
				}
			})
			m := s.Metadata()
			for what, list := range map[string]struct {
				algs, encs []string
				there      bool
			}{
				"id_token":       {m.IDTokenEncryptionAlgValuesSupported, m.IDTokenEncryptionEncValuesSupported, openID},
				"userinfo":       {m.UserInfoEncryptionAlgValuesSupported, m.UserInfoEncryptionEncValuesSupported, openID},
				"introspection":  {m.IntrospectionEncryptionAlgValuesSupported, m.IntrospectionEncryptionEncValuesSupported, true},
				"authorization":  {m.AuthorizationEncryptionAlgValuesSupported, m.AuthorizationEncryptionEncValuesSupported, true},
				"request_object": {m.RequestObjectEncryptionAlgValuesSupported, m.RequestObjectEncryptionEncValuesSupported, requests},
			} {
				var algs, encs []string
				if list.there {
					algs, encs = jweAlgs, jweEncs
				}
				if !slices.Equal(list.algs, algs) || !slices.Equal(list.encs, encs) {
					t.Errorf("%s: %q, %q", what, list.algs, list.encs)
				}
				if on := strings.Contains(string(kept(json.Marshal(m))), fmt.Sprintf(`"%s_encryption_alg_values_supported"`, what)); on != list.there {
					t.Errorf("%s: in the document %v", what, on)
				}
			}
			uses := map[string]int{}
			for _, k := range must(s.JWKS(context.Background()))(t).Keys {
				uses[k.Use]++
				if _, ec := k.Key.(*ecdsa.PublicKey); k.Use == "enc" && (k.Algorithm != "" || k.KeyID == "") {
					t.Errorf("key %+v, EC %v", k, ec)
				}
			}
			if want := map[bool]int{true: 2}[requests]; uses["enc"] != want || uses["sig"] == 0 {
				t.Errorf("published: %v", uses)
			}
		}
	}
}
