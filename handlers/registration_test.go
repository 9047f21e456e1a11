package handlers_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/handlers"
)

func selfService(c *authz.Config) {
	c.Registration = &authz.Registration{Open: true, Scopes: []string{"read", "offline_access"}}
}

const registration = `{"client_name":"App","redirect_uris":["cursor://x/cb","http://localhost:8787/cb"],"token_endpoint_auth_method":"none"}`

// sendJSON sends a body as JSON.
func (h *host) sendJSON(method, path, body string, headers ...string) (*answer, map[string]any) {
	h.t.Helper()
	a := h.do(method, path, body, append([]string{"Content-Type", "application/json"}, headers...)...)
	var members map[string]any
	if a.body != "" && json.Unmarshal([]byte(a.body), &members) != nil {
		h.t.Fatalf("%s %s: %s %q is not JSON", method, path, a.Status, a.body)
	}
	return a, members
}

// RFC 7591 §3 and RFC 7592 §2 over HTTP, from registration to the end.
func TestRFC7591_over_HTTP(t *testing.T) {
	for _, name := range []string{"Mount", "New"} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, handlers.Options{}, selfService)
			if name == "New" {
				h.browser.Transport = inProcess{handlers.New(h.Server.Server)}
			}
			a, got := h.sendJSON("POST", "/oauth2/register", registration)
			if a.StatusCode != 201 || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Content-Type") != "application/json" {
				t.Fatalf("%s %v %s", a.Status, a.Header, a.body)
			}
			rejected, _ := got["rejected_redirect_uris"].([]any)
			if len(rejected) != 1 || got["application_type"] != "native" || got["client_secret"] != nil {
				t.Errorf("%v", got)
			}
			uri, err := url.Parse(got["registration_client_uri"].(string))
			if err != nil || !strings.HasPrefix(uri.String(), h.url+"/oauth2/register/") {
				t.Fatal(uri, err)
			}
			bearer := []string{"Authorization", "Bearer " + got["registration_access_token"].(string)}
			if a, read := h.sendJSON("GET", uri.Path, "", bearer...); a.StatusCode != 200 || read["client_id"] != got["client_id"] || read["registration_access_token"] != got["registration_access_token"] {
				t.Errorf("%s %v", a.Status, read)
			}
			a, put := h.sendJSON("PUT", uri.Path, strings.Replace(registration, "{", `{"client_id":"`+got["client_id"].(string)+`",`, 1), bearer...)
			if a.StatusCode != 200 || put["registration_access_token"] == got["registration_access_token"] {
				t.Errorf("%s %v", a.Status, put)
			}
			bearer[1] = "Bearer " + put["registration_access_token"].(string)
			if a := h.do("DELETE", uri.Path, nil, bearer...); a.StatusCode != 204 || a.body != "" {
				t.Errorf("%s %s", a.Status, a.body)
			}
			for _, method := range []string{"GET", "PUT", "DELETE"} {
				a, members := h.sendJSON(method, uri.Path, "{}", bearer...)
				if a.StatusCode != 401 || members["error"] != "invalid_token" || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer ") {
					t.Errorf("%s: %s %v", method, a.Status, a.Header)
				}
			}
			if strings.Contains(h.log.String(), "grt_") {
				t.Error("a registration access token is in the log")
			}
		})
	}
}

func TestRFC7591_Section3_2_2_over_HTTP(t *testing.T) {
	h := newHost(t, handlers.Options{}, selfService)
	a, members := h.sendJSON("POST", "/oauth2/register", `{"redirect_uris":["http://app.example/<b>","javascript:1"]}`)
	rejected, _ := members["rejected_redirect_uris"].([]any)
	if a.StatusCode != 400 || members["error"] != "invalid_redirect_uri" || len(rejected) != 2 || strings.Contains(a.body, "<b>") {
		t.Errorf("%s %s", a.Status, a.body)
	}
	for _, r := range rejected {
		if r := r.(map[string]any); r["reason"] == "" || r["redirect_uri"] == "" {
			t.Errorf("%v", r)
		}
	}
	for name, test := range map[string]struct {
		contentType, body, path string
		status                  int
	}{
		"form":      {"application/x-www-form-urlencoded", registration, "", 400},
		"multipart": {"multipart/form-data; boundary=x", registration, "", 400},
		"none":      {"", registration, "", 400},
		"query":     {"application/json", registration, "?x=y", 400},
		"large":     {"application/json", `{"x":"` + strings.Repeat("x", 1<<20) + `"}`, "", 413},
		"charset":   {"application/json; charset=utf-8", registration, "", 201},
	} {
		if a := h.do("POST", "/oauth2/register"+test.path, test.body, "Content-Type", test.contentType); a.StatusCode != test.status {
			t.Errorf("%s: %s %s", name, a.Status, a.body)
		}
	}
	for path, allow := range map[string]string{"/oauth2/register": "POST", "/oauth2/register/x": "GET, PUT, DELETE"} {
		if a := h.do("PATCH", path, nil); a.StatusCode != 405 || a.Header.Get("Allow") != allow {
			t.Errorf("%s: %s %q", path, a.Status, a.Header.Get("Allow"))
		}
	}
}

// RFC 8414 §2: what is said of it is true, whether it is on or off.
func TestRegistrationMetadata(t *testing.T) {
	var off, on map[string]any
	h := newHost(t, handlers.Options{})
	_, off = h.sendJSON("GET", "/.well-known/oauth-authorization-server", "")
	if off["registration_endpoint"] != nil || off["client_id_metadata_document_supported"] != nil {
		t.Errorf("%v", off)
	}
	for _, path := range []string{"/oauth2/register", "/oauth2/register/", "/oauth2/register/x"} {
		if a := h.do("POST", path, nil); a.StatusCode != 404 {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	h = newHost(t, handlers.Options{}, selfService, func(c *authz.Config) {
		c.ClientIDMetadata = &authz.ClientIDMetadata{Scopes: []string{"read"}}
	})
	_, on = h.sendJSON("GET", "/.well-known/oauth-authorization-server", "")
	if on["registration_endpoint"] != h.url+"/oauth2/register" || on["client_id_metadata_document_supported"] != true {
		t.Errorf("%v", on)
	}
}

// A page of any origin may register its client, and no cookie is part of that.
func TestRegistrationCORS(t *testing.T) {
	h := newHost(t, handlers.Options{}, selfService)
	const origin = "http://localhost:6274"
	for path, method := range map[string]string{"/oauth2/register": "POST", "/oauth2/register/x": "PUT"} {
		a := h.do("OPTIONS", path, nil, "Origin", origin, "Access-Control-Request-Method", method, "Access-Control-Request-Headers", "content-type,mcp-protocol-version")
		if a.StatusCode != 204 || a.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(a.Header.Get("Access-Control-Allow-Methods"), method) ||
			a.Header.Get("Access-Control-Allow-Headers") != "*, Authorization" || a.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %s %v", path, a.Status, a.Header)
		}
	}
	if a, _ := h.sendJSON("POST", "/oauth2/register", registration, "Origin", origin); a.StatusCode != 201 || a.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%s %v", a.Status, a.Header)
	}
}

// RFC 7591 §5: people hear that the name is the client's own idea, and where they end up.
func TestConsentPageOfSelfDescribedClients(t *testing.T) {
	const id = "https://app.example/client.json"
	h := newHost(t, handlers.Options{}, selfService, func(c *authz.Config) {
		c.ClientIDMetadata = &authz.ClientIDMetadata{Scopes: []string{"read"}}
		c.HTTPClient = &http.Client{Transport: published{id: `{"client_id":"` + id + `","client_name":"Bank","client_uri":"https://bank.example",
			"logo_uri":"https://app.example/logo.png","redirect_uris":["https://app.example/cb","http://127.0.0.1/cb"]}`}}
	})
	ask := func(clientID, redirect string) string {
		params := authztest.AuthorizationParameters("read")
		params.Set("client_id", clientID)
		params.Set("redirect_uri", redirect)
		a := h.ask(params)
		a.form(t)
		if strings.Contains(a.body, "logo.png") {
			t.Error("the logo is linked to")
		}
		return a.body
	}
	page := ask(id, "https://app.example/cb")
	for _, want := range []string{"App from: <strong>app.example</strong>", "has chosen its name itself", "return to <bdi>app.example</bdi>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "bank.example") {
		t.Error("what the client says of itself stands in for its URL")
	}
	page = ask(id, "http://127.0.0.1:5000/cb")
	for _, want := range []string{"App from: <strong>app.example</strong>", "any program there can use its name", "<bdi>127.0.0.1:5000</bdi>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	_, got := h.sendJSON("POST", "/oauth2/register", `{"client_name":"Bank","client_uri":"https://bank.example","redirect_uris":["https://x.example/cb"],"token_endpoint_auth_method":"none"}`)
	page = ask(got["client_id"].(string), "https://x.example/cb")
	for _, want := range []string{"App website, as it says: bank.example", "has chosen its name itself", "<bdi>x.example</bdi>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	// A document that cannot be fetched is an error page that says so.
	params := authztest.AuthorizationParameters("read")
	params.Set("client_id", "https://gone.example/client.json")
	if a := h.ask(params); a.StatusCode != 503 || !strings.Contains(a.body, "metadata document") || a.Header.Get("Location") != "" {
		t.Errorf("%s %s", a.Status, a.body)
	}
}

// inProcess answers requests without a network.
type inProcess struct{ http.Handler }

func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody // as servers do
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

// published are documents by URL.
type published map[string]string

func (p published) RoundTrip(r *http.Request) (*http.Response, error) {
	body, there := p[r.URL.String()]
	if !there {
		return nil, http.ErrServerClosed
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
}
