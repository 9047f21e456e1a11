package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// Who signs in: a user of the quickstart's Pager.
const (
	demoUser     = "ana@example.com"
	demoPassword = "open sesame"
)

// visitor is somebody at a browser whose connections all go to one replica of our choice,
// whatever the address says; nil for the proxy.
type visitor struct {
	http *http.Client
	to   *replica
}

func newVisitor() *visitor {
	v := &visitor{}
	jar, _ := cookiejar.New(nil) // never fails
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	v.http = &http.Client{
		Jar: jar, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if v.to != nil {
					address = v.to.address
				}
				return dialer.DialContext(ctx, network, address)
			},
		},
	}
	return v
}

// answer is what came back.
type answer struct {
	status  int
	body    string
	to      string // where it redirects
	replica string
}

func (v *visitor) do(r *http.Request) (answer, error) {
	response, err := v.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	a := answer{status: response.StatusCode, body: string(body), replica: response.Header.Get("X-Replica")}
	if to, err := response.Location(); err == nil {
		a.to = to.String()
	}
	return a, err
}

func (v *visitor) get(address string) (answer, error) {
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return answer{}, err
	}
	return v.do(r)
}

func (v *visitor) post(address string, params url.Values) (answer, error) {
	r, err := http.NewRequest(http.MethodPost, address, strings.NewReader(params.Encode()))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if u, err := url.Parse(address); err == nil {
		r.Header.Set("Origin", u.Scheme+"://"+u.Host)
	}
	return v.do(r)
}

// fields are the inputs of the first form of a page, those that are checked or hidden.
func fields(page string) (action string, values url.Values) {
	values = url.Values{}
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		if z.Next() == html.ErrorToken {
			return action, values
		}
		t := z.Token()
		attr := map[string]string{}
		for _, a := range t.Attr {
			attr[a.Key] = a.Val
		}
		_, checked := attr["checked"]
		switch {
		case t.Data == "form" && action == "":
			action = attr["action"]
		case t.Data == "input" && (attr["type"] != "checkbox" || checked):
			values.Add(attr["name"], attr["value"])
		case t.Data == "button" && t.Type == html.StartTagToken && attr["value"] == "allow":
			values.Set(attr["name"], attr["value"])
		}
	}
}

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Error   string `json:"error"`
}

func tokensIn(a answer) (t tokens) {
	_ = json.Unmarshal([]byte(a.body), &t) // an empty one will not do
	return t
}

// story is the check under way.
type story struct {
	*cluster
	out io.Writer
	v   *visitor
}

func (s *story) say(format string, args ...any) { fmt.Fprintf(s.out, "ok  "+format+"\n", args...) }

// on makes what follows go to replica n, counted from 1; 0 is the proxy.
func (s *story) on(n int) *visitor {
	s.v.to = nil
	if n > 0 {
		s.v.to = s.replicas[n-1]
	}
	return s.v
}

func (s *story) token(n int, params url.Values) (answer, error) {
	params.Set("client_id", clientID)
	return s.on(n).post(s.issuer+"/oauth2/token", params)
}

func (s *story) refresh(n int, token string) (answer, error) {
	return s.token(n, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// call is the status of an API call.
func (s *story) call(n int, accessToken string) (int, error) {
	r, err := http.NewRequest(http.MethodGet, s.issuer+"/api/sources", nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+accessToken)
	a, err := s.on(n).do(r)
	return a.status, err
}

// play tells the story, one line a step, and stops at the first that goes wrong.
func play(ctx context.Context, c *cluster, out io.Writer) error {
	s := &story{c, out, newVisitor()}
	code, verifier, err := s.authorize()
	if err != nil {
		return err
	}
	t, err := s.redeem(code, verifier)
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context, *tokens) error{s.sameKeys, s.anyReplicaRefreshes, s.killed, s.burst, s.revoke, s.signOut} {
		if err := errors.Join(ctx.Err(), step(ctx, t)); err != nil {
			return err
		}
	}
	return nil
}

func unexpected(step string, a answer, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	return fmt.Errorf("%s: replica %s answered %d %.200q", step, a.replica, a.status, a.body)
}

// authorize has every step answered by another replica.
func (s *story) authorize() (code, verifier string, _ error) {
	const state = "a state of the client"
	verifier = rand.Text() + rand.Text()
	start := authorizationURL(s.issuer, state, verifier)
	a, err := s.on(1).get(start)
	if err != nil || !strings.HasPrefix(a.to, s.issuer+"/login") {
		return "", "", unexpected("authorization request", a, err)
	}
	s.say("replica 1 sends the browser to sign in")
	if a, err = s.signIn(2, a.to); err != nil || a.status != http.StatusSeeOther {
		return "", "", unexpected("sign-in", a, err)
	}
	s.say("replica 2 signs Ana in")
	if a, err = s.on(3).get(a.to); err != nil || a.status != http.StatusOK {
		return "", "", unexpected("consent page", a, err)
	}
	s.say("replica 3 knows her, and shows the consent page")
	action, form := fields(a.body)
	a, err = s.on(1).post(s.issuer+action, form)
	back, _ := url.Parse(a.to)
	if err != nil || back == nil || back.Query().Get("code") == "" || back.Query().Get("state") != state {
		return "", "", unexpected("consent", a, err)
	}
	s.say("replica 1 takes her answer, and issues a code")
	return back.Query().Get("code"), verifier, nil
}

// signIn fills in the sign-in page at an address, with what it holds for the way back.
func (s *story) signIn(n int, page string) (answer, error) {
	a, err := s.on(n).get(page)
	if err != nil || a.status != http.StatusOK {
		return a, err
	}
	action, form := fields(a.body)
	form.Set("email", demoUser)
	form.Set("password", demoPassword)
	return s.on(n).post(s.issuer+action, form)
}

func (s *story) redeem(code, verifier string) (*tokens, error) {
	a, err := s.token(2, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {s.issuer + callbackPath}, "code_verifier": {verifier},
	})
	t := tokensIn(a)
	if err != nil || t.Access == "" || t.Refresh == "" {
		return nil, unexpected("code exchange", a, err)
	}
	s.say("replica 2 redeems it")
	for n := range 3 {
		if status, err := s.call(n+1, t.Access); err != nil || status != http.StatusOK {
			return nil, fmt.Errorf("API of replica %d: %d, %v", n+1, status, err)
		}
	}
	s.say("the APIs of all three take the access token")
	return &t, nil
}

func (s *story) sameKeys(context.Context, *tokens) error {
	var first string
	for n := range 3 {
		a, err := s.on(n + 1).get(s.issuer + "/oauth2/jwks")
		if n == 0 {
			first = a.body
		}
		if err != nil || a.status != http.StatusOK || a.body != first {
			return unexpected("key set", a, err)
		}
	}
	s.say("all three publish the same keys")
	return nil
}

func (s *story) anyReplicaRefreshes(_ context.Context, t *tokens) error {
	used := t.Refresh
	a, err := s.refresh(3, used)
	if *t = tokensIn(a); err != nil || t.Refresh == "" {
		return unexpected("refresh", a, err)
	}
	s.say("replica 3 refreshes")
	// The answer got lost, say; another replica gives the same one again.
	a, err = s.refresh(1, used)
	if again := tokensIn(a); err != nil || again != *t {
		return unexpected("the same refresh again", a, err)
	}
	s.say("replica 1, asked for the same again, gives the same tokens")
	return nil
}

func (s *story) killed(_ context.Context, t *tokens) error {
	s.replicas[1].kill()
	for range 6 { // two rounds of the proxy
		if status, err := s.call(0, t.Access); err != nil || status != http.StatusOK {
			return fmt.Errorf("API through the proxy, with replica 2 dead: %d, %v", status, err)
		}
	}
	s.say("replica 2 is killed, and nobody who asks through the proxy notices")
	return nil
}

// burst refreshes through the proxy while one replica after the other is killed. A client
// whose request got lost sends it again, with the token that it has.
func (s *story) burst(ctx context.Context, t *tokens) error {
	const rounds = 200
	seen := map[string]bool{t.Access: true}
	lost := 0
	for i := range rounds {
		switch i {
		case 60:
			go s.replicas[0].kill()
		case 130:
			go s.replicas[2].kill()
		}
		for patience := time.Now().Add(15 * time.Second); ; {
			a, err := s.refresh(0, t.Refresh)
			if next := tokensIn(a); err == nil && next.Refresh != "" {
				if seen[next.Access] {
					return fmt.Errorf("refresh %d gave an access token that was there before", i)
				}
				seen[next.Access] = true
				*t = next
				break
			}
			if ctx.Err() != nil || time.Now().After(patience) || err == nil && a.status < 500 {
				return unexpected(fmt.Sprintf("refresh %d", i), a, err)
			}
			lost++
			time.Sleep(20 * time.Millisecond)
		}
	}
	s.say("%d refreshes in a row while replicas 1 and 3 are killed: none lost, none doubled (%d sent again)", rounds, lost)
	return nil
}

func (s *story) revoke(_ context.Context, t *tokens) error {
	for _, r := range s.replicas {
		if err := r.awaitUp(15*time.Second, nil); err != nil {
			return err
		}
	}
	s.say("all three are up again")
	a, err := s.on(3).post(s.issuer+"/oauth2/revoke", url.Values{"token": {t.Refresh}, "client_id": {clientID}})
	if err != nil || a.status != http.StatusOK {
		return unexpected("revocation", a, err)
	}
	for n := range 3 {
		if status, err := s.call(n+1, t.Access); err != nil || status != http.StatusUnauthorized {
			return fmt.Errorf("API of replica %d after the revocation: %d, %v", n+1, status, err)
		}
		a, err := s.refresh(n+1, t.Refresh)
		if err != nil || tokensIn(a).Error != "invalid_grant" {
			return unexpected("refresh after the revocation", a, err)
		}
	}
	s.say("replica 3 revokes, and all three know at once")
	return nil
}

// signOut is Pager's, not the authorization server's; the browser forgets its session.
func (s *story) signOut(context.Context, *tokens) error {
	if a, err := s.on(1).get(s.issuer + "/"); err != nil || a.status != http.StatusOK {
		return unexpected("Pager", a, err)
	}
	if a, err := s.on(2).post(s.issuer+"/logout", nil); err != nil || a.status != http.StatusSeeOther {
		return unexpected("sign-out", a, err)
	}
	if a, err := s.on(3).get(s.issuer + "/"); err != nil || a.to != s.issuer+"/login" {
		return unexpected("Pager after the sign-out", a, err)
	}
	s.say("replica 2 signs Ana out, and replica 3 asks her to sign in")
	return nil
}
