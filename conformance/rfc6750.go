package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// RFC 6750: access tokens at a protected resource.
var bearerCases = []Case{
	{
		ID: "bearer-header", Spec: "RFC 6750", Section: "2.1", Level: Must,
		Request: "a request to a protected resource has an access token in its Authorization header; another has none",
		Want:    "the first is answered, and the second refused",
		run: func(p *probe) {
			at := p.resource()
			if x := p.client().tokens().present(http.MethodGet, at); x.status != http.StatusOK {
				p.failf("status %d with the token: %v", x.status, x.header.Values("WWW-Authenticate"))
			}
			p.get(at).wantStatus(http.StatusUnauthorized)
		},
	},
	{
		ID: "bearer-challenge", Spec: "RFC 6750", Section: "3", Level: Must,
		Request: "requests to a protected resource without a token, and with one that is none",
		Want:    "401 with a WWW-Authenticate challenge",
		run: func(p *probe) {
			at := p.resource()
			for _, x := range []*exchange{p.get(at), p.get(at, bearer(p.secret("access_token"))), p.get(at, header("Authorization", "Basic "+p.secret("credentials")))} {
				x.wantStatus(http.StatusUnauthorized)
				if x.challenge("Bearer") == nil && x.challenge("DPoP") == nil {
					p.errorf("WWW-Authenticate is %q", x.header.Values("WWW-Authenticate"))
				}
			}
		},
	},
	{
		ID: "bearer-challenge-without-error", Spec: "RFC 6750", Section: "3.1", Level: Should,
		Request: "a request to a protected resource without a token",
		Want:    "a challenge without error: nothing has been tried yet",
		run: func(p *probe) {
			x := p.get(p.resource()).wantStatus(http.StatusUnauthorized)
			for _, scheme := range []string{"Bearer", "DPoP"} {
				if code := x.challenge(scheme)["error"]; code != "" {
					p.errorf("the %s challenge has error %q", scheme, code)
				}
			}
		},
	},
	{
		ID: "bearer-invalid-token", Spec: "RFC 6750", Section: "3.1", Level: Should,
		Request: "requests with tokens that are none: random, a good one with its last part changed, and without it",
		Want:    "401, and invalid_token in the challenge",
		run: func(p *probe) {
			at := p.resource()
			t := p.bearerTokens()
			t.present(http.MethodGet, at).wantStatus(http.StatusOK)
			last := t.access[len(t.access)-10:]
			for _, bad := range []string{p.secret("access_token"), strings.TrimSuffix(t.access, last) + reversed(last), strings.TrimSuffix(t.access, last), t.access + "AAAA"} {
				x := p.get(at, bearer(bad)).wantStatus(http.StatusUnauthorized)
				if code := x.challenge("Bearer")["error"]; code != "invalid_token" {
					p.errorf("error %q in the challenge %q", code, x.header.Values("WWW-Authenticate"))
				}
			}
		},
	},
	{
		ID: "bearer-other-credentials", Spec: "RFC 6750", Section: "3", Level: Must,
		Request: "a code, a refresh token, an ID token and a client's secret are presented as access tokens",
		Want:    "401 for each",
		run: func(p *probe) {
			at := p.resource()
			c := p.client()
			unused, t := c.authorize(), c.tokens()
			if refreshing(p.run) == "" {
				t = c.lastingTokens()
			}
			for _, other := range [][2]string{{"code", unused.code()}, {"refresh token", t.refresh}, {"ID token", t.id}, {"secret", c.Secret}} {
				if other[1] == "" {
					continue
				}
				if x := p.get(at, bearer(other[1])); x.status != http.StatusUnauthorized {
					p.errorf("status %d for a %s", x.status, other[0])
				}
			}
			t.present(http.MethodGet, at).wantStatus(http.StatusOK)
		},
	},
	{
		ID: "bearer-query", Spec: "RFC 9700", Section: "4.3.2", Level: Should,
		Request: "a good access token is in the query of the request",
		Want:    "a refusal: it would be in logs, histories and referrers",
		run: func(p *probe) {
			at := p.resource()
			t := p.bearerTokens()
			t.present(http.MethodGet, at).wantStatus(http.StatusOK)
			p.get(withParameter(at, "access_token", t.access)).wantRefused()
		},
	},
	{
		ID: "bearer-two-methods", Spec: "RFC 6750", Section: "3.1", Level: Should,
		Request: "a good access token is in the Authorization header and in the query, or in two Authorization headers",
		Want:    "a refusal, by invalid_request",
		run: func(p *probe) {
			at := p.resource()
			t := p.bearerTokens()
			t.present(http.MethodGet, at).wantStatus(http.StatusOK)
			twice := func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+p.secret("access_token")) }
			for _, x := range []*exchange{p.get(withParameter(at, "access_token", t.access), bearer(t.access)), p.get(at, bearer(t.access), twice)} {
				x.wantRefused()
				if code := x.challenge("Bearer")["error"]; code != "" && code != "invalid_request" && code != "invalid_token" {
					p.errorf("error %q", code)
				}
			}
		},
	},
	{
		ID: "bearer-malformed", Spec: "RFC 6750", Section: "2.1", Level: Must,
		Request: "the Authorization header has no token, two of them, or a good one between other words",
		Want:    "a refusal for each",
		run: func(p *probe) {
			at := p.resource()
			t := p.bearerTokens()
			t.present(http.MethodGet, at).wantStatus(http.StatusOK)
			for _, bad := range []string{"Bearer", "Bearer ", "Bearer=" + t.access, "Bearer " + t.access + " " + t.access, "Bearer " + t.access + ",x", "Bearer \"" + t.access + "\"", t.access, "Token " + t.access} {
				p.get(at, header("Authorization", bad)).wantRefused()
			}
		},
	},
	{
		ID: "bearer-scheme-case", Spec: "RFC 9110", Section: "11.1", Level: Must,
		Request: "the scheme in the Authorization header is in small or in capital letters",
		Want:    "the request is answered",
		run: func(p *probe) {
			at := p.resource()
			t := p.bearerTokens()
			for _, scheme := range []string{"bearer ", "BEARER "} {
				p.get(at, header("Authorization", scheme+t.access)).wantStatus(http.StatusOK)
			}
		},
	},
	{
		ID: "bearer-insufficient-scope", Spec: "RFC 6750", Section: "3.1", Level: Should,
		Request: "a good access token lacks the scope that the resource asks for",
		Want:    "403, and insufficient_scope in the challenge",
		run: func(p *probe) {
			at := p.resource()
			_, other := p.twoScopes()
			c := p.client()
			c.tokens().present(http.MethodGet, at).wantStatus(http.StatusOK)
			x := c.tokens(set("scope", other)).present(http.MethodGet, at)
			if asked := p.scopeAsked(at); x.status == http.StatusOK && (asked == "" || slices.Contains(strings.Fields(asked), other)) {
				p.notTested("the resource does not say that it asks for the first of Target.Scopes alone")
			}
			x.wantStatus(http.StatusForbidden)
			if x.challenge("Bearer")["error"] != "insufficient_scope" && x.challenge("DPoP")["error"] != "insufficient_scope" {
				p.errorf("the challenge is %q", x.header.Values("WWW-Authenticate"))
			}
		},
	},
}

// resource is the protected resource that the suite was told of.
func (p *probe) resource() string {
	if missing := codeFlow(p.run); missing != "" {
		p.notOffered("%s", missing)
	}
	if p.run.target.Resource == "" {
		p.notTested("it takes a protected resource: see Target.Resource")
	}
	return p.run.target.Resource
}

// bearerTokens are tokens whose holder may use them as they are.
func (p *probe) bearerTokens() *tokens {
	t := p.client().tokens()
	if !strings.EqualFold(t.kind, "Bearer") || t.c.dpop != nil {
		p.notOffered("access tokens are bound to keys")
	}
	return t
}

// scopeAsked is the scope that a resource names to whoever has no token (RFC 6750 §3).
func (p *probe) scopeAsked(at string) string {
	x := p.get(at)
	if scope := x.challenge("Bearer")["scope"]; scope != "" {
		return scope
	}
	return x.challenge("DPoP")["scope"]
}

func withParameter(address, name, value string) string {
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	return address + separator + url.Values{name: {value}}.Encode()
}

func reversed(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}
