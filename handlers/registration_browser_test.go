package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/conformance/browser"
	"github.com/grantor-oauth/grantor/handlers"
)

// In a real browser: a page of another origin registers its client, as the MCP Inspector
// does, and its user is told who has chosen the name.
func TestRegistrationInChromium(t *testing.T) {
	client := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<!doctype html><link rel=icon href=data:,><body>client")
	}))
	defer client.Close()
	const id = "https://app.example/client.json"
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	as := authztest.New(t, selfService, func(c *authz.Config) {
		c.Issuer = server.URL
		c.ClientIDMetadata = &authz.ClientIDMetadata{Scopes: []string{"read"}}
		c.HTTPClient = &http.Client{Transport: published{id: `{"client_id":"` + id + `","client_name":"Bank","redirect_uris":["https://app.example/cb","http://127.0.0.1/cb"]}`}}
	})
	as.SignIn("ana")
	handlers.Mount(mux, as.Server)
	mux.HandleFunc("/favicon.ico", func(http.ResponseWriter, *http.Request) {})

	page := browser.Open(t, client.URL)
	page.Eval(fmt.Sprintf(`void fetch(%q, {method: 'POST', headers: {'Content-Type': 'application/json', 'MCP-Protocol-Version': '2026-07-28'},
		body: JSON.stringify({client_name: 'MCP Inspector', redirect_uris: [%q], token_endpoint_auth_method: 'none'})})
		.then(r => r.text()).then(text => document.body.innerText = text, e => document.body.innerText = 'failed: ' + e)`,
		server.URL+"/oauth2/register", client.URL+"/oauth/callback"))
	page.Await("document.body.innerText !== 'client'")
	var got struct {
		ClientID string `json:"client_id"`
	}
	if said := page.Eval("document.body.innerText").(string); json.Unmarshal([]byte(said), &got) != nil || got.ClientID == "" {
		t.Fatal(said)
	}
	for name, where := range map[string][2]string{
		"registered": {got.ClientID, client.URL + "/oauth/callback"}, "document": {id, "https://app.example/cb"}, "document-loopback": {id, "http://127.0.0.1:5000/cb"},
	} {
		t.Run(name, func(t *testing.T) {
			params := authztest.AuthorizationParameters("read")
			params.Set("client_id", where[0])
			params.Set("redirect_uri", where[1])
			page.For(t)
			for _, width := range []int{390, 1280} {
				page.Resize(width)
				page.Visit(server.URL + "/oauth2/authorize?" + params.Encode())
				page.Await("document.querySelector('.allow')")
				page.Screenshot(fmt.Sprintf("consent-%s-%d", name, width))
				if wide := page.Eval("document.documentElement.scrollWidth - innerWidth"); wide.(float64) > 0 {
					t.Errorf("the page is %v pixels too wide", wide)
				}
				if faults := page.Eval(contrastFaults); faults != "" {
					t.Errorf("WCAG 2.2 §1.4.3: %v", faults)
				}
			}
			if u, err := url.Parse(where[1]); err != nil || !strings.Contains(page.Eval("document.body.innerText").(string), u.Host) {
				t.Error("the page does not say where the user will return to")
			}
		})
	}
	for _, problem := range page.Problems() {
		t.Error(problem)
	}
}
