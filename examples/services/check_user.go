package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"reflect"
	"regexp"
	"strings"

	"golang.org/x/oauth2"
)

var hidden = regexp.MustCompile(`name="(interaction|scope)" value="([^"]*)"`)

// visitor is ana at her browser.
type visitor struct {
	c    *checker
	http *http.Client
}

func (c *checker) visit() (*visitor, error) {
	jar, err := cookiejar.New(nil)
	return &visitor{c, &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), c.urls.shop+"/callback?") && r.URL.Query().Get("state") == byHand {
			return http.ErrUseLastResponse // to the check itself
		}
		return nil
	}}}, err
}

// byHand is the state of a request that the check makes in the shop's name.
const byHand = "by-hand"

func (v *visitor) send(method, address string, form url.Values) (*http.Response, string, error) {
	r, err := http.NewRequestWithContext(v.c.ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, "", err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := v.http.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	return answer, string(body), err
}

// allow signs in and allows these scopes, all that are asked for if there are none.
func (v *visitor) allow(method, address string, form url.Values, scopes ...string) (*http.Response, string, error) {
	page, body, err := v.send(method, address, form)
	if err != nil {
		return nil, "", err
	}
	if page.Request.URL.Path == "/login" {
		if _, body, err = v.send(http.MethodPost, page.Request.URL.String(), url.Values{"user": {"ana"}}); err != nil {
			return nil, "", err
		}
	}
	consent := url.Values{"decision": {"allow"}}
	for _, field := range hidden.FindAllStringSubmatch(body, -1) {
		consent.Add(field[1], field[2])
	}
	if len(scopes) > 0 {
		consent["scope"] = scopes
	}
	return v.send(http.MethodPost, v.c.urls.issuer+"/oauth2/consent", consent)
}

func (c *checker) buy() error {
	v, err := c.visit()
	if err != nil {
		return err
	}
	page, body, err := v.allow(http.MethodPost, c.urls.shop+"/buy", url.Values{"item": {"teapot"}})
	if err != nil || page.StatusCode != http.StatusOK || !strings.Contains(body, "Order 1: one teapot for 24.00, receipt 1.") {
		return fmt.Errorf("the shop shows %.600s, %w", body, err)
	}
	return nil
}

// wentAsItShould holds the calls of the purchase against what was meant.
func (c *checker) wentAsItShould() error {
	u := c.urls
	want := []hop{
		{"orders", "POST /orders", "user:ana", nil, []string{u.orders}, []string{placeOrders, makePayments, fileReceipts}},
		{"billing", "GET /rates", "orders", nil, []string{u.billing}, []string{readRates}},
		{"billing", "POST /payments", "user:ana", []string{"orders"}, []string{u.billing}, []string{makePayments, fileReceipts}},
		{"ledger", "GET /accounts", "billing", nil, []string{u.ledger}, []string{readAccounts}},
		{"ledger", "POST /receipts", "user:ana", []string{"billing", "orders"}, []string{u.ledger}, []string{fileReceipts}},
		{"orders", "GET /orders/1", "ledger", nil, []string{u.orders}, []string{auditOrders}},
	}
	if got := c.hops.all(); !reflect.DeepEqual(got, want) {
		return fmt.Errorf("expected\n%v\ngot\n%v", want, got)
	}
	return nil
}

// tokenOf is a token for orders, got in the shop's name, with what ana leaves ticked.
func (c *checker) tokenOf(scopes ...string) (string, error) {
	v, err := c.visit()
	if err != nil {
		return "", err
	}
	verifier := oauth2.GenerateVerifier()
	page, body, err := v.allow(http.MethodGet, c.urls.issuer+"/oauth2/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {"shop"}, "redirect_uri": {c.urls.shop + "/callback"}, "state": {byHand}, "resource": {c.urls.orders}, "prompt": {"consent"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}.Encode(), nil, scopes...)
	if err != nil {
		return "", err
	}
	back, err := url.Parse(page.Header.Get("Location"))
	if err != nil || back.Query().Get("code") == "" {
		return "", fmt.Errorf("no code but %s: %.300s, %w", page.Status, body, err)
	}
	answer, err := c.shop.ask(c.ctx, url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {c.urls.shop + "/callback"}, "code_verifier": {verifier},
	})
	if err != nil {
		return "", err
	}
	return answer.AccessToken, nil
}
