package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/grantor-oauth/grantor/authz/resource"
	"github.com/grantor-oauth/grantor/handlers/protect"
)

// hop is one call that a service has let in: what its token said. It holds no token.
type hop struct {
	service, call string
	subject       string
	actors        []string // the last one first (RFC 8693 §4.1)
	audience      []string
	scopes        []string
}

func (h hop) String() string {
	actors := "-"
	if len(h.actors) > 0 {
		actors = strings.Join(h.actors, " for ")
	}
	return fmt.Sprintf("%-8s %-16s sub=%-8s act=%-18s aud=%s scope=%q",
		h.service, h.call, h.subject, actors, strings.Join(h.audience, " "), strings.Join(h.scopes, " "))
}

// hops prints them as they come, and keeps them for -check.
type hops struct {
	mu   sync.Mutex
	out  io.Writer
	seen []hop
}

// note writes down each call of a service that comes with a good token.
func (h *hops) note(service string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := protect.TokenFrom(r.Context())
		at := hop{service, r.Method + " " + r.URL.Path, t.Subject, actorsOf(t), t.Audience, t.Scopes}
		h.mu.Lock()
		h.seen = append(h.seen, at)
		fmt.Fprintln(h.out, at)
		h.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// all are those that were seen since the last time.
func (h *hops) all() []hop {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := slices.Clone(h.seen)
	h.seen = nil
	return seen
}

// actorsOf reads the chain of those who act: only the first of them does now, the others are
// history (RFC 8693 §4.1).
func actorsOf(t *resource.Token) (actors []string) {
	for act, ok := t.Claims["act"].(map[string]any); ok; act, ok = act["act"].(map[string]any) {
		name, _ := act["sub"].(string)
		actors = append(actors, name)
	}
	return actors
}
