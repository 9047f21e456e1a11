package crash

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"time"
)

// The audit of the servers: what clients and hosts were told, against what they are told
// now. The load stands still.

// auditLive asks about what has changed since the last time and about some of the rest,
// or about everything.
func (r *run) auditLive(everything bool) {
	const sample = 40
	var families []*family
	var some []*family
	for _, w := range r.workers {
		w.mu.Lock() // whoever waits for an answer does not hold it
		defer w.mu.Unlock()
		for _, u := range w.users {
			for _, f := range u.families {
				if everything || f.touched {
					families = append(families, f)
				} else {
					some = append(some, f)
				}
				f.touched = f.pending
			}
		}
	}
	for range min(sample, len(some)) {
		families = append(families, some[rand.IntN(len(some))])
	}
	each(16, families, r.judgeFamily)
	if !everything {
		return
	}
	var users []*user
	for _, w := range r.workers {
		users = append(users, w.users...)
		for _, token := range w.own {
			if a := r.query(introspection(api, token.value)); a != nil {
				r.judgeToken("client "+service, a, token, false)
			}
		}
		for _, id := range w.registered {
			a := r.query(request{path: "/oauth2/token", client: id, form: url.Values{"grant_type": {"client_credentials"}}})
			if a != nil && !a.ok() {
				r.found.found(lost, "client "+id, "it cannot authenticate")
			}
		}
	}
	each(16, users, r.judgeConsents)
}

// query asks until there is an answer; nil if there is none.
func (r *run) query(q request) *answer {
	for end := time.Now().Add(patience); ; time.Sleep(againAfter) {
		a := r.site.send(q)
		if a.definite() {
			r.found.read()
			return a
		}
		if r.found.err() != nil {
			return nil
		}
		if time.Now().After(end) {
			r.found.cannot(fmt.Errorf("audit: %s: no answer in %s, the last was %s", q.path, patience, a.outcome()))
			return nil
		}
	}
}

// judgeFamily looks at one authorization.
func (r *run) judgeFamily(f *family) {
	if f.pending || f.moot || f.perishable() {
		return
	}
	for _, token := range f.access {
		if a := r.query(introspection(api, token.value)); a != nil {
			r.judgeToken(f.String(), a, token, f.dead)
		}
	}
	for i, token := range f.refresh {
		if secretOf(f.client) == "" {
			break // public clients may not ask
		}
		a := r.query(introspection(f.client, token))
		if a == nil {
			return
		}
		active, ok := a.active()
		newest := i == len(f.refresh)-1
		switch {
		case !ok:
			r.found.cannot(fmt.Errorf("audit: introspection: %d %s", a.status, a.outcome()))
		case active && f.dead:
			r.found.found(resurrected, "refresh token of "+f.String(), "it was ended")
		case active && !newest:
			r.found.found(resurrected, "refresh token of "+f.String(), "it was used up")
		case !active && !f.dead && newest:
			r.found.found(lost, "refresh token of "+f.String(), "it is not active any more")
		}
	}
	if !f.dead {
		return
	}
	// What is dead may be tried, for it cannot get any deader.
	if f.redeemed {
		if a := r.query(f.renewal(f.newest())); a != nil && a.errorCode() != "invalid_grant" {
			r.found.found(resurrected, "refresh token of "+f.String(), "it was ended, and is accepted")
		}
	}
	switch a := r.query(f.redemption()); {
	case a == nil || a.errorCode() == "invalid_grant":
	case f.redeemed:
		r.found.found(doubled, "code for "+f.String(), "it was redeemed, and is accepted")
	default:
		r.found.found(resurrected, "code for "+f.String(), "it was ended, and is accepted")
	}
}

// judgeToken judges an answer of the introspection endpoint about an access token.
func (r *run) judgeToken(whose string, a *answer, token *accessToken, dead bool) {
	active, ok := a.active()
	ended := dead || token.revoked
	switch {
	case !ok:
		r.found.cannot(fmt.Errorf("introspection: %d %s", a.status, a.outcome()))
	case active && ended:
		r.found.found(resurrected, "access token of "+whose, "it was ended")
	case !active && !ended && r.now().Before(token.expiresAt.Add(-slack)):
		r.found.found(lost, "access token of "+whose, "it is not active any more")
	}
}

// judgeConsents looks at what a user has agreed to.
func (r *run) judgeConsents(u *user) {
	a := r.query(request{path: consentsPath, form: url.Values{"user": {u.name}}})
	if a == nil {
		return
	}
	var clients []string
	if !a.into(&clients) {
		r.found.cannot(fmt.Errorf("audit: consents: %d %s", a.status, a.outcome()))
		return
	}
	listed := map[string]bool{}
	for _, client := range clients {
		listed[client] = true
	}
	for client, is := range u.consents {
		switch {
		case is == there && !listed[client]:
			r.found.found(lost, "consent of "+client+" of "+u.name, "it is not listed")
		case (is == withdrawn || is == nothing) && listed[client]:
			r.found.found(resurrected, "consent of "+client+" of "+u.name, "it was withdrawn, and is listed")
		}
	}
}
