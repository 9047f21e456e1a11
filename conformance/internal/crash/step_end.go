package crash

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/grantor-oauth/grantor/storage"
)

// press presses one of the host's buttons.
func (w *worker) press(what, about string, path string, form url.Values) asked {
	a := w.ask(what, about, request{path: path, form: form})
	if !a.ok() {
		w.strange(what, about, a)
	}
	return a
}

// revoke has the client revoke its refresh token, and so the grant.
func (w *worker) revoke(f *family) {
	f.begin()
	a := w.ask("revoke", f.String(), request{path: "/oauth2/revoke", client: f.client, form: url.Values{"token": {f.newest()}}})
	f.pending = false
	if !a.ok() {
		w.strange("revoke", f.String(), a)
	}
	w.found.wrote()
	f.dead = true
}

// revokeAccess has the client revoke its newest access token alone.
func (w *worker) revokeAccess(f *family) {
	f.begin()
	token := f.access[len(f.access)-1]
	a := w.ask("revoke access of", f.String(), request{path: "/oauth2/revoke", client: f.client, form: url.Values{"token": {token.value}}})
	f.pending = false
	if !a.ok() {
		w.strange("revoke access of", f.String(), a)
	}
	w.found.wrote()
	token.revoked = true
}

// end ends all that a user has, or all with one client.
func (w *worker) end(u *user, client string) {
	concerns := func(c string) bool { return client == "" || c == client }
	for _, f := range u.families {
		if concerns(f.client) {
			f.begin()
		}
	}
	for c := range u.consents {
		if concerns(c) {
			u.consents[c] = either
		}
	}
	if client == "" {
		w.press("end", u.name, endPath, url.Values{"user": {u.name}})
	} else {
		w.press("disconnect "+client+" from", u.name, disconnectPath, url.Values{"user": {u.name}, "client": {client}})
	}
	w.found.wrote()
	for _, f := range u.families {
		if concerns(f.client) {
			f.pending, f.dead = false, true
		}
	}
	for c := range u.consents {
		if concerns(c) {
			u.consents[c] = withdrawn
		}
	}
}

// endGrants looks up what a user has with a client, and ends each grant by its name.
func (w *worker) endGrants(u *user, client string) {
	a := w.press("grants of", u.name, grantsPath, url.Values{"user": {u.name}})
	w.found.read()
	var grants []storage.Grant
	if !a.into(&grants) {
		w.strange("grants of", u.name, a)
	}
	live := map[string]int{}
	for _, g := range grants {
		if g.RevokedAt.IsZero() {
			live[g.ClientID]++
		}
	}
	told := 0
	for _, f := range u.families {
		if f.client == client && !f.dead && !f.moot && !f.perishable() {
			told++
		}
	}
	if live[client] < told {
		w.found.found(lost, fmt.Sprintf("grants of %s for %s", u.name, client), "%d are listed, and there were %d", live[client], told)
	}
	for _, f := range u.families {
		if f.client == client {
			f.begin()
		}
	}
	for _, g := range grants {
		if g.ClientID == client && g.RevokedAt.IsZero() {
			w.press("end grant of", u.name, endGrantPath, url.Values{"grant": {g.ID}})
			w.found.wrote()
		}
	}
	for _, f := range u.families {
		if f.client == client {
			f.pending, f.dead = false, true
		}
	}
}

// ownToken gets a client a token of its own.
func (w *worker) ownToken(client string) *accessToken {
	a := w.ask("own token of", client, request{path: "/oauth2/token", client: client, form: url.Values{"grant_type": {"client_credentials"}}})
	var p tokenPair
	if !a.into(&p) || p.Access == "" {
		w.strange("own token of", client, a)
	}
	w.found.wrote()
	return &accessToken{value: p.Access, expiresAt: a.first.Add(lifetimes.AccessToken)}
}

// register registers a client, or gives one that there is another name.
func (w *worker) register(id string) {
	w.made++
	name := fmt.Sprintf("name %d", w.made)
	w.press("register", id, registerPath, url.Values{"client": {id}, "name": {name}})
	w.found.wrote()
	if !slices.Contains(w.registered, id) {
		w.registered = append(w.registered, id)
	}
}

// introspect asks about the newest access token.
func (w *worker) introspect(f *family) {
	token := f.access[len(f.access)-1]
	a := w.ask("introspect", f.String(), introspection(api, token.value))
	w.found.read()
	w.judgeToken(f.String(), a.answer, token, f.dead)
}

func introspection(client, token string) request {
	return request{path: "/oauth2/introspect", client: client, form: url.Values{"token": {token}}}
}

// active reads the answer of the introspection endpoint.
func (a *answer) active() (active, ok bool) {
	var i struct {
		Active *bool `json:"active"`
	}
	if !a.into(&i) || i.Active == nil {
		return false, false
	}
	return *i.Active, true
}
