package authz

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/grantor-oauth/grantor/storage"
)

// The grant types of the token endpoint.
const (
	grantAuthorizationCode = "authorization_code"
	grantRefreshToken      = "refresh_token"
	grantClientCredentials = "client_credentials"
	grantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693 §2.1
)

// The client authentication methods of the token endpoint (RFC 7591 §2, OpenID Connect
// Core §9, RFC 8705 §2).
const (
	authNone          = "none"
	authBasic         = "client_secret_basic"
	authPost          = "client_secret_post"
	authSecretJWT     = "client_secret_jwt"
	authPrivateKeyJWT = "private_key_jwt"
	authTLS           = "tls_client_auth"
	authSelfSignedTLS = "self_signed_tls_client_auth"
)

// findClient finds an active client: those registered in code first, then those in the
// store, then those that a metadata document describes, and then documentHost is where that
// is. An error is the store's, or an *Error about the document; an unknown, expired or disabled
// client is nil. from is where the request came from, for limits.
func (s *Server) findClient(ctx context.Context, id string, from netip.Addr) (c *Client, documentHost string, err error) {
	c, known, err := s.registeredClient(ctx, id)
	if !known && err == nil && s.documents != nil && s.documents.named(id) {
		c, err = s.documents.client(ctx, id, from)
		return c, hostOf(id), err
	}
	return c, "", err
}

// clientLives reports whether the tokens of a client still count, and until when it lives if
// nobody changes it; the zero time is for ever. It fetches nothing: a client whose metadata
// document cannot be reached has not ceased to exist. in was read before the call.
func (s *Server) clientLives(ctx context.Context, in epoch, id string) (until time.Time, lives bool, err error) {
	if until, found := s.living.find(in, id, s.now()); found {
		return until, true, nil
	}
	c, known, err := s.registeredClient(ctx, id)
	switch {
	case err != nil:
		return time.Time{}, false, err
	case c != nil:
		until = c.ExpiresAt
	case known || s.documents == nil || !s.documents.named(id):
		return time.Time{}, false, nil
	}
	s.living.add(in, id, until)
	return until, true, nil
}

// registeredClient finds an active client in code or in the store. known tells that there
// is one, active or not.
func (s *Server) registeredClient(ctx context.Context, id string) (_ *Client, known bool, _ error) {
	c, ok := s.clients[id]
	if !ok {
		if !clientID(id) {
			return nil, false, nil // not worth a look-up, which some stores would fail
		}
		var err error
		c, err = s.config.Storage.Client(ctx, id)
		if errors.Is(err, storage.ErrNotFound) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		if c == nil || c.ID != id { // a host's look-up that folds case, or forgets its error
			return nil, false, nil
		}
	}
	if c.Disabled || !c.ExpiresAt.IsZero() && !s.now().Before(c.ExpiresAt) {
		return nil, true, nil
	}
	return c, true, nil
}

// grantTypesOf are the grants that a client may use.
func grantTypesOf(c *Client) []string {
	if len(c.GrantTypes) == 0 {
		return []string{grantAuthorizationCode, grantRefreshToken}
	}
	return c.GrantTypes
}

// authMethodsOf are the ways in which a client may authenticate.
func authMethodsOf(c *Client) []string {
	switch {
	case c.TokenEndpointAuthMethod != "":
		return []string{c.TokenEndpointAuthMethod}
	case len(c.Secrets) == 0:
		return []string{authNone}
	}
	return []string{authBasic, authPost}
}

// public reports whether a client does not authenticate (RFC 6749 §2.1). A host's own
// storage may hold one that has secrets and is registered not to use them.
func public(c *Client) bool {
	switch c.TokenEndpointAuthMethod {
	case authNone:
		return true
	case authPrivateKeyJWT, authTLS, authSelfSignedTLS: // by keys
		return false
	}
	return len(c.Secrets) == 0
}

// clientID reports whether s can be a client_id: VSCHAR (RFC 6749 §A.1).
func clientID(s string) bool {
	return s != "" && len(s) <= 2048 && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

// cloneClient is a copy that shares nothing with c.
func cloneClient(c *Client) *Client {
	d := *c
	d.RedirectURIs, d.GrantTypes = slices.Clone(c.RedirectURIs), slices.Clone(c.GrantTypes)
	d.Scopes, d.DefaultScopes = slices.Clone(c.Scopes), slices.Clone(c.DefaultScopes)
	d.Secrets, d.AllowedOrigins = slices.Clone(c.Secrets), slices.Clone(c.AllowedOrigins)
	d.Resources, d.AuthorizationDetailsTypes = slices.Clone(c.Resources), slices.Clone(c.AuthorizationDetailsTypes)
	d.PostLogoutRedirectURIs = slices.Clone(c.PostLogoutRedirectURIs)
	d.ResourceServerFor = slices.Clone(c.ResourceServerFor)
	d.ResponseTypes, d.RequestURIs = slices.Clone(c.ResponseTypes), slices.Clone(c.RequestURIs)
	return &d
}

// impersonable reports whether any program could pose as this client: it does not
// authenticate, and its answers go to the user's device (RFC 8252 §8.6). Its users are
// asked every time.
func impersonable(c *Client, redirectURI string) bool {
	return public(c) && (c.ApplicationType == "native" || onDevice(redirectURI))
}

// RegisterClient checks a client and stores it, replacing one with the same ID. The
// error names every field that is wrong. A SectorIdentifierURI is fetched. A client that was
// read from Storage and changed has a Revision: if somebody else has changed it meanwhile, or
// deleted it, nothing is stored, and the error is storage.ErrConflict.
func (s *Server) RegisterClient(ctx context.Context, c Client) error {
	if err := s.checkClient(&c); err != nil {
		return err
	}
	if _, taken := s.clients[c.ID]; taken {
		return fmt.Errorf("authz: client %q is registered in Config.Clients; change it there", c.ID)
	}
	if err := s.checkSectorDocument(ctx, &c); err != nil {
		return fmt.Errorf("authz: client %q: SectorIdentifierURI: %w", c.ID, err)
	}
	if c.CreatedAt.IsZero() {
		c.CreatedAt = s.now().UTC()
	}
	ctx, release := s.bounded(ctx)
	defer release()
	// Whoever is just moving its expiry must not put back what it was before.
	defer s.registrations.lock(c.ID)()
	return s.config.Storage.PutClient(ctx, c)
}

// checkClient returns every fault of a client at once.
func (s *Server) checkClient(c *Client) error {
	var errs []error
	fault := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("authz: client %q: %s: %s", c.ID, field, fmt.Sprintf(format, args...)))
	}
	if !clientID(c.ID) {
		fault("ID", "must be 1 to 2048 characters of printable ASCII")
	}
	if c.ApplicationType != "" && c.ApplicationType != "web" && c.ApplicationType != "native" {
		fault("ApplicationType", "is %q; use web or native", c.ApplicationType)
	}
	grants := grantTypesOf(c)
	for _, g := range grants {
		if supported := s.config.registrableGrantTypes(); !slices.Contains(supported, g) {
			fault("GrantTypes", "%q is not supported; use %s", g, strings.Join(supported, ", "))
		}
	}
	for _, raw := range c.RedirectURIs {
		if err := checkRedirectURI(raw, c.ApplicationType == "native"); err != nil {
			fault("RedirectURIs", "%q: %v", raw, err)
		}
	}
	usesCode := slices.Contains(grants, grantAuthorizationCode) || slices.Contains(grants, grantImplicit)
	if usesCode && len(c.RedirectURIs) == 0 && !c.ResourceServer {
		fault("RedirectURIs", "is empty; name at least one, or leave authorization_code and implicit out of GrantTypes")
	}
	s.checkResponseTypes(c, fault)
	s.checkClientAuth(c, grants, fault)
	s.checkSubjectType(c, fault)
	for _, scope := range c.Scopes {
		if _, known := s.config.Scopes[scope]; !known {
			fault("Scopes", "%q is not in Config.Scopes; add it there or take it out here", scope)
		}
	}
	for _, identifier := range c.Resources {
		if s.resource(identifier) == nil {
			fault("Resources", "%q is not in Config.Resources; add it there or take it out here", identifier)
		}
	}
	for _, identifier := range c.ResourceServerFor {
		if s.resource(identifier) == nil {
			fault("ResourceServerFor", "%q is not in Config.Resources; add it there or take it out here", identifier)
		}
	}
	if len(c.ResourceServerFor) > 0 && !c.ResourceServer {
		fault("ResourceServerFor", "is for a ResourceServer; set that too, or take it out")
	}
	for _, name := range c.AuthorizationDetailsTypes {
		if _, known := s.config.AuthorizationDetails[name]; !known {
			fault("AuthorizationDetailsTypes", "%q is not in Config.AuthorizationDetails; add it there or take it out here", name)
		}
	}
	for _, scope := range without(c.DefaultScopes, c.Scopes) {
		fault("DefaultScopes", "%q is not in Scopes", scope)
	}
	switch c.AccessTokenFormat {
	case "", "jwt", "opaque":
	default:
		fault("AccessTokenFormat", "is %q; use jwt or opaque", c.AccessTokenFormat)
	}
	for field, alg := range map[string]string{
		"AccessTokenSigningAlg": c.AccessTokenSigningAlg, "IntrospectionSignedResponseAlg": c.IntrospectionSignedResponseAlg,
		"AuthorizationSignedResponseAlg": c.AuthorizationSignedResponseAlg,
		"IDTokenSignedResponseAlg":       c.IDTokenSignedResponseAlg, "UserInfoSignedResponseAlg": c.UserInfoSignedResponseAlg,
	} {
		if alg != "" && !slices.Contains(s.config.SigningAlgorithms, alg) {
			fault(field, "%q is not in Config.SigningAlgorithms; add it there", alg)
		}
	}
	for _, raw := range c.PostLogoutRedirectURIs {
		if err := checkPostLogoutRedirectURI(raw, c.ApplicationType == "native"); err != nil {
			fault("PostLogoutRedirectURIs", "%q: %v", raw, err)
		}
	}
	s.checkLogoutClient(c, fault)
	s.checkBackchannel(c, grants, fault)
	s.checkEncryption(c, fault)
	s.checkRequestObjects(c, usesCode && len(c.RedirectURIs) > 0, fault)
	if u, err := url.Parse(c.InitiateLoginURI); c.InitiateLoginURI != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		fault("InitiateLoginURI", "%q is not an https URL", c.InitiateLoginURI)
	}
	if c.DefaultMaxAge < 0 {
		fault("DefaultMaxAge", "is %v; it must not be negative", c.DefaultMaxAge)
	}
	checkLifetime(fault, "AccessTokenLifetime", c.AccessTokenLifetime, maxAccessToken)
	checkLifetime(fault, "RefreshTokenIdle", c.RefreshTokenIdle, maxRefreshToken)
	checkLifetime(fault, "RefreshTokenLifetime", c.RefreshTokenLifetime, maxRefreshToken)
	if c.DPoPBoundAccessTokens && !s.config.DPoP {
		fault("DPoPBoundAccessTokens", "needs Config.DPoP; turn that on")
	}
	for _, origin := range c.AllowedOrigins {
		if !isOrigin(origin) {
			fault("AllowedOrigins", "%q: write scheme, host and, where it is not the default, port, such as https://app.example.com", origin)
		}
	}
	for field, link := range map[string]string{"LogoURI": c.LogoURI, "URI": c.URI, "PolicyURI": c.PolicyURI, "TOSURI": c.TOSURI} {
		if u, err := url.Parse(link); link != "" && (err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http")) {
			fault(field, "%q is not an http or https URL", link)
		}
	}
	return errors.Join(errs...)
}

func checkLifetime(fault func(field, format string, args ...any), field string, d, most time.Duration) {
	if d < 0 || d > most || (d > 0 && d < time.Second) {
		fault(field, "is %v; it must be between 1s and %v, or 0 for the default", d, most)
	}
}

// isOrigin reports whether s is an origin as browsers send it (RFC 6454 §6.2).
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" &&
		strings.ToLower(s) == s && s == u.Scheme+"://"+u.Host && plainHost(u)
}
