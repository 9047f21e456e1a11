package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"github.com/grantor-oauth/grantor/storage/bolt"
)

// play is -check: what page/oauth.js does, request by request, with a key of its own. The
// page itself runs in a browser in the tests.
func play(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "spa")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := bolt.Open(filepath.Join(dir, "spa.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	hostURL, pageURL := "http://"+listener.Addr().String(), "http://127.0.0.1:8081"
	app, err := newHost(hostURL, pageURL, db)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: app, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener)
	defer server.Close()

	c, err := newChecker(ctx, hostURL, pageURL)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		is string
		do func() error
	}{
		{"a user signs in, is asked, and the page gets a code", c.authorize},
		{"without a proof the code is good for nothing", c.exchangeWithoutProof},
		{"with one it yields a token of type DPoP, readable from the page's origin", c.exchange},
		{"the API takes the token with a proof of the same key", c.call},
		{"as a bearer token, with another key, or with a used proof it is refused", c.misuse},
		{"a refresh rotates, and only with the same key", c.refresh},
		{"revoked, nothing works any more", c.revoke},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("NOT SO  %s: %w", step.is, err)
		}
		fmt.Fprintln(out, "ok  ", step.is)
	}
	fmt.Fprintln(out, "All of it is so.")
	return nil
}

// checker plays the page and its user.
type checker struct {
	ctx           context.Context
	host, page    string
	key, other    *ecdsa.PrivateKey
	browser       *http.Client
	code          string
	verifier      string
	access, renew string
}

func newChecker(ctx context.Context, host, page string) (*checker, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	c := &checker{ctx: ctx, host: host, page: page, verifier: oauth2.GenerateVerifier()}
	c.browser = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), page) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	var errs [2]error
	c.key, errs[0] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	c.other, errs[1] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return c, errors.Join(errs[:]...)
}

var fieldPattern = regexp.MustCompile(`name="(interaction|scope)" value="([^"]*)"`)

func (c *checker) authorize() error {
	answer, _, err := c.send(c.browser, http.MethodGet, c.host+"/oauth2/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {"reader"}, "redirect_uri": {c.page + "/"}, "scope": {readArticles + " offline_access"},
		"state": {"s"}, "code_challenge": {oauth2.S256ChallengeFromVerifier(c.verifier)}, "code_challenge_method": {"S256"},
	}.Encode(), nil)
	if err != nil {
		return err
	}
	_, body, err := c.send(c.browser, http.MethodPost, answer.Request.URL.String(), url.Values{"user": {"ana"}})
	if err != nil {
		return err
	}
	form := url.Values{"decision": {"allow"}}
	for _, field := range fieldPattern.FindAllStringSubmatch(body, -1) {
		form.Add(field[1], field[2])
	}
	if answer, body, err = c.send(c.browser, http.MethodPost, c.host+"/oauth2/consent", form); err != nil {
		return err
	}
	back, err := url.Parse(answer.Header.Get("Location"))
	if err != nil || back.Query().Get("code") == "" || back.Query().Get("iss") != c.host {
		return fmt.Errorf("%s: %.300s", answer.Status, body)
	}
	c.code = back.Query().Get("code")
	return nil
}

func (c *checker) token(form url.Values, headers ...string) (*http.Response, map[string]any, error) {
	form.Set("client_id", "reader")
	answer, body, err := c.send(http.DefaultClient, http.MethodPost, c.host+"/oauth2/token", form, append(headers, "Origin", c.page)...)
	if err != nil {
		return nil, nil, err
	}
	var m map[string]any
	return answer, m, json.Unmarshal([]byte(body), &m)
}

func (c *checker) redemption() url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {c.code}, "redirect_uri": {c.page + "/"}, "code_verifier": {c.verifier}}
}

func (c *checker) exchangeWithoutProof() error {
	answer, m, err := c.token(c.redemption())
	if err != nil || answer.StatusCode == http.StatusOK {
		return fmt.Errorf("%v, %w", m["error"], err)
	}
	return nil
}

func (c *checker) exchange() error {
	answer, m, err := c.token(c.redemption(), "DPoP", c.proof(c.key, http.MethodPost, c.host+"/oauth2/token", ""))
	if err != nil {
		return err
	}
	c.access, _ = m["access_token"].(string)
	c.renew, _ = m["refresh_token"].(string)
	if m["token_type"] != "DPoP" || c.access == "" || c.renew == "" || answer.Header.Get("Access-Control-Allow-Origin") != c.page {
		return fmt.Errorf("%s: type %v, error %v", answer.Status, m["token_type"], m["error"])
	}
	return nil
}

// ask calls the API in this way, and tells the status.
func (c *checker) ask(scheme, proof string) (int, error) {
	headers := []string{"Authorization", scheme + " " + c.access}
	if proof != "" {
		headers = append(headers, "DPoP", proof)
	}
	answer, _, err := c.send(http.DefaultClient, http.MethodGet, c.host+"/api/articles", nil, headers...)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, nil
}

func (c *checker) call() error {
	status, err := c.ask("DPoP", c.proof(c.key, http.MethodGet, c.host+"/api/articles", c.access))
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("%d, %w", status, err)
	}
	return nil
}

func (c *checker) misuse() error {
	api := c.host + "/api/articles"
	used := c.proof(c.key, http.MethodGet, api, c.access)
	if status, err := c.ask("DPoP", used); err != nil || status != http.StatusOK {
		return fmt.Errorf("%d, %w", status, err)
	}
	for what, way := range map[string][2]string{
		"bearer":            {"Bearer", ""},
		"no proof":          {"DPoP", ""},
		"another key":       {"DPoP", c.proof(c.other, http.MethodGet, api, c.access)},
		"another URL":       {"DPoP", c.proof(c.key, http.MethodGet, c.host+"/elsewhere", c.access)},
		"another method":    {"DPoP", c.proof(c.key, http.MethodPost, api, c.access)},
		"for another token": {"DPoP", c.proof(c.key, http.MethodGet, api, "another")},
		"used proof":        {"DPoP", used},
	} {
		if status, err := c.ask(way[0], way[1]); err != nil || status != http.StatusUnauthorized {
			return fmt.Errorf("%s: %d, %w", what, status, err)
		}
	}
	return nil
}

func (c *checker) refresh() error {
	form := func() url.Values { return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.renew}} }
	if answer, m, err := c.token(form(), "DPoP", c.proof(c.other, http.MethodPost, c.host+"/oauth2/token", "")); err != nil || answer.StatusCode == http.StatusOK {
		return fmt.Errorf("another key: %v, %w", m["error"], err)
	}
	answer, m, err := c.token(form(), "DPoP", c.proof(c.key, http.MethodPost, c.host+"/oauth2/token", ""))
	if err != nil || answer.StatusCode != http.StatusOK || m["refresh_token"] == c.renew {
		return fmt.Errorf("%v, %w", m["error"], err)
	}
	c.access, _ = m["access_token"].(string)
	c.renew, _ = m["refresh_token"].(string)
	return c.call()
}

func (c *checker) revoke() error {
	answer, body, err := c.send(http.DefaultClient, http.MethodPost, c.host+"/oauth2/revoke", url.Values{"client_id": {"reader"}, "token": {c.renew}}, "Origin", c.page)
	if err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%.200s, %w", body, err)
	}
	status, err := c.ask("DPoP", c.proof(c.key, http.MethodGet, c.host+"/api/articles", c.access))
	if err != nil || status != http.StatusUnauthorized {
		return fmt.Errorf("%d, %w", status, err)
	}
	return nil
}

// proof is a DPoP proof (RFC 9449 §4.2).
func (c *checker) proof(key *ecdsa.PrivateKey, method, address, token string) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	if err != nil {
		panic(err)
	}
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": address, "iat": time.Now().Unix()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return compact
}

func (c *checker) send(client *http.Client, method, address string, form url.Values, headers ...string) (*http.Response, string, error) {
	r, err := http.NewRequestWithContext(c.ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, "", err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer, string(body), err
}
