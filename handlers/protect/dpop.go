package protect

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/authz/resource/dpop"
)

// DPoP says how an API takes access tokens that are bound to a key (RFC 9449 §7). The zero
// value is right where the audience is the URL of the API.
type DPoP struct {
	// URL is where clients reach the API: scheme, host and, where it is not the default,
	// port, and the part of the path that a proxy takes off before the request arrives,
	// such as https://api.example.com/v1. It is what proofs are held against, never the
	// Host header. Default is the audience's scheme, host and port.
	URL string

	// Required refuses bearer tokens altogether.
	Required bool

	// Nonces has each proof carry a nonce (RFC 9449 §9). Nil for none.
	Nonces *dpop.Nonces

	// Algorithms are those of dpop.Algorithms that proofs may be signed with; empty for all.
	// FAPI 2.0 leaves ES256, PS256 and EdDSA.
	Algorithms []string

	// Replay sees to it that each proof is used once (RFC 9449 §11.1). Nil for a
	// dpop.Memory, which knows of this process, and of this use of Require, alone.
	Replay dpop.Replay
}

// complete is d with its defaults; nil if d is.
func (d *DPoP) complete(options Options) *DPoP {
	if d == nil {
		return nil
	}
	c := *d
	if c.URL == "" {
		c.URL = originOf(options.Audience)
	}
	c.URL = strings.TrimSuffix(c.URL, "/")
	if len(c.Algorithms) == 0 {
		c.Algorithms = dpop.Algorithms()
	}
	if c.Replay == nil {
		c.Replay = dpop.NewMemory(options.Clock)
	}
	return &c
}

func (d *DPoP) check(audience string) error {
	switch {
	case d == nil:
		return nil
	case d.URL == "" && originOf(audience) == "":
		return errors.New("protect: Options.DPoP.URL is missing, and the audience is no URL; set it to where clients reach the API, such as https://api.example.com")
	case d.URL != "" && (originOf(d.URL) == "" || strings.ContainsAny(d.URL, "?#")):
		return fmt.Errorf("protect: Options.DPoP.URL is %q; it must be an http or https URL without query and fragment", d.URL)
	}
	return nil
}

// originOf is scheme, host and port of a URL; empty if it has none.
func originOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// prove checks that the request proves to hold the key of its token (RFC 9449 §7.1, §7.2).
// It comes last, so that a proof is used up by what it opens alone.
func (g *guard) prove(r *http.Request, token string, verified *resource.Token) *failure {
	d := g.options.DPoP
	proof, err := dpop.Check(r.Context(), r.Header["Dpop"], dpop.Expected{
		Method: r.Method, URLs: []string{d.URL + pathOf(r)}, AccessToken: token, Nonces: d.Nonces, Now: g.options.Clock(),
		Algorithms: d.Algorithms,
	})
	if err == nil {
		if !boundTo(verified, proof.JKT) {
			g.log().DebugContext(r.Context(), "access token refused", "cause", "it is not bound to the key of the proof")
			return invalidToken
		}
		err = d.Replay.UseProof(r.Context(), proof)
	}
	var refused *dpop.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &refused):
		g.log().ErrorContext(r.Context(), "DPoP proof could not be verified", "cause", err.Error())
		return unavailable
	}
	g.log().DebugContext(r.Context(), "DPoP proof refused", "reason", refused.Reason, "cause", refused.Error())
	if refused.Code == dpop.UseNonce {
		return useNonce
	}
	return invalidProof
}

// pathOf is the path that was asked for, as it came: a router may have taken some off the
// URL since.
func pathOf(r *http.Request) string {
	if !strings.HasPrefix(r.RequestURI, "/") {
		return r.URL.EscapedPath()
	}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	return path
}

// boundTo reports whether a token is bound to this key (RFC 9449 §6). What else it is bound
// to, confirm has seen to.
func boundTo(t *resource.Token, jkt string) bool {
	cnf, _ := t.Claims["cnf"].(map[string]any)
	return cnf["jkt"] == jkt
}

// tellNonce tells every client the nonce for its next proof (RFC 9449 §8.2, §9). Where there
// is none to be had, the proof's cannot be judged either, which is when it matters.
func (g *guard) tellNonce(w http.ResponseWriter, r *http.Request) {
	if g.options.DPoP == nil || g.options.DPoP.Nonces == nil {
		return
	}
	nonce, err := g.options.DPoP.Nonces.Current(r.Context())
	if err != nil {
		g.log().ErrorContext(r.Context(), "there is no nonce for DPoP proofs", "cause", err.Error())
		return
	}
	w.Header()["Dpop-Nonce"] = []string{nonce}
}
