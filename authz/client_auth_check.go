package authz

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/grantor-oauth/grantor/authz/internal/fetch"
)

// checkClientAuth finds the faults in how a client authenticates.
func (s *Server) checkClientAuth(c *Client, grants []string, fault func(field, format string, args ...any)) {
	method := c.TokenEndpointAuthMethod
	switch method {
	case "":
	case authNone:
		if len(c.Secrets) > 0 {
			fault("TokenEndpointAuthMethod", "is none, but the client has Secrets; take one of them out")
		}
	case authBasic, authPost, authSecretJWT:
		if len(c.Secrets) == 0 {
			fault("Secrets", "is empty; %s needs one, see NewSecret", method)
		}
	case authPrivateKeyJWT, authTLS, authSelfSignedTLS:
		if len(c.Secrets) > 0 {
			fault("Secrets", "is not empty, but a client with %s has none; take them out", method)
		}
		if method != authTLS && c.JWKS == "" && c.JWKSURI == "" {
			fault("JWKS", "is empty, and JWKSURI too; %s needs the client's public keys", method)
		}
	default:
		fault("TokenEndpointAuthMethod", "is %q; use one of %s", method, strings.Join(s.Metadata().TokenEndpointAuthMethodsSupported, ", "))
	}
	if methods := authMethodsOf(c); slices.Contains(confidentialMethods, methods[0]) || methods[0] == authNone {
		if allowed := s.config.TokenEndpointAuthMethods; len(allowed) > 0 && len(within(methods, allowed)) == 0 {
			fault("TokenEndpointAuthMethod", "would be %s, which is not in Config.TokenEndpointAuthMethods; use one of %s", strings.Join(methods, " or "), strings.Join(allowed, ", "))
		}
	}
	switch {
	case method == authSecretJWT && s.config.EncryptionKey == nil:
		fault("TokenEndpointAuthMethod", "is %s, which needs Config.EncryptionKey; set it, or use %s", method, authPrivateKeyJWT)
	case byCertificate(c) && !s.config.MutualTLS:
		fault("TokenEndpointAuthMethod", "is %s, which needs Config.MutualTLS", method)
	}
	if c.TLSClientCertificateBoundAccessTokens && !s.config.MutualTLS {
		fault("TLSClientCertificateBoundAccessTokens", "needs Config.MutualTLS")
	}
	s.checkSecrets(c, fault)
	s.checkKeys(c, fault)
	checkCertificateSubject(c, fault)
	if public(c) {
		if slices.Contains(grants, grantClientCredentials) {
			fault("GrantTypes", "client_credentials needs a client that authenticates, with Secrets or keys (RFC 6749 §4.4)")
		}
		if slices.Contains(grants, grantTokenExchange) {
			fault("GrantTypes", "token exchange needs a client that authenticates: whoever finds a token could exchange it for another (RFC 8693 §5)")
		}
		if c.ResourceServer {
			fault("ResourceServer", "needs Secrets or keys: introspection is for authenticated clients (RFC 7662 §2.1)")
		}
	}
}

func (s *Server) checkSecrets(c *Client, fault func(field, format string, args ...any)) {
	for _, secret := range c.Secrets {
		switch {
		case c.TokenEndpointAuthMethod == authSecretJWT:
			plain, err := s.openSecret(secret)
			switch {
			case !sealed(secret):
				fault("Secrets", "a Hash is not one that SealSecret made, which %s needs", authSecretJWT)
			case err != nil:
				fault("Secrets", "a Hash cannot be used: %v", err)
			case len(plain) < minSealedSecret:
				fault("Secrets", "a secret is shorter than %d bytes", minSealedSecret)
			}
		case sealed(secret):
			fault("Secrets", "a Hash is one that SealSecret made; only %s needs the secret itself, make another with HashSecret or NewSecret", authSecretJWT)
		case !strings.HasPrefix(secret.Hash, "$sha256$") && !strings.HasPrefix(secret.Hash, "$argon2id$"):
			fault("Secrets", "a Hash is not one that HashSecret or NewSecret made")
		}
	}
}

// checkKeys: RFC 7591 §2, jwks, jwks_uri and token_endpoint_auth_signing_alg.
func (s *Server) checkKeys(c *Client, fault func(field, format string, args ...any)) {
	if c.JWKS != "" && c.JWKSURI != "" {
		fault("JWKSURI", "is set, and JWKS too; a client has one of them")
	}
	if c.JWKSURI != "" {
		if err := fetch.Check(c.JWKSURI); err != nil {
			fault("JWKSURI", "%v", err)
		}
	}
	alg, method := c.TokenEndpointAuthSigningAlg, c.TokenEndpointAuthMethod
	allowed := map[string][]string{authPrivateKeyJWT: s.config.keyAlgs(), authSecretJWT: assertionSecretAlgs}[method]
	switch {
	case alg == "" || slices.Contains(allowed, alg):
	case allowed == nil:
		fault("TokenEndpointAuthSigningAlg", "is %q, but only %s and %s sign anything; take it out", alg, authPrivateKeyJWT, authSecretJWT)
	default:
		fault("TokenEndpointAuthSigningAlg", "is %q; use one of %s", alg, strings.Join(allowed, ", "))
	}
	if c.JWKS == "" {
		return
	}
	keys, faults, err := parseKeys([]byte(c.JWKS))
	if err != nil {
		fault("JWKS", "is %v", err)
		return
	}
	for _, what := range faults {
		fault("JWKS", "%s", what)
	}
	if len(keys) == 0 && len(faults) == 0 {
		fault("JWKS", "holds no keys")
	}
	if method == authPrivateKeyJWT && len(keys) > 0 {
		algs := s.config.keyAlgs()
		if slices.Contains(algs, alg) {
			algs = []string{alg}
		}
		if !slices.ContainsFunc(algs, func(alg string) bool {
			return slices.ContainsFunc(keys, func(key jose.JSONWebKey) bool { return fits(&key, alg) })
		}) {
			fault("JWKS", "holds no key for %s", strings.Join(algs, ", "))
		}
	}
}

// checkCertificateSubject: RFC 8705 §2.1.2.
func checkCertificateSubject(c *Client, fault func(field, format string, args ...any)) {
	var named []string
	for _, field := range [...]struct{ name, value string }{
		{"TLSClientAuthSubjectDN", c.TLSClientAuthSubjectDN}, {"TLSClientAuthSANDNS", c.TLSClientAuthSANDNS},
		{"TLSClientAuthSANURI", c.TLSClientAuthSANURI}, {"TLSClientAuthSANIP", c.TLSClientAuthSANIP},
		{"TLSClientAuthSANEmail", c.TLSClientAuthSANEmail},
	} {
		if field.value != "" {
			named = append(named, field.name)
		}
	}
	switch {
	case c.TokenEndpointAuthMethod == authTLS && len(named) == 0:
		fault("TLSClientAuthSubjectDN", "is empty; %s needs it, or one of the TLSClientAuthSAN fields", authTLS)
	case c.TokenEndpointAuthMethod == authTLS && len(named) > 1:
		fault(named[1], "is set, and %s too; %s needs exactly one", named[0], authTLS)
	case c.TokenEndpointAuthMethod != authTLS && len(named) > 0:
		fault(named[0], "is for %s alone; take it out", authTLS)
	}
	if dn := c.TLSClientAuthSubjectDN; dn != "" {
		if _, err := parseDN(dn); err != nil {
			fault("TLSClientAuthSubjectDN", "%v", err)
		}
	}
	if uri := c.TLSClientAuthSANURI; uri != "" {
		if u, err := url.Parse(uri); err != nil || !u.IsAbs() || u.String() != uri {
			fault("TLSClientAuthSANURI", "%q is not an absolute URI in the spelling of certificates", uri)
		}
	}
	if ip := c.TLSClientAuthSANIP; ip != "" {
		if _, err := netip.ParseAddr(ip); err != nil {
			fault("TLSClientAuthSANIP", "%q is not an IP address", ip)
		}
	}
}
