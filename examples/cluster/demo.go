package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// demo is an OAuth client in the proxy's process that knows the issuer and nothing else,
// and shows which replica answered what. It has one user: you.
type demo struct {
	issuer string

	mu                        sync.Mutex
	state, verifier           string
	accessToken, refreshToken string
	steps                     []string
}

func (d *demo) begin(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state, d.verifier, d.steps = rand.Text(), rand.Text()+rand.Text(), nil
	http.Redirect(w, r, authorizationURL(d.issuer, d.state, d.verifier), http.StatusSeeOther)
}

func authorizationURL(issuer, state, verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return issuer + "/oauth2/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {issuer + "/demo/callback"},
		"scope": {"alerts:read offline_access"}, "state": {state},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()
}

func (d *demo) callback(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := r.URL.Query()
	switch {
	case q.Get("state") != d.state || q.Get("iss") != d.issuer: // RFC 6749 §10.12, RFC 9207 §2.4
		d.steps = append(d.steps, "an answer that was not asked for")
	case q.Get("error") != "":
		d.steps = append(d.steps, "the answer was "+q.Get("error"))
	default:
		d.token("code redeemed", url.Values{
			"grant_type": {"authorization_code"}, "code": {q.Get("code")},
			"redirect_uri": {d.issuer + "/demo/callback"}, "code_verifier": {d.verifier},
		})
	}
	d.show(w)
}

func (d *demo) step(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch r.PostFormValue("do") {
	case "refresh":
		d.token("refreshed", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {d.refreshToken}})
	case "call":
		request, _ := http.NewRequest(http.MethodGet, d.issuer+"/api/alerts", nil)
		request.Header.Set("Authorization", "Bearer "+d.accessToken)
		d.note("API called", request)
	case "revoke":
		d.note("revoked", form(d.issuer+"/oauth2/revoke", url.Values{"token": {d.refreshToken}}))
	}
	d.show(w)
}

// form is a request of the public client.
func form(to string, params url.Values) *http.Request {
	params.Set("client_id", clientID)
	r, _ := http.NewRequest(http.MethodPost, to, strings.NewReader(params.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func (d *demo) token(what string, params url.Values) {
	var tokens struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	if json.Unmarshal(d.note(what, form(d.issuer+"/oauth2/token", params)), &tokens) == nil && tokens.AccessToken != "" {
		d.accessToken, d.refreshToken = tokens.AccessToken, tokens.RefreshToken
	}
}

// note sends a request and remembers who answered it, and how.
func (d *demo) note(what string, r *http.Request) []byte {
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		d.steps = append(d.steps, what+": no answer")
		return nil
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	d.steps = append(d.steps, fmt.Sprintf("%s: %s, by replica %s", what, answer.Status, answer.Header.Get("X-Replica")))
	return body
}

func (d *demo) show(w http.ResponseWriter) {
	var steps strings.Builder
	for _, step := range d.steps {
		fmt.Fprintf(&steps, "<li>%s", html.EscapeString(step))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprint(w, page("A client of the cluster", `<ol>`+steps.String()+`</ol><form method="post" action="/demo/step">
<button name="do" value="refresh">Refresh</button> <button name="do" value="call">Call the API</button>
<button name="do" value="revoke">Revoke</button></form> <p><a href="/">Back to the replicas</a></p>`))
}
