package conformance

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// secretNames are parameters and members whose values reports do not show: what is secret, and
// what is made anew in every run.
var secretNames = map[string]bool{
	"code": true, "access_token": true, "refresh_token": true, "id_token": true, "token": true, "id_token_hint": true,
	"client_secret": true, "client_assertion": true, "assertion": true, "subject_token": true, "actor_token": true,
	"code_verifier": true, "code_challenge": true, "state": true, "nonce": true, "request": true, "response": true, "device_code": true,
	"user_code": true, "auth_req_id": true, "request_uri": true, "registration_access_token": true, "password": true,
	"interaction": true, "csrf": true, "csrf_token": true, "logout_token": true, "client_notification_token": true, "login_hint_token": true,
}

// masker knows what to show instead of each secret: the name of its kind and a number, the
// same for the same secret, so that a reader sees where one comes back.
type masker struct {
	names map[string]string // by the secret
	count map[string]int    // by kind
}

// hide takes a value for a secret of a kind. Short ones are not secret, and stand in other words.
func (m *masker) hide(kind, value string) {
	if len(value) < 6 {
		return
	}
	if m.names == nil {
		m.names, m.count = map[string]string{}, map[string]int{}
	}
	if m.names[value] == "" {
		m.count[kind]++
		m.names[value] = fmt.Sprintf("[%s %d]", kind, m.count[kind])
	}
}

// learn hides what is secret in an exchange.
func (m *masker) learn(x *exchange) {
	m.values(x.request.URL.Query())
	if strings.HasPrefix(x.request.Header.Get("Content-Type"), "application/x-www-form-urlencoded") && len(x.sent) < 1<<16 {
		sent, _ := url.ParseQuery(string(x.sent)) // as much of it as there is
		m.values(sent)
	}
	if isJSON(x.request.Header) {
		m.json(x.sent)
	}
	if scheme, credentials, ok := strings.Cut(x.request.Header.Get("Authorization"), " "); ok {
		if strings.EqualFold(scheme, "Basic") {
			m.hide("credentials", credentials)
		} else {
			m.hide("access_token", credentials)
		}
	}
	m.hide("proof", x.request.Header.Get("DPoP"))
	for _, cookie := range x.request.Cookies() {
		m.hide("cookie", cookie.Value)
	}
	for _, cookie := range (&http.Response{Header: x.header}).Cookies() {
		m.hide("cookie", cookie.Value)
	}
	m.hide("nonce", x.header.Get("DPoP-Nonce"))
	if u, err := url.Parse(x.header.Get("Location")); err == nil {
		m.values(u.Query())
		inFragment, _ := url.ParseQuery(u.Fragment)
		m.values(inFragment)
	}
	if x.member != nil {
		m.json(x.body)
	}
	if x.isHTML() {
		for _, f := range formsIn(string(x.body)) {
			for _, name := range slices.Sorted(keys(f.hidden)) {
				for _, v := range f.hidden[name] {
					m.hide(name, v)
				}
			}
		}
	}
}

func (m *masker) values(v url.Values) {
	for _, name := range slices.Sorted(keys(v)) {
		if secretNames[name] {
			for _, one := range v[name] {
				m.hide(name, one)
			}
		}
	}
}

func (m *masker) json(text []byte) {
	var object map[string]any
	if len(text) > 1<<16 || json.Unmarshal(text, &object) != nil {
		return
	}
	for _, name := range slices.Sorted(keys(object)) {
		if s, ok := object[name].(string); ok && secretNames[name] {
			m.hide(name, s)
		}
	}
}

// replacer puts the names in a text, in the place of the secrets.
func (m *masker) replacer() func(string) string {
	secrets := slices.SortedFunc(keys(m.names), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) // what holds another one comes first
	})
	var pairs []string
	for _, s := range secrets {
		pairs = append(pairs, s, m.names[s])
		if escaped := url.QueryEscape(s); escaped != s {
			pairs = append(pairs, escaped, m.names[s])
		}
		if quoted, _ := json.Marshal(s); len(quoted) > 2 && string(quoted[1:len(quoted)-1]) != s {
			pairs = append(pairs, string(quoted[1:len(quoted)-1]), m.names[s])
		}
	}
	return strings.NewReplacer(pairs...).Replace
}

// writeHeader writes a header in the order of the names.
func writeHeader(b *strings.Builder, h http.Header) {
	var text bytes.Buffer
	_ = h.WriteSubset(&text, map[string]bool{"Date": true}) // to memory
	b.WriteString(strings.ReplaceAll(text.String(), "\r\n", "\n"))
}

// random is a random text of n bytes, in base64url.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
