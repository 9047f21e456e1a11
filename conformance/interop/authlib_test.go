package interop_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz"
)

// python is an interpreter with what requirements.txt names, installed once by pip.
var python = sync.OnceValues(func() (string, error) {
	wanted, err := scripts.ReadFile("requirements.txt")
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	sum := sha256.Sum256(wanted)
	dir := filepath.Join(cache, "grantor-interop-python-"+hex.EncodeToString(sum[:6]))
	interpreter, done := filepath.Join(dir, "bin/python"), filepath.Join(dir, "installed")
	if err := copyScripts(dir); err != nil {
		return "", err
	}
	if _, err := os.Stat(done); err == nil {
		return interpreter, nil
	}
	for _, args := range [][]string{
		{"python3", "-m", "venv", "."},
		{interpreter, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:", "-r", "requirements.txt"},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("Python with venv and pip: %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return interpreter, os.WriteFile(done, nil, 0o600)
})

// newKeyHolder is a private key as PEM, and its public half as a JWK Set.
func newKeyHolder(t *testing.T) (private, jwks string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	der, err2 := x509.MarshalPKCS8PrivateKey(key)
	set, err3 := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), Use: "sig", Algorithm: "RS256"}}})
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), string(set)
}

// Python's Authlib, as a Flask application that signs people in, and as a client of its own.
func TestAuthlib(t *testing.T) {
	interpreter, err := python()
	if err != nil {
		skip(t, err)
	}
	key, jwks := newKeyHolder(t)
	h := newOpenIDHost(t, func(c *authz.Config) {
		for i := range c.Clients {
			c.Clients[i].PostLogoutRedirectURIs = []string{"https://client.example/bye"}
		}
		for id, from := range map[string]int{"site-key": 0, "service-key": 2} {
			client := c.Clients[from]
			client.ID, client.Secrets, client.TokenEndpointAuthMethod, client.JWKS = id, nil, "private_key_jwt", jwks
			if from == 0 {
				client.Scopes = []string{"openid", "profile", "email", "offline_access"}
			}
			c.Clients = append(c.Clients, client)
		}
		c.Logout = func(http.ResponseWriter, *http.Request) error { return nil }
	})
	run := func(t *testing.T, name string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, interpreter, "authlib_client.py", name)
		cmd.Dir, cmd.Env = filepath.Dir(filepath.Dir(interpreter)), append(os.Environ(), append(h.env(), "CLIENT_KEY="+key)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	cases := strings.Fields(run(t, "-list"))
	if len(cases) < 5 {
		t.Fatalf("only %q", cases)
	}
	for _, name := range cases {
		t.Run(name, func(t *testing.T) { run(t, name) })
	}
}
