package main

import (
	"context"
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/handlers"
	"github.com/grantor-oauth/grantor/storage"
)

// newPager is the application with the users, and the server in it that tells clients about
// them. The scope openid turns that on; UserClaims is what it may tell.
func newPager(pagerURL string, store storage.Store, clients ...authz.Client) (http.Handler, error) {
	as, err := authz.New(authz.Config{
		Issuer:  pagerURL,
		Storage: store,
		Scopes: authz.Scopes{
			"openid": "Sign you in", "profile": "See your name", "email": "See your e-mail address",
		},
		Clients:         clients,
		Login:           signedIn,
		Sessions:        true, // each User has a SessionID, so that sites hear of its end
		Logout:          signOut,
		HTTPClient:      http.DefaultClient, // the sites are on this machine, which is out of bounds otherwise
		UserClaims:      whatPagerKnows,
		ClaimsSupported: []string{"name", "preferred_username", "email", "email_verified"},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	handlers.Mount(mux, as, handlers.Options{Theme: handlers.Theme{Name: "Pager"}})
	pages := http.NewServeMux()
	pages.HandleFunc("/login", login(as.ReturnTo))
	pages.HandleFunc("POST /leave", leave(as.RevokeSession))
	pages.HandleFunc("GET /{$}", home)
	mux.Handle("/", http.NewCrossOriginProtection().Handler(pages))
	return mux, nil
}

// statusClient belongs to Pager's people, whose users need not be asked.
func statusClient(url string, secret storage.Secret) authz.Client {
	return authz.Client{
		ID: "status", Name: "Status", RedirectURIs: []string{url + "/callback"}, Secrets: []storage.Secret{secret},
		BackchannelLogoutURI: url + "/signed-out", PostLogoutRedirectURIs: []string{url + "/"},
		Scopes: []string{"openid", "profile", "email"}, FirstParty: true,
	}
}

// runbooksClient belongs to others, so its users are asked, once. It has a key in place of a
// secret, and wants the ID token and UserInfo signed with ES256.
func runbooksClient(url, keys string) authz.Client {
	return authz.Client{
		ID: "runbooks", Name: "Runbooks", RedirectURIs: []string{url + "/callback"},
		BackchannelLogoutURI: url + "/signed-out", PostLogoutRedirectURIs: []string{url + "/"},
		TokenEndpointAuthMethod: "private_key_jwt", JWKS: keys,
		Scopes:                   []string{"openid", "profile"},
		IDTokenSignedResponseAlg: "ES256", UserInfoSignedResponseAlg: "ES256",
	}
}

// whatPagerKnows is the UserClaims hook. It may say all it knows: the server passes on what the
// user has let the client know.
func whatPagerKnows(_ context.Context, req *authz.UserClaimsRequest) (map[string]any, error) {
	u, there := accounts[req.Subject]
	if !there { // gone since
		return nil, &authz.Error{Code: "invalid_token", Status: http.StatusUnauthorized, Description: "The account is gone."}
	}
	return map[string]any{"name": u.name, "preferred_username": u.login, "email": u.email, "email_verified": true}, nil
}
