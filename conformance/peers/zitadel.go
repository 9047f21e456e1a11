package main

import (
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/text/language"
)

// newZitadel is the provider of its example program, on that program's own storage in
// memory, which has one client for client_credentials ("sid1", "verysecret").
func newZitadel(address string) (http.Handler, error) {
	issuer := "http://" + address + "/"
	store := storage.NewStorage(storage.NewUserStore(issuer))
	provider, err := op.NewProvider(&op.Config{
		CryptoKey:                sha256.Sum256([]byte("test")),
		DefaultLogoutRedirectURI: "/logged-out",
		CodeMethodS256:           true,
		AuthMethodPost:           true,
		GrantTypeRefreshToken:    true,
		SupportedUILocales:       []language.Tag{language.English},
	}, store, op.StaticIssuer(issuer), op.WithAllowInsecure(), op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The load's client under the name that the example gives it.
		r.URL.Path = "/oauth/token"
		const body = "grant_type=client_credentials&scope=openid&client_id=sid1&client_secret=verysecret"
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		provider.ServeHTTP(w, r)
	}), nil
}
