package interop_test

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
)

const redirectURI = "https://client.example/callback"

// host is an app whose user, ana, is signed in and trusts every client.
type host struct {
	*httptest.Server
	as     *authz.Server
	secret string // of every client that has one

	resource, other string
}

func newHost(t *testing.T, configure ...func(*authz.Config)) *host {
	t.Helper()
	mux := http.NewServeMux()
	h := &host{Server: httptest.NewServer(mux)}
	t.Cleanup(h.Close)
	db := newStore(t)
	secret, hashed := authz.NewSecret()
	h.secret, h.resource, h.other = secret, h.URL+"/api", "https://files.example/api"
	scopes := []string{"read", "write", "offline_access"}
	web := authz.Client{ID: "web", RedirectURIs: []string{redirectURI}, Scopes: scopes, Secrets: []storage.Secret{hashed}, FirstParty: true}
	spa := authz.Client{ID: "spa", RedirectURIs: []string{redirectURI}, Scopes: scopes, FirstParty: true}
	service := authz.Client{ID: "service", Scopes: scopes, Secrets: web.Secrets, GrantTypes: []string{"client_credentials"}}
	api := authz.Client{ID: "api", ResourceServer: true, ResourceServerFor: []string{h.resource}, Secrets: web.Secrets}
	signed := api
	signed.ID, signed.IntrospectionSignedResponseAlg = "signed-api", "EdDSA"
	tv := authz.Client{ID: "tv", Name: "TV", Scopes: []string{"read", "offline_access"},
		GrantTypes: []string{"urn:ietf:params:oauth:grant-type:device_code", "refresh_token"}}
	config := authz.Config{
		Issuer: h.URL, Storage: db, Resource: h.resource,
		Resources: []authz.Resource{{Identifier: h.other}},
		Scopes:    authz.Scopes{"read": "Read", "write": "Write", "offline_access": "Stay"},
		Clients:   []authz.Client{web, spa, service, api, signed, tv},
		Login: func(*http.Request) (*authz.User, error) {
			return &authz.User{Subject: "ana", AuthTime: time.Now()}, nil
		},
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),

		SigningAlgorithms: []string{"ES256", "EdDSA"},

		DPoP:         true,
		DeviceGrant:  true,
		Registration: &authz.Registration{Open: true, Scopes: scopes, GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"}},
		Consent:      func(context.Context, *authz.ConsentRequest) (authz.Decision, error) { return authz.Allow, nil },
	}
	for _, change := range configure {
		change(&config)
	}
	var err error
	if h.as, err = authz.New(config); err != nil {
		t.Fatal(err)
	}
	handlers.Mount(mux, h.as)
	mux.Handle("/api", handlers.Protect(h.as, "read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, handlers.TokenFrom(r.Context()).Subject)
	})))
	return h
}

//go:embed package.json package-lock.json *.mjs requirements.txt *.py
var scripts embed.FS

// installed is the folder with the scripts and what they need, filled once by npm.
var installed = sync.OnceValues(func() (string, error) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("%s is not installed", tool)
		}
	}
	lock, err := scripts.ReadFile("package-lock.json")
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	sum := sha256.Sum256(lock)
	dir := filepath.Join(cache, "grantor-interop-"+hex.EncodeToString(sum[:6]))
	done := filepath.Join(dir, "installed")
	if err := copyScripts(dir); err != nil {
		return "", err
	}
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	cmd := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return dir, os.WriteFile(done, nil, 0o600)
})

func copyScripts(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return fs.WalkDir(scripts, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := scripts.ReadFile(name)
		return errors.Join(err, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	})
}

// skip tells what the machine lacks.
func skip(t *testing.T, missing error) {
	t.Helper()
	if os.Getenv("GRANTOR_REQUIRE_ALL") == "1" {
		t.Fatal(missing)
	}
	t.Skip(missing)
}

// node runs one case of a script, or tells that it cannot.
func node(t *testing.T, env []string, script string, args ...string) string {
	t.Helper()
	dir, err := installed()
	if err != nil {
		skip(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{script}, args...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", script, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (h *host) env() []string {
	return []string{"ISSUER=" + h.URL, "CLIENT_SECRET=" + h.secret, "RESOURCE=" + h.resource, "OTHER_RESOURCE=" + h.other}
}

// Every case of every script, unmodified libraries against a server on loopback; those of
// DPoP also against one that wants nonces.
func TestJavaScript(t *testing.T) {
	for _, script := range []string{"oauth4webapi.mjs", "openid_client.mjs"} {
		t.Run(strings.TrimSuffix(script, ".mjs"), func(t *testing.T) {
			h, wary := newHost(t), newHost(t, func(c *authz.Config) { c.DPoPNonces = true })
			cases := strings.Fields(node(t, h.env(), script, "-list"))
			if len(cases) < 5 {
				t.Fatalf("only %q", cases)
			}
			for _, name := range cases {
				t.Run(name, func(t *testing.T) { node(t, h.env(), script, name) })
				if strings.HasPrefix(name, "dpop") {
					t.Run(name+"_nonces", func(t *testing.T) { node(t, wary.env(), script, name) })
				}
			}
		})
	}
}
