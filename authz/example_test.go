package authz_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
	"github.com/grantor-oauth/grantor/storage/memory"
)

// currentUser stands for the application's own sessions.
func currentUser(r *http.Request) (*authz.User, error) {
	cookie, err := r.Cookie("session")
	if err != nil {
		return nil, authz.RedirectToLogin("/login")
	}
	return &authz.User{Subject: cookie.Value, AuthTime: time.Now()}, nil
}

// An authorization server is made of an issuer, a store and the application's own
// sessions. Package handlers puts it on the web.
func Example() {
	as, err := authz.New(authz.Config{
		Issuer:  "https://app.example.com",
		Storage: memory.New(), // in earnest: storage/bolt
		Scopes:  authz.Scopes{"alerts:read": "Read your alerts"},
		Login:   currentUser,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(as.Metadata().TokenEndpoint)
	// Output:
	// https://app.example.com/oauth2/token
}

// An MCP server in the same app names itself as the resource; its clients bring themselves.
func ExampleProfileMCP() {
	config := authz.ProfileMCP(authz.Scopes{"notes:read": "Read your notes", "notes:write": "Add notes"})
	config.Issuer, config.Resource = "https://app.example.com", "https://app.example.com/mcp"
	config.Storage = memory.New() // in earnest: storage/bolt
	config.Login = currentUser
	as, err := authz.New(config)
	if err != nil {
		log.Fatal(err)
	}
	m := as.Metadata()
	fmt.Println(m.ClientIDMetadataDocumentSupported, m.RegistrationEndpoint)
	// Output:
	// true https://app.example.com/oauth2/register
}

// For APIs behind which there is money. Its clients have a key and nothing else.
func ExampleProfileStrict() {
	config := authz.ProfileStrict()
	config.Issuer = "https://app.example.com"
	config.Storage = memory.New() // in earnest: storage/bolt
	config.Login = currentUser
	as, err := authz.New(config)
	if err != nil {
		log.Fatal(err)
	}
	m := as.Metadata()
	fmt.Println(m.RequirePushedAuthorizationRequests, m.TokenEndpointAuthMethodsSupported, m.DPoPSigningAlgValuesSupported[0])
	// Output:
	// true [private_key_jwt] ES256
}

// With the scope openid clients learn who signed in, and what one hook tells of them.
func ExampleConfig_userClaims() {
	as, err := authz.New(authz.Config{
		Issuer:  "https://app.example.com",
		Storage: memory.New(), // in earnest: storage/bolt
		Scopes:  authz.Scopes{"openid": "Know who you are", "email": "See your email address"},
		Login:   currentUser,
		UserClaims: func(_ context.Context, req *authz.UserClaimsRequest) (map[string]any, error) {
			claims := map[string]any{}
			if req.Wants("email") {
				claims["email"], claims["email_verified"] = req.Subject+"@example.com", true
			}
			return claims, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	m := as.Metadata()
	fmt.Println(m.UserInfoEndpoint, m.IDTokenSigningAlgValuesSupported)
	// Output:
	// https://app.example.com/oauth2/userinfo [ES256 RS256]
}

// New says everything that is wrong with a configuration, and what to do about it.
func ExampleNew_faults() {
	_, err := authz.New(authz.Config{
		Issuer:    "http://app.example.com",
		Login:     currentUser,
		Lifetimes: authz.Lifetimes{AuthorizationCode: time.Hour},
	})
	fmt.Println(err)
	// Output:
	// authz: Config.Issuer: "http://app.example.com": http is only for loopback (127.0.0.1, [::1] or localhost); use https, even where a proxy in front of the app ends TLS
	// authz: Config.Storage: is nil; open one with bolt.Open("authz.db")
	// authz: Config.Lifetimes.AuthorizationCode: is 1h0m0s; it must be between 1s and 10m0s, or 0 for the default
}

// A generated secret is shown once, when the client is registered.
func ExampleNewSecret() {
	as, err := authz.New(authz.Config{
		Issuer: "https://app.example.com", Storage: memory.New(), Login: currentUser,
		Scopes: authz.Scopes{"alerts:read": "Read your alerts"},
	})
	if err != nil {
		log.Fatal(err)
	}
	secret, hashed := authz.NewSecret()
	err = as.RegisterClient(context.Background(), authz.Client{
		ID:         "nightly-report",
		GrantTypes: []string{"client_credentials"},
		Scopes:     []string{"alerts:read"},
		Secrets:    []storage.Secret{hashed},
	})
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := as.Token(context.Background(), &authz.Request{Parameters: url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"nightly-report"}, "client_secret": {secret},
	}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the secret begins with", secret[:4])
	fmt.Println("what is stored begins with", hashed.Hash[:8])
	fmt.Println(tokens.TokenType, "for", tokens.Scope)
	// Output:
	// the secret begins with gcs_
	// what is stored begins with $sha256$
	// Bearer for alerts:read
}

// The Consent hook decides whether the user is asked: here, staff may connect
// whatever they like, and nobody may connect a client that is under review.
func ExampleConfig_consent() {
	as, err := authz.New(authz.Config{
		Issuer: "https://app.example.com", Storage: memory.New(), Login: currentUser,
		Scopes: authz.Scopes{"alerts:read": "Read your alerts"},
		Clients: []authz.Client{
			{ID: "dashboard", RedirectURIs: []string{"https://dashboard.example/cb"}, Scopes: []string{"alerts:read"}},
			{ID: "new-thing", RedirectURIs: []string{"https://new.example/cb"}, Scopes: []string{"alerts:read"}},
		},
		Consent: func(ctx context.Context, req *authz.ConsentRequest) (authz.Decision, error) {
			switch {
			case req.Client.ID == "new-thing":
				return authz.Deny, nil
			case strings.HasPrefix(req.User.Subject, "staff-"):
				return authz.Allow, nil
			}
			return req.Default, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, try := range []struct{ user, client string }{
		{"ana", "dashboard"}, {"staff-ben", "dashboard"}, {"staff-ben", "new-thing"},
	} {
		r := httptest.NewRequest("GET", "/oauth2/authorize", nil)
		r.AddCookie(&http.Cookie{Name: "session", Value: try.user})
		response, err := as.Authorize(context.Background(), &authz.AuthorizationRequest{
			Parameters: url.Values{
				"response_type": {"code"}, "client_id": {try.client},
				"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
			},
			HTTP: r, Browser: "a random cookie",
		})
		switch {
		case err != nil:
			log.Fatal(err)
		case response.Consent != nil:
			fmt.Println(try.user, "is asked about", try.client)
		case strings.Contains(response.Redirect, "error=access_denied"):
			fmt.Println(try.user, "may not connect", try.client)
		default:
			fmt.Println(try.user, "is not asked about", try.client)
		}
	}
	// Output:
	// ana is asked about dashboard
	// staff-ben is not asked about dashboard
	// staff-ben may not connect new-thing
}

// After a password change everything that the user has connected is disconnected.
func ExampleServer_RevokeUser() {
	as, err := authz.New(authz.Config{
		Issuer: "https://app.example.com", Storage: memory.New(), Login: currentUser,
		Events: func(_ context.Context, e authz.Event) {
			if e.Type == authz.GrantRevoked {
				fmt.Println("audit:", e.Type, e.Subject, e.Reason)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(as.RevokeUser(context.Background(), "ana"))
	// Output:
	// audit: grant_revoked ana revoked_by_host
	// <nil>
}

// The sign-in page sends the browser back to where it came from, and nowhere else.
func ExampleServer_ReturnTo() {
	as, err := authz.New(authz.Config{Issuer: "https://app.example.com", Storage: memory.New(), Login: currentUser})
	if err != nil {
		log.Fatal(err)
	}
	for _, to := range []string{"/oauth2/authorize?client_id=app", "https://evil.example/oauth2/authorize"} {
		signIn := httptest.NewRequest("POST", "/login?return_to="+url.QueryEscape(to), nil)
		fmt.Println(as.ReturnTo(signIn, "/home"))
	}
	// Output:
	// /oauth2/authorize?client_id=app
	// /home
}

// Somebody calls a help desk, and says yes on their phone. The desk learns who they are, and
// never sees a password.
func ExampleServer_CompleteBackchannelAuthentication() {
	secret, hashed := authz.NewSecret()
	var onPhone string // stands for the push message, and for the app that shows it
	as, err := authz.New(authz.Config{
		Issuer:  "https://app.example.com",
		Storage: memory.New(), // in earnest: storage/bolt
		Scopes:  authz.Scopes{"openid": "Know who you are", "alerts:read": "Read your alerts"},
		Login:   currentUser,
		Clients: []authz.Client{{
			ID: "help-desk", Name: "Help desk", Secrets: []storage.Secret{hashed},
			GrantTypes: []string{"urn:openid:params:grant-type:ciba"}, Scopes: []string{"openid", "alerts:read"},
		}},
		BackchannelAuthentication: &authz.BackchannelAuthentication{
			FindUser: func(_ context.Context, req *authz.BackchannelAuthenticationRequest) (string, error) {
				if req.LoginHint != "ana@example.com" {
					return "", authz.ErrUnknownUser
				}
				return "user-1", nil
			},
			Prompt: func(_ context.Context, req *authz.BackchannelAuthenticationRequest) error {
				onPhone = req.ID
				return nil
			},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	desk := func(pairs ...string) *authz.Request {
		params := url.Values{"client_id": {"help-desk"}, "client_secret": {secret}}
		for i := 0; i < len(pairs); i += 2 {
			params.Set(pairs[i], pairs[i+1])
		}
		return &authz.Request{Parameters: params}
	}
	asked, err := as.AuthenticateBackchannel(ctx, desk("scope", "openid alerts:read", "login_hint", "ana@example.com", "binding_message", "Ticket 42"))
	if err != nil {
		log.Fatal(err)
	}

	// In the app on the phone, where user-1 is signed in:
	question, err := as.PendingBackchannelAuthentication(ctx, onPhone)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s (%s): %s?\n", question.Client.Name, question.BindingMessage, question.Scopes[0].Description)
	err = as.CompleteBackchannelAuthentication(ctx, &authz.BackchannelAnswer{
		ID: onPhone, User: &authz.User{Subject: "user-1", AuthTime: time.Now()},
		Approve: true, Scopes: []string{"alerts:read"},
	})
	if err != nil {
		log.Fatal(err)
	}

	tokens, err := as.Token(ctx, desk("grant_type", "urn:openid:params:grant-type:ciba", "auth_req_id", asked.AuthReqID))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tokens.Scope, tokens.IDToken != "")
	// Output:
	// Help desk (Ticket 42): Read your alerts?
	// openid alerts:read true
}
