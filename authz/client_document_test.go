package authz_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
)

// The whole way of a client that is named by its document.
func TestClientIDMetadata(t *testing.T) {
	w := newWeb()
	s := newServer(t, documents(w))
	w.put(document, 200, describes(document, "scope", `"read"`, "client_uri", `"https://bank.example"`))
	prompt := s.page(t, document, atApp())
	if !prompt.SelfDescribed || prompt.ClientIDHost != "app.example" || prompt.Client.Name != "App" || prompt.Loopback || prompt.RedirectHost != "app.example" {
		t.Errorf("%+v", prompt)
	}
	s.flow(t, document, "", "https://app.example/cb")
	if n := w.times(document); n != 1 {
		t.Errorf("fetched %d times", n)
	}
	if m := s.Metadata(); !m.ClientIDMetadataDocumentSupported || m.RegistrationEndpoint != "" {
		t.Errorf("%+v", m)
	}
	// What the user has allowed is remembered.
	if response, err := s.authorize(document, atApp(), set("scope", "read offline_access")); s.outcome(t, response, err) != "code" {
		t.Error(s.outcome(t, response, err))
	}
	// Exact redirect URIs; only scopes that the host lets such clients have.
	_, err := s.authorize(document, set("redirect_uri", "https://app.example/cb2"))
	wantRefusal(t, err, "invalid_request redirect_uri_not_registered")
	response, err := s.authorize(document, atApp(), set("scope", "admin"))
	if got := s.outcome(t, response, err); got != "back: invalid_scope scope_not_allowed" {
		t.Error(got)
	}
}

// A client that is named by its document may have keys: by value or by URL, and its code is
// then of no use to anybody else.
func TestClientIDMetadata_private_key_jwt(t *testing.T) {
	for name, keys := range map[string][]string{
		"jwks":     {"jwks", jwks(p256)},
		"jwks_uri": {"jwks_uri", `"https://app.example/keys.json"`},
	} {
		w := newWeb()
		s := newServer(t, documents(w))
		w.put("https://app.example/keys.json", 200, jwks(p256))
		w.put(document, 200, describes(document, append(keys, "token_endpoint_auth_method", `"private_key_jwt"`)...))
		code := s.code(t, document, atApp())
		redeem := func(a *assertion) (*authz.TokenResponse, error) {
			v := form(nil, "grant_type", "authorization_code", "code", code, "redirect_uri", "https://app.example/cb",
				"code_verifier", authztest.Verifier, "client_id", document)
			if a != nil {
				a.claims = map[string]any{"iss": document, "sub": document}
				v.Set("client_assertion_type", jwtBearer)
				v.Set("client_assertion", s.assert(t, *a))
			}
			return s.Token(t.Context(), &authz.Request{Parameters: v})
		}
		_, err := redeem(nil)
		wantRefusal(t, err, "invalid_client auth_method_not_registered")
		_, err = redeem(&assertion{alg: jose.ES256, key: otherP256})
		wantRefusal(t, err, "invalid_client assertion_signature_invalid")
		if tokens, err := redeem(&assertion{}); err != nil || tokens.RefreshToken == "" {
			t.Errorf("%s: %+v, %v", name, tokens, err)
		}
	}
}

// RFC 8252 §7.3, §8.6: a program on the user's device, any port, asked every time.
func TestClientIDMetadata_loopback(t *testing.T) {
	w := newWeb()
	s := newServer(t, documents(w))
	w.put(document, 200, describes(document, "redirect_uris", `["http://127.0.0.1/cb","http://localhost:3000/cb"]`))
	for range 2 {
		for _, uri := range []string{"http://127.0.0.1:5001/cb", "http://localhost:5002/cb"} {
			if prompt := s.page(t, document, set("redirect_uri", uri)); !prompt.Loopback || prompt.ClientIDHost != "app.example" {
				t.Errorf("%+v", prompt)
			}
			s.flow(t, document, "", uri)
		}
	}
}

// §3: what is no name of a document is not fetched.
func TestClientIDMetadata_Section3(t *testing.T) {
	w := newWeb()
	s := newServer(t, documents(w))
	for _, id := range []string{
		"http://app.example/c", "https://app.example", "https://app.example/", "https://app.example?x=/c", "https://app.example/c#", "https://app.example/c#x",
		"https://u@app.example/c", "https://u:p@app.example/c", "https://app.example/a/../c", "https://app.example/./c", "https://app.example/%2e%2e/c", "https://app.example/a/%2E",
		"https://127.0.0.1/c", "https://[::1]/c", "https://[fd00::1]/c", "https://0x7f.1/c", "https://127.1/c", "https://2130706433/c", "https://localhost/c", "https://10.0.0.1./c", "https://a.0x7f/c",
		"https://App.example/c", "HTTPS://app.example/c", "https://app.example:443/c", "https://app.example:/c", "https://app.example:99999/c", "https:app.example/c", "https:///c", "https://app.example\\@x/c", "https://bücher.example/c",
		"//app.example/c", "ftp://app.example/c", "https://app.example/c d", "https://app.example/\"c", "https://app.example/<c>", "https://.example/c", "https://app..example/c",
	} {
		w.put(id, 200, describes(id))
		_, err := s.authorize(id, atApp())
		wantRefusal(t, err, "invalid_request client_unknown")
	}
	if len(w.fetched) > 0 {
		t.Errorf("fetched %v", w.fetched)
	}
	for _, id := range []string{"https://app.example:8443/c", "https://app.example/c?v=2", "https://app.example/a/b.json", "https://xn--bcher-kva.example/c", "https://app.example/.well-known/c"} {
		w.put(id, 200, describes(id))
		s.page(t, id, atApp())
	}
}

// §4, §5: what a document must say, and must not.
func TestClientIDMetadata_Section4(t *testing.T) {
	for name, test := range map[string]struct {
		status  int
		body    string
		headers []string
		want    string
	}{
		"not_json":       {200, "<html>", nil, "400 invalid_client client_document_malformed"},
		"array":          {200, "[]", nil, "400 invalid_client client_document_malformed"},
		"no_client_id":   {200, string(metadata()), nil, "400 invalid_client client_document_of_another"},
		"another":        {200, describes("https://app.example/other.json"), nil, "400 invalid_client client_document_of_another"},
		"other_spelling": {200, describes(document + "?"), nil, "400 invalid_client client_document_of_another"},
		"secret":         {200, describes(document, "client_secret", `"x"`), nil, "400 invalid_client client_document_secret"},
		"secret_expiry":  {200, describes(document, "client_secret_expires_at", `0`), nil, "400 invalid_client client_document_secret"},
		"basic":          {200, describes(document, "token_endpoint_auth_method", `"client_secret_basic"`), nil, "400 invalid_client client_document_auth_method"},
		"post":           {200, describes(document, "token_endpoint_auth_method", `"client_secret_post"`), nil, "400 invalid_client client_document_auth_method"},
		"secret_jwt":     {200, describes(document, "token_endpoint_auth_method", `"client_secret_jwt"`), nil, "400 invalid_client client_document_auth_method"},
		"no_redirects":   {200, describes(document, "redirect_uris", ""), nil, "400 invalid_client client_document_invalid"},
		"bad_redirects":  {200, describes(document, "redirect_uris", `["javascript:1"]`), nil, "400 invalid_client client_document_invalid"},
		"bad_name":       {200, describes(document, "client_name", `7`), nil, "400 invalid_client client_document_invalid"},
		"other_grants":   {200, describes(document, "grant_types", `["client_credentials"]`), nil, "400 invalid_client client_document_invalid"},
		"not_found":      {404, describes(document), nil, "503 temporarily_unavailable client_document_unreachable"},
		"redirect":       {302, "", []string{"Location", document + "2"}, "503 temporarily_unavailable client_document_unreachable"},
		"html":           {200, describes(document), []string{"Content-Type", "text/html"}, "503 temporarily_unavailable client_document_unreachable"},
		"too_long":       {200, describes(document, "x", `"`+strings.Repeat("x", 5<<10)+`"`), nil, "503 temporarily_unavailable client_document_unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWeb()
			s := newServer(t, documents(w))
			w.put(document, test.status, test.body, test.headers...)
			_, err := s.authorize(document, atApp())
			registrationRefused(t, err, test.want)
			if w.times(document+"2") > 0 {
				t.Error("it followed a redirect")
			}
			// §5.2: a failure is not kept.
			w.put(document, 200, describes(document, "token_endpoint_auth_method", ""))
			s.page(t, document, atApp())
		})
	}
}

// §5.2: HTTP caching, within bounds.
func TestClientIDMetadata_Section5_2(t *testing.T) {
	for header, fresh := range map[string]time.Duration{"": time.Hour, "max-age=600": 10 * time.Minute, "no-store": 0, "max-age=99999999": 24 * time.Hour} {
		w := newWeb()
		s := newServer(t, documents(w))
		w.put(document, 200, describes(document), "Cache-Control", header)
		s.page(t, document, atApp())
		w.put(document, 200, describes(document, "redirect_uris", `["https://app.example/new"]`), "Cache-Control", header)
		if fresh > 0 {
			s.clock.Advance(fresh - time.Second)
			s.page(t, document, atApp())
			s.clock.Advance(time.Second)
		}
		_, err := s.authorize(document, atApp())
		wantRefusal(t, err, "invalid_request redirect_uri_not_registered")
		s.page(t, document, set("redirect_uri", "https://app.example/new"))
	}
}

// A document that cannot be reached for a while ends nothing: tokens are verified without
// it, and refreshed with what was known; when nothing is, the client is told to wait.
func TestClientIDMetadata_unreachable(t *testing.T) {
	for _, format := range []string{"jwt", "opaque"} {
		w := newWeb()
		s := newServer(t, documents(w), func(c *authz.Config) { c.AccessTokenFormat = format })
		w.put(document, 200, describes(document), "Cache-Control", "no-store")
		tokens := s.flow(t, document, "", "https://app.example/cb")
		w.put(document, 500, "")
		fetched := w.times(document)
		if !s.live(tokens.AccessToken) {
			t.Error("a token died with its client's web server")
		}
		if w.times(document) != fetched {
			t.Error("verification fetches")
		}
		tokens, err := s.refresh(document, tokens.RefreshToken)
		if err != nil {
			t.Fatal(err)
		}
		s.clock.Advance(24 * time.Hour)
		_, err = s.refresh(document, tokens.RefreshToken)
		wantRefusal(t, err, "temporarily_unavailable client_document_unreachable")
		w.put(document, 200, describes(document))
		if tokens, err = s.refresh(document, tokens.RefreshToken); err != nil {
			t.Fatal(err)
		}
		// That it has become another one's is another matter.
		w.put(document, 200, describes(document+"x"))
		s.clock.Advance(time.Hour)
		_, err = s.refresh(document, tokens.RefreshToken)
		registrationRefused(t, err, "400 invalid_client client_document_of_another")
	}
}

// The host has the last word: by host, by prefix, by policy, by a client of its own of that
// name.
func TestClientIDMetadata_policy(t *testing.T) {
	for allow, want := range map[string]bool{
		"app.example": true, "https://app.example/": true, "https://app.example/client": true, "example": false,
		"other.example": false, "https://app.example/other/": false, "app.example:8443": false,
	} {
		w := newWeb()
		w.put(document, 200, describes(document))
		s := newServer(t, documents(w, func(d *authz.ClientIDMetadata) { d.Allow = []string{"x.example", allow} }))
		_, err := s.authorize(document, atApp())
		if (err == nil) != want || !want && w.times(document) > 0 {
			t.Errorf("%s: %v, fetched %d times", allow, err, w.times(document))
		}
	}
	w := newWeb()
	w.put(document, 200, describes(document))
	asked := 0
	s := newServer(t, documents(w, func(d *authz.ClientIDMetadata) {
		d.Policy = func(_ context.Context, p *authz.ClientProposal) error {
			if asked++; p.Client.ID != document || string(p.Metadata["client_name"]) != `"App"` {
				t.Errorf("%+v", p)
			}
			p.Client.Scopes, p.Client.ID = []string{"read"}, "web"
			return nil
		}
	}))
	for range 3 {
		if response, err := s.authorize(document, atApp()); s.outcome(t, response, err) != "back: invalid_scope scope_not_allowed" {
			t.Error("the policy was not heard")
		}
	}
	if s.page(t, document, atApp(), set("scope", "read")); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	s = newServer(t, documents(w, func(d *authz.ClientIDMetadata) {
		d.Policy = func(context.Context, *authz.ClientProposal) error {
			return &authz.Error{Code: "access_denied", Reason: "not_this_one"}
		}
	}))
	_, err := s.authorize(document, atApp())
	registrationRefused(t, err, "403 access_denied not_this_one")

	s = newServer(t, documents(w))
	tokens := s.flow(t, document, "", "https://app.example/cb")
	s.register(t, authz.Client{ID: document, RedirectURIs: []string{"https://app.example/cb"}, Scopes: []string{"read"}, FirstParty: true})
	if response, err := s.authorize(document, atApp(), set("scope", "read")); s.outcome(t, response, err) != "code" {
		t.Error("a client of the host's own does not come first")
	}
	s.change(t, document, func(c *authz.Client) { c.Disabled = true })
	if s.live(tokens.AccessToken) {
		t.Error("a client that the host has disabled lives on by its document")
	}
	_, err = s.authorize(document, atApp())
	wantRefusal(t, err, "invalid_request client_unknown")

	off := newServer(t, func(c *authz.Config) { c.HTTPClient = &http.Client{Transport: w} })
	_, err = off.authorize(document, atApp())
	wantRefusal(t, err, "invalid_request client_unknown")
}

// Many at once share one fetch, and see one client.
func TestClientIDMetadata_at_once(t *testing.T) {
	w := newWeb()
	w.put(document, 200, describes(document))
	s := newSlowServer(t, documents(w))
	together(64, func(int) {
		if response, err := s.authorize(document, atApp()); err != nil || response.Consent == nil || response.Consent.ClientIDHost != "app.example" {
			t.Errorf("%+v, %v", response, err)
		}
	})
	if n := w.times(document); n > 8 {
		t.Errorf("fetched %d times", n)
	}
}

// The time that a fetch takes is not taken from what the store has.
func TestClientIDMetadata_slow(t *testing.T) {
	w := newWeb()
	w.put(document, 200, describes(document))
	s := newServer(t, documents(w), func(c *authz.Config) {
		c.StorageTimeout = 50 * time.Millisecond
		c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			time.Sleep(100 * time.Millisecond) // longer than the store may take
			return w.RoundTrip(r)
		})}
	})
	s.page(t, document, atApp())
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// FuzzClientIDMetadata: whatever a document says, the answer is a protocol error or a client
// with redirect URIs that can be used.
func FuzzClientIDMetadata(f *testing.F) {
	w := newWeb()
	s := newServer(f, quiet, documents(w))
	for _, seed := range []string{describes(document), describes(document, "jwks", `{"keys":[]}`), describes(document, "redirect_uris", `["http://127.0.0.1","com.example.app:/x","javascript:1"]`), "{", "[]", `{"client_id":1}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w.put(document, 200, body, "Cache-Control", "no-store")
		response, err := s.authorize(document, drop("redirect_uri"))
		if err != nil {
			if e := new(authz.Error); !errors.As(err, &e) || e.Code == "server_error" || e.Code == "temporarily_unavailable" && len(body) <= 5<<10 {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		if c := response.Consent; c != nil {
			for _, uri := range c.Client.RedirectURIs {
				if strings.HasPrefix(uri, "javascript:") || strings.Contains(uri, "#") {
					t.Errorf("%q is registered by %q", uri, body)
				}
			}
			if len(c.Client.Secrets) > 0 || c.Client.FirstParty || c.Client.ResourceServer || slices.Contains(c.Client.Scopes, "admin") {
				t.Errorf("%+v by %q", c.Client, body)
			}
		}
	})
}

// FuzzClientIDMetadata_url: no name leads anywhere but to the host that it names.
func FuzzClientIDMetadata_url(f *testing.F) {
	for _, seed := range []string{document, "https://127.0.0.1/c", "https://app.example/../c", "https://a@b.example/c", "https://[::1]/x", "https://app.example:8443/c?x#"} {
		f.Add(seed)
	}
	var went []string
	s := newServer(f, quiet, documents(newWeb()), func(c *authz.Config) {
		c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			went = append(went, r.URL.String())
			return nil, errors.New("no network")
		})}
	})
	f.Fuzz(func(t *testing.T, id string) {
		went = nil
		if _, err := s.authorize(id, atApp()); err == nil {
			if id != web && id != spa && id != native && id != first && id != authztest.ClientID {
				t.Errorf("%q is a client", id)
			}
		}
		for _, address := range went {
			if address != id || !strings.HasPrefix(id, "https://") || strings.ContainsAny(id, "#@\\ ") {
				t.Errorf("%q led to %q", id, address)
			}
		}
	})
}
