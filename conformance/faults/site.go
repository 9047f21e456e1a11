package faults

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Site is a host as it is seen from outside, in this process or in another. Its methods
// are what clients send; [Site.Browser] is somebody at a browser.
type Site struct {
	URL  string
	http *http.Client
}

// NewSite is the site at an address.
func NewSite(address string) *Site {
	// Many at once to one host, which the default transport would throttle.
	transport := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	return &Site{URL: address, http: &http.Client{
		Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close hangs up.
func (s *Site) Close() { s.http.CloseIdleConnections() }

// Verifier is the PKCE verifier of every authorization here (RFC 7636 §4.1).
var Verifier = strings.Repeat("v", 43)

func challenge() string {
	sum := sha256.Sum256([]byte(Verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// form makes url.Values of names and values.
func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// send does one request. An answer that breaks off, or never comes, is [Answer].Err.
func send(c *http.Client, method, address string, body url.Values, edit func(*http.Request)) *Answer {
	var reader io.Reader
	if body != nil {
		reader = strings.NewReader(body.Encode())
	}
	r, err := http.NewRequest(method, address, reader)
	if err != nil {
		return &Answer{Err: err}
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if edit != nil {
		edit(r)
	}
	response, err := c.Do(r)
	if err != nil {
		return &Answer{Err: err}
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	return &Answer{Status: response.StatusCode, Header: response.Header, Body: string(b), Err: err}
}

// post sends a form to an endpoint as a client, authenticated in the way that suits it.
func (s *Site) post(client, path string, v url.Values) *Answer {
	secret := SecretOf(client)
	if secret == "" {
		v.Set("client_id", client)
	}
	return send(s.http, http.MethodPost, s.URL+path, v, func(r *http.Request) {
		if secret != "" {
			r.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(secret))
		}
	})
}

// Redeem exchanges a code.
func (s *Site) Redeem(client, code string) *Answer {
	return s.post(client, "/oauth2/token", form("grant_type", "authorization_code", "code", code,
		"redirect_uri", redirectOf(client), "code_verifier", Verifier))
}

// Refresh exchanges a refresh token.
func (s *Site) Refresh(client, token string) *Answer {
	return s.post(client, "/oauth2/token", form("grant_type", "refresh_token", "refresh_token", token))
}

// Own asks for a token of the client's own.
func (s *Site) Own(client string) *Answer {
	return s.post(client, "/oauth2/token", form("grant_type", "client_credentials", "scope", "read"))
}

// Revoke revokes a token.
func (s *Site) Revoke(client, token string) *Answer {
	return s.post(client, "/oauth2/revoke", form("token", token))
}

// Introspect asks about a token.
func (s *Site) Introspect(client, token string) *Answer {
	return s.post(client, "/oauth2/introspect", form("token", token))
}

// Call calls the protected API. By POST, because net/http repeats a GET by itself when the
// connection breaks, and so would hide that it did.
func (s *Site) Call(token string) *Answer {
	return send(s.http, http.MethodPost, s.URL+"/api", nil, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
}

// Get reads a public document.
func (s *Site) Get(path string) *Answer { return send(s.http, http.MethodGet, s.URL+path, nil, nil) }

// The public documents.
const (
	JWKSPath     = "/oauth2/jwks"
	MetadataPath = "/.well-known/oauth-authorization-server"
)

// Browser is a browser with cookies of its own, in front of which a user sits.
type Browser struct {
	User string
	Tag  string // for a Login hook that has to know one from another; see [TagOf]
	site *Site
	http *http.Client
}

// Browser is a new one. User is who is signed in at the host, nobody if it is empty.
func (s *Site) Browser(user string) *Browser {
	client := *s.http
	client.Jar, _ = cookiejar.New(nil) // never fails
	return &Browser{User: user, site: s, http: &client}
}

func (b *Browser) send(method, path string, body url.Values) *Answer {
	return send(b.http, method, b.site.URL+path, body, func(r *http.Request) {
		if b.User != "" {
			r.Header.Set(userHeader, b.User)
		}
		r.Header.Set(tagHeader, b.Tag)
	})
}

// Authorize opens the authorization endpoint for a client, with all scopes unless edited.
func (b *Browser) Authorize(client string, pairs ...string) *Answer {
	v := form("response_type", "code", "client_id", client, "redirect_uri", redirectOf(client),
		"state", "xyz", "scope", "read write offline_access",
		"code_challenge", challenge(), "code_challenge_method", "S256")
	for name, values := range form(pairs...) {
		v[name] = values
	}
	return b.send(http.MethodGet, "/oauth2/authorize?"+v.Encode(), nil)
}

var fieldPattern = regexp.MustCompile(`name="(interaction|scope)" value="([^"]*)"`)

// Decide answers a consent page with allow or deny, leaving every scope ticked.
func (b *Browser) Decide(page *Answer, decision string) *Answer {
	v := url.Values{"decision": {decision}}
	for _, m := range fieldPattern.FindAllStringSubmatch(page.Body, -1) {
		v.Add(m[1], m[2])
	}
	return b.send(http.MethodPost, "/oauth2/consent", v)
}

// Connect authorizes a client, allowing everything if the user is asked.
func (b *Browser) Connect(client string) *Answer {
	answer := b.Authorize(client)
	if answer.Outcome() == Asked {
		answer = b.Decide(answer, "allow")
	}
	return answer
}

// Visit opens any page of the site.
func (b *Browser) Visit(method, path string) *Answer { return b.send(method, path, nil) }

// End is the host's button that ends all of the user's authorizations; Disconnect ends
// those of one client, and Consents lists the clients that have one.
func (b *Browser) End() *Answer { return b.send(http.MethodPost, "/account/end", nil) }

// Disconnect ends the user's authorizations of one client.
func (b *Browser) Disconnect(client string) *Answer {
	return b.send(http.MethodPost, "/account/disconnect", form("client", client))
}

// EndGrant is the host's button that ends one authorization by its name.
func (b *Browser) EndGrant(id string) *Answer {
	return b.send(http.MethodPost, "/account/end-grant", form("grant", id))
}

// Register is the operator's button that registers a client.
func (b *Browser) Register(client string) *Answer {
	return b.send(http.MethodPost, "/account/register", form("client", client))
}

// Consents lists the clients that the user has agreed to.
func (b *Browser) Consents() *Answer { return b.send(http.MethodGet, "/account/consents", nil) }
