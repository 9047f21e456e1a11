package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// The client is the quickstart's public one: it keeps no secret, so there is none that the
// replicas would have to agree on, and it may come back to any port of 127.0.0.1.
const (
	clientID     = "status-board-mobile"
	callbackPath = "/callback/" + clientID
	scope        = "source:r source:w offline_access"
)

// demo is an OAuth client in the proxy's process that knows the issuer and nothing else,
// and shows which replica answered what. It has one user: you.
type demo struct {
	issuer string
	http   http.Client

	mu                        sync.Mutex
	state, verifier           string // of the authorization request under way
	accessToken, refreshToken string
	steps                     []step
}

// step is one thing that the client did.
type step struct {
	What, Outcome, Replica string
	Failed                 bool
}

func newDemo(issuer string) *demo {
	return &demo{issuer: issuer, http: http.Client{Timeout: 10 * time.Second}}
}

func (d *demo) connect(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state, d.verifier = rand.Text(), rand.Text()+rand.Text()
	d.accessToken, d.refreshToken, d.steps = "", "", nil
	http.Redirect(w, r, authorizationURL(d.issuer, d.state, d.verifier), http.StatusSeeOther)
}

func authorizationURL(issuer, state, verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return issuer + "/oauth2/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {issuer + callbackPath},
		"scope": {scope}, "state": {state},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()
}

func (d *demo) callback(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := r.URL.Query()
	switch {
	case d.state == "" || q.Get("state") != d.state || q.Get("iss") != d.issuer: // RFC 6749 §10.12, RFC 9207 §2.4
		d.steps = append(d.steps, step{What: "An answer came", Outcome: "not to a question of ours", Failed: true})
	case q.Get("error") != "":
		d.state = ""
		d.steps = append(d.steps, step{What: "The browser came back", Outcome: q.Get("error"), Failed: true})
	default:
		d.state = "" // good for one answer
		d.token("Code redeemed", url.Values{
			"grant_type": {"authorization_code"}, "code": {q.Get("code")},
			"redirect_uri": {d.issuer + callbackPath}, "code_verifier": {d.verifier},
		})
	}
	http.Redirect(w, r, "/cluster/client", http.StatusSeeOther) // away from an address with a code in it
}

func (d *demo) act(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch r.PostFormValue("do") {
	case "refresh":
		d.token("Refreshed", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {d.refreshToken}})
	case "call":
		request, _ := http.NewRequest(http.MethodGet, d.issuer+"/api/sources", nil)
		request.Header.Set("Authorization", "Bearer "+d.accessToken)
		d.note("API called", request)
	case "revoke":
		d.note("Revoked", form(d.issuer+"/oauth2/revoke", url.Values{"token": {d.refreshToken}}))
	}
	http.Redirect(w, r, "/cluster/client", http.StatusSeeOther)
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
	answer, err := d.http.Do(r)
	if err != nil {
		d.steps = append(d.steps, step{What: what, Outcome: "no answer", Failed: true})
		return nil
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	d.steps = append(d.steps, step{what, answer.Status, answer.Header.Get("X-Replica"), answer.StatusCode >= 400})
	return body
}

func (d *demo) show(w http.ResponseWriter, _ *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	show(w, "client", map[string]any{"Steps": d.steps, "Connected": d.accessToken != ""})
}
