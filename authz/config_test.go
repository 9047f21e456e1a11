package authz_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage/memory"
)

func validConfig() authz.Config {
	return authz.Config{
		Issuer:  "https://app.example",
		Storage: memory.New(),
		Scopes:  authz.Scopes{"read": "Read"},
		Login:   func(*http.Request) (*authz.User, error) { return nil, authz.RedirectToLogin("/login") },
	}
}

func TestConfig_issuer(t *testing.T) {
	const lower, plain, shape = "lower case", "must not end in a slash", "must be a URL such as"
	for issuer, cure := range map[string]string{
		"":                              "is empty",
		"app.example":                   shape,
		"/authz":                        shape,
		"https:app.example":             shape,
		"https://":                      shape,
		"https://:8443":                 shape,
		"https://app .example":          shape,
		"ftp://app.example":             "https://",
		"http://app.example":            "use https",
		"http://127.0.0.2":              "use https",
		"http://localhost.app.example":  "use https",
		"https://ana@app.example":       "user name",
		"https://app.example?x=1":       "query",
		"https://app.example?":          "query",
		"https://app.example#x":         "fragment",
		"https://app.example#":          "fragment",
		"https://app.example/":          plain,
		"https://app.example/a/":        plain,
		"https://app.example/a//b":      plain,
		"https://app.example/a/../b":    plain,
		"https://app.example/a/.":       plain,
		"https://app.example/a b":       plain,
		"https://app.example/a%20b":     plain,
		"HTTPS://app.example":           lower,
		"https://App.example":           lower,
		"https://app.example/%41":       lower,
		"https://b\u00fccher.example":   "xn--",
		"https://app.example:port":      shape,
		"https://app.example/\u00fcber": plain,
	} {
		t.Run(issuer, func(t *testing.T) {
			c := validConfig()
			c.Issuer = issuer
			_, err := authz.New(c)
			if err == nil || !strings.Contains(err.Error(), "Config.Issuer") || !strings.Contains(err.Error(), cure) {
				t.Errorf("New: %v, want a fault of Config.Issuer that says %q", err, cure)
			}
		})
	}
	for _, issuer := range []string{
		"https://app.example", "https://app.example:8443", "https://app.example/tenants/1", "https://xn--bcher-kva.example",
		"http://127.0.0.1:8080", "http://[::1]", "http://localhost:9", "https://app.example/a.b-c_d~",
	} {
		c := validConfig()
		c.Issuer = issuer
		if _, err := authz.New(c); err != nil {
			t.Errorf("New with issuer %q: %v", issuer, err)
		}
	}
}

// faults of a Config: what is wrong, the field it must name, and a word of the cure.
var configFaults = []struct {
	name        string
	break_      func(*authz.Config)
	field, cure string
}{
	{"no storage", func(c *authz.Config) { c.Storage = nil }, "Storage", "bolt.Open"},
	{"mutual TLS elsewhere alone", func(c *authz.Config) { c.MutualTLSOrigin = "https://mtls.app.example" }, "MutualTLSOrigin", "set both"},
	{"mutual TLS without TLS", func(c *authz.Config) { c.MutualTLS, c.MutualTLSOrigin = true, "http://mtls.app.example" }, "MutualTLSOrigin", "such as https"},
	{"mutual TLS under a path", func(c *authz.Config) { c.MutualTLS, c.MutualTLSOrigin = true, "https://mtls.app.example/x" }, "MutualTLSOrigin", "scheme, host"},
	{"no login", func(c *authz.Config) { c.Login = nil }, "Login", "RedirectToLogin"},
	{"scope with a space", func(c *authz.Config) { c.Scopes = authz.Scopes{"a b": ""} }, "Scopes", "printable ASCII"},
	{"empty scope", func(c *authz.Config) { c.Scopes = authz.Scopes{"": ""} }, "Scopes", "printable ASCII"},
	{"scope with a quote", func(c *authz.Config) { c.Scopes = authz.Scopes{`a"b`: ""} }, "Scopes", "printable ASCII"},
	{"scope with a backslash", func(c *authz.Config) { c.Scopes = authz.Scopes{`a\b`: ""} }, "Scopes", "printable ASCII"},
	{"scope beyond ASCII", func(c *authz.Config) { c.Scopes = authz.Scopes{"\u00e9": ""} }, "Scopes", "printable ASCII"},
	{"relative resource", func(c *authz.Config) { c.Resource = "/api" }, "Resource", "absolute"},
	{"resources relative", func(c *authz.Config) { c.Resources = []authz.Resource{{Identifier: "/mcp"}} }, "Resources", "absolute"},
	{"resources with fragment", func(c *authz.Config) { c.Resources = []authz.Resource{{Identifier: "https://a.example#x"}} }, "Resources", "fragment"},
	{"resources twice", func(c *authz.Config) {
		c.Resources = []authz.Resource{{Identifier: "https://a.example"}, {Identifier: "https://a.example/"}}
	}, "Resources", "twice"},
	{"resource with an unknown scope", func(c *authz.Config) {
		c.Resources = []authz.Resource{{Identifier: "https://a.example", Scopes: []string{"nope"}}}
	}, "Resources", "Config.Scopes"},
	{"resource with an unknown format", func(c *authz.Config) {
		c.Resources = []authz.Resource{{Identifier: "https://a.example", AccessTokenFormat: "xml"}}
	}, "Resources", "jwt or opaque"},
	{"resource with a long life", func(c *authz.Config) {
		c.Resources = []authz.Resource{{Identifier: "https://a.example", AccessTokenLifetime: 48 * time.Hour}}
	}, "Resources", "24h"},
	{"resource with fragment", func(c *authz.Config) { c.Resource = "https://api.example#x" }, "Resource", "fragment"},
	{"token format", func(c *authz.Config) { c.AccessTokenFormat = "JWT" }, "AccessTokenFormat", "jwt or opaque"},
	{"symmetric algorithm", func(c *authz.Config) { c.SigningAlgorithms = []string{"HS256"} }, "SigningAlgorithms", "ES256"},
	{"algorithm none", func(c *authz.Config) { c.SigningAlgorithms = []string{"ES256", "none"} }, "SigningAlgorithms", "ES256"},
	{"quick rotation", func(c *authz.Config) { c.KeyRotation = time.Hour - 1 }, "KeyRotation", "at least 1h"},
	{"impatient", func(c *authz.Config) { c.StorageTimeout = time.Millisecond }, "StorageTimeout", "at least 10ms"},
	{"negative rotation", func(c *authz.Config) { c.KeyRotation = -1 }, "KeyRotation", "at least 1h"},
	{"short encryption key", func(c *authz.Config) { c.EncryptionKey = make([]byte, 16) }, "EncryptionKey", "32"},
	{"empty encryption key", func(c *authz.Config) { c.EncryptionKey = []byte{} }, "EncryptionKey", "32"},
	{"origin with a path", func(c *authz.Config) { c.AllowedOrigins = []string{"https://app.example/"} }, "AllowedOrigins", "scheme, host"},
	{"origin in upper case", func(c *authz.Config) { c.AllowedOrigins = []string{"https://App.example"} }, "AllowedOrigins", "scheme, host"},
	{"origin null", func(c *authz.Config) { c.AllowedOrigins = []string{"null"} }, "AllowedOrigins", "scheme, host"},
	{"origin with a star", func(c *authz.Config) { c.AllowedOrigins = []string{"https://*.example"} }, "AllowedOrigins", "scheme, host"},
	{"prefix without slash", func(c *authz.Config) { c.Prefix = "oauth2" }, "Prefix", "begin with a slash"},
	{"prefix with a slash at the end", func(c *authz.Config) { c.Prefix = "/oauth2/" }, "Prefix", "end without one"},
	{"prefix of a slash", func(c *authz.Config) { c.Prefix = "/" }, "Prefix", "end without one"},
	{"prefix with a dot segment", func(c *authz.Config) { c.Prefix = "/a/.." }, "Prefix", "slash"},
	{"prefix with a pattern", func(c *authz.Config) { c.Prefix = "/{x}" }, "Prefix", "need no escaping"},
	{"code for too long", func(c *authz.Config) { c.Lifetimes.AuthorizationCode = 11 * time.Minute }, "Lifetimes.AuthorizationCode", "between 1s and 10m"},
	{"code for no time", func(c *authz.Config) { c.Lifetimes.AuthorizationCode = time.Millisecond }, "Lifetimes.AuthorizationCode", "between 1s"},
	{"access token for too long", func(c *authz.Config) { c.Lifetimes.AccessToken = 25 * time.Hour }, "Lifetimes.AccessToken", "24h"},
	{"access token negative", func(c *authz.Config) { c.Lifetimes.AccessToken = -time.Hour }, "Lifetimes.AccessToken", "between 1s"},
	{"refresh token for ever", func(c *authz.Config) { c.Lifetimes.RefreshToken = 11 * 365 * 24 * time.Hour }, "Lifetimes.RefreshToken", "between 1s"},
	{"refresh token negative", func(c *authz.Config) { c.Lifetimes.RefreshToken = -1 }, "Lifetimes.RefreshToken", "between 1s"},
	{"idle negative", func(c *authz.Config) { c.Lifetimes.RefreshTokenIdle = -1 }, "Lifetimes.RefreshTokenIdle", "between 1s"},
	{"idle beyond the limit", func(c *authz.Config) {
		c.Lifetimes.RefreshTokenIdle, c.Lifetimes.RefreshToken = 2*time.Hour, time.Hour
	}, "Lifetimes.RefreshTokenIdle", "lower the first or raise the second"},
	{"grace for too long", func(c *authz.Config) { c.Lifetimes.RefreshGrace = 5*time.Minute + 1 }, "Lifetimes.RefreshGrace", "at most 5m"},
	{"a client", func(c *authz.Config) { c.Clients = []authz.Client{{ID: "app"}} }, "", `client "app": RedirectURIs`},
	{"a client twice", func(c *authz.Config) {
		app := authz.Client{ID: "app", RedirectURIs: []string{"https://a.example/"}}
		c.Clients = []authz.Client{app, app}
	}, "Clients", "an ID of its own"},
}

func TestConfig_faults(t *testing.T) {
	for _, test := range configFaults {
		t.Run(test.name, func(t *testing.T) {
			c := validConfig()
			test.break_(&c)
			s, err := authz.New(c)
			if err == nil || s != nil {
				t.Fatal("New made a server")
			}
			if test.field != "" && !strings.Contains(err.Error(), "authz: Config."+test.field+": ") {
				t.Errorf("%v\ndoes not name %s", err, test.field)
			}
			if !strings.Contains(err.Error(), test.cure) {
				t.Errorf("%v\ndoes not say %q", err, test.cure)
			}
			if lines := strings.Count(err.Error(), "\n") + 1; lines != 1 {
				t.Errorf("%d faults for one:\n%v", lines, err)
			}
		})
	}
}

func TestConfig_all_faults_at_once(t *testing.T) {
	broken := authz.Config{
		Issuer: "http://app.example/", Scopes: authz.Scopes{"a b": ""}, AccessTokenFormat: "x", Resource: "x",
		SigningAlgorithms: []string{"HS256"}, KeyRotation: 1, EncryptionKey: []byte("x"),
		AllowedOrigins: []string{"x"}, Prefix: "x",
		Lifetimes: authz.Lifetimes{AuthorizationCode: -1, AccessToken: -1, RefreshToken: time.Hour, RefreshTokenIdle: 2 * time.Hour, RefreshGrace: time.Hour},
	}
	_, err := authz.New(broken)
	if err == nil {
		t.Fatal("New made a server")
	}
	for _, field := range []string{
		"Issuer", "Storage", "Login", "Scopes", "Resource", "AccessTokenFormat", "SigningAlgorithms", "KeyRotation",
		"EncryptionKey", "AllowedOrigins", "Prefix", "Lifetimes.AuthorizationCode", "Lifetimes.AccessToken",
		"Lifetimes.RefreshTokenIdle", "Lifetimes.RefreshGrace",
	} {
		if !strings.Contains(err.Error(), "Config."+field+": ") {
			t.Errorf("%v\ndoes not name %s", err, field)
		}
	}

	c := validConfig()
	c.Clients = []authz.Client{{ID: "one"}, {ID: "two", RedirectURIs: []string{"http://h/"}, Scopes: []string{"nope"}}}
	_, err = authz.New(c)
	for _, want := range []string{`client "one": RedirectURIs`, `client "two": RedirectURIs`, `client "two": Scopes`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v\nwant it to name %s", err, want)
		}
	}
}

// Whoever made the configuration goes on using its slices and maps; a server does
// not change because of that.
func TestConfig_is_copied(t *testing.T) {
	uris := []string{"https://app.example/cb"}
	origins := []string{"https://app.example"}
	s := newServer(t, func(c *authz.Config) {
		c.Clients = []authz.Client{{ID: "app", RedirectURIs: uris, Scopes: []string{"read", "write"}, AllowedOrigins: origins}}
		c.AllowedOrigins = origins
	})
	uris[0], origins[0] = "https://evil.example/cb", "https://evil.example"
	response, err := s.authorize("app", set("redirect_uri", "https://evil.example/cb"))
	if got := s.outcome(t, response, err); got != "page: invalid_request redirect_uri_not_registered" {
		t.Errorf("a redirect URI that was written into the host's slice later: %s", got)
	}
	if s.OriginAllowed("https://evil.example") {
		t.Error("an origin that was written into the host's slice later is allowed")
	}
}

func TestConfig_defaults(t *testing.T) {
	s := newServer(t)
	if s.Issuer() != issuer || s.Resource() != issuer {
		t.Errorf("issuer %q, resource %q", s.Issuer(), s.Resource())
	}
	tokens := s.tokens(t, web)
	if tokens.ExpiresIn != 3600 || strings.Count(tokens.AccessToken, ".") != 2 {
		t.Errorf("%d s, %q, want a JWT for an hour", tokens.ExpiresIn, tokens.AccessToken)
	}
	code := s.code(t, web)
	s.clock.Advance(time.Minute)
	_, err := s.redeem(web, code)
	wantRefusal(t, err, "invalid_grant code_expired")
}

func TestConfig_origins(t *testing.T) {
	s := newServer(t, func(c *authz.Config) {
		c.AllowedOrigins = []string{"https://a.example", "http://localhost:3000"}
		c.Clients = []authz.Client{{ID: "app", RedirectURIs: []string{"https://b.example/"}, AllowedOrigins: []string{"https://b.example:8443"}}}
	})
	allowed := []string{"https://a.example", "http://localhost:3000", "https://b.example:8443"}
	for _, origin := range append(slices.Clone(allowed), "", "null", "https://b.example", "https://A.example", "https://a.example.evil.example", "http://a.example", "https://a.example:443") {
		if got, want := s.OriginAllowed(origin), slices.Contains(allowed, origin); got != want {
			t.Errorf("OriginAllowed(%q) = %v", origin, got)
		}
	}
}

func TestRegisterClient_storage_faults(t *testing.T) {
	s := newServer(t, func(c *authz.Config) {
		c.Clients = []authz.Client{{ID: "coded", RedirectURIs: []string{"https://a.example/"}}}
	})
	good := authz.Client{ID: "coded", RedirectURIs: []string{"https://b.example/"}}
	if err := s.RegisterClient(t.Context(), good); err == nil || !strings.Contains(err.Error(), "Config.Clients") {
		t.Errorf("RegisterClient over one in Config.Clients: %v", err)
	}
	good.ID = "stored"
	s.store.breakDown(true)
	if err := s.RegisterClient(context.Background(), good); err == nil {
		t.Error("RegisterClient succeeded on a store that is down")
	}
	s.store.breakDown(false)
	if err := s.RegisterClient(context.Background(), good); err != nil {
		t.Error(err)
	}
	c := must(s.store.Client(t.Context(), "stored"))(t)
	if !c.CreatedAt.Equal(s.clock.Now()) {
		t.Errorf("CreatedAt = %v, want now", c.CreatedAt)
	}
}
