package main

import (
	"log/slog"
	"net/http"
	"net/url"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Signing out, of this site and of all that the user has signed in to from the same browser.

// signOut ends the session here and goes to Pager, which ends its own and tells the other sites
// (OpenID Connect RP-Initiated Logout §2). The ID token says whom this site means, so that Pager
// need not ask.
func (s *site) signOut(w http.ResponseWriter, r *http.Request) {
	id, p := s.session(r)
	if p == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	s.take(id)
	q := url.Values{"id_token_hint": {p.hint}, "post_logout_redirect_uri": {s.url + "/"}}
	http.Redirect(w, r, s.endSession+"?"+q.Encode(), http.StatusSeeOther)
}

// signedOut is where Pager tells that a user has signed out there (OpenID Connect Back-Channel
// Logout §2.5): no browser is here, and no cookie. Who is meant is found by sid, or, without
// one, by sub, in all sessions. A token that comes again finds nobody, and does no harm.
func (s *site) signedOut(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store") // §2.8
	ctx := oidc.ClientContext(r.Context(), &http.Client{Timeout: patience})
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	token, err := s.verifier.VerifyLogout(ctx, r.PostFormValue("logout_token"))
	if err != nil {
		slog.Error("a logout token was refused", "site", s.id, "cause", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, p := range s.people {
		if p.subject == token.Subject && (token.SessionID == "" || p.sid == token.SessionID) {
			delete(s.people, id)
		}
	}
}
