package crash

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// verifier is the PKCE verifier of every authorization here (RFC 7636 §4.1).
var verifier = strings.Repeat("v", 43)

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// connect has a user authorize a client. It returns nil if nothing came of it that
// anybody could rely on.
func (w *worker) connect(u *user, client string) *family {
	f := &family{user: u, client: client, pending: true, touched: true}
	before := u.consents[client]
	if asks(client) {
		u.consents[client] = either
	}
	a := w.ask("authorize", f.String(), request{path: "/oauth2/authorize", user: u.name, form: url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {redirectOf(client)}, "state": {"xyz"},
		"scope": {"read offline_access"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}})
	form, cookie := a.page()
	switch {
	case form != nil && before == there:
		w.found.found(lost, "consent of "+f.String(), "the user is asked again")
	case form == nil && asks(client) && (before == nothing || before == withdrawn):
		w.found.found(resurrected, "consent of "+f.String(), "the user is not asked again")
	}
	if form != nil {
		shown := a.leaps
		a = w.ask("consent", f.String(), request{path: "/oauth2/consent", user: u.name, form: form, cookie: cookie})
		if a.code() == "" && (a.unsure || w.leaps.Load() != shown) {
			return nil // the page was answered by a try that nobody heard of, or is too old
		}
		if a.status == http.StatusForbidden {
			// What was sealed before a crash opens after it: the keys are acknowledged too.
			w.found.found(lost, "consent page of "+f.String(), "it was shown and is not accepted")
			return nil
		}
	}
	if a.code() == "" {
		w.strange("authorize", f.String(), a)
	}
	w.found.wrote()
	if asks(client) {
		u.consents[client] = there
	}
	f.code, f.made, f.leaps, f.pending = a.code(), a.last, a.leaps, false
	if a.leaped || a.leaps%2 == 1 {
		f.leaps = -1 // in the middle of one: it may have been made before or after
	}
	u.families = append(u.families, f)
	return f
}

// slack is how much earlier than its end something is no longer relied on.
const slack = 3 * time.Second

// stale tells whether the code may have expired.
func (w *worker) stale(f *family) bool {
	age := w.now().Sub(f.made)
	return f.leaps != w.leaps.Load() || age > codeLife-slack || f.perishable() && age > shortAccess-slack
}

// old tells whether anything that the client was given may have expired.
func (w *worker) old(f *family) bool {
	return f.perishable() && (f.leaps != w.leaps.Load() || w.now().Sub(f.made) > shortAccess-slack)
}

func (f *family) redemption() request {
	return request{path: "/oauth2/token", client: f.client, form: url.Values{
		"grant_type": {"authorization_code"}, "code": {f.code}, "redirect_uri": {redirectOf(f.client)}, "code_verifier": {verifier},
	}}
}

// exchange redeems the code.
func (w *worker) exchange(f *family) {
	f.begin()
	a := w.ask("exchange", f.String(), f.redemption())
	f.pending = false
	switch {
	case a.ok():
		w.take(f, a)
		f.redeemed = true
	case a.errorCode() != "invalid_grant":
		w.strange("exchange", f.String(), a)
	case w.stale(f):
		f.moot = true
	case a.unsure:
		f.dead = true // an earlier try had redeemed it, and this one was a replay
	default:
		w.found.found(lost, "code for "+f.String(), "it was given out and is not accepted")
		f.moot = true
	}
}

// exchangeTwice redeems the code twice at once. One may succeed; since the code came
// twice, what it yielded ends.
func (w *worker) exchangeTwice(f *family) {
	f.begin()
	one, two := w.askTwice("exchange", f.String(), f.redemption())
	f.pending = false
	good := 0
	for _, a := range []asked{one, two} {
		switch {
		case a.ok():
			w.take(f, a)
			f.redeemed = true
			good++
		case a.errorCode() != "invalid_grant":
			w.strange("exchange", f.String(), a)
		}
	}
	switch {
	case good == 2:
		w.found.found(doubled, "code for "+f.String(), "it was redeemed twice")
		f.moot = true
	case w.stale(f):
		f.moot = true
	case good == 0 && !one.unsure && !two.unsure:
		w.found.found(lost, "code for "+f.String(), "it was given out and is not accepted")
		f.moot = true
	default:
		f.dead = true
	}
}

// replay presents a code that was redeemed.
func (w *worker) replay(f *family) {
	f.begin()
	a := w.ask("replay", f.String(), f.redemption())
	f.pending = false
	switch {
	case a.ok():
		w.found.found(doubled, "code for "+f.String(), "it was redeemed again")
		f.moot = true
	case a.errorCode() != "invalid_grant":
		w.strange("replay", f.String(), a)
	case w.stale(f):
		f.moot = true
	default:
		f.dead = true
	}
}

func (f *family) begin() { f.pending, f.touched = true, true }

// take notes the tokens of an answer.
func (w *worker) take(f *family, a asked) {
	var p tokenPair
	if !a.into(&p) || p.Access == "" || p.Refresh == "" {
		w.strange("tokens", f.String(), a)
	}
	life := lifetimes.AccessToken
	if f.perishable() {
		life = shortAccess
	}
	w.found.wrote()
	f.access = append(f.access, &accessToken{value: p.Access, expiresAt: a.first.Add(life)})
	f.refresh = append(f.refresh, p.Refresh)
}
