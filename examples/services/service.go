package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/handlers/protect"
)

// api is what the three services have in common: a guarded API, and a way to call others.
// Nothing in it needs the authorization server in the same process.
type api struct {
	name, url string
	verifier  resource.Verifier
	tokens    *tokens
	hops      *hops
	mux       *http.ServeMux
}

func newAPI(name, url string, t *tokens, h *hops) (*api, error) {
	// Only tokens for this service are good here (RFC 9068 §4).
	verifier, err := resource.JWKS(resource.JWKSConfig{Issuer: t.issuer, Audience: url})
	return &api{name: name, url: url, verifier: verifier, tokens: t, hops: h, mux: http.NewServeMux()}, err
}

// handle serves calls that carry this scope.
func (a *api) handle(pattern, scope string, f http.HandlerFunc) {
	guard := protect.Require(a.verifier, protect.Options{Audience: a.url, Realm: a.name}, scope)
	a.mux.Handle(pattern, guard(a.hops.note(a.name, f)))
}

// handleForUser is handle for what is done for users alone: a service that has the scope, to
// pass it on, must not use it on its own account. In a token of a client's own, sub is the
// client (RFC 9068 §2.2).
func (a *api) handleForUser(pattern, scope string, f http.HandlerFunc) {
	a.handle(pattern, scope, func(w http.ResponseWriter, r *http.Request) {
		if t := protect.TokenFrom(r.Context()); t.Subject == t.ClientID {
			http.Error(w, "this is done for users alone: exchange a token of theirs", http.StatusForbidden)
			return
		}
		f(w, r)
	})
}

// callOwn calls another service on one's own account.
func (a *api) callOwn(ctx context.Context, method, service, path, scope string, in, out any) error {
	token, err := a.tokens.own(ctx, service, scope)
	if err != nil {
		return err
	}
	return call(ctx, token, method, service+path, in, out)
}

// callFor calls another service for whoever stands behind the request that is being served,
// with these of its scopes.
func (a *api) callFor(r *http.Request, method, service, path, scope string, in, out any) error {
	token, err := a.tokens.onBehalf(r.Context(), bearer(r), service, scope)
	if err != nil {
		return err
	}
	return call(r.Context(), token, method, service+path, in, out)
}

// bearer is the token of a request that the guard has let through (RFC 6750 §2.1).
func bearer(r *http.Request) string {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token)
}

// call sends a request to an API and reads its answer.
func call(ctx context.Context, token, method, address string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := outbound.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(answer.Body, 200))
		return &callError{answer.StatusCode, fmt.Sprintf("%s %s answers %s: %s %s", method, address, answer.Status, said, answer.Header.Get("WWW-Authenticate"))}
	}
	return json.NewDecoder(io.LimitReader(answer.Body, maxBody)).Decode(out)
}

// callError is an answer other than 200.
type callError struct {
	status int
	text   string
}

func (e *callError) Error() string { return e.text }

// reply answers with JSON, or says that a service behind this one failed. What failed is for
// the log: whoever calls is not told what is behind.
func reply(w http.ResponseWriter, v any, err error) {
	if err != nil {
		slog.Error("a call failed", "cause", err)
		http.Error(w, "a service behind this one failed", http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// read reads the JSON body of a request.
func read(w http.ResponseWriter, r *http.Request, v any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(v); err != nil {
		http.Error(w, "the body is not the JSON that is expected here", http.StatusBadRequest)
		return false
	}
	return true
}
