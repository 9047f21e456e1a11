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
		InitiateLoginURI:       "https://app.example/begin",
		PostLogoutRedirectURIs: []string{"https://app.example/out"},
		BackchannelLogoutURI:   "https://app.example/back", BackchannelLogoutSessionRequired: true,
		FrontchannelLogoutURI: "https://app.example/front", FrontchannelLogoutSessionRequired: true,
		SubjectType: "pairwise", SectorIdentifierURI: "https://sector.example/redirects.json",
		RequestObjectSigningAlg: "PS256", RequireSignedRequestObject: true,
		AuthorizationSignedResponseAlg: "ES256",
		ResponseTypes:                  []string{"code", "code id_token"},
		RequestURIs:                    []string{"https://app.example/request.jwt"},
		BackchannelTokenDeliveryMode:   "ping", BackchannelClientNotificationEndpoint: "https://app.example/ping",
		BackchannelAuthenticationRequestSigningAlg: "PS256", BackchannelUserCodeParameter: true,
		IDTokenEncryptedResponseAlg: "ECDH-ES", IDTokenEncryptedResponseEnc: "A128GCM",
		UserInfoEncryptedResponseAlg: "RSA-OAEP", UserInfoEncryptedResponseEnc: "A256GCM",
		IntrospectionEncryptedResponseAlg: "RSA-OAEP-256", IntrospectionEncryptedResponseEnc: "A128CBC-HS256",
		AuthorizationEncryptedResponseAlg: "ECDH-ES+A128KW", AuthorizationEncryptedResponseEnc: "A128GCM",
		RequestObjectEncryptionAlg: "ECDH-ES+A256KW", RequestObjectEncryptionEnc: "A256GCM",
	}
}

func (k *kit) putClient(c storage.Client) {
	k.Helper()
	if err := k.store.PutClient(k.ctx, c); err != nil {
		k.Fatalf("PutClient: %v", err)
	}
}

func (k *kit) readClient(id string) *storage.Client {
	k.Helper()
	c, err := k.store.Client(k.ctx, id)
	if err != nil {
		k.Fatalf("Client(%q): %v", id, err)
	}
	return c
}

// stale puts back a client that has become another since it was read.
func (k *kit) stale(c storage.Client) {
	k.Helper()
	if err := k.store.PutClient(k.ctx, c); !errors.Is(err, storage.ErrConflict) {
		k.Fatalf("PutClient of a client that has changed since it was read: got %v, want ErrConflict", err)
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
	{name: "clients/put_back_as_read", run: func(k *kit) {
		k.putClient(k.client("app"))
		read := k.readClient("app")
		if read.Revision == 0 {
			k.Fatalf("a stored client has no Revision")
		}
		read.Name = "By one"
		k.putClient(*read)
		k.wantClient(*read)
		// It is another state now.
		if now := k.readClient("app"); now.Revision == read.Revision {
			k.Fatalf("two states of a client have the Revision %d", now.Revision)
		}
		k.stale(*read)
		// And so it is for whoever did not read it first.
		again := k.readClient("app")
		k.putClient(storage.Client{ID: "app", Name: "By another"})
		k.stale(*again)
		k.wantClient(storage.Client{ID: "app", Name: "By another"})
	}},
	{name: "clients/put_back_after_it_went", run: func(k *kit) {
		k.putClient(k.client("app"))
		read := k.readClient("app")
		if err := k.store.DeleteClient(k.ctx, "app"); err != nil {
			k.Fatalf("DeleteClient: %v", err)
		}
		k.stale(*read)
		c, err := k.store.Client(k.ctx, "app")
		absent(k, c, err)
		// A new one under its name is not the one that was read.
		k.putClient(k.client("app"))
		k.stale(*read)
		never := k.client("never")
		never.Revision = read.Revision
		k.stale(never)
		// Lists tell the Revision as well.
		list, err := k.store.ListClients(k.ctx, "", 10)
		if err != nil || len(list) != 1 {
			k.Fatalf("ListClients: got %d clients, %v, want 1", len(list), err)
		}
		k.putClient(list[0])
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
