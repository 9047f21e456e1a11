package main

import (
	"crypto/rand"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// shop is the page on which users buy: a client with a key, like the services, that gets a
// token for the service orders and for nothing else.
type shop struct {
	url, ordersURL string
	tokens         *tokens

	mu     sync.Mutex
	asking map[string]asking // by cookie
}

// asking is an authorization request whose answer has not come yet.
type asking struct {
	state, verifier, item string
	since                 time.Time
}

const (
	askingCookie = "buying"
	askingFor    = 10 * time.Minute
	maxAsking    = 1000
)

func newShop(url, ordersURL string, t *tokens) http.Handler {
	s := &shop{url: url, ordersURL: ordersURL, tokens: t, asking: map[string]asking{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { show(w, http.StatusOK, "") })
	mux.HandleFunc("POST /buy", s.buy)
	mux.HandleFunc("GET /callback", s.callback)
	return http.NewCrossOriginProtection().Handler(mux) // nobody buys by a link on another page
}

// buy sends the user to the authorization server (RFC 6749 §4.1.1, RFC 8707 §2.1).
func (s *shop) buy(w http.ResponseWriter, r *http.Request) {
	a := asking{state: rand.Text(), verifier: oauth2.GenerateVerifier(), item: r.PostFormValue("item"), since: time.Now()}
	id := rand.Text()
	s.mu.Lock()
	for other, b := range s.asking {
		if time.Since(b.since) > askingFor || len(s.asking) >= maxAsking {
			delete(s.asking, other)
		}
	}
	s.asking[id] = a
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: askingCookie, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(askingFor.Seconds())})
	http.Redirect(w, r, s.tokens.issuer+"/oauth2/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {"shop"}, "redirect_uri": {s.url + "/callback"}, "state": {a.state},
		"scope": {placeOrders + " " + makePayments + " " + fileReceipts}, "resource": {s.ordersURL},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(a.verifier)}, "code_challenge_method": {"S256"},
	}.Encode(), http.StatusSeeOther)
}

// callback is where the user comes back to: it redeems the code and places the order. The
// token is not kept.
func (s *shop) callback(w http.ResponseWriter, r *http.Request) {
	a, known := s.answered(r)
	q := r.URL.Query()
	switch {
	case !known || q.Get("state") != a.state || q.Get("iss") != s.tokens.issuer: // RFC 6749 §10.12, RFC 9207 §2.4
		show(w, http.StatusBadRequest, "This purchase was not begun here, or too long ago.")
		return
	case q.Get("code") == "":
		show(w, http.StatusOK, "Nothing was bought.")
		return
	}
	answer, err := s.tokens.ask(r.Context(), url.Values{
		"grant_type": {"authorization_code"}, "code": {q.Get("code")}, "redirect_uri": {s.url + "/callback"}, "code_verifier": {a.verifier},
	})
	var placed order
	if err == nil {
		err = call(r.Context(), answer.AccessToken, http.MethodPost, s.ordersURL+"/orders", order{Item: a.item}, &placed)
	}
	if err != nil {
		slog.Error("a purchase failed", "cause", err)
		show(w, http.StatusBadGateway, "Nothing was bought. Try again later.")
		return
	}
	show(w, http.StatusOK, fmt.Sprintf("Order %d: one %s for %d.%02d, receipt %d. The terminal shows which way it went.",
		placed.ID, placed.Item, placed.Cents/100, placed.Cents%100, placed.Receipt))
}

// answered finds the request that this is the answer to, once.
func (s *shop) answered(r *http.Request) (asking, bool) {
	cookie, err := r.Cookie(askingCookie)
	if err != nil {
		return asking{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, known := s.asking[cookie.Value]
	delete(s.asking, cookie.Value)
	return a, known && time.Since(a.since) <= askingFor
}

var shopPage = template.Must(template.New("shop").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Tea shop</title><style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem;color-scheme:light dark}button{font:inherit;padding:.4rem 1rem;margin-right:.5rem}</style>
<h1>Tea shop</h1>{{with .}}<p id="outcome">{{.}}</p>{{end}}
<form method="post" action="/buy"><button name="item" value="teapot">Buy a teapot</button><button name="item" value="tea">Buy tea</button></form></html>
`))

func show(w http.ResponseWriter, status int, outcome string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	_ = shopPage.Execute(w, outcome)
}
