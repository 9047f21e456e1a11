package engine_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/grantor-oauth/grantor/authz/authztest"
	"github.com/grantor-oauth/grantor/authz/internal/engine"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// The server judges a request before it asks the engine. These tests ask the engine
// alone, to hold what fosite is configured to refuse should a check of ours be lost.

var present = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func digestOf(credential string) storage.Digest {
	return storage.NewDigest(present.Add(time.Hour), credential)
}

func newEngine(store storage.Store) *engine.Engine {
	return engine.New(engine.Config{
		Store:      store,
		KnownScope: func(string) bool { return true },
		MintAccessToken: func(context.Context, engine.Mint, *storage.Write) (string, error) {
			return "access token", nil
		},
		NewCredential: func(time.Time, time.Time) (string, storage.Digest) {
			credential := rand.Text()
			return credential, digestOf(credential)
		},
		DigestOf: digestOf,
	})
}

func engineClient() *storage.Client {
	return &storage.Client{ID: publicID, RedirectURIs: []string{redirectURI}, Scopes: []string{"read", "alerts.*"}}
}

var allGrants = []string{"authorization_code", "refresh_token", "client_credentials"}

func authorization(change ...string) *engine.AuthorizationRequest {
	return &engine.AuthorizationRequest{
		Client: engineClient(), Public: true, GrantTypes: allGrants, Parameters: authorizationParameters(publicID, change...),
		RedirectURI: redirectURI, Scopes: []string{"read"},
		At: present, CodeExpiresAt: present.Add(time.Minute), CodeKeptUntil: present.Add(time.Hour),
	}
}

func tokenRequest(form url.Values) *engine.TokenRequest {
	return &engine.TokenRequest{
		Client: engineClient(), Public: true, GrantTypes: allGrants, Parameters: form, At: present,
		Policy: generous{},
	}
}

// generous is a policy that lets everything pass.
type generous struct{}

func (generous) RedirectURIRegistered(string) bool            { return true }
func (generous) Confirms([]byte) bool                         { return true }
func (generous) IssueRefreshToken([]string) bool              { return true }
func (generous) Resources(granted []string) ([]string, error) { return granted, nil }
func (generous) Scopes(_, granted []string) []string          { return granted }
func (generous) AccessTokenExpiresAt(*storage.Grant, []string) time.Time {
	return present.Add(time.Hour)
}
func (generous) RefreshTokenExpiresAt(*storage.Grant) time.Time { return present.Add(time.Hour) }

// refusedWith checks an error of the engine's.
func refusedWith(t *testing.T, err error, code string) {
	t.Helper()
	var refused *engine.Error
	if !errors.As(err, &refused) || refused.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func TestEngineRefusesAuthorization(t *testing.T) {
	e := newEngine(memory.New())
	// fosite looks at the challenge when it issues the code.
	issue := func(r *engine.AuthorizationRequest) error {
		grant := &storage.Grant{ID: storage.NewGrantID(present.Add(time.Hour)), ClientID: publicID, Subject: "ana", Scopes: r.Scopes}
		_, write, err := e.IssueCode(t.Context(), r, grant)
		if (err == nil) != (write != nil) {
			t.Errorf("error %v and write %v", err, write)
		}
		return err
	}
	if err := issue(authorization()); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][]string{
		{"code_challenge", "-"},
		{"code_challenge", ""},
		{"code_challenge", "-", "code_challenge_method", "-"},
		{"code_challenge_method", "plain"},
		{"code_challenge_method", "-"},
		{"code_challenge_method", "S512"},
	} {
		refusedWith(t, issue(authorization(change...)), "invalid_request")
	}
	for _, responseType := range []string{"token", "code token", "id_token", "none", "-"} {
		refusedWith(t, issue(authorization("response_type", responseType)), "unsupported_response_type")
	}
	wild := authorization()
	wild.Scopes = []string{"alerts.delete"}
	refusedWith(t, issue(wild), "invalid_scope")
}

func TestEngineRefusesToken(t *testing.T) {
	store := memory.New()
	e := newEngine(store)
	request := authorization()
	grant := &storage.Grant{
		ID: storage.NewGrantID(present.Add(time.Hour)), ClientID: publicID, Subject: "ana",
		Scopes: request.Scopes, CreatedAt: present, ExpiresAt: present.Add(time.Hour),
	}
	code, write, err := e.IssueCode(t.Context(), request, grant)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Commit(t.Context(), *write); err != nil {
		t.Fatal(err)
	}
	refused := func(r *engine.TokenRequest, code string) {
		t.Helper()
		issued, lastWill, err := e.Token(t.Context(), r)
		refusedWith(t, err, code)
		if issued != nil || lastWill != nil {
			t.Errorf("a refusal that yields %v and wants %v written", issued, lastWill)
		}
	}
	refused(tokenRequest(codeForm(publicID, code, "code_verifier", "-")), "invalid_grant")
	refused(tokenRequest(codeForm(publicID, code, "code_verifier", wrongVerifier)), "invalid_grant")
	refused(tokenRequest(codeForm(publicID, code, "redirect_uri", redirectURI+"x")), "invalid_grant")
	refused(tokenRequest(codeForm(publicID, code, "redirect_uri", "-")), "invalid_grant")
	refused(tokenRequest(codeForm(publicID, code+"x")), "invalid_grant")

	only := tokenRequest(codeForm(publicID, code))
	only.GrantTypes = []string{"refresh_token"}
	refused(only, "unauthorized_client")
	stranger := tokenRequest(codeForm(publicID, code))
	stranger.Client.ID = strangerID
	refused(stranger, "invalid_grant")
	late := tokenRequest(codeForm(publicID, code))
	late.At = present.Add(time.Minute)
	refused(late, "invalid_grant")

	// The server issues to clients themselves without asking here.
	refused(tokenRequest(clientCredentials()), "invalid_request")

	issued, _, err := e.Token(t.Context(), tokenRequest(codeForm(publicID, code)))
	if err != nil {
		t.Fatal(err)
	}
	w := issued.Write
	if len(w.ConsumeCodes) != 1 || len(w.Live) != 1 || w.Live[0] != grant.ID || len(w.Tokens) != 1 {
		t.Errorf("the write is not whole: %+v", w)
	}
	// Nothing has been written yet: fosite decides, it does not act.
	if again, _, err := e.Token(t.Context(), tokenRequest(codeForm(publicID, code))); err != nil || again == nil {
		t.Errorf("the engine has used the code up by itself: %v", err)
	}
}

// A refused request says why in words that come from us: fosite's repeat the request.
func TestEngineErrorText(t *testing.T) {
	e := newEngine(memory.New())
	r := authorization("code_challenge_method", "canary")
	r.Scopes = []string{"canary"}
	err := e.ParseAuthorization(t.Context(), r)
	refusedWith(t, err, "invalid_scope")
	if strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
	if challenge := authztest.Challenge(); strings.Contains(err.Error(), challenge) {
		t.Error(err)
	}
}

func (generous) AuthorizationDetails(_ context.Context, granted []byte) ([]byte, error) {
	return granted, nil
}
