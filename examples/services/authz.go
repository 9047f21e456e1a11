package main

import (
	"time"

	"github.com/grantor-oauth/grantor/authz"
	"github.com/grantor-oauth/grantor/storage"
)

// The scopes that users grant say what is done for them. They travel on, fewer at each hop.
const (
	placeOrders  = "orders:write"
	makePayments = "payments:write"
	fileReceipts = "receipts:write"
)

// The scopes of services say what they may ask on their own account. The shop is not
// registered for them, so no user's token ever has one.
const (
	auditOrders  = "orders:audit"
	readRates    = "rates:read"
	readAccounts = "accounts:read"
	mayAct       = "act" // be named as the actor of an exchange
)

const exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"

// keys are the public keys of the clients, as JWK Sets.
type keys struct{ shop, orders, billing, ledger string }

// configure is the authorization server: one resource for each service (RFC 8707), so that
// each token is for one of them and none can use it at another.
func configure(store storage.Store, u urls, k keys) authz.Config {
	return authz.Config{
		Issuer:  u.issuer,
		Storage: store,
		Login:   signedIn,
		Scopes: authz.Scopes{
			placeOrders: "Place orders for you", makePayments: "Pay for them", fileReceipts: "File your receipts",
			auditOrders: "Look orders up", readRates: "See prices", readAccounts: "See which accounts are open", mayAct: "Act for users",
		},
		Resources: []authz.Resource{
			// What a service presents here alone, as actor: no API takes it.
			{Identifier: u.issuer, Name: "Token exchange", Scopes: []string{mayAct}, AccessTokenLifetime: brief},
			{Identifier: u.orders, Name: "Orders", Scopes: []string{placeOrders, makePayments, fileReceipts, auditOrders}, AccessTokenLifetime: brief},
			{Identifier: u.billing, Name: "Billing", Scopes: []string{makePayments, fileReceipts, readRates}, AccessTokenLifetime: brief},
			{Identifier: u.ledger, Name: "Ledger", Scopes: []string{fileReceipts, readAccounts}, AccessTokenLifetime: brief},
		},
		Clients: []authz.Client{
			{
				ID: "shop", Name: "Tea shop", RedirectURIs: []string{u.shop + "/callback"}, GrantTypes: []string{"authorization_code"},
				TokenEndpointAuthMethod: "private_key_jwt", JWKS: k.shop,
				Scopes: []string{placeOrders, makePayments, fileReceipts}, Resources: []string{u.orders},
			},
			service("orders", k.orders, []string{u.issuer, u.billing}, mayAct, readRates, makePayments, fileReceipts),
			service("billing", k.billing, []string{u.issuer, u.ledger}, mayAct, readAccounts, fileReceipts),
			service("ledger", k.ledger, []string{u.orders}, auditOrders), // it calls for nobody else
		},
		TokenExchange:           exchangePolicy(u),
		StrictAssertionAudience: true,
	}
}

// brief is how long tokens live. The services check them by the published keys and ask nobody,
// so that for as long they do not hear of a revocation.
const brief = 5 * time.Minute

// service is the registration of one: which services it may call, and for what.
func service(id, jwks string, calls []string, scopes ...string) authz.Client {
	return authz.Client{
		ID: id, TokenEndpointAuthMethod: "private_key_jwt", JWKS: jwks, TokenEndpointAuthSigningAlg: "ES256",
		GrantTypes: []string{"client_credentials", exchangeGrant}, Scopes: scopes, Resources: calls,
	}
}
