package authz_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// house is a server whose host names its sessions, with a client that is told of logouts.
type house struct {
	*leaver
	mu      sync.Mutex
	session string
}

func newHouse(t testing.TB, configure ...func(*authz.Config)) *house {
	t.Helper()
	return newHouseOn(t, newProbe(memory.New()), configure...)
}

func newHouseOn(t testing.TB, store *probe, configure ...func(*authz.Config)) *house {
	t.Helper()
	h := &house{session: "s1"}
	h.leaver = newLeaverOn(t, store, append([]func(*authz.Config){func(c *authz.Config) {
		c.HTTPClient = &http.Client{}
		c.Sessions = true
		login := c.Login
		c.Login = func(r *http.Request) (*authz.User, error) {
			u, err := login(r)
			if u == nil {
				return u, err
			}
			named := *u
			h.mu.Lock()
			defer h.mu.Unlock()
			named.SessionID = h.session
			return &named, err
		}
	}}, configure...)...)
	return h
}

// in makes this the session at the browser, with ana in it.
func (h *house) in(session string) {
	h.mu.Lock()
	h.session = session
	h.mu.Unlock()
	h.host.SignIn("ana")
}

func (h *house) tells(t testing.TB, client, uri string) {
	t.Helper()
	h.change(t, client, func(c *authz.Client) { c.BackchannelLogoutURI = uri })
}

// told waits for what the events say of deliveries, sorted.
func (h *house) told(t testing.TB, want ...string) {
	t.Helper()
	var got []string
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		got = nil
		for _, e := range h.heard() {
			switch e.Type {
			case authz.LogoutDelivered:
				got = append(got, e.ClientID)
			case authz.LogoutFailed:
				got = append(got, e.ClientID+" "+e.Reason)
			}
		}
		if slices.Sort(got); slices.Equal(got, want) {
			return
		}
	}
	t.Fatalf("told %q, want %q; log: %s", got, want, h.log.String())
}

// party is a client's end of the back channel.
type party struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request // with their forms parsed
	answer   http.HandlerFunc
}

func newParty(t testing.TB, answer http.HandlerFunc) *party {
	p := &party{answer: answer}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *party) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	p.mu.Lock()
	p.requests = append(p.requests, r)
	answer := p.answer
	p.mu.Unlock()
	if answer != nil {
		answer(w, r)
	}
}

func (p *party) answers(answer http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

func (p *party) heard() []*http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// waitFor waits until the party has heard so many requests, and returns their tokens.
func (p *party) waitFor(t testing.TB, n int) []string {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); len(p.heard()) < n && time.Now().Before(end); {
		time.Sleep(2 * time.Millisecond)
	}
	requests := p.heard()
	if len(requests) != n {
		t.Fatalf("%d requests, want %d", len(requests), n)
	}
	var tokens []string
	for _, r := range requests {
		tokens = append(tokens, r.PostForm.Get("logout_token"))
	}
	return tokens
}

// status answers with a status and no more.
func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// header is the JOSE header of a JWT.
func header(t testing.TB, token string) map[string]any {
	t.Helper()
	first, _, _ := strings.Cut(token, ".")
	var h map[string]any
	if err := json.Unmarshal(must(base64.RawURLEncoding.DecodeString(first))(t), &h); err != nil {
		t.Fatal(err)
	}
	return h
}

// due are the notices that are left, whenever they are due.
func (h *house) due(t testing.TB) int {
	t.Helper()
	return len(must(h.store.inner.ListNotices(t.Context(), "~", 1000))(t))
}
