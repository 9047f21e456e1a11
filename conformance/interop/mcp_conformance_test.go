package interop_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/examples/mcp/notebook"
)

// Every scenario that MCP's conformance suite has for an authorization server, with each kind
// of client and issuer. Without a revision of MCP named, every check of a scenario counts.
func TestMCPConformance_authorization_server(t *testing.T) {
	scenarios := authorizationScenarios(t)
	run := func(n *notes, args ...string) func(*testing.T) {
		return func(t *testing.T) {
			passed(t, authorizationServer(t, scenarios, n.URL, n.user, append(args, "--resource", n.URL+"/mcp")...))
			if got := n.refusals(); len(got) > 0 {
				t.Errorf("refused: %q", got)
			}
		}
	}
	n := newNotes(t)
	t.Run("client_that_is_known", run(n, "--client-id", "desk"))
	t.Run("client_with_a_metadata_document", run(n, "--client-id", documentURL))
	t.Run("client_that_registered", func(t *testing.T) {
		answer, err := http.Post(n.URL+"/oauth2/register", "application/json", strings.NewReader(
			`{"redirect_uris":["`+nativeURI+`"],"token_endpoint_auth_method":"none","application_type":"native"}`))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var client struct {
			ID string `json:"client_id"`
		}
		if err := json.NewDecoder(answer.Body).Decode(&client); err != nil || client.ID == "" {
			t.Fatal(answer.Status, err)
		}
		run(n, "--client-id", client.ID)(t)
	})
	for _, method := range []string{"client_secret_basic", "client_secret_post"} {
		n := newNotes(t, func(c *authz.Config) {
			c.TokenEndpointAuthMethods = []string{method}
			c.Clients = slices.DeleteFunc(c.Clients, func(c authz.Client) bool { return len(c.Secrets) == 0 })
		})
		t.Run(method, run(n, "--client-id", "office", "--client-secret", n.secret))
	}
	// RFC 8414 §3.1: the well-known name comes before the path.
	t.Run("issuer_with_a_path", func(t *testing.T) {
		h := newHost(t, func(c *authz.Config) {
			c.Issuer += "/tenant"
			c.ClientIDMetadata = &authz.ClientIDMetadata{Scopes: []string{"read"}}
			c.Clients = append(c.Clients, authz.Client{
				ID: "desk", ApplicationType: "native", RedirectURIs: []string{nativeURI}, Scopes: []string{"read"},
			})
		})
		user, err := newPerson("ana", h.URL)
		if err != nil {
			t.Fatal(err)
		}
		passed(t, authorizationServer(t, scenarios, h.URL+"/tenant", user, "--client-id", "desk"))
	})
}

// The suite is wrong about clients with a secret: where a server has clients without one,
// "none" among its methods, it leaves out the secret that it was given. RFC 6749 §3.2.1 has
// such a client authenticate, so the code is refused. Above it gets servers that have no others.
func TestMCPConformance_suite_leaves_the_secret_out(t *testing.T) {
	n := newNotes(t)
	all := authorizationServer(t, authorizationScenarios(t), n.URL, n.user, "--client-id", "office", "--client-secret", n.secret)
	got := all["authorization-code-grant"]
	if len(got) != 1 || got[0].Status != "FAILURE" || got[0].ErrorMessage != "Invalid status code: 401" {
		t.Errorf("not wrong any more? %s", got)
	}
	if got := n.refusals(); !slices.Equal(got, []string{"auth_method_not_registered"}) {
		t.Errorf("refused: %q", got)
	}
}

// The suite has no scenario for a resource server's part, and gives no token to the server
// that it looks at. So it comes through a proxy that adds one, and shows that a server of MCP
// is the same behind Protect. These are the scenarios that ask for no tools made for them.
func TestMCPConformance_guarded_server(t *testing.T) {
	n := newNotes(t)
	token := n.token(t)
	there, err := url.Parse(n.URL)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(there)
		r.Out.Host = r.In.Host
		r.Out.Header.Set("Authorization", "Bearer "+token)
	}})
	defer front.Close()
	for revision, names := range map[string][]string{
		"2025-11-25": {"server-initialize", "tools-list"},
		"2026-07-28": {"tools-list", "http-header-validation"},
	} {
		for _, name := range names {
			t.Run(revision+"_"+name, func(t *testing.T) {
				dir := t.TempDir()
				out, err := suite(t, "server", "--url", front.URL+"/mcp", "--scenario", name, "--spec-version", revision, "--output-dir", dir).CombinedOutput()
				if err != nil {
					t.Errorf("%v: %s", err, out)
				}
				passed(t, found(t, dir, []string{name}))
			})
		}
	}
}

// token is one of the client "desk", for all of the notebook.
func (n *notes) token(t *testing.T) string {
	t.Helper()
	config := oauth2.Config{
		ClientID: "desk", RedirectURL: nativeURI, Scopes: []string{notebook.Read, notebook.Write},
		Endpoint: oauth2.Endpoint{AuthURL: n.URL + "/oauth2/authorize", TokenURL: n.URL + "/oauth2/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	verifier := oauth2.GenerateVerifier()
	back, _, err := n.user.authorize(t.Context(), config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	token, err := config.Exchange(t.Context(), u.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return token.AccessToken
}
