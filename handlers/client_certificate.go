package handlers

import (
	"crypto/x509"
	"net/http"

	"github.com/grantor-oauth/grantor/authz"
)

// setCertificate puts the client's TLS certificate into a request (RFC 8705 §2), and whether
// an authority for clients vouches for it.
func (e *endpoint) setCertificate(request *authz.Request, r *http.Request) *authz.Error {
	certificate, err := e.certificate(r)
	switch {
	case err != nil:
		e.log.ErrorContext(r.Context(), "client certificate unreadable; mend the proxy", "cause", err.Error())
		return e.refuse(r, http.StatusBadRequest, "client_certificate_malformed", "The TLS certificate of the client was not handed on correctly.")
	case certificate == nil:
		return nil
	}
	request.Certificate = certificate
	direct := r.TLS != nil && len(r.TLS.PeerCertificates) > 0 && r.TLS.PeerCertificates[0] == certificate
	switch {
	case e.clientCAs == nil:
		request.CertificateVerified = direct && len(r.TLS.VerifiedChains) > 0
	case direct:
		request.CertificateVerified = e.vouchedFor(certificate, r.TLS.PeerCertificates[1:])
	default:
		request.CertificateVerified = e.vouchedFor(certificate, nil)
	}
	return nil
}

// vouchedFor reports whether a chain leads from a certificate to Options.ClientCAs (RFC 5280
// §6), for clients.
func (e *endpoint) vouchedFor(certificate *x509.Certificate, others []*x509.Certificate) bool {
	options := x509.VerifyOptions{
		Roots: e.clientCAs, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, other := range others {
		options.Intermediates.AddCert(other)
	}
	_, err := certificate.Verify(options)
	return err == nil
}
