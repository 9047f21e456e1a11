package engine_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/pkce"
	fositestorage "github.com/ory/fosite/storage"
	"golang.org/x/crypto/bcrypt"

	"github.com/grantor-oauth/grantor/authz/authztest"
)

// The tests of this package hold fosite's behaviour beside ours, one fact a test: the
// half named "fosite" drives plain fosite and asserts that it still gets the fact
// wrong, the half named "ours" sends the same to our server and asserts what is right.
// The day the first half fails, fosite has changed, and what the test names may go.

// fact fails the test once fosite does something no more.
func fact(t *testing.T, holds bool, mayGo string, got any) {
	t.Helper()
	if !holds {
		t.Errorf("plain fosite answers differently now: %+v\nwhat may go: %s", got, mayGo)
	}
}

// The clients of the raw server and, under the same names, of ours.
const (
	publicID       = authztest.ClientID
	confidentialID = "confidential"
	strangerID     = "stranger" // confidential as well
	redirectURI    = authztest.RedirectURI
)

// secret has the form of those that our server generates, so that it is hashed as one.
var secret = "gcs_" + strings.Repeat("A", 43)

// allScopes is what the clients may ask for; offline_access is what fosite wants to see
// before it gives out a refresh token.
const allScopes = "read write offline_access"

// rawStorage is what fosite's handlers for our grants take their storage to be.
type rawStorage interface {
	fosite.Storage
	oauth2.CoreStorage
	oauth2.TokenRevocationStorage
	pkce.PKCERequestStorage
}

// rawOptions change the server that newRaw makes.
type rawOptions struct {
	config  fosite.Config
	store   rawStorage      // nil for fosite's MemoryStore
	clients []fosite.Client // in addition; for the MemoryStore only
	jwt     bool            // JWT access tokens
	jwtKey  any             // nil for a new P-256 key
	all     bool            // ComposeAllEnabled
}

// raw is plain fosite, composed and called as its documentation says.
type raw struct {
	fosite.OAuth2Provider
	config *fosite.Config
	memory *fositestorage.MemoryStore // nil if the options bring a store
	jwt    bool
}

func newRaw(t testing.TB, o rawOptions) *raw {
	t.Helper()
	config := &o.config
	config.GlobalSecret = []byte(strings.Repeat("s", 32))
	r := &raw{config: config, jwt: o.jwt}
	if o.store == nil {
		r.memory = fositestorage.NewMemoryStore()
		for id, c := range rawClients(t) {
			r.memory.Clients[id] = c
		}
		for _, c := range o.clients {
			r.memory.Clients[c.GetID()] = c
		}
		o.store = r.memory
	}
	if o.jwtKey == nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		o.jwtKey = key
	}
	if o.all {
		r.OAuth2Provider = compose.ComposeAllEnabled(config, o.store, o.jwtKey)
		return r
	}
	var strategy oauth2.CoreStrategy = compose.NewOAuth2HMACStrategy(config)
	if o.jwt {
		key := func(context.Context) (any, error) { return o.jwtKey, nil }
		strategy = compose.NewOAuth2JWTStrategy(key, strategy, config)
	}
	r.OAuth2Provider = compose.Compose(config, o.store, &compose.CommonStrategy{CoreStrategy: strategy},
		compose.OAuth2AuthorizeExplicitFactory,
		compose.OAuth2ClientCredentialsGrantFactory,
		compose.OAuth2RefreshTokenGrantFactory,
		compose.OAuth2TokenIntrospectionFactory,
		compose.OAuth2TokenRevocationFactory,
		compose.OAuth2PKCEFactory,
	)
	return r
}

func rawClients(t testing.TB) map[string]fosite.Client {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(secret), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	clients := map[string]fosite.Client{}
	for _, id := range []string{publicID, confidentialID, strangerID} {
		c := &fosite.DefaultClient{
			ID: id, RedirectURIs: []string{redirectURI}, Scopes: strings.Fields(allScopes),
			GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"},
		}
		if c.Public = id == publicID; !c.Public {
			c.Secret = hash
		}
		clients[id] = c
	}
	return clients
}

func (r *raw) session(subject string) fosite.Session {
	if r.jwt {
		s := &oauth2.JWTSession{Subject: subject}
		s.GetJWTClaims()
		s.JWTClaims.Subject = subject
		s.GetJWTHeader()
		return s
	}
	return &fosite.DefaultSession{Subject: subject}
}

// authorizationParameters are good for both servers: fosite wants the long state.
func authorizationParameters(clientID string, change ...string) url.Values {
	v := authztest.AuthorizationParameters(strings.Fields(allScopes)...)
	v.Set("client_id", clientID)
	v.Set("state", "12345678")
	return with(v, change...)
}

// with sets parameters, in pairs, or removes those whose value is "-".
func with(v url.Values, change ...string) url.Values {
	for i := 0; i+1 < len(change); i += 2 {
		if v.Set(change[i], change[i+1]); change[i+1] == "-" {
			v.Del(change[i])
		}
	}
	return v
}

// serveAuthorization is the handler of fosite's documentation, with "ana" signed in, who
// grants all that is asked for.
func (r *raw) serveAuthorization(w http.ResponseWriter, req *http.Request) {
	ctx := req.Context()
	ar, err := r.NewAuthorizeRequest(ctx, req)
	if err == nil {
		for _, scope := range ar.GetRequestedScopes() {
			ar.GrantScope(scope)
		}
		var response fosite.AuthorizeResponder
		if response, err = r.NewAuthorizeResponse(ctx, ar, r.session("ana")); err == nil {
			r.WriteAuthorizeResponse(ctx, w, ar, response)
			return
		}
	}
	r.WriteAuthorizeError(ctx, w, ar, err)
}

func (r *raw) serveToken(w http.ResponseWriter, req *http.Request) {
	ctx := req.Context()
	ar, err := r.NewAccessRequest(ctx, req, r.session(""))
	if err == nil {
		var response fosite.AccessResponder
		if response, err = r.NewAccessResponse(ctx, ar); err == nil {
			r.WriteAccessResponse(ctx, w, ar, response)
			return
		}
	}
	r.WriteAccessError(ctx, w, ar, err)
}

func (r *raw) serveIntrospection(w http.ResponseWriter, req *http.Request) {
	response, err := r.NewIntrospectionRequest(req.Context(), req, r.session(""))
	if err != nil {
		r.WriteIntrospectionError(req.Context(), w, err)
		return
	}
	r.WriteIntrospectionResponse(req.Context(), w, response)
}

func (r *raw) serveRevocation(w http.ResponseWriter, req *http.Request) {
	r.WriteRevocationResponse(req.Context(), w, r.NewRevocationRequest(req.Context(), req))
}

// authorize sends an authorization request.
func (r *raw) authorize(t testing.TB, params url.Values) answer {
	t.Helper()
	return send(t, r.serveAuthorization, httptest.NewRequest(http.MethodGet, "/?"+params.Encode(), nil))
}

// code is an authorization code that goes with authztest.Verifier.
func (r *raw) code(t testing.TB, clientID string, change ...string) string {
	t.Helper()
	a := r.authorize(t, authorizationParameters(clientID, change...))
	if a.params.Get("code") == "" {
		t.Fatalf("plain fosite issued no code: %+v", a)
	}
	return a.params.Get("code")
}

// token posts to the token endpoint. Like its siblings it may be called from any
// goroutine.
func (r *raw) token(t testing.TB, form url.Values, authorization ...string) answer {
	return send(t, r.serveToken, post(form, authorization...))
}

// tokens runs the code flow of a client to its end.
func (r *raw) tokens(t testing.TB, clientID string, change ...string) answer {
	t.Helper()
	a := r.token(t, codeForm(clientID, r.code(t, clientID, change...)), credentialsOf(clientID)...)
	if a.status != http.StatusOK {
		t.Fatalf("plain fosite issued no tokens: %+v", a)
	}
	return a
}

func (r *raw) introspect(t testing.TB, form url.Values, authorization ...string) answer {
	return send(t, r.serveIntrospection, post(form, authorization...))
}

func (r *raw) revoke(t testing.TB, form url.Values, authorization ...string) answer {
	return send(t, r.serveRevocation, post(form, authorization...))
}

func post(form url.Values, authorization ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, a := range authorization {
		r.Header.Set("Authorization", a)
	}
	return r
}

// send has a handler answer a request.
func send(t testing.TB, h http.HandlerFunc, r *http.Request) answer {
	w := httptest.NewRecorder()
	h(w, r.WithContext(t.Context()))
	a := answer{status: w.Code, header: w.Header()}
	_ = json.Unmarshal(w.Body.Bytes(), &a.body) // a page or nothing
	a.redirectedTo(w.Header().Get("Location"))
	return a
}
