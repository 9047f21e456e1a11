package storagetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

func (k *kit) client(id string) storage.Client {
	return storage.Client{
		ID: id, Name: "An app", LogoURI: "https://app.example/logo", URI: "https://app.example/",
		PolicyURI: "https://app.example/policy", TOSURI: "https://app.example/tos",
		RedirectURIs: []string{"https://app.example/a", "https://app.example/b"},
		GrantTypes:   []string{"authorization_code", "refresh_token"},
		Scopes:       []string{"read", "write"}, DefaultScopes: []string{"read"},
		TokenEndpointAuthMethod: "client_secret_basic",
		Secrets:                 []storage.Secret{{Hash: "$sha256$x", ExpiresAt: k.now}, {Hash: "$sha256$y"}},
		ApplicationType:         "native", AllowedOrigins: []string{"https://app.example"},
		FirstParty: true, ResourceServer: true,
		AccessTokenFormat: "opaque", AccessTokenSigningAlg: "ES256",
		AccessTokenLifetime: time.Minute, RefreshTokenIdle: time.Hour, RefreshTokenLifetime: 24 * time.Hour,
		Disabled: true, CreatedAt: k.now,
		TokenEndpointAuthSigningAlg: "ES256", JWKS: `{"keys":[]}`, JWKSURI: "https://app.example/jwks",
		TLSClientAuthSubjectDN: "CN=app", TLSClientAuthSANDNS: "app.example", TLSClientAuthSANURI: "https://app.example",
		TLSClientAuthSANIP: "192.0.2.1", TLSClientAuthSANEmail: "app@app.example",
		TLSClientCertificateBoundAccessTokens: true, DPoPBoundAccessTokens: true, RequirePushedAuthorizationRequests: true,
		Resources: []string{"https://api.example/"}, AuthorizationDetailsTypes: []string{"t"},
		SoftwareID: "app", SoftwareVersion: "1", RegistrationAccessToken: "$sha256$z", ExpiresAt: k.now,
		IntrospectionSignedResponseAlg: "ES256", ResourceServerFor: []string{"https://api.example/"},
		IDTokenSignedResponseAlg: "EdDSA", UserInfoSignedResponseAlg: "RS256", DefaultMaxAge: time.Hour,
		PostLogoutRedirectURIs: []string{"https://app.example/out"},
		BackchannelLogoutURI:   "https://app.example/back", BackchannelLogoutSessionRequired: true,
		FrontchannelLogoutURI: "https://app.example/front", FrontchannelLogoutSessionRequired: true,
		SubjectType: "pairwise", SectorIdentifierURI: "https://sector.example/redirects.json",
		RequestObjectSigningAlg: "PS256", RequireSignedRequestObject: true,
		AuthorizationSignedResponseAlg: "ES256",
	}
}

func (k *kit) putClient(c storage.Client) {
	k.Helper()
	if err := k.store.PutClient(k.ctx, c); err != nil {
		k.Fatalf("PutClient: %v", err)
	}
}

var clientChecks = []check{
	{name: "clients/every_field_comes_back", run: func(k *kit) {
		k.putClient(k.client("app"))
		k.wantClient(k.client("app"))
		k.putClient(storage.Client{ID: "bare"})
		k.wantClient(storage.Client{ID: "bare"})
	}},
	{name: "clients/absent", run: func(k *kit) {
		k.putClient(k.client("app"))
		for _, id := range []string{"ap", "appp", "App", "app ", "app\x00", ""} {
			c, err := k.store.Client(k.ctx, id)
			absent(k, c, err)
		}
	}},
	{name: "clients/replaced", run: func(k *kit) {
		k.putClient(k.client("app"))
		k.putClient(k.client("other"))
		k.putClient(storage.Client{ID: "app", Name: "New"})
		k.wantClient(storage.Client{ID: "app", Name: "New"})
		k.wantClient(k.client("other"))
	}},
	{name: "clients/deleted", run: func(k *kit) {
		k.putClient(k.client("app"))
		k.putClient(k.client("other"))
		if err := k.store.DeleteClient(k.ctx, "app"); err != nil {
			k.Fatalf("DeleteClient: %v", err)
		}
		c, err := k.store.Client(k.ctx, "app")
		absent(k, c, err)
		k.wantClient(k.client("other"))
		for _, id := range []string{"app", "never", ""} {
			if err := k.store.DeleteClient(k.ctx, id); !errors.Is(err, storage.ErrNotFound) {
				k.Fatalf("DeleteClient(%q): got %v, want ErrNotFound", id, err)
			}
		}
	}},
	{name: "clients/listed_by_bytes", run: func(k *kit) {
		if none, err := k.store.ListClients(k.ctx, "", 10); err != nil || len(none) > 0 {
			k.Fatalf("an empty list: got %d clients, %v", len(none), err)
		}
		// As bytes, not as words: capitals come first, ä after z.
		ids := []string{"0", "10", "9", "A", "B", "Z", "a", "a b", "a-", "a/", "aa", "b", "z", "ä"}
		var all []storage.Client
		for i := range ids {
			k.putClient(k.client(ids[(i*5+3)%len(ids)]))
		}
		for _, id := range ids {
			all = append(all, k.client(id))
		}
		wantPages(k, all, func(after string, limit int) ([]storage.Client, error) {
			return k.store.ListClients(k.ctx, after, limit)
		}, func(c storage.Client) string { return c.ID })
		// After need not be there.
		got, err := k.store.ListClients(k.ctx, "AAA", 2)
		k.want(&got, err, &[]storage.Client{k.client("B"), k.client("Z")})
	}},
	{name: "clients/many", run: func(k *kit) {
		const n = 120
		for i := range n {
			k.putClient(storage.Client{ID: fmt.Sprintf("%04d", i)})
		}
		got, err := k.store.ListClients(k.ctx, "", 2*n)
		if err != nil || len(got) != n {
			k.Fatalf("ListClients: got %d clients, %v, want %d", len(got), err, n)
		}
	}},
}
