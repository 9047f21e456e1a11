package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// browser is a user at a browser, for -check.
type browser struct {
	ctx  context.Context
	user string
	http *http.Client
}

func newBrowser(ctx context.Context, user string) (*browser, error) {
	jar, err := cookiejar.New(nil)
	return &browser{ctx: ctx, user: user, http: &http.Client{Jar: jar, Timeout: 20 * time.Second}}, err
}

// page is what the browser shows.
type page struct {
	at     *url.URL
	status int
	text   string
}

func (b *browser) send(method, address string, form url.Values) (*page, error) {
	r, err := http.NewRequestWithContext(b.ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := b.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return &page{answer.Request.URL, answer.StatusCode, string(text)}, err
}

// open goes to an address, and signs in if it leads to the sign-in page.
func (b *browser) open(address string) (*page, error) {
	p, err := b.send(http.MethodGet, address, nil)
	if err == nil && p.at.Path == "/login" {
		return b.send(http.MethodPost, p.at.String(), url.Values{"user": {b.user}})
	}
	return p, err
}

var (
	hidden = regexp.MustCompile(`name="(interaction|scope)" value="([^"]*)"`)
	action = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
)

// answer sends the form of a page with what it holds, and with these values.
func (b *browser) answer(p *page, values url.Values) (*page, error) {
	to := action.FindStringSubmatch(p.text)
	if p.status != http.StatusOK || to == nil {
		return nil, fmt.Errorf("%s shows no form but %d: %.300s", p.at.Path, p.status, p.text)
	}
	target, err := p.at.Parse(to[1])
	if err != nil {
		return nil, err
	}
	form := url.Values{}
	for _, field := range hidden.FindAllStringSubmatch(p.text, -1) {
		form.Add(field[1], field[2])
	}
	for name, value := range values {
		form[name] = value
	}
	return b.send(http.MethodPost, target.String(), form)
}

// allow goes to an address, signs in there and allows what the page asks.
func (b *browser) allow(address string) (*page, error) {
	p, err := b.open(address)
	if err != nil {
		return nil, err
	}
	return b.answer(p, url.Values{"decision": {"allow"}})
}
