package conformance

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// basicFlow is the case about the code flow itself, which nearly all others begin with.
const basicFlow = "pkce-right-verifier"

// basics are the cases about good token requests themselves, by their grant types.
var basics = map[string]string{
	"authorization_code": basicFlow,
	"refresh_token":      "refresh-works",
	"client_credentials": "token-client-credentials",
	deviceGrant:          "device-flow",
	exchangeGrant:        "exchange-access-token",
	jwtBearerGrant:       "jwt-bearer-good",
	backchannelGrant:     "ciba-flow",
}

// basic is the case about good requests of this kind; empty for an exchange that is no token
// request.
func (x *exchange) basic() string {
	form, err := url.ParseQuery(string(x.sent))
	aliases, _ := x.p.run.md["mtls_endpoint_aliases"].(map[string]any)
	if at := x.request.URL.String(); err != nil || at != x.p.run.md.text("token_endpoint") && at != aliases["token_endpoint"] {
		return ""
	}
	return basics[form.Get("grant_type")]
}

// basic is the case about good authorization requests of this kind.
func (o *outcome) basic() string {
	switch sent := o.a.sent; {
	case sent.Has("request"):
		return "request-object-good"
	case strings.HasPrefix(sent.Get("request_uri"), "https://"):
		return "request-uri-good"
	}
	return basicFlow
}

// failBasic fails the case because a good request has failed: unless such requests fail at this
// server whatever the case. That is one fault, and another case is about it.
func (p *probe) failBasic(about, format string, args ...any) {
	if about != "" && about != p.c.ID && !p.troubled.Load() && p.run.basicFails(p.ctx, about) {
		p.notTested("another case is about that: %s: %s", about, fmt.Sprintf(format, args...))
	}
	if about == p.c.ID {
		p.basicFailed.Store(true)
	}
	p.failf(format, args...)
}

// basicFails runs a case for itself, once, and tells whether the good request failed that it is about.
func (r *running) basicFails(ctx context.Context, id string) bool {
	r.mu.Lock()
	if r.basics == nil {
		r.basics = map[string]func() bool{}
	}
	tell := r.basics[id]
	if tell == nil {
		tell = sync.OnceValue(func() bool {
			i := slices.IndexFunc(r.cases, func(c Case) bool { return c.ID == id })
			if i < 0 {
				return false
			}
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), caseTime)
			defer cancel()
			again := &probe{ctx: ctx, run: r, c: &r.cases[i]}
			again.do()
			return again.basicFailed.Load()
		})
		r.basics[id] = tell
	}
	r.mu.Unlock()
	return tell()
}
