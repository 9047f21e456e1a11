package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/examples/mcp/notebook"
	"github.com/grantor-oauth/grantor/storage/bolt"
)

// play is -check: the official SDK's client against the notebook, over real HTTP, one line
// a step, ending at the first thing that is not so.
func play(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "mcp")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := bolt.Open(filepath.Join(dir, "mcp.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	base := "http://" + listener.Addr().String()
	documents := httptest.NewTLSServer(http.HandlerFunc(document))
	defer documents.Close()
	app, err := notebook.New(base, db, func(c *authz.Config) {
		preregister(c)
		c.HTTPClient = documents.Client() // to which client.example.com is that server
	})
	if err != nil {
		return err
	}
	server := &http.Server{Handler: app, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener)
	defer server.Close()

	say := func(what string) { fmt.Fprintln(out, "ok  ", what) }
	for _, way := range ways() {
		u := &person{name: "ana by " + way.name}
		if err := u.use(ctx, base, way, func(what string) { say(way.name + ": " + what) }); err != nil {
			return fmt.Errorf("NOT SO  %s: %w", way.name, err)
		}
	}
	fmt.Fprintln(out, "All of it is so.")
	return nil
}

const callback = "http://127.0.0.1:33418/callback"

// preregister is for the client that has come here before.
func preregister(c *authz.Config) {
	c.Clients = []authz.Client{{
		ID: "desk", Name: "Desk", ApplicationType: "native", RedirectURIs: []string{callback},
		Scopes: []string{notebook.Read, notebook.Write, "offline_access"},
	}}
}

// way is how a client introduces itself.
type way struct {
	name      string
	configure func(*auth.AuthorizationCodeHandlerConfig)
}

func ways() []way {
	return []way{
		{"a client that is registered", func(c *auth.AuthorizationCodeHandlerConfig) {
			c.PreregisteredClient = &oauthex.ClientCredentials{ClientID: "desk"}
		}},
		{"a client with a metadata document", func(c *auth.AuthorizationCodeHandlerConfig) {
			c.ClientIDMetadataDocumentConfig = &auth.ClientIDMetadataDocumentConfig{URL: documentURL}
		}},
		{"a client that registers", func(c *auth.AuthorizationCodeHandlerConfig) {
			c.DynamicClientRegistrationConfig = &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
				ClientName: "Newcomer", RedirectURIs: []string{callback}, TokenEndpointAuthMethod: "none",
				GrantTypes: []string{"authorization_code", "refresh_token"},
			}}
		}},
	}
}

const documentURL = "https://client.example.com/mcp.json"

// document is the metadata document of a client (draft-ietf-oauth-client-id-metadata-document).
func document(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"client_id": documentURL, "client_name": "Roamer", "redirect_uris": []string{callback},
		"grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "none", "application_type": "native",
	})
}

// person sits at the browser that the client opens.
type person struct {
	name    string
	asked   [][]string // the scopes of each consent page
	browser *http.Client
}

// use has a client use the notebook.
func (p *person) use(ctx context.Context, base string, way way, say func(string)) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	p.browser = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			return http.ErrUseLastResponse // what follows is the client's
		}
		return nil
	}}
	config := &auth.AuthorizationCodeHandlerConfig{
		RedirectURL: callback, AuthorizationCodeFetcher: p.authorize, RequestRefreshToken: true,
	}
	way.configure(config)
	handler, err := auth.NewAuthorizationCodeHandler(config)
	if err != nil {
		return err
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "check", Version: "1.0.0"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: base + "/mcp", OAuthHandler: handler, DisableStandaloneSSE: true, MaxRetries: -1,
	}, nil)
	if err != nil {
		return err
	}
	defer session.Close()
	say("from a 401 by the resource's metadata to the server's, to a token, to a session")

	got, err := call(ctx, session, "list_notes", nil)
	if err != nil || len(got) != 0 {
		return fmt.Errorf("the notebook is not empty: %q, %v", got, err)
	}
	if len(p.asked) != 1 || strings.Contains(strings.Join(p.asked[0], " "), notebook.Write) {
		return fmt.Errorf("the user was asked for %q", p.asked)
	}
	say("the user was asked for no more than reading, and a tool that reads is called")

	got, err = call(ctx, session, "add_note", map[string]any{"text": "buy milk"})
	if err != nil || len(got) != 1 || got[0] != "buy milk" {
		return fmt.Errorf("add_note: %q, %v", got, err)
	}
	if len(p.asked) != 2 || !strings.Contains(strings.Join(p.asked[1], " "), notebook.Write) {
		return fmt.Errorf("the user was asked for %q", p.asked)
	}
	say("a tool that writes is answered with 403 and the missing scope; the user is asked again, and it is called")
	return nil
}

// call calls a tool of the notebook.
func call(ctx context.Context, session *mcp.ClientSession, tool string, arguments any) ([]string, error) {
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(result.StructuredContent)
	if err != nil || result.IsError {
		return nil, fmt.Errorf("%s failed: %s, %w", tool, encoded, err)
	}
	var list struct {
		Notes []string `json:"notes"`
	}
	return list.Notes, json.Unmarshal(encoded, &list)
}

var (
	fieldPattern  = regexp.MustCompile(`name="(interaction|scope)" value="([^"]*)"`)
	actionPattern = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
)

// authorize signs in, reads the consent page, and allows what it asks.
func (p *person) authorize(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	page, body, err := p.open(ctx, http.MethodGet, args.URL, nil)
	if err != nil {
		return nil, err
	}
	if page.Request.URL.Path == "/login" {
		if page, body, err = p.open(ctx, http.MethodPost, page.Request.URL.String(), url.Values{"user": {p.name}}); err != nil {
			return nil, err
		}
	}
	if page.StatusCode == http.StatusOK {
		action := actionPattern.FindStringSubmatch(body)
		if action == nil {
			return nil, fmt.Errorf("no consent page but %s: %.500s", page.Status, body)
		}
		form := url.Values{"decision": {"allow"}}
		for _, field := range fieldPattern.FindAllStringSubmatch(body, -1) {
			form.Add(field[1], field[2])
		}
		p.asked = append(p.asked, form["scope"])
		to, err := page.Request.URL.Parse(action[1])
		if err != nil {
			return nil, err
		}
		if page, body, err = p.open(ctx, http.MethodPost, to.String(), form); err != nil {
			return nil, err
		}
	}
	back, err := url.Parse(page.Header.Get("Location"))
	if err != nil || page.StatusCode != http.StatusSeeOther || back.Query().Get("code") == "" {
		return nil, fmt.Errorf("the browser ends at %s %s: %.500s", page.Status, back.Redacted(), body)
	}
	q := back.Query()
	return &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}, nil
}

func (p *person) open(ctx context.Context, method, address string, form url.Values) (*http.Response, string, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, "", err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	page, err := p.browser.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer page.Body.Close()
	body, err := io.ReadAll(page.Body)
	return page, string(body), err
}
