package handlers

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/grantor-oauth/grantor/authz"
)

// wellKnown goes between the issuer's host and its path (RFC 8414 §3.1).
const wellKnown = "/.well-known/oauth-authorization-server"

// openIDWellKnown is where OpenID Connect Discovery §4 has the same document.
const openIDWellKnown = "/.well-known/openid-configuration"

// Metadata tells clients where the endpoints are and what they can do (RFC 8414 §3).
// Its path is /.well-known/oauth-authorization-server and then the issuer's own path,
// if it has one.
func Metadata(as *authz.Server, options ...Options) http.Handler {
	e := newEndpoint(as, options)
	return forAnyOrigin(e.forPrograms([]string{http.MethodGet, http.MethodHead}, func(w http.ResponseWriter, r *http.Request) error {
		return e.publish(w, r, "application/json", e.as.Metadata())
	}))
}

// publicCache is how long documents may be kept: for the keys, no longer than authz
// allows, which shows a key for longer than that before it signs.
const publicCache = "public, max-age=300"

// publish sends a public document, or tells that it has not changed (RFC 9110 §13.1.2).
func (e *endpoint) publish(w http.ResponseWriter, r *http.Request, contentType string, document any) error {
	body, err := json.Marshal(document)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	w.Header().Set("Cache-Control", publicCache)
	w.Header().Set("ETag", tag)
	if strings.Contains(r.Header.Get("If-None-Match"), tag) { // weakened by a proxy or not
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusOK)
	w.Write(append(body, '\n')) // nothing, for HEAD: net/http sees to that
	return nil
}
