package crash

import (
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
)

// issuer is the server's name. Nothing is sent there: each server has a port of its own.
const issuer = "http://127.0.0.1"

// The clients, one of a kind each.
const (
	web     = "web"     // confidential, signed access tokens, asks for consent
	opaque  = "opaque"  // the same with opaque ones
	spa     = "spa"     // public
	first   = "first"   // the host's own: nobody is asked
	short   = "short"   // the same, and what it gets does not live long
	service = "service" // without users
	api     = "api"     // the resource server, which may introspect everything
)

// ofUsers are the clients that users connect.
var ofUsers = []string{web, opaque, spa, first, short}

// What is issued lives longer than a run, but for the client short.
var lifetimes = authz.Lifetimes{
	AuthorizationCode: codeLife,
	AccessToken:       24 * time.Hour,
	RefreshGrace:      grace,
}

const (
	codeLife = 10 * time.Minute
	grace    = 5 * time.Minute

	// rotation is how long a key signs. The next one is made leap after it began at the
	// latest: that is how far the clock jumps to see it.
	rotation = time.Hour
	leap     = 50 * time.Minute

	// maxLeaps is how many leaps there may be before access tokens expire.
	maxLeaps = 20

	shortAccess  = 10 * time.Second
	shortRefresh = 30 * time.Second
)

// The host's own paths.
const (
	endPath        = "/host/end"
	disconnectPath = "/host/disconnect"
	endGrantPath   = "/host/end-grant"
	consentsPath   = "/host/consents"
	grantsPath     = "/host/grants"
	registerPath   = "/host/register"
	clockPath      = "/host/clock"
	armPath        = "/host/arm"
)

// userHeader says who is signed in: the host's session, as short as it can be.
const userHeader = "Crash-User"

// secretOf is a client's secret, "" if it has none. It has the form of a generated one,
// and follows from the name, so that every process knows it.
func secretOf(client string) string {
	if client == spa {
		return ""
	}
	sum := sha256.Sum256([]byte("the secret of " + client))
	return "gcs_" + base64.RawURLEncoding.EncodeToString(sum[:])
}

func redirectOf(client string) string { return "https://" + client + ".example/callback" }

func clients() []authz.Client {
	scopes := []string{"read", "offline_access"}
	list := []authz.Client{
		{ID: web, AccessTokenFormat: "jwt"},
		{ID: opaque, AccessTokenFormat: "opaque"},
		{ID: spa, AccessTokenFormat: "opaque"},
		{ID: first, AccessTokenFormat: "jwt", FirstParty: true},
		{ID: short, AccessTokenFormat: "opaque", FirstParty: true, AccessTokenLifetime: shortAccess, RefreshTokenLifetime: shortRefresh},
		{ID: service, AccessTokenFormat: "opaque", GrantTypes: []string{"client_credentials"}},
		{ID: api, ResourceServer: true, GrantTypes: []string{"client_credentials"}},
	}
	for i := range list {
		c := &list[i]
		c.Scopes = scopes
		if len(c.GrantTypes) == 0 {
			c.RedirectURIs = []string{redirectOf(c.ID)}
		}
		if secret := secretOf(c.ID); secret != "" {
			c.Secrets = []storage.Secret{authz.HashSecret(secret)}
		}
	}
	return list
}

// registered is a client that the host registers while the server runs.
func registered(id, name string) authz.Client {
	return authz.Client{
		ID: id, Name: name, AccessTokenFormat: "opaque", GrantTypes: []string{"client_credentials"},
		Scopes: []string{"read"}, Secrets: []storage.Secret{authz.HashSecret(secretOf(id))},
	}
}

// asks reports whether the users of a client see a consent page.
func asks(client string) bool { return client != first && client != short }
