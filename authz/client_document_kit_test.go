package authz_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/grantor-oauth/grantor/authz"
)

// web0 is a web without a network: what stands at each URL, and how often it was fetched.
type web0 struct {
	mu      sync.Mutex
	answers map[string]*http.Response // without a body
	bodies  map[string]string
	fetched map[string]int
}

const document = "https://app.example/client.json"

func newWeb() *web0 {
	return &web0{answers: map[string]*http.Response{}, bodies: map[string]string{}, fetched: map[string]int{}}
}

// put publishes a document, with pairs of headers.
func (w *web0) put(url string, status int, body string, headers ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	w.answers[url], w.bodies[url] = &http.Response{StatusCode: status, Header: h}, body
}

func (w *web0) times(url string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fetched[url]
}

func (w *web0) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	url := r.URL.String()
	w.fetched[url]++
	a, there := w.answers[url]
	if !there {
		return nil, errors.New("no route to host")
	}
	answer := *a
	answer.Request, answer.ContentLength = r, int64(len(w.bodies[url]))
	answer.Body = io.NopCloser(strings.NewReader(w.bodies[url]))
	return &answer, nil
}

// documents accepts clients by their documents on this web.
func documents(w *web0, edit ...func(*authz.ClientIDMetadata)) func(*authz.Config) {
	return func(c *authz.Config) {
		c.HTTPClient = &http.Client{Transport: w}
		c.ClientIDMetadata = &authz.ClientIDMetadata{Scopes: []string{"read", "write", "offline_access"}}
		for _, f := range edit {
			f(c.ClientIDMetadata)
		}
	}
}

// describes is a document, changed like metadata.
func describes(url string, pairs ...string) string {
	return string(metadata(append([]string{"client_id", quoted(url)}, pairs...)...))
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func atApp() edit { return set("redirect_uri", "https://app.example/cb") }
