package interop_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// person is a user at a browser, who signs in as anybody asks and allows what is asked for.
type person struct {
	name    string
	browser *http.Client
}

// newPerson has a browser that follows redirects within one server. What leads elsewhere is
// the client's.
func newPerson(name, server string) (*person, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &person{name: name, browser: &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Scheme+"://"+r.URL.Host != server {
			return http.ErrUseLastResponse
		}
		return nil
	}}}, nil
}

// authorize opens an authorization request, and returns where the browser is sent in the end
// and the scopes that the consent page showed.
func (p *person) authorize(ctx context.Context, address string) (callback string, asked []string, err error) {
	page, body, err := p.open(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", nil, err
	}
	if page.Request.URL.Path == "/login" {
		if page, body, err = p.open(ctx, http.MethodPost, page.Request.URL.String(), url.Values{"user": {p.name}}); err != nil {
			return "", nil, err
		}
	}
	if page.StatusCode == http.StatusOK {
		action := actionPattern.FindStringSubmatch(body)
		if action == nil {
			return "", nil, fmt.Errorf("no consent page but %s: %.500s", page.Status, body)
		}
		form := url.Values{"decision": {"allow"}}
		for _, field := range fieldPattern.FindAllStringSubmatch(body, -1) {
			form.Add(field[1], field[2])
		}
		asked = form["scope"]
		to, err := page.Request.URL.Parse(action[1])
		if err != nil {
			return "", nil, err
		}
		if page, body, err = p.open(ctx, http.MethodPost, to.String(), form); err != nil {
			return "", nil, err
		}
	}
	if page.StatusCode != http.StatusSeeOther {
		return "", nil, fmt.Errorf("the browser ends at %s: %.500s", page.Status, body)
	}
	return page.Header.Get("Location"), asked, nil
}

func (p *person) open(ctx context.Context, method, address string, form url.Values) (*http.Response, string, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, "", err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	page, err := p.browser.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer page.Body.Close()
	body, err := io.ReadAll(page.Body)
	return page, string(body), err
}
