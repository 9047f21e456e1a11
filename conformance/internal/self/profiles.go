package self

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"

	"github.com/grantor-oauth/grantor/authz"
)

const (
	scopeRead, scopeWrite = "read", "write"
	otherResource         = "https://files.example/api"
	acrStrong             = "urn:example:two-factors"
)

var scopes = authz.Scopes{
	scopeRead: "Read your notes", scopeWrite: "Change your notes", "offline_access": "Stay connected",
}

var openIDScopes = authz.Scopes{"openid": "Know who you are", "profile": "Know your name", "email": "Know your address"}

// Guarded is a profile for the few cases about what the server fetches: the whole suite cannot be
// run against it.
const Guarded = "guarded"

// Profiles are the names of the configurations that the whole suite is run against, all but Guarded.
func Profiles() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(profiles)), func(name string) bool { return guardedProfiles[name] })
}

// guardedProfiles are those in which the server fetches with the library's own client, which goes
// to public addresses only: not even to the suite's documents.
var guardedProfiles = map[string]bool{Guarded: true}

// boundProfiles are those in which every access token is bound to a key.
var boundProfiles = map[string]bool{"strict": true, "fapi2": true, "fapi2-signing": true}

// profiles: what each is, beyond what Start sets.
var profiles = map[string]func(s *Site) authz.Config{
	// default is what a host gets who names its scopes and nothing else.
	"default": func(s *Site) authz.Config {
		return s.common(authz.Config{Scopes: maps.Clone(scopes)})
	},
	"mcp": func(s *Site) authz.Config {
		return s.common(authz.ProfileMCP(maps.Clone(scopes)))
	},
	"strict": func(s *Site) authz.Config {
		c := s.common(authz.ProfileStrict())
		c.DPoPNonces, c.MutualTLS = true, true
		return c
	},
	"fapi2": func(s *Site) authz.Config {
		c := s.common(authz.ProfileFAPI2())
		c.MutualTLS = true
		return s.openID(c)
	},
	"fapi2-signing": func(s *Site) authz.Config {
		return s.openID(s.common(authz.ProfileFAPI2MessageSigning()))
	},
	"everything": everything,
	Guarded:      everything,
}

// everything is all that can be on at once.
func everything(s *Site) authz.Config {
	c := s.openID(s.common(authz.Config{}))
	every := slices.Sorted(maps.Keys(c.Scopes))
	c.Registration = &authz.Registration{Open: true, Scopes: every, AuthorizationDetailsTypes: []string{"payment"},
		GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials", "implicit",
			"urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba"}}
	c.ClientIDMetadata = &authz.ClientIDMetadata{Scopes: every}
	c.DeviceGrant, c.DPoP, c.MutualTLS, c.RequestURIs, c.RequestObjectEncryption, c.OptionalPKCE = true, true, true, true, true, true
	c.ResponseTypes = []string{"id_token", "code id_token"}
	c.BackchannelAuthentication = s.backchannel()
	c.TokenExchange = func(_ context.Context, r *authz.ExchangeRequest) (*authz.Exchange, error) {
		exchange, err := r.Grant()
		if err == nil && r.Subject.Issuer == s.issuer.name {
			exchange.User = authz.User{Subject: r.Subject.Subject}
		}
		return exchange, err
	}
	c.JWTBearer = func(_ context.Context, r *authz.AssertionRequest) (*authz.AssertionGrant, error) {
		return r.Grant(authz.User{Subject: r.Subject})
	}
	c.TrustedIssuers = []authz.TrustedIssuer{{Issuer: s.issuer.name, JWKS: s.issuer.public}}
	c.AuthorizationDetails = map[string]authz.AuthorizationDetailsType{"payment": authz.AuthorizationDetailsOf(validPayment, describedPayment, nil)}
	c.AllowedOrigins = []string{"https://app.example"}
	return c
}

// common adds what every host of the suite has.
func (s *Site) common(c authz.Config) authz.Config {
	if c.Scopes == nil {
		c.Scopes = maps.Clone(scopes)
	}
	c.Resource = s.Issuer + "/api/"
	c.Resources = []authz.Resource{{Identifier: otherResource, Name: "Files"}}
	c.ACRValues = []string{acrStrong, "urn:example:password"}
	c.EncryptionKey, c.PairwiseKey = make([]byte, 32), make([]byte, 32)
	_, _ = rand.Read(c.EncryptionKey) // it never fails
	_, _ = rand.Read(c.PairwiseKey)
	// The suite is one address that does everything wrong on purpose; what the limits do is for
	// cases that say so, with codes that users type.
	none := authz.Limit{Burst: -1}
	c.Limits = authz.Limits{ClientSecrets: none, Registrations: none, ClientDocuments: none, ClientAssertions: none, PushedRequests: none,
		DeviceAuthorizations: none, BackchannelAuthentications: none, BackchannelPrompts: none, UnknownUsers: none}
	return c
}

// openID adds OpenID Connect.
func (s *Site) openID(c authz.Config) authz.Config {
	maps.Copy(c.Scopes, openIDScopes)
	c.Sessions, c.SignUp = true, true
	c.Logout = s.signOut
	c.ClaimsSupported = []string{"name", "email", "email_verified"}
	c.UserClaims = func(_ context.Context, r *authz.UserClaimsRequest) (map[string]any, error) {
		return map[string]any{"name": r.Subject + " Example", "email": r.Subject + "@example.com", "email_verified": true}, nil
	}
	return c
}

// payment is a type of authorization details (RFC 9396).
type payment struct {
	Type   string `json:"type"`
	Amount string `json:"amount"`
	To     string `json:"to"`
}

func validPayment(_ context.Context, _ *authz.Client, p *payment) error {
	if p.Amount == "" || p.To == "" {
		return errors.New("a payment has an amount and somebody it goes to")
	}
	return nil
}

func describedPayment(_ context.Context, p *payment) (string, error) {
	return "Pay EUR " + p.Amount + " to " + p.To + ".", nil
}
