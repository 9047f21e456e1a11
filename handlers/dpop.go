package handlers

import (
	"log/slog"
	"net/http"
	"net/url"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers/protect"
)

// tellNonce tells every client the nonce for its next DPoP proof (RFC 9449 §8, §8.2). An
// endpoint that takes proofs calls it before anything can fail.
func (e *endpoint) tellNonce(w http.ResponseWriter, r *http.Request) {
	nonces := e.as.DPoPNonces()
	if nonces == nil {
		return
	}
	nonce, err := nonces.Current(r.Context())
	if err != nil { // then no proof can be judged, which is answered with 503
		e.log.LogAttrs(r.Context(), slog.LevelError, "there is no nonce for DPoP proofs", slog.String("cause", err.Error()))
		return
	}
	w.Header()["Dpop-Nonce"] = []string{nonce}
}

// takesProofs reports whether the server binds tokens to keys.
func takesProofs(as *authz.Server) bool { return as.Metadata().DPoPSigningAlgValuesSupported != nil }

// proofsFor fills in how a resource in this process takes bound tokens.
func proofsFor(as *authz.Server, options protect.Options) *protect.DPoP {
	d := protect.DPoP{}
	switch {
	case options.DPoP != nil:
		d = *options.DPoP
	case !takesProofs(as):
		return nil
	}
	if u, err := url.Parse(options.Audience); d.URL == "" && (err != nil || u.Host == "") {
		issuer, _ := url.Parse(as.Issuer()) // authz.New has checked it
		d.URL = issuer.Scheme + "://" + issuer.Host
	}
	if d.Nonces == nil {
		d.Nonces = as.DPoPNonces()
	}
	if d.Replay == nil {
		d.Replay = as
	}
	if len(d.Algorithms) == 0 {
		d.Algorithms = as.Metadata().DPoPSigningAlgValuesSupported
	}
	return &d
}
