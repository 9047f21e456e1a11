package authz

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The longest lives that make sense. A signing key outlives maxAccessToken.
const (
	maxCode         = 10 * time.Minute // RFC 6749 §4.1.2
	maxAccessToken  = 24 * time.Hour
	maxRefreshToken = 10 * 365 * 24 * time.Hour
	maxRefreshGrace = 5 * time.Minute
	minKeyRotation  = time.Hour

	// clockSlack is how much longer than it can matter a record is kept whose absence
	// allows something: that a token was revoked, that a page was answered. A clock that
	// runs ahead for a while and is set back must not undo that.
	clockSlack = maxSetBack + time.Hour
)

// complete fills in the defaults, and returns every fault of c at once.
func (c *Config) complete() error {
	var errs []error
	fault := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("authz: Config.%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if err := checkIssuer(c.Issuer); err != nil {
		fault("Issuer", "%q: %v", c.Issuer, err)
	}
	if c.Storage == nil {
		fault("Storage", `is nil; open one with bolt.Open("authz.db")`)
	}
	if c.Login == nil {
		fault("Login", "is nil; give a function that tells who is signed in, or returns RedirectToLogin(\"/login\")")
	}
	for scope := range c.Scopes {
		if !scopeToken(scope) {
			fault("Scopes", "%q is not a scope: printable ASCII without space, quote and backslash (RFC 6749 §3.3)", scope)
		}
	}
	c.completeResources(fault)
	c.checkAuthorizationDetails(fault)
	c.completeIssuers(fault)
	c.AuthorizationDetails = maps.Clone(c.AuthorizationDetails)
	switch c.AccessTokenFormat {
	case "":
		c.AccessTokenFormat = "jwt"
	case "jwt", "opaque":
	default:
		fault("AccessTokenFormat", "is %q; use jwt or opaque", c.AccessTokenFormat)
	}
	if len(c.SigningAlgorithms) == 0 {
		c.SigningAlgorithms = []string{"ES256"}
	}
	for _, alg := range c.SigningAlgorithms {
		if !slices.Contains([]string{"ES256", "EdDSA", "PS256", "RS256"}, alg) {
			fault("SigningAlgorithms", "%q is not supported; use ES256, EdDSA, PS256 or RS256", alg)
		}
	}
	if c.openID() && !c.FAPI2 && !slices.Contains(c.SigningAlgorithms, commonAlg) {
		c.SigningAlgorithms = append(slices.Clone(c.SigningAlgorithms), commonAlg)
	}
	if c.UserClaims != nil && !c.openID() {
		fault("UserClaims", "is set, but OpenID Connect is off; add the scope openid to Scopes")
	}
	if c.Logout != nil && !c.openID() {
		fault("Logout", "is set, but OpenID Connect is off; add the scope openid to Scopes")
	}
	if c.Sessions && !c.openID() {
		fault("Sessions", "is set, but OpenID Connect is off; add the scope openid to Scopes")
	}
	c.ClaimsSupported = slices.Clone(c.ClaimsSupported)
	if c.KeyRotation == 0 {
		c.KeyRotation = 90 * 24 * time.Hour
	} else if c.KeyRotation < minKeyRotation {
		fault("KeyRotation", "is %v; it must be at least %v, so that everybody sees a key before it signs", c.KeyRotation, minKeyRotation)
	}
	if c.EncryptionKey != nil && len(c.EncryptionKey) != 32 {
		fault("EncryptionKey", "has %d bytes; it must have 32 random ones", len(c.EncryptionKey))
	}
	if c.PairwiseKey != nil && len(c.PairwiseKey) != 32 {
		fault("PairwiseKey", "has %d bytes; it must have 32 random ones that never change, made once with: openssl rand -base64 32", len(c.PairwiseKey))
	}
	// What the host does to its own copies afterwards must not reach the server.
	c.EncryptionKey, c.PairwiseKey = bytes.Clone(c.EncryptionKey), bytes.Clone(c.PairwiseKey)
	c.Scopes = maps.Clone(c.Scopes)
	c.SigningAlgorithms = slices.Clone(c.SigningAlgorithms)
	for _, origin := range c.AllowedOrigins {
		if origin != "*" && !isOrigin(origin) {
			fault("AllowedOrigins", "%q: write scheme, host and, where it is not the default, port, such as https://app.example.com", origin)
		}
	}
	switch {
	case c.MutualTLSOrigin == "":
	case !c.MutualTLS:
		fault("MutualTLSOrigin", "is set, but MutualTLS is not; set both, or neither")
	case !isOrigin(c.MutualTLSOrigin) || !strings.HasPrefix(c.MutualTLSOrigin, "https://"):
		fault("MutualTLSOrigin", "%q: write scheme, host and, where it is not the default, port, such as https://mtls.example.com", c.MutualTLSOrigin)
	}
	for _, method := range without(c.TokenEndpointAuthMethods, append(slices.Clone(confidentialMethods), authNone)) {
		fault("TokenEndpointAuthMethods", "%q is not supported; use %s or %s", method, strings.Join(confidentialMethods, ", "), authNone)
	}
	c.TokenEndpointAuthMethods = slices.Clone(c.TokenEndpointAuthMethods)
	if c.RequireBoundAccessTokens && !c.DPoP && !c.MutualTLS {
		fault("RequireBoundAccessTokens", "is on, but clients have no key to bind tokens to; turn on DPoP or MutualTLS as well")
	}
	if c.DPoPNonces && !c.DPoP {
		fault("DPoPNonces", "is on, but DPoP is not; turn that on as well")
	}
	if c.Prefix == "" {
		c.Prefix = "/oauth2"
	} else if !plainPath(c.Prefix) {
		fault("Prefix", "is %q; it must begin with a slash, end without one, and need no escaping", c.Prefix)
	}
	c.completeBackchannel(fault)
	c.Lifetimes.complete(fault)
	c.completeIntroductions(fault)
	c.Limits.complete(fault)
	c.completeResponseTypes(fault)
	c.checkFAPI2(fault)
	if c.StorageTimeout == 0 {
		c.StorageTimeout = 3 * time.Second
	} else if c.StorageTimeout < 10*time.Millisecond {
		fault("StorageTimeout", "is %v; it must be at least 10ms, or nothing would ever be answered", c.StorageTimeout)
	}
	if c.IssueRefreshToken == nil {
		c.IssueRefreshToken = func(client *Client, scopes []string) bool {
			return !public(client) || slices.Contains(scopes, offlineAccess)
		}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return errors.Join(errs...)
}

func (l *Lifetimes) complete(fault func(field, format string, args ...any)) {
	bound := func(field string, d *time.Duration, def, most time.Duration) {
		if *d == 0 {
			*d = min(def, most)
		}
		checkLifetime(func(field, format string, args ...any) { fault("Lifetimes."+field, format, args...) }, field, *d, most)
	}
	bound("AuthorizationCode", &l.AuthorizationCode, time.Minute, maxCode)
	bound("PushedRequest", &l.PushedRequest, time.Minute, maxPushedRequest)
	bound("DeviceCode", &l.DeviceCode, 15*time.Minute, maxDeviceCode)
	bound("BackchannelAuthentication", &l.BackchannelAuthentication, 5*time.Minute, maxBackchannelAuthentication)
	bound("AccessToken", &l.AccessToken, time.Hour, maxAccessToken)
	bound("IDToken", &l.IDToken, time.Hour, maxAccessToken)
	bound("Session", &l.Session, 30*24*time.Hour, maxRefreshToken)
	bound("RefreshToken", &l.RefreshToken, 365*24*time.Hour, maxRefreshToken)
	switch {
	case l.RefreshTokenIdle == 0:
		l.RefreshTokenIdle = min(90*24*time.Hour, l.RefreshToken)
	case l.RefreshTokenIdle > l.RefreshToken && l.RefreshToken > 0:
		fault("Lifetimes.RefreshTokenIdle", "is %v, longer than Lifetimes.RefreshToken, %v; lower the first or raise the second", l.RefreshTokenIdle, l.RefreshToken)
	default:
		bound("RefreshTokenIdle", &l.RefreshTokenIdle, 0, maxRefreshToken)
	}
	switch {
	case l.RefreshGrace == 0:
		l.RefreshGrace = 30 * time.Second
	case l.RefreshGrace < 0:
		l.RefreshGrace = 0
	case l.RefreshGrace > maxRefreshGrace:
		fault("Lifetimes.RefreshGrace", "is %v; it must be at most %v, because a stolen token works for that long unnoticed", l.RefreshGrace, maxRefreshGrace)
	}
}

// checkIssuer says what is wrong with an issuer (RFC 8414 §2, RFC 9207 §2).
func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case issuer == "":
		return errors.New("is empty; it is the https URL under which clients reach this server")
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return errors.New("must be a URL such as https://app.example.com")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("must begin with https://")
	case u.Scheme == "http" && !loopbackHost(u.Hostname()):
		return errors.New("http is only for loopback (127.0.0.1, [::1] or localhost); use https, even where a proxy in front of the app ends TLS")
	case u.User != nil:
		return errors.New("must not hold a user name")
	case !plainHost(u):
		return errors.New("must name its host in ASCII (xn-- for international names), and a port only if it is not the scheme's own: clients compare it byte for byte")
	case strings.ContainsAny(issuer, "?#"):
		return errors.New("must not have a query or a fragment")
	case u.Path != "" && !plainPath(u.Path):
		return errors.New("must not end in a slash, and its path must need no escaping: clients compare it byte for byte")
	case issuer != u.Scheme+"://"+strings.ToLower(u.Host)+u.Path:
		return errors.New("must be written in lower case up to the path, because clients compare it byte for byte")
	}
	return nil
}

// plainHost reports whether a URL's host can be compared byte for byte.
func plainHost(u *url.URL) bool {
	if strings.ContainsFunc(u.Host, func(r rune) bool { return r <= 0x20 || r >= 0x7f || r == '*' }) || strings.HasSuffix(u.Host, ":") {
		return false
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return u.Port() == "" || err == nil && port > 0 && u.Port() != map[string]string{"https": "443", "http": "80"}[u.Scheme]
}

// plainPath reports whether a path can be compared byte for byte everywhere.
func plainPath(p string) bool {
	if !strings.HasPrefix(p, "/") || strings.HasSuffix(p, "/") || strings.Contains(p, "//") ||
		strings.Contains(p+"/", "/./") || strings.Contains(p+"/", "/../") {
		return false
	}
	return !strings.ContainsFunc(p, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/-._~", r)
	})
}

// addClients checks the clients registered in code and keeps copies of them.
func (s *Server) addClients(clients []Client) error {
	var errs []error
	for i := range clients {
		c := cloneClient(&clients[i])
		if err := s.checkClient(c); err != nil {
			errs = append(errs, err)
			continue
		}
		if _, twice := s.clients[c.ID]; twice {
			errs = append(errs, fmt.Errorf("authz: Config.Clients: %q is there twice; give each client an ID of its own", c.ID))
		}
		s.clients[c.ID] = c
		s.origins = append(s.origins, c.AllowedOrigins...)
	}
	return errors.Join(errs...)
}
