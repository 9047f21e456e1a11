package conformance

import (
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// OpenID Connect Core §8 and §10.2: who a user is for whom, and for whose eyes.
var subjectCases = []Case{
	{
		ID: "pairwise-by-sector", Spec: openIDCore, Section: "8.1", Level: Must,
		Request: "a user signs in at clients with pairwise subjects: two of one host, one of another",
		Want:    "the same sub for the two, another one for the third, and for none the public one",
		Attacks: []string{"O4"},
		needs:   []feature{codeFlow, openID, lists("subject_types_supported", "pairwise")},
		run: func(p *probe) {
			pairwise := with("subject_type", "pairwise")
			sub := func(wanted ...wanting) string {
				return p.client(wanted...).tokens(identifying()).identity().text("sub")
			}
			one := sub(pairwise, redirects("https://one.example/callback"))
			two := sub(pairwise, redirects("https://one.example/other"))
			other := sub(pairwise, redirects("https://two.example/callback"))
			if one != two {
				p.errorf("sub differs within one sector")
			}
			if one == other {
				p.errorf("sub is the same in two sectors")
			}
			if p.run.md.lists("subject_types_supported", "public") {
				if open := sub(with("subject_type", "public")); open == one || open == other || strings.Contains(one, open) {
					p.errorf("a pairwise sub is, or holds, the public one")
				}
			}
		},
	},
	{
		ID: "pairwise-users-differ", Spec: openIDCore, Section: "8.1", Level: Must,
		Request: "two users sign in at a client with pairwise subjects, one of them twice",
		Want:    "two subs",
		Attacks: []string{"O4"},
		needs:   []feature{codeFlow, openID, lists("subject_types_supported", "pairwise")},
		run: func(p *probe) {
			c := p.client(with("subject_type", "pairwise"))
			_, one := c.entersAs(0, identifying())
			_, again := c.entersAs(0, identifying())
			_, other := c.entersAs(1, identifying())
			if one.identity().text("sub") != again.identity().text("sub") || one.identity().text("sub") == other.identity().text("sub") {
				p.failf("sub is %q, then %q, and of another user %q", one.identity().text("sub"), again.identity().text("sub"), other.identity().text("sub"))
			}
		},
	},
	{
		ID: "pairwise-everywhere", Spec: openIDCore, Section: "8", Level: Must,
		Request: "a client with pairwise subjects looks for the user's public sub: at the UserInfo endpoint, and after a refresh",
		Want:    "the pairwise sub",
		Attacks: []string{"O4"},
		needs:   []feature{codeFlow, openID, lists("subject_types_supported", "pairwise"), lists("subject_types_supported", "public")},
		run: func(p *probe) {
			open := p.client(with("subject_type", "public")).tokens(identifying()).identity().text("sub")
			c := p.client(with("subject_type", "pairwise"))
			t := c.tokens(identifying(), offline(p))
			want := t.identity().text("sub")
			check := func(where string, got any) {
				if got == open || got != nil && got != want {
					p.errorf("%s: sub %v, want the pairwise one", where, got)
				}
			}
			if p.run.md.text("userinfo_endpoint") != "" {
				check("the UserInfo endpoint", t.userInfo().wantJSON().member["sub"])
			}
			if t.refresh != "" {
				if next := c.got(c.refreshed(t.refresh)); next.id != "" {
					check("a refresh", next.identity().said["sub"])
				}
			}
		},
	},
	{
		ID: "pairwise-in-access-tokens", Spec: "RFC 9068", Section: "6", Level: Should,
		Request: "a client with pairwise subjects looks for the user's public sub in its access token, and by introspection",
		Want:    "the pairwise sub, or none, and the public one nowhere",
		Attacks: []string{"O4"},
		needs:   []feature{codeFlow, openID, lists("subject_types_supported", "pairwise"), lists("subject_types_supported", "public")},
		run: func(p *probe) {
			open := p.client(with("subject_type", "public")).tokens(identifying()).identity().text("sub")
			c := p.client(with("subject_type", "pairwise"))
			t := c.tokens(identifying())
			if p.run.md.text("introspection_endpoint") != "" {
				if x := c.introspect(t.access); x.status == http.StatusOK && x.member["sub"] == open {
					p.errorf("introspection tells the public sub")
				}
			}
			if _, body := decoded(t.access); body["sub"] == open {
				p.errorf("the access token has the public sub")
			}
		},
	},
	{
		ID: "pairwise-hint", Spec: openIDCore, Section: "8", Level: Must,
		Request: "a client with pairwise subjects asks for its own user by id_token_hint, and by the public sub in the claims parameter",
		Want:    "a code for its own name of the user; for the public one an error, as for any wrong name",
		Attacks: []string{"O4", "B18"},
		needs:   []feature{codeFlow, openID, lists("subject_types_supported", "pairwise"), lists("subject_types_supported", "public"), is("claims_parameter_supported")},
		run: func(p *probe) {
			open := p.client(with("subject_type", "public")).tokens(identifying()).identity().text("sub")
			c := p.client(with("subject_type", "pairwise"))
			b, t := c.enters(identifying())
			c.silently(b, t.id).wantCode()
			c.again(b, identifying(), set("prompt", "none"), claiming("id_token", "sub", map[string]any{"value": open})).wantRefused()
		},
	},
	{
		ID: "idtoken-encrypted", Spec: openIDCore, Section: "10.2", Level: Must,
		Request: "clients that have registered id_token_encrypted_response_alg, each of those listed, sign a user in",
		Want:    "an encrypted ID token that the client alone opens, and in it one that the server has signed",
		Attacks: []string{"O1"},
		needs:   []feature{codeFlow, openID, has("id_token_encryption_alg_values_supported")},
		run: func(p *probe) {
			p.eachEncryption("id_token", func(c *client, enc string) {
				t := c.tokens(identifying())
				id := p.identity(p.opened(c, t.id, enc))
				if !same(id.said.audience(), []string{c.ID}) {
					p.errorf("aud is %v", id.said["aud"])
				}
				if p.run.md.text("userinfo_endpoint") != "" && t.userInfo().wantJSON().member["sub"] != id.said["sub"] {
					p.errorf("sub differs at the UserInfo endpoint")
				}
			})
		},
	},
	{
		ID: "userinfo-encrypted", Spec: openIDCore, Section: "5.3.2", Level: Must,
		Request: "clients that have registered userinfo_encrypted_response_alg, each of those listed, ask the UserInfo endpoint",
		Want:    "application/jwt: an encrypted answer that the client alone opens",
		Attacks: []string{"O1"},
		needs: []feature{codeFlow, openID, userInfoing, has("userinfo_encryption_alg_values_supported"),
			has("userinfo_signing_alg_values_supported")},
		run: func(p *probe) {
			p.eachEncryption("userinfo", func(c *client, enc string) {
				t := c.tokens(identifying())
				x := t.userInfo().wantStatus(http.StatusOK)
				if kind := x.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/jwt") {
					p.failf("Content-Type is %q, want application/jwt", kind)
				}
				text := strings.TrimSpace(string(x.body))
				p.hide("jwt", text)
				if info := p.identity(p.opened(c, text, enc)); info.said["sub"] != t.identity().said["sub"] {
					p.errorf("sub is %v, want that of the ID token", info.said["sub"])
				}
			})
		},
	},
}

// eachEncryption tries what is listed for one kind of answer: every key algorithm, and every
// content encryption.
func (p *probe) eachEncryption(kind string, try func(c *client, enc string)) {
	encs := p.run.md.list(kind + "_encryption_enc_values_supported")
	if len(encs) == 0 {
		encs = []string{"A128CBC-HS256"} // the default (OpenID Connect Registration §2)
	}
	for i, alg := range p.run.md.list(kind + "_encryption_alg_values_supported") {
		enc := encs[i%len(encs)]
		key := p.newKey("ES256")
		switch {
		case strings.HasPrefix(alg, "RSA"):
			key = p.newKey("RS256")
		case !strings.HasPrefix(alg, "ECDH-ES"):
			continue // shares a secret, which is another matter
		}
		key.Algorithm, key.Use = alg, "enc"
		wanted := []wanting{with("jwks", &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.newKey("ES256"), key}}),
			with(kind+"_encrypted_response_alg", alg), with(kind+"_encrypted_response_enc", enc)}
		if kind == "userinfo" {
			wanted = append(wanted, with("userinfo_signed_response_alg", p.run.md.list("userinfo_signing_alg_values_supported")[0]))
		}
		try(p.client(wanted...), enc)
	}
}

// opened decrypts what the server has encrypted to the client, with its second key.
func (p *probe) opened(c *client, jwe, enc string) string {
	key := c.keys.Keys[1]
	encrypted, err := jose.ParseEncryptedCompact(jwe, []jose.KeyAlgorithm{jose.KeyAlgorithm(key.Algorithm)}, []jose.ContentEncryption{jose.ContentEncryption(enc)})
	if err != nil {
		p.failf("what should be encrypted with %s and %s is not: %v", key.Algorithm, enc, err)
	}
	plain, err := encrypted.Decrypt(key.Key)
	if err != nil {
		p.failf("decrypt: %v", err)
	}
	p.hide("jwt", string(plain))
	return string(plain)
}
