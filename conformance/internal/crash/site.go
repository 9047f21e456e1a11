package crash

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// site is all servers, as they are seen from outside.
type site struct {
	http *http.Client

	mu   sync.Mutex
	urls []string
}

func newSite() *site {
	return &site{http: &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true},
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// serves says which servers there are.
func (s *site) serves(urls []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urls = urls
}

var errNobody = errors.New("no server runs")

func (s *site) pick() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.urls) == 0 {
		return "", errNobody
	}
	return s.urls[rand.IntN(len(s.urls))], nil
}

// request is a form to be sent.
type request struct {
	path   string
	form   url.Values
	client string // who authenticates; "" for nobody
	user   string // who is signed in
	cookie string
}

// send sends a form to one of the servers.
func (s *site) send(r request) *answer {
	base, err := s.pick()
	if err != nil {
		return &answer{err: err}
	}
	return s.sendTo(base, r)
}

// sendTo sends a form. Always by POST: net/http repeats nothing else of its own accord
// when a connection breaks, which would hide that it did.
func (s *site) sendTo(base string, r request) *answer {
	form := url.Values{}
	for name, values := range r.form {
		form[name] = values
	}
	secret := ""
	if r.client != "" {
		if secret = secretOf(r.client); secret == "" {
			form.Set("client_id", r.client)
		}
	}
	req, err := http.NewRequest(http.MethodPost, base+r.path, strings.NewReader(form.Encode()))
	if err != nil {
		return &answer{err: err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if secret != "" {
		req.SetBasicAuth(url.QueryEscape(r.client), url.QueryEscape(secret))
	}
	if r.user != "" {
		req.Header.Set(userHeader, r.user)
	}
	if r.cookie != "" {
		req.Header.Set("Cookie", r.cookie)
	}
	response, err := s.http.Do(req)
	if err != nil {
		return &answer{err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return &answer{err: err}
	}
	return &answer{status: response.StatusCode, header: response.Header, body: string(body)}
}

// answer is a whole answer, or why there is none.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

// definite reports whether the answer says anything about what was asked.
func (a *answer) definite() bool {
	return a.err == nil && a.status < 500 && a.location().Get("error") != "temporarily_unavailable"
}

func (a *answer) ok() bool { return a.err == nil && a.status == http.StatusOK }

// location is what the client gets by redirect.
func (a *answer) location() url.Values {
	if a.status != http.StatusSeeOther {
		return nil
	}
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		return nil
	}
	return u.Query()
}

func (a *answer) code() string { return a.location().Get("code") }

var interactionPattern = regexp.MustCompile(`name="(interaction|scope)" value="([^"]*)"`)

// page is the form of a consent page, nil if the answer is none, with the cookie that
// goes with it.
func (a *answer) page() (form url.Values, cookie string) {
	if !a.ok() || !strings.Contains(a.body, `name="interaction"`) {
		return nil, ""
	}
	form = url.Values{"decision": {"allow"}}
	for _, m := range interactionPattern.FindAllStringSubmatch(a.body, -1) {
		form.Add(m[1], m[2])
	}
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		cookie = c.Name + "=" + c.Value
	}
	return form, cookie
}

// into reads a JSON answer.
func (a *answer) into(v any) bool { return a.ok() && json.Unmarshal([]byte(a.body), v) == nil }

// tokenPair are the tokens of an answer of the token endpoint.
type tokenPair struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// errorCode is the error of RFC 6749 §5.2.
func (a *answer) errorCode() string {
	var e struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal([]byte(a.body), &e)
	return e.Error
}

// digests name the credentials in an answer as the store does: by the second half of a
// [storage.Digest], which is the SHA-256 of the whole.
func (a *answer) digests() string {
	var tokens tokenPair
	a.into(&tokens)
	said := ""
	for _, credential := range [][2]string{{"code", a.code()}, {"access", tokens.Access}, {"refresh", tokens.Refresh}} {
		if name, value := credential[0], credential[1]; value != "" {
			said += fmt.Sprintf(" %s=%x", name, sha256.Sum256([]byte(value)))
		}
	}
	return said
}

// outcome is the answer in a few words, without credentials.
func (a *answer) outcome() string {
	switch {
	case a.err != nil:
		return "none: " + a.err.Error()
	case a.code() != "":
		return "a code"
	case a.location() != nil:
		return "back with " + a.location().Get("error")
	}
	return strings.TrimSpace(http.StatusText(a.status) + " " + a.errorCode())
}
