package authz_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz"
)

// objects is a web server of the client's, with request objects.
type objects struct {
	*httptest.Server
	mu       sync.Mutex
	body     string
	mime     string
	status   int
	location string
	n        int
}

func newObjects(t testing.TB) *objects {
	o := &objects{mime: "application/oauth-authz-req+jwt", status: http.StatusOK}
	o.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.n++
		w.Header().Set("Content-Type", o.mime)
		if o.location != "" {
			w.Header().Set("Location", o.location)
		}
		w.WriteHeader(o.status)
		_, _ = w.Write([]byte(o.body))
	}))
	t.Cleanup(o.Close)
	return o
}

func (o *objects) set(body string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.body = body
}

// fetched is how often something was fetched since it was last asked.
func (o *objects) fetched() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.n
	o.n = 0
	return n
}

func hashOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// newReferring is a server whose client web may refer to its request objects at o.
func newReferring(t testing.TB, o *objects, configure ...func(*authz.Config)) *server {
	t.Helper()
	s := newSigning(t, append([]func(*authz.Config){func(c *authz.Config) { c.RequestURIs, c.HTTPClient = true, o.Client() }}, configure...)...)
	s.change(t, web, func(c *authz.Client) { c.RequestURIs = []string{o.URL + "/r.jwt", o.URL + "/other.jwt"} })
	return s
}

func referring(uri string, edits ...edit) url.Values {
	return form(edits, "client_id", web, "request_uri", uri)
}

func TestRFC9101_Section5_2(t *testing.T) {
	o := newObjects(t)
	s := newReferring(t, o)
	uri := o.URL + "/r.jwt"
	o.set(s.requestObject(t, assertion{}) + "\n")
	for _, test := range []struct {
		what   string
		params url.Values
		want   string
		n      int
	}{
		{"registered", referring(uri), "ask", 1},
		{"what is outside does not count", referring(uri, set("scope", "admin"), set("redirect_uri", "https://evil.example"), set("state", "1")), "ask", 1},
		{"not registered", referring(o.URL + "/r.jwt2"), "page: invalid_request_uri request_uri_not_registered", 0},
		{"another host", referring("https://evil.example/r.jwt"), "page: invalid_request_uri request_uri_not_registered", 0},
		{"with a query", referring(uri + "?x"), "page: invalid_request_uri request_uri_not_registered", 0},
		{"a user in it", referring(strings.Replace(uri, "https://", "https://x@", 1)), "page: invalid_request_uri request_uri_not_registered", 0},
		{"in upper case", referring(strings.ToUpper(uri)), "page: invalid_request_uri request_uri_not_registered", 0},
		{"a fragment that is no hash", referring(uri + "#1"), "page: invalid_request_uri request_uri_not_registered", 0},
		{"of another client", referring(uri, set("client_id", spa)), "page: invalid_request_uri request_uri_not_registered", 0},
		{"of nobody", referring(uri, set("client_id", "nobody")), "page: invalid_request client_unknown", 0},
		{"no client_id", referring(uri, drop("client_id")), "page: invalid_request client_id_missing", 0},
		{"a request too", referring(uri, set("request", "x.y.z")), "page: invalid_request request_and_request_uri", 0},
	} {
		if got, n := s.visited(t, test.params), o.fetched(); got != test.want || n != test.n {
			t.Errorf("%s: %s, fetched %d times, want %s", test.what, got, n, test.want)
		}
	}
	// What is there is judged like any request object.
	for want, claims := range map[string]map[string]any{
		"request_object_expired": {"exp": s.clock.Now().Unix()}, "request_object_client_id_wrong": {"client_id": spa},
		"request_object_nested": {"request_uri": uri}, "request_object_aud_wrong": {"aud": "https://other.example"},
	} {
		o.set(s.requestObject(t, assertion{claims: claims}))
		if got := s.visited(t, referring(uri)); got != "page: invalid_request_object "+want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	// A pushed request names no request_uri (RFC 9126 §2.1).
	_, err := s.PushAuthorization(t.Context(), request(web, referring(uri)))
	wantRefusal(t, err, "invalid_request request_uri_in_pushed_request")
}

// What comes from there is bounded, and no way inside.
func TestRFC9101_Section10_4_1(t *testing.T) {
	o := newObjects(t)
	s := newReferring(t, o)
	object := s.requestObject(t, assertion{})
	unreachable := "page: invalid_request_uri request_uri_unreachable"
	for _, test := range []struct {
		what, want string
		change     func()
	}{
		{"as it should be", "ask", func() {}},
		{"application/jwt", "ask", func() { o.mime = "application/jwt; charset=utf-8" }},
		{"text/plain", "ask", func() { o.mime = "text/plain" }},
		{"a web page", unreachable, func() { o.mime = "text/html" }},
		{"no type", unreachable, func() { o.mime = "" }},
		{"not there", unreachable, func() { o.status = http.StatusNotFound }},
		{"elsewhere", unreachable, func() { o.status, o.location = http.StatusFound, o.URL+"/other.jwt" }},
		{"too long", unreachable, func() { o.body += strings.Repeat(" ", 64<<10) }},
		{"nearly too long", "page: invalid_request_object request_object_malformed", func() { o.body = strings.Repeat("A", 7000) }},
		{"empty", "page: invalid_request_uri request_uri_unreachable", func() { o.body = "\n" }},
	} {
		o.mu.Lock()
		o.body, o.mime, o.status, o.location = object, "application/oauth-authz-req+jwt", http.StatusOK, ""
		test.change()
		o.mu.Unlock()
		s.clock.Advance(6 * time.Second) // a failure is kept for five
		if got := s.visited(t, referring(o.URL+"/r.jwt")); got != test.want {
			t.Errorf("%s: %s, want %s", test.what, got, test.want)
		}
	}
	// Without a client of the host's, addresses inside are not called at all.
	guarded := newSigning(t, func(c *authz.Config) { c.RequestURIs = true })
	o.mu.Lock()
	o.body, o.mime, o.status, o.location = object, "application/jwt", http.StatusOK, ""
	o.mu.Unlock()
	o.fetched()
	guarded.change(t, web, func(c *authz.Client) { c.RequestURIs = []string{o.URL + "/r.jwt"} })
	if got := guarded.visited(t, referring(o.URL+"/r.jwt")); got != unreachable || o.fetched() != 0 {
		t.Errorf("on this machine: %s", got)
	}
}

// OpenID Connect Core §6.2: a URL that ends in the hash of what is there is fetched once.
func TestOIDC_Core_Section6_2(t *testing.T) {
	o := newObjects(t)
	s := newReferring(t, o)
	object := s.requestObject(t, assertion{})
	o.set(object)
	uri := o.URL + "/r.jwt#" + hashOf(object)
	for i := range 3 {
		if got, n := s.visited(t, referring(uri)), o.fetched(); got != "ask" || n != map[bool]int{true: 1}[i == 0] {
			t.Errorf("%s, fetched %d times", got, n)
		}
	}
	for range 2 { // without the hash, each time
		if got, n := s.visited(t, referring(o.URL+"/r.jwt")), o.fetched(); got != "ask" || n != 1 {
			t.Errorf("%s, fetched %d times", got, n)
		}
	}
	if got := s.visited(t, referring(o.URL+"/r.jwt#"+hashOf("another"))); got != "page: invalid_request_uri request_uri_hash_wrong" {
		t.Error(got)
	}
	// Registered with its hash, nothing else will do.
	s.change(t, web, func(c *authz.Client) { c.RequestURIs = []string{uri} })
	for sent, want := range map[string]string{
		uri: "ask", o.URL + "/r.jwt": "page: invalid_request_uri request_uri_not_registered",
		o.URL + "/r.jwt#" + hashOf("another"): "page: invalid_request_uri request_uri_not_registered",
	} {
		if got := s.visited(t, referring(sent)); got != want {
			t.Errorf("%s: %s", sent, got)
		}
	}
}

// The way back from the sign-in page leads to what was fetched first, though something else is
// there by then, or nothing.
func TestRequestURI_survives_the_sign_in(t *testing.T) {
	o := newObjects(t)
	s := newReferring(t, o)
	o.set(s.requestObject(t, assertion{}))
	s.host.SignIn("")
	response, err := s.visit(referring(o.URL + "/r.jwt"))
	if got := s.outcome(t, response, err); got != "login" {
		t.Fatal(got)
	}
	resumed := returnTo(t, response)
	o.Close()
	s.clock.Advance(10 * time.Minute)
	s.host.SignIn("ana")
	response, err = s.visit(resumed)
	if got := s.outcome(t, response, err); got != "ask" {
		t.Fatal(got)
	}
	response, err = s.submit(submission(response.Consent))
	must(s.redeem(web, back(t, response, err).Get("code")))(t)
}

// Whoever makes the server knock at a door where nobody opens is told to wait.
func TestRequestURI_limit(t *testing.T) {
	o := newObjects(t)
	s := newReferring(t, o, func(c *authz.Config) { c.Limits.ClientDocuments = authz.Limit{Burst: 2, Every: time.Hour} })
	o.mu.Lock()
	o.status = http.StatusNotFound
	o.mu.Unlock()
	for i, want := range []string{"invalid_request_uri", "invalid_request_uri", "temporarily_unavailable"} {
		s.clock.Advance(6 * time.Second)
		_, err := s.Authorize(t.Context(), &authz.AuthorizationRequest{
			Parameters: referring(o.URL + "/r.jwt"), HTTP: httptest.NewRequest("GET", "/oauth2/authorize", nil), Browser: browser, Address: netip.MustParseAddr("192.0.2.7"),
		})
		if err == nil || err.(*authz.Error).Code != want {
			t.Errorf("try %d: %v, want %s", i, err, want)
		}
	}
	if n := o.fetched(); n != 2 {
		t.Errorf("fetched %d times", n)
	}
}

// OpenID Connect Registration §2, Discovery §3.
func TestRFC7591_request_uris(t *testing.T) {
	s := newServer(t, open(), func(c *authz.Config) { c.RequestURIs = true })
	if m := s.Metadata(); !m.RequestURIParameterSupported || !m.RequireRequestURIRegistration {
		t.Errorf("%+v", m)
	}
	hashed := "https://web.example/r.txt#" + hashOf("x")
	i := must(s.introduce("request_uris", `["https://web.example/r.jwt","`+hashed+`"]`))(t)
	if !slices.Equal(i.RequestURIs, []string{"https://web.example/r.jwt", hashed}) {
		t.Errorf("%+v", i)
	}
	for _, bad := range []string{`["http://web.example/r"]`, `["https://web.example/r#x"]`, `["https://u@web.example/r"]`, `["urn:ietf:params:oauth:request_uri:x"]`,
		`"https://web.example/r"`, `["https://web.example/` + strings.Repeat("x", 2048) + `"]`} {
		_, err := s.introduce("request_uris", bad)
		registrationRefused(t, err, "400 invalid_client_metadata request_uris_invalid")
	}
	s = newServer(t, open())
	if i := must(s.introduce("request_uris", `["https://web.example/r.jwt"]`))(t); i.RequestURIs != nil || s.Metadata().RequestURIParameterSupported {
		t.Errorf("off: %+v", i)
	}
	for want, uris := range map[string][]string{`"http://x.example/r": `: {"http://x.example/r"}, "needs Config.RequestURIs": {"https://x.example/r"}} {
		err := s.RegisterClient(t.Context(), authz.Client{ID: "c", RedirectURIs: []string{"https://c.example/cb"}, RequestURIs: uris})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	response, err := newServer(t).authorize(web, set("request_uri", "https://web.example/r.jwt"))
	if err != nil || !strings.Contains(response.Redirect, "error=request_uri_not_supported") {
		t.Errorf("%+v, %v", response, err)
	}
}

// newUnsigned is a server whose client web has registered that it does not sign its requests.
func newUnsigned(t testing.TB, configure ...func(*authz.Config)) *server {
	t.Helper()
	s := newServer(t, append([]func(*authz.Config){func(c *authz.Config) { c.UnsignedRequestObjects = true }}, configure...)...)
	s.change(t, web, func(c *authz.Client) { c.RequestObjectSigningAlg = "none" })
	return s
}

// unsigned is a request object of web that nobody signed.
func (s *server) unsigned(t testing.TB, header string, claims map[string]any) string {
	t.Helper()
	payload := strings.Split(s.requestObject(t, assertion{claims: claims}), ".")[1]
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + payload + "."
}

const none = `{"alg":"none"}`

// OpenID Connect Core §6.1: unsigned, for who registered that.
func TestOIDC_Core_Section6_1_none(t *testing.T) {
	s := newUnsigned(t)
	bare := map[string]any{"iss": nil, "aud": nil, "exp": nil, "client_id": nil}
	for _, test := range []struct {
		what, object, want string
	}{
		{"everything", s.unsigned(t, none, nil), "ask"},
		{"parameters alone", s.unsigned(t, none, bare), "ask"},
		{"with a type", s.unsigned(t, `{"alg":"none","typ":"JWT"}`, bare), "ask"},
		{"wrong type", s.unsigned(t, `{"alg":"none","typ":"at+jwt"}`, bare), "typ_wrong"},
		{"iss of another", s.unsigned(t, none, map[string]any{"iss": spa}), "iss_wrong"},
		{"aud of another", s.unsigned(t, none, map[string]any{"aud": "https://other.example"}), "aud_wrong"},
		{"client_id of another", s.unsigned(t, none, map[string]any{"client_id": spa}), "client_id_wrong"},
		{"expired", s.unsigned(t, none, map[string]any{"exp": s.clock.Now().Unix()}), "expired"},
		{"not yet", s.unsigned(t, none, map[string]any{"nbf": s.clock.Now().Add(2 * time.Minute).Unix()}), "not_yet_valid"},
		{"nested", s.unsigned(t, none, map[string]any{"request": "x"}), "nested"},
		{"with a signature", s.unsigned(t, none, nil) + "AAAA", "malformed"},
		{"None", s.unsigned(t, `{"alg":"None"}`, nil), "alg_not_registered"},
		{"no alg", s.unsigned(t, `{}`, nil), "alg_not_registered"},
		{"alg twice", s.unsigned(t, `{"alg":"none","alg":"none"}`, nil), "malformed"},
		{"crit", s.unsigned(t, `{"alg":"none","crit":["x"]}`, nil), "malformed"},
		{"signed", s.requestObject(t, assertion{}), "malformed"},
		{"two parts", strings.TrimSuffix(s.unsigned(t, none, nil), "."), "malformed"},
		{"nothing", "..", "malformed"},
	} {
		if got := s.requested(t, test.object); got != test.want {
			t.Errorf("%s: %s, want %s", test.what, got, test.want)
		}
	}
	// It is worth what parameters are: the way back is parameters.
	s.host.SignIn("")
	response, err := s.visit(signed(s.unsigned(t, none, nil)))
	if resumed := returnTo(t, response); err != nil || resumed.Has("request") || resumed.Get("scope") != "read write" {
		t.Errorf("the way back is %v", resumed)
	}
	s.host.SignIn("ana")
	// By reference, too.
	o := newObjects(t)
	s = newUnsigned(t, func(c *authz.Config) { c.RequestURIs, c.HTTPClient = true, o.Client() })
	s.change(t, web, func(c *authz.Client) { c.RequestURIs = []string{o.URL + "/r.jwt"} })
	o.set(s.unsigned(t, none, bare))
	if got := s.visited(t, referring(o.URL+"/r.jwt")); got != "ask" {
		t.Error(got)
	}
}

// Nobody else's may be unsigned: not where the host does not allow it, nor a client that
// registered nothing, nor where requests have to be signed.
func TestRFC9101_Section10_1(t *testing.T) {
	refused := func(s *server, want string) {
		t.Helper()
		if got := s.visited(t, signed(s.unsigned(t, none, nil))); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	s := newUnsigned(t, func(c *authz.Config) { c.UnsignedRequestObjects = false })
	refused(s, "page: invalid_request_object request_object_alg_not_allowed")
	s = newUnsigned(t)
	for _, alg := range []string{"", "ES256"} {
		s.change(t, web, func(c *authz.Client) { c.RequestObjectSigningAlg, c.JWKS = alg, jwks(p256) })
		refused(s, "page: invalid_request_object request_object_alg_not_allowed")
	}
	s = newUnsigned(t)
	s.change(t, web, func(c *authz.Client) { c.RequireSignedRequestObject = true })
	refused(s, "back: invalid_request request_object_required")
	if m := newUnsigned(t).Metadata(); !slices.Contains(m.RequestObjectSigningAlgValuesSupported, "none") || slices.Contains(m.TokenEndpointAuthSigningAlgValuesSupported, "none") {
		t.Errorf("%+v", m)
	}
	s = newServer(t, open(), func(c *authz.Config) { c.UnsignedRequestObjects = true })
	if i := must(s.introduce("request_object_signing_alg", `"none"`))(t); i.RequestObjectSigningAlg != "none" {
		t.Errorf("%+v", i)
	}
	_, err := s.introduce("request_object_signing_alg", `"none"`, "require_signed_request_object", "true", "jwks", jwks(p256))
	registrationRefused(t, err, "400 invalid_client_metadata metadata_contradictory")
	for _, profile := range []authz.Config{authz.ProfileStrict(), authz.ProfileFAPI2()} {
		c := testKeyClient()
		c.RequestObjectSigningAlg = "none"
		if err := newProfiled(t, profile).RegisterClient(t.Context(), c); err == nil || !strings.Contains(err.Error(), "RequestObjectSigningAlg") {
			t.Error(err)
		}
	}
}

// FuzzUnsignedRequestObject: whatever comes, no parameter but those in a well-formed object of
// alg none is acted on, and nothing breaks.
func FuzzUnsignedRequestObject(f *testing.F) {
	s := newUnsigned(f)
	good := s.unsigned(f, none, nil)
	for _, seed := range []string{good, "..", good + "A", strings.Replace(good, ".", "..", 1), s.unsigned(f, `{"alg":"none","typ":null}`, nil), "e30.e30."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, object string) {
		response, err := s.visit(signed(object))
		if err != nil {
			return
		}
		parts := strings.Split(object, ".")
		if object != "" && (len(parts) != 3 || parts[2] != "") {
			t.Fatalf("%q led to %+v", object, response)
		}
		if response.Redirect != "" && !strings.HasPrefix(response.Redirect, redirectOf[web]) {
			t.Fatalf("%q led to %q", object, response.Redirect)
		}
	})
}
