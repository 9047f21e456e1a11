package interop_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

func (h *host) config(id, secret string, style oauth2.AuthStyle) *oauth2.Config {
	m := h.as.Metadata()
	return &oauth2.Config{
		ClientID: id, ClientSecret: secret, RedirectURL: redirectURI, Scopes: []string{"read", "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: m.AuthorizationEndpoint, TokenURL: m.TokenEndpoint, AuthStyle: style},
	}
}

// code is what the browser brings back.
func code(t *testing.T, authURL string) string {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get(authURL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	back, err := url.Parse(answer.Header.Get("Location"))
	if err != nil || back.Query().Get("code") == "" {
		t.Fatalf("%d %q, %v", answer.StatusCode, answer.Header.Get("Location"), err)
	}
	return back.Query().Get("code")
}

// golang.org/x/oauth2 finds out by trying how a client authenticates, with the same code:
// that neither uses the code up nor counts as a replay.
func TestGoAuthorizationCode(t *testing.T) {
	h := newHost(t)
	for name, config := range map[string]*oauth2.Config{
		"public":         h.config("spa", "", oauth2.AuthStyleInParams),
		"public_detect":  h.config("spa", "", oauth2.AuthStyleAutoDetect),
		"in_header":      h.config("web", h.secret, oauth2.AuthStyleInHeader),
		"in_params":      h.config("web", h.secret, oauth2.AuthStyleInParams),
		"style_detected": h.config("web", h.secret, oauth2.AuthStyleAutoDetect),
	} {
		t.Run(name, func(t *testing.T) {
			verifier := oauth2.GenerateVerifier()
			authURL := config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier))
			token, err := config.Exchange(t.Context(), code(t, authURL), oauth2.VerifierOption(verifier))
			if err != nil || token.RefreshToken == "" || !token.Valid() {
				t.Fatalf("%v", err)
			}
			verified, err := h.as.VerifyAccessToken(t.Context(), token.AccessToken)
			if err != nil || verified.Subject != "ana" {
				t.Fatalf("%+v, %v", verified, err)
			}
			// One that has expired is refreshed by itself.
			expired := *token
			expired.Expiry = time.Now().Add(-time.Minute)
			next, err := config.TokenSource(t.Context(), &expired).Token()
			if err != nil || next.AccessToken == token.AccessToken || next.RefreshToken == token.RefreshToken {
				t.Errorf("refreshed: %v", err)
			}
		})
	}
}

func TestGoErrors(t *testing.T) {
	h := newHost(t)
	config := h.config("web", h.secret, oauth2.AuthStyleAutoDetect)
	_, err := config.Exchange(t.Context(), "no code", oauth2.VerifierOption(oauth2.GenerateVerifier()))
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
		t.Errorf("%v", err)
	}
}

func TestGoClientCredentials(t *testing.T) {
	h := newHost(t)
	for name, style := range map[string]oauth2.AuthStyle{"header": oauth2.AuthStyleInHeader, "params": oauth2.AuthStyleInParams, "detected": oauth2.AuthStyleAutoDetect} {
		t.Run(name, func(t *testing.T) {
			config := clientcredentials.Config{
				ClientID: "service", ClientSecret: h.secret, TokenURL: h.as.Metadata().TokenEndpoint, Scopes: []string{"read"}, AuthStyle: style,
				EndpointParams: url.Values{"resource": {h.other}},
			}
			token, err := config.Token(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			verified, err := h.as.VerifyAccessToken(t.Context(), token.AccessToken)
			if err != nil || verified.Subject != "service" || verified.Audience[0] != h.other {
				t.Errorf("%+v, %v", verified, err)
			}
		})
	}
}
