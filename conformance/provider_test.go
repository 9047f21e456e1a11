package conformance_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

const (
	redirectURI = "https://client.example/callback"
	goodbyeURI  = "https://client.example/bye"
)

// person is what the host of a provider knows of ana: every claim of OpenID Connect Core §5.1.
var person = map[string]any{
	"name": "Ana Example", "given_name": "Ana", "family_name": "Example", "middle_name": "B", "nickname": "an", "preferred_username": "ana",
	"profile": "https://ana.example/", "picture": "https://ana.example/ana.png", "website": "https://ana.example/", "gender": "female",
	"birthdate": "2000-01-02", "zoneinfo": "Europe/Rome", "locale": "it-IT", "updated_at": 1700000000,
	"email": "ana@example.com", "email_verified": true, "phone_number": "+39 06 0000", "phone_number_verified": false,
	"address": map[string]any{"formatted": "Via Roma 1, Roma", "country": "IT"},
}

// provider is a host with one client, its user ana, and a clock to move. It is used over HTTP
// alone, as the certification suite does.
type provider struct {
	*httptest.Server
	clock   *authztest.Clock
	secret  string
	found   *oidc.Provider
	browser *http.Client

	signedInAt atomic.Pointer[time.Time] // nil while nobody is
	asked      atomic.Pointer[url.Values]
}

func newProvider(t *testing.T, configure ...func(*authz.Config)) *provider {
	t.Helper()
	mux := http.NewServeMux()
	p := &provider{Server: httptest.NewServer(mux), clock: authztest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
	t.Cleanup(p.Close)
	scopes := authz.Scopes{}
	client := authz.Client{ID: "client", RedirectURIs: []string{redirectURI}, FirstParty: true, PostLogoutRedirectURIs: []string{goodbyeURI}}
	for _, scope := range []string{"openid", "profile", "email", "address", "phone", "offline_access"} {
		scopes[scope], client.Scopes = scope, append(client.Scopes, scope)
	}
	var hashed storage.Secret
	p.secret, hashed = authz.NewSecret()
	client.Secrets = []storage.Secret{hashed}
	config := authz.Config{
		Issuer: p.URL, Storage: memory.New(), Clock: p.clock.Now, Scopes: scopes, Clients: []authz.Client{client},
		OptionalPKCE: true, // the suite's clients know nothing of it
		Logger:       slog.New(slog.NewTextHandler(t.Output(), nil)),
		Login: func(r *http.Request) (*authz.User, error) {
			params := r.URL.Query()
			if r.Method == http.MethodPost {
				params = r.PostForm
			}
			p.asked.Store(&params)
			at := p.signedInAt.Load()
			if at == nil || authz.MustSignInAgain(r) {
				return nil, authz.RedirectToLogin("/login")
			}
			return &authz.User{Subject: "ana", AuthTime: *at}, nil
		},
		Logout: func(http.ResponseWriter, *http.Request) error {
			p.signedInAt.Store(nil)
			return nil
		},
		UserClaims: func(context.Context, *authz.UserClaimsRequest) (map[string]any, error) { return person, nil },
	}
	for _, change := range configure {
		change(&config)
	}
	as, err := authz.New(config)
	if err != nil {
		t.Fatal(err)
	}
	handlers.Mount(mux, as)
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) { // ana signs in at once
		p.signIn()
		http.Redirect(w, r, as.ReturnTo(r, "/"), http.StatusSeeOther)
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p.browser = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), p.URL+"/") {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	if p.found, err = oidc.NewProvider(t.Context(), p.URL); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *provider) signIn() {
	now := p.clock.Now()
	p.signedInAt.Store(&now)
}

// hybrid is a mode in which there is an ID token in the answer, in the fragment; with form_post
// behind it, in the form.
const hybrid = "code id_token"

// withPKCE is what the suite adds in the one module that is about it.
var withPKCE = []string{"code_challenge", authztest.Challenge(), "code_challenge_method", "S256"}

// request are the parameters of a good authorization request, changed by pairs of name and
// value; an empty value takes the parameter away.
func request(mode string, pairs ...string) url.Values {
	v := url.Values{
		"response_type": {"code"}, "client_id": {"client"}, "redirect_uri": {redirectURI}, "scope": {"openid"}, "state": {"the state"}, "nonce": {"the nonce"},
	}
	if asked, ok := strings.CutPrefix(mode, hybrid); ok {
		v.Set("response_type", hybrid)
		mode = strings.TrimSpace(asked)
	}
	if mode != "query" && mode != "" {
		v.Set("response_mode", mode)
	}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			v.Del(pairs[i])
		}
	}
	return v
}

var (
	formAction = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	formField  = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
)

// visit sends the browser to the authorization endpoint. It returns what the client gets back,
// by the way that the response mode names; or nil, and the status of the page that is shown.
func (p *provider) visit(t *testing.T, method string, params url.Values) (url.Values, int) {
	t.Helper()
	endpoint := p.found.Endpoint().AuthURL
	var page *http.Response
	var err error
	if method == http.MethodPost {
		page, err = p.browser.PostForm(endpoint, params)
	} else {
		page, err = p.browser.Get(endpoint + "?" + params.Encode())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	body, err := io.ReadAll(page.Body)
	if err != nil {
		t.Fatal(err)
	}
	action := formAction.FindSubmatch(body)
	switch form := params.Get("response_mode") == "form_post"; {
	case page.StatusCode == http.StatusSeeOther && !form:
		separator := "?"
		if params.Get("response_type") == hybrid {
			separator = "#"
		}
		to := page.Header.Get("Location")
		got, err := url.ParseQuery(strings.TrimPrefix(to, redirectURI+separator))
		if err != nil || !strings.HasPrefix(to, redirectURI+separator) {
			t.Fatalf("the browser is sent to %v, %v", to, err)
		}
		return got, 0
	case page.StatusCode == http.StatusOK && form && action != nil && string(action[1]) == redirectURI:
		got := url.Values{}
		for _, field := range formField.FindAllSubmatch(body, -1) {
			got.Add(string(field[1]), string(field[2]))
		}
		return got, 0
	}
	return nil, page.StatusCode
}

// answer is what the client gets back, which says whose answer to what it is.
func (p *provider) answer(t *testing.T, params url.Values) url.Values {
	t.Helper()
	got, status := p.visit(t, http.MethodGet, params)
	if got == nil {
		t.Fatalf("the browser ends at a page with status %d", status)
	}
	if got.Get("state") != params.Get("state") || got.Get("iss") != p.URL {
		t.Errorf("state %q and iss %q", got.Get("state"), got.Get("iss"))
	}
	return got
}

// session is what a client knows after a login.
type session struct {
	*oauth2.Token
	id  *oidc.IDToken
	raw string
	all map[string]any // the claims of the ID token
}

func (p *provider) config(style oauth2.AuthStyle) *oauth2.Config {
	endpoint := p.found.Endpoint()
	endpoint.AuthStyle = style
	return &oauth2.Config{ClientID: "client", ClientSecret: p.secret, RedirectURL: redirectURI, Endpoint: endpoint}
}

// redeem exchanges a code, and checks the ID token as OpenID Connect Core §3.1.3.7 has it.
func (p *provider) redeem(t *testing.T, params, got url.Values, style oauth2.AuthStyle) *session {
	t.Helper()
	var proof []oauth2.AuthCodeOption
	if params.Has("code_challenge") {
		proof = append(proof, oauth2.VerifierOption(authztest.Verifier))
	}
	token, err := p.config(style).Exchange(t.Context(), got.Get("code"), proof...)
	if err != nil {
		t.Fatalf("%v, with %v", err, got)
	}
	s := p.check(t, token, params.Get("nonce"))
	if params.Get("response_type") == hybrid {
		p.checkFront(t, params, got, s)
	}
	return s
}

// checkFront judges the ID token in front (OpenID Connect Core §3.3.2.11), and that the one
// behind is about the same user.
func (p *provider) checkFront(t *testing.T, params, got url.Values, s *session) {
	t.Helper()
	front, err := p.found.Verifier(&oidc.Config{ClientID: "client", Now: p.clock.Now}).Verify(t.Context(), got.Get("id_token"))
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		CHash string `json:"c_hash"`
	}
	sum := sha256.Sum256([]byte(got.Get("code")))
	if err := front.Claims(&said); err != nil || said.CHash != base64.RawURLEncoding.EncodeToString(sum[:16]) ||
		front.Nonce != params.Get("nonce") || front.Subject != s.id.Subject || front.Issuer != s.id.Issuer || got.Has("access_token") {
		t.Errorf("%+v, %q, %v", front, said.CHash, err)
	}
}

func (p *provider) check(t *testing.T, token *oauth2.Token, nonce string) *session {
	t.Helper()
	s := &session{Token: token}
	s.raw, _ = token.Extra("id_token").(string)
	var err error
	s.id, err = p.found.Verifier(&oidc.Config{ClientID: "client", Now: p.clock.Now}).Verify(t.Context(), s.raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Error(err)
	}
	if err := s.id.Claims(&s.all); err != nil {
		t.Fatal(err)
	}
	if s.id.Subject != "ana" || s.id.Nonce != nonce || s.id.IssuedAt.After(p.clock.Now()) {
		t.Errorf("sub %q, nonce %q, iat %v", s.id.Subject, s.id.Nonce, s.id.IssuedAt)
	}
	return s
}

// login takes ana through a request that the provider has to accept.
func (p *provider) login(t *testing.T, mode string, pairs ...string) *session {
	t.Helper()
	params := request(mode, pairs...)
	return p.redeem(t, params, p.answer(t, params), oauth2.AuthStyleInHeader)
}

// authTime is when ana had signed in, by an ID token.
func (s *session) authTime() time.Time {
	at, _ := s.all["auth_time"].(float64)
	return time.Unix(int64(at), 0)
}

// userInfo asks the UserInfo endpoint, with the token in the header or in a form.
func (p *provider) userInfo(t *testing.T, method, token string, inBody bool) (map[string]any, int) {
	t.Helper()
	var body io.Reader
	if inBody {
		body = strings.NewReader(url.Values{"access_token": {token}}.Encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), method, p.found.UserInfoEndpoint(), body)
	if err != nil {
		t.Fatal(err)
	}
	if inBody {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var told bytes.Buffer
	var claims map[string]any
	if _, err := told.ReadFrom(answer.Body); err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode == http.StatusOK && json.Unmarshal(told.Bytes(), &claims) != nil {
		t.Fatalf("no JSON: %s", told.String())
	}
	return claims, answer.StatusCode
}
