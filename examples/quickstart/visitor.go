package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// visitor is somebody at a browser, for -check: cookies, redirects and forms, no more.
type visitor struct {
	http *http.Client
	at   *url.URL // the page that is open
	page *html.Node
	text string // of that page
}

func newVisitor() *visitor {
	jar, _ := cookiejar.New(nil) // never fails
	return &visitor{http: &http.Client{
		Jar: jar, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// open goes to an address and follows redirects, up to one that begins with until (if
// that is not empty), which it returns without going there.
func (v *visitor) open(address, until string) (*url.URL, error) {
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return v.send(r, until)
}

func (v *visitor) send(r *http.Request, until string) (*url.URL, error) {
	for range 10 {
		answer, err := v.http.Do(r)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
		answer.Body.Close()
		if err != nil {
			return nil, err
		}
		if answer.StatusCode != http.StatusSeeOther && answer.StatusCode != http.StatusFound {
			v.at, v.text = r.URL, string(body)
			v.page, err = html.Parse(bytes.NewReader(body))
			return r.URL, err
		}
		to, err := answer.Location()
		if err != nil {
			return nil, err
		}
		if until != "" && strings.HasPrefix(to.String(), until) {
			return to, nil
		}
		if r, err = http.NewRequest(http.MethodGet, to.String(), nil); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("redirected in a circle")
}

// submit sends the form whose action ends with this, with what its fields hold, changed
// as given, such as by the name and value of the button. until is as for open.
func (v *visitor) submit(action string, change map[string][]string, until string) (*url.URL, error) {
	form := find(v.page, func(n *html.Node) bool {
		return n.Data == "form" && strings.HasSuffix(attr(n, "action"), action)
	})
	if form == nil {
		return nil, fmt.Errorf("the page %s has no form that goes to %s", v.at.Path, action)
	}
	values := url.Values{}
	find(form, func(n *html.Node) bool {
		if n.Data == "input" && (attr(n, "type") != "checkbox" || has(n, "checked")) {
			values.Add(attr(n, "name"), attr(n, "value"))
		}
		return false
	})
	for name, value := range change {
		values[name] = value
	}
	to, err := v.at.Parse(attr(form, "action"))
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(http.MethodPost, to.String(), strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.send(r, until)
}

// shows reports whether the open page holds all of these texts.
func (v *visitor) shows(texts ...string) error {
	plain := html.UnescapeString(v.text)
	for _, text := range texts {
		if !strings.Contains(plain, text) {
			return fmt.Errorf("the page %s does not show %q", v.at.Path, text)
		}
	}
	return nil
}

// showsNot is the opposite, for one text.
func (v *visitor) showsNot(text string) error {
	if v.shows(text) == nil {
		return fmt.Errorf("the page %s shows %q", v.at.Path, text)
	}
	return nil
}

// defined is the last and so the fullest value that the open page gives for a name, in
// a list of names and values; empty if there is none.
func (v *visitor) defined(name string) (value string) {
	find(v.page, func(n *html.Node) bool {
		if n.Data == "dt" && content(n) == name && n.NextSibling != nil {
			value = content(n.NextSibling)
		}
		return false
	})
	return value
}

// content is the text in an element that holds nothing else.
func content(n *html.Node) string {
	if n.FirstChild == nil {
		return ""
	}
	return n.FirstChild.Data
}

// find is the first element of the tree for which want holds; nil if there is none.
func find(n *html.Node, want func(*html.Node) bool) *html.Node {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && want(d) {
			return d
		}
	}
	return nil
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}
