package conformance

import (
	"crypto"
	_ "crypto/sha512" // linked in for hashOf
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// What cases of OpenID Connect have in common.

const openIDCore = "OpenID Connect Core"

// userInfoing is the UserInfo endpoint (OpenID Connect Core §5.3).
var userInfoing = has("userinfo_endpoint")

// identifying makes a request one of OpenID Connect, with these scopes beside openid and a nonce.
func identifying(scopes ...string) edit {
	return func(v url.Values) {
		v.Set("scope", strings.Join(append([]string{"openid"}, scopes...), " "))
		v.Set("nonce", random(16))
	}
}

// identity is an ID token that the server has signed.
type identity struct {
	p    *probe
	jwt  string
	head map[string]any
	said claims
}

// identity is the ID token that came along, which must be there and be signed by the server.
func (t *tokens) identity() *identity {
	if t.id == "" {
		t.c.p.failf("%s: the answer has no id_token", t.what())
	}
	return t.c.p.identity(t.id)
}

func (p *probe) identity(jwt string) *identity {
	i := &identity{p: p, jwt: jwt}
	i.head, i.said = p.verified(jwt)
	return i
}

func (i *identity) text(name string) string {
	s, _ := i.said[name].(string)
	return s
}

// seconds is a NumericDate claim, which must be there.
func (i *identity) seconds(name string) int64 {
	n, ok := i.said[name].(float64)
	if !ok {
		i.p.failf("the ID token has %s %v, want a number of seconds", name, i.said[name])
	}
	return int64(n)
}

// audience are the values of aud, one or several (RFC 7519 §4.1.3).
func (c claims) audience() []string {
	if one, ok := c["aud"].(string); ok {
		return []string{one}
	}
	return texts(c["aud"])
}

// halfHash is the left half of the hash of a token or code, for at_hash and c_hash, by the hash
// of the ID token's own algorithm (OpenID Connect Core §3.1.3.6).
func (i *identity) halfHash(value string) string {
	hash := crypto.SHA256
	switch algorithm, _ := i.head["alg"].(string); {
	case strings.HasSuffix(algorithm, "384"):
		hash = crypto.SHA384
	case strings.HasSuffix(algorithm, "512"), algorithm == "EdDSA":
		hash = crypto.SHA512
	}
	h := hash.New()
	h.Write([]byte(value))
	sum := h.Sum(nil)
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// enters is a browser whose user is signed in and has allowed the client, and the tokens of it.
func (c *client) enters(edits ...edit) (*browser, *tokens) { return c.entersAs(0, edits...) }

func (c *client) entersAs(n int, edits ...edit) (*browser, *tokens) {
	b := c.p.browserOf(n)
	return b, c.request(edits...).in(b, Allow).wantCode().tokens()
}

// stays is the same at a server that keeps the user signed in, and says so to prompt=none. Without
// that, every refusal that follows would say the same.
func (c *client) stays(edits ...edit) (*browser, *tokens) {
	b, t := c.enters(edits...)
	switch o := c.silently(b, ""); o.said() {
	case "", "consent_required", "interaction_required":
		if o.said() == "" && o.code() == "" {
			c.p.notTested("prompt=none brings no answer for a user who has just signed in: the browser stays at %s", o.stays())
		}
	default:
		c.p.notTested("prompt=none does not find the user who has just signed in: %s", o.said())
	}
	return b, t
}

// staysSilently is the same at a server that lets the client in without a question the next time.
func (c *client) staysSilently(edits ...edit) (*browser, *tokens) {
	b, t := c.enters(edits...)
	if o := c.silently(b, ""); o.code() == "" {
		c.p.notTested("prompt=none brings no code for a user who has just signed in and allowed the same: %q", o.said())
	}
	return b, t
}

// again is another request of the client in a browser whose user is there already.
func (c *client) again(b *browser, edits ...edit) *outcome { return c.request(edits...).in(b, Allow) }

// asksNothing fails the case unless the server answers the client without a page for the user.
func (o *outcome) asksNothing() *outcome {
	if o.last != nil && o.params != nil && o.last.request.Method == http.MethodPost {
		o.a.c.p.failf("the user was shown a page first: %s", o.last.what())
	}
	return o
}

// ownBrowser ends the case in a real browser, which the suite cannot have open URLs one by one.
func (b *browser) ownBrowser() *browser {
	if b.real != nil {
		b.p.notTested("it takes the suite's own browser: see Target.Browser")
	}
	return b
}

// firstAnswer is how the server answers the request at first, with a page or a redirect.
func (a *authorization) firstAnswer(b *browser) *exchange {
	first, refused := a.begin(b.ownBrowser())
	if refused != nil {
		a.c.p.failf("the pushed request is refused: status %d, %q", refused.status, refused.text("error"))
	}
	return first
}

// answersClient tells whether the browser is sent to the client.
func (a *authorization) answersClient(x *exchange) bool {
	arrived := callback(a.params.Get("redirect_uri"))
	to := x.location()
	return to != nil && arrived(to) || formPost(x) != nil && arrived(formPost(x))
}

// userInfo asks the UserInfo endpoint.
func (t *tokens) userInfo(changes ...sending) *exchange {
	return t.present(http.MethodGet, t.c.at("userinfo_endpoint"), changes...)
}

// claimed is a claim of those that the server says to support which a scope asks for (OpenID
// Connect Core §5.4), with that scope.
func (p *probe) claimed() (scope, claim string) {
	of := map[string][]string{"profile": {"name", "family_name", "given_name", "nickname", "preferred_username"}, "email": {"email"}}
	for _, scope := range []string{"profile", "email"} {
		for _, claim := range of[scope] {
			if p.run.md.lists("scopes_supported", scope) && p.run.md.lists("claims_supported", claim) {
				return scope, claim
			}
		}
	}
	p.notOffered("claims_supported lists no claim of the scopes profile and email")
	return "", ""
}

// forged is the same ID token, changed by some claims and signed with a key of the suite's own.
func (i *identity) forged(changes claims) string {
	key := i.p.newKey(fmt.Sprint(i.head["alg"]))
	key.KeyID = fmt.Sprint(i.head["kid"])
	return i.p.sign(key, i.said.changed(changes), nil)
}

// same tells whether two lists have the same values.
func same(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
