package authz

import (
	"context"
	"crypto"
	"crypto/x509"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// byCertificate reports whether a client authenticates by mutual TLS (RFC 8705 §2).
func byCertificate(c *Client) bool {
	return c.TokenEndpointAuthMethod == authTLS || c.TokenEndpointAuthMethod == authSelfSignedTLS
}

// checkCertificate: RFC 8705 §2. TLS has proven that the client holds the key of the
// certificate; here it is settled whether the certificate is the client's.
func (s *Server) checkCertificate(ctx context.Context, client *Client, req *Request) *Error {
	certificate, now := req.Certificate, s.now()
	switch {
	case certificate == nil:
		return badClient("certificate_missing")
	case now.Before(certificate.NotBefore) || now.After(certificate.NotAfter): // RFC 5280 §4.1.2.5
		return badClient("certificate_not_valid_now")
	case client.TokenEndpointAuthMethod == authSelfSignedTLS:
		return s.checkSelfSigned(ctx, client, certificate)
	case !req.CertificateVerified:
		// §7.3: anybody can make a certificate with any subject.
		return badClient("certificate_unverified")
	case !subjectMatches(client, certificate):
		return badClient("certificate_subject_mismatch")
	}
	return nil
}

// checkSelfSigned: RFC 8705 §2.2. What counts is the key: a certificate that the client
// renews with the same one needs no new registration.
func (s *Server) checkSelfSigned(ctx context.Context, client *Client, certificate *x509.Certificate) *Error {
	presented, comparable := certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !comparable {
		return badClient("certificate_key_unknown")
	}
	switch known, err := s.someKey(ctx, client, func(key *jose.JSONWebKey) bool { return key.Use != "enc" && presented.Equal(key.Key) }); {
	case err != nil:
		return keysUnavailable(err)
	case !known:
		return badClient("certificate_key_unknown")
	}
	return nil
}

// subjectMatches: RFC 8705 §2.1.2. Exactly one of the five is registered; with a host's own
// storage, where nobody checked that, the first counts.
func subjectMatches(c *Client, certificate *x509.Certificate) bool {
	switch {
	case c.TLSClientAuthSubjectDN != "":
		want, err1 := parseDN(c.TLSClientAuthSubjectDN)
		got, err2 := subjectOf(certificate)
		return err1 == nil && err2 == nil && want.equal(got)
	case c.TLSClientAuthSANDNS != "":
		return slices.ContainsFunc(certificate.DNSNames, func(name string) bool { return strings.EqualFold(name, c.TLSClientAuthSANDNS) })
	case c.TLSClientAuthSANURI != "":
		return slices.ContainsFunc(certificate.URIs, func(u *url.URL) bool { return u.String() == c.TLSClientAuthSANURI })
	case c.TLSClientAuthSANIP != "":
		want, err := netip.ParseAddr(c.TLSClientAuthSANIP)
		for _, ip := range certificate.IPAddresses {
			if got, ok := netip.AddrFromSlice(ip); err == nil && ok && got.Unmap() == want.Unmap() {
				return true
			}
		}
	case c.TLSClientAuthSANEmail != "":
		return slices.Contains(certificate.EmailAddresses, c.TLSClientAuthSANEmail)
	}
	return false
}
